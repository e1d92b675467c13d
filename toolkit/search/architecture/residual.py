"""Residual networks: stages of blocks at one resolution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from torch import nn

from toolkit.search.architecture.blocks import ORDERS, Block, Order, Projection, ResNet, Trunk, Unit
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

ENTRIES = ("none", "max", "project")


@dataclass(frozen=True)
class Stage:
    """Blocks at one resolution.

    Attributes:
        width: channels of the stream.
        blocks: for each block the channels between its two convolutions.
        entry: the way in: "none" for the first stage, "max" for max pooling, which leaves the width as it is, or "project" for
            a 1x1 convolution of stride 2 beside a branch.
        branch: channels between the two convolutions of that branch; 0 for no branch.
    """

    width: int
    blocks: tuple[int, ...] = ()
    entry: Literal["none", "max", "project"] = "none"
    branch: int = 0

    def __post_init__(self):
        freeze(self, "blocks")
        check_positive(self, "width", "blocks")
        if self.entry not in ENTRIES:
            raise ValueError(f"entry must be one of {ENTRIES}, got {self.entry!r}")
        if isinstance(self.branch, bool) or not isinstance(self.branch, int) or self.branch < 0:
            raise ValueError(f"branch must be a whole number, 0 or more, got {self.branch!r}")
        if self.branch and self.entry != "project":
            raise ValueError(f"branch: a stage with the entry {self.entry!r} has none, got {self.branch}")


@dataclass(frozen=True)
class ResNetSpec(Spec):
    """A residual network: a convolution, stages of blocks x + branch(x), the mean over positions, a dense layer.

    Attributes:
        input_shape: channels, height and width [pixels].
        classes: outputs.
        stages: at least one.
        block: "post" has batch norm behind each convolution as in (4.1), "pre" in front of it as in the published code.
        kernel: side of the convolutions in stem and branches, odd [pixels].
        closing: whether branches end in ReLU, as in (4.1). With it a block whose branch is exactly zero has no gradient and
            stays zero for ever, since ReLU's gradient at zero is zero.

    >>> ResNetSpec((3, 32, 32), 10, (Stage(16, (16,)), Stage(16, (16, 16), "max"))).widths
    {'stream0': 16, 'stage0.block0': 16, 'stage1.block0': 16, 'stage1.block1': 16}
    """

    input_shape: tuple[int, int, int]
    classes: int
    stages: tuple[Stage, ...]
    block: Order = "pre"
    kernel: int = 3
    closing: bool = True

    def __post_init__(self):
        freeze(self, "input_shape", "stages")
        check_image(self.input_shape)
        check_positive(self, "classes")
        check_kernel(self.kernel)
        if self.block not in ORDERS:
            raise ValueError(f"block must be one of {ORDERS}, got {self.block!r}")
        if not self.stages or not all(isinstance(stage, Stage) for stage in self.stages):
            raise ValueError(f"stages must hold at least one Stage, got {self.stages!r}")
        side = min(self.input_shape[1:])
        for number, (before, stage) in enumerate(zip((None, *self.stages), self.stages, strict=False)):
            if (stage.entry == "none") != (number == 0):
                raise ValueError(
                    f"stages[{number}]: the entry 'none' is for the first stage and only for it, got {stage.entry!r}"
                )
            if stage.entry == "max" and stage.width != before.width:
                raise ValueError(f"stages[{number}]: pooling keeps the width {before.width}, got {stage.width}")
            if stage.entry == "max" and side < 2:
                raise ValueError(f"stages[{number}]: nothing is left to pool of images of {self.input_shape[1:]} pixels")
            side = side // 2 if stage.entry == "max" else (side + 1) // 2 if number else side

    @property
    def layers(self) -> list[Layer]:
        """All layers in the order of the computation."""
        channels, height, width = self.input_shape
        streams = self._streams()
        found = self._unit(
            "stem", ("stem",), "", (channels, INPUT), (self.stages[0].width, streams[0]), self.kernel, height * width
        )
        for number, stage in enumerate(self.stages):
            name, own = f"stages.{number}", (stage.width, streams[number])
            if stage.entry == "max":
                height, width = height // 2, width // 2
            elif stage.entry == "project":
                height, width = (height + 1) // 2, (width + 1) // 2
                before, inner = (self.stages[number - 1].width, streams[number - 1]), (stage.branch, f"stage{number}.branch")
                place = ("entry", number)
                found += self._unit(f"{name}.entry.skip", place, "skip.", before, own, 1, height * width, number)
                if stage.branch:
                    found += self._branch(f"{name}.entry", place, before, inner, own, height * width, number)
            for position, channels in enumerate(stage.blocks):
                inner = (channels, f"stage{number}.block{position}")
                place = ("block", number, position)
                found += self._branch(f"{name}.blocks.{position}", place, own, inner, own, height * width, number)
        last = (self.stages[-1].width, self.classes, streams[-1], CLASSES)
        return [*found, Layer("head", ("head",), "dense", *last, bias=True, stage=len(self.stages))]

    def _streams(self) -> list[str]:
        """Name of the width of each stage's stream; pooling leaves it the same."""
        names: list[str] = []
        for number, stage in enumerate(self.stages):
            names.append(names[-1] if stage.entry == "max" else f"stream{number}")
        return names

    def _branch(
        self, name: str, place: tuple, before: tuple, inner: tuple, own: tuple, positions: int, stage: int
    ) -> list[Layer]:
        first = self._unit(f"{name}.first", place, "first.", before, inner, self.kernel, positions, stage)
        return first + self._unit(f"{name}.second", place, "second.", inner, own, self.kernel, positions, stage)

    def _unit(
        self, name: str, place: tuple, role: str, reads: tuple, writes: tuple, kernel: int, positions: int, stage: int = 0
    ) -> list[Layer]:
        shape = {"kernel": kernel, "positions": positions, "stage": stage}
        conv = Layer(f"{name}.conv", place, f"{role}conv", reads[0], writes[0], reads[1], writes[1], **shape)
        norm = norm_layer(f"{name}.norm", place, *(reads if self.block == "pre" else writes), stage, role=f"{role}norm")
        return [norm, conv] if self.block == "pre" else [conv, norm]

    @property
    def widths(self) -> dict[str, int]:
        """The widths that may be changed, by name."""
        found = {}
        for number, (stage, stream) in enumerate(zip(self.stages, self._streams(), strict=True)):
            found.setdefault(stream, stage.width)
            if stage.branch:
                found[f"stage{number}.branch"] = stage.branch
            found |= {f"stage{number}.block{position}": inner for position, inner in enumerate(stage.blocks)}
        return found

    def with_widths(self, widths: Mapping[str, int]) -> ResNetSpec:
        """The same with other widths; those that are not named stay. A width of zero inside a block removes the block.

        Raises:
            Collapsed: a stream of width zero.
        """
        chosen = chosen_widths(self.widths, widths)
        if dead := [name for name, width in chosen.items() if name.startswith("stream") and width == 0]:
            raise Collapsed(f"widths: {', '.join(dead)} would have no channel")
        stages = []
        for number, (stage, stream) in enumerate(zip(self.stages, self._streams(), strict=True)):
            inner = [chosen[f"stage{number}.block{position}"] for position in range(len(stage.blocks))]
            branch = chosen.get(f"stage{number}.branch", 0)
            stages.append(Stage(chosen[stream], tuple(one for one in inner if one), stage.entry, branch))
        return replace(self, stages=tuple(stages))

    def module(self) -> ResNet:
        """The network with weights from torch's global generator."""
        stem = Unit(self.input_shape[0], self.stages[0].width, self.kernel, order=self.block)
        how = {"order": self.block, "closing": self.closing}
        trunks = []
        for before, stage in zip((None, *self.stages), self.stages, strict=False):
            entry: nn.Module = nn.MaxPool2d(2) if stage.entry == "max" else nn.Identity()
            if stage.entry == "project":
                entry = Projection(before.width, stage.width, stage.branch, self.kernel, **how)
            trunks.append(Trunk(entry, [Block(stage.width, inner, self.kernel, **how) for inner in stage.blocks]))
        return ResNet(stem, trunks, nn.Linear(self.stages[-1].width, self.classes))


def resnet18(
    input_shape: Sequence[int] = (3, 32, 32), classes: int = 10, *, block: Order = "post", width: int = 64
) -> ResNetSpec:
    """ResNet-18 for small images: a 3x3 stem without pooling, four stages of two blocks, each stage twice as wide.

    >>> resnet18().parameters
    11173962
    """
    first = Stage(width, (width, width))
    rest = (Stage(wide, (wide,), "project", wide) for wide in (2 * width, 4 * width, 8 * width))
    return ResNetSpec(tuple(input_shape), classes, (first, *rest), block=block, closing=False)
