import pytest
import torch
from torch import nn

from toolkit import networks


def counts(network: nn.Module) -> list[int]:
    """Weights and biases of each layer that has any."""
    return [sum(value.numel() for value in layer.parameters()) for layer in network if list(layer.parameters())]


@pytest.mark.parametrize(
    ("shape", "layers", "total"),
    [
        ((1, 28, 28), [156, 2416, 30840, 10164, 850], 44426),  # printed in Burghoff, 3.4
        ((3, 32, 32), [456, 2416, 48120, 10164, 850], 62006),
        ((3, 28, 28), [456, 2416, 30840, 10164, 850], 44726),
    ],
)
def test_lenet_has_the_counts_of_the_document_layer_by_layer(shape, layers, total):
    network = networks.lenet(shape)
    assert counts(network) == layers
    assert sum(weight.numel() for weight in network.parameters()) == total


def test_lenet_is_the_stack_of_layers_that_the_document_names():
    names = [type(layer).__name__ for layer in networks.lenet()]
    features = ["Conv2d", "ReLU", "MaxPool2d", "Conv2d", "ReLU", "MaxPool2d"]
    assert names == [*features, "Flatten", "Linear", "ReLU", "Linear", "ReLU", "Linear"]
    assert [layer.kernel_size for layer in networks.lenet() if isinstance(layer, nn.Conv2d)] == [(5, 5), (5, 5)]


@pytest.mark.parametrize("side", range(8, 40))
def test_lenet_takes_every_side_from_8_pixels(side):
    assert networks.lenet((2, side, side + 3), classes=7)(torch.zeros(5, 2, side, side + 3)).shape == (5, 7)


def test_lenet_on_the_digits_pads_both_convolutions():
    convolutions = [layer for layer in networks.lenet((1, 8, 8)) if isinstance(layer, nn.Conv2d)]
    assert [layer.padding for layer in convolutions] == [(2, 2), (2, 2)]
    assert counts(networks.lenet((1, 8, 8))) == [156, 2416, 64 * 120 + 120, 10164, 850]


def test_lenet_without_padding_equals_the_formula_written_out():
    network = networks.lenet(seed=3).double()
    images = torch.rand(2, 1, 28, 28, dtype=torch.float64)
    first, second, *head = [layer for layer in network if list(layer.parameters())]
    hidden = torch.relu(nn.functional.conv2d(images, first.weight, first.bias))
    hidden = hidden.reshape(2, 6, 12, 2, 12, 2).amax((3, 5))
    hidden = torch.relu(nn.functional.conv2d(hidden, second.weight, second.bias))
    hidden = hidden.reshape(2, 16, 4, 2, 4, 2).amax((3, 5)).reshape(2, 256)
    for layer in head[:-1]:
        hidden = torch.relu(hidden @ layer.weight.T + layer.bias)
    torch.testing.assert_close(network(images), hidden @ head[-1].weight.T + head[-1].bias, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("inputs", "hidden", "outputs", "layers"),
    [
        (57, (10, 10), 1, [580, 110, 11]),  # Ghimire
        (12, (30, 30), 1, [390, 930, 31]),
        (784, (300, 100, 100), 10, [235500, 30100, 10100, 1010]),  # Schiessler et al., large
        (4, (), 2, [10]),
    ],
)
def test_dense_counts(inputs, hidden, outputs, layers):
    assert counts(networks.dense(inputs, hidden, outputs)) == layers


@pytest.mark.parametrize(
    ("activation", "function"),
    [
        ("relu", torch.relu),
        ("tanh", torch.tanh),
        ("sigmoid", torch.sigmoid),
        ("gelu", nn.functional.gelu),
        ("linear", lambda hidden: hidden),
    ],
)
def test_dense_equals_the_formula_and_has_no_activation_at_the_output(activation, function):
    network = networks.dense(6, (5,), 3, activation=activation, seed=1)
    (w1, b1), (w2, b2) = [(layer.weight, layer.bias) for layer in network if isinstance(layer, nn.Linear)]
    images = torch.randn(4, 1, 2, 3)
    torch.testing.assert_close(network(images), function(images.reshape(4, 6) @ w1.T + b1) @ w2.T + b2)


@pytest.mark.parametrize("build", [networks.lenet, lambda seed: networks.dense(3, (4,), 2, seed=seed)])
def test_the_seed_fixes_the_weights(build):
    first, again, other = build(seed=5), build(seed=5), build(seed=6)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize("build", [networks.lenet, lambda seed: networks.dense(3, (4,), 2, seed=seed)])
def test_a_seed_leaves_the_global_random_state_alone(build, device):
    torch.rand(3, device=device)
    here = torch.cuda.get_rng_state if device == "cuda" else torch.get_rng_state
    before = here()
    build(seed=5)
    assert torch.equal(here(), before)


def test_without_a_seed_the_weights_come_from_the_global_generator():
    torch.manual_seed(11)
    first = networks.dense(3, (4,), 2)
    second = networks.dense(3, (4,), 2)
    torch.manual_seed(11)
    again = networks.dense(3, (4,), 2)
    assert torch.equal(first[1].weight, again[1].weight)
    assert not torch.equal(first[1].weight, second[1].weight)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: networks.lenet((28, 28)), r"input_shape must be \(channels, height, width\).*\(28, 28\)"),
        (lambda: networks.lenet((1, 7, 28)), r"sides of 8 or more, got \(1, 7, 28\)"),
        (lambda: networks.lenet((0, 28, 28)), r"input_shape .* got \(0, 28, 28\)"),
        (lambda: networks.lenet(classes=0), r"whole numbers, 1 or more, got \[256, 120, 84, 0\]"),
        (lambda: networks.dense(0, (3,), 1), r"whole numbers, 1 or more, got \[0, 3, 1\]"),
        (lambda: networks.dense(3, (2.5,), 1), r"whole numbers, 1 or more, got \[3, 2.5, 1\]"),
        (lambda: networks.dense(3, (4,), 1, activation="swish"), "activation must be one of .*'relu'.*got 'swish'"),
    ],
)
def test_refusals(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_vgg_has_the_layers_of_the_figure_and_one_output():
    network = networks.vgg()
    convolutions = [layer for layer in network if isinstance(layer, nn.Conv2d)]
    assert [layer.out_channels for layer in convolutions] == [64, 64, 128, 128, 256, 256, 512, 512]
    assert {layer.kernel_size for layer in convolutions} == {(3, 3)}
    names = "".join(
        {"Conv2d": "c", "MaxPool2d": "p", "AdaptiveAvgPool2d": "a", "Linear": "d"}.get(type(each).__name__, "")
        for each in network
    )
    assert names == "cpcpccpccpccaddd"
    assert [layer.out_features for layer in network if isinstance(layer, nn.Linear)] == [4096, 2048, 1]
    by_hand = sum(
        9 * a * b + b for a, b in zip((3, 64, 64, 128, 128, 256, 256, 512), (64, 64, 128, 128, 256, 256, 512, 512), strict=True)
    )
    by_hand += 512 * 4096 + 4096 + 4096 * 2048 + 2048 + 2048 + 1
    assert sum(weight.numel() for weight in network.parameters()) == by_hand


@pytest.mark.parametrize("shape", [(3, 16, 16), (1, 40, 50), (3, 33, 71)])
def test_vgg_takes_images_of_every_size(shape):
    network = networks.vgg(shape, shrink=16, seed=0)
    assert network(torch.zeros(2, *shape)).shape == (2, 1)


def test_vgg_begins_with_weights_as_in_keras_whose_signal_reaches_the_end():
    network = networks.vgg(shrink=8, seed=0)
    for layer in network:
        if isinstance(layer, nn.Conv2d | nn.Linear):
            inputs, outputs = (layer.weight.shape[axis] * layer.weight[0, 0].numel() for axis in (1, 0))
            assert layer.bias.abs().max() == 0
            assert layer.weight.abs().max() <= (6 / (inputs + outputs)) ** 0.5
    images = torch.rand(8, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * torch.linspace(0.1, 1, 8).view(8, 1, 1, 1)
    keras = network(images).std()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for layer in network:
            if isinstance(layer, nn.Conv2d | nn.Linear):
                layer.reset_parameters()
                nn.init.zeros_(layer.bias)
    assert keras > 10 * network(images).std()


def test_the_weights_of_vgg_depend_on_the_seed_alone():
    first, second, other = (networks.vgg(shrink=32, seed=seed)[0].weight for seed in (1, 1, 2))
    assert torch.equal(first, second) and not torch.equal(first, other)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"shrink": 3}, "shrink must be a power of two from 1 to 32, got 3"),
        ({"input_shape": (3, 8, 20)}, "input_shape must be .* with sides of 16 or more"),
    ],
)
def test_a_vgg_that_cannot_be_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        networks.vgg(**settings)
