"""Architectures as bars, and what was done between two of them, whatever was done."""

import random
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from toolkit.figures import architecture as bars
from toolkit.figures import resbuilder as figures
from toolkit.search import architecture
from toolkit.search.architecture import ResNetSpec, Stage
from toolkit.search.resbuilder import Record

START = ResNetSpec((1, 8, 8), 10, (Stage(4, (3, 5)), Stage(4, (7,), "max"), Stage(6, (9, 11), "project", 4)))


def record(kind, step, spec, **more):
    return Record(kind, step, 0.0, spec.to_json(), spec.flops(), spec.parameters, 1, **more)


def inner(spec):
    """Stage and inner width of every block; no two blocks are alike."""
    return {
        ("block", number, n): (number, width)
        for number, stage in enumerate(spec.stages)
        for n, width in enumerate(stage.blocks)
    }


def edited(spec, seed, steps):
    """Records of random edits, one after the other, and where they lead."""
    draw, records = random.Random(seed), []
    for number in range(steps):
        standing = list(inner(spec))
        if draw.random() < 0.5 and standing:
            _, stage, block = draw.choice(standing)
            spec, _ = architecture.remove_block(spec, stage, block)
            event = {"stage": stage, "block": block}
            records.append(record("delete", 2, spec, event=event))
        else:
            stage, block = draw.choice(architecture.places(spec))
            spec, _ = architecture.insert_block(spec, stage, block, inner=100 + number)
            records.append(record("insert", 2, spec, event={"stage": stage, "block": block}))
    return records, spec


def heights(picture):
    """Number and colour of each bar from left to right, full ones and empty ones."""
    found = re.findall(r'<rect x="([\d.]+)" y="[\d.]+" width="[\d.]+" height="([\d.]+)" fill="none" stroke="(#\w+)"', picture)
    return [(float(x), float(height), colour) for x, height, colour in found]


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6), steps=st.integers(1, 9))
def test_what_was_done_between_two_architectures_is_found_and_drawn(seed, steps):
    records, after = edited(START, seed, steps)
    change = figures.changes([record("epoch", 1, START), *records])[1]
    before_blocks, after_blocks = inner(START), inner(after)
    assert {after_blocks[place] for place in change.inserted} == set(after_blocks.values()) - set(before_blocks.values())
    assert {before_blocks[place] for place in change.removed} == set(before_blocks.values()) - set(after_blocks.values())
    arguments = {"inserted": change.inserted, "removed": change.removed, "before": START.layers}
    drawn = heights(bars.drawn(after.layers, **arguments))
    counts = {kind: sum(colour == bars.KINDS[kind] for *_, colour in drawn) for kind in bars.KINDS}
    convolutions = sum(not layer.is_norm for layer in after.layers) - 1
    assert counts["inserted"] == 2 * len(change.inserted) and counts["removed"] == 2 * len(change.removed)
    assert counts["kept"] == convolutions - counts["inserted"]
    assert drawn == sorted(drawn)


@pytest.mark.parametrize("block", [0, 1])
def test_a_removed_block_stands_where_it_stood(block):
    shorter, _ = architecture.remove_block(START, 2, block)
    drawn = heights(bars.drawn(shorter.layers, removed=[("block", 2, block)], before=START.layers))
    red = [number for number, (*_, colour) in enumerate(drawn) if colour == bars.KINDS["removed"]]
    whole = [layer.place for layer in START.layers if not layer.is_norm and layer.writes != "classes"]
    assert red == [number for number, place in enumerate(whole) if place == ("block", 2, block)]
    axis = Figure().subplots()
    bars.static(axis, shorter.layers, removed=[("block", 2, block)], before=START.layers)
    assert len(axis.patches) == 2 * len(whole)


def test_a_dash_marks_the_width_before_and_follows_the_block():
    wide, _ = architecture.set_widths(START, {"stage0.block0": 0, "stage0.block1": 8})
    picture = bars.drawn(wide.layers, removed=[("block", 0, 0)], before=START.layers)
    assert "stages.0.blocks.0.first.conv: 8 channels, 8 alive" in picture and "5 channels before" in picture
    assert picture.count("channels before") == 3  # both parts of the bar and its dash
    assert "channels before" not in bars.drawn(START.layers, before=START.layers)


def test_blocks_that_morphnet_has_emptied_count_as_removed():
    shorter, _ = architecture.set_widths(START, {"stage0.block0": 0})
    event = {"kappa": 1.0, "channels": 4, "removed": 1, "blocks": [[0, 0]], "positions": [0.2]}
    records = [record("epoch", 1, START), record("morph", 2, shorter, event=event)]
    assert figures.changes(records)[1].removed == (("block", 0, 0),)
    assert figures.edited_positions(records, "delete") == [(2, 0.2)]
    assert "1 blocks without channels removed" in figures.changes(records)[1].words


def test_the_best_keeps_the_budget_and_is_chosen_without_the_penalties():
    def trained(step, variant, accuracy, flops):
        return replace(record("trained", step, START, variant=variant, metrics={"validation_accuracy": accuracy}), flops=flops)

    records = [trained(1, "with_reg", 0.9, 10), trained(1, "no_reg_ri", 0.7, 10), trained(2, "no_reg_wi", 0.8, 99)]
    assert figures.best(records).step == 2
    assert figures.best(records, budget=50).metrics["validation_accuracy"] == 0.7
    assert figures.best(records, budget=5).step == 2
    assert figures.best(records[:1], budget=50).variant == "with_reg"
    assert figures.best([]) is None
