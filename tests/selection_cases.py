"""Small descriptors and energies for the tests of variable selection."""

import torch

from toolkit.potential.selection.scaling import Scaled, scaled

ATOMS, FEATURES = 6, 12


def arrays(n: int, *, atoms: int = ATOMS, features: int = FEATURES, seed: int = 0, noise: float = 0.0):
    """Descriptors `(n, a, d)` and energies: functions 0 and 1 carry the energy, 2 copies 0, the last is constant."""
    draw = torch.Generator().manual_seed(seed)
    common = torch.randn(n, 1, features, generator=draw)
    descriptors = common + 0.5 * torch.randn(n, atoms, features, generator=draw)
    descriptors[..., 2] = descriptors[..., 0] + 0.05 * torch.randn(n, atoms, generator=draw)
    descriptors[..., -1] = 7.0
    each = torch.tanh(descriptors[..., 0]) + 0.5 * (descriptors[..., 1] + 1) ** 2
    energies = each.sum(1).double() * 0.1 - 3.0 * atoms + noise * torch.randn(n, generator=draw)
    return descriptors, energies


def small(n: int = 90, **settings) -> Scaled:
    """The same, scaled, in three parts."""
    descriptors, energies = arrays(n, **settings)
    parts = [(descriptors[rows], energies[rows]) for rows in (slice(0, n - 40), slice(n - 40, n - 20), slice(n - 20, n))]
    return scaled(*parts)
