"""Figures of chapter 3: races of optimizers, and the ball on a landscape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from toolkit.figures import colours, frame

SIZE = (320, 246)


class Curves:
    """The metrics of several runs as growing lists, for a frame that is redrawn while records come in.

    Attributes:
        points: (run, metric) to a pair of lists, epochs and values.
        brakes: (run, epoch) of each time a brake went on.
        runs: names in order of appearance.
    """

    def __init__(self):
        self._begin()

    def follow(self, records: list[Any]) -> None:
        """Take what these records have gained since the last call; other or fewer ones are read afresh."""
        if self._newest is not None and (len(records) < self._taken or records[self._taken - 1] is not self._newest):
            self._begin()
        for record in records[self._taken :]:
            self._take(record)
            self._taken, self._newest = self._taken + 1, record

    def of(self, metric: str) -> list[tuple[str, list[float], list[float]]]:
        """Run, epochs and values of every run that has the metric."""
        return [(run, *self.points[run, metric]) for run in self.runs if (run, metric) in self.points]

    def _begin(self) -> None:
        self._taken, self._newest = 0, None
        self.points: dict[tuple[str, str], tuple[list[float], list[float]]] = {}
        self.brakes: list[tuple[str, float]] = []
        self.runs: list[str] = []

    def _take(self, record: Any) -> None:
        if record.run not in self.runs:
            self.runs.append(record.run)
        epochs, braked = self.points.get((record.run, "braked"), ([record.epoch], [0.0]))
        if record.metrics.get("braked", 0.0) > braked[-1]:
            self.brakes.append((record.run, epochs[-1]))
        for name, value in record.metrics.items():
            epochs, values = self.points.setdefault((record.run, name), ([], []))
            epochs.append(record.epoch)
            values.append(value)


def race_frame(curves: Curves, *, log_loss: bool, note: str) -> str:
    """Loss, accuracy and energy of every run against the epoch, as a live frame.

    Args:
        curves: what to draw.
        log_loss: logarithmic axis of loss and energy.
        note: a line of text under the legend.

    Returns:
        A `<div>` element.
    """
    marks = [(epoch, run_colour(run), f"{run}: brake on at epoch {epoch:.2f}") for run, epoch in curves.brakes]
    loss = frame.plot(
        _lines(curves, "batch_loss", dash="1 3", width=1.2) + _lines(curves, "validation_loss"),
        title="loss", x_label="epoch", y_label="dotted: training", size=SIZE, log_y=log_loss, marks=marks,
    )  # fmt: skip
    accuracy = frame.plot(
        _lines(curves, "validation_accuracy"), title="accuracy on validation", x_label="epoch", size=SIZE, marks=marks
    )
    energy = frame.plot(
        _energies(curves) + _lines(curves, "kinetic_energy", dash="5 3", width=1.2),
        title="energy H", x_label="epoch", y_label="dashed: kinetic", size=SIZE, log_y=log_loss, marks=marks,
    )  # fmt: skip
    legend = frame.legend([(run, run_colour(run)) for run in curves.runs])
    return frame.compose((loss, accuracy, energy), above=(legend, frame.text(note)), description=_description(curves))


def race(axes: Sequence[Any], curves: Curves) -> None:
    """Static twin of `race_frame` (Fig. 3.3 of the source): accuracy and loss on two matplotlib axes."""
    for axis, metric, label in zip(axes, ("validation_accuracy", "validation_loss"), ("accuracy", "loss"), strict=True):
        for run, epochs, values in curves.of(metric):
            axis.plot(epochs, values, color=run_colour(run, other=colours.BLACK), label=run)
        for run, epoch in curves.brakes:
            axis.axvline(epoch, color=run_colour(run, other=colours.BLACK), linestyle=":", linewidth=1)
        axis.set(xlabel="epoch", ylabel=f"{label} on validation")
    axes[1].set_yscale("log")
    axes[0].legend(frameon=False)


def run_colour(run: str, *, other: str = frame.TEXT) -> str:
    """The colour that a run has in every figure, or `other` if it has none."""
    return colours.RUN.get(run) or (colours.RUN["branch"] if run.startswith("branch") else other)


def _lines(curves: Curves, metric: str, **style: Any) -> list[frame.Line]:
    return [
        frame.Line(epochs, values, f"{run}, {metric}", run_colour(run), **style) for run, epochs, values in curves.of(metric)
    ]


def _energies(curves: Curves) -> list[frame.Line]:
    """H = kinetic energy + training loss, where both were recorded."""
    lines = []
    for run, epochs, kinetic in curves.of("kinetic_energy"):
        loss = curves.points.get((run, "batch_loss"), ([], []))
        energy = np.asarray(kinetic)[len(kinetic) - len(loss[1]) :] + np.asarray(loss[1])
        lines.append(frame.Line(epochs[len(kinetic) - len(loss[1]) :], energy, f"{run}, energy", run_colour(run)))
    return lines


def _description(curves: Curves) -> str:
    last = ", ".join(f"{run} accuracy {values[-1]:.3f}" for run, _, values in curves.of("validation_accuracy"))
    return f"Loss, accuracy and energy against the epoch. {last or 'No run yet.'}"
