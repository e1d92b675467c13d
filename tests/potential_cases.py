"""Small potentials and structures for the tests."""

import numpy as np
import torch
from ase import Atoms

from toolkit.potential import HighDimensionalNetwork, Potential, SymmetryFunctions, fit_scaling

RADIAL = [(5.0, 0.1, 0.0), (5.0, 1.0, 2.5), (5.0, 0.5, 4.9)]
ANGULAR = [(4.5, 0.05, 1, 1), (4.5, 0.05, 4, -1)]


def structure(seed=0, *, periodic=True, species=("Al",), atoms=10, edge=7.0):
    """Random atoms that are not too near to each other."""
    draw = np.random.default_rng(seed)
    lattice = edge * np.eye(3) + draw.normal(0, 0.3, (3, 3))
    grid = np.array(np.meshgrid(*[np.arange(3)] * 3)).reshape(3, -1).T[draw.permutation(27)[:atoms]] / 3
    positions = (grid + draw.uniform(-0.05, 0.05, grid.shape)) @ lattice
    return Atoms([species[number % len(species)] for number in range(atoms)], positions, cell=lattice, pbc=periodic)


def tensors(*structures):
    positions = torch.tensor(np.array([atoms.positions for atoms in structures]))
    periodic = structures[0].pbc.any()
    cell = torch.tensor(np.array([atoms.cell.array for atoms in structures])) if periodic else None
    return positions, cell, torch.tensor(np.array([atoms.numbers for atoms in structures]).astype(np.int64))


def potential(seed=0, *, species=None, scaling="min-max", hidden=(6, 5), activation="tanh", angular=ANGULAR):
    """With random weights, scaled by two structures."""
    torch.manual_seed(seed)
    functions = SymmetryFunctions(RADIAL, angular, species=species)
    names = species or ("Al",)
    several = [structure(number, species=names) for number in (1, 2)]
    positions, cell, numbers = tensors(*several)
    features = functions(positions, cell, numbers=numbers)
    kinds = None
    if species:
        kinds = (numbers.unsqueeze(-1) == torch.tensor(functions.species)).int().argmax(-1)
    network = HighDimensionalNetwork(len(functions), hidden=hidden, activation=activation, species=len(names)).double()
    return Potential(
        functions, fit_scaling(features, scaling, kinds=kinds, species=len(names)), network,
        offset=[-3.0 - number for number in range(len(names))], scale=0.7,
    )  # fmt: skip
