"""The Surgeon: training and topology search as one, after Schiessler et al., section 3.3 and algorithm 1."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from toolkit import training
from toolkit.search import advice, sequence, surgery
from toolkit.search.advice import Proposal
from toolkit.search.branches import Branch, Course
from toolkit.training.randomness import mixed
from toolkit.training.settings import whole

# Batches of recovery after an operation, in units of `recovery_batches`: the appendix of the document.
RECOVERY = {
    "identity": 1,
    "add neurons": 1,
    "add layer": 10,
    "remove neurons": 10,
    "remove layer": 10,
    "split layer": 1,
}
COUNTERS = ("trained_epochs", "surgery_seconds", "seconds", "_born", "_idle_cycles")
BASELINE = -1  # number of the branch under which training without surgery can stand among the records
KINDS = ("epoch", "proposals", "candidate", "decision")


def score(accuracy: float, gain: float, size_fraction: float) -> float:
    """Composite score (16): a + exp(Δa) / exp(Δf).

    Args:
        accuracy: a, on the validation split.
        gain: Δa, accuracy minus that of the parent.
        size_fraction: Δf, parameters over those of the parent.

    >>> round(score(0.6016, 0.0268, 1.0), 4)  # Table 1, identity
    0.9795
    """
    return accuracy + math.exp(gain - size_fraction)


@dataclass(frozen=True, slots=True)
class Record:
    """What one unit of work gave.

    Attributes:
        kind: one of `KINDS`.
        epoch: epochs of training behind the network, without recoveries.
        seconds: time spent so far [s].
        branch: number of the branch; each candidate that is trained gets its own.
        parent: the branch that it came from; -1 for the first.
        operation: what made it, "identity" if nothing was done.
        layer: of the operation, -1 for the identity.
        amount: of the operation.
        widths: units of each hidden layer.
        parameters: of the network.
        metrics: `train_loss`, `validation_loss` and `validation_accuracy`; of a candidate also `gain`, `fraction`, `score`.
        proposals: what could be done to the branch, for the kind "proposals".
        singular_values: of its hidden layers, likewise.
        kept: branches that go on, for the kind "decision".
        accepted: whether the decision was an improvement, or the last that was allowed.
        run: name of the run among several.
    """

    kind: str
    epoch: int
    seconds: float
    branch: int
    parent: int
    operation: str
    layer: int
    amount: int
    widths: tuple[int, ...]
    parameters: int
    metrics: Mapping[str, float] = field(default_factory=dict)
    proposals: tuple[Mapping[str, Any], ...] = ()
    singular_values: tuple[tuple[float, ...], ...] = ()
    kept: tuple[int, ...] = ()
    accepted: bool = True
    run: str = ""


class Surgeon:
    """Train a network and reshape it every few epochs, several branches at a time; an iterable of `Record`s.

    Each cycle offers every branch the identity, the most promising operation of each kind and one drawn at random; each
    candidate recovers for some batches; those with the highest `score` go on as branches for `interval` epochs. If none of
    these reaches the best accuracy of the cycle before, they are dropped and others drawn, up to `redraws` times; then the
    best that was seen goes on.

    Before a decision a record of kind "proposals" comes for each branch. What is put into `wishes` under the number of the
    branch before the next record is asked for is tried instead of the advice.

    Accuracies are those on the validation split; the test split is not touched.

    Args:
        data: train and validation pairs with `normalise`, for example a `datasets.Dataset`.
        start: the network to begin with, as `sequence.weighted` accepts it; it is left as it is.
        epochs: of the network that is returned; recoveries come on top.
        pretraining: epochs before the first decision.
        interval: epochs between decisions.
        branches: how many go on after a decision.
        redraws: how often other candidates are tried when a decision brought no improvement; 0 keeps no memory.
        batch_size: samples per step.
        learning_rate: of plain SGD, where `optimizer` is not given.
        optimizer: makes an optimizer from parameters.
        loss: `loss(outputs, targets)`.
        recovery_batches: in units of which `recovery` counts.
        recovery: operation to amount of recovery.
        relative: threshold ε₁ of the advice, see `advice.redundant`.
        absolute: threshold ε₂.
        spread: of the shares of duplicated units, see `surgery.add_neurons`; with 0, as published, twins never part.
        settled: end when for so many cycles in a row every kept shape was one seen before and the best accuracy did not rise
            (the document's outlook); None never ends early.
        seed: of sample order, random draws and duplicated units.
        workers: trainings at a time, one core each; the results are the same.
        device: "auto", or a torch device.

    Attributes:
        branches: those that are at work.
        best: the branch with the highest accuracy among them.
        trained_epochs: epochs of all branches together, recoveries included.
        surgery_seconds: time spent on advice and operations [s].
        wishes: number of a branch to the proposal to try there, or to None for nothing but the identity.
    """

    def __init__(
        self,
        data: training.Data,
        start: nn.Sequential,
        *,
        epochs: int = 100,
        pretraining: int = 10,
        interval: int = 10,
        branches: int = 2,
        redraws: int = 2,
        batch_size: int = 16,
        learning_rate: float = 0.005,
        optimizer: Callable[[Any], torch.optim.Optimizer] | None = None,
        loss: Callable[[Tensor, Tensor], Tensor] = functional.cross_entropy,
        recovery_batches: int = 25,
        recovery: Mapping[str, int] = RECOVERY,
        relative: float = 0.005,
        absolute: float = 0.3,
        spread: float = 0.1,
        settled: int | None = None,
        seed: int = 0,
        workers: int = 1,
        device: str | torch.device = "auto",
    ):
        for name, value, least in (
            ("epochs", epochs, 1), ("pretraining", pretraining, 1), ("interval", interval, 1), ("branches", branches, 1),
            ("redraws", redraws, 0), ("recovery_batches", recovery_batches, 1), ("seed", seed, 0), ("workers", workers, 1),
            ("settled", 1 if settled is None else settled, 1),
        ):  # fmt: skip
            whole(name, value, least)
        if set(recovery) != set(RECOVERY):
            raise ValueError(f"recovery must give an amount for each of {tuple(RECOVERY)}, got {tuple(recovery)}")
        for operation, amount in recovery.items():
            whole(f"recovery[{operation!r}]", amount, 1)
        surgery.check_spread(spread)
        advice.redundant(torch.ones(1), relative=relative, absolute=absolute)
        self.epochs, self.pretraining, self.interval = epochs, pretraining, interval
        self.most_branches, self.redraws, self.settled, self.seed, self.spread = branches, redraws, settled, seed, spread
        self.recovery = {operation: amount * recovery_batches for operation, amount in recovery.items()}
        self.thresholds = {"relative": relative, "absolute": absolute}
        self.course = Course(data, loss, batch_size, training.choose_device(device), workers)
        self._make = optimizer or partial(torch.optim.SGD, lr=learning_rate)
        model = surgery.identity(start).model.to(self.course.device)
        self.branches = [Branch(0, -1, model, self._make(model.parameters()))]
        self.course.check(self.branches[0])
        self.wishes: dict[int, Proposal | None] = {}
        self.records: list[Record] = []
        self.trained_epochs, self.surgery_seconds, self.seconds, self._since = 0.0, 0.0, 0.0, 0.0
        self._born, self._shapes, self._idle_cycles = 1, [], 0
        self._snapshot = self._state()

    @property
    def best(self) -> Branch:
        """The branch with the highest accuracy on the validation split; of equal ones the smaller."""
        return max(self.branches, key=lambda branch: (branch.accuracy, -sequence.parameters(branch.model)))

    @property
    def epoch(self) -> int:
        """Epochs of training behind the branches."""
        return self.branches[0].epoch

    def __iter__(self) -> Iterator[Record]:
        while self.epoch < self.epochs and not (self.settled and self._idle_cycles >= self.settled):
            work = self._cycle() if self.epoch else self._begun()
            while (record := self._next(work)) is not None:
                self.records.append(record)
                yield record
            self._snapshot = self._state()

    def state_dict(self) -> dict[str, Any]:
        """Everything to go on from the latest decision, for `recordings.save_state`; a cycle that is under way is repeated."""
        return self._snapshot

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from the `state_dict` of a surgeon with the same data and settings.

        Raises:
            KeyError: it is not the state of a surgeon.
        """
        branches = [Branch.rebuilt(one, self._make, self.course.device) for one in state["branches"]]
        records = [Record(**one) for one in state["records"]]
        for name in COUNTERS:
            setattr(self, name, state[name])
        self.branches, self.records, self._snapshot = branches, records, dict(state)
        self._shapes = [tuple(shape) for shape in state["shapes"]]

    # A cycle ---------------------------------------------------------------------------------------------------------------

    def _begun(self) -> Iterator[Record]:
        """Pretraining, with the numbers that `training.fit` of the start has with the same seed."""
        self.branches = yield from self._trained(self.branches, min(self.pretraining, self.epochs), [self.seed])
        self._shapes.append(self.best.hidden)

    def _cycle(self) -> Iterator[Record]:
        """One decision with its redraws, each with the training up to the next decision."""
        parents, before = self.branches, self.best.accuracy
        seen: list[Branch] = []
        tried: set[tuple] = set()
        for attempt in range(self.redraws + 1):
            candidates = yield from self._candidates(parents, tried, attempt)
            chosen = [branch for branch, _ in sorted(candidates, key=lambda pair: -pair[1])[: self.most_branches]]
            epochs = min(self.interval, self.epochs - self.epoch)
            trained = yield from self._trained(chosen, epochs, self._seeds(chosen, "training"))
            seen += trained
            improved = self.redraws == 0 or max(branch.accuracy for branch in trained) >= before
            if improved or attempt == self.redraws:
                break
            yield self._record("decision", parents[0], kept=_numbers(trained), accepted=False)
        seen.sort(key=lambda branch: -branch.accuracy)
        self.branches = trained if improved else seen[: self.most_branches]
        self._settle(before)
        yield self._record("decision", self.best, kept=_numbers(self.branches))

    def _candidates(self, parents: list[Branch], tried: set[tuple], attempt: int) -> Generator[Record, None, list]:
        """Operate, let recover, score; gives pairs of branch and score."""
        operated = []
        for parent in parents:
            values = self._timed(advice.singular_values, parent.model)
            ranked = self._timed(advice.proposals, parent.model, **self.thresholds, values=values)
            yield self._record(
                "proposals", parent, proposals=tuple(asdict(one) for one in ranked),
                singular_values=tuple(tuple(spectrum.tolist()) for spectrum in values),
            )  # fmt: skip
            selected = self._selected(parent, ranked, tried, attempt)
            operated += [self._timed(self._operated, parent, proposal) for proposal in selected]
        of = {parent.number: parent for parent in parents}
        scored = []
        for branch, metrics in self.course.recovered(operated, self.recovery, self._seeds(operated, "recovery")):
            parent = of[branch.parent]
            gain = metrics["validation_accuracy"] - parent.accuracy
            fraction = sequence.parameters(branch.model) / sequence.parameters(parent.model)
            result = {"gain": gain, "fraction": fraction, "score": score(metrics["validation_accuracy"], gain, fraction)}
            self.trained_epochs += self.recovery[branch.operation] / self.course.steps
            branch = replace(branch, accuracy=metrics["validation_accuracy"])
            scored.append((branch, result["score"]))
            yield self._record("candidate", branch, metrics=metrics | result)
        return scored

    def _selected(self, parent: Branch, ranked: list[Proposal], tried: set[tuple], attempt: int) -> list[Proposal | None]:
        """The identity, and what is wished for or advised; an operation is tried once only."""
        if parent.number in self.wishes:
            return [None, *filter(None, [self.wishes.pop(parent.number)])]
        fresh = [one for one in ranked if (parent.number, one) not in tried]
        selected = advice.best_of_each(fresh)
        if rest := [one for one in fresh if one not in selected]:
            selected.append(rest[mixed(f"draw {attempt}", self.seed, parent.number) % len(rest)])
        tried.update((parent.number, one) for one in selected)
        return [None, *selected]

    def _operated(self, parent: Branch, proposal: Proposal | None) -> Branch:
        number, self._born = self._born, self._born + 1
        if proposal is None:
            operated, done = surgery.identity(parent.model), {}
        else:
            operated = proposal.perform(parent.model, spread=self.spread, seed=mixed("surgery", self.seed, number) % 2**31)
            done = {"operation": proposal.operation, "layer": proposal.layer, "amount": proposal.amount}
        return Branch(number, parent.number, operated.model, operated.carry(parent.optimizer), parent.epoch, **done)

    def _trained(self, branches: list[Branch], epochs: int, seeds: list[int]) -> Generator[Record, None, list[Branch]]:
        """Train each branch for so many epochs."""
        trained: dict[int, Branch] = {}
        for branch, metrics in self.course.trained(branches, epochs, seeds):
            self.trained_epochs += 1
            trained[branch.number] = branch
            yield self._record("epoch", branch, metrics=metrics)
        return list(trained.values())

    def _seeds(self, branches: list[Branch], stream: str) -> list[int]:
        return [mixed(f"{stream} {branch.epoch}", self.seed, branch.number) % 2**31 for branch in branches]

    def _settle(self, before: float) -> None:
        shapes = {branch.hidden for branch in self.branches}
        idle = shapes <= set(self._shapes) and self.best.accuracy <= before
        self._idle_cycles = self._idle_cycles + 1 if idle else 0
        self._shapes += sorted(shapes - set(self._shapes))

    # Accounts --------------------------------------------------------------------------------------------------------------

    def _next(self, work: Iterator[Record]) -> Record | None:
        self._since = time.perf_counter()
        try:
            return next(work, None)
        finally:
            self.seconds += time.perf_counter() - self._since

    def _timed(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        started = time.perf_counter()
        result = function(*arguments, **named)
        self.surgery_seconds += time.perf_counter() - started
        return result

    def _record(self, kind: str, branch: Branch, **more: Any) -> Record:
        seconds = self.seconds + time.perf_counter() - self._since
        made = (branch.number, branch.parent, branch.operation, branch.layer, branch.amount)
        return Record(kind, branch.epoch, seconds, *made, branch.hidden, sequence.parameters(branch.model), **more)

    def _state(self) -> dict[str, Any]:
        counters = {name: getattr(self, name) for name in COUNTERS}
        return counters | {
            "branches": [branch.state() for branch in self.branches],
            "records": [asdict(record) for record in self.records],
            "shapes": [list(shape) for shape in self._shapes],
        }


def _numbers(branches: Sequence[Branch]) -> tuple[int, ...]:
    return tuple(branch.number for branch in branches)
