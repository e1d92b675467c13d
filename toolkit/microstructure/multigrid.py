"""Coarser and coarser versions of a lattice, and one round through them: the preconditioner of the conjugate gradients.

Two by two by two voxels become one. Its value stands for all eight, and the conductance between two of them is the sum of the
four between their voxels, times a factor, since the way is twice as long.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

import torch
from torch import Tensor

from toolkit.microstructure.lattice import Lattice, flat_zeros, linked_lattice, view

DAMPING = 0.9  # of the Jacobi steps before and after a coarse correction
LENGTH = 0.6  # what a conductance over twice the length is worth: a half, and a little more where pores wind
COARSEST = 4  # voxels along an edge of the grid whose equations are solved directly


class Multigrid:
    """One symmetric V-cycle on a lattice and its coarse versions: an approximate A⁻¹ r, positive definite.

    Args:
        finest: the lattice.
        electrodes: its conductance to the electrodes `(c,)`.
        spare: an array `(c,)` that each call may overwrite.
    """

    def __init__(self, finest: Lattice, electrodes: Tensor, spare: Tensor):
        self.levels = [finest]
        links: Iterable[Tensor] = finest.each_link()
        while max(self.levels[-1].shape[1:]) > COARSEST:
            small, electrodes, links = _coarser(self.levels[-1].shape, electrodes, links)
            self.levels.append(linked_lattice(small, tuple(links), electrodes))
        self.solution = _inverse_matrix(self.levels[-1])
        self.fields = [torch.zeros_like(level.diagonal) for level in self.levels]
        self.right = [torch.zeros_like(level.diagonal) for level in self.levels[1:]]
        self.spare = [spare, *(torch.zeros_like(level.diagonal) for level in self.levels[1:])]

    def __call__(self, residual: Tensor) -> Tensor:
        """About A⁻¹ r.

        Args:
            residual: r `(c,)`.

        Returns:
            `(c,)`, overwritten by the next call.
        """
        return self._cycle(0, residual)

    def _cycle(self, number: int, right: Tensor) -> Tensor:
        level, field, spare = self.levels[number], self.fields[number], self.spare[number]
        if number == len(self.levels) - 1:
            rows = level.rows(right)
            return torch.matmul(self.solution, rows[..., None], out=level.rows(field)[..., None]).view(-1)
        torch.mul(level.inverse, right, out=field).mul_(DAMPING)
        torch.sub(right, level.apply(field, spare), out=spare)
        coarse = self.levels[number + 1]
        coarse.view(self.right[number]).copy_(_summed(level.view(spare)))
        _spread(coarse.view(self._cycle(number + 1, self.right[number])), level.view(field))
        if level.mask is not None:
            field.mul_(level.mask)  # the coarse value was also given to voxels that do not conduct
        torch.sub(right, level.apply(field, spare), out=spare)
        return field.addcmul_(level.inverse, spare, value=DAMPING)


def _coarser(
    shape: tuple[int, int, int, int], electrodes: Tensor, links: Iterable[Tensor]
) -> tuple[tuple[int, int, int, int], Tensor, list[Tensor]]:
    """Shape, electrodes and links of the next coarser lattice."""
    small = (shape[0], *(-(-length // 2) for length in shape[1:]))
    coarse = []
    for axis, values in enumerate(chain([electrodes], links)):
        flat = flat_zeros(small, values)
        target, fine = view(flat, small), view(values, shape)
        if axis and shape[axis] > 1:  # of the links along this axis those between pairs remain
            fine = fine[_along(axis, 1)]
            target = target[_along(axis, 0, fine.shape[axis], 1)]
        target.copy_(_summed(fine, skip=axis)).mul_(LENGTH)
        coarse.append(flat)
    return small, coarse[0], coarse[1:]


def _along(axis: int, start: int, stop: int | None = None, step: int = 2) -> tuple[slice, ...]:
    return (slice(None),) * axis + (slice(start, stop, step),)


def _summed(fine: Tensor, skip: int = 0) -> Tensor:
    """Sums over two by two by two voxels, without one axis if that is skipped."""
    for axis in (1, 2, 3):
        if axis != skip and fine.shape[axis] > 1:
            even, odd = fine[_along(axis, 0)], fine[_along(axis, 1)]
            if even.shape == odd.shape:
                fine = even + odd
            else:
                fine = even.clone()
                fine[_along(axis, 0, odd.shape[axis], 1)] += odd
    return fine


def _spread(coarse: Tensor, fine: Tensor) -> None:
    """Add each coarse value to all its voxels."""
    for axis in (3, 2):
        if fine.shape[axis] > 1:
            wide = coarse.new_empty(*coarse.shape[:axis], fine.shape[axis], *coarse.shape[axis + 1 :])
            wide[_along(axis, 0)] = coarse
            wide[_along(axis, 1)] = coarse[_along(axis, 0, fine.shape[axis] // 2, 1)]
            coarse = wide
    if fine.shape[1] == 1:
        fine += coarse
        return
    fine[:, 0::2] += coarse
    fine[:, 1::2] += coarse[:, : fine.shape[1] // 2]


def _inverse_matrix(level: Lattice) -> Tensor:
    """A⁻¹ of a small lattice as dense matrices `(b, c / b, c / b)`, 0 where nothing conducts."""
    diagonal = level.rows(level.diagonal).double()
    empty = torch.diag_embed((diagonal == 0).double())
    matrix = torch.diag_embed(diagonal) + empty
    for step, link in zip(level.steps, level.each_link(), strict=True):
        values = level.rows(link)[:, :-step].double()
        matrix.diagonal(step, 1, 2).sub_(values)
        matrix.diagonal(-step, 1, 2).sub_(values)
    return (torch.linalg.inv(matrix) - empty).to(level.diagonal.dtype)
