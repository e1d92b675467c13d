"""Following a model on held-out patients of two clinics while it is trained: isolated and merged, with intervals."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from toolkit import training
from toolkit.datasets.patients import per_patient
from toolkit.survival import domain
from toolkit.survival.metrics import Interval, KaplanMeier, kaplan_meier
from toolkit.survival.observations import Values, finite, observed, per_subject

MERGES = ("naive", "standardised")


@dataclass(frozen=True)
class ClinicRecord:
    """What one unit of training gave on the held-out patients.

    Attributes:
        epoch: see `training.Record`.
        step: likewise.
        seconds: likewise, with the time for these measurements.
        metrics: those of `training.Record`, `shift` (see `domain.shift_between`) and, for each name of `concordances`,
            `c_index_<name>`, `low_<name>` and `high_<name>`.
        outcomes: time, event and number of the clinic of each patient `(n, 3)`.
        log_hazard: predicted, the mean over a patient's slides `(n,)`.
        diverged: see `training.Record`.
    """

    epoch: float
    step: int
    seconds: float
    metrics: Mapping[str, float]
    outcomes: np.ndarray
    log_hazard: np.ndarray
    diverged: bool = False


def follow(
    run: training.Fit, held_out: tuple[Tensor, Tensor], *, clinics: tuple[str, str] = ("A", "B"), resamples: int = 200
) -> Iterator[ClinicRecord]:
    """Measure the model of a run on held-out patients of two clinics at each of its records.

    Args:
        run: of `training.fit` or `CoxNetwork.fit`.
        held_out: slides and their targets with the columns `datasets.patients.TARGETS`.
        clinics: names of the clinics 0 and 1.
        resamples: of the intervals.

    Yields:
        One record for each of the run's.
    """
    inputs, targets = held_out
    patient = targets[:, 3]
    outcomes = per_patient(targets[:, :3], patient)
    for record in run:
        log_hazard = training.outputs(run.model, inputs, normalise=run.normalise).reshape(-1).cpu()
        log_hazard = per_patient(log_hazard, patient)
        metrics = dict(record.metrics)
        if bool(log_hazard.isfinite().all()):
            metrics |= measurements(outcomes, log_hazard, clinics=clinics, resamples=resamples)
        yield ClinicRecord(
            record.epoch, record.step, record.seconds, metrics, outcomes.numpy(), log_hazard.numpy(), record.diverged
        )


def measurements(
    outcomes: Tensor, log_hazard: Tensor, *, clinics: tuple[str, str] = ("A", "B"), resamples: int = 200
) -> dict[str, float]:
    """Shift between the clinics, and each of their `concordances` with its bounds, by the names of `ClinicRecord.metrics`.

    Args:
        outcomes: time, event and number of the clinic `(n, 3)`.
        log_hazard: `(n,)`.
        clinics: their names.
        resamples: see `concordances`.
    """
    values = {"shift": domain.shift_between(log_hazard, outcomes[:, 2])}
    for name, interval in concordances(
        *outcomes[:, :2].T, log_hazard, outcomes[:, 2], names=clinics, resamples=resamples
    ).items():
        values |= {f"c_index_{name}": interval.value, f"low_{name}": interval.low, f"high_{name}": interval.high}
    return values


def concordances(
    time: Values,
    event: Values,
    log_hazard: Values,
    clinic: Values,
    *,
    names: tuple[str, ...] = ("A", "B"),
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, Interval]:
    """Harrell's concordance index in each clinic and in both merged, naively and standardised, with bootstrap intervals.

    The columns of Burghoff, Table 7.2. Each interval is that of `metrics.bootstrap_interval`, counted from the n x n matrix of
    pairs for all resamples at once: for up to a few thousand subjects. Standardising is not repeated inside a resample.

    Args:
        time: to the event or the end of observation `(n,)`.
        event: 1 where the event was seen, else 0 `(n,)`.
        log_hazard: `(n,)`.
        clinic: what tells the clinics apart `(n,)`.
        names: of the clinics, in the rising order of `clinic`.
        resamples: how many.
        level: share of them between the bounds.
        seed: of the draws.

    Returns:
        The names and `MERGES`, each with its interval; the value is nan where there is no comparable pair, the bounds where
        fewer than half of the resamples have one.

    Raises:
        ValueError, TypeError: see `observations.observed`; another number of clinics than names.

    >>> values = concordances([1, 2, 3, 1, 2, 3], [1] * 6, [2, 1, 0, 9, 8, 7], [0, 0, 0, 1, 1, 1], resamples=99)
    >>> {name: interval.value for name, interval in values.items()}
    {'A': 1.0, 'B': 1.0, 'naive': 0.75, 'standardised': 1.0}
    """
    time, event = observed(time, event)
    h = finite("log_hazard", per_subject("log_hazard", log_hazard, time)).detach().to(torch.float64)
    clinic = per_subject("clinic", clinic, time)
    numbers = clinic.unique()
    if len(numbers) != len(names):
        raise ValueError(f"clinic must hold one value for each of the names {names}, got {numbers.tolist()}")
    merged = domain.standardise(h, clinic)
    of = {name: clinic == number for name, number in zip(names, numbers, strict=True)}
    found = {name: _interval(time[rows], event[rows], h[rows], resamples, level, seed) for name, rows in of.items()}
    found["naive"] = _interval(time, event, h, resamples, level, seed)
    found["standardised"] = _interval(time, event, merged, resamples, level, seed)
    return found


def risk_groups(
    time: Values, event: Values, log_hazard: Values, *, names: Sequence[str] = ("low", "middle", "high")
) -> list[tuple[str, KaplanMeier]]:
    """Survival of groups of equal size, from the lowest predicted risk to the highest, by Kaplan and Meier.

    Args:
        time: to the event or the end of observation `(n,)`.
        event: 1 where the event was seen, else 0 `(n,)`.
        log_hazard: `(n,)`.
        names: of the groups, not more than there are subjects.

    Returns:
        For each group its name with the numbers of its patients and events, and its curve.

    Raises:
        ValueError, TypeError: see `observations.observed`; more groups than subjects.

    >>> [label for label, _ in risk_groups([1, 2, 3, 4], [1, 1, 0, 0], [4, 3, 2, 1], names=("low", "high"))]
    ['low risk: 2 patients, 0 events', 'high risk: 2 patients, 2 events']
    """
    time, event = observed(time, event)
    h = finite("log_hazard", per_subject("log_hazard", log_hazard, time))
    if not 1 <= len(names) <= len(h):
        raise ValueError(f"names must be those of 1 to {len(h)} groups, got {names!r}")
    groups = []
    for name, rows in zip(names, torch.argsort(h, stable=True).tensor_split(len(names)), strict=True):
        label = f"{name} risk: {len(rows)} patients, {int(event[rows].sum())} events"
        groups.append((label, kaplan_meier(time[rows], event[rows])))
    return groups


def _interval(time: Tensor, event: Tensor, h: Tensor, resamples: int, level: float, seed: int) -> Interval:
    """C for how often each subject is drawn: two copies of one subject are never a comparable pair."""
    later = (time[:, None] < time) | ((time[:, None] == time) & ~event)
    comparable = (later & event[:, None]).float()
    concordant = comparable * ((h[:, None] > h).float() + 0.5 * (h[:, None] == h))  # halves, so float32 counts them exactly
    draws = torch.from_numpy(np.random.default_rng(seed).integers(len(time), size=(resamples, len(time))))
    drawn = torch.zeros(draws.shape).scatter_add_(1, draws, torch.ones(draws.shape))
    right, pairs = (((drawn @ matrix) * drawn).double().sum(1) for matrix in (concordant, comparable))
    values = (right / pairs)[pairs > 0].numpy()
    value = float(concordant.double().sum() / comparable.double().sum())  # nan without a comparable pair
    if 2 * len(values) < resamples:
        return Interval(value, math.nan, math.nan, level, len(values))
    low, high = np.quantile(values, [0.5 - level / 2, 0.5 + level / 2])
    return Interval(value, float(low), float(high), level, len(values))
