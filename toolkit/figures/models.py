"""Classical models in pictures: decision boundary, fitted curve, error curves, confusion matrix, agreement, maps of samples."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
from matplotlib.colors import to_rgb

from toolkit.figures import colours, frame, layers
from toolkit.figures.layers import ABOVE, BELOW, RIGHT, SIZE

CLASSES = (colours.BLUE, colours.VERMILION, colours.GREEN, colours.PURPLE, colours.ORANGE, colours.SKY, colours.GREY)
TRAIN, VALIDATION = colours.GREY, colours.BLUE
LARGEST_MATRIX = 10  # classes; beyond it the numbers would not fit into their cells


def class_colours(classes: Sequence[str]) -> list[tuple[str, str]]:
    """Each class with its colour, for a legend."""
    return [(name, CLASSES[number % len(CLASSES)]) for number, name in enumerate(classes)]


def boundary_plot(
    shares: np.ndarray,
    limits: Sequence[tuple[float, float]],
    inputs: np.ndarray,
    targets: np.ndarray,
    held_out: np.ndarray,
    *,
    features: Sequence[str],
    labels: Sequence[str],
    title: str = "decision boundary",
) -> str:
    """Where a classifier sees which class; the samples on top, those held out of the fit larger and with a tooltip.

    Args:
        shares: `(g, g, c)` probability of each class on a grid; the first axis is the second feature.
        limits: of the grid, one pair per feature.
        inputs: `(n, 2)`.
        targets: `(n,)` labels.
        held_out: `(n,)` whether a sample was held out.
        features: names of the two features.
        labels: `(n,)` names of the samples.
        title: above the axes.
    """
    palette = np.array([to_rgb(CLASSES[number % len(CLASSES)]) for number in range(shares.shape[2])])
    picture = layers.picture(1 - 0.55 * (1 - shares @ palette), layers.AXES, upwards=True)
    plot = frame.plot(
        [], title=title, x_label=features[0], y_label=features[1], size=SIZE, x_limits=limits[0], y_limits=limits[1]
    )
    dots = _samples(inputs, targets, held_out, limits, labels)
    return layers.over(layers.under(plot, picture), dots)


def fit_plot(
    grid: np.ndarray,
    mean: np.ndarray,
    spread: np.ndarray,
    inputs: np.ndarray,
    targets: np.ndarray,
    held_out: np.ndarray,
    *,
    feature: str,
    target: str,
) -> str:
    """A regression with one feature: the fitted curve, its uncertainty where the model has one, and the samples.

    Args:
        grid: `(g,)` values of the feature.
        mean: `(g,)` prediction.
        spread: `(g,)` standard deviation of the prediction; zero where the model has none.
        inputs: `(n,)` feature.
        targets: `(n,)`.
        held_out: `(n,)` whether a sample was held out of the fit.
        feature: name of the feature.
        target: name of the target.
    """
    room = 0.3 * np.ptp(targets)
    limits = (float(targets.min() - room), float(targets.max() + room))
    lines = [frame.Line(grid, mean, "prediction", colours.VERMILION, width=2.2)]
    if spread.any():
        lines += [
            frame.Line(grid, mean + sign * 2 * spread, "two standard deviations", colours.VERMILION, "4 3", 1)
            for sign in (-1, 1)
        ]
    plot = frame.plot(
        lines, title="fitted curve", x_label=feature, y_label=target, size=SIZE,
        x_limits=(float(grid[0]), float(grid[-1])), y_limits=limits,
    )  # fmt: skip
    points = np.stack([inputs, targets], axis=1)
    axes = ((float(grid[0]), float(grid[-1])), limits)
    dots = layers.cloud(points[~held_out], axes, colour=TRAIN) + layers.cloud(
        points[held_out], axes, colour=VALIDATION, width=6
    )
    return layers.over(plot, dots)


def error_plot(curve: Sequence[Any], value: float, *, parameter: str, log: bool, error: str) -> str:
    """Training and validation error against a hyper-parameter (Fig. 2.2 of Zhao), with the present value as a line.

    Args:
        curve: assessments with `value`, `train_error`, `validation_error` and `spread`, in the order of the sweep.
        value: of the hyper-parameter at present.
        parameter: its name.
        log: whether its axis is logarithmic.
        error: what the error is.
    """
    values = [each.value for each in curve]
    validation = np.array([each.validation_error for each in curve])
    spread = np.array([each.spread for each in curve])
    lines = [
        frame.Line(values, [each.train_error for each in curve], "training", TRAIN, "5 3"),
        frame.Line(values, validation, "validation, mean of the folds", VALIDATION),
        frame.Line(values, validation - spread, "minus one deviation between the folds", VALIDATION, "1 3", 1),
        frame.Line(values, validation + spread, "plus one deviation between the folds", VALIDATION, "1 3", 1),
    ]
    points = [
        (each.value, each.validation_error, VALIDATION, f"{each.value:.4g}: {each.validation_error:.4g}") for each in curve
    ]
    limits = None if len(set(values)) > 1 else _around(value, log)
    return frame.plot(
        lines, title=error, x_label=parameter, y_label="grey: training", size=SIZE, log_x=log, points=points, x_limits=limits,
        marks=[(value, colours.VERMILION, f"now {value:.4g}")], y_limits=None if np.isfinite(validation).any() else (0, 1),
    )  # fmt: skip


def confusion_plot(confusion: np.ndarray, classes: Sequence[str]) -> str:
    """Confusion matrix of the held-out predictions: rows true, columns predicted.

    Args:
        confusion: `(c, c)` counts.
        classes: their names.
    """
    count, names = len(classes), [name if len(name) < 9 else f"{name[:6]}." for name in classes]
    small = 9 if count > 3 else 11  # size of the names, so that those of the columns do not touch
    left, width, height = 66, (RIGHT - 66) / count, (BELOW - ABOVE) / count
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    parts = [f'<text x="{left}" y="14" font-weight="600">confusion matrix, held out</text>']
    for row, column in np.ndindex(confusion.shape):
        x, y, share = left + column * width, ABOVE + row * height, float(shares[row, column])
        words = f"{confusion[row, column]} of {confusion[row].sum()} {classes[row]} predicted as {classes[column]}"
        colour = colours.BLUE if row == column else colours.VERMILION
        ink = "white" if share > 0.45 else frame.TEXT
        parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}" '
            f'fill-opacity="{share:.2f}" stroke="{frame.FAINT}"><title>{escape(words)}</title></rect>'
        )
        if count <= LARGEST_MATRIX:
            parts.append(_word(x + width / 2, y + height / 2 + 4, str(confusion[row, column]), ink, "middle"))
    for number, name in enumerate(names if count <= LARGEST_MATRIX else []):
        parts.append(_word(left - 5, ABOVE + (number + 0.5) * height + 4, name, frame.TEXT, "end", small))
        parts.append(_word(left + (number + 0.5) * width, BELOW + 14, name, frame.TEXT, "middle", small))
    parts.append(_word((left + RIGHT) / 2, BELOW + 29, "predicted (rows: true)", frame.TEXT, "middle"))
    return layers.svg("".join(parts))


def agreement_plot(targets: np.ndarray, predicted: np.ndarray, *, target: str) -> str:
    """Held-out predictions against the true values; the diagonal is agreement.

    Args:
        targets: `(n,)`.
        predicted: `(n,)`.
        target: name of the target.
    """
    limits = layers.margins(np.concatenate([targets, predicted]))
    diagonal = [frame.Line(limits, limits, "agreement", colours.GREY, "4 3", 1.2)]
    plot = frame.plot(
        diagonal, title="held out: predicted", x_label=f"true {target}", size=SIZE, x_limits=limits, y_limits=limits
    )
    dots = layers.cloud(np.stack([targets, predicted], axis=1), (limits, limits), colour=VALIDATION, width=4.5)
    return layers.over(plot, dots)


def map_plot(
    points: np.ndarray,
    groups: np.ndarray,
    *,
    colours_of: Sequence[str],
    title: str,
    axes: tuple[str, str],
    labels: Sequence[str],
) -> str:
    """Samples in a plane, coloured by group; the name of a sample is its tooltip.

    Args:
        points: `(n, 2)`.
        groups: `(n,)` number of each sample's colour; -1 is drawn grey and small.
        colours_of: the colours.
        title: above the axes.
        axes: names of both axes.
        labels: `(n,)` names of the samples.
    """
    limits = [layers.margins(points[:, axis]) for axis in range(2)]
    plot = frame.plot([], title=title, x_label=axes[0], y_label=axes[1], size=SIZE, x_limits=limits[0], y_limits=limits[1])
    scales = layers.scales(limits)
    across, down = scales[0](points[:, 0]), scales[1](points[:, 1])
    dots = [
        f'<circle cx="{x:.0f}" cy="{y:.0f}" r="{2 if group < 0 else 3.4}" '
        f'fill="{colours.GREY if group < 0 else colours_of[group % len(colours_of)]}" fill-opacity=".75">'
        f"<title>{escape(label)}</title></circle>"
        for x, y, group, label in zip(across, down, groups.tolist(), labels, strict=True)
    ]
    return layers.over(plot, "".join(dots))


def validation_curve(axis: Any, curve: Sequence[Any], *, parameter: str, log: bool, error: str) -> None:
    """Static twin of `error_plot` on a matplotlib axis.

    Args:
        axis: where to draw.
        curve: assessments, see `error_plot`.
        parameter: name of the hyper-parameter.
        log: whether its axis is logarithmic.
        error: what the error is.
    """
    values = np.array([each.value for each in curve])
    validation, spread = (np.array([getattr(each, name) for each in curve]) for name in ("validation_error", "spread"))
    axis.plot(values, [each.train_error for each in curve], "--", color=TRAIN, label="training")
    axis.plot(values, validation, "o-", color=VALIDATION, ms=3, label="validation (5 folds)")
    axis.fill_between(values, validation - spread, validation + spread, color=VALIDATION, alpha=0.15, lw=0)
    axis.set(xlabel=parameter, ylabel=error, xscale="log" if log else "linear")
    axis.legend(fontsize=8)


def parts_chart(axis: Any, parts: np.ndarray, elements: Sequence[str], *, names: Sequence[str]) -> None:
    """Parts found by a non-negative factorisation of compositions: how much of each element stands in each.

    Args:
        axis: of matplotlib, where to draw.
        parts: `(k, d)` non-negative rows.
        elements: d symbols.
        names: k names.
    """
    shown = np.flatnonzero((parts / parts.sum(axis=1, keepdims=True) > 0.05).any(axis=0))
    image = parts[:, shown] / parts.sum(axis=1, keepdims=True)
    drawn = axis.imshow(image, cmap="Blues", aspect="auto", vmin=0, vmax=0.7)
    for row, column in np.argwhere(image > 0.05):
        axis.text(column, row, f"{100 * image[row, column]:.0f}", ha="center", va="center", fontsize=7,
                  color=colours.ink(*drawn.to_rgba(image[row, column])[:3]))  # fmt: skip
    axis.set_xticks(range(len(shown)), [elements[number] for number in shown], fontsize=8)
    axis.set_yticks(range(len(names)), names, fontsize=8)
    axis.set_title("share of each element in each part [%]", fontsize=9)


def _samples(inputs, targets, held_out, limits, labels) -> str:
    scales = layers.scales(limits)
    parts = [
        layers.cloud(inputs[~held_out & (targets == label)], limits, colour=CLASSES[label % len(CLASSES)], width=4.5)
        for label in np.unique(targets)
    ]
    across, down = scales[0](inputs[:, 0]), scales[1](inputs[:, 1])
    for row in np.flatnonzero(held_out & scales[0].shows(across) & scales[1].shows(down)):
        parts.append(
            f'<circle cx="{across[row]:.0f}" cy="{down[row]:.0f}" r="4" fill="{CLASSES[targets[row] % len(CLASSES)]}" '
            f'stroke="#000"><title>{escape(labels[row])}</title></circle>'
        )
    return "".join(parts)


def _around(value: float, log: bool) -> tuple[float, float]:
    return (value / 10, value * 10) if log else (value - 5, value + 5)


def _word(x: float, y: float, text: str, colour: str, anchor: str, size: int = 11) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}" font-size="{size}">{escape(text)}</text>'
