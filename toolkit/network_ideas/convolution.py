"""Convolution (section 2.6.2): small kernels see the same texture wherever it lies."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from toolkit.network_ideas.sketches import Pairs, Sketch, fitted, sketches
from toolkit.networks import seeded

SIZE, KERNELS = 16, 4


class TextureNetwork(nn.Module):
    """One layer of kernels, ReLU, the mean over the image, a linear layer: where something lies has no effect.

    Args:
        kernel: height and width of the kernels [pixels].
    """

    def __init__(self, kernel: int):
        super().__init__()
        self.convolution = nn.Conv2d(1, KERNELS, kernel)
        self.readout = nn.Linear(KERNELS, 2)

    def forward(self, images: Tensor) -> Tensor:
        """Logits `(b, 2)` of images `(b, 1, h, w)`."""
        return self.readout(functional.relu(self.convolution(images)).mean((2, 3)))


def fibres(n: int, *, seed: int) -> tuple[Tensor, Tensor]:
    """Images of fibres that lie nearly along the rows (0) or across them (1), with noise.

    Both classes have the same grey values; only neighbouring pixels tell them apart.

    Args:
        n: images.
        seed: of the draws.

    Returns:
        `(n, 1, 16, 16)` and labels `(n,)`.
    """
    draw = np.random.default_rng(seed)
    across = draw.integers(0, 2, n)
    angle = across * np.pi / 2 + draw.normal(0, 0.2, n)
    rows, columns = np.mgrid[:SIZE, :SIZE]
    phase = draw.uniform(0, 2 * np.pi, n)[:, None, None]
    along = rows * np.cos(angle)[:, None, None] + columns * np.sin(angle)[:, None, None]
    images = np.sin(2 * np.pi * along / 5.0 + phase) + 0.7 * draw.standard_normal((n, SIZE, SIZE))
    return torch.tensor(images[:, None], dtype=torch.float32), torch.tensor(across)


def learn(kernel: int, *, epochs: int, learning_rate: float, seed: int) -> Iterator[Sketch]:
    """Train and show the kernels and what they make of two images.

    Args:
        kernel: height and width of the kernels [pixels].
        epochs: passes over the images.
        learning_rate: of Adam.
        seed: of data, weights and order.
    """
    data = Pairs.of(*fibres(600, seed=seed))
    with seeded(seed):
        model = TextureNetwork(kernel)
    images, labels = data.validation
    two = images[[int((labels == label).nonzero()[0]) for label in (0, 1)]]

    def picture() -> dict[str, np.ndarray]:
        maps = functional.relu(model.convolution(two))
        return {"images": two[:, 0].numpy(), "kernels": model.convolution.weight[:, 0].numpy().copy(), "maps": maps.numpy()}

    run = fitted(model, data, functional.cross_entropy, epochs=epochs, learning_rate=learning_rate, seed=seed)
    return sketches(run, picture)
