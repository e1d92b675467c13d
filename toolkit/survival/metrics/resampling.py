"""How sure a metric is: bootstrap intervals, and the comparison of two models on the same subjects."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from toolkit.survival.observations import NotDefined, Values, observed, per_subject

Metric = Callable[[Tensor, Tensor, Tensor], float]


@dataclass(frozen=True)
class Interval:
    """A metric with its bootstrap interval.

    Attributes:
        value: on the subjects as they are.
        low: lower bound.
        high: upper bound.
        level: share of the resamples between the bounds.
        resamples: on how many the metric was defined.
    """

    value: float
    low: float
    high: float
    level: float
    resamples: int

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True)
class Comparison:
    """The difference between two models, first minus second, on the same resamples.

    Attributes:
        difference: with its interval.
        p_value: two-sided: twice the smaller share of resamples on either side of no difference, never below one resample.
    """

    difference: Interval
    p_value: float

    @property
    def better(self) -> str:
        """The model with the larger metric, "first" or "second", where the interval excludes 0; else "undecided"."""
        if self.difference.low > 0:
            return "first"
        return "second" if self.difference.high < 0 else "undecided"


def bootstrap_interval(
    metric: Metric,
    time: Values,
    event: Values,
    log_hazard: Values,
    *,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
    groups: Values | None = None,
) -> Interval:
    """Percentile interval of a metric over resamples of the subjects, drawn with replacement.

    Args:
        metric: `metric(time, event, log_hazard) -> float`, such as `concordance_index`.
        time: to the event or the end of observation `(n,)`.
        event: 1 where the event was seen, else 0 `(n,)`.
        log_hazard: `(n,)`, of a model that is not fitted again: the interval is that of the test, not of the training.
        resamples: how many.
        level: share of them between the bounds.
        seed: of the draws.
        groups: a whole number per row `(n,)` where several rows belong together, as images of one patient: whole groups are
            drawn.

    Returns:
        The interval. Resamples on which the metric is not defined, such as those without an event, are left out.

    Raises:
        NotDefined: the metric is not defined on the subjects, or on fewer than half of the resamples.
        ValueError, TypeError: see `observations.observed`; impossible settings.

    >>> from toolkit.survival.metrics import concordance_index
    >>> print(bootstrap_interval(concordance_index, [1.0, 2.0, 3.0], [1, 1, 1], [3.0, 2.0, 1.0], resamples=100))
    1.000 [1.000, 1.000]
    """
    time, event = observed(time, event)
    h = per_subject("log_hazard", log_hazard, time)
    values = _values(lambda rows: metric(time[rows], event[rows], h[rows]), len(time), resamples, level, seed, groups)
    return _interval(metric(time, event, h), values, level)


def paired_comparison(
    metric: Metric,
    time: Values,
    event: Values,
    first: Values,
    second: Values,
    *,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
    groups: Values | None = None,
) -> Comparison:
    """Is one of two models better on these subjects? Both are measured on the same resamples.

    Args:
        metric: larger for a better model; see `bootstrap_interval`.
        time: see `bootstrap_interval`.
        event: see `bootstrap_interval`.
        first: log hazards of one model `(n,)`.
        second: log hazards of the other `(n,)`.
        resamples: see `bootstrap_interval`.
        level: see `bootstrap_interval`.
        seed: see `bootstrap_interval`.
        groups: see `bootstrap_interval`.

    Returns:
        The difference of the metric with its interval, and a two-sided p-value.

    Raises:
        NotDefined, ValueError, TypeError: see `bootstrap_interval`.

    >>> from toolkit.survival.metrics import concordance_index
    >>> same = [3.0, 2.0, 1.0], [3.0, 2.0, 1.0]
    >>> paired_comparison(concordance_index, [1.0, 2.0, 3.0], [1, 1, 1], *same, resamples=50).better
    'undecided'
    """
    time, event = observed(time, event)
    first, second = per_subject("first", first, time), per_subject("second", second, time)

    def difference(rows: Tensor) -> float:
        return metric(time[rows], event[rows], first[rows]) - metric(time[rows], event[rows], second[rows])

    values = _values(difference, len(time), resamples, level, seed, groups)
    interval = _interval(difference(torch.arange(len(time), device=time.device)), values, level)
    smaller = min((values <= 0).mean(), (values >= 0).mean())
    return Comparison(interval, float(min(1.0, 2 * max(smaller, 1 / len(values)))))


def _values(
    metric: Callable[[Tensor], float], n: int, resamples: int, level: float, seed: int, groups: Values | None
) -> np.ndarray:
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level!r}")
    if isinstance(resamples, bool) or resamples != int(resamples) or resamples < 1:
        raise ValueError(f"resamples must be a whole number, 1 or more, got {resamples!r}")
    values = []
    for rows in _draws(n, int(resamples), seed, groups):
        try:
            values.append(metric(rows))
        except NotDefined:
            continue
    if 2 * len(values) < resamples:
        raise NotDefined(f"the metric is defined on {len(values)} of {resamples} resamples only: there are too few events")
    return np.array(values)


def _draws(n: int, resamples: int, seed: int, groups: Values | None) -> Iterator[Tensor]:
    random = np.random.default_rng(seed)
    if groups is None:
        for _ in range(resamples):
            yield torch.from_numpy(random.integers(n, size=n))
        return
    numbers = np.unique(np.asarray(groups), return_inverse=True)[1].reshape(-1)
    if len(numbers) != n:
        raise ValueError(f"groups must have one entry per subject, got {len(numbers):,} for {n:,}")
    members = np.split(np.argsort(numbers, kind="stable"), np.bincount(numbers).cumsum()[:-1])
    for _ in range(resamples):
        yield torch.from_numpy(np.concatenate([members[group] for group in random.integers(len(members), size=len(members))]))


def _interval(value: float, values: np.ndarray, level: float) -> Interval:
    low, high = np.quantile(values, [0.5 - level / 2, 0.5 + level / 2])
    return Interval(value, float(low), float(high), level, len(values))
