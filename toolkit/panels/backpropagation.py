"""Forward and backward through a network with two inputs, two hidden neurons and one output, number by number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import ipywidgets as widgets

from toolkit.figures import backpropagation as figures
from toolkit.learning import backpropagation
from toolkit.panels.controls import choice, slider, whole_slider
from toolkit.panels.panel import Panel

FIRST_WEIGHTS = dict(
    zip(backpropagation.WEIGHTS, (0.5, -0.4, 0.1, -0.3, 0.8, -0.2, 0.7, -0.6, 0.3), strict=True)
)  # all different, of both signs
NAMES = {"x1": "x₁", "x2": "x₂", "b1": "bias", "b2": "bias", "h1": "h₁", "h2": "h₂", "o": "output"}


class BackpropagationPanel(Panel):
    """Move a weight and see every number change; Run goes forward, backward and on with new weights, stage by stage.

    Args:
        values: control name to first value.

    >>> panel = BackpropagationPanel(rounds=2)
    >>> [record.stage for record in panel.run().records[:3]]
    ['inputs', 'hidden neurons', 'output']
    """

    title = "Backpropagation on a small network"
    record_type = backpropagation.Pass
    instant = True

    def make_sections(self) -> dict[str, dict[str, widgets.Widget]]:
        """Data (one sample), model (activation and nine weights), training and view."""
        labels = {name: _label(name) for name in backpropagation.WEIGHTS}
        return {
            "data": {
                "x1": slider("x₁", 1.0, -2.0, 2.0, 0.1),
                "x2": slider("x₂", 0.5, -2.0, 2.0, 0.1),
                "target": slider("target y", 1.0, -1.0, 1.0, 0.1),
            },
            "model": {"activation": choice("hidden Φ", backpropagation.ACTIVATIONS)}
            | {name: slider(labels[name], value, -3.0, 3.0, 0.05) for name, value in FIRST_WEIGHTS.items()},
            "training": {
                "loss": choice("loss L", backpropagation.LOSSES),
                "learning_rate": slider("learning rate α", 0.5, 0.0, 3.0, 0.1),
                "rounds": whole_slider("rounds", 3, 1, 30),
            },
            "view": {
                "weight": choice("chain rule of", {label: name for name, label in labels.items()}.items()),
                "shown": choice("numbers", ("both", "forward", "backward")),
                "speed": choice("stages per second", (1, 3, 10), value=1),
            },
        }

    def begin(self, settings: Mapping[str, Any]) -> Iterator[backpropagation.Pass]:
        """The stages."""
        return backpropagation.passes(*_sample(settings), **_arguments(settings))

    def rest(self) -> float:
        """The chosen speed."""
        return 1 / self.settings["speed"]

    def draw(self, records: list[backpropagation.Pass]) -> str:
        """The newest stage, or without a run all but the new weights; what cannot be computed leaves the picture as it is."""
        records = records[-1:]  # the run may be adding to them
        settings = self.ran_with if records else self.settings
        try:
            now = records[-1] if records else _before_new_weights(self.begin(settings))
        except ValueError as error:
            self._show_error(error)
            return self.frame.value or figures.frame.text("no picture")
        view = self.settings
        note = f"round {now.round}: {now.stage if records else 'forward and backward'}"
        rule = chain_rule(now, view["weight"], settings["activation"])
        return figures.network_frame(
            now, target=settings["target"], note=note, rule=rule, chosen=view["weight"], shown=view["shown"]
        )

    def status(self, record: backpropagation.Pass) -> str:
        """Round, stage and loss."""
        loss = "" if record.loss != record.loss else f" · loss {record.loss:.4g}"
        return f"round {record.round} · {record.stage}{loss}"

    def code(self) -> str:
        """The setting as a script."""
        weights, inputs, target = _sample(self.settings)
        arguments = ", ".join(f"{name}={value!r}" for name, value in _arguments(self.settings).items())
        return "\n".join(
            [
                "from toolkit.learning import backpropagation", "",
                f"weights = {weights!r}",
                f"for stage in backpropagation.passes(weights, {inputs!r}, {target!r}, {arguments}):",
                "    print(stage.round, stage.stage, stage.loss)", "",
            ]
        )  # fmt: skip


def chain_rule(now: backpropagation.Pass, weight: str, activation: str) -> str:
    """(2.17) for one weight in numbers; as far as they are known.

    Args:
        now: a stage.
        weight: one of `backpropagation.WEIGHTS`.
        activation: of the hidden neurons.
    """
    source, end = weight.split("_")
    name = f"∂L/∂w({_label(weight)})"
    if now.deltas[2] != now.deltas[2]:
        return f"{name}: not known before the way back"
    before = {"x1": now.inputs[0], "x2": now.inputs[1], "h1": now.values[0], "h2": now.values[1]}.get(source, 1.0)
    if end == "o":
        return f"{name} = ∂L/∂z(output) · {NAMES[source]} = {now.deltas[2]:.3g} · {before:.3g} = {now.deltas[2] * before:.3g}"
    row = int(end[1]) - 1
    if now.deltas[row] != now.deltas[row]:
        return f"{name}: not known before the hidden neurons are"
    slope = float(backpropagation.ACTIVATIONS[activation][1](now.sums[row]))
    product = now.deltas[row] * before
    # after the update the edge carries its new weight; the way back went over the old one
    over = now.deltas[row] / (now.deltas[2] * slope) if now.deltas[2] * slope else now.second[0, row]
    return (
        f"{name} = ∂L/∂z(output) · w({NAMES[end]} → output) · Φ'(z) · {NAMES[source]} = "
        f"{now.deltas[2]:.3g} · {over:.3g} · {slope:.3g} · {before:.3g} = {product:.3g}"
    )


def _before_new_weights(stages: Iterator[backpropagation.Pass]) -> backpropagation.Pass:
    return next(stage for stage in stages if stage.stage == backpropagation.STAGES[-2])


def _label(weight: str) -> str:
    source, end = weight.split("_")
    return f"{NAMES[source]} → {NAMES[end]}"


def _sample(settings: Mapping[str, Any]) -> tuple[dict[str, float], tuple[float, float], float]:
    weights = {name: settings[name] for name in backpropagation.WEIGHTS}
    return weights, (settings["x1"], settings["x2"]), settings["target"]


def _arguments(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: settings[name] for name in ("activation", "loss", "learning_rate", "rounds")}
