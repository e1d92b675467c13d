"""Gradients in deep stacks: how depth makes them vanish, and how a residual block keeps them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import ipywidgets as widgets
import numpy as np

from toolkit import datasets
from toolkit.figures import depth as figures
from toolkit.learning import depth
from toolkit.panels.controls import choice, log_slider, whole_slider
from toolkit.panels.panel import Panel

PAIRS = 20  # convolutions of the deepest stack, in pairs
SCALES = {"300 digits": 300, "600 digits": 600, "all digits": None}
MODEL = ("width", "activation", "normalised", "initialisation")


class DepthPanel(Panel):
    """Move the depth and see the gradients of each layer before any training; Run trains both stacks on the digits.

    Args:
        values: control name to first value.

    >>> panel = DepthPanel(blocks=2, epochs=1, scale=300)
    >>> panel.run().records[-1].norms.shape
    (2, 5)
    """

    title = "Gradients in deep stacks"
    record_type = depth.Layers
    live = ("learning_rate",)

    def __init__(self, **values: Any):
        self._untrained: tuple[Any, dict[str, np.ndarray]] = None, {}  # settings, and the gradients that belong to them
        super().__init__(**values)

    def make_sections(self) -> dict[str, dict[str, widgets.Widget]]:
        """Data, model and training."""
        return {
            "data": {"scale": choice("images", SCALES.items(), value=600)},
            "model": {
                "blocks": whole_slider("blocks (2 layers)", 5, 1, PAIRS),
                "width": whole_slider("channels", 8, 2, 16),
                "activation": choice("activation", ("relu", "tanh", "sigmoid")),
                "normalised": choice("batch norm", {"no": False, "yes": True}.items()),
                "initialisation": choice("initialisation", depth.INITIALISATIONS),
            },
            "training": {
                "epochs": whole_slider("epochs", 6, 1, 30),
                "learning_rate": log_slider("learning rate α", 0.05, -4, 0),
                "seed": whole_slider("seed", 0, 0, 99),
            },
        }

    def begin(self, settings: Mapping[str, Any]) -> Iterator[depth.Layers]:
        """Both stacks, trained side by side."""
        self._compare = depth.compare(_digits(settings["scale"]), 2 * settings["blocks"], every=4, **_arguments(settings))
        return self._compare

    def steer(self, name: str, value: Any) -> None:
        """Another learning rate from the next step on."""
        for run in self._compare.runs.values():
            run.optimizer.param_groups[0]["lr"] = value

    def draw(self, records: list[depth.Layers]) -> str:
        """The newest gradients, or those before training."""
        settings = self.ran_with if records else self.settings
        norms = dict(zip(depth.KINDS, records[-1].norms, strict=True)) if records else self._at_first(settings)
        ratios = ", ".join(f"{kind} {_ratio(values)}" for kind, values in norms.items())
        when = f"after {records[-1].epoch:.2f} epochs" if records else "before training"
        note = f"{2 * settings['blocks']} convolutions, {when}: gradient of the first relative to the last: {ratios}."
        return figures.depth_frame(norms, records, note=note, classes=10)

    def status(self, record: depth.Layers) -> str:
        """Epoch, seconds and the newest training losses."""
        losses = ", ".join(
            f"{kind} {record.metrics.get(f'{kind}_batch_loss', record.metrics.get(f'{kind}_train_loss')):.3f}"
            for kind in depth.KINDS
        )
        return f"epoch {record.epoch:.2f} · training loss {losses} · {record.seconds:.1f} s" + (
            " · diverged" if record.diverged else ""
        )

    def code(self) -> str:
        """The setting as a script."""
        settings = self.settings
        fewer = f".subset({settings['scale']}, proportional=True)" if settings["scale"] else ""
        arguments = ", ".join(f"{name}={value!r}" for name, value in _arguments(settings).items())
        return "\n".join(
            [
                "from toolkit import datasets", "from toolkit.learning import depth", "",
                f"data = datasets.load('digits'){fewer}",
                f"for record in depth.compare(data, {2 * settings['blocks']}, every=4, {arguments}):",
                "    print(record.epoch, record.metrics, record.norms)", "",
            ]
        )  # fmt: skip

    def _at_first(self, settings: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """The gradients before training."""
        key = {name: settings[name] for name in ("scale", "blocks", "seed", *MODEL)}
        if self._untrained[0] != key:
            data = _digits(settings["scale"])
            sample = data.normalise(data.train[0][: depth.SAMPLE]), data.train[1][: depth.SAMPLE]
            built = depth.stacks(
                2 * settings["blocks"], seed=settings["seed"], input_shape=data.input_shape, classes=data.n_classes,
                **_model(settings),
            )  # fmt: skip
            self._untrained = key, {kind: depth.gradient_norms(stack, *sample) for kind, stack in built.items()}
        return self._untrained[1]


def _model(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: settings[name] for name in MODEL}


def _arguments(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: settings[name] for name in ("epochs", "learning_rate", "seed")} | _model(settings)


def _ratio(norms: np.ndarray) -> str:
    return "0" if not norms[0] else f"{norms[0] / norms[-1]:.2g}" if norms[-1] else "undefined"


def _digits(scale: int | None) -> datasets.Dataset:
    data = datasets.load("digits")
    return data if scale is None or scale >= len(data.train[0]) else data.subset(scale, proportional=True)
