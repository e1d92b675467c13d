"""Membranes: slices, correlations, currents and tortuosities as live frames, and their static twins."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
from matplotlib import colormaps

from toolkit.figures import colours, frame, layers

SIZE = (320, 250)
SQUARE = 190  # pixels of a slice
PORE, MATERIAL = (0.93, 0.95, 0.98), (0.25, 0.28, 0.33)
AXES = {"x": colours.BLUE, "y": colours.VERMILION, "z": colours.GREEN}
POTENTIAL, CURRENT = colormaps["viridis"], colormaps["inferno"]


def membrane_frame(
    volume: np.ndarray, *, positions: Sequence[int], correlation: np.ndarray, steps: Sequence[Any], note: str
) -> str:
    """Three slices of a membrane, its two-point correlation, and its tortuosities as they are computed.

    Args:
        volume: `(x, y, z)`, 1 material and 0 pore.
        positions: of the slices across x, y and z [voxels].
        correlation: S₂ of the material along x, y, z `(3, n)`.
        steps: records with `axis`, `iteration`, `tau` and `error`.
        note: a line above.

    Returns:
        A `<div>` element.
    """
    shares = [np.take(volume, position, axis) for axis, position in enumerate(positions)]
    plots = [_slices(shares, positions), _correlation(correlation), _taus(steps)]
    entries = [(f"along {name}", colour) for name, colour in AXES.items()]
    return frame.compose(plots, above=(frame.text(note), frame.legend(entries)), description=f"Membrane: {note}")


def flow_frame(snapshot: Any, *, density: np.ndarray, material: np.ndarray, history: Sequence[Any], note: str) -> str:
    """Potential and current in a slice along the flow, the current through each plane, the error as it falls.

    Args:
        snapshot: record with `tau`, `balance`, `currents` and `potential`; of the potential one slice `(x, y)`.
        density: size of the current density in the slice `(x, y)`, nan where nothing flows.
        material: where the slice has material `(x, y)`.
        history: records with `iteration`, `tau`, `error` and `balance`.
        note: a line above.

    Returns:
        A `<div>` element.
    """
    potential = _painted(np.asarray(snapshot.potential, float), POTENTIAL, material)
    most = float(np.nanquantile(density, 0.99)) if np.isfinite(density).any() else 1.0
    current = _painted(density / max(most, 1e-9), CURRENT, material)
    plots = [
        _picture(potential, "potential Φ", ("1", "0"), POTENTIAL),
        _picture(current, "current density j", (f"{most:.2g}", "0"), CURRENT),
        _through_planes(snapshot), _errors(history),
    ]  # fmt: skip
    return frame.compose(plots, above=(frame.text(note),), description=f"Flow through pores: {note}")


def _slices(slices: Sequence[np.ndarray], positions: Sequence[int]) -> str:
    side, gap = 134, 12
    parts = ['<text x="8" y="14" font-weight="600">slices across x, y and z (dark: material)</text>']
    for number, (name, one, position) in enumerate(zip("xyz", slices, positions, strict=True)):
        left, top = 8 + number % 2 * (side + gap), 24 + number // 2 * (side + 30)
        parts.append(layers.picture(_two_colours(one), (left, top, side, side)))
        right, down = [other for other in "xyz" if other != name][::-1]
        words = f"{name} = {position}; {right} to the right, {down} down"
        parts.append(f'<text x="{left}" y="{top + side + 13}" font-size="9.5">{escape(words)}</text>')
    height = 24 + 2 * (side + 30)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIZE[0]} {height}" fill="{frame.TEXT}">{"".join(parts)}</svg>'
    )


def _two_colours(one: np.ndarray) -> np.ndarray:
    return np.where(one[..., None] > 0, np.array(MATERIAL), np.array(PORE))


def _correlation(correlation: np.ndarray) -> str:
    distance = np.arange(correlation.shape[1])
    lines = [frame.Line(distance, row, f"along {name}", AXES[name]) for name, row in zip("xyz", correlation, strict=True)]
    share = float(correlation[0, 0])
    lines.append(frame.Line(distance, np.full(len(distance), share**2), "independent", colours.GREY, dash="2 4", width=1.2))
    return frame.plot(
        lines, title="two-point correlation S₂ of the material", x_label="distance [voxels]; dots: share squared", size=SIZE
    )


def _taus(steps: Sequence[Any]) -> str:
    lines, points = [], []
    for number, (name, colour) in enumerate(AXES.items()):
        mine = [step for step in steps if step.axis == number]
        lines.append(frame.Line([step.iteration for step in mine], [step.tau for step in mine], f"τ along {name}", colour))
        if mine and math.isfinite(mine[-1].tau):
            points.append((mine[-1].iteration, mine[-1].tau, colour, f"τ along {name}: {mine[-1].tau:.4f}"))
    title = "tortuosity τ" if steps else "tortuosity τ: press Run"
    return frame.plot(lines, title=title, x_label="iteration", size=SIZE, points=points)


def _painted(values: np.ndarray, shades: Any, material: np.ndarray) -> np.ndarray:
    """Colours of values in 0 .. 1; material grey, pores that carry nothing white. The flow runs to the right."""
    colour = shades(np.nan_to_num(values, nan=0.0).clip(0, 1))[..., :3]
    colour[np.isnan(values)] = 1.0
    colour[material] = (0.62, 0.62, 0.62)
    return colour.transpose(1, 0, 2)


def _picture(colour: np.ndarray, title: str, ends: tuple[str, str], shades: Any) -> str:
    left, top = 34, 24
    scale = SQUARE / max(colour.shape[:2])
    width, height = colour.shape[1] * scale, colour.shape[0] * scale
    bar = shades(np.linspace(1, 0, 64))[:, None, :3]
    parts = [
        f'<text x="{left}" y="14" font-weight="600">{escape(title)}</text>',
        layers.picture(colour, (left, top, width, height)),
        layers.picture(bar, (left + SQUARE + 14, top, 12, SQUARE)),
        f'<text x="{left + SQUARE + 31}" y="{top + 9}">{ends[0]}</text>',
        f'<text x="{left + SQUARE + 31}" y="{top + SQUARE}">{ends[1]}</text>',
        f'<text x="{left + SQUARE / 2}" y="{top + SQUARE + 16}" text-anchor="middle">flow →   (grey: material)</text>',
    ]
    body = "".join(parts)
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIZE[0]} {SIZE[1]}" fill="{frame.TEXT}">{body}</svg>'


def _through_planes(snapshot: Any) -> str:
    currents = np.asarray(snapshot.currents, float)
    share = currents / currents.mean() if currents.mean() else currents
    lines = [
        frame.Line([0, len(share) - 1], [1, 1], "mean", colours.GREY, dash="2 4", width=1.2),
        frame.Line(np.arange(len(share)), share, "current through the plane", colours.BLUE),
    ]
    return frame.plot(lines, title="current through each plane / mean", x_label="plane between layers", size=SIZE)


def _errors(history: Sequence[Any]) -> str:
    iterations = [one.iteration for one in history]
    last = history[-1].tau if history else math.nan
    lines = [
        frame.Line(iterations, [one.error for one in history], "estimated error", colours.VERMILION),
        frame.Line(
            iterations, [abs(one.tau / last - 1) for one in history], "distance to the last τ", colours.GREY, dash="1 3"
        ),
        frame.Line(iterations, [one.balance for one in history], "imbalance of currents", colours.BLUE, dash="5 3"),
    ]
    title = "errors: red estimate, dashes currents"
    return frame.plot(lines, title=title, x_label="iteration; dots: distance to the last τ", size=SIZE, log_y=True)


# Static figures -----------------------------------------------------------------------------------------------------------


def slices(axes: Sequence[Any], volumes: Mapping[str, np.ndarray]) -> None:
    """The middle slice of several membranes, as in Fig. 4.8.

    Args:
        axes: one per membrane.
        volumes: title to `(x, y, z)`, 1 material.
    """
    for axis, (title, volume) in zip(axes, volumes.items(), strict=True):
        axis.imshow(_two_colours(np.asarray(volume)[len(volume) // 2]), interpolation="nearest")
        axis.set_title(title, fontsize=9)
        axis.set(xticks=[], yticks=[], xlabel="z", ylabel="y")


def correlations(axis: Any, curves: Mapping[str, np.ndarray]) -> None:
    """Two-point correlations of the material along the axes.

    Args:
        axis: where to draw.
        curves: label to `(n,)`.
    """
    for (label, curve), colour in zip(curves.items(), colours.CYCLE, strict=False):
        axis.plot(curve, color=colour, label=label)
    axis.set(xlabel="distance [voxels]", ylabel="two-point correlation S₂")
    axis.legend(frameon=False, fontsize=8)


def pore_sizes(axis: Any, sizes: Mapping[str, Any], *, unit: str) -> None:
    """Share of the pores that balls can fill.

    Args:
        axis: where to draw.
        sizes: label to what has `radius` and `share`.
        unit: of the radius.
    """
    for (label, one), colour in zip(sizes.items(), colours.CYCLE, strict=False):
        axis.plot(one.radius, one.share, color=colour, label=label)
    axis.set(xlabel=f"radius of the balls [{unit}]", ylabel="share of the pores filled", ylim=(0, 1.02))
    axis.legend(frameon=False, fontsize=8)


def tortuosity_map(axis: Any, porosity: np.ndarray, tau: np.ndarray, *, groups: Sequence[str], label: str) -> None:
    """Tortuosity against porosity, a colour per group.

    Args:
        axis: where to draw.
        porosity: `(n,)`.
        tau: `(n,)`.
        groups: name of each point's group; one that begins with "published" has the colour of published numbers.
        label: of the ordinate.
    """
    own = iter((colours.OURS, colours.SKY, colours.GREEN, colours.PURPLE))
    for name in dict.fromkeys(groups):
        colour = colours.PUBLISHED if name.startswith("published") else next(own)
        mine = np.array([group == name for group in groups])
        axis.scatter(porosity[mine], tau[mine], s=12, color=colour, label=name, edgecolor="white", linewidth=0.3)
    axis.set(xlabel="porosity ε", ylabel=label)
    axis.legend(frameon=False, fontsize=8)


def intensity(axis: Any, factor: np.ndarray, values: np.ndarray, *, published: Sequence[float]) -> None:
    """Intensity of the anisotropy against the stretching factor, and the range of the real membranes.

    Args:
        axis: where to draw.
        factor: e `(n,)`.
        values: τ along the stretched axis over the mean of the others `(n,)`.
        published: intensities of the real membranes.
    """
    axis.axhspan(min(published), max(published), color=colours.PUBLISHED, alpha=0.2, label="real membranes (Table 4.4)")
    axis.scatter(factor, values, s=12, color=colours.OURS, label="generated, ours", edgecolor="white", linewidth=0.3)
    axis.set(xlabel="stretching factor e", ylabel="intensity C")
    axis.legend(frameon=False, fontsize=8)
