"""Lesson 08: neural network potentials."""

from __future__ import annotations

import math

from toolkit.exercises.exercise import NUMBER, WHOLE, Exercise, equal_to
from toolkit.potential import HighDimensionalNetwork, learning

LOSS, FEATURES, ZETA, SHARE = 0.2402, 57, 4, 1 / 16


def weights() -> int:
    """Of the document's 57-10-10-1."""
    return sum(weight.numel() for weight in HighDimensionalNetwork(FEATURES).parameters())


def angle() -> float:
    """Where ((1 - cos theta) / 2)^zeta has fallen to the share [degrees]."""
    return math.degrees(math.acos(1 - 2 * SHARE ** (1 / ZETA)))


EXERCISES = {
    1: Exercise(
        NUMBER,
        equal_to(
            lambda: float(learning.rmse_of_document(LOSS)), within=0.006,
            otherwise="The root of the loss is the error of a whole cell, in eV.",
            mistakes={
                1000 * LOSS / 256: "That is the document's loss per atom, of which no root was taken.",
                1000 * math.sqrt(LOSS / 256): "First the root, which is the error of 256 atoms; then divide by 256.",
                1000 * math.sqrt(LOSS): "That is the error of the whole cell.",
            },
        ),
        lambda: float(learning.rmse_of_document(LOSS)), minutes=5,
    ),
    2: Exercise(
        WHOLE,
        equal_to(
            weights, within=0.5, otherwise="Layer by layer: inputs times outputs, and a bias for each output.",
            mistakes={
                FEATURES * 10 + 10 * 10 + 10: "Each neuron has a bias as well.",
                256 * 701: "All atoms share the same weights.",
                FEATURES * 10 + 10 + 10 * 10 + 10 + 10: "The output has a bias too.",
            },
        ),
        weights, minutes=5,
    ),
    3: Exercise(
        NUMBER,
        equal_to(
            angle, within=0.5, otherwise="The factor is ((1 - cos θ) / 2)^ζ, with its largest value at 180°.",
            mistakes={
                math.degrees(math.acos(1 - 2 * SHARE)): "The exponent ζ was left out.",
                math.degrees(math.acos(2 * SHARE - 1)): "That is for λ = +1, and without the exponent.",
                180.0: "There it is largest.",
            },
        ),
        angle, minutes=10,
    ),
}  # fmt: skip
