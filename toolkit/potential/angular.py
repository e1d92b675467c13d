"""Sums over pairs of neighbours: G4 and G5 of one cutoff radius.

For one atom, with w_j = exp(-eta R_j²) f_c(R_j) and b = (1 + lambda cos theta) / 2, both functions separate:

    G5(eta, zeta, lambda) = 4 sum_{j < k} b_jk^zeta  w_j w_k

The powers do not know eta and the weights do not know zeta and lambda. All powers of all pairs, `(powers, pairs)`, times all
weights, `(pairs, widths)`, is one matrix product for each atom; nothing is computed again for another parameter. Powers with
whole exponents come from repeated squaring, shared between them. G4 has exp(-eta R_jk²) f_c(R_jk) on the side of the weights as
well.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from toolkit.potential.functions import G4, Angular, cutoff
from toolkit.potential.radial import LEAST_EXPONENT

NEXT_TO_NOTHING = {torch.float32: 1e-18, torch.float64: 1e-150}  # whose square is about the least normal number


class AngularSum:
    """G4 and G5 with one cutoff radius: `(c, n, 3)` vectors to `(c, q, f)` sums for each of q pairs of species.

    Args:
        functions: all with the same `r_c`.
        kind: of the cutoff function, see `functions.CUTOFFS`.
    """

    def __init__(self, functions: Sequence[Angular], kind: str = "cosine"):
        self.r_c, self.kind = functions[0].r_c, kind
        self.powers = sorted({(function.lambda_, function.zeta) for function in functions})
        # Rows of the weights: first those of G5, then those of G4 with the factor of the third side.
        self.weights = sorted({(isinstance(function, G4), function.eta) for function in functions})
        self.closed = sum(closed for closed, _ in self.weights)
        self.places = [
            self.powers.index((function.lambda_, function.zeta)) * len(self.weights)
            + self.weights.index((isinstance(function, G4), function.eta))
            for function in functions
        ]

    def width(self, neighbours: int, species_pairs: int) -> int:
        """Numbers held for each atom at once."""
        pairs = neighbours * (neighbours - 1) // 2
        return pairs * (2 * len(self.powers) + 3 * len(self.weights) * species_pairs + 6)

    def __call__(self, vectors: Tensor, distance: Tensor, present: Tensor, species: Tensor | None) -> Tensor:
        """Sums over ordered pairs of different neighbours.

        Args:
            vectors: to the neighbours [Å] `(c, n, 3)`.
            distance: their lengths [Å] `(c, n)`.
            present: whether the place is used `(c, n)`.
            species: 1 where the neighbour is of that species, else 0 `(s, c, n)`; None for one species.
        """
        atoms, n = distance.shape
        if n < 2:
            one = species_pairs(1 if species is None else len(species))
            return (0 * distance.sum()).expand(atoms, len(one), len(self.places))
        unit = vectors / distance.unsqueeze(-1)
        cosines = unit @ unit.transpose(1, 2)
        powers = torch.stack(self._powers(torch.cat([cosines.diagonal(step, 1, 2) for step in range(1, n)], -1)))
        both = _paired(self._single_weights(distance), torch.mul)  # (widths, c, pairs)
        if self.closed:
            both = both * self._third_side(vectors, present)
        both = both.unsqueeze(0) if species is None else _of_species(both, species)
        sums = powers.permute(1, 0, 2) @ both.permute(0, 2, 3, 1)  # (q, c, powers, widths)
        places = torch.tensor(self.places, device=distance.device)
        return 4 * sums.flatten(2).index_select(2, places).transpose(0, 1)

    def _powers(self, cosine: Tensor) -> list[Tensor]:
        found = {}
        for factor, group in itertools.groupby(self.powers, key=lambda power: power[0]):
            base = cosine * (factor / 2) + 0.5
            found |= {(factor, zeta): value for zeta, value in raised(base, [zeta for _, zeta in group]).items()}
        return [found[power] for power in self.powers]

    def _single_weights(self, distance: Tensor) -> Tensor:
        return self._gaussians(distance.square(), self.weights) * cutoff(distance, self.r_c, self.kind)

    def _third_side(self, vectors: Tensor, present: Tensor) -> Tensor:
        """exp(-eta R_jk²) f_c(R_jk) for the widths of G4, 1 for those of G5, `(widths, c, pairs)`."""
        square = _paired(vectors.permute(2, 0, 1), torch.sub).square().sum(0)
        square = torch.where(_paired(present, torch.logical_and), square, self.r_c**2)
        closed = self._gaussians(square, self.weights[-self.closed :]) * cutoff(square.sqrt(), self.r_c, self.kind)
        return torch.cat([closed.new_ones(len(self.weights) - self.closed, *square.shape), closed])

    def _gaussians(self, square: Tensor, weights: list[tuple[bool, float]]) -> Tensor:
        etas = square.new_tensor([eta for _, eta in weights]).view(-1, 1, 1)
        least = LEAST_EXPONENT.get(square.dtype, -80.0) / 2  # two of them are multiplied
        return (square * -etas).clamp(min=least).exp()


def raised(base: Tensor, exponents: Sequence[float]) -> dict[float, Tensor]:
    """The base to each exponent; whole exponents share their squares.

    Numbers whose next square would be below the least normal number count as zero there, since processors are slow on such
    numbers.

    >>> {key: float(value) for key, value in raised(torch.tensor(0.5), [1, 4, 6, 1.5]).items()}
    {1: 0.5, 4: 0.0625, 6: 0.015625, 1.5: 0.3535533845424652}
    """
    nothing = NEXT_TO_NOTHING.get(base.dtype, 1e-18)
    squares, found = [base], {}
    for exponent in exponents:
        if exponent != int(exponent):
            found[exponent] = base.clamp(min=nothing) ** exponent
            continue
        whole = int(exponent)
        while len(squares) < whole.bit_length():
            newest = squares[-1]
            squares.append((torch.nn.functional.threshold(newest, nothing, 0.0) if len(squares) > 3 else newest).square())
        needed = [squares[bit] for bit in range(whole.bit_length()) if whole >> bit & 1]
        value = needed[0]
        for other in needed[1:]:
            value = value * other
        found[exponent] = value
    return found


def _paired(values: Tensor, combine: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Combine values of all pairs of neighbours, `(..., n)` to `(..., n (n - 1) / 2)`.

    First come those next to each other in the table, then those next but one, and so on. In this order the values are slices;
    to gather them one by one takes longer than all that is computed of them.
    """
    n = values.shape[-1]
    return torch.cat([combine(values[..., : n - step], values[..., step:]) for step in range(1, n)], -1)


def _of_species(both: Tensor, species: Tensor) -> Tensor:
    """The products of pairs with one neighbour of each species `(q, widths, c, pairs)`."""
    found = []
    for one, other in species_pairs(len(species)):
        fits = _paired(torch.stack([species[one], species[other]]), torch.mul)  # both of the one, both of the other
        if one == other:
            found.append(both * fits[0])
        else:
            either = _paired(species[one] + species[other], torch.mul)
            found.append(both * (either - fits[0] - fits[1]))
    return torch.stack(found)


def species_pairs(species: int) -> list[tuple[int, int]]:
    """The unordered pairs of so many species, as their functions are ordered (and those of dscribe).

    >>> species_pairs(3)
    [(0, 0), (0, 1), (1, 1), (0, 2), (1, 2), (2, 2)]
    """
    return [(one, other) for other in range(species) for one in range(other + 1)]
