"""What principal components of the voxels can do, against which an autoencoder with as many latent numbers is measured."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import torch
from torch import Tensor

from toolkit.training.settings import whole

LEAST_SHARE = 1e-3  # to which linear reconstructions are clipped before the cross-entropy, whose logarithm they would break

Reconstruct = Callable[[Tensor, int], Tensor]


def principal(volumes: Tensor) -> Reconstruct:
    """PCA of the voxels of these volumes.

    Args:
        volumes: shares of material, `(n, 1, s, s, s)`, n - 1 components at most.

    Returns:
        A function of other volumes and a number of components k that gives their reconstructions, of the same shape.

    >>> corner = torch.zeros(2, 1, 2, 2, 2)
    >>> corner[1, 0, 0, 0, 0] = 1
    >>> torch.allclose(principal(corner)(corner, 1), corner, atol=1e-6)
    True
    """
    rows = volumes.flatten(1)
    centre = rows.mean(0)
    away = rows - centre
    variance, mixtures = torch.linalg.eigh((away @ away.T).double())  # as few as there are volumes

    def reconstruct(others: Tensor, k: int) -> Tensor:
        if not 1 <= whole("k", k, 1) < len(rows):
            raise ValueError(f"k must be from 1 to {len(rows) - 1} for {len(rows)} volumes, got {k}")
        axes = (away.T.double() @ mixtures[:, -k:] / variance[-k:].clamp(min=1e-12).sqrt()).to(rows)
        return (centre + ((others.flatten(1) - centre) @ axes) @ axes.T).reshape(others.shape)

    return reconstruct


def principal_of_moved(volumes: Tensor) -> Reconstruct:
    """PCA of all shifted and turned copies of periodic volumes, exactly: a training set that is moved about has no better one.

    Shifts make the covariance of the voxels circulant, so its components are waves; their variance is the mean power of the
    volumes, averaged over the exchanges and reflections of the axes. A wave and its shifted copy are two components.

    Args:
        volumes: see `principal`.
    """
    centre = volumes.mean()
    power = _waves(volumes - centre).abs().square().mean(0)
    power = sum(power.permute(order) for order in itertools.permutations(range(3))) / 6
    for axis in range(3):
        power = (power + power.flip(axis).roll(1, axis)) / 2
    order = power.flatten().argsort(descending=True, stable=True)

    def reconstruct(others: Tensor, k: int) -> Tensor:
        kept = torch.zeros(power.numel(), dtype=torch.bool, device=others.device)
        kept[order[: whole("k", k, 1)]] = True
        waves = _waves(others - centre) * kept.reshape(power.shape)
        return centre + torch.fft.ifftn(waves, dim=(1, 2, 3), norm="ortho").real[:, None]

    return reconstruct


def _waves(volumes: Tensor) -> Tensor:
    return torch.fft.fftn(volumes[:, 0], dim=(1, 2, 3), norm="ortho")


def mean_squared_error(volumes: Tensor, reconstructions: Tensor) -> float:
    """Per voxel.

    >>> mean_squared_error(torch.zeros(2, 1, 2, 2, 2), torch.ones(2, 1, 2, 2, 2))
    1.0
    """
    return float((volumes - reconstructions).square().mean())


def cross_entropy(volumes: Tensor, reconstructions: Tensor) -> float:
    """Binary cross-entropy of a structure, summed over its voxels [nat]; reconstructions are clipped to `LEAST_SHARE`.

    >>> round(cross_entropy(torch.zeros(2, 1, 2, 2, 2), torch.full((2, 1, 2, 2, 2), 0.5)) / 8, 4)
    0.6931
    """
    shares = reconstructions.clamp(LEAST_SHARE, 1 - LEAST_SHARE)
    terms = volumes * shares.log() + (1 - volumes) * torch.log1p(-shares)
    return float(-terms.flatten(1).sum(1).mean())
