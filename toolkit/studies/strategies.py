"""Fig. 4.2 of Zhao: 200 virtual experiments of each strategy and initial number, on the sintering model.

The 80 measured values behind the figure were not printed; here the table is the response surface of `datasets.sintering`. Not
published and chosen here: the noise (0.05 decades), κ (3), the kernel (squared exponential), the logarithm of the holding time.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from toolkit import bayesopt, recordings
from toolkit.datasets import sintering

TITLE = "Race of strategies"
STRATEGIES = ("ucb", "ei", "pi", "random")
INITIAL = (2, 5, 10, 15, 20, 30, 40, 50)
COLUMNS = {
    "inputs": sintering.INPUTS,
    "target": sintering.CONDUCTIVITY,
    "log": (sintering.INPUTS[2], sintering.CONDUCTIVITY),
}


def table() -> pd.DataFrame:
    """The 80 points of the grid with the conductivity of the model: simulated.

    >>> len(table())
    80
    """
    points = sintering.points("initial_grid")
    return points.assign(**{sintering.CONDUCTIVITY: sintering.response_surface()(points)})


def record(
    path: str | Path,
    *,
    repeats: int = 200,
    initial: Sequence[int] = INITIAL,
    kappa: float = 3.0,
    noise: float = 0.05,
    seed: int = 0,
) -> None:
    """Run the whole figure, some ten seconds on one core, and write it for replay; there is nothing to resume.

    Args:
        path: of the recording.
        repeats: campaigns of each strategy and initial number.
        initial: numbers of initial draws.
        kappa: of UCB.
        noise: standard deviation of a measurement [decades].
        seed: of draws and noise.
    """
    settings = {"noise": noise, "kappa": kappa, "kernel": "rbf", "replacement": True, "strategies": STRATEGIES,
                "repeats": repeats, "seed": seed}  # fmt: skip
    states = list(bayesopt.virtual_experiments(table(), **COLUMNS, **settings, initial=initial))
    settings |= {"initial": tuple(str(size) for size in initial), "steps": len(table()) - 1}
    recordings.save(path, states, settings=settings, title=TITLE, provenance=recordings.provenance(seeds=[seed]))


def results(path: str | Path) -> pd.DataFrame:
    """One row per strategy and initial number, see `bayesopt.Tries.summary`."""
    return recordings.load(path, record=bayesopt.Tries).records[-1].summary()
