"""A network trained on energies as the document does, epoch by epoch, with what it predicts for the validation part.

run = EnergyFit(data, hidden=(10, 10), learning_rate=0.01, epochs=300, seed=0)
for record in run:
    print(record.epoch, record.validation)          # RMSE in meV/atom
potential = run.potential()                          # with the best weights
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from toolkit import training
from toolkit.networks import seeded
from toolkit.potential.learning import EnergyData, document_loss
from toolkit.potential.network import HighDimensionalNetwork
from toolkit.potential.potential import Potential

SCHEDULES = ("constant", "exponential", "drop")


@dataclass(frozen=True)
class FitRecord:
    """One epoch.

    Attributes:
        epoch: passes over the training part.
        seconds: so far.
        learning_rate: after the epoch.
        train: root mean squared error of the energy [meV/atom], a mean over the epoch.
        validation: likewise, after it.
        loss: of the validation part as the document gives it, for cells of 256 atoms [eV²].
        predicted: energies of the validation part `(n,)` [eV/atom].
        true: `(n,)` [eV/atom].
        diverged: the loss is no longer finite; the run has ended.
    """

    epoch: int
    seconds: float
    learning_rate: float
    train: float
    validation: float
    loss: float
    predicted: np.ndarray
    true: np.ndarray
    diverged: bool = False


class Schedule:
    """Lower the learning rate after each epoch, whatever it was set to meanwhile (section 2.4.1 of Ghimire).

    Args:
        optimizer: whose rate it is.
        kind: "constant", "exponential" (times exp(-rate) each epoch; the document has rate 1e-4) or "drop" (times rate every
            100 epochs; the document's rate is not printed).
        rate: see `kind`.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, kind: Literal["constant", "exponential", "drop"], rate: float):
        if kind not in SCHEDULES:
            raise ValueError(f"kind must be one of {SCHEDULES}, got {kind!r}")
        if not 0 <= rate < math.inf or (kind == "drop" and not 0 < rate <= 1):
            raise ValueError(f"rate must be 0 or more, and for 'drop' a factor up to 1, got {rate!r}")
        self.optimizer, self.kind, self.rate, self.epoch = optimizer, kind, rate, 0

    def step(self) -> None:
        """After an epoch."""
        self.epoch += 1
        factor = math.exp(-self.rate) if self.kind == "exponential" else 1.0
        if self.kind == "drop" and self.epoch % 100 == 0:
            factor = self.rate
        for group in self.optimizer.param_groups:
            group["lr"] *= factor

    def state_dict(self) -> dict[str, Any]:
        """All but the optimizer."""
        return {"kind": self.kind, "rate": self.rate, "epoch": self.epoch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a state made by `state_dict`."""
        self.kind, self.rate, self.epoch = state["kind"], state["rate"], state["epoch"]


class EnergyFit(Iterator[FitRecord]):
    """Train a high-dimensional network with Adam on energies; one record before training and one after each epoch.

    Args:
        data: from `learning.energy_data`.
        hidden: widths of the hidden layers.
        activation: see `HighDimensionalNetwork`.
        learning_rate: the first.
        schedule: see `Schedule`.
        rate: of the schedule.
        batch_size: frames per step.
        epochs: at most so many.
        patience: epochs without a better validation loss after which training ends.
        min_delta: a smaller gain of the document's loss [eV²] does not count.
        seed: of the weights and of the order of the frames.

    Attributes:
        network: in training.
        run: the `training.Fit`, with `state_dict`, `best` and the optimizer, whose rate may be changed between two records.
    """

    def __init__(
        self,
        data: EnergyData,
        *,
        hidden: Sequence[int] = (10, 10),
        activation: str = "tanh",
        learning_rate: float = 0.01,
        schedule: Literal["constant", "exponential", "drop"] = "exponential",
        rate: float = 5e-3,
        batch_size: int = 16,
        epochs: int = 300,
        patience: int = 50,
        min_delta: float = 1e-5,
        seed: int = 0,
    ):
        self.data = data
        with seeded(seed):
            self.network = HighDimensionalNetwork(data.features, hidden=hidden, activation=activation)
        optimizer = torch.optim.Adam(self.network.parameters(), lr=learning_rate)
        stopping = training.EarlyStopping(patience, min_delta=min_delta / document_loss(1000 * data.unit))
        self.run = training.fit(
            self.network, data, loss=data.loss, optimizer=optimizer, epochs=epochs, batch_size=batch_size, seed=seed,
            scheduler=Schedule(optimizer, schedule, rate), stopping=stopping, device="cpu",
        )  # fmt: skip

    def __next__(self) -> FitRecord:
        record = next(self.run)
        metrics, data = record.metrics, self.data
        inputs, targets = data.validation
        with torch.no_grad():
            predicted = torch.cat([self.network(part) for part in inputs.split(256)])
        energies = [(data.offset + data.unit * each / data.atoms).numpy() for each in (predicted, targets)]
        validation = float(data.rmse(metrics["validation_loss"]))
        return FitRecord(
            int(record.epoch), record.seconds, metrics["learning_rate"], float(data.rmse(metrics["train_loss"])), validation,
            float(document_loss(validation)), *energies, record.diverged,
        )  # fmt: skip

    def close(self) -> None:
        """Ask for no more records."""
        self.run.close()

    def potential(self) -> Potential:
        """The potential with the weights of the least validation loss so far."""
        network = copy.deepcopy(self.network)
        if self.run.best["model"] is not None:
            network.load_state_dict(self.run.best["model"])
        return self.data.potential(network)
