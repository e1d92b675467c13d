"""Laplace's equation in pores, solved by preconditioned conjugate gradients: an iterator of records.

    flow = Flow(pores[None].float(), boundary="face")
    for record in flow.solve(tolerance=1e-5):
        print(record.iteration, record.conductivity, record.error)

The conductivity of a potential that is not yet the solution is too large by the square of its error in the energy norm
(Dirichlet's principle), and each step of the conjugate gradients lowers it by a number that it computes anyway. So the error
left can be estimated from how these numbers fall, and no step is spent on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from toolkit.microstructure.lattice import Lattice, flattened, linked_lattice, links_between, steps, unit_lattice, view
from toolkit.microstructure.multigrid import Multigrid

BOUNDARIES = ("face", "centre")
PRECONDITIONERS = ("multigrid", "jacobi", "none")
SLOWEST = 0.98  # largest factor from one decrement to the next that the estimate of the error believes
WINDOW = 4  # decrements that the factor is taken over
CAREFUL = 3  # estimates of the error of which the largest counts


@dataclass(frozen=True)
class Step:
    """The state after one iteration, for `b` volumes.

    Attributes:
        iteration: from 0, the potential that falls evenly along the axis.
        conductivity: effective one, too large by `error` or less `(b,)`.
        error: estimate of its relative error `(b,)`; inf in the first iterations.
    """

    iteration: int
    conductivity: Tensor
    error: Tensor


class Flow:
    """Current through volumes along their first axis, for a potential of 1 at the first face and 0 at the last.

    Args:
        conductivity: of each voxel, 0 where nothing flows, `(b, x, y, z)` float32 or float64; every voxel that conducts is
            joined to both electrodes (see `percolation`).
        boundary: "face": the electrodes are the outer faces, half a voxel before the first centres; "centre": they are the
            centres of the first and last layer.
        preconditioner: "multigrid", "jacobi" or "none".

    Raises:
        ValueError: fewer than 3 layers between electrodes on centres.
    """

    def __init__(self, conductivity: Tensor, *, boundary: str = "face", preconditioner: str = "multigrid"):
        self.boundary = boundary
        self.layers, self.section = conductivity.shape[1], conductivity[0, 0].numel()
        first, last = _electrodes(conductivity, boundary)
        inner = conductivity if boundary == "face" else conductivity[:, 1:-1]
        self.shape = tuple(inner.shape)
        self.entering = first.flatten(1)  # conductances from the first electrode, (b, y z)
        self.leaving = last.flatten(1)
        electrodes = _to_electrodes(inner, first, last)
        self.lattice = _lattice(inner, electrodes)
        self.field = flattened(self._even(inner))
        self._product = torch.zeros_like(self.field)
        self._precondition = self._preconditioner(preconditioner, flattened(electrodes))

    @property
    def length(self) -> float:
        """Distance of the electrodes [voxels]."""
        return self.layers - (0.0 if self.boundary == "face" else 1.0)

    def solve(self, *, tolerance: float = 1e-5, iterations: int = 1000) -> Iterator[Step]:
        """Improve the potential, a step at a time.

        Args:
            tolerance: estimated relative error of the effective conductivity at which to end.
            iterations: at most.

        Yields:
            The state at the beginning and after every iteration.
        """
        rows = self.lattice.rows
        residual = self._residual()
        conductivity = self.conductivity()
        yield Step(0, conductivity, torch.full_like(conductivity, torch.inf))
        direction = self._precondition(residual).clone()
        product = _dots(rows(residual), rows(direction))
        decrements: list[Tensor] = []
        left: list[Tensor] = []
        for iteration in range(1, iterations + 1):
            self.lattice.apply(direction, self._product)
            step = _ratio(product, _dots(rows(direction), rows(self._product)))
            _add(rows(self.field), rows(direction), step)
            _add(rows(residual), rows(self._product), -step)
            decrements = [*decrements[-WINDOW:], (step * product).double() * self.length / self.section]
            conductivity = conductivity - decrements[-1]
            left = [*left[1 - CAREFUL :], _left(decrements) / conductivity][-max(iteration - 2, 1) :]
            error = torch.stack(left).amax(0)
            yield Step(iteration, conductivity, error)
            if bool((error <= tolerance).all()):
                return
            improved = self._precondition(residual)
            before, product = product, _dots(rows(residual), rows(improved))
            rows(direction).mul_(_ratio(product, before)[:, None]).add_(rows(improved))

    def potential(self) -> Tensor:
        """The potential now `(b, x, y, z)`, from 1 to 0; 0 where nothing flows."""
        inner = view(self.field, self.shape)
        if self.boundary == "face":
            return inner.clone()
        ends = [(conductance > 0).view(len(inner), 1, *inner.shape[2:]).to(inner.dtype) for conductance in self._ends()]
        return torch.cat([ends[0], inner, torch.zeros_like(ends[1])], 1)

    def currents(self) -> Tensor:
        """Current through each plane between layers, the electrodes' planes first and last, `(b, planes)` float64.

        At the solution all are equal.
        """
        field = view(self.field, self.shape)
        step = steps(self.shape)[0]
        drop = torch.zeros_like(self.field)
        torch.sub(self.field[:-step], self.field[step:], out=drop[:-step])
        drop.mul_(next(self.lattice.each_link()))
        between = view(drop, self.shape)[:, :-1].sum((2, 3), dtype=torch.float64)
        entering = (self.entering * (1 - field[:, 0].flatten(1))).sum(1, keepdim=True, dtype=torch.float64)
        leaving = (self.leaving * field[:, -1].flatten(1)).sum(1, keepdim=True, dtype=torch.float64)
        return torch.cat([entering, between, leaving], 1)

    def residual_norm(self) -> Tensor:
        """|b - A φ| / |b|, computed anew `(b,)`."""
        squares = self.lattice.rows(self._residual()).double().square().sum(1)
        return (squares / self.entering.double().square().sum(1)).sqrt()

    def conductivity(self) -> Tensor:
        """Effective conductivity (3) by the power that the potential dissipates now, from above `(b,)` float64."""
        power = torch.zeros(self.shape[0], dtype=torch.float64, device=self.field.device)
        for step, link in zip(steps(self.shape), self.lattice.each_link(), strict=True):
            drop = torch.zeros_like(self.field)
            torch.sub(self.field[:-step], self.field[step:], out=drop[:-step])
            drop.square_().mul_(link)
            power += view(drop, self.shape).sum((1, 2, 3), dtype=torch.float64)
        field = view(self.field, self.shape)
        power += (self.entering * (1 - field[:, 0].flatten(1)).square_()).sum(1, dtype=torch.float64)
        power += (self.leaving * field[:, -1].flatten(1).square()).sum(1, dtype=torch.float64)
        return power * self.length / self.section

    def _ends(self) -> tuple[Tensor, Tensor]:
        return self.entering, self.leaving

    def _even(self, inner: Tensor) -> Tensor:
        """A potential that falls evenly."""
        layer = torch.arange(inner.shape[1], dtype=inner.dtype, device=inner.device)
        falling = 1 - (layer + (0.5 if self.boundary == "face" else 1.0)) / self.length
        return (inner > 0).to(inner.dtype) * falling[:, None, None]

    def _residual(self) -> Tensor:
        residual = torch.zeros_like(self.field)
        self.lattice.apply(self.field, residual).neg_()
        view(residual, self.shape)[:, 0].add_(self.entering.view(len(self.entering), *self.shape[2:]))
        return residual

    def _preconditioner(self, name: str, electrodes: Tensor) -> Callable[[Tensor], Tensor]:
        if name == "multigrid":
            return Multigrid(self.lattice, electrodes, self._product)
        if name == "jacobi":
            return lambda residual: residual * self.lattice.inverse
        return lambda residual: residual


def _electrodes(conductivity: Tensor, boundary: str) -> tuple[Tensor, Tensor]:
    """Conductances from the electrodes to the first and last layer of unknowns, `(b, y, z)`."""
    if boundary == "face":
        return 2 * conductivity[:, 0], 2 * conductivity[:, -1]
    if conductivity.shape[1] < 3:
        raise ValueError(f"boundary 'centre' needs 3 layers along the axis or more, got {conductivity.shape[1]}")
    ends = []
    for outer, inner in ((conductivity[:, 0], conductivity[:, 1]), (conductivity[:, -1], conductivity[:, -2])):
        total = outer + inner
        ends.append(torch.where(total > 0, 2 * outer * inner / total.clamp(min=torch.finfo(total.dtype).tiny), 0.0))
    return ends[0], ends[1]


def _to_electrodes(inner: Tensor, first: Tensor, last: Tensor) -> Tensor:
    electrodes = torch.zeros_like(inner)
    electrodes[:, 0] += first
    electrodes[:, -1] += last
    return electrodes


def _lattice(inner: Tensor, electrodes: Tensor) -> Lattice:
    if bool(((inner == 0) | (inner == 1)).all()):
        return unit_lattice(inner, electrodes)
    flat = flattened(inner)
    links = tuple(links_between(flat, step) for step in steps(tuple(inner.shape)))
    return linked_lattice(tuple(inner.shape), links, flattened(electrodes), mask=(flat > 0).to(flat.dtype))


def _dots(left: Tensor, right: Tensor) -> Tensor:
    """Scalar products row by row `(b,)`."""
    return torch.bmm(left[:, None], right[:, :, None])[:, 0, 0]


def _add(target: Tensor, direction: Tensor, factors: Tensor) -> None:
    """Add a multiple of the direction, row by row."""
    if len(target) == 1:
        target.add_(direction, alpha=factors.item())
    else:
        target.addcmul_(direction, factors[:, None])


def _ratio(numerator: Tensor, denominator: Tensor) -> Tensor:
    """Their ratio, and 0 where nothing is left to be divided."""
    return torch.where(denominator > 0, numerator / denominator.clamp(min=torch.finfo(denominator.dtype).tiny), 0.0)


def _left(decrements: list[Tensor]) -> Tensor:
    """Sum of all decrements to come, if they go on to fall as they did lately."""
    newest = decrements[-1]
    if len(decrements) < 3:
        return torch.where(newest > 0, torch.inf, 0.0)
    ways = [_ratio(newest, old) ** (1 / gap) for gap, old in enumerate(reversed(decrements[:-1]), start=1)]
    factor = torch.stack(ways).amax(0).clamp(max=SLOWEST)
    return newest * factor / (1 - factor)
