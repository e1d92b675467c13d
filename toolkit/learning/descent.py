"""Five optimizers as formulas, racing on a landscape and on a network (Burghoff, section 2.2.4).

The document describes AdaGrad, RMSProp and Adam in words; the formulas are those of their authors. Its momentum, (2.12) and
(2.13), lost the learning rate α in print; "momentum, as printed" shows what that does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from toolkit import networks, training
from toolkit.landscapes import Landscape

State = dict[str, np.ndarray]
EPSILON = {"AdaGrad": 1e-10, "RMSProp": 1e-8, "Adam": 1e-8}  # as in torch
FORGET = 0.9  # of RMSProp's squares; torch's default, 0.99, remembers longer than most races here last
BETAS = (0.9, 0.999)


@dataclass(frozen=True, slots=True)
class Racers:
    """Where k optimizers are.

    Attributes:
        step: steps taken.
        epoch: passes over the data; on a landscape the same as `step`.
        weights: `(k, d)` ω on a landscape, `(k, 0)` on a network.
        loss: `(k,)` L(ω), on a network the mean over the batches since the last record; nan once it is no longer finite.
        moved: `(k,)` length of the step, on a network the mean since the last record.
        accuracy: `(k,)` on validation, nan where it was not measured.
    """

    step: int
    epoch: float
    weights: np.ndarray
    loss: np.ndarray
    moved: np.ndarray
    accuracy: np.ndarray


def sgd(gradient: np.ndarray, state: State, number: int, *, lr: float, memory: float) -> np.ndarray:
    """The step -α ∇L of (2.10).

    Args:
        gradient: ∇L, any shape; so it is for all rules of this module.
        state: what the rule remembers from step to step; it is changed.
        number: of the step, from 1.
        lr: α.
        memory: λ, not used here.

    >>> sgd(np.array([2.0]), {}, 1, lr=0.1, memory=0.9)
    array([-0.2])
    """
    return -lr * gradient


def momentum(gradient: np.ndarray, state: State, number: int, *, lr: float, memory: float) -> np.ndarray:
    """(2.12) with (2.13) as it must read: v ← λ v + (1 - λ) ∇L, and the step -α v.

    It equals `torch.optim.SGD(lr=α (1 - λ), momentum=λ)`.

    >>> state = {}
    >>> [momentum(np.array([1.0]), state, n, lr=1.0, memory=0.5).item() for n in (1, 2, 3)]
    [-0.5, -0.75, -0.875]
    """
    state["velocity"] = memory * state.get("velocity", 0.0) + (1 - memory) * gradient
    return -lr * state["velocity"]


def momentum_as_printed(gradient: np.ndarray, state: State, number: int, *, lr: float, memory: float) -> np.ndarray:
    """(2.12) and (2.13) to the letter: the step is -v, whatever α is.

    >>> momentum_as_printed(np.array([1.0]), {}, 1, lr=0.01, memory=0.5)
    array([-0.5])
    """
    return momentum(gradient, state, number, lr=1.0, memory=memory)


def adagrad(gradient: np.ndarray, state: State, number: int, *, lr: float, memory: float) -> np.ndarray:
    """AdaGrad (Duchi et al. 2011): each weight's step is divided by the root of the sum of its squared gradients so far.

    >>> state = {}
    >>> [round(adagrad(np.array([3.0]), state, n, lr=1.0, memory=0.9).item(), 3) for n in (1, 2, 3)]
    [-1.0, -0.707, -0.577]
    """
    state["squares"] = state.get("squares", 0.0) + gradient**2
    return -lr * gradient / (np.sqrt(state["squares"]) + EPSILON["AdaGrad"])


def rmsprop(gradient: np.ndarray, state: State, number: int, *, lr: float, memory: float) -> np.ndarray:
    """RMSProp (Tieleman and Hinton 2012): AdaGrad with squares that fade, here with the factor 0.9.

    >>> round(rmsprop(np.array([3.0]), {}, 1, lr=1.0, memory=0.9).item(), 3)
    -3.162
    """
    state["squares"] = FORGET * state.get("squares", 0.0) + (1 - FORGET) * gradient**2
    return -lr * gradient / (np.sqrt(state["squares"]) + EPSILON["RMSProp"])


def adam(gradient: np.ndarray, state: State, number: int, *, lr: float, memory: float) -> np.ndarray:
    """Adam (Kingma and Ba 2015): fading means of gradient and square, both corrected for their start at zero.

    >>> round(adam(np.array([3.0]), {}, 1, lr=1.0, memory=0.9).item(), 3)
    -1.0
    """
    first, second = BETAS
    state["mean"] = first * state.get("mean", 0.0) + (1 - first) * gradient
    state["squares"] = second * state.get("squares", 0.0) + (1 - second) * gradient**2
    mean, squares = state["mean"] / (1 - first**number), state["squares"] / (1 - second**number)
    return -lr * mean / (np.sqrt(squares) + EPSILON["Adam"])


Rule = Callable[..., np.ndarray]
RULES: dict[str, Rule] = {
    "SGD": sgd, "momentum": momentum, "momentum, as printed": momentum_as_printed, "AdaGrad": adagrad, "RMSProp": rmsprop,
    "Adam": adam,
}  # fmt: skip


def torch_optimizer(name: str, weights: Any, *, lr: float, memory: float) -> torch.optim.Optimizer:
    """The same rule as torch has it.

    Args:
        name: one of `RULES`.
        weights: parameters.
        lr: α.
        memory: λ of the momentum.

    >>> torch_optimizer("momentum", [torch.nn.Parameter(torch.ones(1))], lr=0.5, memory=0.75).defaults["lr"]
    0.125
    """
    _check([name], {name: lr}, memory)
    if name in ("SGD", "momentum", "momentum, as printed"):
        kept = 0.0 if name == "SGD" else memory
        rate = 1.0 if name == "momentum, as printed" else lr
        return torch.optim.SGD(weights, rate * (1 - kept), momentum=kept)
    if name == "AdaGrad":
        return torch.optim.Adagrad(weights, lr)
    if name == "RMSProp":
        return torch.optim.RMSprop(weights, lr, alpha=FORGET)
    return torch.optim.Adam(weights, lr, betas=BETAS)


def race(
    landscape: Landscape,
    names: Sequence[str],
    *,
    lr: Mapping[str, float],
    start: Sequence[float] | None = None,
    memory: float = 0.9,
    noise: float = 0.0,
    steps: int = 200,
    seed: int = 0,
) -> Iterator[Racers]:
    """Let optimizers go down the same landscape from the same start, a record before the first step and after each one.

    Args:
        landscape: one of `landscapes.LANDSCAPES` or your own.
        names: which of `RULES`.
        lr: name to α.
        start: first ω; None takes the landscape's.
        memory: λ of the momentum.
        noise: standard deviation of what is added to each part of the gradient, the same for all, in place of mini-batches.
        steps: how many.
        seed: of the noise.

    Raises:
        ValueError: an unknown name, a number outside its range or a start of the wrong length.

    >>> from toolkit.landscapes import LANDSCAPES
    >>> *_, last = race(LANDSCAPES["bowl"], ["SGD", "Adam"], lr={"SGD": 0.1, "Adam": 0.3})
    >>> [bool(loss < 0.01) for loss in last.loss]
    [True, True]
    """
    start = landscape.start if start is None else start
    _check(names, lr, memory)
    if np.shape(start) != (landscape.dimensions,) or not np.isfinite(start).all():
        raise ValueError(f"start must be {landscape.dimensions} finite numbers on {landscape.name!r}, got {start}")
    if steps != int(steps) or steps < 0 or not 0 <= noise < math.inf:
        raise ValueError(f"steps must be a whole number and noise a number, both 0 or more, got {steps!r} and {noise!r}")
    return _race(landscape, names, lr, np.array(start, float), memory, noise, steps, seed)


def _race(landscape, names, lr, start, memory, noise, steps, seed) -> Iterator[Racers]:
    draw = np.random.default_rng(seed)
    weights, moved = np.tile(start, (len(names), 1)), np.zeros(len(names))
    states: list[State] = [{} for _ in names]
    unknown = np.full(len(names), np.nan)
    for step in range(steps + 1):
        with np.errstate(over="ignore", invalid="ignore"):
            loss = np.array([float(landscape.value(each)) for each in weights])
        lost = ~(np.abs(loss) < 1e12)
        weights = np.where(lost[:, None], np.nan, weights)
        yield Racers(step, float(step), weights.copy(), np.where(lost, np.nan, loss), moved, unknown)
        bump = noise * draw.standard_normal(len(start)) if noise else 0.0
        updates = np.full_like(weights, np.nan)
        for row in np.flatnonzero(~lost):
            gradient = landscape.gradient(weights[row]) + bump
            updates[row] = RULES[names[row]](gradient, states[row], step + 1, lr=lr[names[row]], memory=memory)
        weights, moved = weights + updates, np.linalg.norm(updates, axis=1)


def race_on_network(
    data: training.Data,
    names: Sequence[str],
    *,
    lr: Mapping[str, float],
    memory: float = 0.9,
    epochs: int = 5,
    hidden: Sequence[int] = (32,),
    every: int = 4,
    seed: int = 0,
) -> Iterator[Racers]:
    """The same race down the loss of a dense network, with torch's optimizers on mini-batches of 64 in the same order.

    Args:
        data: images or features with classes.
        names: which of `RULES`.
        lr: name to α.
        memory: λ of the momentum.
        epochs: passes over the training data.
        hidden: widths of the hidden layers.
        every: steps between records.
        seed: of weights and order.
    """
    _check(names, lr, memory)
    inputs, classes = math.prod(data.train[0].shape[1:]), int(data.train[1].max()) + 1
    runs = []
    for name in names:
        model = networks.dense(inputs, hidden, classes, seed=seed)
        optimizer = torch_optimizer(name, model.parameters(), lr=lr[name], memory=memory)
        runs.append(
            training.fit(
                model, data, loss=functional.cross_entropy, optimizer=optimizer, epochs=epochs, metrics=["accuracy"], seed=seed,
                every=every, device="cpu",
            )
        )  # fmt: skip
    return _race_on_network(runs)


def _race_on_network(runs: list[training.Fit]) -> Iterator[Racers]:
    before = [_flat(run) for run in runs]
    last = 0
    while True:
        records = [next(run, None) for run in runs]
        going = [record for record in records if record is not None]
        if not going:
            return
        now = [_flat(run) for run in runs]
        steps = max(1, going[0].step - last)
        moved = [float((new - old).norm()) / steps for new, old in zip(now, before, strict=True)]
        loss = [_loss(record) for record in records]
        accuracy = [np.nan if record is None else record.metrics.get("validation_accuracy", np.nan) for record in records]
        gone = np.array([record is None for record in records])
        yield Racers(
            going[0].step, going[0].epoch, np.empty((len(runs), 0)), np.array(loss), np.where(gone, np.nan, moved),
            np.array(accuracy),
        )  # fmt: skip
        before, last = now, going[0].step


def _loss(record: training.Record | None) -> float:
    if record is None or record.diverged:
        return float("nan")
    return record.metrics.get("batch_loss", record.metrics.get("train_loss", float("nan")))


def _flat(run: training.Fit) -> torch.Tensor:
    return torch.cat([weight.detach().flatten() for weight in run.model.parameters()])


def _check(names: Sequence[str], lr: Mapping[str, float], memory: float) -> None:
    unknown = [name for name in names if name not in RULES]
    if unknown or not len(names):
        raise ValueError(f"names must be one or more of {tuple(RULES)}, got {tuple(names)}")
    for name in names:
        if name not in lr or not 0 < lr[name] < math.inf:
            raise ValueError(f"lr must hold a positive number for {name!r}, got {lr.get(name)!r}")
    if not 0 <= memory < 1:
        raise ValueError(f"memory must be 0 or more and less than 1, got {memory!r}")
