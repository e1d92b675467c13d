"""High-dimensional networks: one small network for every atom of a species, energies summed over the atoms.

The document builds 256 sub-networks that share their layers, one for each atom, and adds their outputs. With shared weights
that is one matrix product over all atoms of a batch, `(b a, d) @ (d, hidden)`; the numbers are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Integral

import torch
from torch import Tensor, nn

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "tanh": nn.Tanh,
    "logistic": nn.Sigmoid,
    "softplus": nn.Softplus,
    "ReLU": nn.ReLU,
    "leaky ReLU": lambda: nn.LeakyReLU(0.3),  # the slope of section 2.4 of Ghimire
    "linear": nn.Identity,
    "sinh": lambda: _Sinh(),
}


class _Sinh(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.sinh(x)


class HighDimensionalNetwork(nn.Module):
    """Energy as the sum over atoms of what a small network makes of each atom's descriptors (section 2.3.2 of Ghimire).

    Args:
        features: descriptors of each atom.
        hidden: widths of the hidden layers; (10, 10) is the document's N-10-10-1.
        activation: one of `ACTIVATIONS`, or one for each hidden layer.
        species: how many species there are; each has a network of its own.

    Raises:
        ValueError: no features, a width below 1, an unknown activation.

    >>> network = HighDimensionalNetwork(22)
    >>> sum(weight.numel() for weight in network.parameters())  # 22-10-10-1
    351
    >>> network(torch.zeros(4, 256, 22)).shape
    torch.Size([4])
    """

    def __init__(
        self, features: int, *, hidden: Sequence[int] = (10, 10), activation: str | Sequence[str] = "tanh", species: int = 1
    ):
        super().__init__()
        for name, values in (("features", [features]), ("hidden", hidden), ("species", [species])):
            if not all(isinstance(value, Integral) and not isinstance(value, bool) and value >= 1 for value in values):
                raise ValueError(f"{name} must be whole numbers of 1 or more, got {values}")
        self.features, self.hidden = int(features), tuple(int(width) for width in hidden)
        self.activations = (activation,) * len(hidden) if isinstance(activation, str) else tuple(activation)
        if len(self.activations) != len(hidden) or not set(self.activations) <= set(ACTIVATIONS):
            raise ValueError(
                f"activation must be one of {', '.join(ACTIVATIONS)}, one for each hidden layer, got {activation!r}"
            )
        self.networks = nn.ModuleList(self._network() for _ in range(species))

    def forward(self, features: Tensor, kinds: Tensor | None = None) -> Tensor:
        """The energy of each structure `(b,)`, in the unit in which the network was trained.

        Args:
            features: scaled descriptors `(b, a, d)`.
            kinds: number of the species of each atom `(b, a)`; -1 where there is no atom; None where there is one species.
        """
        return self.atomic(features, kinds).sum(-1)

    def atomic(self, features: Tensor, kinds: Tensor | None = None) -> Tensor:
        """The energy of each atom `(...,)`; see `forward`. Only the sum of these parts was trained."""
        flat = features.flatten(0, -2)  # one matrix product for all atoms
        if kinds is None:
            if len(self.networks) > 1:
                raise ValueError(f"kinds must be given for {len(self.networks)} species")
            return self.networks[0](flat).view(features.shape[:-1])
        energies = flat.new_zeros(len(flat))
        for number, network in enumerate(self.networks):
            rows = (kinds.reshape(-1) == number).nonzero().squeeze(-1)
            energies = energies.index_put((rows,), network(flat[rows]).squeeze(-1))
        return energies.view(features.shape[:-1])

    def _network(self) -> nn.Sequential:
        layers, width = [], self.features
        for wide, name in zip(self.hidden, self.activations, strict=True):
            layers += [nn.Linear(width, wide), ACTIVATIONS[name]()]
            width = wide
        return nn.Sequential(*layers, nn.Linear(width, 1))
