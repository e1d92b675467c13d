"""Tortuosities as they are computed, for a panel or a script that wants to see more than the result.

for snapshot in watch(pores, axis=1):
    print(snapshot.iteration, snapshot.tau, snapshot.balance)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from toolkit.microstructure import percolation
from toolkit.microstructure.tortuosity import flow_through

Volume = Tensor | np.ndarray


@dataclass(frozen=True)
class Snapshot:
    """The state of a solution after one iteration.

    Attributes:
        iteration: from 0.
        tau: τ with the conductivity of the potential now.
        error: estimate of its relative error.
        balance: (largest - smallest) / mean current through the planes between layers.
        currents: through these planes, per area and potential gradient `(planes,)`.
        potential: Φ from 1 to 0, nan where nothing flows; the first axis is that of the flow `(x, y, z)` float16.
    """

    iteration: int
    tau: float
    error: float
    balance: float
    currents: np.ndarray
    potential: np.ndarray


@dataclass(frozen=True)
class AxisStep:
    """One iteration along one axis.

    Attributes:
        axis: of the flow.
        iteration: from 0.
        tau: τ with the conductivity of the potential now; infinite without a path.
        error: estimate of its relative error.
    """

    axis: int
    iteration: int
    tau: float
    error: float


def watch(
    volume: Volume,
    axis: int = 0,
    *,
    boundary: str = "face",
    trim: bool = False,
    preconditioner: str = "multigrid",
    tolerance: float = 1e-5,
    iterations: int = 1000,
) -> Iterator[Snapshot]:
    """Solve for the tortuosity along one axis and show every step.

    Args:
        volume: true or 1 where something flows `(x, y, z)`.
        axis: of the flow.
        boundary: "face" or "centre", see `tortuosity.tortuosity`.
        trim: count for ε only pores that reach through.
        preconditioner: "multigrid", "jacobi" or "none".
        tolerance: estimated relative error at which to end.
        iterations: at most.

    Yields:
        A snapshot at the beginning and after each iteration.

    Raises:
        ValueError: see `tortuosity.flow_through`.

    >>> [snapshot.iteration for snapshot in watch(np.ones((4, 4, 4)))]
    [0, 1]
    """
    flow = flow_through(volume, axis, boundary=boundary, preconditioner=preconditioner)
    through = _through(volume, axis)
    counted = through if trim else np.moveaxis(_array(volume) > 0, axis, 0)
    records = flow.solve(tolerance=tolerance, iterations=iterations)
    return _snapshots(flow, records, through, float(counted.mean()))


def each_axis(volume: Volume, *, axes: Sequence[int] = (0, 1, 2), tolerance: float = 1e-4) -> Iterator[AxisStep]:
    """Tortuosities along one axis after the other.

    Args:
        volume: true or 1 where something flows `(x, y, z)`.
        axes: in their order.
        tolerance: estimated relative error at which to go on to the next axis.

    Yields:
        One record per iteration; a single one for an axis without a path.

    >>> [(step.axis, round(step.tau, 6)) for step in each_axis(np.ones((3, 3, 3))) if step.iteration == 1]
    [(0, 1.0), (1, 1.0), (2, 1.0)]
    """
    porosity = float((_array(volume) > 0).mean())
    for axis in axes:
        if not _through(volume, axis).any():
            yield AxisStep(axis, 0, float("inf"), 0.0)
            continue
        for record in flow_through(volume, axis).solve(tolerance=tolerance):
            yield AxisStep(axis, record.iteration, porosity / record.conductivity.item(), record.error.item())


def current_density(potential: np.ndarray) -> np.ndarray:
    """Size of the current density in each voxel, from the currents through its six faces.

    Args:
        potential: nan where nothing flows, the first axis that of the flow `(x, y, z)`.

    Returns:
        `(x, y, z)`, 1 where it is that of the empty box; nan where nothing flows.

    >>> falling = np.broadcast_to(np.array([0.75, 0.5, 0.25])[:, None, None], (3, 2, 2))
    >>> current_density(falling)[1].tolist()
    [[0.75, 0.75], [0.75, 0.75]]
    """
    field = potential.astype(np.float32)
    squares = np.zeros_like(field)
    for axis in range(3):
        through = np.nan_to_num(-np.diff(field, axis=axis), nan=0.0)
        edge = [(0, 0)] * 3
        edge[axis] = (1, 1)
        padded = np.pad(through, edge, mode="edge" if axis == 0 else "constant")
        before, after = (np.take(padded, range(start, start + field.shape[axis]), axis) for start in (0, 1))
        squares += ((before + after) / 2) ** 2
    return np.where(np.isnan(field), np.nan, np.sqrt(squares) * len(field))


def _snapshots(flow, records, through: np.ndarray, porosity: float) -> Iterator[Snapshot]:
    for record in records:
        currents = flow.currents()[0].numpy() * flow.length / flow.section
        potential = flow.potential()[0].numpy().astype(np.float16)
        potential[~through] = np.nan
        balance = float(np.ptp(currents) / currents.mean())
        conductivity = record.conductivity.item()
        yield Snapshot(record.iteration, porosity / conductivity, record.error.item(), balance, currents, potential)


def _through(volume: Volume, axis: int) -> np.ndarray:
    """The voxels that carry current; the first axis is that of the flow."""
    labels, count = percolation.components(_array(volume) > 0)
    return np.moveaxis(percolation.percolating(labels, count, axis), axis, 0)


def _array(volume: Volume) -> np.ndarray:
    return volume.detach().cpu().numpy() if isinstance(volume, Tensor) else np.asarray(volume)
