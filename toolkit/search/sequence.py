"""Sequences of layers that surgery can open: what they are made of, what they look like as JSON, and how they are rebuilt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

# Each acts on one number at a time; those that never give a negative one leave a following ReLU nothing to do.
NEVER_NEGATIVE = (nn.ReLU, nn.ReLU6, nn.Sigmoid, nn.Softplus, nn.Hardsigmoid)
ACTIVATIONS = (
    *NEVER_NEGATIVE, nn.LeakyReLU, nn.ELU, nn.SELU, nn.GELU, nn.SiLU, nn.Tanh, nn.Hardtanh, nn.Softsign, nn.Identity,
)  # fmt: skip
POOLING = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d)
WEIGHTED = (nn.Linear, nn.Conv2d)
ADMITTED = (*WEIGHTED, *ACTIVATIONS, *POOLING, nn.Flatten, nn.Dropout)
ARGUMENTS = {
    nn.Linear: ("in_features", "out_features"),
    nn.Conv2d: ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "padding_mode"),
    nn.LeakyReLU: ("negative_slope",),
    nn.ELU: ("alpha",),
    nn.GELU: ("approximate",),
    nn.Softplus: ("beta", "threshold"),
    nn.Hardtanh: ("min_val", "max_val"),
    nn.MaxPool2d: ("kernel_size", "stride", "padding", "dilation", "ceil_mode"),
    nn.AvgPool2d: ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad"),
    nn.AdaptiveAvgPool2d: ("output_size",),
    nn.Flatten: ("start_dim", "end_dim"),
    nn.Dropout: ("p",),
}
BY_NAME = {module.__name__: module for module in ADMITTED}


def weighted(model: nn.Module) -> list[int]:
    """Places of the layers with weights, first to last; the last of them is the output.

    Raises:
        TypeError: the model is no `nn.Sequential` of layers that surgery can open, or shares weights between layers; the
            message names the layer.

    >>> weighted(nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)))
    [1, 3]
    """
    if type(model) is not nn.Sequential:
        raise TypeError(f"model must be an nn.Sequential, got {type(model).__name__}")
    for place, module in enumerate(model):
        if type(module) not in ADMITTED:
            names = ", ".join(sorted(BY_NAME))
            raise TypeError(f"model[{place}]: {type(module).__name__} cannot be operated on; admitted are {names}")
        if isinstance(module, nn.Conv2d) and module.groups != 1:
            raise TypeError(f"model[{place}]: a convolution in {module.groups} groups cannot be operated on")
    _check_not_shared(model)
    places = [place for place, module in enumerate(model) if isinstance(module, WEIGHTED)]
    if not places:
        raise TypeError("model has no layer with weights")
    return places


def widths(model: nn.Sequential) -> list[int]:
    """Units, or channels, of each layer with weights; the last is the number of outputs.

    >>> widths(nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2)))
    [3, 2]
    """
    return [width(model[place]) for place in weighted(model)]


def width(layer: nn.Module) -> int:
    """Units of a dense layer, channels of a convolution."""
    return layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels


def parameters(model: nn.Module) -> int:
    """Number of weights and biases.

    >>> parameters(nn.Linear(4, 3))
    15
    """
    return sum(parameter.numel() for parameter in model.parameters())


def with_weights(layer: nn.Module, weight: Tensor, bias: Tensor | None, **changed: Any) -> nn.Module:
    """A layer like this one with other weights, and so perhaps another width; no random number is drawn.

    The weights lie in memory as those of a new layer do, for products of others differ in the last digit.

    Args:
        layer: dense or convolution.
        weight: `(out, in)` or `(out, in, h, w)`.
        bias: `(out,)` or None.
        changed: further arguments of the layer, such as `stride`.
    """
    arguments = {name: getattr(layer, name) for name in ARGUMENTS[type(layer)]}
    shape = dict(zip(ARGUMENTS[type(layer)], (weight.shape[1], weight.shape[0], tuple(weight.shape[2:])), strict=False))
    made = type(layer)(**(arguments | shape | changed), bias=bias is not None, device="meta")
    made.weight = nn.Parameter(weight.detach().clone(memory_format=torch.contiguous_format))
    if bias is not None:
        made.bias = nn.Parameter(bias.detach().clone())
    return made.train(layer.training)


def description(model: nn.Sequential) -> list[dict[str, Any]]:
    """Each layer by the name of its class and its arguments: numbers and strings, for JSON and for `rebuilt`.

    >>> description(nn.Sequential(nn.Linear(4, 3), nn.ReLU()))[0]
    {'layer': 'Linear', 'in_features': 4, 'out_features': 3, 'bias': True}
    """
    weighted(model)
    return [_described(module) for module in model]


def rebuilt(layers: Sequence[Mapping[str, Any]], *, dtype: torch.dtype | None = None) -> nn.Sequential:
    """The network of a `description`; its weights are zero until a state dict is loaded.

    Raises:
        ValueError: a layer that is not admitted, or arguments that it does not take.
    """
    modules = []
    for place, layer in enumerate(layers):
        arguments = dict(layer)
        name = arguments.pop("layer", None)
        if name not in BY_NAME:
            raise ValueError(f"layers[{place}]: {name!r} is not admitted; admitted are {sorted(BY_NAME)}")
        where = {"device": "meta", "dtype": dtype} if BY_NAME[name] in WEIGHTED else {}
        try:
            modules.append(BY_NAME[name](**arguments, **where))
        except TypeError as fault:
            raise ValueError(f"layers[{place}]: {name} does not take {arguments}: {fault}") from fault
    model = nn.Sequential(*modules).to_empty(device="cpu")
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    return model


def _described(module: nn.Module) -> dict[str, Any]:
    arguments = {name: getattr(module, name) for name in ARGUMENTS.get(type(module), ())}
    if isinstance(module, WEIGHTED):
        arguments["bias"] = module.bias is not None
    return {"layer": type(module).__name__, **arguments}


def _check_not_shared(model: nn.Sequential) -> None:
    owners: dict[int, str] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        if owner := owners.get(parameter.data_ptr() if parameter.numel() else id(parameter)):
            raise TypeError(f"model shares weights: {name} is {owner}, so that neither layer can be changed alone")
        owners[parameter.data_ptr()] = name
