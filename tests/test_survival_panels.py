"""The panels of survival analysis: what they run, what a slider does to it, the scripts they show, and what can be dragged."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from small_panels import few_patients, timeless

from toolkit.datasets import patients
from toolkit.figures import survival as figures
from toolkit.panels import CoxPanel, MetricPanel, survival_metrics
from toolkit.survival import metrics, subjects


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(patients, "simulate", few_patients)


def small(**values) -> CoxPanel:
    return CoxPanel(**{"network": "VGG-like, 1/16", "epochs": 2} | values)


# Two clinics ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values",
    [
        {"network": "linear", "penalty": "none", "stratified": False},
        {"penalty": "l2", "seen": "both clinics", "ties": "efron", "risk": 0.5, "gap": 0.4, "pen": 0.0},
    ],
)
def test_the_script_gives_the_records_of_the_panel(values):
    panel, printed = small(**values | {"epochs": 1}), []
    panel.run()
    exec(panel.code(), {"print": printed.append})
    assert timeless(printed) == timeless(panel.records)


def test_a_moved_strength_changes_the_running_network(few):
    panel = small(strength=0.1, seen="both clinics", epochs=3)
    panel.step()
    while not panel.records or panel.run_button.description != "Resume":
        pass
    panel.controls["strength"].value = 50.0
    assert panel.fit.loss.strength == 50.0
    panel.controls["learning_rate"].value = 1e-4
    assert panel.fit.optimizer.param_groups[0]["lr"] == pytest.approx(1e-4)
    panel.controls["epochs"].value = 1
    panel.resume()
    panel.join()
    assert panel.records[-1].epoch == 1


def test_a_penalty_that_sees_both_clinics_slides_their_predictions_together(few):
    shifts = []
    for strength in (1e-4, 100.0):
        panel = small(strength=strength, seen="both clinics", epochs=8, learning_rate=1e-2).run()
        clinic, h = panel.records[-1].outcomes[:, 2], panel.records[-1].log_hazard
        shifts.append(abs(h[clinic == 1].mean() - h[clinic == 0].mean()))
    assert shifts[1] < 0.5 * shifts[0]


def test_the_groups_are_those_of_the_chosen_merging(few):
    panel = small(groups=2).run()
    record = panel.records[-1]
    texts = re.findall(r"<title>(low|high) risk: (\d+) patients, (\d+) events</title>", panel.frame.value)
    assert [name for name, _, _ in texts] == ["low", "high"]
    assert sum(int(count) for _, count, _ in texts) == len(record.log_hazard)
    assert sum(int(count) for _, _, count in texts) == record.outcomes[:, 1].sum()
    naive = panel.frame.value
    panel.controls["merge"].value = "standardised"
    assert "standardised log hazard" in panel.frame.value != naive


def test_the_line_of_text_gives_the_interval_and_the_events(few):
    panel = small(part="B").run()
    record = panel.records[-1]
    low, high = record.metrics["low_B"], record.metrics["high_B"]
    assert f"[{low:.3f}, {high:.3f}]" in panel.frame.value
    events = int(record.outcomes[record.outcomes[:, 2] == 1, 1].sum())
    assert f"{events} in B" in panel.frame.value


def test_a_run_is_saved_and_replayed(few, tmp_path):
    panel = small().run()
    panel.save(tmp_path / "run.npz")
    other = CoxPanel()
    other.replay(tmp_path / "run.npz")
    assert timeless(other.records) == timeless(panel.records)
    assert other.controls["network"].value == "VGG-like, 1/16"
    np.testing.assert_array_equal(other.records[-1].outcomes, panel.records[-1].outcomes)


def test_patients_are_drawn_again_only_when_they_change(few):
    panel = small()
    first = panel.data(panel.settings)
    panel.controls["strength"].value = 1.0
    assert panel.data(panel.settings) is first
    panel.controls["gap"].value = 0.0
    assert panel.data(panel.settings) is not first


def test_the_first_picture_is_there_before_any_run():
    frame = CoxPanel().frame.value
    assert "not run yet" in frame
    assert frame.count("<svg") == 4


# A few subjects -------------------------------------------------------------------------------------------------------


def test_the_picture_says_what_the_metrics_are():
    panel = MetricPanel(n=8, seed=3, horizon=40)
    time, event, h = panel.outcome
    assert f"{metrics.concordance_index(time, event, h):.3f}" in panel.frame.value
    assert f"AUROC of the label: {metrics.auroc(event, h):.3f}" in panel.frame.value


def test_moving_a_control_moves_the_chosen_subject_and_nothing_else():
    panel = MetricPanel(subject=3)
    before = [values.copy() for values in panel.outcome]
    panel.controls["log_hazard"].value = -2.0
    panel.controls["event"].value = 1.0 - before[1][2]
    panel.controls["time"].value = 77
    assert [values[2] for values in panel.outcome] == [77.0, 1.0 - before[1][2], -2.0]
    for now, then in zip(panel.outcome, before, strict=True):
        np.testing.assert_array_equal(np.delete(now, 2), np.delete(then, 2))


def test_choosing_another_subject_shows_its_values():
    panel = MetricPanel()
    panel.controls["subject"].value = 7
    shown = [panel.controls[name].value for name in ("time", "event", "log_hazard")]
    assert shown == pytest.approx([values[6] for values in panel.outcome])


def test_values_given_to_the_panel_are_those_of_its_subject():
    panel = MetricPanel(subject=2, log_hazard=3.0)
    assert panel.outcome[2][1] == 3.0
    assert panel.controls["log_hazard"].value == 3.0


def test_a_subject_is_dragged():
    panel = MetricPanel(seed=5)
    across, down = figures.subject_scales(survival_metrics.LIMITS)
    time, _, h = panel.outcome
    start = float(across(time[8])), float(down(h[8]))
    panel.pointed(list(start))
    assert panel.controls["subject"].value == 9
    for part in np.linspace(0, 1, 12):
        panel.pointed([start[0] + part * (100 - start[0]), start[1] + part * (60 - start[1])])
    assert panel.controls["subject"].value == 9
    assert panel.outcome[0][8] == round(across.inverse(100))
    assert panel.outcome[2][8] == pytest.approx(down.inverse(60), abs=0.03)
    assert panel.controls["time"].value == panel.outcome[0][8]


def test_run_moves_the_chosen_subject_through_all_positions():
    panel = MetricPanel(subject=4).run()
    assert [record.moved for record in panel.records] == pytest.approx(survival_metrics.POSITIONS)
    assert {tuple(np.delete(record.log_hazard, 3)) for record in panel.records} == {tuple(np.delete(panel.outcome[2], 3))}


def test_the_script_of_the_subjects_gives_the_records_of_the_panel():
    panel, printed = MetricPanel(subject=4, ties="nothing", horizon=55), []
    panel.controls["time"].value = 3
    panel.run()
    exec(panel.code(), {"print": printed.append})
    assert timeless_subjects(printed) == timeless_subjects(panel.records)


def timeless_subjects(records):
    return [repr(replace(record, log_hazard=record.log_hazard.round(6), moved=round(record.moved, 6))) for record in records]


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_metrics_that_are_not_defined_are_said_to_be(share):
    panel = MetricPanel(event_share=share)
    assert ("AUROC of the label: not defined" in panel.frame.value) is True
    assert ("C-index (0 right, 0 wrong, 0 tied): not defined" in panel.frame.value) is (share == 0.0)


# The numbers behind them ----------------------------------------------------------------------------------------------


def test_measured_values_are_those_of_the_metrics():
    time, event, h = subjects.draw(12, seed=4)
    found = subjects.measure(time, event, h, horizon=25.0)
    assert found.c_index == metrics.concordance_index(time, event, h)
    assert found.auroc == metrics.auroc(event, h)
    assert found.auc == metrics.cumulative_dynamic_auc(time, event, h, [25.0]).mean
    assert found.concordant + found.discordant + found.tied == metrics.concordance_pairs(time, event, h).comparable


def test_the_label_ignores_when_the_event_was():
    """The order of the events is right, but who was followed for long had an event: a label without times is misled."""
    found = subjects.measure([1.0, 10.0, 20.0, 30.0], [0, 1, 1, 1], [2.0, 3.0, 2.0, 1.0], horizon=15.0)
    assert found.c_index == 1.0
    assert found.auroc == 0.5


def test_a_scale_on_the_log_hazard_changes_the_brier_score_alone():
    time, event, h = subjects.draw(12, seed=4)
    one, other = (subjects.measure(time, event, factor * h, horizon=30.0) for factor in (1.0, 4.0))
    assert (one.c_index, one.auroc, one.auc) == (other.c_index, other.auroc, other.auc)
    assert one.brier != pytest.approx(other.brier, rel=0.01)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: subjects.draw(1), "n must be 2 or more"),
        (lambda: subjects.draw(5, events=1.5), "events in 0 .. 1"),
        (lambda: subjects.measure([1.0], [1], [0.0], horizon=0.0), "horizon must be positive and finite, got 0.0"),
        (lambda: subjects.measure([1.0], [1], [0.0], horizon=1.0, subject=1), "subject must be a number from 0 to 0, got 1"),
        (lambda: subjects.measure([1.0], [2], [0.0], horizon=1.0), "event must be 1 (seen) or 0 (censored), got 2"),
        (lambda: subjects.measure([1.0, 2.0], [1, 0], [0.0, np.nan], horizon=1.0), "log_hazard must be finite"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError) as refusal:  # noqa: PT011
        call()
    assert message in str(refusal.value)


# Figures --------------------------------------------------------------------------------------------------------------


def test_the_corners_of_a_survival_curve():
    curve = figures.Curve("all", np.array([2.0, 5.0]), np.array([0.5, 0.25]), np.zeros(2), np.ones(2))
    time, survival = curve.steps("survival")
    assert time.tolist() == [0, 2, 2, 5, 5]
    assert survival.tolist() == [1, 1, 0.5, 0.5, 0.25]


def test_groups_are_coloured_from_the_lowest_risk_to_the_highest():
    for count in range(1, 5):
        chosen = figures.group_colours(count)
        assert len(set(chosen)) == count
        assert chosen[-1] == (figures.GROUPS[-1] if count > 1 else chosen[0])
    assert figures.group_colours(0) == []


def test_static_figures_draw_what_they_are_given():
    from matplotlib.figure import Figure

    axes = Figure().subplots(1, 4)
    h, clinic = torch.randn(60, generator=torch.Generator().manual_seed(0)), torch.arange(60) % 2
    edges = np.linspace(-3, 3, 7)
    figures.draw_histograms(axes[0], edges, np.array([np.histogram(h[clinic == k], edges)[0] / 30 for k in (0, 1)]), title="h")
    curve = figures.Curve("all", np.array([2.0]), np.array([0.5]), np.array([0.1]), np.array([0.8]))
    figures.draw_survival(axes[1], [curve], title="S")
    figures.draw_table(axes[2], ["A", "B"], {"A": [0.6, 0.7], "B": [0.5, 0.6]}, [0.68, 0.61], title="C")
    figures.draw_calibration(axes[3], [1, 10], np.array([[0.5, 0.6], [0.6, 0.65]]), naive=0.5, standardised=0.66)
    assert [text.get_text() for text in axes[2].get_xticklabels()] == ["A", "B"]
    assert len(axes[2].collections) == 6
    assert axes[3].lines[0].get_ydata().tolist() == pytest.approx([0.55, 0.625])
    assert len(axes[0].patches) == 4
    assert axes[1].lines[0].get_xydata().tolist() == [[0, 1], [2, 1], [2, 0.5]]
