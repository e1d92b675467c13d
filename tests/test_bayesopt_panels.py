"""The panels of Bayesian optimisation: their scripts, an own campaign with its log and report, the recorded race."""

from pathlib import Path

import numpy as np
import pytest
from sintering_cases import CONDUCTIVITY, sintering_campaign, sintering_table, small_campaign

from toolkit import bayesopt, published
from toolkit.datasets import sintering
from toolkit.figures import campaign_report
from toolkit.panels import CampaignPanel, DuelPanel, StrategyPanel
from toolkit.studies import strategies

RECORDING = Path(__file__).parents[1] / "notebooks" / "recordings" / "strategies_kappa_3.npz"
PANELS = {
    "campaign": lambda: CampaignPanel(iterations=3, batch=2, widen=3, seed=1),
    "duel": lambda: DuelPanel(steps=2, opponents=("ei", "random"), acid=-7.5),
    "race": lambda: StrategyPanel(repeats=3, steps=6, initial=("5",)),
}


@pytest.mark.parametrize("name", PANELS)
def test_the_script_gives_the_records_of_the_panel(name):
    panel, printed = PANELS[name](), []
    panel.run()
    exec(panel.code(), {"print": printed.append})
    assert len(printed) == len(panel.records) > 0
    for ours, theirs in zip(printed, panel.records, strict=True):
        for field in set(ours.__dataclass_fields__) - {"seconds"}:
            np.testing.assert_array_equal(getattr(ours, field), getattr(theirs, field))


@pytest.mark.parametrize("name", PANELS)
def test_a_run_is_saved_and_replayed(name, tmp_path):
    panel, again = PANELS[name](), PANELS[name]()
    panel.run()
    panel.save(tmp_path / "run.npz")
    again.replay(tmp_path / "run.npz")
    assert again.frame.value == panel.frame.value
    assert "recorded" in again.status_line.value


def test_the_batch_grows_point_by_point_and_the_space_widens():
    panel = CampaignPanel(iterations=3, batch=2, widen=3)
    panel.run()
    assert [len(record.batch) for record in panel.records] == [1, 2, 0] * 3
    assert [len(record.points) for record in panel.records[::3]] == [80, 80, 2574]
    assert [len(record.y) for record in panel.records] == [12, 12, 14, 14, 14, 16, 16, 16, 18]


def test_a_log_is_loaded_proposals_are_made_and_a_report_is_written(tmp_path):
    samples = sintering.measured()[[*sintering.INPUTS, sintering.CONDUCTIVITY]]
    samples.assign(note="a").to_csv(tmp_path / "log.csv", index=False)
    panel = CampaignPanel(batch=3)
    panel.path.value = str(tmp_path / "log.csv")
    panel.load()
    assert panel.campaign.objectives[0] == bayesopt.Objective("conductivity", "S/cm", log=False)
    panel.run()
    assert len(panel.records) == 3 and len(panel.campaign.pending) == 3
    panel.report()
    text = (tmp_path / "log.html").read_text(encoding="utf-8")
    assert text.count("<svg") == 2 and "Next experiments" in text and "sample" not in text
    assert "written to" in panel.error_line.value


def test_a_file_that_cannot_be_loaded_is_said_and_changes_nothing(tmp_path):
    (tmp_path / "log.csv").write_text("x [1],y [1]\n1,2\n")
    panel = CampaignPanel()
    with pytest.raises(ValueError, match="two variables and an objective are needed"):
        panel.load(tmp_path / "log.csv")
    with pytest.raises(ValueError, match="nothing to report yet"):
        panel.report()
    assert panel.own is None


def test_an_own_campaign_is_shown_with_what_it_has_measured():
    campaign = sintering_campaign(past=15)
    panel = CampaignPanel(campaign, batch=2)
    assert "best of 15" in panel.frame.value
    panel.run()
    assert len(campaign.pending) == 2


def test_a_campaign_that_the_panel_cannot_show_is_refused():
    with pytest.raises(ValueError, match="two variables or more and a first objective whose goal is 'max'"):
        CampaignPanel(small_campaign())


def test_a_click_chooses_the_next_experiment_and_a_choice_acts_at_the_next_turn():
    panel = DuelPanel(steps=5, opponents=("random",))
    panel.pointed([60.0, 30.0])
    assert (panel.settings["temperature"], panel.settings["time"]) == (800, 480)
    panel.step()
    panel.controls["acid"].value = -7.5
    panel.start()
    panel.join()
    assert panel.records[-1].x[-1].tolist() == [-7.5, 800, 480]
    assert panel.records[-1].players == ("you", "random")


def test_the_first_player_is_the_person():
    with pytest.raises(ValueError, match="the first player must be 'you'"):
        bayesopt.duel({"ei": small_campaign()}, lambda x: x, you=list, turns=1)


def test_an_own_table_is_raced():
    panel = StrategyPanel(sintering_table().iloc[::2], repeats=2, initial=("5",), curve=5)
    panel.run()
    assert panel.controls["steps"].max == 39
    assert panel.records[-1].tries <= 35


# The recorded figure ----------------------------------------------------------------------------------------------------


def test_the_recorded_race_is_replayed_and_has_the_published_shape():
    panel = StrategyPanel()
    panel.replay(RECORDING)
    assert panel.settings["repeats"] == 200 and panel.settings["initial"] == tuple(map(str, strategies.INITIAL))
    results = strategies.results(RECORDING).set_index(["strategy", "initial"])
    for name in ("ucb", "ei"):
        late = results.loc[name].loc[15:]
        assert (late["fraction"] >= 0.95).all()
        assert late.loc[15, "tries"] < 6.5
    stated = published.table("zhao_section_4_1_bo_statements").set_index("key")["value"]
    assert round(200 * bayesopt.random_baseline(80, 79)[0]) == stated["random_found"]
    for initial in strategies.INITIAL:
        share = bayesopt.random_baseline(80, 80 - initial)[0]
        assert abs(results.loc[("random", initial), "fraction"] - share) < 3 * np.sqrt(share * (1 - share) / 200)


def test_the_study_writes_what_the_panel_replays(tmp_path):
    strategies.record(tmp_path / "race.npz", repeats=2, initial=(5,))
    panel = StrategyPanel()
    panel.replay(tmp_path / "race.npz")
    assert panel.records[-1].picked.shape == (4, 1, 2)


# Reports ----------------------------------------------------------------------------------------------------------------


def test_a_report_tells_of_the_front_and_is_written_whole(tmp_path):
    two = [CONDUCTIVITY, bayesopt.Objective("relative density", "%")]
    campaign = sintering_campaign(objectives=two, past=15, acquisition="nehvi")
    path = campaign_report.write_report(campaign, tmp_path / "report.html")
    text = path.read_text(encoding="utf-8")
    assert "Front of the two objectives" in text and text.count("<svg") == 3
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


def test_reports_that_cannot_be_are_refused(tmp_path):
    with pytest.raises(ValueError, match="must end in .html"):
        campaign_report.write_report(small_campaign(), tmp_path / "report.txt")
    with pytest.raises(ValueError, match="no experiment yet"):
        campaign_report.write_report(small_campaign(values=()), tmp_path / "report.html")
    assert not list(tmp_path.iterdir())
