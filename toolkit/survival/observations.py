"""Censored observations as they come in: checked, on one device, in double precision."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

Values = Tensor | np.ndarray | Sequence


class NotDefined(ValueError):
    """A quantity that these subjects do not determine, such as a concordance without a comparable pair."""


def observed(time: Values, event: Values) -> tuple[Tensor, Tensor]:
    """Times and events as tensors.

    Args:
        time: time to the event or the end of observation `(n,)`, in any unit.
        event: 1 or True where the event was seen, 0 or False where the subject is censored `(n,)`.

    Returns:
        Floating-point times and boolean events, on the device of `time`.

    Raises:
        TypeError: not numbers.
        ValueError: other shapes, unequal lengths, no subject, times that are negative or not finite, events that are neither 0
            nor 1.

    >>> observed([3.0, 5.0], [1, 0])[1]
    tensor([ True, False])
    """
    time = _vector("time", time)
    event = _vector("event", event).to(time.device)
    if len(event) != len(time):
        raise ValueError(f"event must have one entry per subject, got {len(event):,} for {len(time):,} times")
    if len(time) == 0:
        raise ValueError("time must hold at least one subject, got none")
    wide = time if time.is_floating_point() else time.to(torch.float64)
    if not bool((valid := (wide >= 0) & (wide < torch.inf)).all()):
        raise ValueError(f"time must be finite and not negative, got {_first(time, ~valid)}")
    if event.dtype != torch.bool and not bool((valid := (event == 0) | (event == 1)).all()):
        raise ValueError(f"event must be 1 (seen) or 0 (censored), got {_first(event, ~valid)}")
    return wide, event.bool()


def per_subject(name: str, values: Values, like: Tensor | None = None) -> Tensor:
    """A value for each subject `(n,)` or `(n, 1)`, as `(n,)` on the device of the times; type and gradient are kept.

    Raises:
        TypeError: not numbers.
        ValueError: another length or shape.
    """
    values = _tensor(name, values)
    flat = values.squeeze(1) if values.ndim == 2 and values.shape[1] == 1 else values
    if flat.ndim != 1 or (like is not None and flat.shape != like.shape):
        expected = "(n,)" if like is None else f"({len(like)},)"
        raise ValueError(f"{name} must have one entry per subject, shape {expected}, got {tuple(values.shape)}")
    flat = flat if like is None else flat.to(like.device)
    return flat if flat.is_floating_point() else flat.to(torch.float64)


def finite(name: str, values: Tensor) -> Tensor:
    """The values themselves.

    Raises:
        ValueError: one of them is not finite.
    """
    if not bool((valid := values.isfinite()).all()):
        raise ValueError(f"{name} must be finite, got {_first(values, ~valid)}")
    return values


def increasing(name: str, times: Values, device: torch.device) -> Tensor:
    """Time points `(t,)` in double precision.

    Raises:
        ValueError: none, one that is negative or not finite, or times that do not increase.
    """
    times = _tensor(name, times).to(device, torch.float64).reshape(-1)
    ordered = len(times) and bool((times >= 0).all() and times.isfinite().all() and (times.diff() > 0).all())
    if not ordered:
        raise ValueError(f"{name} must be finite times that increase, 0 or more, got {times.tolist()[:5]}")
    return times


def wide(values: Tensor) -> Tensor:
    """The values in double precision, where the device has it (Apple's MPS has not)."""
    return values if values.device.type == "mps" else values.to(torch.float64)


def _vector(name: str, values: Values) -> Tensor:
    tensor = _tensor(name, values)
    if tensor.ndim != 1:
        raise ValueError(f"{name} must have shape (n,), got {tuple(tensor.shape)}")
    return tensor


def _tensor(name: str, values: Values) -> Tensor:
    try:
        tensor = values if isinstance(values, Tensor) else torch.as_tensor(np.asarray(values))
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} must be numbers, got {type(values).__name__} ({error})") from error
    if tensor.is_complex():
        raise TypeError(f"{name} must be real numbers, got {tensor.dtype}")
    return tensor


def _first(values: Tensor, wrong: Tensor) -> str:
    place = int(wrong.nonzero()[0])
    return f"{values[place].item()} at position {place}"
