"""Sums over neighbours: G1, G2 and G3 of one cutoff radius.

Gaussians in an arithmetic progression need far fewer exponentials than there are functions, because sums of exponents are
products:

    exp(-(eta_a + eta_b) R^2) = exp(-eta_a R^2) exp(-eta_b R^2)

so that n functions are a matrix product of about sqrt(n) left and sqrt(n) right factors, summed over the neighbours by the
product itself. The 201 widths of the document need 30 exponentials for each neighbour. Equally spaced shells of one width
factor too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from toolkit.potential.functions import G1, G2, G3, Radial, cutoff

FEWEST = 8  # functions in a progression that is worth factoring
SAME = 1e-14  # how exactly parameters must lie on a progression, relative to the largest
GREATEST_EXPONENT = 40.0  # of a factor; in float32 the exponential ends at 88
LEAST_EXPONENT = {torch.float32: -80.0, torch.float64: -700.0}  # below come numbers that processors handle slowly


@dataclass(frozen=True)
class Factors:
    """Functions exp(-eta (R - centre)² + kappa (R - r_c)) of the distance.

    Attributes:
        eta: `(f,)`.
        centre: `(f,)`.
        kappa: `(f,)`; where it is not 0, eta is.
        r_c: cutoff radius.
    """

    eta: np.ndarray
    centre: np.ndarray
    kappa: np.ndarray
    r_c: float

    def __len__(self) -> int:
        return len(self.eta)

    def __call__(self, distance: Tensor) -> Tensor:
        """`(c, n)` to `(f, c, n)`: a long last axis, along which processors work at full width."""
        column = partial(_column, like=distance)
        if self.kappa.any():
            exponent = (distance - self.r_c) * column(self.kappa)
        elif (self.centre == self.centre[0]).all():
            exponent = (distance - self.centre[0]).square() * column(-self.eta)
        else:
            exponent = (distance - column(self.centre)).square() * column(-self.eta)
        return exponent.clamp(min=LEAST_EXPONENT.get(distance.dtype, -80.0)).exp()


@dataclass(frozen=True)
class Block:
    """Functions that are products of a left and a right factor.

    Attributes:
        left: l factors.
        right: r factors.
        places: which of the l times r products are functions `(f,)`.
        scale: constant factor of each function `(f,)`.
        columns: of these functions among those of the cutoff `(f,)`.
    """

    left: Factors
    right: Factors
    places: list[int]
    scale: np.ndarray
    columns: list[int]


class RadialSum:
    """G1, G2 and G3 with one cutoff radius, `(c, n)` distances to `(c, s, f)` sums for each species of neighbours.

    Args:
        functions: all with the same `r_c`.
        kind: of the cutoff function, see `functions.CUTOFFS`.
    """

    def __init__(self, functions: Sequence[Radial], kind: str = "cosine"):
        self.r_c, self.kind = functions[0].r_c, kind
        self.blocks = blocks(functions)
        waves = [number for number, function in enumerate(functions) if isinstance(function, G3)]
        self.kappas = np.array([functions[number].kappa for number in waves])
        starts = np.cumsum([0, *(len(block.left) * len(block.right) for block in self.blocks)])
        places, scale = np.zeros(len(functions), int), np.ones(len(functions))
        for start, block in zip(starts, self.blocks, strict=False):
            places[block.columns] = start + np.array(block.places)
            scale[block.columns] = block.scale
        places[waves] = starts[-1] + np.arange(len(waves))
        self.places, self.scale = torch.from_numpy(places), torch.from_numpy(scale)

    @property
    def width(self) -> int:
        """Numbers held for each neighbour at once."""
        return max([2 * len(block.left) + 3 * len(block.right) for block in self.blocks] + [2 * len(self.kappas)]) + 6

    def __call__(self, distance: Tensor, species: Tensor | None) -> Tensor:
        """Sums over the neighbours.

        Args:
            distance: [Å] `(c, n)`.
            species: 1 where the neighbour is of that species, else 0 `(s, c, n)`; None for one species.
        """
        weight = cutoff(distance, self.r_c, self.kind).unsqueeze(0)
        weight = weight if species is None else weight * species
        parts = [_product(block.left(distance), block.right(distance), weight) for block in self.blocks]
        if len(self.kappas):
            waves = torch.cos(distance * _column(self.kappas, distance))
            parts.append(_product(waves, None, weight))
        found = torch.cat(parts, -1) if len(parts) > 1 else parts[0]
        found = found.index_select(-1, self.places.to(found.device))
        return found if bool((self.scale == 1).all()) else found * self.scale.to(found)


def _product(left: Tensor, right: Tensor | None, weight: Tensor) -> Tensor:
    """Sum over n of left `(l, c, n)`, right `(r, c, n)` and weight `(s, c, n)`, as `(c, s, l r)`."""
    both = weight if right is None else (right.unsqueeze(1) * weight).flatten(0, 1)  # (r s, c, n)
    product = left.transpose(0, 1) @ both.permute(1, 2, 0)  # (c, l, r s)
    if len(weight) == 1:
        return product.flatten(1).unsqueeze(1)
    return product.unflatten(-1, (-1, len(weight))).permute(0, 3, 1, 2).flatten(2)


def _column(values: np.ndarray, like: Tensor) -> Tensor:
    return torch.as_tensor(values).to(like).view(-1, 1, 1)


def blocks(functions: Sequence[Radial]) -> list[Block]:
    """Part the Gaussians (and G1, which has eta 0) into progressions of widths, progressions of shells, and the rest."""
    rows = {number: function for number, function in enumerate(functions) if isinstance(function, G1 | G2)}
    gaussians = {number: (getattr(row, "eta", 0.0), getattr(row, "r_s", 0.0)) for number, row in rows.items()}
    found, r_c = [], functions[0].r_c
    for make, varying in ((_widths, 0), (_shells, 1)):
        for fixed in sorted({values[1 - varying] for values in gaussians.values()}):
            members = {number: values[varying] for number, values in gaussians.items() if values[1 - varying] == fixed}
            steps = progression(members)
            block = make(steps, members, fixed, r_c) if steps else None
            if block is not None:
                found.append(block)
                gaussians = {number: values for number, values in gaussians.items() if number not in steps}
    if gaussians:
        eta, r_s = np.array(list(gaussians.values())).T
        left, one = Factors(eta, r_s, 0 * eta, r_c), Factors(*np.zeros((3, 1)), r_c)
        found.append(Block(left, one, list(range(len(left))), np.ones(len(left)), list(gaussians)))
    return found


def progression(values: dict[int, float]) -> dict[int, int]:
    """Those values that are start + k step, by their keys, with k; empty where fewer than `FEWEST` are.

    >>> progression({number: 0.5 * number for number in range(9)} | {9: 0.3})
    {0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 7: 7, 8: 8}
    """
    ordered = np.unique(list(values.values()))
    if len(ordered) < FEWEST:
        return {}
    gaps = np.diff(ordered)
    step = np.median(gaps)
    start = ordered[np.abs(gaps - step).argmin()]
    start -= step * math.floor((start - ordered[0]) / step + 1e-9)
    # The median gap carries the rounding of two values; the longest stretch gives the step to the last digit.
    last = round((ordered[-1] - start) / step)
    step = (ordered[-1] - start) / last
    steps = {}
    for key, value in values.items():
        k = round((value - start) / step)
        if k >= 0 and abs(start + k * step - value) <= SAME * ordered[-1]:
            steps[key] = k
    return steps if len(steps) >= FEWEST and max(steps.values()) < 2 * len(steps) else {}


def _grid(steps: dict[int, int]) -> tuple[int, int]:
    most = max(steps.values()) + 1
    right = math.ceil(math.sqrt(most))
    return math.ceil(most / right), right


def _origin(steps: dict[int, int], values: dict[int, float]) -> tuple[float, float]:
    """Start and step, from the first and the last member."""
    first, last = min(steps, key=steps.get), max(steps, key=steps.get)
    step = (values[last] - values[first]) / (steps[last] - steps[first])
    return values[first] - steps[first] * step, step


def _widths(steps: dict[int, int], values: dict[int, float], r_s: float, r_c: float) -> Block:
    """exp(-(start + k step) (R - R_s)²) with k = i n + j: left (start + i n step), right (j step)."""
    start, step = _origin(steps, values)
    n_left, n_right = _grid(steps)
    wide, narrow = start + step * n_right * np.arange(n_left), step * np.arange(n_right)
    left, right = (Factors(eta, np.full(len(eta), r_s), 0 * eta, r_c) for eta in (wide, narrow))
    return Block(left, right, list(steps.values()), np.ones(len(steps)), list(steps))


def _shells(steps: dict[int, int], values: dict[int, float], eta: float, r_c: float) -> Block | None:
    """Shells at A + B: (R - A - B)² = (R - A)² - 2 B (R - r_c) - 2 B (r_c - A) + B², the last two being constants."""
    start, step = _origin(steps, values)
    n_left, n_right = _grid(steps)
    centres = start + step * n_right * np.arange(n_left)
    shifts = step * np.arange(n_right)
    if 2 * eta * shifts[-1] * r_c > GREATEST_EXPONENT:
        return None
    left = Factors(np.full(n_left, eta), centres, np.zeros(n_left), r_c)
    right = Factors(np.zeros(n_right), np.zeros(n_right), 2 * eta * shifts, r_c)
    scale = np.exp(2 * eta * shifts * (r_c - centres[:, None]) - eta * shifts**2).ravel()
    places = list(steps.values())
    return Block(left, right, places, scale[places], list(steps))
