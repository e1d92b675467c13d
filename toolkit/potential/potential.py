"""A potential: symmetry functions, their scaling and a network together; energies, forces and stress of structures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from toolkit.potential.neighbours import Periodic
from toolkit.potential.network import HighDimensionalNetwork
from toolkit.potential.scaling import Scaling, keep_double
from toolkit.potential.symmetry import SymmetryFunctions

ATOMS_AT_ONCE = 4096  # whose graph is held while forces are computed


@dataclass(frozen=True)
class Prediction:
    """What a potential says of a batch of structures.

    Attributes:
        energy: [eV] `(b,)`.
        forces: [eV/Å] `(b, a, 3)`.
        stress: [eV/Å^3] `(b, 3, 3)`; None for free structures.
        atomic: part of each atom in the energy [eV] `(b, a)`.
        outside: share of each atom's descriptors that lie outside of what was seen in training `(b, a)`.
    """

    energy: Tensor
    forces: Tensor
    stress: Tensor | None
    atomic: Tensor
    outside: Tensor


class Potential(nn.Module):
    """E = sum over atoms of (offset of the species + scale * network(scaled descriptors)).

    Args:
        functions: the descriptors; with species where there are several.
        scaling: of the descriptors.
        network: of as many features and species.
        offset: energy of an atom of each species that is added [eV] `(s,)`, or one number.
        scale: what the network's unit is worth [eV].

    Raises:
        ValueError: parts that do not fit each other.
    """

    def __init__(
        self,
        functions: SymmetryFunctions,
        scaling: Scaling,
        network: HighDimensionalNetwork,
        *,
        offset: float | Sequence[float] | Tensor = 0.0,
        scale: float = 1.0,
    ):
        super().__init__()
        species = 1 if functions.species is None else len(functions.species)
        offset = torch.as_tensor(offset, dtype=torch.float64).reshape(-1)
        offset = offset.expand(species).clone() if len(offset) == 1 else offset
        found = (len(functions), network.features, scaling.low.shape[1])
        if len(set(found)) != 1:
            raise ValueError(f"functions, network and scaling must be of one number of descriptors, got {found}")
        if not len(offset) == len(network.networks) == len(scaling.low) == species:
            raise ValueError(f"network, scaling and offset must be for {species} species")
        self.functions, self.scaling, self.network = functions, scaling, network
        self.register_buffer("offset", offset)
        self.register_buffer("scale", torch.tensor(float(scale), dtype=torch.float64))

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Potential:
        for part in (self.scaling, self.network):
            part._apply(fn)
        return keep_double(self, fn)

    def forward(
        self, positions: Tensor, cell: Tensor | None = None, *, numbers: Tensor | None = None, periodic: Periodic = True
    ) -> Tensor:
        """Energies [eV] `(b,)`; for the arguments see `SymmetryFunctions`."""
        return self.atomic(positions, cell, numbers=numbers, periodic=periodic).sum(-1)

    def atomic(
        self, positions: Tensor, cell: Tensor | None = None, *, numbers: Tensor | None = None, periodic: Periodic = True
    ) -> Tensor:
        """The part of each atom in the energy [eV] `(b, a)`."""
        features = self.functions(positions, cell, numbers=numbers, periodic=periodic)
        return self.of_features(features, self.kinds(numbers, positions))

    def of_features(self, features: Tensor, kinds: Tensor | None = None) -> Tensor:
        """The part of each atom in the energy [eV] `(b, a)` from its descriptors as they are, `(b, a, d)`."""
        weight = next(self.network.parameters())
        parts = self.network.atomic(self.scaling(features, kinds).to(weight.dtype), kinds).to(features.dtype)
        offset = self.offset.to(features)
        return parts * self.scale.to(features) + (offset[0] if kinds is None else offset[kinds])

    def kinds(self, numbers: Tensor | None, positions: Tensor) -> Tensor | None:
        """Number of the species of each atom `(b, a)`, None where there is one."""
        species = self.functions.species
        if species is None or len(species) == 1:
            return None
        numbers = torch.as_tensor(numbers, device=positions.device).expand(positions.shape[:2])
        return (numbers.unsqueeze(-1) == torch.tensor(species, device=positions.device)).int().argmax(-1)

    def predict(
        self,
        positions: Tensor,
        cell: Tensor | None = None,
        *,
        numbers: Tensor | None = None,
        periodic: Periodic = True,
    ) -> Prediction:
        """Energy, forces -dE/dR and stress (dE/dstrain)/volume, without a graph.

        Large structures are worked through in parts of `ATOMS_AT_ONCE` atoms, so that memory does not grow with them.
        """
        positions = positions.detach().clone().requires_grad_()
        strain = positions.new_zeros(len(positions), 3, 3).requires_grad_()
        lattice = None if cell is None else cell.detach().to(positions.dtype).expand(len(positions), 3, 3)
        pairs = self.functions.find(positions, lattice, periodic=periodic)
        kinds = self.kinds(numbers, positions)
        gradient, slope, parts, outside = torch.zeros_like(positions), torch.zeros_like(strain), [], []
        atoms = positions.shape[0] * positions.shape[1]
        for start in range(0, atoms, ATOMS_AT_ONCE):
            rows = slice(start, min(start + ATOMS_AT_ONCE, atoms))
            deformation = torch.eye(3, dtype=positions.dtype, device=positions.device) + (strain + strain.mT) / 2
            moved = positions @ deformation
            box = None if lattice is None else lattice @ deformation
            features = self.functions(moved, box, numbers=numbers, pairs=pairs, atoms=rows)
            chosen = None if kinds is None else kinds.reshape(-1)[rows]
            energies = self.of_features(features, chosen)
            for total, part in zip(
                (gradient, slope), torch.autograd.grad(energies.sum(), (positions, strain), allow_unused=True), strict=True
            ):
                total += 0 if part is None else part
            parts.append(energies.detach())
            outside.append(self.scaling.outside(features.detach(), chosen))
        atomic, beyond = (torch.cat(each).view(positions.shape[:2]) for each in (parts, outside))
        volume = None if lattice is None else torch.linalg.det(lattice).abs()
        stress = None if lattice is None else slope / volume[:, None, None]
        return Prediction(atomic.sum(-1), -gradient, stress, atomic, beyond)


class Committee(nn.Module):
    """Several potentials that were trained alike but for their seeds; where they disagree, none is to be trusted.

    Args:
        members: potentials with the same functions; at least two.
    """

    def __init__(self, members: Sequence[Potential]):
        super().__init__()
        if len(members) < 2:
            raise ValueError(f"members must be two potentials or more, got {len(members)}")
        if len({tuple(member.functions.names) for member in members}) != 1:
            raise ValueError("members must have the same symmetry functions")
        self.members = nn.ModuleList(members)

    @property
    def functions(self) -> SymmetryFunctions:
        """Of all members."""
        return self.members[0].functions

    def predict(self, positions: Tensor, cell: Tensor | None = None, **settings: object) -> tuple[Prediction, Prediction]:
        """Mean and standard deviation over the members, of everything that `Potential.predict` gives.

        Args:
            positions: see `Potential.predict`, as for the others.
            cell: likewise.
            **settings: `numbers` and `periodic`.
        """
        single = [member.predict(positions, cell, **settings) for member in self.members]
        columns = {name: [getattr(one, name) for one in single] for name in _RESULTS}
        mean, spread = ({name: None for name in columns} for _ in range(2))
        for name, values in columns.items():
            if values[0] is not None:
                stacked = torch.stack(values)
                mean[name], spread[name] = stacked.mean(0), stacked.std(0)
        return Prediction(**mean), Prediction(**spread)


_RESULTS = ("energy", "forces", "stress", "atomic", "outside")
