"""LassoNet for atomic networks: features leave one after another as the penalty rises (Ghimire proposes it in section 4.6).

The energy per atom is the mean over atoms of theta . G_i + g(G_i). The linear part acts on the mean of the descriptors; written
for the total energy its gradient would grow with the number of atoms, and no penalty would compare between cells. Of the
network only the first layer, which all atoms share, is bound: max |W_j| <= M |theta_j|. So a function whose theta is zero has
no influence at all.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from toolkit.population.rules import AdamRule, SGDRule
from toolkit.potential.selection.masked import cosine
from toolkit.potential.selection.proximal import group_prox, hierarchical_prox
from toolkit.potential.selection.scaling import Scaled
from toolkit.potential.selection.stacked import Stack
from toolkit.training import choose_device, shuffled
from toolkit.training.settings import whole

PENALTIES = ("lassonet", "group", "adaptive")
OUT_OF_BOUNDS = 4.0  # a loss that many times that of the best constant: the rate was too large
MOST_HALVINGS = 20
START = 1e-3  # of the penalty at which the empty network is stationary


@dataclass(frozen=True)
class Step:
    """The networks after training at one penalty.

    Attributes:
        number: 0 is the network without penalty.
        penalty: lambda.
        selected: functions in use, `(k, d)` bool.
        strength: |theta_j|, or the length of the column of the first layer where there is no linear part, `(k, d)`.
        train_loss: at the end of the step, `(k,)`, in units of `data.unit` squared.
        validation_loss: likewise.
        validation_rmse: `(k,)` [meV/atom].
        learning_rate: at the start of the step.
        seconds: since the start.
    """

    number: int
    penalty: float
    selected: np.ndarray
    strength: np.ndarray
    train_loss: np.ndarray
    validation_loss: np.ndarray
    validation_rmse: np.ndarray
    learning_rate: float
    seconds: float

    @property
    def features(self) -> np.ndarray:
        """Number of functions in use, `(k,)`."""
        return self.selected.sum(1)


def path(
    data: Scaled,
    *,
    penalty: Literal["lassonet", "group", "adaptive"] = "lassonet",
    seeds: int | Sequence[int] = 0,
    hidden: Sequence[int] = (10, 10),
    activation: str = "tanh",
    hierarchy: float = 10.0,
    dense_epochs: int = 200,
    dense_learning_rate: float = 0.005,
    epochs: int = 20,
    learning_rate: float = 0.02,
    momentum: float = 0.9,
    batch_size: int = 64,
    growth: float = 1.15,
    start: float | Literal["auto"] = "auto",
    least: int = 0,
    order_seed: int = 0,
    device: str | torch.device = "cpu",
) -> Path:
    """The path of networks from all functions to none, one `Step` per penalty, each begun where the last one ended.

    First comes a training without penalty (Adam, rate falling to zero as a cosine). Then the penalty grows by a factor from
    step to step; at each the networks are trained by gradient steps with momentum, after each of which the proximal step with
    penalty times step length is taken; the rate falls as a cosine within each step, for at a constant rate the few functions
    of a late step make the networks jump. Several seeds go along the same penalties together. The published code stops a
    step by patience on 10 % of the data and takes steps of 2 %; here every step has the same number of epochs. It cuts by
    penalty times rate although its momentum makes the gradient steps 1 / (1 - momentum) longer, so that its penalty counts a
    tenth; here the cut is as much longer, and the penalty is that of the loss that is minimised.

    Args:
        data: from `scaling.scaled`.
        penalty: "lassonet"; "group", a group lasso on the columns of the first layer (no linear part); "adaptive", the same
            with each column's penalty divided by its length in the network without penalty.
        seeds: of the first weights, one member each.
        hidden: units of each hidden layer.
        activation: "tanh", "sigmoid" or "relu".
        hierarchy: M of LassoNet; 0 leaves a linear model.
        dense_epochs: of the training without penalty.
        dense_learning_rate: of Adam there.
        epochs: at each penalty.
        learning_rate: at the start of each step of the path; halved for good where a step diverges.
        momentum: of these.
        batch_size: frames per step.
        growth: factor from one penalty to the next, above 1.
        start: first penalty; "auto" takes a thousandth of that at which a network without functions would stay so.
        least: the path ends when no member has more functions than this.
        order_seed: of the order of the frames.
        device: of the computation.

    Raises:
        ValueError, TypeError: a setting that cannot work, before any training.
    """
    return Path(
        data, penalty=penalty, seeds=seeds, hidden=hidden, activation=activation, hierarchy=hierarchy,
        dense_epochs=dense_epochs, dense_learning_rate=dense_learning_rate, epochs=epochs, learning_rate=learning_rate,
        momentum=momentum, batch_size=batch_size, growth=growth, start=start, least=least, order_seed=order_seed, device=device,
    )  # fmt: skip


class Path(Iterator[Step]):
    """The path as it is walked, made by `path`; see there for the arguments.

    Attributes:
        steps: so far.
        stack: the form of the networks.
        weights: of the last step, `(k, p)`.
    """

    def __init__(
        self, data, *, penalty, seeds, hidden, activation, hierarchy, dense_epochs, dense_learning_rate, epochs, learning_rate,
        momentum, batch_size, growth, start, least, order_seed, device,
    ):  # fmt: skip
        if not isinstance(data, Scaled):
            raise TypeError(f"data must come from scaling.scaled, got {type(data).__name__}")
        if penalty not in PENALTIES:
            raise ValueError(f"penalty must be one of {PENALTIES}, got {penalty!r}")
        seeds = [seeds] if isinstance(seeds, int | np.integer) else list(seeds)
        if not seeds:
            raise ValueError("seeds: a path has at least one member")
        self.seeds = [whole("seeds", seed, 0) for seed in seeds]
        _check_rates(hierarchy, dense_learning_rate, learning_rate, momentum, growth, start)
        self.penalty, self.hierarchy, self.start, self.growth = penalty, float(hierarchy), start, float(growth)
        self.dense_epochs, self.epochs = whole("dense_epochs", dense_epochs, 0), whole("epochs", epochs, 1)
        self.batch_size, self.least = whole("batch_size", batch_size, 1), whole("least", least, 0)
        self.dense_learning_rate, self.learning_rate, self.momentum = dense_learning_rate, learning_rate, momentum
        self.order_seed, self.device = order_seed, choose_device(device)
        self.data = data.on(self.device)
        self.stack = Stack(data.features, tuple(hidden), activation, skip=penalty == "lassonet")
        self.weights = self.stack.initial(self.seeds).to(self.device)
        self._weighting = torch.ones(len(self.seeds), data.features, device=self.device)
        self._epochs_done, self.seconds, self._closed = 0, 0.0, False
        self.steps: list[Step] = []

    def __next__(self) -> Step:
        if self._closed or (self.steps and self._ended(self.steps[-1])):
            raise StopIteration
        started = time.perf_counter()
        value = self._next_penalty()
        if value == 0:
            self._train(AdamRule(), self.dense_epochs, cosine(self.dense_learning_rate, self.dense_epochs))
            step = self._step(value)
        else:
            step = self._walked(value)
        self.seconds += time.perf_counter() - started
        step = replace(step, seconds=self.seconds)
        self.steps.append(step)
        return step

    def close(self) -> None:
        """Ask for no more steps."""
        self._closed = True

    def importance(self) -> np.ndarray:
        """The largest penalty at which each function was in use, `(k, d)`; 0 where only the network without penalty used it."""
        penalties = np.array([step.penalty for step in self.steps])
        used = np.stack([step.selected for step in self.steps])
        return np.where(used, penalties[:, None, None], 0.0).max(0)

    def ranking(self, member: int = 0) -> np.ndarray:
        """Numbers of all functions, the last to leave first; ties by the strength in the network without penalty."""
        return np.lexsort((-self.steps[0].strength[member], -self.importance()[member]))

    def at_most(self, count: int, member: int = 0) -> Step:
        """The first step at which a member uses no more functions than `count`.

        Raises:
            ValueError: the path has not come so far.
        """
        for step in self.steps:
            if step.features[member] <= count:
                return step
        raise ValueError(f"count: after {len(self.steps)} steps member {member} still uses more than {count} functions")

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to go on from the last step, a copy."""
        names = ("weights", "_weighting", "_epochs_done", "seconds", "start", "steps", "seeds", "learning_rate")
        return copy.deepcopy({name: getattr(self, name) for name in names})

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state made by `state_dict` of a path with the same settings and data.

        Raises:
            ValueError: the state is of other members; nothing has been changed.
        """
        if state["weights"].shape != self.weights.shape or state["seeds"] != self.seeds:
            raise ValueError("state: it was made with other seeds or another network")
        for name, value in copy.deepcopy(state).items():
            setattr(self, name, value)

    def _ended(self, step: Step) -> bool:
        finite = np.isfinite(step.train_loss)
        return not finite.any() or (step.features[finite] <= self.least).all()

    def _next_penalty(self) -> float:
        if not self.steps:
            return 0.0
        if len(self.steps) == 1:
            if self.penalty == "adaptive":
                self._weighting = 1 / self._strength().clamp_min(1e-6)
            if self.start == "auto":
                self.start = START * self._stationary()
            return float(self.start)
        return self.steps[-1].penalty * self.growth

    def _walked(self, penalty: float) -> Step:
        """A step of the path; where it leads out of all bounds it is taken again with half the rate, which then stays."""
        before = self.weights.clone()
        for _ in range(MOST_HALVINGS):
            self._train(SGDRule(), self.epochs, cosine(self.learning_rate, self.epochs), penalty)
            step = self._step(penalty)
            if (step.train_loss <= OUT_OF_BOUNDS).all():
                break
            self.weights.copy_(before)
            self.learning_rate /= 2
        return step

    def _stationary(self) -> float:
        """The penalty at which these networks, emptied of their functions, would stay empty; the largest among the members."""
        empty = self.weights.clone()
        parts = self.stack.parts(empty)
        parts["weight 0"].zero_()
        if self.stack.skip:
            parts["skip"].zero_()
        slopes = self.stack.parts(self.stack.gradient(empty, *self.data.train, present=self.data.present.get("train"))[1])
        if self.stack.skip:
            pull = slopes["skip"].abs() + self.hierarchy * slopes["weight 0"].abs().sum(1)
        else:
            pull = slopes["weight 0"].norm(dim=1) / self._weighting
        return max(float(pull.max()), 1e-12)

    def _train(self, rule: AdamRule | SGDRule, epochs: int, rate: Callable[[int], float], penalty: float = 0.0) -> None:
        descriptors, energies = self.data.train
        present = self.data.present.get("train")
        state = {name: torch.zeros_like(self.weights) for name in rule.state}
        column = torch.ones(len(self.weights), 1, device=self.device)
        number = 0
        for epoch in range(epochs):
            columns = {"lr": -rate(epoch) * column, "momentum": self.momentum * column}
            order = shuffled(len(energies), seed=self.order_seed, epoch=self._epochs_done).to(self.device)
            self._epochs_done += 1
            for batch in order.split(self.batch_size):
                number += 1
                gradient = self.stack.gradient(self.weights, descriptors, energies, batch, present=present)[1]
                rule.step(self.weights, gradient, state, columns, number)
                if penalty:
                    self._shrink(penalty * rate(epoch) / (1 - self.momentum))

    def _shrink(self, threshold: float) -> None:
        """The proximal step, in place."""
        parts = self.stack.parts(self.weights)
        columns = parts["weight 0"].transpose(1, 2)  # (k, d, h)
        if self.stack.skip:
            linear, hidden = hierarchical_prox(
                parts["skip"].unsqueeze(-1), columns, penalty=threshold, hierarchy=self.hierarchy
            )
            parts["skip"].copy_(linear.squeeze(-1))
            columns.copy_(hidden)
        else:
            columns.copy_(group_prox(columns, penalty=threshold * self._weighting))

    def _strength(self) -> Tensor:
        parts = self.stack.parts(self.weights)
        return parts["skip"].abs() if self.stack.skip else parts["weight 0"].norm(dim=1)

    def _step(self, penalty: float) -> Step:
        losses = {}
        for name in ("train", "validation"):
            descriptors, energies = getattr(self.data, name)
            outputs = self.stack.energies(self.weights, descriptors, self.data.present.get(name))
            losses[name] = (outputs - energies).square().mean(1).cpu().double().numpy()
        strength = self._strength().cpu().numpy().copy()
        return Step(
            len(self.steps), penalty, strength > 0, strength, losses["train"], losses["validation"],
            self.data.millielectronvolts(losses["validation"]), self.learning_rate, self.seconds,
        )  # fmt: skip


def _check_rates(hierarchy, dense_learning_rate, learning_rate, momentum, growth, start) -> None:
    for name, value in (("dense_learning_rate", dense_learning_rate), ("learning_rate", learning_rate)):
        if not 0 < value < math.inf:
            raise ValueError(f"{name} must be finite and above zero, got {value}")
    if not 0 <= momentum < 1:
        raise ValueError(f"momentum must be at least 0 and below 1, got {momentum}")
    if not 0 <= hierarchy < math.inf:
        raise ValueError(f"hierarchy must be finite and zero or more, got {hierarchy}")
    if not 1 < growth < math.inf:
        raise ValueError(f"growth must be finite and above 1, got {growth}")
    if start != "auto" and not (not isinstance(start, str) and 0 < start < math.inf):
        raise ValueError(f"start must be 'auto' or a penalty above zero, got {start!r}")
