"""K atomic networks as one computation: the energy per atom is the mean over the atoms of what a small network gives for each.

The first layers of all members are one product with the descriptors, which are read once for all of them. Frames are taken in
pieces that stay in a core's cache from the first layer to the gradient; kept whole, the outputs of 57 members for 64 frames
of 256 atoms are 37 MB per layer, and fetching these costs more than the arithmetic (`tests/benchmarks/selection.py`).

Structures of different numbers of atoms are filled up to a rows: the mean over atoms is a sum over rows with the weights
`shares`, which are zero where no atom is, so that neither an energy nor a gradient gets anything from such a row.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

PIECE_BYTES = 2_400_000  # of one layer's outputs on a CPU: several fit into the cache of last level, and calls stay few
ACCELERATOR_BYTES = 2**28


def _tanh_(values: Tensor) -> Tensor:
    """In place, tanh x = 2 sigmoid(2 x) - 1: torch's sigmoid takes a sixth of the time of its tanh on a CPU."""
    return values.mul_(2).sigmoid_().mul_(2).sub_(1) if values.device.type == "cpu" else values.tanh_()


def _tanh_slope_(gradient: Tensor, value: Tensor) -> Tensor:
    return gradient.addcmul_(gradient, value.square_(), value=-1)


def _sigmoid_slope_(gradient: Tensor, value: Tensor) -> Tensor:
    return gradient.mul_(value).addcmul_(gradient, value, value=-1)


ACTIVATIONS = {
    "tanh": (_tanh_, _tanh_slope_),
    "sigmoid": (Tensor.sigmoid_, _sigmoid_slope_),
    "relu": (Tensor.relu_, lambda gradient, value: gradient.mul_(value > 0)),
}  # the function in place, and a gradient times its slope, written in terms of the function's value (which may be spent)


@dataclass(frozen=True)
class Stack:
    """The form of K networks whose weights are the rows of one tensor `(k, p)`.

    Attributes:
        features: d.
        hidden: units of each hidden layer.
        activation: of `ACTIVATIONS`.
        skip: whether a linear part runs past the hidden layers, as LassoNet needs.

    >>> stack = Stack(features=3, hidden=(2,), skip=True)
    >>> {name: tuple(part.shape) for name, part in stack.parts(torch.zeros(5, stack.weights)).items()}
    {'weight 0': (5, 2, 3), 'bias 0': (5, 2), 'weight 1': (5, 1, 2), 'bias 1': (5, 1), 'skip': (5, 3)}
    """

    features: int
    hidden: tuple[int, ...] = (10, 10)
    activation: str = "tanh"
    skip: bool = False

    def __post_init__(self):
        if self.activation not in ACTIVATIONS:
            raise ValueError(f"activation must be one of {tuple(ACTIVATIONS)}, got {self.activation!r}")
        if not self.hidden or any(units != int(units) or units < 1 for units in self.hidden):
            raise ValueError(f"hidden must be the units of one hidden layer or more, got {self.hidden!r}")

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name to shape of the weights of one member."""
        widths = (self.features, *self.hidden, 1)
        shapes = {}
        for number, (inner, outer) in enumerate(zip(widths[:-1], widths[1:], strict=True)):
            shapes |= {f"weight {number}": (outer, inner), f"bias {number}": (outer,)}
        return shapes | ({"skip": (self.features,)} if self.skip else {})

    @property
    def weights(self) -> int:
        """Number of weights p of one member."""
        return sum(math.prod(shape) for shape in self.shapes.values())

    def parts(self, weights: Tensor) -> dict[str, Tensor]:
        """Rows `(k, p)` by name, each `(k, ...)`; they share the memory."""
        parts = weights.split([math.prod(shape) for shape in self.shapes.values()], dim=1)
        return {name: part.unflatten(1, shape) for (name, shape), part in zip(self.shapes.items(), parts, strict=True)}

    def initial(self, seeds: Sequence[int], seen: Tensor | None = None) -> Tensor:
        """First weights `(k, p)`: uniform within 1 / sqrt(inputs), as torch's dense layers; the linear part starts there too.

        Members with one seed start with the same weight for the same function, whatever else they see.

        Args:
            seeds: one per member.
            seen: functions that each member sees, `(k, d)` bool; weights of others are zero. All without it.
        """
        rows = [torch.rand(self.weights, generator=torch.Generator().manual_seed(seed)) * 2 - 1 for seed in seeds]
        weights = torch.stack(rows)
        count = torch.full((len(rows),), float(self.features)) if seen is None else seen.sum(1).clamp_min(1).float()
        for name, part in self.parts(weights).items():
            inputs = count.view(-1, *[1] * (part.ndim - 1))
            if name not in ("weight 0", "bias 0", "skip"):
                inputs = float(self.hidden[int(name.split()[1]) - 1])
            part.div_(inputs**0.5)
        return weights if seen is None else weights.mul_(self.mask(seen))

    def mask(self, seen: Tensor) -> Tensor:
        """Which weights `(k, p)` a member has that sees these functions `(k, d)`."""
        mask = torch.ones(len(seen), self.weights, dtype=torch.bool, device=seen.device)
        parts = self.parts(mask)
        parts["weight 0"].logical_and_(seen[:, None])
        if self.skip:
            parts["skip"].logical_and_(seen)
        return mask

    def pieces(self, frames: int, atoms: int, members: int, like: Tensor) -> list[slice]:
        """Pieces of the frames whose layers stay in the cache."""
        limit = PIECE_BYTES if like.device.type == "cpu" else ACCELERATOR_BYTES
        size = max(1, limit // (members * max(self.hidden) * atoms * like.element_size()))
        return [slice(first, min(first + size, frames)) for first in range(0, frames, size)]

    @torch.no_grad()
    def energies(self, weights: Tensor, descriptors: Tensor, present: Tensor | None = None) -> Tensor:
        """Energies per atom `(k, n)`.

        Args:
            weights: `(k, p)`.
            descriptors: `(n, a, d)`, finite everywhere.
            present: 1 where an atom is and 0 in rows that only fill up, `(n, a)`; without it all rows are atoms.
        """
        parts, part_of = self._apart(weights), shares(present)
        pieces = self.pieces(*descriptors.shape[:2], len(weights), weights)
        return torch.cat([self._forward(parts, descriptors[piece], _some(part_of, piece))[0] for piece in pieces], dim=1)

    @torch.no_grad()
    def gradient(
        self,
        weights: Tensor,
        descriptors: Tensor,
        energies: Tensor,
        rows: Tensor | None = None,
        *,
        present: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Mean squared error of each member `(k,)` and its gradient `(k, p)`.

        Args:
            weights: `(k, p)`.
            descriptors: `(n, a, d)`.
            energies: per atom, `(n,)`.
            rows: the frames of the batch; all without it.
            present: which rows of a frame are atoms, see `energies`.
        """
        rows = torch.arange(len(descriptors), device=weights.device) if rows is None else rows
        parts, part_of = self._apart(weights), shares(present)
        sums = {name: torch.zeros_like(part) for name, part in parts.items()}
        losses = weights.new_zeros(len(weights))
        for piece in self.pieces(len(rows), descriptors.shape[1], len(weights), weights):
            own = rows[piece]
            inputs, own_part = descriptors[own], _some(part_of, own)
            outputs, layers, atom_means = self._forward(parts, inputs, own_part)
            error = outputs - energies[own]
            losses += error.square().sum(1)
            self._backward(parts, sums, error.mul_(2 / len(rows)), inputs, layers, atom_means, own_part)
        return losses / len(rows), torch.cat([each.flatten(1) for each in sums.values()], dim=1)

    def _apart(self, weights: Tensor) -> dict[str, Tensor]:
        """The parts with a memory of their own each: they are read once for every piece."""
        return {name: part.contiguous() for name, part in self.parts(weights).items()}

    def _forward(self, parts: dict[str, Tensor], inputs: Tensor, part_of: Tensor | None) -> tuple[Tensor, list[Tensor], Tensor]:
        """Of some frames, see `onwards`."""
        first = parts["weight 0"].reshape(-1, self.features)
        wide = torch.addmm(parts["bias 0"].reshape(-1, 1), first, inputs.flatten(0, 1).T)
        return self.onwards(parts, wide, inputs, part_of)

    def onwards(
        self, parts: dict[str, Tensor], wide: Tensor, inputs: Tensor, part_of: Tensor | None = None
    ) -> tuple[Tensor, list[Tensor], Tensor]:
        """From the sums `(k * h, b * a)` before the first activation, which are spent, to the energies.

        Args:
            parts: weights by name.
            wide: the sums of the first layer.
            inputs: the descriptors `(b, a, d)`, for their form and the linear part.
            part_of: the `shares` of the rows in the mean over atoms, `(b, a)`; equal ones without it.

        Returns:
            Energies `(k, b)`, outputs of the hidden layers `(k, h, b * a)`, and means of the last of them over atoms.
        """
        activate, _ = ACTIVATIONS[self.activation]
        layers = [activate(wide).unflatten(0, parts["bias 0"].shape)]
        for number in range(1, len(self.hidden)):
            bias = parts[f"bias {number}"].unsqueeze(-1)
            layers.append(activate(torch.baddbmm(bias, parts[f"weight {number}"], layers[-1])))
        apart = layers[-1].unflatten(2, inputs.shape[:2])
        means = apart.mean(-1) if part_of is None else (apart * part_of).sum(-1)
        last = len(self.hidden)
        energies = torch.baddbmm(parts[f"bias {last}"].unsqueeze(-1), parts[f"weight {last}"], means).squeeze(1)
        if self.skip:
            energies = energies.addmm_(parts["skip"], mean_over_atoms(inputs, part_of).T)
        return energies, layers, means

    def _backward(
        self, parts: dict[str, Tensor], sums: dict[str, Tensor], error: Tensor, inputs: Tensor, layers: list[Tensor],
        means: Tensor, part_of: Tensor | None,
    ) -> None:  # fmt: skip
        """Add the gradient of sum(error * energies), error `(k, b)`, to the sums; the layers are spent."""
        _, slope = ACTIVATIONS[self.activation]
        last = len(self.hidden)
        if self.skip:
            sums["skip"].addmm_(error, mean_over_atoms(inputs, part_of))
        sums[f"bias {last}"].add_(error.sum(1, keepdim=True))
        sums[f"weight {last}"].baddbmm_(error.unsqueeze(1), means.transpose(1, 2))
        back = _spread(parts[f"weight {last}"].transpose(1, 2) * error.unsqueeze(1), inputs.shape[1], part_of)
        for number in reversed(range(last)):
            back = slope(back, layers[number])
            sums[f"bias {number}"].add_(back.sum(-1))
            if number:
                sums[f"weight {number}"].baddbmm_(back, layers[number - 1].transpose(1, 2))
                back = torch.bmm(parts[f"weight {number}"].transpose(1, 2), back)
        sums["weight 0"].view(-1, self.features).addmm_(back.flatten(0, 1), inputs.flatten(0, 1))


def shares(present: Tensor | None) -> Tensor | None:
    """Weight of each row in the mean over the atoms of its frame, `(n, a)`; None where all rows are atoms.

    >>> shares(torch.tensor([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0]]))
    tensor([[0.5000, 0.5000, 0.0000],
            [1.0000, 0.0000, 0.0000]])
    """
    return None if present is None else present / present.sum(1, keepdim=True)


def mean_over_atoms(inputs: Tensor, part_of: Tensor | None) -> Tensor:
    """Mean `(b, d)` of descriptors `(b, a, d)` with the `shares` of their rows."""
    return inputs.mean(1) if part_of is None else torch.bmm(part_of.unsqueeze(1), inputs).squeeze(1)


def _some(part_of: Tensor | None, frames: slice | Tensor) -> Tensor | None:
    return None if part_of is None else part_of[frames]


def _spread(slopes: Tensor, atoms: int, part_of: Tensor | None) -> Tensor:
    """Slopes by the mean over atoms `(k, h, b)` as slopes by the output of each row, `(k, h, b * a)`."""
    if part_of is None:
        slopes = slopes / atoms
        return slopes.unsqueeze(-1).expand(*slopes.shape, atoms).contiguous().flatten(2)
    return (slopes.unsqueeze(-1) * part_of).flatten(2)
