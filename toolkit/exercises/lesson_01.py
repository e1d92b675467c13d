"""Lesson 01: learning from data."""

from __future__ import annotations

import numpy as np

from toolkit.exercises.exercise import NUMBER, Exercise, equal_to
from toolkit.landscapes import LANDSCAPES
from toolkit.learning import backpropagation, confusion

TEST = np.array([[45, 95], [5, 855]])  # of 50 ill people and 950 healthy ones
SAMPLE = (1.0, 0.5)
WEIGHTS = dict(zip(backpropagation.WEIGHTS, (0.5, -0.4, 0.1, -0.3, 0.8, -0.2, 0.7, -0.6, 0.3), strict=True))  # the panel's


def precision() -> float:
    """Precision of the test."""
    return confusion.measures(TEST)["precision"]


def largest_rate() -> float:
    """The learning rate at which SGD stops coming down on the bowl: two over its largest curvature."""
    curvature = max(abs(float(LANDSCAPES["bowl"].gradient(point)[axis])) for axis, point in enumerate(np.eye(2)))
    return 2 / curvature


def deadly_bias() -> float:
    """The largest bias with which the ReLU of the first hidden neuron lets nothing back."""
    *_, last = backpropagation.passes(WEIGHTS | {"b1_h1": 0.0}, SAMPLE, 1.0, activation="relu")
    return -float(last.sums[0])


EXERCISES = {
    1: Exercise(
        NUMBER,
        equal_to(
            precision, within=0.005, otherwise="Of all people with an alarm, which share is ill?",
            mistakes={
                0.9: "That is accuracy, recall and specificity at once. Ask of the alarms.",
                45 / 95: "False alarms are not all alarms.",
                95 / 140: "That is the share of the alarms that are false.",
            },
        ),
        precision, minutes=5,
    ),
    2: Exercise(
        NUMBER,
        equal_to(
            largest_rate, within=0.003, otherwise="By which factor does one step change y?",
            mistakes={
                2.0: "That is the limit along the valley. Which direction is steeper?",
                0.1: "There y is gone after one step: the best one across, not the limit.",
                1.0: "There x is gone after one step. What does y do?",
            },
        ),
        largest_rate, minutes=10,
    ),
    3: Exercise(
        NUMBER,
        equal_to(
            deadly_bias, within=0.005, otherwise="What must the sum of the neuron be, so that its ReLU is just off?",
            mistakes={
                -deadly_bias(): "With this bias the neuron is more alive than before.",
                -0.5: "The other input feeds the neuron too.",
                0.1: "That is the bias that it has; its ReLU is on.",
            },
        ),
        deadly_bias, minutes=5,
    ),
}  # fmt: skip
