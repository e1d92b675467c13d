"""Which peaks tell the classes apart: coefficients averaged over folds (Zhao, Table 4.6C), or what is lost by shuffling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from toolkit.datasets.peak_tables import PeakTable
from toolkit.spectra.classification import classifier, folds
from toolkit.spectra.ions import plausible

WAYS = ("coefficients", "permutation")


@dataclass(frozen=True, eq=False)
class CharacteristicPeaks:
    """How much each peak speaks for each class.

    Attributes:
        table: the references.
        classes: names, in alphabetical order.
        weights: `(classes, m)`: the mean coefficient over the folds, or the mean loss of the class's probability.
        spread: `(classes, m)` standard deviation over the folds.
        by: "coefficients" or "permutation".
    """

    table: PeakTable
    classes: tuple[str, ...]
    weights: np.ndarray
    spread: np.ndarray
    by: str

    def top(self, name: str, n: int = 15) -> np.ndarray:
        """Numbers of the n peaks with the largest weights for a class.

        Raises:
            ValueError: an unknown class.
        """
        if name not in self.classes:
            raise ValueError(f"class must be one of {self.classes}, got {name!r}")
        return np.argsort(-self.weights[self.classes.index(name)], kind="stable")[:n]

    def frame(self, n: int = 15, *, background: tuple[str, ...] = ("H",)) -> pd.DataFrame:
        """The n peaks of each class as in Table 4.6.

        Args:
            n: peaks per class.
            background: see `ions.plausible`.

        Returns:
            `compound`, `rank` from 1, `mz`, `ion`, `weight`, `highest` (its mean area is the largest of all classes here), and
            `plausible`, None where the peak has no ion or the class's name is no formula.
        """
        means = np.array([self.table.intensities[self.table.samples == name].mean(0) for name in self.classes])
        rows = []
        for number, name in enumerate(self.classes):
            for rank, peak in enumerate(self.top(name, n), start=1):
                ion = str(self.table.ions[peak])
                highest = bool(means[:, peak].argmax() == number)
                weight = self.weights[number, peak]
                rows.append([name, rank, self.table.mz[peak], ion, weight, highest, _verdict(ion, name, background)])
        return pd.DataFrame(rows, columns=["compound", "rank", "mz", "ion", "weight", "highest", "plausible"])


def characteristic_peaks(
    table: PeakTable,
    model: str = "logistic_regression",
    *,
    by: str = "coefficients",
    scaling: str = "min-max",
    n_folds: int = 5,
    stratified: bool = True,
    repeats: int = 5,
    seed: int = 0,
    **settings: Any,
) -> CharacteristicPeaks:
    """Weigh every peak for every class, averaged over the folds.

    A coefficient belongs to the scaled area, so that coefficients compare only if the scaling gives all peaks the same range.
    Permutation works with any model: one peak of the test spectra is shuffled among them, and the mean loss of the
    probability of the true class counts. Where many peaks say the same, none is missed much.

    Args:
        table: spectra of the references.
        model: see `classifier`; only logistic regression has coefficients.
        by: "coefficients" or "permutation".
        scaling: see `scale`.
        n_folds: number of folds.
        stratified: see `folds`.
        repeats: shuffles of each peak.
        seed: of folds, model and shuffles.
        **settings: of the model.

    Raises:
        ValueError: an unknown way, coefficients of a model without them, fewer than one repeat; see `folds` and `classifier`.

    >>> areas = np.array([[9, 0, 5], [8, 1, 5], [0, 9, 5], [1, 8, 5]])
    >>> table = PeakTable([7.02, 9.03, 12.0], ["Li-", "LiH2-", "C-"], areas, ["Li2O", "Li2O", "LiH", "LiH"], [1, 2, 1, 2])
    >>> characteristic_peaks(table, n_folds=2).frame(1)[["compound", "ion", "plausible"]].values.tolist()
    [['Li2O', 'Li-', True], ['LiH', 'LiH2-', True]]
    """
    if by not in WAYS:
        raise ValueError(f"by must be one of {WAYS}, got {by!r}")
    if by == "coefficients" and model != "logistic_regression":
        raise ValueError(f"by: {model} has no coefficients; take by='permutation'")
    if repeats < 1:
        raise ValueError(f"repeats must be 1 or more, got {repeats}")
    estimator = classifier(model, scaling=scaling, seed=seed, **settings)
    draw, weights = np.random.default_rng(seed), []
    for train, test in folds(table.samples, n=n_folds, stratified=stratified, seed=seed):
        estimator.fit(table.intensities[train], table.samples[train])
        fold = _coefficients(estimator) if by == "coefficients" else _losses(estimator, table.rows(test), repeats, draw)
        weights.append(fold)
    classes = tuple(np.unique(table.samples).tolist())
    return CharacteristicPeaks(table, classes, np.mean(weights, axis=0), np.std(weights, axis=0), by)


def _coefficients(estimator: Pipeline) -> np.ndarray:
    values = estimator[-1].coef_
    return np.concatenate([-values, values]) if len(values) == 1 else values


def _losses(estimator: Pipeline, test: PeakTable, repeats: int, draw: np.random.Generator) -> np.ndarray:
    """`(classes, m)` loss of the true class's probability when one peak is shuffled; 0 for a class without test spectra."""
    classes = estimator.classes_
    own = np.searchsorted(classes, test.samples)
    before = estimator.predict_proba(test.intensities)[range(len(own)), own]
    losses = np.zeros((len(classes), len(test.mz)))
    for peak in range(len(test.mz)):
        shuffled = np.tile(test.intensities, (repeats, 1))
        shuffled[:, peak] = np.concatenate([draw.permutation(test.intensities[:, peak]) for _ in range(repeats)])
        after = estimator.predict_proba(shuffled)[range(len(shuffled)), np.tile(own, repeats)]
        lost = before - after.reshape(repeats, -1).mean(0)
        losses[:, peak] = np.bincount(own, lost, len(classes)) / np.maximum(np.bincount(own, minlength=len(classes)), 1)
    return losses


def _verdict(ion: str, compound: str, background: tuple[str, ...]) -> bool | None:
    try:
        return plausible(ion, compound, background=background)
    except ValueError:
        return None
