"""Frames of different numbers of atoms: rows that only fill up count for exactly nothing, everywhere."""

import numpy as np
import pytest
import torch
from selection_cases import FEATURES, arrays

from toolkit.potential.selection import (
    fit,
    fit_constant,
    fit_forest,
    fit_linear,
    importance,
    path,
    permutation,
    scaled,
    subsets,
)
from toolkit.potential.selection.stacked import ACTIVATIONS, Stack

SIZES = [3, 5, 6, 4, 6, 3, 5]
MOST = 7  # one row more than any frame has
QUICK = {"hidden": (4, 3), "batch_size": 4}
WALK = {"hidden": (4, 3), "dense_epochs": 4, "epochs": 2, "growth": 3.0, "batch_size": 8}


def garbage(n: int, features: int = FEATURES, seed: int = 0, worst: bool = False) -> torch.Tensor:
    """Descriptors of no atom, large; with the worst, also values that are not finite."""
    values = 50 * torch.randn(n, MOST, features, generator=torch.Generator().manual_seed(seed))
    if worst:
        values[..., 0], values[..., 1] = np.nan, np.inf
    return values


def ragged(sizes=SIZES, *, filling: torch.Tensor | None = None, features: int = FEATURES):
    """Frames of these sizes, their energies, and both padded: descriptors, energies, present."""
    descriptors, energies = arrays(len(sizes), atoms=MOST, features=features)
    energies = energies / MOST * torch.tensor(sizes)
    present = (torch.arange(MOST) < torch.tensor(sizes)[:, None]).float()
    filling = garbage(len(sizes), features) if filling is None else filling
    frames = [each[:size] for each, size in zip(descriptors, sizes, strict=True)]
    return frames, energies, torch.where(present[..., None] > 0, descriptors, filling), present


def parts(seed: int = 0, worst: bool = False):
    """Three parts for `scaled`, of 40, 10 and 10 frames."""
    sizes = np.random.default_rng(5).integers(2, MOST + 1, 60).tolist()
    _, energies, padded, present = ragged(sizes, filling=garbage(60, seed=seed, worst=worst))
    cuts = (slice(0, 40), slice(40, 50), slice(50, 60))
    return [(padded[rows], energies[rows], present[rows]) for rows in cuts]


@pytest.mark.parametrize("activation", list(ACTIVATIONS))
@pytest.mark.parametrize("skip", [False, True])
def test_a_ragged_set_equals_its_frames_one_by_one(activation, skip):
    stack = Stack(FEATURES, (5, 3), activation, skip)
    weights = stack.initial([3, 4, 5]).double()
    frames, energies, padded, present = ragged()
    frames, padded, present = [each.double() for each in frames], padded.double(), present.double()
    alone = torch.cat([stack.energies(weights, frame[None]) for frame in frames], dim=1)
    torch.testing.assert_close(stack.energies(weights, padded, present), alone)
    rows = torch.tensor([5, 0, 3, 6])
    losses, gradient = stack.gradient(weights, padded, energies, rows, present=present)
    each = [stack.gradient(weights, frames[row][None], energies[row][None]) for row in rows.tolist()]
    torch.testing.assert_close(losses, torch.stack([loss for loss, _ in each]).mean(0))
    torch.testing.assert_close(gradient, torch.stack([slope for _, slope in each]).mean(0))


def test_the_gradient_equals_differences():
    stack = Stack(4, (3, 2), "tanh", skip=True)
    weights = stack.initial([0, 1]).double()
    _, energies, padded, present = ragged(features=4)
    data = padded.double(), energies / MOST
    _, gradient = stack.gradient(weights, *data, present=present.double())
    step = 1e-6
    for column in range(stack.weights):
        moved = [weights.clone(), weights.clone()]
        moved[0][:, column] += step
        moved[1][:, column] -= step
        up, down = (stack.gradient(each, *data, present=present.double())[0] for each in moved)
        torch.testing.assert_close(gradient[:, column], (up - down) / (2 * step), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("skip", [False, True])
def test_what_fills_up_changes_no_bit_of_energies_and_gradients(skip):
    stack = Stack(FEATURES, (5, 3), "tanh", skip)
    weights = stack.initial([3, 4])
    found = []
    for seed in (0, 1):
        _, energies, padded, present = ragged(filling=garbage(len(SIZES), seed=seed))
        losses, gradient = stack.gradient(weights, padded, energies.float(), present=present)
        found.append((stack.energies(weights, padded, present), losses, gradient))
    for one, other in zip(*found, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("scaling", ["standard", "min-max"])
def test_scaling_looks_at_atoms_only(scaling):
    data = scaled(*parts(), scaling=scaling)
    other = scaled(*parts(seed=1, worst=True), scaling=scaling)
    descriptors, energies, present = parts()[0]
    rows = descriptors[present > 0][None]  # all atoms of all frames as one frame, and a copy, for energies must vary
    flat = scaled((rows.repeat(2, 1, 1), torch.tensor([0.0, 1.0])), (rows, torch.zeros(1)), scaling=scaling)
    for name in ("centre", "scale", "dead"):
        torch.testing.assert_close(getattr(data, name), getattr(flat, name))
        assert torch.equal(getattr(data, name), getattr(other, name))
    assert data.dead.tolist() == [False] * (FEATURES - 1) + [True]
    per_atom = energies / present.sum(1)
    np.testing.assert_allclose((data.mean, data.unit), (per_atom.mean(), per_atom.std(correction=0)))
    for part in ("train", "validation", "test"):
        assert not getattr(data, part)[0][data.present[part] == 0].any()
        assert all(torch.equal(*pair) for pair in zip(getattr(data, part), getattr(other, part), strict=True))


def test_training_and_path_see_atoms_only():
    found = []
    for seed in (0, 1):
        data = scaled(*parts(seed=seed, worst=seed == 1))
        run = fit(data, masks=[range(FEATURES), [0, 1, 3]], epochs=3, **QUICK)
        list(run)
        walk = path(data, **WALK)
        steps = [next(walk) for _ in range(4)]
        found.append([run.best_weights, walk.weights, run.energies("test"), permutation(run, repeats=1), steps[-1].strength])
    for one, other in zip(*found, strict=True):
        assert np.array_equal(one, other)


def test_rows_without_atoms_only_cost_time():
    """Equal frames with and without rows that fill up: the same networks up to rounding."""
    cuts = (slice(0, 40), slice(40, 50), slice(50, 60))
    descriptors, energies = arrays(60)
    plain = scaled(*((descriptors[rows], energies[rows]) for rows in cuts))
    longer = torch.cat([descriptors, garbage(60)[:, :2]], dim=1)
    present = (torch.arange(longer.shape[1]) < descriptors.shape[1]).expand(60, -1)
    padded = scaled(*((longer[rows], energies[rows], present[rows]) for rows in cuts))
    found = []
    for data in (plain, padded):
        run, walk = fit(data, epochs=5, **QUICK), path(data, **WALK)
        list(run)
        moved = (run.energies("test") - data.mean) / data.unit
        found.append((moved, [one.metrics["train_loss"] for one in run.records], *(next(walk).strength for _ in range(4))))
        found[-1] += fit_linear(data).energies, fit_constant(data).energies, fit_forest(data, "mean", trees=3).energies
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(other, one, rtol=2e-3, atol=2e-4)


def test_shuffling_moves_values_among_atoms_only():
    _, _, padded, present = ragged()
    order = importance._order(padded, present, torch.Generator().manual_seed(0))
    atoms = present.flatten() > 0
    assert torch.equal(order[~atoms], (~atoms).nonzero().squeeze(1))
    assert torch.equal(order[atoms].sort().values, atoms.nonzero().squeeze(1))
    assert not torch.equal(order[atoms], atoms.nonzero().squeeze(1))


def test_correlations_leave_out_what_fills_up():
    _, _, padded, present = ragged()
    torch.testing.assert_close(subsets.correlations(padded, present), subsets.correlations(padded[present > 0][None]))
    assert (
        subsets.uncorrelated(padded, count=3, present=present).tolist()
        == subsets.uncorrelated(padded[present > 0][None], count=3).tolist()
    )


def test_functions_and_parts_are_chosen_with_their_rows():
    data = scaled(*parts())
    assert data.only([0, 3]).present is data.present
    assert data.on(torch.device("cpu")).present.keys() == {"train", "validation", "test"}
    some = scaled(parts()[0], parts(worst=False)[1][:2])  # the second has an atom in every row
    assert some.present["validation"].all()
    assert len(some.present["test"]) == 0
    plain = scaled(*(part[:2] for part in parts()))
    assert plain.present == {}


def test_refusals():
    descriptors, energies, present = parts()[0]
    empty = present.clone()
    empty[7] = 0
    for message, third in {
        "shape \\(n, a\\)": present[:, :-1],
        "marked by 1": present / 2,
        "frame 7 has no atom": empty,
    }.items():
        with pytest.raises(ValueError, match=message):
            scaled((descriptors, energies, third), parts()[1])
    holed = descriptors.clone()
    holed[0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        scaled((holed, energies, present), parts()[1])
    with pytest.raises(TypeError, match="train must be descriptors"):
        scaled((descriptors, energies, present, present), parts()[1])
    with pytest.raises(ValueError, match="form must be 'mean'"):
        fit_forest(scaled(*parts()), "every atom")
