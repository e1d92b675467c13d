"""Train K atomic networks at once, each of which sees its own part of the functions."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from toolkit.population.rules import AdamRule
from toolkit.potential.selection.scaling import Scaled
from toolkit.potential.selection.stacked import Stack
from toolkit.training import Record, choose_device, shuffled
from toolkit.training.settings import whole

SCHEDULES = ("cosine", "exponential", "constant")
DECAY = 1e-4  # per epoch, of the exponential schedule (Ghimire, section 2.4.1)


def fit(
    data: Scaled,
    *,
    masks: Sequence[Sequence[int]] | Tensor | np.ndarray | None = None,
    seeds: int | Sequence[int] = 0,
    hidden: Sequence[int] = (10, 10),
    activation: str = "tanh",
    learning_rate: float = 0.005,
    schedule: Literal["cosine", "exponential", "constant"] = "cosine",
    epochs: int = 200,
    batch_size: int = 64,
    patience: int | None = None,
    min_delta: float = 1e-5,
    order_seed: int = 0,
    device: str | torch.device = "cpu",
) -> Masked:
    """Train one network per mask and seed on the energies, yielding a `Record` at the start and after each epoch.

    All members meet the frames in the same order, so that each piece of the descriptors is read once for all of them; each
    equals, up to rounding, the same network trained alone on its functions only. Adam, mean squared error of the energy per
    atom in units of `data.unit` squared. `metrics` of a record: `train_loss` (mean over the epoch), `validation_loss`,
    `validation_rmse` [meV/atom], `learning_rate`, each `(k,)`.

    Args:
        data: from `scaling.scaled`.
        masks: for each member the numbers of the functions that it sees, or rows of d bools; None lets all see everything.
        seeds: of the first weights, one for all members or one for each. With several and no masks, one member per seed.
        hidden: units of each hidden layer.
        activation: "tanh", "sigmoid" or "relu".
        learning_rate: of Adam, at the start.
        schedule: "cosine" to zero at the last epoch, "exponential" as exp(-1e-4 epoch) (the document's), or "constant".
        epochs: passes over the training frames.
        batch_size: frames per step.
        patience: a member whose validation loss has not fallen by `min_delta` for so many epochs stops; None lets all go on.
        min_delta: see there.
        order_seed: of the order of the frames.
        device: of the computation.

    Raises:
        ValueError, TypeError: a setting that cannot work, before any training.
    """
    return Masked(
        data, masks=masks, seeds=seeds, hidden=hidden, activation=activation, learning_rate=learning_rate, schedule=schedule,
        epochs=epochs, batch_size=batch_size, patience=patience, min_delta=min_delta, order_seed=order_seed, device=device,
    )  # fmt: skip


class Masked(Iterator[Record]):
    """K trainings that advance together, made by `fit`; see there for the arguments.

    Attributes:
        records: so far.
        seen: functions of each member, `(k, d)` bool.
        stack: the form of the networks.
        weights: `(k, p)`; rows of members that have stopped stay as they were.
        best_weights: at each member's least validation loss.
        best: `epoch` and `validation_loss` `(k,)` there.
        running: members that have not stopped and whose loss is finite, `(k,)` bool.
    """

    rule = AdamRule()

    def __init__(
        self, data, *, masks, seeds, hidden, activation, learning_rate, schedule, epochs, batch_size, patience, min_delta,
        order_seed, device,
    ):  # fmt: skip
        if not isinstance(data, Scaled):
            raise TypeError(f"data must come from scaling.scaled, got {type(data).__name__}")
        if schedule not in SCHEDULES:
            raise ValueError(f"schedule must be one of {SCHEDULES}, got {schedule!r}")
        if not 0 < learning_rate < math.inf:
            raise ValueError(f"learning_rate must be finite and above zero, got {learning_rate}")
        self.epochs, self.batch_size = whole("epochs", epochs, 0), whole("batch_size", batch_size, 1)
        self.patience = math.inf if patience is None else whole("patience", patience, 1)
        self.learning_rate, self.schedule, self.min_delta, self.order_seed = learning_rate, schedule, min_delta, order_seed
        self.seen, self.seeds = members_of(masks, seeds, data.features)
        self.device = choose_device(device)
        self.data = data.on(self.device)
        self.stack = Stack(data.features, tuple(hidden), activation)
        self.weights = self.stack.initial(self.seeds, self.seen).to(self.device)
        self._mask = self.stack.mask(self.seen.to(self.device))
        self._state = {name: torch.zeros_like(self.weights) for name in self.rule.state}
        count = len(self.seeds)
        self.best_weights = self.weights.clone()
        self.best = {"epoch": np.zeros(count), "validation_loss": np.full(count, math.inf)}
        self._least, self._waited = np.full(count, math.inf), np.zeros(count)
        self.running = np.ones(count, dtype=bool)
        self.records: list[Record] = []
        self.step, self.seconds, self._closed = 0, 0.0, False

    def __next__(self) -> Record:
        epoch = len(self.records)
        if self._closed or epoch > self.epochs or not self.running.any():
            raise StopIteration
        started = time.perf_counter()
        losses = self._epoch(epoch) if epoch else self._losses("train")
        validation = np.where(self.running, self._losses("validation"), np.nan)
        metrics = {
            "train_loss": np.where(self.running, losses, np.nan),
            "validation_loss": validation,
            "validation_rmse": self.data.millielectronvolts(validation),
            "learning_rate": np.full(len(validation), self._rate(epoch)),
        }
        self._note(validation, epoch)
        self.seconds += time.perf_counter() - started
        record = Record(epoch, self.step, self.seconds, metrics, not np.isfinite(validation).any())
        self.records.append(record)
        return record

    def close(self) -> None:
        """Ask for no more records; the weights stay usable."""
        self._closed = True

    def losses(self, part: Literal["train", "validation", "test"], *, best: bool = True) -> np.ndarray:
        """Mean squared error `(k,)` in units of `data.unit` squared.

        Args:
            part: of the data.
            best: with each member's weights of the least validation loss instead of the present ones.
        """
        return self._losses(part, self.best_weights if best else self.weights)

    def rmse(self, part: Literal["train", "validation", "test"], *, best: bool = True) -> np.ndarray:
        """Root mean squared error `(k,)` [meV/atom]; arguments as `losses`."""
        return self.data.millielectronvolts(self.losses(part, best=best))

    def energies(self, part: Literal["train", "validation", "test"], *, best: bool = True) -> np.ndarray:
        """Predicted energies `(k, n)` [eV/atom]; arguments as `losses`."""
        weights = self.best_weights if best else self.weights
        outputs = self.stack.energies(weights, getattr(self.data, part)[0], self.data.present.get(part))
        return outputs.cpu().numpy() * self.data.unit + self.data.mean

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to go on from the last record, a copy."""
        names = ("weights", "best_weights", "best", "running", "step", "seconds", "_state", "_least", "_waited", "records")
        return copy.deepcopy({name: getattr(self, name) for name in names} | {"seen": self.seen})

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state made by `state_dict` of a run with the same members and data.

        Raises:
            ValueError: the state is of other members; nothing has been changed.
        """
        if not torch.equal(state["seen"], self.seen) or state["weights"].shape != self.weights.shape:
            raise ValueError("state: it was made with other members or another network")
        for name, value in copy.deepcopy(state).items():
            setattr(self, name, value)

    def _epoch(self, epoch: int) -> np.ndarray:
        """Train the running members over all frames; mean loss of each, `(k,)`."""
        rows = torch.tensor(np.flatnonzero(self.running), device=self.device)
        weights, mask = self.weights[rows], self._mask[rows]
        state = {name: values[rows] for name, values in self._state.items()}
        descriptors, energies = self.data.train
        present = self.data.present.get("train")
        order = shuffled(len(energies), seed=self.order_seed, epoch=epoch - 1).to(self.device)
        columns = {"lr": torch.full((len(rows), 1), -self._rate(epoch - 1), device=self.device)}
        total = torch.zeros(len(rows), device=self.device)
        for batch in order.split(self.batch_size):
            losses, gradient = self.stack.gradient(weights, descriptors, energies, batch, present=present)
            self.step += 1
            self.rule.step(weights, gradient.mul_(mask), state, columns, self.step)
            total += losses * len(batch)
        self.weights[rows] = weights
        for name, values in state.items():
            self._state[name][rows] = values
        means = np.full(len(self.running), np.nan)
        means[self.running] = (total / len(energies)).cpu().numpy()
        return means

    def _losses(self, part: str, weights: Tensor | None = None) -> np.ndarray:
        descriptors, energies = getattr(self.data, part)
        weights = self.weights if weights is None else weights
        outputs = self.stack.energies(weights, descriptors, self.data.present.get(part))
        return (outputs - energies).square().mean(1).cpu().double().numpy()

    def _rate(self, epoch: int) -> float:
        if self.schedule == "cosine":
            return cosine(self.learning_rate, self.epochs)(epoch)
        return self.learning_rate * (math.exp(-DECAY * epoch) if self.schedule == "exponential" else 1.0)

    def _note(self, validation: np.ndarray, epoch: int) -> None:
        """Keep the best weights; stop members that diverged or whose patience has ended."""
        better = validation < self.best["validation_loss"]
        self.best["epoch"][better], self.best["validation_loss"][better] = epoch, validation[better]
        rows = torch.tensor(better, device=self.device)
        self.best_weights[rows] = self.weights[rows]
        fallen = validation < self._least - self.min_delta
        self._least = np.where(fallen, validation, self._least)
        self._waited = np.where(fallen, 0, self._waited + 1)
        self.running &= np.isfinite(validation) & (self._waited < self.patience)


def cosine(rate: float, epochs: int) -> Callable[[int], float]:
    """A rate that falls from its value at epoch 0 to zero after the last epoch, as half a cosine.

    >>> cosine(0.2, 10)(5)
    0.1
    """
    return lambda epoch: rate * 0.5 * (1 + math.cos(math.pi * epoch / max(1, epochs)))


def members_of(
    masks: Sequence[Sequence[int]] | Tensor | np.ndarray | None, seeds: int | Sequence[int], features: int
) -> tuple[Tensor, list[int]]:
    """Functions seen `(k, d)` bool and the seed of each member.

    Args:
        masks: numbers of functions or rows of bools, one entry per member; None for all functions.
        seeds: one for all or one per member.
        features: d.

    Raises:
        ValueError: no members, a member without functions, numbers of no function, or counts that do not fit.

    >>> members_of([[0, 2], [1]], 7, 3)[0].int().tolist()
    [[1, 0, 1], [0, 1, 0]]
    """
    several = not isinstance(seeds, int | np.integer)
    seeds = [whole("seeds", seed, 0) for seed in (seeds if several else [seeds])]
    if masks is None:
        masks = [range(features)] * len(seeds)
    if len(masks) == 0:
        raise ValueError("masks: a population has at least one member")
    seen = torch.stack([_seen(k, np.asarray(mask), features) for k, mask in enumerate(masks)])
    if len(seeds) == 1:
        seeds *= len(seen)
    if len(seeds) != len(seen):
        raise ValueError(f"seeds: {len(seeds)} given for {len(seen)} masks; give one, or one for each")
    return seen, seeds


def _seen(k: int, mask: np.ndarray, features: int) -> Tensor:
    if mask.dtype == bool and mask.shape == (features,):
        seen = torch.tensor(mask)
    elif mask.ndim == 1 and mask.dtype.kind in "iu" and mask.size and 0 <= mask.min() <= mask.max() < features:
        seen = torch.zeros(features, dtype=torch.bool)
        seen[torch.tensor(mask.astype(np.int64))] = True
    else:
        raise ValueError(
            f"masks: member {k} must name functions 0 .. {features - 1} or hold {features} bools, got {mask.tolist()}"
        )
    if not seen.any():
        raise ValueError(f"masks: member {k} sees no function")
    return seen
