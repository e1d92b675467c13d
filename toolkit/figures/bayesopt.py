"""Bayesian optimisation: a campaign's model and its next batch, a duel, the race of strategies, and their static twins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_hex

from toolkit.figures import colours, frame

SIZE = (320, 250)
LEFT, RIGHT, ABOVE, BELOW = 52, 242, 24, 212  # the cells' rectangle inside a map
SHADES = colormaps["viridis"]
STRATEGIES = {"ucb": colours.BLUE, "ei": colours.VERMILION, "pi": colours.GREEN, "random": colours.GREY, "you": colours.PURPLE}
NAMES = {"ucb": "UCB", "ei": "EI", "pi": "PI", "random": "random", "you": "you", "thompson": "Thompson"}
QUANTITIES = ("mean", "uncertainty", "acquisition")


@dataclass(frozen=True)
class Mark:
    """Something that lies on a map: where (numbers of column and row), its sign, and what its tooltip says."""

    column: int
    row: int
    sign: str
    words: str


@dataclass(frozen=True)
class Look:
    """What a campaign's frame shows.

    Attributes:
        labels: of the variables, with units.
        objective: label of the objective.
        log: whether it is modelled as log10.
        axes: numbers of the variables to the right and upwards.
        held: number of each other variable to the value that it is held at.
        quantity: one of `QUANTITIES`.
    """

    labels: tuple[str, ...]
    objective: str
    log: bool
    axes: tuple[int, int]
    held: Mapping[int, float]
    quantity: str = "mean"


def cell_map(
    columns: Sequence[float],
    rows: Sequence[float],
    values: np.ndarray,
    *,
    title: str,
    labels: tuple[str, str],
    marks: Sequence[Mark] = (),
    limits: tuple[float, float] | None = None,
    log: bool = False,
) -> str:
    """A grid of cells coloured by value, one for each combination of levels, with signs on some of them.

    Args:
        columns: levels to the right.
        rows: levels upwards.
        values: `(rows, columns)`; nan leaves a cell empty.
        title: above the map.
        labels: of the two axes.
        marks: signs on cells: "o" measured, "+" proposed, "*" the best.
        limits: of the colours; None takes those of the values.
        log: colours follow the logarithm.

    Returns:
        An `<svg>` element.
    """
    finite = values[np.isfinite(values)]
    limits = limits or ((float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0))
    scale = frame.Scale(*limits, 0.0, 1.0, log) if limits[1] > limits[0] else None
    width, height = (RIGHT - LEFT) / len(columns), (BELOW - ABOVE) / len(rows)
    parts = [f'<text x="{LEFT}" y="14" font-weight="600">{escape(title)}</text>']
    for row, line in enumerate(values):
        for column, value in enumerate(line):
            shade = to_hex(SHADES(float(scale(value)) if scale else 0.5)) if np.isfinite(value) else "none"
            words = f"{labels[0]}: {columns[column]:g}, {labels[1]}: {rows[row]:g}: " + (
                f"{value:.3g}" if np.isfinite(value) else "nothing yet"
            )
            parts.append(
                f'<rect x="{LEFT + column * width:.1f}" y="{BELOW - (row + 1) * height:.1f}" width="{width:.1f}" '
                f'height="{height:.1f}" fill="{shade}" stroke="{frame.FAINT}" stroke-width="0.5">'
                f"<title>{escape(words)}</title></rect>"
            )
    parts += [_sign(mark, LEFT + (mark.column + 0.5) * width, BELOW - (mark.row + 0.5) * height) for mark in marks]
    parts += _map_axes(columns, rows, labels, width, height)
    body = "".join(parts) + _colour_bar(limits)
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIZE[0]} {SIZE[1]}" fill="{frame.TEXT}">{body}</svg>'


def cell_at(columns: Sequence[float], rows: Sequence[float], position: Sequence[float]) -> tuple[int, int]:
    """Column and row of the cell nearest to a point [pixels] of a `cell_map`."""
    column = (position[0] - LEFT) / (RIGHT - LEFT) * len(columns)
    row = (BELOW - position[1]) / (BELOW - ABOVE) * len(rows)
    return tuple(int(np.clip(value, 0, len(levels) - 1)) for value, levels in ((column, columns), (row, rows)))


def _sign(mark: Mark, x: float, y: float) -> str:
    colour = {"o": "white", "+": colours.VERMILION, "*": colours.ORANGE}[mark.sign]
    shape = {
        "o": f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.2" fill="{colour}" stroke="black">',
        "+": f'<path d="M{x - 5:.1f} {y:.1f}h10m-5 -5v10" stroke="white" stroke-width="5"/>'
        f'<path d="M{x - 5:.1f} {y:.1f}h10m-5 -5v10" stroke="{colour}" stroke-width="2.6">',
        "*": f'<rect x="{x - 4.5:.1f}" y="{y - 4.5:.1f}" width="9" height="9" fill="{colour}" stroke="black" '
        f'transform="rotate(45 {x:.1f} {y:.1f})">',
    }[mark.sign]
    tag = shape[shape.rfind("<") + 1 :].split()[0]
    return f"{shape}<title>{escape(mark.words)}</title></{tag}>"


def _map_axes(columns, rows, labels, width: float, height: float) -> list[str]:
    parts = []
    for number in range(0, len(columns), int(np.ceil(34 / width))):
        parts.append(
            f'<text x="{LEFT + (number + 0.5) * width:.1f}" y="{BELOW + 14}" text-anchor="middle">{columns[number]:g}</text>'
        )
    for number in range(0, len(rows), int(np.ceil(13 / height))):
        at = BELOW - (number + 0.5) * height
        parts.append(frame.number(f"{rows[number]:g}", LEFT - 5, at + 4, room=LEFT - 21, anchor="end"))
    parts.append(f'<text x="{(LEFT + RIGHT) / 2}" y="{BELOW + 30}" text-anchor="middle">{escape(labels[0])}</text>')
    middle = f"translate(12,{(ABOVE + BELOW) / 2}) rotate(-90)"
    return [*parts, f'<text transform="{middle}" text-anchor="middle">{escape(labels[1])}</text>']


def _colour_bar(limits: tuple[float, float]) -> str:
    steps, height = 24, BELOW - ABOVE
    cells = [
        f'<rect x="{RIGHT + 10}" y="{BELOW - (n + 1) * height / steps:.1f}" width="10" height="{height / steps + 0.5:.1f}" '
        f'fill="{to_hex(SHADES((n + 0.5) / steps))}"/>'
        for n in range(steps)
    ]
    ends = [(BELOW, limits[0]), (ABOVE + 8, limits[1])]
    room = SIZE[0] - RIGHT - 23
    return "".join(cells) + "".join(frame.number(f"{value:.2g}", RIGHT + 23, y, room=room) for y, value in ends)


# A campaign -------------------------------------------------------------------------------------------------------------


def campaign_frame(record: Any, look: Look) -> str:
    """The model as a map and as a slice, the acquisition beneath, and the best so far (Fig. 4.3 of Zhao).

    Args:
        record: a `bayesopt.Round`.
        look: what to show of it.

    Returns:
        A `<div>` element; the first `<svg>` in it is the map.
    """
    levels = [np.unique(column) for column in record.points.T]
    plots = (_model_map(record, look, levels), *_slices(record, look, levels), best_so_far(record.y, look.objective))
    entries = [
        ("proposed (cross)", colours.VERMILION),
        ("mean, dashed: 95 %", colours.BLUE),
        ("best (diamond)", colours.ORANGE),
    ]
    held = "".join(f"{look.labels[n]} held at {nearest(levels[n], value):g}; " for n, value in look.held.items())
    best = f"best of {len(record.y)}: {record.y.max():.3g}" if len(record.y) else "nothing measured"
    text = f"iteration {record.iteration}: {len(record.batch)} proposed; {held}{best}"
    return frame.compose(plots, above=[frame.legend(entries), frame.text(text)], description=f"Campaign, {text}.")


def nearest(levels: Sequence[float], value: float) -> float:
    """The level nearest to a value."""
    return float(min(levels, key=lambda level: abs(level - value)))


def in_units(record: Any, look: Look, sides: float = 0.0) -> np.ndarray:
    """Posterior mean plus so many deviations at the candidates, in the objective's unit, `(p,)`."""
    value = record.centre + record.spread * (record.mean.astype(float) + sides * record.deviation)
    return 10**value if look.log else value


def quantity(record: Any, look: Look) -> tuple[np.ndarray, str, bool]:
    """What a map shows `(p,)`, its name with unit, and whether on a logarithmic scale."""
    if look.quantity == "mean":
        return in_units(record, look), f"mean of {look.objective}", look.log
    if look.quantity == "uncertainty":
        unit = "decades" if look.log else look.objective.partition("[")[2].rstrip("]")
        return record.spread * record.deviation.astype(float), f"uncertainty σ [{unit}]", False
    return np.where(np.isfinite(record.score), record.score, np.nan), "acquisition [1]", False


def _held(points: np.ndarray, look: Look, levels: Sequence[np.ndarray]) -> np.ndarray:
    """Which points have the held values."""
    chosen = np.ones(len(points), bool)
    for number, value in look.held.items():
        chosen &= np.isclose(points[:, number], nearest(levels[number], value), rtol=1e-5)
    return chosen


def _model_map(record: Any, look: Look, levels: Sequence[np.ndarray]) -> str:
    values, title, log = quantity(record, look)
    right, up = (levels[place] for place in look.axes)
    held = _held(record.points, look, levels)
    grid = np.full((len(up), len(right)), np.nan)
    place = [_positions(axis, record.points[held, number]) for axis, number in ((up, look.axes[1]), (right, look.axes[0]))]
    grid[tuple(place)] = values[held]
    finite = values[np.isfinite(values)]
    limits = (float(finite.min()), float(finite.max())) if finite.size else None
    marks = _marks(record.x, record.y, "o", look, levels) + _marks(record.batch, None, "+", look, levels)
    names = tuple(look.labels[number] for number in look.axes)
    return cell_map(right, up, grid, title=title, labels=names, marks=marks, limits=limits, log=log)


def _positions(axis: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.abs(axis[:, None] - np.asarray(values, float)[None]).argmin(0)


def _marks(points: np.ndarray, values: np.ndarray | None, sign: str, look: Look, levels: Sequence[np.ndarray]) -> list[Mark]:
    if not len(points):
        return []
    held = np.flatnonzero(_held(points, look, levels))
    columns, rows = (_positions(levels[number], points[held, number]) for number in look.axes)
    words = [f"proposed, number {n + 1}" if values is None else f"measured: {values[n]:.3g}" for n in held]
    best = int(values.argmax()) if values is not None else -1
    signs = ["*" if n == best else sign for n in held]
    return [Mark(*parts) for parts in zip(columns.tolist(), rows.tolist(), signs, words, strict=True)]


def _slices(record: Any, look: Look, levels: Sequence[np.ndarray]) -> tuple[str, str]:
    """Mean with its interval, and the acquisition, along the first axis, at the newest proposal or the best experiment."""
    along, other = look.axes
    anchor = record.batch[-1] if len(record.batch) else record.x[record.y.argmax()] if len(record.y) else record.points[0]
    there = _held(record.points, look, levels) & np.isclose(
        record.points[:, other], nearest(levels[other], anchor[other]), rtol=1e-5
    )
    x = record.points[there, along].astype(float)
    lines = []
    if np.isfinite(record.mean[there]).all():
        lines = [frame.Line(x, in_units(record, look)[there], "mean", colours.BLUE)]
        lines += [
            frame.Line(x, in_units(record, look, side)[there], "95 %", colours.BLUE, dash="4 3") for side in (-1.96, 1.96)
        ]
    on = np.flatnonzero(_held(record.x, look, levels) & np.isclose(record.x[:, other], nearest(levels[other], anchor[other])))
    dots = [(record.x[n, along], record.y[n], frame.TEXT, f"measured: {record.y[n]:.3g}") for n in on]
    at = f"{look.labels[other]} {nearest(levels[other], anchor[other]):g}"
    where = [(float(anchor[along]), colours.VERMILION, "proposed")] if len(record.batch) else []
    score = np.where(np.isfinite(record.score[there]), record.score[there], np.nan)
    options = {"x_label": look.labels[along], "x_limits": _limits(levels[along]), "marks": where}
    shown = {"size": SIZE, **options}
    return (
        frame.plot(lines, title=f"slice at {at}", y_label=look.objective, log_y=look.log, points=dots, **shown),
        frame.plot([frame.Line(x, score, "acquisition", colours.VERMILION)], title="acquisition", **shown),
    )


def _limits(levels: np.ndarray) -> tuple[float, float]:
    room = 0.03 * (levels[-1] - levels[0]) or 1.0
    return float(levels[0] - room), float(levels[-1] + room)


def best_so_far(values: np.ndarray, label: str) -> str:
    """Each experiment and the best up to it, as a live plot."""
    number = np.arange(1, len(values) + 1)
    lines = [
        frame.Line(number, values, "experiments", colours.GREY, width=1.0),
        frame.Line(number, np.maximum.accumulate(values) if len(values) else values, "best so far", colours.BLUE, width=2.4),
    ]
    return frame.plot(lines, title="best so far", x_label="experiment", y_label=label, size=SIZE)


# The duel ---------------------------------------------------------------------------------------------------------------


def duel_frame(records: Sequence[Any], plot: str, *, players: Sequence[str], objective: str, truth: float, text: str) -> str:
    """The class's own map, and everybody's best so far.

    Args:
        records: with `turn`, `values` and `best`, `(players,)` each.
        plot: the class's map, from `cell_map`.
        players: names of strategies, "you" among them.
        objective: label of the objective.
        truth: the largest value that there is.
        text: a line above the plots.
    """
    turns = [record.turn for record in records]
    best = np.array([record.best for record in records]).reshape(len(turns), len(players))
    lines = [
        frame.Line(turns, best[:, place], NAMES[name], STRATEGIES[name], width=3.0 if name == "you" else 1.8)
        for place, name in enumerate(players)
    ]
    lines.append(frame.Line([0, max(turns, default=1)], [truth, truth], "the maximum", frame.TEXT, dash="2 3", width=1.0))
    race = frame.plot(lines, title="best measured so far", x_label="experiment", y_label=objective, size=SIZE)
    entries = [(NAMES[name], STRATEGIES[name]) for name in players]
    return frame.compose((plot, race), above=[frame.legend(entries), frame.text(text)], description=f"Duel: {text}.")


# Virtual experiments ----------------------------------------------------------------------------------------------------


def race_frame(record: Any | None, *, initial: int, baseline: np.ndarray, rows: int) -> str:
    """Virtual experiments while they run: found against tries, and panels (a) and (b) of Fig. 4.2 of Zhao.

    Args:
        record: a `bayesopt.Tries`, or None before the first.
        initial: the number of initial draws whose curves are shown.
        baseline: P(found) by random picks after 0, 1, ... tries, `(m + 1,)`.
        rows: of the table.
    """
    if record is None:
        return frame.compose([frame.plot([], **options) for options in _race_plots(initial)], above=[frame.legend([])],
                             description="No virtual experiment yet.")  # fmt: skip
    size = record.initial.index(initial) if initial in record.initial else 0
    tries = np.arange(record.tries + 1)
    curves = [_found(record.picked[place, size], tries, name) for place, name in enumerate(record.strategies)]
    curves.append(frame.Line(tries, baseline[: record.tries + 1], "random, by formula", frame.TEXT, dash="2 3", width=1.0))
    found, mean = 100 * record.fraction(), record.mean_tries()
    plots = [[], []]
    for place, name in enumerate(record.strategies):
        for lines, values in zip(plots, (found, mean), strict=True):
            lines.append(frame.Line(record.initial, values[place], NAMES[name], STRATEGIES[name]))
    options = _race_plots(record.initial[size])
    pictures = [frame.plot(lines, **option) for lines, option in zip([curves, *plots], options, strict=True)]
    campaigns = record.picked.size
    text = f"{record.running} of {campaigns:,} campaigns go on after {record.tries} tries; {rows} rows in the table"
    entries = [(NAMES[name], STRATEGIES[name]) for name in record.strategies]
    return frame.compose(pictures, above=[frame.legend(entries), frame.text(text)], description=f"Race: {text}.")


def _race_plots(initial: int) -> list[dict[str, Any]]:
    found = {"y_limits": (0, 103), "size": SIZE}
    return [
        {"title": f"found [%], from {initial} draws", "x_label": "further tries", **found},
        {"title": "found in the end [%]", "x_label": "initial draws n", **found},
        {"title": "tries of those that found", "x_label": "initial draws n", "size": SIZE},
    ]


def _found(picked: np.ndarray, tries: np.ndarray, name: str) -> frame.Line:
    share = [(100 * ((picked > 0) & (picked <= number))).mean() for number in tries]
    return frame.Line(tries, share, NAMES[name], STRATEGIES[name])


def virtual_experiments(axes: Sequence[Any], summary: Any) -> None:
    """Fig. 4.2 of Zhao: (a) campaigns that found the best row, (b) further tries of those, with 95 % intervals.

    Args:
        axes: two matplotlib axes.
        summary: table of `Tries.summary`.
    """
    for strategy, rows in summary.groupby("strategy", sort=False):
        style = {"color": STRATEGIES[strategy], "label": NAMES[strategy], "marker": "o", "capsize": 3}
        share = rows["fraction"]
        spread = 100 * np.maximum([share - rows["low"], rows["high"] - share], 0.0)
        axes[0].errorbar(rows["initial"], 100 * share, spread, **style)
        axes[1].errorbar(rows["initial"], rows["tries"], 1.96 * rows["error"], **style)
    axes[0].set(xlabel="initial draws n", ylabel="found [%]", ylim=(0, 103), title="(a) campaigns that found the best row")
    axes[1].set(xlabel="initial draws n", ylabel="further tries", ylim=(0, None), title="(b) tries of those that found it")
    axes[0].legend()


def progress(axis: Any, values: Sequence[float], *, label: str, iterations: Sequence[int] = (), smallest: bool = False) -> None:
    """Fig. 4.3 of Zhao: the value of each experiment and the best so far.

    Args:
        axis: a matplotlib axis.
        values: in the order of the experiments, `(n,)`.
        label: of the objective, with unit.
        iterations: number of the batch of each, `(n,)`; a line stands where it changes.
        smallest: whether small values are the best.
    """
    values, number = np.asarray(values, float), np.arange(1, len(values) + 1)
    axis.plot(number, values, "o-", color=colours.BLACK, label="experiment", markersize=4)
    best = (np.minimum if smallest else np.maximum).accumulate(values)
    axis.step(number, best, where="post", color=colours.GREY, label="best so far")
    axis.plot(number[best.tolist().index(best[-1])], best[-1], "*", color=colours.VERMILION, markersize=14, label="best")
    for place in np.flatnonzero(np.diff(np.asarray(iterations, float))):
        axis.axvline(place + 1.5, color=colours.GREY, linestyle=":", linewidth=1)
    axis.set(xlabel="experiment", ylabel=label, ylim=(0, None))
    axis.legend(loc="lower right")


def pareto(axis: Any, table: Any, front: Any, *, labels: tuple[str, str]) -> None:
    """Two objectives of all experiments, and the front of those that nothing beats.

    Args:
        axis: a matplotlib axis.
        table: of all experiments, with the two columns.
        front: its rows on the front.
        labels: the two columns.
    """
    axis.plot(table[labels[0]], table[labels[1]], "o", color=colours.GREY, markersize=4, label="experiments")
    ends = front.sort_values(labels[0])
    axis.plot(ends[labels[0]], ends[labels[1]], "s-", color=colours.VERMILION, drawstyle="steps-pre", label="front")
    axis.set(xlabel=labels[0], ylabel=labels[1])
    axis.legend()


def slices(axes: Sequence[Any], curves: Mapping[str, Any], *, label: str, log: bool) -> None:
    """The model along each variable through the best experiment: mean and 95 % interval.

    Args:
        axes: one matplotlib axis per variable.
        curves: label of the variable to a table with that column and `mean`, `low`, `high`.
        label: of the objective.
        log: whether its axis is logarithmic.
    """
    for axis, (name, curve) in zip(axes, curves.items(), strict=True):
        axis.fill_between(curve[name], curve["low"], curve["high"], color=colours.SKY, alpha=0.4, label="95 %")
        axis.plot(curve[name], curve["mean"], color=colours.BLUE, marker="o", markersize=3, label="mean")
        axis.set(xlabel=name, ylabel=label, yscale="log" if log else "linear")
    axes[0].legend()
