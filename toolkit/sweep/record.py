"""What a run of a sweep gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class SweepRecord:
    """One finished run.

    Attributes:
        index: place of its setting among the settings of the sweep.
        settings: the arguments that the function was called with.
        result: what the function returned; empty if it failed.
        seconds: how long the function took [s]; nan if its process died.
        error: empty, or why there is no result: the traceback, or how the process ended.
    """

    index: int
    settings: Mapping[str, Any]
    result: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = float("nan")
    error: str = ""
