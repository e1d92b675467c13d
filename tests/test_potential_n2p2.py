"""Files of n2p2: a published potential predicts what is stated of it, a round trip changes nothing, damage is named."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from potential_cases import potential, structure, tensors

from toolkit.datasets import frames
from toolkit.datasets.files import DamagedFile, DataNotFound
from toolkit.potential import G3, G4, HighDimensionalNetwork, Potential, SymmetryFunctions, fit_scaling, n2p2
from toolkit.potential.scaling import KINDS

needs_data = pytest.mark.skipif("TOOLKIT_DATA" not in os.environ, reason="TOOLKIT_DATA does not name the folder of real data")


def copper():
    return Path(os.environ["TOOLKIT_DATA"]) / "atomistic" / "hdnnp_cu"


def energies(model, data):
    found = np.zeros(len(data))
    for rows in data.batches():
        positions, cell, numbers = data[rows].tensors()
        with torch.no_grad():
            found[rows] = model(positions, cell, numbers=numbers).numpy()
    return found


@needs_data
def test_a_published_potential_has_its_stated_error():
    model, data = n2p2.read(copper()), frames.dft_copper()
    error = (energies(model, data) - data.energy) / data.sizes
    assert 1000 * np.abs(error).mean() == pytest.approx(1.154, abs=5e-4)
    positions, cell, numbers = data[[0]].tensors()
    forces = model.predict(positions, cell, numbers=numbers).forces[0].numpy()
    assert np.abs(forces - data[[0]].forces).mean() < 0.05 and len(model.functions) == 27


@needs_data
def test_the_published_potential_written_and_read_back(tmp_path):
    model, data = n2p2.read(copper()), frames.dft_copper()[:6]
    n2p2.write(model, tmp_path)
    np.testing.assert_allclose(energies(n2p2.read(tmp_path), data), energies(model, data), rtol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("species", [("Al",), ("Cu", "Al")])
@pytest.mark.parametrize("own_units", [{}, {"length": 1.0, "energy": 1.0}])
def test_a_round_trip_changes_nothing(tmp_path, kind, species, own_units):
    model = potential(species=species, scaling=kind)
    n2p2.write(model, tmp_path, **own_units)
    back = n2p2.read(tmp_path, **own_units)
    several = [structure(number, species=species) for number in (4, 5)]
    positions, cell, numbers = tensors(*several)
    first, second = (each.predict(positions, cell, numbers=numbers) for each in (model, back))
    np.testing.assert_allclose(second.energy, first.energy, rtol=1e-12)
    np.testing.assert_allclose(second.forces, first.forces, rtol=0, atol=1e-11)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        ["input.nn", "scaling.data", "weights.013.data", *(["weights.029.data"] if "Cu" in species else [])]
    )


def test_tanh_cutoff_g4_and_dead_functions(tmp_path):
    functions = SymmetryFunctions([(5.0, 0.1, 0), (0.5, 0.1, 0)], [G4(4.0, 0.02, 2, -1)], cutoff="tanh")
    atoms = structure(1)
    features = functions(*tensors(atoms)[:2])
    torch.manual_seed(2)
    model = Potential(functions, fit_scaling(features), HighDimensionalNetwork(3, activation=["logistic", "softplus"]).double())
    assert model.scaling.dead.tolist() == [[False, True, False]]  # nothing is nearer than 0.5 Å
    n2p2.write(model, tmp_path, species=["Al"])
    text = (tmp_path / "input.nn").read_text()
    assert text.count("symfunction_short") == 2 and "cutoff_type 2" in text and "global_activation_short s p l" in text
    positions, cell, numbers = tensors(structure(7))
    assert torch.allclose(n2p2.read(tmp_path)(positions, cell, numbers=numbers), model(positions, cell), rtol=1e-12, atol=1e-12)


def test_what_cannot_be_written(tmp_path):
    with pytest.raises(ValueError, match="species must name 1 elements"):
        n2p2.write(potential(), tmp_path / "new")
    with pytest.raises(ValueError, match="no activation 'sinh'"):
        n2p2.write(potential(species=("Al",), activation="sinh"), tmp_path / "new")
    functions = SymmetryFunctions([G3(5.0, 0.1)], species=["Al"])
    wave = Potential(functions, fit_scaling(torch.tensor([[1.0], [2.0]])), HighDimensionalNetwork(1))
    with pytest.raises(ValueError, match="no G3"):
        n2p2.write(wave, tmp_path / "new")
    assert not (tmp_path / "new").exists()


CHANGES = [
    ("input.nn", "elements Al", "elements Xx", "'Xx' is not an element"),
    ("input.nn", "elements Al", "", "says nothing of elements"),
    ("input.nn", "cutoff_type 1 0.0", "cutoff_type 6", "types 1 and 2"),
    ("input.nn", "cutoff_type 1 0.0", "cutoff_type 1 0.2", "without an inner cutoff"),
    ("input.nn", "scale_symmetry_functions\n", "", "scaling by nothing"),
    ("input.nn", "global_nodes_short 6 5", "global_nodes_short 6 4", "holds 77 weights, the network of input.nn has"),
    ("input.nn", "_activation_short t t l", "_activation_short t h l", "one of l, t, s, p, r"),
    ("input.nn", "symfunction_short Al 2", "symfunction_short Al 12", "types 2, 3 and 9"),
    ("input.nn", "cutoff_type", "conv_energy 2.0\ncutoff_type", "conv_energy is not supported"),
    ("scaling.data", "   1    3 ", "   1    9 ", "no line for function 3 of element 1"),
    ("scaling.data", "   1    2 ", "   1    x ", "must begin with 5 numbers"),
    ("weights.013.data", " b        31 ", " b        31 \nnonsense", "line 33 must begin with 1 numbers"),
]


@pytest.mark.parametrize(("name", "old", "new", "word"), CHANGES)
def test_damage_is_named(tmp_path, name, old, new, word):
    n2p2.write(potential(species=("Al",)), tmp_path)
    text = (tmp_path / name).read_text()
    assert old in text
    (tmp_path / name).write_text(text.replace(old, new, 1))
    with pytest.raises(DamagedFile, match=word) as fault:
        n2p2.read(tmp_path)
    assert "77 weights" in word or name in str(fault.value)


def test_a_missing_file_is_named(tmp_path):
    n2p2.write(potential(species=("Al",)), tmp_path / "whole")
    shutil.copytree(tmp_path / "whole", tmp_path / "part")
    (tmp_path / "part" / "scaling.data").unlink()
    with pytest.raises(DataNotFound, match="scaling.data does not exist"):
        n2p2.read(tmp_path / "part")
