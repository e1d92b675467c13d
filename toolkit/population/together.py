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
        at_a_time: members computed at a time.
        loss: `loss(outputs, targets)`, a mean over the batch.
        metrics: name to function, of the validation set, with the loss.
        batch_size: samples per step.
    """

    def __init__(
        self, networks: Sequence[nn.Module], data: Any, members: Sequence[Mapping[str, Any]], masks: Tensor | None, *,
        rule: Rule, forward: Forward, at_a_time: Callable[[], int], loss: Callable[[Tensor, Tensor], Tensor],
        metrics: Metrics, batch_size: int,
    ):  # fmt: skip
        self.template = networks[0]
        self.data, self.masks, self.rule, self.forward = data, masks, rule, forward
        self.loss, self.losses_of_members, self.metrics, self.batch_size = loss, torch.func.vmap(loss), metrics, batch_size
        self.seeds = [member["seed"] for member in members]
        self.weights = torch.stack([nn.utils.parameters_to_vector(network.parameters()).detach() for network in networks])
        self.state = {name: torch.zeros_like(self.weights) for name in rule.state}
        self.best_weights = torch.full_like(self.weights, math.nan)
        self.best = {"epoch": np.full(len(members), math.nan), "validation_loss": np.full(len(members), math.inf)}
        self.optimizers = [rule.optimizer([nn.Parameter(row)], member) for row, member in zip(self.weights, members, strict=True)]
        self.brakes = [brake_of(optimizer, member) for optimizer, member in zip(self.optimizers, members, strict=True)]
        self.alive = np.ones(len(members), dtype=bool)
        self.steps = np.zeros(len(members), dtype=int)
        self.sizes = torch.tensor([len(part) for part in torch.arange(len(data.train[0])).split(batch_size)]).double()
        self.batch_losses = self.weights.new_full((len(self.sizes), len(members)), math.nan)  # of the unfinished epoch
        self.recorded = 0  # how many batches of the epoch the last record covers
        self.at_a_time = at_a_time()
