"""The nine classifiers of Table 4.7 and the regularisation sweep of Table 4.8 of Zhao, as one study."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import AdaBoostClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from toolkit.datasets.peak_tables import PeakTable
from toolkit.spectra.scaling import scale

PENALTIES = ("none", "l1", "l2", "elastic_net")
_MIX = {"l1": 1.0, "l2": 0.0, "elastic_net": 0.5}


def _logistic_regression(seed: int, penalty: str = "l2", c: float = 1.0) -> LogisticRegression:
    if penalty not in PENALTIES:
        raise ValueError(f"penalty must be one of {PENALTIES}, got {penalty!r}")
    if not c > 0:
        raise ValueError(f"c must be positive, the inverse strength of the penalty, got {c}")
    if penalty == "none":
        return LogisticRegression(C=math.inf, max_iter=5000, random_state=seed)
    solver = "lbfgs" if penalty == "l2" else "saga"
    return LogisticRegression(C=c, l1_ratio=_MIX[penalty], solver=solver, max_iter=20_000, random_state=seed)


def _support_vectors(kernel: str, seed: int) -> CalibratedClassifierCV:
    """Probabilities by Platt's sigmoid, one class against the rest, fitted to decisions on held-out spectra."""
    return CalibratedClassifierCV(SVC(kernel=kernel, random_state=seed), ensemble=False, cv=3)


_MODELS = {
    "logistic_regression": _logistic_regression,
    "svc_rbf": lambda seed: _support_vectors("rbf", seed),
    "svc_linear": lambda seed: _support_vectors("linear", seed),
    "k_nn": lambda seed: KNeighborsClassifier(),
    "decision_tree": lambda seed: DecisionTreeClassifier(random_state=seed),
    "random_forest": lambda seed: RandomForestClassifier(random_state=seed),
    "adaboost": lambda seed: AdaBoostClassifier(random_state=seed),
    "gaussian_nb": lambda seed: GaussianNB(),
    "mlp": lambda seed: MLPClassifier(max_iter=2000, random_state=seed),
}
MODELS = tuple(_MODELS)
TABLE_4_7 = tuple({"model": name} for name in MODELS)
TABLE_4_8 = ({"model": "logistic_regression", "penalty": "none"},) + tuple(
    {"model": "logistic_regression", "penalty": penalty, "c": c}
    for penalty in PENALTIES[1:]
    for c in (0.01, 0.1, 1.0, 10.0, 100.0)
)


def classifier(
    model: str = "logistic_regression", *, scaling: str = "min-max", truncate: bool = False, seed: int = 0, **settings: Any
) -> Pipeline:
    """A pre-treatment and a classifier with scikit-learn's defaults, as one estimator of peak areas.

    Two defaults are not scikit-learn's: the network may take 2000 passes rather than 200, and support vectors get their
    probabilities from a calibration that is fitted on held-out spectra. L1 and the elastic net are solved with SAGA to
    scikit-learn's tolerance: at `c` of 10 and more some probabilities are still off by 0.1; where all coefficients are zero it
    stops after one pass, with intercepts that are not quite level.

    Args:
        model: one of `MODELS`.
        scaling: see `scale`.
        truncate: see `scale`.
        seed: of what is drawn.
        **settings: for "logistic_regression", `penalty` ("none", "l1", "l2" or "elastic_net" with equal parts) and `c`, the
            inverse strength.

    Raises:
        ValueError: an unknown model, scaling or penalty, a `c` that is not positive.
        TypeError: a setting that the model does not have.

    >>> classifier("k_nn", scaling="log")[0]
    Logarithm()
    """
    if model not in _MODELS:
        raise ValueError(f"model must be one of {MODELS}, got {model!r}")
    if settings and model != "logistic_regression":
        raise TypeError(f"{model} takes no further settings, got {sorted(settings)}")
    return make_pipeline(scale(scaling, truncate=truncate), _MODELS[model](seed=seed, **settings))


def folds(labels: Sequence[str], *, n: int = 5, stratified: bool = True, seed: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
    """Numbers of the training and of the test spectra of each fold.

    Plain folds are drawn without regard to the classes. A classifier that knows nothing then falls below chance: what is
    rare in training is frequent in the test (Table 4.8, accuracies of 0.12 and 0.13 with five classes).

    Args:
        labels: `(n,)` class of each spectrum.
        n: number of folds.
        stratified: each fold has the same share of every class.
        seed: of the shuffling.

    Raises:
        ValueError: one class only, fewer than two folds, or more of them than the smallest class (stratified) or all
            classes together (plain) have spectra.

    >>> [test.tolist() for _, test in folds(["a", "b", "a", "b"], n=2)]
    [[1, 2], [0, 3]]
    """
    classes, counts = np.unique(np.asarray(labels), return_counts=True)
    if len(classes) < 2:
        raise ValueError(f"labels must be of two or more classes, got {classes.tolist()} only")
    smallest = int(counts.min()) if stratified else int(counts.sum())
    if not 2 <= n <= smallest:
        where = f"spectra of {str(classes[counts.argmin()])!r}, the smallest class" if stratified else "spectra"
        raise ValueError(f"n must be 2 to {smallest}, the number of {where}, got {n} folds")
    kind = StratifiedKFold if stratified else KFold
    return list(kind(n, shuffle=True, random_state=seed).split(np.zeros(len(labels)), labels))


@dataclass(frozen=True, eq=False)
class Classified:
    """One row of Tables 4.7 and 4.8.

    Attributes:
        settings: of the row.
        classes: names.
        accuracies: `(folds,)` on the test spectra of each fold.
        f_score: mean over the folds of the F score, itself the mean over the classes.
        confusion: `(classes, classes)` over all folds; rows are the true classes.
        probabilities: unknown sample to `(classes,)`, the mean over its spots of the model that was fitted on all references.
    """

    settings: dict[str, Any]
    classes: tuple[str, ...]
    accuracies: np.ndarray
    f_score: float
    confusion: np.ndarray
    probabilities: dict[str, np.ndarray]

    @property
    def accuracy(self) -> float:
        """Mean over the folds."""
        return float(self.accuracies.mean())


def classify(
    table: PeakTable,
    settings: Sequence[Mapping[str, Any]] = TABLE_4_7,
    *,
    unknown: PeakTable | None = None,
    scaling: str = "min-max",
    truncate: bool = False,
    n_folds: int = 5,
    stratified: bool = True,
    parts: Sequence[tuple[np.ndarray, np.ndarray]] | None = None,
    seed: int = 0,
) -> Iterator[Classified]:
    """Judge models on folds of the references, then ask each about the unknown samples.

    Args:
        table: spectra of the references; the samples are the classes.
        settings: one mapping per row with `model` and what else `classifier` takes.
        unknown: spectra of other samples with the same peaks.
        scaling: see `scale`; fitted on the training spectra of each fold.
        truncate: see `scale`.
        n_folds: number of folds.
        stratified: see `folds`.
        parts: numbers of the training and the test spectra of each fold, instead of `folds`.
        seed: of folds and models.

    Yields:
        A record per row, in their order.

    Raises:
        ValueError: see `folds` and `classifier`; unknown spectra with other peaks. Nothing is fitted then.

    >>> table = PeakTable([1.0, 2.0], ["", ""], np.eye(2)[[0, 0, 1, 1]], list("aabb"), [1, 2, 1, 2])
    >>> [row.accuracy for row in classify(table, [{"model": "gaussian_nb"}], n_folds=2)]
    [1.0]
    """
    if parts is None:
        parts = folds(table.samples, n=n_folds, stratified=stratified, seed=seed)
    kept = {"scaling": scaling, "truncate": truncate, "seed": seed}
    models = [classifier(**kept, **row) for row in settings]
    if unknown is not None:
        same_peaks(table, unknown)
    return (_classified(model, dict(row), table, unknown, parts) for model, row in zip(models, settings, strict=True))


def same_peaks(table: PeakTable, unknown: PeakTable) -> None:
    """Refuse spectra whose peaks are not those of the references.

    Raises:
        ValueError: another number of peaks, or an m/z that differs by more than 0.01 u.
    """
    if len(table.mz) != len(unknown.mz) or np.abs(table.mz - unknown.mz).max() > 0.01:
        raise ValueError(f"unknown must have the {len(table.mz)} peaks of the references, got {len(unknown.mz)} peaks")


def _classified(model, settings, table, unknown, parts) -> Classified:
    classes = np.unique(table.samples)
    accuracies, scores, confusion = [], [], np.zeros((len(classes), len(classes)), int)
    for train, test in parts:
        given = model.fit(table.intensities[train], table.samples[train]).predict(table.intensities[test])
        accuracies.append(accuracy_score(table.samples[test], given))
        scores.append(f1_score(table.samples[test], given, average="macro", zero_division=0.0))
        confusion += confusion_matrix(table.samples[test], given, labels=classes)
    probabilities = {} if unknown is None else _means(model.fit(table.intensities, table.samples), unknown)
    return Classified(settings, tuple(classes.tolist()), np.array(accuracies), float(np.mean(scores)), confusion, probabilities)


def _means(model: Pipeline, unknown: PeakTable) -> dict[str, np.ndarray]:
    probabilities = model.predict_proba(unknown.intensities)
    return {name: probabilities[unknown.samples == name].mean(0) for name in unknown.compounds}
