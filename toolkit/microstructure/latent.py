"""What the latent means hold: principal components, loadings, and properties by nearest neighbours (Zhao, 4.2.2, 4.2.3, A).

Shapes: `n` structures, `l` latent dimensions, `c` components.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

CHUNK = 2**22  # squared distances held at one time


@dataclass(frozen=True, eq=False)
class Components:
    """Principal components of latent means.

    Attributes:
        centre: mean of the latent means, `(l,)`.
        axes: unit vectors, one per row and of descending variance, `(c, l)`; the largest entry of each is positive.
        variance: of the scores, `(c,)`.
        spread: standard deviation of each latent dimension, `(l,)`.
    """

    centre: np.ndarray
    axes: np.ndarray
    variance: np.ndarray
    spread: np.ndarray

    def scores(self, latents: Any) -> np.ndarray:
        """Coordinates of latent points `(n, l)` along the components, `(n, c)`."""
        return (_rows("latents", latents, len(self.centre)) - self.centre) @ self.axes.T

    def latents(self, scores: Any) -> np.ndarray:
        """Latent points `(n, l)` of coordinates `(n, k)` along the first k components; the others are at their mean, zero."""
        scores = _rows("scores", scores)
        if scores.shape[1] > len(self.axes):
            raise ValueError(f"scores: there are {len(self.axes)} components, got {scores.shape[1]} columns")
        return self.centre + scores @ self.axes[: scores.shape[1]]

    @property
    def explained(self) -> np.ndarray:
        """Share of the variance in each component, `(c,)`; their cumulative sum is Fig. A.1a."""
        return self.variance / self.variance.sum()

    def enough(self, share: float = 0.95) -> int:
        """How many of the first components hold at least this share of the variance; 228 of 256 for 95 % in the document."""
        if not 0 < share <= 1:
            raise ValueError(f"share must lie above 0 and not above 1, got {share}")
        return int(np.searchsorted(np.cumsum(self.explained), share - 1e-12) + 1)

    @property
    def loadings(self) -> np.ndarray:
        """Correlation of every component with every latent dimension, `(c, l)`: Fig. A.1b.

        The squares of a column sum to 1; a dimension that never changes has loadings of zero.
        """
        scale = np.where(self.spread > 0, self.spread, 1.0)
        return self.axes * np.sqrt(self.variance)[:, None] / scale

    def closest(self, component: int, n: int = 3) -> np.ndarray:
        """The latent dimensions that correlate most with a component (counted from 0), as in Fig. A.3, `(n,)`."""
        return np.argsort(-np.abs(self.loadings[component]), kind="stable")[:n]


def components(latents: Any) -> Components:
    """All principal components of latent means.

    Args:
        latents: `(n, l)`, two different ones at least; a tensor or an array.

    Returns:
        min(n - 1, l) components.

    Raises:
        ValueError: fewer than two structures, values that are not finite, or all the same.

    >>> found = components([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]])
    >>> found.enough(0.95), found.axes[0].round(4).tolist()
    (1, [0.7071, 0.7071])
    """
    latents = _rows("latents", latents)
    if len(latents) < 2 or not np.ptp(latents, axis=0).any():
        raise ValueError(f"latents: components need two different structures, got {len(latents)} of one kind")
    centre = latents.mean(0)
    _, singular, axes = np.linalg.svd(latents - centre, full_matrices=False)
    count = min(len(latents) - 1, latents.shape[1])
    axes, variance = axes[:count], singular[:count] ** 2 / (len(latents) - 1)
    largest = np.take_along_axis(axes, np.abs(axes).argmax(1)[:, None], 1)
    return Components(centre, axes * np.sign(largest), variance, latents.std(0, ddof=1))


def shares_of_variance(scores: Any, values: Sequence[Any]) -> np.ndarray:
    """How much of each component's variance a property accounts for, `(c,)` between 0 and 1.

    For numbers it is the squared correlation; for labels the variance between the groups' means over the whole one (η²). By it
    one finds which components stand for porosity and which for direction: PC3, and PC1 with PC2, in the document.

    Args:
        scores: `(n, c)`.
        values: of the property, `(n,)` numbers or texts.

    >>> shares_of_variance([[0.0, 1.0], [1.0, 0.0], [2.0, 1.0], [3.0, 0.0]], ["x", "y", "x", "y"]).round(2).tolist()
    [0.2, 1.0]
    """
    scores, values = _rows("scores", scores), np.asarray(values)
    if values.shape != (len(scores),):
        raise ValueError(f"values must be one for each of {len(scores)} structures, got shape {values.shape}")
    away = scores - scores.mean(0)
    total = np.square(away).sum(0)
    if np.issubdtype(values.dtype, np.number):
        centred = values - values.mean()
        explained = np.square(centred @ away) / max(float(centred @ centred), np.finfo(float).tiny)
    else:
        groups = [away[values == group] for group in np.unique(values)]
        explained = sum(len(group) * np.square(group.mean(0)) for group in groups)
    return explained / np.where(total > 0, total, 1.0)


def branches(scores: Any, directions: Sequence[str], names: Sequence[str] = ("x", "y", "z")) -> dict[tuple[str, str], float]:
    """Angles between the branches of the scatter in two components, about 120 degrees in the document (section 4.2.2).

    A branch leads from the mean of all structures to the mean of those stretched in one direction.

    Args:
        scores: in two components, `(n, 2)`.
        directions: of the structures, `(n,)`.
        names: of the branches.

    Returns:
        Pair of names to the angle between them [degrees].

    >>> branches([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]], ["x", "y", "z"])[("x", "y")]
    90.0
    """
    scores, directions = _rows("scores", scores, 2), np.asarray(directions)
    means = {name: scores[directions == name].mean(0) - scores.mean(0) for name in names}
    angles = {}
    for first, second in itertools.combinations(names, 2):
        a, b = means[first], means[second]
        angles[first, second] = float(np.degrees(np.arccos(np.clip(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)), -1, 1))))
    return angles


def nearest(known: Any, unknown: Any, *, k: int = 1) -> np.ndarray:
    """Rows of `known` that are nearest to each point of `unknown` by Euclidean distance, the nearest first.

    Args:
        known: `(n, d)`.
        unknown: `(m, d)`.
        k: neighbours of each point.

    Returns:
        `(m, k)`; equal distances in the order of `known`.

    >>> nearest([[0.0], [1.0], [5.0]], [[0.8], [9.0]], k=2).tolist()
    [[1, 0], [2, 1]]
    """
    known = _rows("known", known)
    unknown = _rows("unknown", unknown, known.shape[1])
    if not 1 <= k <= len(known):
        raise ValueError(f"k must be from 1 to the {len(known)} structures that are known, got {k}")
    size = max(1, CHUNK // known.size)
    found = []
    for first in range(0, len(unknown), size):
        squares = np.square(unknown[first : first + size, None] - known[None]).sum(-1)
        found.append(np.argsort(squares, axis=1, kind="stable")[:, :k])
    return np.concatenate(found) if found else np.empty((0, k), int)


def estimated(
    known: Any,
    properties: pd.DataFrame,
    unknown: Any,
    *,
    porosity: Sequence[int] = (2,),
    direction: Sequence[int] = (0, 1),
    k: int = 1,
) -> pd.DataFrame:
    """Properties of unknown structures from those of the nearest known ones, the way of Table 4.4.

    Porosity is read from the neighbour in the porosity component(s), direction and intensity of stretching from the neighbour
    in the direction components. The document takes PC3 and PC1 with PC2 and one neighbour.

    Args:
        known: scores of structures whose properties are known, `(n, c)`.
        properties: columns "porosity", "direction" (texts) and "intensity", one row for each of them.
        unknown: scores of the others, `(m, c)`.
        porosity: components by which porosity is found, counted from 0.
        direction: likewise direction and intensity.
        k: neighbours: numbers are their mean, the direction is the most frequent one, the nearer one where two are as frequent.

    Returns:
        The same columns for the unknown structures.

    Raises:
        ValueError: a column or a component that is not there.

    >>> table = pd.DataFrame({"porosity": [0.8, 0.9], "direction": ["x", "y"], "intensity": [0.5, 0.7]})
    >>> estimated([[0.0, 0.0, 1.0], [1.0, 0.0, 2.0]], table, [[0.9, 0.0, 1.1]]).values.tolist()
    [[0.8, 'y', 0.7]]
    """
    known, unknown = _rows("known", known), _rows("unknown", unknown)
    missing = [name for name in ("porosity", "direction", "intensity") if name not in properties]
    if missing or len(properties) != len(known):
        raise ValueError(
            f"properties must have a row for each of {len(known)} structures and the columns porosity, direction and "
            f"intensity, got {len(properties)} rows and {list(properties)}"
        )
    for name, chosen in (("porosity", porosity), ("direction", direction)):
        if not len(chosen) or not all(0 <= number < known.shape[1] for number in chosen):
            raise ValueError(f"{name}: components must be among 0 to {known.shape[1] - 1}, got {tuple(chosen)}")
    by_porosity = nearest(known[:, list(porosity)], unknown[:, list(porosity)], k=k)
    by_direction = nearest(known[:, list(direction)], unknown[:, list(direction)], k=k)
    table = {
        "porosity": properties["porosity"].to_numpy()[by_porosity].mean(1),
        "direction": [_most_frequent(row) for row in properties["direction"].to_numpy()[by_direction]],
        "intensity": properties["intensity"].to_numpy()[by_direction].mean(1),
    }
    return pd.DataFrame(table)


def strangeness(known: Any, usual: Any, unknown: Any) -> pd.DataFrame:
    """How far points lie from everything that is known, and how many usual ones lie as far from it.

    An encoder gives any volume a place. Whether the neighbours of that place mean anything shows in the distance to the nearest
    of them, beside the same distance of structures that were kept apart from the known ones but are of their kind.

    Args:
        known: training structures in any coordinates, `(n, d)`.
        usual: structures of the same kind that were not trained on, `(p, d)`.
        unknown: the others, `(m, d)`.

    Returns:
        Columns "nearest" (row of `known`), "distance" to it, and "as far": the share of the usual ones that are at least as far
        from their own nearest one. 0 means that none is.

    >>> strangeness([[0.0], [1.0]], [[0.1], [0.8]], [[0.9], [7.0]])["as far"].tolist()
    [1.0, 0.0]
    """
    known, usual, unknown = (_rows(name, rows) for name, rows in (("known", known), ("usual", usual), ("unknown", unknown)))
    if not len(usual):
        raise ValueError("usual must hold one structure or more, got none")
    rows = [nearest(known, others)[:, 0] for others in (usual, unknown)]
    common, distance = (np.linalg.norm(o - known[row], axis=1) for o, row in zip((usual, unknown), rows, strict=True))
    as_far = 1 - np.searchsorted(np.sort(common), distance * (1 - 1e-12), side="left") / len(common)
    return pd.DataFrame({"nearest": rows[1], "distance": distance, "as far": as_far})


def _most_frequent(labels: np.ndarray) -> Any:
    names, first, counts = np.unique(labels.astype(str), return_index=True, return_counts=True)
    return labels[min(zip(-counts, first, range(len(names)), strict=True))[1]]


def _rows(name: str, values: Any, columns: int | None = None) -> np.ndarray:
    """Numbers as a float array of rows."""
    rows = np.asarray(values, float)
    if rows.ndim != 2 or (columns is not None and rows.shape[1] != columns):
        wanted = "two dimensions" if columns is None else f"shape (n, {columns})"
        raise ValueError(f"{name} must have {wanted}, got shape {rows.shape}")
    if not np.isfinite(rows).all():
        raise ValueError(f"{name} must hold finite numbers only, row {int(np.argwhere(~np.isfinite(rows))[0][0])} does not")
    return rows
