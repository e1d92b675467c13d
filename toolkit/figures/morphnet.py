"""Figures of MorphNet: widths, FLOPs and error while it trains, the front of error against FLOPs, histories of bad starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from itertools import pairwise
from typing import Any

import numpy as np

from toolkit.figures import architecture, colours, frame, layers

SIZE = architecture.SIZE
TRAINING = ("training", "collapse")
MARKERS = {0: "s", 1: "^"}  # of trainings under the penalty as in Fig. 5.2; the final one is a circle
BESIDE_THE_TITLE = 22  # letters of names
LEAST = 1e-4  # error that a logarithmic axis still shows
DASHES = ("", "5 3", "1 3", "8 3 2 3")


def run_frame(records: Sequence[Any], built: Sequence[Any], *, shown: str | None = None) -> str:
    """Widths, FLOPs, error and front of one or several runs, and the architecture of one of them, as a live frame.

    Args:
        records: of `search.morphnet`, of one or several runs.
        built: layers of the architecture of the run that is shown.
        shown: name of this run; the one of the latest record where not given.

    Returns:
        A `<div>` element.
    """
    runs = by_run(records)
    colour = colours_of(runs)
    shown = shown if shown in runs else records[-1].run if records else None
    present = runs.get(shown, [])
    said = _said(present, shown, len(runs))
    plots = [
        _width_plot(present),
        _line_plot(runs, colour, _error, "error on validation", x_label="steps", log=True),
        _line_plot(runs, colour, lambda one: one.flops / 1e6, "MFLOPs of what is alive", x_label="steps", log=True),
        _front_plot(runs, colour),
        _history_plot(runs, colour),
        architecture.drawn(built, alive=present[-1].alive if present else None, title="layers that train now"),
    ]
    return frame.compose(
        plots, above=(frame.legend([(n, c) for n, c in colour.items() if n]), frame.text(said)), description=said
    )


def by_run(records: Sequence[Any]) -> dict[str, list[Any]]:
    """Records of each run in their order."""
    runs: dict[str, list[Any]] = {}
    for record in records:
        runs.setdefault(record.run, []).append(record)
    return runs


def colours_of(runs: Mapping[str, Sequence[Any]]) -> dict[str, str]:
    """From blue for the first run to vermilion for the last, as in the document from weak to strong penalties."""
    ends = [np.array([int(one[n : n + 2], 16) for n in (1, 3, 5)]) for one in (colours.BLUE, colours.VERMILION)]
    shares = np.linspace(0, 1, len(runs))  # 0 for a single one
    mixed = [(1 - share) * ends[0] + share * ends[1] for share in shares]
    return {name: "#" + "".join(f"{round(one):02x}" for one in rgb) for name, rgb in zip(runs, mixed, strict=True)}


def steps(records: Sequence[Any]) -> list[int]:
    """Optimizer steps since the beginning of the run, across its trainings."""
    before, found = 0, []
    for record in records:
        found.append(before + record.step)
        before += record.step if record.kind == "morph" else 0
    return found


def ends(records: Sequence[Any]) -> list[tuple[int, float, float]]:
    """After each training: its number, MFLOPs of what is alive, and error; -1 numbers the final one."""
    found = []
    for record, following in zip(records, [*records[1:], None], strict=True):
        last = following is None or following.kind == "morph"
        if last and record.kind in ("training", "final") and "validation_accuracy" in record.metrics:
            found.append((-1 if record.kind == "final" else record.iteration, record.flops / 1e6, _error(record)))
    return found


# On matplotlib axes -------------------------------------------------------------------------------------------------------


def widths(axis: Any, records: Sequence[Any]) -> None:
    """Channels that are alive over the steps, with a line where widths were chosen anew (Fig. 5.4 c)."""
    found = steps(records)
    for number, name in enumerate(records[0].widths):
        values = [_with_gap(record, name) for record in records]
        axis.plot(found, values, color=colours.CYCLE[number % len(colours.CYCLE)], label=name)
    for step, record in zip(found, records, strict=True):
        if record.kind == "morph":
            axis.axvline(step, color=colours.GREY, linestyle=":", linewidth=1)
    axis.set(xlabel="steps", ylabel="channels alive")
    axis.legend(frameon=False, fontsize=8)


def front(axis: Any, runs: Mapping[str, Sequence[Any]], *, final: bool) -> None:
    """Error against FLOPs after the first training under the penalty (Fig. 5.1 b), or after the final one (Fig. 5.3 b)."""
    colour = colours_of(runs)
    for name, records in runs.items():
        for number, mflops, error in ends(records):
            if number == (-1 if final else 0):
                axis.plot(mflops, 100 * error, "o" if final else "s", color=colour[name], label=name)
    axis.set(xlabel="MFLOPs of what is alive", ylabel="error on validation [%]")
    if axis.lines:
        axis.set_xlim(0, 1.1 * max(max(line.get_xdata()) for line in axis.lines))
        axis.legend(frameon=False, fontsize=8)


def history(axis: Any, runs: Mapping[str, Sequence[Any]]) -> None:
    """Widths that were chosen after each round, from several starts (Fig. 5.5): one marker for each layer."""
    colour = colours_of(runs)
    for name, records in runs.items():
        rounds = _rounds(records)
        for layer, marker in zip(rounds[0], "xs^dv", strict=False):
            axis.plot(
                range(len(rounds)), [one.get(layer, np.nan) for one in rounds], f"{marker}-", color=colour[name], linewidth=0.8,
                markersize=5, label=f"{name}, {layer}",
            )  # fmt: skip
    axis.set(xlabel="round", ylabel="channels", yscale="log")
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))


# Parts of the live frame --------------------------------------------------------------------------------------------------


def _said(records: Sequence[Any], shown: str | None, runs: int) -> str:
    if not records:
        return "not run yet"
    last = records[-1]
    shape = "/".join(f"{last.alive[name]}" for name in last.widths)
    words = {
        "training": f"round {last.iteration + 1}, alive {shape} of {'/'.join(map(str, last.widths.values()))}",
        "morph": f"alive {shape}, widened by κ = {last.kappa:.3f} to {'/'.join(map(str, last.chosen.values()))}",
        "final": f"final training of {shape}",
        "collapse": f"collapsed to {shape}: a layer has no channel left",
        "diverged": "the loss is not finite",
    }[last.kind]
    return f"{shown}: {words}" if runs > 1 and shown else words


def _error(record: Any) -> float:
    return 1 - record.metrics.get("validation_accuracy", np.nan)


def _with_gap(record: Any, name: str) -> float:
    """Where widths are chosen anew the curve begins anew."""
    return np.nan if record.kind == "morph" else record.alive.get(name, np.nan)


def _width_plot(records: Sequence[Any]) -> str:
    lines, found = [], steps(records)
    for number, name in enumerate(records[0].widths if records else ()):
        values = [_with_gap(record, name) for record in records]
        lines.append(frame.Line(found, values, name, colours.CYCLE[number % len(colours.CYCLE)]))
    marks = [
        (step, colours.GREY, f"κ = {record.kappa:.3f}")
        for step, record in zip(found, records, strict=True)
        if record.kind == "morph"
    ]
    plot = frame.plot(lines, title="channels alive", x_label="steps", size=SIZE, marks=marks)
    names, letters = "", 0
    for line in lines:  # the others are named by their tooltips
        letters += len(line.label) + 1
        if letters <= BESIDE_THE_TITLE:
            names += f'<tspan fill="{line.colour}">{escape(line.label)}&#160;</tspan>'
    return layers.over(plot, f'<text x="{SIZE[0] - 8}" y="14" text-anchor="end" font-weight="600">{names}</text>')


def _line_plot(runs: Mapping[str, Sequence[Any]], colour: Mapping[str, str], value: Any, title: str, **how: Any) -> str:
    lines = []
    for name, records in runs.items():
        pairs = [
            (step, value(record)) for step, record in zip(steps(records), records, strict=True)
            if record.kind != "morph" and np.isfinite(value(record))
        ]  # fmt: skip
        lines.append(frame.Line([a for a, _ in pairs], [max(b, LEAST) for _, b in pairs], name, colour[name]))
    return frame.plot(lines, title=title, x_label=how["x_label"], size=SIZE, log_y=how["log"])


def _front_plot(runs: Mapping[str, Sequence[Any]], colour: Mapping[str, str]) -> str:
    points, lines = [], []
    for name, records in runs.items():
        found = ends(records)
        for number, mflops, error in found:
            said = "final training" if number < 0 else f"training {number + 1} under the penalty"
            points.append(
                (mflops, max(error, LEAST), colour[name] if number < 0 else colours.GREY, f"{name} {said}: {error:.4f}")
            )
        lines += [
            frame.Line([a[1], b[1]], [max(a[2], LEAST), max(b[2], LEAST)], name, colour[name], dash="1 3", width=1)
            for a, b in pairwise(found)
        ]
    return frame.plot(
        lines, title="error after each training", x_label="MFLOPs", y_label="grey: with penalty", size=SIZE, log_x=True,
        log_y=True, points=points,
    )  # fmt: skip


def _rounds(records: Sequence[Any]) -> list[Mapping[str, int]]:
    """Widths at the start and after each round; a collapse stands with what was left."""
    rounds = [records[0].widths]
    for record in records:
        if record.kind == "morph":
            rounds.append(record.chosen)
        if record.kind == "collapse":
            rounds.append(record.alive)
    return rounds


def _history_plot(runs: Mapping[str, Sequence[Any]], colour: Mapping[str, str]) -> str:
    lines = []
    for name, records in runs.items():
        rounds = _rounds(records)
        for number, layer in enumerate(rounds[0]):
            values = [one.get(layer, np.nan) for one in rounds]
            dash = DASHES[number % len(DASHES)]
            lines.append(frame.Line(range(len(rounds)), values, f"{name} {layer}", colour[name], dash=dash))
    return frame.plot(lines, title="widths chosen", x_label="round", y_label="dashed: 2nd layer", size=SIZE, log_y=True)
