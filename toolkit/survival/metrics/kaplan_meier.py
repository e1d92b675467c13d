"""Survival curves without a model, and the probability of not being censored, which weighs the other metrics."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from scipy.special import ndtri
from torch import Tensor

from toolkit.survival.observations import NotDefined, Values, increasing, observed, wide


@dataclass(frozen=True, eq=False)
class KaplanMeier:
    """Kaplan and Meier's estimate of a survival curve, a step at each observed time.

    Attributes:
        time: distinct observed times, rising `(m,)`.
        survival: probability of no event up to and at each of them `(m,)`.
        low: lower bound of it `(m,)`, nan where no subject is left.
        high: upper bound `(m,)`.
        at_risk: subjects seen until then, each time included `(m,)`.
        events: events at each time `(m,)`.
    """

    time: Tensor
    survival: Tensor
    low: Tensor
    high: Tensor
    at_risk: Tensor
    events: Tensor

    def at(self, times: Values) -> Tensor:
        """Survival at any rising times `(t,)`; 1 before the first, that of the last after it."""
        times = increasing("times", times, self.time.device).to(self.time.dtype)
        return _steps(self.time, self.survival, times)


def kaplan_meier(time: Values, event: Values, *, level: float = 0.95) -> KaplanMeier:
    """Kaplan and Meier's estimate S(t) = Π_{t_i ≤ t} (1 - d_i / n_i), with d_i events among n_i subjects at risk.

    The bounds come from Greenwood's variance of log(-log S), so they stay within 0 and 1.

    Args:
        time: to the event or the end of observation `(n,)`.
        event: 1 where the event was seen, else 0 `(n,)`.
        level: of the bounds at each time, 0 < level < 1.

    Returns:
        The curve, in double precision.

    Raises:
        ValueError, TypeError: see `observations.observed`; an impossible level.

    >>> kaplan_meier([1.0, 2.0, 3.0], [1, 0, 1]).survival
    tensor([0.6667, 0.6667, 0.0000], dtype=torch.float64)
    """
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level!r}")
    time, event = observed(time, event)
    distinct, events, leaving = _tally(time, event)
    at_risk = len(time) - leaving.cumsum(0) + leaving
    survival = torch.cumprod(1 - events / at_risk, 0)
    variance = (events / (at_risk * (at_risk - events))).cumsum(0) / survival.log().square()
    spread = float(ndtri(0.5 + level / 2)) * variance.sqrt()
    low, high = (survival ** (sign * spread).exp() for sign in (1, -1))
    certain = survival == 1
    low, high = low.where(~certain, 1.0), high.where(~certain, 1.0)
    return KaplanMeier(distinct, survival, low, high, at_risk.long(), events.long())


@dataclass(frozen=True, eq=False)
class Censoring:
    """Probability G(t) that a subject has not been censored up to and at a time, by Kaplan and Meier.

    Of an event and a censoring at one time the event comes first.
    """

    time: Tensor
    uncensored: Tensor

    def at(self, times: Tensor) -> Tensor:
        """G at any times `(t,)`."""
        return _steps(self.time, self.uncensored, wide(times))

    def inverse(self, times: Tensor) -> Tensor:
        """1/G at the times of events.

        Raises:
            NotDefined: G is 0 there.
        """
        probability = self.at(times)
        if bool((probability <= 0).any()):
            last = times[probability <= 0].min()
            raise NotDefined(f"nobody is seen without being censored up to time {float(last):g}: choose earlier times")
        return 1 / probability


def censoring(time: Tensor, event: Tensor, train_time: Values | None, train_event: Values | None) -> Censoring:
    """The censoring among the training subjects, or among the subjects themselves where no others are given."""
    if (train_time is None) != (train_event is None):
        raise ValueError("train_time and train_event must be given together")
    if train_time is not None:
        time, event = (part.to(time.device) for part in observed(train_time, train_event))
    distinct, events, leaving = _tally(time, event)
    at_risk = len(time) - leaving.cumsum(0) + leaving - events
    uncensored = torch.cumprod(1 - (leaving - events) / at_risk.clamp(min=1), 0)
    return Censoring(distinct, uncensored)


def _tally(time: Tensor, event: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Distinct times, and how many have an event and how many leave at each, in double precision."""
    distinct, number, leaving = torch.unique(wide(time), return_inverse=True, return_counts=True)
    leaving = leaving.to(distinct.dtype)
    return distinct, torch.zeros_like(distinct).index_add(0, number, event.to(distinct.dtype)), leaving


def _steps(places: Tensor, values: Tensor, times: Tensor) -> Tensor:
    """The value at the last place that is not after each time; 1 before all of them."""
    return torch.cat([values.new_ones(1), values])[torch.searchsorted(places, times.contiguous(), right=True)]
