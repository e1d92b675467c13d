"""Tortuosity factors: values that can be written down, other codes, bounds, symmetries, refusals."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from porous_cases import blobs, channel_and_isolated_pore, slanted_strip, strip_tortuosity
from scipy.sparse import coo_array
from scipy.sparse.linalg import spsolve

from toolkit.microstructure import flow
from toolkit.microstructure.generator import PORE, voronoi_membrane
from toolkit.microstructure.tortuosity import flow_through, tortuosity

BOTH = pytest.mark.parametrize("boundary", flow.BOUNDARIES)
TIGHT = {"tolerance": 1e-13, "precision": "float64"}
BEREA = (0.037435, 0.039849, 0.040379)  # σ_eff of berea_200, computed with another plain program


def sparse_conductivity(volume, boundary):
    """σ_eff along the first axis by a sparse direct solver, written without the toolkit."""
    number = np.full(volume.shape, -1)
    number[volume] = np.arange(volume.sum())
    rows, columns, values = [], [], []
    right, fixed = np.zeros(volume.sum()), np.zeros(volume.sum())
    for axis in range(3):
        near, far = np.moveaxis(number, axis, 0)[:-1].ravel(), np.moveaxis(number, axis, 0)[1:].ravel()
        both = (near >= 0) & (far >= 0)
        for one, other in ((near[both], far[both]), (far[both], near[both])):
            rows += [one, one]
            columns += [one, other]
            values += [np.ones(len(one)), -np.ones(len(one))]
    strength = 2.0 if boundary == "face" else 1e12  # a link so strong that it fixes the potential of the centres
    for layer, potential in ((number[0], 1.0), (number[-1], 0.0)):
        fixed[layer[layer >= 0]] += strength
        right[layer[layer >= 0]] += strength * potential
    matrix = coo_array((np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))).tocsc()
    matrix += coo_array((fixed, (np.arange(len(fixed)),) * 2)).tocsc()
    solution = spsolve(matrix, right)
    both = volume[0] & volume[1]
    current = (solution[number[0][both]] - solution[number[1][both]]).sum()
    return current * (len(volume) - (boundary == "centre")) / volume[0].size


def percolating(volume):
    result = volume.copy()
    field = flow_through(volume)
    result &= (field.potential()[0] > 0).numpy()
    return result


# Known answers ------------------------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("preconditioner", flow.PRECONDITIONERS)
def test_an_empty_box_has_tortuosity_one(boundary, preconditioner, device):
    box = torch.ones(2, 7, 5, 6, device=device)
    result = tortuosity(box, axis=(0, 1, 2), boundary=boundary, preconditioner=preconditioner)
    assert result.tau.shape == (2, 3)
    torch.testing.assert_close(result.tau, torch.ones(2, 3, dtype=torch.float64), rtol=1e-6, atol=0)
    torch.testing.assert_close(result.porosity, torch.ones(2, 3, dtype=torch.float64))


@BOTH
def test_straight_channels_and_slabs_have_tortuosity_one(boundary):
    volume = np.zeros((12, 9, 10), bool)
    volume[:, 1:4, 2:8] = True
    volume[:, :, 9] = True
    result = tortuosity(volume, boundary=boundary)
    assert result.tau.item() == pytest.approx(1, abs=1e-6)
    assert result.effective_conductivity.item() == pytest.approx(volume[0].mean(), rel=1e-6)


@BOTH
@pytest.mark.parametrize("layers", [3, 20, 37])
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_the_slanted_strip(boundary, layers, precision):
    """7.516667 and 7.789474 for 20 layers."""
    result = tortuosity(slanted_strip(layers), boundary=boundary, precision=precision)
    assert result.tau.item() == pytest.approx(strip_tortuosity(layers, boundary), rel=1e-4)


@BOTH
@pytest.mark.parametrize("values", [(1.0, 4.0), (0.2, 50.0)])
def test_layers_in_series_have_the_harmonic_mean(boundary, values):
    layers = np.array([0, 0, 1, 0, 1, 1, 0, 1])
    volume = np.broadcast_to(layers[:, None, None], (8, 3, 4)).copy()
    result = tortuosity(volume, boundary=boundary, conductivity=dict(enumerate(values)))
    sigma = np.array(values)[layers]
    resistance = (1 / sigma).sum() if boundary == "face" else (1 / sigma).sum() - (1 / sigma[0] + 1 / sigma[-1]) / 2
    expected = (8 if boundary == "face" else 7) / resistance
    assert result.effective_conductivity.item() == pytest.approx(expected, rel=1e-5)
    assert result.tau.item() == pytest.approx(sigma.mean() / expected, rel=1e-5)


def test_layers_in_parallel_have_the_arithmetic_mean():
    volume = np.broadcast_to(np.array([0, 1, 1, 2])[:, None], (6, 4, 5)).copy()
    result = tortuosity(volume, conductivity={0: 0.0, 1: 2.0, 2: 10.0})
    assert result.effective_conductivity.item() == pytest.approx(3.5, rel=1e-6)
    assert result.tau.item() == pytest.approx(1.0, rel=1e-6)
    assert result.porosity.item() == 0.75


def test_pores_that_lead_nowhere_count_unless_trimmed():
    """1.032 and 1: the isolated pore has 0.8 % of the quarter that conducts."""
    volume = np.zeros((20, 20, 20), bool)
    volume[:, 5:15, 5:15] = True
    volume[5:9, 1:5, 1:5] = True
    assert tortuosity(volume).tau.item() == pytest.approx(1.032, rel=1e-6)
    trimmed = tortuosity(volume, trim=True)
    assert (trimmed.tau.item(), trimmed.porosity.item()) == (pytest.approx(1.0, rel=1e-6), 0.25)


@BOTH
@pytest.mark.parametrize("trim", [False, True])
def test_no_path_is_infinite(boundary, trim):
    blocked = np.ones((6, 6, 6), bool)
    blocked[3] = False
    result = tortuosity(np.stack([blocked, ~blocked, np.ones_like(blocked)]), boundary=boundary, trim=trim)
    assert result.tau.tolist() == [np.inf, np.inf, pytest.approx(1.0)]
    assert result.effective_conductivity.tolist() == [0.0, 0.0, pytest.approx(1.0)]
    assert result.porosity.tolist()[0] == (0.0 if trim else pytest.approx(5 / 6))
    along = tortuosity(blocked, axis=1, trim=trim)
    assert along.tau.item() == pytest.approx(1.0)
    assert tortuosity(np.zeros((4, 4, 4), bool)).tau.item() == np.inf


def test_voxels_that_meet_at_an_edge_are_not_joined():
    volume = np.zeros((2, 2, 2), bool)
    volume[0, 0], volume[1, 1] = True, True
    assert tortuosity(volume).tau.item() == np.inf


# Other codes --------------------------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("shape", [(12, 9, 7), (5, 16, 3)])
def test_a_sparse_direct_solver_agrees(boundary, shape):
    volume = percolating(blobs(shape, 0.7, 1, 3))
    result = tortuosity(volume, boundary=boundary, **TIGHT)
    assert result.effective_conductivity.item() == pytest.approx(sparse_conductivity(volume, boundary), rel=1e-7)


with open(Path(__file__).with_name("tortuosity_peers.csv"), encoding="utf-8") as file:
    PEERS = list(csv.DictReader(file))
MAKERS = {"slanted_strip": slanted_strip, "channel_and_isolated_pore": channel_and_isolated_pore, "blobs": blobs}


def named_volume(call):
    """What a call such as `blobs(48, 0.7, 3, 0)` makes."""
    name, _, arguments = call.removesuffix(")").partition("(")
    return MAKERS[name](*eval(f"[{arguments}]"))


@pytest.mark.parametrize("row", PEERS, ids=lambda row: f"{row['code']}-{row['volume']}-{row['axis']}")
def test_stored_values_of_taufactor_and_porespy(row):
    """taufactor 1.2.1 and porespy 3.2.0 (with openpnm) on one CPU thread, at the stopping criteria of the last column."""
    result = tortuosity(
        named_volume(row["volume"]), int(row["axis"]), boundary=row["boundary"], trim=row["code"] == "porespy", tolerance=1e-7
    )
    assert result.tau.item() == pytest.approx(float(row["tau"]), rel=1e-5 if row["code"] == "taufactor" else 2e-5)


@pytest.mark.parametrize("seed", range(3))
def test_taufactor_agrees_where_it_is_installed(seed):
    taufactor = pytest.importorskip("taufactor")
    volume = blobs(32, 0.6, 2, seed)
    solver = taufactor.Solver(volume.astype(np.uint8), device="cpu")
    solver.solve(verbose=False, conv_crit=1e-4)
    assert tortuosity(volume).tau.item() == pytest.approx(float(np.ravel(solver.tau)[0]), rel=5e-5)


@pytest.mark.parametrize("seed", range(3))
def test_porespy_agrees_where_it_is_installed(seed):
    porespy = pytest.importorskip("porespy")
    volume = blobs(24, 0.7, 2, seed)
    theirs = porespy.simulations.tortuosity_fd(volume, axis=1, ftol=1e-5).tortuosity
    assert tortuosity(volume, 1, boundary="centre", trim=True).tau.item() == pytest.approx(theirs, rel=1e-3)


@pytest.mark.slow
def test_the_sandstone(data_folder):
    """Berea sandstone, 200³: the stored conductivities to 0.5 %."""
    with np.load(data_folder / "porous" / "berea_200.npz") as file:
        volume = np.unpackbits(file["pore_packed"], count=200**3).reshape(200, 200, 200).astype(bool)
    result = tortuosity(volume, axis=(0, 1, 2), tolerance=1e-3)
    assert result.effective_conductivity.tolist() == pytest.approx(BEREA, rel=0.005)
    assert result.porosity.tolist() == pytest.approx([0.198715] * 3, abs=1e-6)


# What must hold of every volume -------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("preconditioner", flow.PRECONDITIONERS)
def test_the_same_current_flows_through_every_plane(boundary, preconditioner):
    result = tortuosity(blobs((14, 11, 13), 0.7, 1, 0), boundary=boundary, preconditioner=preconditioner, **TIGHT)
    assert 0 <= result.flux_balance.item() < 1e-6
    assert result.residual.item() < 1e-6


@BOTH
def test_the_same_current_flows_through_three_phases(boundary):
    phases = blobs((12, 11, 10), 0.6, 1, 4).astype(int) + 2 * blobs((12, 11, 10), 0.5, 1, 5)
    sigma = {0: 0.0, 1: 1.0, 2: 0.03, 3: 20.0}
    result = tortuosity(phases, boundary=boundary, conductivity=sigma, **TIGHT)
    assert result.flux_balance.item() < 1e-6
    mean = sum(value * (phases == phase).mean() for phase, value in sigma.items())
    assert result.tau.item() == pytest.approx(mean / result.effective_conductivity.item())


@given(seed=st.integers(0, 10**6), share=st.floats(0.02, 0.3), boundary=st.sampled_from(flow.BOUNDARIES))
@settings(max_examples=25)
def test_added_pores_never_lower_the_conductivity(seed, share, boundary):
    """Rayleigh's principle."""
    fewer = blobs(10, 0.5, 1, seed)
    more = fewer | (np.random.default_rng(seed).random(fewer.shape) < share)
    low, high = tortuosity(np.stack([fewer, more]), boundary=boundary, **TIGHT).effective_conductivity.tolist()
    assert high >= low * (1 - 1e-9)


@given(seed=st.integers(0, 10**6), porosity=st.floats(0.3, 0.95), boundary=st.sampled_from(flow.BOUNDARIES))
@settings(max_examples=12)
def test_bounds_and_symmetries(seed, porosity, boundary):
    volume = blobs((9, 8, 10), porosity, 1, seed)
    result = tortuosity(volume, axis=(0, 1, 2), boundary=boundary, **TIGHT)
    if boundary == "face":
        assert all(tau >= 1 - 1e-9 for tau in result.tau.tolist())
    turned = tortuosity(volume.transpose(2, 0, 1).copy(), axis=(1, 2, 0), boundary=boundary, **TIGHT)
    torch.testing.assert_close(turned.tau, result.tau, rtol=1e-6, atol=0)
    mirrored = tortuosity(volume[::-1, ::-1].copy(), axis=(0, 1, 2), boundary=boundary, **TIGHT)
    torch.testing.assert_close(mirrored.tau, result.tau, rtol=1e-6, atol=0)


@BOTH
def test_preconditioners_agree_and_multigrid_needs_fewest_steps(boundary):
    volume = blobs(32, 0.6, 2, 7)
    results = {
        name: tortuosity(volume, boundary=boundary, preconditioner=name, tolerance=1e-7, precision="float64")
        for name in flow.PRECONDITIONERS
    }
    reference = results["multigrid"].tau.item()
    assert [result.tau.item() for result in results.values()] == pytest.approx([reference] * 3, rel=1e-6)
    assert results["multigrid"].iterations < results["jacobi"].iterations / 3 <= results["none"].iterations / 3


@pytest.mark.parametrize("tolerance", [1e-2, 1e-3, 1e-4, 1e-5])
def test_the_tolerance_is_kept(tolerance):
    volumes = np.stack([blobs(24, porosity, 2, seed) for seed, porosity in enumerate((0.35, 0.5, 0.7, 0.9))])
    exact = tortuosity(volumes, axis=(0, 1, 2), **TIGHT).effective_conductivity
    found = tortuosity(volumes, axis=(0, 1, 2), tolerance=tolerance).effective_conductivity
    flows = exact > 0
    excess = (found[flows] / exact[flows] - 1).tolist()
    assert max(excess) < tolerance
    assert min(excess) > -1e-6  # from above, but for rounding


def test_a_batch_gives_what_each_volume_gives_alone(device):
    membranes = (voronoi_membrane([60, 120, 170], (1, 0.5, 1), seed=[1, 2, 3], size=20, device=device) == PORE).contiguous()
    together = tortuosity(membranes, axis=(0, 1, 2), **TIGHT)
    for row in range(3):
        for axis in range(3):
            alone = tortuosity(membranes[row], axis, **TIGHT)
            assert alone.tau.shape == ()
            assert together.tau[row, axis].item() == pytest.approx(alone.tau.item(), rel=1e-9)


def test_the_stretched_axis_is_the_easiest_way():
    pores = voronoi_membrane([170] * 4, (1, 0.5, 1), radius=6.0, seed=range(4), size=40) == PORE
    tau = tortuosity(pores, axis=(0, 1, 2)).tau.mean(0)
    assert tau[1] < min(tau[0], tau[2]) - 0.02


# The flow, looked into ----------------------------------------------------------------------------------------------------


@BOTH
def test_records_fall_to_the_conductivity(boundary):
    solution = flow_through(blobs(20, 0.7, 2, 0), boundary=boundary, precision="float64")
    records = list(solution.solve(tolerance=1e-10))
    values = [record.conductivity.item() for record in records]
    assert [record.iteration for record in records] == list(range(len(records)))
    assert values == sorted(values, reverse=True)
    assert values[-1] == pytest.approx(solution.conductivity().item(), rel=1e-9)
    assert records[0].error.item() == np.inf


@BOTH
def test_the_potential_lies_between_the_electrodes_and_falls(boundary):
    solution = flow_through(blobs(20, 0.8, 2, 0), 1, boundary=boundary)
    list(solution.solve(tolerance=1e-7))
    potential = solution.potential()
    assert potential.shape == (1, 20, 20, 20)
    assert potential.min() >= 0 and potential.max() <= 1
    assert potential[0, 0].max() > potential[0, 10].max() > potential[0, -1].max()
    currents = solution.currents()[0]
    assert len(currents) == 21 if boundary == "face" else 19
    torch.testing.assert_close(currents, currents.mean().expand_as(currents), rtol=1e-3, atol=0)


def test_a_solution_can_be_left_and_gone_on_with():
    solution = flow_through(blobs(20, 0.6, 2, 1), precision="float64")
    records = solution.solve(tolerance=1e-9)
    for _ in range(4):
        next(records)
    records.close()
    again = list(solution.solve(tolerance=1e-9))
    fresh = flow_through(blobs(20, 0.6, 2, 1), precision="float64")
    assert again[-1].conductivity.item() == pytest.approx(list(fresh.solve(tolerance=1e-9))[-1].conductivity.item(), rel=1e-8)


# Refusals -----------------------------------------------------------------------------------------------------------------

BOX = np.ones((4, 4, 4), bool)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"volume": BOX.astype(float) * 0.5}, ValueError, "must be binary, 0 and 1, got 0.5"),
        ({"volume": BOX.astype(float) * np.nan}, ValueError, "binary"),
        ({"volume": BOX.astype(np.uint8) * 255}, ValueError, "got 255"),
        ({"volume": BOX[0]}, ValueError, r"\(x, y, z\) or \(b, x, y, z\)"),
        ({"volume": BOX[None, None]}, ValueError, "shape"),
        ({"volume": np.zeros((0, 4, 4), bool)}, ValueError, "two voxels or more"),
        ({"volume": BOX[:1]}, ValueError, "two voxels or more"),
        ({"volume": BOX.tolist()}, TypeError, "array or a tensor"),
        ({"volume": BOX.astype("U1")}, TypeError, "truth values or numbers"),
        ({"axis": 3}, ValueError, "axis must be"),
        ({"axis": (0, 0)}, ValueError, "axis must be"),
        ({"axis": ()}, ValueError, "axis must be"),
        ({"boundary": "periodic"}, ValueError, "boundary must be one of"),
        ({"preconditioner": "ilu"}, ValueError, "preconditioner must be one of"),
        ({"precision": "bfloat16"}, ValueError, "precision must be one of"),
        ({"tolerance": 0.0}, ValueError, "tolerance must lie"),
        ({"iterations": 0}, ValueError, "iterations must be"),
        ({"conductivity": {0: 0.0, 1: -1.0}}, ValueError, "0 or more"),
        ({"conductivity": {0: 0.0, 1: 0.0}}, ValueError, "above 0 for one phase"),
        ({"conductivity": {0: 0.0, 2: 1.0}}, ValueError, "must name every phase"),
        ({"boundary": "centre", "volume": BOX[:2]}, ValueError, "3 layers"),
    ],
)
def test_what_has_no_tortuosity_is_refused(arguments, error, words):
    with pytest.raises(error, match=words):
        tortuosity(**{"volume": BOX} | arguments)


def test_more_voxels_than_memory_are_refused(monkeypatch):
    monkeypatch.setattr("toolkit.microstructure.memory.available", lambda device: 1000)
    with pytest.raises(ValueError, match="GB are free on cpu"):
        tortuosity(BOX)


def test_a_volume_without_a_path_has_no_flow_to_look_into():
    with pytest.raises(ValueError, match="no path along axis 1"):
        flow_through(np.array([[[True, True]] * 2, [[False, False]] * 2]).transpose(1, 0, 2).copy(), axis=1)
