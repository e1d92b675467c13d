"""Lesson 06: network surgery."""

from __future__ import annotations

import math

import torch
from torch import nn

from toolkit import networks
from toolkit.exercises.exercise import NUMBER, Exercise, Kind, equal_to, exactly, some_of
from toolkit.search import surgery
from toolkit.search.surgeon import score

ACCURACY, GAIN, FRACTION = 0.60, 0.02, 1.1
ACTIVATIONS = {
    "relu": nn.ReLU(), "leaky_relu": nn.LeakyReLU(), "relu6": nn.ReLU6(), "elu": nn.ELU(), "tanh": nn.Tanh(),
    "hardtanh": nn.Hardtanh(), "sigmoid": nn.Sigmoid(),
}  # fmt: skip
WIDTHS = (8, 8)


def keeping() -> set[str]:
    """Activations Φ with Φ(Φ(z)) = Φ(z), so that an inserted identity layer keeps the function, (3)."""
    z = torch.linspace(-12, 12, 4801)
    return {name for name, activation in ACTIVATIONS.items() if torch.equal(activation(activation(z)), activation(z))}


def damage(layer: int, count: int) -> float:
    """Largest share of the output's range by which removing units changes an untrained network on random inputs."""
    model = networks.dense(4, WIDTHS, 1, activation="tanh", seed=0)
    inputs = torch.randn(500, 4, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before, after = model(inputs), surgery.remove_neurons(model, layer, count=count).model(inputs)
    return float((after - before).abs().max() / (before.max() - before.min()))


def _judge_removal(answer: tuple[int, int]) -> str:
    layer, count = answer
    if layer not in range(len(WIDTHS)) or not 1 <= count < WIDTHS[layer]:
        return f"There are hidden layers 0 and 1 of {WIDTHS[0]} units; at least one unit must stay."
    share = damage(layer, count)
    return "" if share > 0.5 else f"That changes the output by {share:.0%} of its range only."


EXERCISES = {
    1: Exercise(
        NUMBER,
        equal_to(
            lambda: score(ACCURACY, GAIN, FRACTION), within=5e-5, otherwise="(16) is a + exp(Δa) / exp(Δf).",
            mistakes={
                ACCURACY + math.exp(GAIN + FRACTION): "A larger network must score lower: the exponential of Δf divides.",
                ACCURACY + math.exp(GAIN) / FRACTION: "Δf stands in an exponential as well.",
                ACCURACY + math.exp(GAIN - (FRACTION - 1)): "Δf is the ratio of the sizes, 1.1, not the growth.",
            },
        ),
        lambda: score(ACCURACY, GAIN, FRACTION), minutes=5,
    ),
    2: Exercise(
        some_of(*ACTIVATIONS),
        exactly(
            keeping, missing="These are right, but there are more. Which others do nothing to their own outputs?",
            wrong="One of these changes its own outputs when it is applied to them. Being piecewise linear is not enough.",
        ),
        keeping, minutes=5,
    ),
    3: Exercise(
        Kind(
            "two whole numbers, the hidden layer (0 or 1) and how many units are removed",
            lambda answer: isinstance(answer, tuple | list) and len(answer) == 2 and all(type(one) is int for one in answer),
        ),
        _judge_removal, lambda: (1, 4), minutes=10,
    ),
}  # fmt: skip
