"""Many settings at once: what the panel trains, and the script that it shows for it."""

from pathlib import Path

import numpy as np
import pytest

from toolkit.panels import OptimizerPanel, StudyPanel
from toolkit.studies import phs

RECORDINGS = Path(__file__).parents[1] / "notebooks" / "recordings"


@pytest.mark.parametrize("plan", ["grid", "random", "fashion_mnist"])
def test_the_script_gives_the_records_of_the_panel(plan):
    panel, printed = StudyPanel(plan=plan, network="dense 100-100", masses=2, frictions=2, epochs=1, goal=0.5), []
    panel.run()
    exec(panel.code(), {"print": printed.append})
    assert [record.step for record in printed] == [record.step for record in panel.records]
    for ours, theirs in zip(printed, panel.records, strict=True):
        assert ours.metrics.keys() == theirs.metrics.keys()
        for name in ours.metrics:
            np.testing.assert_array_equal(ours.metrics[name], theirs.metrics[name])


@pytest.mark.parametrize("dataset", phs.TABLES)
def test_a_recorded_table_is_replayed_and_its_races_are_taken_to_the_race_panel(dataset):
    path = RECORDINGS / f"phs_{dataset}_implied.npz"
    race = OptimizerPanel()
    panel = StudyPanel(race=race)
    panel.replay(path)
    common, records = phs.averaged(path)
    assert panel.settings["plan"] == dataset
    assert panel.timeline.max == len(records) == common["epochs"] + 1
    assert "16 members" in panel.status_line.value and "recorded on" in panel.status_line.value
    panel.take()
    assert race.error_line.value == "" or "does not offer" in race.error_line.value
    assert [record.run for record in race.records[:3]] == ["SGD", "port-Hamiltonian", "goal-oriented"]
    assert race.settings["mass"] == panel.members(panel.settings)["mass"][0]
    assert "recorded on" in race.status_line.value


def test_a_new_run_ends_the_replay():
    panel = StudyPanel(race=OptimizerPanel(), network="dense 100-100", masses=1, frictions=1, epochs=1)
    panel.replay(RECORDINGS / "phs_cifar10_implied.npz")
    for name, value in {"plan": "grid", "scale": "classroom", "epochs": 1, "masses": 1, "frictions": 1}.items():
        panel.controls[name].value = value
    panel.run()
    assert "recorded on" not in panel.status_line.value
    panel.take()
    assert panel.race.records == []


def test_the_race_panel_says_which_balls_a_recorded_table_holds():
    panel = OptimizerPanel(mass=7)
    with pytest.raises(ValueError, match="no ball with .* = .0.1, 7.0, 0.1, 0.; recorded are"):
        panel.replay(RECORDINGS / "phs_cifar10_implied.npz")
    assert panel.records == []
