"""Figures of the Surgeon: accuracy of all branches, the shapes on the way to the best, candidates, singular values."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

from toolkit.figures import colours, frame

SIZE = (320, 246)
SIGNS = {
    "identity": "=",
    "add neurons": "+",
    "add layer": "+ layer",
    "remove neurons": "−",
    "remove layer": "− layer",
    "split layer": "split",
}


def search_frame(records: Sequence[Any], *, absolute: float, relative: float) -> str:
    """Accuracy of all branches, shapes on the way to the best one, latest candidates and singular values, as a live frame.

    Args:
        records: of `search.surgeon`; a branch of a number below 0 is the network without surgery.
        absolute: threshold ε₂ of the advice.
        relative: threshold ε₁.

    Returns:
        A `<div>` element.
    """
    trained = [record for record in records if record.kind == "epoch"]
    best = _best(trained)
    plots = (_accuracies(records, best), _shapes(records, best), _candidates(records), _spectra(records, absolute, relative))
    entries = [("without surgery", colours.GREY), ("other branches", colours.SKY), ("on the way to the best", colours.BLUE)]
    said = "not run yet" if best is None else f"best: {_shape(best.widths)}, accuracy {_accuracy(best):.4f}"
    return frame.compose(plots, above=(frame.legend(entries), frame.text(said)), description=f"The Surgeon. {said}.")


def evolution(axis: Any, records: Sequence[Any]) -> None:
    """Static twin: accuracy of all branches against the epoch, with the operations on the way to the best (Figs. 3 and 5)."""
    best = _best([record for record in records if record.kind == "epoch"])
    line = set(_ancestors(records, best.branch))
    for branch, (epochs, values) in _curves(records).items():
        colour, width = _style(branch, line)
        axis.plot(epochs, values, color=colour, linewidth=width)
    for record in _turns(records, best):
        axis.annotate(
            _deed(record), (record.epoch, _accuracy(record)), xytext=(0, 9), textcoords="offset points", ha="center",
            fontsize=7, rotation=25,
        )  # fmt: skip
    axis.set(xlabel="epoch", ylabel="accuracy on validation")


def spectra(axis: Any, values: Sequence[Sequence[float]], *, absolute: float, relative: float) -> None:
    """Singular values of each hidden layer with the thresholds of (13) on a matplotlib axis."""
    for layer, spectrum in enumerate(values):
        colour = colours.CYCLE[layer % len(colours.CYCLE)]
        axis.plot(range(1, len(spectrum) + 1), spectrum, "o-", markersize=3, color=colour, label=f"layer {layer + 1}")
        axis.axhline(relative * max(spectrum), color=colour, linestyle=":", linewidth=1)
    axis.axhline(absolute, color=colours.BLACK, linestyle="--", linewidth=1, label="ε₂")
    axis.set(xlabel="number", ylabel="singular value σ", yscale="log")
    axis.legend(frameon=False, fontsize=8)


def function_frame(x: np.ndarray, before: np.ndarray, after: np.ndarray, values: Sequence[Sequence[float]], **more: Any) -> str:
    """A function of one number before and after an operation, their difference, and singular values, as a live frame.

    Args:
        x: `(n,)` inputs.
        before: `(n,)` outputs of the network that was operated on.
        after: `(n,)` outputs of the new network.
        values: singular values of each hidden layer before.
        more: `absolute` and `relative`, the thresholds; `data`, pairs of samples `(x, y)`; `words`, what was done.
    """
    samples = [(float(a), float(b), colours.GREY, "sample") for a, b in more["data"]]
    curves = [
        frame.Line(x, before, "before", colours.ORANGE, width=4),
        frame.Line(x, after, "after", colours.BLUE),
    ]
    difference = [frame.Line(x, after - before, "after - before", colours.VERMILION)]
    plots = (
        frame.plot(curves, title="the function", x_label="input x", size=SIZE, points=samples),
        frame.plot(difference, title="after minus before", x_label="input x", size=SIZE),
        _spectrum_plot(values, more["absolute"], more["relative"]),
    )
    legend = frame.legend([("before", colours.ORANGE), ("after", colours.BLUE), ("samples", colours.GREY)])
    return frame.compose(plots, above=(legend, *map(frame.text, more["words"])), description="; ".join(more["words"]))


def _best(trained: Sequence[Any]) -> Any:
    """The last record of the branch that is ahead at the latest epoch."""
    operated = [record for record in trained if record.branch >= 0]
    latest = [record for record in operated if record.epoch == operated[-1].epoch]
    return max(latest, key=_accuracy, default=None)


def _accuracy(record: Any) -> float:
    return record.metrics.get("validation_accuracy", np.nan)


def _ancestors(records: Sequence[Any], branch: int) -> list[int]:
    """The branch, its parent, and so on to the first."""
    parents = {record.branch: record.parent for record in records}
    line = []
    while branch in parents and branch not in line:
        line.append(branch)
        branch = parents[branch]
    return line


def _turns(records: Sequence[Any], best: Any) -> list[Any]:
    """The first record of each branch on the way to the best, oldest first, where an operation was done."""
    line = _ancestors(records, best.branch)
    first = {}
    for record in records:
        if record.kind == "candidate" and record.branch in line:
            first.setdefault(record.branch, record)
    return [record for record in first.values() if record.operation != "identity"]


def _curves(records: Sequence[Any]) -> dict[int, tuple[list[float], list[float]]]:
    """Epochs and accuracies of each trained branch, beginning where its parent stood."""
    curves: dict[int, tuple[list[float], list[float]]] = {}
    ends: dict[int, tuple[float, float]] = {}
    for record in records:
        if record.kind != "epoch":
            continue
        start = [ends[record.parent]] if record.parent in ends and record.parent >= 0 else []
        epochs, values = curves.setdefault(record.branch, ([point[0] for point in start], [point[1] for point in start]))
        epochs.append(record.epoch)
        values.append(_accuracy(record))
        ends[record.branch] = (record.epoch, _accuracy(record))
    return curves


def _style(branch: int, line: set[int]) -> tuple[str, float]:
    if branch < 0:
        return colours.GREY, 1.8
    return (colours.BLUE, 2.2) if branch in line else (colours.SKY, 1.0)


def _accuracies(records: Sequence[Any], best: Any) -> str:
    line = set() if best is None else set(_ancestors(records, best.branch))
    lines = []
    for branch, (epochs, values) in sorted(_curves(records).items(), key=lambda one: one[0] in line):
        colour, width = _style(branch, line)
        label = "without surgery" if branch < 0 else f"branch {branch}"
        lines.append(frame.Line(epochs, values, label, colour, width=width))
    marks = [
        (record.epoch, frame.FAINT, f"decision after epoch {record.epoch}") for record in records if record.kind == "proposals"
    ]
    return frame.plot(lines, title="accuracy on validation", x_label="epoch", size=SIZE, marks=marks)


def _shape(widths: Sequence[int]) -> str:
    return "-".join(map(str, widths)) or "no hidden layer"


def _deed(record: Any) -> str:
    amount = f" {record.amount}" if record.amount else ""
    return f"{SIGNS[record.operation]}{amount} at {record.layer + 1}" if record.layer >= 0 else SIGNS[record.operation]


def _shapes(records: Sequence[Any], best: Any) -> str:
    """A row of boxes for each shape on the way to the best, input and output at the ends, what was done in front of it."""
    title = '<text x="8" y="14" font-weight="600">shapes on the way to the best</text>'
    rows = []
    if best is not None:
        first = next(record for record in records if record.branch >= 0)
        rows = [(0, "start", first.widths)]
        rows += [(record.epoch, _deed(record), record.widths) for record in _turns(records, best)]
    height = min(26.0, (SIZE[1] - 30) / max(1, len(rows)))
    widest = max((max(widths, default=1) for *_, widths in rows), default=1)
    drawn = "".join(_row(24 + height * n, height, *row, widest) for n, row in enumerate(rows))
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIZE[0]} {SIZE[1]}" fill="{frame.TEXT}">{title}{drawn}</svg>'


def _row(top: float, height: float, epoch: int, words: str, widths: Sequence[int], widest: int) -> str:
    side = min(height - 5, 18.0)
    left, right = 112.0, SIZE[0] - 6.0
    labels = ["I", *map(str, widths), "O"]
    step = min(34.0, (right - left) / len(labels))
    parts = [f'<text x="8" y="{top + side * 0.8:.1f}">{epoch}: {escape(words)}</text>']
    for number, label in enumerate(labels):
        x = left + step * number
        hidden = 0 < number < len(labels) - 1
        share = widths[number - 1] / widest if hidden else 0.0
        fill = f'fill="{colours.SKY}" fill-opacity="{0.15 + 0.6 * share:.2f}"' if hidden else 'fill="none"'
        parts.append(
            f'<rect x="{x:.1f}" y="{top:.1f}" width="{step - 5:.1f}" height="{side:.1f}" {fill} stroke="{frame.TEXT}"/>'
        )
        parts.append(f'<text x="{x + (step - 5) / 2:.1f}" y="{top + side * 0.75:.1f}" text-anchor="middle">{label}</text>')
        if number:
            middle = top + side / 2
            parts.append(f'<path d="M{x - 5:.1f} {middle:.1f}h5" stroke="{frame.TEXT}"/>')
    return "".join(parts)


def _candidates(records: Sequence[Any]) -> str:
    """Scores of the candidates of the latest decision as bars; those that went on are dark."""
    latest = [record for record in records if record.kind == "candidate"]
    latest = [record for record in latest if record.epoch == latest[-1].epoch] if latest else []
    latest = sorted(latest, key=lambda record: -record.metrics["score"])[:11]
    trained = {record.branch for record in records if record.kind == "epoch"}
    head = f"candidates after epoch {latest[0].epoch}, by score" if latest else "candidates, by score"
    parts = [f'<text x="8" y="14" font-weight="600">{head}</text>']
    top = max((record.metrics["score"] for record in latest), default=1.0)
    for number, record in enumerate(latest):
        y = 22 + 20 * number
        length = 130 * record.metrics["score"] / top
        colour = colours.BLUE if record.branch in trained else colours.SKY
        words = f"accuracy {_accuracy(record):.3f}, gain {record.metrics['gain']:+.3f}, size {record.metrics['fraction']:.2f}"
        parts.append(
            f'<rect x="120" y="{y}" width="{length:.1f}" height="13" fill="{colour}"><title>{escape(words)}</title></rect>'
            f'<text x="114" y="{y + 11}" text-anchor="end">{escape(_deed(record))}</text>'
            f'<text x="{124 + length:.1f}" y="{y + 11}">{record.metrics["score"]:.3f}</text>'
        )
    body = "".join(parts)
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIZE[0]} {SIZE[1]}" fill="{frame.TEXT}">{body}</svg>'


def _spectra(records: Sequence[Any], absolute: float, relative: float) -> str:
    offered = [record for record in records if record.kind == "proposals"]
    return _spectrum_plot(offered[-1].singular_values if offered else (), absolute, relative)


def _spectrum_plot(values: Sequence[Sequence[float]], absolute: float, relative: float) -> str:
    """Singular values of each hidden layer; dashed ε₂, dotted ε₁ σ₁ of each layer."""
    lines: list[frame.Line] = []
    longest = max((len(spectrum) for spectrum in values), default=1)
    for layer, spectrum in enumerate(values):
        colour = colours.CYCLE[layer % len(colours.CYCLE)]
        lines.append(frame.Line(range(1, len(spectrum) + 1), spectrum, f"layer {layer + 1}", colour))
        if relative and longest > 1:
            limit = [relative * spectrum[0]] * 2
            lines.append(frame.Line((1, longest), limit, f"ε₁ σ₁ of layer {layer + 1}", colour, dash="1 3", width=1))
    if absolute and values and longest > 1:
        lines.append(frame.Line((1, longest), (absolute, absolute), "ε₂", frame.TEXT, dash="5 3", width=1))
    return frame.plot(
        lines, title="singular values σ", x_label="number", y_label="dashed ε₂, dotted ε₁ σ₁", size=SIZE, log_y=True
    )
