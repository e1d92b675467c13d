"""The optimizers as rules on K weight vectors at once: every tensor is `(k, p)`, every setting a column `(k, 1)`.

Each rule makes the optimizer of one member as well. Alone, that optimizer does the steps; in a stacked population it only
holds the member's settings, in `param_groups[0]`, where a person or a `GoalBrake` may change them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from toolkit import optim

Settings = Mapping[str, Any]
Columns = dict[str, Tensor]


class PortHamiltonianRule:
    """`optim.PortHamiltonian`, the heavy ball with friction."""

    defaults = {"learning_rate": None, "mass": 1.0, "friction": 1.0, "weight_decay": 0.0}
    state = ("momentum",)

    def __init__(self, friction_scheme: str):
        self.friction_scheme = friction_scheme

    def optimizer(self, weights: Iterable[Tensor], member: Settings) -> optim.PortHamiltonian:
        """The optimizer of one member."""
        return optim.PortHamiltonian(
            weights, member["learning_rate"], member["mass"], member["friction"], self.friction_scheme,
            weight_decay=member["weight_decay"],
        )  # fmt: skip

    def columns(self, groups: Sequence[Settings]) -> Columns:
        """What the step multiplies with."""
        for group in groups:
            optim.check_settings(group)  # they may have been changed since the last record
        lr, mass, friction = column(groups, "lr"), column(groups, "mass"), column(groups, "friction")
        decay, impulse = optim.damping(lr, mass, friction, self.friction_scheme)
        return {"decay": decay, "impulse": -impulse, "velocity": lr / mass}

    def step(self, weights: Tensor, gradient: Tensor, state: Columns, columns: Columns, number: int) -> None:
        """Move the weights once, in place."""
        momentum = state["momentum"]
        momentum.mul_(columns["decay"]).addcmul_(gradient, columns["impulse"])
        weights.addcmul_(momentum, columns["velocity"])


class SGDRule:
    """`torch.optim.SGD`."""

    defaults = {"learning_rate": None, "momentum": 0.0, "weight_decay": 0.0}
    state = ("velocity",)

    def optimizer(self, weights: Iterable[Tensor], member: Settings) -> torch.optim.SGD:
        """The optimizer of one member."""
        return torch.optim.SGD(
            weights, member["learning_rate"], momentum=member["momentum"], weight_decay=member["weight_decay"]
        )

    def columns(self, groups: Sequence[Settings]) -> Columns:
        """What the step multiplies with."""
        return {"lr": -column(groups, "lr"), "momentum": column(groups, "momentum")}

    def step(self, weights: Tensor, gradient: Tensor, state: Columns, columns: Columns, number: int) -> None:
        """Move the weights once, in place."""
        velocity = state["velocity"].mul_(columns["momentum"]).add_(gradient)
        weights.addcmul_(velocity, columns["lr"])


class AdamRule:
    """`torch.optim.Adam` with its default averages."""

    defaults = {"learning_rate": None, "weight_decay": 0.0}
    state = ("mean", "square")
    betas, epsilon = (0.9, 0.999), 1e-8

    def optimizer(self, weights: Iterable[Tensor], member: Settings) -> torch.optim.Adam:
        """The optimizer of one member."""
        lr, weight_decay = member["learning_rate"], member["weight_decay"]
        return torch.optim.Adam(weights, lr, betas=self.betas, eps=self.epsilon, weight_decay=weight_decay)

    def columns(self, groups: Sequence[Settings]) -> Columns:
        """What the step multiplies with."""
        return {"lr": -column(groups, "lr")}

    def step(self, weights: Tensor, gradient: Tensor, state: Columns, columns: Columns, number: int) -> None:
        """Move the weights once, in place; `number` counts the steps from 1."""
        first, second = self.betas
        mean = state["mean"].lerp_(gradient, 1 - first)
        square = state["square"].mul_(second).addcmul_(gradient, gradient, value=1 - second)
        spread = (square.sqrt() / math.sqrt(1 - second**number)).add_(self.epsilon)
        weights.addcmul_(mean / spread, columns["lr"] / (1 - first**number))


OPTIMIZERS = ("port-hamiltonian", "sgd", "adam")
Rule = PortHamiltonianRule | SGDRule | AdamRule


def rule_of(optimizer: str, friction_scheme: str) -> Rule:
    """The rule of that name.

    Raises:
        ValueError: an unknown optimizer or friction scheme.
    """
    if optimizer not in OPTIMIZERS:
        raise ValueError(f"optimizer must be one of {OPTIMIZERS}, got {optimizer!r}")
    if friction_scheme not in optim.FRICTION_SCHEMES:
        raise ValueError(f"friction_scheme must be one of {optim.FRICTION_SCHEMES}, got {friction_scheme!r}")
    return {"port-hamiltonian": PortHamiltonianRule(friction_scheme), "sgd": SGDRule(), "adam": AdamRule()}[optimizer]


def brake_of(optimizer: torch.optim.Optimizer, member: Settings) -> optim.GoalBrake | None:
    """The goal brake of one member, acting on its optimizer; None for a member that is not braked."""
    if member["brake_at"] is None:
        return None
    return optim.GoalBrake(
        optimizer, goal=member["brake_at"], factor=member["brake_factor"], kind=member["brake_kind"],
        setting=member["brake_setting"],
    )  # fmt: skip


def column(groups: Sequence[Settings], name: str) -> Tensor:
    """One setting of all members, `(k, 1)` in double precision."""
    return torch.tensor([[group[name]] for group in groups], dtype=torch.float64)
