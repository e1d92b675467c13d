"""Refuse settings that cannot work, before any work is done."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any

import torch
from torch import Tensor, nn

PRECISIONS = ("auto", "float32", "bf16")


def whole(name: str, value: Any, least: int) -> int:
    """The value as an int, if it is a whole number of `least` or more."""
    if isinstance(value, bool) or not isinstance(value, Real) or value != value // 1 or value < least:
        raise ValueError(f"{name} must be a whole number, {least} or more, got {value!r}")
    return int(value)


def check_training(model: Any, data: Any, loss: Any, optimizer: Any, precision: str) -> None:
    """Raise where these arguments of `fit` do not fit each other."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}")
    if not callable(loss):
        raise TypeError(f"loss must be a function of outputs and targets, got {loss!r}")
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {PRECISIONS}, got {precision!r}")
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise TypeError(f"optimizer must be a torch.optim.Optimizer, got {type(optimizer).__name__}")
    weights = {id(weight) for weight in model.parameters()}
    if not all(id(weight) in weights for group in optimizer.param_groups for weight in group["params"]):
        raise ValueError("optimizer: holds parameters that are not the model's; build it from model.parameters()")
    for name in ("train", "validation"):
        _check_split(name, getattr(data, name, None))


def _check_split(name: str, split: Any) -> None:
    if not (isinstance(split, tuple) and len(split) == 2 and all(isinstance(part, Tensor) for part in split)):
        raise TypeError(f"data.{name} must be a pair of tensors (inputs, targets), got {type(split).__name__}")
    inputs, targets = split
    if len(inputs) != len(targets):
        raise ValueError(f"data.{name} has {len(inputs)} inputs but {len(targets)} targets")
    if len(inputs) == 0:
        raise ValueError(f"data.{name} is empty")


def check_companions(
    optimizer: Any, schedulers: Sequence[Any], stopping: Any, augment: Any, order: Any, validated: Sequence[str]
) -> None:
    """Raise where what goes along with the training cannot act on it; `validated` names the metrics of the validation set."""
    known = ("train_loss", "batch_loss", *(f"validation_{name}" for name in validated))
    for scheduler in schedulers:
        if not callable(getattr(scheduler, "step", None)):
            raise TypeError(f"scheduler must have a method 'step', got {scheduler!r}")
        if getattr(scheduler, "optimizer", optimizer) is not optimizer:
            raise ValueError(f"scheduler: {type(scheduler).__name__} acts on another optimizer than the one given")
        _check_monitor("scheduler", scheduler, known)
    if stopping is not None:
        if not hasattr(stopping, "monitor"):
            raise TypeError(f"stopping must be a training.EarlyStopping, got {stopping!r}")
        _check_monitor("stopping", stopping, known)
    if augment is not None and not callable(augment):
        raise TypeError(f"augment must be a function of inputs and generator, got {augment!r}")
    if not callable(order):
        raise TypeError(f"order must be a function of targets, seed and epoch, got {order!r}")


def _check_monitor(name: str, follower: Any, known: Sequence[str]) -> None:
    monitor = getattr(follower, "monitor", known[0])
    if monitor not in known:
        raise ValueError(f"{name}: monitors {monitor!r}, which this run does not measure; it measures {known}")
