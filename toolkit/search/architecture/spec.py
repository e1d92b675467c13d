"""What all architectures have in common: layers, counts, and how bad descriptions are refused."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from torch import nn

from toolkit.networks import seeded

INPUT = "input"  # names of widths that are given by the task
CLASSES = "classes"


class Collapsed(ValueError):
    """A width of zero where no network is left: not in the branch of a block, but in its stream or in a plain chain."""


@dataclass(frozen=True)
class Layer:
    """A convolution or dense layer of an architecture, or a batch norm, where `inputs` is 0.

    Attributes:
        name: of the module in the network that is built.
        place: what it belongs to, such as ("block", 1, 0) for the first block of the second stage.
        role: its name within that place.
        inputs: channels; for a dense layer behind positions their channels, `each` times.
        outputs: channels.
        reads: name of the width of its inputs.
        writes: name of the width of its outputs.
        kernel: side [pixels].
        positions: of the output.
        each: numbers per input channel.
        bias: whether it has one.
        stage: number of the stage, for drawing.
    """

    name: str
    place: tuple
    role: str
    inputs: int
    outputs: int
    reads: str
    writes: str
    kernel: int = 1
    positions: int = 1
    each: int = 1
    bias: bool = False
    stage: int = 0

    @property
    def is_norm(self) -> bool:
        """Whether it is a batch norm."""
        return self.inputs == 0

    @property
    def flops(self) -> int:
        """Of one sample; a multiply-add counts two."""
        return 2 * self.positions * self.kernel**2 * self.inputs * self.each * self.outputs

    @property
    def parameters(self) -> int:
        """Weights and biases, or scales and offsets."""
        if self.is_norm:
            return 2 * self.outputs
        return self.kernel**2 * self.inputs * self.each * self.outputs + self.bias * self.outputs


class Spec:
    """What all descriptions can do; `layers`, `widths`, `with_widths` and `module` are theirs."""

    input_shape: tuple[int, ...]

    def build(self, *, seed: int | None = None) -> nn.Module:
        """The network with fresh weights; with a seed they are reproducible and torch's random state stays as it was."""
        with seeded(seed):
            return self.module()

    def flops(self, input_shape: Sequence[int] | None = None) -> int:
        """FLOPs of one sample, exactly; a multiply-add counts two. Of the shape that it is for, or of another one."""
        spec = self if input_shape is None else replace(self, input_shape=tuple(input_shape))
        return sum(layer.flops for layer in spec.layers)

    @property
    def multiply_adds(self) -> int:
        """Half the FLOPs."""
        return self.flops() // 2

    @property
    def parameters(self) -> int:
        """How many numbers are trained."""
        return sum(layer.parameters for layer in self.layers)

    def alive_widths(self, alive: Mapping[str, Any]) -> dict[str, int]:
        """The widths that are left, from `FlopRegularizer.alive` of the network that was built."""
        named = {layer.writes: alive[layer.name] for layer in self.layers if layer.name in alive}
        return {name: int(named[name].sum()) for name in self.widths}

    def to_json(self) -> str:
        """As text, for `from_json`."""
        return json.dumps({"kind": type(self).__name__} | asdict(self))

    # What each description says of itself ----------------------------------------------------------------------------------

    @property
    def layers(self) -> list[Layer]:
        """All layers in the order of the computation."""
        raise NotImplementedError

    @property
    def widths(self) -> dict[str, int]:
        """The widths that may be changed, by name."""
        raise NotImplementedError

    def with_widths(self, widths: Mapping[str, int]) -> Spec:
        """The same with other widths; those that are not named stay."""
        raise NotImplementedError

    def module(self) -> nn.Module:
        """The network with weights from torch's global generator."""
        raise NotImplementedError


def norm_layer(name: str, place: tuple, channels: int, writes: str, stage: int, *, role: str = "norm") -> Layer:
    """A batch norm behind or in front of a convolution."""
    return Layer(name, place, role, 0, channels, "", writes, stage=stage)


def chosen_widths(present: Mapping[str, int], wanted: Mapping[str, int]) -> dict[str, int]:
    """All widths, those that are wanted replaced; unknown names and bad numbers are refused."""
    for name, width in wanted.items():
        if name not in present:
            raise ValueError(f"widths: there is no {name!r}; there are {tuple(present)}")
        if isinstance(width, bool) or not isinstance(width, int) or width < 0:
            raise ValueError(f"widths[{name!r}] must be a whole number, 0 or more, got {width!r}")
    return {name: wanted.get(name, width) for name, width in present.items()}


# Refusals -----------------------------------------------------------------------------------------------------------------


def freeze(spec: Any, *names: str) -> None:
    """Lists, as JSON gives them, become tuples."""
    for name in names:
        object.__setattr__(spec, name, tuple(getattr(spec, name)))


def check_positive(spec: Any, *names: str) -> None:
    """Raise ValueError unless these fields are whole numbers of 1 or more."""
    for name in names:
        value = getattr(spec, name)
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, bool) or not isinstance(one, int) or one < 1:
                raise ValueError(f"{name} must hold whole numbers of 1 or more, got {value!r}")


def check_image(input_shape: tuple) -> None:
    """Raise ValueError unless it is channels, height and width."""
    if len(input_shape) != 3 or any(isinstance(one, bool) or not isinstance(one, int) or one < 1 for one in input_shape):
        raise ValueError(f"input_shape must be (channels, height, width), whole numbers of 1 or more, got {input_shape!r}")


def check_kernel(kernel: int) -> None:
    """Raise ValueError unless it is a side with a middle."""
    if isinstance(kernel, bool) or not isinstance(kernel, int) or kernel < 1 or kernel % 2 == 0:
        raise ValueError(f"kernel must be an odd positive number, got {kernel!r}")
