"""Images of a data set with their labels, how many there are of each class, and their mean."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

from toolkit.figures import colours, frame, layers

ACROSS, DOWN = 6, 4
WIDE = (400, 316)
LETTERS = 11  # of a label under its image


def gallery_frame(page: Any, classes: Sequence[str], *, note: str, facts: Sequence[str], chosen: int | None) -> str:
    """A page of images, the classes, and the mean image.

    Args:
        page: see `toolkit.learning.gallery.Page`.
        classes: names in the order of the labels.
        note: a line above.
        facts: further lines above.
        chosen: label of the only class shown, or None.

    Returns:
        A `<div>` element.
    """
    plots = [_images(page, classes), _classes(page, classes, chosen)]
    return frame.compose(plots, above=[frame.text(line) for line in (note, *facts)], description=note)


def _images(page: Any, classes: Sequence[str]) -> str:
    across, down = 64, 70
    parts = [f'<text x="8" y="14" font-weight="600">page {page.number} of {page.pages:,}</text>']
    for number, (pixels, label, row) in enumerate(zip(page.pixels, page.labels, page.rows, strict=True)):
        x, y = 8 + across * (number % ACROSS), 24 + down * (number // ACROSS)
        name = classes[label]
        picture = layers.picture(pixels / 255, (x, y, 54, 54))
        words = f"<title>{escape(name)}, number {row}</title>"
        parts.append(picture.replace("/>", f">{words}</image>"))
        parts.append(_word(x + 27, y + 64, name if len(name) <= LETTERS else f"{name[: LETTERS - 1]}.", 9, "middle"))
    return _svg("".join(parts))


def _classes(page: Any, classes: Sequence[str], chosen: int | None) -> str:
    """A bar for each class, and the mean image beneath or beside."""
    counts, largest = page.counts, max(1, int(page.counts.max()))
    left, top, right, height = 78, 24, 288, 280 / len(classes)
    parts = ['<text x="8" y="14" font-weight="600">images of each class in the split</text>']
    labelled = range(0, len(classes), max(1, int(np.ceil(11 / height))))
    for number, count in enumerate(counts.tolist()):
        y, width = top + number * height, (right - left) * count / largest
        colour = colours.VERMILION if number == chosen else colours.BLUE
        tip = f"<title>{escape(classes[number])}: {count:,}</title>"
        place = f'x="{left}" y="{y:.1f}" width="{width:.1f}" height="{max(0.6, height - 1):.1f}"'
        parts.append(f'<rect {place} fill="{colour}">{tip}</rect>')
        if number in labelled:
            parts.append(_word(left - 5, y + height / 2 + 4, classes[number][:LETTERS], 10, "end"))
            if len(classes) <= 12 and count:
                parts.append(_word(left + width + 4, y + height / 2 + 4, f"{count:,}", 10, "start"))
    of = "all" if chosen is None else classes[chosen][:LETTERS]
    parts.append(_word(360, 40, "mean of", 10, "middle") + _word(360, 53, of, 10, "middle"))
    parts.append(layers.picture(page.mean / 255, (328, 60, 64, 64)))
    return _svg("".join(parts))


def _word(x: float, y: float, text: str, size: int, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(body: str) -> str:
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDE[0]} {WIDE[1]}" fill="{frame.TEXT}">{body}</svg>'
