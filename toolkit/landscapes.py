"""Loss landscapes that can be written down, in one and two dimensions, and a ball that rolls over them.

Here the dynamics of chapter 3 of Burghoff can be seen without a network: all numbers are float64 numpy arrays.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from numbers import Integral

import numpy as np

from toolkit.optim import check_settings, port_hamiltonian_step


@dataclass(frozen=True)
class Landscape:
    """A loss L(ω) with its gradient.

    Attributes:
        name: how it is called.
        formula: L(ω) as text.
        value: from ω `(..., d)` to L `(...)`.
        gradient: from ω `(..., d)` to ∇L `(..., d)`.
        limits: range of each coordinate that is worth a look, d pairs.
        start: a good first ω, d numbers.
    """

    name: str
    formula: str
    value: Callable[[np.ndarray], np.ndarray]
    gradient: Callable[[np.ndarray], np.ndarray]
    limits: tuple[tuple[float, float], ...]
    start: tuple[float, ...]

    @property
    def dimensions(self) -> int:
        """d, one or two."""
        return len(self.limits)


@dataclass(frozen=True, slots=True)
class Position:
    """Where the ball is after a step.

    Attributes:
        step: steps taken.
        weights: ω, d numbers.
        momentum: p, d numbers.
        potential: L(ω).
        kinetic: |p|²/(2m).
        braked: whether the brake is on.
    """

    step: int
    weights: tuple[float, ...]
    momentum: tuple[float, ...]
    potential: float
    kinetic: float
    braked: bool


def _parabola(w):
    return 0.5 * w[..., 0] ** 2


def _double_well(w):
    x = w[..., 0]
    return 0.1 * (x**2 - 4) ** 2 + 0.35 * x + 0.75


def _double_well_gradient(w):
    return 0.4 * w * (w**2 - 4) + 0.35


def _washboard(w):
    x = w[..., 0]
    return 0.05 * x**2 + 0.6 * (1 - np.cos(3 * x))


def _washboard_gradient(w):
    return 0.1 * w + 1.8 * np.sin(3 * w)


def _bowl(w):
    return 0.5 * (w[..., 0] ** 2 + 10 * w[..., 1] ** 2)


def _saddle(w):
    x, y = w[..., 0], w[..., 1]
    return (x**2 - 1) ** 2 / 4 + y**2 / 2


def _saddle_gradient(w):
    return np.stack([w[..., 0] ** 3 - w[..., 0], w[..., 1]], axis=-1)


def _rosenbrock(w):
    x, y = w[..., 0], w[..., 1]
    return (1 - x) ** 2 + 10 * (y - x**2) ** 2


def _rosenbrock_gradient(w):
    x, y = w[..., 0], w[..., 1]
    return np.stack([-2 * (1 - x) - 40 * x * (y - x**2), 20 * (y - x**2)], axis=-1)


def _himmelblau(w):
    x, y = w[..., 0], w[..., 1]
    return ((x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2) / 20


def _himmelblau_gradient(w):
    x, y = w[..., 0], w[..., 1]
    first, second = x**2 + y - 11, x + y**2 - 7
    return np.stack([4 * x * first + 2 * second, 2 * first + 4 * y * second], axis=-1) / 20


def _egg_box(w):
    return 0.05 * (w**2).sum(-1) + 0.4 * (2 - np.cos(2 * w).sum(-1))


LANDSCAPES = {
    landscape.name: landscape
    for landscape in (
        Landscape("parabola", "ω²/2", _parabola, lambda w: w, ((-5, 5),), (4.0,)),
        Landscape("double well", "(ω²-4)²/10 + 0.35ω + 0.75", _double_well, _double_well_gradient, ((-3.6, 3.6),), (3.3,)),
        Landscape("washboard", "ω²/20 + 0.6(1 - cos 3ω)", _washboard, _washboard_gradient, ((-7, 7),), (6.0,)),
        Landscape("bowl", "(x² + 10y²)/2", _bowl, lambda w: w * np.array([1.0, 10.0]), ((-5, 5), (-3, 3)), (-4.0, 2.0)),
        Landscape("saddle", "(x²-1)²/4 + y²/2", _saddle, _saddle_gradient, ((-2, 2), (-2, 2)), (0.05, 1.8)),
        Landscape("Rosenbrock", "(1-x)² + 10(y-x²)²", _rosenbrock, _rosenbrock_gradient, ((-2, 2), (-1, 3)), (-1.2, 1.0)),
        Landscape("Himmelblau", "((x²+y-11)² + (x+y²-7)²)/20", _himmelblau, _himmelblau_gradient, ((-5, 5), (-5, 5)), (0, 0)),
        Landscape(
            "egg box", "(x²+y²)/20 + 0.4(2 - cos 2x - cos 2y)", _egg_box, lambda w: 0.1 * w + 0.8 * np.sin(2 * w),
            ((-6, 6), (-6, 6)), (4.6, 5.0),
        ),
    )
}  # fmt: skip


def roll(
    landscape: Landscape,
    start: tuple[float, ...] | None = None,
    *,
    lr: float,
    mass: float = 1.0,
    friction: float = 0.0,
    friction_scheme: str = "exponential",
    steps: int = 300,
    goal: float | None = None,
    factor: float = 1.0,
) -> Iterator[Position]:
    """Let a ball roll from rest by (2.14), (2.15), braking once when the loss reaches a goal.

    Args:
        landscape: one of `LANDSCAPES` or your own.
        start: first ω, d numbers; None takes the landscape's.
        lr: α, the step of time.
        mass: m.
        friction: ρ.
        friction_scheme: one of `optim.FRICTION_SCHEMES`.
        steps: how many.
        goal: loss at which the friction is multiplied by `factor`; None never brakes.
        factor: of the brake.

    Yields:
        The position at the start and after each step, until the ball has left all finite numbers.

    Raises:
        ValueError: settings out of range, or a start of the wrong length.

    >>> path = list(roll(LANDSCAPES["parabola"], (1.0,), lr=0.1, friction=1.0, steps=200))
    >>> path[0].potential, round(path[-1].potential, 6)
    (0.5, 0.0)
    """
    start = landscape.start if start is None else start
    if np.shape(start) != (landscape.dimensions,) or not np.isfinite(start).all():
        raise ValueError(f"start must be {landscape.dimensions} finite numbers on {landscape.name!r}, got {start}")
    if not (isinstance(steps, Integral) and steps >= 0):
        raise ValueError(f"steps must be a whole number, zero or more, got {steps!r}")
    if not 0 < factor < math.inf or (goal is not None and not math.isfinite(goal)):
        raise ValueError(f"factor must be a finite number above 0 and goal a finite number or None, got {factor} and {goal}")
    settings = {"lr": lr, "mass": mass, "friction": friction, "friction_scheme": friction_scheme, "weight_decay": 0.0}
    check_settings(settings)
    check_settings(settings | {"friction": friction * factor if goal is not None else friction})
    return _roll(landscape, np.array(start, float), settings, steps, goal, factor)


def _overflowing() -> np.errstate:
    """Numpy without warnings of overflow: a ball that leaves all bounds ends its path."""
    return np.errstate(over="ignore", invalid="ignore")


def _roll(landscape, weights, settings, steps, goal, factor) -> Iterator[Position]:
    momentum, braked, friction = np.zeros_like(weights), False, settings["friction"]
    for step in range(steps + 1):
        with _overflowing():
            potential, kinetic = float(landscape.value(weights)), float((momentum**2).sum() / (2 * settings["mass"]))
        if not math.isfinite(potential + kinetic) or potential + kinetic > 1e12:
            return
        if not braked and goal is not None and potential <= goal:
            braked, friction = True, friction * factor
        yield Position(step, tuple(weights.tolist()), tuple(momentum.tolist()), potential, kinetic, braked)
        with _overflowing():
            weights, momentum = port_hamiltonian_step(
                weights, momentum, landscape.gradient(weights), lr=settings["lr"], mass=settings["mass"], friction=friction,
                scheme=settings["friction_scheme"],
            )  # fmt: skip
