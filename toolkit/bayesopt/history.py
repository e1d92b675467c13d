"""Experiments of a campaign: those made, those asked for, and which candidates are left."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from toolkit.bayesopt import logbook
from toolkit.bayesopt.space import Objective, Space


class History:
    """What has been measured and what is being measured.

    Attributes:
        space: the candidates.
        objectives: what is measured.
        x: points measured, `(n, d)` in the variables' units.
        y: their values, `(n, o)`.
        iteration: number of the asking that each came from; 0 for those that were not asked for.
        pending: points asked for and not told yet, with the number of the asking.
    """

    def __init__(self, space: Space, objectives: Sequence[Objective]):
        self.space, self.objectives = space, tuple(objectives)
        self.x, self.y = np.empty((0, len(space.variables))), np.empty((0, len(self.objectives)))
        self.iteration: list[int] = []
        self.pending: dict[tuple[float, ...], int] = {}

    def record(self, x: Any, y: Any, *, repeats: bool = False) -> None:
        """Enter experiments that the campaign did not ask for, such as those of the past.

        Args:
            x: points `(n, d)`, a table with units in its heads, or mappings; they need not be candidates.
            y: values `(n,)` or `(n, o)`, or a table with the objectives' columns.
            repeats: admit points that were measured before; the model averages them.

        Raises:
            ValueError: something missing or not finite, a point twice; nothing is entered then.
        """
        x, y = self.space.rows(x), self._values(y)
        check_lengths(x, y)
        asked = [point for point in map(tuple, x.tolist()) if self._pending_key(point) is not None]
        if asked:
            raise ValueError(f"{self.space.words(asked[0])} was asked for: use tell")
        if not repeats:
            self._refuse_repeats(x)
        self._enter(x, y, [0] * len(x))

    def tell(self, x: Any, y: Any) -> None:
        """Give the results of experiments that were asked for, in any order and number.

        Args:
            x: points, see `record`; a table from `ask` may be given as it is.
            y: values, see `record`.

        Raises:
            ValueError: a point that was never asked for or is given twice, values that are not finite; nothing is entered then.
        """
        x, y = self.space.rows(x), self._values(y)
        check_lengths(x, y)
        keys = [self._pending_key(point) for point in x.tolist()]
        for key, point in zip(keys, x, strict=True):
            if key is None:
                raise ValueError(f"{self.space.words(point)} was never asked for; experiments of your own go into record")
        if len(set(keys)) < len(keys):
            raise ValueError("a point is told twice in one call")
        self._enter(x, y, [self.pending[key] for key in keys])
        for key in keys:
            del self.pending[key]

    def withdraw(self, x: Any) -> None:
        """Take back points that were asked for and will not be made; they may be proposed again."""
        keys = [self._pending_key(point) for point in self.space.rows(x).tolist()]
        if None in keys:
            raise ValueError(f"row {keys.index(None)} was never asked for")
        for key in keys:
            del self.pending[key]

    def _enter(self, x: np.ndarray, y: np.ndarray, iterations: list[int]) -> None:
        self.x, self.y = np.concatenate([self.x, x]), np.concatenate([self.y, y])
        self.iteration += iterations

    def _values(self, y: Any) -> np.ndarray:
        labels = [objective.label for objective in self.objectives]
        if isinstance(y, pd.DataFrame):
            missing = [label for label in labels if label not in y]
            if missing:
                raise ValueError(f"there is no column {missing[0]!r}; found {list(y)}")
            y = y[labels]
        values = np.asarray(y, float)
        values = values[:, None] if values.ndim == 1 else values
        if values.ndim != 2 or values.shape[1] != len(labels):
            raise ValueError(f"y must have one value per row for each of {labels}, got shape {np.shape(y)}")
        for objective, column in zip(self.objectives, values.T, strict=True):
            objective.check(column)
        return values

    def _refuse_repeats(self, x: np.ndarray) -> None:
        known = {self.space.key(point): f"experiment {number}" for number, point in enumerate(self.x)}
        for row, point in enumerate(x):
            key = self.space.key(point)
            if key in known:
                raise ValueError(f"row {row} repeats {known[key]}: {self.space.words(point)}; average them or say repeats=True")
            known[key] = f"row {row}"

    def _pending_key(self, point: Sequence[float]) -> tuple[float, ...] | None:
        key = self.space.key(point)
        return next((asked for asked in self.pending if self.space.key(asked) == key), None)

    @property
    def left(self) -> list[int]:
        """Numbers of the candidates that were neither measured nor asked for."""
        gone = {self.space.place(point) for point in (*self.x, *self.pending)}
        return [place for place in range(len(self.space)) if place not in gone]

    def _point(self, place: int) -> tuple[float, ...]:
        return tuple(self.space.points[place].tolist())

    def table(self) -> pd.DataFrame:
        """All experiments in the order of their telling: iteration (0 where not asked for), points, values."""
        table = self.space.frame(self.x)
        table.insert(0, "iteration", np.array(self.iteration, dtype=int))
        for objective, column in zip(self.objectives, self.y.T, strict=True):
            table[objective.label] = column
        return table

    def best(self) -> pd.Series:
        """The experiment with the best value of the first objective."""
        if not len(self.y):
            raise ValueError("there is no experiment yet")
        return self.table().iloc[int(self.objectives[0].modelled(self.y[:, 0]).argmax())]

    def pareto(self) -> pd.DataFrame:
        """The experiments that no other one beats in every objective, best first objective first."""
        modelled = np.stack([o.modelled(column) for o, column in zip(self.objectives, self.y.T, strict=True)], axis=1)
        beaten = (modelled[:, None] <= modelled[None]).all(-1) & (modelled[:, None] < modelled[None]).any(-1)
        order = np.argsort(-modelled[:, 0], kind="stable")
        return self.table().iloc[[row for row in order if not beaten[row].any()]]

    def export_log(self, path: str | Path) -> None:
        """Write all experiments, and what is asked for with empty results, as .csv or .xlsx by atomic replace."""
        waiting = self.space.frame(np.array(list(self.pending) or np.empty((0, self.x.shape[1]))))
        waiting.insert(0, "iteration", list(self.pending.values()))
        blank = {objective.label: math.nan for objective in self.objectives}
        logbook.write(path, pd.concat([self.table(), waiting.assign(**blank)]) if len(waiting) else self.table())

    def import_log(self, path: str | Path) -> tuple[int, int]:
        """Take the results from a log: those of experiments asked for are told, others are recorded, known ones are skipped.

        Args:
            path: .csv or .xlsx with the columns of `export_log`; rows without a result are left out.

        Returns:
            How many were told and how many recorded.

        Raises:
            ValueError: a column, unit or number is wrong, or a known experiment has another value; nothing is taken then.
        """
        table = logbook.read(path)
        with logbook.blaming(path):
            return self._take(table)

    def _take(self, table: pd.DataFrame) -> tuple[int, int]:
        labels = [objective.label for objective in self.objectives if objective.label in table]
        table = table.dropna(subset=labels, how="all")
        x, y = self.space.rows(table), self._values(table)
        known = {self.space.key(point): value for point, value in zip(self.x, self.y, strict=True)}
        new = []
        for row, (point, value) in enumerate(zip(x, y, strict=True)):
            before = known.get(self.space.key(point))
            if before is None:
                new.append(row)
            elif not np.allclose(before, value, rtol=1e-9):
                raise ValueError(f"{self.space.words(point)} was entered as {before.tolist()} and is {value.tolist()} here")
        self._refuse_repeats(x[new])
        asked = [row for row in new if self._pending_key(x[row]) is not None]
        own = [row for row in new if row not in asked]
        for rows, enter in ((own, self.record), (asked, self.tell)):
            if rows:
                enter(x[rows], y[rows])
        return len(asked), len(own)


def check_lengths(x: np.ndarray, y: np.ndarray, *others: Sequence[Any]) -> None:
    """Refuse points and values that do not belong to each other."""
    if len({len(x), len(y), *map(len, others)}) > 1 or not len(x):
        raise ValueError(f"x and y must have as many rows, one or more, got {len(x)} and {len(y)}")
