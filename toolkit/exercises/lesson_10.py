"""Lesson 10: models and workflow."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np
from sklearn import metrics

from toolkit import workflow
from toolkit.exercises.exercise import NUMBER, WHOLE, Exercise, Kind, equal_to

FOUND, MISSED, FALSE = 30, 10, 10
DEGREES = range(1, 13)


def f1() -> float:
    """F1 of a classifier that finds 30 of 40 and names 10 that are none."""
    truth, named = np.repeat([1, 1, 0], [FOUND, MISSED, FALSE]), np.repeat([1, 0, 1], [FOUND, MISSED, FALSE])
    return float(metrics.f1_score(truth, named))


@cache
def errors(seed: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Training and validation error of each degree on the panel's noisy curve."""
    problem = workflow.made_up("noisy curve", samples=60, noise=0.3, seed=seed)
    model = workflow.model("ridge regression", "regression")
    parts = workflow.folds(problem.targets, seed=seed)
    found = list(workflow.sweep(model, "polynomialfeatures__degree", DEGREES, problem.inputs, problem.targets, folds=parts))
    return tuple(one.train_error for one in found), tuple(one.validation_error for one in found)


def best_degree(seed: int) -> int:
    """The degree with the least validation error."""
    return DEGREES[int(np.argmin(errors(seed)[1]))]


def _judge_overfit(answer: tuple[str, str, Mapping[str, float]]) -> str:
    name, model, values = answer
    try:
        problem = workflow.made_up(name, samples=200, noise=0.6, seed=0)
        pipeline = workflow.model(model, problem.task, **values)
    except (ValueError, TypeError) as refused:
        return f"That cannot be run: {refused}"
    found = workflow.assess(pipeline, problem.inputs, problem.targets, folds=workflow.folds(problem.targets))
    guessing = 1 - np.bincount(problem.targets).max() / len(problem.targets) if problem.classes else problem.targets.var()
    if found.train_error > 1e-9:
        return f"The training error is {found.train_error:.3f}, not 0."
    if found.validation_error < 0.8 * guessing:
        return (
            f"The validation error is {found.validation_error:.2f}, that of guessing {guessing:.2f}. Is there a harder problem?"
        )
    return ""


EXERCISES = {
    1: Exercise(
        NUMBER,
        equal_to(
            f1, within=0.005, otherwise="Precision and recall first, then their harmonic mean.",
            mistakes={
                2 * FOUND / (FOUND + MISSED): "That is (2.13) as printed, twice the harmonic mean.",
                FOUND / (FOUND + MISSED + FALSE): "That is the share of the found among all that are named or true.",
            },
        ),
        f1, minutes=3,
    ),
    2: Exercise(
        WHOLE,
        equal_to(
            lambda: best_degree(1), otherwise="Press Run with seed 1 and read off where the blue curve is lowest.",
            mistakes=lambda: {
                DEGREES[int(np.argmin(errors(1)[0]))]: "There the training error is least.",
                best_degree(0): "That is the answer for seed 0. One draw of 60 points does not settle the degree.",
            },
        ),
        lambda: best_degree(1), minutes=5,
    ),
    3: Exercise(
        Kind(
            "three things: a problem made up, a model, and its settings, as ('two moons', 'decision tree', {'max_depth': 3})",
            lambda answer: isinstance(answer, tuple | list) and len(answer) == 3 and isinstance(answer[0], str)
            and isinstance(answer[1], str) and isinstance(answer[2], Mapping),
        ),
        _judge_overfit, lambda: ("two rings", "k-nearest neighbours", {"n_neighbors": 1}), minutes=10,
    ),
}  # fmt: skip
