"""Who is near whom: pairs of atoms within a cutoff, in free and periodic structures of any cell.

The search itself has no gradient. It gives numbers of atoms and the periodic images to which they belong; distances are
computed from the positions afterwards, so that forces flow through them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import vesin
from torch import Tensor

Method = Literal["auto", "vesin", "minimum image"]
Periodic = bool | Sequence[bool]


@dataclass(frozen=True)
class Pairs:
    """Ordered pairs (i, j) of all structures of a batch, sorted by i; atoms are numbered through the batch.

    Attributes:
        centre: number of atom i `(p,)`.
        neighbour: number of atom j `(p,)`; i itself where an image of i is meant.
        shift: which image of j, in lattice vectors `(p, 3)`.
        distance: as found, without gradient [Å] `(p,)`.
        atoms: of the whole batch, b times a.
        cutoff: within which the pairs were sought [Å].
    """

    centre: Tensor
    neighbour: Tensor
    shift: Tensor
    distance: Tensor
    atoms: int
    cutoff: float

    def table(self, cutoff: float) -> Table:
        """The neighbours within `cutoff` [Å] of every atom as a rectangular table."""
        if not 0 < cutoff <= self.cutoff:
            raise ValueError(f"cutoff must be positive and at most {self.cutoff} Å, where these pairs end, got {cutoff}")
        near = self.distance < cutoff
        centre, neighbour, shift = self.centre, self.neighbour, self.shift
        if not bool(near.all()):
            centre, neighbour, shift = centre[near], neighbour[near], shift[near]
        counts = torch.bincount(centre, minlength=self.atoms)
        width = int(counts.max()) if len(centre) else 0
        column = torch.arange(len(centre), device=centre.device) - (counts.cumsum(0) - counts)[centre]
        place = centre * width + column
        own = torch.arange(self.atoms, device=centre.device)
        index = own.repeat_interleave(width).index_copy_(0, place, neighbour)
        shifts = shift.new_zeros(self.atoms * width, 3).index_copy_(0, place, shift)
        present = torch.zeros(self.atoms * width, dtype=torch.bool, device=centre.device).index_fill_(0, place, True)
        shape = (self.atoms, width)
        return Table(index.view(shape), shifts.view(*shape, 3), present.view(shape), cutoff)


@dataclass(frozen=True)
class Table:
    """As many columns as the atom with most neighbours has; an unused place holds the atom's own number.

    Attributes:
        index: number of the neighbour `(b a, n)`.
        shift: its image, in lattice vectors `(b a, n, 3)`.
        present: whether the place is used `(b a, n)`.
        cutoff: of this table [Å].
    """

    index: Tensor
    shift: Tensor
    present: Tensor
    cutoff: float

    def vectors(self, positions: Tensor, cell: Tensor | None, rows: slice = slice(None)) -> Tensor:
        """From the atoms in `rows` to their neighbours [Å], differentiable `(c, n, 3)`; unused places lie far away.

        Args:
            positions: `(b, a, 3)`.
            cell: lattice vectors as rows `(b, 3, 3)`, or None for free structures.
            rows: which atoms of the batch.
        """
        flat = positions.reshape(-1, 3)
        index = self.index[rows]
        vectors = flat[index.reshape(-1)].view(*index.shape, 3) - flat[rows].unsqueeze(1)
        if cell is not None:
            lattice = cell.repeat_interleave(positions.shape[1], 0)[rows] if len(cell) > 1 else cell
            vectors = vectors + self.shift[rows].to(vectors.dtype) @ lattice
        # There every function is zero and so is its derivative: no mask is needed later, and no distance is zero.
        far = vectors.new_tensor([2 * self.cutoff, 0.0, 0.0])
        return torch.where(self.present[rows].unsqueeze(-1), vectors, far)


def find_pairs(
    positions: Tensor, cell: Tensor | None, cutoff: float, *, periodic: Periodic = True, method: Method = "auto"
) -> Pairs:
    """All ordered pairs of atoms closer than `cutoff`.

    Args:
        positions: of the structures of a batch [Å] `(b, a, 3)`.
        cell: lattice vectors as rows [Å] `(b, 3, 3)`, or None for free structures.
        cutoff: [Å].
        periodic: along which lattice vectors the structures repeat; one value or three. Not used without a cell.
        method: "vesin" searches on the CPU and counts several images of an atom where the cell is small; "minimum image"
            searches on the device of the positions and is admitted where the cutoff is at most half of the cell's least height;
            "auto" takes it on other devices than the CPU where it is admitted, and vesin else.

    Returns:
        The pairs, on the device of the positions.

    Raises:
        ValueError: wrong shapes, positions that are not finite, a cell without volume, a cell that is too small for the method.

    >>> dimer = torch.tensor([[[0.0, 0, 0], [1.0, 0, 0]]])
    >>> pairs = find_pairs(dimer, None, 1.5)
    >>> pairs.centre.tolist(), pairs.neighbour.tolist()
    ([0, 1], [1, 0])
    >>> len(find_pairs(dimer, 3 * torch.eye(3)[None], 2.5).centre)  # across the wall too
    4
    """
    check_structures(positions, cell)
    directions = _directions(periodic) if cell is not None else (False, False, False)
    if not cutoff > 0:
        raise ValueError(f"cutoff must be a positive length in Å, got {cutoff!r}")
    if method not in ("auto", "vesin", "minimum image"):
        raise ValueError(f"method must be 'auto', 'vesin' or 'minimum image', got {method!r}")
    with torch.no_grad():
        dense = method == "minimum image" or (method == "auto" and positions.device.type != "cpu")
        admitted = not any(directions) or (dense and all(directions) and bool((heights(cell).min() >= 2 * cutoff).item()))
        if method == "minimum image" and not admitted:
            raise ValueError(
                f"minimum image needs a cell repeated in all directions, with heights of at least {2 * cutoff:g} Å"
            )
        if dense and admitted:
            return _by_minimum_image(positions, cell if any(directions) else None, cutoff)
        return _by_vesin(positions, cell, cutoff, directions)


def heights(cell: Tensor) -> Tensor:
    """Distances between opposite faces of the cells [Å] `(b, 3)`.

    >>> heights(torch.diag(torch.tensor([1.0, 2.0, 3.0]))[None]).tolist()
    [[1.0, 2.0, 3.0]]
    """
    return 1 / torch.linalg.inv(cell).norm(dim=-2)


def check_structures(positions: Tensor, cell: Tensor | None) -> None:
    """Raise ValueError where these are not structures in one batch."""
    if positions.ndim != 3 or positions.shape[-1] != 3 or not positions.is_floating_point():
        raise ValueError(f"positions must be real numbers of shape (b, a, 3), got {positions.dtype} {tuple(positions.shape)}")
    if not bool(positions.isfinite().all()):
        raise ValueError("positions must be finite, got nan or infinity")
    if cell is None:
        return
    if cell.shape not in ((len(positions), 3, 3), (1, 3, 3)):
        raise ValueError(f"cell must have shape ({len(positions)}, 3, 3), got {tuple(cell.shape)}")
    a, b, c = cell.detach().double().unbind(1)
    volume = (torch.linalg.cross(a, b) * c).sum(-1).abs()
    if not bool((volume > 1e-6).all()):
        raise ValueError(f"cell must have a volume, got {volume.min().item():.3g} Å^3; give None for a free structure")


def _directions(periodic: Periodic) -> tuple[bool, bool, bool]:
    directions = (periodic,) * 3 if isinstance(periodic, bool) else tuple(bool(each) for each in periodic)
    if len(directions) != 3:
        raise ValueError(f"periodic must be one truth value or three, got {periodic!r}")
    return directions


def _by_vesin(positions: Tensor, cell: Tensor | None, cutoff: float, directions: tuple[bool, bool, bool]) -> Pairs:
    search = vesin.NeighborList(cutoff=cutoff, full_list=True, n_threads=1)
    points = positions.double().cpu().numpy()
    boxes = None if cell is None else cell.detach().double().cpu().expand(len(points), 3, 3).numpy()
    atoms, found = positions.shape[1], []
    for number, structure in enumerate(points):
        box = np.zeros((3, 3)) if boxes is None else boxes[number]
        parts = search.compute(structure, box, directions if boxes is not None else False, "ijSd")
        # Sorting short integers takes a fraction of the time.
        order = np.argsort(parts[0].astype(np.uint16) if atoms <= 2**16 else parts[0], kind="stable")
        centre, neighbour, shift, distance = (
            torch.from_numpy(part[order].astype(kind)) for part, kind in zip(parts, _KINDS, strict=True)
        )
        start = number * atoms
        found.append((centre + start, neighbour + start, shift, distance))
    joined = (torch.cat(parts).to(positions.device) for parts in zip(*found, strict=True))
    return Pairs(*joined, len(points) * atoms, cutoff)


_KINDS = ("int64", "int64", "int32", "float64")


def _by_minimum_image(positions: Tensor, cell: Tensor | None, cutoff: float) -> Pairs:
    """The nearest image of each atom only: one dense table of distances."""
    vectors = positions[:, None] - positions[:, :, None]
    shift = torch.zeros_like(vectors)
    if cell is not None:
        lattice = cell[:, None]
        shift = -torch.round(vectors @ torch.linalg.inv(lattice))
        vectors = vectors + shift @ lattice
    distance = vectors.norm(dim=-1)
    distance.diagonal(dim1=-2, dim2=-1).fill_(torch.inf)
    structure, i, j = torch.nonzero(distance < cutoff, as_tuple=True)
    atoms = positions.shape[1]
    chosen = (structure, i, j)
    return Pairs(
        structure * atoms + i, structure * atoms + j, shift[chosen].round().to(torch.int32), distance[chosen].double(),
        len(positions) * atoms, cutoff,
    )  # fmt: skip
