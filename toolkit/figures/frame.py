"""Live frames: small plots as SVG text, about a millisecond each, for a picture that is redrawn several times a second.

Every function returns one HTML or SVG element as a string. Colours of axes and text follow JupyterLab's theme.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

MOST_POINTS = 160
NARROWEST = 256  # pixels of the browser, for a plot that can still be read
TEXT = "var(--jp-ui-font-color1,#333)"
FAINT = "var(--jp-border-color2,#ddd)"
MARGIN = 8  # pixels to the right of the axes
LETTER = 7.0  # pixels, of the widest digit that a browser's sans-serif font has at the size of the labels


@dataclass(frozen=True)
class Line:
    """One curve: `x` and `y` of equal length; values that are not finite leave a gap."""

    x: Sequence[float]
    y: Sequence[float]
    label: str
    colour: str
    dash: str = ""
    width: float = 1.8


@dataclass(frozen=True)
class Scale:
    """Map from [low, high] to the pixels [start, stop], linear or logarithmic."""

    low: float
    high: float
    start: float
    stop: float
    log: bool = False

    def __call__(self, values) -> np.ndarray:
        """Pixel positions of the values; not finite where the scale cannot show them."""
        values, low, high = np.asarray(values, float), self.low, self.high
        if self.log:
            values, low, high = np.log10(np.where(values > 0, values, np.nan)), math.log10(low), math.log10(high)
        return self.start + (values - low) / (high - low) * (self.stop - self.start)

    def shows(self, pixels: np.ndarray) -> np.ndarray:
        """Which pixel positions are finite and inside the axis, give or take two pixels."""
        low, high = sorted((self.start, self.stop))
        return (pixels >= low - 2) & (pixels <= high + 2)

    def inverse(self, pixel: float) -> float:
        """The value at a pixel."""
        share = (pixel - self.start) / (self.stop - self.start)
        return self.low * (self.high / self.low) ** share if self.log else self.low + share * (self.high - self.low)

    def ticks(self) -> list[tuple[float, str]]:
        """Positions and labels of at most seven round values."""
        values = _decades(self.low, self.high) if self.log else []
        if len(values) < 2:
            values = _round_values(self.low, self.high)
        return [(float(self(value)), _short(value)) for value in values]


def fitted_scale(
    values: Sequence[float], start: float, stop: float, *, log: bool = False, limits: tuple[float, float] | None = None
) -> Scale:
    """A scale that shows all finite values, with a small margin, or the given limits.

    >>> fitted_scale([0.0, 10.0], 0, 100, limits=(0, 10))(5.0).item()
    50.0
    """
    if limits is None:
        values = np.asarray(values, float)
        values = values[np.isfinite(values) & ((values > 0) | (not log))]
        limits = _margin(values.min(), values.max(), log) if values.size else (0.1, 1.0)
    return Scale(*limits, start, stop, log)


def plot(
    lines: Sequence[Line],
    *,
    title: str,
    x_label: str,
    y_label: str = "",
    size: tuple[int, int] = (320, 230),
    log_x: bool = False,
    log_y: bool = False,
    x_limits: tuple[float, float] | None = None,
    y_limits: tuple[float, float] | None = None,
    marks: Sequence[tuple[float, str, str]] = (),
    points: Sequence[tuple[float, float, str, str]] = (),
) -> str:
    """Curves in one pair of axes.

    Args:
        lines: the curves, drawn in order.
        title: above the axes; it also names the picture for a screen reader.
        x_label: below the axes, with unit.
        y_label: in front of the title's end, with unit.
        size: width and height [pixels] before `compose` fits it into its place.
        log_x: logarithmic abscissa.
        log_y: logarithmic ordinate; values at or below zero leave gaps.
        x_limits: limits instead of those of the data.
        y_limits: likewise.
        marks: vertical lines `(x, colour, text)`, the text as tooltip.
        points: dots `(x, y, colour, text)`, the text as tooltip.

    Returns:
        An `<svg>` element.
    """
    width, height = size
    x_values = np.concatenate([np.asarray(line.x, float) for line in lines] + [np.array([point[0] for point in points])])
    y_values = np.concatenate([np.asarray(line.y, float) for line in lines] + [np.array([point[1] for point in points])])
    x_scale = fitted_scale(x_values, 44, width - MARGIN, log=log_x, limits=x_limits)
    y_scale = fitted_scale(y_values, height - 34, 24, log=log_y, limits=y_limits)
    parts = [_axes(x_scale, y_scale, title, x_label, y_label)]
    for x, colour, text in marks:
        position = f"{float(x_scale(x)):.1f}"
        parts.append(
            f'<line x1="{position}" x2="{position}" y1="24" y2="{height - 34}" stroke="{colour}" stroke-dasharray="2 3">'
            f"<title>{escape(text)}</title></line>"
        )
    parts += [_curve(line, x_scale, y_scale) for line in lines]
    parts += [_dot(float(x_scale(x)), float(y_scale(y)), colour, text) for x, y, colour, text in points]
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" fill="{TEXT}">{"".join(parts)}</svg>'


def legend(entries: Sequence[tuple[str, str]]) -> str:
    """Entries `(label, colour)` in a row; it keeps its height while it is empty."""
    marks = "".join(
        f'<span style="white-space:nowrap"><span style="display:inline-block;width:20px;margin:0 5px 3px 0;'
        f'border-top:3px solid {colour}"></span>{escape(label)}</span>'
        for label, colour in entries
    )
    return f'<div style="display:flex;flex-wrap:wrap;gap:0 16px;min-height:18px">{marks}</div>'


def text(words: str) -> str:
    """A line of text."""
    return f"<div>{escape(words)}</div>"


def compose(plots: Sequence[str], *, above: Sequence[str] = (), description: str) -> str:
    """One picture of several plots side by side, broken into rows where its place is too narrow for them.

    Args:
        plots: from `plot`.
        above: from `legend` and `text`.
        description: what the picture shows, for a screen reader.

    Returns:
        A `<div>` element.
    """
    font = f"font:12px/18px var(--jp-ui-font-family,sans-serif);color:{TEXT}"
    grid = f"display:grid;grid-template-columns:repeat(auto-fit,minmax({NARROWEST}px,1fr));font-size:11px"
    return (
        f'<div role="img" aria-label="{escape(description)}" style="{font}">'
        f'<div style="padding:0 0 6px 6px">{"".join(above)}</div><div style="{grid}">{"".join(plots)}</div></div>'
    )


def number(label: str, x: float, y: float, *, room: float, anchor: str = "start") -> str:
    """A number as `<text>`; one that may need more than `room` pixels is squeezed into it."""
    squeezed = f' textLength="{room}" lengthAdjust="spacingAndGlyphs"' if LETTER * len(label) > room else ""
    return f'<text x="{x}" y="{y:.1f}" text-anchor="{anchor}"{squeezed}>{label}</text>'


def abscissa(scale: Scale, top: float, bottom: float) -> str:
    """Grid lines, and below them their numbers, inside the plot; where there is no room beside the one before, none."""
    parts, free = [], 0.0  # from where on there is room
    for position, label in scale.ticks():
        parts.append(f'<line x1="{position:.1f}" x2="{position:.1f}" y1="{top}" y2="{bottom}" stroke="{FAINT}"/>')
        half = LETTER * len(label) / 2
        middle = min(position, scale.stop + MARGIN - half)
        if middle - half >= free:
            parts.append(f'<text x="{middle:.1f}" y="{bottom + 15}" text-anchor="middle">{label}</text>')
            free = middle + half
    return "".join(parts)


def _axes(x_scale: Scale, y_scale: Scale, title: str, x_label: str, y_label: str) -> str:
    left, right, top, bottom = x_scale.start, x_scale.stop, y_scale.stop, y_scale.start
    parts = [f'<text x="{left}" y="14" font-weight="600">{escape(title)}</text>']
    parts.append(abscissa(x_scale, top, bottom))
    for position, label in y_scale.ticks():
        parts.append(f'<line x1="{left}" x2="{right}" y1="{position:.1f}" y2="{position:.1f}" stroke="{FAINT}"/>')
        parts.append(number(label, left - 5, position + 4, room=left - 6, anchor="end"))
    parts.append(f'<text x="{(left + right) / 2}" y="{bottom + 28}" text-anchor="middle">{escape(x_label)}</text>')
    parts.append(f'<text x="{right}" y="14" text-anchor="end">{escape(y_label)}</text>')
    parts.append(f'<path d="M{left} {top}V{bottom}H{right}" fill="none" stroke="{TEXT}"/>')
    return "".join(parts)


def _curve(line: Line, x_scale: Scale, y_scale: Scale) -> str:
    x, y = _thinned(x_scale(line.x), y_scale(line.y))
    shown = x_scale.shows(x) & y_scale.shows(y)
    pieces = np.split(np.arange(len(x)), np.flatnonzero(~shown))
    path = "".join(_path(x[rows], y[rows]) for piece in pieces if len(rows := piece[shown[piece]]))
    return (
        f'<path d="{path}" fill="none" stroke="{line.colour}" stroke-width="{line.width}" stroke-dasharray="{line.dash}" '
        f'stroke-linejoin="round" stroke-linecap="round"><title>{escape(line.label)}</title></path>'
    )


def _path(x: np.ndarray, y: np.ndarray) -> str:
    points = " ".join(f"{a:.1f} {b:.1f}" for a, b in zip(x.tolist(), y.tolist(), strict=True))
    return f"M{points}" if len(x) > 1 else f"M{x[0] - 2:.1f} {y[0]:.1f}h4"


def _dot(x: float, y: float, colour: str, text: str) -> str:
    if not (math.isfinite(x) and math.isfinite(y)):
        return ""
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}" stroke="white"><title>{escape(text)}</title></circle>'


def _thinned(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every n-th point, and always the last, so that at most `MOST_POINTS` are drawn."""
    stride = math.ceil(len(x) / MOST_POINTS)
    if stride <= 1:
        return x, y
    rows = np.unique(np.append(np.arange(0, len(x), stride), len(x) - 1))
    return x[rows], y[rows]


def _margin(low: float, high: float, log: bool) -> tuple[float, float]:
    if log:
        ratio = max(high / low, 1.5) ** 0.05
        return low / ratio, high * ratio
    room = 0.05 * (high - low) or 0.05 * abs(high) or 0.5
    return low - room, high + room


def _decades(low: float, high: float) -> list[float]:
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    stride = math.ceil(len(exponents) / 6)
    digits = (1, 2, 5) if len(exponents) <= 3 else (1,)
    values = [digit * 10.0**exponent for exponent in exponents[::stride] for digit in digits]
    return [value for value in values if low <= value <= high]


def _short(value: float) -> str:
    """The number in few letters: 1e8 and not 1e+08, for there is little room before the axis."""
    digits, e, exponent = f"{value:g}".partition("e")
    return f"{digits}e{int(exponent)}" if e else digits


def _round_values(low: float, high: float) -> list[float]:
    step = 10 ** math.floor(math.log10((high - low) / 5))
    step *= next(factor for factor in (1, 2, 5, 10) if (high - low) / (factor * step) <= 6)
    first = math.ceil(low / step - 1e-9)
    digits = 1 - math.floor(math.log10(step))  # a sum of steps such as 0.1 is not round in binary
    return [round(number * step, digits) for number in range(first, math.floor(high / step + 1e-9) + 1)]
