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

import numpy as np
import torch
from torch import Tensor

from toolkit.potential.functions import G1, G2, G3, Radial, cutoff

FEWEST = 8  # functions in a progression that is worth factoring
SAME = 1e-14  # how exactly parameters must lie on a progression, relative to the largest
GREATEST_EXPONENT = 40.0  # of a factor; in float32 the exponential ends at 88
LEAST_EXPONENT = {torch.float32: -80.0, torch.float64: -700.0}  # below come numbers that processors handle slowly


@dataclass(frozen=True)
class Block:
    """Functions that are products of a left and a right factor.

    A factor is a row `(eta, centre, kappa)` and stands for exp(-eta (R - centre)² + kappa (R - r_c)).

    Attributes:
        left: `(l, 3)`.
        right: `(r, 3)`.
        places: which of the l times r products are functions `(f,)`.
        scale: constant factor of each function `(f,)`.
        columns: of these functions among those of the cutoff `(f,)`.
    """

    left: np.ndarray
    right: np.ndarray
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
        self.waves = [number for number, function in enumerate(functions) if isinstance(function, G3)]
        self.kappas = np.array([functions[number].kappa for number in self.waves])
        found = [column for block in self.blocks for column in block.columns] + self.waves
        self.order = np.argsort(found)
        self.rows = np.concatenate([part for block in self.blocks for part in (block.left, block.right)] or [np.zeros((0, 3))])
        self._constants: dict[tuple[torch.device, torch.dtype], dict[str, Tensor]] = {}

    @property
    def width(self) -> int:
        """Numbers held for each neighbour at once."""
        return 3 * len(self.rows) + 2 * len(self.waves) + 2

    def __call__(self, distance: Tensor, species: Tensor | None) -> Tensor:
        """Sums over the neighbours.

        Args:
            distance: [Å] `(c, n)`.
            species: 1 where the neighbour is of that species, else 0 `(c, n, s)`; None for one species.
        """
        constants = self._on(distance)
        weight = cutoff(distance, self.r_c, self.kind).unsqueeze(-1)
        if species is not None:
            weight = weight * species
        parts, start = [], 0
        if len(self.rows):
            eta, centre, kappa = constants["rows"]
            r = distance.unsqueeze(-1)
            exponent = (r - self.r_c) * kappa - (r - centre).square() * eta
            factors = exponent.clamp(min=LEAST_EXPONENT.get(distance.dtype, -80.0)).exp()
        for number, block in enumerate(self.blocks):
            middle, end = start + len(block.left), start + len(block.left) + len(block.right)
            left, right = factors[..., start:middle], factors[..., middle:end]
            weighted = (weight.unsqueeze(-1) * right.unsqueeze(-2)).flatten(-2)
            product = left.transpose(1, 2) @ weighted  # (c, l, s r)
            product = product.unflatten(-1, (weight.shape[-1], -1)).transpose(1, 2).flatten(-2)
            parts.append(product[..., constants[f"places {number}"]] * constants[f"scale {number}"])
            start = end
        if self.waves:
            waves = torch.cos(distance.unsqueeze(-1) * constants["kappas"])
            parts.append(weight.transpose(1, 2) @ waves)
        return torch.cat(parts, -1)[..., constants["order"]]

    def _on(self, like: Tensor) -> dict[str, Tensor]:
        key = (like.device, like.dtype)
        if key not in self._constants:
            constants = {"rows": torch.from_numpy(self.rows.T.copy()), "kappas": torch.from_numpy(self.kappas)}
            constants |= {f"scale {number}": torch.from_numpy(block.scale) for number, block in enumerate(self.blocks)}
            constants = {name: value.to(like) for name, value in constants.items()}
            whole = {f"places {number}": block.places for number, block in enumerate(self.blocks)} | {"order": self.order}
            self._constants[key] = constants | {
                name: torch.as_tensor(np.array(value, int), device=like.device) for name, value in whole.items()
            }
        return self._constants[key]


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
        left = np.array([(eta, r_s, 0.0) for eta, r_s in gaussians.values()])
        found.append(Block(left, np.zeros((1, 3)), list(range(len(left))), np.ones(len(left)), list(gaussians)))
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
    left = np.array([(start + row * n_right * step, r_s, 0.0) for row in range(n_left)])
    right = np.array([(column * step, r_s, 0.0) for column in range(n_right)])
    return Block(left, right, list(steps.values()), np.ones(len(steps)), list(steps))


def _shells(steps: dict[int, int], values: dict[int, float], eta: float, r_c: float) -> Block | None:
    """Shells at A + B: (R - A - B)² = (R - A)² - 2 B (R - r_c) - 2 B (r_c - A) + B², the last two being constants."""
    start, step = _origin(steps, values)
    n_left, n_right = _grid(steps)
    centres = start + step * n_right * np.arange(n_left)
    shifts = step * np.arange(n_right)
    if 2 * eta * shifts[-1] * r_c > GREATEST_EXPONENT:
        return None
    left = np.stack([np.full(n_left, eta), centres, np.zeros(n_left)], 1)
    right = np.stack([np.zeros(n_right), np.zeros(n_right), 2 * eta * shifts], 1)
    scale = np.exp(2 * eta * shifts * (r_c - centres[:, None]) - eta * shifts**2).ravel()
    places = list(steps.values())
    return Block(left, right, places, scale[places], list(steps))
