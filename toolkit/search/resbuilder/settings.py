"""Refuse settings of a search that cannot work, before any work is done."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from toolkit.search.architecture import INITS, ResNetSpec
from toolkit.search.resbuilder.lasso import SCORES
from toolkit.search.resbuilder.recipes import RECIPES
from toolkit.search.resbuilder.records import VARIANTS


def within(name: str, value: Any, least: float = 0.0, most: float = math.inf) -> float:
    """The value as a float, if it is a finite number from `least` to `most`."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not (least <= value <= most and math.isfinite(value)):
        to = "or more" if most == math.inf else f"to {most:g}"
        raise ValueError(f"{name} must be a finite number, {least:g} {to}, got {value!r}")
    return float(value)


def check_choices(start: Any, recipe: str, init: str, variants: Sequence[str], score: str) -> None:
    """Raise where a name is unknown, or where the start cannot be searched from."""
    if not isinstance(start, ResNetSpec):
        raise TypeError(f"start must be a ResNetSpec, for only residual networks have blocks, got {type(start).__name__}")
    for name, value, known in (("recipe", recipe, tuple(RECIPES)), ("init", init, INITS), ("score", score, SCORES)):
        if value not in known:
            raise ValueError(f"{name} must be one of {known}, got {value!r}")
    if init == "zero_gamma" and start.closing:
        raise ValueError(
            "init: a block with 'zero_gamma' never learns where branches end in ReLU; use a start with closing=False"
        )
    if isinstance(variants, str) or "with_reg" not in variants or not set(variants) <= set(VARIANTS):
        raise ValueError(f"variants must be some of {VARIANTS} with 'with_reg', which leads the search, got {variants!r}")
