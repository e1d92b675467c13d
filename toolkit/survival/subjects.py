"""A few subjects whose outcomes and predictions can be moved, to see what each metric makes of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from toolkit.survival import cox, metrics
from toolkit.survival.observations import NotDefined, Values, finite, observed, per_subject


@dataclass(frozen=True)
class Measured:
    """Some subjects and what the metrics say of their predictions; nan where a metric is not defined.

    Attributes:
        moved: log hazard of the subject that is moved.
        concordant: pairs in the right order.
        discordant: pairs in the wrong order.
        tied: comparable pairs with equal predictions.
        c_index: Harrell's concordance index.
        auroc: area under the ROC curve for the plain event label.
        auc: area under the ROC curve for an event by the horizon.
        brier: Brier score at the horizon, of survival by Cox's model with these log hazards.
        time: of each subject `(n,)`.
        event: 1 or 0 `(n,)`.
        log_hazard: `(n,)`.
    """

    moved: float
    concordant: int
    discordant: int
    tied: int
    c_index: float
    auroc: float
    auc: float
    brier: float
    time: np.ndarray
    event: np.ndarray
    log_hazard: np.ndarray


def draw(n: int, *, events: float = 0.6, noise: float = 0.7, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Outcomes of a few simulated subjects and predictions that know something of them.

    Args:
        n: how many.
        events: share of those whose event is seen, rounded.
        noise: standard deviation of what the prediction adds to the true log hazard.
        seed: of the draw.

    Returns:
        Times up to 100 [months], events and log hazards `(n,)`, in the order of the times.

    >>> [len(values) for values in draw(5)], int(draw(5, events=0.4)[1].sum())
    ([5, 5, 5], 2)
    """
    if n < 2 or not 0 <= events <= 1 or not 0 <= noise < np.inf:
        raise ValueError(f"n must be 2 or more, events in 0 .. 1 and noise 0 or more, got {n!r}, {events!r} and {noise!r}")
    generator = np.random.default_rng(seed)
    true = generator.standard_normal(n)
    time = np.sort(generator.exponential(np.exp(-true)))
    time = np.ceil(100 * time / time[-1])
    order = np.argsort(-true + 0.5 * generator.standard_normal(n))  # the riskier tend to be first
    seen = np.isin(np.arange(n), generator.permutation(n)[: round(events * n)])
    return time, seen.astype(float), np.round(true[order] + noise * generator.standard_normal(n), 2)


def measure(
    time: Values,
    event: Values,
    log_hazard: Values,
    *,
    horizon: float,
    subject: int = 0,
    ties: Literal["half", "nothing", "excluded"] = "half",
) -> Measured:
    """All metrics of a few subjects.

    Args:
        time: to the event or the end of observation `(n,)`.
        event: 1 where the event was seen, else 0 `(n,)`.
        log_hazard: `(n,)`.
        horizon: for the area by a horizon and for the Brier score.
        subject: whose log hazard is the one that is moved.
        ties: see `metrics.concordance_index`.

    Raises:
        ValueError, TypeError: see `observations.observed`; an unknown subject, or a horizon that is not positive.

    >>> measure([1.0, 2.0, 3.0], [1, 1, 0], [3.0, 2.0, 1.0], horizon=1.5).c_index
    1.0
    """
    time, event = observed(time, event)
    h = finite("log_hazard", per_subject("log_hazard", log_hazard, time))
    if not 0 <= subject < len(time):
        raise ValueError(f"subject must be a number from 0 to {len(time) - 1}, got {subject!r}")
    if not 0 < horizon < math.inf:
        raise ValueError(f"horizon must be positive and finite, got {horizon!r}")
    pairs = metrics.concordance_pairs(time, event, h)
    return Measured(
        float(h[subject]), pairs.concordant, pairs.discordant, pairs.tied,
        c_index=_or_nan(lambda: metrics.concordance_index(time, event, h, ties=ties)),
        auroc=_or_nan(lambda: metrics.auroc(event, h)),
        auc=_or_nan(lambda: metrics.cumulative_dynamic_auc(time, event, h, [horizon]).mean),
        brier=float(brier_curve(time, event, h, [horizon])[0]),
        time=time.numpy(), event=event.numpy().astype(float), log_hazard=h.numpy(),
    )  # fmt: skip


def slide(
    time: Values,
    event: Values,
    log_hazard: Values,
    positions: Sequence[float],
    *,
    subject: int,
    horizon: float,
    ties: Literal["half", "nothing", "excluded"] = "half",
) -> Iterator[Measured]:
    """Move one subject's log hazard through some positions, and measure at each.

    Args:
        time: see `measure`.
        event: see `measure`.
        log_hazard: see `measure`.
        positions: log hazards of the subject, in turn.
        subject: which one.
        horizon: see `measure`.
        ties: see `measure`.
    """
    for position in positions:
        h = torch.as_tensor(np.array(log_hazard, float))
        h[subject] = position
        yield measure(time, event, h, horizon=horizon, subject=subject, ties=ties)


def brier_curve(time: Values, event: Values, log_hazard: Values, times: Values) -> np.ndarray:
    """Brier score at some times of survival by Cox's model with these log hazards and the subjects' own baseline hazard.

    Without any event there is no hazard: everybody is predicted to survive.

    Args:
        time: see `measure`.
        event: see `measure`.
        log_hazard: see `measure`.
        times: rising `(t,)`.
    """
    time, event = observed(time, event)
    if bool(event.any()):
        survival = cox.survival_curves(log_hazard, times, baseline=cox.baseline_hazard(time, event, log_hazard))
    else:
        survival = torch.ones(len(time), len(times), dtype=torch.float64)
    return metrics.brier_score(time, event, survival, times).numpy()


def _or_nan(metric: Callable[[], float]) -> float:
    try:
        return metric()
    except NotDefined:
        return math.nan
