"""The explorer of symmetry functions and the panel that trains a potential: records, scripts, replays, steering, figures."""

import time
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from toolkit.datasets import aluminium
from toolkit.figures import potential as figures
from toolkit.panels.potential import TICKED, PotentialPanel
from toolkit.panels.symmetry import SymmetryPanel
from toolkit.potential import G5, HighDimensionalNetwork, SymmetryFunctions, document_set, learning
from toolkit.potential.distributions import angle_distribution, radial_distribution
from toolkit.potential.fitting import EnergyFit, Schedule

TINY = aluminium.Scale(("10K", "500K", "950K"), repeat=2, trajectories=3, frames=3, stride=2, settling=6, melting=10)


@pytest.fixture(scope="module")
def cells():
    return aluminium.emt(TINY, keep=False)


@pytest.fixture
def offered(monkeypatch, cells):
    """What the panel finds whatever scale is chosen."""
    monkeypatch.setattr(aluminium, "emt", lambda scale: cells)


def data(cells, name="22"):
    return learning.energy_data(SymmetryFunctions(*document_set(name)), cells, *cells.split(seed=0))


# Training --------------------------------------------------------------------------------------------------------------


def test_a_fit_is_seeded_and_keeps_its_best(cells):
    ready = data(cells)
    first, again, other = (list(EnergyFit(ready, epochs=6, seed=seed)) for seed in (1, 1, 2))
    assert [record.epoch for record in first] == list(range(7))
    assert [record.validation for record in first] == [record.validation for record in again]
    assert first[-1].validation != other[-1].validation
    fit = EnergyFit(ready, epochs=12, learning_rate=0.05, seed=1)
    records = list(fit)
    best = min(records[1:], key=lambda record: record.validation)
    rows = cells.split(seed=0)[1]
    assert learning.errors(fit.potential(), cells[rows]).energy_rmse == pytest.approx(best.validation, rel=1e-3)
    last = records[-1]
    assert last.validation == pytest.approx(1000 * np.sqrt(np.mean((last.predicted - last.true) ** 2)), rel=1e-3)
    assert np.allclose(last.true, cells[rows].energy_per_atom, atol=1e-5)
    assert last.loss == pytest.approx((256 * last.validation / 1000) ** 2)


def test_a_fit_ends_when_nothing_is_gained(cells):
    records = list(EnergyFit(data(cells), epochs=50, learning_rate=1e-12, patience=3))
    assert records[-1].epoch == 4


def test_schedules():
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.Adam([weight], lr=1.0)
    schedule = Schedule(optimizer, "drop", 0.5)
    for _ in range(200):
        schedule.step()
    assert optimizer.param_groups[0]["lr"] == 0.25
    schedule.load_state_dict(Schedule(optimizer, "exponential", 0.1).state_dict())
    optimizer.param_groups[0]["lr"] = 2.0  # set by hand meanwhile
    schedule.step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(2 * np.exp(-0.1))
    for arguments, word in ((("steps", 0.1), "kind must be one of"), (("drop", 0.0), "rate must be 0 or more")):
        with pytest.raises(ValueError, match=word):
            Schedule(optimizer, *arguments)


# The panel -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("values", [{"set": "22"}, {"set": TICKED, "second": 0, "split": "frame", "scaling": "standard"}])
def test_the_script_gives_the_records_of_the_panel(offered, values):
    panel, printed = PotentialPanel(epochs=3, **values), []
    panel.run()
    exec(panel.code(), {"print": printed.append})
    assert len(printed) == len(panel.records) == 4
    for ours, theirs in zip(printed, panel.records, strict=True):
        assert repr(replace(ours, seconds=0)) == repr(replace(theirs, seconds=0))


def test_a_run_is_saved_and_replayed(offered, tmp_path):
    panel, again = PotentialPanel(set="22", epochs=3), PotentialPanel()
    panel.run().save(tmp_path / "run.npz")
    again.replay(tmp_path / "run.npz")
    assert again.frame.value == panel.frame.value and "recorded" in again.status_line.value
    assert again.settings["set"] == "22"


def test_the_learning_rate_acts_on_the_running_training(offered):
    panel = PotentialPanel(set="22", epochs=400, schedule="constant", patience=400)
    panel.start()
    while len(panel.records) < 3:
        time.sleep(0.01)
    panel.controls["learning_rate"].value = 1e-4
    count = len(panel.records)
    while len(panel.records) < count + 3:
        time.sleep(0.01)
    panel.stop()
    panel.join()
    assert panel.records[-1].learning_rate == pytest.approx(1e-4) and panel.records[1].learning_rate == 0.01


def test_what_is_trained_is_a_potential(offered, cells):
    panel = PotentialPanel(set="22", epochs=3)
    with pytest.raises(ValueError, match="run first"):
        _ = panel.potential
    panel.run()
    assert learning.errors(panel.potential, cells[:2]).forces.shape == (64, 3)
    panel.controls["set"].value = TICKED
    panel.controls["radial"].value = panel.controls["angular"].value = ()
    with pytest.raises(ValueError, match="tick at least one"):
        panel.run()
    panel.controls["radial"].value = panel.controls["radial"].options[:3]
    assert panel.run().potential.network.features == 3


def test_published_errors_stand_beside(offered):
    panel = PotentialPanel(set="57", epochs=1).run()
    assert "published, 57 functions" in panel.frame.value
    panel.controls["unit"].value = "document's loss per atom"
    assert "loss per atom" in panel.frame.value
    assert "published" not in PotentialPanel(set="57B").frame.value


# The explorer ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["G1", "G2", "G3", "G4", "G5"])
def test_the_explorer_shows_what_the_functions_give(cells, name):
    panel = SymmetryPanel(cells, function=name, eta=0.05, r_c=5.0)
    record = panel.run().records[0]
    chosen = cells[np.flatnonzero(cells.label == "950K")]
    functions = panel._functions(panel.settings)
    positions, cell, _ = chosen.tensors()
    assert record.kinds == ("10K", "950K") and record.name.startswith(name)
    assert record.mean[1] == pytest.approx(float(functions(positions, cell).mean()), rel=1e-4)
    exec(panel.code(), {"print": lambda values: torch.testing.assert_close(values.shape, torch.Size([1]))})


def test_the_polar_plot_belongs_to_angular_functions():
    radial, angular = SymmetryPanel(function="G2"), SymmetryPanel(function="G5", zeta=16, set="57")
    assert "all angles alike" in radial.frame.value and "angular factor" in angular.frame.value
    assert angular.frame.value.count("of the set</title>") > 20
    angular.controls["structures"].value = ()
    with pytest.raises(ValueError, match="structures: choose at least one"):
        angular.run()


def test_distributions_of_a_crystal(cells):
    crystal = cells[np.flatnonzero(cells.label == "10K")]
    r, g = radial_distribution(crystal)
    first = (r > 2.5) & (r < 3.4)
    density = 4 / aluminium.KINDS["10K"].lattice ** 3
    neighbours = (g * 4 * np.pi * r**2 * density)[first].sum() * (r[1] - r[0])
    assert neighbours == pytest.approx(12, rel=0.02)
    theta, share = angle_distribution(crystal)
    assert share.sum() * (theta[1] - theta[0]) == pytest.approx(1)
    near = {angle: share[np.abs(theta - angle) < 6].sum() * 2 for angle in (60, 90, 120, 180)}
    # Of the 66 pairs of first neighbours of fcc 24, 12, 24 and 6 enclose these angles.
    assert [round(66 * near[angle]) for angle in (60, 90, 120, 180)] == [24, 12, 24, 6]


def test_a_liquid_has_no_far_order():
    liquid = aluminium.emt(replace(TINY, labels=("1700K",), trajectories=1, settling=40, melting=40), keep=False)
    r, g = radial_distribution(liquid, r_max=7.0)
    assert g[r < 2.0].max() == 0 and 0.7 < g[(r > 5.5)].mean() < 1.3


# Static twins ----------------------------------------------------------------------------------------------------------


def test_static_figures(cells):
    fit = EnergyFit(data(cells), epochs=3)
    records = list(fit)
    figure, axes = plt.subplots(2, 3)
    figures.errors(axes[0, 0], records, label="22")
    figures.parity(axes[0, 1], records[-1].predicted, records[-1].true, unit="eV/atom")
    figures.last_epochs(axes[0, 2], [("a", [1.0, 2.0]), ("b", [2.0, 3.0])])
    r = np.linspace(0.1, 7, 50)
    figures.radial_functions(axes[1, 0], [(r, np.exp(-r))], ("crystal", *radial_distribution(cells[:3])))
    figures.compared(axes[1, 1], ["12", "22"], [1.9, np.nan], [[1.7, 1.8], []], label="RMSE [meV/atom]")
    assert axes[0, 0].get_yscale() == "log" and len(axes[0, 1].lines) == 2 and len(axes[1, 0].lines) == 1
    shown = [line.get_ydata().tolist() for line in axes[1, 1].lines]
    assert [1.7, 1.8] in shown
    plt.close(figure)


def test_shares_are_drawn_as_mean_and_range():
    figure, axis = plt.subplots()
    figures.shares(axis, {0.8: [[4.0, 2.0, 1.0], [8.0, 4.0]], 0.6: [[6.0, 3.0]]})
    assert [line.get_label() for line in axis.lines] == ["0.8 trained on", "0.6 trained on"]
    assert [line.get_ydata().tolist() for line in axis.lines] == [[6.0, 3.0], [6.0, 3.0]]
    band = axis.collections[0].get_paths()[0].vertices
    assert {(x, y) for x, y in band.tolist()} == {(0, 4), (1, 2), (0, 8), (1, 4)}
    assert axis.get_yscale() == "log" and axis.lines[0].get_color() != axis.lines[1].get_color()
    for curves, word in (({}, "one row"), ({0.8: []}, "one row"), ({0.8: [[]]}, "one row"), ({0.8: [[1.0, 0.0]]}, "positive")):
        with pytest.raises(ValueError, match=word):
            figures.shares(axis, curves)
    plt.close(figure)


def test_a_closer_look_shows_its_range():
    true, predicted = np.array([0.0, 0.1, 0.2, 0.9, 1.0]), np.array([0.02, 0.09, 0.2, 0.95, 0.96])
    figure, axis = plt.subplots()
    inset = figures.parity_closer(axis, predicted, true, unit="eV/atom", closer=(-0.1, 0.3))
    assert axis.lines[1].get_xdata().tolist() == true.tolist()
    assert inset.lines[1].get_xdata().tolist() == [0.0, 0.1, 0.2]
    assert inset.lines[1].get_ydata().tolist() == [0.02, 0.09, 0.2]
    assert inset.get_xlim() == inset.get_ylim() == pytest.approx((-0.01, 0.21))
    assert inset in axis.child_axes
    for closer in ((2.0, 3.0), (0.85, 0.92)):
        with pytest.raises(ValueError, match="closer must hold two"):
            figures.parity_closer(axis, predicted, true, unit="eV/atom", closer=closer)
    plt.close(figure)


def test_a_trained_fit_can_be_put_into_a_potential_of_its_own(cells):
    ready = data(cells)
    network = HighDimensionalNetwork(ready.features)
    assert ready.potential(network).functions.angular[0] == G5(4.4, 0.0013, 1, 1)
