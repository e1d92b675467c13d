"""Spectra as panels offer them: which samples are references and which are unknown, and how the choice reads as code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import ipywidgets as widgets

from toolkit.datasets import lithium_spectra
from toolkit.datasets.lithium_spectra import COMPOUNDS, UNKNOWN
from toolkit.datasets.peak_tables import PeakTable
from toolkit.panels.controls import several, slider, whole_slider

SIMULATION = ("seed", "matrix_effect", "contamination")


def data_controls(own: PeakTable | None, unknown: Sequence[str]) -> dict[str, widgets.Widget]:
    """Which samples are unknown; how the spectra are simulated, unless they are one's own."""
    names = UNKNOWN if own is None else own.compounds
    controls = {"unknown": several("unknown", names, value=[name for name in names if name in unknown])}
    if own is not None:
        return controls
    return controls | {
        "seed": whole_slider("seed", 0, 0, 99),
        "matrix_effect": slider("matrix effect", 1.0, 0.0, 3.0, 0.25),
        "contamination": slider("contamination", 1.0, 0.0, 5.0, 0.25),
    }


def references(own: PeakTable | None, settings: Mapping[str, Any]) -> PeakTable:
    """The spectra that a model is fitted on: two samples at least."""
    if own is None:
        return simulated(COMPOUNDS, **simulation(settings))
    names = [name for name in own.compounds if name not in settings["unknown"]]
    if len(names) < 2:
        raise ValueError(f"unknown: leave two samples or more as references, got {names} of {list(own.compounds)}")
    return own.of(*names)


def unknown(own: PeakTable | None, settings: Mapping[str, Any]) -> PeakTable | None:
    """The spectra that a model is asked about; None where none are chosen."""
    if not settings["unknown"]:
        return None
    return own.of(*settings["unknown"]) if own else simulated(settings["unknown"], **simulation(settings))


def simulation(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of the simulation among the settings."""
    return {name: settings[name] for name in SIMULATION}


@lru_cache(maxsize=64)
def simulated(samples: tuple[str, ...], fluence: float | None = None, **arguments: Any) -> PeakTable:
    """Simulated spectra, those of the last settings kept."""
    return lithium_spectra.simulate(samples, fluence=fluence, **arguments)


def data_code(own: PeakTable | None, settings: Mapping[str, Any]) -> list[str]:
    """`references` and `unknown` as lines of a script."""
    names = list(settings["unknown"])
    if own is not None:
        return [
            "table = ...  # your own PeakTable, such as peak_tables.read(path)",
            f"asked = {names!r}",
            "references = table.of(*(name for name in table.compounds if name not in asked))",
            *(["unknown = table.of(*asked)"] if names else []),
        ]
    arguments = ", ".join(f"{name}={value!r}" for name, value in simulation(settings).items())
    lines = [f"references = lithium_spectra.simulate(lithium_spectra.COMPOUNDS, {arguments})"]
    return lines + ([f"unknown = lithium_spectra.simulate({names!r}, {arguments})"] if names else [])
