"""The fixed networks of the documents, as plain `torch.nn.Module`s.

Each function builds one network for inputs of a given shape; with `seed` its weights are drawn reproducibly and the global
random state of torch stays as it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "gelu": nn.GELU, "linear": nn.Identity}


def lenet(input_shape: Sequence[int] = (1, 28, 28), classes: int = 10, *, seed: int | None = None) -> nn.Sequential:
    """The LeNet-like network of Burghoff, section 3.4: two 5x5 convolutions, max pooling, three dense layers, ReLU.

    44,426 weights on 1x28x28 as the document says; on 3x32x32 (CIFAR-10) it has 62,006, for which the document prints the
    same 44,426. Images under 16 pixels are padded (2 per side at both convolutions), so that the 8x8 digits pass.

    Args:
        input_shape: channels, height and width [pixels] of one image, at least (1, 8, 8).
        classes: number of outputs (logits).
        seed: of the weights; None draws from torch's global generator.

    Returns:
        A network from `(b, c, h, w)` to `(b, classes)`.

    >>> sum(weight.numel() for weight in lenet().parameters())
    44426
    """
    channels, height, width = _image_shape(input_shape, least=8)
    padding = 2 if min(height, width) < 16 else 0
    with seeded(seed):
        features = nn.Sequential(
            nn.Conv2d(channels, 6, 5, padding=padding), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(6, 16, 5, padding=padding), nn.ReLU(), nn.MaxPool2d(2),
        )  # fmt: skip
        head = dense(_flat_size(features, input_shape), (120, 84), classes)
    return nn.Sequential(*features, *head)


def dense(
    inputs: int, hidden: Sequence[int], outputs: int, *, activation: str = "relu", seed: int | None = None
) -> nn.Sequential:
    """A dense network; images are flattened first.

    Args:
        inputs: number of features d of one sample.
        hidden: widths of the hidden layers, possibly none.
        outputs: number of outputs, without activation.
        activation: one of `ACTIVATIONS`.
        seed: of the weights; None draws from torch's global generator.

    Returns:
        A network from `(b, d)` or `(b, c, h, w)` with c h w = d to `(b, outputs)`.

    >>> [tuple(weight.shape) for weight in dense(57, (10, 10), 1).parameters() if weight.ndim == 2]
    [(10, 57), (10, 10), (1, 10)]
    """
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation must be one of {tuple(ACTIVATIONS)}, got {activation!r}")
    widths = [inputs, *hidden, outputs]
    if any(width != int(width) or width < 1 for width in widths):
        raise ValueError(f"inputs, hidden and outputs must be whole numbers, 1 or more, got {widths}")
    layers: list[nn.Module] = [nn.Flatten()]
    with seeded(seed):
        for before, after in zip(widths, widths[1:], strict=False):
            layers += [nn.Linear(before, after), ACTIVATIONS[activation]()]
    return nn.Sequential(*layers[:-1])


VGG_BLOCKS = ((64,), (64,), (128, 128), (256, 256), (512, 512))  # channels of the convolutions, max pooling between blocks
VGG_DENSE = (4096, 2048)


def vgg(
    input_shape: Sequence[int] = (3, 2000, 2500), outputs: int = 1, *, shrink: int = 1, seed: int | None = None
) -> nn.Sequential:
    """The network like VGG16 of Burghoff, Fig. 7.1: eight 3x3 convolutions, max pooling, three dense layers, ReLU.

    The figure does not say how the pictures become vectors. Flattening sections of 2500x2000 pixels would need 4e10 weights in
    the first dense layer, 160 GB, more than the graphics cards of the document hold, so here each channel is averaged; images
    of every size pass. Weights begin as in Keras, which the document used (Glorot and Bengio 2010, biases 0).

    Args:
        input_shape: channels, height and width [pixels] of one image, at least (1, 16, 16).
        outputs: number of outputs, without activation.
        shrink: divides the widths of all hidden layers, a power of two up to 32; 8 is a size to teach with.
        seed: of the weights; None draws from torch's global generator.

    Returns:
        A network from `(b, c, h, w)` to `(b, outputs)`.

    >>> [sum(weight.numel() for weight in vgg(shrink=shrink).parameters()) for shrink in (1, 8)]
    [15179329, 238473]
    """
    if shrink not in (1, 2, 4, 8, 16, 32):
        raise ValueError(f"shrink must be a power of two from 1 to 32, got {shrink!r}")
    channels, _, _ = _image_shape(input_shape, least=16)
    layers: list[nn.Module] = []
    with seeded(seed):
        for number, block in enumerate(VGG_BLOCKS):
            layers += [nn.MaxPool2d(2)] if number else []
            for width in block:
                layers += [nn.Conv2d(channels, width // shrink, 3, padding=1), nn.ReLU()]
                channels = width // shrink
        head = dense(channels, [width // shrink for width in VGG_DENSE], outputs)
        network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), *head)
        for layer in network:
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)
    return network


def _image_shape(input_shape: Sequence[int], least: int) -> tuple[int, int, int]:
    if len(input_shape) != 3 or input_shape[0] < 1 or min(input_shape[1:]) < least:
        raise ValueError(
            f"input_shape must be (channels, height, width) with sides of {least} or more, got {tuple(input_shape)}"
        )
    return tuple(input_shape)


def _flat_size(features: nn.Module, input_shape: Sequence[int]) -> int:
    with torch.no_grad():
        return features(torch.zeros(1, *input_shape)).numel()


@contextmanager
def seeded(seed: int | None) -> Iterator[None]:
    """Draw from a seed inside of a ``with`` block; torch's own random state stays as it was. None changes nothing.

    >>> with seeded(0):
    ...     first = torch.rand(1)
    >>> with seeded(0):
    ...     print(bool(torch.rand(1) == first))
    True
    """
    if seed is None:
        yield
        return
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would seed the GPUs as well
        yield
