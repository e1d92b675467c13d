"""Controls as all panels show them: one width, one place for the label."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import ceil
from typing import Any

import ipywidgets as widgets
import traitlets

DIGITS = 4
READOUT = f".{DIGITS}"  # without a letter the zeros at the end are left out


class LogSlider(widgets.FloatLogSlider):
    """A logarithmic slider without steps: the browser would move a value that was typed or set to the nearest step."""

    step = traitlets.CFloat(None, allow_none=True).tag(sync=True)


def as_shown(value: Any) -> Any:
    """A control's value as its readout shows it, for a slider in the browser returns numbers with rounding errors.

    >>> as_shown(0.30000000000000004)
    0.3
    """
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def choice(label: str, options: Iterable[Any], **options_of_widget: Any) -> widgets.Dropdown:
    """One of several values."""
    return widgets.Dropdown(options=list(options), **_looks(label), **options_of_widget)


def several(label: str, options: Sequence[str], *, value: Sequence[str]) -> widgets.SelectMultiple:
    """Any number of several values; hold Ctrl or Shift to choose more than one."""
    looks = _looks(label)
    looks["layout"].grid_area = f"span {ceil(len(options) / 2)}"  # beside it there is room for a control per two options
    return widgets.SelectMultiple(options=options, value=tuple(value), rows=len(options), **looks)


def whole_slider(label: str, value: int, low: int, high: int) -> widgets.IntSlider:
    """A whole number."""
    return widgets.IntSlider(value=value, min=low, max=high, **_looks(label))


def slider(label: str, value: float, low: float, high: float, step: float) -> widgets.FloatSlider:
    """A number on a linear scale."""
    return widgets.FloatSlider(value=value, min=low, max=high, step=step, readout_format=READOUT, **_looks(label))


def log_slider(label: str, value: float, low: float, high: float) -> widgets.FloatLogSlider:
    """A number on a logarithmic scale from 10**low to 10**high."""
    return LogSlider(value=value, min=low, max=high, readout_format=READOUT, **_looks(label))


def _looks(label: str) -> dict[str, Any]:
    return {
        "description": label,
        "style": {"description_width": "120px"},
        "layout": widgets.Layout(width="auto"),
    }
