"""What a structure is like without solving anything: porosity, surface, two-point correlation, sizes of its pores.

All of them take a volume that is true or 1 in the phase to be described; of a generated membrane the pores are `membrane == 0`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import fft, ndimage
from torch import Tensor

Volume = Tensor | np.ndarray

# Share of each direction of the cubic lattice in the mean over all directions: 3 along edges, 6 along face diagonals, 4 along
# space diagonals (the areas of their Voronoi cells on the unit sphere).
DIRECTIONS = {
    (1, 0, 0): 0.0457789, (0, 1, 0): 0.0457789, (0, 0, 1): 0.0457789,
    (1, 1, 0): 0.0369806, (1, -1, 0): 0.0369806, (1, 0, 1): 0.0369806,
    (1, 0, -1): 0.0369806, (0, 1, 1): 0.0369806, (0, 1, -1): 0.0369806,
    (1, 1, 1): 0.0351956, (1, 1, -1): 0.0351956, (1, -1, 1): 0.0351956, (-1, 1, 1): 0.0351956,
}  # fmt: skip


@dataclass(frozen=True)
class PoreSizes:
    """Share of the phase that balls can fill.

    Attributes:
        radius: of the balls, rising `(r,)`.
        share: of the phase that is covered by balls of this radius lying wholly in the phase, falling from 1 `(r,)`.
    """

    radius: np.ndarray
    share: np.ndarray

    def median(self) -> float:
        """The radius that half of the phase can be filled with, interpolated."""
        return float(np.interp(-0.5, -self.share, self.radius))

    def density(self) -> tuple[np.ndarray, np.ndarray]:
        """Middles of the steps of the radius, and the share of the phase per unit of it."""
        return (self.radius[1:] + self.radius[:-1]) / 2, -np.diff(self.share) / np.diff(self.radius)


def porosity(volume: Volume) -> float:
    """Share of the phase in the volume, ε.

    Args:
        volume: `(x, y, z)`.

    >>> porosity(np.array([[[True, False], [True, True]]]))
    0.75
    """
    return float(_binary(volume).mean())


def specific_surface(volume: Volume, *, voxel: float = 1.0, method: str = "crofton", periodic: bool = False) -> float:
    """Surface between the phase and the rest per volume of the whole.

    The faces of voxels are half as much again as a smooth surface of all directions. Crofton's formula counts how often lines
    of 13 directions cross the surface, and comes close to the smooth one.

    Args:
        volume: `(x, y, z)`.
        voxel: edge of a voxel [length].
        method: "crofton", or "faces" for the faces of voxels.
        periodic: opposite faces of the volume meet; otherwise nothing is beyond them.

    Returns:
        [1 / length].

    Raises:
        ValueError: a volume without the phase or with nothing else.

    >>> slab = np.zeros((8, 8, 8), bool)
    >>> slab[2:6] = True
    >>> specific_surface(slab, method="faces")
    0.25
    """
    phase = _binary(volume, both=True)
    if not voxel > 0:
        raise ValueError(f"voxel must be larger than 0, got {voxel}")
    if method == "faces":
        return sum(_crossings(phase, step, periodic) for step in np.eye(3, dtype=int)) / voxel
    if method != "crofton":
        raise ValueError(f"method must be 'crofton' or 'faces', got {method!r}")
    counts = [(weight, np.linalg.norm(step), _crossings(phase, step, periodic)) for step, weight in DIRECTIONS.items()]
    return float(2 * sum(weight * count / length for weight, length, count in counts) / _total() / voxel)


def two_point_correlation(volume: Volume, *, periodic: bool = True) -> np.ndarray:
    """S₂: the chance that two voxels at a distance along an axis both lie in the phase.

    Args:
        volume: `(x, y, z)`.
        periodic: opposite faces of the volume meet; otherwise only pairs inside of it count.

    Returns:
        `(3, n)` for the distances 0 .. n - 1 voxels along each axis, n being half of the shortest edge; the first column is the
        porosity, and far away the values tend to its square.

    >>> two_point_correlation(np.indices((4, 4, 4)).sum(0) % 2).tolist()
    [[0.5, 0.0], [0.5, 0.0], [0.5, 0.0]]
    """
    phase = _binary(volume).astype(float)
    length = min(phase.shape) // 2
    shape = phase.shape if periodic else tuple(2 * edge for edge in phase.shape)
    spectrum = np.abs(fft.rfftn(phase, shape)) ** 2
    pairs = fft.irfftn(spectrum, shape)
    rows = np.stack([np.moveaxis(pairs, axis, 0)[:length, 0, 0] for axis in range(3)])
    distance = np.arange(length)
    counted = [phase.size if periodic else phase.size // edge * (edge - distance) for edge in phase.shape]
    return np.clip(rows / np.stack([np.broadcast_to(count, length) for count in counted]), 0, 1).round(12)


def pore_sizes(volume: Volume, *, radii: np.ndarray | None = None, voxel: float = 1.0) -> PoreSizes:
    """How much of the phase balls of growing radius can fill (its openings).

    A ball lies in the phase where its centre is at least its radius away from everything else. Beyond the volume there is
    nothing that would stop it.

    Args:
        volume: `(x, y, z)`.
        radii: rising, from 0 [length]; by default in steps of half a voxel, up to the first that is too large everywhere.
        voxel: edge of a voxel [length].

    Raises:
        ValueError: a volume without the phase or with nothing else, radii that do not rise.

    >>> channel = np.zeros((9, 15, 15), bool)
    >>> channel[:, 3:12, 3:12] = True
    >>> pore_sizes(channel).median() > 4
    True
    """
    phase = _binary(volume, both=True)
    depth = ndimage.distance_transform_edt(phase) - 0.5  # from a centre to the faces of the voxels beyond
    if radii is None:
        radii = np.arange(int(depth.max() / 0.5) + 2) * 0.5 * voxel
    radii = np.asarray(radii, float)
    if radii.ndim != 1 or not (np.diff(radii) > 0).all() or radii[0] < 0:
        raise ValueError(f"radii must rise from 0 or more, got {radii}")
    shares = [_opened(phase, depth, radius / voxel) for radius in radii]
    return PoreSizes(radii, np.minimum.accumulate(shares))


def _opened(phase: np.ndarray, depth: np.ndarray, radius: float) -> float:
    """Share of the phase in balls of this radius [voxels] with centres deep enough."""
    centres = depth >= radius
    if radius < 0.5 or not centres.any():
        return float(centres.sum() / phase.sum())
    reach = ndimage.distance_transform_edt(~centres)
    return float((phase & (reach < radius + 0.5)).sum() / phase.sum())


def _crossings(phase: np.ndarray, step, periodic: bool) -> float:
    """Changes of phase from each voxel to the one a step away, per pair of voxels."""
    step = np.asarray(step)
    if periodic:
        return float((phase != np.roll(phase, tuple(-step), (0, 1, 2))).mean())
    here = tuple(slice(max(0, -one), length - max(0, one)) for one, length in zip(step, phase.shape, strict=True))
    there = tuple(slice(max(0, one), length - max(0, -one)) for one, length in zip(step, phase.shape, strict=True))
    return float((phase[here] != phase[there]).sum() / phase.size)


def _total() -> float:
    return sum(DIRECTIONS.values())


def _binary(volume: Volume, *, both: bool = False) -> np.ndarray:
    array = volume.detach().cpu().numpy() if isinstance(volume, Tensor) else np.asarray(volume)
    if array.ndim != 3 or array.size == 0:
        raise ValueError(f"volume must have three axes and at least one voxel, got shape {array.shape}")
    if array.dtype.kind not in "biuf":
        raise TypeError(f"volume must hold truth values or numbers, got {array.dtype}")
    if array.dtype.kind != "b":
        other = array[(array != 0) & (array != 1)]
        if other.size:
            raise ValueError(f"volume must be binary, 0 and 1, got {other.flat[0]}")
        array = array.astype(bool)
    if both and (array.all() or not array.any()):
        raise ValueError(
            f"volume must hold the phase and something else, it is {'full of it' if array.all() else 'without it'}"
        )
    return array
