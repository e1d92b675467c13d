"""Both searches find the same pairs; tables hold them; what cannot be searched is refused."""

import pytest
import torch
from ase.build import bulk
from ase.neighborlist import neighbor_list

from toolkit.potential.neighbours import find_pairs, heights


def crystal():
    atoms = bulk("Al", "fcc", a=4.05, cubic=True) * (4, 3, 3)
    atoms.rattle(0.2, seed=1)
    return atoms, torch.tensor(atoms.positions)[None], torch.tensor(atoms.cell.array)[None]


def as_set(pairs):
    return set(zip(pairs.centre.tolist(), pairs.neighbour.tolist(), *pairs.shift.T.tolist(), strict=True))


def test_the_searches_agree_with_each_other_and_with_ase():
    atoms, positions, cell = crystal()
    first = find_pairs(positions, cell, 5.5, method="vesin")
    second = find_pairs(positions, cell, 5.5, method="minimum image")
    i, j, shift = neighbor_list("ijS", atoms, 5.5)
    assert as_set(first) == as_set(second) == set(zip(i.tolist(), j.tolist(), *shift.T.tolist(), strict=True))
    assert torch.allclose(first.distance.sort().values, second.distance.sort().values)


def test_a_skewed_cell():
    cell = torch.tensor([[[9.0, 0, 0], [4.0, 9.0, 0], [-3.0, 2.0, 9.0]]], dtype=torch.float64)
    positions = torch.rand(1, 30, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) @ cell
    cutoff = float(heights(cell).min()) / 2
    assert as_set(find_pairs(positions, cell, cutoff, method="vesin")) == as_set(
        find_pairs(positions, cell, cutoff, method="minimum image")
    )


def test_free_structures():
    positions = torch.rand(2, 9, 3, generator=torch.Generator().manual_seed(0)) * 5
    first, second = (find_pairs(positions, None, 3.0, method=method) for method in ("vesin", "minimum image"))
    assert as_set(first) == as_set(second) and not first.shift.any()
    assert ((first.centre < 9) == (first.neighbour < 9)).all()  # none between two structures


def test_vectors_of_a_table_have_the_distances_of_the_pairs():
    _, positions, cell = crystal()
    pairs = find_pairs(positions, cell, 5.0)
    table = pairs.table(4.0)
    vectors = table.vectors(positions, cell)
    assert torch.allclose(vectors.norm(dim=-1)[table.present].sort().values, pairs.distance[pairs.distance < 4].sort().values)
    assert (vectors.norm(dim=-1)[~table.present] > 4).all()
    assert torch.equal(table.vectors(positions, cell, slice(5, 9)), vectors[5:9])


def test_refusals():
    _, positions, cell = crystal()
    with pytest.raises(ValueError, match="heights of at least 14 Å"):
        find_pairs(positions, cell, 7.0, method="minimum image")
    with pytest.raises(ValueError, match="method must be"):
        find_pairs(positions, cell, 5.0, method="guess")
    with pytest.raises(ValueError, match="periodic must be one truth value or three"):
        find_pairs(positions, cell, 5.0, periodic=(True, False))
    with pytest.raises(ValueError, match="cutoff must be a positive length"):
        find_pairs(positions, cell, 0.0)
    with pytest.raises(ValueError, match="at most 5.0 Å"):
        find_pairs(positions, cell, 5.0).table(6.0)
