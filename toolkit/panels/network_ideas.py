"""Six ideas of network architectures, each trained live with its one knob."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import ipywidgets as widgets

from toolkit import network_ideas
from toolkit.figures import network_ideas as figures
from toolkit.network_ideas import graphs
from toolkit.panels.controls import choice, log_slider, whole_slider
from toolkit.panels.panel import Panel

MOST_EPOCHS = 60


class NetworkIdeaPanel(Panel):
    """Choose an idea, set its knob, press Run and watch what the network learns.

    Args:
        values: control name to first value.

    >>> panel = NetworkIdeaPanel(idea="graphs", epochs=2)
    >>> len(panel.run().records)
    3
    """

    title = "Ideas behind networks"
    record_type = network_ideas.Sketch

    def __init__(self, **values: Any):
        super().__init__(**values)
        self.controls["idea"].observe(lambda _: self._guarded(self._offer), names="value")
        self._offer(given=tuple(values))

    def make_sections(self) -> dict[str, dict[str, widgets.Widget]]:
        """Model (the idea and its knob, one for each idea, of which one is shown) and training."""
        knobs = {f"{name}_knob": _control(idea.knob) for name, idea in network_ideas.IDEAS.items()}
        first = network_ideas.IDEAS["convolution"]
        return {
            "model": {"idea": choice("idea", network_ideas.IDEAS)} | knobs,
            "training": {
                "epochs": whole_slider("epochs", first.epochs, 1, MOST_EPOCHS),
                "learning_rate": log_slider("learning rate", first.learning_rate, -4, -0.5),
                "seed": whole_slider("seed", 0, 0, 99),
            },
        }

    def begin(self, settings: Mapping[str, Any]) -> Iterator[network_ideas.Sketch]:
        """The idea's sketches."""
        return network_ideas.learn(settings["idea"], **_arguments(settings))

    def draw(self, records: list[network_ideas.Sketch]) -> str:
        """What is learned and how well."""
        idea = (self.ran_with if records else self.settings)["idea"]
        question = f"{idea}: {network_ideas.IDEAS[idea].question}"
        return figures.idea_frame(idea, records, question=question, graph=graphs.graph())

    def status(self, record: network_ideas.Sketch) -> str:
        """Epoch and seconds."""
        return f"epoch {record.epoch:.0f} · {record.seconds:.1f} s"

    def code(self) -> str:
        """The setting as a script."""
        arguments = ", ".join(f"{name}={value!r}" for name, value in _arguments(self.settings).items())
        return "\n".join(
            [
                "from toolkit import network_ideas", "",
                f"for sketch in network_ideas.learn({self.settings['idea']!r}, {arguments}):",
                "    print(sketch.epoch, sketch.metrics)", "",
            ]
        )  # fmt: skip

    def _offer(self, given: tuple[str, ...] = ()) -> None:
        """Show the chosen idea's knob, and set what training suits it."""
        chosen = self.settings["idea"]
        idea = network_ideas.IDEAS[chosen]
        for name in network_ideas.IDEAS:
            self.controls[f"{name}_knob"].layout.display = None if name == chosen else "none"
        for name, value in (("epochs", idea.epochs), ("learning_rate", idea.learning_rate)):
            if name not in given:
                self.controls[name].value = value


def _control(knob: network_ideas.Knob) -> widgets.Widget:
    if knob.whole:
        return whole_slider(knob.label, int(knob.value), int(knob.low), int(knob.high))
    return log_slider(knob.label, knob.value, -2, 2)


def _arguments(settings: Mapping[str, Any]) -> dict[str, Any]:
    training = {name: settings[name] for name in ("epochs", "learning_rate", "seed")}
    return {"knob": settings[f"{settings['idea']}_knob"]} | training
