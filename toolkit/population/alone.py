"""K members as K ordinary training runs that advance together, side by side on the cores."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import numpy as np
from torch import Tensor, nn

from toolkit import training
from toolkit.population.rules import Rule, brake_of
from toolkit.population.settings import masked


class Alone:
    """One `training.Fit` per member.

    Args:
        networks: the members.
        data: train and validation on the device, normalise.
        members: their settings.
        masks: `(k, d)` bool or None.
        rule: makes their optimizers.
        workers: how many of them are trained at the same time.
        run: the remaining arguments of `training.fit`.
    """

    def __init__(
        self, networks: Sequence[nn.Module], data: Any, members: Sequence[Mapping[str, Any]], masks: Tensor | None, *,
        rule: Rule, workers: int, **run: Any,
    ):  # fmt: skip
        pairs = zip(networks, members, strict=True)
        self.optimizers = [rule.optimizer(network.parameters(), member) for network, member in pairs]
        self.brakes = [brake_of(optimizer, member) for optimizer, member in zip(self.optimizers, members, strict=True)]
        self.fits = [
            training.fit(
                network, _seen(data, None if masks is None else masks[k]), optimizer=self.optimizers[k],
                scheduler=self.brakes[k], seed=members[k]["seed"], **run,
            )
            for k, network in enumerate(networks)
        ]  # fmt: skip
        self.workers = workers

    @property
    def alive(self) -> np.ndarray:
        """Which members have not diverged, `(k,)`."""
        return np.array([not fit.ended for fit in self.fits])

    @property
    def best(self) -> dict[str, np.ndarray]:
        """Epoch and value of each member's least validation loss; nan and inf before the first epoch."""
        epochs = [math.nan if fit.best["epoch"] is None else fit.best["epoch"] for fit in self.fits]
        losses = [fit.best["validation_loss"] for fit in self.fits]
        return {"epoch": np.array(epochs, dtype=float), "validation_loss": np.array(losses)}

    def advance(self, step: int) -> dict[str, np.ndarray]:
        """Bring every member to the record at this step; its metrics by name, each `(k,)`."""
        if self.workers == 1:
            for fit in self.fits:
                _bring(fit, step)
        else:
            with ThreadPoolExecutor(self.workers) as pool:
                list(pool.map(lambda fit: _bring(fit, step), self.fits))
        last = [{} if fit.ended else fit.records[-1].metrics for fit in self.fits]
        names = dict.fromkeys(name for metrics in last for name in metrics) or self.fits[0].records[-1].metrics
        return {name: np.array([_value(metrics, name) for metrics in last]) for name in names}

    def network(self, k: int, *, best: bool) -> nn.Module | None:
        """Member k as a module of its own; None where it has no best weights yet."""
        weights = self.fits[k].best["model"] if best else self.fits[k].model.state_dict()
        if weights is None:
            return None
        network = copy.deepcopy(self.fits[k].model)
        network.load_state_dict(weights)
        return network

    def evaluate(self, split: tuple[Tensor, Tensor], metrics: Mapping[str, Any], *, best: bool) -> dict[str, np.ndarray]:
        """Metrics of every member on a split, each `(k,)`."""
        inputs, targets = (part.to(self.fits[0].device) for part in split)
        values = []
        for k, fit in enumerate(self.fits):
            network = self.network(k, best=True) if best else fit.model
            split = network and training.evaluate(network, (inputs, targets), metrics=metrics, normalise=fit.normalise)
            values.append(split or {})
        return {name: np.array([row.get(name, math.nan) for row in values]) for name in metrics}

    def state_dict(self) -> dict[str, Any]:
        """The states of all runs."""
        return {"fits": [fit.state_dict() for fit in self.fits]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a state made by `state_dict`."""
        for fit, own in zip(self.fits, state["fits"], strict=True):
            fit.load_state_dict(own)


def _seen(data: Any, mask: Tensor | None) -> Any:
    """The data as a member with this mask sees them."""
    if mask is None:
        return data
    return SimpleNamespace(
        train=data.train, validation=data.validation, normalise=lambda inputs: masked(data.normalise(inputs), mask)
    )


def _bring(fit: training.Fit, step: int) -> None:
    while not fit.ended and (not fit.records or fit.records[-1].step < step):
        next(fit)
    del fit.records[:-1]  # the population keeps them


def _value(metrics: Mapping[str, float], name: str) -> float:
    """Nan of a member that has diverged, 0 for `braked` of one that has no brake."""
    return metrics.get(name, 0.0 if metrics else math.nan)
