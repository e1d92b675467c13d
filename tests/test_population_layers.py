"""K networks as one: each kind of layer on stacked weights, and which networks may be stacked."""

import pytest
import torch
from population_cases import CROSS_ENTROPY, Residual, dense, lenet
from torch import nn

from toolkit.population.layers import stacked, vectorised
from toolkit.population.strategy import draws_random_numbers, obstacle

MEMBERS, SAMPLES = 3, 4


def tied():
    first, second = nn.Linear(5, 5), nn.Linear(5, 5)
    second.weight = first.weight
    return nn.Sequential(first, nn.Tanh(), second)


LAYERS = {
    "dense": (lambda: nn.Linear(5, 3), (5,)),
    "dense without bias": (lambda: nn.Linear(5, 3, bias=False), (5,)),
    "dense on sequences": (lambda: nn.Linear(5, 3), (7, 5)),
    "dense on images": (lambda: nn.Linear(5, 3, bias=False), (2, 7, 5)),
    "convolution": (lambda: nn.Conv2d(2, 3, 3), (2, 6, 7)),
    "convolution without bias": (lambda: nn.Conv2d(2, 3, 3, bias=False), (2, 6, 7)),
    "strided and padded": (lambda: nn.Conv2d(2, 3, (3, 5), stride=(2, 1), padding=(1, 2)), (2, 6, 7)),
    "dilated": (lambda: nn.Conv2d(2, 3, 2, dilation=2, padding="same"), (2, 6, 7)),
    "grouped": (lambda: nn.Conv2d(4, 6, 3, groups=2), (4, 6, 7)),
    "convolution of spectra": (lambda: nn.Conv1d(2, 3, 3), (2, 9)),
    "convolution of volumes": (lambda: nn.Conv3d(2, 3, 2), (2, 4, 5, 3)),
    "pooling": (lambda: nn.MaxPool2d(2), (2, 6, 7)),
    "mean pooling": (lambda: nn.Sequential(nn.Conv2d(2, 3, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()), (2, 6, 7)),
    "flattened from the second axis": (lambda: nn.Flatten(2), (2, 3, 4)),
    "activations": (lambda: nn.Sequential(nn.GELU(), nn.Identity(), nn.Softplus(), nn.LeakyReLU(0.2)), (5,)),
    "stack of stacks": (lambda: nn.Sequential(nn.Sequential(nn.Linear(5, 4), nn.ReLU()), nn.Linear(4, 2)), (5,)),
    "two layers with one weight": (tied, (5,)),
    "nothing": (lambda: nn.Sequential(), (5,)),
}


def stack(networks):
    return {
        name: torch.stack([dict(n.named_parameters())[name] for n in networks]) for name, _ in networks[0].named_parameters()
    }


@pytest.mark.parametrize("way", [stacked, vectorised])
@pytest.mark.parametrize(("build", "shape"), LAYERS.values(), ids=LAYERS)
def test_stacked_members_give_their_own_outputs_and_gradients(way, build, shape, device):
    networks = [build().double().to(device) for _ in range(MEMBERS)]
    inputs = torch.randn(MEMBERS, SAMPLES, *shape, dtype=torch.float64, device=device, requires_grad=True)
    weights = {name: values.detach().requires_grad_() for name, values in stack(networks).items()}
    outputs = way(networks[0])(weights, inputs)
    expected = torch.stack([network(own) for network, own in zip(networks, inputs, strict=True)])
    torch.testing.assert_close(outputs, expected, rtol=1e-12, atol=1e-12)

    direction = torch.randn_like(outputs)
    gradients = torch.autograd.grad(outputs, [inputs, *weights.values()], direction)
    own = [weight for network in networks for weight in network.parameters()]
    of_inputs, *of_own = torch.autograd.grad(expected, [inputs, *own], direction)
    torch.testing.assert_close(gradients[0], of_inputs, rtol=1e-12, atol=1e-12)
    for place, gradient in enumerate(gradients[1:]):
        torch.testing.assert_close(gradient, torch.stack(of_own[place :: len(weights)]), rtol=1e-12, atol=1e-12)


def test_inputs_that_members_share_need_no_copies():
    networks = [lenet(seed) for seed in range(MEMBERS)]
    inputs = torch.randn(SAMPLES, 1, 8, 8, dtype=torch.float64)
    outputs = stacked(networks[0])(stack(networks), inputs.expand(MEMBERS, *inputs.shape))
    torch.testing.assert_close(outputs, torch.stack([network(inputs) for network in networks]), rtol=1e-12, atol=1e-12)


def test_vectorised_members_are_in_the_mode_of_the_pass():
    class Moody(nn.Linear):
        def forward(self, inputs):
            return super().forward(inputs) * (1 if self.training else -1)

    network = Moody(2, 2)
    forward, weights, inputs = vectorised(network), stack([network]), torch.ones(1, 1, 2)
    trained = forward(weights, inputs)
    with torch.no_grad():
        assert torch.equal(forward(weights, inputs), -trained)


class Doubled(nn.Linear):
    def forward(self, inputs):
        return 2 * super().forward(inputs)


class Summed(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(6, 3)

    def forward(self, inputs):
        return self.layer(inputs) * float(inputs.sum())


def hooked():
    network = nn.Sequential(nn.Linear(6, 3))
    network[0].register_forward_hook(lambda module, inputs, output: output + 1)
    return network


def frozen():
    network = nn.Sequential(nn.Linear(6, 3), nn.Linear(3, 3))
    network[0].bias.requires_grad = False
    return network


def circular():
    return nn.Sequential(nn.Linear(6, 3), nn.Conv1d(4, 4, 3, padding=1, padding_mode="circular"))


OBSTACLES = [
    (nn.Sequential(nn.Linear(6, 3), nn.Dropout(0.5)), "layers", "draws random numbers in training"),
    (nn.Sequential(nn.Linear(6, 3), nn.Dropout(0.5)), "vmap", "draws random numbers in training"),
    (nn.Sequential(nn.Linear(6, 3), nn.BatchNorm1d(3)), "vmap", "has buffers"),
    (nn.Sequential(nn.Linear(6, 3), nn.LayerNorm(3)), "layers", "has a layer that cannot be stacked: LayerNorm"),
    (nn.Sequential(Doubled(6, 3)), "layers", "has a layer that cannot be stacked: Doubled"),
    (circular(), "layers", "has a layer that cannot be stacked: Conv1d"),
    (nn.Sequential(nn.Linear(6, 3), nn.Flatten(0), nn.Unflatten(0, (4, 3))), "layers", "mixes samples"),
    (Residual(0).float(), "layers", "has a layer that cannot be stacked"),
    (Summed(), "vmap", "vmap"),
    (hooked(), "layers", "gives other outputs"),
    (frozen(), "layers", "has weights that the loss does not reach"),
    (nn.Sequential(nn.Linear(6, 3), nn.Linear(3, 3).double()), "layers", "has weights of several types"),
    (nn.Sequential(nn.Identity()), "layers", "has weights of several types, or none"),
]  # fmt: skip


@pytest.mark.parametrize(("network", "way", "words"), OBSTACLES)
def test_what_cannot_be_stacked_is_told(network, way, words):
    batch = torch.randn(4, 6), torch.tensor([0, 1, 2, 0])
    assert words in obstacle(way, network, CROSS_ENTROPY, batch)


@pytest.mark.parametrize("way", ["layers", "vmap"])
def test_a_loss_must_give_one_number_per_member(way):
    batch = torch.randn(4, 6).double(), torch.tensor([0, 1, 2, 0])
    assert obstacle(way, dense(0), CROSS_ENTROPY, batch) is None
    one = batch[0][:1], batch[1][:1]
    assert "another loss" in obstacle(way, dense(0), nn.CrossEntropyLoss(reduction="none"), one)


def test_looking_for_obstacles_leaves_the_network_as_it_was():
    network = nn.Sequential(nn.Linear(6, 3), nn.BatchNorm1d(3)).eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    batch = torch.randn(4, 6), torch.tensor([0, 1, 2, 0])
    for model in (network, network[:1]):
        obstacle("layers", model, CROSS_ENTROPY, batch)
        draws_random_numbers(model, batch[0])
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not network.training
    assert all(weight.grad is None for weight in network.parameters())


def test_only_randomness_that_acts_counts():
    inputs = torch.randn(4, 6)
    assert draws_random_numbers(nn.Dropout(0.5), inputs)
    assert not draws_random_numbers(nn.Sequential(nn.Linear(6, 3), nn.Tanh()), inputs)
