"""Generative networks (section 2.6.5): a variational autoencoder of digits, and two adversaries."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import cache

import numpy as np
import torch
from scipy.special import ndtri
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional

from toolkit.network_ideas.sketches import Pairs, Sketch, fitted, sketches
from toolkit.networks import seeded

PIXELS, LATENT, TILES = 64, 2, 9
CLOUDS, RADIUS, WIDTH = 8, 2.0, 0.15
BATCH, STEPS, GRID = 64, 30, 31  # samples per step, generator steps per record, points of the discriminator's map


class Autoencoder(nn.Module):
    """Encoder to mean and logarithm of the variance of two numbers, decoder back to 64 pixels."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(PIXELS, 64), nn.ReLU(), nn.Linear(64, 2 * LATENT))
        self.decoder = nn.Sequential(nn.Linear(LATENT, 64), nn.ReLU(), nn.Linear(64, PIXELS))

    def forward(self, images: Tensor) -> Tensor:
        """Logits of the pixels, means and log variances side by side, `(b, 64 + 4)`; in training z is drawn, else the mean."""
        mean, log_variance = self.encoder(images).chunk(2, 1)
        noise = torch.randn_like(mean) if self.training else torch.zeros_like(mean)
        return torch.cat([self.decoder(mean + noise * (log_variance / 2).exp()), mean, log_variance], 1)


def negative_elbo(outputs: Tensor, images: Tensor, *, beta: float = 1.0) -> Tensor:
    """Minus the evidence lower bound (2.52), the divergence weighted with β; mean over the batch.

    Reconstruction is the cross-entropy summed over the pixels; the divergence of N(μ, σ²) from N(0, 1) is
    (μ² + σ² - 1 - ln σ²)/2, summed over the latent numbers.

    Args:
        outputs: of `Autoencoder`, `(b, 68)`.
        images: `(b, 64)` in 0 .. 1.
        beta: β; 1 is (2.52).

    >>> round(negative_elbo(torch.zeros(1, 68), torch.ones(1, 64)).item() / float(np.log(2)), 3)
    64.0
    """
    logits, mean, log_variance = outputs.split([PIXELS, LATENT, LATENT], 1)
    reconstruction = functional.binary_cross_entropy_with_logits(logits, images, reduction="none").sum(1)
    divergence = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(1)
    return (reconstruction + beta * divergence).mean()


def draw_digits(beta: float, *, epochs: int, learning_rate: float, seed: int) -> Iterator[Sketch]:
    """Train the autoencoder; show what it draws over the quantiles of the prior, and where it puts the digits.

    Args:
        beta: β, weight of the divergence.
        epochs: passes over the digits.
        learning_rate: of Adam.
        seed: of weights and order.
    """
    data, labels = _digits()
    with seeded(seed):
        model = Autoencoder()
    across = torch.tensor(ndtri((np.arange(TILES) + 0.5) / TILES), dtype=torch.float32)
    latent = torch.cartesian_prod(across.flip(0), across).flip(1)

    def picture() -> dict[str, np.ndarray]:
        tiles = functional.pad(model.decoder(latent).sigmoid().view(TILES, TILES, 8, 8), (1, 1, 1, 1))
        pixels = tiles.transpose(1, 2).reshape(10 * TILES, 10 * TILES)
        codes = model.encoder(data.validation[0])[:, :LATENT]
        return {"drawn": (255 * pixels).to(torch.uint8).numpy(), "codes": codes.numpy(), "labels": labels}

    def loss(outputs: Tensor, images: Tensor) -> Tensor:
        return negative_elbo(outputs, images, beta=beta)

    run = fitted(model, data, loss, epochs=epochs, learning_rate=learning_rate, seed=seed, accuracy=False)
    return sketches(run, picture)


def clouds(n: int, draw: torch.Generator) -> Tensor:
    """Points `(n, 2)` of eight clouds on a circle.

    Args:
        n: points.
        draw: where the random numbers come from.
    """
    angle = torch.randint(0, CLOUDS, (n,), generator=draw) * (2 * np.pi / CLOUDS)
    centres = RADIUS * torch.stack([angle.cos(), angle.sin()], 1)
    return centres + WIDTH * torch.randn(n, 2, generator=draw)


def compete(discriminator_steps: int, *, epochs: int, learning_rate: float, seed: int) -> Iterator[Sketch]:
    """Train a generator against a discriminator, (2.53); show points of both kinds and the discriminator's opinion.

    The generator maximises log D(G(z)) instead of minimising log(1 - D(G(z))), as is usual since Goodfellow et al. The value
    V of (2.53) is -log 4 where the discriminator cannot tell the two apart.

    Args:
        discriminator_steps: of the discriminator per step of the generator.
        epochs: records, of 30 generator steps each.
        learning_rate: of Adam, for both.
        seed: of data, weights and noise.
    """
    started, draw = time.perf_counter(), torch.Generator().manual_seed(seed)
    with seeded(seed):
        generator = _perceptron(2)
    with seeded(seed + 1):
        discriminator = _perceptron(1)
    optimizers = [
        torch.optim.Adam(each.parameters(), lr=learning_rate, betas=(0.5, 0.9)) for each in (generator, discriminator)
    ]
    noise = torch.randn(256, 2, generator=draw)
    for epoch in range(epochs + 1):
        for _ in range(STEPS if epoch else 0):
            for _ in range(discriminator_steps):
                _step(optimizers[1], -_value(generator, discriminator, draw))
            fake = discriminator(generator(torch.randn(BATCH, 2, generator=draw)))
            _step(optimizers[0], functional.softplus(-fake).mean())
        with torch.no_grad():
            made = generator(noise)
            metrics = {"value": float(_value(generator, discriminator, draw)), "clouds_found": _found(made)}
            picture = {"made": made.numpy(), "real": clouds(256, draw).numpy(), "opinion": _opinion(discriminator)}
        diverged = not np.isfinite(metrics["value"])
        yield Sketch(float(epoch), time.perf_counter() - started, metrics, picture, diverged)
        if diverged:
            return


def _value(generator: nn.Module, discriminator: nn.Module, draw: torch.Generator) -> Tensor:
    """V(G, D) of (2.53) on one batch."""
    real = discriminator(clouds(BATCH, draw))
    with torch.no_grad():
        made = generator(torch.randn(BATCH, 2, generator=draw))
    return -(functional.softplus(-real).mean() + functional.softplus(discriminator(made)).mean())


def _step(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def _found(points: Tensor) -> float:
    """Number of clouds that hold at least 2 % of the points within three of their widths."""
    angle = torch.arange(CLOUDS) * (2 * np.pi / CLOUDS)
    near = torch.cdist(points, RADIUS * torch.stack([angle.cos(), angle.sin()], 1)) < 3 * WIDTH
    return float((near.float().mean(0) >= 0.02).sum())


def _opinion(discriminator: nn.Module) -> np.ndarray:
    """D(x) on a grid over [-3, 3]², `(31, 31)`; rows go upwards."""
    axis = torch.linspace(-3, 3, GRID)
    return discriminator(torch.cartesian_prod(axis, axis).flip(1)).sigmoid().view(GRID, GRID).numpy()


def _perceptron(outputs: int) -> nn.Module:
    return nn.Sequential(nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, outputs))


@cache
def _digits() -> tuple[Pairs, np.ndarray]:
    digits = load_digits()
    images = torch.tensor(digits.data / 16, dtype=torch.float32)
    return Pairs.of(images, images), digits.target[len(images) * 4 // 5 :]
