"""What small networks learn: kernels, influence, attention, a graph, drawn digits, points of two adversaries."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps

from toolkit.figures import colours, frame, layers
from toolkit.figures.layers import ABOVE, BELOW, LEFT, RIGHT, SIZE

LINES = {  # metric: how it is called, colour, dash
    "train_loss": ("training loss", colours.GREY, "5 3"),
    "validation_loss": ("validation loss", colours.BLUE, ""),
    "plain_train_loss": ("plain, training", colours.ORANGE, "5 3"),
    "plain_validation_loss": ("plain, validation", colours.ORANGE, ""),
    "gated_train_loss": ("gated, training", colours.BLUE, "5 3"),
    "gated_validation_loss": ("gated, validation", colours.BLUE, ""),
    "validation_accuracy": ("validation", colours.BLUE, ""),
    "plain_validation_accuracy": ("plain", colours.ORANGE, ""),
    "gated_validation_accuracy": ("gated", colours.BLUE, ""),
    "value": ("value V", colours.BLUE, ""),
    "clouds_found": ("clouds found", colours.GREEN, ""),
}


def idea_frame(idea: str, sketches: Sequence[Any], *, question: str, graph: tuple[np.ndarray, np.ndarray]) -> str:
    """What an idea has learned so far, its loss, and its accuracy.

    Args:
        idea: name as in `network_ideas.IDEAS`.
        sketches: records with `epoch`, `metrics` and `picture`.
        question: what the task asks.
        graph: positions `(nodes, 2)` and edges `(edges, 2)` of the graph.

    Returns:
        A `<div>` element.
    """
    words = f"{question} Press Run." if not sketches else f"{question} {_newest(sketches[-1].metrics)}"
    first = _PICTURES[idea](sketches[-1].picture, graph) if sketches else [_empty("what is learned")]
    names = sketches[-1].metrics if sketches else ()
    losses = [name for name in names if name.endswith("loss") or name == "value"]
    scores = [name for name in names if name not in losses]
    log = bool(losses) and losses[0] != "value"
    plots = [*first, _curves(sketches, losses, "value V" if not log and losses else "loss", log)]
    if scores or not sketches:
        plots.append(_curves(sketches, scores, "clouds found" if "clouds_found" in scores else "accuracy on validation", False))
    return frame.compose(plots, above=[frame.text(words), _legend(losses)], description=f"Idea {idea}: {words}")


def _newest(metrics: Mapping[str, float]) -> str:
    shown = {LINES[name][0] + (" accuracy" if name.endswith("accuracy") else ""): value
             for name, value in metrics.items() if name.endswith(("accuracy", "found")) or name == "value"}  # fmt: skip
    shown = shown or {LINES[name][0]: value for name, value in metrics.items() if name in LINES}
    return ", ".join(f"{name} {value:.3g}" for name, value in shown.items())


def _legend(losses: Sequence[str]) -> str:
    return frame.legend([(LINES[name][0], LINES[name][1]) for name in losses])


def _curves(sketches: Sequence[Any], names: Sequence[str], title: str, log: bool) -> str:
    epochs = [sketch.epoch for sketch in sketches]
    lines = [
        frame.Line(epochs, [sketch.metrics.get(name, np.nan) for sketch in sketches], LINES[name][0], *LINES[name][1:])
        for name in names
    ]
    if "value" in names:
        lines.append(
            frame.Line(epochs, [-np.log(4)] * len(epochs), "-log 4, where nothing can be told apart", colours.GREY, "2 3")
        )
    limits = (0, 8.2) if "clouds_found" in names else (0.0, 1.02) if title.startswith("accuracy") else None
    return frame.plot(lines, title=title, x_label="epoch", size=SIZE, log_y=log, y_limits=limits)


def _convolution(picture: Mapping[str, np.ndarray], graph: Any) -> list[str]:
    scale = float(np.abs(picture["kernels"]).max()) or 1.0
    parts = [_title("kernels, and what they see in two images")]
    for number, image in enumerate(picture["images"]):
        top = 78 + 92 * number
        parts.append(_image(0.5 + image / 5, "gray", (6, top, 62, 62)))
        for kernel, seen in enumerate(picture["maps"][number]):
            parts.append(_image(seen / (float(picture["maps"].max()) or 1.0), "viridis", (76 + 60 * kernel, top, 54, 54)))
    for kernel, weights in enumerate(picture["kernels"]):
        parts.append(_image(0.5 + weights / (2 * scale), "RdBu_r", (84 + 60 * kernel, 26, 38, 38)))
    parts += [_word(6, 50, "kernels"), _word(6, 154, "along"), _word(6, 246, "across")]
    return [layers.svg("".join(parts))]


def _recurrence(picture: Mapping[str, np.ndarray], graph: Any) -> list[str]:
    lines = [
        frame.Line(np.arange(1, len(values) + 1), np.maximum(values, 1e-9), cell, LINES[f"{cell}_validation_loss"][1])
        for cell, values in picture.items()
    ]
    return [
        frame.plot(
            lines,
            title="influence of each number",
            x_label="position in the sequence",
            y_label="|d output / d input|",
            size=SIZE,
            log_y=True,
        )  # fmt: skip
    ]


def _attention(picture: Mapping[str, np.ndarray], graph: Any) -> list[str]:
    rows, length = picture["weights"].shape
    plot = frame.plot([], title="attention in twelve sequences", x_label="position (ring: the marked one)", y_label="sequence",
                      size=SIZE, x_limits=(0.5, length + 0.5), y_limits=(0.5, rows + 0.5))  # fmt: skip
    image = _image(picture["weights"], "viridis", layers.AXES, upwards=True)
    rings = "".join(
        f'<circle cx="{LEFT + (place + 0.5) * (RIGHT - LEFT) / length:.1f}" '
        f'cy="{BELOW - (row + 0.5) * (BELOW - ABOVE) / rows:.1f}" r="6" fill="none" stroke="{colours.VERMILION}" '
        f'stroke-width="2"><title>sequence {row + 1}, position {place + 1}: weight {picture["weights"][row, place]:.2f}'
        "</title></circle>"
        for row, place in enumerate(picture["marked"].tolist())
    )
    return [layers.over(plot, image + rings)]


def _graphs(picture: Mapping[str, np.ndarray], graph: tuple[np.ndarray, np.ndarray]) -> list[str]:
    positions, edges = graph
    x, y = 12 + positions[:, 0] * (SIZE[0] - 24), 256 - positions[:, 1] * 226
    lines = "".join(f"M{x[a]:.0f} {y[a]:.0f}L{x[b]:.0f} {y[b]:.0f}" for a, b in edges)
    parts = [_title("near a source? ring: wrong, square: source"), f'<path d="{lines}" stroke="{frame.FAINT}" fill="none"/>']
    for node, share in enumerate(picture["near"].tolist()):
        wrong = (share > 0.5) != bool(picture["labels"][node])
        words = f"node {node}: probability {share:.2f}, label {int(picture['labels'][node])}"
        place = f'x="{x[node] - 6:.0f}" y="{y[node] - 6:.0f}" width="12" height="12"'
        shape = f"rect {place}" if picture["sources"][node] else f'circle cx="{x[node]:.0f}" cy="{y[node]:.0f}" r="6"'
        edge = f'stroke="{colours.VERMILION}" stroke-width="3"' if wrong else f'stroke="{colours.GREY}"'
        parts.append(f'<{shape} fill="{_blue(share)}" {edge}><title>{words}</title></{shape.split()[0]}>')
    return [layers.svg("".join(parts))]


def _autoencoder(picture: Mapping[str, np.ndarray], graph: Any) -> list[str]:
    drawn = _image(picture["drawn"] / 255, "gray", (40, 26, 236, 236))
    limits = [layers.margins(picture["codes"][:, axis]) for axis in (0, 1)]
    plot = frame.plot([], title="where the digits lie", x_label="latent mean μ₁", y_label="μ₂", size=SIZE,
                      x_limits=limits[0], y_limits=limits[1])  # fmt: skip
    across, down = layers.scales(limits)
    digits = "".join(
        f'<text x="{x:.0f}" y="{y + 4:.0f}" font-size="9" text-anchor="middle" fill="{_digit_colour(label)}">{label}</text>'
        for x, y, label in zip(
            across(picture["codes"][:, 0]), down(picture["codes"][:, 1]), picture["labels"].tolist(), strict=True
        )
    )
    return [layers.svg(_title("drawn from the prior N(0, 1)") + drawn), layers.over(plot, digits)]


def _adversaries(picture: Mapping[str, np.ndarray], graph: Any) -> list[str]:
    limits = (-3.0, 3.0)
    plot = frame.plot([], title="grey: real, red: made; shade: D(x)", x_label="x₁", y_label="x₂", size=SIZE,
                      x_limits=limits, y_limits=limits)  # fmt: skip
    shade = _image(picture["opinion"], "Blues", layers.AXES, upwards=True, smooth=True)
    dots = "".join(
        layers.cloud(picture[name], (limits, limits), colour=colour)
        for name, colour in (("real", colours.GREY), ("made", colours.VERMILION))
    )
    return [layers.over(plot, shade + dots)]


_PICTURES: dict[str, Callable[[Mapping[str, np.ndarray], Any], list[str]]] = {
    "convolution": _convolution,
    "recurrence": _recurrence,
    "attention": _attention,
    "graphs": _graphs,
    "autoencoder": _autoencoder,
    "adversaries": _adversaries,
}


def _image(values: np.ndarray, colour_map: str, place: Sequence[float], **options: bool) -> str:
    """Values `(h, w)` in 0 .. 1 in the colours of a map."""
    return layers.picture(colormaps[colour_map](np.clip(values, 0, 1))[..., :3], place, **options)


def _empty(title: str) -> str:
    return frame.plot([], title=title, x_label="", size=SIZE, x_limits=(0, 1), y_limits=(0, 1))


def _blue(share: float) -> str:
    red, green, blue = (round(255 * part) for part in colormaps["Blues"](0.1 + 0.8 * share)[:3])
    return f"#{red:02x}{green:02x}{blue:02x}"


def _digit_colour(label: int) -> str:
    red, green, blue = (round(255 * part) for part in colormaps["tab10"](label)[:3])
    return f"#{red:02x}{green:02x}{blue:02x}"


def _title(text: str) -> str:
    return f'<text x="6" y="14" font-weight="600">{text}</text>'


def _word(x: float, y: float, text: str) -> str:
    return f'<text x="{x}" y="{y}">{text}</text>'
