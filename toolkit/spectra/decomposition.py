r"""Spectra as sums of a few spectra that are nowhere negative (Zhao, section 4.3.4).

    A ≈ W H,   W ≥ 0,   H ≥ 0

A are n spectra, H the profiles of k components, W how much of each is in a spectrum. Two ways to find them: multiplicative
updates (Lee and Seung), whose error never grows, and alternating least squares (MCR-ALS), which solves for W and H exactly in
turn. Both start from the k spectra of A that differ most, so that nothing is drawn by chance. Profiles sum to one: W then is
in counts, and its columns' shares are what the document calls concentrations.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

METHODS = ("nmf", "mcr")
NOTHING = np.finfo(float).tiny


@dataclass(frozen=True, eq=False)
class Step:
    """One iteration.

    Attributes:
        iteration: its number; 0 is the start.
        weights: `(n, k)` W.
        profiles: `(k, m)` H.
        error: Frobenius norm of A - W H over that of A.
    """

    iteration: int
    weights: np.ndarray
    profiles: np.ndarray
    error: float


@dataclass(frozen=True, eq=False)
class Decomposition:
    """Spectra as weights and profiles.

    Attributes:
        weights: `(n, k)` in the units of the spectra.
        profiles: `(k, m)`, each sums to one; the components with the largest weights come first.
        error: of the reconstruction, relative.
        iterations: until the error stood still, or the limit.
        converged: whether it stood still.
        method: "nmf" or "mcr".
    """

    weights: np.ndarray
    profiles: np.ndarray
    error: float
    iterations: int
    converged: bool
    method: str

    @property
    def shares(self) -> np.ndarray:
        """`(k,)` share of each component in all weights."""
        return self.weights.sum(0) / self.weights.sum()


def factorise(
    intensities: np.ndarray,
    n: int,
    *,
    method: str = "nmf",
    start: tuple[np.ndarray, np.ndarray] | None = None,
) -> Iterator[Step]:
    """Iterate without end; every step is one update of W and of H.

    Args:
        intensities: `(n, m)` spectra, none negative.
        n: number of components.
        method: "nmf" for multiplicative updates, "mcr" for alternating non-negative least squares.
        start: W `(n, k)` and H `(k, m)` to begin with; by default the spectra that differ most.

    Raises:
        ValueError: an unknown method, negative or all-zero intensities, more components than spectra or peaks, a start of
            another shape.
    """
    areas = _checked(intensities, n, method)
    weights, profiles = _start(areas, n) if start is None else _given(areas, n, start)
    return _iterate(areas, weights, profiles, _multiply if method == "nmf" else _alternate)


def decompose(
    intensities: np.ndarray, n: int, *, method: str = "nmf", iterations: int = 2000, tolerance: float = 1e-6
) -> Decomposition:
    """Iterate until the error stands still.

    Args:
        intensities: `(n, m)` spectra, none negative.
        n: number of components.
        method: see `factorise`.
        iterations: most of them.
        tolerance: least gain of the relative error over ten iterations.

    Raises:
        ValueError: see `factorise`; fewer than one iteration.

    >>> pure = np.array([[1.0, 0.0, 1.0], [0.0, 3.0, 1.0]])
    >>> found = decompose(np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 1.0]]) @ pure, 2)
    >>> found.shares.round(3).tolist(), found.error < 1e-3
    ([0.6, 0.4], True)
    """
    if iterations < 1:
        raise ValueError(f"iterations must be 1 or more, got {iterations}")
    errors: list[float] = []
    for step in factorise(intensities, n, method=method):
        errors.append(step.error)
        still = len(errors) > 10 and errors[-11] - errors[-1] <= tolerance
        if still or step.iteration == iterations:
            break
    totals = step.profiles.sum(1)
    weights, profiles = step.weights * totals, step.profiles / np.maximum(totals, NOTHING)[:, None]
    order = np.argsort(-weights.sum(0), kind="stable")
    return Decomposition(weights[:, order], profiles[order], step.error, step.iteration, still, method)


def _iterate(areas, weights, profiles, update) -> Iterator[Step]:
    size, iteration = np.linalg.norm(areas), 0
    while True:
        yield Step(iteration, weights, profiles, float(np.linalg.norm(areas - weights @ profiles) / size))
        weights, profiles = update(areas, weights, profiles)
        iteration += 1


def _multiply(areas, weights, profiles):
    """W <- W (A Hᵀ)/(W H Hᵀ), then H <- H (Wᵀ A)/(Wᵀ W H)."""
    weights = weights * (areas @ profiles.T) / np.maximum(weights @ (profiles @ profiles.T), NOTHING)
    profiles = profiles * (weights.T @ areas) / np.maximum((weights.T @ weights) @ profiles, NOTHING)
    return weights, profiles


def _alternate(areas, weights, profiles):
    """Least squares without negative values for W at the present H, then for H."""
    weights = np.array([nnls(profiles.T, row)[0] for row in areas])
    return weights, np.array([nnls(weights, column)[0] for column in areas.T]).T


def _start(areas: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The n rows that differ most (successive projections), and the weights that they get; nothing is exactly zero."""
    totals = areas.sum(1, keepdims=True)
    rest, chosen = areas / np.where(totals > 0, totals, 1.0), []
    for _ in range(n):
        sizes = (rest**2).sum(1)
        sizes[chosen] = -1.0
        chosen.append(int(sizes.argmax()))
        direction = rest[chosen[-1]] / max(math.sqrt(max(sizes.max(), 0.0)), NOTHING)
        rest = rest - np.outer(rest @ direction, direction)
    profiles = areas[chosen] + 1e-3 * areas.mean()
    weights = np.array([nnls(profiles.T, row)[0] for row in areas])
    return weights + 1e-2, profiles


def _given(areas, n, start):
    weights, profiles = (np.asarray(part, float) for part in start)
    wanted = (len(areas), n), (n, areas.shape[1])
    if (weights.shape, profiles.shape) != wanted or (weights < 0).any() or (profiles < 0).any():
        raise ValueError(
            f"start must be W {wanted[0]} and H {wanted[1]} without negative numbers, got {weights.shape} and {profiles.shape}"
        )
    return weights, profiles


def _checked(intensities: np.ndarray, n: int, method: str) -> np.ndarray:
    if method not in METHODS:
        raise ValueError(f"method must be one of {METHODS}, got {method!r}")
    areas = np.asarray(intensities, float)
    if areas.ndim != 2 or not np.isfinite(areas).all() or (areas < 0).any():
        raise ValueError(f"intensities must be a table (n, m) of finite numbers not below 0, got shape {areas.shape}")
    if not (areas > 0).any():
        raise ValueError("intensities must hold a count, got zeros only")
    if not 1 <= n <= min(areas.shape):
        raise ValueError(
            f"n must be 1 to {min(areas.shape)}, the lesser of {areas.shape[0]} spectra and {areas.shape[1]} peaks, got {n}"
        )
    return areas


# How many, and which -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Elbow:
    """Errors for several numbers of components.

    Attributes:
        counts: numbers of components.
        errors: relative errors of the reconstruction.
        chosen: the number where the error stops falling most abruptly.
    """

    counts: tuple[int, ...]
    errors: tuple[float, ...]
    chosen: int


def elbow(intensities: np.ndarray, *, most: int = 5, method: str = "nmf") -> Elbow:
    """The number of components after which the error falls least compared with before.

    The document looks at 2 to 5 components by eye. Here the bend at k is [e(k-1) - e(k)] - [e(k) - e(k+1)], so one component
    less and one more are computed as well where the table has room for them.

    Args:
        intensities: `(n, m)` spectra, none negative.
        most: largest number to be chosen.
        method: see `factorise`.

    Raises:
        ValueError: a table with fewer than 3 spectra or peaks; see `factorise`.
    """
    limit = min(most + 1, *np.shape(intensities))
    if most < 2 or limit < 3:
        raise ValueError(f"most must be 2 or more and the table 3 x 3 or larger, got {most} and {np.shape(intensities)}")
    counts = tuple(range(1, limit + 1))
    errors = np.array([decompose(intensities, n, method=method).error for n in counts])
    bends = errors[:-2] - 2 * errors[1:-1] + errors[2:]
    return Elbow(counts, tuple(errors.tolist()), counts[1 + int(bends.argmax())])


@dataclass(frozen=True, eq=False)
class Match:
    """Components beside references.

    Attributes:
        references: names.
        correlations: `(k, references)` Pearson's p.
        best: for each component the reference with the largest p.
        accepted: `(k,)` whether that p reaches the threshold.
    """

    references: tuple[str, ...]
    correlations: np.ndarray
    best: tuple[str, ...]
    accepted: np.ndarray

    def shares(self, weights: np.ndarray) -> dict[str, float]:
        """Share of each reference in the weights `(n, k)`; what no accepted component explains is "unknown".

        >>> Match(("a", "b"), np.array([[0.9, 0], [0.2, 0.1]]), ("a", "a"), np.array([True, False])).shares(np.eye(2))
        {'a': 0.5, 'b': 0.0, 'unknown': 0.5}
        """
        totals = np.asarray(weights).sum(0) / np.sum(weights)
        shares = dict.fromkeys((*self.references, "unknown"), 0.0)
        for name, accepted, total in zip(self.best, self.accepted, totals, strict=True):
            shares[name if accepted else "unknown"] += float(total)
        return shares


def match(profiles: np.ndarray, references: np.ndarray, names: Sequence[str], *, least: float = 0.5) -> Match:
    """Which reference each component correlates with most.

    Args:
        profiles: `(k, m)`.
        references: `(r, m)` mean spectra of the pure references, of the same peaks.
        names: of the references.
        least: threshold of Pearson's p, the document's 0.5.

    Raises:
        ValueError: numbers of peaks or names that do not fit.

    >>> match([[1.0, 2.0, 9.0]], [[0.0, 1.0, 8.0], [5.0, 1.0, 0.0]], ["LiH", "LiOH"]).best
    ('LiH',)
    """
    profiles, references = np.asarray(profiles, float), np.asarray(references, float)
    if profiles.ndim != 2 or references.ndim != 2 or profiles.shape[1] != references.shape[1]:
        raise ValueError(f"profiles and references must have the same peaks, got {profiles.shape} and {references.shape}")
    if len(names) != len(references) or not -1 <= least <= 1:
        raise ValueError(f"names must be one per reference and least in [-1, 1], got {len(names)} names and {least}")
    correlations = _standard(profiles) @ _standard(references).T
    best = correlations.argmax(1)
    accepted = correlations[range(len(best)), best] >= least
    return Match(tuple(names), correlations, tuple(names[number] for number in best), accepted)


def _standard(rows: np.ndarray) -> np.ndarray:
    """Rows of mean zero and length one; a flat row correlates with nothing."""
    centred = rows - rows.mean(1, keepdims=True)
    lengths = np.linalg.norm(centred, axis=1, keepdims=True)
    return centred / np.where(lengths > 0, lengths, 1.0)
