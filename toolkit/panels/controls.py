"""Controls as all panels show them: one width, one place for the label."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import ipywidgets as widgets


def choice(label: str, options: Iterable[Any], **options_of_widget: Any) -> widgets.Dropdown:
    """One of several values."""
    return widgets.Dropdown(options=list(options), **_looks(label), **options_of_widget)


def several(label: str, options: Sequence[str], *, value: Sequence[str]) -> widgets.SelectMultiple:
    """Any number of several values; hold Ctrl or Shift to choose more than one."""
    return widgets.SelectMultiple(options=options, value=tuple(value), rows=len(options), **_looks(label))


def whole_slider(label: str, value: int, low: int, high: int) -> widgets.IntSlider:
    """A whole number."""
    return widgets.IntSlider(value=value, min=low, max=high, **_looks(label))


def slider(label: str, value: float, low: float, high: float, step: float) -> widgets.FloatSlider:
    """A number on a linear scale."""
    return widgets.FloatSlider(value=value, min=low, max=high, step=step, readout_format=".3g", **_looks(label))


def log_slider(label: str, value: float, low: float, high: float) -> widgets.FloatLogSlider:
    """A number on a logarithmic scale from 10**low to 10**high."""
    return widgets.FloatLogSlider(value=value, min=low, max=high, step=0.05, readout_format=".3g", **_looks(label))


def _looks(label: str) -> dict[str, Any]:
    return {
        "description": label,
        "style": {"description_width": "112px"},
        "layout": widgets.Layout(width="330px"),
    }
