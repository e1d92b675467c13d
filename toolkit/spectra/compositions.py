r"""What a sample is made of: probabilities of a classifier, or shares by regression on pseudo-mixtures (Zhao, section 4.3.4).

    x = w a + (1 - w) b,   y_A = w,   y_B = 1 - w

a and b are spectra of two different references, w is drawn uniformly. The document draws about 10,000 such mixtures of 60
spectra and then splits them at random: the same parents are on both sides, and R² = 0.999 says how well parents are
recognised. The honest split parts the parents first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.ensemble import AdaBoostRegressor, GradientBoostingRegressor, RandomForestRegressor
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mean_absolute_error, r2_score
from sklearn.multioutput import MultiOutputRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.svm import SVR
from sklearn.tree import DecisionTreeRegressor

from toolkit.datasets.peak_tables import PeakTable
from toolkit.spectra.scaling import scale

SPLITS = ("leaky", "honest")
ROUNDING = 1e-9  # 10 * 0.9 and 0.9 / 0.1 are 9, whatever binary numbers say
SHARES = (0.6, 0.2, 0.2)  # training, validation, test (section 4.3.4)


@dataclass(frozen=True, eq=False)
class Compositions:
    """Shares of the references in samples.

    Attributes:
        samples: names of the samples.
        compounds: names of the references.
        shares: `(samples, compounds)` mean over the spots; rows sum to one.
        low: `(samples, compounds)` lower end, see `level`.
        high: `(samples, compounds)` upper end.
        meaning: what low and high are.
    """

    samples: tuple[str, ...]
    compounds: tuple[str, ...]
    shares: np.ndarray
    low: np.ndarray
    high: np.ndarray
    meaning: str

    def frame(self) -> pd.DataFrame:
        """Samples in rows, references in columns."""
        return pd.DataFrame(self.shares, index=pd.Index(self.samples, name="sample"), columns=list(self.compounds))


def compositions(model: ClassifierMixin, unknown: PeakTable) -> Compositions:
    """Probabilities of a fitted classifier, which the document reads as a hint at the composition (Tables 4.7 and 4.9).

    They say how sure the model is, not how much there is.

    Args:
        model: fitted on areas of the same peaks, with `predict_proba`.
        unknown: spectra of samples.

    Returns:
        Means over the spots; low and high are the least and the largest spot.
    """
    values = model.predict_proba(unknown.intensities)
    return _by_sample(values, unknown, tuple(model.classes_.tolist()), "least and largest spot")


def _by_sample(values: np.ndarray, table: PeakTable, compounds: tuple[str, ...], meaning: str) -> Compositions:
    groups = [values[table.samples == name] for name in table.compounds]
    parts = (np.array([getattr(group, kind)(0) for group in groups]) for kind in ("mean", "min", "max"))
    return Compositions(table.compounds, compounds, *parts, meaning)


# Pseudo-mixtures -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class PseudoMixtures:
    """Weighted sums of measured spectra.

    Attributes:
        intensities: `(n, m)`.
        shares: `(n, compounds)`; rows sum to one.
        compounds: names.
        parents: `(n, parts)` numbers of the spectra that were mixed.
    """

    intensities: np.ndarray
    shares: np.ndarray
    compounds: tuple[str, ...]
    parents: np.ndarray


def pseudo_mixtures(table: PeakTable, n: int = 10_000, *, parts: int = 2, seed: int = 0) -> PseudoMixtures:
    """Mix spectra of different references with random weights.

    Weights are uniform over all that sum to one; with two parts this is the document's w and 1 - w.

    Args:
        table: spectra of the references.
        n: number of mixtures.
        parts: spectra in each, of different references.
        seed: of the draws.

    Raises:
        ValueError: fewer mixtures than one, fewer parts than two or more of them than references.

    >>> table = PeakTable([1.0, 2.0], ["", ""], [[8, 0], [0, 8]], ["a", "b"], [1, 1])
    >>> mixed = pseudo_mixtures(table, 3)
    >>> bool(np.allclose(mixed.intensities, 8 * mixed.shares))
    True
    """
    compounds = table.compounds
    if n < 1:
        raise ValueError(f"n must be 1 or more, got {n}")
    if not 2 <= parts <= len(compounds):
        raise ValueError(f"parts must be 2 to {len(compounds)}, the number of references, got {parts}")
    draw = np.random.default_rng(seed)
    kinds = draw.permuted(np.tile(np.arange(len(compounds)), (n, 1)), axis=1)[:, :parts]
    rows = [np.flatnonzero(table.samples == name) for name in compounds]
    sizes = np.array([len(row) for row in rows])
    firsts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    parents = np.concatenate(rows)[firsts[kinds] + (draw.random((n, parts)) * sizes[kinds]).astype(int)]
    weights = draw.dirichlet(np.ones(parts), n)
    shares = np.zeros((n, len(compounds)))
    np.put_along_axis(shares, kinds, weights, axis=1)
    intensities = sum(weights[:, [part]] * table.intensities[parents[:, part]] for part in range(parts))
    return PseudoMixtures(intensities, shares, compounds, parents)


def split(
    table: PeakTable, n: int = 10_000, *, kind: str = "honest", parts: int = 2, seed: int = 0
) -> tuple[PseudoMixtures, PseudoMixtures, PseudoMixtures]:
    """Mixtures for training, validation and test, 60, 20 and 20 percent.

    Args:
        table: spectra of the references.
        n: mixtures in all.
        kind: "leaky" mixes first and splits at random, as published; "honest" splits the spectra of each reference first, so
            that no parent is on two sides.
        parts: see `pseudo_mixtures`.
        seed: of the draws.

    Raises:
        ValueError: an unknown kind, fewer than five mixtures, a reference with fewer than three spectra (honest).
    """
    if kind not in SPLITS:
        raise ValueError(f"kind must be one of {SPLITS}, got {kind!r}")
    if n < 5:
        raise ValueError(f"n must be 5 or more, got {n}")
    draw, (train, validation, _) = np.random.default_rng(seed), SHARES
    if kind == "leaky":
        mixed = pseudo_mixtures(table, n, parts=parts, seed=seed)
        rows = np.split(draw.permutation(n), [round(train * n), round((train + validation) * n)])
        return tuple(_rows(mixed, chosen) for chosen in rows)
    sides = _part_spectra(table, draw)
    mixed = []
    for number, (side, share) in enumerate(zip(sides, SHARES, strict=True)):
        own = pseudo_mixtures(table.rows(side), max(round(share * n), 1), parts=parts, seed=seed + number)
        mixed.append(replace(own, parents=side[own.parents]))
    return tuple(mixed)


def _rows(mixed: PseudoMixtures, chosen: np.ndarray) -> PseudoMixtures:
    return replace(mixed, **{name: getattr(mixed, name)[chosen] for name in ("intensities", "shares", "parents")})


def _part_spectra(table: PeakTable, draw: np.random.Generator) -> list[np.ndarray]:
    sides: list[list[np.ndarray]] = [[], [], []]
    for name in table.compounds:
        rows = draw.permutation(np.flatnonzero(table.samples == name))
        if len(rows) < 3:
            raise ValueError(f"table: {name!r} has {len(rows)} spectra; an honest split needs 3 or more of each reference")
        rest = max(round(SHARES[1] * len(rows)), 1)
        for side, own in zip(sides, np.split(rows, [len(rows) - 2 * rest, len(rows) - rest]), strict=True):
            side.append(own)
    return [np.concatenate(side) for side in sides]


# Regression ----------------------------------------------------------------------------------------------------------------


def _each(model: BaseEstimator) -> MultiOutputRegressor:
    """One model per reference, for what has a single output."""
    return MultiOutputRegressor(model)


_REGRESSORS = {
    "linear": lambda seed, **own: LinearRegression(**own),
    "svr_linear": lambda seed, **own: _each(SVR(kernel="linear", **own)),
    "svr_rbf": lambda seed, **own: _each(SVR(**own)),
    "decision_tree": lambda seed, **own: DecisionTreeRegressor(random_state=seed, **own),
    "random_forest": lambda seed, **own: RandomForestRegressor(**{"n_estimators": 200} | own, random_state=seed),
    "adaboost": lambda seed, **own: _each(AdaBoostRegressor(random_state=seed, **own)),
    "gradient_boosting": lambda seed, **own: _each(GradientBoostingRegressor(random_state=seed, **own)),
    "gaussian_process": lambda seed, length_scale=3.0, alpha=1e-3: GaussianProcessRegressor(
        RBF(length_scale), alpha=alpha, normalize_y=True, optimizer=None
    ),
    "mlp": lambda seed, **own: MLPRegressor(max_iter=2000, random_state=seed, **own),
}
REGRESSORS = tuple(_REGRESSORS)


def regressor(
    model: str = "random_forest", *, scaling: str = "min-max", truncate: bool = False, seed: int = 0, **settings: Any
) -> Pipeline:
    """A pre-treatment and a regressor with one output per reference, as one estimator of peak areas.

    Args:
        model: one of `REGRESSORS`.
        scaling: see `scale`.
        truncate: see `scale`.
        seed: of what is drawn.
        **settings: of scikit-learn's regressor; the forest has 200 trees unless `n_estimators` says otherwise; the Gaussian
            process takes a `length_scale` and `alpha`, the variance of the noise, and keeps them.

    Raises:
        ValueError: an unknown model or scaling.

    >>> regressor("linear")[-1]
    LinearRegression()
    """
    if model not in _REGRESSORS:
        raise ValueError(f"model must be one of {REGRESSORS}, got {model!r}")
    return make_pipeline(scale(scaling, truncate=truncate), _REGRESSORS[model](seed=seed, **settings))


@dataclass(frozen=True, eq=False)
class Regressed:
    """A regression on pseudo-mixtures.

    Attributes:
        model: name.
        kind: of the split.
        settings: with the best R² on the validation mixtures.
        compounds: names.
        validation_r2: of each setting tried, in their order.
        r2: on the test mixtures, mean over the references.
        error: `(compounds,)` mean absolute error of the shares on the test mixtures.
        half_widths: `(compounds,)` of the joint interval, see `joint_half_widths`.
        level: of that interval.
        coverage: share of the test mixtures whose shares all lie in it.
        estimator: fitted on training and validation mixtures.
    """

    model: str
    kind: str
    settings: dict[str, Any]
    compounds: tuple[str, ...]
    validation_r2: tuple[float, ...]
    r2: float
    error: np.ndarray
    half_widths: np.ndarray
    level: float
    coverage: float
    estimator: RegressorMixin

    def compositions(self, unknown: PeakTable) -> Compositions:
        """Shares of samples, none negative and summing to one; low and high are the ends of the joint interval.

        The interval holds for pseudo-mixtures of spectra like the test ones. For real mixtures nobody guarantees it.
        """
        means = _by_sample(_predict(self.estimator, unknown.intensities), unknown, self.compounds, "")
        low, high = (np.clip(means.shares + sign * self.half_widths, 0, 1) for sign in (-1, 1))
        return replace(means, low=low, high=high, meaning=f"{self.level:.0%} joint interval of pseudo-mixtures")


def regress(
    table: PeakTable,
    model: str = "random_forest",
    *,
    kinds: Sequence[str] = SPLITS,
    n: int = 10_000,
    tries: Sequence[Mapping[str, Any]] = ({},),
    scaling: str = "min-max",
    truncate: bool = False,
    parts: int = 2,
    level: float = 0.9,
    seed: int = 0,
) -> Iterator[Regressed]:
    """Learn shares from pseudo-mixtures, once per kind of split.

    Every setting in `tries` is fitted on the training mixtures; the one with the best R² on the validation mixtures gives the
    interval there, is fitted again on both, and is judged on the test mixtures.

    Args:
        table: spectra of the references.
        model: see `regressor`.
        kinds: of `split`, one record each.
        n: mixtures in all; the document has about 10,000.
        tries: settings of the model to choose from; the document tries ten per model.
        scaling: see `scale`.
        truncate: see `scale`.
        parts: see `pseudo_mixtures`.
        level: of the joint interval.
        seed: of mixtures, splits and models.

    Raises:
        ValueError: no settings, a level outside (0, 1); see `split` and `regressor`. Nothing is fitted then.
    """
    if not tries:
        raise ValueError("tries must hold one or more settings; {} stands for the defaults")
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level}")
    models = [regressor(model, scaling=scaling, truncate=truncate, seed=seed, **own) for own in tries]
    sides = {kind: split(table, n, kind=kind, parts=parts, seed=seed) for kind in kinds}
    return (_regressed(model, kind, models, tries, level, *sides[kind]) for kind in kinds)


def _regressed(model, kind, models, tries, level, train, validation, test) -> Regressed:
    fitted = [own.fit(train.intensities, train.shares) for own in models]
    given = [_predict(own, validation.intensities) for own in fitted]
    scores = [float(r2_score(validation.shares, each)) for each in given]
    best = int(np.argmax(scores))
    half_widths = joint_half_widths(validation.shares - given[best], level=level)
    estimator = fitted[best].fit(*(np.concatenate([getattr(part, name) for part in (train, validation)])
                                   for name in ("intensities", "shares")))  # fmt: skip
    final = _predict(estimator, test.intensities)
    inside = (np.abs(test.shares - final) <= half_widths).all(1)
    error = mean_absolute_error(test.shares, final, multioutput="raw_values")
    return Regressed(
        model, kind, dict(tries[best]), train.compounds, tuple(scores), float(r2_score(test.shares, final)), error, half_widths,
        level, float(inside.mean()), estimator,
    )  # fmt: skip


def _predict(estimator: RegressorMixin, intensities: np.ndarray) -> np.ndarray:
    return normalised(estimator.predict(intensities))


def normalised(shares: np.ndarray) -> np.ndarray:
    """Shares `(n, compounds)` that are not negative and sum to one; all alike where nothing is left.

    >>> normalised(np.array([[1.5, -0.5], [-1.0, 0.0]])).tolist()
    [[1.0, 0.0], [0.5, 0.5]]
    """
    positive = np.maximum(shares, 0.0)
    totals = positive.sum(1, keepdims=True)
    return np.where(totals > 0, positive / np.where(totals > 0, totals, 1.0), 1 / positive.shape[1])


def joint_half_widths(residuals: np.ndarray, *, level: float = 0.9) -> np.ndarray:
    """Half widths of an interval that holds for all outputs at once (split conformal prediction).

    Residuals are divided by the mean absolute one of their output; the largest of each row is what counts, and its
    (n + 1) level / n quantile is taken. Exact for new rows drawn like these.

    Args:
        residuals: `(n, outputs)` on data that the model was not fitted on.
        level: the probability.

    Returns:
        `(outputs,)`.

    Raises:
        ValueError: too few rows for the level.

    >>> joint_half_widths(np.array([[1.0], [-2.0], [3.0], [4.0]]), level=0.8).round(3).tolist()
    [4.0]
    """
    residuals = np.abs(np.asarray(residuals, float))
    n = len(residuals)
    rank = int(np.ceil((n + 1) * level - ROUNDING))
    if rank > n:
        raise ValueError(
            f"residuals: {n} rows are too few for a level of {level}; {int(np.ceil(level / (1 - level) - ROUNDING))} are needed"
        )
    scales = residuals.mean(0)
    scales = np.where(scales > 0, scales, 1.0)
    return np.sort((residuals / scales).max(1))[rank - 1] * scales


__all__ = [
    "REGRESSORS", "SPLITS", "Compositions", "PseudoMixtures", "Regressed", "compositions", "joint_half_widths",
    "normalised", "pseudo_mixtures", "regress", "regressor", "split",
]  # fmt: skip
