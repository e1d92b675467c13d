"""Lesson 09: choosing descriptors."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import torch
from scipy import stats

from toolkit.exercises.exercise import NUMBER, WHOLE, Exercise, equal_to, exactly, some_of
from toolkit.potential import document_set, selection

LINEAR, HIDDEN, HIERARCHY = 1.0, (0.5, -2.0), 1.0
MEAN, SPREAD, LEVEL = 0.3, 0.5, 0.05


@cache
def dropping() -> float:
    """Least penalty at which the proximal step drops a function with these weights, by halving an interval."""
    low, high = 0.0, 100.0
    while high - low > 1e-6:
        middle = (low + high) / 2
        step = {"penalty": middle, "hierarchy": HIERARCHY}
        linear, _ = selection.hierarchical_prox(torch.tensor([LINEAR]).double(), torch.tensor(HIDDEN).double(), **step)
        low, high = (middle, high) if linear.any() else (low, middle)
    return high


@cache
def pairs(spread: float = SPREAD) -> int:
    """Least number of pairs whose mean and spread make a paired test reject."""
    draw = np.random.default_rng(0)
    for count in range(2, 1000):
        sample = draw.normal(size=count)
        sample = MEAN + spread * (sample - sample.mean()) / sample.std(ddof=1)
        if selection.paired(sample, np.zeros(count)).p < LEVEL:
            return count
    raise ArithmeticError(f"no number of pairs below 1000 rejects with a spread of {spread}")


@cache
def one_sign() -> set[str]:
    """The sets of 57 whose angular functions all have lambda = 1."""
    return {name for name in "ABCD" if all(each.lambda_ == 1 for each in document_set(f"57{name}")[1])}


def _mistaken_pairs() -> dict[float, str]:
    z = float(stats.norm.ppf(1 - LEVEL / 2))
    return {
        math.ceil((z * SPREAD / MEAN) ** 2): "That is for a known spread; with so few pairs Student's bound is wider.",
        pairs(SPREAD * math.sqrt(2)): "The spread is that of the differences already; seeds are paired.",
        math.ceil(SPREAD / MEAN): "That many make the error of the mean as large as the mean.",
    }


EXERCISES = {
    1: Exercise(
        NUMBER,
        equal_to(
            dropping, within=0.005, otherwise="b is zero when b_s is zero for every s: which s lasts longest?",
            mistakes={
                LINEAR: "That is the lasso's threshold for the linear weight alone; the hidden weights hold on to it.",
                LINEAR + HIERARCHY * max(map(abs, HIDDEN)): "One of the hidden weights was left out.",
                sum(map(abs, HIDDEN)): "The linear weight pulls as well.",
            },
        ),
        dropping, minutes=5,
    ),
    2: Exercise(
        WHOLE,
        equal_to(pairs, otherwise="Find n with mean √n / spread above Student's bound for n - 1.", mistakes=_mistaken_pairs),
        pairs, minutes=10,
    ),
    3: Exercise(
        some_of(*"ABCD"),
        exactly(
            one_sign, missing="There is another such set.",
            wrong="λ alternates along the 60 angular functions, and every fourth is taken: start at an odd or an even one?",
        ),
        one_sign, minutes=5,
    ),
}  # fmt: skip
