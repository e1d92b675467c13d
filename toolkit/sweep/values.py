"""What a setting and a result may consist of: numbers, strings, arrays, and lists and dicts of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

ADMITTED = "numbers, strings, True, False, None, arrays of numbers or strings, and lists, tuples and dicts of them"
ARRAY_KINDS = "biufcSU"


def plain(value: Any, place: str) -> Any:
    """The value as built-in types and numpy arrays; raises TypeError with its place where it is something else."""
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, Mapping):
        return {_key(key, place): plain(item, f"{place}[{key!r}]") for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(plain(item, f"{place}[{number}]") for number, item in enumerate(value))
    if isinstance(value, np.generic):
        return plain(value.item(), place)
    if type(value) is np.ndarray and value.dtype.kind in ARRAY_KINDS:
        return value
    raise TypeError(f"{place} must consist of {ADMITTED}; got {value!r} of type {type(value).__name__}")


def _key(key: Any, place: str) -> str:
    if type(key) is not str:
        raise TypeError(f"{place}: names must be strings, got {key!r}")
    return key
