"""Voxels joined by conductances, as flat arrays: the matrix of Laplace's equation without a matrix.

A volume `(x, y, z)` lies in memory with one empty layer behind the last along each axis, and volumes of a batch behind one
another. The neighbours of all voxels are then the same arrays shifted by a constant, and nothing is ever joined across an edge.
Shapes: `b` volumes, `x` layers along the flow, `y z` voxels of a layer, `c` = b (x + 1)(y + 1)(z + 1) places of an array.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Lattice:
    """The symmetric matrix A of one grid: A φ = Σ g (φ - φ of the neighbour) + (links to the electrodes) φ.

    Attributes:
        shape: `(b, x, y, z)`.
        diagonal: of A `(c,)`, 0 where nothing conducts.
        inverse: of the diagonal `(c,)`, 0 where nothing conducts.
        links: conductance to the next voxel along x, y, z, each `(c,)`; None where all are 1 within the mask.
        mask: 1 where there is an unknown, else 0, `(c,)`; None for a coarse lattice, which keeps none.
    """

    shape: tuple[int, int, int, int]
    diagonal: Tensor
    inverse: Tensor
    links: tuple[Tensor, Tensor, Tensor] | None
    mask: Tensor | None

    @property
    def steps(self) -> tuple[int, int, int]:
        """Places from a voxel to the next one along each axis."""
        return steps(self.shape)

    def each_link(self) -> Iterator[Tensor]:
        """The links along x, y and z, one after the other, so that they need not be held together."""
        if self.links is not None:
            yield from self.links
            return
        for step in self.steps:
            joined = torch.zeros_like(self.mask)
            torch.mul(self.mask[:-step], self.mask[step:], out=joined[:-step])
            yield joined

    def apply(self, field: Tensor, out: Tensor) -> Tensor:
        """A φ.

        Args:
            field: φ `(c,)`, 0 where nothing conducts.
            out: for the result, overwritten.

        Returns:
            `out`.
        """
        if self.links is None:
            return self._apply_unit(field, out)
        torch.mul(self.diagonal, field, out=out)
        for step, link in zip(self.steps, self.links, strict=True):
            out[:-step].addcmul_(link[:-step], field[step:], value=-1)
            out[step:].addcmul_(link[:-step], field[:-step], value=-1)
        return out

    def _apply_unit(self, field: Tensor, out: Tensor) -> Tensor:
        first, *others = self.steps
        torch.add(field[2 * first :], field[: -2 * first], out=out[first:-first])
        out[:first], out[-first:] = field[first : 2 * first], field[-2 * first : -first]
        for step in others:
            out[:-step].add_(field[step:])
            out[step:].add_(field[:-step])
        out.mul_(self.mask).neg_()
        return out.addcmul_(self.diagonal, field)

    def view(self, flat: Tensor) -> Tensor:
        """A flat array as `(b, x, y, z)`, without the empty layers."""
        return view(flat, self.shape)

    def rows(self, flat: Tensor) -> Tensor:
        """A flat array as `(b, c / b)`."""
        return flat.view(self.shape[0], -1)


def steps(shape: tuple[int, int, int, int]) -> tuple[int, int, int]:
    """Places from a voxel to the next one along x, y, z.

    >>> steps((1, 4, 2, 3))
    (12, 4, 1)
    """
    return (shape[2] + 1) * (shape[3] + 1), shape[3] + 1, 1


def flat_zeros(shape: tuple[int, int, int, int], like: Tensor) -> Tensor:
    """An empty array for such volumes."""
    count = shape[0] * (shape[1] + 1) * (shape[2] + 1) * (shape[3] + 1)
    return torch.zeros(count, dtype=like.dtype, device=like.device)


def view(flat: Tensor, shape: tuple[int, int, int, int]) -> Tensor:
    """A flat array as `(b, x, y, z)`, without the empty layers."""
    b, x, y, z = shape
    return flat.view(b, x + 1, y + 1, z + 1)[:, :x, :y, :z]


def flattened(volumes: Tensor) -> Tensor:
    """Volumes `(b, x, y, z)` as a flat array."""
    flat = flat_zeros(tuple(volumes.shape), volumes)
    view(flat, tuple(volumes.shape)).copy_(volumes)
    return flat


def unit_lattice(mask: Tensor, electrodes: Tensor) -> Lattice:
    """The lattice of voxels that all conduct alike.

    Args:
        mask: 1 where a voxel conducts, else 0, `(b, x, y, z)`.
        electrodes: conductance to the electrodes, `(b, x, y, z)`.
    """
    shape = tuple(mask.shape)
    flat = flattened(mask)
    diagonal = torch.zeros_like(flat)
    for step in steps(shape):
        diagonal[:-step] += flat[step:]
        diagonal[step:] += flat[:-step]
    diagonal.mul_(flat).add_(flattened(electrodes))
    return Lattice(shape, diagonal, _inverse(diagonal), None, flat)


def linked_lattice(
    shape: tuple[int, int, int, int],
    links: tuple[Tensor, Tensor, Tensor],
    electrodes: Tensor,
    *,
    mask: Tensor | None = None,
) -> Lattice:
    """The lattice of given conductances.

    Args:
        shape: `(b, x, y, z)`.
        links: to the next voxel along x, y, z, each `(c,)`.
        electrodes: conductance to the electrodes `(c,)`.
        mask: 1 where there is an unknown `(c,)`, for the finest lattice.
    """
    diagonal = electrodes.clone()
    for step, link in zip(steps(shape), links, strict=True):
        diagonal[:-step] += link[:-step]
        diagonal[step:] += link[:-step]
    return Lattice(shape, diagonal, _inverse(diagonal), links, mask)


def links_between(conductivity: Tensor, step: int) -> Tensor:
    """Conductances from each voxel to the one a step ahead: two halves in series, 2 σ σ' / (σ + σ').

    Args:
        conductivity: `(c,)`.
        step: places to the neighbour.

    Returns:
        `(c,)`.
    """
    links = torch.zeros_like(conductivity)
    here, there = conductivity[:-step], conductivity[step:]
    total = here + there
    links[:-step] = torch.where(total > 0, 2 * here * there / total.clamp(min=torch.finfo(total.dtype).tiny), 0.0)
    return links


def _inverse(diagonal: Tensor) -> Tensor:
    return torch.where(diagonal > 0, 1 / diagonal.clamp(min=torch.finfo(diagonal.dtype).tiny), 0.0)
