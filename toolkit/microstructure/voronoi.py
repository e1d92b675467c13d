"""Edges of Voronoi diagrams as line segments: the skeleton of a membrane, exact to rounding.

Lengths are in units of the domain's edge, so that the domain is the unit cube.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from scipy.spatial import Delaunay

MARGINS = (
    1.5,
    2.5,
    5.0,
    10.0,
)  # how far copies of the seeds reach beyond the domain [cells]; the first that is enough is taken
FAR = 10.0  # distance of the points that close the outermost cells, so far away that no point of the domain is nearest to one


def seed_points(points: int, seed: int) -> np.ndarray:
    """Uniformly random seed points of a diagram, the same for the same seed on every machine.

    Args:
        points: how many.
        seed: of the generator.

    Returns:
        `(points, 3)` in [0, 1).

    >>> seed_points(2, 0).shape
    (2, 3)
    """
    return np.random.default_rng(seed).random((points, 3))


def edges(seeds: np.ndarray, *, stretch: tuple[float, float, float], periodic: bool, reach: float) -> np.ndarray:
    """The edges of the Voronoi diagram of some seeds, in and around the unit cube.

    An edge joins the circumcentres of two tetrahedra of the Delaunay triangulation that share a face. A stretched diagram is
    that of the seeds in a space whose axes are shortened by the factors, with its edges mapped back.

    Args:
        seeds: `(n, 3)` in the unit cube.
        stretch: e per axis; cells are 1/e times as long along it.
        periodic: continue the seeds periodically, so that opposite faces of the cube fit together.
        reach: edges are cut off where they are farther than this from the cube.

    Returns:
        End points `(m, 2, 3)`.

    Raises:
        ValueError: the seeds coincide or lie in one plane.

    >>> rows = edges(seed_points(20, 0), stretch=(1, 1, 1), periodic=True, reach=0.1)
    >>> rows.shape[1:]
    (2, 3)
    """
    scale = np.asarray(stretch, float)
    if not periodic:
        return _clipped(_ends(_enclosed(seeds * scale, scale))[0] / scale, reach)[0]
    cell = (scale.prod() / len(seeds)) ** (1 / 3)
    for margin in cell * np.array(MARGINS):
        ends, radii = _ends(_copies(seeds, margin / scale + reach) * scale)
        parts, near = _clipped(ends / scale, reach)
        if radii[near].max(initial=0.0) < margin:  # no seed beyond the copies can be nearest to a place on an edge
            break
    return parts


def _copies(seeds: np.ndarray, margins: np.ndarray) -> np.ndarray:
    """The seeds and their periodic copies up to a margin per axis beyond the unit cube."""
    shifts = np.array(list(product(*(range(-count, count + 1) for count in np.ceil(margins).astype(int)))), float)
    copies = (seeds[None] + shifts[:, None]).reshape(-1, 3)
    return copies[((copies > -margins) & (copies < 1 + margins)).all(1)]


def _enclosed(seeds: np.ndarray, box: np.ndarray) -> np.ndarray:
    """The seeds with far points around them: no cell is unbounded, and none is another one inside the box."""
    directions = np.array([shift for shift in product((-1.0, 0.0, 1.0), repeat=3) if any(shift)])
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return np.concatenate([seeds, box / 2 + FAR * directions])


def _ends(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """End points `(m, 2, 3)` of the finite edges, and the larger circumradius of the two ends `(m,)`."""
    mesh = Delaunay(points)
    centres, radii = _circumspheres(points[mesh.simplices])
    first = np.repeat(np.arange(len(mesh.simplices)), 4)
    second = mesh.neighbors.ravel()
    once = first < second  # -1 stands for no neighbour
    pairs = np.stack([first[once], second[once]], 1)
    return centres[pairs], radii[pairs].max(1)


def _circumspheres(corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centres `(t, 3)` and radii `(t,)` of the spheres through the corners `(t, 4, 3)` of tetrahedra; flat ones give inf."""
    sides = corners[:, 1:] - corners[:, :1]
    normals = np.cross(sides[:, [1, 2, 0]], sides[:, [2, 0, 1]])
    volume = np.einsum("ti,ti->t", sides[:, 0], normals[:, 0])
    with np.errstate(divide="ignore", invalid="ignore"):
        offsets = np.einsum("tk,tki->ti", (sides**2).sum(2), normals) / (2 * volume[:, None])
    offsets = np.where(np.isfinite(offsets), offsets, np.inf)
    return corners[:, 0] + offsets, np.linalg.norm(offsets, axis=1)


def _clipped(ends: np.ndarray, reach: float) -> tuple[np.ndarray, np.ndarray]:
    """The parts of edges in the unit cube widened by `reach`, and which edges have one."""
    start, finite = ends[:, 0], np.isfinite(ends).all((1, 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        along = ends[:, 1] - ends[:, 0]
        bounds = np.stack([(-reach - start) / along, (1 + reach - start) / along])
    bounds = np.nan_to_num(bounds, nan=0.0)  # an edge in the plane of a face
    first, last = np.clip(bounds.min(0).max(1), 0, 1), np.clip(bounds.max(0).min(1), 0, 1)
    near = finite & (first < last)
    parts = start[near, None] + np.stack([first, last], 1)[near, :, None] * along[near, None]
    return parts, near
