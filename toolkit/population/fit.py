"""`fit` and the iterator that it returns."""

from __future__ import annotations

import copy
import math
import reprlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from toolkit import recordings
from toolkit.population.alone import Alone
from toolkit.population.rules import rule_of
from toolkit.population.settings import masks_of, read
from toolkit.population.strategy import BATCHED, STRATEGIES, choose, cores_to_use, draws_random_numbers, members_that_fit
from toolkit.population.together import Together
from toolkit.training import Data, Record, choose_device, shuffled
from toolkit.training.evaluation import metric_functions
from toolkit.training.randomness import global_generators, undisturbed
from toolkit.training.settings import check_training, whole


def fit(
    build: Callable[[int], nn.Module],
    data: Data,
    *,
    settings: Mapping[str, Any],
    loss: Callable[[Tensor, Tensor], Tensor],
    epochs: int,
    batch_size: int = 64,
    metrics: Sequence[str | Callable[[Tensor, Tensor], Tensor]] = (),
    optimizer: Literal["port-hamiltonian", "sgd", "adam"] = "port-hamiltonian",
    friction_scheme: Literal["exponential", "euler", "implicit"] = "exponential",
    strategy: Literal["auto", "layers", "vmap", "sequential"] = "auto",
    members_per_chunk: int | Literal["auto"] = "auto",
    device: str | torch.device = "auto",
    seed: int = 0,
    checkpoint: str | Path | None = None,
    every: int | None = None,
) -> Population:
    """Train K members of one network, yielding one `Record` at step 0 and after each epoch, or more often with `every`.

    Each member equals the run `training.fit(build(seed), ..., seed=seed)` with its settings, up to rounding. The values of a
    record's `metrics` are arrays `(k,)`, nan from the record on at which a member's loss is no longer finite; the others
    go on as if it were not there.

    Args:
        build: makes one network from a seed; all must have the same structure.
        data: train and validation pairs of tensors `(n, ...)` with `normalise`, for example a `datasets.Dataset`.
        settings: name to K values, one per member, or to one value for all. `learning_rate`, `weight_decay`; `mass` and
            `friction` (port-hamiltonian); `momentum` (sgd); `seed` of the weights and of the order of the samples;
            `input_mask`, d bools or the numbers of the inputs that the member sees, the others are zero after
            normalisation; `brake_at`, `brake_factor`, `brake_kind`, `brake_setting` for `optim.GoalBrake` (its `goal`,
            `factor`, `kind` and `setting`), where a `brake_at` of None or nan means no brake.
        loss: `loss(outputs, targets)`, a mean over the batch.
        epochs: passes over the training data.
        batch_size: samples per step; the last batch of an epoch may be smaller.
        metrics: names in `training.METRICS` or functions `(outputs, targets) -> scalar`, on the whole validation set.
        optimizer: of all members.
        friction_scheme: of the port-Hamiltonian optimizer.
        strategy: "layers" (one stacked network, for plain stacks of layers), "vmap" (any network without randomness and
            running statistics) or "sequential" (an ordinary run for each, one per core at a time); "auto" takes what was
            measured to be fastest for this kind of network and device.
        members_per_chunk: how many members a stacked network holds; "auto" fills the memory that is free. No number changes.
        device: "auto" (CUDA, then MPS, then CPU) or a torch device.
        seed: of members without one in `settings`.
        checkpoint: file written at the end of each epoch by atomic replace. If it exists the run goes on from it.
        every: steps between records inside an epoch; None gives one record per epoch.

    Returns:
        A `Population`: an iterator that also holds `records`, `best`, `model(k)`, `state_dict()`.

    Raises:
        ValueError, TypeError: a setting that cannot work, before any training.
    """
    return Population(
        build, data, settings=settings, loss=loss, epochs=epochs, batch_size=batch_size, metrics=metrics, optimizer=optimizer,
        friction_scheme=friction_scheme, strategy=strategy, members_per_chunk=members_per_chunk, device=device, seed=seed,
        checkpoint=checkpoint, every=every,
    )  # fmt: skip


class Population(Iterator[Record]):
    """K training runs that advance together, made by `fit`; see there for the arguments.

    Attributes:
        records: all records so far, also those before a resume; `diverged` is true in the last one when all members have.
        members: the settings of each member, complete with defaults.
        strategy: the one that was taken.
        optimizers: one per member; `optimizers[k].param_groups[0]` holds what may be changed between two records.
        brakes: the `optim.GoalBrake` of each member, or None.
    """

    def __init__(
        self, build, data, *, settings, loss, epochs, batch_size, metrics, optimizer, friction_scheme, strategy,
        members_per_chunk, device, seed, checkpoint, every,
    ):  # fmt: skip
        self.epochs, self.batch_size = whole("epochs", epochs, 0), whole("batch_size", batch_size, 1)
        self.every = None if every is None else whole("every", every, 1)
        metrics = [metrics] if isinstance(metrics, str) or callable(metrics) else list(metrics)
        self.metrics = {"loss": loss} | metric_functions(metrics)
        rule = rule_of(optimizer, friction_scheme)
        self.members = read(settings, rule, seed=whole("seed", seed, 0))
        if strategy not in STRATEGIES:
            raise ValueError(f"strategy must be one of {STRATEGIES}, got {strategy!r}")
        if members_per_chunk != "auto":
            members_per_chunk = whole("members_per_chunk", members_per_chunk, 1)
        self.checkpoint = None if checkpoint is None else Path(checkpoint)
        self.device = choose_device(device)
        self._generators = global_generators(self.device)
        with undisturbed(self._generators):
            networks = _build(build, self.members)
            check_training(networks[0], data, loss, rule.optimizer(networks[0].parameters(), self.members[0]), "auto")
            masks = masks_of([member["input_mask"] for member in self.members], data.train[0][0].numel())
            self._work = self._begin(networks, data, masks, rule, loss, metrics, strategy, members_per_chunk)
        self.optimizers, self.brakes = self._work.optimizers, self._work.brakes
        self.steps_per_epoch = math.ceil(len(data.train[0]) / self.batch_size)
        self.records: list[Record] = []
        self.seconds, self._closed = 0.0, False
        self._identity = {
            **{name: [member[name] for member in self.members] for name in self.members[0]},
            "input_mask": None if masks is None else masks.tolist(),
            "optimizer": optimizer,
            "friction_scheme": friction_scheme,
            "strategy": self.strategy,
            "network": {name: list(weight.shape) for name, weight in networks[0].state_dict().items()},
            "train samples": len(data.train[0]),
            "validation samples": len(data.validation[0]),
            "batch_size": self.batch_size,
        }
        if self.checkpoint is not None and self.checkpoint.exists():
            self.load_state_dict(recordings.load_state(self.checkpoint))

    def _begin(self, networks, data, masks, rule, loss, metrics, strategy, members_per_chunk) -> Alone | Together:
        """The members, ready to be trained in the way that suits them."""
        networks, data = [network.to(self.device) for network in networks], _on(self.device, data)
        masks = masks if masks is None else masks.to(self.device)
        first = shuffled(len(data.train[0]), seed=self.members[0]["seed"], epoch=0)[: self.batch_size].to(self.device)
        inputs, targets = data.normalise(data.train[0][first]), data.train[1][first]
        size = len(networks)
        self.strategy = choose(strategy, networks[0], loss=loss, batch=(inputs, targets), members=size)
        if self.strategy == "sequential":
            concurrent = self.device.type == "cpu" and size > 1 and not draws_random_numbers(networks[0], inputs)
            return Alone(
                networks, data, self.members, masks, rule=rule, workers=min(size, cores_to_use()) if concurrent else 1,
                loss=loss, epochs=self.epochs, batch_size=self.batch_size, metrics=metrics, device=self.device,
                every=self.every,
            )  # fmt: skip
        if members_per_chunk == "auto":
            members_per_chunk = members_that_fit(networks[0], inputs, batch_size=self.batch_size, members=size)
        return Together(
            networks, data, self.members, masks, rule=rule, forward=BATCHED[self.strategy](networks[0]), loss=loss,
            metrics=self.metrics, batch_size=self.batch_size, members_per_chunk=members_per_chunk,
        )  # fmt: skip

    @property
    def step(self) -> int:
        """Optimizer steps of each member up to the last record."""
        return self.records[-1].step if self.records else 0

    @property
    def alive(self) -> np.ndarray:
        """Which members have not diverged, `(k,)` bool."""
        return self._work.alive.copy()

    @property
    def best(self) -> dict[str, np.ndarray]:
        """`epoch` and `validation_loss` `(k,)` at each member's least validation loss; nan and inf before one."""
        return {name: values.copy() for name, values in self._work.best.items()}

    def __next__(self) -> Record:
        step = self._next_step()
        if step is None:
            raise StopIteration
        started = time.perf_counter()
        try:
            with undisturbed(self._generators):
                metrics = self._work.advance(step)
        finally:
            self.seconds += time.perf_counter() - started
        record = Record(step / self.steps_per_epoch, step, self.seconds, metrics, not self._work.alive.any())
        self.records.append(record)
        if self.checkpoint is not None and (step % self.steps_per_epoch == 0 or record.diverged):
            recordings.save_state(self.checkpoint, self.state_dict())
        return record

    def _next_step(self) -> int | None:
        """The step of the next record; None at the end."""
        if self._closed or (self.records and self.records[-1].diverged):
            return None
        if not self.records:
            return 0
        epoch, batch = divmod(self.step, self.steps_per_epoch)
        if epoch >= self.epochs:
            return None
        every = self.every or self.steps_per_epoch
        return epoch * self.steps_per_epoch + min(self.steps_per_epoch, (batch // every + 1) * every)

    def close(self) -> None:
        """Ask for no more records; models, `best` and `records` stay usable, and `state_dict` can be resumed."""
        self._closed = True

    def model(self, k: int, *, best: bool = False) -> nn.Module:
        """Member k as a module of its own, a copy.

        Args:
            k: 0 .. K - 1.
            best: with the weights of the least validation loss instead of the present ones.

        Raises:
            ValueError: no such member, or no epoch has ended yet with a finite validation loss.
        """
        if k not in range(len(self.members)):
            raise ValueError(f"k must be a member 0 .. {len(self.members) - 1}, got {k!r}")
        network = self._work.network(k, best=best)
        if network is None:
            raise ValueError(f"best: member {k} has no best weights yet")
        return network

    def evaluate(self, split: tuple[Tensor, Tensor], *, best: bool = False) -> dict[str, np.ndarray]:
        """Loss and metrics of every member on a whole split; nan for members that have diverged.

        Args:
            split: inputs and targets `(n, ...)`, for example `data.test`.
            best: with each member's weights of the least validation loss; nan where there are none yet.

        Returns:
            Name to values `(k,)`.
        """
        with undisturbed(self._generators):
            values = self._work.evaluate(split, self.metrics, best=best)
        counts = np.isfinite(self.best["epoch"]) if best else self._work.alive
        return {name: np.where(counts, each, math.nan) for name, each in values.items()}

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to go on from the last record: numbers, strings and tensors (see `recordings.save_state`).

        As with torch's modules the tensors are the run's own: deep-copy the state to keep it while the run goes on.
        """
        return {
            "identity": self._identity,
            "members": self._work.state_dict(),
            "seconds": self.seconds,
            "records": _packed(self.records),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state made by `state_dict`, with the same settings, network, data and batch size.

        Members may be computed in other chunks than before. `state` stays as it is.

        Raises:
            ValueError: the state belongs to another population; nothing has been changed.
        """
        theirs, ours = state.get("identity", {}), self._identity
        for name in {**ours, **theirs}:
            if theirs.get(name) != ours.get(name):
                made, here = reprlib.repr(theirs.get(name)), reprlib.repr(ours.get(name))
                raise ValueError(f"state: made with {name} = {made}, this population has {here}")
        state = copy.deepcopy(state)
        self._work.load_state_dict(state["members"])
        self.seconds, self.records, self._closed = state["seconds"], _unpacked(state["records"]), False


def _build(build: Any, members: Sequence[Mapping[str, Any]]) -> list[nn.Module]:
    """One network per member, all of one structure."""
    if not callable(build) or isinstance(build, nn.Module):
        raise TypeError(f"build must be a function from a seed to a network, got {build!r}")
    networks = [build(member["seed"]) for member in members]
    shapes = []
    for k, network in enumerate(networks):
        if not isinstance(network, nn.Module):
            raise TypeError(f"build must give a torch.nn.Module, for member {k} it gave {type(network).__name__}")
        shapes.append({name: (weight.shape, weight.dtype) for name, weight in network.state_dict().items()})
        if shapes[k] != shapes[0]:
            raise ValueError(f"build must give networks of one structure, that of member {k} differs from that of member 0")
    if len({id(network) for network in networks}) < len(networks):
        raise ValueError("build must give a new network each time, it gave the same one twice")
    return networks


def _on(device: torch.device, data: Data) -> Data:
    """The data on the device, once for all members."""
    train, validation = (tuple(part.to(device) for part in split) for split in (data.train, data.validation))
    return SimpleNamespace(train=train, validation=validation, normalise=getattr(data, "normalise", lambda inputs: inputs))


def _packed(records: Sequence[Record]) -> dict[str, Any]:
    """Records as one array of all their values, so that a file of thousands holds one member."""
    rows = [np.stack(list(record.metrics.values())) for record in records]
    return {
        "heads": [(record.epoch, record.step, record.seconds, record.diverged, list(record.metrics)) for record in records],
        "values": np.concatenate(rows) if rows else np.empty((0, 0)),
    }


def _unpacked(packed: Mapping[str, Any]) -> list[Record]:
    records, values = [], iter(packed["values"])
    for epoch, step, seconds, diverged, names in packed["heads"]:
        records.append(Record(epoch, step, seconds, {name: next(values) for name in names}, diverged))
    return records
