"""The panels of generator and tortuosity: what they show, the code that they write, what they refuse, what they watch."""

import contextlib
import io

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from porous_cases import blobs, channel_and_isolated_pore

from toolkit.figures import colours
from toolkit.figures import membranes as figures
from toolkit.microstructure.generator import PORE, voronoi_membrane
from toolkit.microstructure.tortuosity import flow_through, tortuosity
from toolkit.microstructure.watching import current_density, each_axis, watch
from toolkit.panels.membrane import MembranePanel
from toolkit.panels.tortuosity import STRUCTURES, TortuosityPanel, structure


def printed(code):
    """What a script prints."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(code, {"__name__": "script"})
    return output.getvalue()


# What is watched ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("boundary", ["face", "centre"])
@pytest.mark.parametrize("trim", [False, True])
def test_the_last_snapshot_is_the_tortuosity(boundary, trim):
    volume = blobs(16, 0.45, 1, 0)
    *_, last = watch(volume, 2, boundary=boundary, trim=trim, tolerance=1e-7)
    result = tortuosity(volume, 2, boundary=boundary, trim=trim, tolerance=1e-7)
    assert last.tau == pytest.approx(result.tau.item(), rel=1e-5)
    assert last.balance == pytest.approx(result.flux_balance.item(), abs=1e-4)
    assert last.currents.mean() == pytest.approx(result.effective_conductivity.item(), rel=1e-3)
    assert last.potential.shape == (16, 16, 16)


def test_the_currents_become_equal():
    snapshots = list(watch(blobs(16, 0.6, 1, 0), tolerance=1e-8))
    assert snapshots[1].balance > 100 * snapshots[-1].balance
    assert [one.iteration for one in snapshots] == list(range(len(snapshots)))


def test_pores_that_carry_nothing_have_no_potential():
    volume = channel_and_isolated_pore()
    *_, last = watch(volume)
    assert np.isnan(last.potential[10, 2, 2]) and np.isfinite(last.potential[10, 8, 8])
    density = current_density(last.potential)
    np.testing.assert_allclose(density[:, 8:12, 8:12], 1.0, atol=0.02)  # of the empty box
    assert np.isnan(density[~volume]).all()


def test_current_density_adds_up_to_the_current():
    """In straight channels all of it runs along; its mean over a layer is σ_eff."""
    volume = np.zeros((8, 6, 6), bool)
    volume[:, ::2, 1:5] = True
    solution = flow_through(volume, precision="float64")
    list(solution.solve())
    potential = np.where(volume, solution.potential()[0].numpy(), np.nan)
    density = np.nan_to_num(current_density(potential))
    np.testing.assert_allclose(density.mean((1, 2)), solution.conductivity().item(), rtol=1e-5)


def test_axes_come_one_after_the_other():
    volume = blobs(16, 0.6, 1, 2)
    volume[:, 8] = False
    steps = list(each_axis(volume, tolerance=1e-6))
    last = {step.axis: step.tau for step in steps}
    assert [step.axis for step in steps] == sorted(step.axis for step in steps)
    assert last[1] == np.inf and len([step for step in steps if step.axis == 1]) == 1
    assert [last[0], last[2]] == pytest.approx(tortuosity(volume, (0, 2), tolerance=1e-6).tau.tolist(), rel=1e-5)


# The generator's panel ----------------------------------------------------------------------------------------------------


def test_the_picture_follows_the_sliders_at_once():
    panel = MembranePanel(size=32)
    first = panel.frame.value
    panel.controls["points"].value = 150
    assert panel.frame.value != first
    assert panel.records == []
    for axis in "xyz":  # of the picture's line of text
        assert f"along {axis}" in panel.frame.value
    volume = voronoi_membrane(150, size=32)
    assert f"porosity ε {1 - volume.double().mean():.3f}" in panel.frame.value


def test_run_solves_for_the_membrane_that_is_shown():
    panel = MembranePanel(size=32, points=60, stretch_y=0.5, tolerance=1e-4).run()
    last = {step.axis: step.tau for step in panel.records}
    pores = voronoi_membrane(60, (1, 0.5, 1), size=32) == PORE
    assert list(last.values()) == pytest.approx(tortuosity(pores, (0, 1, 2), tolerance=1e-4).tau.tolist(), rel=1e-4)
    assert f"τ along y {last[1]:.4f}" in panel.frame.value


def test_three_stretched_axes_are_refused_and_the_picture_stays():
    panel = MembranePanel(size=32)
    for axis in "xyz":
        before = panel.frame.value
        panel.controls[f"stretch_{axis}"].value = 0.5
    assert panel.frame.value == before
    assert "at least one axis at 1" in panel.error_line.value
    with pytest.raises(ValueError, match="at least one axis"):
        panel.run()
    panel.controls["stretch_x"].value = 1.0
    assert panel.error_line.value == ""


def test_the_generators_code_gives_its_numbers():
    panel = MembranePanel(size=32, points=70, smoothing=2.0, spheres=3, periodic=False, tolerance=1e-4).run()
    words = printed(panel.code()).split()
    assert float(words[0]) == pytest.approx(1 - panel._membrane(panel.settings)[0].mean())
    last = {step.axis: step.tau for step in panel.records}
    tau = [float(word.strip("tensor([,)]")) for word in words[2:5]]
    assert tau == pytest.approx([last[axis] for axis in range(3)], abs=2e-4)


def test_the_volume_is_shown_and_put_away():
    pytest.importorskip("k3d")
    panel = MembranePanel(size=32)
    count = len(panel.widget.children)
    panel.show_volume()
    assert len(panel.widget.children) == count + 1
    panel.controls["points"].value = 40
    shown = np.asarray(panel.plot3d.objects[-1].scalar_field)
    np.testing.assert_array_equal(shown, voronoi_membrane(40, size=32).numpy())
    panel.show_volume()
    assert len(panel.widget.children) == count


def test_without_k3d_there_is_no_button(monkeypatch):
    monkeypatch.setattr("toolkit.panels.membrane.find_spec", lambda name: None)
    assert MembranePanel(size=32).actions() == []


# The solver's panel -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", STRUCTURES)
def test_every_structure_has_a_path(name):
    assert tortuosity(structure(name, size=16, porosity=0.6, seed=0)).tau.item() >= 1


def test_the_solvers_panel_ends_at_the_tortuosity():
    panel = TortuosityPanel(structure="blobs", size=16, axis=1, boundary="centre", trim=True, tolerance=1e-5).run()
    volume = structure("blobs", size=16, porosity=0.6, seed=0)
    assert panel.records[-1].tau == pytest.approx(tortuosity(volume, 1, boundary="centre", trim=True).tau.item(), rel=1e-4)
    first = panel.frame.value
    panel.controls["position"].value = 0.2
    assert panel.frame.value != first
    assert f"{panel.records[-1].tau:.5g}" in panel.frame.value


def test_dead_ends_count_or_not():
    taus = [TortuosityPanel(structure="dead ends", size=16, trim=trim).run().records[-1].tau for trim in (False, True)]
    assert taus[0] > taus[1]


def test_an_own_volume():
    own = channel_and_isolated_pore().astype(np.uint8)
    panel = TortuosityPanel(own, trim=True).run()
    assert "structure" not in panel.controls
    assert panel.records[-1].tau == pytest.approx(1.0, rel=1e-5)
    assert "your volume" in panel.code()


def test_no_path_is_said_in_the_panel():
    panel = TortuosityPanel(structure="blobs", size=16, porosity=0.2, seed=2)
    with pytest.raises(ValueError, match="no path along axis 0"):
        panel.run()
    panel.start()
    assert "its tortuosity is infinite" in panel.error_line.value


def test_the_solvers_code_gives_its_numbers():
    panel = TortuosityPanel(structure="blobs", size=16, axis=2, preconditioner="jacobi").run()
    lines = printed(panel.code()).splitlines()
    assert len(lines) == len(panel.records)
    assert float(lines[-1].split()[1]) == panel.records[-1].tau


def test_a_recorded_run_is_shown_again(tmp_path):
    panel = TortuosityPanel(structure="dead ends", size=16).run()
    panel.save(tmp_path / "run.npz")
    other = TortuosityPanel(size=24)
    other.replay(tmp_path / "run.npz")
    assert other.frame.value == panel.frame.value
    np.testing.assert_array_equal(other.records[-1].potential, panel.records[-1].potential)


# Static figures -----------------------------------------------------------------------------------------------------------


def test_static_figures_draw_what_they_are_given():
    axes = Figure().subplots(1, 6)
    figures.slices(axes[:2], {"one": np.zeros((4, 4, 4)), "other": np.ones((4, 4, 4))})
    assert [axis.get_title() for axis in axes[:2]] == ["one", "other"]
    figures.correlations(axes[2], {"along x": np.array([0.5, 0.25])})
    assert axes[2].lines[0].get_ydata().tolist() == [0.5, 0.25]
    figures.tortuosity_map(axes[3], np.array([0.8, 0.9]), np.array([1.2, 1.1]), groups=["ours", "published"], label="τ")
    assert len(axes[3].collections) == 2
    assert to_hex(axes[3].collections[1].get_facecolor()[0]) == colours.PUBLISHED
    figures.intensity(axes[4], np.array([0.5]), np.array([0.9]), published=[0.95, 0.99])
    assert axes[4].get_xlabel() == "stretching factor e"
