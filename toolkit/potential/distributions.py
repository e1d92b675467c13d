"""What distances and angles frames hold: radial and angular distribution functions, to lay symmetry functions over."""

from __future__ import annotations

import math

import numpy as np
import torch

from toolkit.datasets.frames import Frames
from toolkit.potential.neighbours import find_pairs


def radial_distribution(frames: Frames, *, r_max: float = 7.0, bins: int = 140) -> tuple[np.ndarray, np.ndarray]:
    """g(R): how many atoms lie at a distance, against how many there would be if they were spread evenly.

    Args:
        frames: of one size, periodic.
        r_max: greatest distance [Å].
        bins: of the histogram.

    Returns:
        Middles of the bins [Å] and g, `(bins,)` each.
    """
    positions, cell, _ = frames.tensors()
    pairs = find_pairs(positions, cell, r_max)
    counts, edges = np.histogram(pairs.distance.numpy(), bins, range=(0, r_max))
    density = frames.sizes[0] / float(torch.linalg.det(cell).abs().mean())
    shells = 4 / 3 * math.pi * np.diff(edges**3)
    return (edges[1:] + edges[:-1]) / 2, counts / (shells * density * pairs.atoms)


def angle_distribution(frames: Frames, *, r_max: float = 3.8, bins: int = 90) -> tuple[np.ndarray, np.ndarray]:
    """How often an angle occurs between two neighbours of an atom.

    Args:
        frames: of one size, periodic.
        r_max: up to which atoms are neighbours [Å]; 3.8 takes the first shell of aluminium.
        bins: of the histogram.

    Returns:
        Middles of the bins [degrees] and densities [1/degree], `(bins,)` each.
    """
    positions, cell, _ = frames.tensors()
    table = find_pairs(positions, cell, r_max).table(r_max)
    vectors = torch.nn.functional.normalize(table.vectors(positions, cell), dim=-1)
    cosines = vectors @ vectors.mT
    n = vectors.shape[1]
    used = (table.present.unsqueeze(2) & table.present.unsqueeze(1)) & torch.ones(n, n, dtype=torch.bool).triu(1)
    angles = torch.rad2deg(torch.arccos(cosines[used].clamp(-1, 1))).numpy()
    counts, edges = np.histogram(angles, bins, range=(0, 180))
    return (edges[1:] + edges[:-1]) / 2, counts / max(1, counts.sum()) / np.diff(edges)
