"""The moves of the search as functions of descriptions: places, widths, positions; the penalty; recipes; starts."""

import random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from toolkit.search import resbuilder
from toolkit.search.architecture import Collapsed, ResNetSpec, Stage, insert_block, places, remove_block, resnet18
from toolkit.search.morphnet import expand

MOVES = 3_000
DEEPEST = 8  # blocks
SHAPE = (1, 8, 8)
THREE = ResNetSpec(SHAPE, 10, (Stage(6, (5, 7)), Stage(6, (4,), "max"), Stage(9, (3, 8), "project", 5)), block="pre")


# Insertion ----------------------------------------------------------------------------------------------------------------


def test_no_move_of_many_is_illegal_and_none_gives_what_was_trained_before():
    """Deletions, insertions and widths in a random order; each description is checked where it is made."""
    draw, spec, seen, inserted = random.Random(0), THREE, set(), 0
    starts = (THREE, resbuilder.zero_net(SHAPE, width=4), resnet18(SHAPE, width=2), resnet18(SHAPE, width=2, block="pre"))
    for number in range(MOVES):
        seen.add(resbuilder.key(spec))
        blocks = [(s, b) for s, stage in enumerate(spec.stages) for b in range(len(stage.blocks))]
        move = draw.random()
        if move < 0.01 or len(blocks) > DEEPEST:
            spec, seen = draw.choice(starts), set()
        elif move < 0.3 and blocks:
            spec, _ = remove_block(spec, *draw.choice(blocks))
        elif move < 0.6:
            alive = {name: draw.randint("stream" in name, width) for name, width in spec.widths.items()}
            _, spec, _ = resbuilder.suggested_widths(spec, alive, 2e5, intensity=draw.random())
        else:
            place = resbuilder.unseen_place(spec, seen, seed=number)
            if place is None:
                spec, seen = draw.choice(starts), set()
                continue
            assert place in places(spec)
            spec, _ = insert_block(spec, *place)
            assert resbuilder.key(spec) not in seen
            inserted += 1
        assert sum(layer.place[0] == "stem" for layer in spec.layers) == 2 and spec.layers[-1].name == "head"
    assert inserted > MOVES / 4


@pytest.mark.parametrize("block", ["pre", "post"])
@pytest.mark.parametrize("start", ["zero", "resnet18"])
def test_what_moves_lead_to_builds_and_trains_a_step(start, block):
    spec = resbuilder.zero_net(SHAPE, width=4, block=block) if start == "zero" else resnet18(SHAPE, width=3, block=block)
    draw, seen = random.Random(1), set()
    for number in range(12):
        seen.add(resbuilder.key(spec))
        if number % 4 == 3:
            alive = {name: draw.randint("stream" in name, width) for name, width in spec.widths.items()}
            _, spec, _ = resbuilder.suggested_widths(spec, alive, 1e5)
        else:
            spec, _ = insert_block(spec, *resbuilder.unseen_place(spec, seen, seed=number))
        model = spec.build(seed=number)
        x, y = torch.randn(4, *SHAPE), torch.arange(4)
        before = functional.cross_entropy(model(x), y)
        before.backward()
        assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters())
        torch.optim.SGD(model.parameters(), lr=1e-3).step()
        assert torch.isfinite(functional.cross_entropy(model(x), y)) and before > 0


def test_stages_are_drawn_with_equal_odds_and_then_positions_in_them():
    drawn = [resbuilder.unseen_place(THREE, set(), seed=seed) for seed in range(1200)]
    for stage, blocks in ((0, 2), (1, 1), (2, 2)):
        assert sum(one[0] == stage for one in drawn) / 1200 == pytest.approx(1 / 3, abs=0.05)
        for position in range(blocks + 1):
            assert drawn.count((stage, position)) / 1200 == pytest.approx(1 / 3 / (blocks + 1), abs=0.04)


@given(known=st.sets(st.sampled_from(places(THREE))), seed=st.integers(0, 99))
def test_a_place_is_found_exactly_where_one_is_left(known, seed):
    seen = {resbuilder.key(insert_block(THREE, *place)[0]) for place in known}
    left = {place for place in places(THREE) if resbuilder.key(insert_block(THREE, *place)[0]) not in seen}
    found = resbuilder.unseen_place(THREE, seen, seed=seed)
    assert found in left if left else found is None


# Positions ----------------------------------------------------------------------------------------------------------------


def test_positions_rise_through_the_network():
    spec = resnet18(SHAPE, width=3)
    assert resbuilder.depth(spec) == 18
    blocks = [(0, 0), (0, 1), (1, 0), (2, 0), (3, 0)]
    assert [resbuilder.relative_position(spec, *one) * 18 for one in blocks] == pytest.approx([2, 4, 8, 12, 16])
    assert resbuilder.depth(resbuilder.zero_net(SHAPE)) == 2


def test_a_way_in_without_a_branch_counts_as_one_layer():
    spec = ResNetSpec(SHAPE, 10, (Stage(4), Stage(6, (5,), "project")))
    assert resbuilder.depth(spec) == 1 + 1 + 2 + 1
    assert resbuilder.relative_position(spec, 1, 0) == 3 / 5


# Widths -------------------------------------------------------------------------------------------------------------------


@given(data=st.data(), intensity=st.floats(0, 1), budget=st.floats(3e4, 3e6))
def test_widths_keep_the_budget_and_follow_as_far_as_they_are_told(data, intensity, budget):
    alive = {name: data.draw(st.integers("stream" in name, width), name) for name, width in THREE.widths.items()}
    kappa, chosen, widths = resbuilder.suggested_widths(THREE, alive, budget, intensity=intensity)
    wide = expand(THREE.with_widths(alive), budget)
    assert chosen == THREE.with_widths(widths) and kappa == wide[0]
    if intensity == 1:
        assert chosen == wide[1]
    if intensity == 1 or THREE.flops() <= budget:
        assert chosen.flops() <= budget
    for name, width in THREE.widths.items():
        low, high = sorted((width, round(kappa * alive[name] + 1)))
        assert min(low, widths[name]) >= 0 and widths[name] <= high + 1


def test_the_intensity_is_the_weight_of_the_suggestion():
    alive = THREE.widths | {"stage0.block1": 0, "stream0": 3}
    _, same, _ = resbuilder.suggested_widths(THREE, alive, 1e6, intensity=0)
    assert same == THREE
    kappa, _, half = resbuilder.suggested_widths(THREE, alive, THREE.flops() * 10, intensity=0.5)
    assert half["stage0.block1"] == int(0.5 * 7 + 0.5) and half["stream0"] == int(0.5 * 6 + 0.5 * int(3 * kappa + 0.5) + 0.5)
    _, gone, widths = resbuilder.suggested_widths(THREE, alive, 1e6)
    assert widths["stage0.block1"] == 0 and len(gone.stages[0].blocks) == 1


def test_a_dead_stream_is_a_collapse():
    with pytest.raises(Collapsed, match="stream1|stream2"):
        resbuilder.suggested_widths(THREE, THREE.widths | {"stream2": 0}, 1e6)


# LayerLasso ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", [THREE, resnet18(SHAPE, width=3)])
def test_the_penalty_is_the_sum_over_the_branches(spec):
    model = spec.build(seed=0)
    weights = {name: value for name, value in model.named_parameters() if value.ndim == 4}
    branches = [value for name, value in weights.items() if ".first." in name or ".second." in name]
    assert 0 < len(branches) < len(weights)
    penalty = resbuilder.LayerLasso(model, spec).penalty()
    assert penalty.item() == pytest.approx(sum(float(value.detach().abs().sum()) for value in branches), rel=1e-6)
    penalty.backward()
    assert all(torch.equal(value.grad, value.detach().sign()) for value in branches)
    assert model.stem.conv.weight.grad is None and model.head.weight.grad is None
    everything = resbuilder.LayerLasso(model, spec, layers="all").penalty()
    assert everything.item() == pytest.approx(sum(float(value.detach().abs().sum()) for value in weights.values()), rel=1e-6)


def test_scores_are_those_of_the_weaker_convolution():
    model = THREE.build(seed=0)
    lasso = resbuilder.LayerLasso(model, THREE)
    with torch.no_grad():
        for place, value in (((0, 1), 0.25), ((2, 0), 0.5)):
            model.stages[place[0]].blocks[place[1]].second.conv.weight.fill_(-value / 1000)
    scores = lasso.scores()
    assert list(scores) == [(0, 0), (0, 1), (1, 0), (2, 0), (2, 1)]
    assert scores[0, 1] == pytest.approx(2.5e-4) and scores[2, 0] == pytest.approx(5e-4)
    assert min(scores[0, 0], scores[1, 0], scores[2, 1]) > 1e-2
    assert lasso.scores("sum")[0, 1] == pytest.approx(2.5e-4 * 7 * 6 * 9, rel=1e-5)


def test_a_network_without_blocks_has_no_penalty():
    spec = resbuilder.zero_net(SHAPE, width=3)
    lasso = resbuilder.LayerLasso(spec.build(seed=0), spec)
    assert lasso.penalty() == 0 and lasso.scores() == {}


def test_unknown_layers_and_scores_are_refused():
    model = THREE.build(seed=0)
    with pytest.raises(ValueError, match="layers must be"):
        resbuilder.LayerLasso(model, THREE, layers="some")
    with pytest.raises(ValueError, match="score must be"):
        resbuilder.LayerLasso(model, THREE).scores("median")


# Recipes and starts -------------------------------------------------------------------------------------------------------


def test_one_cycle_rises_and_falls_and_the_other_recipe_is_constant():
    shares = [number / 100 for number in range(101)]
    modern = [resbuilder.RECIPES["modern"].factor(share) for share in shares]
    assert modern[:26] == sorted(modern[:26]) and modern[25:] == sorted(modern[25:], reverse=True)
    assert max(modern) == 1 and modern[-1] == pytest.approx(0)
    assert {resbuilder.RECIPES["thesis"].factor(share) for share in shares} == {1.0}


def test_characters_are_mirrored_by_the_thesis_only():
    names = ("digits (120 of 1,258)", "mnist", "fashion_mnist", "cifar10", "my photos")
    assert [resbuilder.augmentation(resbuilder.RECIPES["modern"], one).flip for one in names] == [False] * 2 + [True] * 3
    assert all(resbuilder.augmentation(resbuilder.RECIPES["thesis"], one).flip for one in names)
    assert resbuilder.augmentation(resbuilder.RECIPES["thesis"]).shift == 0.1


def test_the_smallest_start_has_one_convolution_and_no_block():
    spec = resbuilder.zero_net((3, 32, 32), 10)
    assert [layer.name for layer in spec.layers if not layer.is_norm] == ["stem.conv", "head"]
    assert spec.stages[0].width == 64 and spec.flops() == 2 * (32 * 32 * 9 * 3 * 64 + 64 * 10)
    assert len(places(spec)) == 3


@given(budget=st.floats(2e4, 1e7))
def test_a_fitted_start_fills_the_budget(budget):
    spec = resbuilder.fitted(resnet18(SHAPE, width=8), budget)
    assert spec.flops() <= budget
    assert spec.with_widths({name: width + 1 for name, width in spec.widths.items()}).flops() > budget
