"""Are predicted probabilities as large as what is observed?"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from toolkit.survival.metrics.brier import probabilities
from toolkit.survival.metrics.kaplan_meier import kaplan_meier
from toolkit.survival.observations import Values, increasing, observed


@dataclass(frozen=True, eq=False)
class Calibration:
    """Predicted and observed survival at one horizon, in groups of subjects with similar predictions.

    Attributes:
        horizon: the time.
        predicted: mean predicted survival of each group, rising `(g,)`.
        observed: its survival by Kaplan and Meier `(g,)`.
        low: lower bound of the observed survival `(g,)`.
        high: upper bound `(g,)`.
        counts: subjects in each group `(g,)`.
    """

    horizon: float
    predicted: Tensor
    observed: Tensor
    low: Tensor
    high: Tensor
    counts: Tensor

    @property
    def error(self) -> float:
        """Mean absolute difference between predicted and observed survival over the subjects."""
        return float(((self.predicted - self.observed).abs() * self.counts).sum() / self.counts.sum())


def calibration(
    time: Values, event: Values, survival: Values, horizon: float, *, groups: int = 10, level: float = 0.95
) -> Calibration:
    """Compare predicted with observed survival at a horizon.

    The subjects are divided by their predicted survival into groups of equal size, subjects with equal predictions staying
    together. What is observed in a group is its Kaplan-Meier estimate, so that censored subjects count for as long as they
    were seen.

    Args:
        time: to the event or the end of observation `(n,)`.
        event: 1 where the event was seen, else 0 `(n,)`.
        survival: predicted probability to be without event at the horizon `(n,)`.
        horizon: a time up to which some subjects are seen.
        groups: how many at most, 1 or more.
        level: of the bounds of the observed survival.

    Returns:
        The groups from the lowest to the highest predicted survival.

    Raises:
        ValueError, TypeError: see `observations.observed`; probabilities outside of 0 .. 1, an impossible number of groups, a
            horizon beyond the last time.

    >>> calibration([1.0, 3.0, 3.0, 4.0], [1, 0, 1, 1], [0.5, 0.5, 1.0, 1.0], 2.0, groups=2).observed
    tensor([0.5000, 1.0000], dtype=torch.float64)
    """
    time, event = observed(time, event)
    survival = probabilities("survival", survival, (len(time),), time.device)
    if isinstance(groups, bool) or groups != int(groups) or not 1 <= groups <= len(time):
        raise ValueError(f"groups must be a whole number from 1 to the number of subjects {len(time):,}, got {groups!r}")
    horizon = float(increasing("horizon", [horizon], time.device))
    if horizon > float(time.max()):
        raise ValueError(f"horizon must not be after the last observed time {float(time.max()):g}, got {horizon:g}")
    rows = [_group(time[of], event[of], survival[of], horizon, level) for of in _alike(survival, int(groups))]
    return Calibration(horizon, *torch.tensor(rows, dtype=torch.float64, device=time.device).unbind(1))


def _alike(survival: Tensor, groups: int) -> list[Tensor]:
    """Row numbers of each group; a tie joins the group in which its first subject falls."""
    ranks = torch.searchsorted(survival.sort().values, survival)
    number = ranks * groups // len(survival)
    return [rows for group in range(groups) if len(rows := (number == group).nonzero()[:, 0])]


def _group(time: Tensor, event: Tensor, survival: Tensor, horizon: float, level: float) -> tuple[float, ...]:
    curve = kaplan_meier(time, event, level=level)
    place = int(torch.searchsorted(curve.time, horizon, right=True)) - 1
    seen = (1.0, 1.0, 1.0) if place < 0 else tuple(float(part[place]) for part in (curve.survival, curve.low, curve.high))
    return float(survival.mean()), *seen, float(len(time))
