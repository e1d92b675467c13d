"""Lesson 05: ResBuilder."""

from __future__ import annotations

import torch
from torch.nn import functional

from toolkit.exercises.exercise import NUMBER, Exercise, equal_to, exactly, some_of
from toolkit.search.architecture import INITS, ORDERS, ResNetSpec, Stage, insert_block
from toolkit.search.resbuilder import LayerLasso

WIDTH, SPREAD, THRESHOLD = 64, 1e-2, 1e-3
LASSO, DECAY = 1e-8, 1e-5
PAIRS = tuple(f"{order}, {init}" for order in ORDERS for init in INITS)


def fresh_score(score: str = "sum") -> float:
    """Score of a block of 64 channels that was just inserted, the mean over five of them."""
    spec = ResNetSpec((1, 8, 8), 10, (Stage(WIDTH),))
    found = []
    for seed in range(5):
        longer, carry = insert_block(spec, 0, 0, spread=SPREAD, seed=seed)
        found.append(LayerLasso(carry(spec.build(seed=0)).model, longer).scores(score)[0, 0])
    return sum(found) / len(found)


def weaker_than_decay() -> float:
    """The weight at which LayerLasso and the sum of squares pull alike, by bisection on their gradients."""

    def lasso_is_stronger(value: float) -> bool:
        weight = torch.tensor(value, dtype=torch.float64, requires_grad=True)
        pulls = [torch.autograd.grad(term, weight)[0] for term in (LASSO * weight.abs(), DECAY * weight.square())]
        return bool(pulls[0] > pulls[1])

    low, high = 0.0, 1.0
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (middle, high) if lasso_is_stronger(middle) else (low, middle)
    return low


def never_learning() -> set[str]:
    """Pairs of order and new weights of which no weight has a gradient, where branches end in ReLU."""
    images = torch.randn(32, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(32) % 10
    found = set()
    for pair in PAIRS:
        order, init = pair.split(", ")
        spec = ResNetSpec((1, 8, 8), 10, (Stage(6),), order, closing=True)
        model = insert_block(spec, 0, 0, init=init)[1](spec.build(seed=0)).model.train()
        functional.cross_entropy(model(images), labels).backward()
        if not any(weight.grad.any() for weight in model.stages[0].blocks[0].parameters()):
            found.add(pair)
    return found


EXERCISES = {
    1: Exercise(
        NUMBER,
        equal_to(
            fresh_score, within=6.0, otherwise="How many weights has one of the convolutions, and how large is one of them?",
            mistakes=lambda: {
                fresh_score("mean"): "That is the mean over the weights; (4.6) sums them.",
                2 * fresh_score(): "Each of the two convolutions is compared with the threshold on its own.",
                WIDTH * WIDTH * 9 * SPREAD: "The mean of |ω| is less than the standard deviation of a normal ω.",
            },
        ),
        fresh_score, minutes=5,
    ),
    2: Exercise(
        NUMBER,
        equal_to(
            weaker_than_decay, within=2e-5, otherwise="Set the derivatives of both terms by one ω equal.",
            mistakes={
                LASSO / DECAY: "The derivative of ω² is not ω.",
                2 * LASSO / DECAY: "The factor belongs on the other side.",
                DECAY / LASSO: "Upside down.",
            },
        ),
        weaker_than_decay, minutes=5,
    ),
    3: Exercise(
        some_of(*PAIRS),
        exactly(
            never_learning, missing="There are more. Where does ReLU stand in the other order?",
            wrong="One of these learns: its branch is small, but not zero everywhere, so that ReLU lets gradients through.",
        ),
        never_learning, minutes=10,
    ),
}  # fmt: skip
