"""Training and validation error of a model over folds, and how they change with one hyper-parameter (Zhao, section 2.2.2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold, cross_validate

Folds = Sequence[tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True, slots=True)
class Assessment:
    """A model's errors over folds: of a classifier the error rate (2.7), of a regressor the mean squared error (2.5).

    Attributes:
        value: of the hyper-parameter that was varied; nan where none was.
        train_error: mean over the folds, on the rows that each was fitted to.
        validation_error: mean over the folds, on the rows that each was not fitted to.
        spread: standard deviation of the validation error between the folds.
        held_out: `(n,)` prediction for each row by the model that has not seen it; nan for a row in no validation part.
    """

    value: float
    train_error: float
    validation_error: float
    spread: float
    held_out: np.ndarray


def folds(targets: Any, *, n: int = 5, groups: Any = None, seed: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows for training and rows for validation, n times; each row is in one validation part.

    Labels are spread evenly over the folds (stratified). With groups no group is in both parts: rows of one paper, one sample
    or one batch resemble each other, and a model that has seen some of them knows more of the others than it will in use.

    Args:
        targets: `(n,)` labels (whole numbers or text) or real numbers.
        n: folds, 2 or more.
        groups: `(n,)` one key per row, or None.
        seed: of the shuffle.

    Raises:
        ValueError: fewer rows, groups or members of a class than folds.

    >>> sorted(validation.tolist() for _, validation in folds([0, 0, 1, 1], n=2, groups=["a", "b", "a", "b"]))
    [[0, 2], [1, 3]]
    """
    targets = np.asarray(targets)
    if groups is not None:
        kinds = GroupKFold(n, shuffle=True, random_state=seed)
    elif targets.dtype.kind == "f":
        kinds = KFold(n, shuffle=True, random_state=seed)
    else:
        _check_classes(targets, n)
        kinds = StratifiedKFold(n, shuffle=True, random_state=seed)
    return list(kinds.split(np.zeros(len(targets)), targets, groups))


def assess(model: BaseEstimator, inputs: Any, targets: Any, *, folds: Folds, value: float = np.nan) -> Assessment:
    """Fit a copy of the model to each fold's training rows and measure it on both parts.

    Args:
        model: of scikit-learn; what it needs of the data as a whole (scaling, selection) must be a step of it.
        inputs: `(n, d)`.
        targets: `(n,)` numbers; those of a classifier are labels.
        folds: as from `folds`.
        value: is passed on to the result.

    Returns:
        Errors and held-out predictions.

    Raises:
        TypeError: targets that are not numbers.
    """
    inputs, targets = np.asarray(inputs), np.asarray(targets)
    if targets.dtype.kind not in "biuf":
        raise TypeError(f"targets must be numbers, classes counted from 0, got {targets.dtype}")
    classifies = is_classifier(model)
    scores = cross_validate(
        clone(model), inputs, targets, cv=folds, scoring="accuracy" if classifies else "neg_mean_squared_error",
        return_train_score=True, return_estimator=True, error_score="raise",
    )  # fmt: skip
    best = 1.0 if classifies else 0.0  # of the score; the error counts down from it
    held_out = np.full(len(targets), np.nan)
    for fitted, (_, rows) in zip(scores["estimator"], folds, strict=True):
        held_out[rows] = fitted.predict(inputs[rows])
    errors = best - scores["test_score"]
    return Assessment(
        float(value), best - float(scores["train_score"].mean()), float(errors.mean()), float(errors.std()), held_out
    )


def sweep(
    model: BaseEstimator, parameter: str, values: Sequence[float], inputs: Any, targets: Any, *, folds: Folds
) -> Iterator[Assessment]:
    """Assess the model for each value of one hyper-parameter in turn: the two curves of Fig. 2.2.

    Args:
        model: of scikit-learn.
        parameter: name as `set_params` takes it, such as "svc__gamma".
        values: of the hyper-parameter.
        inputs: `(n, d)`.
        targets: `(n,)`.
        folds: as from `folds`.

    Returns:
        An iterator of one `Assessment` per value.

    Raises:
        ValueError: the model has no such hyper-parameter.
    """
    known = model.get_params()
    if parameter not in known:
        raise ValueError(f"parameter {parameter!r} is not one of the model's: {sorted(known)}")
    values = list(values)
    return (
        assess(clone(model).set_params(**{parameter: value}), inputs, targets, folds=folds, value=value) for value in values
    )


def _check_classes(targets: np.ndarray, n: int) -> None:
    names, counts = np.unique(targets, return_counts=True)
    if counts.min() < n:
        raise ValueError(f"class {names[counts.argmin()]} has {counts.min()} members, fewer than {n} folds; take fewer folds")
