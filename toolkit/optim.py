"""The heavy ball with friction as an optimizer, and the brake that ends its exploration (Burghoff, chapter 3).

A weight vector ω with momentum p rolls over the loss landscape L(ω):

    dω/dt = p / m,      dp/dt = -(ρ / m) p - ∇L(ω)                                   (3.3)

Its energy H = |p|²/(2m) + L(ω) falls at the rate ρ |p/m|². The document prints two discretisations; this module takes the
semi-implicit one, (2.14) and (2.15), in which the weights move with the new momentum. The other one, (3.2), needs α λ < ρ on
a loss of curvature λ, which the published settings (α = 0.1, ρ ≤ 0.1) violate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from numbers import Real
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

Number = float | Tensor  # one value, or one per member of a population
Array = float | np.ndarray | Tensor

FRICTION_SCHEMES = ("exponential", "euler", "implicit")
GOAL_KINDS = ("loss", "reduction", "fraction", "overfitting")


def damping(lr: Number, mass: Number, friction: Number, scheme: str = "exponential") -> tuple[Number, Number]:
    """Coefficients of one momentum update, `p <- decay * p - impulse * gradient`.

    With a = α ρ / m, the friction of one step:

    * "euler", as printed in (2.15): decay 1 - a, impulse α. Unstable where a > 2.
    * "implicit": decay 1 / (1 + a), impulse α / (1 + a).
    * "exponential": the friction integrated exactly while the gradient is held, decay exp(-a), impulse α (1 - exp(-a)) / a.

    All three agree to first order in a and have the viscous limit (3.6): under a constant gradient the weights move by
    -(α / ρ) ∇L per step, so braking by a factor divides that step by the factor.

    Args:
        lr: step of time α, a number or a tensor (one value per member of a population).
        mass: m, likewise.
        friction: ρ, likewise.
        scheme: one of `FRICTION_SCHEMES`.

    Returns:
        The pair (decay, impulse), numbers or tensors as the arguments.

    Without friction all schemes are the same kick:

    >>> [damping(0.1, 1.0, 0.0, scheme) for scheme in FRICTION_SCHEMES]
    [(1.0, 0.1), (1.0, 0.1), (1.0, 0.1)]
    """
    a = lr * friction / mass
    if scheme == "euler":
        return 1 - a, lr
    if scheme == "implicit":
        return 1 / (1 + a), lr / (1 + a)
    if isinstance(a, Tensor):
        positive = torch.where(a > 0, a, torch.ones_like(a))
        return torch.exp(-a), lr * torch.where(a > 0, -torch.expm1(-positive) / positive, torch.ones_like(a))
    return math.exp(-a), lr * (-math.expm1(-a) / a if a > 0 else 1.0)


def port_hamiltonian_step(
    weights: Array,
    momentum: Array,
    gradient: Array,
    *,
    lr: Number,
    mass: Number,
    friction: Number,
    scheme: str = "exponential",
) -> tuple[Array, Array]:
    """One step of (2.14) and (2.15) as a pure function: nothing is changed in place.

    Args:
        weights: ω, any shape, or `(k, ...)` for k members.
        momentum: p, the shape of `weights`.
        gradient: ∇L(ω), the shape of `weights`.
        lr: α, a number or a tensor that broadcasts against `weights`; so are `mass` and `friction`.
        mass: m.
        friction: ρ.
        scheme: one of `FRICTION_SCHEMES`.

    Returns:
        The new weights and the new momentum.

    >>> port_hamiltonian_step(1.0, 0.0, 2.0, lr=0.5, mass=1.0, friction=0.0)
    (0.5, -1.0)
    """
    decay, impulse = damping(lr, mass, friction, scheme)
    momentum = decay * momentum - impulse * gradient
    return weights + (lr / mass) * momentum, momentum


def hamiltonian(loss: Number, momentum: Tensor, mass: float) -> Number:
    """Energy H = |p|²/(2m) + L of section 3.3, kinetic plus potential.

    >>> hamiltonian(1.0, torch.tensor([3.0, 4.0]), 2.0)
    tensor(7.2500)
    """
    return momentum.square().sum() / (2 * mass) + loss


def sgd_settings(lr: float, mass: float, friction: float, *, scheme: str = "euler") -> dict[str, float]:
    """The `torch.optim.SGD` settings that equal (2.14), (2.15) step by step.

    With v = -p / impulse the momentum update becomes SGD's. In the "euler" scheme that is a learning rate of α²/m and a
    momentum of 1 - α ρ / m; in the others the coefficients of `damping` take their place.

    >>> sgd_settings(0.01, 0.1, 10.0)
    {'lr': 0.001, 'momentum': 0.0}
    """
    decay, impulse = damping(lr, mass, friction, scheme)
    return {"lr": lr * impulse / mass, "momentum": decay}


class PortHamiltonian(torch.optim.Optimizer):
    """The heavy ball with friction, (2.14) and (2.15).

    `param_groups[i]["lr"]`, `["mass"]` and `["friction"]` may be changed at any time and hold from the next step on. The
    momentum is physical (it keeps its meaning when the three change) and starts at zero.

    Departure from the source: the friction term is integrated exactly by default (see `damping`), since six of the sixteen
    published braked rows leave the stable range of the printed scheme.

    Args:
        params: parameters or parameter groups, real and dense.
        lr: step of time α > 0. The step of the weights is α²/m per unit of gradient, not α.
        mass: inertia m > 0.
        friction: ρ >= 0, lost momentum per time and velocity.
        friction_scheme: "exponential", "euler" (refused where α ρ / m >= 2) or "implicit".
        weight_decay: strength of the L2 term, as in `torch.optim.SGD`; part of the potential energy.

    Raises:
        ValueError: a setting outside its range, or an unknown scheme.
        TypeError: complex parameters; sparse gradients (at `step`).

    >>> weight = torch.nn.Parameter(torch.tensor([1.0]))
    >>> optimizer = PortHamiltonian([weight], lr=0.5, mass=1.0, friction=0.0)
    >>> (weight**2).sum().backward()
    >>> optimizer.step()
    >>> weight.item(), optimizer.kinetic_energy()
    (0.5, 0.5)
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float,
        mass: float = 1.0,
        friction: float = 1.0,
        friction_scheme: Literal["exponential", "euler", "implicit"] = "exponential",
        *,
        weight_decay: float = 0.0,
    ):
        defaults = dict(lr=lr, mass=mass, friction=friction, friction_scheme=friction_scheme, weight_decay=weight_decay)
        check_settings(defaults)
        super().__init__(params, defaults)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group of parameters; settings that it does not name are the optimizer's."""
        check_settings({**self.defaults, **param_group})
        super().add_param_group(param_group)
        if any(parameter.is_complex() for parameter in self.param_groups[-1]["params"]):
            del self.param_groups[-1]
            raise TypeError("params: complex parameters have no kinetic energy here; split them into real and imaginary part")

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:
        """Move the weights once; `closure`, if given, computes the loss and its gradient first and its loss is returned."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        moving = [[weight for weight in group["params"] if weight.grad is not None] for group in self.param_groups]
        for group, weights in zip(self.param_groups, moving, strict=True):
            _check_stable(group)
            if any(weight.grad.is_sparse for weight in weights):
                raise TypeError("sparse gradient: the momentum of every weight moves at every step; use a dense layer")
        for group, weights in zip(self.param_groups, moving, strict=True):
            if weights:
                self._step_group(group, weights)
        return loss

    def _step_group(self, group: dict[str, Any], weights: list[Tensor]) -> None:
        lr, mass = group["lr"], group["mass"]
        gradients = [weight.grad for weight in weights]
        if group["weight_decay"]:
            gradients = torch._foreach_add(gradients, weights, alpha=group["weight_decay"])
        momenta = [self._momentum(weight) for weight in weights]
        decay, impulse = damping(lr, mass, group["friction"], group["friction_scheme"])
        torch._foreach_mul_(momenta, decay)
        torch._foreach_add_(momenta, gradients, alpha=-impulse)
        torch._foreach_add_(weights, momenta, alpha=lr / mass)

    def _momentum(self, weight: Tensor) -> Tensor:
        state = self.state[weight]
        if not state:
            state["momentum"] = torch.zeros_like(weight, memory_format=torch.preserve_format)
        return state["momentum"]

    @torch.no_grad()
    def kinetic_energy(self) -> float:
        """|p|²/(2m), summed over all parameters; 0 before the first step."""
        total = 0.0
        for group in self.param_groups:
            momenta = [self.state[weight]["momentum"] for weight in group["params"] if self.state.get(weight)]
            if momenta:
                norms = torch.stack(torch._foreach_norm(momenta))
                total += norms.square().sum().item() / (2 * group["mass"])
        return total

    @torch.no_grad()
    def push(self, energy: float, *, seed: int = 0) -> None:
        """Add kinetic energy through the port: a random impulse (section 3.5, re-acceleration by an external force).

        Args:
            energy: |Δp|²/(2m) of the impulse, in units of the loss, spread evenly over all weights.
            seed: of the random direction.
        """
        _check_number("energy", energy, zero=True)
        weights = [(weight, group["mass"]) for group in self.param_groups for weight in group["params"]]
        generator = torch.Generator().manual_seed(seed)
        per_weight = energy / sum(weight.numel() for weight, _ in weights)
        for weight, mass in weights:
            impulse = torch.randn(weight.shape, generator=generator).to(weight)
            self._momentum(weight).add_(impulse, alpha=math.sqrt(2 * mass * per_weight))


def check_settings(settings: dict[str, Any]) -> None:
    """Raise ValueError or TypeError where the settings of a parameter group of `PortHamiltonian` cannot work."""
    for name, zero in (("lr", False), ("mass", False), ("friction", True), ("weight_decay", True)):
        _check_number(name, settings[name], zero=zero)
    if settings["friction_scheme"] not in FRICTION_SCHEMES:
        raise ValueError(f"friction_scheme must be one of {FRICTION_SCHEMES}, got {settings['friction_scheme']!r}")
    _check_stable(settings)


def _check_number(name: str, value: Any, *, zero: bool = False) -> None:
    if not isinstance(value, Real) or isinstance(value, bool):
        raise TypeError(f"{name} must be a number, got {value!r}")
    if not (0 < value < math.inf or (zero and value == 0)):
        raise ValueError(f"{name} must be a finite number{', zero or more,' if zero else ' above 0,'} got {value}")


def _check_stable(group: dict[str, Any]) -> None:
    if group.get("friction_scheme") == "euler" and group["lr"] * group["friction"] >= 2 * group["mass"]:
        friction = group["lr"] * group["friction"] / group["mass"]
        raise ValueError(
            f"lr * friction / mass = {friction:.4g} must be below 2 in the 'euler' scheme, or the momentum grows from step to "
            "step; lower friction or lr, or use friction_scheme='exponential' or 'implicit'"
        )


class GoalBrake:
    """Raise the friction once when the training has reached its goal (section 3.3).

    Below the goal the ball has low friction and explores; from the moment the goal is reached the friction is multiplied by
    `factor`, the momentum is kept, and the minimum at hand is exploited. The source prints "breaking at 0.65" without saying of
    what; the three readings are the kinds "loss", "reduction" and "fraction". Only the first is sensible in both of its tables.

    Used like `torch.optim.lr_scheduler.ReduceLROnPlateau`: call `step(loss)` once per epoch; `training.fit` does so.

    Args:
        optimizer: one whose parameter groups have a "friction".
        goal: what has to be reached, see `kind`. For "overfitting" the number of epochs without a new least validation loss.
        factor: the friction is multiplied by it, > 0; the source takes 5 to 100.
        kind: "loss": mean training loss of the epoch <= goal; "reduction": <= (1 - goal) of the initial loss;
            "fraction": <= goal times the initial loss; "overfitting": the validation loss has stopped falling.
        deadline: epochs after which, the goal not met, the best weights so far are restored and the brake is applied
            (first extension of section 3.5). Buffers such as running means are not restored.
        reaccelerate_after: epochs of exploitation after which the friction is lowered again and the ball is pushed
            (second extension of section 3.5); the brake is then armed anew and `visited` holds the loss of each minimum.
        push: kinetic energy given at each re-acceleration, in units of the loss.
        setting: "friction", or "lr" for a control experiment: the learning rate is divided by the factor instead, a step
            decay triggered by the goal, which any optimizer can take.

    Raises:
        ValueError: a setting outside its range, an optimizer without friction, or a braked friction that the "euler"
            scheme cannot integrate.

    >>> optimizer = PortHamiltonian([torch.nn.Parameter(torch.ones(1))], lr=0.1, friction=0.5)
    >>> brake = GoalBrake(optimizer, goal=0.2, factor=10)
    >>> brake.step(0.3), brake.step(0.2), optimizer.param_groups[0]["friction"]
    (False, True, 5.0)
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        *,
        goal: float,
        factor: float,
        kind: Literal["loss", "reduction", "fraction", "overfitting"] = "loss",
        deadline: int | None = None,
        reaccelerate_after: int | None = None,
        push: float = 1.0,
        setting: Literal["friction", "lr"] = "friction",
    ):
        _check_goal(goal, factor, kind, deadline, reaccelerate_after, push)
        _check_braked(optimizer, factor, setting)
        if reaccelerate_after is not None and not hasattr(optimizer, "push"):
            raise ValueError(f"reaccelerate_after: {type(optimizer).__name__} has no port to push through; use PortHamiltonian")
        self.optimizer = optimizer
        self.goal, self.factor, self.kind = goal, factor, kind
        self.deadline, self.reaccelerate_after, self.push, self.setting = deadline, reaccelerate_after, push, setting
        self.braked = False
        self.visited: list[float] = []
        self._initial: float | None = None
        self._least = math.inf
        self._since_least = 0
        self._epochs = 0
        self._best_weights: list[Tensor] = []

    @property
    def monitor(self) -> str:
        """Name of the metric that `step` expects."""
        return "validation_loss" if self.kind == "overfitting" else "train_loss"

    def start(self, loss: float) -> None:
        """Set the initial loss L(ω0), the reference of "reduction" and "fraction"; else the first `step` sets it."""
        self._initial = loss

    def step(self, loss: float) -> bool:
        """Take the monitored loss of one more epoch; returns whether the brake is on."""
        if self._initial is None:
            self._initial = loss
        self._epochs += 1
        self._follow_least(loss)
        if self.braked:
            if self.reaccelerate_after is not None and self._epochs >= self.reaccelerate_after:
                self.visited.append(loss)
                self.reaccelerate()
        elif self.reached(loss):
            self.brake()
        elif self.deadline is not None and self._epochs >= self.deadline:
            self._restore_best()
            self.brake()
        return self.braked

    def reached(self, loss: float) -> bool:
        """Whether this loss meets the goal."""
        if self.kind == "overfitting":
            return self._since_least >= self.goal
        initial = loss if self._initial is None else self._initial
        threshold = {"loss": self.goal, "reduction": (1 - self.goal) * initial, "fraction": self.goal * initial}[self.kind]
        return loss <= threshold

    def brake(self) -> None:
        """Multiply the friction by the factor, now; without effect while the brake is on."""
        if not self.braked:
            _check_braked(self.optimizer, self.factor, self.setting)
            self._brake_by(self.factor)
            self.braked, self._epochs = True, 0

    def release(self) -> None:
        """Divide the friction by the factor again and arm the brake; without effect while the brake is off."""
        if self.braked:
            self._brake_by(1 / self.factor)
            self.braked, self._epochs, self._least, self._since_least = False, 0, math.inf, 0

    def reaccelerate(self) -> None:
        """Release the brake and push the ball in a random direction with the kinetic energy `push`."""
        self.release()
        self.optimizer.push(self.push, seed=len(self.visited))

    def _brake_by(self, factor: float) -> None:
        for group in self.optimizer.param_groups:
            group[self.setting] *= factor if self.setting == "friction" else 1 / factor

    def _follow_least(self, loss: float) -> None:
        self._since_least += 1
        if loss < self._least:
            self._least, self._since_least = loss, 0
            if self.deadline is not None and not self.braked:
                self._best_weights = [weight.detach().clone() for weight in self._weights()]

    @torch.no_grad()
    def _restore_best(self) -> None:
        for weight, best in zip(self._weights(), self._best_weights, strict=True):
            weight.copy_(best)

    def _weights(self) -> list[Tensor]:
        return [weight for group in self.optimizer.param_groups for weight in group["params"]]

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer, as `torch` schedulers do."""
        return {key: value for key, value in vars(self).items() if key != "optimizer"}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a state made by `state_dict`."""
        vars(self).update(state)
        self.visited = list(self.visited)


def _check_goal(goal, factor, kind, deadline, reaccelerate_after, push) -> None:
    if kind not in GOAL_KINDS:
        raise ValueError(f"kind must be one of {GOAL_KINDS}, got {kind!r}")
    _check_number("goal", goal)
    if kind in ("reduction", "fraction") and goal >= 1:
        raise ValueError(f"goal of kind {kind!r} is a share of the initial loss, between 0 and 1, got {goal}")
    if kind == "overfitting" and goal != int(goal):
        raise ValueError(f"goal of kind 'overfitting' is a whole number of epochs, got {goal}")
    _check_number("factor", factor)
    for name, epochs in (("deadline", deadline), ("reaccelerate_after", reaccelerate_after)):
        if epochs is not None:
            _check_number(name, epochs)
            if epochs != int(epochs):
                raise ValueError(f"{name} must be a whole number of epochs, or None, got {epochs}")
    _check_number("push", push, zero=True)


def _check_braked(optimizer, factor, setting) -> None:
    if setting not in ("friction", "lr"):
        raise ValueError(f"setting must be 'friction' or 'lr', got {setting!r}")
    for group in optimizer.param_groups:
        if setting not in group:
            raise ValueError(f"optimizer: {type(optimizer).__name__} has no {setting} to brake with; use PortHamiltonian")
        if setting == "friction":
            _check_stable({**group, "friction": group["friction"] * factor})
