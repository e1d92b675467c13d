"""The confusion matrix of two classes and its measures (Burghoff, section 2.1.3)."""

from __future__ import annotations

from typing import Any

import numpy as np


def confusion_matrix(predicted: Any, actual: Any) -> np.ndarray:
    """Counts as in Table 2.1: [[true positives, false positives], [false negatives, true negatives]].

    Rows are what was predicted, columns what is true, as the document prints it; scikit-learn has both the other way round.

    Args:
        predicted: `(n,)` truth values, or 0 and 1.
        actual: `(n,)` likewise.

    Returns:
        `(2, 2)` whole numbers.

    Raises:
        ValueError: arrays of different shape, or other values than 0 and 1.

    >>> confusion_matrix([1, 1, 0, 0, 0], [1, 0, 1, 0, 0]).tolist()
    [[1, 1], [1, 2]]
    """
    predicted, actual = np.asarray(predicted), np.asarray(actual)
    if predicted.shape != actual.shape or predicted.ndim != 1:
        raise ValueError(f"predicted and actual must be (n,) of equal length, got {predicted.shape} and {actual.shape}")
    for name, values in (("predicted", predicted), ("actual", actual)):
        if not np.isin(values, (0, 1)).all():
            raise ValueError(f"{name} must hold 0 and 1 only, got {np.unique(values)[:5]}")
    predicted, actual = predicted.astype(bool), actual.astype(bool)
    return np.array([[(p & a).sum() for a in (actual, ~actual)] for p in (predicted, ~predicted)])


def measures(matrix: np.ndarray) -> dict[str, float]:
    """Accuracy, precision, recall and specificity of a matrix as `confusion_matrix` gives it.

    A measure whose denominator is zero, such as the precision of a classifier that never says yes, is nan.

    Args:
        matrix: `(2, 2)`.

    >>> measures(np.array([[8, 2], [4, 6]]))
    {'accuracy': 0.7, 'precision': 0.8, 'recall': 0.6666666666666666, 'specificity': 0.75}
    """
    (tp, fp), (fn, tn) = np.asarray(matrix).tolist()
    parts = {
        "accuracy": (tp + tn, tp + tn + fp + fn),
        "precision": (tp, tp + fp),
        "recall": (tp, tp + fn),
        "specificity": (tn, tn + fp),
    }
    return {name: part / whole if whole else float("nan") for name, (part, whole) in parts.items()}
