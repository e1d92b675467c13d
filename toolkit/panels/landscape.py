"""The heavy ball on landscapes that can be written down: everything is computed at once, on every movement of a control."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import ipywidgets as widgets

from toolkit import landscapes, optim
from toolkit.figures import landscape as figures
from toolkit.panels.controls import choice, log_slider, slider, whole_slider
from toolkit.panels.panel import Panel

START_STEP = 0.05


class LandscapePanel(Panel):
    """A ball on a landscape. The whole path is drawn at once; Run plays it step by step. The start can be dragged.

    Args:
        values: control name to first value.

    >>> panel = LandscapePanel(landscape="parabola", steps=100)
    >>> panel.run().records[-1].step
    100
    """

    title = "Heavy ball on a landscape"
    record_type = landscapes.Position
    instant = True

    def __init__(self, **values: Any):
        super().__init__(**values)
        self.controls["landscape"].observe(lambda _: self._guarded(self._place_start), names="value")
        self._place_start(given=tuple(values))

    def make_sections(self) -> dict[str, dict[str, widgets.Widget]]:
        """Data (the landscape and the start), model (the ball), training and view."""
        first = landscapes.LANDSCAPES["double well"]
        return {
            "data": {
                "landscape": choice("landscape", landscapes.LANDSCAPES, value=first.name),
                "start_x": slider("start ω or x", first.start[0], -7, 7, START_STEP),
                "start_y": slider("start y", 0.0, -6, 6, START_STEP),
            },
            "model": {
                "mass": log_slider("mass m", 1.0, -2, 2),
                "friction": log_slider("friction ρ", 0.1, -3, 2),
            },
            "training": {
                "learning_rate": log_slider("step of time α", 0.05, -3, 0.3),
                "friction_scheme": choice("friction scheme", optim.FRICTION_SCHEMES),
                "goal": slider("brake at loss", 0.5, 0.0, 5.0, 0.05),
                "factor": log_slider("brake factor", 10.0, 0, 3),
                "steps": whole_slider("steps", 300, 10, 1000),
            },
            "view": {"speed": choice("steps per second", (10, 30, 100, 300), value=100)},
        }

    def begin(self, settings: Mapping[str, Any]) -> Iterator[landscapes.Position]:
        """The ball's positions."""
        return landscapes.roll(self._landscape, self._start(), **self._arguments(settings))

    def rest(self) -> float:
        """The chosen speed."""
        return 1 / self.settings["speed"]

    def draw(self, records: list[landscapes.Position]) -> str:
        """The records so far, or without any the whole path; a setting that cannot be run keeps the picture as it is."""
        if records:  # the control may have moved on to another landscape since these began
            return figures.ball_frame(landscapes.LANDSCAPES[self.ran_with["landscape"]], records)
        try:
            path = self.begin(self.settings)
        except ValueError as error:
            self._show_error(error)
            return self.frame.value
        return figures.ball_frame(self._landscape, list(path))

    def status(self, record: landscapes.Position) -> str:
        """Step, loss and kinetic energy."""
        return f"step {record.step} · loss {record.potential:.3g} · kinetic energy {record.kinetic:.3g}"

    def code(self) -> str:
        """The setting as a script."""
        arguments = ", ".join(f"{name}={value!r}" for name, value in self._arguments(self.settings).items())
        return "\n".join(
            [
                "from toolkit import landscapes",
                "",
                f"landscape = landscapes.LANDSCAPES[{self._landscape.name!r}]",
                f"for position in landscapes.roll(landscape, {self._start()}, {arguments}):",
                "    print(position)",
                "",
            ]
        )

    @property
    def _landscape(self) -> landscapes.Landscape:
        return landscapes.LANDSCAPES[self.controls["landscape"].value]

    def _start(self) -> tuple[float, ...]:
        return (self.settings["start_x"], self.settings["start_y"])[: self._landscape.dimensions]

    def _arguments(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        names = ("mass", "friction", "friction_scheme", "steps", "goal", "factor")
        return {"lr": settings["learning_rate"]} | {name: settings[name] for name in names}

    def _place_start(self, given: tuple[str, ...] = ()) -> None:
        start = self._landscape.start
        self.controls["start_y"].layout.display = None if len(start) > 1 else "none"
        for name, value in zip(("start_x", "start_y"), start, strict=False):
            if name not in given:
                self.controls[name].value = value

    def pointed(self, position: list[float]) -> None:
        """Move the start to a point of the picture, given in its own pixels."""
        for name, scale, pixel, limits in zip(
            ("start_x", "start_y"), figures.map_scales(self._landscape), position, self._landscape.limits, strict=False
        ):
            value = round(scale.inverse(pixel) / START_STEP) * START_STEP  # where the slider in the browser can stand
            self.controls[name].value = min(max(value, limits[0]), limits[1])
