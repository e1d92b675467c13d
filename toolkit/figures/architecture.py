"""An architecture as bars: one for each convolution or dense layer, as high as it is wide, stage by stage.

With the layers of the architecture before, what was removed stands as an empty bar where it stood, and a dash over a bar says
how wide that layer was.
"""

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
    before: Sequence[Any] = (),
    title: str = "architecture",
) -> str:
    """The layers as bars of a live frame; the dead part of a bar is empty.

    Args:
        layers: of an architecture of `search.architecture`, in the order of the computation.
        alive: name of a width to the channels that are left; all where not given.
        inserted: places of blocks to be drawn in green.
        removed: places of blocks to be drawn in red, in `before` where that is given, else in `layers`.
        before: layers of the architecture that this one was made of; blocks that are neither inserted nor removed are the
            same ones in their order.
        title: above the bars.

    Returns:
        An `<svg>` element.
    """
    bars = _bars(layers, alive, inserted, removed, before)
    head = f'<text x="{LEFT}" y="14" font-weight="600">{escape(title)}</text>'
    if bars:
        highest, last = max(_height(bar) for bar in bars), bars[-1]["x"] + 1
        head += "".join(_bar(bar, (RIGHT - LEFT) / last, (BOTTOM - TOP) / highest) for bar in bars)
    said = "layers in the order of computation" + ("; dash: width before" if before else "")
    words = f'<text x="{(LEFT + RIGHT) / 2}" y="{SIZE[1] - 6}" text-anchor="middle">{said}</text>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIZE[0]} {SIZE[1]}" fill="{frame.TEXT}">{head}{words}</svg>'


def static(
    axis: Any,
    layers: Sequence[Any],
    *,
    alive: Mapping[str, int] | None = None,
    inserted: Sequence[tuple] = (),
    removed: Sequence[tuple] = (),
    before: Sequence[Any] = (),
) -> None:
    """Static twin of `drawn` on a matplotlib axis, after Figs. 6.4 to 6.13 of Burghoff."""
    bars = _bars(layers, alive, inserted, removed, before)
    for bar in bars:
        axis.bar(bar["x"], bar["width"], 0.9, facecolor="none", edgecolor=KINDS[bar["kind"]])
        axis.bar(bar["x"], bar["alive"], 0.9, color=KINDS[bar["kind"]])
        axis.text(bar["x"], _height(bar), _count(bar), ha="center", va="bottom", fontsize=7)
        if bar["former"] != bar["width"]:
            axis.plot([bar["x"] - 0.45, bar["x"] + 0.45], [bar["former"]] * 2, color=colours.BLACK, linewidth=1.5)
    axis.set_xticks([bar["x"] for bar in bars], [bar["label"] for bar in bars], fontsize=7)
    axis.set(ylabel="channels")
    axis.spines[["top", "right"]].set_visible(False)


def _bars(
    layers: Sequence[Any],
    alive: Mapping[str, int] | None,
    inserted: Sequence[tuple],
    removed: Sequence[tuple],
    before: Sequence[Any],
) -> list[dict[str, Any]]:
    """Where each bar stands and what it shows; the output layer, whose width is given, is left out."""
    bars, x, stage = [], 0.0, 0
    for layer, former, gone in _merged(layers, before, inserted, removed):
        x += GAP if layer.stage != stage else 0
        stage = layer.stage
        lost = gone or (not before and layer.place in removed)
        kind = "removed" if lost else "inserted" if layer.place in inserted else "kept"
        left = 0 if gone else (alive or {}).get(layer.writes, layer.outputs)
        words = f"{layer.name}: {layer.outputs} channels, {left} alive, {layer.flops:,} FLOPs"
        words += f", {former} channels before" if former != layer.outputs else ""
        words = f"{layer.name}: removed, {layer.outputs} channels" if gone else words
        label = layer.name if layer.name.count(".") == 0 else f"{layer.stage + 1}"
        bars.append(
            {"x": x, "width": layer.outputs, "alive": left, "kind": kind, "words": words, "label": label, "former": former,
             "gone": gone}
        )  # fmt: skip
        x += 1
    return bars


def _merged(
    layers: Sequence[Any], before: Sequence[Any], inserted: Sequence[tuple], removed: Sequence[tuple]
) -> list[tuple[Any, int, bool]]:
    """Each layer with its width before and whether it is gone; layers that are gone stand in front of what came behind them."""
    present, earlier = ([one for one in found if not one.is_norm and one.writes != "classes"] for found in (layers, before))
    same = _same_blocks(present, earlier, inserted, removed)
    former = {(same.get(one.place, one.place), one.role): one.outputs for one in earlier if one.place not in removed}
    merged = []
    waiting = [one for one in earlier if one.place in removed]
    for layer in present:
        while waiting and _stands_before(waiting[0].place, layer, same):
            merged.append((waiting[0], waiting.pop(0).outputs, True))
        width = layer.outputs if layer.place in inserted else former.get((layer.place, layer.role), layer.outputs)
        merged.append((layer, width, False))
    return merged + [(one, one.outputs, True) for one in waiting]


def _same_blocks(
    layers: Sequence[Any], before: Sequence[Any], inserted: Sequence[tuple], removed: Sequence[tuple]
) -> dict[tuple, tuple]:
    """Place of each block before to its place now."""
    kept = [dict.fromkeys(one.place for one in found if one.place[0] == "block") for found in (before, layers)]
    earlier, later = ([place for place in places if place not in left_out]
                      for places, left_out in zip(kept, (removed, inserted), strict=True))  # fmt: skip
    return dict(zip(earlier, later, strict=False))


def _stands_before(gone: tuple, layer: Any, same: Mapping[tuple, tuple]) -> bool:
    """Whether a block that is gone stood in front of this layer."""
    _, stage, position = gone
    if layer.stage != stage or layer.place[0] != "block":
        return layer.stage > stage
    return any(now == layer.place and then[1] == stage and then[2] > position for then, now in same.items())


def _height(bar: Mapping[str, Any]) -> int:
    return max(bar["width"], bar["former"])


def _count(bar: Mapping[str, Any]) -> str:
    if bar["gone"]:
        return f"{bar['width']}"
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
    if bar["former"] != bar["width"]:
        y = BOTTOM - bar["former"] * scale
        parts.append(
            f'<path d="M{x - 1:.1f} {y:.1f}h{width + 2:.1f}" stroke="{frame.TEXT}" stroke-width="2">'
            f"<title>{words}</title></path>"
        )
    middle = x + width / 2
    for text, y in ((_count(bar), BOTTOM - _height(bar) * scale - 4), (bar["label"], BOTTOM + 14)):
        if len(text) * LETTER <= step:
            parts.append(f'<text x="{middle:.1f}" y="{y:.1f}" text-anchor="middle">{escape(text)}</text>')
    return "".join(parts)
