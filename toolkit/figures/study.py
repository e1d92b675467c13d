"""Many settings at once: a map of settings that fills while a population trains, and the curves behind its cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_hex

from toolkit.figures import colours, frame

SIZE = (320, 270)
LEFT, RIGHT, ABOVE, BELOW = 56, 256, 24, 236  # the cells' rectangle inside the map
COLOURS = colormaps["viridis"]
METRICS = {"accuracy": "validation_accuracy", "loss": "validation_loss"}


def study_frame(
    settings: Mapping[str, np.ndarray],
    records: Sequence[Any],
    *,
    x: str,
    y: str,
    colour: str,
    chosen: int,
    labels: Mapping[str, str],
) -> str:
    """Map of all settings by their newest result, and the curves of every member with one of them stressed.

    Args:
        settings: name to one value per member, `(k,)`; `x` and `y` are two of the names.
        records: with `epoch` and `metrics` of shape `(k,)`.
        x: the setting that runs to the right.
        y: the setting that runs upwards.
        colour: "accuracy" or "loss".
        chosen: number of the member whose curve is stressed.
        labels: how a setting's name is written.

    Returns:
        A `<div>` element; `cell_at` tells which member lies under a point of its first plot.
    """
    metric = METRICS[colour]
    measured = [record for record in records if metric in record.metrics]
    values = measured[-1].metrics[metric] if measured else np.full(len(settings[x]), np.nan)
    diverged = ~np.isfinite(values) if measured else np.zeros(len(values), bool)
    title = f"{colour} on validation after epoch {measured[-1].epoch:.0f}" if measured else "not run yet"
    plots = (
        _map(settings[x], settings[y], values, diverged, chosen, title, (labels[x], labels[y]), colour),
        _curves(measured, metric, chosen, colour),
    )
    above = frame.text(_in_words(settings, values, diverged, chosen, labels, colour))
    done = int(np.isfinite(values).sum())
    description = f"Map of {len(values)} settings by {colour}, {done} with a result."
    return frame.compose(plots, above=[above], description=description)


def cell_at(settings: Mapping[str, np.ndarray], point: Sequence[float], *, x: str, y: str) -> int:
    """Number of the member whose cell lies nearest to a point [pixels] of the map in `study_frame`."""
    cells = Cells.of(settings[x], settings[y])
    return int(np.argmin((cells.across - point[0]) ** 2 + (cells.down - point[1]) ** 2))


def heat_map(axis: Any, x: np.ndarray, y: np.ndarray, values: np.ndarray, *, x_label: str, y_label: str) -> Any:
    """Static twin of the map (Fig. 3.1 of Burghoff) on a matplotlib axis; settings that diverged stay white.

    Args:
        axis: where to draw.
        x: `(k,)` values of the setting that runs to the right; the k settings fill a grid.
        y: `(k,)` values of the setting that runs upwards.
        values: `(k,)`, nan where a member diverged.
        x_label: of the abscissa.
        y_label: of the ordinate.

    Returns:
        The image, for a colour bar.
    """
    columns, rows = _positions(x), _positions(y)
    grid = np.full((rows.max() + 1, columns.max() + 1), np.nan)
    grid[rows, columns] = values
    image = axis.imshow(grid, origin="lower", aspect="auto", cmap=COLOURS)
    axis.set_xticks(range(grid.shape[1]), [f"{value:.3g}" for value in np.unique(x)])
    axis.set_yticks(range(grid.shape[0]), [f"{value:.3g}" for value in np.unique(y)])
    axis.set(xlabel=x_label, ylabel=y_label)
    return image


@dataclass(frozen=True)
class Cells:
    """Where each member is drawn [pixels]: centres `(k,)`, size of a cell, and labelled positions of both axes."""

    across: np.ndarray
    down: np.ndarray
    size: tuple[float, float]
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]

    @classmethod
    def of(cls, x: np.ndarray, y: np.ndarray) -> Cells:
        """A grid where the settings fill one, else squares on logarithmic axes."""
        columns, rows = _positions(x), _positions(y)
        counts = columns.max() + 1, rows.max() + 1
        if counts[0] * counts[1] <= 2 * len(x):
            size = (RIGHT - LEFT) / counts[0], (BELOW - ABOVE) / counts[1]
            x_ticks = [(LEFT + (n + 0.5) * size[0], f"{value:.3g}") for n, value in _few(np.unique(x), size[0], 34)]
            y_ticks = [(BELOW - (n + 0.5) * size[1], f"{value:.3g}") for n, value in _few(np.unique(y), size[1], 14)]
            return cls(LEFT + (columns + 0.5) * size[0], BELOW - (rows + 0.5) * size[1], size, x_ticks, y_ticks)
        across, down = frame.fitted_scale(x, LEFT, RIGHT, log=True), frame.fitted_scale(y, BELOW, ABOVE, log=True)
        return cls(across(x), down(y), (16, 16), across.ticks(), down.ticks())


def _positions(values: np.ndarray) -> np.ndarray:
    """Rank of each value among the different ones."""
    return np.unique(values, return_inverse=True)[1]


def _map(x, y, values, diverged, chosen, title, labels, colour) -> str:
    cells = Cells.of(x, y)
    width, height = cells.size
    finite = values[np.isfinite(values)]
    limits = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    parts = [f'<text x="{LEFT}" y="14" font-weight="600">{escape(title)}</text>']
    for member in [*(other for other in range(len(values)) if other != chosen), chosen]:
        left, top = cells.across[member] - width / 2, cells.down[member] - height / 2
        border = f'stroke="{colours.VERMILION}" stroke-width="3"' if member == chosen else f'stroke="{frame.FAINT}"'
        result = _value(values[member], bool(diverged[member]), colour)
        words = f"{labels[0]} {x[member]:.3g}, {labels[1]} {y[member]:.3g}: {result}"
        parts.append(
            f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" '
            f'fill="{_fill(values[member], limits)}" {border}><title>{escape(words)}</title></rect>'
        )
        if diverged[member]:
            cross = f"M{left:.1f} {top:.1f}l{width:.1f} {height:.1f}m0 {-height:.1f}l{-width:.1f} {height:.1f}"
            parts.append(f'<path d="{cross}" stroke="{frame.TEXT}"/>')
    parts += [f'<text x="{at:.1f}" y="{BELOW + 14}" text-anchor="middle">{label}</text>' for at, label in cells.x_ticks]
    parts += [frame.number(label, LEFT - 5, at + 4, room=LEFT - 23, anchor="end") for at, label in cells.y_ticks]
    parts.append(f'<text x="{(LEFT + RIGHT) / 2}" y="{BELOW + 30}" text-anchor="middle">{escape(labels[0])}</text>')
    middle = f"translate(14,{(ABOVE + BELOW) / 2}) rotate(-90)"
    parts.append(f'<text transform="{middle}" text-anchor="middle">{escape(labels[1])}</text>')
    body = "".join(parts) + _colour_bar(limits)
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIZE[0]} {SIZE[1]}" fill="{frame.TEXT}">{body}</svg>'


def _fill(value: float, limits: tuple[float, float]) -> str:
    if not np.isfinite(value):
        return "none"
    return to_hex(COLOURS((value - limits[0]) / ((limits[1] - limits[0]) or 1.0)))


def _value(value: float, diverged: bool, colour: str) -> str:
    return "diverged" if diverged else f"{colour} {value:.4g}" if np.isfinite(value) else "not run yet"


def _few(values: np.ndarray, space: float, needed: float) -> list[tuple[int, float]]:
    """Numbered values that have room for their label."""
    stride = max(1, int(np.ceil(needed / space)))
    return list(enumerate(values.tolist()))[::stride]


def _colour_bar(limits: tuple[float, float]) -> str:
    steps, height = 24, BELOW - ABOVE
    cells = [
        f'<rect x="{RIGHT + 12}" y="{BELOW - (n + 1) * height / steps:.1f}" width="12" height="{height / steps + 0.5:.1f}" '
        f'fill="{to_hex(COLOURS((n + 0.5) / steps))}"/>'
        for n in range(steps)
    ]
    ends = [(BELOW, limits[0]), (ABOVE + 8, limits[1])]
    room = SIZE[0] - RIGHT - 28
    return "".join(cells) + "".join(frame.number(f"{value:.2g}", RIGHT + 28, y, room=room) for y, value in ends)


def _curves(measured: Sequence[Any], metric: str, chosen: int, colour: str) -> str:
    epochs = [record.epoch for record in measured]
    table = np.array([record.metrics[metric] for record in measured]) if measured else np.empty((0, 0))
    members = [member for member in range(table.shape[1]) if member != chosen]
    lines = [frame.Line(epochs, table[:, member], f"member {member}", colours.GREY, width=0.6) for member in members]
    if table.shape[1]:
        lines.append(frame.Line(epochs, table[:, chosen], f"member {chosen}", colours.VERMILION, width=2.4))
    return frame.plot(
        lines, title=f"{colour} of every member", x_label="epoch (thick: the chosen one)",
        size=SIZE, log_y=colour == "loss",
    )  # fmt: skip


def _in_words(settings, values, diverged, chosen, labels, colour) -> str:
    chosen_values = {name: column[chosen] for name, column in settings.items() if np.isfinite(column[chosen])}
    setting = ", ".join(f"{labels[name]} {value:.3g}" for name, value in chosen_values.items())
    return f"chosen: {setting}: {_value(values[chosen], bool(diverged[chosen]), colour)}"
