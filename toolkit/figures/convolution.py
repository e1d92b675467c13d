"""A window on its way over an image: input and kernel with their numbers, the products under the window, the map."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np
from matplotlib import colormaps

from toolkit.figures import colours, frame

SIZE = (400, 316)
TOP, LEFT, SIDE = 30, 6, 250  # of the large grid [pixels]
SMALL_LEFT, SMALL_SIDE = 272, 122  # of the kernel and of the products
SMALL_TOP = 84
WEIGHT = ' font-weight="600"'
Place = tuple[str, int, int]


def convolution_frame(now: Any, *, padded: np.ndarray, cursor: Place, operation: str, note: str) -> str:
    """Input with the window, kernel, products and map.

    Args:
        now: a placement, see `toolkit.learning.convolution`.
        padded: `(h + 2p, w + 2p)` the input with its padding.
        cursor: "input" or "kernel", row and column of the cell that is edited.
        operation: what is done, one of `convolution.OPERATIONS`.
        note: a line above.

    Returns:
        A `<div>` element; `cell_at` says which cell of its first plot lies at a pixel.
    """
    plots = [_operands(now, padded, cursor, operation), _outcome(now, operation)]
    legend = frame.legend([("window", colours.VERMILION), ("cell to write into", colours.BLUE)])
    return frame.compose(plots, above=[frame.text(note), legend], description=note)


def cell_at(position: tuple[float, float], padded: tuple[int, int], padding: int, kernel: int) -> Place | None:
    """The cell of the input or of the kernel at a pixel of the first plot; None beside both and in the padding.

    Args:
        position: x and y [pixels].
        padded: rows and columns of the padded input.
        padding: pixels on each side.
        kernel: rows of the kernel.

    >>> cell_at((7, 31), (7, 7), 0, 3)
    ('input', 0, 0)
    """
    x, y = position
    cell = SIDE / max(padded)
    row, column = int((y - TOP) // cell) - padding, int((x - LEFT) // cell) - padding
    if 0 <= row < padded[0] - 2 * padding and 0 <= column < padded[1] - 2 * padding:
        return "input", row, column
    cell = SMALL_SIDE / kernel
    row, column = int((y - SMALL_TOP) // cell), int((x - SMALL_LEFT) // cell)
    return ("kernel", row, column) if 0 <= row < kernel and 0 <= column < kernel else None


def _operands(now: Any, padded: np.ndarray, cursor: Place, operation: str) -> str:
    padding = (padded.shape[0] - now.image.shape[0]) // 2
    cell = SIDE / max(padded.shape)
    inside = np.pad(np.ones(now.image.shape, bool), padding)
    parts = [_title(LEFT, 14, "input I" + (", with padding" if padding else ""))]
    parts.append(_grid(padded, (LEFT, TOP, cell), colour="Greys", faint=~inside))
    size = len(now.window)
    parts.append(_box(LEFT + (now.left + padding) * cell, TOP + (now.top + padding) * cell, size * cell, colours.VERMILION))
    small = SMALL_SIDE / size
    pooling = operation.endswith("pooling")
    parts.append(_title(SMALL_LEFT, SMALL_TOP - 26, "window" if pooling else "kernel K"))
    if operation == "convolution":
        parts.append(_title(SMALL_LEFT, SMALL_TOP - 10, "(turned, as applied)", bold=False))
    if pooling:
        parts.append(_title(SMALL_LEFT, SMALL_TOP - 10, f"{size} x {size}, no weights", bold=False))
        parts.append(_box(SMALL_LEFT, SMALL_TOP, SMALL_SIDE, colours.VERMILION))
    else:
        parts.append(_grid(now.weights, (SMALL_LEFT, SMALL_TOP, small), colour="RdBu_r"))
    where, row, column = cursor
    if where == "input":
        parts.append(_box(LEFT + (column + padding) * cell, TOP + (row + padding) * cell, cell, colours.BLUE, inset=2))
    elif not pooling:
        place = (len(now.weights) - 1 - row, len(now.weights) - 1 - column) if operation == "convolution" else (row, column)
        parts.append(_box(SMALL_LEFT + place[1] * small, SMALL_TOP + place[0] * small, small, colours.BLUE, inset=2))
    return _svg("".join(parts))


def _outcome(now: Any, operation: str) -> str:
    cell = SIDE / max(now.result.shape)
    parts = [_title(LEFT, 14, f"map, {now.result.shape[0]} x {now.result.shape[1]}")]
    parts.append(_grid(now.result, (LEFT, TOP, cell), colour="RdBu_r"))
    parts.append(_box(LEFT + now.column * cell, TOP + now.row * cell, cell, colours.VERMILION))
    pooling = operation.endswith("pooling")
    products = now.window if pooling else now.window * now.weights
    small = SMALL_SIDE / len(products)
    parts.append(_title(SMALL_LEFT, SMALL_TOP - 26, "seen" if pooling else "products"))
    parts.append(_grid(products, (SMALL_LEFT, SMALL_TOP, small), colour="RdBu_r"))
    taken = {"max pooling": "largest", "mean pooling": "mean"}.get(operation, "sum")
    parts.append(_title(SMALL_LEFT, SMALL_TOP + SMALL_SIDE + 20, f"{taken} = {_short(now.value)}"))
    return _svg("".join(parts))


def _grid(values: np.ndarray, place: tuple[float, float, float], *, colour: str, faint: np.ndarray | None = None) -> str:
    """Cells with their numbers; `faint` ones, the padding, have a dashed rim."""
    left, top, cell = place
    finite = values[np.isfinite(values)]
    largest = float(np.abs(finite).max()) if finite.size and np.abs(finite).max() > 0 else 1.0
    font = min(12.0, max(6.0, cell / 2.6))
    parts = []
    for (row, column), value in np.ndenumerate(values):
        x, y = left + column * cell, top + row * cell
        shade = _shade(value / largest, colour)
        rim = f'stroke="{colours.GREY}" stroke-opacity=".5"'
        if faint is not None and faint[row, column]:
            rim += ' stroke-dasharray="2 2" fill-opacity=".55"'
        parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{cell:.1f}" height="{cell:.1f}" fill="{_hex(shade)}" {rim}/>')
        if np.isfinite(value) and cell >= 14:
            ink = colours.ink(*map(float, shade[:3]))
            parts.append(
                f'<text x="{x + cell / 2:.1f}" y="{y + cell / 2 + font * 0.36:.1f}" font-size="{font:.1f}" fill="{ink}" '
                f'text-anchor="middle">{_short(value)}</text>'
            )
    return "".join(parts)


def _shade(share: float, colour: str) -> tuple[float, ...]:
    if not np.isfinite(share):
        return (1.0, 1.0, 1.0)
    if colour == "Greys":
        return colormaps["Greys"](0.75 * abs(share))[:3]
    return colormaps[colour](0.5 + 0.4 * share)[:3]


def _hex(shade: tuple[float, ...]) -> str:
    return "#" + "".join(f"{round(255 * part):02x}" for part in shade)


def _short(value: float) -> str:
    """The number in at most five letters.

    >>> _short(-15.0), _short(0.333333), _short(-0.125)
    ('-15', '0.33', '-0.12')
    """
    text = f"{value:.2f}".rstrip("0").rstrip(".") if abs(value) < 100 else f"{value:.0f}"
    return "0" if text in ("-0", "") else text


def _box(x: float, y: float, side: float, colour: str, *, inset: float = 0.0) -> str:
    return (
        f'<rect x="{x + inset:.1f}" y="{y + inset:.1f}" width="{side - 2 * inset:.1f}" height="{side - 2 * inset:.1f}" '
        f'fill="none" stroke="{colour}" stroke-width="3"/>'
    )


def _title(x: float, y: float, words: str, *, bold: bool = True) -> str:
    return f'<text x="{x}" y="{y}"{WEIGHT if bold else ""}>{escape(words)}</text>'


def _svg(body: str) -> str:
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIZE[0]} {SIZE[1]}" fill="{frame.TEXT}">{body}</svg>'
