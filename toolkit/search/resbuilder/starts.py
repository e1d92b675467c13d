"""Architectures that a search begins with."""

from __future__ import annotations

from collections.abc import Sequence

from toolkit.search.architecture import ResNetSpec, Stage
from toolkit.search.architecture.blocks import Order
from toolkit.search.morphnet import expand


def zero_net(
    input_shape: Sequence[int] = (3, 32, 32), classes: int = 10, *, width: int = 64, stages: int = 3, block: Order = "pre",
    closing: bool = True,
) -> ResNetSpec:  # fmt: skip
    """RB-0Net, the smallest start (Fig. 6.1): one convolution, then pooling and a dense layer.

    Its convolution has 64 channels (section 6.2.6). How often it pools is not said; its histories (Figs. 6.7 to 6.13) speak of
    a first, a second and a last pooling stage, hence three here.

    Args:
        input_shape: channels, height, width [pixels].
        classes: how many.
        width: channels of the convolution.
        stages: resolutions; max pooling halves the sides between them.
        block: order of the blocks that come, "pre" as in the published code or "post" as in (4.1).
        closing: whether their branches end in ReLU, as in (4.1).

    >>> zero_net((1, 28, 28)).parameters
    1228
    """
    later = [Stage(width, (), "max")] * (stages - 1)
    return ResNetSpec(tuple(input_shape), classes, (Stage(width), *later), block=block, closing=closing)


def fitted(start: ResNetSpec, budget: float) -> ResNetSpec:
    """The same with all widths times the largest factor that fits the budget: what a search must beat.

    >>> fitted(zero_net((1, 28, 28), width=8), 1e5).widths, fitted(zero_net((1, 28, 28), width=8), 1e5).flops()
    ({'stream0': 7}, 98924)
    """
    return expand(start, budget)[1]
