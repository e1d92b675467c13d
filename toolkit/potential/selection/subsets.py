"""Subsets that are chosen before any training: equally spaced ones, and those without near copies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

GROUPS = (201, 68, 60)  # G2 with R_s = 0, G2 with R_s > 0, G5, in the order of the 329 functions
STARTS = {"A": (1, 202, 1), "B": (2, 203, 2), "C": (3, 204, 3), "D": (4, 205, 4)}  # x, y, z of section 4.3


def equally_spaced(starts: Sequence[int] = STARTS["A"], steps: Sequence[int] = (8, 4, 4)) -> np.ndarray:
    """Every so-many-th function of each of the three groups, as numbers from 0 (Ghimire, section 4.3).

    The document counts the G2 functions from 1 to 269 and the G5 functions from 1 to 60, and its first range ends before 201.

    Args:
        starts: x, y, z: first G2 with R_s = 0, first G2 with R_s > 0, first G5, counted as there.
        steps: a, b, c.

    Raises:
        ValueError: starts outside their groups, steps below 1.

    >>> [len(equally_spaced(starts)) for starts in STARTS.values()]
    [57, 57, 57, 57]
    >>> equally_spaced()[[0, 1, 25, 42]]
    array([  0,   8, 201, 269])
    """
    first, second, third = GROUPS
    bounds = ((1, first), (first + 1, first + second), (1, third))
    if len(starts) != 3 or any(not low <= start <= high for start, (low, high) in zip(starts, bounds, strict=True)):
        raise ValueError(f"starts must be in {bounds}, got {tuple(starts)}")
    if len(steps) != 3 or any(step != int(step) or step < 1 for step in steps):
        raise ValueError(f"steps must be three whole numbers, 1 or more, got {tuple(steps)}")
    x, y, z = starts
    radial = np.r_[np.arange(x, first, steps[0]), np.arange(y, first + second + 1, steps[1])]
    return np.r_[radial, first + second + np.arange(z, third + 1, steps[2])] - 1


def spread(count: int, total: int, *, shift: float = 0.5) -> np.ndarray:
    """As many functions, equally spaced over all of them, as numbers from 0.

    Args:
        count: how many.
        total: of how many.
        shift: where in its equal share of the list each one lies, 0 .. 1; other shifts give other subsets of this size.

    Raises:
        ValueError: a count that is not in 1 .. total, a shift outside 0 .. 1.

    >>> spread(3, 9), spread(3, 9, shift=0.0)
    (array([1, 4, 7]), array([0, 3, 6]))
    """
    if not 1 <= count <= total:
        raise ValueError(f"count must be in 1 .. {total}, got {count}")
    if not 0 <= shift <= 1:
        raise ValueError(f"shift must be in 0 .. 1, got {shift}")
    return np.minimum(((np.arange(count) + shift) * total / count).astype(int), total - 1)


def correlations(descriptors: Tensor, present: Tensor | None = None) -> Tensor:
    """Pearson's correlation of the functions over all atoms of all frames, `(d, d)`; 0 for one that does not vary.

    Args:
        descriptors: `(n, a, d)`.
        present: 1 where an atom is and 0 in rows that only fill up, `(n, a)`; without it all rows are atoms.
    """
    flat = (descriptors.flatten(0, 1) if present is None else descriptors[present.bool()]).double()
    flat = flat - flat.mean(0)
    spreads = flat.norm(dim=0)
    alive = spreads > 1e-12 * spreads.max()
    return (flat.T @ flat) / torch.outer(spreads, spreads).clamp_min(1e-300) * torch.outer(alive, alive)


def uncorrelated(
    descriptors: Tensor, *, threshold: float | None = None, count: int | None = None, present: Tensor | None = None
) -> np.ndarray:
    """Functions of which none is nearly a copy of another, as rising numbers.

    With a threshold the functions are taken in their order and kept where the correlation to none of those kept exceeds it.
    With a count the one whose largest correlation to those kept is least is added until there are enough; it begins with the
    one that is most like all others. Functions that do not vary are never kept.

    Args:
        descriptors: `(n, a, d)`, of the training frames.
        threshold: of |correlation|, above 0 and below 1.
        count: how many to keep; exactly one of the two is given.
        present: which rows are atoms, see `correlations`.

    Raises:
        ValueError: both or neither given, or out of range.

    >>> draw = torch.Generator().manual_seed(0)
    >>> x = torch.randn(100, 1, 2, generator=draw)
    >>> uncorrelated(torch.cat([x, -x], dim=2), threshold=0.9)
    array([0, 1])
    """
    if (threshold is None) == (count is None):
        raise ValueError(f"one of threshold and count must be given, got threshold {threshold} and count {count}")
    between = correlations(descriptors, present).abs().numpy()
    alive = np.flatnonzero(between.diagonal() > 0)
    if threshold is not None:
        if not 0 < threshold < 1:
            raise ValueError(f"threshold must be above 0 and below 1, got {threshold}")
        return _below(between, alive, threshold)
    if not 1 <= count <= len(alive):
        raise ValueError(f"count must be in 1 .. {len(alive)}, the functions that vary, got {count}")
    return _farthest(between, alive, count)


def _below(between: np.ndarray, alive: np.ndarray, threshold: float) -> np.ndarray:
    kept: list[int] = []
    for column in alive.tolist():
        if (between[column, kept] <= threshold).all():
            kept.append(column)
    return np.array(kept)


def _farthest(between: np.ndarray, alive: np.ndarray, count: int) -> np.ndarray:
    kept = [int(alive[between[np.ix_(alive, alive)].sum(0).argmax()])]
    nearest = between[kept[0]].copy()
    while len(kept) < count:
        left = np.setdiff1d(alive, kept)
        kept.append(int(left[nearest[left].argmin()]))
        nearest = np.maximum(nearest, between[kept[-1]])
    return np.sort(kept)
