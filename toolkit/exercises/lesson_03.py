"""Lesson 03: the port-Hamiltonian optimizer."""

from __future__ import annotations

from functools import cache

from torch.nn import functional

from toolkit import datasets, landscapes, networks, optim, published, training
from toolkit.exercises.exercise import NUMBER, WHOLE, Exercise, equal_to, numbers
from toolkit.studies import phs

GOALS = tuple(round(0.1 * tenth, 1) for tenth in range(1, 31))
EPOCHS, LEARNED = 20, 1.0


def plain_sgd(optimizer: str) -> int:
    """Printed rows of an optimizer in which the ball is plain SGD: momentum 1 - αρ/m = 0.

    >>> plain_sgd("phs")
    3
    """
    tables = [published.table(name) for name in phs.TABLES.values()]
    balls = [table[table["optimizer"] == optimizer] for table in tables]
    return sum(int(((rows["learning_rate"] * rows["friction"] / rows["mass"] - 1).abs() < 1e-9).sum()) for rows in balls)


def crosses(goal: float) -> bool:
    """Whether the ball of the first panel, braked at this loss, ends in the deeper valley of the double well."""
    well = landscapes.LANDSCAPES["double well"]
    *_, last = landscapes.roll(well, lr=0.05, friction=0.15, steps=300, goal=goal, factor=20)
    return last.weights[0] < 0


def _judge_goal(goal: float) -> str:
    if goal not in GOALS:
        return f"Goals go in tenths from {GOALS[0]} to {GOALS[-1]}."
    if not crosses(goal):
        return "With this goal the ball brakes before it has crossed the ridge. It must not be content with the first valley."
    return "" if not any(crosses(other) for other in GOALS if other > goal) else "It gets there, but a larger goal will do."


@cache
def last_loss(friction: float) -> float:
    """Training loss of the panel's ball without a brake on the digits after 20 epochs; infinite where it flew off."""
    data = datasets.load("digits")
    model = networks.lenet(data.input_shape, data.n_classes, seed=0)
    optimizer = optim.PortHamiltonian(model.parameters(), lr=0.1, mass=0.3, friction=friction)
    run = training.fit(
        model, data, loss=functional.cross_entropy, optimizer=optimizer, epochs=EPOCHS, batch_size=64, seed=0, device="cpu"
    )
    *_, last = run
    return float("inf") if last.diverged else last.metrics["train_loss"]


def _judge_frictions(frictions: tuple[float, float]) -> str:
    low, high = frictions
    if not 0 <= low < high:
        return "Give the smaller friction first; none is negative."
    for friction, other in ((low, "less"), (high, "more")):
        if last_loss(friction) < LEARNED:
            return f"With a friction of {friction:g} the loss stands below 1 after 20 epochs. Try {other}."
    if not any(last_loss(between) < LEARNED for between in (0.1, 0.3, 1.0) if low < between < high):
        return "Both lie on the same side of those that work."
    return ""


EXERCISES = {
    1: Exercise(
        WHOLE,
        equal_to(
            lambda: plain_sgd("phs"), otherwise="Compute 1 - αρ/m for each row without a brake, as printed; where is it 0?",
            mistakes=lambda: {plain_sgd("phs") + plain_sgd("goal_oriented"): "Rows with a brake are not asked for."},
        ),
        lambda: plain_sgd("phs"), minutes=5,
    ),
    2: Exercise(NUMBER, _judge_goal, lambda: max(filter(crosses, GOALS)), minutes=10),
    3: Exercise(
        numbers(2, "two frictions, one too small and one too large"), _judge_frictions, lambda: (0.01, 100.0), minutes=10
    ),
}  # fmt: skip
