"""MorphNet: shrink a network by a penalty on FLOPs, widen it to a budget, begin anew (Burghoff, script 4.1, chapter 5)."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from toolkit import training
from toolkit.networks import seeded
from toolkit.search import architecture
from toolkit.search.architecture import Collapsed
from toolkit.search.cost import SOURCES, FlopRegularizer, flops
from toolkit.training.settings import whole

ROUNDINGS: dict[str, Callable[[float], int]] = {
    "round": lambda width: math.floor(width + 0.5),
    "floor": math.floor,
    "ceil": math.ceil,
}
FINEST = 1e-12  # relative width of the bracket of κ
KINDS = ("training", "morph", "final", "collapse", "diverged")


class Architecture(Protocol):
    """What `morph` needs of an architecture: those of `search.architecture` have it, and `Custom`."""

    input_shape: tuple[int, ...]
    widths: Mapping[str, int]

    def build(self, *, seed: int | None = None) -> nn.Module:
        """The network."""

    def flops(self) -> int:
        """Of one sample."""

    def with_widths(self, widths: Mapping[str, int]) -> Architecture:
        """The same with other widths."""

    def alive_widths(self, alive: Mapping[str, Tensor]) -> dict[str, int]:
        """The widths that are left."""

    def to_json(self) -> str:
        """As text."""


@dataclass(frozen=True)
class Custom:
    """Your own network as an architecture: a function that builds it from the widths of some of its layers.

    Attributes:
        make: from a mapping of names to widths to a module.
        widths: names of layers, as `named_modules` has them, to their output channels. Layers tied by a sum share one name.
        input_shape: of one sample.

    >>> def make(widths):
    ...     return nn.Sequential(nn.Linear(8, widths["0"]), nn.BatchNorm1d(widths["0"]), nn.Linear(widths["0"], 3))
    >>> Custom(make, {"0": 5}, (8,)).flops()
    110
    """

    make: Callable[[Mapping[str, int]], nn.Module]
    widths: Mapping[str, int]
    input_shape: tuple[int, ...]

    def build(self, *, seed: int | None = None) -> nn.Module:
        """The network with fresh weights, reproducible with a seed."""
        with seeded(seed):
            return self.make(self.widths)

    def flops(self) -> int:
        """FLOPs of one sample, of a network without memory for its weights."""
        with torch.device("meta"):
            return flops(self.build(seed=0), self.input_shape)

    def with_widths(self, widths: Mapping[str, int]) -> Custom:
        """The same with other widths.

        Raises:
            Collapsed: a width of zero.
        """
        if dead := [name for name, width in widths.items() if width == 0]:
            raise Collapsed(f"widths: {', '.join(dead)} would have no channel")
        return replace(self, widths={**self.widths, **widths})

    def alive_widths(self, alive: Mapping[str, Tensor]) -> dict[str, int]:
        """The widths that are left.

        Raises:
            ValueError: a width is named after no layer.
        """
        if unknown := [name for name in self.widths if name not in alive]:
            raise ValueError(f"widths: {unknown[0]!r} is no layer of the network; its layers are {tuple(alive)}")
        return {name: int(alive[name].sum()) for name in self.widths}

    def to_json(self) -> str:
        """The widths as text."""
        return json.dumps(dict(self.widths))


def expand(
    start: Architecture, budget: float, *, rounding: Literal["round", "floor", "ceil"] = "round"
) -> tuple[float, Architecture]:
    """Step 3 of script 4.1: the largest κ whose rounded widths fit the budget, F(round(κ c')) <= ζ.

    FLOPs grow with every width, so that bisection finds it. A width that is alive stays at 1 or more.

    Args:
        start: with the widths c'.
        budget: ζ [FLOPs per sample].
        rounding: of κ c'. The published 1/41 -> 3/116 is possible with "round" and "ceil" only.

    Returns:
        κ, which is below 1 where the network must shrink, and the widened architecture.

    Raises:
        ValueError: one channel everywhere is too much.

    >>> kappa, wide = expand(architecture.DenseSpec((10,), 10, (3,)), 4000)
    >>> round(kappa, 6), wide.hidden
    (33.5, (100,))
    """
    check_budget(start, budget)
    if rounding not in ROUNDINGS:
        raise ValueError(f"rounding must be one of {tuple(ROUNDINGS)}, got {rounding!r}")

    def wide(kappa: float) -> Architecture:
        return start.with_widths({name: max(1, ROUNDINGS[rounding](kappa * c)) for name, c in start.widths.items()})

    low, high = 0.0, 1.0
    while wide(high).flops() <= budget:
        low, high = high, 2 * high
    while high - low > FINEST * high:
        middle = (low + high) / 2
        low, high = (middle, high) if wide(middle).flops() <= budget else (low, middle)
    return low, wide(low)


def check_budget(start: Architecture, budget: float) -> None:
    """Raise ValueError unless a network with one channel everywhere fits the budget."""
    if isinstance(budget, bool) or not isinstance(budget, int | float) or not 0 < budget < math.inf:
        raise ValueError(f"budget must be a finite positive number of FLOPs, got {budget!r}")
    if not start.widths:
        raise ValueError("start: it has no width that could be changed")
    least = start.with_widths(dict.fromkeys(start.widths, 1)).flops()
    if least > budget:
        raise ValueError(f"budget: one channel everywhere needs {least:,} FLOPs, more than {budget:,.0f}")


@dataclass(frozen=True, slots=True)
class Record:
    """What one unit of work gave.

    Attributes:
        kind: "training" under the penalty, "morph" when new widths were chosen, "final" for the training without penalty;
            "collapse" when a layer has lost its last channel and "diverged" when the loss is not finite: both end the run.
        iteration: how many times the widths were chosen before.
        step: optimizer steps since the network was built.
        epoch: passes over the data since then.
        seconds: time spent so far [s].
        widths: of the network that trains, or trained last.
        alive: what is left of them; for "final" the same.
        flops: of one sample with what is left.
        metrics: those of `training.Record`; the losses hold the penalty, `validation_task_loss` does not.
        chosen: the new widths, for "morph".
        kappa: κ, likewise.
        run: name of the run among several.
    """

    kind: str
    iteration: int
    step: int
    epoch: float
    seconds: float
    widths: Mapping[str, int]
    alive: Mapping[str, int]
    flops: int
    metrics: Mapping[str, float] = field(default_factory=dict)
    chosen: Mapping[str, int] = field(default_factory=dict)
    kappa: float = math.nan
    run: str = ""


def morph(
    start: Architecture,
    data: training.Data,
    *,
    strength: float,
    budget: float,
    iterations: int = 2,
    epochs: int = 5,
    final_epochs: int | None = None,
    threshold: float = 0.01,
    source: Literal["gamma", "group_lasso"] = "gamma",
    rounding: Literal["round", "floor", "ceil"] = "round",
    optimizer: Callable[..., torch.optim.Optimizer] | None = None,
    learning_rate: float = 1e-3,
    loss: Callable[[Tensor, Tensor], Tensor] = functional.cross_entropy,
    batch_size: int = 64,
    every: int | None = 100,
    augment: Callable[[Tensor, torch.Generator], Tensor] | None = None,
    seed: int = 0,
    device: str | torch.device = "auto",
) -> Morph:
    """Choose widths `iterations` times, then train the network that comes out without the penalty (script 4.1).

    Each iteration trains from scratch with loss + λ penalty, reads which channels are alive, and widens these widths by the
    largest factor that fits the budget. A block without channels is removed; where a stream or a layer of a plain chain has
    none left, the run ends with a record of kind "collapse".

    Args:
        start: the first architecture; it may cost more or less than the budget.
        data: train and validation pairs with `normalise`, for example a `datasets.Dataset`.
        strength: λ, about 1 / FLOPs of the start for a penalty as large as a usual loss; 0 trains as without.
        budget: ζ [FLOPs per sample].
        iterations: how many times widths are chosen; 0 only trains the start.
        epochs: of each training under the penalty.
        final_epochs: of the training without it; as many where not given.
        threshold: above which a channel is alive, see `FlopRegularizer`.
        source: likewise.
        rounding: of widths, see `expand`.
        optimizer: makes an optimizer from parameters.
        learning_rate: of Adam, where `optimizer` is not given.
        loss: `loss(outputs, targets)`.
        batch_size: samples per step.
        every: steps between records inside an epoch; None gives one record per epoch.
        augment: see `training.fit`.
        seed: of weights and sample order; training number n has seed + n.
        device: "auto", or a torch device.

    Returns:
        A `Morph`: an iterator of `Record`s.

    Raises:
        ValueError, TypeError: a setting that cannot work, before any work is done.
    """
    return Morph(
        start, data, strength=strength, budget=budget, iterations=iterations, epochs=epochs, final_epochs=final_epochs,
        threshold=threshold, source=source, rounding=rounding, optimizer=optimizer, learning_rate=learning_rate, loss=loss,
        batch_size=batch_size, every=every, augment=augment, seed=seed, device=device,
    )  # fmt: skip


class Morph(Iterator[Record]):
    """A run of MorphNet, made by `morph`; see there for the arguments.

    Attributes:
        architecture: of the network that trains now, or trained last.
        model: that network.
        fit: its training.
        iteration: how many times the widths were chosen.
        records: all records so far.
        ended: the run has collapsed or diverged.
    """

    def __init__(
        self, start, data, *, strength, budget, iterations, epochs, final_epochs, threshold, source, rounding, optimizer,
        learning_rate, loss, batch_size, every, augment, seed, device,
    ):  # fmt: skip
        if isinstance(strength, bool) or not isinstance(strength, int | float) or not 0 <= strength < math.inf:
            raise ValueError(f"strength must be zero or a finite positive number, got {strength!r}")
        if source not in SOURCES:
            raise ValueError(f"source must be one of {SOURCES}, got {source!r}")
        check_budget(start, budget)
        expand(start, budget, rounding=rounding)
        self.iterations, self.seed = whole("iterations", iterations, 0), whole("seed", seed, 0)
        self.epochs = whole("epochs", epochs, 1)
        self.final_epochs = self.epochs if final_epochs is None else whole("final_epochs", final_epochs, 0)
        self.start, self.data, self.budget, self.strength = start, data, budget, strength
        self.penalty = {"source": source, "threshold": threshold}
        self.rounding, self.task_loss, self.device = rounding, loss, training.choose_device(device)
        self._make = optimizer or (lambda parameters: torch.optim.Adam(parameters, lr=learning_rate))
        self._how = {"batch_size": batch_size, "every": every, "augment": augment, "device": self.device}
        self.architecture, self.iteration, self.records, self.ended = start, 0, [], False
        self._earlier = 0.0  # seconds of the trainings before this one
        self._begin()
        self._work = self._units_of_work()

    def __next__(self) -> Record:
        record = next(self._work)
        self.records.append(record)
        return record

    def close(self) -> None:
        """Ask for no more records; model and records stay usable, and `state_dict` can be resumed."""
        self._work = iter(())

    @property
    def final(self) -> bool:
        """Whether the widths are settled and the network trains without the penalty."""
        return self.iteration == self.iterations

    @property
    def seconds(self) -> float:
        """Time spent in trainings so far [s]."""
        return self._earlier + self.fit.seconds

    def _begin(self) -> None:
        """A new network of the present architecture, and its training."""
        number = self.seed + self.iteration
        self.model = self.architecture.build(seed=number)
        self.regularizer = FlopRegularizer(self.model, self.architecture.input_shape, **self.penalty)
        self.fit = training.fit(
            self.model, self.data, loss=self.task_loss if self.final or not self.strength else self._penalised_loss,
            optimizer=self._make(self.model.parameters()), epochs=self.final_epochs if self.final else self.epochs,
            metrics=["accuracy", self._named_task_loss()], seed=number, **self._how,
        )  # fmt: skip

    def _penalised_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return self.task_loss(outputs, targets) + self.strength * self.regularizer.penalty()

    def _named_task_loss(self) -> Callable[[Tensor, Tensor], Tensor]:
        def task_loss(outputs: Tensor, targets: Tensor) -> Tensor:
            return self.task_loss(outputs, targets)

        return task_loss

    def _units_of_work(self) -> Iterator[Record]:
        while not self.ended:
            for record in self.fit:
                yield self._trained(record)
                if self.ended:
                    return
            if self.final:
                return
            yield self._morphed()

    def _trained(self, record: training.Record) -> Record:
        """One record of a training; a layer without channels ends the run at once."""
        alive, kind = dict(self.architecture.widths), "final"
        if not self.final:
            alive, kind = self.architecture.alive_widths(self.regularizer.alive()), "training"
            if not _stands(self.architecture, alive):
                kind = "collapse"
        kind = "diverged" if record.diverged else kind
        self.ended = kind in ("collapse", "diverged")
        cost = self.architecture.flops() if self.final else self.regularizer.cost()
        return self._record(kind, alive, cost, step=record.step, epoch=record.epoch, metrics=dict(record.metrics))

    def _morphed(self) -> Record:
        """Read the widths, widen them, and begin anew."""
        alive = self.architecture.alive_widths(self.regularizer.alive())
        kappa, chosen = expand(self.architecture.with_widths(alive), self.budget, rounding=self.rounding)
        done = {"step": self.fit.step, "epoch": float(self.fit.epoch)}
        record = self._record("morph", alive, chosen.flops(), **done, chosen=dict(chosen.widths), kappa=kappa)
        self._earlier += self.fit.seconds
        self.architecture, self.iteration = chosen, self.iteration + 1
        self._begin()
        return record

    def _record(self, kind: str, alive: Mapping[str, int], cost: int, **more: Any) -> Record:
        widths = dict(self.architecture.widths)
        return Record(kind, self.iteration, seconds=self.seconds, widths=widths, alive=alive, flops=cost, **more)

    # Stopping and going on -------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Everything to go on from the latest record, for `recordings.save_state`; deep-copy it to keep it meanwhile."""
        return {
            "settings": self._identity(),
            "architecture": self.architecture.to_json(),
            "iteration": self.iteration,
            "fit": self.fit.state_dict(),
            "records": [asdict(record) for record in self.records],
            "seconds": self._earlier,
            "ended": self.ended,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state_dict` of a run with the same start, data and settings; the remaining records are the same.

        Raises:
            ValueError: the state belongs to another run; nothing has been changed.
        """
        theirs, ours = state.get("settings", {}), self._identity()
        for name in {**ours, **theirs}:
            if theirs.get(name) != ours.get(name):
                raise ValueError(f"state: made with {name} = {theirs.get(name)!r}, this run has {ours.get(name)!r}")
        self.architecture, self.iteration = _restored(self.start, state["architecture"]), state["iteration"]
        self._begin()
        self.fit.load_state_dict(state["fit"])
        self.records = [Record(**record) for record in state["records"]]
        self._earlier, self.ended = state["seconds"], state["ended"]
        self._work = self._units_of_work()

    def _identity(self) -> dict[str, Any]:
        return {
            "start": self.start.to_json(), "strength": float(self.strength), "budget": float(self.budget),
            "iterations": self.iterations, "epochs": self.epochs, "final_epochs": self.final_epochs,
            "rounding": self.rounding, "seed": self.seed, **self.penalty,
        }  # fmt: skip


def _stands(start: Architecture, widths: Mapping[str, int]) -> bool:
    """Whether there is a network with these widths."""
    try:
        start.with_widths(widths)
    except Collapsed:
        return False
    return True


def _restored(start: Architecture, text: str) -> Architecture:
    return replace(start, widths=json.loads(text)) if isinstance(start, Custom) else architecture.from_json(text)
