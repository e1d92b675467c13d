"""Symmetry functions: equal to dscribe, invariant, smooth at the cutoff, right in small cells."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule

from toolkit import published
from toolkit.potential import DOCUMENT_SETS, G1, G2, G3, G4, G5, SymmetryFunctions, cutoff, document_columns, document_set

ACSF = pytest.importorskip("dscribe.descriptors").ACSF
WIDTHS = [(0.0, 0.0), (0.0013, 0.0), (0.4, 0.0), (1.85, 2.0), (4.0, 3.1)]
ANGLES = [(0.0013, 1, 1), (0.0013, 1, -1), (0.4, 4, -1), (0.9, 16, 1), (2.0, 64, -1), (0.1, 3, 1), (0.3, 2.5, 1), (0.2, 2, 0.3)]


def tensors(atoms, dtype=torch.float64):
    cell = torch.tensor(atoms.cell.array, dtype=dtype)[None] if atoms.pbc.any() else None
    return torch.tensor(atoms.positions, dtype=dtype)[None], cell


def random_structure(seed, *, periodic, species=("Al",), atoms=14):
    draw = np.random.default_rng(seed)
    cell = 6.5 * np.eye(3) + draw.normal(0, 0.8, (3, 3))
    symbols = draw.choice(species, atoms)
    return Atoms(symbols, scaled_positions=draw.random((atoms, 3)), cell=cell, pbc=periodic)


def by_dscribe(atoms, r_c, radial, angular, species, kind="g5"):
    """Columns in our order and convention, from dscribe; its G1 is left out."""
    periodic = bool(atoms.pbc.any())
    values = ACSF(r_cut=r_c, g2_params=radial, **{f"{kind}_params": angular}, species=species, periodic=periodic).create(atoms)
    n, parts = len(species), []
    for number in range(n):
        start = number * (1 + len(radial))
        parts.append(values[:, start + 1 : start + 1 + len(radial)])
    return np.concatenate([*parts, 2 * values[:, n * (1 + len(radial)) :]], 1)


def ours(atoms, r_c, radial, angular, species, kind=G5):
    functions = SymmetryFunctions(
        [G2(r_c, *row) for row in radial], [kind(r_c, *row) for row in angular], species=species if len(species) > 1 else None
    )
    positions, cell = tensors(atoms)
    return functions(positions, cell, numbers=torch.tensor(atoms.numbers))[0].numpy()


@pytest.mark.parametrize("kind", [G4, G5])
@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("species", [("Al",), ("Al", "Cu"), ("H", "Al", "Cu")])
@pytest.mark.parametrize("seed", [0, 1])
def test_equal_to_dscribe(kind, periodic, species, seed):
    atoms = random_structure(seed, periodic=periodic, species=species)
    atoms.numbers[: len(species)] = Atoms(species).numbers  # each is there
    expected = by_dscribe(atoms, 4.4, WIDTHS, ANGLES, list(species), kind.__name__.lower())
    found = ours(atoms, 4.4, WIDTHS, ANGLES, species, kind)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)
    assert (np.abs(expected).max(0) > 1e-6).mean() > 0.6  # most are not nothing


@pytest.mark.parametrize("cubic", [True, False])
def test_cells_smaller_than_the_cutoff(cubic):
    """One atom in its primitive cell has the functions of the same atom in a large crystal."""
    functions = SymmetryFunctions(*document_set("57"))
    small = functions(*tensors(bulk("Al", "fcc", a=4.05, cubic=cubic)))
    large = functions(*tensors(bulk("Al", "fcc", a=4.05, cubic=True) * (4, 4, 4)))
    assert torch.allclose(small[0, 0], large[0, 7], rtol=1e-11, atol=1e-13)


def test_all_329_functions_of_a_liquid_like_cell():
    atoms = bulk("Al", "fcc", a=4.05, cubic=True) * (4, 4, 4)
    atoms.rattle(0.35, seed=3)
    radial, angular = document_set("329")
    expected = np.concatenate(
        [
            ACSF(r_cut=6.8, g2_params=[row[1:] for row in radial], species=["Al"], periodic=True).create(atoms)[:, 1:],
            2 * ACSF(r_cut=4.4, g5_params=[row[1:] for row in angular], species=["Al"], periodic=True).create(atoms)[:, 1:],
        ],
        1,
    )
    functions = SymmetryFunctions(radial, angular)
    np.testing.assert_allclose(functions(*tensors(atoms))[0].numpy(), expected, rtol=1e-10, atol=1e-13)
    single = functions(*tensors(atoms, torch.float32))[0].double().numpy()
    assert (np.abs(single - expected).max(0) / np.ptp(expected, 0)).max() < 1e-4


def test_golden_values():
    """Three atoms; values in dscribe's convention for G5."""
    positions = torch.tensor([[[0.0, 0, 0], [3, 0, 0], [0, 3, 0]]], dtype=torch.float64)
    functions = SymmetryFunctions([G1(6.8), (6.8, 1.85, 2.0), G1(4.4)], [(4.4, 0.4, 4, -1)])
    values = functions(positions)[0, 0]
    expected = torch.tensor([1.18374952, 0.18612942, 0.459359183, 2 * 4.92305351e-6], dtype=torch.float64)
    assert torch.allclose(values, expected, rtol=1e-7)


def test_g3_by_its_formula():
    positions = torch.tensor([[[0.0, 0, 0], [2.0, 0, 0], [0, 0, 3.0]]], dtype=torch.float64)
    value = SymmetryFunctions([G3(5.0, 1.3), G2(5.0, 0.2)])(positions)[0, 0]
    distance = torch.tensor([2.0, 3.0], dtype=torch.float64)
    assert torch.allclose(value[0], (torch.cos(1.3 * distance) * cutoff(distance, 5.0)).sum())


@pytest.mark.parametrize("kind", ["cosine", "tanh"])
def test_the_cutoff_function_ends_smoothly(kind):
    r = torch.tensor([5.9, 5.999, 6.0, 6.1], dtype=torch.float64, requires_grad=True)
    value = cutoff(r, 6.0, kind)
    slope = torch.autograd.grad(value.sum(), r)[0]
    assert value[2:].tolist() == [0, 0] and slope[2:].tolist() == [0, 0]
    assert 0 < value[1] < 1e-6 and -2e-3 < slope[1] <= 0
    closed = (torch.cos(torch.pi * r / 6) + 1) / 2 if kind == "cosine" else torch.tanh(1 - r / 6) ** 3
    assert torch.allclose(value[:2], closed[:2], atol=1e-12)


@pytest.mark.parametrize("kind", ["cosine", "tanh"])
def test_a_neighbour_that_crosses_the_cutoff_changes_nothing_suddenly(kind):
    functions = SymmetryFunctions([(4.0, 0.1, 0), (4.0, 2.0, 3.9)], [(4.0, 0.1, 2, 1), G4(4.0, 0.1, 2, 1)], cutoff=kind)

    def around(distance):
        positions = torch.tensor([[[0.0, 0, 0], [0, 2.5, 0], [distance, 0, 0]]], dtype=torch.float64, requires_grad=True)
        values = functions(positions)[0, 0]
        slopes = [torch.autograd.grad(value, positions, retain_graph=True)[0][0, 2, 0] for value in values]
        return values.detach(), torch.stack(slopes)

    (inside, slope), (outside, none) = around(4.0 - 1e-5), around(4.0 + 1e-5)
    assert (inside - outside).abs().max() < 1e-9 and slope.abs().max() < 1e-4 and none.abs().max() == 0


def test_invariances():
    draw = np.random.default_rng(2)
    atoms = random_structure(5, periodic=True, species=("Al", "Cu"))
    functions = SymmetryFunctions([(5.0, *row) for row in WIDTHS], [(4.4, *row) for row in ANGLES], species=("Al", "Cu"))
    positions, cell = tensors(atoms)
    numbers = torch.tensor(atoms.numbers)
    values = functions(positions, cell, numbers=numbers)
    turned = torch.linalg.qr(torch.tensor(draw.normal(size=(3, 3))))[0]  # a rotation or a reflection
    order = torch.tensor(draw.permutation(len(atoms)))
    wrapped = positions + torch.tensor(draw.integers(-2, 3, (1, len(atoms), 3)), dtype=torch.float64) @ cell
    assert torch.allclose(functions(positions + 1.7, cell, numbers=numbers), values)
    assert torch.allclose(functions(positions @ turned, cell @ turned, numbers=numbers), values)
    assert torch.allclose(functions(positions @ (-turned), cell @ (-turned), numbers=numbers), values)
    assert torch.allclose(functions(wrapped, cell, numbers=numbers), values)
    assert torch.allclose(functions(positions[:, order], cell, numbers=numbers[order]), values[:, order])


def test_a_batch_is_its_structures():
    several = [random_structure(seed, periodic=True) for seed in range(3)]
    positions, cell = (torch.cat(parts) for parts in zip(*map(tensors, several), strict=True))
    functions = SymmetryFunctions(*document_set("22"))
    batch = functions(positions, cell)
    for number, atoms in enumerate(several):
        assert torch.allclose(batch[number], functions(*tensors(atoms))[0])


def test_chunks_do_not_change_the_values(monkeypatch):
    atoms = random_structure(1, periodic=True, species=("Al", "Cu"), atoms=20)
    functions = SymmetryFunctions(*document_set("57"), species=("Al", "Cu"))
    whole = functions(*tensors(atoms), numbers=torch.tensor(atoms.numbers))
    monkeypatch.setattr("toolkit.potential.symmetry.CHUNK_BYTES", 1)
    assert torch.allclose(functions(*tensors(atoms), numbers=torch.tensor(atoms.numbers)), whole, rtol=1e-12, atol=1e-15)


def test_one_atom_alone_and_a_dimer():
    functions = SymmetryFunctions(*document_set("57"))
    alone = functions(torch.zeros(1, 1, 3, dtype=torch.float64))
    assert alone.shape == (1, 1, 57) and alone.abs().max() == 0
    dimer = functions(torch.tensor([[[0.0, 0, 0], [2.8, 0, 0]]], dtype=torch.float64))
    assert dimer[..., 42:].abs().max() == 0 and dimer[..., 0].min() > 0.5


@pytest.mark.parametrize("kind", [G4, G5])
def test_gradients(kind):
    atoms = random_structure(4, periodic=True, species=("Al", "Cu"), atoms=4)
    functions = SymmetryFunctions(
        [(3.6, 0.4, 0), (3.6, 1.85, 2.0), G3(3.2, 1.0)], [kind(3.6, 0.1, 1, 1), kind(3.0, 0.3, 4, -1)], species=("Al", "Cu")
    )
    positions, cell = tensors(atoms)
    numbers = torch.tensor(atoms.numbers)
    positions.requires_grad_()

    def values(moved, strained):
        return functions(moved, strained, numbers=numbers)

    assert torch.autograd.gradcheck(values, (positions, cell.requires_grad_()))
    assert torch.autograd.gradgradcheck(lambda moved: functions(moved, cell, numbers=numbers).sum(-1), (positions,))


def test_factored_progressions_have_the_gradients_of_plain_gaussians():
    functions = SymmetryFunctions(document_set("329")[0])
    positions = tensors(molecule("C6H6"))[0].requires_grad_()
    weights = torch.linspace(-1, 1, 269, dtype=torch.float64)
    found = torch.autograd.grad((functions(positions) @ weights).sum(), positions)[0]
    distance = torch.cdist(positions[0], positions[0], compute_mode="donot_use_mm_for_euclid_dist")
    r = distance[~torch.eye(len(distance), dtype=torch.bool)][:, None]
    eta, r_s = (torch.tensor([row[place] for row in functions.radial], dtype=torch.float64) for place in (1, 2))
    plain = torch.exp(-eta * (r - r_s) ** 2) * cutoff(r, 6.8)
    expected = torch.autograd.grad((plain @ weights).sum(), positions)[0]
    assert torch.allclose(found, expected, rtol=1e-9, atol=1e-11)


def test_sets_of_the_document():
    radial, angular = document_set("329")
    table = published.table("ghimire_section_3_3_features_329")
    printed = table[["r_c", "eta", "r_s"]].to_numpy(float)[:269]
    assert np.abs(np.array(radial) - printed).max() < 1e-6
    assert np.abs(np.array(angular) - table[["r_c", "eta", "zeta", "lambda"]].to_numpy(float)[269:]).max() < 1e-12
    assert document_columns("57")[:3] == [0, 8, 16] and len(document_set("57")[1]) == 15
    assert {len(document_columns(f"57{letter}")) for letter in "ABCD"} == {57}
    assert {function.lambda_ for function in document_set("57B")[1]} == {-1}
    for name in DOCUMENT_SETS:
        names = SymmetryFunctions(*document_set(name)).names
        assert len(names) == len(set(names)) == len(document_columns(name))
    assert max(function.r_s for function in document_set("22")[0]) == pytest.approx(6.105, abs=0.02)


def test_columns_of_mixed_cutoffs_keep_their_order():
    rows = [(5.0, 0.1, 0), (4.0, 0.2, 0), (5.0, 0.3, 0), (4.0, 0.4, 0)]
    atoms = random_structure(8, periodic=True)
    together = SymmetryFunctions(rows, [(4.0, 0.1, 1, 1), (3.5, 0.2, 1, 1), (4.0, 0.3, 2, 1)])(*tensors(atoms))
    for column, row in enumerate(rows):
        assert torch.allclose(together[..., column], SymmetryFunctions([row])(*tensors(atoms))[..., 0])
    assert torch.allclose(together[..., 5], SymmetryFunctions([], [(3.5, 0.2, 1, 1)])(*tensors(atoms))[..., 0])


def test_a_slab_repeats_in_two_directions():
    atoms = bulk("Al", "fcc", a=4.05, cubic=True)
    positions, cell = tensors(atoms)
    functions = SymmetryFunctions([(6.0, 0.0, 0.0)])
    slab = functions(positions, cell, periodic=(True, True, False))
    tall = cell.clone()
    tall[:, 2, 2] = 40.0
    assert torch.allclose(slab, functions(positions, tall)) and (slab < functions(positions, cell)).all()


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"radial": [(0.0, 1.0, 0.0)]}, "r_c must be a positive length"),
        ({"radial": [(6.8, -1.0, 0.0)]}, "eta must be zero or positive"),
        ({"radial": [(1.0,) * 5]}, r"radial rows must be \(r_c, eta, r_s\)"),
        ({"radial": [("a", 1.0, 0.0)]}, "must hold numbers"),
        ({"radial": [(float("nan"), 1.0, 0.0)]}, "must hold finite numbers"),
        ({"radial": [], "angular": [(4.4, 0.1, 0.5, 1)]}, "zeta must be at least 1"),
        ({"radial": [], "angular": [(4.4, 0.1, 1, 2)]}, "lambda_ must be between -1 and 1"),
        ({"radial": []}, "at least one function"),
        ({"radial": [(6.8, 1, 0)], "species": ["Xx"]}, "chemical symbols or atomic numbers"),
        ({"radial": [(6.8, 1, 0)], "species": ["Al", 13]}, "different elements"),
        ({"radial": [(6.8, 1, 0)], "cutoff": "sharp"}, "cutoff must be one of"),
    ],
)
def test_refused_settings(settings, word):
    with pytest.raises(ValueError, match=word):
        SymmetryFunctions(**settings)


def test_refused_structures():
    functions = SymmetryFunctions([(6.8, 1, 0)], species=["Al"])
    sound = torch.zeros(1, 2, 3)
    with pytest.raises(ValueError, match="numbers must be given"):
        functions(sound)
    with pytest.raises(ValueError, match=r"numbers must be among \(13,\), got \[29\]"):
        functions(sound, numbers=torch.tensor([13, 29]))
    for positions, cell, word in (
        (torch.zeros(2, 3), None, "shape"), (torch.full((1, 2, 3), torch.nan), None, "finite"),
        (sound, torch.eye(3), "cell must have shape"), (sound, torch.zeros(1, 3, 3), "must have a volume"),
        (torch.zeros(1, 2, 3, dtype=torch.int64), None, "real numbers"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=word):
            functions(positions, cell, numbers=13 * torch.ones(positions.shape[-2], dtype=torch.int64))
    with pytest.raises(ValueError, match="name must be one of"):
        document_set("23")
