"""Tortuosity factors of porous volumes (Zhao, appendix B), for many volumes and axes at once.

    tortuosity(pores).tau                              # along the first axis
    tortuosity(pores, axis=(0, 1, 2), boundary="centre", trim=True)

The potential obeys ∇·(σ ∇Φ) = 0 (2) on the voxels, the effective conductivity is σ_eff = I L / (ΔΦ A) (3), and
τ = ε σ_P / σ_eff (4).
Two things that the document does not state make programs differ: where the electrodes are, and which pores count for ε.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np
import torch
from torch import Tensor

from toolkit.microstructure import percolation
from toolkit.microstructure.flow import BOUNDARIES, PRECONDITIONERS, Flow
from toolkit.microstructure.memory import check_memory

PRECISIONS = {"float32": torch.float32, "float64": torch.float64}
VOXELS_AT_ONCE = {"cpu": 2**19, "cuda": 2**27}  # of the volumes solved together; more would leave the cache of a core
NUMBERS_PER_VOXEL = 11  # held during a solution, coarse grids and what is needed for a moment included


@dataclass(frozen=True)
class Tortuosity:
    """Results for one or more volumes and axes: tensors `()`, `(b,)`, `(axes,)` or `(b, axes)`, on the CPU.

    Attributes:
        tau: tortuosity factor τ, infinite without a path.
        effective_conductivity: σ_eff, in units of the conductivities; 0 without a path.
        porosity: ε; of the percolating voxels where these only are counted.
        residual: |b - A φ| / |b| of the discrete equations.
        flux_balance: (largest - smallest) / mean current through the planes between layers; 0 at the exact solution.
        iterations: of the conjugate gradients.
    """

    tau: Tensor
    effective_conductivity: Tensor
    porosity: Tensor
    residual: Tensor
    flux_balance: Tensor
    iterations: Tensor


def tortuosity(
    volume: Tensor | np.ndarray,
    axis: int | Sequence[int] = 0,
    *,
    boundary: str = "face",
    conductivity: Mapping[int, float] | None = None,
    trim: bool = False,
    tolerance: float = 1e-5,
    iterations: int = 1000,
    preconditioner: str = "multigrid",
    precision: str = "float32",
    device: str | torch.device | None = None,
) -> Tortuosity:
    """Tortuosity factor, effective conductivity and porosity.

    Voxels are joined through faces; between unlike phases the two halves of the way stand in series. Parts without a way to
    both electrodes carry no current and are left out of the equations. With several conducting phases ε σ_P in (4) is the
    mean conductivity.

    Args:
        volume: `(x, y, z)` or `(b, x, y, z)`: true or 1 where something flows, false or 0 elsewhere. With `conductivity` whole
            numbers that name phases.
        axis: of the flow, 0, 1 or 2, or several of them.
        boundary: where the electrodes are. "face": on the outer faces of the volume, L = layers (as taufactor has it).
            "centre": on the centres of the first and last voxels, L = layers - 1 (as porespy has it).
        conductivity: phase to σ; phases with 0 do not conduct, every number in the volume must be named.
        trim: count for ε only voxels of parts that reach from one electrode to the other.
        tolerance: estimated relative error of the effective conductivity at which a solution ends.
        iterations: at most; where they do not suffice, `flux_balance` tells how far it is.
        preconditioner: "multigrid", "jacobi" or "none".
        precision: "float32", or "float64" for tolerances below 1e-6.
        device: where to solve; by default that of the volume.

    Returns:
        One entry per volume and axis.

    Raises:
        TypeError, ValueError: a volume that is not binary, has no voxels or another rank; an argument outside of what is
            admitted; more voxels than there is memory for.

    >>> channels = torch.zeros(8, 8, 8, dtype=torch.bool)
    >>> channels[:, ::2, ::2] = True
    >>> result = tortuosity(channels, axis=(0, 1))
    >>> result.tau.tolist(), result.effective_conductivity.tolist()
    ([1.0, inf], [0.25, 0.0])
    """
    axes = _checked_axes(axis)
    _check_choices(boundary, preconditioner, precision, tolerance, iterations)
    volumes, device = _checked_volumes(volume), device or _device_of(volume)
    phases = _checked_phases(volumes, conductivity)
    solver = {"boundary": boundary, "preconditioner": preconditioner}
    shape = (*((len(volumes),) if volume.ndim == 4 else ()), *(() if isinstance(axis, Integral) else (len(axes),)))
    dtype = PRECISIONS[precision]
    _check_size(volumes, dtype, device)
    rows = np.full((len(volumes), len(axes), 6), np.nan)
    for part in _parts(volumes, axes, device):
        carrying, places, means = [], [], []
        for number, direction in part:
            through, mean = _percolating(_conductivities(volumes[number], phases), direction, trim)
            place = number, axes.index(direction)
            rows[place] = math.inf, 0.0, mean[0], 0.0, 0.0, 0.0
            if through.any():
                carrying.append(np.moveaxis(through, direction, 0))
                places.append(place)
                means.append(mean)
        solved = _solved(carrying, dtype, device, tolerance, iterations, solver) if places else ()
        for place, (porosity, mean), (sigma, *others) in zip(places, means, solved, strict=True):
            rows[place] = mean / sigma, sigma, porosity, *others
    columns = torch.from_numpy(rows).view(*shape, 6).unbind(-1)
    return Tortuosity(*columns[:5], iterations=columns[5].long())


def flow_through(
    volume: Tensor | np.ndarray,
    axis: int = 0,
    *,
    boundary: str = "face",
    conductivity: Mapping[int, float] | None = None,
    preconditioner: str = "multigrid",
    precision: str = "float32",
) -> Flow:
    """The equations of one volume, to be solved step by step and looked into.

    Args:
        volume: see `tortuosity`, `(x, y, z)`.
        axis: of the flow.
        boundary: see `tortuosity`.
        conductivity: see `tortuosity`.
        preconditioner: see `tortuosity`.
        precision: see `tortuosity`.

    Returns:
        A flow whose `solve` yields a record per iteration; the first axis of its potential is that of the flow.

    Raises:
        ValueError: see `tortuosity`, and nothing that conducts reaches through the volume.

    >>> flow = flow_through(torch.ones(4, 3, 3))
    >>> [round(record.conductivity.item(), 6) for record in flow.solve()]
    [1.0, 1.0]
    """
    (direction,) = _checked_axes(axis)
    _check_choices(boundary, preconditioner, precision, 1.0, 1)
    if volume.ndim != 3:
        raise ValueError(f"volume must have three axes, got shape {tuple(volume.shape)}")
    volumes = _checked_volumes(volume)
    one = _conductivities(volumes[0], _checked_phases(volumes, conductivity))
    through, _ = _percolating(one, direction, False)
    if not through.any():
        raise ValueError(f"volume has no path along axis {direction}: its tortuosity is infinite")
    stacked = torch.from_numpy(np.moveaxis(through, direction, 0).copy())[None].to(PRECISIONS[precision])
    return Flow(stacked, boundary=boundary, preconditioner=preconditioner)


def _solved(
    carrying: list[np.ndarray],
    dtype: torch.dtype,
    device: str | torch.device,
    tolerance: float,
    iterations: int,
    solver: Mapping,
) -> Iterator[tuple[float, ...]]:
    """Per volume: conductivity, residual, flux balance, iterations. Empties the list, for its memory is needed."""
    count = len(carrying)
    flow = Flow(torch.from_numpy(np.stack(carrying)).to(device=device, dtype=dtype), **solver)
    carrying.clear()
    number = 0
    for record in flow.solve(tolerance=tolerance, iterations=iterations):
        number = record.iteration
    currents = flow.currents()
    balance = (currents.amax(1) - currents.amin(1)) / currents.mean(1)
    columns = (flow.conductivity(), flow.residual_norm(), balance)
    return zip(*(column.tolist() for column in columns), [number] * count, strict=True)


def _parts(volumes: np.ndarray, axes: Sequence[int], device: str | torch.device) -> Iterator[list[tuple[int, int]]]:
    """Volumes and axes that are solved together: of one shape, and not too many."""
    most = max(VOXELS_AT_ONCE.get(torch.device(device).type, 2**19) // volumes[0].size, 1)
    shapes: dict[tuple[int, ...], list[tuple[int, int]]] = {}
    for number in range(len(volumes)):
        for axis in axes:
            shapes.setdefault(np.moveaxis(volumes[number], axis, 0).shape, []).append((number, axis))
    for pairs in shapes.values():
        yield from (pairs[start : start + most] for start in range(0, len(pairs), most))


def _percolating(conductivity: np.ndarray, axis: int, trim: bool) -> tuple[np.ndarray, tuple[float, float]]:
    """Conductivities of the parts that carry current, and porosity and mean conductivity of what counts."""
    conducting = conductivity > 0
    labels, count = percolation.components(conducting)
    through = percolation.percolating(labels, count, axis)
    counted = through if trim else conducting
    carrying = np.where(through, conductivity, 0)
    mean = carrying if trim else conductivity
    return carrying, (float(counted.mean()), float(mean.mean(dtype=float)))


def _conductivities(volume: np.ndarray, phases: Mapping[int, float]) -> np.ndarray:
    if list(phases.items()) == [(0, 0.0), (1, 1.0)]:
        return volume.astype(np.float32)
    values = np.zeros(volume.shape)
    for phase, value in phases.items():
        values[volume == phase] = value
    return values


# What is admitted ---------------------------------------------------------------------------------------------------------


def _checked_volumes(volume: Tensor | np.ndarray) -> np.ndarray:
    """Volumes `(b, x, y, z)` as bool or whole numbers."""
    if not isinstance(volume, Tensor | np.ndarray):
        raise TypeError(f"volume must be an array or a tensor, got {type(volume).__name__}")
    if volume.ndim not in (3, 4):
        raise ValueError(f"volume must have shape (x, y, z) or (b, x, y, z), got {tuple(volume.shape)}")
    array = volume.detach().cpu().numpy() if isinstance(volume, Tensor) else volume
    if array.size == 0 or min(array.shape[-3:]) < 2:
        raise ValueError(f"volume must have two voxels or more along each axis, got shape {array.shape}")
    if array.dtype.kind not in "biuf":
        raise TypeError(f"volume must hold truth values or numbers, got {array.dtype}")
    return array if array.ndim == 4 else array[None]


def _checked_phases(volumes: np.ndarray, conductivity: Mapping[int, float] | None) -> dict[int, float]:
    if conductivity is None:
        if volumes.dtype.kind != "b":
            other = volumes[(volumes != 0) & (volumes != 1)]
            if other.size:
                raise ValueError(
                    f"volume must be binary, 0 and 1, got {other.flat[0]}; name the phases with conductivity= or compare, "
                    "as in `volume > 0.5`"
                )
        return {0: 0.0, 1: 1.0}
    for phase, value in conductivity.items():
        if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= value < math.inf:
            raise ValueError(f"conductivity must be finite and 0 or more, got {value!r} for phase {phase!r}")
    if not any(conductivity.values()):
        raise ValueError(f"conductivity must be above 0 for one phase at least, got {dict(conductivity)}")
    unnamed = set(np.unique(volumes).tolist()) - set(conductivity)
    if unnamed:
        raise ValueError(
            f"conductivity must name every phase of the volume; {sorted(unnamed)[0]} is not in {dict(conductivity)}"
        )
    return {phase: float(value) for phase, value in conductivity.items()}


def _checked_axes(axis: int | Sequence[int]) -> tuple[int, ...]:
    axes = (axis,) if isinstance(axis, Integral) else tuple(axis)
    if not axes or len(set(axes)) < len(axes) or any(isinstance(one, bool) or one not in (0, 1, 2) for one in axes):
        raise ValueError(f"axis must be 0, 1, 2 or several of them, got {axis!r}")
    return axes


def _check_choices(boundary: str, preconditioner: str, precision: str, tolerance: float, iterations: int) -> None:
    for name, value, admitted in (
        ("boundary", boundary, BOUNDARIES),
        ("preconditioner", preconditioner, PRECONDITIONERS),
        ("precision", precision, tuple(PRECISIONS)),
    ):
        if value not in admitted:
            raise ValueError(f"{name} must be one of {admitted}, got {value!r}")
    if not 0 < tolerance <= 1:
        raise ValueError(f"tolerance must lie between 0 and 1, got {tolerance}")
    if isinstance(iterations, bool) or not isinstance(iterations, Integral) or iterations < 1:
        raise ValueError(f"iterations must be a whole number of 1 or more, got {iterations!r}")


def _check_size(volumes: np.ndarray, dtype: torch.dtype, device: str | torch.device) -> None:
    together = max(volumes[0].size, min(volumes.size, VOXELS_AT_ONCE.get(torch.device(device).type, 2**19)))
    needed = together * NUMBERS_PER_VOXEL * dtype.itemsize
    check_memory(needed, device, f"the equations of {together:,} voxels")


def _device_of(volume: Tensor | np.ndarray) -> torch.device:
    return volume.device if isinstance(volume, Tensor) else torch.device("cpu")
