"""What all ideas share: the record, pairs of data, and training by `training.fit`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from toolkit import training


@dataclass(frozen=True, slots=True)
class Sketch:
    """An idea in the course of its training.

    Attributes:
        epoch: passes over the data so far.
        seconds: time spent [s].
        metrics: losses and accuracies.
        picture: small arrays that show what has been learned.
        diverged: a loss is no longer finite; the run has ended.
    """

    epoch: float
    seconds: float
    metrics: Mapping[str, float]
    picture: Mapping[str, np.ndarray]
    diverged: bool = False


@dataclass(frozen=True, eq=False)
class Pairs:
    """Inputs and targets for training and for validation."""

    train: tuple[Tensor, Tensor]
    validation: tuple[Tensor, Tensor]

    @classmethod
    def of(cls, inputs: Tensor, targets: Tensor) -> Pairs:
        """The last fifth is for validation."""
        cut = len(inputs) * 4 // 5
        return cls((inputs[:cut], targets[:cut]), (inputs[cut:], targets[cut:]))


def fitted(
    model: nn.Module,
    data: Pairs,
    loss: Callable[[Tensor, Tensor], Tensor],
    *,
    epochs: int,
    learning_rate: float,
    seed: int,
    accuracy: bool = True,
) -> training.Fit:
    """`training.fit` with Adam, on the CPU."""
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    metrics = ["accuracy"] if accuracy else []
    return training.fit(model, data, loss=loss, optimizer=optimizer, epochs=epochs, metrics=metrics, seed=seed, device="cpu")


def sketches(run: training.Fit, picture: Callable[[], Mapping[str, np.ndarray]]) -> Iterator[Sketch]:
    """A picture with each record of a run."""
    for record in run:
        with torch.no_grad():
            yield Sketch(record.epoch, record.seconds, measured(record), picture(), record.diverged)


def measured(record: training.Record) -> dict[str, float]:
    """Losses and accuracy on both parts of the data."""
    return {name: value for name, value in record.metrics.items() if name.startswith(("train", "validation"))}
