"""The training loop: `fit` and the iterator it returns."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn

from toolkit import recordings
from toolkit.training import dense
from toolkit.training.evaluation import evaluate, metric_functions
from toolkit.training.randomness import generator, global_generators, mixed, shuffled, shuffled_rows, undisturbed
from toolkit.training.settings import check_companions, check_training, whole
from toolkit.training.stopping import EarlyStopping

CHUNK_BYTES = 32 * 2**20
INITIAL_SAMPLE = 4096


@dataclass(frozen=True, slots=True)
class Record:
    """What one unit of training gave.

    Attributes:
        epoch: passes over the training data so far; a fraction inside an epoch.
        step: optimizer steps so far.
        seconds: time spent in the run so far [s], without pauses.
        metrics: `batch_loss` (mean since the last record), `learning_rate`, `friction` and `kinetic_energy` where the
            optimizer has them, `braked` (0 or 1) with a `GoalBrake`; at the end of an epoch also `train_loss` (mean over the
            epoch), `validation_loss` and `validation_<metric>`.
        diverged: the loss is no longer finite; the run has ended.
        run: name of the run among several, see `race`.
    """

    epoch: float
    step: int
    seconds: float
    metrics: Mapping[str, float]
    diverged: bool = False
    run: str = ""


class Data(Protocol):
    """What `fit` reads of a data set; `toolkit.datasets.Dataset` is one."""

    train: tuple[Tensor, Tensor]
    validation: tuple[Tensor, Tensor]

    def normalise(self, inputs: Tensor) -> Tensor:
        """Turn a batch in its stored type into the network's input."""


def fit(
    model: nn.Module,
    data: Data,
    *,
    loss: Callable[[Tensor, Tensor], Tensor],
    optimizer: torch.optim.Optimizer,
    epochs: int,
    batch_size: int = 64,
    metrics: Sequence[str | Callable[[Tensor, Tensor], Tensor]] = (),
    scheduler: Any = None,
    stopping: EarlyStopping | None = None,
    augment: Callable[[Tensor, torch.Generator], Tensor] | None = None,
    order: Callable[..., Tensor] = shuffled_rows,
    device: str | torch.device = "auto",
    precision: Literal["auto", "float32", "bf16"] = "auto",
    seed: int = 0,
    checkpoint: str | Path | None = None,
    every: int | None = None,
    compiled: bool = False,
    written_out: bool = False,
) -> Fit:
    """Train `model` on `data.train`, yielding one `Record` at step 0 and after each epoch, or more often with `every`.

    The same seed, device and versions give the same numbers, also across `state_dict`, and whatever else uses torch's global
    random state between two records.

    Args:
        model: any module from a batch of inputs to outputs; moved to the device.
        data: train and validation pairs of tensors `(n, ...)` with `normalise`, for example a `datasets.Dataset`.
        loss: `loss(outputs, targets)`, a mean over the batch.
        optimizer: of the model's parameters; its `param_groups` may be changed during the run.
        epochs: passes over the training data.
        batch_size: samples per step; the last batch of an epoch may be smaller.
        metrics: names in `METRICS` or functions `(outputs, targets) -> scalar`, computed on the whole validation set.
        scheduler: one object or a list, stepped at the end of each epoch: torch's schedulers, `optim.GoalBrake`. One with a
            `monitor` attribute is given that metric; `ReduceLROnPlateau` gets the validation loss.
        stopping: ends the run early.
        augment: `augment(inputs, generator)` on each training batch in its stored type.
        order: `order(targets, seed=..., epoch=...)` gives the numbers of the n training samples in the order of an epoch, of
            which the batches are taken in turn; a sample may come twice or not at all. By default a random permutation.
        device: "auto" (CUDA, then MPS, then CPU) or a torch device.
        precision: "float32", or "bf16" for autocast; "auto" is float32, since the documents' networks are too small to gain.
        seed: of the order of the samples, of augmentation and dropout.
        checkpoint: file written at the end of each epoch by atomic replace. If it exists the run goes on from it.
        every: steps between records inside an epoch; None gives one record per epoch.
        compiled: run the model through `torch.compile`; pays on a GPU only.
        written_out: take the steps of plain SGD on a dense network with ReLU without autograd, see `training.dense`: the same
            numbers in less time where batches are small; no gradients are left and no hooks are called. Another model, loss
            or optimizer, a scheduler or bf16 is trained as ever.

    Returns:
        A `Fit`: an iterator that also holds `records`, `best`, `state_dict()`.

    Raises:
        ValueError, TypeError: a setting that cannot work, before anything is moved or changed.
    """
    return Fit(
        model, data, loss=loss, optimizer=optimizer, epochs=epochs, batch_size=batch_size, metrics=metrics, scheduler=scheduler,
        stopping=stopping, augment=augment, order=order, device=device, precision=precision, seed=seed, checkpoint=checkpoint,
        every=every, compiled=compiled, written_out=written_out,
    )  # fmt: skip


class Fit(Iterator[Record]):
    """A training run, made by `fit`; see there for the arguments.

    Attributes:
        records: all records so far, also those before a resume.
        best: `{"epoch", "validation_loss", "model"}` at the least validation loss so far; `model` is a state dict.
        ended: the run has diverged or was stopped early by `stopping`.
    """

    def __init__(
        self, model, data, *, loss, optimizer, epochs, batch_size, metrics, scheduler, stopping, augment, order, device,
        precision, seed, checkpoint, every, compiled, written_out,
    ):  # fmt: skip
        self.epochs, self.batch_size = whole("epochs", epochs, 0), whole("batch_size", batch_size, 1)
        self.every = None if every is None else whole("every", every, 1)
        self.seed = whole("seed", seed, 0)
        self.metrics = metric_functions(metrics)
        self.schedulers = [] if scheduler is None else list(scheduler) if isinstance(scheduler, list | tuple) else [scheduler]
        check_training(model, data, loss, optimizer, precision)
        check_companions(optimizer, self.schedulers, stopping, augment, order, ("loss", *self.metrics))
        self.checkpoint = None if checkpoint is None else Path(checkpoint)
        self.device = choose_device(device)
        self.model, self.optimizer, self.loss = model.to(self.device), optimizer, loss
        self.stopping, self.augment, self.order, self.bf16 = stopping, augment, order, precision == "bf16"
        self.normalise = getattr(data, "normalise", _unchanged)
        self.train = tuple(part.to(self.device) for part in data.train)
        self.validation = tuple(part.to(self.device) for part in data.validation)
        self.steps_per_epoch = math.ceil(len(self.train[0]) / self.batch_size)
        self.forward = torch.compile(self.model) if compiled else self.model
        usual = self.bf16 or self.schedulers or compiled or not written_out
        self._dense_step = None if usual else dense.written_out(self.model, self.loss, self.optimizer, self.train[1])
        self.records: list[Record] = []
        self.best: dict[str, Any] = {"epoch": None, "validation_loss": math.inf, "model": None}
        self.epoch, self.seconds, self.ended = 0, 0.0, False
        self._losses: list[Tensor] = []  # of the batches of the unfinished epoch
        self._recorded = 0  # how many of them the last record covers
        self._generators = global_generators(self.device)
        self._work = self._units_of_work()
        if self.checkpoint is not None and self.checkpoint.exists():
            self.load_state_dict(recordings.load_state(self.checkpoint))

    @property
    def step(self) -> int:
        """Optimizer steps so far."""
        return self.epoch * self.steps_per_epoch + len(self._losses)

    def __next__(self) -> Record:
        started = time.perf_counter()
        try:
            with undisturbed(self._generators):
                metrics = next(self._work)
        except StopIteration:
            raise
        except BaseException:  # a generator that has raised is at its end; a new one goes on with the batch that is due
            self._work = self._units_of_work()
            raise
        finally:
            self.seconds += time.perf_counter() - started
        diverged = not all(math.isfinite(value) for name, value in metrics.items() if name.endswith("loss"))
        record = Record(self.step / self.steps_per_epoch, self.step, self.seconds, metrics, diverged)
        self.records.append(record)
        self.ended = self.ended or diverged
        if self.checkpoint is not None and (not self._losses or diverged):
            recordings.save_state(self.checkpoint, self.state_dict())
        return record

    def close(self) -> None:
        """Ask for no more records; model, `best` and `records` stay usable, and `state_dict` can be resumed."""
        self._work = iter(())

    def _units_of_work(self) -> Iterator[dict[str, float]]:
        if not self.records:
            yield self._initial_metrics()
        while self.epoch < self.epochs and not self.ended:
            order = self._ordered()
            while len(self._losses) < self.steps_per_epoch:
                self._train(order, self._next_stop())
                if len(self._losses) < self.steps_per_epoch or not math.isfinite(self._mean_loss(self._recorded)):
                    yield self._step_metrics()
                if self.ended:
                    return
            yield self._end_epoch()

    def _ordered(self) -> Tensor:
        """Numbers of the samples in the order of this epoch."""
        n = len(self.train[0])
        order = self.order(self.train[1], seed=self.seed, epoch=self.epoch)
        if order.shape != (n,):
            raise ValueError(f"order: must give one number for each of {n:,} samples, gave shape {tuple(order.shape)}")
        return order.to(self.device)

    def _next_stop(self) -> int:
        """Number of the batch of this epoch before which the next record is due."""
        every = self.every or self.steps_per_epoch
        return min(self.steps_per_epoch, (len(self._losses) // every + 1) * every)

    def _train(self, order: Tensor, stop: int) -> None:
        """Train up to batch number `stop` of the epoch, gathering some MB of shuffled samples at a time."""
        inputs, targets = self.train
        batch_bytes = self.batch_size * max(1, inputs[0].numel() * inputs.element_size())
        chunk = max(1, CHUNK_BYTES // batch_bytes)
        self.model.train()
        for first in range(len(self._losses), stop, chunk):
            rows = order[first * self.batch_size : min(first + chunk, stop) * self.batch_size]
            shuffled = (part.index_select(0, rows).split(self.batch_size) for part in (inputs, targets))  # faster than [rows]
            for batch in zip(*shuffled, strict=True):
                self._train_batch(*batch)

    def _train_batch(self, inputs: Tensor, targets: Tensor) -> None:
        if self.augment is not None:
            inputs = self.augment(inputs, generator("augmentation", self.seed, self.step, self.device))
        if self._dense_step is not None:
            self._losses.append(self._dense_step(self.normalise(inputs), targets))
            return
        self._reseed("dropout", self.step)
        with self._autocast():
            loss = self.loss(self.forward(self.normalise(inputs)), targets)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self._losses.append(loss.detach())

    def _reseed(self, stream: str, number: int) -> None:
        """Let torch's own generators start a stream, so that what a step draws depends on seed and step alone."""
        for each in self._generators:
            each.manual_seed(mixed(stream, self.seed, number))

    def _mean_loss(self, first: int) -> float:
        """Mean training loss over the samples of the epoch's batches from number `first` on."""
        losses = torch.stack(self._losses[first:]).cpu().double()
        sizes = torch.full_like(losses, self.batch_size)
        if len(self._losses) == self.steps_per_epoch:
            sizes[-1] = len(self.train[0]) - (self.steps_per_epoch - 1) * self.batch_size
        return float((losses * sizes).sum() / sizes.sum())

    def _step_metrics(self) -> dict[str, float]:
        metrics = self._settings() | {"batch_loss": self._mean_loss(self._recorded)}
        self._recorded = len(self._losses)
        return metrics

    def _end_epoch(self) -> dict[str, float]:
        metrics = self._settings() | {"batch_loss": self._mean_loss(self._recorded), "train_loss": self._mean_loss(0)}
        metrics |= self._evaluate(self.validation, "validation_")
        self._losses, self._recorded, self.epoch = [], 0, self.epoch + 1
        if metrics["validation_loss"] < self.best["validation_loss"]:
            weights = {name: value.detach().clone() for name, value in self.model.state_dict().items()}
            self.best = {"epoch": self.epoch, "validation_loss": metrics["validation_loss"], "model": weights}
        for scheduler in self.schedulers:
            monitor = _monitor(scheduler)
            scheduler.step(*([metrics[monitor]] if monitor else []))
        if self.stopping is not None:
            self.ended = self.stopping.step(metrics[self.stopping.monitor])
        return metrics

    def _initial_metrics(self) -> dict[str, float]:
        sample = shuffled(len(self.train[0]), seed=self.seed, epoch=0)[:INITIAL_SAMPLE].to(self.device)
        initial = self._evaluate((self.train[0][sample], self.train[1][sample]), "train_")["train_loss"]
        for scheduler in self.schedulers:
            if hasattr(scheduler, "start"):
                scheduler.start(initial)
        return self._settings() | {"train_loss": initial} | self._evaluate(self.validation, "validation_")

    def _evaluate(self, split: tuple[Tensor, Tensor], prefix: str) -> dict[str, float]:
        self._reseed("evaluation", 0)
        with self._autocast():
            values = evaluate(self.model, split, metrics={"loss": self.loss} | self.metrics, normalise=self.normalise)
        return {prefix + name: value for name, value in values.items()}

    def _settings(self) -> dict[str, float]:
        group = self.optimizer.param_groups[0]
        settings = {"learning_rate": float(group["lr"])}
        if "friction" in group:
            settings |= {"friction": float(group["friction"]), "kinetic_energy": self.optimizer.kinetic_energy()}
        if brakes := [scheduler for scheduler in self.schedulers if hasattr(scheduler, "braked")]:
            settings["braked"] = float(any(brake.braked for brake in brakes))
        return settings

    def _autocast(self):
        return torch.autocast(self.device.type, torch.bfloat16) if self.bf16 else nullcontext()

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to go on from the last record: numbers, strings and tensors (see `recordings.save_state`).

        As with torch's modules the tensors are the run's own: deep-copy the state to keep it while the run goes on.
        """
        return {
            "settings": self._identity(),
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedulers": [_plain_state(scheduler) for scheduler in self.schedulers],
            "stopping": None if self.stopping is None else self.stopping.state_dict(),
            "best": self.best,
            "epoch": self.epoch,
            "seconds": self.seconds,
            "ended": self.ended,
            "losses": torch.stack(self._losses) if self._losses else torch.empty(0),
            "recorded": self._recorded,
            "records": [(r.epoch, r.step, r.seconds, dict(r.metrics), r.diverged) for r in self.records],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state made by `state_dict`, with the same model, data, batch size and seed; `state` stays as it is.

        Raises:
            ValueError: the state belongs to another run; nothing has been changed.
        """
        theirs, ours = state.get("settings", {}), self._identity()
        for name in {**ours, **theirs}:
            if theirs.get(name) != ours.get(name):
                raise ValueError(f"state: made with {name} = {theirs.get(name)!r}, this run has {ours.get(name)!r}")
        state = copy.deepcopy(state)
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        for scheduler, saved in zip(self.schedulers, state["schedulers"], strict=True):
            scheduler.load_state_dict(saved)
        if self.stopping is not None:
            self.stopping.load_state_dict(state["stopping"])
        self.best, self.epoch, self.seconds = state["best"], state["epoch"], state["seconds"]
        self.ended = state["ended"]
        self._losses, self._recorded = list(state["losses"].to(self.device).unbind()), state["recorded"]
        self.records = [Record(*fields) for fields in state["records"]]
        self._work = self._units_of_work()

    def _identity(self) -> dict[str, Any]:
        """What must agree between a state and the run that takes it over."""
        return {
            **{f"model.{name}": list(value.shape) for name, value in self.model.state_dict().items()},
            "optimizer": type(self.optimizer).__name__,
            "parameter groups": [len(group["params"]) for group in self.optimizer.param_groups],
            "schedulers": [type(scheduler).__name__ for scheduler in self.schedulers],
            "stopping": self.stopping is not None,
            "train samples": len(self.train[0]),
            "validation samples": len(self.validation[0]),
            "batch_size": self.batch_size,
            "seed": self.seed,
        }


def race(runs: Mapping[str, Fit]) -> Iterator[Record]:
    """Advance several runs in turn, one record each, until all have ended; each record carries its run's name.

    Args:
        runs: name to run.

    Yields:
        Records with `run` set to the name.
    """
    left = dict(runs)
    while left:
        for name, run in list(left.items()):
            record = next(run, None)
            if record is None:
                del left[name]
            else:
                yield replace(record, run=name)


def choose_device(device: str | torch.device = "auto") -> torch.device:
    """The device to run on; "auto" takes CUDA, then MPS, then the CPU.

    Raises:
        ValueError: no such device here.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError, TypeError) as error:
        raise ValueError(f"device {device!r} cannot be used here: {error}") from error
    return chosen


def _monitor(scheduler: Any) -> str | None:
    plateau = isinstance(scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau)
    return getattr(scheduler, "monitor", "validation_loss" if plateau else None)


def _plain_state(scheduler: Any) -> dict[str, Any]:
    """A scheduler's state without the functions that some of torch's schedulers keep in theirs."""
    return {name: value for name, value in scheduler.state_dict().items() if not callable(value)}


def _unchanged(inputs: Tensor) -> Tensor:
    return inputs
