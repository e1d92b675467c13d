"""A network of two inputs, two hidden neurons and one output with all its numbers."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np

from toolkit.figures import colours, frame

WIDTH, HEIGHT = 800, 372
FORWARD, BACKWARD = colours.BLUE, colours.VERMILION
RADIUS = 27
SOURCES = {"x1": (60, 70), "x2": (60, 186), "b1": (60, 312)}  # places of the neurons [pixels]
HIDDEN = {"h1": (352, 90), "h2": (352, 220), "b2": (352, 330)}
OUTPUT, LOSS = (590, 170), (720, 170)
FIRST_SHARE, SECOND_SHARE = 0.34, 0.45  # of an edge, where its numbers stand


def network_frame(now: Any, *, target: float, note: str, rule: str, chosen: str, shown: str = "both") -> str:
    """The network as a live frame.

    Args:
        now: see `toolkit.learning.backpropagation.Pass`.
        target: y.
        note: a line above.
        rule: the chain rule of the chosen weight, a second line.
        chosen: name of the weight whose way to the loss is drawn bold, such as "x1_h1".
        shown: "both", "forward" or "backward": which numbers.

    Returns:
        A `<div>` element.
    """
    parts = [_word(60, 18, "inputs", bold=True), _word(352, 18, "hidden", bold=True), _word(590, 18, "output", bold=True)]
    way = _way(chosen)
    edges = [*_edges(now)]
    parts += [_line(start, end, bold=name in way) for name, start, end, *_ in edges]
    parts.append(_line(OUTPUT, LOSS, bold=True))
    parts += [_edge_words(name, start, end, weight, gradient, shown) for name, start, end, weight, gradient in edges]
    parts += _neurons(now, shown)
    parts += _loss(now, target)
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" fill="{frame.TEXT}">{"".join(parts)}</svg>'
    legend = frame.legend([("forward: weights, sums z, values", FORWARD), ("backward: derivatives of L", BACKWARD)])
    return frame.compose([svg], above=[frame.text(note), frame.text(rule), legend], description=note)


def _edges(now: Any):
    for row, hidden in enumerate(("h1", "h2")):
        for column, source in enumerate(SOURCES):
            weight, gradient = now.first[row, column], now.first_gradient[row, column]
            yield f"{source}_{hidden}", SOURCES[source], HIDDEN[hidden], weight, gradient
    for column, source in enumerate(HIDDEN):
        yield f"{source}_o", HIDDEN[source], OUTPUT, now.second[0, column], now.second_gradient[0, column]


def _way(chosen: str) -> set[str]:
    """The edges that a weight passes on its way to the output."""
    _, end = chosen.split("_")
    return {chosen} | ({f"{end}_o"} if end != "o" else set())


def _line(start: tuple[float, float], end: tuple[float, float], *, bold: bool) -> str:
    return (
        f'<line x1="{start[0]}" y1="{start[1]}" x2="{end[0]}" y2="{end[1]}" stroke="{frame.TEXT if bold else colours.GREY}" '
        f'stroke-width="{3 if bold else 1}" stroke-opacity="{1 if bold else 0.6}"/>'
    )


def _edge_words(name: str, start, end, weight: float, gradient: float, shown: str) -> str:
    share = SECOND_SHARE if name.endswith("_o") else FIRST_SHARE
    x, y = (a + share * (b - a) for a, b in zip(start, end, strict=True))
    lines = [(f"w {_number(weight)}", FORWARD)] if shown != "backward" else []
    if np.isfinite(gradient) and shown != "forward":
        lines.append((f"∂L/∂w {_number(gradient)}", BACKWARD))
    if not lines:
        return ""
    width, height = (92 if len(lines) > 1 or "∂" in lines[0][0] else 56), 14 * len(lines) + 3
    box = (
        f'<rect x="{x - width / 2:.1f}" y="{y - height / 2:.1f}" width="{width}" height="{height}" rx="3" '
        f'fill="var(--jp-layout-color0,#fff)" />'
    )
    words = [
        _word(x, y - height / 2 + 12 + 14 * number, text, colour=colour, size=12) for number, (text, colour) in enumerate(lines)
    ]
    return box + "".join(words)


def _neurons(now: Any, shown: str) -> list[str]:
    parts = [_circle(SOURCES[name], f"{_number(value)}", name) for name, value in zip(("x1", "x2"), now.inputs, strict=True)]
    parts += [_circle(SOURCES["b1"], "1", "bias", bias=True), _circle(HIDDEN["b2"], "1", "bias", bias=True)]
    places = (HIDDEN["h1"], HIDDEN["h2"], OUTPUT)
    for place, total, value, delta in zip(places, now.sums, now.values, now.deltas, strict=True):
        parts.append(_circle(place, _number(value) if shown != "backward" else "", ""))
        if np.isfinite(total) and shown != "backward":
            parts.append(_word(place[0], place[1] - RADIUS - 7, f"z {_number(total)}", colour=FORWARD, size=12))
        if np.isfinite(delta) and shown != "forward":
            parts.append(_word(place[0], place[1] + RADIUS + 16, f"∂L/∂z {_number(delta)}", colour=BACKWARD, size=12))
    return parts


def _loss(now: Any, target: float) -> list[str]:
    x, y = LOSS
    words = f"L {_number(now.loss)}" if np.isfinite(now.loss) else "L"
    box = f'<rect x="{x - 42}" y="{y - 22}" width="84" height="44" rx="6" fill="{frame.FAINT}" stroke="{colours.GREY}"/>'
    return [box, _word(x, y + 5, words, size=13), _word(x, y + 44, f"target y {_number(target)}", size=12)]


def _circle(place: tuple[float, float], value: str, name: str, *, bias: bool = False) -> str:
    x, y = place
    rim = f'stroke="{colours.GREY}"' + (' stroke-dasharray="4 3"' if bias else "")
    circle = f'<circle cx="{x}" cy="{y}" r="{RADIUS}" fill="var(--jp-layout-color0,#fff)" stroke-width="2" {rim}/>'
    under = _word(x, y - RADIUS - 7, name, size=12) if name else ""
    return circle + _word(x, y + 5, value, size=13, colour=frame.TEXT if bias else FORWARD) + under


def _number(value: float) -> str:
    """The number in few letters.

    >>> _number(0.12345), _number(-0.00012), _number(float("nan"))
    ('0.123', '-1.2e-04', '')
    """
    if not np.isfinite(value):
        return ""
    small = value != 0 and abs(value) < 0.001
    return f"{value:.1e}" if small else f"{value:.3f}".rstrip("0").rstrip(".")


def _word(x: float, y: float, text: str, *, colour: str = frame.TEXT, size: int = 12, bold: bool = False) -> str:
    weight = ' font-weight="600"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle" font-size="{size}" fill="{colour}"{weight}>{escape(text)}</text>'
    )
