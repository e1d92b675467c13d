"""Whether two models differ: pairs over seeds, and why the document's test on loss histories cannot say so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Paired:
    """First minus second over pairs that share a seed.

    Attributes:
        difference: mean.
        low: 95 % bound of the mean by Student's distribution.
        high: likewise.
        p: of no difference, both sides.
        p_worse: of the first being no larger than the second; small where it is larger, which is worse for an error.
        pairs: how many.
    """

    difference: float
    low: float
    high: float
    p: float
    p_worse: float
    pairs: int

    def not_worse(self, level: float = 0.05) -> bool:
        """Whether these pairs do not show that the first is larger.

        With few pairs that says little alone: `high` is the loss in precision that is still possible.
        """
        return not self.p_worse < level


def paired(first: Sequence[float], second: Sequence[float]) -> Paired:
    """Student's test of the differences of pairs.

    Args:
        first: an error of one model for each seed.
        second: of another model for the same seeds.

    Raises:
        ValueError: fewer than two pairs, lengths that differ, values that are not finite.

    >>> result = paired([1.0, 2.0, 3.0], [2.0, 3.5, 3.5])
    >>> round(result.difference, 3), result.not_worse(), round(result.p_worse, 3)
    (-1.0, True, 0.963)
    """
    first, second = np.asarray(first, float), np.asarray(second, float)
    if first.ndim != 1 or first.shape != second.shape or len(first) < 2:
        raise ValueError(f"first and second must be two or more pairs, got shapes {first.shape} and {second.shape}")
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise ValueError("first and second must be finite")
    difference = first - second
    mean, spread = float(difference.mean()), float(difference.std(ddof=1) / np.sqrt(len(difference)))
    if spread == 0:
        return Paired(mean, mean, mean, float(mean == 0), float(mean <= 0), len(difference))
    freedom, t = len(difference) - 1, mean / spread
    half = float(stats.t.ppf(0.975, freedom)) * spread
    both, above = 2 * stats.t.sf(abs(t), freedom), stats.t.sf(t, freedom)
    return Paired(mean, mean - half, mean + half, float(both), float(above), len(difference))


def histories(first: Sequence[float], second: Sequence[float]) -> float:
    """The document's test (section 4.5): p of equal means of the validation losses of two runs over their epochs.

    The losses of one run follow each other and are not independent draws, and their mean is governed by how long a run was; so
    two trainings of one network from two seeds can come out as different, and two networks of unlike error as the same.

    Args:
        first: validation losses of one run.
        second: of another.
    """
    return float(stats.ttest_ind(np.asarray(first, float), np.asarray(second, float)).pvalue)
