"""Active learning: measure the sample that a model finds most worth it, and fit again (Zhao, sections 2.5.3 and 3.2.2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor, VotingRegressor
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.pipeline import Pipeline

ENSEMBLES = (RandomForestRegressor, ExtraTreesRegressor, VotingRegressor)  # whose members each predict the target
STRATEGIES = ("upper bound", "largest mean", "largest spread", "random")


@dataclass(frozen=True, slots=True)
class Round:
    """What one round of measurements gave.

    Attributes:
        number: of the round; 0 is the start.
        chosen: rows measured in this round.
        measured: rows measured so far.
        best: largest target measured so far.
        error: root mean squared error of the model fitted before the choice, on the rows not yet measured; nan in round 0.
    """

    number: int
    chosen: tuple[int, ...]
    measured: int
    best: float
    error: float


def active_learning(
    model: BaseEstimator,
    inputs: Any,
    targets: Any,
    *,
    start: Sequence[int],
    rounds: int,
    batch: int = 1,
    strategy: str = "upper bound",
    kappa: float = 2.0,
    seed: int = 0,
) -> Iterator[Round]:
    """Measure a pool of candidates round by round; a target is read only once its row has been chosen.

    The upper bound is mean + kappa x spread, (2.39). For campaigns of real experiments, with batches by kriging believer, see
    the module `bayesopt`; this loop takes any regressor for which `mean_and_spread` works.

    Args:
        model: a regressor, or a pipeline that ends in one.
        inputs: `(n, d)` features of all candidates.
        targets: `(n,)` what a measurement would give; larger is better.
        start: rows measured before the first round, at least two.
        rounds: of measurements.
        batch: measurements per round.
        strategy: one of `STRATEGIES`.
        kappa: weight of the spread in the upper bound.
        seed: of the random strategy and of ties.

    Returns:
        An iterator of one `Round` for the start and one per round; it ends early once every row is measured.

    Raises:
        ValueError: a start, batch or strategy that cannot work, or one that needs an uncertainty which the model lacks.

    >>> from sklearn.neighbors import KNeighborsRegressor
    >>> pool = np.arange(5.0)[:, None]
    >>> model = KNeighborsRegressor(1)
    >>> [r.best for r in active_learning(model, pool, pool[:, 0], start=[0, 1], rounds=2, strategy="largest mean")]
    [1.0, 4.0, 4.0]
    """
    inputs, targets = np.asarray(inputs, float), np.asarray(targets, float)
    start = [int(row) for row in start]
    if len(inputs) != len(targets):
        raise ValueError(f"inputs and targets must have equal lengths, got {len(inputs)} and {len(targets)}")
    if len(set(start)) != len(start) or len(start) < 2 or not 0 <= min(start) <= max(start) < len(targets):
        raise ValueError(f"start must be two or more different rows from 0 to {len(targets) - 1}, got {start}")
    if batch < 1 or rounds < 0:
        raise ValueError(f"batch must be 1 or more and rounds 0 or more, got {batch} and {rounds}")
    if strategy not in STRATEGIES:
        raise ValueError(f"strategy must be one of {STRATEGIES}, got {strategy!r}")
    last = model[-1] if isinstance(model, Pipeline) else model
    if strategy in ("upper bound", "largest spread") and not isinstance(last, (GaussianProcessRegressor, *ENSEMBLES)):
        raise ValueError(f"strategy {strategy!r} needs a model that knows its uncertainty, {type(last).__name__} does not")
    return _rounds(model, inputs, targets, start, rounds, batch, strategy, kappa, np.random.default_rng(seed))


def mean_and_spread(model: BaseEstimator, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Prediction and its uncertainty: by a Gaussian process its own, by an ensemble the deviation between its members.

    Args:
        model: fitted; a regressor, or a pipeline that ends in one. Neither a process nor one of `ENSEMBLES`: spread 0.
        inputs: `(n, d)`.

    Returns:
        Mean and standard deviation, each `(n,)`.
    """
    steps, last = (model[:-1], model[-1]) if isinstance(model, Pipeline) else (None, model)
    prepared = steps.transform(inputs) if steps is not None and len(steps) else inputs
    if isinstance(last, GaussianProcessRegressor):
        return last.predict(prepared, return_std=True)
    mean = last.predict(prepared)
    if not isinstance(last, ENSEMBLES):
        return mean, np.zeros(len(mean))
    return mean, np.std([member.predict(prepared) for member in last.estimators_], axis=0)


def _rounds(model, inputs, targets, start, rounds, batch, strategy, kappa, draw) -> Iterator[Round]:
    measured = list(start)
    yield Round(0, tuple(measured), len(measured), float(targets[measured].max()), float("nan"))
    for number in range(1, rounds + 1):
        waiting = np.setdiff1d(np.arange(len(targets)), measured)
        if not len(waiting):
            return
        fitted = clone(model).fit(inputs[measured], targets[measured])
        mean, spread = mean_and_spread(fitted, inputs[waiting])
        error = float(np.sqrt(np.mean((mean - targets[waiting]) ** 2)))
        worth = _worth(strategy, mean, spread, kappa, draw)
        order = np.lexsort((draw.random(len(waiting)), -worth))  # the last key counts first
        chosen = tuple(waiting[order[:batch]].tolist())
        measured += chosen
        yield Round(number, chosen, len(measured), float(targets[measured].max()), error)


def _worth(strategy: str, mean: np.ndarray, spread: np.ndarray, kappa: float, draw: np.random.Generator) -> np.ndarray:
    if strategy == "random":
        return draw.random(len(mean))
    return {"upper bound": mean + kappa * spread, "largest mean": mean, "largest spread": spread}[strategy]
