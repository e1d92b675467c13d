"""The ball on a landscape of one or two dimensions: its path, its phase space, its energy."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from toolkit.figures import colours, frame

SIZE = (320, 270)
POINTS, LEVELS = 121, 12


def ball_frame(landscape: Any, path: list[Any]) -> str:
    """Landscape with the ball's path, phase space (ω, p) or speed, and energy, as a live frame.

    Args:
        landscape: with `value`, `limits`, `name` and `formula`, see `toolkit.landscapes`.
        path: positions with `step`, `weights`, `momentum`, `potential`, `kinetic` and `braked`.

    Returns:
        A `<div>` element; the first `<svg>` in it is the map, see `map_scales`.
    """
    weights = np.array([position.weights for position in path])
    momenta = np.array([position.momentum for position in path])
    braked = next((number for number, position in enumerate(path) if position.braked), len(path))
    plots = (_map(landscape, weights, braked), _phase_space(weights, momenta, braked), _energy(path, braked))
    legend = frame.legend([("low friction", colours.ORANGE), ("braked", colours.BLUE)])
    last = path[-1]
    description = (
        f"Ball on {landscape.name}: after {last.step} steps loss {last.potential:.3g}, kinetic energy {last.kinetic:.3g}."
    )
    formula = frame.text(f"{landscape.name}: L = {landscape.formula}")
    return frame.compose(plots, above=(formula, legend), description=description)


def map_scales(landscape: Any) -> list[frame.Scale]:
    """Scales from each coordinate of ω to the pixels of the map in `ball_frame`."""
    scales = [frame.Scale(*landscape.limits[0], 44, SIZE[0] - 8)]
    if len(landscape.limits) == 2:
        scales.append(frame.Scale(*landscape.limits[1], SIZE[1] - 34, 24))
    return scales


def _map(landscape: Any, weights: np.ndarray, braked: int) -> str:
    if weights.shape[1] == 1:
        low, high = landscape.limits[0]
        x = np.linspace(low, high, 160)
        loss = frame.Line(x, landscape.value(x[:, None]), "loss", colours.GREY)
        paths = _two_colours(weights[:, 0], landscape.value(weights), braked)
        ball = (weights[-1, 0], float(landscape.value(weights[-1])), frame.TEXT, "the ball")
        return frame.plot(
            [loss, *paths], title="landscape", x_label="weight ω", y_label="loss", size=SIZE, points=[ball],
            x_limits=landscape.limits[0], y_limits=_height(loss.y),
        )  # fmt: skip
    ball = (weights[-1, 0], weights[-1, 1], frame.TEXT, "the ball")
    return frame.plot(
        [*contours(landscape.value, landscape.limits), *_two_colours(weights[:, 0], weights[:, 1], braked)],
        title="landscape from above", x_label="weight x", y_label="weight y", size=SIZE, points=[ball],
        x_limits=landscape.limits[0], y_limits=landscape.limits[1],
    )  # fmt: skip


def _phase_space(weights: np.ndarray, momenta: np.ndarray, braked: int) -> str:
    if weights.shape[1] == 1:
        lines = _two_colours(weights[:, 0], momenta[:, 0], braked)
        return frame.plot(lines, title="phase space", x_label="weight ω", y_label="momentum p", size=SIZE)
    steps = np.arange(len(momenta))
    lines = _two_colours(steps, np.linalg.norm(momenta, axis=1), braked)
    return frame.plot(lines, title="momentum |p|", x_label="step", size=SIZE)


def _energy(path: list[Any], braked: int) -> str:
    steps = [position.step for position in path]
    potential = np.array([position.potential for position in path])
    kinetic = np.array([position.kinetic for position in path])
    lines = [
        frame.Line(steps, potential + kinetic, "energy H", frame.TEXT),
        frame.Line(steps, potential, "loss", colours.GREY, dash="1 3"),
        frame.Line(steps, kinetic, "kinetic energy", colours.GREY, dash="5 3"),
    ]
    marks = [(path[braked].step, colours.BLUE, f"brake on at step {path[braked].step}")] if braked < len(path) else []
    return frame.plot(lines, title="energy H", x_label="step", y_label="dots loss, dashes kinetic", size=SIZE, marks=marks)


def _two_colours(x: np.ndarray, y: np.ndarray, braked: int) -> list[frame.Line]:
    return [
        frame.Line(x[: braked + 1], y[: braked + 1], "low friction", colours.ORANGE, width=1.4),
        frame.Line(x[braked:], y[braked:], "braked", colours.BLUE, width=1.4),
    ]


def _height(loss: np.ndarray) -> tuple[float, float]:
    return float(loss.min()) - 0.05 * float(np.ptp(loss)), float(loss.max())


@lru_cache(maxsize=16)
def contours(value: Any, limits: tuple) -> tuple[frame.Line, ...]:
    """Lines of equal loss, closer together near the minima."""
    x, y = (np.linspace(low, high, POINTS) for low, high in limits)
    loss = value(np.stack(np.meshgrid(x, y), axis=-1))
    levels = loss.min() + np.ptp(loss) * np.linspace(0, 1, LEVELS + 2)[1:-1] ** 2
    drawn = Figure().add_subplot().contour(x, y, loss, levels)
    return tuple(
        frame.Line(piece[:, 0], piece[:, 1], f"loss {level:.3g}", colours.GREY, width=0.7)
        for level, pieces in zip(levels, drawn.allsegs, strict=True)
        for piece in pieces
    )
