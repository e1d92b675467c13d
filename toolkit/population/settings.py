"""Read the settings of K members, and refuse those that cannot work before any work is done."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from toolkit.population.rules import Rule, brake_of
from toolkit.training.settings import whole

BRAKE = {"brake_at": None, "brake_factor": None, "brake_kind": "loss", "brake_setting": "friction"}
ABOVE_ZERO = ("learning_rate", "mass", "brake_factor")
ZERO_OR_MORE = ("friction", "momentum", "weight_decay", "brake_at")


def read(settings: Mapping[str, Any], rule: Rule, *, seed: int) -> list[dict[str, Any]]:
    """One dict per member of numbers, strings and its `input_mask` as it was given (see `masks_of`), complete with defaults.

    Raises:
        ValueError, TypeError: naming the setting, and the member where it is one member's.
    """
    defaults = rule.defaults | BRAKE | {"seed": seed, "input_mask": None}
    columns = _columns(settings, tuple(defaults))
    members = []
    for k in range(_count(columns)):
        members.append({name: _of_member(name, columns.get(name), default, k) for name, default in defaults.items()})
        _check_member(k, members[k], rule)
    return members


def _columns(settings: Any, known: tuple[str, ...]) -> dict[str, Any]:
    """The settings as lists; what is a single value stays one, it holds for all members."""
    if not isinstance(settings, Mapping):
        raise TypeError(f"settings must map names to the values of the members, got {type(settings).__name__}")
    for name in settings:
        if name not in known:
            raise ValueError(f"settings: {name!r} is not known with this optimizer; known are {known}")
    if "learning_rate" not in settings:
        raise ValueError("settings: learning_rate is missing")
    return {name: values if _is_single(values) else list(values) for name, values in settings.items()}


def _is_single(values: Any) -> bool:
    return values is None or isinstance(values, Real | str) or getattr(values, "ndim", 1) == 0


def _count(columns: Mapping[str, Any]) -> int:
    """Number of members K."""
    lengths = {name: len(values) for name, values in columns.items() if isinstance(values, list)}
    if not lengths:
        raise ValueError("settings: at least one must hold a value for each member, got single values only")
    if len(set(lengths.values())) > 1:
        raise ValueError(f"settings must have equal lengths, got {', '.join(f'{n}: {size}' for n, size in lengths.items())}")
    if 0 in lengths.values():
        raise ValueError(f"settings: {next(iter(lengths))} is empty; a population has at least one member")
    return next(iter(lengths.values()))


def _of_member(name: str, values: Any, default: Any, k: int) -> Any:
    value = values[k] if isinstance(values, list) else values
    value = value.item() if getattr(value, "ndim", 1) == 0 else value
    if value is None or (name in BRAKE and value != value):  # nan is how a table says that there is none
        return default
    if name == "seed":
        return whole(f"settings: seed of member {k}", value, 0)
    if name in ABOVE_ZERO or name in ZERO_OR_MORE:
        return _number(name, k, value)
    return value


def _number(name: str, k: int, value: Any) -> float:
    if not isinstance(value, Real) or isinstance(value, bool):
        raise TypeError(f"settings: {name} of member {k} must be a number, got {value!r}")
    if not (0 < value < math.inf or (value == 0 and name in ZERO_OR_MORE)):
        admitted = "zero or more" if name in ZERO_OR_MORE else "above zero"
        raise ValueError(f"settings: {name} of member {k} must be finite and {admitted}, got {value}")
    return float(value)


def _check_member(k: int, member: Mapping[str, Any], rule: Rule) -> None:
    if member["learning_rate"] is None:
        raise ValueError(f"settings: learning_rate of member {k} is missing")
    if member["brake_at"] is not None and member["brake_factor"] is None:
        raise ValueError(f"settings: member {k} has brake_at = {member['brake_at']} but no brake_factor")
    try:
        brake_of(rule.optimizer([nn.Parameter(torch.zeros(1))], member), member)
    except (ValueError, TypeError) as fault:
        raise ValueError(f"settings of member {k}: {fault}") from fault


def masks_of(masks: Sequence[Any], features: int) -> Tensor | None:
    """Which inputs each member sees, `(k, d)` bool; None where all see everything.

    Args:
        masks: for each member d bools, or the numbers of the inputs that it sees, or None where it sees all.
        features: d.

    Raises:
        ValueError: a mask of another length, a number of no input.

    >>> masks_of([[0, 2], [True, True, False]], 3).int()
    tensor([[1, 0, 1],
            [1, 1, 0]], dtype=torch.int32)
    """
    if all(seen is None for seen in masks):
        return None
    everything = np.ones(features, dtype=bool)
    return torch.stack([_mask(k, everything if seen is None else np.asarray(seen), features) for k, seen in enumerate(masks)])


def _mask(k: int, seen: np.ndarray, features: int) -> Tensor:
    if seen.dtype == bool:
        if seen.shape != (features,):
            raise ValueError(f"settings: input_mask of member {k} must hold {features} bools, got shape {seen.shape}")
        return torch.tensor(seen)
    if seen.ndim != 1 or (seen.size and seen.dtype.kind not in "iu"):
        raise ValueError(f"settings: input_mask of member {k} must hold bools or numbers of inputs, got {seen.tolist()!r}")
    if seen.size and not 0 <= seen.min() <= seen.max() < features:
        raise ValueError(f"settings: input_mask of member {k} must name inputs 0 .. {features - 1}, got {seen.tolist()}")
    mask = torch.zeros(features, dtype=torch.bool)
    mask[seen.astype(int)] = True
    return mask


def masked(inputs: Tensor, mask: Tensor) -> Tensor:
    """The inputs with what a mask hides set to zero.

    Args:
        inputs: `(b, ...)` or `(k, b, ...)`, normalised.
        mask: `(d,)` or `(k, d)`, d the size of one sample.

    >>> masked(torch.ones(2, 3), torch.tensor([True, False, True]))
    tensor([[1., 0., 1.],
            [1., 0., 1.]])
    """
    sample = inputs.shape[mask.ndim :]
    return torch.where(mask.view(*mask.shape[:-1], 1, *sample), inputs, 0.0)
