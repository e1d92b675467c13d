"""Runs that are members of a population: the function takes many settings at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from toolkit.sweep.attempt import Outcome, attempt
from toolkit.sweep.cores import Keep
from toolkit.sweep.record import SweepRecord


def in_populations(
    function: Callable[..., Any], runs: Mapping[int, dict[str, Any]], keep: Keep, *, members: int | None
) -> Iterator[SweepRecord]:
    """One population after the other, each of so many members at most, here."""
    left = list(runs)
    size = members or max(1, len(left))
    for start in range(0, len(left), size):
        population = left[start : start + size]
        outcome = attempt(function, columns({index: runs[index] for index in population}))
        for index, member in zip(population, shared_out(outcome, len(population)), strict=True):
            yield keep(index, member)


def columns(runs: Mapping[int, Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Name to one value per run.

    Raises:
        ValueError: the runs do not have the same names.

    >>> columns({0: {"mass": 1.0}, 1: {"mass": 2.0}})
    {'mass': [1.0, 2.0]}
    """
    names = list(next(iter(runs.values()), {}))
    for index, setting in runs.items():
        if set(setting) != set(names):
            raise ValueError(f"settings[{index}] has {sorted(setting)}, the members of a population have all {sorted(names)}")
    return {name: [setting[name] for setting in runs.values()] for name in names}


def shared_out(outcome: Outcome, members: int) -> list[Outcome]:
    """The outcome of each member; an error is that of all, the time is shared evenly."""
    seconds = outcome.seconds / members
    wrong = {name: np.shape(value) for name, value in outcome.result.items() if np.shape(value)[:1] != (members,)}
    if outcome.error or wrong:
        said = outcome.error or f"the function must return {members} values of each result, one per member; got {wrong}"
        return [Outcome({}, seconds, said)] * members
    return [
        Outcome({name: _value(values[member]) for name, values in outcome.result.items()}, seconds, "")
        for member in range(members)
    ]


def _value(value: Any) -> Any:
    return value.item() if np.ndim(value) == 0 and hasattr(value, "item") else value
