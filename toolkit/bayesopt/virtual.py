"""Virtual experiments: how soon does a strategy pick the best row of a table? All campaigns at once (Zhao, section 4.1.2).

for state in virtual_experiments(table, inputs=["acid [wt%]"], target="conductivity [S/cm]", initial=(5, 15)):
    print(state.tries, state.fraction())
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from numbers import Integral

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from toolkit.bayesopt import acquisition, process
from toolkit.bayesopt.process import Observations, Prior

STRATEGIES = ("ucb", "ei", "pi", "random")
ENTRIES = 100_000  # of the matrices that are worked on at a time: more do not fit into a core's cache


@dataclass(frozen=True, slots=True)
class Tries:
    """All campaigns after some further tries.

    Attributes:
        tries: after the initial draws.
        seconds: time spent so far [s].
        strategies: names of the strategies, `a` of them.
        initial: numbers of initial draws, `s` of them.
        picked: the try at which a campaign first picked the best row, 0 if it has not yet, `(a, s, r)`.
        running: campaigns that still go on.
    """

    tries: int
    seconds: float
    strategies: tuple[str, ...]
    initial: tuple[int, ...]
    picked: np.ndarray
    running: int

    def fraction(self) -> np.ndarray:
        """Share of the campaigns that have found the best row, `(a, s)`."""
        return (self.picked > 0).mean(-1)

    def mean_tries(self) -> np.ndarray:
        """Mean number of tries of those that have found it, `(a, s)`; nan where none has."""
        found = (self.picked > 0).sum(-1)
        return np.divide(self.picked.sum(-1), found, out=np.full(found.shape, np.nan), where=found > 0)

    def summary(self) -> pd.DataFrame:
        """One row per strategy and initial number, with 95 % intervals.

        Returns:
            `strategy`, `initial`, `campaigns`, `found`, `fraction` with `low` and `high` (Wilson's interval), `tries` (mean of
            those that found it) with its standard error `error`.
        """
        rows = []
        for strategy, line in zip(self.strategies, self.picked, strict=True):
            for initial, picked in zip(self.initial, line, strict=True):
                found = picked[picked > 0]
                low, high = wilson_interval(len(found), len(picked))
                error = found.std(ddof=1) / math.sqrt(len(found)) if len(found) > 1 else math.nan
                mean = found.mean() if len(found) else math.nan
                rows.append((strategy, initial, len(picked), len(found), len(found) / len(picked), low, high, mean, error))
        names = ["strategy", "initial", "campaigns", "found", "fraction", "low", "high", "tries", "error"]
        return pd.DataFrame(rows, columns=names)


def wilson_interval(found: int, campaigns: int) -> tuple[float, float]:
    """95 % interval of a share by Wilson's formula.

    >>> [round(end, 3) for end in wilson_interval(200, 200)]
    [0.981, 1.0]
    """
    z = 1.959964
    share, weight = found / campaigns, z**2 / campaigns
    middle = (share + weight / 2) / (1 + weight)
    half = z / (1 + weight) * math.sqrt(share * (1 - share) / campaigns + weight / (4 * campaigns))
    return max(middle - half, 0.0), min(middle + half, 1.0)


def random_baseline(rows: int, attempts: int) -> tuple[float, float]:
    """What drawing with replacement comes to: P(found) = 1 - (1 - 1/rows)^m, and the mean try of those that found it.

    Args:
        rows: of the table.
        attempts: m, at most so many draws.

    Returns:
        Probability and mean number of tries, 1/p - m (1 - p)^m / P with p = 1/rows.

    >>> probability, tries = random_baseline(80, 79)
    >>> round(200 * probability, 1), round(tries, 1)
    (126.0, 33.6)
    """
    missed = (1 - 1 / rows) ** attempts
    return 1 - missed, rows - attempts * missed / (1 - missed)


def virtual_experiments(
    table: pd.DataFrame,
    *,
    inputs: Sequence[str],
    target: str,
    log: Sequence[str] = (),
    initial: Sequence[int] = (5, 10, 15, 20, 30),
    strategies: Sequence[str] = STRATEGIES,
    repeats: int = 200,
    noise: float = 0.05,
    kappa: float = 2.0,
    kernel: str = "rbf",
    prior: Prior | None = None,
    replacement: bool = True,
    attempts: int | None = None,
    seed: int = 0,
    device: str = "cpu",
) -> Iterator[Tries]:
    """Race strategies for the best row of a table, all repeats, strategies and initial numbers as one batch (Fig. 4.2 of Zhao).

    A campaign draws its initial rows at random with replacement, then picks row by row until it has picked the best one or has
    no attempt left. What it sees of a row is its target with new noise each time. Initial draws do not count as found: the
    strategy has to pick the best row itself. Campaigns of the same repeat have the same initial draws and noise whatever their
    strategy. The hyper-parameters are fitted anew before each pick, beginning at the last ones.

    Args:
        table: one row per possible experiment.
        inputs: its columns that the model sees, scaled to [0, 1].
        target: the column to be maximised, standardised over what a campaign has seen.
        log: those of the columns that enter as log10.
        initial: numbers of initial draws.
        strategies: some of `STRATEGIES`.
        repeats: campaigns of each strategy and initial number.
        noise: standard deviation of a measurement, in units of the target (decades if it is logarithmic).
        kappa: of UCB.
        kernel: "rbf" or "matern52".
        prior: of the hyper-parameters; None takes `Prior()`.
        replacement: whether a strategy may pick a row that it has picked before, as published; the formula for random picks
            holds for this only, and they stay as they are.
        attempts: picks at most; never more than the number of rows minus the initial draws, as published.
        seed: of draws and noise.
        device: where the processes are computed.

    Returns:
        An iterator of `Tries`, one for each further try, that ends when no campaign is left.

    Raises:
        ValueError: a column that is missing or holds what cannot be used, or a setting out of range; before any work.
    """
    x, value = _checked_table(table, inputs, target, log)
    _check_settings(len(x), initial, strategies, repeats, noise, kappa, kernel, attempts)
    race = _Race(
        x.to(device), value.to(device), initial=tuple(initial), strategies=tuple(strategies), repeats=repeats, noise=noise,
        kappa=kappa, kernel=kernel, prior=prior or Prior(), replacement=replacement, attempts=attempts, seed=seed,
    )  # fmt: skip
    return race.run()


class _Race:
    """The campaigns of `virtual_experiments`, `k` of them: strategies by initial numbers by repeats."""

    def __init__(
        self, x, value, *, initial, strategies, repeats, noise, kappa, kernel, prior, replacement, attempts, seed
    ):  # fmt: skip
        self.value, self.squares = value, process.squared_differences(x, x)
        self.strategies, self.initial, self.repeats = strategies, initial, repeats
        self.kappa, self.kernel, self.prior, self.replacement = kappa, kernel, prior, replacement
        shape = (len(strategies), len(initial), repeats)
        kind, size, self.repeat = (
            part.flatten().to(x.device) for part in torch.meshgrid(*map(torch.arange, shape), indexing="ij")
        )
        self.kind, self.size, self.shape = kind, size, shape
        rows, k = len(x), len(kind)
        self.attempts = torch.tensor([min(attempts or rows, rows - n) for n in initial], device=x.device)[size]
        self.count = torch.zeros((k, rows), dtype=x.dtype, device=x.device)
        self.total, self.square = torch.zeros_like(self.count), torch.zeros_like(self.count[:, 0])
        self.largest = torch.full_like(self.square, -math.inf)
        self.theta = prior.centre(x.shape[1]).to(x).repeat(k, 1)
        self.curvature = process.first_curvature(self.theta, prior)
        self.picked = torch.zeros(k, dtype=torch.int64, device=x.device)
        self.chosen = torch.zeros_like(self.count, dtype=torch.bool)  # rows that a strategy has picked
        self._draw(seed, noise, rows)

    def _draw(self, seed: int, noise: float, rows: int) -> None:
        """All that is random, before the first try; the initial draws of fewer are the first of those of more."""
        generator, device = torch.Generator().manual_seed(seed), self.value.device
        most, longest = max(self.initial), int(self.attempts.max())
        first = torch.randint(rows, (self.repeats, most), generator=generator).to(device)
        first_noise = noise * torch.randn((self.repeats, most), generator=generator, dtype=torch.float64).to(device)
        tries = (len(self.initial), self.repeats, longest)
        self.noise = noise * torch.randn(tries, generator=generator, dtype=torch.float64).to(device)
        self.at_random = torch.randint(rows, tries, generator=generator).to(device)
        sizes = torch.tensor(self.initial, device=device)[self.size]
        for number in range(most):
            campaigns = torch.nonzero(sizes > number)[:, 0]
            repeat = self.repeat[campaigns]
            self._see(campaigns, first[repeat, number], first_noise[repeat, number])

    def run(self) -> Iterator[Tries]:
        """One record a try."""
        best, started = int(self.value.argmax()), time.perf_counter()
        for tries in range(1, int(self.attempts.max()) + 1):
            going = torch.nonzero((self.picked == 0) & (tries <= self.attempts))[:, 0]
            if not len(going):
                return
            picks = self._picks(going, tries - 1)
            self.chosen[going, picks] = True
            self._see(going, picks, self.noise[self.size[going], self.repeat[going], tries - 1])
            self.picked[going[picks == best]] = tries
            picked = self.picked.view(self.shape).to(torch.int16).cpu().numpy()
            running = int(((self.picked == 0) & (tries < self.attempts)).sum())
            yield Tries(tries, time.perf_counter() - started, self.strategies, self.initial, picked, running)

    def _see(self, campaigns: Tensor, rows: Tensor, noise: Tensor) -> None:
        value = self.value[rows] + noise
        self.count[campaigns, rows] += 1
        self.total[campaigns, rows] += value
        self.square[campaigns] += value**2
        self.largest[campaigns] = torch.maximum(self.largest[campaigns], value)

    def _picks(self, going: Tensor, number: int) -> Tensor:
        picks = self.at_random[self.size[going], self.repeat[going], number]
        kinds = [self.strategies[kind] for kind in self.kind[going].tolist()]
        thinking = torch.tensor([kind != "random" for kind in kinds], device=going.device)
        places = torch.nonzero(thinking)[:, 0]
        points = (self.count[going[places]] > 0).sum(1)
        order = points.argsort(descending=True)  # so that processes with about as many points are worked on together
        places, points = places[order], points[order]
        while len(places):
            cut = max(8, ENTRIES // int(points[0]) ** 2)
            part, places, points = places[:cut], places[cut:], points[cut:]
            picks[part] = self._scores(going[part]).argmax(1)
        return picks

    def _scores(self, campaigns: Tensor) -> Tensor:
        """The acquisition at all rows, `(k, rows)`, after a fit."""
        points, seen, best = self._seen(campaigns)
        begin = self.theta[campaigns], self.curvature[campaigns]
        theta, curvature = process.climb(seen, *begin, kernel=self.kernel, prior=self.prior)
        self.theta[campaigns], self.curvature[campaigns] = theta, curvature
        mean, deviation = process.predict(theta, seen, self.squares[:, points], kernel=self.kernel)
        score = torch.empty_like(mean)
        for number, name in enumerate(self.strategies):
            mine = self.kind[campaigns] == number
            if name != "random" and bool(mine.any()):
                formula = acquisition.by_name(name, kappa=self.kappa, best=best[mine])
                score[mine] = formula(mean[mine], deviation[mine])
        return score if self.replacement else score.masked_fill(self.chosen[campaigns], -math.inf)

    def _seen(self, campaigns: Tensor) -> tuple[Tensor, Observations, Tensor]:
        """Which rows were seen `(k, m)`, what of them, and the largest value `(k, 1)`, standardised."""
        count, total = self.count[campaigns], self.total[campaigns]
        number = count.sum(1)
        centre = total.sum(1) / number
        variance = (self.square[campaigns] - number * centre**2) / (number - 1).clamp(min=1)
        spread = variance.clamp(min=0).sqrt()
        spread = torch.where(spread > 1e-12, spread, 1.0)
        most = int((count > 0).sum(1).max())
        points = torch.argsort((count > 0).to(torch.int8), dim=1, descending=True, stable=True)[:, :most]
        times, total = count.gather(1, points), total.gather(1, points)
        mean = torch.where(times > 0, (total / times.clamp(min=1) - centre[:, None]) / spread[:, None], 0.0)
        within = (self.square[campaigns] - (total**2 / times.clamp(min=1)).sum(1)).clamp(min=0) / spread**2
        squares = self.squares[:, points[:, :, None], points[:, None, :]]
        best = (self.largest[campaigns] - centre) / spread
        return points, Observations(squares, mean, times, within), best[:, None]


def _checked_table(table: pd.DataFrame, inputs: Sequence[str], target: str, log: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Inputs scaled to [0, 1] and the target, both with logarithms taken."""
    if isinstance(inputs, str) or not inputs:
        raise ValueError(f"inputs must be a list of columns, got {inputs!r}")
    for name in (*inputs, target, *log):
        if name not in table:
            raise ValueError(f"the table has no column {name!r}; its columns are {list(table)}")
    numbers = np.array(table[[*inputs, target]], float)
    for name, column in zip((*inputs, target), numbers.T, strict=True):
        bad = ~np.isfinite(column) | (column <= 0 if name in log else False)
        if bad.any():
            wanted = "positive numbers, since it enters as log10" if name in log else "finite numbers"
            raise ValueError(f"column {name!r} must hold {wanted}, got {column[bad][0]} in row {int(np.flatnonzero(bad)[0])}")
    for name in log:
        place = (*inputs, target).index(name)
        numbers[:, place] = np.log10(numbers[:, place])
    x, value = numbers[:, :-1], numbers[:, -1]
    if len(np.unique(x, axis=0)) < len(x):
        raise ValueError("several rows of the table have the same inputs: average them first")
    if len(x) < 2 or np.ptp(value) == 0 or (np.ptp(x, axis=0) == 0).any():
        raise ValueError("the table must have two rows or more, and neither the target nor an input may be constant")
    return torch.tensor((x - x.min(0)) / np.ptp(x, axis=0)), torch.tensor(value)


def _check_settings(rows, initial, strategies, repeats, noise, kappa, kernel, attempts) -> None:
    unknown = [name for name in strategies if name not in STRATEGIES]
    if unknown or not strategies or len(set(strategies)) < len(strategies):
        raise ValueError(f"strategies must be different ones of {STRATEGIES}, got {tuple(strategies)}")
    if kernel not in process.KERNELS:
        raise ValueError(f"kernel must be one of {tuple(process.KERNELS)}, got {kernel!r}")
    if not initial or any(not isinstance(n, Integral) or not 1 <= n < rows for n in initial):
        raise ValueError(f"initial must be whole numbers from 1 to {rows - 1}, got {tuple(initial)}")
    if not (isinstance(repeats, Integral) and repeats >= 1):
        raise ValueError(f"repeats must be a whole number, 1 or more, got {repeats!r}")
    if attempts is not None and not (isinstance(attempts, Integral) and 1 <= attempts <= rows):
        raise ValueError(f"attempts must be None or a whole number from 1 to {rows}, got {attempts!r}")
    if not (math.isfinite(noise) and noise >= 0 and math.isfinite(kappa) and kappa >= 0):
        raise ValueError(f"noise and kappa must be finite and zero or more, got {noise!r} and {kappa!r}")
