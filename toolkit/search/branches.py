"""Branches of a search: networks on their way, and how several of them are trained side by side."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import joblib
import torch
from torch import Tensor, nn

from toolkit import training
from toolkit.search import sequence

EPOCH_METRICS = ("train_loss", "validation_loss", "validation_accuracy")

Metrics = dict[str, float]


@dataclass(frozen=True)
class Branch:
    """A network, where it comes from, and how good it is.

    Attributes:
        number: its own.
        parent: that of the branch it came from; -1 for the first.
        model: the network.
        optimizer: of its parameters.
        epoch: epochs of training behind it.
        accuracy: on the validation split; nan before it was trained.
        operation: what made it.
        layer: of the operation; -1 for the identity.
        amount: of the operation.
    """

    number: int
    parent: int
    model: nn.Sequential
    optimizer: torch.optim.Optimizer
    epoch: int = 0
    accuracy: float = math.nan
    operation: str = "identity"
    layer: int = -1
    amount: int = 0

    @property
    def hidden(self) -> tuple[int, ...]:
        """Units of each hidden layer."""
        return tuple(sequence.widths(self.model)[:-1])

    def state(self) -> dict[str, Any]:
        """As a tree of numbers and tensors."""
        names = ("number", "parent", "epoch", "accuracy", "operation", "layer", "amount")
        weights = {name: value.detach().clone() for name, value in self.model.state_dict().items()}
        trees = {"layers": sequence.description(self.model), "model": weights, "optimizer": self.optimizer.state_dict()}
        return {name: getattr(self, name) for name in names} | trees

    @classmethod
    def rebuilt(cls, state: Mapping[str, Any], make: Callable[..., torch.optim.Optimizer], device: torch.device) -> Branch:
        """The branch of a `state`; `make` gives an optimizer for parameters."""
        fields = dict(state)
        layers, weights, settings = fields.pop("layers"), fields.pop("model"), fields.pop("optimizer")
        model = sequence.rebuilt(layers, dtype=next(iter(weights.values())).dtype)
        model.load_state_dict(weights)
        optimizer = make(model.to(device).parameters())
        optimizer.load_state_dict(settings)
        return cls(model=model, optimizer=optimizer, **fields)


@dataclass(frozen=True)
class Course:
    """How branches are trained: data, loss, batch size, device, and how many at a time."""

    data: training.Data
    loss: Callable[[Tensor, Tensor], Tensor]
    batch_size: int
    device: torch.device
    workers: int = 1

    @property
    def steps(self) -> int:
        """Optimizer steps of an epoch."""
        return math.ceil(len(self.data.train[0]) / self.batch_size)

    def check(self, branch: Branch) -> None:
        """Raise where a training could not begin."""
        self._fit(branch, 1, 0)

    def trained(self, branches: Sequence[Branch], epochs: int, seeds: Sequence[int]) -> Iterator[tuple[Branch, Metrics]]:
        """Each branch after each epoch with its metrics, branch after branch."""
        for results in self._each(_epochs, [(branch, epochs, seed) for branch, seed in zip(branches, seeds, strict=True)]):
            yield from results

    def recovered(
        self, branches: Sequence[Branch], batches: Mapping[str, int], seeds: Sequence[int]
    ) -> Iterator[tuple[Branch, Metrics]]:
        """Each branch after the number of batches that its operation asks for."""
        jobs = [(branch, batches[branch.operation], seed) for branch, seed in zip(branches, seeds, strict=True)]
        yield from self._each(_recovery, jobs)

    def _each(self, function: Callable[..., Any], jobs: Sequence[tuple]) -> Iterator[Any]:
        """The function's results in the order of the jobs; with one worker they come as they are made."""
        if self.workers == 1 or len(jobs) < 2:
            return (function(self, *job) for job in jobs)
        parallel = joblib.Parallel(self.workers, return_as="generator", mmap_mode=None)
        return parallel(joblib.delayed(_complete)(function, replace(self, workers=1), *job) for job in jobs)

    def _fit(self, branch: Branch, epochs: int, seed: int, *, every: int | None = None) -> training.Fit:
        return training.fit(
            branch.model, self.data, loss=self.loss, optimizer=branch.optimizer, epochs=epochs, batch_size=self.batch_size,
            metrics=["accuracy"], seed=seed, device=self.device, every=every, written_out=True,
        )  # fmt: skip


def _complete(function: Callable[..., Any], *arguments: Any) -> Any:
    """What a worker process sends back: whole lists, trained on one thread."""
    torch.set_num_threads(1)
    results = function(*arguments)
    return results if isinstance(results, tuple) else list(results)


def _epochs(course: Course, branch: Branch, epochs: int, seed: int) -> Iterator[tuple[Branch, Metrics]]:
    for record in course._fit(branch, epochs, seed):
        if record.epoch:
            metrics = {name: record.metrics.get(name, math.nan) for name in EPOCH_METRICS}
            yield replace(branch, epoch=branch.epoch + int(record.epoch), accuracy=metrics["validation_accuracy"]), metrics


def _recovery(course: Course, branch: Branch, batches: int, seed: int) -> tuple[Branch, Metrics]:
    every = batches % course.steps or course.steps  # so that a record comes right after the last batch
    for record in course._fit(branch, math.ceil(batches / course.steps), seed, every=every):
        if record.step >= batches:
            break
    wanted = {"loss": course.loss} | training.METRICS
    measured = training.evaluate(branch.model, course.data.validation, metrics=wanted, normalise=course.data.normalise)
    return branch, {f"validation_{name}": value for name, value in measured.items()}
