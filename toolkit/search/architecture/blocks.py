"""The modules that architectures are built of; torch.fx can trace them."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

Order = Literal["pre", "post"]
ORDERS = ("pre", "post")


class Unit(nn.Module):
    """A convolution with batch norm: before it ("pre", as the published code has it) or behind it ("post", (4.1)), then ReLU.

    Args:
        inputs: channels.
        outputs: channels.
        kernel: side, odd [pixels].
        stride: of the convolution.
        order: where batch norm stands.
        relu: whether ReLU comes last.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, *, stride: int = 1, order: Order = "post", relu: bool = True):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(inputs if order == "pre" else outputs)
        self.order, self.relu = order, nn.ReLU() if relu else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """From `(b, inputs, h, w)` to `(b, outputs, h, w)`, halved by a stride of 2."""
        x = self.conv(self.norm(x)) if self.order == "pre" else self.norm(self.conv(x))
        return self.relu(x)


class Block(nn.Module):
    """x + branch(x) with two units in the branch, (4.1).

    Args:
        width: channels of the stream.
        inner: channels between the two convolutions.
        kernel: side of both [pixels].
        order: where batch norm stands.
        closing: whether the branch ends in ReLU, as in (4.1).
    """

    def __init__(self, width: int, inner: int, kernel: int, *, order: Order, closing: bool):
        super().__init__()
        self.first = Unit(width, inner, kernel, order=order)
        self.second = Unit(inner, width, kernel, order=order, relu=closing)

    def forward(self, x: Tensor) -> Tensor:
        """Of the same shape."""
        return x + self.second(self.first(x))


class Projection(nn.Module):
    """The way into a stage of another width: a 1x1 convolution of stride 2, and beside it a branch as in a block, or none.

    Args:
        before: channels of the stream that comes.
        width: channels of the stream that goes on.
        inner: channels between the convolutions of the branch; 0 for no branch.
        kernel: side of both [pixels].
        order: where batch norm stands.
        closing: whether the branch ends in ReLU.
    """

    def __init__(self, before: int, width: int, inner: int, kernel: int, *, order: Order, closing: bool):
        super().__init__()
        self.skip = Unit(before, width, 1, stride=2, order=order, relu=False)
        self.has_branch = inner > 0
        if self.has_branch:
            self.first = Unit(before, inner, kernel, stride=2, order=order)
            self.second = Unit(inner, width, kernel, order=order, relu=closing)

    def forward(self, x: Tensor) -> Tensor:
        """From `(b, before, h, w)` to `(b, width, h / 2, w / 2)`, sides rounded up."""
        return self.skip(x) + self.second(self.first(x)) if self.has_branch else self.skip(x)


class Trunk(nn.Module):
    """One stage: the way in, then blocks."""

    def __init__(self, entry: nn.Module, blocks: list[Block]):
        super().__init__()
        self.entry, self.blocks = entry, nn.ModuleList(blocks)

    def forward(self, x: Tensor) -> Tensor:
        """Through all of it."""
        x = self.entry(x)
        for block in self.blocks:
            x = block(x)
        return x


class ResNet(nn.Module):
    """Stem, stages, the mean over positions, and a dense layer."""

    def __init__(self, stem: Unit, stages: list[Trunk], head: nn.Linear):
        super().__init__()
        self.stem, self.stages, self.head = stem, nn.ModuleList(stages), head

    def forward(self, x: Tensor) -> Tensor:
        """From `(b, c, h, w)` to `(b, classes)`."""
        x = self.stem(x)
        for stage in self.stages:
            x = stage(x)
        return self.head(x.mean((2, 3)))
