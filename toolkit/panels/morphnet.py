"""The panel of lesson 04: MorphNet with one strength of its penalty, with several, or from bad starts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import ipywidgets as widgets
import numpy as np

from toolkit import datasets, recordings, training
from toolkit.figures import morphnet as figures
from toolkit.panels.controls import choice, log_slider, slider, whole_slider
from toolkit.panels.images import chosen_data, data_code, data_controls
from toolkit.panels.panel import Panel
from toolkit.search import morphnet
from toolkit.search.architecture import ConvSpec, ResNetSpec, Spec, Stage
from toolkit.search.cost import SOURCES
from toolkit.search.morphnet import Record
from toolkit.studies import morphnet as study

ONE, SEVERAL, BAD = "one strength", "several strengths", "bad starts"
STARTS = {"16-32": (16, 32), "32-64": (32, 64), "8-16-32": (8, 16, 32), "residual 8-16": ()}
LATEST, FIRST, LAST = "the latest", "the first run", "the last run"
NOMINAL = (1, 8, 8)  # shape of the digits, before any data were loaded
SETTINGS = ("iterations", "epochs", "threshold", "source", "rounding", "learning_rate", "batch_size", "seed")


class MorphNetPanel(Panel):
    """Watch layers lose channels under a penalty on FLOPs, grow to a budget, and train anew.

    With "experiment" on "one strength" λ can be moved while the run is on.

    Args:
        data: an own `datasets.Dataset` of images with classes.
        values: control name to first value.

    >>> panel = MorphNetPanel(epochs=1, iterations=1)
    >>> [panel.run().records[-1].kind, len(panel.runs)]
    ['final', 1]
    """

    title = "MorphNet"
    record_type = Record
    live = ("strength", "learning_rate")

    def __init__(self, data: datasets.Dataset | None = None, **values: Any):
        self.own_data = data
        self.runs: dict[str, morphnet.Morph] = {}
        super().__init__(**values)

    def make_sections(self) -> dict[str, dict[str, widgets.Widget]]:
        """Data, model, training (with the penalty) and view."""
        return {
            "data": data_controls(self.own_data),
            "model": {
                "start": choice("start", STARTS, value="16-32"),
                "budget": slider("budget ζ / start", 1.0, 0.25, 3.0, 0.05),
                "rounding": choice("rounding", morphnet.ROUNDINGS),
                "seed": whole_slider("seed", 0, 0, 99),
            },
            "training": {
                "experiment": choice("experiment", (ONE, SEVERAL, BAD)),
                "strength": log_slider("λ strength", 2e-6, -9, -3),
                "values": whole_slider("strengths", 4, 2, 7),
                "decades": slider("over decades of λ", 1.5, 0.5, 4.0, 0.25),
                "threshold": log_slider("τ alive above", 0.05, -3, 0),
                "source": choice("strength from", SOURCES),
                "iterations": whole_slider("rounds", 2, 0, 25),
                "epochs": whole_slider("epochs a round", 5, 1, 20),
                "learning_rate": log_slider("learning rate", 0.01, -4, -1),
                "batch_size": choice("batch size", (16, 32, 64, 128), value=32),
            },
            "view": {
                "shown": choice("show layers of", (LATEST, FIRST, LAST)),
                "threads": choice("torch threads", (1, 2, 4)),
            },
        }

    def begin(self, settings: Mapping[str, Any]) -> Iterator[Record]:
        """One run or several side by side, a record each in turn."""
        data = chosen_data(self.own_data, settings)
        start = start_of(settings["start"], data.input_shape, data.n_classes)
        budget = settings["budget"] * start.flops()
        how = {name: settings[name] for name in SETTINGS} | {"every": 20, "budget": budget}
        self.runs = {
            name: morphnet.morph(one, data, strength=strength, **how) for name, one, strength in self._wanted(start, settings)
        }
        return training.race(self.runs)

    def draw(self, records: list[Record]) -> str:
        """Widths, FLOPs, errors, the front, the history and the layers."""
        settings = self.settings
        started = self.ran_with if records else settings
        runs = figures.by_run(records)
        chosen = {FIRST: next(iter(runs), None), LAST: next(reversed(runs), None)}.get(settings["shown"])
        start = start_of(started.get("start", settings["start"]), NOMINAL, 10)
        latest = runs[chosen][-1] if chosen else records[-1] if records else None
        return figures.run_frame(records, _layers(start, latest), shown=chosen)

    def steer(self, name: str, value: Any) -> None:
        """λ and the learning rate act at the next step."""
        if name == "strength" and self.ran_with["experiment"] == SEVERAL:
            raise ValueError(f"λ = {value:g}: it cannot be moved while several strengths are compared")
        for run in self.runs.values():
            if name == "strength":
                run.strength = value
            for group in run.fit.optimizer.param_groups if name == "learning_rate" else ():
                group["lr"] = value

    def status(self, record: Record) -> str:
        """What happened last."""
        said = {"training": "trains under the penalty", "morph": "new widths", "final": "trains without the penalty"}
        name = f"{record.run} · " if len(self.runs) > 1 else ""
        return f"{name}round {record.iteration + 1} · {said.get(record.kind, record.kind)} · {record.seconds:.1f} s"

    def code(self) -> str:
        """The setting as a script."""
        settings = self.settings
        arguments = ", ".join(f"{name}={settings[name]!r}" for name in SETTINGS)
        return "\n".join(
            [
                "from toolkit import datasets, training", "from toolkit.search import morphnet",
                "from toolkit.search.architecture import ConvSpec, ResNetSpec, Stage", "",
                *data_code(self.own_data, settings),
                f"start = {_start_code(settings['start'])}",
                f"budget = {settings['budget']} * start.flops()",
                f"how = dict(budget=budget, every=20, {arguments})",
                "runs = {", *self._run_code(), "}",
                "for record in training.race(runs):", "    print(record.run, record.kind, record.alive, record.chosen)", "",
            ]
        )  # fmt: skip

    def recording(self, path: str | Path) -> recordings.Recording:
        """A run of this panel, or the recorded runs on MNIST: all strengths, or the bad starts if these are chosen."""
        if not study.is_recording(path):
            return super().recording(path)
        bad = self.settings["experiment"] == BAD
        runs = {name: pair for name, pair in study.runs(path).items() if (pair[0]["start"] in study.BAD_STARTS) == bad}
        if not runs:
            raise ValueError(f"{path}: it holds no runs for the experiment {self.settings['experiment']!r}")
        ordered = sorted(runs.values(), key=lambda pair: (pair[0]["strength"], pair[0]["start"] == "large"))
        named = [[replace(one, run=_recorded_name(settings, bad)) for one in records] for settings, records in ordered]
        first = ordered[0][0]
        settings = {name: first[name] for name in ("dataset", "epochs", "iterations")} | {
            "start": "32-64", "budget": 1.0, "threshold": study.THRESHOLD, "learning_rate": study.LEARNING_RATE,
            "experiment": BAD if bad else SEVERAL,
        }  # fmt: skip
        return replace(recordings.load(path), title=self.title, settings=settings, records=_in_turn(named))

    def _wanted(self, start: Spec, settings: Mapping[str, Any]) -> list[tuple[str, Spec, float]]:
        """Name, architecture and strength of each run."""
        if settings["experiment"] == SEVERAL:
            return [(f"λ = {one:.2g}", start, one) for one in strengths(settings)]
        if settings["experiment"] == BAD:
            narrow, wide = ({name: scale(width) for name, width in start.widths.items()} for scale in SCALES)
            pairs = (("too small", narrow), ("too large", wide))
            return [(name, start.with_widths(chosen), settings["strength"]) for name, chosen in pairs]
        return [("", start, settings["strength"])]

    def _run_code(self) -> list[str]:
        settings = self.settings
        if settings["experiment"] == SEVERAL:
            named = "{f'λ = {one:.2g}': morphnet.morph(start, data, strength=one, **how)"
            return [f"    **{named} for one in {strengths(settings)}}},"]
        start = start_of(settings["start"], NOMINAL, 10)
        return [
            f"    {name!r}: morphnet.morph(start.with_widths({dict(one.widths)}), data, strength={strength}, **how),"
            for name, one, strength in self._wanted(start, settings)
        ]


SCALES = (lambda width: max(1, width // 8), lambda width: 3 * width)  # of the widths of bad starts


def strengths(settings: Mapping[str, Any]) -> list[float]:
    """Strengths around λ, evenly spread on a logarithmic scale.

    >>> strengths({"strength": 1e-6, "decades": 2.0, "values": 3})
    [1e-07, 1e-06, 1e-05]
    """
    half = settings["decades"] / 2
    factors = np.logspace(-half, half, settings["values"])
    return [float(f"{settings['strength'] * factor:.3g}") for factor in factors]


def start_of(name: str, input_shape: tuple[int, ...], classes: int) -> Spec:
    """The architecture that the control names."""
    if widths := STARTS[name]:
        return ConvSpec(input_shape, classes, widths, pooled=(0, 1))
    stages = (Stage(8, (8,)), Stage(16, (16,), "project", 16))
    return ResNetSpec(input_shape, classes, stages, block="post", closing=False)


def _start_code(name: str) -> str:
    if widths := STARTS[name]:
        return f"ConvSpec(data.input_shape, data.n_classes, {widths}, pooled=(0, 1))"
    stages = "(Stage(8, (8,)), Stage(16, (16,), 'project', 16))"
    return f"ResNetSpec(data.input_shape, data.n_classes, {stages}, block='post', closing=False)"


def _layers(start: Spec, record: Record | None) -> list[Any]:
    """Layers of the network that a record is of; blocks that were removed on the way are not in it."""
    if record is None:
        return start.layers
    return start.with_widths({name: record.widths.get(name, 0) for name in start.widths}).layers


def _recorded_name(settings: Mapping[str, Any], bad: bool) -> str:
    return f"too {settings['start']}" if bad else f"λ = {settings['strength']:.2g}"


def _in_turn(runs: list[list[Record]]) -> list[Record]:
    """One record of each run after the other, as they would come side by side."""
    longest = max(map(len, runs))
    return [records[number] for number in range(longest) for records in runs if number < len(records)]
