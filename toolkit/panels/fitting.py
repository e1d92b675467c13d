"""One hidden layer live: universal approximation on a curve, over- and underfitting on a border, and what stops it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import ipywidgets as widgets
import numpy as np

from toolkit.figures import fitting as figures
from toolkit.learning import confusion, fitting
from toolkit.panels.controls import choice, log_slider, slider, whole_slider
from toolkit.panels.panel import Panel

STRENGTHS = (0.0, 0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)  # λ of the penalties
TASKS = {f"curve: {name}" if not task.classification else f"classes: {name}": name for name, task in fitting.TASKS.items()}
ARGUMENTS = (
    "units", "activation", "samples", "noise", "epochs", "learning_rate", "l1_strength", "l2_strength", "dropout", "jitter",
    "patience", "seed",
)  # fmt: skip


class FittingPanel(Panel):
    """Choose a curve or a border and the size of the hidden layer; Run trains it and shows what each hidden unit does.

    Args:
        values: control name to first value.

    >>> panel = FittingPanel(task="kink", epochs=3)
    >>> [record.epoch for record in panel.run().records]
    [0.0, 1.0, 2.0, 3.0]
    """

    title = "One hidden layer"
    record_type = fitting.Fitted

    def make_sections(self) -> dict[str, dict[str, widgets.Widget]]:
        """Data, model, training with everything against overfitting, view."""
        return {
            "data": {
                "task": choice("task", TASKS.items()),
                "samples": whole_slider("training samples", 60, 10, 300),
                "noise": slider("noise", 0.2, 0.0, 0.6, 0.05),
            },
            "model": {
                "units": whole_slider("hidden units m", 12, 1, 80),
                "activation": choice("activation Φ", fitting.ACTIVATION_NAMES, value="tanh"),
            },
            "training": {
                "epochs": whole_slider("epochs", 300, 1, 1000),
                "learning_rate": log_slider("learning rate α", 0.02, -4, 0),
                "l1_strength": choice("L1: λ", STRENGTHS),
                "l2_strength": choice("L2: λ", STRENGTHS),
                "dropout": slider("dropout", 0.0, 0.0, 0.9, 0.1),
                "jitter": slider("augment: jitter", 0.0, 0.0, 0.6, 0.05),
                "patience": whole_slider("patience, 0: off", 0, 0, 100),
                "seed": whole_slider("seed", 0, 0, 99),
            },
            "view": {"network": choice("network", ("newest", "best so far"))},
        }

    def begin(self, settings: Mapping[str, Any]) -> Iterator[fitting.Fitted]:
        """The run."""
        return fitting.learn(settings["task"], **_arguments(settings))

    def draw(self, records: list[fitting.Fitted]) -> str:
        """The newest or the best network, and the course of the run; before a run the network as it begins."""
        settings = self.ran_with if records else self.settings
        shown = records or [_untrained(settings["task"], *((name, settings[name]) for name in ARGUMENTS))]
        losses = [record.metrics["validation_loss"] for record in shown]
        best = int(np.nanargmin(losses)) if np.isfinite(losses).any() else 0
        now = shown[best] if self.settings["network"] == "best so far" else shown[-1]
        task = fitting.TASKS[settings["task"]]
        truth = None if task.classification else task.rule(np.linspace(-fitting.LIMIT, fitting.LIMIT, fitting.GRID)[:, None])
        return figures.fitting_frame(
            now, shown, _samples(settings), truth=truth, best=best,
            measures=confusion.measures(now.confusion) if task.classification else {}, note=_in_words(task, now, shown, best),
        )  # fmt: skip

    def status(self, record: fitting.Fitted) -> str:
        """Epoch and losses."""
        metrics = record.metrics
        losses = f"training loss {metrics['train_loss']:.3g} · validation loss {metrics['validation_loss']:.3g}"
        return f"epoch {record.epoch:.0f} · {losses} · " + ("diverged" if record.diverged else f"{record.seconds:.1f} s")

    def code(self) -> str:
        """The setting as a script."""
        arguments = ", ".join(f"{name}={value!r}" for name, value in _arguments(self.settings).items())
        return "\n".join(
            [
                "from toolkit.learning import fitting", "",
                f"for record in fitting.learn({self.settings['task']!r}, {arguments}):",
                "    print(record.epoch, record.metrics)", "",
            ]
        )  # fmt: skip


def _arguments(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: settings[name] for name in ARGUMENTS}


def _samples(settings: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    return fitting.draw_samples(settings["task"], settings["samples"], noise=settings["noise"], seed=settings["seed"])


@lru_cache(maxsize=8)
def _untrained(task: str, *settings: tuple[str, Any]) -> fitting.Fitted:
    return next(fitting.learn(task, **dict(settings)))


def _in_words(task: fitting.Task, now: fitting.Fitted, records: list[fitting.Fitted], best: int) -> str:
    train, validation = now.metrics["train_loss"], now.metrics["validation_loss"]
    words = f"{task.formula}. Shown: epoch {now.epoch:.0f}, training loss {train:.3g}, validation loss {validation:.3g}"
    if len(records) > 1:
        words += f"; least validation loss {records[best].metrics['validation_loss']:.3g} at epoch {records[best].epoch:.0f}"
    return words + "."
