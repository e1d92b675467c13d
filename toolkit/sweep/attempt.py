"""One run, in whatever process: every way in which it can end becomes an outcome."""

from __future__ import annotations

import math
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from toolkit.sweep.values import plain


class Outcome(NamedTuple):
    """Result, seconds and error of a record."""

    result: dict[str, Any]
    seconds: float
    error: str


def attempt(function: Callable[..., Any], setting: Mapping[str, Any]) -> Outcome:
    """Call the function; what it raises, except an interrupt, is its outcome."""
    started = time.perf_counter()
    try:
        with one_torch_thread():
            result, error = _result(function(**setting)), ""
    except (Exception, SystemExit) as fault:
        result, error = {}, _text(fault)
    return Outcome(result, time.perf_counter() - started, error)


def lost(reason: str) -> Outcome:
    """The outcome of a run whose process died."""
    return Outcome({}, math.nan, reason)


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """One thread per run, wherever it runs: more of them wait for each other, and their sums differ in the last digits."""
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _result(returned: Any) -> dict[str, Any]:
    if not isinstance(returned, Mapping):
        raise TypeError(f"the function must return a dict of numbers, strings and arrays, got {type(returned).__name__}")
    return plain({name: _without_gradient(value) for name, value in returned.items()}, "result")


def _without_gradient(value: Any) -> Any:
    """A tensor as an array or a number; told by its method, so that PyTorch need not be loaded."""
    return value.detach().cpu().numpy()[()] if hasattr(value, "detach") else value


def _text(fault: BaseException) -> str:
    """The traceback from the function on, without the frame that called it."""
    called = fault.__traceback__.tb_next
    return "".join(traceback.format_exception(type(fault), fault, called))
