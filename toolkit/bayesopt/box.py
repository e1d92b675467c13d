"""Variables with any value in a range, some of them whole numbers: what a search without a list of candidates may vary."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from toolkit.bayesopt.space import DIGITS, _check_label

WIDTHS = (0.003, 0.3)  # of the neighbourhoods that are searched, in units of a range


@dataclass(frozen=True)
class Range:
    """A variable with a lowest and a highest value.

    Args:
        name: of the variable.
        unit: of its values, "1" for a pure number.
        low: lowest value.
        high: highest value.
        whole: whether it takes whole numbers only.
        log: whether it enters the model as its logarithm.

    >>> Range("points", "1", 40, 170, whole=True).label
    'points [1]'
    """

    name: str
    unit: str
    low: float
    high: float
    whole: bool = False
    log: bool = False

    def __post_init__(self):
        _check_label("variable", self.name, self.unit)
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"variable {self.name!r}: low must lie below high, got {self.low} and {self.high}")
        if self.whole and (self.low != int(self.low) or self.high != int(self.high)):
            raise ValueError(
                f"variable {self.name!r}: with whole=True the bounds must be whole, got {self.low} and {self.high}"
            )
        if self.log and self.low <= 0:
            raise ValueError(f"variable {self.name!r}: with log=True low must be above zero, got {self.low}")

    @property
    def label(self) -> str:
        """Name and unit, as a column head."""
        return f"{self.name} [{self.unit}]"


class Box:
    """All points with each variable in its range.

    Whole numbers are rounded before the model sees them, so that it never holds a point that cannot be measured.

    Args:
        variables: the inputs.
        project: from points `(n, d)` to those that stand for them, where several are one and the same experiment; its
            results lie in the ranges and are projected onto themselves.

    Raises:
        ValueError: two variables of one name.

    >>> box = Box([Range("points", "1", 4, 20, whole=True), Range("radius", "cells", 1.0, 3.0)])
    >>> box.admitted([[7.4, 2.5], [99.0, 0.0]]).tolist()
    [[7.0, 2.5], [20.0, 1.0]]
    """

    def __init__(self, variables: Sequence[Range], *, project: Callable[[np.ndarray], np.ndarray] | None = None):
        self.variables = tuple(variables)
        names = [variable.name for variable in self.variables]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"variables must be one or more with different names, got {names}")
        self.project = project
        self._ends = np.array([(v.low, v.high) for v in self.variables], float)
        self._whole = np.array([v.whole for v in self.variables])
        self._log = np.array([v.log for v in self.variables])

    @property
    def labels(self) -> list[str]:
        """Names with units, in order."""
        return [variable.label for variable in self.variables]

    def admitted(self, points: Any) -> np.ndarray:
        """The nearest points that can be measured, `(n, d)`: inside the ranges, whole where they must be, projected."""
        points = np.clip(self._rows(points), *self._ends.T)
        points[:, self._whole] = np.rint(points[:, self._whole])
        return points if self.project is None else self.project(points)

    def drawn(self, n: int, generator: np.random.Generator) -> np.ndarray:
        """Points that are uniform in the scaled ranges, `(n, d)`; each whole number has the same chance."""
        return self.admitted(self.unscaled(generator.random((n, len(self.variables))), spread=True))

    def near(self, points: np.ndarray, n: int, generator: np.random.Generator) -> np.ndarray:
        """Points in neighbourhoods of the given ones, of many widths and often along a few variables only, `(n, d)`."""
        centres = self.scaled(points).numpy()[generator.integers(len(points), size=n)]
        widths = np.exp(generator.uniform(*np.log(WIDTHS), size=(n, 1)))
        moved = generator.random(centres.shape) < generator.uniform(0.2, 1.0, size=(n, 1))
        moved[np.arange(n), generator.integers(centres.shape[1], size=n)] = True
        steps = widths * generator.standard_normal(centres.shape) * moved
        whole = self._whole & (np.abs(steps) > 0)
        least = np.sign(steps) / np.ptp(self._ends, axis=1)  # a whole number moves by one at least
        steps = np.where(whole & (np.abs(steps) < np.abs(least)), least, steps)
        return self.admitted(self.unscaled(np.clip(centres + steps, 0, 1)))

    def scaled(self, points: np.ndarray) -> Tensor:
        """Inputs of the model, `(n, d)`: each range becomes [0, 1], after the logarithm where it is used."""
        points, ends = self._rows(points), self._ends.T.copy()
        points[:, self._log], ends[:, self._log] = np.log(points[:, self._log]), np.log(ends[:, self._log])
        return torch.from_numpy((points - ends[0]) / (ends[1] - ends[0]))

    def unscaled(self, points: np.ndarray, *, spread: bool = False) -> np.ndarray:
        """The inverse of `scaled`; with `spread` half a step beyond the ends of whole numbers, for draws that are rounded."""
        points, ends = np.array(points, float), self._ends.T.copy()
        ends[:, self._log] = np.log(ends[:, self._log])
        room = 0.499999 * (self._whole & ~self._log) if spread else np.zeros(len(self._whole))
        values = (ends[0] - room) + points * (ends[1] - ends[0] + 2 * room)
        values[:, self._log] = np.exp(values[:, self._log])
        return values

    def keys(self, points: np.ndarray) -> list[tuple[str, ...]]:
        """Texts by which equal points are known."""
        return [tuple(f"{value + 0.0:.{DIGITS}g}" for value in point) for point in points.tolist()]

    def _rows(self, points: Any) -> np.ndarray:
        values = np.array(points, float)
        if values.ndim != 2 or values.shape[1] != len(self.variables) or not np.isfinite(values).all():
            raise ValueError(f"points must be rows of {len(self.variables)} finite numbers {self.labels}, got {points!r}")
        return values
