"""Cox's proportional hazards: the partial likelihood as a loss, the baseline hazard, survival curves."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from toolkit.survival import prefix
from toolkit.survival.observations import Values, finite, increasing, observed, per_subject, wide

TIES = ("breslow", "efron")
REDUCTIONS = ("sum", "events", "mean")
NO_EVENT = "no event among these subjects: the partial likelihood is 1 and its gradient 0; spread the events over the batches"


def cox_loss(
    log_hazard: Tensor,
    time: Values,
    event: Values,
    *,
    ties: Literal["breslow", "efron"] = "breslow",
    reduction: Literal["sum", "events", "mean"] = "sum",
) -> Tensor:
    """Negative logarithm of Cox's partial likelihood, Burghoff (7.3).

    l = -Σ_i δ_i (h_i - log Σ_{j ∈ R_i} exp h_j) with the risk set R_i = {j | t_j ≥ t_i}. As printed, every one of several
    events at one time has all of them in its risk set, which is Breslow's way with ties. Efron's takes from the l-th of d such
    events the share l/d of their own hazards, l = 0 .. d-1. Both agree where no two events are at one time.

    Sorting makes it O(n log n) in time and O(n) in memory. Adding a constant to all log hazards changes nothing. It may be
    differentiated twice.

    Args:
        log_hazard: h `(n,)` or `(n, 1)`, of any size: values of ±1e3 are no harm.
        time: t to the event or the end of observation `(n,)`.
        event: δ, 1 where the event was seen and 0 where not `(n,)`.
        ties: what is done with events at one time.
        reduction: "sum" as printed, "events" divides by the number of events, "mean" by n.

    Returns:
        A scalar in the type of `log_hazard`, computed in double precision. A single subject gives 0. Without any event it is 0
        with a gradient of 0, and a warning says so. A log hazard that is not finite makes it nan.

    Raises:
        ValueError, TypeError: see `observations.observed`; an unknown `ties` or `reduction`.

    >>> cox_loss(torch.zeros(3), [1.0, 2.0, 3.0], [1, 0, 0])  # the first of three equals: log 3
    tensor(1.0986)
    """
    check_choices(ties, reduction)
    time, event = observed(time, event)
    h = wide(per_subject("log_hazard", log_hazard, time))
    events = int(event.sum())
    if events == 0:
        warnings.warn(NO_EVENT, stacklevel=2)
        return (0 * log_hazard).sum()
    risk = _risk_sets(time, event)
    at_risk = prefix.log_sum_exp(h.index_select(0, risk.order)).index_select(0, risk.last)
    of_events = h.index_select(0, risk.order[risk.seen])
    loss = torch.dot(risk.events.to(h.dtype), at_risk) - of_events.sum()
    if ties == "efron":
        loss = loss + _efron_correction(of_events, at_risk, risk)
    return (loss / {"sum": 1, "events": events, "mean": len(h)}[reduction]).to(log_hazard.dtype)


def check_choices(ties: str, reduction: str) -> None:
    """Refuse what `cox_loss` does not know.

    Raises:
        ValueError: an unknown `ties` or `reduction`.
    """
    for name, value, admitted in (("ties", ties, TIES), ("reduction", reduction, REDUCTIONS)):
        if value not in admitted:
            raise ValueError(f"{name} must be one of {admitted}, got {value!r}")


@dataclass(frozen=True, eq=False)
class BaselineHazard:
    """Breslow's estimate of the hazard that a log hazard of 0 has, a step at each time of an event.

    Attributes:
        time: of the events, without repetition, rising `(m,)`.
        log_steps: logarithm of the cumulative baseline hazard's rise at each of them `(m,)`.
    """

    time: Tensor
    log_steps: Tensor

    @property
    def log_cumulative(self) -> Tensor:
        """Logarithm of the cumulative baseline hazard at `time`, `(m,)`."""
        return torch.logcumsumexp(self.log_steps, 0)

    def log_cumulative_at(self, times: Values) -> Tensor:
        """Logarithm of the cumulative baseline hazard H₀ at any rising times `(t,)`; -inf before the first event."""
        times = increasing("times", times, self.time.device).to(self.time.dtype)
        before = self.log_steps.new_full((1,), -torch.inf)
        return torch.cat([before, self.log_cumulative])[torch.searchsorted(self.time, times, right=True)]


def baseline_hazard(time: Values, event: Values, log_hazard: Values) -> BaselineHazard:
    """Breslow's estimate of the baseline hazard for given log hazards.

    At each time of an event H₀ rises by d / Σ_{j at risk} exp h_j, with d events at that time.

    Args:
        time: to the event or the end of observation `(n,)`.
        event: 1 where the event was seen, else 0 `(n,)`.
        log_hazard: h of the same subjects `(n,)`.

    Returns:
        The steps, in double precision.

    Raises:
        ValueError, TypeError: see `cox_loss`; no event, or a log hazard that is not finite.

    >>> baseline_hazard([1.0, 2.0], [1, 1], [0.0, 0.0]).log_steps.exp()
    tensor([0.5000, 1.0000], dtype=torch.float64)
    """
    time, event = observed(time, event)
    h = wide(finite("log_hazard", per_subject("log_hazard", log_hazard, time))).detach()
    if not bool(event.any()):
        raise ValueError("event must hold at least one event, got none: there is no hazard to estimate")
    risk = _risk_sets(time, event)
    log_steps = risk.events.to(h.dtype).log() - torch.logcumsumexp(h[risk.order], 0)[risk.last]
    order = risk.order[risk.last]
    return BaselineHazard(wide(time)[order].flip(0), log_steps.flip(0))


def survival_curves(log_hazard: Values, times: Values, *, baseline: BaselineHazard) -> Tensor:
    """Probability of no event up to each time, S(t) = exp(-H₀(t) exp h).

    Args:
        log_hazard: h `(n,)` or `(n, 1)`.
        times: rising `(t,)`.
        baseline: see `baseline_hazard`.

    Returns:
        `(n, t)`, 1 before the first event of the baseline.

    Raises:
        ValueError: times that do not rise, log hazards of another shape.

    >>> baseline = baseline_hazard([1.0, 2.0], [1, 1], [0.0, 0.0])
    >>> survival_curves([0.0], [0.5, 1.0, 2.0], baseline=baseline)
    tensor([[1.0000, 0.6065, 0.2231]], dtype=torch.float64)
    """
    h = wide(per_subject("log_hazard", log_hazard)).to(baseline.time.device)
    return torch.exp(-torch.exp(baseline.log_cumulative_at(times) + h[:, None]))


class _RiskSets(NamedTuple):
    order: Tensor  # subjects from the latest time to the earliest
    last: Tensor  # for each time with an event the last place in that order which is at risk then
    events: Tensor  # number of events at that time
    seen: Tensor  # places in that order with an event
    times: Tensor  # for each of these the number of its time in `last`


def _risk_sets(time: Tensor, event: Tensor) -> _RiskSets:
    falling, order = torch.sort(time, descending=True)
    seen = event[order].nonzero()[:, 0]
    _, times, events = torch.unique_consecutive(falling[seen], return_inverse=True, return_counts=True)
    of_times = falling[seen[events.cumsum(0) - 1]]
    last = len(time) - 1 - torch.searchsorted(falling.flip(0), of_times)
    return _RiskSets(order, last, events, seen, times)


def _efron_correction(h: Tensor, at_risk: Tensor, risk: _RiskSets) -> Tensor:
    """Σ log(1 - l/d · share), where share is the part that the d events at a time have in the hazard of their risk set."""
    share = torch.zeros_like(at_risk).index_add(0, risk.times, (h - at_risk.index_select(0, risk.times)).exp())
    first = (risk.events.cumsum(0) - risk.events)[risk.times]
    part = (torch.arange(len(h), device=h.device) - first).to(h.dtype) / risk.events[risk.times]
    return torch.log1p(-part * share.index_select(0, risk.times)).sum()
