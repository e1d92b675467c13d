"""Many settings of the heavy ball trained at once: a map that fills while they train (Burghoff, Fig. 3.1)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import ipywidgets as widgets
import numpy as np
from torch.nn import functional

from toolkit import datasets, population, recordings, training
from toolkit.figures import study as figures
from toolkit.panels.controls import choice, log_slider, slider, whole_slider
from toolkit.panels.images import NETWORKS, chosen_data, data_code, data_controls, network, network_code
from toolkit.panels.optimizer import OptimizerPanel
from toolkit.panels.panel import Panel
from toolkit.studies import phs

PLANS = ("grid", "random", *phs.TABLES)
AXES = {"grid": ("mass", "friction"), "random": ("mass", "friction")} | dict.fromkeys(phs.TABLES, ("pair", "braked"))
LABELS = {
    "learning_rate": "step of time α",
    "mass": "mass m",
    "friction": "friction ρ",
    "brake_at": "goal",
    "brake_factor": "brake factor",
    "pair": "pair of rows",
    "braked": "braked: 0 no, 1 yes",
}


class StudyPanel(Panel):
    """Train a population over mass and friction, draw every member's result as it comes, and look behind the cells.

    Args:
        race: a panel that a chosen setting can be taken to.
        data: an own `datasets.Dataset` of images.
        values: control name to first value.

    >>> panel = StudyPanel(masses=2, frictions=2, epochs=1)
    >>> panel.run().records[-1].metrics["validation_accuracy"].shape
    (4,)
    """

    title = "Many settings at once"
    record_type = training.Record

    def __init__(self, race: OptimizerPanel | None = None, data: datasets.Dataset | None = None, **values: Any):
        self.race, self.own_data = race, data
        self.replayed: str | Path | None = None
        super().__init__(**values)

    def make_sections(self) -> dict[str, dict[str, widgets.Widget]]:
        """Data, model, training (which settings) and view."""
        return {
            "data": data_controls(self.own_data),
            "model": {"network": choice("network", NETWORKS), "seed": whole_slider("seed", 0, 0, 99)},
            "training": {
                "plan": choice("settings", PLANS),
                "learning_rate": log_slider("step of time α", 0.1, -5, 0),
                "mass_from": log_slider("mass from", 0.1, -4, 4),
                "mass_to": log_slider("mass to", 10, -4, 4),
                "masses": whole_slider("masses", 5, 1, 12),
                "friction_from": log_slider("friction from", 0.03, -4, 3),
                "friction_to": log_slider("friction to", 3, -4, 3),
                "frictions": whole_slider("frictions", 5, 1, 12),
                "goal": slider("goal (0 no brake)", 0.0, 0.0, 2.5, 0.05),
                "factor": log_slider("brake factor", 20, 0, 3),
                "batch_size": choice("batch size", (16, 32, 64, 128, 256, 512), value=64),
                "epochs": whole_slider("epochs", 8, 1, 100),
            },
            "view": {
                "colour": choice("colour", figures.METRICS),
                "member": whole_slider("chosen", 0, 0, 143),
                "threads": choice("torch threads", (1, 2, 4)),
            },
        }

    def actions(self) -> list[widgets.Widget]:
        """Take the chosen setting to the race."""
        self.take_button = widgets.Button(description="Take to race", icon="share", layout=widgets.Layout(width="130px"))
        self.take_button.on_click(lambda _: self._guarded(self._accepted, self.take))
        self.take_button.add_class("panel-take")
        return [self.take_button]

    def begin(self, settings: Mapping[str, Any]) -> Iterator[training.Record]:
        """A population with one member per setting."""
        self.replayed = None
        data = chosen_data(self.own_data, settings)
        return population.fit(
            lambda seed: network(settings["network"], data, seed=seed),
            data,
            settings=self.members(settings),
            loss=functional.cross_entropy,
            epochs=settings["epochs"],
            batch_size=settings["batch_size"],
            metrics=["accuracy"],
            seed=settings["seed"],
        )

    def members(self, settings: Mapping[str, Any]) -> dict[str, list[float | None]]:
        """Name to one value per member, `(k,)`."""
        if settings["plan"] in phs.TABLES:
            return _published(settings["plan"])
        mass, friction = _grid(settings) if settings["plan"] == "grid" else _random(settings)
        members = {"learning_rate": [settings["learning_rate"]] * len(mass), "mass": mass, "friction": friction}
        if settings["goal"] > 0:
            members |= {"brake_at": [settings["goal"]] * len(mass), "brake_factor": [settings["factor"]] * len(mass)}
        return members

    def take(self) -> None:
        """Set the race panel's controls to the chosen member's, and show its recorded race where there is one."""
        if self.race is None:
            raise ValueError("no race to take the setting to: build this panel with StudyPanel(race=...)")
        columns, chosen = self._columns(self.ran_with if self.records else self.settings)
        names = {"brake_at": "goal", "brake_factor": "factor"}
        for name, values in columns.items():
            if name not in ("pair", "braked") and np.isfinite(values[chosen]):
                self.race.controls[names.get(name, name)].value = float(values[chosen])
        for name in ("network", "seed", "batch_size", "scale"):
            self.race.controls[name].value = self.controls[name].value
        if self.race.own_data is self.own_data:
            self.race.controls["dataset"].value = self.controls["dataset"].value
        if self.replayed:
            self.race.replay(self.replayed)

    def replay(self, path: str | Path) -> None:
        """Show a recorded study; one of the published tables as means over its seeds."""
        super().replay(path)
        self.replayed = path if phs.is_recording(path) else None

    def recording(self, path: str | Path) -> recordings.Recording:
        """What `replay` shows of a file."""
        if not phs.is_recording(path):
            return super().recording(path)
        common, records = phs.averaged(path)
        settings = common | {"plan": common["dataset"], "network": "LeNet", "scale": "published"}
        return replace(recordings.load(path), title=self.title, settings=settings, records=records)

    def draw(self, records: list[training.Record]) -> str:
        """The map and the curves."""
        settings = self.ran_with if records else self.settings
        columns, chosen = self._columns(settings)
        x, y = AXES[settings["plan"]]
        return figures.study_frame(columns, records, x=x, y=y, colour=self.settings["colour"], chosen=chosen, labels=LABELS)

    def status(self, record: training.Record) -> str:
        """Epoch and seconds of the newest record."""
        members = len(record.metrics["learning_rate"])
        return f"{members} members: epoch {record.epoch:.2f} · step {record.step:,} · {record.seconds:.1f} s"

    def code(self) -> str:
        """The setting as a script."""
        settings = self.settings
        return "\n".join(
            [
                "import math", "", "from torch.nn import functional", "",
                "from toolkit import datasets, networks, population", "",
                *data_code(self.own_data, settings),
                f"settings = {self.members(settings)!r}",
                "study = population.fit(",
                f"    lambda seed: {network_code(settings['network'], seed='seed')},",
                f"    data, settings=settings, loss=functional.cross_entropy, epochs={settings['epochs']},",
                f"    batch_size={settings['batch_size']}, metrics=['accuracy'], seed={settings['seed']},",
                ")",
                "for record in study:", "    print(record)", "",
            ]
        )  # fmt: skip

    def pointed(self, position: list[float]) -> None:
        """Choose the member whose cell was clicked."""
        settings = self.ran_with if self.records else self.settings
        x, y = AXES[settings["plan"]]
        self.controls["member"].value = figures.cell_at(self._columns(settings)[0], position, x=x, y=y)

    def _columns(self, settings: Mapping[str, Any]) -> tuple[dict[str, np.ndarray], int]:
        """The members' settings and what the axes need, each `(k,)`, and the number of the chosen one."""
        columns = {name: np.asarray(values, float) for name, values in self.members(settings).items()}
        count = len(columns["mass"])
        if settings["plan"] in phs.TABLES:
            columns |= {"pair": np.arange(count) // 2 + 1.0, "braked": np.arange(count) % 2.0}
        return columns, min(self.settings["member"], count - 1)


def _logarithmic(settings: Mapping[str, Any], name: str, several: str) -> np.ndarray:
    return np.geomspace(settings[f"{name}_from"], settings[f"{name}_to"], settings[several])


def _grid(settings: Mapping[str, Any]) -> tuple[list[float], list[float]]:
    mass, friction = np.meshgrid(_logarithmic(settings, "mass", "masses"), _logarithmic(settings, "friction", "frictions"))
    return mass.ravel().tolist(), friction.ravel().tolist()


def _random(settings: Mapping[str, Any]) -> tuple[list[float], list[float]]:
    """As many settings as the grid has, drawn evenly in the logarithm."""
    draw, count = np.random.default_rng(settings["seed"]), settings["masses"] * settings["frictions"]
    limits = [np.log([settings[f"{name}_from"], settings[f"{name}_to"]]) for name in ("mass", "friction")]
    return tuple(np.exp(draw.uniform(*sorted(limit), count)).tolist() for limit in limits)


def _published(dataset: str) -> dict[str, list[float | None]]:
    """The balls of a published table, each without and with its brake, friction in the implied reading (see `studies.phs`)."""
    rows = [row | {"friction": phs.friction(row, "implied")} for row in phs.rows(dataset) if "mass" in row]
    return {name: [row.get(name) for row in rows] for name in phs.KEYS if name != "optimizer"}
