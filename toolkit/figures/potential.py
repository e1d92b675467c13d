"""Interatomic potentials: symmetry functions over the distributions they measure, training curves, parity, and static twins."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from toolkit.figures import colours, frame

SIZE = (320, 250)
MOST_POINTS = 160
Curve = tuple[str, Sequence[float], Sequence[float]]  # name, x, y


def explorer(
    function: tuple[np.ndarray, np.ndarray],
    angular: tuple[np.ndarray, np.ndarray] | None,
    others: Sequence[tuple[np.ndarray, np.ndarray]],
    distances: Sequence[Curve],
    angles: Sequence[Curve],
    values: Sequence[Curve],
    *,
    name: str,
    words: str,
) -> str:
    """A symmetry function over the data: along the distance, around the angle, and its values, as a live frame.

    Args:
        function: distances [Å] and what one neighbour there adds, or its weight in an angular function.
        angular: angles [degrees] and the angular factor; None for a radial function.
        others: radial curves of a set, drawn faintly.
        distances: g(R) of each kind of structure.
        angles: density of angles of each kind.
        values: histogram of the function's values over the atoms of each kind.
        name: of the function.
        words: a line about it.

    Returns:
        A `<div>` element.
    """
    shades = dict(zip([kind for kind, _, _ in distances], colours.CYCLE, strict=False))
    height = max(1e-9, float(np.max(function[1])))
    lines = [frame.Line(x, y, "of the set", colours.GREY, width=0.6) for x, y in others]
    lines += [
        frame.Line(x, np.asarray(y) / max(1e-9, float(np.max(y))), f"g(R), {kind}", shades[kind]) for kind, x, y in distances
    ]
    lines.append(frame.Line(function[0], function[1] / height, name, frame.TEXT, width=2.6))
    plots = [
        frame.plot(lines, title="along the distance", x_label="distance R [Å]", y_label="share of largest", size=SIZE),
        polar(angular, angles, shades),
        frame.plot(
            [frame.Line(x, y, kind, shades[kind]) for kind, x, y in values],
            title="values over the atoms", x_label=f"{name}", y_label="density", size=SIZE,
        ),
    ]  # fmt: skip
    entries = [(name, frame.TEXT), *shades.items()] + ([("functions of the set", colours.GREY)] if others else [])
    return frame.compose(
        plots, above=(frame.legend(entries), frame.text(words)), description=f"Symmetry function {name}. {words}"
    )


def polar(
    angular: tuple[np.ndarray, np.ndarray] | None,
    angles: Sequence[Curve],
    shades: dict[str, str],
    *,
    size: tuple[int, int] = SIZE,
) -> str:
    """Angular factor and angle distributions around the central atom, mirrored; each is scaled to its own largest value.

    Args:
        angular: angles [degrees] and values; None for none.
        angles: distributions to draw beside it.
        shades: colour of each by its name.
        size: width and height [pixels].

    Returns:
        An `<svg>` element.
    """
    width, height = size
    x, y, radius = width / 2, (height + 18) / 2, height / 2 - 34
    parts = ['<text x="44" y="14" font-weight="600">around the angle θ</text>']
    for share in (0.5, 1.0):
        parts.append(f'<circle cx="{x}" cy="{y}" r="{share * radius:.1f}" fill="none" stroke="{frame.FAINT}"/>')
    for degrees in range(0, 360, 30):
        dx, dy = radius * math.cos(math.radians(degrees)), radius * math.sin(math.radians(degrees))
        shown = degrees if degrees <= 180 else 360 - degrees
        parts.append(f'<line x1="{x}" y1="{y}" x2="{x + dx:.1f}" y2="{y - dy:.1f}" stroke="{frame.FAINT}"/>')
        parts.append(f'<text x="{x + 1.13 * dx:.1f}" y="{y - 1.13 * dy + 4:.1f}" text-anchor="middle">{shown}°</text>')
    curves = [(kind, at, values, shades[kind], 1.6) for kind, at, values in angles]
    if angular is not None:
        curves.append(("angular factor", *angular, frame.TEXT, 2.6))
    else:
        parts.append(f'<text x="{width - 8}" y="14" text-anchor="end">radial: all angles alike</text>')
    for label, at, values, colour, wide in curves:
        parts.append(_around(np.asarray(at), np.asarray(values), (x, y, radius), colour, wide, label))
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" fill="{frame.TEXT}">{"".join(parts)}</svg>'


def training_frame(records: Sequence[Any], *, published: tuple[str, float] | None, as_loss: bool) -> str:
    """Error of the energy during training, parity and residuals of the validation part, as a live frame.

    Args:
        records: with `epoch`, `train` and `validation` [meV/atom], `loss` [eV²], `predicted` and `true` [eV/atom].
        published: name and error [meV/atom] of a printed result to draw beside.
        as_loss: show the document's "loss per atom", MSE / 256 of cells of 256 atoms, instead of the error.

    Returns:
        A `<div>` element.
    """

    def shown(error: float) -> float:
        return (256 * error / 1000) ** 2 / 256 if as_loss else error

    epochs = [record.epoch for record in records]
    unit = "loss per atom [eV²]" if as_loss else "RMSE [meV/atom]"
    lines = [
        frame.Line(epochs, [shown(record.train) for record in records], "training", colours.SKY),
        frame.Line(epochs, [shown(record.validation) for record in records], "validation", colours.OURS),
    ]
    if published:
        ends = [0, max([1, *epochs])]
        lines.append(frame.Line(ends, [shown(published[1])] * 2, published[0], colours.PUBLISHED, dash="5 4"))
    plots = [frame.plot(lines, title="energy", x_label="epoch", y_label=unit, log_y=True, size=SIZE)]
    predicted, true = (np.array([]), np.array([])) if not records else (records[-1].predicted, records[-1].true)
    plots += [_parity(predicted, true), _residuals(predicted, true)]
    entries = [("training", colours.SKY), ("validation", colours.OURS)] + (
        [(published[0], colours.PUBLISHED)] if published else []
    )
    said = "not run yet"
    if records:
        best = min(records, key=lambda record: record.validation)
        said = f"best validation: {best.validation:.2f} meV/atom at epoch {best.epoch}; document's loss {best.loss:.4f} eV²"
    return frame.compose(
        plots, above=(frame.legend(entries), frame.text(said)), description=f"Training of a potential. {said}."
    )


def errors(axis: Any, records: Sequence[Any], *, label: str, colour: str = colours.OURS) -> None:
    """Static twin: validation error [meV/atom] against the epoch, training error faintly (Fig. 3.3)."""
    epochs = [record.epoch for record in records]
    axis.plot(epochs, [record.train for record in records], color=colour, alpha=0.35, linewidth=1)
    axis.plot(epochs, [record.validation for record in records], color=colour, label=label)
    axis.set(xlabel="epoch", ylabel="energy RMSE [meV/atom]", yscale="log")


def parity(axis: Any, predicted: np.ndarray, true: np.ndarray, *, unit: str, colour: str = colours.OURS) -> None:
    """Static twin: predicted against true (Fig. 3.6)."""
    low, high = float(np.min(true)), float(np.max(true))
    axis.plot([low, high], [low, high], color=colours.GREY, linewidth=1)
    axis.plot(np.ravel(true), np.ravel(predicted), ".", markersize=3, color=colour)
    axis.set(xlabel=f"true [{unit}]", ylabel=f"predicted [{unit}]")


def shares(axis: Any, curves: Mapping[float, Sequence[Sequence[float]]], *, label: str = "validation RMSE [meV/atom]") -> None:
    """Static twin: error against the epoch for several shares of training data, mean over the seeds in their range (Fig. 3.5).

    Args:
        axis: of matplotlib.
        curves: by the share trained on, one row of errors for each seed, the first before training. Rows of a share that ended
            at different epochs are drawn as far as the shortest.
        label: of the errors, with unit.

    Raises:
        ValueError: no curves, or an error that is not positive, which the logarithmic axis cannot show.
    """
    if not curves or not all(len(rows) and all(len(row) for row in rows) for rows in curves.values()):
        raise ValueError("curves must hold one row of errors or more for each share")
    for number, (share, rows) in enumerate(curves.items()):
        shortest = min(len(row) for row in rows)
        errors = np.array([np.asarray(row)[:shortest] for row in rows], float)
        if not (errors > 0).all():
            raise ValueError(f"curves must hold positive errors, got {errors.min():g} for the share {share:g}")
        colour = colours.CYCLE[number % len(colours.CYCLE)]
        axis.fill_between(np.arange(shortest), errors.min(0), errors.max(0), color=colour, alpha=0.2, linewidth=0)
        axis.plot(errors.mean(0), color=colour, linewidth=1, label=f"{share:g} trained on")
    axis.set(xlabel="epoch", ylabel=label, yscale="log")
    axis.legend(frameon=False, fontsize=8, loc="upper right")


def parity_closer(
    axis: Any,
    predicted: np.ndarray,
    true: np.ndarray,
    *,
    unit: str,
    closer: tuple[float, float],
    colour: str = colours.OURS,
    place: tuple[float, float, float, float] = (0.57, 0.08, 0.4, 0.37),
) -> Any:
    """Static twin: predicted against true, and an inset that shows a range of it closer (Figs. 3.6 and 3.7).

    Args:
        axis: of matplotlib.
        predicted: energies `(n,)`.
        true: energies `(n,)`.
        unit: of both.
        closer: least and largest true value of the inset.
        colour: of the points.
        place: of the inset in shares of the axis: left, bottom, width, height.

    Returns:
        The axis of the inset.

    Raises:
        ValueError: no value, or only one, lies in the range `closer`.
    """
    predicted, true = np.ravel(predicted), np.ravel(true)
    inside = (true >= closer[0]) & (true <= closer[1])
    if inside.sum() < 2:
        raise ValueError(
            f"closer must hold two true values or more, got {closer} for values of {true.min():g} to {true.max():g}"
        )
    parity(axis, predicted, true, unit=unit, colour=colour)
    inset = axis.inset_axes(place)
    shown = np.concatenate([predicted[inside], true[inside]])
    ends = shown.min() - 0.05 * np.ptp(shown), shown.max() + 0.05 * np.ptp(shown)
    inset.plot(ends, ends, color=colours.GREY, linewidth=1)
    inset.plot(true[inside], predicted[inside], ".", markersize=3, color=colour)
    inset.set(xlim=ends, ylim=ends)
    inset.tick_params(labelsize=7)
    axis.indicate_inset_zoom(inset, edgecolor=colours.GREY)
    return inset


def last_epochs(axis: Any, losses: Sequence[tuple[str, Sequence[float]]], *, label: str = "energy RMSE [meV/atom]") -> None:
    """Static twin: boxes of the last epochs of several runs (Fig. 3.4)."""
    axis.boxplot([values for _, values in losses], tick_labels=[name for name, _ in losses], showfliers=False)
    axis.set(ylabel=label)
    axis.tick_params(axis="x", rotation=30)


def radial_functions(axis: Any, curves: Sequence[tuple[np.ndarray, np.ndarray]], distances: Curve | None = None) -> None:
    """Static twin: radial functions of one neighbour, over g(R) (Fig. 3.2)."""
    if distances is not None:
        name, x, y = distances
        axis.fill_between(x, np.asarray(y) / np.max(y), color=colours.YELLOW, alpha=0.5, label=f"g(R), {name}")
        axis.legend(frameon=False, fontsize=8, loc="upper right")
    for number, (x, y) in enumerate(curves):
        axis.plot(x, y, color=colours.CYCLE[number % len(colours.CYCLE)], linewidth=1)
    axis.set(xlabel="distance R [Å]", ylabel="G2 of one neighbour")


def compared(
    axis: Any, names: Sequence[str], published: Sequence[float], ours: Sequence[Sequence[float]], *, label: str
) -> None:
    """Static twin: printed values beside own runs with every seed (Figs. 3.1 and 3.8).

    Args:
        axis: of matplotlib.
        names: of the rows.
        published: printed values; not a number where none was printed.
        ours: values of each seed for each row.
        label: of the values, with unit.
    """
    at = np.arange(len(names))
    axis.plot(at, published, "D", color=colours.PUBLISHED, label="published (ab initio, one run)")
    for number, values in enumerate(ours):
        axis.plot([number + 0.12] * len(values), values, "o", color=colours.OURS, alpha=0.5, markersize=4)
    means = [np.mean(values) if len(values) else np.nan for values in ours]
    axis.plot(at + 0.12, means, "_", color=colours.OURS, markersize=16, label="ours, each seed and mean")
    axis.set_xticks(at, names, rotation=30)
    axis.set(ylabel=label, ylim=(0, None))
    axis.legend(frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)


def _around(at: np.ndarray, values: np.ndarray, place: tuple[float, float, float], colour: str, wide: float, label: str) -> str:
    x, y, radius = place
    r = radius * values / max(1e-12, float(np.max(values)))
    angle = np.radians(np.concatenate([at, 360 - at[::-1]]))
    r = np.concatenate([r, r[::-1]])
    points = " ".join(f"{x + a * math.cos(t):.1f} {y - a * math.sin(t):.1f}" for a, t in zip(r, angle, strict=True))
    return (
        f'<path d="M{points}Z" fill="none" stroke="{colour}" stroke-width="{wide}" stroke-linejoin="round">'
        f"<title>{escape(label)}</title></path>"
    )


def _parity(predicted: np.ndarray, true: np.ndarray) -> str:
    rows = _some(len(true))
    points = [(float(true[row]), float(predicted[row]), colours.OURS, f"{true[row]:.4f} eV/atom") for row in rows]
    ends = [float(np.min(true)), float(np.max(true))] if len(true) else [0.0, 1.0]
    diagonal = [frame.Line(ends, ends, "perfect", colours.GREY)]
    return frame.plot(
        diagonal, title="parity, validation", x_label="true [eV/atom]", y_label="predicted [eV/atom]", size=SIZE, points=points
    )


def _residuals(predicted: np.ndarray, true: np.ndarray) -> str:
    rows = _some(len(true))
    error = 1000 * (np.asarray(predicted) - np.asarray(true))
    points = [(float(true[row]), float(error[row]), colours.OURS, f"{error[row]:.2f} meV/atom") for row in rows]
    ends = [float(np.min(true)), float(np.max(true))] if len(true) else [0.0, 1.0]
    zero = [frame.Line(ends, [0.0, 0.0], "no error", colours.GREY)]
    return frame.plot(
        zero, title="what is missed", x_label="true [eV/atom]", y_label="error [meV/atom]", size=SIZE, points=points
    )


def _some(count: int) -> np.ndarray:
    return np.unique(np.linspace(0, count - 1, min(count, MOST_POINTS)).astype(int)) if count else np.array([], int)
