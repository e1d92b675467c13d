"""The search: insert blocks at random, delete those that the penalty has emptied, now and then choose all widths anew."""

from __future__ import annotations

import copy
import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from toolkit import training
from toolkit.search import architecture
from toolkit.search.architecture import Collapsed, ResNetSpec, insert_block, remove_block
from toolkit.search.cost import FlopRegularizer
from toolkit.search.morphnet import check_budget
from toolkit.search.resbuilder.lasso import LayerLasso
from toolkit.search.resbuilder.moves import depth, key, relative_position, suggested_widths, unseen_place
from toolkit.search.resbuilder.recipes import RECIPES, augmentation
from toolkit.search.resbuilder.records import VARIANTS, Found, Record
from toolkit.search.resbuilder.settings import check_choices, within
from toolkit.training.randomness import mixed
from toolkit.training.settings import whole

LIVE = (
    "layer_steps", "morph_steps", "steps", "epochs", "momentum", "morph_strength", "intensity", "lasso_strength",
    "deletion_threshold", "weight_decay", "learning_rate", "budget",
)  # fmt: skip
WHOLE = ("layer_steps", "morph_steps", "steps", "epochs")
COUNTERS = ("number", "cycle", "layer", "planned", "variant", "accuracy", "accuracy_before", "ended", "seconds", "_earlier")


class ResBuilder(Iterator[Record]):
    """Search a residual network under a FLOP budget; an iterator of `Record`s (Burghoff, 4.4.6 and Fig. 4.3).

    Each architecture is trained in up to three variants: "with_reg" with the loss (4.5), L_CE + λ_Λ G_Λ + λ_M G_M + λ₀ Σ ω²;
    "no_reg_ri" without G_Λ and G_M from random weights; "no_reg_wi" likewise from the weights that "with_reg" ended with. Then
    an architecture that was not trained before is made from the network of "with_reg":

    * `layer_steps` times: blocks with a convolution whose mean |ω| is under the threshold are deleted, unless the insertion
      before raised the accuracy by at least `momentum`; then a block is inserted at random and training goes on.
    * then MorphNet chooses widths that fill the budget, and all weights begin anew.

    Departures from the document and its code: accuracies that decide anything are those on the validation split (the published
    table was chosen on the test split); deletion looks at the mean of |ω| as the code does, since (4.6), the sum, practically
    never holds; both variants without regularisation are without it (the code leaves G_Λ on); the stem for small images is a
    3x3 convolution in both recipes, so that ResNet-18 costs more than with the stem of its authors.

    Settings that may change during the run are attributes and read at every step: the strengths, `weight_decay`,
    `learning_rate`; or when they are needed: `momentum`, `deletion_threshold`, `intensity`, `budget`, `layer_steps`,
    `morph_steps`, `steps`, `epochs`.

    Args:
        data: train and validation pairs of images with `normalise`, for example a `datasets.Dataset`; a test pair is measured.
        start: the first architecture, such as `zero_net` or `architecture.resnet18`; it may cost more than the budget.
        steps: most architectures after the start; without it all of `morph_steps` times (`layer_steps` + 1).
        recipe: "thesis" (Adam, shifts and flips) or "modern" (SGD with one cycle, clipped gradients, smoothed labels, bf16 on a
            GPU).
        budget: ζ [FLOPs per sample].
        layer_steps: n_Λ, insertions before each choice of widths; with 0 it is MorphNet alone.
        morph_steps: n_M.
        momentum: τ_LL, the gain in accuracy that spares blocks from deletion; 1 never spares them (Θ_LL = False).
        morph_strength: λ_M; in proportion to 1 / budget the penalty stays as large as in the document.
        intensity: I_M, how far widths follow MorphNet, 0 to 1.
        lasso_strength: λ_Λ.
        deletion_threshold: τ_Λ.
        weight_decay: λ₀; that of the recipe where not given (thesis 1e-5).
        epochs: of each training; the document does not say how many, its code 20.
        batch_size: samples per step.
        variants: which are trained; "with_reg" leads the search and must be among them.
        init: weights of an inserted block, see `architecture.insert_block`.
        source: of the strengths of channels, see `FlopRegularizer`; the document says "gamma", its code "group_lasso".
        morph_threshold: above which a channel is alive.
        score: by which blocks are deleted, "mean" or "sum" of |ω|.
        lasso_layers: see `LayerLasso`.
        learning_rate: largest; that of the recipe where not given.
        every: optimizer steps between records inside an epoch; None gives one record per epoch.
        augment: "recipe" for `augmentation`, None for none, or see `training.fit`.
        seed: of all random numbers.
        device: "auto", or a torch device.

    Attributes:
        architecture: the present one.
        model: its network under regularisation, with which the search goes on.
        fit: the training under way, None between two.
        best: the network of highest validation accuracy so far that keeps the budget (or any, while none does), of the variants
            without regularisation where there are any.
        records: all records so far.
        seen: keys of all architectures so far.
        ended: the run has collapsed or diverged.
        seconds: time spent [s].

    Raises:
        ValueError, TypeError: a setting that cannot work, before any work is done.
    """

    def __init__(
        self,
        data: training.Data,
        start: ResNetSpec,
        *,
        steps: int | None = None,
        recipe: Literal["thesis", "modern"] = "thesis",
        budget: float = 1e8,
        layer_steps: int = 4,
        morph_steps: int = 7,
        momentum: float = 0.015,
        morph_strength: float = 1e-7,
        intensity: float = 1.0,
        lasso_strength: float = 1e-8,
        deletion_threshold: float = 1e-3,
        weight_decay: float | None = None,
        epochs: int = 20,
        batch_size: int = 128,
        variants: Sequence[str] = VARIANTS,
        init: Literal["normal", "zero_gamma", "glorot"] = "normal",
        source: Literal["gamma", "group_lasso"] = "group_lasso",
        morph_threshold: float = 0.01,
        score: Literal["mean", "sum"] = "mean",
        lasso_layers: Literal["blocks", "all"] = "blocks",
        learning_rate: float | None = None,
        every: int | None = None,
        augment: Callable[[Tensor, torch.Generator], Tensor] | Literal["recipe"] | None = "recipe",
        seed: int = 0,
        device: str | torch.device = "auto",
    ):
        check_choices(start, recipe, init, variants, score)
        check_budget(start, budget)
        self.recipe_name, self.recipe = recipe, RECIPES[recipe]
        self.steps = math.inf if steps is None else whole("steps", steps, 0)
        self.layer_steps, self.morph_steps = whole("layer_steps", layer_steps, 0), whole("morph_steps", morph_steps, 0)
        self.epochs, self.seed = whole("epochs", epochs, 1), whole("seed", seed, 0)
        self.budget, self.momentum = float(budget), within("momentum", momentum, -1, 1)
        self.morph_strength = within("morph_strength", morph_strength)
        self.lasso_strength = within("lasso_strength", lasso_strength)
        self.intensity = within("intensity", intensity, 0, 1)
        self.deletion_threshold = within("deletion_threshold", deletion_threshold)
        self.weight_decay = within("weight_decay", self.recipe.weight_decay if weight_decay is None else weight_decay)
        self.learning_rate = within("learning_rate", self.recipe.learning_rate if learning_rate is None else learning_rate)
        self.variants, self.init, self.score = tuple(one for one in VARIANTS if one in variants), init, score
        self.start, self.device = start, training.choose_device(device)
        self.data = data.to(self.device) if hasattr(data, "to") else data
        self._penalised = {"source": source, "threshold": morph_threshold}, {"layers": lasso_layers}
        augment = augmentation(self.recipe, getattr(data, "name", "")) if augment == "recipe" else augment
        self._how = {"batch_size": batch_size, "every": every, "augment": augment, "device": self.device}
        self._how["precision"] = "bf16" if self.recipe.bf16 and self.device.type == "cuda" else "float32"
        self.records: list[Record] = []
        self.seen: set[str] = set()
        self.best: Found | None = None
        self.number, self.cycle, self.layer, self.planned, self.ended = 0, 0, 0, 0, False
        self.accuracy, self.accuracy_before = math.nan, math.nan  # of "with_reg", now and before the latest insertion
        self.seconds, self._earlier = 0.0, 0.0  # all, and of finished trainings
        self._pending: deque[Record] = deque()
        self._closed = False
        self.fit: training.Fit | None = None
        self.architecture, self.model = start, start.build(seed=self._seed("weights")).to(self.device)
        self.optimizer = self._optimizer(self.model)
        self._enter()
        self._begin()  # refuses what cannot be trained

    # The flow --------------------------------------------------------------------------------------------------------------

    def __next__(self) -> Record:
        if self._closed:
            raise StopIteration
        started = time.perf_counter()
        try:
            if not self._pending:
                self._pending.extend(self._worked())
        finally:
            self.seconds += time.perf_counter() - started
        if not self._pending:
            raise StopIteration
        self.records.append(record := self._pending.popleft())
        return record

    def close(self) -> None:
        """Ask for no more records; networks and records stay usable, and `state_dict` can be resumed."""
        self._closed = True

    @property
    def training_seconds(self) -> float:
        """Part of `seconds` that was spent in `training.fit` [s]."""
        return self._earlier + (self.fit.seconds if self.fit else 0.0)

    def _worked(self) -> list[Record]:
        """One unit of work; nothing at the end."""
        if self.ended:
            return []
        if self.variant == len(self.variants):
            return self._changed()
        if self.fit is None:
            self._begin()
        record = next(self.fit, None)
        if record is None:
            return [self._finished()]
        if record.diverged:
            return [self._diverged(record)]
        return [self._record("epoch", epoch=record.epoch, metrics=dict(record.metrics))]

    def _changed(self) -> list[Record]:
        """From one architecture to the next."""
        if self.planned >= self.steps:
            return []
        if self.layer < self.layer_steps and self.cycle < max(1, self.morph_steps):
            return self._layer_step()
        return [self._morph()] if self.cycle < self.morph_steps else []

    # Training --------------------------------------------------------------------------------------------------------------

    def _enter(self, *, planned: bool = False) -> None:
        """The present architecture is the next one to be trained."""
        self.number, self.planned = self.number + 1, self.planned + planned
        self.variant, self.accuracy = 0, math.nan
        self.seen.add(key(self.architecture))
        self._regularise()

    def _regularise(self) -> None:
        flops, lasso = self._penalised
        self._flops = FlopRegularizer(self.model, self.architecture.input_shape, **flops)
        self._lasso = LayerLasso(self.model, self.architecture, **lasso)

    def _begin(self, *, epochs: int | None = None) -> None:
        """The training of the variant that is due."""
        name = self.variants[self.variant]
        model, optimizer, loss = self.model, self.optimizer, self._regularised
        if name != "with_reg":
            scratch = name == "no_reg_ri"
            model = self.architecture.build(seed=self._seed("other weights")) if scratch else copy.deepcopy(self.model)
            optimizer, loss = self._optimizer(model.to(self.device)), self.recipe.loss
        self.fit = training.fit(
            model, self.data, loss=loss, optimizer=optimizer, epochs=epochs or self.epochs, metrics=["accuracy"],
            seed=self._seed(name), **self._how,
        )  # fmt: skip

    def _optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        """With λ₀ on weights, not on scales and offsets."""
        weights = [parameter for parameter in model.parameters() if parameter.ndim > 1]
        others = [parameter for parameter in model.parameters() if parameter.ndim < 2]
        groups = [{"params": weights, "weight_decay": 2 * self.weight_decay}, {"params": others, "weight_decay": 0.0}]
        optimizer = self.recipe.make(groups, lr=self.learning_rate)
        optimizer.register_step_pre_hook(self._steer)
        return optimizer

    def _steer(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        """Before each step: learning rate and λ₀ as they are set now, a gradient that is not too long.

        The gradient of λ₀ ω², 2 λ₀ ω, is added behind this.
        """
        share = self.fit.step / (self.fit.epochs * self.fit.steps_per_epoch)
        for group in optimizer.param_groups:
            group["lr"] = self.learning_rate * self.recipe.factor(share)
        optimizer.param_groups[0]["weight_decay"] = 2 * self.weight_decay
        if self.recipe.clip < math.inf:
            nn.utils.clip_grad_norm_([one for group in optimizer.param_groups for one in group["params"]], self.recipe.clip)

    def _regularised(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """(4.5)."""
        loss = self.recipe.loss(outputs, targets)
        if self.morph_strength:
            loss = loss + self.morph_strength * self._flops.penalty()
        if self.lasso_strength:
            loss = loss + self.lasso_strength * self._lasso.penalty()
        return loss

    def _finished(self) -> Record:
        """A variant has been trained."""
        model, name = self.fit.model, self.variants[self.variant]
        few = len(self.data.validation[0])
        splits = {"train": tuple(part[:few] for part in self.data.train)}
        test = getattr(self.data, "test", None)
        splits |= {"test": test} if test is not None and len(test[0]) else {}
        measured = {f"{split}_accuracy": self._accuracy(model, pair) for split, pair in splits.items()}
        measured["validation_accuracy"] = self.fit.records[-1].metrics["validation_accuracy"]
        record = self._record("trained", epoch=float(self.fit.epoch), metrics=measured)
        if name == "with_reg":
            self.accuracy = measured["validation_accuracy"]
        self._keep_best(record, model)
        self._leave_training()
        return record

    def _keep_best(self, record: Record, model: nn.Module) -> None:
        if record.variant == "with_reg" and len(self.variants) > 1:
            return
        if self.best is None or self._worth(record) > self._worth(self.best.record):
            weights = {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}
            self.best = Found(record, weights)

    def _worth(self, record: Record) -> tuple[bool, float]:
        """A network within the budget is better than any above it."""
        return record.flops <= self.budget, record.metrics["validation_accuracy"]

    def _diverged(self, record: training.Record) -> Record:
        """Without regularisation the other trainings go on; with it there is no network left to go on with."""
        made = self._record("diverged", epoch=record.epoch, metrics=dict(record.metrics))
        self.ended = self.variants[self.variant] == "with_reg"
        self._leave_training()
        return made

    def _leave_training(self) -> None:
        self._earlier, self.fit, self.variant = self.training_seconds, None, self.variant + 1

    def _accuracy(self, model: nn.Module, split: tuple[Tensor, Tensor]) -> float:
        return training.evaluate(model, split, normalise=getattr(self.data, "normalise", lambda x: x))["accuracy"]

    # From one architecture to the next -------------------------------------------------------------------------------------

    def _layer_step(self) -> list[Record]:
        """Delete what is empty, insert one block."""
        before, made = self.accuracy, self._deleted()
        place = unseen_place(self.architecture, self.seen, seed=self._seed("place"))
        self.layer, self.accuracy_before = self.layer + 1, before
        if place is not None:
            made.append(self._edited("insert", *place))
        else:
            self.layer, self.accuracy_before = self.layer_steps, math.nan
            made.append(self._record("exhausted", step=self.number + 1))
        if key(self.architecture) not in self.seen:
            self._enter(planned=True)
        else:
            self._regularise()  # blocks may be gone, and MorphNet comes next
        return made

    def _deleted(self) -> list[Record]:
        """Remove the blocks under the threshold, (4.6), unless the insertion before was worth it."""
        scores = self._lasso.scores(self.score)
        under = [place for place, score in sorted(scores.items()) if score < self.deletion_threshold]
        gain = self.accuracy - self.accuracy_before
        if gain >= self.momentum:
            return [self._record("keep", step=self.number + 1, event={"gain": gain, "spared": len(under)})]
        return [self._edited("delete", *place, score=scores[place]) for place in reversed(under)]

    def _edited(self, kind: str, stage: int, block: int, **event: float) -> Record:
        """Insert or delete one block; the network and its optimizer's state come along."""
        if kind == "insert":
            edit = partial(insert_block, init=self.init, seed=self._seed(f"block {stage} {block}"))
        else:
            edit = remove_block
        spec, carry = edit(self.architecture, stage, block)
        position = relative_position(spec if kind == "insert" else self.architecture, stage, block)
        surgery = carry(self.model)
        optimizer = self._optimizer(surgery.model)
        optimizer.state = surgery.carry(self.optimizer).state
        self.architecture, self.model, self.optimizer = spec, surgery.model, optimizer
        event = {"stage": stage, "block": block, "hand": 0} | event
        return self._record(kind, step=self.number + 1, event=event, position=position)

    def _morph(self) -> Record:
        """Choose all widths anew from what is alive, within the budget, and begin with new weights."""
        old, alive = self.architecture, self.architecture.alive_widths(self._flops.alive())
        try:
            kappa, chosen, widths = suggested_widths(old, alive, self.budget, intensity=self.intensity)
        except Collapsed:
            self.ended = True
            return self._record("collapse", event={"widths": alive})
        gone = [place for place in _blocks(old) if widths[f"stage{place[0]}.block{place[1]}"] == 0]
        self.architecture, self.model = chosen, chosen.build(seed=self._seed("weights")).to(self.device)
        self.optimizer = self._optimizer(self.model)
        event = {
            "kappa": kappa, "channels": chosen.stages[0].width, "removed": len(gone), "blocks": [list(one) for one in gone],
            "positions": [relative_position(old, *one) for one in gone],
        }  # fmt: skip
        record = self._record("morph", step=self.number + 1, event=event)
        self.cycle, self.layer, self.accuracy_before = self.cycle + 1, 0, math.nan
        self._enter(planned=True)
        return record

    # By hand ---------------------------------------------------------------------------------------------------------------

    def insert(self, stage: int, position: int) -> Record:
        """Put a block in by hand, between two records; a training under way is left, that of the new architecture begins.

        Returns:
            The record of the insertion; it comes from the iterator too, as the next one.

        Raises:
            ValueError: there is no such place, or the run has ended in a collapse; nothing has been changed.
        """
        return self._by_hand("insert", stage, position)

    def remove(self, stage: int, position: int) -> Record:
        """Take a block out by hand; see `insert`.

        Raises:
            ValueError: there is no such block, or the run has ended in a collapse; nothing has been changed.
        """
        return self._by_hand("delete", stage, position)

    def evaluate(self, split: Literal["train", "validation", "test"] = "validation") -> float:
        """Accuracy of the present network on a whole split."""
        return self._accuracy(self.model, getattr(self.data, split))

    def _by_hand(self, kind: str, stage: int, position: int) -> Record:
        if self.ended:
            raise ValueError("the run has ended: there is no network to go on with")
        started, before, accuracy = time.perf_counter(), self.accuracy, self.evaluate()
        record = self._edited(kind, stage, position, hand=1)
        after = {"accuracy_before": accuracy, "accuracy_after": self.evaluate()}
        self._leave_training()
        self.accuracy_before = before if kind == "insert" else math.nan
        self._enter()
        self.seconds += time.perf_counter() - started
        self._pending.append(record := replace(record, event={**record.event, **after}))
        return record

    # Records, stopping and going on ----------------------------------------------------------------------------------------

    def _record(self, kind: str, **more: Any) -> Record:
        spec = self.architecture
        if kind in ("epoch", "trained", "diverged"):
            more["variant"] = self.variants[self.variant]
        return Record(
            kind, seconds=self.seconds, architecture=spec.to_json(), flops=spec.flops(), parameters=spec.parameters,
            depth=depth(spec), cycle=self.cycle, training_seconds=self.training_seconds, **{"step": self.number} | more,
        )  # fmt: skip

    def _seed(self, stream: str) -> int:
        """Of one use of random numbers for the architecture with the present number."""
        return mixed(stream, self.seed, self.number) % 2**31

    def state_dict(self) -> dict[str, Any]:
        """Everything to go on from the latest record, for `recordings.save_state`; deep-copy it to keep it meanwhile."""
        under_way = self.fit is not None
        own = not under_way or self.variants[self.variant] != "with_reg"
        return {
            "settings": self._identity(),
            "live": {name: float(getattr(self, name)) for name in LIVE},
            "counters": {name: getattr(self, name) for name in COUNTERS},
            "architecture": self.architecture.to_json(),
            "model": self.model.state_dict() if own else None,
            "optimizer": self.optimizer.state_dict() if own else None,
            "fit": self.fit.state_dict() if under_way else None,
            "fit_epochs": self.fit.epochs if under_way else None,
            "seen": sorted(self.seen),
            "best": None if self.best is None else {"record": asdict(self.best.record), "weights": dict(self.best.weights)},
            "records": [asdict(record) for record in self.records],
            "pending": [asdict(record) for record in self._pending],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state_dict` of a run with the same start, data and settings; the remaining records are the same.

        Settings that may change during the run become those of the state.

        Raises:
            ValueError: the state belongs to another run; nothing has been changed.
        """
        theirs, ours = state.get("settings", {}), self._identity()
        for name in {**ours, **theirs}:
            if theirs.get(name) != ours.get(name):
                raise ValueError(f"state: made with {name} = {theirs.get(name)!r}, this run has {ours.get(name)!r}")
        for name, value in state["live"].items():
            setattr(self, name, value if name not in WHOLE or value == math.inf else int(value))
        for name, value in state["counters"].items():
            setattr(self, name, value)
        self.architecture = architecture.from_json(state["architecture"])
        self.model = self.architecture.build(seed=0).to(self.device)
        self.optimizer = self._optimizer(self.model)
        if state["model"] is not None:
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
        self._regularise()
        self.fit = None
        if state["fit"] is not None:
            self._begin(epochs=state["fit_epochs"])
            self.fit.load_state_dict(state["fit"])
        best = state["best"]
        self.best = None if best is None else Found(Record(**best["record"]), best["weights"])
        self.seen = set(state["seen"])
        self.records = [Record(**record) for record in state["records"]]
        self._pending, self._closed = deque(Record(**record) for record in state["pending"]), False

    def _identity(self) -> dict[str, Any]:
        flops, lasso = self._penalised
        return {
            "start": self.start.to_json(), "recipe": self.recipe_name, "variants": list(self.variants), "init": self.init,
            "score": self.score, "seed": self.seed, "batch_size": self._how["batch_size"], "every": self._how["every"],
            "images": len(self.data.train[0]), **flops, "lasso_layers": lasso["layers"],
        }  # fmt: skip


def _blocks(spec: ResNetSpec) -> list[tuple[int, int]]:
    return [(number, block) for number, stage in enumerate(spec.stages) for block in range(len(stage.blocks))]
