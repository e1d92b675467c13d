"""Plain networks: a chain of convolutions, or of dense layers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from torch import nn

from toolkit.search.architecture.spec import (
    CLASSES,
    INPUT,
    Collapsed,
    Layer,
    Spec,
    check_image,
    check_kernel,
    check_positive,
    chosen_widths,
    freeze,
    norm_layer,
)

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "gelu": nn.GELU, "silu": nn.SiLU}


@dataclass(frozen=True)
class ConvSpec(Spec):
    """A plain network: convolutions with batch norm and ReLU, max pooling behind some, then dense layers.

    Attributes:
        input_shape: channels, height and width [pixels].
        classes: outputs.
        convolutions: channels of each.
        pooled: numbers of the convolutions, from 0 on, behind which the sides are halved.
        hidden: units of dense layers between convolutions and output.
        kernel: side, odd [pixels].
        norm: batch norm behind convolutions and hidden dense layers.
        head: "flatten", or "average" over positions.

    >>> ConvSpec((1, 28, 28), 10, (32, 64)).flops()
    7739648
    """

    input_shape: tuple[int, int, int]
    classes: int
    convolutions: tuple[int, ...]
    pooled: tuple[int, ...] = (0, 1)
    hidden: tuple[int, ...] = ()
    kernel: int = 3
    norm: bool = True
    head: Literal["flatten", "average"] = "flatten"

    def __post_init__(self):
        freeze(self, "input_shape", "convolutions", "pooled", "hidden")
        check_image(self.input_shape)
        check_positive(self, "classes", "convolutions", "hidden")
        check_kernel(self.kernel)
        if not self.convolutions:
            raise ValueError("convolutions must name at least one width, got none")
        if self.head not in ("flatten", "average"):
            raise ValueError(f"head must be 'flatten' or 'average', got {self.head!r}")
        if any(not 0 <= one < len(self.convolutions) for one in self.pooled):
            raise ValueError(f"pooled must name convolutions from 0 to {len(self.convolutions) - 1}, got {self.pooled}")
        if min(self.input_shape[1:]) < 2 ** len(self.pooled):
            raise ValueError(f"pooled: {len(self.pooled)} poolings are too many for images of {self.input_shape[1:]} pixels")

    @property
    def layers(self) -> list[Layer]:
        """All layers in the order of the computation."""
        found: list[Layer] = []
        (before, height, width), reads = self.input_shape, INPUT
        for number, channels in enumerate(self.convolutions):
            name = f"conv{number + 1}"
            shape = {"kernel": self.kernel, "positions": height * width, "bias": not self.norm, "stage": number}
            found.append(Layer(name, (name,), "conv", before, channels, reads, name, **shape))
            found += [norm_layer(f"norm{number + 1}", (name,), channels, name, number)] if self.norm else []
            before, reads = channels, name
            if number in self.pooled:
                height, width = height // 2, width // 2
        each = height * width if self.head == "flatten" else 1
        stage = len(self.convolutions)
        for number, units in enumerate(self.hidden):
            name = f"dense{number + 1}"
            found.append(Layer(name, (name,), "dense", before, units, reads, name, each=each, bias=not self.norm, stage=stage))
            found += [norm_layer(f"dense_norm{number + 1}", (name,), units, name, stage)] if self.norm else []
            before, reads, each = units, name, 1
        return [
            *found,
            Layer("out", ("out",), "dense", before, self.classes, reads, CLASSES, each=each, bias=True, stage=stage),
        ]

    @property
    def widths(self) -> dict[str, int]:
        """The widths that may be changed, by name."""
        return {f"conv{n + 1}": width for n, width in enumerate(self.convolutions)} | {
            f"dense{n + 1}": width for n, width in enumerate(self.hidden)
        }

    def with_widths(self, widths: Mapping[str, int]) -> ConvSpec:
        """The same with other widths; those that are not named stay.

        Raises:
            Collapsed: a width of zero.
        """
        chosen = chosen_widths(self.widths, widths)
        if dead := [name for name, width in chosen.items() if width == 0]:
            raise Collapsed(f"widths: {', '.join(dead)} would have no channel")
        convolutions = tuple(chosen[f"conv{n + 1}"] for n in range(len(self.convolutions)))
        return replace(self, convolutions=convolutions, hidden=tuple(chosen[f"dense{n + 1}"] for n in range(len(self.hidden))))

    def module(self) -> nn.Sequential:
        """The network with weights from torch's global generator."""
        named = nn.Sequential()
        for layer in self.layers:
            if layer.name in ("dense1", "out") and not hasattr(named, "flatten"):
                if self.head == "average":
                    named.add_module("average", nn.AdaptiveAvgPool2d(1))
                named.add_module("flatten", nn.Flatten())
            named.add_module(layer.name, _made(layer))
            number = layer.name[-1] if layer.name != "out" else ""
            if layer.is_norm == self.norm and number:
                named.add_module(f"{layer.place[0]}_relu", nn.ReLU())
                if layer.place[0].startswith("conv") and layer.stage in self.pooled:
                    named.add_module(f"{layer.place[0]}_pool", nn.MaxPool2d(2))
        return named


@dataclass(frozen=True)
class DenseSpec(Spec):
    """Dense layers; images are flattened first.

    Attributes:
        input_shape: of one sample.
        classes: outputs.
        hidden: units of the hidden layers.
        activation: one of `ACTIVATIONS`.
        norm: batch norm in front of the activation.

    >>> DenseSpec((64,), 10, (10, 10)).parameters
    870
    """

    input_shape: tuple[int, ...]
    classes: int
    hidden: tuple[int, ...] = ()
    activation: str = "relu"
    norm: bool = False

    def __post_init__(self):
        freeze(self, "input_shape", "hidden")
        check_positive(self, "input_shape", "classes", "hidden")
        if self.activation not in ACTIVATIONS:
            raise ValueError(f"activation must be one of {tuple(ACTIVATIONS)}, got {self.activation!r}")

    @property
    def layers(self) -> list[Layer]:
        """All layers in the order of the computation."""
        found: list[Layer] = []
        before, reads = math.prod(self.input_shape), INPUT
        for number, units in enumerate(self.hidden):
            name = f"dense{number + 1}"
            found.append(Layer(name, (name,), "dense", before, units, reads, name, bias=not self.norm, stage=number))
            found += [norm_layer(f"norm{number + 1}", (name,), units, name, number)] if self.norm else []
            before, reads = units, name
        return [
            *found,
            Layer("out", ("out",), "dense", before, self.classes, reads, CLASSES, bias=True, stage=len(self.hidden)),
        ]

    @property
    def widths(self) -> dict[str, int]:
        """The widths that may be changed, by name."""
        return {f"dense{n + 1}": width for n, width in enumerate(self.hidden)}

    def with_widths(self, widths: Mapping[str, int]) -> DenseSpec:
        """The same with other widths; those that are not named stay.

        Raises:
            Collapsed: a width of zero.
        """
        chosen = chosen_widths(self.widths, widths)
        if dead := [name for name, width in chosen.items() if width == 0]:
            raise Collapsed(f"widths: {', '.join(dead)} would have no unit")
        return replace(self, hidden=tuple(chosen.values()))

    def module(self) -> nn.Sequential:
        """The network with weights from torch's global generator."""
        named = nn.Sequential()
        named.add_module("flatten", nn.Flatten())
        for layer in self.layers:
            named.add_module(layer.name, _made(layer))
            if layer.is_norm == self.norm and layer.name != "out":
                named.add_module(f"{layer.place[0]}_act", ACTIVATIONS[self.activation]())
        return named


def _made(layer: Layer) -> nn.Module:
    """A layer of a plain network."""
    if layer.is_norm:
        return nn.BatchNorm1d(layer.outputs) if "conv" not in layer.place[0] else nn.BatchNorm2d(layer.outputs)
    if layer.role == "dense":
        return nn.Linear(layer.inputs * layer.each, layer.outputs, bias=layer.bias)
    return nn.Conv2d(layer.inputs, layer.outputs, layer.kernel, padding=layer.kernel // 2, bias=layer.bias)
