"""A potential as a calculator of ASE: relaxations, molecular dynamics, phonons and whatever else needs energies and forces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from toolkit.potential.potential import Committee, Potential


class PotentialCalculator(Calculator):
    """Energy, forces and, for periodic cells, stress of ASE's atoms.

    With a `Committee` the results are its means, and `results["energy_spread"]` [eV] and `results["forces_spread"]` [eV/Å]
    hold the standard deviations over the members. `results["outside"]` is the largest share of descriptors of an atom that lie
    outside of what the potential has seen in training: a warning that it extrapolates.

    Args:
        potential: one, or a committee.
        dtype: in which descriptors are computed.
        device: on which.

    >>> from ase.build import bulk
    >>> from toolkit.potential import HighDimensionalNetwork, SymmetryFunctions, fit_scaling
    >>> functions = SymmetryFunctions([(6.0, 0.1, 0.0)])
    >>> potential = Potential(functions, fit_scaling(torch.tensor([[3.0], [4.0]])), HighDimensionalNetwork(1))
    >>> atoms = bulk("Al", "fcc", a=4.05)
    >>> atoms.calc = PotentialCalculator(potential)
    >>> bool(abs(atoms.get_forces()).max() < 1e-12)  # by symmetry
    True
    """

    implemented_properties: ClassVar[list[str]] = ["energy", "free_energy", "energies", "forces", "stress"]

    def __init__(
        self, potential: Potential | Committee, *, dtype: torch.dtype = torch.float64, device: str | torch.device = "cpu"
    ):
        super().__init__()
        self.potential, self.dtype = potential.to(device), dtype
        self.device = torch.device(device)

    def calculate(
        self, atoms: Atoms | None = None, properties: Sequence[str] = ("energy",), system_changes: Sequence[str] = all_changes
    ) -> None:
        """Called by ASE when a result is asked for; all of them are computed together."""
        super().calculate(atoms, properties, system_changes)
        pbc = self.atoms.pbc
        positions = torch.tensor(self.atoms.positions, dtype=self.dtype, device=self.device)[None]
        cell = torch.tensor(self.atoms.cell.complete().array, dtype=self.dtype, device=self.device)[None] if pbc.any() else None
        numbers = torch.tensor(self.atoms.numbers.astype(np.int64), device=self.device)
        settings = {"numbers": numbers, "periodic": pbc.tolist()}
        if isinstance(self.potential, Committee):
            found, spread = self.potential.predict(positions, cell, **settings)
            self.results = {"energy_spread": float(spread.energy[0]), "forces_spread": spread.forces[0].cpu().numpy()}
        else:
            found, self.results = self.potential.predict(positions, cell, **settings), {}
        energy = float(found.energy[0])
        self.results |= {
            "energy": energy,
            "free_energy": energy,
            "energies": found.atomic[0].cpu().numpy(),
            "forces": found.forces[0].cpu().numpy(),
            "outside": float(found.outside.max()),
        }
        if pbc.all():
            stress = found.stress[0].cpu().numpy()
            self.results["stress"] = stress[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
