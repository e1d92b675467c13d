"""K members as one stacked network: one tensor holds all weights, a row per member."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from toolkit.population.layers import Forward
from toolkit.population.rules import Rule, brake_of, column
from toolkit.population.settings import masked
from toolkit.population.strategy import EVALUATION_BATCH
from toolkit.training import shuffled
from toolkit.training.fit import CHUNK_BYTES, INITIAL_SAMPLE

Metrics = Mapping[str, Callable[[Tensor, Tensor], Tensor]]
Split = tuple[Tensor, Tensor]


class Together:
    """All members in one computation, some rows at a time where memory asks for it.

    The forward pass reads the rows as stacked weights, the sum of the members' losses gives each row its own gradient, and
    the optimizer's rule moves the rows with one column of settings.

    Args:
        networks: the members, on the device.
        data: train and validation on the device, normalise.
        members: their settings.
        masks: `(k, d)` bool or None.
        rule: how the weights move.
        forward: outputs of all members from stacked weights and inputs.
        members_per_chunk: members computed at a time.
        loss: `loss(outputs, targets)`, a mean over the batch.
        metrics: name to function, of the validation set, with the loss.
        batch_size: samples per step.
    """

    def __init__(
        self, networks: Sequence[nn.Module], data: Any, members: Sequence[Mapping[str, Any]], masks: Tensor | None, *,
        rule: Rule, forward: Forward, members_per_chunk: int, loss: Callable[[Tensor, Tensor], Tensor],
        metrics: Metrics, batch_size: int,
    ):  # fmt: skip
        self.template = networks[0]
        self.shapes = {name: weight.shape for name, weight in networks[0].named_parameters()}
        self.data, self.masks, self.rule, self.forward = data, masks, rule, forward
        self.loss, self.losses_of_members, self.metrics, self.batch_size = loss, torch.func.vmap(loss), metrics, batch_size
        self.seeds = [member["seed"] for member in members]
        self.weights = torch.stack([nn.utils.parameters_to_vector(network.parameters()).detach() for network in networks])
        self.state = {name: torch.zeros_like(self.weights) for name in rule.state}
        self.best_weights = torch.full_like(self.weights, math.nan)
        self.best = {"epoch": np.full(len(members), math.nan), "validation_loss": np.full(len(members), math.inf)}
        pairs = zip(self.weights, members, strict=True)
        self.optimizers = [rule.optimizer([nn.Parameter(row)], member) for row, member in pairs]
        self.brakes = [brake_of(optimizer, member) for optimizer, member in zip(self.optimizers, members, strict=True)]
        self.alive = np.ones(len(members), dtype=bool)
        self.steps = np.zeros(len(members), dtype=int)
        self.sizes = torch.tensor([len(part) for part in torch.arange(len(data.train[0])).split(batch_size)]).double()
        self.batch_losses = self.weights.new_full((len(self.sizes), len(members)), math.nan)  # of the unfinished epoch
        self.recorded = 0  # how many batches of the epoch the last record covers
        self.members_per_chunk = members_per_chunk
        self._known_orders: dict[tuple[int, int], Tensor] = {}

    def advance(self, step: int) -> dict[str, np.ndarray]:
        """Bring every member to the record at this step; its metrics by name, each `(k,)`, nan where one has diverged."""
        if step == 0:
            metrics = self._initial_metrics()
        else:
            for rows in self._chunks():
                if self.steps[rows.start] < step:
                    self._train(rows, step)
            metrics = self._metrics_at(step)
        losses = [values for name, values in metrics.items() if name.endswith("loss")]
        self.alive &= np.isfinite(losses).all(0)
        return {name: np.where(self.alive, values, math.nan) for name, values in metrics.items()}

    def _chunks(self) -> Iterator[slice]:
        """Rows to compute at a time; members that an interrupt has left at different steps go apart."""
        first = 0
        while first < len(self.steps):
            last = min(first + self.members_per_chunk, len(self.steps))
            same = int((self.steps[first:last] == self.steps[first]).argmin()) or last - first
            yield slice(first, first + same)
            first += same

    def _train(self, rows: slice, step: int) -> None:
        """Train some rows up to a step of the epoch they are in."""
        weights = self.weights[rows].detach().requires_grad_()  # the same memory
        state = {name: values[rows] for name, values in self.state.items()}
        groups = [optimizer.param_groups[0] for optimizer in self.optimizers[rows]]
        columns = self.rule.columns(groups) | {"weight_decay": column(groups, "weight_decay")}
        columns = {name: values.to(weights.dtype).to(weights.device) for name, values in columns.items()}
        decaying = any(group["weight_decay"] for group in groups)
        epoch, batch = divmod(int(self.steps[rows.start]), len(self.sizes))
        order, own = self._orders(rows, epoch)
        order = order[:, batch * self.batch_size : (step - epoch * len(self.sizes)) * self.batch_size]
        masks = None if self.masks is None else self.masks[rows]
        for inputs, targets in self._batches(self.data.train, order, own, masks, self.batch_size):
            losses = self.losses_of_members(self.forward(self._by_name(weights), inputs), targets)
            (gradient,) = torch.autograd.grad(losses.sum(), weights)
            number = int(self.steps[rows.start])
            with torch.no_grad():
                if decaying:
                    gradient = gradient.addcmul(weights, columns["weight_decay"])
                self.rule.step(weights, gradient, state, columns, number + 1)
            self.batch_losses[number % len(self.sizes), rows] = losses.detach()
            self.steps[rows] += 1

    def _by_name(self, weights: Tensor) -> dict[str, Tensor]:
        """Rows `(k, p)` as the network's weights by name, each `(k, ...)`; one split, so that its gradient is one tensor."""
        parts = weights.split([shape.numel() for shape in self.shapes.values()], dim=1)
        return {name: part.view(-1, *shape) for (name, shape), part in zip(self.shapes.items(), parts, strict=True)}

    def _orders(self, rows: slice, epoch: int) -> tuple[Tensor, Tensor]:
        """Order of the samples for each seed among some rows, `(s, n)`, and which of them is each row's own, `(k,)`."""
        seeds = list(dict.fromkeys(self.seeds[rows]))
        own = torch.tensor([seeds.index(seed) for seed in self.seeds[rows]], device=self.weights.device)
        return torch.stack([self._order(seed, epoch) for seed in seeds]), own

    def _order(self, seed: int, epoch: int) -> Tensor:
        if (seed, epoch) not in self._known_orders:
            self._known_orders = {key: order for key, order in self._known_orders.items() if key[1] == epoch}
            order = shuffled(len(self.data.train[0]), seed=seed, epoch=epoch)
            self._known_orders[seed, epoch] = order.to(self.weights.device)
        return self._known_orders[seed, epoch]

    def _batches(self, split: Split, order: Tensor, own: Tensor, masks: Tensor | None, size: int) -> Iterator[Split]:
        """Batches `(k, b, ...)` of a split; what members share is gathered and normalised once.

        Args:
            split: inputs and targets on the device.
            order: samples to take, `(s, n)`.
            own: which of the s orders each member follows, `(k,)`.
            masks: what each member sees, `(k, d)` or None.
            size: b.
        """
        inputs, targets = split
        bytes_per_batch = len(order) * size * max(1, inputs[0].numel()) * self.weights.element_size()
        for samples in order.split(size * max(1, CHUNK_BYTES // bytes_per_batch), dim=1):
            normalised = self.data.normalise(inputs[samples].flatten(0, 1)).unflatten(0, samples.shape)
            for seen, wanted in zip(normalised.split(size, 1), targets[samples].split(size, 1), strict=True):
                seen = _spread(seen, own)
                yield seen if masks is None else masked(seen, masks), _spread(wanted, own)

    def _mean_loss(self, first: int, last: int) -> np.ndarray:
        """Mean training loss of each member over the samples of some batches of the epoch."""
        losses, sizes = self.batch_losses[first:last].cpu().double(), self.sizes[first:last, None]
        return ((losses * sizes).sum(0) / sizes.sum()).numpy()

    def _metrics_at(self, step: int) -> dict[str, np.ndarray]:
        batch = (step - 1) % len(self.sizes) + 1
        metrics = self._settings() | {"batch_loss": self._mean_loss(self.recorded, batch)}
        if batch == len(self.sizes):
            metrics |= {"train_loss": self._mean_loss(0, batch)}
            metrics |= self._validated()
            self._keep_best(metrics["validation_loss"], step // len(self.sizes))
            for k in np.flatnonzero(self.alive & np.isfinite(metrics["train_loss"])):
                if self.brakes[k] is not None:
                    self.brakes[k].step(float(metrics[self.brakes[k].monitor][k]))
        self.recorded = batch % len(self.sizes)
        return metrics

    def _keep_best(self, losses: np.ndarray, epoch: int) -> None:
        better = self.alive & (losses < self.best["validation_loss"])
        self.best = {
            "epoch": np.where(better, epoch, self.best["epoch"]),
            "validation_loss": np.where(better, losses, self.best["validation_loss"]),
        }
        rows = torch.tensor(better, device=self.weights.device)
        self.best_weights[rows] = self.weights[rows]

    def _initial_metrics(self) -> dict[str, np.ndarray]:
        initial = np.empty(len(self.seeds))
        for rows in self._chunks():
            order, own = self._orders(rows, 0)
            outputs = self._outputs(rows, self.data.train, order[:, :INITIAL_SAMPLE], own)
            targets = [self.data.train[1][order[each, :INITIAL_SAMPLE]] for each in own]
            initial[rows] = [float(self.loss(*pair)) for pair in zip(outputs, targets, strict=True)]
        for brake, loss in zip(self.brakes, initial, strict=True):
            if brake is not None:
                brake.start(float(loss))
        return self._settings() | {"train_loss": initial} | self._validated()

    def _settings(self) -> dict[str, np.ndarray]:
        groups = [optimizer.param_groups[0] for optimizer in self.optimizers]
        settings = {"learning_rate": np.array([group["lr"] for group in groups])}
        if "friction" in groups[0]:
            friction, mass = (np.array([group[name] for group in groups]) for name in ("friction", "mass"))
            squares = self.state["momentum"].square().sum(1).cpu().double().numpy()
            settings |= {"friction": friction, "kinetic_energy": squares / (2 * mass)}
        if any(self.brakes):
            settings["braked"] = np.array([float(brake is not None and brake.braked) for brake in self.brakes])
        return settings

    def _validated(self) -> dict[str, np.ndarray]:
        values = self.evaluate(self.data.validation, self.metrics)
        return {f"validation_{name}": each for name, each in values.items()}

    def evaluate(self, split: Split, metrics: Metrics, *, best: bool = False) -> dict[str, np.ndarray]:
        """Metrics of every member on a whole split, each `(k,)`."""
        split = tuple(part.to(self.weights.device) for part in split)
        order = torch.arange(len(split[0]), device=self.weights.device)[None]
        values = {name: np.empty(len(self.seeds)) for name in metrics}
        for rows in self._chunks():
            outputs = self._outputs(rows, split, order, torch.zeros(rows.stop - rows.start, dtype=int), best=best)
            for name, function in metrics.items():
                values[name][rows] = [float(function(own, split[1])) for own in outputs]
        return values

    @torch.no_grad()
    def _outputs(self, rows: slice, split: Split, order: Tensor, own: Tensor, *, best: bool = False) -> Tensor:
        """Outputs of some members on samples of a split, `(k, n, ...)`."""
        weights = self._by_name((self.best_weights if best else self.weights)[rows])
        masks = None if self.masks is None else self.masks[rows]
        batches = self._batches(split, order, own, masks, EVALUATION_BATCH)
        outputs = torch.cat([self.forward(weights, inputs) for inputs, _ in batches], dim=1)
        return outputs.to(torch.promote_types(outputs.dtype, torch.float32))

    def network(self, k: int, *, best: bool) -> nn.Module | None:
        """Member k as a module of its own; None where it has no best weights yet."""
        if best and math.isnan(self.best["epoch"][k]):
            return None
        weights = self._by_name((self.best_weights if best else self.weights)[k : k + 1])
        network = copy.deepcopy(self.template)
        own = {name: weight[0] for name, weight in weights.items()}
        network.load_state_dict(own, strict=False)  # weights that two layers share have one name here
        return network

    def state_dict(self) -> dict[str, Any]:
        """All tensors, settings and counters."""
        return {
            "weights": self.weights,
            "optimizer": self.state,
            "settings": [optimizer.state_dict() for optimizer in self.optimizers],
            "brakes": [brake and brake.state_dict() for brake in self.brakes],
            "best": self.best | {"weights": self.best_weights},
            "alive": self.alive,
            "steps": self.steps,
            "batch_losses": self.batch_losses,
            "recorded": self.recorded,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a state made by `state_dict`."""
        device = self.weights.device
        self.weights.copy_(state["weights"])
        self.state = {name: values.to(device) for name, values in state["optimizer"].items()}
        for optimizer, own in zip(self.optimizers, state["settings"], strict=True):
            optimizer.load_state_dict(own)
        for brake, own in zip(self.brakes, state["brakes"], strict=True):
            if brake is not None:
                brake.load_state_dict(own)
        self.best = {name: state["best"][name] for name in ("epoch", "validation_loss")}
        self.best_weights = state["best"]["weights"].to(device)
        self.alive, self.steps = state["alive"], state["steps"]
        self.batch_losses, self.recorded = state["batch_losses"].to(device), state["recorded"]


def _spread(part: Tensor, own: Tensor) -> Tensor:
    """From one entry per order, `(s, b, ...)`, to one per member, `(k, b, ...)`."""
    if len(part) == 1:
        return part.expand(len(own), *part.shape[1:])
    return part if len(part) == len(own) else part[own]  # where there are as many, they come in the members' order
