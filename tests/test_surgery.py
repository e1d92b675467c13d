"""Operations on trained networks: what keeps the function, what it costs, what goes with the optimizer, what is refused."""

import copy
import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from toolkit import networks, optim
from toolkit.search import sequence, surgery

ACTIVATIONS = {module.__name__: module for module in sequence.ACTIVATIONS}
TOLERANCE = {torch.float32: 1e-6, torch.float64: 1e-12}


def dense(widths, activation=nn.ReLU, *, seed=0, dtype=torch.float64):
    """A dense network with biases that are not zero."""
    draw = torch.Generator().manual_seed(seed)
    layers = []
    for before, after in itertools.pairwise(widths):
        layers += [nn.Linear(before, after, dtype=dtype), activation()]
    network = nn.Sequential(nn.Flatten(), *layers[:-1])
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=draw, dtype=dtype) / parameter[0].numel() ** 0.5)
    return network


def convolutional(activation=nn.ReLU, *, dtype=torch.float64, padding=1, stride=1, pooling=nn.MaxPool2d):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1, stride=stride), activation(),
        nn.Conv2d(4, 5, 3, padding=padding), activation(), pooling(2),
        nn.Flatten(), nn.LazyLinear(6), activation(), nn.Linear(6, 3),
    ).to(dtype)  # fmt: skip


def images(dtype=torch.float64):
    return torch.randn(7, 2, 8, 8, generator=torch.Generator().manual_seed(1), dtype=dtype)


def built(network, inputs):
    """Lazy layers take their shape from the first call."""
    network(inputs)
    return nn.Sequential(*network)


def change(before, after, inputs):
    """Largest change of an output, relative to the largest output."""
    with torch.no_grad():
        old = before(inputs)
        return float((after(inputs) - old).abs().max() / old.abs().max())


# Exact operations ---------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    widths=st.lists(st.integers(1, 9), min_size=3, max_size=6), activation=st.sampled_from(sorted(ACTIVATIONS)),
    seed=st.integers(0, 2**16), count=st.integers(1, 20), spread=st.sampled_from([0.0, 0.1, 2.0]),
    dtype=st.sampled_from([torch.float32, torch.float64]), data=st.data(),
)  # fmt: skip
def test_added_neurons_keep_the_function_for_every_activation(widths, activation, seed, count, spread, dtype, data):
    network = dense(widths, ACTIVATIONS[activation], seed=seed, dtype=dtype)
    layer = data.draw(st.integers(0, len(widths) - 3))
    operated = surgery.add_neurons(network, layer, count=count, spread=spread, seed=seed)
    inputs = torch.randn(5, widths[0], generator=torch.Generator().manual_seed(seed), dtype=dtype)
    assert change(network, operated.model, inputs) < TOLERANCE[dtype] * (1 + 10 * spread)
    assert operated.report.exact and operated.report.discarded == 0
    into, out = widths[layer], widths[layer + 2]
    assert operated.report.after - operated.report.before == count * (into + 1 + out)
    assert operated.report.after == sequence.parameters(operated.model)
    back = operated.undo(operated.model)
    assert sequence.widths(back.model) == sequence.widths(network)
    assert back.report.exact and change(network, back.model, inputs) < TOLERANCE[dtype] * (1 + 10 * spread)


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@pytest.mark.parametrize("inserted", ["relu", "linear"])
def test_an_inserted_layer_keeps_the_function_where_the_report_says_so(activation, inserted):
    network = dense([6, 5, 4, 3], ACTIVATIONS[activation])
    inputs = 3 * torch.randn(200, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    operated = surgery.add_layer(network, 1, activation=inserted)
    assert operated.report.exact == (change(network, operated.model, inputs) < 1e-12)
    assert operated.report.exact == (inserted == "linear" or ACTIVATIONS[activation] in sequence.NEVER_NEGATIVE)
    assert operated.report.after - operated.report.before == 4 * 4 + 4
    assert sequence.widths(operated.model) == [5, 4, 4, 3]


def test_piecewise_linear_is_not_enough_for_an_inserted_layer():
    """Leaky ReLU is piecewise linear, but not idempotent; the document asks for the first only."""
    network = dense([6, 5, 3], nn.LeakyReLU)
    inputs = torch.randn(50, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    twice = nn.Sequential(*network[:3], nn.Linear(5, 5, dtype=torch.float64), nn.LeakyReLU(), *network[3:])
    nn.init.eye_(twice[3].weight)
    nn.init.zeros_(twice[3].bias)
    assert change(network, twice, inputs) > 1e-3


@pytest.mark.parametrize("activation", [nn.ReLU, nn.Tanh, nn.LeakyReLU])
@pytest.mark.parametrize("pooling", [nn.MaxPool2d, nn.AvgPool2d])
@pytest.mark.parametrize("layer", [0, 1, 2])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_channels_and_what_they_feed_are_widened_exactly(activation, pooling, layer, dtype):
    inputs = images(dtype)
    network = built(convolutional(activation, dtype=dtype, pooling=pooling), inputs)
    operated = surgery.add_neurons(network, layer, count=3, spread=0.2)
    assert change(network, operated.model, inputs) < TOLERANCE[dtype] * 10
    assert sequence.widths(operated.model)[layer] == sequence.widths(network)[layer] + 3
    deeper = surgery.add_layer(network, layer, activation="linear")
    assert change(network, deeper.model, inputs) < TOLERANCE[dtype]
    assert (deeper.undo is None) == (layer == 1)  # a pooling stands between the new convolution and the dense layer
    if deeper.undo:
        restored = deeper.undo(deeper.model)
        assert restored.report.exact == (layer == 2)  # at the edge of the image a padded convolution differs
        assert sequence.widths(restored.model) == sequence.widths(network)


# Projections --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rank", [1, 2, 3, 4])
def test_a_split_layer_has_the_least_error_that_its_rank_allows(rank):
    network = dense([7, 4, 3])
    operated = surgery.split_layer(network, 0, rank=rank)
    weight = network[1].weight.detach()
    product = (operated.model[2].weight @ operated.model[1].weight).detach()
    singular = torch.linalg.svdvals(weight)
    least = float(singular[rank:].square().sum().sqrt())
    assert float((weight - product).norm()) == pytest.approx(least, abs=1e-12)
    assert operated.report.discarded == pytest.approx(least, abs=1e-12)
    assert operated.report.exact == (rank == 4)
    inputs = torch.randn(9, 7, dtype=torch.float64)
    error = (network[1](inputs) - operated.model[2](operated.model[1](inputs))).norm(dim=1)
    assert (error <= (float(singular[rank]) if rank < 4 else 0) * inputs.norm(dim=1) + 1e-12).all()
    assert operated.report.after - operated.report.before == rank * (7 + 4) - 7 * 4


@pytest.mark.parametrize("place", [0, 1])
def test_a_split_convolution_at_full_rank_is_the_same(place):
    inputs = images()
    network = built(convolutional(stride=2), inputs)
    operated = surgery.split_layer(network, place, rank=min(network[2 * place].weight.flatten(1).shape))
    assert operated.report.exact and change(network, operated.model, inputs) < 1e-12
    back = operated.undo(operated.model)
    assert back.report.exact and change(network, back.model, inputs) < 1e-12


@pytest.mark.parametrize("bias", [True, False])
def test_neurons_without_activation_can_be_removed_down_to_the_rank(bias):
    network = dense([3, 8, 2], nn.Identity)
    network[1] = nn.Linear(3, 8, bias=bias, dtype=torch.float64)
    if bias:  # in the span of the weights, so that it can be kept as well
        with torch.no_grad():
            network[1].bias.copy_(network[1].weight @ torch.ones(3, dtype=torch.float64))
    inputs = torch.randn(9, 3, dtype=torch.float64)
    exact = surgery.remove_neurons(network, 0, count=5)
    assert exact.report.exact and change(network, exact.model, inputs) < 1e-12
    lossy = surgery.remove_neurons(network, 0, count=6)
    assert not lossy.report.exact and lossy.report.discarded > 1e-3
    assert change(network, lossy.model, inputs) > 1e-3


def test_the_part_given_up_of_removed_neurons_is_that_of_eckart_and_young():
    network = dense([9, 8, 2], nn.Identity)
    with torch.no_grad():
        network[1].bias.zero_()
    singular = torch.linalg.svdvals(network[1].weight.detach())
    for count in range(1, 8):
        operated = surgery.remove_neurons(network, 0, count=count)
        assert operated.report.discarded == pytest.approx(float(singular[8 - count :].square().sum().sqrt()))
        assert sequence.widths(operated.model) == [8 - count, 2]
        assert operated.report.before - operated.report.after == count * (9 + 1 + 2)


def test_the_bias_goes_through_the_projection_too():
    """The published code projects it with the wrong factor; here the way there and back leaves it as it was."""
    network = dense([6, 4, 2], nn.Identity)
    operated = surgery.remove_neurons(network, 0, count=1)
    weight, bias = network[1].weight.detach(), network[1].bias.detach()
    left = torch.linalg.svd(weight).U[:, :3]
    expected = network[3].weight @ (left @ left.T @ bias) + network[3].bias
    got = operated.model[3].weight @ operated.model[1].bias + operated.model[3].bias
    torch.testing.assert_close(got, expected)


@pytest.mark.parametrize("activation", [nn.Identity, nn.ReLU])
def test_a_removed_dense_layer_is_the_product_of_two(activation):
    network = dense([6, 5, 4, 3], activation)
    operated = surgery.remove_layer(network, 1)
    inputs = torch.randn(9, 6, dtype=torch.float64)
    assert sequence.widths(operated.model) == [5, 3]
    assert operated.report.exact == (activation is nn.Identity) == (change(network, operated.model, inputs) < 1e-12)


@pytest.mark.parametrize("padding", [0, 1])
def test_two_convolutions_become_one_exactly_inside_the_image(padding):
    inputs = images()
    network = built(convolutional(nn.Identity, padding=padding), inputs)
    operated = surgery.remove_layer(network, 0)
    assert operated.report.exact == (padding == 0)
    assert operated.model[0].kernel_size == (5, 5)
    before, after = network[:3](inputs), operated.model[:1](inputs)
    inner = (slice(None), slice(None), slice(1, -1), slice(1, -1)) if padding else ...
    torch.testing.assert_close(after[inner], before[inner])
    assert padding == 0 or not torch.allclose(after, before)


# Optimizer state ----------------------------------------------------------------------------------------------------------

OPTIMIZERS = {
    "SGD": lambda parameters: torch.optim.SGD(parameters, lr=0.0, momentum=0.9),
    "Adam": lambda parameters: torch.optim.Adam(parameters, lr=0.0),
    "AdamW": lambda parameters: torch.optim.AdamW(parameters, lr=0.0, weight_decay=0.0),
    "RMSprop": lambda parameters: torch.optim.RMSprop(parameters, lr=0.0, centered=True),
    "RMSprop with momentum": lambda parameters: torch.optim.RMSprop(parameters, lr=0.0, momentum=0.5),
}
CASES = {
    "add neurons": lambda network: surgery.add_neurons(network, 0, count=3, spread=0.1),
    "merge neurons": lambda network: surgery.merge_neurons(network, 0, source=[0, 1, 2, 3, 0, 1]),
    "remove neurons": lambda network: surgery.remove_neurons(network, 0, count=2),
    "split layer": lambda network: surgery.split_layer(network, 1, rank=2),
    "add layer": lambda network: surgery.add_layer(network, 0, activation="linear"),
}


def stepped(network, optimizer, steps=3):
    """Steps of no length: the state gathers the gradients, the weights stay."""
    draw = torch.Generator().manual_seed(5)
    for _ in range(steps):
        optimizer.zero_grad()
        inputs = torch.randn(8, 3, generator=draw, dtype=torch.float64)
        functional.mse_loss(network(inputs), inputs[:, :2]).backward()
        optimizer.step()
    return optimizer


def exact_case(name):
    """A network for which the operation is exact, so that both see the same gradients."""
    network = dense([3, 4, 2], nn.Identity)
    if name == "merge neurons":
        return surgery.add_neurons(network, 0, count=2).model
    if name == "remove neurons":
        return surgery.merge_neurons(surgery.add_neurons(network, 0, count=2).model, 0, source=[0, 1, 2, 3, 4, 5]).model
    return network


@pytest.mark.parametrize("kind", sorted(OPTIMIZERS))
@pytest.mark.parametrize("name", ["add layer", "add neurons", "split layer"])
def test_the_state_is_the_one_the_new_network_would_have_gathered(name, kind):
    network = dense([3, 4, 2], nn.Identity)
    optimizer = stepped(network, OPTIMIZERS[kind](network.parameters()))
    operated = CASES[name](network)
    carried = operated.carry(optimizer)
    fresh = stepped(operated.model, OPTIMIZERS[kind](operated.model.parameters()))
    assert type(carried) is type(optimizer)
    seen = 0
    for parameter in operated.model.parameters():
        for key, value in carried.state.get(parameter, {}).items():
            torch.testing.assert_close(value, fresh.state[parameter][key])
            seen += 1
    assert seen
    without_past = [one for one in operated.model.parameters() if one not in operated.origins]
    assert len(without_past) == (2 if name == "add layer" else 0)
    reshaped = [one for one, origin in operated.origins.items() if origin.matrix is not None]
    if kind in ("SGD", "RMSprop with momentum"):  # the momentum of RMSprop gathers quotients, which do not follow
        assert all((one in carried.state) == (kind == "SGD") for one in reshaped)


def test_second_moments_that_mix_begin_anew():
    network = dense([3, 4, 2], nn.Identity)
    optimizer = stepped(network, OPTIMIZERS["Adam"](network.parameters()))
    operated = surgery.split_layer(network, 0, rank=2)
    carried = operated.carry(optimizer)
    assert [one in carried.state for one in operated.model.parameters()] == [False, False, True, True, True]


@pytest.mark.parametrize("name", sorted(CASES))
def test_training_goes_on_after_every_operation(name):
    network = exact_case(name)
    optimizer = optim.PortHamiltonian(network.parameters(), 0.05, friction=1.0)
    for _ in range(3):
        optimizer.zero_grad()
        network(torch.ones(4, 3, dtype=torch.float64)).square().sum().backward()
        optimizer.step()
    operated = CASES[name](network)
    carried = operated.carry(optimizer)
    before = copy.deepcopy(operated.model.state_dict())
    stepped(operated.model, carried, steps=2)
    assert carried.param_groups[0]["friction"] == 1.0
    assert any(not torch.equal(before[key], value) for key, value in operated.model.state_dict().items())


def test_each_parameter_stays_in_the_group_of_its_origin():
    network = dense([3, 4, 2])
    groups = [{"params": list(network[1].parameters()), "lr": 0.1}, {"params": list(network[3].parameters()), "lr": 0.2}]
    operated = surgery.add_neurons(network, 0, count=1)
    carried = operated.carry(torch.optim.SGD(groups))
    assert [group["lr"] for group in carried.param_groups] == [0.1, 0.2]
    assert carried.param_groups[1]["params"][0] is operated.model[3].weight


def test_the_optimizer_of_another_network_is_refused():
    operated = surgery.add_neurons(dense([3, 4, 2]), 0, count=1)
    with pytest.raises(ValueError, match="does not hold the parameters of the network before"):
        operated.carry(torch.optim.SGD(dense([3, 4, 2]).parameters(), lr=0.1))


# Twins --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("spread", "part"), [(0.0, False), (0.1, True)])
def test_twins_part_only_where_their_shares_differ(spread, part):
    operated = surgery.add_neurons(dense([3, 4, 2], nn.Tanh), 0, count=4, spread=spread)
    network = operated.model
    stepped(network, torch.optim.SGD(network.parameters(), lr=0.1), steps=20)
    twins = network[1].weight.detach()[4:]
    originals = network[1].weight.detach()[operated.undo.keywords["source"][4:]]
    assert bool((twins - originals).abs().max() > 1e-6) == part
    assert operated.undo(network).report.exact != part


# Whatever comes -----------------------------------------------------------------------------------------------------------


def some_operation(network, draw):
    """One operation drawn at random, with arguments that it admits."""
    count = len(sequence.weighted(network))
    layer = int(torch.randint(max(1, count - 1), (), generator=draw))
    width = sequence.widths(network)[layer]
    kind = int(torch.randint(5, (), generator=draw))
    small = 1 + int(torch.randint(3, (), generator=draw))
    if kind == 4:
        return surgery.split_layer(
            network, layer, rank=1 + (small - 1) % min(network[sequence.weighted(network)[layer]].weight.shape)
        )
    if count == 1 or (kind == 2 and width == 1):
        return None
    if kind == 0:
        return surgery.add_neurons(network, layer, count=small, spread=0.1)
    if kind == 1:
        return surgery.add_layer(network, layer, activation="relu" if small == 1 else "linear")
    if kind == 2:
        return surgery.remove_neurons(network, layer, count=1 + (small - 1) % (width - 1))
    return surgery.remove_layer(network, layer)


@pytest.mark.slow
def test_ten_thousand_operations_leave_networks_that_can_be_built_trained_and_saved():
    draw, done = torch.Generator().manual_seed(0), 0
    inputs = torch.randn(4, 5, generator=draw)
    while done < 10_000:
        network = dense([5, 6, 4, 3], seed=done, dtype=torch.float32)
        optimizer = torch.optim.SGD(network.parameters(), lr=1e-3, momentum=0.9)
        for _ in range(25):
            operated = some_operation(network, draw)
            if operated is None or max(sequence.widths(operated.model)) > 30 or len(operated.model) > 30:
                continue
            optimizer = operated.carry(optimizer)
            network, done = operated.model, done + 1
            assert sequence.parameters(network) == operated.report.after
            assert network(inputs).shape == (4, 3)
        again = sequence.rebuilt(sequence.description(network))
        again.load_state_dict(network.state_dict())
        optimizer.zero_grad()
        network(inputs).square().mean().backward()
        optimizer.step()
        assert all(parameter.grad is not None and parameter.isfinite().all() for parameter in network.parameters())
        assert torch.equal(again(inputs), again.train(False)(inputs))


def test_the_network_that_is_given_stays_as_it_was_and_no_random_number_is_drawn():
    network = dense([5, 6, 4, 3])
    before, state = copy.deepcopy(network.state_dict()), torch.get_rng_state()
    for operate in (
        lambda: surgery.add_neurons(network, 0, count=2, spread=0.3), lambda: surgery.add_layer(network, 1),
        lambda: surgery.remove_neurons(network, 0, count=2), lambda: surgery.remove_layer(network, 0),
        lambda: surgery.split_layer(network, 2, rank=2),
    ):  # fmt: skip
        operated = operate()
        for parameter in operated.model.parameters():
            nn.init.ones_(parameter)
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)


def test_a_network_is_rebuilt_from_its_description():
    network = nn.Sequential(*networks.lenet((1, 12, 12), 4, seed=3)[:-1], nn.LeakyReLU(0.3), nn.Linear(84, 4, bias=False))
    again = sequence.rebuilt(sequence.description(network))
    again.load_state_dict(network.state_dict())
    inputs = torch.randn(3, 1, 12, 12)
    torch.testing.assert_close(again(inputs), network(inputs))


# Refusals -----------------------------------------------------------------------------------------------------------------


def tied():
    network = dense([4, 4, 4, 4])
    network[3].weight = network[1].weight
    return network


class Skip(nn.Module):
    def forward(self, inputs):
        return inputs


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (Skip(), "model must be an nn.Sequential, got Skip"),
        (nn.Sequential(nn.Linear(3, 3), Skip(), nn.Linear(3, 3)), r"model\[1\]: Skip cannot be operated on; admitted are"),
        (nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Linear(3, 3)), r"model\[1\]: BatchNorm1d cannot be operated on"),
        (nn.Sequential(nn.Conv2d(4, 4, 3, groups=2), nn.Conv2d(4, 1, 3)), r"model\[0\]: a convolution in 2 groups"),
        (tied(), r"model shares weights: 3.weight is 1.weight"),
        (nn.Sequential(nn.ReLU()), "no layer with weights"),
    ],
)
def test_networks_that_cannot_be_operated_on_are_refused_by_name(network, message):
    for operate in (
        lambda: surgery.add_neurons(network, 0, count=1), lambda: surgery.add_layer(network, 0),
        lambda: surgery.remove_neurons(network, 0, count=1), lambda: surgery.remove_layer(network, 0),
        lambda: surgery.split_layer(network, 0, rank=1), lambda: sequence.description(network),
    ):  # fmt: skip
        with pytest.raises(TypeError, match=message):
            operate()


@pytest.mark.parametrize(
    ("operate", "message"),
    [
        (lambda net: surgery.add_neurons(net, 2, count=1), "layer must be the number of a hidden layer, from 0 to 1, got 2"),
        (lambda net: surgery.add_neurons(net, -1, count=1), "layer must be the number of a hidden layer"),
        (lambda net: surgery.add_neurons(net, 0, count=0), "count must be a whole number, 1 or more, got 0"),
        (lambda net: surgery.add_neurons(net, 0, count=1.5), "count must be a whole number, 1 or more, got 1.5"),
        (lambda net: surgery.add_neurons(net, 0, count=1, spread=-0.1), "spread must be zero or a finite positive number"),
        (lambda net: surgery.add_neurons(net, 0, count=1, spread=float("nan")), "spread must be zero or a finite"),
        (lambda net: surgery.remove_neurons(net, 0, count=6), "6 units cannot be removed from 6; at least one must stay"),
        (
            lambda net: surgery.add_layer(net, 0, activation="tanh"),
            r"activation must be one of \('relu', 'linear'\), got 'tanh'",
        ),
        (lambda net: surgery.add_layer(net, 0, kernel=2), "kernel must be an odd positive number, got 2"),
        (lambda net: surgery.split_layer(net, 3, rank=1), "layer must be the number of a layer with weights, from 0 to 2"),
        (lambda net: surgery.split_layer(net, 0, rank=6), "rank must be at most 5 for this layer, got 6"),
        (lambda net: surgery.merge_neurons(net, 0, source=[0, 2, 2, 2, 2, 2]), "source must number 6 units from 0 on"),
        (lambda net: surgery.merge_neurons(net, 0, source=[0, 1]), "source must number 6 units"),
    ],
)
def test_arguments_that_cannot_work_are_refused(operate, message):
    with pytest.raises(ValueError, match=message):
        operate(dense([5, 6, 4, 3]))


def test_layers_that_cannot_become_one_are_refused():
    network = built(convolutional(), images())
    with pytest.raises(ValueError, match="these layers cannot become one: Conv2d -> ReLU -> MaxPool2d -> Flatten -> Linear"):
        surgery.remove_layer(network, 1)
    with pytest.raises(ValueError, match="a convolution with a stride or a dilation cannot be merged"):
        surgery.remove_layer(built(convolutional(stride=2), images()), 0)


def test_descriptions_that_cannot_be_built_are_refused():
    with pytest.raises(ValueError, match=r"layers\[0\]: 'Conv9d' is not admitted"):
        sequence.rebuilt([{"layer": "Conv9d"}])
    with pytest.raises(ValueError, match=r"layers\[0\]: Linear does not take"):
        sequence.rebuilt([{"layer": "Linear", "size": 3}])
