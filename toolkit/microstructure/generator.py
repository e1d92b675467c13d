"""Digital membranes: ligaments along the edges of a Voronoi diagram (Zhao, section 4.2.1).

    membrane = voronoi_membrane(100, (1, 0.6, 1), size=64, seed=3)  # (64, 64, 64), 1 in a ligament, 0 in a pore

Lengths are in cells of the document's domain of 200³ cells (about 150 nm each), so that one recipe gives the same structure at
every size: sampled with more voxels or with fewer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from toolkit.microstructure import ligaments, voronoi
from toolkit.microstructure.memory import check_memory

PORE, SOLID = 0, 1
DOMAIN = 200.0  # cells along an edge of the document's structures
RADIUS = 3.4  # cells, of the document's ligaments
STRONGEST = 0.1  # stretching factor; the document goes down to 0.5
MOST_POINTS, LARGEST = 100_000, 2048
METHODS = ("torch", "scipy")
AT_ONCE = 64  # membranes that are built together
TRUNCATE = 4.0  # standard deviations at which the Gaussian filter ends, as in scipy
DIGITS = 9  # of a smoothed volume: rounding errors below must not decide between two ways of computing it


@dataclass(frozen=True)
class Recipe:
    """What makes one membrane.

    Args:
        points: n, Voronoi points in the domain.
        stretch: e along x, y, z; 1 does not stretch, smaller stretches more. Not more than two axes below 1.
        radius: r of the ligaments [cells].
        seed: of the random points.
        spheres: how many balls of material are added.
        sphere_radius: their median radius [cells].
        sphere_spread: standard deviation of the logarithm of their radius.
    """

    points: int = 100
    stretch: tuple[float, float, float] = (1.0, 1.0, 1.0)
    radius: float = RADIUS
    seed: int = 0
    spheres: int = 0
    sphere_radius: float = 8.0
    sphere_spread: float = 0.3

    def __post_init__(self):
        _whole("points", self.points, 4, MOST_POINTS)
        _whole("seed", self.seed, 0, 2**63 - 1)
        _whole("spheres", self.spheres, 0, MOST_POINTS)
        _real("radius", self.radius, low=0.0, high=DOMAIN / 2)
        _real("sphere_radius", self.sphere_radius, low=0.0, high=DOMAIN / 2)
        _real("sphere_spread", self.sphere_spread, low=-math.inf, high=2.0)
        if self.sphere_spread < 0:
            raise ValueError(f"sphere_spread must be 0 or more, got {self.sphere_spread}")
        _check_stretch(self.stretch)


def voronoi_membrane(
    points: int | Sequence[int] = 100,
    stretch: Sequence[float] | Sequence[Sequence[float]] = (1.0, 1.0, 1.0),
    *,
    radius: float | Sequence[float] = RADIUS,
    size: int = 64,
    seed: int | Sequence[int] = 0,
    smoothing: float = 0.0,
    spheres: int | Sequence[int] = 0,
    sphere_radius: float = 8.0,
    sphere_spread: float = 0.3,
    periodic: bool = True,
    method: str = "torch",
    device: str | torch.device = "cpu",
) -> Tensor:
    """Membranes whose ligaments run along the edges of a Voronoi diagram of random points.

    A voxel is material when its centre is within the radius of an edge; the distance is exact. Not stated: how many
    points remain after stretching, what is beyond the domain, how a smoothed structure becomes binary again, of what the
    spheres are. Here n points lie in the finished domain, it continues periodically, smoothing keeps the share of material,
    and spheres are material.

    Args:
        points: n, or one per membrane `(b,)`; 40 to 170 in the document.
        stretch: e along x, y, z, `(3,)` or `(b, 3)`, between 0.1 and 1; 0.5 to 1 in the document. Cells are 1/e times as long.
        radius: r of the ligaments [cells], or `(b,)`.
        size: voxels along an edge.
        seed: of the random points, or `(b,)`. A membrane does not depend on the others of its batch.
        smoothing: standard deviation of a Gaussian filter [cells]; 0 for none.
        spheres: balls of material at random places, or `(b,)`.
        sphere_radius: their median radius [cells]; radii follow a log-normal distribution.
        sphere_spread: standard deviation of the logarithm of the radius.
        periodic: opposite faces fit together; otherwise there are no points beyond the domain, as the text reads literally.
        method: "torch" works on the whole batch, "scipy" on one ligament after the other; both give the same voxels.
        device: of the "torch" way.

    Returns:
        uint8, `(size, size, size)`, or `(b, size, size, size)` where an argument is a sequence: 1 material, 0 pore.

    Raises:
        TypeError, ValueError: an argument outside of what is admitted, or more voxels than there is memory for.

    >>> membrane = voronoi_membrane(40, size=32)
    >>> membrane.shape, membrane.dtype
    (torch.Size([32, 32, 32]), torch.uint8)
    >>> thick = voronoi_membrane(40, radius=6.8, size=32)
    >>> bool((thick >= membrane).all())
    True
    """
    recipes, single = _recipes(points, stretch, radius, seed, spheres, sphere_radius, sphere_spread)
    volumes = build(recipes, size=size, smoothing=smoothing, periodic=periodic, method=method, device=device)
    return volumes[0] if single else volumes


def build(
    recipes: Sequence[Recipe],
    *,
    size: int = 64,
    smoothing: float = 0.0,
    periodic: bool = True,
    method: str = "torch",
    device: str | torch.device = "cpu",
) -> Tensor:
    """The membranes of some recipes, see `voronoi_membrane`.

    Args:
        recipes: one per membrane, at least one.
        size: voxels along an edge.
        smoothing: standard deviation of a Gaussian filter [cells].
        periodic: opposite faces fit together.
        method: "torch" or "scipy".
        device: of the "torch" way.

    Returns:
        `(b, size, size, size)` uint8.

    >>> build([Recipe(40), Recipe(40, seed=1)], size=32).shape
    torch.Size([2, 32, 32, 32])
    """
    _check_build(recipes, size, smoothing, method, device)
    parts = [recipes[first : first + AT_ONCE] for first in range(0, len(recipes), AT_ONCE)]
    return torch.cat([_built(part, size, smoothing * size / DOMAIN, periodic, method, device) for part in parts])


def _built(
    recipes: Sequence[Recipe], size: int, sigma: float, periodic: bool, method: str, device: str | torch.device
) -> Tensor:
    segments, radii = zip(*(skeleton(recipe, size=size, periodic=periodic) for recipe in recipes), strict=True)
    if method == "scipy":
        volumes = [ligaments.tubes_one_by_one(*pair, size=size) for pair in zip(segments, radii, strict=True)]
        smoothed = [_scipy_smoothed(volume, sigma, periodic) for volume in volumes] if sigma else volumes
        return torch.from_numpy(np.stack(smoothed))
    volumes = ligaments.tubes(segments, radii, size=size, device=device)
    if sigma:
        for volume in volumes:  # one at a time: the filter needs eight bytes a voxel
            volume.copy_(_smoothed(volume, sigma, periodic))
    return volumes


def skeleton(recipe: Recipe, *, size: int, periodic: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Axes and radii of a membrane's ligaments, and of its spheres as axes without length.

    Args:
        recipe: of the membrane.
        size: voxels along an edge.
        periodic: with what crosses the opposite faces.

    Returns:
        End points `(m, 2, 3)` and radii `(m,)` [voxels].

    >>> ends, radii = skeleton(Recipe(40), size=200)
    >>> ends.shape[1:], round(float(radii[0]), 6)
    ((2, 3), 3.4)
    """
    points = voronoi.seed_points(recipe.points, recipe.seed)
    reach = recipe.radius / DOMAIN
    ends = voronoi.edges(points, stretch=recipe.stretch, periodic=periodic, reach=reach)
    radii = np.full(len(ends), reach)
    if recipe.spheres:
        balls, their_radii = _spheres(recipe, periodic)
        ends, radii = np.concatenate([ends, balls]), np.concatenate([radii, their_radii])
    return ends * size, radii * size


def _spheres(recipe: Recipe, periodic: bool) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng([recipe.seed, 1])
    centres = random.random((recipe.spheres, 3))
    radii = recipe.sphere_radius / DOMAIN * np.exp(recipe.sphere_spread * random.standard_normal(recipe.spheres))
    if periodic:
        shifts = np.stack(np.meshgrid(*[(-1, 0, 1)] * 3, indexing="ij"), -1).reshape(-1, 3)
        centres, radii = (centres[None] + shifts[:, None]).reshape(-1, 3), np.tile(radii, len(shifts))
    near = ((centres > -radii[:, None]) & (centres < 1 + radii[:, None])).all(1)
    return np.repeat(centres[near, None], 2, 1), radii[near]


def _smoothed(volume: Tensor, sigma: float, periodic: bool) -> Tensor:
    """Gaussian filter along each axis, then the threshold that keeps the share of material."""
    reach = int(TRUNCATE * sigma + 0.5)
    steps = torch.arange(-reach, reach + 1, dtype=torch.float64, device=volume.device)
    kernel = torch.exp(-0.5 * (steps / sigma) ** 2)
    kernel /= kernel.sum()
    field = volume.double()
    for _ in range(3):  # filter the first axis, then bring the next one there
        field = _filtered(field, kernel, periodic).permute(1, 2, 0).contiguous()
    return _same_share(field, volume)


def _filtered(field: Tensor, kernel: Tensor, periodic: bool) -> Tensor:
    """The field filtered along its first axis, as a sum of shifted copies."""
    reach, length = len(kernel) // 2, len(field)
    rows = torch.arange(-reach, length + reach, device=field.device)
    padded = field[rows % length if periodic else rows.clamp(0, length - 1)]
    filtered = padded[reach : reach + length] * kernel[reach]
    for step in range(reach):
        filtered.add_(
            padded[step : step + length] + padded[2 * reach - step : 2 * reach - step + length], alpha=float(kernel[step])
        )
    return filtered


def _scipy_smoothed(volume: np.ndarray, sigma: float, periodic: bool) -> np.ndarray:
    field = ndimage.gaussian_filter(volume.astype(float), sigma, mode="wrap" if periodic else "nearest", truncate=TRUNCATE)
    return _same_share(torch.from_numpy(field), torch.from_numpy(volume)).numpy()


def _same_share(field: Tensor, volume: Tensor) -> Tensor:
    """As many voxels of material as before, where the field is largest."""
    count = int(volume.sum(dtype=torch.int64))
    if count == 0:
        return volume
    field = field.round(decimals=DIGITS)
    return (field >= field.flatten().kthvalue(field.numel() - count + 1).values).to(torch.uint8)


# What is admitted ---------------------------------------------------------------------------------------------------------


def _recipes(points, stretch, radius, seed, spheres, sphere_radius, sphere_spread) -> tuple[list[Recipe], bool]:
    try:
        nested = np.ndim(stretch) == 2
    except ValueError as error:
        raise ValueError(f"stretch must be three factors, or three per membrane, got {stretch!r}") from error
    several = {"points": points, "radius": radius, "seed": seed, "spheres": spheres}
    several = {name: _listed(value) for name, value in several.items() if np.ndim(value)}
    several |= {"stretch": [tuple(row) for row in _listed(stretch)]} if nested else {}
    lengths = {name: len(values) for name, values in several.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"sequences must have one entry per membrane, got lengths {lengths}")
    alike = {"points": points, "radius": radius, "seed": seed, "spheres": spheres, "stretch": stretch}
    alike = {name: value for name, value in alike.items() if name not in several}
    if not nested:
        alike["stretch"] = tuple(_listed(stretch)) if np.ndim(stretch) else stretch
    alike |= {"sphere_radius": sphere_radius, "sphere_spread": sphere_spread}
    count = next(iter(lengths.values()), 1)
    recipes = [Recipe(**alike, **{name: values[row] for name, values in several.items()}) for row in range(count)]
    return recipes, not several


def _listed(values) -> list:
    return values.tolist() if isinstance(values, np.ndarray | Tensor) else list(values)


def _check_build(recipes: Sequence[Recipe], size: int, smoothing: float, method: str, device: str | torch.device) -> None:
    if not recipes:
        raise ValueError("recipes must hold one per membrane, got none")
    _whole("size", size, 4, LARGEST)
    _real("smoothing", smoothing, low=-math.inf, high=DOMAIN / 8)
    if smoothing < 0:
        raise ValueError(f"smoothing must be 0 or more, got {smoothing}")
    if method not in METHODS:
        raise ValueError(f"method must be one of {METHODS}, got {method!r}")
    needed = (2 * len(recipes) + (32 if smoothing else 0)) * size**3
    check_memory(needed, device, f"{len(recipes)} membranes of {size}³ voxels")


def _whole(name: str, value: int, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be a whole number, got {value!r}")
    if not low <= value <= high:
        raise ValueError(f"{name} must lie between {low} and {high}, got {value}")


def _real(name: str, value: float, *, low: float, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, got {value!r}")
    if not low < value <= high:  # nan as well
        raise ValueError(
            f"{name} must be {'' if low == -math.inf else f'larger than {low:g} and '}at most {high:g}, got {value}"
        )


def _check_stretch(stretch: tuple[float, float, float]) -> None:
    if not isinstance(stretch, tuple) or len(stretch) != 3:
        raise ValueError(f"stretch must be three factors, along x, y and z, got {stretch!r}")
    for factor in stretch:
        if isinstance(factor, bool) or not isinstance(factor, Real):
            raise TypeError(f"stretch must be three numbers, got {stretch!r}")
        if not STRONGEST <= factor <= 1:
            raise ValueError(f"stretch must lie between {STRONGEST} and 1 along each axis, got {stretch}")
    if max(stretch) < 1:
        raise ValueError(f"stretch must leave at least one axis at 1, got {stretch}")
