"""Squared errors of predicted survival probabilities, weighted for censoring."""

from __future__ import annotations

import torch
from torch import Tensor

from toolkit.survival.metrics.kaplan_meier import censoring
from toolkit.survival.observations import Values, increasing, observed, wide


def brier_score(
    time: Values,
    event: Values,
    survival: Values,
    times: Values,
    *,
    train_time: Values | None = None,
    train_event: Values | None = None,
) -> Tensor:
    """Mean squared error of the predicted probability to be without event at t (Graf et al. 1999).

    BS(t) = 1/n Σ_i [ S_i(t)² 1(T_i ≤ t, δ_i = 1) / G(T_i) + (1 - S_i(t))² 1(T_i > t) / G(t) ], where G is the probability not
    to be censored. A prediction of 1/2 for everybody gives 1/4 without censoring.

    Args:
        time: to the event or the end of observation `(n,)`.
        event: 1 where the event was seen, else 0 `(n,)`.
        survival: predicted probabilities S_i(t) `(n, t)`.
        times: rising `(t,)`.
        train_time: times from which the censoring is estimated; by default those of the subjects themselves.
        train_event: their events.

    Returns:
        One score for each time `(t,)`, in double precision. Where G is 0 a term counts nothing.

    Raises:
        ValueError, TypeError: see `observations.observed`; probabilities of another shape or outside of 0 .. 1.

    >>> brier_score([1.0, 3.0], [1, 1], [[0.5], [0.5]], [2.0])
    tensor([0.2500], dtype=torch.float64)
    """
    time, event = observed(time, event)
    times = increasing("times", times, time.device)
    survival = probabilities("survival", survival, (len(time), len(times)), time.device)
    uncensored = censoring(time, event, train_time, train_event)
    at_own, at_times = (1 / each.where(each > 0, torch.inf) for each in (uncensored.at(time), uncensored.at(times)))
    reached = time[:, None] <= times
    of_cases = survival.square() * (reached & event[:, None]) * at_own[:, None]
    of_controls = (1 - survival).square() * ~reached * at_times
    return (of_cases + of_controls).mean(0)


def integrated_brier_score(
    time: Values,
    event: Values,
    survival: Values,
    times: Values,
    *,
    train_time: Values | None = None,
    train_event: Values | None = None,
) -> float:
    """Mean of the Brier score over time, by the trapezoidal rule between the first of the times and the last.

    Args:
        time: see `brier_score`.
        event: see `brier_score`.
        survival: see `brier_score`.
        times: two or more, rising `(t,)`.
        train_time: see `brier_score`.
        train_event: see `brier_score`.

    Returns:
        A number, 0 for perfect predictions.

    Raises:
        ValueError, TypeError: see `brier_score`; a single time.

    >>> integrated_brier_score([1.0, 5.0], [1, 1], [[0.5, 0.5], [0.5, 0.5]], [2.0, 4.0])
    0.25
    """
    scores = brier_score(time, event, survival, times, train_time=train_time, train_event=train_event)
    if len(scores) < 2:
        raise ValueError(f"times must hold two times or more to integrate over, got {len(scores)}")
    times = increasing("times", times, scores.device)
    return float(torch.trapezoid(scores, times) / (times[-1] - times[0]))


def probabilities(name: str, values: Values, shape: tuple[int, ...], device: torch.device) -> Tensor:
    """Probabilities of a given shape, in double precision.

    Raises:
        ValueError: another shape, or a value outside of 0 .. 1.
    """
    values = wide(torch.as_tensor(values, device=device)).detach()
    if values.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {tuple(values.shape)}")
    if not bool(((values >= 0) & (values <= 1)).all()):
        raise ValueError(f"{name} must be probabilities from 0 to 1, got {float(values.min()):g} .. {float(values.max()):g}")
    return values
