"""Choosing descriptors: live frames of a path and of importances, and the figures of lesson 09."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from toolkit.figures import colours, frame, layers

KINDS = ("G2, R_s = 0", "G2, R_s > 0", "G5")
COLOUR = dict(zip(KINDS, (colours.BLUE, colours.GREEN, colours.ORANGE), strict=True))
OFF = colours.GREY
WIDE = (760, 230)
BAR_LEFT, BAR_RIGHT = 44, WIDE[0] - 8  # the axes inside `frame.plot`
MOST_LINES = 12  # functions drawn on the path, those that stay longest


def selection_frame(
    labels: Sequence[str], kinds: Sequence[str], off: Sequence[bool], importance: np.ndarray, measure: str, *,
    at: Sequence[float], strength: np.ndarray, features: np.ndarray, errors: np.ndarray, walking: bool, chosen: int,
    published: tuple[str, float] | None, above: str,
) -> str:  # fmt: skip
    """Bars of importance, and beneath them what happened: strengths, number of functions, error.

    Args:
        labels: of the d functions.
        kinds: of each, keys of `COLOUR`.
        off: functions that are switched off.
        importance: `(k, d)`, for each member; bars are means, whiskers reach from the least to the largest.
        measure: what it is, with unit.
        at: penalty or epoch of each record, `(t,)`.
        strength: `(t, d)`, mean over the members.
        features: number of functions in use, `(t, k)`.
        errors: validation RMSE [meV/atom], `(t, k)`.
        walking: along the penalties of a path; else over epochs.
        chosen: number of the function that is drawn bold.
        published: name and error [meV/atom] of a printed result, as a line.
        above: a line of text.

    Returns:
        A `<div>` element; `bar_at` tells which bar lies under a point of its first plot.
    """
    printed = [] if published is None else [(f"{published[0]}: {published[1]:.2f} meV/atom (dashed)", colours.PUBLISHED)]
    legend = frame.legend([*COLOUR.items(), ("switched off", OFF), *printed])
    bars = _bars(labels, kinds, off, importance, measure, chosen, log=walking)
    plots = [_strengths(labels, kinds, at, strength, walking, chosen), _counts(at, features, walking)]
    plots.append(_errors(at, features, errors, walking, published))
    in_use = f"{features[-1].min()} to {features[-1].max()}" if len(features) else "all"
    description = f"Importance of {len(labels)} functions; {in_use} in use; validation error beside."
    return frame.compose(plots, above=[legend, frame.text(above), bars], description=description)


def bar_at(count: int, point: Sequence[float]) -> int | None:
    """Number of the bar under a point [pixels] of the bars; None beside them.

    >>> bar_at(10, (45.0, 100.0)), bar_at(10, (750.0, 100.0)), bar_at(10, (20.0, 100.0))
    (0, 9, None)
    """
    number = int((point[0] - BAR_LEFT) // ((BAR_RIGHT - BAR_LEFT) / count))
    return number if 0 <= number < count and point[0] >= BAR_LEFT else None


def _bars(labels, kinds, off, importance, measure, chosen, *, log) -> str:
    count = len(labels)
    means, low, high = (reduce(importance, axis=0) for reduce in (np.mean, np.min, np.max))
    limits = _limits(low, high, log)
    plot = frame.plot(
        [], title="importance: click a bar to switch its function off or on", x_label="number of the function in the set",
        y_label=measure, size=WIDE, x_limits=(0, count), y_limits=limits, log_y=log,
    )  # fmt: skip
    scale, bottom = frame.Scale(*limits, WIDE[1] - 34, 24, log), WIDE[1] - 34
    zero = bottom if log else float(scale(0.0))
    width = (BAR_RIGHT - BAR_LEFT) / count
    parts = []
    for number, (label, kind) in enumerate(zip(labels, kinds, strict=True)):
        left = BAR_LEFT + number * width
        middle, *ends = np.clip(np.nan_to_num(scale([means[number], low[number], high[number]]), nan=zero), 24, bottom)
        words = f"{label}: {means[number]:.3g} ({low[number]:.3g} to {high[number]:.3g}){', off' if off[number] else ''}"
        edge = f' stroke="{frame.TEXT}"' if number == chosen else ""
        parts.append(
            f"<g><title>{escape(words)}</title>"
            f'<rect x="{left:.1f}" y="24" width="{width:.1f}" height="{bottom - 24}" '
            f'fill="{OFF if off[number] else "transparent"}" fill-opacity="0.15"/>'
            f'<rect x="{left + 0.15 * width:.1f}" y="{min(middle, zero):.1f}" width="{0.7 * width:.1f}" '
            f'height="{abs(zero - middle):.1f}" fill="{OFF if off[number] else COLOUR[kind]}"{edge}/>'
            f'<path d="M{left + 0.5 * width:.1f} {ends[0]:.1f}V{ends[1]:.1f}" stroke="{frame.TEXT}"/></g>'
        )
    return layers.over(plot, "".join(parts)).replace("<svg ", '<svg style="max-width:960px;display:block" ', 1)


def _limits(low: np.ndarray, high: np.ndarray, log: bool) -> tuple[float, float]:
    """Limits of the bars; on a logarithmic axis from below the least that is above zero."""
    if log:
        above = [*low[low > 0], *high[high > 0]] or [0.1, 1.0]
        return float(min(above)) / 2, float(max(above)) * 1.3
    return 1.05 * min(0.0, float(low.min())), 1.05 * (float(high.max()) if high.max() > 0 else 1.0)


def _strengths(labels, kinds, at, strength, walking, chosen) -> str:
    shown = [] if not len(at) else [*np.argsort(strength.max(0))[::-1][:MOST_LINES].tolist()]
    if len(at) and walking:
        alive = (strength > 0).sum(0)
        shown = np.argsort(-alive, kind="stable")[:MOST_LINES].tolist()
    shown = [number for number in shown if number != chosen] + ([chosen] if len(at) else [])
    lines = [
        frame.Line(
            at,
            np.where(strength[:, each] > 0, strength[:, each], np.nan),
            labels[each],
            COLOUR[kinds[each]],
            width=3.2 if each == chosen else 1.4,
        )
        for each in shown
    ]
    title = "linear weights |θ| of those that stay" if walking else "lengths of first-layer weights"
    return frame.plot(lines, title=title, x_label=_at(walking), log_x=walking, log_y=True)


def _counts(at, features, walking) -> str:
    members = features.shape[1] if len(at) else 0
    lines = [frame.Line(at, features[:, k], f"member {k}", colours.CYCLE[k % len(colours.CYCLE)]) for k in range(members)]
    limits = None if walking else (0, 1.1 * max(1, features.max())) if len(at) else (0, 1)
    return frame.plot(
        lines, title="functions in use", x_label=_at(walking), log_x=walking, log_y=walking, y_limits=limits,
    )  # fmt: skip


def _errors(at, features, errors, walking, published) -> str:
    members = errors.shape[1] if len(at) else 0
    across = features if walking else np.repeat(np.asarray(at, float)[:, None], members, axis=1) if len(at) else features
    lines = [
        frame.Line(across[:, k], errors[:, k], f"member {k}", colours.CYCLE[k % len(colours.CYCLE)]) for k in range(members)
    ]
    if published is not None and len(at):
        ends = [max(float(np.min(across)), 1.0 if walking else 0.0), float(np.max(across))]
        lines.append(frame.Line(ends, [published[1]] * 2, published[0], colours.PUBLISHED, "5 3"))
    return frame.plot(
        lines, title="validation RMSE", x_label="functions in use" if walking else _at(walking), y_label="[meV/atom]",
        log_x=walking, log_y=True,
    )  # fmt: skip


def _at(walking: bool) -> str:
    return "penalty λ" if walking else "epoch"


# Figures ------------------------------------------------------------------------------------------------------------------


def draw_path(axis: Any, penalties: Sequence[float], strength: np.ndarray, kinds: Sequence[str]) -> None:
    """Linear weights along the penalties, a line per function.

    Args:
        axis: matplotlib axes.
        penalties: `(t,)`, above zero.
        strength: `(t, d)`.
        kinds: of each function.
    """
    for column, kind in enumerate(kinds):
        values = np.where(strength[:, column] > 0, strength[:, column], np.nan)
        axis.plot(penalties, values, color=COLOUR[kind], linewidth=0.8)
    for kind, colour in COLOUR.items():
        axis.plot([], [], color=colour, label=kind)
    axis.set(xscale="log", yscale="log", xlabel="penalty λ", ylabel="linear weight |θ|")
    axis.legend(frameon=False, fontsize=8)


def draw_counts(
    axis: Any, features: Sequence[int], errors: Sequence[float], *, label: str, colour: str = colours.OURS, marker: str = "."
) -> None:
    """Error against the number of functions (Figs. 4.4 and 4.5).

    Args:
        axis: matplotlib axes; call again for another kind of model.
        features: number of functions of each model.
        errors: RMSE [meV/atom].
        label: of these models.
        colour: likewise.
        marker: likewise.
    """
    axis.plot(features, errors, marker, color=colour, label=label, alpha=0.8)
    axis.set(xscale="log", yscale="log", xlabel="functions", ylabel="energy RMSE [meV/atom]")
    axis.legend(frameon=False, fontsize=8)


def draw_left_out(axis: Any, changes: np.ndarray, kinds: Sequence[str]) -> None:
    """Change of the error without each function, over the seeds (Table D.1).

    Args:
        axis: matplotlib axes.
        changes: `(s, d)` [meV/atom].
        kinds: of each function.
    """
    order = np.argsort(changes.mean(0))
    means, spread = changes.mean(0)[order], changes.std(0, ddof=1)[order] if len(changes) > 1 else None
    colour = [COLOUR[kinds[number]] for number in order]
    axis.bar(range(len(order)), means, color=colour, width=0.8)
    if spread is not None:
        axis.errorbar(range(len(order)), means, yerr=spread, fmt="none", ecolor="0.3", elinewidth=0.7)
    axis.axhline(0, color="0.3", linewidth=0.8)
    axis.set(xlabel="function left out, in order", ylabel="change of RMSE [meV/atom]")


def draw_sets(axis: Any, errors: Mapping[str, Sequence[float]], *, label: str = "test RMSE [meV/atom]") -> None:
    """One row of dots per set of functions, a dot per seed and a line at the mean (Figs. 4.3, 4.5, 4.6).

    Args:
        axis: matplotlib axes.
        errors: name to errors, one per seed.
        label: of the abscissa.
    """
    for row, (name, values) in enumerate(reversed(errors.items())):
        colour = COLOUR.get(name, colours.OURS)
        axis.plot(values, np.full(len(values), row), "o", color=colour, alpha=0.6, markersize=4)
        axis.plot([np.mean(values)] * 2, [row - 0.3, row + 0.3], color=colours.BLACK, linewidth=1.5)
    axis.set(yticks=range(len(errors)), yticklabels=list(reversed(errors)), xlabel=label)
    axis.margins(y=0.08)
