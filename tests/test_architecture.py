"""Architectures: counts, text, edits that carry weights and optimizer state, thousands of random edits."""

import copy
import random

import pytest
import torch
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from toolkit.search import architecture, cost
from toolkit.search.architecture import Collapsed, ConvSpec, DenseSpec, ResNetSpec, Stage

EDITS = 10_000
SMALL = ResNetSpec((1, 8, 8), 10, (Stage(4, (4,)), Stage(4, (3, 5), "max"), Stage(6, (), "project", 4)))


def random_spec(seed):
    draw = random.Random(seed)
    kind = draw.choice(["conv", "dense", "residual", "residual"])
    classes = draw.randint(2, 10)
    widths = lambda most: tuple(draw.randint(1, 9) for _ in range(draw.randint(0, most)))  # noqa: E731
    if kind == "dense":
        return DenseSpec((draw.randint(1, 3), 5, 4), classes, widths(3), draw.choice(["relu", "tanh"]), draw.random() < 0.5)
    shape = (draw.randint(1, 3), draw.randint(8, 13), draw.randint(8, 13))
    if kind == "conv":
        convolutions = (draw.randint(1, 9), *widths(2))
        pooled = tuple(n for n in range(len(convolutions)) if draw.random() < 0.5)
        return ConvSpec(
            shape, classes, convolutions, pooled, widths(2), draw.choice([1, 3, 5]), draw.random() < 0.5,
            draw.choice(["flatten", "average"]),
        )  # fmt: skip
    stages = [Stage(draw.randint(1, 8), widths(3))]
    for _ in range(draw.randint(0, 3)):
        if draw.random() < 0.5:
            stages.append(Stage(stages[-1].width, widths(2), "max"))
        else:
            stages.append(Stage(draw.randint(1, 8), widths(2), "project", draw.randint(0, 5)))
    return ResNetSpec(shape, classes, tuple(stages), draw.choice(["pre", "post"]), draw.choice([1, 3]), draw.random() < 0.5)


def counted(model, input_shape):
    with FlopCounterMode(display=False) as mode, torch.no_grad():
        model.eval()(torch.zeros(1, *input_shape))
    return mode.get_total_flops()


# Counts -------------------------------------------------------------------------------------------------------------------


def test_flops_and_parameters_are_those_of_the_network():
    for seed in range(150):
        spec = random_spec(seed)
        model = spec.build(seed=seed)
        assert spec.flops() == counted(model, spec.input_shape) == cost.flops(model, spec.input_shape), spec
        assert spec.parameters == sum(weight.numel() for weight in model.parameters()), spec
        assert spec.multiply_adds * 2 == spec.flops()
        modules = dict(model.named_modules())
        assert all(layer.name in modules for layer in spec.layers)


def test_resnet18_has_the_known_size():
    spec = architecture.resnet18()
    assert spec.parameters == 11_173_962
    assert spec.flops() == counted(spec.build(seed=0), (3, 32, 32))
    assert spec.flops((3, 64, 64)) > 3.9 * spec.flops()


def test_a_network_is_drawn_by_its_seed_alone():
    state = torch.random.get_rng_state()
    one, other = SMALL.build(seed=3), SMALL.build(seed=3)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    assert torch.equal(torch.random.get_rng_state(), state)


def test_text_gives_the_same_architecture():
    for seed in range(100):
        spec = random_spec(seed)
        again = architecture.from_json(spec.to_json())
        assert again == spec and hash(again) == hash(spec)
    for text in ("", "{}", '{"kind": "ConvSpec"}', "[1]", '{"kind": "Nonsense"}'):
        with pytest.raises(ValueError, match="not an architecture"):
            architecture.from_json(text)


def test_the_channels_that_are_alive_become_widths():
    spec = architecture.resnet18((1, 8, 8), width=4)
    model = spec.build(seed=0)
    with torch.no_grad():
        for name, module in model.named_modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.weight[: 1 if "second" in name or "stem" in name or "skip" in name else 2] = 0
    regularizer = cost.FlopRegularizer(model, spec.input_shape)
    widths = spec.alive_widths(regularizer.alive())
    assert widths == {name: width - (1 if name.startswith("stream") else 2) for name, width in spec.widths.items()}
    assert spec.with_widths(widths).flops() == regularizer.cost()


def test_pre_order_needs_the_group_lasso_for_its_last_stream():
    model = SMALL.build(seed=0)
    gamma = SMALL.alive_widths(cost.FlopRegularizer(model, SMALL.input_shape, threshold=2.0).alive())
    lasso = SMALL.alive_widths(cost.FlopRegularizer(model, SMALL.input_shape, threshold=2.0, source="group_lasso").alive())
    assert gamma["stream2"] == 6 and gamma["stream0"] == gamma["stage0.block0"] == 0  # the head reads stream2 as it is
    assert set(lasso.values()) == {0}


# Edits --------------------------------------------------------------------------------------------------------------------


def trained(spec, optimizer=torch.optim.Adam, steps=3, **settings):
    """A network with some steps behind it, so that batch norm and optimizer have a state."""
    model = spec.build(seed=1)
    optimizer = optimizer(model.parameters(), lr=0.01, **settings)
    for step in range(steps):
        train(model, optimizer, spec, step)
    return model, optimizer


def train(model, optimizer, spec, seed=0):
    draw = torch.Generator().manual_seed(seed)
    x, y = torch.randn(6, *spec.input_shape, generator=draw), torch.randint(spec.classes, (6,), generator=draw)
    optimizer.zero_grad()
    functional.cross_entropy(model.train()(x), y).backward()
    optimizer.step()


@pytest.mark.parametrize("closing", [True, False])
@pytest.mark.parametrize("order", ["pre", "post"])
def test_a_zero_block_changes_no_bit_in_evaluation_and_in_training(order, closing):
    spec = ResNetSpec((1, 8, 8), 10, SMALL.stages, order, closing=closing)
    x = torch.randn(8, *spec.input_shape)
    for stage, position in architecture.places(spec):
        model, _ = trained(spec)
        longer, carry = architecture.insert_block(spec, stage, position, init="zero_gamma")
        grown = carry(model)
        assert grown.report.exact and longer.parameters == grown.report.after
        assert torch.equal(grown.model.eval()(x), model.eval()(x))
        assert torch.equal(grown.model.train()(x), model.train()(x))
        for one, other in zip(model.stages[stage].buffers(), model.stages[stage].buffers(), strict=True):
            assert torch.equal(one, other)


@pytest.mark.parametrize("optimizer", [torch.optim.Adam, torch.optim.SGD])
@pytest.mark.parametrize("init", architecture.INITS)
def test_to_insert_and_remove_is_to_do_nothing(init, optimizer):
    model, old = trained(SMALL, optimizer, **({"momentum": 0.9} if optimizer is torch.optim.SGD else {}))
    for stage, position in architecture.places(SMALL):
        longer, carry = architecture.insert_block(SMALL, stage, position, init=init)
        there = carry(model)
        midway = there.carry(old)
        again, carry = architecture.remove_block(longer, stage, position)
        back = carry(there.model)
        state = back.carry(midway).state_dict()
        assert again == SMALL and list(back.model.state_dict()) == list(model.state_dict())
        assert all(torch.equal(value, back.model.state_dict()[name]) for name, value in model.state_dict().items())
        assert state["param_groups"] == old.state_dict()["param_groups"]
        for number, values in old.state_dict()["state"].items():
            assert all(torch.equal(value, state["state"][number][name]) for name, value in values.items())
        assert torch.equal(there.undo(there.model).model.state_dict()["head.weight"], model.state_dict()["head.weight"])


def test_after_an_edit_training_goes_on_as_without_it():
    """A zero block that cannot learn leaves the training of all others as it is, the optimizer's memory included."""
    model, optimizer = trained(SMALL)
    longer, carry = architecture.insert_block(SMALL, 1, 1, init="zero_gamma")
    grown = carry(model)
    carried = grown.carry(optimizer)
    for step in range(3):
        train(model, optimizer, SMALL, 10 + step)
        train(grown.model, carried, longer, 10 + step)
    x = torch.randn(4, *SMALL.input_shape)
    assert torch.equal(model.eval()(x), grown.model.eval()(x))


def test_with_a_closing_relu_a_zero_block_never_learns():
    for closing in (True, False):
        spec = ResNetSpec((1, 8, 8), 10, SMALL.stages, "post", closing=closing)
        longer, carry = architecture.insert_block(spec, 0, 0, init="zero_gamma")
        model = carry(trained(spec)[0]).model
        functional.cross_entropy(model.train()(torch.randn(6, 1, 8, 8)), torch.arange(6)).backward()
        learns = bool(model.stages[0].blocks[0].second.norm.weight.grad.any())
        assert learns == (not closing)


def test_growing_keeps_the_function_and_shrinking_keeps_the_channels_that_are_named():
    model, optimizer = trained(SMALL)
    wider, carry = architecture.set_widths(SMALL, {name: width + 2 for name, width in SMALL.widths.items()}, seed=4)
    grown = carry(model)
    x = torch.randn(5, *SMALL.input_shape)
    assert grown.report.exact and wider.widths["stream0"] == 6
    for mode in (True, False):
        torch.testing.assert_close(grown.model.train(mode)(x), model.train(mode)(x), rtol=0, atol=1e-5)
    carried = grown.carry(optimizer)
    kept = {name: range(width) for name, width in SMALL.widths.items()}
    again, carry = architecture.set_widths(wider, SMALL.widths, kept=kept)
    back = carry(grown.model)
    state = back.carry(carried).state_dict()["state"]
    assert again == SMALL and not back.report.exact
    for name, value in SMALL.build(seed=0).state_dict().items():
        assert back.model.state_dict()[name].shape == value.shape
    weights = dict(zip(model.state_dict(), model.state_dict().values(), strict=True))
    assert all(torch.equal(weights[name], value) for name, value in back.model.state_dict().items() if "running" not in name)
    for number, values in optimizer.state_dict()["state"].items():
        assert all(torch.equal(value, state[number][name]) for name, value in values.items())


def test_dead_channels_are_cut_out_without_a_trace():
    spec = ResNetSpec((1, 8, 8), 10, (Stage(5, (4, 4)), Stage(6, (3,), "project", 4)), "post")
    model, optimizer = trained(spec)
    dead = {"stem.norm": [0, 2], "stages.0.blocks.0.second.norm": [0, 2], "stages.0.blocks.1.second.norm": [0, 2]}
    dead |= {"stages.0.blocks.0.first.norm": [1], "stages.0.blocks.1.first.norm": [0, 1, 2, 3]}
    with torch.no_grad():
        for name, channels in dead.items():
            norm = model.get_submodule(name)
            norm.weight[channels] = norm.bias[channels] = 0
        model.stages[0].blocks[1].second.norm.bias.zero_()
        model.stages[0].blocks[1].second.norm.running_mean.zero_()
        alive = cost.FlopRegularizer(model, spec.input_shape).alive()
        kept = {layer.writes: alive[layer.name] for layer in spec.layers if layer.writes in spec.widths and not layer.is_norm}
        small, carry = architecture.set_widths(spec, spec.alive_widths(alive), kept=kept)
        cut = carry(model)
        x = torch.randn(4, *spec.input_shape)
        torch.testing.assert_close(cut.model.eval()(x), model.eval()(x), rtol=0, atol=1e-6)
    assert small.stages[0] == Stage(3, (3,)) and len(cut.carry(optimizer).state) > 0


def test_dense_and_convolutional_chains_change_their_widths():
    for spec in (ConvSpec((2, 9, 8), 4, (3, 5), hidden=(6,)), DenseSpec((7,), 3, (5, 4), norm=True)):
        model, optimizer = trained(spec)
        wider, carry = architecture.set_widths(spec, {name: width + 3 for name, width in spec.widths.items()})
        grown = carry(model)
        x = torch.randn(5, *spec.input_shape)
        torch.testing.assert_close(grown.model.eval()(x), model.eval()(x), rtol=0, atol=1e-5)
        train(grown.model, grown.carry(optimizer), wider)
        with pytest.raises(Collapsed, match="would have no"):
            architecture.set_widths(spec, {next(iter(spec.widths)): 0})


def test_ten_thousand_random_edits_are_legal():
    draw = random.Random(0)
    spec = SMALL
    trained_ones = 0
    for number in range(EDITS):
        deed = draw.choice(["insert", "remove", "widths"])
        blocks = [(s, p) for s, stage in enumerate(spec.stages) for p in range(len(stage.blocks))]
        before = spec
        if deed == "insert" and len(blocks) < 9:
            spec, carry = architecture.insert_block(
                spec, *draw.choice(architecture.places(spec)), init=draw.choice(architecture.INITS)
            )
        elif deed == "remove" and blocks:
            spec, carry = architecture.remove_block(spec, *draw.choice(blocks))
        else:
            names = draw.sample(list(spec.widths), draw.randint(1, len(spec.widths)))
            least = lambda name: 1 if name.startswith("stream") else 0  # noqa: E731
            spec, carry = architecture.set_widths(spec, {name: draw.randint(least(name), 7) for name in names})
        assert architecture.from_json(spec.to_json()) == spec
        assert [stage.entry for stage in spec.stages] == ["none", "max", "project"]
        architecture.compare(before, spec)
        if number % 100 == 0:
            model, optimizer = trained(before, steps=1)
            edited = carry(model)
            train(edited.model, edited.carry(optimizer), spec)
            assert all(torch.isfinite(weight).all() for weight in edited.model.parameters())
            assert spec.flops() == counted(edited.model, spec.input_shape)
            trained_ones += 1
    assert trained_ones == EDITS // 100


# The order of a block -----------------------------------------------------------------------------------------------------


def ratio(order, training, seed):
    """|branch(x)| / |x| of a fresh block of 16 channels with weights of standard deviation 1e-2 on a stream behind ReLU."""
    spec = ResNetSpec((3, 16, 16), 10, (Stage(16),), order)
    _, carry = architecture.insert_block(spec, 0, 0, init="normal", spread=1e-2, seed=seed)
    block = carry(spec.build(seed=0)).model.stages[0].blocks[0].train(training)
    x = torch.randn(32, 16, 16, 16, generator=torch.Generator().manual_seed(seed)).relu()
    with torch.no_grad():
        return float((block(x) - x).norm() / x.norm())


@pytest.mark.parametrize(("order", "measured"), [("post", 1.00), ("pre", 0.115)])
def test_in_training_only_batch_norm_in_front_leaves_a_fresh_block_near_the_identity(order, measured):
    """Section 4.4.3 takes small weights for a small branch; behind batch norm it is as large as the stream."""
    ratios = [ratio(order, True, seed) for seed in range(12)]
    assert sum(ratios) / len(ratios) == pytest.approx(measured, rel=0.02)


@pytest.mark.parametrize(("order", "measured"), [("post", 0.007), ("pre", 0.005)])
def test_in_evaluation_a_fresh_block_is_near_the_identity_in_both_orders(order, measured):
    """With the initial running statistics both orders are the same function, and the spread over draws holds both numbers."""
    ratios = [ratio(order, False, seed) for seed in range(12)]
    assert min(ratios) < measured < max(ratios) < 0.01


# Comparison and refusals --------------------------------------------------------------------------------------------------


def test_what_was_inserted_and_removed_is_found():
    longer, _ = architecture.insert_block(SMALL, 1, 1, inner=7)
    assert architecture.compare(SMALL, longer).inserted == (("block", 1, 1),)
    assert architecture.compare(longer, SMALL).removed == (("block", 1, 1),)
    wider, _ = architecture.set_widths(SMALL, {"stream2": 9, "stage1.block0": 1})
    assert architecture.compare(SMALL, wider).widths == {"stream2": (6, 9), "stage1.block0": (3, 1)}
    with pytest.raises(ValueError, match="another kind"):
        architecture.compare(SMALL, DenseSpec((4,), 2))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ConvSpec((1, 8, 8), 10, ()), "convolutions must name"),
        (lambda: ConvSpec((1, 8, 8), 10, (4, 0)), "convolutions must hold"),
        (lambda: ConvSpec((1, 8), 10, (4, 4)), "input_shape must be"),
        (lambda: ConvSpec((1, 3, 3), 10, (4, 4)), "2 poolings are too many"),
        (lambda: ConvSpec((1, 8, 8), 10, (4,), (1,)), "pooled must name"),
        (lambda: ConvSpec((1, 8, 8), 10, (4, 4), kernel=2), "kernel must be"),
        (lambda: DenseSpec((4,), 2, activation="step"), "activation must be"),
        (lambda: Stage(4, entry="jump"), "entry must be"),
        (lambda: Stage(4, branch=3), "branch: a stage"),
        (lambda: ResNetSpec((1, 8, 8), 10, (Stage(4, entry="max"),)), r"stages\[0\].*first stage"),
        (lambda: ResNetSpec((1, 8, 8), 10, (Stage(4), Stage(5, entry="max"))), r"stages\[1\].*keeps the width 4"),
        (lambda: ResNetSpec((1, 1, 8), 10, (Stage(4), Stage(4, entry="max"))), r"stages\[1\].*nothing is left"),
        (lambda: ResNetSpec((1, 8, 8), 10, ()), "at least one Stage"),
        (lambda: ResNetSpec((1, 8, 8), 10, (Stage(4),), "middle"), "block must be"),
        (lambda: architecture.insert_block(SMALL, 0, 2), r"no block can stand at \(0, 2\)"),
        (lambda: architecture.insert_block(SMALL, 3, 0), r"no block can stand at \(3, 0\)"),
        (lambda: architecture.insert_block(SMALL, 0, 0, init="ones"), "init must be"),
        (lambda: architecture.insert_block(SMALL, 0, 0, spread=0.0), "spread must be"),
        (lambda: architecture.remove_block(SMALL, 2, 0), r"no block at \(2, 0\)"),
        (lambda: architecture.set_widths(SMALL, {"stream1": 3}), "there is no 'stream1'"),
        (lambda: architecture.set_widths(SMALL, {"stream0": -3}), "whole number, 0 or more"),
        (lambda: architecture.set_widths(SMALL, {"stream0": 0}), "stream0 would have no channel"),
        (lambda: architecture.set_widths(SMALL, {"stream0": 2}, kept={"stream0": [1, 1]}), r"kept\['stream0'\]"),
        (lambda: architecture.set_widths(SMALL, {"stream0": 2}, kept={"stream0": [4]}), r"kept\['stream0'\]"),
        (lambda: architecture.remove_block(SMALL, 0, 0)[1](DenseSpec((4,), 2).build()), "not a network of this architecture"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_a_plain_network_has_no_blocks():
    with pytest.raises(TypeError, match="only residual networks have blocks"):
        architecture.insert_block(DenseSpec((4,), 2), 0, 0)


def test_an_optimizer_of_another_network_is_refused():
    _, carry = architecture.remove_block(SMALL, 0, 0)
    with pytest.raises(ValueError, match="does not hold the parameters"):
        carry(SMALL.build(seed=0)).carry(torch.optim.SGD(SMALL.build(seed=0).parameters(), lr=0.1))


def test_the_old_network_is_left_as_it_was():
    model, optimizer = trained(SMALL)
    weights, state = copy.deepcopy(model.state_dict()), copy.deepcopy(optimizer.state_dict())
    longer, carry = architecture.insert_block(SMALL, 0, 1)
    grown = carry(model)
    train(grown.model, grown.carry(optimizer), longer)
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    for number, values in state["state"].items():
        assert all(torch.equal(value, optimizer.state_dict()["state"][number][name]) for name, value in values.items())
