"""K networks of one structure as one network.

Weights are stacked `(k, ...)` and inputs are `(k, b, ...)`: member i's samples meet member i's weights only.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

Forward = Callable[[Mapping[str, Tensor], Tensor], Tensor]

CONVOLUTIONS = {nn.Conv1d: functional.conv1d, nn.Conv2d: functional.conv2d, nn.Conv3d: functional.conv3d}
ELEMENTWISE = {
    nn.Identity, nn.ReLU, nn.Tanh, nn.Sigmoid, nn.GELU, nn.SiLU, nn.ELU, nn.LeakyReLU, nn.Softplus, nn.Hardtanh,
}  # fmt: skip
SAMPLE_BY_SAMPLE = {nn.Flatten, nn.MaxPool1d, nn.MaxPool2d, nn.AvgPool1d, nn.AvgPool2d, nn.AdaptiveAvgPool2d}


def linear(inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """K dense layers as one batched matrix product.

    Args:
        inputs: `(k, b, d)`, or `(k, b, ..., d)`.
        weight: `(k, d', d)`.
        bias: `(k, d')` or None.

    Returns:
        `(k, b, d')`, or `(k, b, ..., d')`.

    >>> linear(torch.ones(2, 1, 3), torch.ones(2, 1, 3), torch.tensor([[0.0], [10.0]])).flatten()
    tensor([ 3., 13.])
    """
    if inputs.ndim > 3:  # axes between samples and features are more samples
        return linear(inputs.flatten(1, -2), weight, bias).unflatten(1, inputs.shape[1:-1])
    transposed = weight.transpose(1, 2)
    return torch.bmm(inputs, transposed) if bias is None else torch.baddbmm(bias.unsqueeze(1), inputs, transposed)


def convolution(layer: nn.Module, inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """K convolutions as one grouped convolution: the members' channels lie side by side and each group sees its own.

    Args:
        layer: gives stride, padding, dilation and the groups within one member.
        inputs: `(k, b, c, ...)`.
        weight: `(k, c', c / groups, ...)`.
        bias: `(k, c')` or None.

    Returns:
        `(k, b, c', ...)`.
    """
    members = inputs.shape[0]
    outputs = CONVOLUTIONS[type(layer)](
        inputs.transpose(0, 1).flatten(1, 2), weight.flatten(0, 1), None if bias is None else bias.flatten(),
        layer.stride, layer.padding, layer.dilation, members * layer.groups,
    )  # fmt: skip
    return outputs.unflatten(1, (members, -1)).transpose(0, 1)


def stacked(network: nn.Module) -> Forward:
    """The forward pass of K copies of a plain stack of layers.

    Args:
        network: an `nn.Sequential` (in others too) of dense layers, convolutions, pooling and activations.

    Returns:
        A function of weights by name, each `(k, ...)`, and inputs `(k, b, ...)`.

    Raises:
        ValueError: a layer that is not known here, or not without randomness and running statistics.

    >>> network = nn.Sequential(nn.Linear(1, 1, bias=False), nn.ReLU())
    >>> stacked(network)({"0.weight": torch.tensor([[[2.0]], [[-2.0]]])}, torch.ones(2, 1, 1)).flatten()
    tensor([2., 0.])
    """
    layers = list(_layers(network))
    names = {id(weight): name for name, weight in network.named_parameters()}
    own = [(names.get(id(getattr(layer, "weight", None))), names.get(id(getattr(layer, "bias", None)))) for layer in layers]

    def forward(weights: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        for layer, (weight, bias) in zip(layers, own, strict=True):
            inputs = _pass(layer, inputs, weights.get(weight), weights.get(bias))
        return inputs

    return forward


def _layers(network: nn.Module):
    if type(network) is nn.Sequential:
        for layer in network:
            yield from _layers(layer)
        return
    known = {nn.Linear, *CONVOLUTIONS} | ELEMENTWISE | SAMPLE_BY_SAMPLE
    if type(network) not in known or getattr(network, "padding_mode", "zeros") != "zeros":
        raise ValueError(f"has a layer that cannot be stacked: {network}")
    if type(network) is nn.Flatten and network.start_dim < 1:
        raise ValueError(f"has a layer that mixes samples: {network}")
    yield network


def _pass(layer: nn.Module, inputs: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    if type(layer) is nn.Linear:
        return linear(inputs, weight, bias)
    if type(layer) in CONVOLUTIONS:
        return convolution(layer, inputs, weight, bias)
    if type(layer) in ELEMENTWISE:
        return layer(inputs)
    return layer(inputs.flatten(0, 1)).unflatten(0, inputs.shape[:2])


def vectorised(network: nn.Module) -> Forward:
    """The forward pass of K copies of any network without randomness and running statistics, by `torch.func.vmap`."""
    modes = {True: copy.deepcopy(network).train(), False: copy.deepcopy(network).eval()}

    def forward(weights: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        model = modes[torch.is_grad_enabled()]  # gradients are asked for in training only
        return torch.func.vmap(lambda own, samples: functional_call(model, own, (samples,)))(dict(weights), inputs)

    return forward
