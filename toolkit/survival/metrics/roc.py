"""ROC curves: how well the log hazard separates those who have an event from those who have not."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from toolkit.survival.metrics.kaplan_meier import censoring, kaplan_meier
from toolkit.survival.observations import NotDefined, Values, finite, increasing, observed, per_subject, wide


def roc_curve(event: Values, log_hazard: Values) -> tuple[Tensor, Tensor]:
    """False and true positive rates as the threshold falls past each distinct log hazard.

    Args:
        event: 1 where the event was seen, else 0 `(n,)`.
        log_hazard: `(n,)`.

    Returns:
        Both rates `(m + 1,)` for m distinct log hazards, from (0, 0) to (1, 1).

    Raises:
        NotDefined: all subjects have an event, or none has.
        ValueError, TypeError: see `observations.observed`.

    >>> [rate.tolist() for rate in roc_curve([1, 0], [2.0, 1.0])]
    [[0.0, 0.0, 1.0], [0.0, 1.0, 1.0]]
    """
    event, h = _labelled(event, log_hazard)
    return _rates(h, (~event).to(torch.float64)[:, None], event.to(torch.float64)[:, None], "event")


def auroc(event: Values, log_hazard: Values) -> float:
    """Area under the ROC curve for the plain event label, Burghoff 7.2.3: Σ ½ (TPR_i + TPR_{i-1}) (FPR_i - FPR_{i-1}).

    The printed formula has three slips: "b - 1" for the probability of a true positive must be 1 - b, the factor Δa belongs
    outside of the bracket, and with differences taken backwards the half must be subtracted. As printed it can exceed 1.

    The label ignores when the event was and how long the others were seen; `cumulative_dynamic_auc` takes a horizon instead.

    Args:
        event: 1 where the event was seen, else 0 `(n,)`.
        log_hazard: `(n,)`; equal ones count one half.

    Returns:
        A number from 0 to 1.

    Raises:
        NotDefined: all subjects have an event, or none has.
        ValueError, TypeError: see `observations.observed`.

    >>> round(auroc([1, 1, 0, 1, 0, 0], [0.9, 0.8, 0.8, 0.8, 0.5, 0.4]), 7)
    0.8888889
    """
    false, true = roc_curve(event, log_hazard)
    return float(torch.trapezoid(true, false))


@dataclass(frozen=True, eq=False)
class DynamicAUC:
    """Areas under the ROC curves for several horizons.

    Attributes:
        times: the horizons `(t,)`.
        auc: area for each of them `(t,)`.
        mean: their mean, weighted with the share of the subjects whose event falls between one horizon and the next.
    """

    times: Tensor
    auc: Tensor
    mean: float


def cumulative_dynamic_auc(
    time: Values,
    event: Values,
    log_hazard: Values,
    times: Values,
    *,
    train_time: Values | None = None,
    train_event: Values | None = None,
) -> DynamicAUC:
    """Area under the ROC curve for an event by a stated horizon (Uno et al. 2007, Hung and Chiang 2010).

    Cases are those with an event up to t, weighted with 1/G(T_i) for what censoring hides; controls those seen beyond t.

    Args:
        time: to the event or the end of observation `(n,)`.
        event: 1 where the event was seen, else 0 `(n,)`.
        log_hazard: `(n,)`; equal ones count one half.
        times: horizons, rising `(t,)`.
        train_time: times from which the censoring is estimated; by default those of the subjects themselves.
        train_event: their events.

    Returns:
        One area for each horizon, and their mean.

    Raises:
        NotDefined: a horizon without case or without control, or an event where nobody is left uncensored.
        ValueError, TypeError: see `observations.observed`; horizons that do not rise.

    >>> cumulative_dynamic_auc([1.0, 2.0, 3.0], [1, 1, 0], [3.0, 1.0, 2.0], [1.5, 2.5]).auc
    tensor([1.0000, 0.5000], dtype=torch.float64)
    """
    time, event = observed(time, event)
    h = finite("log_hazard", per_subject("log_hazard", log_hazard, time)).detach()
    times = increasing("times", times, time.device)
    weights = torch.zeros(len(time), dtype=torch.float64, device=time.device)
    cases = event & (time <= times[-1])
    weights[cases] = censoring(time, event, train_time, train_event).inverse(time[cases])
    reached = time[:, None] <= times
    false, true = _rates(h, (~reached).to(torch.float64), reached * weights[:, None], f"horizons {times.tolist()[:5]}")
    auc = torch.trapezoid(true, false, dim=0).reshape(-1)
    survival = kaplan_meier(time, event).at(times)
    steps = -torch.cat([survival.new_ones(1), survival]).diff()
    mean = float(auc.mean()) if len(times) == 1 else float((auc * steps).sum() / (1 - survival[-1]))
    return DynamicAUC(times, auc, mean)


def _rates(h: Tensor, controls: Tensor, cases: Tensor, what: str) -> tuple[Tensor, Tensor]:
    """Cumulative shares of the controls and cases `(n, t)` from the highest log hazard down, one row per distinct one."""
    distinct, number = torch.unique(-h, return_inverse=True)
    rates = []
    for name, weights in (("control", controls), ("case", cases)):
        total = weights.sum(0)
        if bool((total <= 0).any()):
            raise NotDefined(f"{what}: no {name} among these subjects, so there is no ROC curve")
        steps = weights.new_zeros(len(distinct) + 1, weights.shape[1]).index_add(0, number + 1, weights)
        rates.append((steps.cumsum(0) / total).squeeze(1))
    return tuple(rates)


def _labelled(event: Values, log_hazard: Values) -> tuple[Tensor, Tensor]:
    event = torch.as_tensor(event)
    _, event = observed(torch.zeros(event.shape, device=event.device), event)
    h = per_subject("log_hazard", log_hazard, event)
    return event, wide(finite("log_hazard", h)).detach()
