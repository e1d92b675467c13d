"""The metrics that lesson 10 writes out are scikit-learn's, on any labels."""

from pathlib import Path

import nbformat
import numpy as np
import pytest
from sklearn import metrics

LESSON = Path(__file__).parents[1] / "notebooks" / "10_models_and_workflow.ipynb"
NAMES = {"mean_squared_error", "accuracy", "precision", "recall", "f_measure", "area_under_roc", "average_precision"}


@pytest.fixture(scope="module")
def lesson():
    """The functions of the lesson by name."""
    cells = nbformat.read(LESSON, as_version=4).cells
    room = {"np": np}
    for cell in cells:
        if cell.cell_type == "code" and any(f"def {name}(" in cell.source for name in NAMES):
            exec(cell.source, room)
    assert set(room) >= NAMES
    return room


def labels(seed, classes):
    draw = np.random.default_rng(seed)
    y = np.concatenate([np.arange(classes), draw.integers(0, classes, 40)])
    return y, np.concatenate([np.arange(classes), draw.integers(0, classes, 40)])


@pytest.mark.parametrize("classes", [2, 3, 7])
@pytest.mark.parametrize("seed", range(5))
def test_metrics_of_classes(lesson, seed, classes):
    y, predicted = labels(seed, classes)
    assert lesson["accuracy"](y, predicted) == pytest.approx(metrics.accuracy_score(y, predicted), abs=1e-12)
    precision, recall, _, _ = metrics.precision_recall_fscore_support(y, predicted)
    for c in range(classes):
        p, r = lesson["precision"](y, predicted, c), lesson["recall"](y, predicted, c)
        assert (p, r) == pytest.approx((precision[c], recall[c]), abs=1e-12)
        for beta in (0.5, 1.0, 3.0):
            theirs = metrics.fbeta_score(y, predicted, beta=beta, average=None)[c]
            assert lesson["f_measure"](p, r, beta) == pytest.approx(theirs, abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_metrics_of_scores(lesson, seed):
    draw = np.random.default_rng(seed)
    y = np.concatenate([[0, 1], draw.integers(0, 2, 50)])
    score = draw.normal(size=52) + y
    assert lesson["area_under_roc"](y, score) == pytest.approx(metrics.roc_auc_score(y, score), abs=1e-12)
    assert lesson["average_precision"](y, score) == pytest.approx(metrics.average_precision_score(y, score), abs=1e-12)
    assert lesson["mean_squared_error"](y, score) == pytest.approx(metrics.mean_squared_error(y, score), abs=1e-12)


def test_ties_count_one_half_in_the_area_under_the_curve(lesson):
    y, score = np.array([1, 1, 0, 1, 0, 0]), np.array([0.9, 0.8, 0.8, 0.8, 0.5, 0.4])
    assert lesson["area_under_roc"](y, score) == pytest.approx(8 / 9)
    assert lesson["area_under_roc"](y, score) == pytest.approx(metrics.roc_auc_score(y, score))


def test_the_printed_f_measure_is_not_one_for_a_perfect_classifier(lesson):
    printed = (1 + 1) ** 2 * 1 * 1 / (1 + 1)  # (2.13) with β = P = R = 1
    assert lesson["f_measure"](1.0, 1.0) == 1.0 and printed == 2.0
