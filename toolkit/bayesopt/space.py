"""What may be varied, and what is measured: variables, objectives and the candidates of a campaign, all with units."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

DIGITS = 10  # to which two values are the same


def labelled(text: str) -> tuple[str, str]:
    """Name and unit of a column head such as "time [min]".

    Raises:
        ValueError: there is no unit.

    >>> labelled("conductivity [S/cm]")
    ('conductivity', 'S/cm')
    """
    found = re.fullmatch(r"\s*(.+?)\s*\[\s*(.+?)\s*\]\s*", text) if isinstance(text, str) else None
    if found is None:
        raise ValueError(f"column {text!r} has no unit: write it as 'name [unit]', with [1] for a pure number")
    return found[1], found[2]


def _check_label(kind: str, name: str, unit: str) -> None:
    if not (isinstance(name, str) and name.strip() and "[" not in name):
        raise ValueError(f"{kind}: name must be a text without brackets, got {name!r}")
    if not (isinstance(unit, str) and unit.strip()):
        raise ValueError(f"{kind} {name!r}: unit must be given as a text, '1' for a pure number, got {unit!r}")


@dataclass(frozen=True)
class Variable:
    """Something that the experimenter sets.

    Attributes:
        name: of the variable.
        unit: of its values, "1" for a pure number.
        levels: values that may be chosen.
        log: whether it enters the model as its logarithm.

    >>> Variable("time", "min", (10, 30, 60, 480), log=True).label
    'time [min]'
    """

    name: str
    unit: str
    levels: tuple[float, ...]
    log: bool = False

    def __post_init__(self):
        _check_label("variable", self.name, self.unit)
        levels = tuple(float(value) for value in self.levels)
        if not levels or not all(map(math.isfinite, levels)):
            raise ValueError(f"variable {self.name!r}: levels must be finite numbers, one or more, got {self.levels}")
        if len({_same(value) for value in levels}) < len(levels):
            raise ValueError(f"variable {self.name!r}: a level stands twice in {levels}")
        if self.log and min(levels) <= 0:
            raise ValueError(f"variable {self.name!r}: with log=True all levels must be above zero, got {min(levels)}")
        object.__setattr__(self, "levels", tuple(sorted(levels)))

    @property
    def label(self) -> str:
        """Name and unit, as a column head."""
        return f"{self.name} [{self.unit}]"


@dataclass(frozen=True)
class Objective:
    """Something that is measured and shall become large, or small.

    Attributes:
        name: of the quantity.
        unit: of its values, "1" for a pure number.
        log: whether it is modelled as its log10.
        goal: "max" or "min".

    >>> float(Objective("conductivity", "S/cm", log=True).modelled([1e-3])[0])
    -3.0
    """

    name: str
    unit: str
    log: bool = False
    goal: str = "max"

    def __post_init__(self):
        _check_label("objective", self.name, self.unit)
        if self.goal not in ("max", "min"):
            raise ValueError(f"objective {self.name!r}: goal must be 'max' or 'min', got {self.goal!r}")

    @property
    def label(self) -> str:
        """Name and unit, as a column head."""
        return f"{self.name} [{self.unit}]"

    def modelled(self, values: Sequence[float]) -> np.ndarray:
        """From measured values to what the model is fitted to and maximises."""
        values = np.asarray(values, float)
        return (1 if self.goal == "max" else -1) * (np.log10(values) if self.log else values)

    def measured(self, values: Sequence[float]) -> np.ndarray:
        """The inverse of `modelled`."""
        values = (1 if self.goal == "max" else -1) * np.asarray(values, float)
        return 10**values if self.log else values

    def check(self, values: np.ndarray) -> None:
        """Refuse what cannot be modelled."""
        bad = ~np.isfinite(values) | ((values <= 0) if self.log else False)
        if bad.any():
            wanted = "positive, finite numbers (it is modelled as log10)" if self.log else "finite numbers"
            number = int(np.flatnonzero(bad)[0])
            raise ValueError(f"{self.label}: values must be {wanted}, got {values[number]} in row {number}")


class Space:
    """The candidates of a campaign.

    Args:
        variables: the inputs.
        points: candidates `(n, d)` in the variables' units; None takes every combination of their levels.

    Raises:
        ValueError: two variables of one name, a point twice, or values that are no levels.

    >>> space = Space([Variable("time", "min", (10, 30)), Variable("temperature", "°C", (800, 900, 1000))])
    >>> len(space), space.labels
    (6, ['time [min]', 'temperature [°C]'])
    """

    def __init__(self, variables: Sequence[Variable], points: Any = None):
        self.variables = tuple(variables)
        names = [variable.name for variable in self.variables]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"variables must be one or more with different names, got {names}")
        if points is None:
            points = list(itertools.product(*(variable.levels for variable in self.variables)))
        self.points = self.rows(points)
        self._place = {self.key(point): place for place, point in enumerate(self.points)}
        if len(self._place) < len(self.points):
            twice = next(place for place, point in enumerate(self.points) if self._place[self.key(point)] != place)
            raise ValueError(f"candidate {self.words(self.points[twice])} stands twice in the list (row {twice})")

    @classmethod
    def listed(cls, candidates: pd.DataFrame, *, log: Sequence[str] = ()) -> Space:
        """Candidates that are rows of a table, with units in its column heads.

        Args:
            candidates: columns such as "time [min]".
            log: those columns that enter the model as logarithms.
        """
        unknown = [name for name in log if name not in candidates]
        if unknown:
            raise ValueError(f"log: the table has no column {unknown[0]!r}; its columns are {list(candidates)}")
        variables = []
        for label in candidates:
            name, unit = labelled(label)
            levels = _numbers(label, candidates[label])
            variables.append(Variable(name, unit, tuple(np.unique(levels).tolist()), label in log))
        return cls(variables, candidates)

    def __len__(self) -> int:
        return len(self.points)

    @property
    def labels(self) -> list[str]:
        """Names with units, in order."""
        return [variable.label for variable in self.variables]

    def rows(self, points: Any) -> np.ndarray:
        """Points given as a table, mappings or numbers as an array `(n, d)`.

        Raises:
            ValueError: a variable without values, without its unit, or with what is no finite number.
        """
        if isinstance(points, pd.DataFrame) or (len(points) and isinstance(points[0], Mapping)):
            table = points if isinstance(points, pd.DataFrame) else pd.DataFrame(list(points))
            values = np.stack([_numbers(label, self._column(table, label)) for label in self.labels], axis=1)
        else:
            values = np.asarray(points, float)
        if values.ndim != 2 or values.shape[1] != len(self.variables):
            raise ValueError(f"points must be rows of {len(self.variables)} numbers {self.labels}, got shape {values.shape}")
        if not np.isfinite(values).all():
            row, place = np.argwhere(~np.isfinite(values))[0].tolist()
            raise ValueError(f"{self.labels[place]} must be a finite number, got {values[row, place]} in row {row}")
        for variable, column in zip(self.variables, values.T, strict=True):
            if variable.log and (column <= 0).any():
                raise ValueError(f"{variable.label} must be above zero, since its logarithm is used, got {column.min()}")
        return values

    def _column(self, table: pd.DataFrame, label: str) -> pd.Series:
        if label in table:
            return table[label]
        name = labelled(label)[0]
        near = [head for head in table if str(head).partition("[")[0].strip() == name]
        if near:
            raise ValueError(f"column {near[0]!r}: the unit must be stated as in {label!r}")
        raise ValueError(f"there is no column {label!r}; found {list(table)}")

    def frame(self, points: np.ndarray) -> pd.DataFrame:
        """Points as a table with names and units."""
        return pd.DataFrame(np.asarray(points, float), columns=self.labels)

    def words(self, point: Sequence[float]) -> str:
        """A point in words."""
        return ", ".join(f"{v.name} {value:g} {v.unit}" for v, value in zip(self.variables, point, strict=True))

    def place(self, point: Sequence[float]) -> int | None:
        """Number of a candidate; None if the point is none."""
        return self._place.get(self.key(point))

    def key(self, point: Sequence[float]) -> tuple[str, ...]:
        """Texts by which equal points are known."""
        return tuple(_same(value) for value in point)

    def scaled(self, points: np.ndarray) -> Tensor:
        """Inputs of the model, `(n, d)`: each variable's range becomes [0, 1], after the logarithm where it is used."""
        columns = []
        for variable, column in zip(self.variables, np.asarray(points, float).T, strict=True):
            low, high = variable.levels[0], variable.levels[-1]
            if variable.log:
                column, low, high = np.log(column), math.log(low), math.log(high)
            columns.append((column - low) / ((high - low) or 1.0))
        return torch.tensor(np.stack(columns, axis=1), dtype=torch.float64)

    def check_expansion(self, wider: Space) -> None:
        """Refuse a space that does not hold this one."""
        if [v.label for v in wider.variables] != self.labels:
            raise ValueError(f"the wider space must have the variables {self.labels}, got {wider.labels}")
        lost = [point for point in self.points if wider.place(point) is None]
        if lost:
            raise ValueError(f"the wider space lacks {len(lost)} of the present candidates, such as {self.words(lost[0])}")


def grid(levels: Mapping[str, Sequence[float]], *, log: Sequence[str] = ()) -> Space:
    """Every combination of the levels.

    Args:
        levels: "name [unit]" to values.
        log: those that enter the model as logarithms.

    >>> len(grid({"acid [wt%]": (-7.5, 0), "time [min]": (10, 30, 60)}, log=["time [min]"]))
    6
    """
    unknown = [label for label in log if label not in levels]
    if unknown:
        raise ValueError(f"log: {unknown[0]!r} is not among {list(levels)}")
    return Space([Variable(*labelled(label), tuple(values), label in log) for label, values in levels.items()])


def _same(value: float) -> str:
    """Text that is equal for equal numbers, whatever the last bits."""
    return f"{float(value) + 0.0:.{DIGITS}g}"


def _numbers(label: str, column: pd.Series) -> np.ndarray:
    try:
        return column.astype(float).to_numpy()
    except (TypeError, ValueError) as fault:
        raise ValueError(f"column {label!r} must hold numbers: {fault}") from fault
