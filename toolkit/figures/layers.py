"""What lies over the axes of a `frame.plot`: embedded pictures and clouds of dots, both short as text."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
from matplotlib.image import imsave

from toolkit.figures import frame

SIZE = (320, 270)
LEFT, RIGHT, ABOVE, BELOW = 44, SIZE[0] - 8, 24, SIZE[1] - 34  # the axes of a `frame.plot` of this size
AXES = (LEFT, ABOVE, RIGHT - LEFT, BELOW - ABOVE)  # the same as x, y, width, height


def picture(colour: np.ndarray, place: Sequence[float], *, upwards: bool = False, smooth: bool = False) -> str:
    """A grid of colours as an embedded PNG.

    Args:
        colour: `(h, w, 3)` red, green, blue in 0 .. 1.
        place: x, y, width and height [pixels].
        upwards: the first row lies at the bottom, as on axes.
        smooth: interpolate between the cells.

    Returns:
        An `<image>` element.

    >>> picture(np.zeros((2, 2, 3)), (0, 0, 10, 10))[:30]
    '<image x="0" y="0" width="10" '
    """
    stream = io.BytesIO()
    imsave(stream, np.clip(colour, 0, 1), format="png", origin="lower" if upwards else "upper")
    data = base64.b64encode(stream.getvalue()).decode()
    x, y, width, height = place
    style = "" if smooth else ' style="image-rendering:pixelated"'
    return (
        f'<image x="{x}" y="{y}" width="{width}" height="{height}" preserveAspectRatio="none"{style} '
        f'href="data:image/png;base64,{data}"/>'
    )


def scales(limits: Sequence[tuple[float, float]]) -> tuple[frame.Scale, frame.Scale]:
    """From values to pixels of the axes, for the abscissa and the ordinate."""
    return frame.Scale(*limits[0], LEFT, RIGHT), frame.Scale(*limits[1], BELOW, ABOVE)


def cloud(points: np.ndarray, limits: Sequence[tuple[float, float]], *, colour: str, width: float = 4.0) -> str:
    """Many dots as one path, a tenth of the text of as many circles; what lies outside the axes is left out.

    Args:
        points: `(n, 2)`.
        limits: of both axes.
        colour: of all dots.
        width: of a dot [pixels].

    Returns:
        A `<path>` element.
    """
    across, down = (scale(column) for scale, column in zip(scales(limits), points.T, strict=True))
    inside = (across >= LEFT) & (across <= RIGHT) & (down >= ABOVE) & (down <= BELOW)
    dots = "".join(f"M{x:.0f} {y:.0f}h0" for x, y in zip(across[inside], down[inside], strict=True))
    return f'<path d="{dots}" stroke="{colour}" stroke-width="{width}" stroke-linecap="round" stroke-opacity=".8" fill="none"/>'


def over(plot: str, body: str) -> str:
    """The plot with further elements on top."""
    return f"{plot.removesuffix('</svg>')}{body}</svg>"


def under(plot: str, body: str) -> str:
    """The plot with further elements beneath its axes."""
    head, tail = plot.split(">", 1)
    return f"{head}>{body}{tail}"


def svg(body: str) -> str:
    """Elements as a plot of their own."""
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIZE[0]} {SIZE[1]}" fill="{frame.TEXT}">{body}</svg>'


def margins(values: np.ndarray) -> tuple[float, float]:
    """Limits that show all values with a little room.

    >>> margins(np.array([0.0, 10.0]))
    (-0.5, 10.5)
    """
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    room = 0.05 * (high - low) or 0.5
    return low - room, high + room
