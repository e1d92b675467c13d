"""Optimizers racing: their paths on a landscape from above, or accuracy on a network; losses; lengths of their steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from toolkit.figures import colours, frame
from toolkit.figures.landscape import SIZE, contours

RACERS = {  # name: colour, dash
    "SGD": (colours.RUN["SGD"], ""),
    "momentum": (colours.BLUE, ""),
    "momentum, as printed": (colours.SKY, "5 3"),
    "AdaGrad": (colours.ORANGE, ""),
    "RMSProp": (colours.PURPLE, ""),
    "Adam": (colours.RUN["Adam"], ""),
}


def race_frame(names: Sequence[str], records: Sequence[Any], *, landscape: Any | None, note: str) -> str:
    """The race as a live frame.

    Args:
        names: of the racers, in the order of the records' rows.
        records: see `toolkit.learning.descent.Racers`; none before a race on a network.
        landscape: with `value`, `limits`, `name` and `formula`; None on a network.
        note: a line above.

    Returns:
        A `<div>` element; on a landscape its first plot is the map, see `landscape.map_scales`.
    """
    x_label = "step" if landscape else "epoch"
    x = [record.step if landscape else record.epoch for record in records]
    first = _map(names, records, landscape) if landscape else _course(
        names, x, [record.accuracy for record in records], title="accuracy on validation", x_label=x_label, y_limits=(0, 1.02)
    )  # fmt: skip
    loss = [record.loss for record in records]
    moved = [record.moved for record in records[1:]]
    plots = [
        first,
        _course(names, x, loss, title="loss" if landscape else "training loss", x_label=x_label, log_y=True),
        _course(names, x[1:], moved, title="length of a step", x_label=x_label, log_y=True),
    ]
    legend = frame.legend([(name, RACERS[name][0]) for name in names])
    return frame.compose(plots, above=[frame.text(note), legend], description=note)


def _map(names: Sequence[str], records: Sequence[Any], landscape: Any) -> str:
    paths = np.array([record.weights for record in records])
    lines = [frame.Line(paths[:, row, 0], paths[:, row, 1], name, *RACERS[name], width=1.6) for row, name in enumerate(names)]
    points = []
    for row, name in enumerate(names):
        known = np.flatnonzero(np.isfinite(paths[:, row, 0]))
        x, y = paths[known[-1], row]
        inside = all(low <= value <= high for value, (low, high) in zip((x, y), landscape.limits, strict=True))
        points += [(x, y, RACERS[name][0], name)] if inside else []
    return frame.plot(
        [*contours(landscape.value, landscape.limits), *lines], title="landscape from above", x_label="weight x",
        y_label="weight y", size=SIZE, x_limits=landscape.limits[0], y_limits=landscape.limits[1], points=points,
    )  # fmt: skip


def _course(names: Sequence[str], x: Sequence[float], values: Sequence[np.ndarray], *, title: str, **options: Any) -> str:
    table = np.array(values) if len(values) else np.empty((0, len(names)))
    lines = []
    for row, name in enumerate(names):
        known = np.isfinite(table[:, row]) if title.startswith("accuracy") else np.full(len(table), True)
        lines.append(frame.Line(np.asarray(x)[known], table[known, row], name, *RACERS[name]))
    return frame.plot(lines, title=title, size=SIZE, **options)


def races(axes: Sequence[Any], landscape: Any, runs: Mapping[str, Sequence[Any]], names: Sequence[str]) -> None:
    """Static: the paths of each race on a matplotlib axis.

    Args:
        axes: as many as races.
        landscape: on which they were.
        runs: title to records.
        names: of the racers.
    """
    x, y = (np.linspace(low, high, 121) for low, high in landscape.limits)
    loss = landscape.value(np.stack(np.meshgrid(x, y), axis=-1))
    levels = loss.min() + np.ptp(loss) * np.linspace(0, 1, 14)[1:-1] ** 3
    for axis, (title, records) in zip(axes, runs.items(), strict=True):
        axis.contour(x, y, loss, levels, colors=colours.GREY, linewidths=0.5)
        paths = np.array([record.weights for record in records])
        for row, name in enumerate(names):
            colour, dash = RACERS[name]
            axis.plot(paths[:, row, 0], paths[:, row, 1], "--" if dash else "-", color=colour, label=name, lw=1.3)
        axis.set(title=title, xlim=landscape.limits[0], ylim=landscape.limits[1], xlabel="weight x")
    axes[0].set_ylabel("weight y")
    axes[-1].legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
