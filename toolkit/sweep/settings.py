"""Settings of a sweep: made from ranges, checked, and told apart by their content."""

from __future__ import annotations

import inspect
import itertools
import json
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any

import numpy as np

from toolkit.sweep.values import plain

RESERVED = ("seconds", "error")  # columns of every table of results


def grid(**values: Iterable[Any]) -> list[dict[str, Any]]:
    """Every combination of the values, the last name running fastest.

    Args:
        values: the values of each setting, one or more.

    Raises:
        ValueError, TypeError: a setting has no values, or they are not a sequence.

    >>> grid(learning_rate=[0.1, 1.0], seed=range(2))
    [{'learning_rate': 0.1, 'seed': 0}, {'learning_rate': 0.1, 'seed': 1},
     {'learning_rate': 1.0, 'seed': 0}, {'learning_rate': 1.0, 'seed': 1}]
    """
    choices = {name: _choices(name, given) for name, given in values.items()}
    return [dict(zip(choices, combination, strict=True)) for combination in itertools.product(*choices.values())]


def random(n: int, *, seed: int, **ranges: tuple | Iterable[Any]) -> list[dict[str, Any]]:
    """Draw n different settings; the first of them are the same for every n, so that a sweep can be made longer.

    Args:
        n: how many settings.
        seed: of the draws. For runs with several seeds each: `[one | {"seed": k} for one in random(...) for k in range(3)]`.
        ranges: for each setting `(low, high)` for numbers spread evenly, `(low, high, "log")` for numbers whose logarithm is
            spread evenly, or a list, range or array of values to choose from.

    Raises:
        ValueError, TypeError: a range that cannot be drawn from, or fewer than n different settings exist.

    >>> drawn = random(200, seed=0, learning_rate=(1e-4, 1.0, "log"), hidden=[16, 32])
    >>> sum(one["learning_rate"] < 1e-2 for one in drawn) / 200  # half of the decades, about half of the draws
    0.5...
    """
    draws = {name: _stream(name, given, whole("seed", seed, 0)) for name, given in ranges.items()}
    lists = [_choices(name, given) for name, given in ranges.items() if not isinstance(given, tuple)]
    different = math.prod(map(len, lists)) if len(lists) == len(ranges) else math.inf
    if whole("n", n, 1) > different:
        raise ValueError(f"n: {n} different settings asked for, the ranges hold {different}")
    drawn: dict[str, dict[str, Any]] = {}
    while len(drawn) < n:
        one = {name: next(stream) for name, stream in draws.items()}
        drawn.setdefault(identity(one), one)
    return list(drawn.values())


def checked(settings: Any, function: Callable[..., Any]) -> dict[str, dict[str, Any]]:
    """Identity and arguments of each run, in their order; raises where the function cannot be called with them."""
    runs: dict[str, dict[str, Any]] = {}
    takes: set[tuple[str, ...]] = set()
    for index, given in enumerate(_rows(settings)):
        place = f"settings[{index}]"
        if not isinstance(given, Mapping):
            raise TypeError(f"{place} must map names to values, got {given!r}")
        one = plain(given, place)
        if tuple(one) not in takes:
            _check_names(one, function, place)
            takes.add(tuple(one))
        if (name := identity(one)) in runs:
            first = list(runs).index(name)
            raise ValueError(f"{place} repeats settings[{first}]: {one}; a further setting such as a seed tells runs apart")
        runs[name] = one
    if not runs:
        raise ValueError("settings is empty: give one mapping of names to values for each run")
    return runs


def identity(setting: Mapping[str, Any]) -> str:
    """A name that depends on nothing but the content, not on the order of the names; 1 and 1.0 are the same content."""
    text = json.dumps(_canonical(setting), sort_keys=True)
    return sha256(text.encode()).hexdigest()[:32]


def whole(name: str, value: Any, least: int) -> int:
    """The value, if it is a whole number of `least` or more."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{name} must be a whole number, {least} or more, got {value!r}")
    return value


def _canonical(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return {"array": [value.dtype.str, value.shape, sha256(value.tobytes()).hexdigest()]}
    if isinstance(value, dict):
        return {key: _canonical(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _rows(settings: Any) -> Sequence[Any]:
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(settings, pandas.DataFrame):
        rows = settings.to_dict("records")  # a cell without a value means that the function's own default holds
        return [{name: value for name, value in row.items() if not _is_gap(pandas, value)} for row in rows]
    if isinstance(settings, list | tuple):
        return settings
    hint = "; sweep.grid(**settings) makes one" if isinstance(settings, Mapping) else ""
    raise TypeError(f"settings must be a list of dicts or a DataFrame, got {type(settings).__name__}{hint}")


def _is_gap(pandas: Any, value: Any) -> bool:
    return pandas.api.types.is_scalar(value) and pandas.isna(value)


def _check_names(setting: dict[str, Any], function: Callable[..., Any], place: str) -> None:
    for name in RESERVED:
        if name in setting:
            raise ValueError(f"{place}: {name!r} is a column of the table of results; choose another name")
    try:
        signature = inspect.signature(function)
    except ValueError:  # some functions written in C do not tell
        return
    try:
        signature.bind(**setting)
    except TypeError as fault:
        raise TypeError(f"{place} does not fit {getattr(function, '__name__', function)}{signature}: {fault}") from None


def _choices(name: str, values: Any) -> list[Any]:
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise TypeError(f"{name} must be a list of values, got {values!r}")
    values = values.tolist() if isinstance(values, np.ndarray) else list(values)
    if not values:
        raise ValueError(f"{name} has no values")
    return values


def _stream(name: str, given: Any, seed: int) -> Iterator[Any]:
    """Endless draws of one setting, which depend on nothing but the seed and its name."""
    rng = np.random.default_rng([seed, *name.encode()])
    if not isinstance(given, tuple):
        values = _choices(name, given)
        return (values[rng.integers(len(values))] for _ in itertools.count())
    low, high, logarithmic = _interval(name, given)
    if logarithmic:
        return (math.exp(rng.uniform(math.log(low), math.log(high))) for _ in itertools.count())
    return (rng.uniform(low, high) for _ in itertools.count())


def _interval(name: str, given: tuple) -> tuple[float, float, bool]:
    fitting = len(given) == 2 or (len(given) == 3 and given[2] == "log")
    if not fitting or not all(isinstance(bound, int | float) and math.isfinite(bound) for bound in given[:2]):
        raise ValueError(f'{name} must be (low, high), (low, high, "log") or a list of values, got {given!r}')
    low, high, logarithmic = *given[:2], len(given) == 3
    if not low < high or (logarithmic and low <= 0):
        raise ValueError(f"{name}: low must lie below high{' and above zero' * logarithmic}, got {given!r}")
    return low, high, logarithmic
