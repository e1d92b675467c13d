"""Symmetry functions of batches of structures: differentiable, on any device, for any list of functions.

    from toolkit.potential import SymmetryFunctions, document_set

    functions = SymmetryFunctions(*document_set("57"))
    features = functions(positions, cell)                # (b, a, 57)

The formulas and their names are in `functions`, how the sums are shared in `radial` and `angular`, the search in `neighbours`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from ase.data import atomic_numbers, chemical_symbols
from torch import Tensor

from toolkit.potential.angular import AngularSum, species_pairs
from toolkit.potential.functions import CUTOFFS, angular_functions, radial_functions
from toolkit.potential.neighbours import Pairs, Periodic, check_structures, find_pairs
from toolkit.potential.radial import RadialSum

CHUNK_BYTES = 4 * 2**20  # worked on at once: quickest is what a processor's cache holds; it also bounds the memory


@dataclass(frozen=True)
class _Group:
    """The functions of one cutoff radius."""

    sums: RadialSum | AngularSum
    columns: list[int]


class SymmetryFunctions:
    """G1 to G5 of every atom of a batch of structures.

    Args:
        radial: rows `(r_c, eta, r_s)`, which are G2, or `G1`, `G2`, `G3` of `potential.functions`; Å and 1/Å².
        angular: rows `(r_c, eta, zeta, lambda)`, which are G5, or `G4`, `G5`; in the document's convention every angle counts
            twice, dscribe and n2p2 count it once.
        species: symbols or atomic numbers of the elements; each radial function is made for each of them as neighbour, each
            angular one for each pair. None takes all atoms as alike.
        cutoff: "cosine", eq. (2.1), or "tanh".

    Attributes:
        radial, angular: the functions as named tuples.
        names: of the columns.
        cutoff_radius: the largest [Å].

    Raises:
        ValueError: rows of a wrong form or with values out of range, no rows at all, unknown species.

    >>> functions = SymmetryFunctions([(6.0, 0.0, 0.0)], [(6.0, 0.0, 1, 1)])
    >>> corner = torch.tensor([[[0.0, 0, 0], [3.0, 0, 0], [0, 3.0, 0]]])
    >>> functions(corner)[0, 0].round(decimals=6).tolist()  # f_c is 1/2 for both neighbours; a right angle, counted twice
    [1.0, 0.5]
    """

    def __init__(
        self,
        radial: Iterable[Sequence[float]],
        angular: Iterable[Sequence[float]] = (),
        *,
        species: Sequence[str | int] | None = None,
        cutoff: str = "cosine",
    ):
        if cutoff not in CUTOFFS:
            raise ValueError(f"cutoff must be one of {CUTOFFS}, got {cutoff!r}")
        self.radial, self.angular, self.cutoff = radial_functions(radial), angular_functions(angular), cutoff
        if not self.radial + self.angular:
            raise ValueError("radial and angular must hold at least one function together, got none")
        self.species = None if species is None else _numbers(species)
        self._radial = [_Group(RadialSum(rows, cutoff), columns) for rows, columns in _by_cutoff(self.radial)]
        self._angular = [_Group(AngularSum(rows, cutoff), columns) for rows, columns in _by_cutoff(self.angular)]
        self.cutoff_radius = max(function.r_c for function in self.radial + self.angular)

    def __len__(self) -> int:
        return len(self.radial) * self._kinds + len(self.angular) * len(species_pairs(self._kinds))

    @property
    def names(self) -> list[str]:
        """What each column is, as "G2 eta 1.85 r_s 2 r_c 6.8 Al"."""
        symbols = [""] if self.species is None else [f" {chemical_symbols[number]}" for number in self.species]
        both = [symbols[one] + symbols[other] for one, other in species_pairs(len(symbols))]
        return [_label(row) + symbol for symbol in symbols for row in self.radial] + [
            _label(row) + symbol for symbol in both for row in self.angular
        ]

    def __call__(
        self,
        positions: Tensor,
        cell: Tensor | None = None,
        *,
        numbers: Tensor | None = None,
        pairs: Pairs | None = None,
        periodic: Periodic = True,
        atoms: slice | None = None,
    ) -> Tensor:
        """The functions of every atom.

        Args:
            positions: [Å] `(b, a, 3)`, float32 or float64.
            cell: lattice vectors as rows [Å] `(b, 3, 3)`; None for free structures. It may be smaller than the cutoff.
            numbers: atomic numbers `(b, a)` or `(a,)`; needed with `species`.
            pairs: neighbours found before by `find`, to be used again while no atom crosses the cutoff.
            periodic: along which lattice vectors the structures repeat.
            atoms: of which atoms of the batch, numbered through it; all of them by default.

        Returns:
            `(b, a, functions)`, or `(c, functions)` with `atoms`: for each species the radial functions, then for each pair of
            species the angular ones.

        Raises:
            ValueError: see `find_pairs`; atoms of other species than those named.
        """
        check_structures(positions, cell)
        kinds = self._kinds_of(numbers, positions)
        if pairs is None:
            pairs = self.find(positions, cell, periodic=periodic)
        rows = range(pairs.atoms)[slice(None) if atoms is None else atoms]
        radial = [self._radial_sums(group, pairs, positions, cell, kinds, rows) for group in self._radial]
        angular = [self._angular_sums(group, pairs, positions, cell, kinds, rows) for group in self._angular]
        parts = [_joined(self._radial, radial), _joined(self._angular, angular)]
        features = torch.cat([part for part in parts if part is not None], -1)
        return features.view(*positions.shape[:2], -1) if atoms is None else features

    def find(self, positions: Tensor, cell: Tensor | None = None, *, periodic: Periodic = True) -> Pairs:
        """The pairs of atoms within the largest cutoff; see `find_pairs`."""
        return find_pairs(positions.detach(), cell, self.cutoff_radius, periodic=periodic)

    @property
    def _kinds(self) -> int:
        return 1 if self.species is None else len(self.species)

    def _kinds_of(self, numbers: Tensor | None, positions: Tensor) -> Tensor | None:
        """Which species each atom of the batch is, as 0 and 1 `(b a, s)`."""
        if self.species is None:
            return None
        if numbers is None:
            raise ValueError(f"numbers must be given for the species {self.species}")
        numbers = torch.as_tensor(numbers, device=positions.device)
        if numbers.shape not in (positions.shape[:2], positions.shape[1:2]):
            raise ValueError(f"numbers must have shape {tuple(positions.shape[:2])}, got {tuple(numbers.shape)}")
        numbers = numbers.expand(positions.shape[:2])
        own = torch.tensor(self.species, device=positions.device)
        same = numbers.reshape(-1, 1) == own
        if not bool(same.any(-1).all()):
            other = sorted(set(numbers.reshape(-1).tolist()) - set(self.species))
            raise ValueError(f"numbers must be among {self.species}, got {other}")
        return same.to(positions.dtype)

    def _radial_sums(
        self, group: _Group, pairs: Pairs, positions: Tensor, cell: Tensor | None, kinds: Tensor | None, atoms: range
    ) -> Tensor:
        table = pairs.table(group.sums.r_c)
        found = []
        for rows in _chunks(atoms, positions.element_size() * table.index.shape[1] * group.sums.width):
            distance = table.vectors(positions, cell, rows).square().sum(-1).sqrt()
            found.append(group.sums(distance, _of_neighbours(kinds, table.index[rows])))
        return torch.cat(found)

    def _angular_sums(
        self, group: _Group, pairs: Pairs, positions: Tensor, cell: Tensor | None, kinds: Tensor | None, atoms: range
    ) -> Tensor:
        table = pairs.table(group.sums.r_c)
        found = []
        for rows in _chunks(
            atoms, positions.element_size() * group.sums.width(table.index.shape[1], len(species_pairs(self._kinds)))
        ):
            vectors = table.vectors(positions, cell, rows)
            distance = vectors.square().sum(-1).sqrt()
            found.append(group.sums(vectors, distance, table.present[rows], _of_neighbours(kinds, table.index[rows])))
        return torch.cat(found)


def _numbers(species: Sequence[str | int]) -> tuple[int, ...]:
    try:
        found = tuple(atomic_numbers[each] if isinstance(each, str) else int(each) for each in species)
    except KeyError as error:
        raise ValueError(f"species must be chemical symbols or atomic numbers, got {error.args[0]!r}") from None
    if not found or len(set(found)) < len(found) or not all(0 < number < len(chemical_symbols) for number in found):
        raise ValueError(f"species must be different elements, at least one, got {species!r}")
    return found


def _of_neighbours(kinds: Tensor | None, index: Tensor) -> Tensor | None:
    """Which species each neighbour is, as 0 and 1 `(s, c, n)`."""
    return None if kinds is None else kinds[index].permute(2, 0, 1)


def _by_cutoff(functions: tuple) -> list[tuple[list, list[int]]]:
    radii = dict.fromkeys(function.r_c for function in functions)
    columns = [[number for number, function in enumerate(functions) if function.r_c == radius] for radius in radii]
    return [([functions[number] for number in group], group) for group in columns]


def _joined(groups: list[_Group], sums: list[Tensor]) -> Tensor | None:
    """The columns of all cutoffs `(c, s, f)` in the order asked for, then the species side by side."""
    if not groups:
        return None
    columns = [column for group in groups for column in group.columns]
    joined = torch.cat(sums, -1)
    if columns != sorted(columns):
        joined = joined[..., torch.tensor(columns, device=joined.device).argsort()]
    return joined.flatten(1)


def _chunks(atoms: range, each: int) -> list[slice]:
    """Atoms that are worked on together, where each needs so many bytes."""
    step = max(1, CHUNK_BYTES // max(1, each))
    return [slice(start, min(start + step, atoms.stop)) for start in range(atoms.start, atoms.stop, step)]


def _label(function: tuple) -> str:
    values = function._asdict()
    radius = values.pop("r_c")
    settings = "".join(f" {name.rstrip('_')} {value:g}" for name, value in values.items())
    return f"{type(function).__name__}{settings} r_c {radius:g}"
