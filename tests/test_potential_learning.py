"""From frames to trained potentials: descriptors, data, energies and forces, errors, units."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from potential_cases import ANGULAR, RADIAL, structure

from toolkit import published, training
from toolkit.datasets import frames
from toolkit.potential import HighDimensionalNetwork, Potential, SymmetryFunctions, fit_scaling, learning

FUNCTIONS = SymmetryFunctions(RADIAL, ANGULAR)


def pairwise(species=("Al",), sizes=(10,) * 24):
    """Frames whose energy is a sum over pairs, with its forces."""
    from ase.calculators.morse import MorsePotential

    structures = []
    for seed, atoms in enumerate(sizes):
        each = structure(seed, species=species, atoms=atoms)
        each.calc = MorsePotential(epsilon=0.3, r0=2.6, rho0=4.0, rcut1=4.0, rcut2=5.0)
        each.get_forces()
        each.info = {"trajectory": seed, "label": "x"}
        structures.append(each)
    return frames.from_atoms(structures, simulated="pairs")


def parts(data):
    return data.split(validation=0.25, test=0.25, seed=1)


def test_printed_losses_and_errors_of_one_atom():
    table = published.table("ghimire_table_4_1_variable_counts").set_index("n_features")
    assert learning.rmse_of_document(table.loc[57, "val_loss"]) == pytest.approx(1.486, abs=1e-3)
    assert table.loc[57, "val_loss_per_atom"] == pytest.approx(table.loc[57, "val_loss"] / 256, abs=1e-6)
    assert learning.document_loss(1.0) == pytest.approx(0.065536)


def test_descriptors_of_frames():
    data = pairwise(sizes=(8, 10, 8))
    ragged = learning.describe(FUNCTIONS, data)
    assert ragged.shape == (26, 5) and ragged.dtype == torch.float32
    equal = learning.describe(FUNCTIONS, data[[0, 2]], dtype=torch.float64)
    assert equal.shape == (2, 8, 5) and torch.allclose(equal[1].float(), ragged[18:], rtol=1e-4)
    positions, cell, _ = data[[0]].tensors()
    assert torch.allclose(equal[0], FUNCTIONS(positions, cell)[0])


def test_energy_data_and_the_potential_that_comes_of_it():
    data = pairwise()
    train, validation, test = parts(data)
    ready = learning.energy_data(FUNCTIONS, data, train, validation, test)
    assert ready.train[0].shape == (12, 10, 5) and (ready.atoms, ready.features) == (10, 5)
    assert ready.train[0].amin() == pytest.approx(-1, abs=1e-5) and ready.train[0].amax() == pytest.approx(1, abs=1e-5)
    torch.manual_seed(0)
    network = HighDimensionalNetwork(5, hidden=(6,))
    potential = ready.potential(network)
    with torch.no_grad():
        loss = ready.loss(network(ready.test[0]), ready.test[1])
    found = learning.errors(potential, data[test])
    assert ready.rmse(float(loss)) == pytest.approx(found.energy_rmse, rel=1e-4)


def test_training_learns_the_energy():
    data = pairwise()
    ready = learning.energy_data(FUNCTIONS, data, *parts(data))
    torch.manual_seed(0)
    network = HighDimensionalNetwork(5, hidden=(6,))
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    records = list(training.fit(network, ready, loss=ready.loss, optimizer=optimizer, epochs=150, batch_size=4, device="cpu"))
    first, last = (record.metrics["train_loss"] for record in (records[0], records[-1]))
    assert last < 0.05 * first


def test_a_choice_of_columns():
    data = pairwise()
    ready = learning.energy_data(FUNCTIONS, data, *parts(data))
    some = learning.only(ready, [0, 2, 4])
    again = learning.energy_data(SymmetryFunctions([RADIAL[0], RADIAL[2]], [ANGULAR[1]]), data, *parts(data))
    assert torch.allclose(some.train[0], again.train[0], atol=1e-5) and some.functions.names == again.functions.names
    assert torch.allclose(some.scaling.factor, again.scaling.factor, rtol=1e-4)
    for columns in ([], [2, 1], [0, 9]):
        with pytest.raises(ValueError, match="columns must be rising numbers 0 .. 4"):
            learning.only(ready, columns)


def pupil(data, *, forces, species=None):
    functions = SymmetryFunctions(RADIAL, ANGULAR, species=species)
    features = learning.describe(functions, data).reshape(-1, len(functions))
    numbers = torch.tensor(data.numbers.astype(np.int64))
    kinds = None if species is None else (numbers[:, None] == torch.tensor(functions.species)).int().argmax(-1)
    torch.manual_seed(0)
    network = HighDimensionalNetwork(len(functions), hidden=(6, 6), species=len(species or "x"))
    scaling = fit_scaling(features, kinds=kinds, species=len(species or "x"))
    potential = Potential(functions, scaling, network, offset=float(data.energy_per_atom.mean()), scale=0.3)
    return learning.Pupil(potential, data, forces=forces)


@pytest.mark.parametrize(("species", "sizes"), [(None, (8, 10, 8, 9)), (("Al", "Cu"), (8, 10, 8, 9))])
def test_a_pupil_predicts_what_its_potential_does(species, sizes):
    data = pairwise(species or ("Al",), sizes)
    both, energies = (pupil(data, forces=forces, species=species) for forces in (True, False))
    rows = torch.tensor([3, 0, 1])
    outputs, only_energies = both(rows).detach(), energies(rows).detach()
    found = learning.errors(both.potential, data, dtype=torch.float32)
    assert outputs.shape == (3, 31) and only_energies.shape == (3, 1)
    assert np.allclose(outputs[:, 0], found.energy[[3, 0, 1]], atol=1e-5)
    assert torch.allclose(outputs[:, 0], only_energies[:, 0], atol=1e-5)
    assert np.allclose(outputs[0, 1:28].reshape(9, 3), found.forces[26:], atol=1e-4) and not outputs[0, 28:].any()
    assert torch.allclose(both.eval()(rows), outputs, atol=1e-6)
    targets = both.data([0, 1], [2, 3]).validation[1]
    error = learning.errors(both.potential, data[[2, 3]])
    outputs = both(torch.tensor([2, 3])).detach()
    assert float(learning.force_rmse(outputs, targets)) == pytest.approx(error.force_rmse, rel=1e-3)
    assert float(learning.energy_rmse(outputs, targets)) == pytest.approx(error.energy_rmse, rel=1e-3)


def test_training_on_forces_lowers_both_errors():
    data = pairwise()
    student = pupil(data, forces=True)
    optimizer = torch.optim.Adam(student.parameters(), lr=0.01)
    run = training.fit(
        student, student.data(np.arange(16), np.arange(16, 24)), loss=student.loss(force_weight=0.1), optimizer=optimizer,
        epochs=25, batch_size=4, metrics=[learning.energy_rmse, learning.force_rmse], device="cpu",
    )  # fmt: skip
    records = list(run)
    first, last = records[0].metrics, records[-1].metrics
    assert last["validation_force_rmse"] < 0.6 * first["validation_force_rmse"]
    assert last["validation_energy_rmse"] < first["validation_energy_rmse"]


def test_the_gradient_of_the_force_loss():
    data = pairwise(sizes=(8, 8))
    student = pupil(data, forces=True)
    loss = student.loss(force_weight=1.0)
    targets = student.data([0, 1], [0, 1]).train[1]
    weight = student.potential.network.networks[0][0].weight
    slope = torch.autograd.grad(loss(student(torch.tensor([0, 1])), targets), weight)[0][2, 1]
    values = []
    for change in (1e-2, -1e-2):
        with torch.no_grad():
            weight[2, 1] += change
            values.append(float(loss(student.eval()(torch.tensor([0, 1])), targets)))
            weight[2, 1] -= change
    assert float(slope) == pytest.approx((values[0] - values[1]) / 2e-2, rel=0.02)


def test_refusals():
    data = pairwise(sizes=(8, 8, 8, 8))
    train, validation, test = np.arange(2), np.arange(2, 3), np.arange(3, 4)
    with pytest.raises(ValueError, match="do not vary"):
        learning.energy_data(FUNCTIONS, replace(data, energy=np.ones(4)), train, validation, test)
    with pytest.raises(ValueError, match="one size and one species"):
        learning.energy_data(FUNCTIONS, pairwise(sizes=(8, 9)), *(np.arange(1),) * 3)
    with pytest.raises(ValueError, match=r"features must have shape \(4, 8, 5\)"):
        learning.energy_data(FUNCTIONS, data, train, validation, test, features=torch.zeros(4, 8, 2))
    with pytest.raises(ValueError, match="force_weight must be 0 or more"):
        pupil(data, forces=False).loss(force_weight=1.0)
