"""Volumes with known answers, and random ones that need no toolkit to be made again."""

import numpy as np
from scipy.ndimage import gaussian_filter


def slanted_strip(layers):
    """Layer i holds the two by two voxels i and i + 1: the current winds along a diagonal, one voxel wide between layers."""
    volume = np.zeros((layers, layers + 1, layers + 1), bool)
    for i in range(layers):
        volume[i, i : i + 2, i : i + 2] = True
    return volume


def strip_tortuosity(layers, boundary):
    """4 R / L with the resistance R of N - 1 links between layers, 1 across each inner layer, 7/24 at each outer face."""
    inner = (layers - 2) + (layers - 1)
    return 4 * (inner + 7 / 12) / layers if boundary == "face" else 4 * inner / (layers - 1)


def blobs(size, porosity, width, seed):
    """Pores of a smoothed random field: the `porosity` of lowest values."""
    shape = (size, size, size) if np.ndim(size) == 0 else tuple(size)
    field = gaussian_filter(np.random.default_rng(seed).standard_normal(shape), width, mode="wrap")
    return field <= np.quantile(field, porosity)


def channel_and_isolated_pore():
    """A straight channel of a quarter of the section, and an isolated pore of 0.2 % of the volume."""
    volume = np.zeros((20, 20, 20), bool)
    volume[:, 5:15, 5:15] = True
    volume[8:12, 1:3, 1:3] = True
    return volume
