"""A neural network potential in training: its descriptors, its shape, its learning, and what it predicts meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import ipywidgets as widgets
import numpy as np

from toolkit import published
from toolkit.datasets import aluminium
from toolkit.datasets.frames import Frames
from toolkit.figures import potential as figures
from toolkit.panels.controls import choice, log_slider, several, slider, whole_slider
from toolkit.panels.panel import Panel
from toolkit.potential import ACTIVATIONS, DOCUMENT_SETS, Potential, SymmetryFunctions, document_set, learning
from toolkit.potential.fitting import SCHEDULES, EnergyFit, FitRecord
from toolkit.potential.scaling import KINDS

TICKED = "ticked below"
SPLITS = ("trajectory", "frame")
UNITS = {"RMSE [meV/atom]": False, "document's loss per atom": True}
TABLES = {"22": "ghimire_table_3_3_extracted_data", "57": "ghimire_table_4_1_variable_counts"}
TABLES |= {"57A": TABLES["57"], "329": TABLES["57"]}


class PotentialPanel(Panel):
    """Train a high-dimensional network on the energies of aluminium cells; the published error stands beside.

    The learning rate acts on the running training. `potential` is the trained potential with its best weights so far.

    Args:
        frames: own structures of one size and species; None offers the cells of `datasets.aluminium`.
        values: control name to first value.

    >>> from toolkit.datasets import aluminium
    >>> tiny = aluminium.Scale(("10K", "500K"), repeat=2, trajectories=3, frames=2, stride=1, settling=2)
    >>> panel = PotentialPanel(aluminium.emt(tiny, keep=False), set="22", epochs=2)
    >>> [record.epoch for record in panel.run().records]
    [0, 1, 2]
    """

    title = "Neural network potential"
    record_type = FitRecord
    live = ("learning_rate",)

    def __init__(self, frames: Frames | None = None, **values: Any):
        self.own = frames
        self.fit: EnergyFit | None = None
        self._frames: dict[str, Frames] = {}
        self._described: tuple[tuple, Any] | None = None
        super().__init__(**values)

    def make_sections(self) -> dict[str, dict[str, widgets.Widget]]:
        """Data (frames and descriptors), model, training and view."""
        radial, angular = (SymmetryFunctions(*part).names for part in _parts_of_22())
        data = {"scale": choice("scale", aluminium.SCALES)} if self.own is None else {}
        return {
            "data": data
            | {
                "split": choice("split by", SPLITS),
                "set": choice("functions", (*DOCUMENT_SETS, TICKED), value="57"),
                "radial": several("radial", radial, value=radial[:4]),
                "angular": several("angular", angular, value=angular[:2]),
            },
            "model": {
                "scaling": choice("scaling", KINDS),
                "first": whole_slider("first layer", 10, 1, 50),
                "second": whole_slider("second (0 none)", 10, 0, 50),
                "activation": choice("activation", ACTIVATIONS),
                "seed": whole_slider("seed", 0, 0, 99),
            },
            "training": {
                "learning_rate": log_slider("learning rate", 0.01, -4, -1),
                "schedule": choice("schedule", SCHEDULES, value="exponential"),
                "rate": slider("rate of schedule", 0.005, 0.0, 0.1, 0.001),
                "batch_size": choice("batch size", (8, 16, 32, 64, 128), value=16),
                "epochs": whole_slider("epochs", 300, 1, 3000),
                "patience": whole_slider("patience", 50, 1, 500),
            },
            "view": {
                "unit": choice("error as", UNITS),
                "threads": choice("torch threads", (1, 2, 4)),
            },
        }

    @property
    def potential(self) -> Potential:
        """The potential with its best weights so far; ValueError before the first run."""
        if self.fit is None:
            raise ValueError("nothing is trained yet: run first")
        return self.fit.potential()

    def begin(self, settings: Mapping[str, Any]) -> Iterator[FitRecord]:
        """The epochs; structures and descriptors are made with the first record."""
        if settings["set"] == TICKED and not settings["radial"] + settings["angular"]:
            raise ValueError("functions: tick at least one radial or angular function")
        if settings["schedule"] == "drop" and not settings["rate"]:
            raise ValueError("rate of schedule: a factor above 0 is needed for 'drop'")
        return self._epochs(settings)

    def steer(self, name: str, value: Any) -> None:
        """Give the running training another learning rate."""
        if self.fit is not None:
            for group in self.fit.run.optimizer.param_groups:
                group["lr"] = value

    def draw(self, records: list[FitRecord]) -> str:
        """Error, parity and residuals."""
        settings = self.settings | (self.ran_with if records else {})
        return figures.training_frame(records, published=_printed(settings["set"]), as_loss=UNITS[self.settings["unit"]])

    def status(self, record: FitRecord) -> str:
        """Errors and rate."""
        ended = " · diverged" if record.diverged else ""
        return (
            f"epoch {record.epoch} · train {record.train:.2f}, validation {record.validation:.2f} meV/atom · "
            f"rate {record.learning_rate:.2g} · {record.seconds:.1f} s{ended}"
        )

    def code(self) -> str:
        """The setting as a script."""
        settings = self.settings
        ticked = settings["set"] == TICKED
        rows = ", ".join(str([tuple(row) for row in part]) for part in self._rows(settings))
        rows = rows if ticked else f"*document_set({settings['set']!r})"
        data = f"aluminium.emt({settings['scale']!r})" if self.own is None else 'frames.read("your.extxyz")  # the frames given'
        source = "aluminium" if self.own is None else "frames"
        return "\n".join(
            [
                f"from toolkit.datasets import {source}",
                f"from toolkit.potential import SymmetryFunctions, {'' if ticked else 'document_set, '}learning",
                "from toolkit.potential.fitting import EnergyFit", "",
                f"structures = {data}",
                f"parts = structures.split(by={settings['split']!r}, seed=0)",
                f"data = learning.energy_data(SymmetryFunctions({rows}), structures, *parts, scaling={settings['scaling']!r})",
                f"fit = EnergyFit(data, {', '.join(f'{name}={value!r}' for name, value in _arguments(settings).items())})",
                "for record in fit:", "    print(record)", "",
            ]
        )  # fmt: skip

    def _epochs(self, settings: Mapping[str, Any]) -> Iterator[FitRecord]:
        self.fit = EnergyFit(self._data(settings), **_arguments(settings))
        yield from self.fit

    def _data(self, settings: Mapping[str, Any]) -> learning.EnergyData:
        """Descriptors are kept as long as only the network or its training changes."""
        key = tuple(settings.get(name) for name in ("scale", "split", "set", "radial", "angular", "scaling"))
        if self._described is None or self._described[0] != key:
            frames = self.own
            if frames is None:
                if settings["scale"] not in self._frames:
                    self._frames[settings["scale"]] = aluminium.emt(settings["scale"])
                frames = self._frames[settings["scale"]]
            parts = frames.split(by=settings["split"], seed=0)
            functions = SymmetryFunctions(*self._rows(settings))
            self._described = key, learning.energy_data(functions, frames, *parts, scaling=settings["scaling"])
        return self._described[1]

    def _rows(self, settings: Mapping[str, Any]) -> tuple[list, list]:
        if settings["set"] != TICKED:
            return document_set(settings["set"])
        chosen = []
        for name, part in zip(("radial", "angular"), _parts_of_22(), strict=True):
            functions = SymmetryFunctions(*part)
            rows = functions.radial + functions.angular
            chosen.append([row for row, label in zip(rows, functions.names, strict=True) if label in settings[name]])
        return tuple(chosen)


def _parts_of_22() -> tuple[tuple, tuple]:
    radial, angular = document_set("22")
    return (radial, ()), ((), angular)


def _arguments(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What `EnergyFit` is told."""
    hidden = (settings["first"], settings["second"]) if settings["second"] else (settings["first"],)
    names = ("activation", "learning_rate", "schedule", "rate", "batch_size", "epochs", "patience", "seed")
    return {"hidden": hidden} | {name: settings[name] for name in names}


def _printed(name: str) -> tuple[str, float] | None:
    """Name and error [meV/atom] of the printed result with as many functions."""
    if name not in TABLES:
        return None
    table = published.table(TABLES[name])
    losses = table.loc[table["n_features"] == int(name.rstrip("A")), "val_loss"]
    return f"published, {name} functions, ab initio", float(learning.rmse_of_document(np.min(losses)))
