"""An architecture as bars: one for each convolution or dense layer, as high as it is wide, stage by stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from toolkit.figures import colours, frame

SIZE = (320, 246)
LEFT, RIGHT, TOP, BOTTOM = 8, SIZE[0] - 8, 40, SIZE[1] - 34
GAP = 0.7  # between stages, in bars
KINDS = {"kept": colours.SKY, "inserted": colours.GREEN, "removed": colours.VERMILION}
LETTER = 6.2  # width of a digit [pixels]


def drawn(
    layers: Sequence[Any],
    *,
    alive: Mapping[str, int] | None = None,
    inserted: Sequence[tuple] = (),
    removed: Sequence[tuple] = (),
    title: str = "architecture",
) -> str:
    """The layers as bars of a live frame; the dead part of a bar is empty.

    Args:
        layers: of an architecture of `search.architecture`, in the order of the computation.
        alive: name of a width to the channels that are left; all where not given.
        inserted: places of blocks to be drawn in green.
        removed: places of blocks to be drawn in red, if the layers are those from before.
        title: above the bars.

    Returns:
        An `<svg>` element.
    """
    bars = _bars(layers, alive, inserted, removed)
    head = f'<text x="{LEFT}" y="14" font-weight="600">{escape(title)}</text>'
    if bars:
        highest, last = max(bar["width"] for bar in bars), bars[-1]["x"] + 1
        head += "".join(_bar(bar, (RIGHT - LEFT) / last, (BOTTOM - TOP) / highest) for bar in bars)
    words = f'<text x="{(LEFT + RIGHT) / 2}" y="{SIZE[1] - 6}" text-anchor="middle">layers in the order of computation</text>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIZE[0]} {SIZE[1]}" fill="{frame.TEXT}">{head}{words}</svg>'


def static(
    axis: Any,
    layers: Sequence[Any],
    *,
    alive: Mapping[str, int] | None = None,
    inserted: Sequence[tuple] = (),
    removed: Sequence[tuple] = (),
) -> None:
    """Static twin of `drawn` on a matplotlib axis."""
    bars = _bars(layers, alive, inserted, removed)
    for bar in bars:
        axis.bar(bar["x"], bar["width"], 0.9, facecolor="none", edgecolor=KINDS[bar["kind"]])
        axis.bar(bar["x"], bar["alive"], 0.9, color=KINDS[bar["kind"]])
        axis.text(bar["x"], bar["width"], _count(bar), ha="center", va="bottom", fontsize=7)
    axis.set_xticks([bar["x"] for bar in bars], [bar["label"] for bar in bars], fontsize=7)
    axis.set(ylabel="channels")
    axis.spines[["top", "right"]].set_visible(False)


def _bars(
    layers: Sequence[Any], alive: Mapping[str, int] | None, inserted: Sequence, removed: Sequence
) -> list[dict[str, Any]]:
    """Where each bar stands and what it shows; the output layer, whose width is given, is left out."""
    bars, x, stage = [], 0.0, 0
    for layer in layers:
        if layer.is_norm or layer.writes == "classes":
            continue
        x += GAP if layer.stage != stage else 0
        stage = layer.stage
        kind = "inserted" if layer.place in inserted else "removed" if layer.place in removed else "kept"
        left = (alive or {}).get(layer.writes, layer.outputs)
        words = f"{layer.name}: {layer.outputs} channels, {left} alive, {layer.flops:,} FLOPs"
        label = layer.name if layer.name.count(".") == 0 else f"{layer.stage + 1}"
        bars.append({"x": x, "width": layer.outputs, "alive": left, "kind": kind, "words": words, "label": label})
        x += 1
    return bars


def _count(bar: Mapping[str, Any]) -> str:
    return str(bar["width"]) if bar["alive"] == bar["width"] else f"{bar['alive']}/{bar['width']}"


def _bar(bar: Mapping[str, Any], step: float, scale: float) -> str:
    width, colour, words = min(0.85 * step, 60.0), KINDS[bar["kind"]], escape(bar["words"])
    x = LEFT + bar["x"] * step + (step - width) / 2
    full, part = bar["width"] * scale, bar["alive"] * scale
    parts = [
        f'<rect x="{x:.1f}" y="{BOTTOM - full:.1f}" width="{width:.1f}" height="{full:.1f}" fill="none" stroke="{colour}">'
        f"<title>{words}</title></rect>",
        f'<rect x="{x:.1f}" y="{BOTTOM - part:.1f}" width="{width:.1f}" height="{part:.1f}" fill="{colour}">'
        f"<title>{words}</title></rect>",
    ]
    middle = x + width / 2
    for text, y in ((_count(bar), BOTTOM - full - 4), (bar["label"], BOTTOM + 14)):
        if len(text) * LETTER <= step:
            parts.append(f'<text x="{middle:.1f}" y="{y:.1f}" text-anchor="middle">{escape(text)}</text>')
    return "".join(parts)
