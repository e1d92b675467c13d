r"""Principal components of spectra (Zhao, section 4.3.2): scores, loadings, 95 % ellipses, decision boundaries.

    S = (X - mean) W,      X̂ = S Wᵀ + mean

X are scaled areas, W the loadings. The document's reconstruction lacks the mean; without it, it is no spectrum.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import f as f_distribution
from sklearn.base import ClassifierMixin, TransformerMixin
from sklearn.decomposition import PCA
from sklearn.utils import get_tags

from toolkit.datasets.peak_tables import PeakTable
from toolkit.spectra.scaling import scale, unscale


@dataclass(frozen=True, eq=False)
class Components:
    """Principal components of a table.

    Attributes:
        table: the spectra that they were fitted on.
        scores: `(n, k)` of these spectra.
        loadings: `(k, m)` rows of unit length, the sign such that the largest entry is positive.
        explained: `(k,)` share of the variance.
        mean: `(m,)` of the scaled areas.
        scaler: the fitted pre-treatment.
    """

    table: PeakTable
    scores: np.ndarray
    loadings: np.ndarray
    explained: np.ndarray
    mean: np.ndarray
    scaler: TransformerMixin

    def project(self, intensities: np.ndarray) -> np.ndarray:
        """Scores `(n, k)` of other spectra `(n, m)`."""
        return (self.scaler.transform(intensities) - self.mean) @ self.loadings.T

    def reconstruct(self, scores: np.ndarray) -> np.ndarray:
        """Areas `(n, m)` of scores `(n, k)`, or of the first few of them; the rest count as zero.

        Raises:
            ValueError: the pre-treatment has no inverse.
        """
        scores = np.asarray(scores, float)
        return unscale(self.scaler, scores @ self.loadings[: scores.shape[1]] + self.mean)


def components(table: PeakTable, n: int = 4, *, scaling: str = "min-max", truncate: bool = False) -> Components:
    """Principal components of the scaled spectra.

    Args:
        table: spectra, usually of the pure references; others are projected.
        n: how many.
        scaling: see `scale`.
        truncate: see `scale`; other spectra are then cut at the largest areas of these.

    Raises:
        ValueError: more components than spectra or peaks, or an unknown scaling.

    >>> table = PeakTable([1.0, 2.0], ["H-", "D-"], [[0, 0], [4, 0], [8, 1]], ["a", "a", "b"], [1, 2, 1])
    >>> fitted = components(table, 2, scaling="none")
    >>> bool(np.allclose(fitted.reconstruct(fitted.scores), table.intensities))
    True
    """
    most = min(table.intensities.shape)
    if not 1 <= n <= most:
        raise ValueError(
            f"n must be 1 to {most}, the lesser of {len(table.samples)} spectra and {len(table.mz)} peaks, got {n}"
        )
    scaler = scale(scaling, truncate=truncate).fit(table.intensities)
    scaled = scaler.transform(table.intensities)
    if np.allclose(scaled, scaled[0]):
        raise ValueError("all scaled spectra are alike: there is no component that tells them apart")
    fitted = PCA(n, svd_solver="full").fit(scaled)
    loadings = fitted.components_ * np.sign(fitted.components_[range(n), np.abs(fitted.components_).argmax(1)])[:, None]
    return Components(
        table, (scaled - fitted.mean_) @ loadings.T, loadings, fitted.explained_variance_ratio_, fitted.mean_, scaler
    )


@dataclass(frozen=True, eq=False)
class Ellipse:
    """Where a further point of the same kind lies with a given probability.

    Attributes:
        centre: `(2,)`.
        axes: `(2, 2)` half axes as columns.
    """

    centre: np.ndarray
    axes: np.ndarray

    def contains(self, points: np.ndarray) -> np.ndarray:
        """Whether each of `(n, 2)` points lies in it."""
        inside = np.linalg.solve(self.axes, (np.asarray(points) - self.centre).T)
        return (inside**2).sum(0) <= 1

    def outline(self, n: int = 60) -> np.ndarray:
        """`(n, 2)` points of its closed line."""
        angles = np.linspace(0, 2 * np.pi, n)
        return self.centre + np.stack([np.cos(angles), np.sin(angles)], axis=1) @ self.axes.T


def ellipse(points: np.ndarray, *, level: float = 0.95) -> Ellipse:
    r"""Prediction ellipse of normal points (Hotelling): $(x-\bar x)^T C^{-1} (x-\bar x) \le \frac{2(n^2-1)}{n(n-2)} F$.

    F is the quantile of the F distribution with 2 and n - 2 degrees of freedom. The document says "95 % confidence interval"
    only; a point of a further spectrum is asked about here, not the mean.

    Args:
        points: `(n, 2)` scores of one compound, three or more.
        level: the probability.

    Raises:
        ValueError: too few points, points on a line, or a level outside (0, 1).

    >>> found = ellipse(np.array([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]]))
    >>> found.contains([[0.0, 0.0], [40.0, 0.0]]).tolist()
    [True, False]
    """
    points = np.asarray(points, float)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 3:
        raise ValueError(f"points must be three or more pairs, (n, 2), got shape {points.shape}")
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level}")
    n = len(points)
    variances, directions = np.linalg.eigh(np.cov(points.T))
    if variances[0] <= 1e-12 * variances[1]:
        raise ValueError("points lie on a line: their ellipse has no width")
    size = 2 * (n**2 - 1) / (n * (n - 2)) * f_distribution.ppf(level, 2, n - 2)
    return Ellipse(points.mean(0), directions * np.sqrt(size * variances))


def overlaps(fitted: Components, unknown: PeakTable, *, axes: tuple[int, int] = (0, 1), level: float = 0.95) -> pd.DataFrame:
    """Share of each unknown sample's spectra inside the ellipse of each reference (the document's identification by PCA).

    Args:
        fitted: components of the references.
        unknown: other spectra.
        axes: the two components of the plot.
        level: of the ellipses.

    Returns:
        Unknown samples in rows, references in columns.
    """
    points, chosen = fitted.project(unknown.intensities)[:, axes], {}
    for name in fitted.table.compounds:
        inside = ellipse(fitted.scores[fitted.table.samples == name][:, axes], level=level).contains(points)
        chosen[name] = pd.Series(inside).groupby(unknown.samples, sort=False).mean()
    return pd.DataFrame(chosen).rename_axis("sample")


# The three steps of Graham and Castner -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reading:
    """What sets a compound apart, read in three steps.

    Attributes:
        compound: its name.
        component: number of the component whose scores set it apart most, from 0.
        sign: on which side its scores lie, 1 or -1.
        separation: distance to the nearest other compound, in standard deviations of the two.
        peaks: numbers of the peaks with the largest loadings towards that side, the largest first.
        highest: for each peak, whether the compound has the largest mean area of all.
    """

    compound: str
    component: int
    sign: int
    separation: float
    peaks: tuple[int, ...]
    highest: tuple[bool, ...]


def reading(fitted: Components, compound: str, *, n: int = 15) -> Reading:
    """Choose a component, read its loadings, check the peak areas (Graham and Castner; Zhao, Fig. 4.15 and Table 4.6).

    Args:
        fitted: components of the references.
        compound: one of its samples.
        n: number of peaks.

    Raises:
        ValueError: an unknown compound, or fewer than two.
    """
    names = fitted.table.compounds
    if compound not in names or len(names) < 2:
        raise ValueError(f"compound must be one of two or more samples, got {compound!r} of {list(names)}")
    gaps = _gaps(fitted, compound)
    component = int(np.abs(gaps).argmax())
    sign = 1 if gaps[component] > 0 else -1
    peaks = np.argsort(-sign * fitted.loadings[component], kind="stable")[:n]
    means = _mean_areas(fitted.table)
    highest = means[:, peaks].argmax(0) == names.index(compound)
    return Reading(compound, component, sign, float(abs(gaps[component])), tuple(peaks.tolist()), tuple(highest.tolist()))


def _gaps(fitted: Components, compound: str) -> np.ndarray:
    """Signed distance of a compound to the nearest other one on each component; 0 where it lies between others."""
    groups = {name: fitted.scores[fitted.table.samples == name] for name in fitted.table.compounds}
    own = groups.pop(compound)
    distances = []
    for other in groups.values():
        spread = np.sqrt((own.var(0) + other.var(0)) / 2)
        distances.append((own.mean(0) - other.mean(0)) / np.where(spread > 0, spread, 1.0))
    low, high = np.min(distances, axis=0), np.max(distances, axis=0)
    return np.where(low > 0, low, np.where(high < 0, high, 0.0))


def _mean_areas(table: PeakTable) -> np.ndarray:
    return np.array([table.intensities[table.samples == name].mean(0) for name in table.compounds])


# Decision boundaries -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class DecisionMap:
    """What a classifier says all over the plane of two components.

    Attributes:
        x: `(w,)` scores on the first.
        y: `(h,)` scores on the second.
        classes: names.
        labels: `(h, w)` number of the likeliest class.
        probabilities: `(h, w, classes)`.
    """

    x: np.ndarray
    y: np.ndarray
    classes: tuple[str, ...]
    labels: np.ndarray
    probabilities: np.ndarray


def decision_map(
    model: ClassifierMixin, fitted: Components, *, axes: tuple[int, int] = (0, 1), size: int = 60, margin: float = 0.1
) -> DecisionMap:
    """Classify the spectra that the points of a plane stand for: all other scores are zero, the mean is added back.

    A classifier whose scaling refuses negative areas sees them as zero.

    Args:
        model: fitted on areas, with `predict_proba`.
        fitted: components of the same peaks; its scaling must have an inverse.
        axes: the two components.
        size: points along each side.
        margin: beyond the scores, as a share of their range.

    Raises:
        ValueError: axes that are not two of the components, or a scaling without inverse.
    """
    count = len(fitted.loadings)
    if len(set(axes)) != 2 or not all(0 <= axis < count for axis in axes):
        raise ValueError(f"axes must be two of the components 0 to {count - 1}, got {tuple(axes)}")
    low, high = fitted.scores[:, axes].min(0), fitted.scores[:, axes].max(0)
    room = margin * (high - low)
    x, y = (np.linspace(*limits, size) for limits in zip(low - room, high + room, strict=True))
    scores = np.zeros((size * size, count))
    scores[:, axes[0]], scores[:, axes[1]] = (part.ravel() for part in np.meshgrid(x, y))
    areas = fitted.reconstruct(scores)
    if get_tags(model[0] if hasattr(model, "steps") else model).input_tags.positive_only:
        areas = np.maximum(areas, 0.0)
    probabilities = model.predict_proba(areas).reshape(size, size, -1)
    return DecisionMap(x, y, tuple(model.classes_.tolist()), probabilities.argmax(-1), probabilities)
