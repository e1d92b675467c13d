"""Backward elimination: train, score the functions, drop some, train anew (Ghimire, sections 4.2 and 4.4)."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from toolkit.potential.selection import masked
from toolkit.potential.selection.importance import permutation, weight_lengths
from toolkit.potential.selection.scaling import Scaled

SCORES = ("leave one out", "weights", "permutation")


@dataclass(frozen=True)
class Round:
    """One training on the functions that are left, and what it says of them.

    Attributes:
        number: from 0.
        columns: functions in use, numbers among the d, rising.
        scores: of each of them for each seed, `(s, len(columns))`; the least mean is dropped first. Rise of the validation
            RMSE [meV/atom] without the function, or with it shuffled, or the length of its weights.
        dropped: functions that the next round does without, the least first.
        validation_rmse: with all columns, one per seed [meV/atom].
        test_rmse: likewise; nan without test frames.
        seconds: since the start.
    """

    number: int
    columns: tuple[int, ...]
    scores: np.ndarray
    dropped: tuple[int, ...]
    validation_rmse: np.ndarray
    test_rmse: np.ndarray
    seconds: float


@dataclass(frozen=True)
class LeftOut:
    """Table D.1 for one seed: the network with all functions beside those without one each.

    Attributes:
        seed: of the first weights.
        columns: the functions, d' of them.
        full_validation: RMSE with all [meV/atom].
        full_test: likewise.
        validation: without each, `(d',)`.
        test: likewise.
        seconds: that this seed took.
    """

    seed: int
    columns: tuple[int, ...]
    full_validation: float
    full_test: float
    validation: np.ndarray
    test: np.ndarray
    seconds: float


def leave_one_out(data: Scaled, *, seeds: Sequence[int] = (0,), **settings: Any) -> Iterator[LeftOut]:
    """All d networks of d - 1 functions and the full one, trained at once for each seed (Ghimire, Table D.1).

    The members of one seed start from the same weights and meet the frames in the same order, so that they differ by the left
    out function and by what rounding and the early steps make of it. A seed also sets the order of the frames.

    Args:
        data: with the d functions only, see `Scaled.only`.
        seeds: one result each.
        settings: of `masked.fit`.
    """
    everything = np.arange(data.features)
    masks = [everything, *(np.delete(everything, column) for column in everything)]
    for seed in seeds:
        started = time.perf_counter()
        run = masked.fit(data, masks=masks, seeds=seed, order_seed=seed, **settings)
        list(run)
        validation, test = run.rmse("validation"), _test(run)
        yield LeftOut(
            seed, tuple(everything.tolist()), float(validation[0]), float(test[0]), validation[1:], test[1:],
            time.perf_counter() - started,
        )  # fmt: skip


def backward(
    data: Scaled,
    *,
    score: Literal["leave one out", "weights", "permutation"] = "permutation",
    drop: int | float = 0.2,
    least: int = 1,
    only_gains: bool = False,
    seeds: Sequence[int] = (0, 1, 2),
    **settings: Any,
) -> Iterator[Round]:
    """Drop the functions that matter least, round by round, and train the others anew each time.

    The document trained one network per function left out and dropped what made the loss of that one training fall, or
    dropped by the weights of one training; both came out differently each time. Here a score is a mean over seeds. Only the
    validation part is looked at; the errors on the test part are told, not used.

    Args:
        data: from `scaling.scaled`.
        score: "leave one out" trains a network without each function (sequential backward elimination), the others train the
            full network only and read its first layer, or shuffle one function at a time.
        drop: functions per round, or a share of those left below 1 (at least one function).
        least: rounds go on while more functions than this are left; the last one trains with these.
        only_gains: with "leave one out", end when no removal lowers the error (the document's rule).
        seeds: of the first weights; one network each.
        settings: of `masked.fit`.

    Raises:
        ValueError: a setting that cannot work, before any training.
    """
    if score not in SCORES:
        raise ValueError(f"score must be one of {SCORES}, got {score!r}")
    if not (0 < drop < 1 or (drop >= 1 and drop == int(drop))):
        raise ValueError(f"drop must be a share above 0 and below 1, or a whole number, got {drop}")
    if not 1 <= least <= data.features:
        raise ValueError(f"least must be in 1 .. {data.features}, got {least}")
    if only_gains and score != "leave one out":
        raise ValueError(f"only_gains needs the score 'leave one out', got {score!r}")
    if len(seeds) == 0:
        raise ValueError("seeds: at least one is needed")
    return _rounds(data, score, drop, least, only_gains, list(seeds), settings)


def _rounds(data, score, drop, least, only_gains, seeds, settings) -> Iterator[Round]:
    columns, started, number = np.arange(data.features), time.perf_counter(), 0
    while True:
        scores, validation, test = _scored(data.only(columns), score, seeds, settings)
        count = min(max(1, int(drop * len(columns)) if drop < 1 else int(drop)), len(columns) - least)
        order = np.argsort(scores.mean(0), kind="stable")[:count]
        if only_gains:
            order = order[scores.mean(0)[order] < 0]
        dropped = tuple(columns[order].tolist())
        spent = time.perf_counter() - started
        yield Round(number, tuple(columns.tolist()), scores, dropped, validation, test, spent)
        if not dropped:
            return
        columns, number = np.delete(columns, order), number + 1


def _scored(data: Scaled, score: str, seeds: list[int], settings: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores `(s, d)`, validation and test RMSE `(s,)` of the networks with all functions."""
    everything = np.arange(data.features)
    masks = [everything] * len(seeds)
    if score == "leave one out" and data.features > 1:
        masks += [np.delete(everything, column) for column in everything for _ in seeds]
    run = masked.fit(data, masks=masks, seeds=seeds * (len(masks) // len(seeds)), **settings)
    list(run)
    validation, test = run.rmse("validation"), _test(run)
    full = validation[: len(seeds)]
    if score == "weights":
        scores = weight_lengths(run)
    elif score == "permutation":
        scores = permutation(run).mean(0)
    elif data.features > 1:
        scores = (validation[len(seeds) :].reshape(-1, len(seeds)) - full).T
    else:
        scores = np.full((len(seeds), 1), np.inf)
    return scores, full, test[: len(seeds)]


def _test(run: masked.Masked) -> np.ndarray:
    """Test RMSE of every member; nan without test frames."""
    return run.rmse("test") if len(run.data.test[1]) else np.full(len(run.seeds), np.nan)
