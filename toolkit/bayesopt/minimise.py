"""Search a box of whole and continuous variables for the least value of a function, experiment by experiment."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np

from toolkit.bayesopt import acquisition as formulas
from toolkit.bayesopt.box import Box
from toolkit.bayesopt.process import KERNELS
from toolkit.bayesopt.space import Objective
from toolkit.bayesopt.surrogate import Surrogate

ACQUISITIONS = ("ei", "ucb", "pi", "random")
ROUNDS = 3  # of candidates: everywhere and around the best experiments, then around the best candidate
LEADERS = 5  # experiments and candidates whose neighbourhoods are searched
TRIES = 100


@dataclass(frozen=True, slots=True)
class Trial:
    """One experiment of a search.

    Attributes:
        number: of the experiment, from 1.
        point: the variables' values, `(d,)`.
        value: what was measured.
        best: the best value so far.
        best_point: where it was found, `(d,)`.
        drawn: at random rather than proposed by the model.
    """

    number: int
    point: tuple[float, ...]
    value: float
    best: float
    best_point: tuple[float, ...]
    drawn: bool


class Search(Iterator[Trial]):
    """Bayesian optimisation without a list of candidates: each `next()` chooses a point, measures it and yields a `Trial`.

    The first points are drawn at random. Then a Gaussian process is fitted, and of many candidates, drawn anew each time
    everywhere and around the best, the one with the largest acquisition is measured; whole numbers are rounded first. No
    point is measured twice. `state_dict` and `load_state_dict` let a search go on in another process with the same numbers.

    Args:
        box: the variables.
        objective: what is measured, with the goal "min" or "max".
        measure: from a point `(d,)` to its value.
        initial: points drawn at random, two or more.
        iterations: points proposed by the model.
        acquisition: "ei", "ucb", "pi" or "random".
        kappa: of UCB.
        kernel: one of `process.KERNELS`.
        candidates: in each round of the choice.
        refit: experiments between two fits of the hyper-parameters.
        enough: the search ends with a value as good as this; None for never.
        seed: of whatever is random.

    Raises:
        ValueError: a setting that cannot work.

    >>> from toolkit.bayesopt.box import Range
    >>> box = Box([Range("x", "1", 0.0, 1.0), Range("n", "1", 0, 9, whole=True)])
    >>> search = Search(
    ...     box,
    ...     Objective("y", "1", goal="min"),
    ...     lambda point: abs(point[0] - 0.3) + abs(point[1] - 4),
    ...     initial=6,
    ...     iterations=20,
    ... )
    >>> best = list(search)[-1]
    >>> best.number, best.best_point[1], best.best < 0.05
    (26, 4.0, True)
    """

    def __init__(
        self,
        box: Box,
        objective: Objective,
        measure: Callable[[np.ndarray], float],
        *,
        initial: int = 20,
        iterations: int = 100,
        acquisition: str = "ei",
        kappa: float = 2.0,
        kernel: str = "matern52",
        candidates: int = 512,
        refit: int = 5,
        enough: float | None = None,
        seed: int = 0,
    ):
        _check(acquisition, kernel, {"initial": (initial, 2), "iterations": (iterations, 0), "candidates": (candidates, 2),
                                     "refit": (refit, 1), "seed": (seed, 0)})  # fmt: skip
        self.box, self.objective, self.measure = box, objective, measure
        self.initial, self.iterations, self.candidates, self.refit = initial, iterations, candidates, refit
        self.acquisition, self.kappa, self.kernel, self.enough, self.seed = acquisition, kappa, kernel, enough, seed
        self.x, self.y = np.empty((0, len(box.variables))), np.empty(0)
        self._surrogate: Surrogate | None = None

    def __next__(self) -> Trial:
        if self.ended:
            raise StopIteration
        random = np.random.default_rng([self.seed, len(self.y)])
        drawn = len(self.y) < self.initial or self.acquisition == "random" or not np.ptp(self.y)
        point = self._new(lambda n: self.box.drawn(n, random)) if drawn else self._proposed(random)
        value = float(self.measure(point))
        self.objective.check(np.array([value]))
        self.x, self.y = np.concatenate([self.x, point[None]]), np.append(self.y, value)
        best = self.best
        return Trial(
            len(self.y), tuple(point.tolist()), value, float(self.y[best]), tuple(self.x[best].tolist()), drawn
        )  # fmt: skip

    @property
    def best(self) -> int:
        """Row of the best experiment so far."""
        return int(self.objective.modelled(self.y).argmax())

    @property
    def ended(self) -> bool:
        """Whether all experiments were made, or one was good enough."""
        if len(self.y) and self.enough is not None:
            reached = self.objective.modelled([self.y[self.best], self.enough])
            if reached[0] >= reached[1]:
                return True
        return len(self.y) >= self.initial + self.iterations

    def _new(self, draw: Callable[[int], np.ndarray]) -> np.ndarray:
        known = set(self.box.keys(self.x))
        for _ in range(TRIES):
            for point, key in zip(points := draw(16), self.box.keys(points), strict=True):
                if key not in known:
                    return point
        raise ValueError(f"no new point was found in {TRIES * 16} draws: the box holds no more than {len(known)} experiments")

    def surrogate(self) -> Surrogate:
        """The process of all experiments; its hyper-parameters are those of the last multiple of `refit` experiments."""
        values, x = self.objective.modelled(self.y), self.box.scaled(self.x)
        after = len(self.y) - (len(self.y) - self.initial) % self.refit if len(self.y) > self.initial else len(self.y)
        if self._surrogate is None or len(self._surrogate.y) < after or len(self._surrogate.y) > len(values):
            self._surrogate = Surrogate.fitted(x[:after], values[:after], kernel=self.kernel)
        theta, centre, spread = self._surrogate.theta, float(values.mean()), float(values.std(ddof=1))
        y = x.new_tensor((values - centre) / spread)
        return Surrogate(x, y, theta, centre, spread, self.kernel)

    def _proposed(self, random: np.random.Generator) -> np.ndarray:
        surrogate = self.surrogate()
        formula = formulas.by_name(self.acquisition, kappa=self.kappa, best=surrogate.y.max())
        leaders = self.x[np.argsort(-self.objective.modelled(self.y), kind="stable")[:LEADERS]]
        pool = np.concatenate([self.box.drawn(self.candidates // 2, random), self.box.near(leaders, self.candidates, random)])
        kept, scores = np.empty((0, self.x.shape[1])), np.empty(0)
        for _ in range(ROUNDS):
            pool = self._unknown(pool)
            if len(pool):
                kept = np.concatenate([kept, pool])
                scores = np.append(scores, formula(*surrogate.predict(self.box.scaled(pool))).numpy())
                kept, scores = (part[np.argsort(-scores, kind="stable")[:LEADERS]] for part in (kept, scores))
            pool = self.box.near(kept if len(kept) else leaders, self.candidates // 2, random)
        return kept[0] if len(kept) else self._new(lambda n: self.box.drawn(n, random))

    def _unknown(self, points: np.ndarray) -> np.ndarray:
        """Those that were not measured, each once."""
        known, new = set(self.box.keys(self.x)), {}
        for row, key in enumerate(self.box.keys(points)):
            if key not in known:
                new.setdefault(key, row)
        return points[list(new.values())]

    def state_dict(self) -> dict[str, Any]:
        """Settings and experiments, from which the search goes on with the same numbers (see `recordings.save_state`)."""
        return {"settings": self._settings(), "x": self.x.copy(), "y": self.y.copy()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state made by `state_dict` of a search with the same settings.

        Raises:
            ValueError: the state belongs to another search; nothing has been changed.
        """
        theirs, ours = state.get("settings", {}), self._settings()
        for name in {**ours, **theirs}:
            if theirs.get(name) != ours.get(name):
                raise ValueError(f"state: made with {name} = {theirs.get(name)!r}, this search has {ours.get(name)!r}")
        x, y = np.array(state["x"], float), np.array(state["y"], float)
        if x.shape != (len(y), len(self.box.variables)):
            raise ValueError(f"state: {len(y)} values for points of shape {x.shape}")
        self.x, self.y, self._surrogate = x, y, None

    def _settings(self) -> dict[str, Any]:
        """What must agree between a state and the search that takes it over; `iterations` may be raised."""
        return {
            "variables": [[*vars(variable).values()] for variable in self.box.variables],
            "objective": [*vars(self.objective).values()],
            "initial": self.initial, "acquisition": self.acquisition, "kappa": self.kappa, "kernel": self.kernel,
            "candidates": self.candidates, "refit": self.refit, "seed": self.seed,
        }  # fmt: skip


def _check(acquisition: str, kernel: str, numbers: Mapping[str, tuple[Any, int]]) -> None:
    for name, value, admitted in (("acquisition", acquisition, ACQUISITIONS), ("kernel", kernel, tuple(KERNELS))):
        if value not in admitted:
            raise ValueError(f"{name} must be one of {admitted}, got {value!r}")
    for name, (value, least) in numbers.items():
        if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
            raise ValueError(f"{name} must be a whole number, {least} or more, got {value!r}")
