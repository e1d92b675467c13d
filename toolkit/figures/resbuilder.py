"""Figures of ResBuilder: accuracy, FLOPs and depth along the history of a search, architectures, positions, fronts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from toolkit.figures import architecture, colours, frame, layers

SIZE = architecture.SIZE
VARIANTS = {  # name of a variant to its words in section 6.1.2 and its colour
    "with_reg": ("With Reg", colours.GREY),
    "no_reg_ri": ("No Reg RI", colours.BLUE),
    "no_reg_wi": ("No Reg WI", colours.PURPLE),
}
MORPH = colours.SKY
SIGNS = {"insert": ("+", colours.GREEN), "delete": ("×", colours.VERMILION), "morph": ("×", colours.VERMILION)}
MARKERS = {"insert": "P", "delete": "X", "morph": "X"}
MOST_BLOCKS = 1000  # of a stage
LEAST = 1e-4  # error that a logarithmic axis still shows


@dataclass(frozen=True)
class Change:
    """How an architecture of a history came from the one before it.

    Attributes:
        step: number of the architecture.
        text: the architecture, as text.
        before: the one before, as text; empty for the first.
        inserted: places of blocks in it.
        removed: places of blocks in the one before.
        words: what was done.
    """

    step: int
    text: str
    before: str = ""
    inserted: tuple[tuple, ...] = ()
    removed: tuple[tuple, ...] = ()
    words: str = ""


def changes(records: Sequence[Any]) -> list[Change]:
    """Every architecture of one run with what was done to get there, in their order.

    Args:
        records: of `search.resbuilder`, of one run.
    """
    found: list[Change] = []
    for step, group in _by_step(records).items():
        edits = [record for record in group if record.kind in SIGNS]
        inserted, removed = _edited(edits)
        before = found[-1].text if found else ""
        words = ", ".join(_deed(record) for record in edits) or ("as before" if found else "the start")
        found.append(Change(step, group[-1].architecture, before, inserted, removed, words))
    return found


def trained(records: Sequence[Any], variant: str, metric: str = "validation_accuracy") -> tuple[list[int], list[float]]:
    """Numbers of the architectures of which this variant is finished, and a metric of them."""
    done = [one for one in records if one.kind == "trained" and one.variant == variant and metric in one.metrics]
    return [one.step for one in done], [one.metrics[metric] for one in done]


def best(records: Sequence[Any], metric: str = "validation_accuracy", *, budget: float = np.inf) -> Any:
    """The "trained" record of the largest metric, the first of equal ones; None where there is none.

    Those within the budget [FLOPs] go first, and trainings without regularisation where there are any, as in the search.
    """
    done = [one for one in records if one.kind == "trained" and metric in one.metrics]
    free = [one for one in done if one.variant != "with_reg"] or done
    return max(free, key=lambda one: (one.flops <= budget, one.metrics[metric]), default=None)


def edited_positions(records: Sequence[Any], kind: str) -> list[tuple[int, float]]:
    """Number of the architecture and relative position, 0 to 1, of every block inserted or removed, by "insert" or "delete".

    Blocks that lost all channels in a MorphNet stage count as removed.
    """
    found = [(one.step, one.position) for one in records if one.kind == kind]
    if kind == "delete":
        found += [(one.step, each) for one in records if one.kind == "morph" for each in one.event.get("positions", ())]
    return [(step, position) for step, position in found if np.isfinite(position)]


# The live frame -----------------------------------------------------------------------------------------------------------


def run_frame(
    records: Sequence[Any], *, shown: int, drawn: Mapping[str, Any], budget: float, by_hand: str = "", title: str = ""
) -> str:
    """History of one run as in section 6.1.3, the training of one of its architectures, and that architecture as bars.

    Args:
        records: of `search.resbuilder`, of one run.
        shown: number of the architecture whose training and layers are shown.
        drawn: arguments of `architecture.drawn`.
        budget: ζ [FLOPs].
        by_hand: what came of the latest edit by a person.
        title: above the bars.

    Returns:
        A `<div>` element.
    """
    plots = [
        _accuracy_plot(records),
        _size_plot(records, budget),
        _depth_plot(records),
        _training_plot(records, shown),
        _front_plot(records),
        architecture.drawn(**drawn, title=title),
    ]
    entries = [(words, colour) for words, colour in VARIANTS.values()]
    entries += [("MorphNet", MORPH), ("inserted", colours.GREEN), ("removed", colours.VERMILION)]
    said = _said(records, budget)
    above = [frame.legend(entries), frame.text(said), *([frame.text(by_hand)] if by_hand else [])]
    return frame.compose(plots, above=above, description=f"ResBuilder. {said}")


def _said(records: Sequence[Any], budget: float) -> str:
    if (found := best(records, budget=budget)) is None:
        return "no architecture is finished yet" if records else "not run yet"
    test = f", test accuracy {found.metrics['test_accuracy']:.4f}" if "test_accuracy" in found.metrics else ""
    name, _ = VARIANTS[found.variant]
    return (
        f"best within the budget: architecture {found.step}, {name}, {found.flops / 1e6:.3g} MFLOPs, "
        f"validation accuracy {found.metrics['validation_accuracy']:.4f}{test}"
    )


def _marks(records: Sequence[Any]) -> list[tuple[float, str, str]]:
    return [
        (one.step - 0.5, MORPH, f"MorphNet: {one.event.get('channels', '?')} channels in the first stage")
        for one in records if one.kind == "morph"
    ]  # fmt: skip


def _accuracy_plot(records: Sequence[Any]) -> str:
    lines, points = [], []
    for variant, (words, colour) in VARIANTS.items():
        steps, values = trained(records, variant)
        lines.append(frame.Line(steps, values, words, colour, width=1.4))
        points += [(x, y, colour, f"{words} of {x}: {y:.4f}") for x, y in zip(steps, values, strict=True)]
    return frame.plot(
        lines, title="accuracy on validation", x_label="architecture", size=SIZE, marks=_marks(records), points=points
    )


def _size_plot(records: Sequence[Any], budget: float) -> str:
    steps = {one.step: one for one in records}
    lines = [frame.Line(list(steps), [one.flops / 1e6 for one in steps.values()], "MFLOPs", colours.BLUE)]
    ends = [min(steps, default=1), max(max(steps, default=1), min(steps, default=1) + 1)]
    lines.append(frame.Line(ends, [budget / 1e6] * 2, "budget ζ", frame.TEXT, dash="5 3", width=1))
    points = [(step, one.flops / 1e6, colours.BLUE, f"{one.flops:,} FLOPs") for step, one in steps.items()]
    return frame.plot(
        lines, title="MFLOPs", x_label="architecture", y_label="dashed: budget ζ", size=SIZE, log_y=True, marks=_marks(records),
        points=points,
    )  # fmt: skip


def _depth_plot(records: Sequence[Any]) -> str:
    """Depth, with a sign at the layer where a block was inserted or removed."""
    steps = {one.step: one.depth for one in records}
    lines = [frame.Line(list(steps), list(steps.values()), "layers", frame.TEXT, dash="5 3", width=1.4)]
    limits = (min(steps, default=1) - 0.6, max(steps, default=1) + 0.6), (0.0, 1.15 * max(steps.values(), default=1))
    plot = frame.plot(
        lines, title="layers", x_label="architecture", y_label="dashed: all; + in, × out", size=SIZE,
        marks=_marks(records), x_limits=limits[0], y_limits=limits[1],
    )  # fmt: skip
    across = frame.Scale(*limits[0], 44, SIZE[0] - 8)
    down = frame.Scale(*limits[1], SIZE[1] - 34, 24)
    signs = []
    for kind in ("insert", "delete"):
        sign, colour = SIGNS[kind]
        for step, position in edited_positions(records, kind):
            x, y = float(across(step)), float(down(position * steps[step]))
            signs.append(
                f'<path d="{_sign(sign, x, y)}" stroke="{colour}" stroke-width="2.4"><title>{sign} at {position:.0%} of '
                "the depth</title></path>"
            )
    return layers.over(plot, "".join(signs) + _channels(records, across))


def _channels(records: Sequence[Any], across: frame.Scale) -> str:
    """Channels of the first stage beside each MorphNet line, where there is room for the number."""
    texts, free = [], 0.0
    for one in records:
        if one.kind == "morph" and (x := float(across(one.step - 0.5)) + 3) >= free:
            texts.append(f'<text x="{x:.1f}" y="{SIZE[1] - 40}">{one.event.get("channels", "")}</text>')
            free = x + 24
    return "".join(texts)


def _sign(sign: str, x: float, y: float) -> str:
    if sign == "+":
        return f"M{x - 5:.1f} {y:.1f}h10M{x:.1f} {y - 5:.1f}v10"
    return f"M{x - 4:.1f} {y - 4:.1f}l8 8M{x - 4:.1f} {y + 4:.1f}l8 -8"


def _training_plot(records: Sequence[Any], shown: int) -> str:
    lines = []
    for variant, (words, colour) in VARIANTS.items():
        epochs = [
            one for one in records
            if one.kind == "epoch" and one.step == shown and one.variant == variant and "validation_accuracy" in one.metrics
        ]  # fmt: skip
        values = [max(1 - one.metrics["validation_accuracy"], LEAST) for one in epochs]
        lines.append(frame.Line([one.epoch for one in epochs], values, words, colour))
    title = f"error while architecture {shown} trains"
    return frame.plot(lines, title=title, x_label="epoch", size=SIZE, log_y=True)


def _front_plot(records: Sequence[Any]) -> str:
    points = []
    for one in records:
        if one.kind == "trained" and "validation_accuracy" in one.metrics:
            words, colour = VARIANTS[one.variant]
            accuracy = one.metrics["validation_accuracy"]
            points.append((one.flops / 1e6, accuracy, colour, f"architecture {one.step}, {words}: {accuracy:.4f}"))
    return frame.plot(
        [], title="accuracy and cost", x_label="MFLOPs", y_label="on validation", size=SIZE, log_x=True, points=points
    )


# On matplotlib axes -------------------------------------------------------------------------------------------------------


def history(axes: Sequence[Any], records: Sequence[Any], *, metric: str = "validation_accuracy") -> None:
    """Depth with positions of edits above, accuracy of the variants with FLOPs below, after Figs. 6.3, 6.14 and 6.16.

    Args:
        axes: the upper and the lower one.
        records: of one run.
        metric: of the trained networks.
    """
    upper, lower = axes
    depth = {one.step: one.depth for one in records}
    upper.plot(list(depth), list(depth.values()), "--", color=colours.BLACK, label="depth")
    for kind, words in (("insert", "inserted"), ("delete", "removed")):
        found = edited_positions(records, kind)
        upper.plot(
            [step for step, _ in found], [position * depth[step] for step, position in found], MARKERS[kind], linestyle="",
            color=SIGNS[kind][1], markersize=7, label=words,
        )  # fmt: skip
    for variant, (words, colour) in VARIANTS.items():
        steps, values = trained(records, variant, metric)
        lower.plot(steps, np.multiply(100, values), "o-", color=colour, markersize=4, linewidth=1, label=words)
    cost = lower.twinx()
    size = {one.step: one.flops / 1e6 for one in records}
    cost.plot(list(size), list(size.values()), ":", color=colours.VERMILION, label="MFLOPs")
    cost.set(ylabel="MFLOPs (dotted)", yscale="log")
    for one in (record for record in records if record.kind == "morph"):
        for axis in axes:
            axis.axvline(one.step - 0.5, color=MORPH, linewidth=1.5)
        upper.text(one.step - 0.45, 0, f"{one.event.get('channels', '')}", color=colours.BLUE, fontsize=8)
    upper.set(ylabel="layers")
    lower.set(xlabel="architecture", ylabel=f"{metric.partition('_')[0]} accuracy [%]")
    lower.xaxis.get_major_locator().set_params(integer=True)
    upper.sharex(lower)
    upper.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.08, 0.5))
    lower.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.08, 0.5))


def positions(axis: Any, runs: Mapping[str, Sequence[Any]]) -> None:
    """Positions relative to the depth of all blocks that were inserted and removed in each run, after Fig. 6.18."""
    for number, records in enumerate(runs.values()):
        for kind, side in (("insert", -0.15), ("delete", 0.15)):
            found = [position for _, position in edited_positions(records, kind)]
            axis.plot([number + side] * len(found), found, MARKERS[kind], color=SIGNS[kind][1], markersize=7, alpha=0.6)
    axis.set_xticks(range(len(runs)), list(runs), fontsize=8)
    axis.set(ylabel="input 0 ... output 1", ylim=(0, 1), xlim=(-0.6, len(runs) - 0.4))


def front(
    axis: Any, runs: Mapping[str, Sequence[Any]], *, variant: str = "no_reg_ri", metric: str = "validation_accuracy"
) -> None:
    """Accuracy of all architectures of each run against their FLOPs, after Fig. 6.19."""
    for number, (name, records) in enumerate(runs.items()):
        done = [one for one in records if one.kind == "trained" and one.variant == variant and metric in one.metrics]
        colour = colours.CYCLE[number % len(colours.CYCLE)]
        flops, values = [one.flops / 1e6 for one in done], [100 * one.metrics[metric] for one in done]
        axis.plot(flops, values, "o", color=colour, label=" ".join(name.split()), markersize=5, alpha=0.8)
    axis.set(xlabel="MFLOPs", ylabel=f"{metric.partition('_')[0]} accuracy [%]", xscale="log")
    axis.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))


# What was done ------------------------------------------------------------------------------------------------------------


def _by_step(records: Sequence[Any]) -> dict[int, list[Any]]:
    groups: dict[int, list[Any]] = {}
    for record in records:
        groups.setdefault(record.step, []).append(record)
    return groups


def _edited(edits: Sequence[Any]) -> tuple[tuple[tuple, ...], tuple[tuple, ...]]:
    """Places of the blocks inserted, in the last architecture, and removed, in the first, of edits one after the other."""
    now: dict[int, list[Any]] = {}
    removed: list[tuple] = []

    def blocks(stage: int) -> list[Any]:
        return now.setdefault(stage, list(range(MOST_BLOCKS)))

    for edit in edits:
        if edit.kind == "insert":
            blocks(edit.event["stage"]).insert(edit.event["block"], "new")
            continue
        pairs = edit.event.get("blocks", ()) if edit.kind == "morph" else [(edit.event["stage"], edit.event["block"])]
        for stage, block in sorted(map(tuple, pairs), reverse=True):
            gone = blocks(stage).pop(block)
            removed += [] if gone == "new" else [("block", stage, gone)]
    inserted = [("block", stage, n) for stage, row in now.items() for n, one in enumerate(row) if one == "new"]
    return tuple(inserted), tuple(removed)


def _deed(record: Any) -> str:
    event = record.event
    if record.kind == "morph":
        gone = f", {event['removed']} blocks without channels removed" if event.get("removed") else ""
        return f"widths times {event['kappa']:.3g} of what is alive{gone}"
    hand = " by hand" if event.get("hand") else ""
    word = "inserted" if record.kind == "insert" else "removed"
    return f"block {event['block'] + 1} of stage {event['stage'] + 1} {word}{hand}"
