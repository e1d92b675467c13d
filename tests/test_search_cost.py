"""FLOPs and MorphNet's penalty: golden numbers, a count by hand on random graphs, what dead channels mean, refusals."""

import copy
import itertools

import pytest
import torch
from cost_cases import counted, draw, randomised
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from toolkit.search.cost import FlopRegularizer, flops

GRAPHS = 200


def counter(model, input_shape):
    with FlopCounterMode(display=False) as mode, torch.no_grad():
        model(torch.zeros(1, *input_shape))
    return mode.get_total_flops()


class Golden(nn.Module):
    """The network of the reference code's own test: two convolutions side by side, concatenated, read by two others."""

    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 13, (7, 5), padding="same"), nn.Conv2d(3, 23, 1)
        self.three, self.four = nn.Conv2d(36, 29, 3, stride=2, padding=1), nn.Conv2d(36, 31, 1)
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for width in (13, 23, 29, 31))

    def forward(self, x):
        x = torch.cat([self.norms[0](self.one(x)), self.norms[1](self.two(x))], 1)
        return self.norms[2](self.three(x)), self.norms[3](self.four(x))


def golden(dtype):
    model = Golden().to(dtype)
    scales = ([0.8] * 7 + [0.2] * 6, [-0.7] * 11 + [0.1] * 12, [0.6] * 10 + [-0.3] * 19, [-0.5] * 17 + [-0.4] * 14)
    with torch.no_grad():
        for norm, scale in zip(model.norms, scales, strict=True):
            norm.weight.copy_(torch.tensor(scale, dtype=dtype))
    return FlopRegularizer(model, (3, 17, 19), threshold=0.45, fixed_outputs=False)


def test_the_golden_numbers_of_the_reference_code():
    single, double = golden(torch.float32), golden(torch.float64)
    assert single.cost() == double.cost() == 985_404
    assert single.penalty().item() == 1_410_376.375
    assert double.penalty().item() == pytest.approx(1_410_376.4, abs=1e-6)
    assert single.widths() == {"one": 7, "two": 11, "three": 10, "four": 17}


@pytest.mark.parametrize("source", ["gamma", "group_lasso"])
def test_random_graphs_agree_with_a_count_by_hand(source):
    compared = 0
    for seed in itertools.count():
        if compared == GRAPHS:
            break
        model, plan, shape = draw(seed)
        randomised(model, seed)
        threshold = 0.3 if source == "gamma" else 0.25
        try:
            regularizer = FlopRegularizer(model, shape, source=source, threshold=threshold)
        except ValueError as refused:
            assert "no channel of it could be removed" in str(refused)
            continue
        cost, penalty = counted(plan, shape, source=source, threshold=threshold)
        assert regularizer.cost() == cost
        assert regularizer.penalty().item() == pytest.approx(penalty, rel=1e-6, abs=1e-6)
        compared += 1
    assert seed < 2 * GRAPHS  # few of the graphs have no channel that could be removed


def test_flops_equal_those_of_torch_on_random_graphs():
    for seed in range(GRAPHS):
        model, _, shape = draw(seed)
        assert flops(model, shape) == counter(model, shape)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Conv1d(3, 5, 4, stride=2), (3, 17)),
        (nn.Conv3d(2, 4, 3, padding=1), (2, 4, 5, 6)),
        (nn.ConvTranspose2d(3, 5, 3, stride=2), (3, 7, 6)),
        (nn.Conv2d(3, 6, 3, dilation=2), (3, 9, 9)),
        (nn.Conv2d(4, 8, 3, groups=4), (4, 9, 9)),
        (nn.Linear(12, 5), (12,)),
    ],
    ids=lambda one: type(one).__name__,
)
def test_every_kind_of_layer_costs_what_torch_counts(layer, shape):
    assert flops(layer, shape) == counter(layer, shape)


def test_what_is_dead_has_no_say():
    """Whatever the weights of dead channels are, the outputs stay the same to the last bit."""
    died = 0
    for seed in range(GRAPHS):
        model, _, shape = draw(seed)
        randomised(model, seed)
        try:
            regularizer = FlopRegularizer(model, shape, threshold=0.0)
        except ValueError:
            continue
        x = torch.randn(3, *shape, generator=torch.Generator().manual_seed(seed))
        before = model(x)
        outputs, inputs = regularizer.alive(), regularizer.alive_inputs()
        with torch.no_grad():
            for name, alive in outputs.items():
                layer = model.get_submodule(name)
                layer.weight[~alive] = torch.randn_like(layer.weight[~alive])
                if layer.weight.shape[1] == len(inputs[name]):
                    layer.weight[:, ~inputs[name]] = torch.randn_like(layer.weight[:, ~inputs[name]])
                died += int((~alive).sum())
        assert torch.equal(model(x), before)
    assert died > GRAPHS


def test_the_gradient_is_the_derivative_with_the_counts_held(device):
    model = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 25, 3))
    model.to(device)
    with torch.no_grad():
        model[1].weight.copy_(torch.tensor([0.5, -0.3, 0.005, 0.0]))
    regularizer = FlopRegularizer(model, (2, 5, 5), threshold=0.01)
    regularizer.penalty().backward()
    per_channel = 2 * 25 * 9 * 2 + 2 * 25 * 3  # of the convolution: two inputs; of the dense layer: 25 places, three outputs
    assert model[1].weight.grad.tolist() == [per_channel, -per_channel, per_channel, 0.0]
    assert regularizer.cost() == 2 * per_channel


def test_a_sum_keeps_a_channel_alive_that_is_dead_in_one_part():
    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Sequential(nn.Conv2d(1, 3, 1), nn.BatchNorm2d(3))
            self.second = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3))
            self.head = nn.Conv2d(3, 2, 1)

        def forward(self, x):
            x = self.first(x)
            return self.head(x + torch.relu(self.second(x)))

    model = Residual()
    with torch.no_grad():
        model.first[1].weight.copy_(torch.tensor([0.9, 0.0, 0.0]))
        model.second[1].weight.copy_(torch.tensor([0.0, 0.4, 0.0]))
    regularizer = FlopRegularizer(model, (1, 2, 2))
    assert regularizer.alive()["first.0"].tolist() == regularizer.alive()["second.0"].tolist() == [True, True, False]
    assert regularizer.cost() == 8 * (1 * 2 + 2 * 2 + 2 * 2)
    regularizer.penalty().backward()
    assert model.first[1].weight.grad.tolist() == [pytest.approx(8 * (1 + 2 + 2 + 2)), 0.0, 0.0]


def test_without_batch_norm_before_a_reader_a_channel_cannot_die():
    stream = nn.Sequential(nn.Conv2d(1, 4, 1), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 2, 1))
    with torch.no_grad():
        stream[1].weight.zero_()
    assert FlopRegularizer(stream, (1, 3, 3)).widths() == {"0": 0, "2": 4, "3": 2}


def test_a_product_with_an_open_gate_leaves_the_channel_its_own():
    class Squeeze(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU())
            self.gate = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Sigmoid())
            self.head = nn.Conv2d(3, 2, 1)

        def forward(self, x):
            x = self.body(x)
            return self.head(x * self.gate(x.mean((2, 3), keepdim=True)))

    model = Squeeze()
    with torch.no_grad():
        model.body[1].weight[0] = 0
    assert FlopRegularizer(model, (1, 4, 4)).widths() == {"body.0": 2, "gate.0": 2, "head": 2}


def test_a_network_written_with_functions_is_the_same_as_one_of_modules():
    class Functional(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.norm = nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4)
            self.second, self.again = nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4)
            self.head = nn.Linear(16, 3)

        def forward(self, x):
            x = functional.max_pool2d(functional.relu(self.norm(self.first(x))), 2)
            x = torch.add(x, other=torch.relu(self.again(self.second(x))))
            x = functional.adaptive_max_pool2d(x * 0.5 + 1, 2)
            return self.head(x.view(x.size(0), -1))

    model = Functional()
    with torch.no_grad():
        model.norm.weight.copy_(torch.tensor([1.0, 0.0, 0.0, 2.0]))
        model.again.weight.copy_(torch.tensor([0.0, 3.0, 0.0, 0.0]))
    regularizer = FlopRegularizer(model, (1, 8, 8))
    assert regularizer.widths() == {"first": 3, "second": 3, "head": 3}
    assert regularizer.alive()["first"].tolist() == [True, True, False, True]
    assert regularizer.full_cost == counter(model, (1, 8, 8))
    assert regularizer.cost() == 2 * 9 * (64 * 3 + 16 * 9) + 2 * 3 * 4 * 3


def test_a_layer_that_is_used_twice_counts_twice_and_keeps_its_channels():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.again = nn.Linear(3, 4), nn.Linear(4, 4)
            self.head = nn.Linear(4, 2)

        def forward(self, x):
            return self.head(self.again(torch.relu(self.again(torch.relu(self.first(x))))))

    regularizer = FlopRegularizer(Twice(), (3,), source="group_lasso", threshold=0.0)
    assert regularizer.layers == ["first", "again", "again", "head"]
    assert regularizer.full_cost == regularizer.cost() == 2 * (12 + 16 + 16 + 8)


def test_the_network_is_left_as_it_was():
    model, _, shape = draw(3)
    model.train()
    next(module for module in model.modules() if isinstance(module, nn.BatchNorm2d)).eval()
    state, modes = copy.deepcopy(model.state_dict()), [module.training for module in model.modules()]
    FlopRegularizer(model, shape, source="group_lasso")
    assert modes == [module.training for module in model.modules()]
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


def test_the_outputs_are_fixed_unless_asked_for():
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 5))
    with torch.no_grad():
        model[2].weight[:2] = 0
    assert FlopRegularizer(model, (3,), source="group_lasso").widths()["2"] == 5
    assert FlopRegularizer(model, (3,), source="group_lasso", fixed_outputs=False).widths()["2"] == 3


def test_the_gradient_of_a_channel_of_zeros_is_zero():
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 5))
    with torch.no_grad():
        model[0].weight[1] = 0
    FlopRegularizer(model, (3,), source="group_lasso").penalty().backward()
    assert torch.isfinite(model[0].weight.grad).all() and (model[0].weight.grad[1] == 0).all()


# Refusals -----------------------------------------------------------------------------------------------------------------


class Forward(nn.Module):
    """A convolution and then what a function does."""

    def __init__(self, function, **modules):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(2, 4, 1), nn.BatchNorm2d(4)
        for name, module in modules.items():
            setattr(self, name, module)
        self.function = function

    def forward(self, x):
        return self.function(self, self.norm(self.conv(x)))


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (Forward(lambda net, x: net.grouped(x), grouped=nn.Conv2d(4, 4, 1, groups=2)), "'grouped'.* 2 groups of several"),
        (Forward(lambda net, x: net.mix(x), mix=nn.GroupNorm(2, 4)), "'mix' .*GroupNorm"),
        (Forward(lambda net, x: net.token(x), token=nn.Linear(3, 3)), "'token'.*4 dimensions"),
        (Forward(lambda net, x: x.transpose(1, 2)), "'transpose'"),
        (Forward(lambda net, x: torch.cat([x, x], 2)), "'cat'.*dimension 2"),
        (Forward(lambda net, x: x.chunk(2, 1)[0]), "'chunk'.*several tensors"),
        (Forward(lambda net, x: x.reshape(2, 2, -1)), "'reshape'.*not \\(batch, all others\\)"),
        (Forward(lambda net, x: x + x.mean(1, keepdim=True)), "'mean'.*changes the channels"),
        (Forward(lambda net, x: x * net.scale, scale=nn.Parameter(torch.ones(1))), "'scale'.*outside of layers"),
        (Forward(lambda net, x: x if x.sum() > 0 else -x), "torch.fx cannot trace"),
        (Forward(lambda net, x: functional.conv2d(x, net.conv.weight)), "'conv.weight'|'conv2d'"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_what_cannot_be_followed_is_named(model, words):
    with pytest.raises(ValueError, match=words):
        FlopRegularizer(model, (2, 3, 3))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"source": "beta"}, "source must be one of"),
        ({"threshold": -1.0}, "threshold must be zero or"),
        ({"input_shape": (1, 0, 3)}, "input_shape must be"),
        ({"input_shape": (2, 5, 5)}, "input_shape: does not fit the model at '0'"),
        ({"model": nn.Sequential(nn.Conv2d(1, 4, 1), nn.Conv2d(4, 2, 1))}, "batch norm with scale"),
        ({"model": nn.Sequential(nn.ReLU())}, "has no parameters"),
    ],
)
def test_bad_settings_are_refused(change, words):
    model = nn.Sequential(nn.Conv2d(1, 4, 1), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1))
    settings = {"model": model, "input_shape": (1, 5, 5)} | change
    with pytest.raises(ValueError, match=words):
        FlopRegularizer(settings.pop("model"), settings.pop("input_shape"), **settings)


def test_a_function_is_no_model():
    with pytest.raises(TypeError, match=r"model must be a torch\.nn\.Module, got function"):
        FlopRegularizer(lambda x: x, (1,))
