"""The race of optimizers: its runs, what steers them, how they branch, and the script that gives the same numbers."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from small_panels import few_digits, timeless, until

from toolkit import datasets, recordings, training
from toolkit.panels import OptimizerPanel, images
from toolkit.panels import optimizer as module
from toolkit.panels.optimizer import RUNS

STEPS = 8  # of an epoch of 120 images in batches of 16
FEW = few_digits()


def small(**values):
    """A panel for 120 digits, 8 steps an epoch, no brake by itself."""
    return OptimizerPanel(data=FEW, **({"epochs": 2, "batch_size": 16, "goal": 0.01, "runs": RUNS[:2]} | values))


def column(records, run, metric):
    return [record.metrics[metric] for record in records if record.run == run and metric in record.metrics]


def ball(panel, run="goal-oriented"):
    """Settings of a running ball."""
    group = panel.runs[run].optimizer.param_groups[0]
    return {name: group[name] for name in ("lr", "mass", "friction")}


@pytest.fixture
def paused():
    """Make a panel that has paused after some records."""
    made = []

    def make(records=4, **values):
        panel = small(**values)
        made.append(panel)
        for count in range(1, records + 1):
            panel.step()
            until(lambda count=count: len(panel.records) == count and panel.run_button.description == "Resume", "the pause")
        return panel

    yield make
    for panel in made:
        panel.stop()


def finish(panel):
    panel.resume()
    panel.join()


# The race ---------------------------------------------------------------------------------------------------------------


def test_a_new_panel_shows_a_picture_and_offers_the_digits():
    panel = OptimizerPanel()
    assert "No run yet" in panel.frame.value
    assert "digits" in panel.controls["dataset"].options
    assert panel.controls["dataset"].value == "digits"
    assert panel.status_line.value.startswith("ready")


def test_every_run_has_all_its_epochs_and_a_test_accuracy():
    panel = small(runs=RUNS).run()
    results = panel.results()
    assert results["run"].tolist() == list(RUNS)
    assert (results["epochs"] == 2).all()
    assert results["test accuracy"].between(0, 1).all()
    assert results["best epoch"].isin([1, 2]).all()
    for run in RUNS:
        assert [record.epoch for record in panel.records if record.run == run] == [0.0, 1.0, 2.0]
        assert f"{run} accuracy {column(panel.records, run, 'validation_accuracy')[-1]:.3f}" in panel.frame.value
    by_hand = training.evaluate(panel.runs["Adam"].model, FEW.test, normalise=FEW.normalise)["accuracy"]
    assert results.set_index("run").loc["Adam", "test accuracy"] == by_hand


def test_results_leave_the_runs_as_they_are(paused):
    panel = paused(records=8, runs=("SGD",), learning_rate=1.0, epochs=20)
    model = panel.runs["SGD"].model
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    assert panel.results()["epochs"].tolist() == [7]
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())


def test_the_best_weights_are_those_of_the_least_validation_loss():
    panel = small(runs=("SGD",), learning_rate=1.0, epochs=8).run()
    losses = column(panel.records, "SGD", "validation_loss")[1:]
    row = panel.results().iloc[0]
    assert row["best epoch"] == 1 + losses.index(min(losses))
    again = small(runs=("SGD",), learning_rate=1.0, epochs=int(row["best epoch"])).run()
    assert again.results().iloc[0]["test accuracy"] == row["test accuracy at best"]


@pytest.mark.parametrize("network", module.NETWORKS)
def test_all_runs_start_from_the_same_weights_and_see_the_same_batches(network):
    panel = small(runs=RUNS, network=network, seed=5)
    records = panel.begin(panel.settings)
    first, *others = [run.model.state_dict() for run in panel.runs.values()]
    assert all(torch.equal(first[name], other[name]) for other in others for name in first)
    seen = {name: [] for name in RUNS}
    for name, run in panel.runs.items():
        run.model.register_forward_pre_hook(lambda model, inputs, name=name: seen[name].append(inputs[0].clone()))
    list(records)
    for name in RUNS[1:]:
        assert len(seen[name]) == len(seen[RUNS[0]]) > 2 * STEPS
        assert all(torch.equal(a, b) for a, b in zip(seen[name], seen[RUNS[0]], strict=True))


def test_another_seed_gives_other_weights():
    first, other = (small(runs=("SGD",), seed=seed).run() for seed in (0, 1))
    assert timeless(first.records) != timeless(other.records)


def test_matched_sgd_gives_the_numbers_of_the_printed_scheme():
    panel = small(runs=("port-Hamiltonian", "SGD, matched", "SGD"), friction_scheme="euler", epochs=3, friction=0.5).run()
    for metric in ("batch_loss", "validation_loss"):
        theirs, ours, others = (column(panel.records, run, metric) for run in panel.runs)
        np.testing.assert_allclose(ours, theirs, rtol=1e-4)
        assert not np.allclose(others, theirs, rtol=1e-4)


def test_the_scales_shrink_a_large_set_only(monkeypatch):
    monkeypatch.setattr(images, "SCALES", {"classroom": 100, "laptop": 12_000, "published": None})
    for scale, samples in (("classroom", 100), ("laptop", 120), ("published", 120)):
        panel = small(runs=("SGD",), epochs=1, scale=scale).run()
        assert len(panel.data.train[0]) == samples


def test_own_data_are_what_is_trained_on():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (90, 3, 12, 12), dtype=np.uint8)
    data = datasets.from_arrays(images, rng.integers(0, 4, 90), name="mine", classes=("a", "b", "c", "d"))
    panel = OptimizerPanel(data=data, epochs=1, runs=("SGD", "Adam")).run()
    assert panel.data is data
    assert panel.controls["dataset"].options == ("own data",)
    assert panel.runs["SGD"].model[-1].out_features == 4
    assert "data = ..." in panel.code()
    assert len(panel.results()) == 2


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"runs": ()}, "race: choose at least one"),
        ({"goal_kind": "reduction", "goal": 1.5}, "between 0 and 1, got 1.5"),
        ({"friction_scheme": "euler", "friction": 10.0, "factor": 1.0, "runs": ("port-Hamiltonian",)}, "must be below 2"),
        ({"friction_scheme": "euler", "friction": 1.0, "factor": 20.0}, "must be below 2"),  # once the brake is on
    ],
)
def test_settings_that_cannot_work_are_refused_and_the_last_race_stays(values, message):
    panel = small(epochs=1).run()
    runs, frame = panel.runs, panel.frame.value
    for name, value in values.items():
        panel.controls[name].value = value
    panel.run_button.click()
    assert message in panel.error_line.value
    assert panel.runs is runs
    assert (panel.frame.value.split("friction per step")[0], len(panel.results())) == (frame.split("friction per step")[0], 2)
    with pytest.raises(ValueError, match=message):
        panel.run()


def test_a_race_that_diverges_ends_without_an_error():
    panel = small(runs=RUNS[:2], learning_rate=1.0, mass=1e-4, friction=1e-4, goal=2.0, epochs=5).run()
    assert all(record.diverged for record in panel.records[-2:])
    assert "diverged" in panel.status_line.value
    assert panel.error_line.value == ""


# Steering ---------------------------------------------------------------------------------------------------------------


def test_sliders_act_on_the_running_balls_at_once(paused):
    panel = paused()
    panel.controls["learning_rate"].value = 0.02
    panel.controls["mass"].value = 2.0
    panel.controls["friction"].value = 0.7
    for run in RUNS[:2]:
        assert ball(panel, run) == {"lr": 0.02, "mass": 2.0, "friction": 0.7}
    finish(panel)
    assert column(panel.records, "port-Hamiltonian", "learning_rate")[-1] == 0.02


def test_sliders_do_not_act_on_the_rivals(paused):
    panel = paused(runs=("goal-oriented", "SGD", "Adam"))
    rates = [panel.runs[run].optimizer.param_groups[0]["lr"] for run in ("SGD", "Adam")]
    panel.controls["learning_rate"].value = 0.5
    assert [panel.runs[run].optimizer.param_groups[0]["lr"] for run in ("SGD", "Adam")] == rates
    assert ball(panel)["lr"] == 0.5


def test_a_braked_ball_keeps_the_factor_when_its_friction_is_moved(paused):
    panel = paused(friction=0.1, factor=20.0)
    panel.brake_button.click()
    assert ball(panel)["friction"] == pytest.approx(2.0)
    assert ball(panel, "port-Hamiltonian")["friction"] == 0.1
    panel.controls["friction"].value = 0.3
    assert ball(panel)["friction"] == pytest.approx(6.0)
    panel.controls["factor"].value = 5.0
    assert ball(panel)["friction"] == pytest.approx(1.5)
    panel.push_button.click()
    assert ball(panel)["friction"] == pytest.approx(0.3)


def test_goal_kind_and_patience_reach_the_running_brakes(paused):
    panel = paused(runs=("goal-oriented", "step decay"))
    brakes = [panel.runs[run].schedulers[0] for run in panel.runs]
    panel.controls["goal"].value = 0.6
    assert [(brake.kind, brake.goal) for brake in brakes] == [("loss", 0.6)] * 2
    panel.controls["patience"].value = 7
    panel.controls["goal_kind"].value = "overfitting"
    assert [(brake.kind, brake.goal) for brake in brakes] == [("overfitting", 7)] * 2
    finish(panel)
    assert panel.error_line.value == ""


def test_more_and_fewer_epochs_during_a_run(paused):
    panel = paused(records=1)
    panel.controls["epochs"].value = 4
    finish(panel)
    assert panel.records[-1].epoch == 4
    panel = paused(records=5, epochs=10)
    panel.controls["epochs"].value = 1  # epoch 2 is at work
    finish(panel)
    assert panel.records[-1].epoch <= 2


@pytest.mark.parametrize(
    ("move", "run"),
    [
        ({"friction": 100.0}, "port-Hamiltonian"),  # unstable as it is
        ({"friction": 1.0}, "goal-oriented"),  # unstable once the brake is on
        ({"mass": 0.01}, "goal-oriented"),
        ({"factor": 1000.0}, "goal-oriented"),
    ],
)
def test_an_unstable_move_is_refused_and_the_run_goes_on_as_before(move, run, paused):
    panel = paused(runs=(run, "SGD"), friction_scheme="euler", goal=2.2, learning_rate=0.3, mass=1.0, friction=0.1, epochs=3)
    before = ball(panel, run)
    ((name, value),) = move.items()
    usual = panel.controls[name].value
    panel.controls[name].value = value
    assert "must be below 2 in the &#x27;euler&#x27; scheme" in panel.error_line.value
    assert ball(panel, run) == before
    assert all(brake.factor == 20.0 for brake in panel.runs[run].schedulers)
    panel.controls["epochs"].value = 4  # is not held up by the move that was refused
    assert ball(panel, run) == before
    finish(panel)
    assert panel.records[-1].epoch == 4
    panel = paused(runs=(run, "SGD"), friction_scheme="euler", friction=0.1)
    panel.controls[name].value = value
    panel.controls[name].value = usual
    assert panel.error_line.value == ""


def test_a_refused_move_holds_for_all_runs(paused):
    panel = paused(friction_scheme="euler", runs=("port-Hamiltonian", "goal-oriented"))
    before = ball(panel), ball(panel, "port-Hamiltonian")
    panel.controls["friction"].value = 1.0  # the ball without a brake could take it
    assert (ball(panel), ball(panel, "port-Hamiltonian")) == before


def test_a_goal_that_no_run_could_begin_with_is_refused(paused):
    panel = paused(goal=1.5)
    panel.controls["goal_kind"].value = "fraction"
    assert "between 0 and 1, got 1.5" in panel.error_line.value
    assert panel.runs["goal-oriented"].schedulers[0].kind == "loss"


def test_a_goal_without_a_brake_holds_nothing_up(paused):
    panel = paused(records=2, runs=("port-Hamiltonian",), goal=1.5, goal_kind="fraction")
    panel.controls["friction"].value = 0.7
    assert panel.error_line.value == ""
    assert ball(panel, "port-Hamiltonian")["friction"] == 0.7


def test_the_brake_button_brakes_once_and_is_marked(paused):
    panel = paused(friction=0.1, factor=10.0, epochs=3)
    epoch = panel.records[-2].epoch  # of the goal-oriented run
    panel.brake_button.click()
    panel.brake_button.click()
    assert ball(panel)["friction"] == pytest.approx(1.0)
    finish(panel)
    assert panel.curves.brakes == [("goal-oriented", epoch)]
    assert f"goal-oriented: brake on at epoch {epoch:.2f}" in panel.frame.value
    assert column(panel.records, "goal-oriented", "friction")[-1] == pytest.approx(1.0)
    assert column(panel.records, "port-Hamiltonian", "friction")[-1] == 0.1


def test_the_brake_works_by_itself_when_the_goal_is_reached():
    panel = small(goal=2.5, factor=10.0, friction=0.1, runs=RUNS).run()
    assert panel.curves.brakes == [("goal-oriented", 1.0), ("step decay", 1.0)]
    assert column(panel.records, "goal-oriented", "friction") == pytest.approx([0.1, 0.1, 1.0])
    rates = column(panel.records, "step decay", "learning_rate")
    assert rates == pytest.approx([rates[0], rates[0], rates[0] / 10])


def test_a_push_gives_one_unit_of_kinetic_energy_and_arms_the_brake(paused):
    panel = paused()
    panel.brake_button.click()
    brake, optimizer = panel.runs["goal-oriented"].schedulers[0], panel.runs["goal-oriented"].optimizer
    before = optimizer.kinetic_energy()
    panel.push_button.click()
    assert not brake.braked
    assert optimizer.kinetic_energy() == pytest.approx(before + 1.0, abs=0.2)
    finish(panel)
    assert panel.curves.brakes == []


def test_brake_and_push_without_a_run_do_nothing(caplog):
    panel = small()
    panel.brake_button.click()
    panel.push_button.click()
    assert (caplog.text, panel.error_line.value) == ("", "")


# Rewind and branch ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("runs", [RUNS[:2], ("port-Hamiltonian", "SGD")])
@pytest.mark.parametrize("epoch", [0, 1, 3])
def test_a_branch_with_the_same_settings_repeats_the_run(epoch, runs):
    panel = small(runs=runs, epochs=5, goal=2.25, learning_rate=0.3).run()
    original = [record for record in panel.records if record.run == runs[0]]
    assert any(record.metrics.get("braked") for record in original) == (runs[0] == "goal-oriented")
    count = len(panel.records)
    panel.rewind.value = epoch
    panel.branch_button.click()
    panel.join()
    name = f"branch 1 from epoch {epoch}"
    branch = panel.records[count:]
    assert {record.run for record in branch} == {name}
    later = [replace(record, run=name) for record in original if record.epoch > epoch]
    assert timeless(branch) == timeless(later)
    assert panel.results()["run"].tolist() == [*runs, name]
    assert name in panel.frame.value


def test_a_branch_takes_the_settings_of_now():
    panel = small(epochs=4, goal=2.25, learning_rate=0.3, friction=0.1, factor=10.0).run()
    values = {"friction": 0.4, "learning_rate": 0.05, "mass": 1.5, "factor": 3.0, "friction_scheme": "implicit", "goal": 0.02}
    for name, value in values.items():
        panel.controls[name].value = value
    braked = int(panel.curves.brakes[0][1])
    for number, (epoch, friction) in enumerate(((0, 0.4), (braked, 1.2)), 1):
        panel.rewind.value = epoch
        panel.branch()
        panel.join()
        name = f"branch {number} from epoch {epoch}"
        first = next(record for record in panel.records if record.run == name)
        assert first.metrics["friction"] == pytest.approx(friction)
        assert first.metrics["learning_rate"] == 0.05
        group = panel.runs[name].optimizer.param_groups[0]
        assert (group["mass"], group["friction_scheme"]) == (1.5, "implicit")
        assert (panel.runs[name].schedulers[0].goal, panel.runs[name].schedulers[0].factor) == (0.02, 3.0)


def test_a_branch_can_be_taken_from_a_race_that_is_running(paused):
    panel = paused(records=6, epochs=9)
    panel.rewind.value = 1
    panel.branch()
    panel.join()
    assert [record.run for record in panel.records[6:]] == ["branch 1 from epoch 1"] * 8
    assert panel.runs["goal-oriented"].epoch == 2


def test_branches_are_refused_where_they_have_no_room_or_no_beginning():
    panel = small(epochs=1)
    panel.branch_button.click()
    assert "nothing to branch from" in panel.error_line.value
    panel = small(epochs=1, runs=("SGD", "Adam")).run()
    panel.branch_button.click()
    assert "nothing to branch from" in panel.error_line.value
    panel = small(epochs=1, runs=RUNS[:5]).run()
    panel.branch()
    panel.join()
    assert len(panel.runs) == 6
    panel.branch_button.click()
    assert "6 runs are drawn already" in panel.error_line.value
    assert len(panel.runs) == 6


def test_a_branch_that_cannot_go_on_is_refused_and_adds_no_run():
    panel = small(epochs=2).run()
    records = list(panel.records)
    for values, message in (
        ({"epochs": 1}, "end at or before epoch 1"),
        ({"seed": 4}, "seed"),
        ({"network": "dense 100-100"}, "state: made with"),
        ({"friction_scheme": "euler", "friction": 10.0}, "must be below 2"),
    ):
        before = panel.settings
        for name, value in values.items():
            panel.controls[name].value = value
        panel.rewind.value = 1
        panel.branch_button.click()
        assert message in panel.error_line.value
        assert list(panel.runs) == list(RUNS[:2])
        assert panel.records == records
        for name in values:
            panel.controls[name].value = before[name]


# Recordings -------------------------------------------------------------------------------------------------------------


def test_a_recorded_race_is_shown_as_it_was(tmp_path):
    panel = small(goal=2.5, runs=RUNS[:3], epochs=3).run()
    panel.save(tmp_path / "race.npz")
    other = small(epochs=1).run()
    other.replay(tmp_path / "race.npz")
    assert other.settings == panel.settings
    assert other.records == panel.records
    assert other.frame.value == panel.frame.value
    other.timeline.value = 4
    assert "brake on" not in other.frame.value
    assert len(other.results()) == 0  # only what was run here can be asked, steered or branched
    with pytest.raises(ValueError, match="nothing to branch from"):
        other.branch()


def test_a_race_on_data_that_are_not_here_can_be_replayed(tmp_path):
    panel = small(epochs=1).run()
    recordings.save(tmp_path / "race.npz", panel.records, settings=panel.settings | {"dataset": "imagenet"}, title=panel.title)
    other = small()
    other.replay(tmp_path / "race.npz")
    assert "recorded with dataset = &#x27;imagenet&#x27;" in other.error_line.value
    assert other.records == panel.records
