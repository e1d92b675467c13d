"""Problems that can be drawn: one or two features and a target, made up or from a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
from sklearn.datasets import make_blobs, make_circles, make_moons

from toolkit.datasets import conductivities

FAMILIES = ("NASICON", "garnet", "argyrodites", "perovskites", "LISICON")


@dataclass(frozen=True, eq=False)
class Problem:
    """Features and a target with what is known of them.

    Attributes:
        name: of the problem.
        inputs: `(n, d)`.
        targets: `(n,)` labels from 0 upwards, or real numbers.
        features: names of the d columns, with unit.
        target: name of the target, with unit.
        classes: names of the labels; None for a regression.
        groups: `(n,)` a key per row; rows of one group resemble each other.
        labels: `(n,)` what to call each row.
        source: where it comes from.
        simulated: computed rather than measured.
    """

    name: str
    inputs: np.ndarray
    targets: np.ndarray
    features: tuple[str, ...]
    target: str
    classes: tuple[str, ...] | None
    groups: np.ndarray
    labels: tuple[str, ...]
    source: str
    simulated: bool

    @property
    def task(self) -> str:
        """The kind of target: "classification" or "regression"."""
        return "regression" if self.classes is None else "classification"


def made_up(name: str, *, samples: int = 200, noise: float = 0.2, seed: int = 0) -> Problem:
    """One of `MADE_UP`: points in a plane, or a curve.

    Args:
        name: of the problem.
        samples: n.
        noise: standard deviation around the shape, or of the curve's measurements.
        seed: of the draws.

    Raises:
        ValueError: an unknown name, fewer than 20 samples or a negative noise.

    >>> made_up("two moons").inputs.shape
    (200, 2)
    """
    if name not in MADE_UP:
        raise ValueError(f"{name!r} is not known; known are {tuple(MADE_UP)}")
    if samples < 20 or noise < 0:
        raise ValueError(f"samples must be 20 or more and noise not negative, got {samples} and {noise}")
    inputs, targets = MADE_UP[name](samples, noise, seed)
    classes = None if targets.dtype.kind == "f" else tuple("ABC"[: targets.max() + 1])
    return Problem(
        name, inputs, targets, ("x",) if classes is None else ("x₁", "x₂"), "y", classes, np.arange(samples),
        tuple(f"sample {number}" for number in range(samples)), f"generated with seed {seed}", simulated=True,
    )  # fmt: skip


def electrolytes(
    goal: str, features: Sequence[str] = ("electronegativity", "volume per atom"), *, threshold: float = -4.0
) -> Problem:
    """A question to the conductivities of `datasets.conductivities.load`, with some of its features.

    Args:
        goal: one of `GOALS`: whether the conductivity lies above the threshold, which of `FAMILIES` a composition belongs to,
            or the logarithm of the conductivity.
        features: names of columns of `Conductivities.features`.
        threshold: decimal logarithm of the conductivity [S/cm] from which on a conductor is good.

    Raises:
        ValueError: an unknown goal or feature, or a threshold beyond all values.

    >>> electrolytes("conductivity", ["lithium share"]).task
    'regression'
    """
    table, columns, source, simulated = _electrolytes()
    unknown = [name for name in features if name not in columns]
    if goal not in GOALS or unknown or not len(features):
        raise ValueError(f"goal must be one of {GOALS} and features some of {tuple(columns)}, got {goal!r} and {features}")
    rows = table["family"].isin(FAMILIES).to_numpy() if goal == "family" else np.full(len(table), True)
    table, columns = table[rows], columns[rows]
    targets, target, classes = _targets(goal, table, threshold)
    labels = [f"{formula}, {value:.1e} S/cm" for formula, value in zip(table["formula"], table["conductivity"], strict=True)]
    return Problem(
        goal, columns[list(features)].to_numpy(), targets, tuple(features), target, classes, table["paper"].to_numpy(str),
        tuple(labels), source, simulated,
    )  # fmt: skip


def from_table(frame: pd.DataFrame, target: str, *, features: Sequence[str], groups: str | None = None) -> Problem:
    """A problem from one's own table; whole numbers and text as target are classes.

    Args:
        frame: one row per sample.
        target: name of its column.
        features: names of one or two columns of numbers.
        groups: name of the column that says which rows belong together, such as the batch.

    Raises:
        ValueError: a column that is missing, is not finite or holds no numbers, or more than two features.
    """
    wanted = [*features, target, *([groups] if groups else [])]
    missing = [name for name in wanted if name not in frame]
    if missing or not 1 <= len(features) <= 2:
        raise ValueError(f"one or two features are needed and all columns of {wanted}; the table has {list(frame)}")
    inputs = frame[list(features)].to_numpy()
    if inputs.dtype.kind not in "biuf" or not np.isfinite(inputs.astype(float)).all():
        raise ValueError(f"features {list(features)} must be columns of finite numbers")
    targets, classes = frame[target].to_numpy(), None
    if targets.dtype.kind == "f" and not np.isfinite(targets).all():
        raise ValueError(f"target {target!r} must be finite, row {int(np.flatnonzero(~np.isfinite(targets))[0])} is not")
    if targets.dtype.kind != "f":
        names, targets = np.unique(frame[target].astype(str), return_inverse=True)
        classes = tuple(names.tolist())
    keys = frame[groups].to_numpy(str) if groups else np.arange(len(frame))
    return Problem(
        "own data", inputs.astype(float), targets, tuple(features), target, classes, keys,
        tuple(f"row {index}" for index in frame.index), "own table", simulated=False,
    )  # fmt: skip


def _curve(samples: int, noise: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    x = draw.uniform(0, 1, samples)
    return x[:, None], np.sin(2 * np.pi * x) + 0.5 * np.sin(5 * np.pi * x) + noise * draw.standard_normal(samples)


MADE_UP: dict[str, Callable[[int, float, int], tuple[np.ndarray, np.ndarray]]] = {
    "two moons": lambda n, noise, seed: make_moons(n, noise=noise, random_state=seed),
    "two rings": lambda n, noise, seed: make_circles(n, noise=noise, factor=0.5, random_state=seed),
    "three clouds": lambda n, noise, seed: make_blobs(n, cluster_std=0.5 + 5 * noise, random_state=seed),
    "noisy curve": _curve,
}
GOALS = ("good conductor", "family", "conductivity")


@cache
def _electrolytes() -> tuple[pd.DataFrame, pd.DataFrame, str, bool]:
    data = conductivities.load().measured()
    return data.table, data.features(), data.source, data.simulated


def _targets(goal: str, table: pd.DataFrame, threshold: float) -> tuple[np.ndarray, str, tuple[str, ...] | None]:
    logarithm = table["log_conductivity"].to_numpy(float)
    if goal == "conductivity":
        return logarithm, "log₁₀ σ [S/cm]", None
    if goal == "family":
        return table["family"].map(FAMILIES.index).to_numpy(), "family", FAMILIES
    good = (logarithm >= threshold).astype(int)
    if len(np.unique(good)) < 2:
        raise ValueError(
            f"threshold {threshold} lies beyond all conductivities, {logarithm.min():.1f} to {logarithm.max():.1f}"
        )
    return good, "conductor", ("poor", "good")
