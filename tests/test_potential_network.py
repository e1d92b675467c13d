"""Networks, scaling, potentials: sums over atoms, forces, stress, committees, calculator."""

import numpy as np
import pytest
import torch
from ase import units
from ase.build import bulk
from ase.calculators.fd import calculate_numerical_forces
from ase.md.verlet import VelocityVerlet
from potential_cases import ANGULAR, potential, structure, tensors

from toolkit.potential import Committee, HighDimensionalNetwork, Potential, SymmetryFunctions, fit_scaling
from toolkit.potential.calculator import PotentialCalculator
from toolkit.potential.scaling import KINDS


def test_one_product_equals_256_sub_networks():
    torch.manual_seed(0)
    network = HighDimensionalNetwork(22).double()
    features = torch.randn(3, 256, 22, dtype=torch.float64)
    shared = network.networks[0]
    published = sum(shared(features[:, atom]).squeeze(-1) for atom in range(256))
    assert torch.allclose(network(features), published)
    assert [layer.weight.shape for layer in shared if isinstance(layer, torch.nn.Linear)] == [(10, 22), (10, 10), (1, 10)]


def test_species_have_their_own_networks():
    torch.manual_seed(0)
    network = HighDimensionalNetwork(4, species=2)
    features, kinds = torch.randn(2, 5, 4), torch.tensor([[0, 1, 1, 0, -1], [1, 1, 0, 0, 0]])
    expected = torch.stack(
        [
            sum(network.networks[kind](row) for row, kind in zip(rows, own, strict=True) if kind >= 0)
            for rows, own in zip(features, kinds, strict=True)
        ]  # noqa: E501
    ).squeeze(-1)
    assert torch.allclose(network(features, kinds), expected, atol=1e-6)
    with pytest.raises(ValueError, match="kinds must be given for 2 species"):
        network(features)


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"features": 0}, "features must be whole"), ({"features": 3, "hidden": (0,)}, "hidden must be whole"),
        ({"features": 3, "activation": "step"}, "activation must be one of"),
        ({"features": 3, "activation": ["tanh"]}, "one for each hidden layer"),
    ],
)  # fmt: skip
def test_refused_networks(settings, word):
    with pytest.raises(ValueError, match=word):
        HighDimensionalNetwork(**settings)


@pytest.mark.parametrize("kind", KINDS)
def test_scaling(kind):
    draw = torch.Generator().manual_seed(1)
    features = torch.randn(3, 40, 5, generator=draw, dtype=torch.float64) * torch.tensor([1, 10, 1e-6, 100, 1.0]) + 50
    features[..., 4] = 7.0
    scaling = fit_scaling(features, kind)
    scaled = scaling(features).reshape(-1, 5)
    assert scaling.dead.tolist() == [[False, False, True, False, True]] and scaled[:, 4].abs().max() == 0
    living = scaled[:, [0, 1, 3]]
    if kind == "min-max":
        assert torch.allclose(living.amin(0), -torch.ones(3).double()) and torch.allclose(
            living.amax(0), torch.ones(3).double()
        )
    else:
        assert living.mean(0).abs().max() < 1e-10
    if kind == "standard":
        assert torch.allclose(living.std(0, correction=0), torch.ones(3).double())
    if kind == "shift and scale":
        assert torch.allclose(living.amax(0) - living.amin(0), torch.ones(3).double())
    if kind == "shift":
        assert torch.allclose(living.diff(dim=0), features.reshape(-1, 5)[:, [0, 1, 3]].diff(dim=0))


def test_scaling_of_species_and_what_is_outside():
    features = torch.tensor([[0.0, 1], [2, 3], [10, 20], [20, 40]])
    kinds = torch.tensor([0, 0, 1, 1])
    scaling = fit_scaling(features, kinds=kinds, species=2)
    assert scaling(features, kinds).tolist() == [[-1, -1], [1, 1], [-1, -1], [1, 1]]
    assert scaling.outside(torch.tensor([[1.0, 2], [1, 5], [15, 41]]), torch.tensor([0, 0, 1])).tolist() == [0, 0.5, 0.5]
    for arguments, word in (
        ((torch.full((2, 2), torch.nan),), "finite"), ((features, "halve"), "kind must be one of"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=word):
            fit_scaling(*arguments)
    with pytest.raises(ValueError, match="atoms of each species"):
        fit_scaling(features, kinds=kinds, species=3)


@pytest.mark.parametrize(("periodic", "species"), [(True, None), (False, None), (True, ("Al", "Cu")), (False, ("Al", "Cu"))])
def test_forces_are_central_differences(periodic, species):
    model = potential(species=species)
    atoms = structure(5, periodic=periodic, species=species or ("Al",))
    atoms.calc = PotentialCalculator(model)
    forces = atoms.get_forces()
    assert np.abs(forces).max() > 1e-2
    np.testing.assert_allclose(forces, calculate_numerical_forces(atoms, eps=1e-4), atol=1e-7)
    assert np.abs(forces.sum(0)).max() < 1e-12
    if not periodic:
        assert np.abs(np.cross(atoms.positions, forces).sum(0)).max() < 1e-11


def test_stress_is_the_central_difference():
    atoms = structure(3)
    atoms.calc = PotentialCalculator(potential())
    stress = atoms.get_stress(voigt=False)
    for row, column in ((0, 0), (1, 2)):
        energies = []
        for size in (1e-5, -1e-5):
            strain = np.eye(3)
            strain[row, column] += size / 2
            strain[column, row] += size / 2
            moved = atoms.copy()
            moved.set_cell(atoms.cell.array @ strain, scale_atoms=True)
            moved.calc = atoms.calc
            energies.append(moved.get_potential_energy())
        slope = (energies[0] - energies[1]) / 2e-5 / atoms.get_volume()
        assert stress[row, column] == pytest.approx(slope, abs=1e-8)


def test_energy_is_extensive():
    model, atoms = potential(), structure(2)
    double = atoms.repeat((2, 1, 1))
    single, twice = model(*tensors(atoms)[:2]), model(*tensors(double)[:2])
    assert torch.allclose(2 * single, twice, rtol=1e-12)
    forces = model.predict(*tensors(double)[:2]).forces[0]
    assert torch.allclose(forces[:10], forces[10:], atol=1e-10)


def test_a_batch_and_parts_give_the_same(monkeypatch):
    model = potential(species=("Al", "Cu"))
    several = [structure(number, species=("Al", "Cu")) for number in range(3)]
    positions, cell, numbers = tensors(*several)
    whole = model.predict(positions, cell, numbers=numbers)
    monkeypatch.setattr("toolkit.potential.potential.ATOMS_AT_ONCE", 7)
    parts = model.predict(positions, cell, numbers=numbers)
    for name in ("energy", "forces", "stress", "atomic", "outside"):
        assert torch.allclose(getattr(whole, name), getattr(parts, name), atol=1e-10)
    assert torch.allclose(whole.energy, model(positions, cell, numbers=numbers))
    alone = model.predict(*(part[1:2] for part in (positions, cell)), numbers=numbers[1:2])
    assert torch.allclose(alone.forces[0], whole.forces[1], atol=1e-10)


def test_dynamics_keep_the_energy():
    atoms = bulk("Al", "fcc", a=4.05, cubic=True).repeat(2)
    model = potential()
    features = model.functions(*tensors(atoms)[:2])
    draw = torch.Generator().manual_seed(0)
    near = features + 0.3 * torch.rand(features.shape, generator=draw, dtype=torch.float64)
    model = Potential(model.functions, fit_scaling(near), model.network, scale=0.01)
    atoms.calc = PotentialCalculator(model)
    atoms.set_momenta(np.random.default_rng(0).normal(0, 1.0, (32, 3)))
    before = atoms.get_total_energy()
    VelocityVerlet(atoms, 1 * units.fs).run(40)
    assert atoms.get_total_energy() == pytest.approx(before, abs=2e-4)
    assert abs(atoms.get_potential_energy() - float(model(*tensors(atoms)[:2])[0].detach())) < 1e-10


def test_committee():
    members = [potential(seed) for seed in range(3)]
    committee, atoms = Committee(members), structure(4)
    single = torch.stack([member.predict(*tensors(atoms)[:2]).energy for member in members])
    mean, spread = committee.predict(*tensors(atoms)[:2])
    assert torch.allclose(mean.energy, single.mean(0)) and torch.allclose(spread.energy, single.std(0))
    atoms.calc = PotentialCalculator(committee)
    assert atoms.get_potential_energy() == pytest.approx(float(mean.energy[0]))
    assert atoms.calc.results["energy_spread"] == pytest.approx(float(spread.energy[0]))
    assert atoms.calc.results["forces_spread"].shape == (10, 3)
    np.testing.assert_allclose(atoms.get_forces(), calculate_numerical_forces(atoms, eps=1e-4), atol=1e-7)
    free = structure(4, periodic=False)
    assert committee.predict(*tensors(free)[:2])[0].stress is None
    with pytest.raises(ValueError, match="two potentials or more"):
        Committee(members[:1])
    with pytest.raises(ValueError, match="same symmetry functions"):
        Committee([members[0], potential(0, angular=[(4.0, 0.05, 1, 1), ANGULAR[1]])])


def test_the_calculator_says_when_it_extrapolates():
    atoms = structure(1)
    atoms.calc = PotentialCalculator(potential())
    atoms.get_potential_energy()
    assert atoms.calc.results["outside"] == 0  # a structure of the training
    atoms.positions *= 0.8
    atoms.set_cell(atoms.cell * 0.8)
    atoms.get_potential_energy()
    assert atoms.calc.results["outside"] > 0.5


def test_float32_is_near_float64():
    model, atoms = potential(), structure(6)
    double = model.predict(*tensors(atoms)[:2])
    single = model.float().predict(*(part.float() for part in tensors(atoms)[:2]))
    assert single.energy.dtype == torch.float32
    assert abs(single.energy.double() - double.energy) < 1e-3 and (single.forces.double() - double.forces).abs().max() < 1e-3


def test_what_is_not_trained_keeps_its_digits():
    model, atoms = potential(), structure(6)
    before = model(*tensors(atoms)[:2]).detach()
    weights = [weight.detach().clone() for weight in model.parameters()]
    model.float()
    assert (
        model.scaling.low.dtype == model.offset.dtype == torch.float64
        and model.network.networks[0][0].weight.dtype == torch.float32
    )
    model.double()
    with torch.no_grad():
        for weight, old in zip(model.parameters(), weights, strict=True):
            weight.copy_(old)
    assert torch.equal(model(*tensors(atoms)[:2]), before)


def test_parts_must_fit():
    functions = SymmetryFunctions([(5.0, 0.1, 0.0)])
    scaling = fit_scaling(torch.tensor([[1.0], [2.0]]))
    with pytest.raises(ValueError, match=r"one number of descriptors, got \(1, 2, 1\)"):
        Potential(functions, scaling, HighDimensionalNetwork(2))
    with pytest.raises(ValueError, match="for 1 species"):
        Potential(functions, scaling, HighDimensionalNetwork(1, species=2))


def test_everything_runs_on_a_device(device):
    """On other devices than the CPU the minimum image search is used where it is admitted."""
    model = potential(species=("Al", "Cu"))
    several = [structure(number, species=("Al", "Cu"), edge=11.0) for number in (1, 2)]
    positions, cell, numbers = tensors(*several)
    expected = model.predict(positions, cell, numbers=numbers)
    found = model.to(device).predict(positions.to(device), cell.to(device), numbers=numbers.to(device))
    assert found.energy.device.type == device
    assert torch.allclose(found.energy.cpu(), expected.energy) and torch.allclose(
        found.forces.cpu(), expected.forces, atol=1e-9
    )
    assert torch.equal(found.outside.cpu(), expected.outside)
