"""Five optimizers race down a landscape, or down the loss of a network on the digits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import ipywidgets as widgets

from toolkit import datasets, landscapes
from toolkit.figures import descent as figures
from toolkit.figures.landscape import map_scales
from toolkit.learning import descent
from toolkit.panels.controls import choice, log_slider, several, slider, whole_slider
from toolkit.panels.panel import Panel

NETWORK = "a network on the digits"
GROUNDS = (*(name for name, each in landscapes.LANDSCAPES.items() if each.dimensions == 2), NETWORK)
RATES = {"SGD": "sgd", "momentum": "momentum", "AdaGrad": "adagrad", "RMSProp": "rmsprop", "Adam": "adam"}
USUAL = {  # learning rates at which each one does well: on landscapes, on the network
    "SGD": (0.02, 0.3), "momentum": (0.02, 0.3), "AdaGrad": (0.5, 0.03), "RMSProp": (0.03, 0.003), "Adam": (0.1, 0.01),
}  # fmt: skip
START_STEP = 0.05


class DescentPanel(Panel):
    """Choose the ground and the optimizers. On a landscape all paths are drawn at once, from a start that can be dragged.

    Run plays them step by step, or trains a network with each of them.

    Args:
        values: control name to first value.

    >>> panel = DescentPanel(ground="bowl", steps=50)
    >>> panel.run().records[-1].step
    50
    """

    title = "Race of the optimizers"
    record_type = descent.Racers

    def __init__(self, **values: Any):
        super().__init__(**values)
        self.controls["ground"].observe(lambda _: self._guarded(self._offer), names="value")
        self._offer(given=tuple(values))

    @property
    def instant(self) -> bool:
        """On a landscape the whole race is drawn before a run."""
        return self.controls["ground"].value != NETWORK

    def make_sections(self) -> dict[str, dict[str, widgets.Widget]]:
        """Data (ground and start), model (the optimizers and their learning rates), training, view."""
        first = landscapes.LANDSCAPES["Rosenbrock"]
        return {
            "data": {
                "ground": choice("ground", GROUNDS, value=first.name),
                "start_x": slider("start x", first.start[0], -6, 6, START_STEP),
                "start_y": slider("start y", first.start[1], -6, 6, START_STEP),
                "noise": slider("noise of ∇L", 0.0, 0.0, 5.0, 0.1),
            },
            "model": {"names": several("optimizers", tuple(descent.RULES), value=tuple(RATES))}
            | {key: log_slider(f"α of {name}", USUAL[name][0], -4, 0.5) for name, key in RATES.items()}
            | {"memory": slider("memory λ", 0.9, 0.0, 0.99, 0.01)},
            "training": {
                "steps": whole_slider("steps", 200, 10, 1000),
                "epochs": whole_slider("epochs", 5, 1, 20),
                "seed": whole_slider("seed", 0, 0, 99),
            },
            "view": {"speed": choice("steps per second", (10, 30, 100), value=30)},
        }

    def begin(self, settings: Mapping[str, Any]) -> Iterator[descent.Racers]:
        """The race."""
        common = _common(settings)
        if settings["ground"] == NETWORK:
            return descent.race_on_network(datasets.load("digits"), settings["names"], epochs=settings["epochs"], **common)
        return descent.race(_landscape(settings), settings["names"], **_on_landscape(settings), **common)

    def rest(self) -> float:
        """The chosen speed; a network needs no waiting."""
        return 0.0 if self.ran_with["ground"] == NETWORK else 1 / self.settings["speed"]

    def draw(self, records: list[descent.Racers]) -> str:
        """The race so far, or on a landscape the whole of it; what cannot be run leaves the picture as it is."""
        settings = self.ran_with if records else self.settings
        on_network = settings["ground"] == NETWORK
        if not records and not on_network:
            try:
                records = list(self.begin(settings))
            except ValueError as error:
                self._show_error(error)
                return self.frame.value or figures.frame.text("no picture")
        note = _in_words(settings, records)
        return figures.race_frame(settings["names"], records, landscape=None if on_network else _landscape(settings), note=note)

    def status(self, record: descent.Racers) -> str:
        """Where the race is."""
        epoch = f" · epoch {record.epoch:.2f}" if record.epoch != record.step else ""
        return f"step {record.step}{epoch}"

    def code(self) -> str:
        """The setting as a script."""
        settings = self.settings
        arguments = ", ".join(f"{name}={value!r}" for name, value in _common(settings).items())
        if settings["ground"] == NETWORK:
            lines = [
                "from toolkit import datasets", "from toolkit.learning import descent", "",
                f"names, data = {settings['names']!r}, datasets.load('digits')",
                f"for record in descent.race_on_network(data, names, epochs={settings['epochs']}, {arguments}):",
            ]  # fmt: skip
        else:
            more = ", ".join(f"{name}={value!r}" for name, value in _on_landscape(settings).items())
            lines = [
                "from toolkit.landscapes import LANDSCAPES", "from toolkit.learning import descent", "",
                f"landscape = LANDSCAPES[{settings['ground']!r}]",
                f"for record in descent.race(landscape, {settings['names']!r}, {more}, {arguments}):",
            ]  # fmt: skip
        return "\n".join([*lines, "    print(record.step, record.loss)", ""])

    def pointed(self, position: list[float]) -> None:
        """Move the start to a point of the map."""
        settings = self.settings
        if settings["ground"] == NETWORK:
            return
        landscape = _landscape(settings)
        scales = zip(("start_x", "start_y"), map_scales(landscape), position, landscape.limits, strict=True)
        for name, scale, pixel, limits in scales:
            value = round(scale.inverse(pixel) / START_STEP) * START_STEP  # where the slider in the browser can stand
            self.controls[name].value = min(max(value, limits[0]), limits[1])

    def _offer(self, given: tuple[str, ...] = ()) -> None:
        """Show the controls that matter on this ground, at the start and with the learning rates that are usual there."""
        ground = self.settings["ground"]
        on_network = ground == NETWORK
        for name in ("start_x", "start_y", "noise", "steps", "speed"):
            self.controls[name].layout.display = "none" if on_network else None
        self.controls["epochs"].layout.display = None if on_network else "none"
        values = {key: USUAL[name][on_network] for name, key in RATES.items()}
        if not on_network:
            values |= dict(zip(("start_x", "start_y"), landscapes.LANDSCAPES[ground].start, strict=True))
        for name, value in values.items():
            if name not in given:
                self.controls[name].value = value


def _landscape(settings: Mapping[str, Any]) -> landscapes.Landscape:
    return landscapes.LANDSCAPES[settings["ground"]]


def _common(settings: Mapping[str, Any]) -> dict[str, Any]:
    rates = {name: settings[key] for name, key in RATES.items()}
    return {
        "lr": rates | {"momentum, as printed": settings["momentum"]},
        "memory": settings["memory"],
        "seed": settings["seed"],
    }


def _on_landscape(settings: Mapping[str, Any]) -> dict[str, Any]:
    start = (settings["start_x"], settings["start_y"])
    return {"start": start, "noise": settings["noise"], "steps": settings["steps"]}


def _in_words(settings: Mapping[str, Any], records: list[descent.Racers]) -> str:
    if settings["ground"] == NETWORK:
        where = "A network of 64, 32 and 10 units on the digits"
    else:
        where = f"{settings['ground']}: L = {_landscape(settings).formula}"
    if not records:
        return f"{where}. Press Run."
    loss = ", ".join(
        f"{name} {value:.2g}" if value == value else f"{name} left all bounds"
        for name, value in zip(settings["names"], records[-1].loss, strict=True)
    )
    return f"{where}. Loss after {records[-1].step} steps: {loss}."
