"""One hidden layer: the curve or the border, what the hidden units add, losses, confusion matrix (Figs. 2.6 and 2.7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.colors import to_rgb

from toolkit.figures import colours, frame, layers
from toolkit.figures.layers import SIZE

LIMITS = (-2.0, 2.0)
CLASSES = (colours.ORANGE, colours.PURPLE)
TRAIN, VALIDATION = colours.GREY, colours.BLUE
MOST_UNITS = 30  # whose contributions are drawn
MOST_LINES = 16  # hidden units whose change of sign is drawn; more would cover the samples


def fitting_frame(
    now: Any,
    records: Sequence[Any],
    samples: tuple[np.ndarray, np.ndarray],
    *,
    truth: np.ndarray | None,
    best: int,
    measures: Mapping[str, float],
    note: str,
) -> str:
    """The network of one record, and the course of the run.

    Args:
        now: the record to show, see `toolkit.learning.fitting.Fitted`.
        records: of the run.
        samples: features `(n, d)` and targets `(n,)` of the training part.
        truth: `(161,)` the curve without noise; None for classes.
        best: number of the record with the least validation loss.
        measures: of the confusion matrix; empty for a curve.
        note: a line above.

    Returns:
        A `<div>` element.
    """
    if truth is not None:
        plots = [curve_plot(now, samples, truth), _units(now)]
        legend = [("network", colours.VERMILION), ("rule without noise", colours.GREEN)]
    else:
        plots = [border_plot(now, samples)]
        legend = [("class 0", CLASSES[0]), ("class 1", CLASSES[1])]
    plots.append(_course(records, best, "loss", log=True))
    if truth is None:
        plots += [_course(records, best, "accuracy", log=False), _confusion(now.confusion, measures)]
    legend += [("training", TRAIN), ("validation", VALIDATION)]
    return frame.compose(plots, above=[frame.text(note), frame.legend(legend)], description=note)


def curve_plot(now: Any, samples: tuple[np.ndarray, np.ndarray], truth: np.ndarray) -> str:
    """Samples, the rule, and what the network makes of them."""
    grid = np.linspace(*LIMITS, len(truth))
    limits = layers.margins(np.concatenate([samples[1], truth]))
    lines = [
        frame.Line(grid, truth, "rule without noise", colours.GREEN, "5 3", 1.4),
        frame.Line(grid, now.prediction, "network", colours.VERMILION, width=2.2),
    ]
    plot = frame.plot(lines, title="curve", x_label="x", y_label="dots: training", size=SIZE, x_limits=LIMITS, y_limits=limits)
    return layers.over(plot, layers.cloud(np.stack([samples[0][:, 0], samples[1]], 1), (LIMITS, limits), colour=TRAIN))


def border_plot(now: Any, samples: tuple[np.ndarray, np.ndarray]) -> str:
    """Where the network sees which class, the training samples, and the line on which each hidden unit changes its sign."""
    share = now.prediction[..., None]
    palette = np.array([to_rgb(colour) for colour in CLASSES])
    shade = 1 - 0.5 * (1 - ((1 - share) * palette[0] + share * palette[1]))
    plot = frame.plot(
        [_switch(unit) for unit in now.units[:MOST_LINES]], title="border", x_label="x₁", y_label="x₂", size=SIZE,
        x_limits=LIMITS, y_limits=LIMITS,
    )  # fmt: skip
    limits = (LIMITS, LIMITS)
    dots = [_rimmed(samples[0][samples[1] == label], limits, CLASSES[label]) for label in (0, 1)]
    return layers.over(layers.under(plot, layers.picture(shade, layers.AXES, upwards=True)), "".join(dots))


def _rimmed(points: np.ndarray, limits: Sequence[tuple[float, float]], colour: str) -> str:
    return layers.cloud(points, limits, colour="#fff", width=7) + layers.cloud(points, limits, colour=colour, width=5)


def _switch(unit: np.ndarray) -> frame.Line:
    """The line w₁x₁ + w₂x₂ + b = 0."""
    first, second, bias = unit.tolist()
    ends = np.array(LIMITS)
    if abs(second) >= abs(first):
        across, up = ends, -(first * ends + bias) / (second or 1e-9)
    else:
        across, up = -(second * ends + bias) / first, ends
    x, y = np.linspace(*across, 60), np.linspace(*up, 60)
    outside = (np.abs(x) > LIMITS[1]) | (np.abs(y) > LIMITS[1])
    return frame.Line(np.where(outside, np.nan, x), y, "a hidden unit changes its sign", colours.GREY, "2 3", 0.8)


def _units(now: Any) -> str:
    order = np.argsort(-np.abs(now.units).max(axis=1))[:MOST_UNITS]
    grid = np.linspace(*LIMITS, now.units.shape[1])
    lines = [
        frame.Line(grid, now.units[unit], f"unit {unit + 1}", colours.CYCLE[number % len(colours.CYCLE)], width=1.3)
        for number, unit in enumerate(order)
    ]
    return frame.plot(
        lines, title="what each hidden unit adds", x_label="x", y_label=f"{len(now.units)} units", size=SIZE, x_limits=LIMITS
    )


def _course(records: Sequence[Any], best: int, metric: str, *, log: bool) -> str:
    epochs = [record.epoch for record in records]
    lines = [
        frame.Line(epochs, [record.metrics.get(f"{part}_{metric}", np.nan) for record in records], part, colour, dash)
        for part, colour, dash in (("train", TRAIN, "5 3"), ("validation", VALIDATION, ""))
    ]
    marks = [(epochs[best], colours.GREEN, f"least validation loss at epoch {epochs[best]:.0f}")] if len(records) > 1 else []
    limits = None if metric == "loss" else (min(0.4, *(value for line in lines for value in line.y if value == value)), 1.02)
    return frame.plot(lines, title=metric, x_label="epoch (dotted: least validation loss)", size=SIZE, log_y=log, marks=marks,
                      y_limits=limits)  # fmt: skip


def _confusion(matrix: np.ndarray, measures: Mapping[str, float]) -> str:
    """The matrix as Table 2.1 prints it, with its measures."""
    left, top, cell = 108, 56, 74
    parts = ['<text x="6" y="14" font-weight="600">confusion matrix, validation</text>']
    names = (("TP", "FP"), ("FN", "TN"))
    for (row, column), count in np.ndenumerate(matrix):
        x, y = left + cell * column, top + cell * row
        colour = colours.BLUE if row == column else colours.VERMILION
        share = count / max(1, matrix[:, column].sum())
        parts.append(
            f'<rect x="{x}" y="{y}" width="{cell}" height="{cell}" fill="{colour}" fill-opacity="{0.1 + 0.5 * share:.2f}" '
            f'stroke="{colours.GREY}"/>'
        )
        parts.append(_word(x + cell / 2, y + 34, f"{count}", "middle", 15))
        parts.append(_word(x + cell / 2, y + 54, names[row][column], "middle", 11))
    for number, name in enumerate(("class 1", "class 0")):
        parts.append(_word(left + cell * (number + 0.5), top - 6, f"is {name}", "middle", 11))
        parts.append(_word(left - 6, top + cell * (number + 0.5) + 4, f"predicted {number ^ 1}", "end", 11))
    for number, (name, value) in enumerate(measures.items()):
        text = f"{name} {value:.3f}" if value == value else f"{name} undefined"
        parts.append(_word(8 + 156 * (number % 2), 226 + 20 * (number // 2), text, "start", 12))
    return layers.svg("".join(parts))


def _word(x: float, y: float, text: str, anchor: str, size: int) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}">{text}</text>'


def borders(axes: Sequence[Any], runs: Mapping[str, tuple[Any, tuple[np.ndarray, np.ndarray]]]) -> None:
    """Static, as Fig. 2.6: the border of each run on a matplotlib axis.

    Args:
        axes: as many as runs.
        runs: title to a record and its training samples.
    """
    for axis, (title, (record, (inputs, targets))) in zip(axes, runs.items(), strict=True):
        grid = np.linspace(*LIMITS, len(record.prediction))
        axis.contourf(grid, grid, record.prediction, levels=[0, 0.5, 1], colors=CLASSES, alpha=0.25)
        axis.contour(grid, grid, record.prediction, levels=[0.5], colors="black", linewidths=1.2)
        for label in (0, 1):
            axis.scatter(*inputs[targets == label].T, s=12, color=CLASSES[label], edgecolor="white", linewidth=0.4)
        axis.set(title=title, xlim=LIMITS, ylim=LIMITS, xlabel="$x_1$", aspect="equal")
    axes[0].set_ylabel("$x_2$")


def course(axis: Any, records: Sequence[Any], metric: str) -> None:
    """Static, as Fig. 2.7: training and validation against the epoch, and the epoch of the least validation loss.

    Args:
        axis: of matplotlib.
        records: of a run.
        metric: "loss" or "accuracy".
    """
    epochs = [record.epoch for record in records]
    for part, colour, style in (("train", TRAIN, "--"), ("validation", VALIDATION, "-")):
        axis.plot(epochs, [record.metrics[f"{part}_{metric}"] for record in records], style, color=colour, label=part)
    best = min(records, key=lambda record: record.metrics["validation_loss"])
    axis.axvline(best.epoch, color=colours.GREEN, linestyle=":", label=f"epoch {best.epoch:.0f}")
    axis.set(xlabel="epoch", ylabel=metric, yscale="log" if metric == "loss" else "linear")
    axis.legend(fontsize=8, frameon=False)
