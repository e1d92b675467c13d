"""A campaign of experiments: ask for the next ones, tell what came out (Zhao, section 4.1)."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from toolkit.bayesopt import acquisition, logbook, process
from toolkit.bayesopt.history import History, check_lengths
from toolkit.bayesopt.process import Prior
from toolkit.bayesopt.space import Objective, Space, Variable, grid
from toolkit.bayesopt.surrogate import Surrogate
from toolkit.recordings import archive

ACQUISITIONS = ("ucb", "ei", "pi", "thompson", "random", "nehvi")
BATCHES = ("believer", "joint")
FORMAT, VERSION = "thesis-toolkit campaign", 1


@dataclass(frozen=True, slots=True)
class Proposal:
    """One experiment that is proposed, and what the model held of all candidates when it was chosen.

    Attributes:
        place: number of the candidate.
        point: its values, `(d,)` in the variables' units.
        mean: posterior mean at all candidates, standardised, `(p,)`; nan without a model.
        deviation: posterior standard deviation likewise.
        score: the acquisition at all candidates, `(p,)`; minus infinity where an experiment was made or asked for.
    """

    place: int
    point: tuple[float, ...]
    mean: np.ndarray
    deviation: np.ndarray
    score: np.ndarray


class Campaign(History):
    """Experiments that are proposed, made and told.

    Args:
        space: the candidates.
        objectives: what is measured; two for a Pareto front.
        acquisition: "ucb", "ei", "pi", "thompson" or "random" for one objective, "nehvi" (or "random") for several.
        batch: how several experiments are proposed at once: "believer" adds the predicted mean as if measured and goes on
            (Thompson sampling draws a function for each instead); "joint" takes BoTorch's acquisition of the whole batch
            ("ucb", "ei", "pi").
        kappa: of UCB.
        kernel: "rbf" (squared exponential, a lengthscale per variable) or "matern52".
        prior: of the hyper-parameters, see `process.Prior`.
        seed: of whatever is random; the same seed and history give the same proposals.

    Raises:
        ValueError: settings that do not go together.

    >>> from toolkit.bayesopt import grid
    >>> campaign = Campaign(grid({"x [1]": range(11)}), Objective("y", "1"), seed=1)
    >>> campaign.record([[0], [10]], [0.0, 1.0])
    >>> proposals = campaign.ask(2)
    >>> campaign.tell(proposals, [0.9, 0.5])
    >>> len(campaign.table())
    4
    """

    def __init__(
        self,
        space: Space,
        objectives: Objective | Sequence[Objective],
        *,
        acquisition: str = "ucb",
        batch: str = "believer",
        kappa: float = 2.0,
        kernel: str = "rbf",
        prior: Prior | None = None,
        seed: int = 0,
    ):
        objectives = (objectives,) if isinstance(objectives, Objective) else tuple(objectives)
        _check_space(space, objectives)
        super().__init__(space, objectives)
        self.askings = 0
        self.configure(acquisition=acquisition, batch=batch, kappa=kappa, kernel=kernel, prior=prior, seed=seed)

    def configure(
        self,
        *,
        acquisition: str = "ucb",
        batch: str = "believer",
        kappa: float = 2.0,
        kernel: str = "rbf",
        prior: Prior | None = None,
        seed: int = 0,
    ) -> None:
        """Go on with other settings of model and acquisition; see the class for them.

        Raises:
            ValueError: settings that do not go together; the campaign keeps those it had.
        """
        _check_settings(len(self.objectives), acquisition, batch, kappa, kernel, seed)
        self.acquisition, self.batch, self.kappa = acquisition, batch, float(kappa)
        self.kernel, self.prior, self.seed = kernel, prior or Prior(), int(seed)
        self._fitted: dict[int, Surrogate] = {}

    # Asking ------------------------------------------------------------------------------------------------------------

    def ask(self, n: int = 1) -> pd.DataFrame:
        """Propose the next experiments; a point that was measured or asked for is never proposed again.

        Before two different values have been told the points are drawn at random.

        Args:
            n: how many.

        Returns:
            The points with units in their heads, and beside them, where there is a model, the mean it predicts of each
            objective and the interval of 95 % for its true value.

        Raises:
            ValueError: fewer candidates are left, or all values measured are the same; nothing is asked then.
        """
        return self.claim(list(self.proposals(n)))

    def claim(self, proposals: Sequence[Proposal]) -> pd.DataFrame:
        """Ask for what `proposals` gave; a table as from `ask`."""
        table = self.space.frame(np.array([proposal.point for proposal in proposals]))
        if self.has_model:
            predicted = self.predict(table)
            table = table.join(predicted[[label for label in predicted if label not in table]])
        self.askings += 1
        self.pending |= {proposal.point: self.askings for proposal in proposals}
        return table

    def proposals(self, n: int = 1) -> Iterator[Proposal]:
        """What `ask` would propose, one by one with the state of the model, without asking for it."""
        left = self.left
        if not (isinstance(n, Integral) and n >= 1):
            raise ValueError(f"n must be a whole number, 1 or more, got {n!r}")
        if n > len(left):
            raise ValueError(f"{n} experiments were asked for, but only {len(left)} of {len(self.space)} candidates are left")
        if self.acquisition != "random" and len(self.y) >= 2:
            self._refuse_constant()
        return self._proposals(int(n), left)

    def _proposals(self, n: int, left: list[int]) -> Iterator[Proposal]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.askings)
        if self.acquisition == "random" or not self.has_model:
            yield from self._at_random(n, left, generator)
        elif self.acquisition == "nehvi" or self.batch == "joint":
            yield from self._jointly(n, left)
        else:
            yield from self._one_by_one(n, left, generator)

    def _at_random(self, n: int, left: list[int], generator: torch.Generator) -> Iterator[Proposal]:
        unknown = np.full(len(self.space), math.nan)
        for number in torch.randperm(len(left), generator=generator)[:n].tolist():
            yield Proposal(left[number], self._point(left[number]), unknown, unknown, unknown)

    def _one_by_one(self, n: int, left: list[int], generator: torch.Generator) -> Iterator[Proposal]:
        """Each with the predicted mean of those before as if it had been measured; Thompson with a drawn function each."""
        x = self.space.scaled(self.space.points)
        surrogate = self.surrogate().believing(self._waiting())
        functions = surrogate.sample(x, n, generator) if self.acquisition == "thompson" else None
        allowed = torch.zeros(len(x), dtype=torch.bool)
        allowed[left] = True
        for number in range(n):
            mean, deviation = surrogate.predict(x)
            if functions is not None:
                score = functions[number]
            else:
                score = acquisition.by_name(self.acquisition, kappa=self.kappa, best=surrogate.y.max())(mean, deviation)
            score = score.masked_fill(~allowed, -math.inf)
            place = int(score.argmax())
            yield Proposal(place, self._point(place), mean.numpy(), deviation.numpy(), score.numpy())
            allowed[place] = False
            if functions is None:
                surrogate = surrogate.believing(x[place : place + 1])

    def _jointly(self, n: int, left: list[int]) -> Iterator[Proposal]:
        from toolkit.bayesopt import joint  # BoTorch takes seconds to import

        surrogates = [self.surrogate(number) for number in range(len(self.objectives))]
        x = self.space.scaled(self.space.points)
        places, scores = joint.propose(
            surrogates, x, left, n, acquisition=self.acquisition, kappa=self.kappa, pending=self._waiting(),
            seed=self.seed + self.askings,
        )  # fmt: skip
        mean, deviation = (part.numpy() for part in surrogates[0].predict(x))
        for place, score in zip(places, scores, strict=True):
            yield Proposal(place, self._point(place), mean, deviation, score)

    def _waiting(self) -> Tensor:
        return self.space.scaled(np.array(list(self.pending) or np.empty((0, self.x.shape[1]))))

    def _enter(self, x: np.ndarray, y: np.ndarray, iterations: list[int]) -> None:
        super()._enter(x, y, iterations)
        self._fitted = {}

    # The model ---------------------------------------------------------------------------------------------------------

    @property
    def has_model(self) -> bool:
        """Whether two different values of each objective have been measured."""
        return len(self.y) >= 2 and bool((np.ptp(self.y, axis=0) > 0).all())

    def _refuse_constant(self) -> None:
        for objective, column in zip(self.objectives, self.y.T, strict=True):
            if np.ptp(column) == 0:
                raise ValueError(
                    f"{objective.label} is {column[0]:g} in all {len(column)} experiments: a constant teaches nothing; "
                    "measure elsewhere, or use acquisition='random'"
                )

    def surrogate(self, objective: int = 0) -> Surrogate:
        """The Gaussian process of an objective, with the hyper-parameters of largest evidence.

        Args:
            objective: its number.

        Raises:
            ValueError: fewer than two different values were measured.
        """
        if not self.has_model:
            raise ValueError("there is no model yet: it needs two experiments with different values")
        if objective not in self._fitted:
            values = self.objectives[objective].modelled(self.y[:, objective])
            x = self.space.scaled(self.x)
            self._fitted[objective] = Surrogate.fitted(x, values, kernel=self.kernel, prior=self.prior)
        return self._fitted[objective]

    def model(self, objective: int = 0) -> Any:
        """The same process as a `botorch.models.SingleTaskGP` on scaled inputs and standardised values."""
        from toolkit.bayesopt import joint

        return joint.model(self.surrogate(objective))

    def predict(self, x: Any = None) -> pd.DataFrame:
        """Mean and 95 % interval of each objective's true value, in its unit.

        Args:
            x: points, see `record`; None takes all candidates.

        Returns:
            The points and for each objective the columns "<label> mean", "low" and "high". For a logarithmic objective the mean
            is that of the logarithm, so that it is the median of the quantity.
        """
        points = self.space.points if x is None else self.space.rows(x)
        table = self.space.frame(points)
        for number, objective in enumerate(self.objectives):
            surrogate = self.surrogate(number)
            mean, deviation = (part.numpy() * surrogate.spread for part in surrogate.predict(self.space.scaled(points)))
            mean = mean + surrogate.centre
            ends = np.sort([objective.measured(mean + side * deviation) for side in (-1.96, 1.96)], axis=0)
            table[f"{objective.label} mean"] = objective.measured(mean)
            table[f"{objective.label} low"], table[f"{objective.label} high"] = ends
        return table

    def slices(self, objective: int = 0) -> dict[str, pd.DataFrame]:
        """What the model holds along each variable through the best experiment.

        Args:
            objective: its number.

        Returns:
            Label of the variable to a table of the variable's levels, `mean`, `low` and `high`.
        """
        label, best = self.objectives[objective].label, self.best()[self.space.labels].to_numpy(float)
        curves = {}
        for number, variable in enumerate(self.space.variables):
            points = np.tile(best, (len(variable.levels), 1))
            points[:, number] = variable.levels
            predicted = self.predict(points)
            columns = {f"{label} {part}": part for part in ("mean", "low", "high")}
            curves[variable.label] = predicted[[variable.label, *columns]].rename(columns=columns)
        return curves

    def expand(self, space: Space) -> None:
        """Go on with more candidates, as between iterations 2 and 3 of Table 4.1.

        Args:
            space: the same variables with units; it holds all present candidates.

        Raises:
            ValueError: it does not; the campaign stays as it was.
        """
        self.space.check_expansion(space)
        self.space, self._fitted = space, {}

    # Keeping -----------------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Settings and history as lists, numbers and texts."""
        space = {"variables": [vars(v) | {"levels": list(v.levels)} for v in self.space.variables]}
        return {
            "space": space | {"points": self.space.points.tolist()},
            "objectives": [vars(objective) for objective in self.objectives],
            "settings": {
                "acquisition": self.acquisition, "batch": self.batch, "kappa": self.kappa, "kernel": self.kernel,
                "prior": vars(self.prior) | {"widths": list(self.prior.widths)}, "seed": self.seed,
            },
            "x": self.x.tolist(), "y": self.y.tolist(), "iteration": list(self.iteration),
            "pending": [[list(point), number] for point, number in self.pending.items()], "askings": self.askings,
        }  # fmt: skip

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Campaign:
        """The campaign of a `state_dict`.

        Raises:
            ValueError, KeyError, TypeError: the state is incomplete or contradicts itself.
        """
        variables = [Variable(**entry | {"levels": tuple(entry["levels"])}) for entry in state["space"]["variables"]]
        settings = dict(state["settings"])
        settings["prior"] = Prior(**settings["prior"] | {"widths": tuple(settings["prior"]["widths"])})
        objectives = [Objective(**entry) for entry in state["objectives"]]
        campaign = cls(Space(variables, state["space"]["points"]), objectives, **settings)
        if state["x"]:
            x, y = campaign.space.rows(state["x"]), campaign._values(state["y"])
            check_lengths(x, y, state["iteration"])
            campaign._enter(x, y, [int(number) for number in state["iteration"]])
        campaign.pending = {tuple(map(float, point)): int(number) for point, number in state["pending"]}
        campaign.askings = int(state["askings"])
        return campaign

    def save(self, path: str | Path) -> None:
        """Write the whole campaign as one JSON file by atomic replace."""
        text = json.dumps({"format": FORMAT, "version": VERSION, **self.state_dict()}, indent=1, allow_nan=False)
        archive.replace(Path(path), lambda file: file.write(text.encode()))

    @classmethod
    def load(cls, path: str | Path) -> Campaign:
        """The campaign of a file that `save` wrote.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it is damaged, none of a campaign, or of a newer version; the message names the file.
        """
        content = Path(path).read_bytes()
        with archive.faults_of(path):
            state = json.loads(content)
            found, version = state["format"], state["version"]
        if found != FORMAT or version > VERSION:
            raise ValueError(f"{path}: holds {found!r} version {version}, this toolkit reads {FORMAT!r} up to {VERSION}")
        with archive.faults_of(path):
            return cls.from_state(state)

    @classmethod
    def from_log(
        cls,
        path: str | Path,
        objectives: Objective | Sequence[Objective],
        *,
        inputs: Sequence[str] | None = None,
        levels: Mapping[str, Sequence[float]] | None = None,
        log: Sequence[str] = (),
        **settings: Any,
    ) -> Campaign:
        """A campaign that begins with the experiments of a file.

        Args:
            path: .csv or .xlsx with units in the heads, such as "time [min]".
            objectives: what is to be improved; the file has a column for each.
            inputs: the columns that may be varied; None takes those of `levels`, or all that have a unit and are no objective.
            levels: "name [unit]" to the values that may be proposed. None takes every combination of the values in the file.
            log: variables that enter the model as logarithms.
            **settings: of `Campaign`.

        Raises:
            ValueError: the file is damaged, or holds what cannot be used.
        """
        table = logbook.read(path)
        measured = [o.label for o in ([objectives] if isinstance(objectives, Objective) else objectives)]
        with logbook.blaming(path):
            heads = inputs or levels or [head for head in table if head not in measured and "[" in head]
            lost = [head for head in heads if head not in table]
            if lost or not heads:
                raise ValueError(f"no column {lost[0] if lost else 'with a unit, such as time [min]'!r}; found {list(table)}")
            space = grid({head: (levels or {}).get(head, np.unique(table[head].dropna())) for head in heads}, log=log)
            campaign = cls(space, objectives, **settings)
            campaign._take(table)
        return campaign


def _check_space(space: Space, objectives: Sequence[Objective]) -> None:
    if not isinstance(space, Space):
        raise TypeError(f"space must be a Space, got {space!r}; see bayesopt.grid")
    labels = [objective.label for objective in objectives]
    if not labels or len({*labels, *space.labels}) < len(labels) + len(space.labels):
        raise ValueError(f"objectives must be one or more, with names of their own, got {labels} beside {space.labels}")


def _check_settings(objectives: int, acquisition: str, batch: str, kappa: float, kernel: str, seed: int) -> None:
    admitted = ("nehvi", "random") if objectives > 1 else tuple(name for name in ACQUISITIONS if name != "nehvi")
    if acquisition not in admitted:
        raise ValueError(f"acquisition must be one of {admitted} for {objectives} objective(s), got {acquisition!r}")
    if batch not in BATCHES or (batch == "joint" and acquisition == "thompson"):
        raise ValueError(f"batch must be one of {BATCHES}, 'believer' with Thompson sampling, got {batch!r}")
    if kernel not in process.KERNELS:
        raise ValueError(f"kernel must be one of {tuple(process.KERNELS)}, got {kernel!r}")
    if not (math.isfinite(kappa) and kappa >= 0):
        raise ValueError(f"kappa must be finite and zero or more, got {kappa!r}")
    if not (isinstance(seed, Integral) and seed >= 0):
        raise ValueError(f"seed must be a whole number, zero or more, got {seed!r}")
