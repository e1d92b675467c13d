"""Sintering of the solid electrolyte LATP: the measured samples and a model of the laboratory.

    samples = sintering.measured()                     # the 22 samples of Table 4.2 of Zhao
    surface = sintering.response_surface()             # a model fitted to them, for virtual laboratories
    sintering.VirtualLaboratory(noise=0.05, seed=1).measure(sintering.points("initial_grid"))

Table 4.2 is measured; everything that comes from `response_surface` is simulated. Other lithium electrolytes are in
`datasets.conductivities`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
from scipy.optimize import least_squares

from toolkit import published

INPUTS = ("acid [wt%]", "temperature [°C]", "time [min]")
CONDUCTIVITY, DENSITY = "conductivity [S/cm]", "relative density [%]"
PHASES = ("initial_grid", "iteration_1_2", "iteration_3_4")
QUANTITIES = (CONDUCTIVITY, DENSITY)

STOICHIOMETRIC = 1e-3  # S/cm, "in the order of", of the best sample without deviation of acid (section 4.1.4)
WEIGHT_OF_MAXIMUM, WEIGHT_OF_ORDER = 3.0, 20.0  # against a measured sample

_COLUMNS = {
    "iteration": "iteration",
    "acid_wt_percent": INPUTS[0],
    "temperature_c": INPUTS[1],
    "time_min": INPUTS[2],
    "relative_density_percent": DENSITY,
    "ionic_conductivity_s_per_cm": CONDUCTIVITY,
}
_LOWER = np.tril_indices(3)
# Floor, height, centre and L: where the fits begin, and between which bounds they stay.
START = np.array([-5.0, 2.0, -0.7, 0.3, 0.4, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0])
LOW = np.array([-6.5, 0.5, -3.0, -2.0, -1.2, *[-6.0] * 6])
HIGH = np.array([-4.3, 4.0, 1.0, 2.0, 1.2, *[6.0] * 6])
DENSE_LOW, DENSE_HIGH = np.r_[20.0, LOW[2:]], np.r_[38.0, HIGH[2:]]
DENSE_START = np.r_[36.0, START[2:]]


def measured() -> pd.DataFrame:
    """The 22 samples that Bayesian optimisation proposed, as measured (Table 4.2 of Zhao).

    Returns:
        Columns `iteration`, the three of `INPUTS`, `DENSITY` and `CONDUCTIVITY`; the index is the sample's number.

    >>> measured()[CONDUCTIVITY].idxmax()
    14
    """
    table = published.table("zhao_table_4_2_bo_samples")
    index = pd.Index(table["sample_no"].astype(int), name="sample")
    samples = table[list(_COLUMNS)].rename(columns=_COLUMNS).set_index(index)
    return samples.astype({"iteration": int})


def levels(phase: str) -> dict[str, tuple[float, ...]]:
    """The admitted values of each input in one phase of the study (Table 4.1 of Zhao).

    Args:
        phase: one of `PHASES`.

    >>> [len(values) for values in levels("iteration_3_4").values()]
    [9, 13, 22]
    """
    if phase not in PHASES:
        raise ValueError(f"phase must be one of {PHASES}, got {phase!r}")
    table = published.table("zhao_table_4_1_search_ranges")
    texts = table.loc[table["phase"] == phase, "values"]
    return {name: tuple(map(float, text.split(";"))) for name, text in zip(INPUTS, texts, strict=True)}


def points(phase: str) -> pd.DataFrame:
    """All combinations of `levels`, the last input running fastest: 80, 420 or 2,574 rows."""
    return pd.DataFrame(itertools.product(*levels(phase).values()), columns=list(INPUTS))


@dataclass(frozen=True)
class ResponseSurface:
    """One smooth hill over the three inputs: a model, no measurement.

    With u = (acid / 7.5, (temperature - 950) / 100, log10(time / 60)) it is floor + height exp(-|Lᵀ(u - centre)|²/2).

    Attributes:
        quantity: `CONDUCTIVITY` (the hill is one of its log10) or `DENSITY`.
        floor: far from the hill, in log10 S/cm or %.
        height: of the hill.
        centre: of the hill in u, `(3,)`.
        shape: L, lower triangular `(3, 3)`.
        scatter: root mean square by which the 22 measured samples miss the surface, in decades or %.
    """

    quantity: str
    floor: float
    height: float
    centre: tuple[float, ...]
    shape: tuple[tuple[float, ...], ...]
    scatter: float

    def __call__(self, inputs: pd.DataFrame) -> np.ndarray:
        """The quantity [S/cm or %] at rows with the columns `INPUTS`, `(n,)`."""
        parameters = [self.floor, self.height, *self.centre, *np.array(self.shape)[_LOWER]]
        value = _hill(np.array(parameters), _rows(inputs))
        return 10**value if self.quantity == CONDUCTIVITY else value


@cache
def response_surface(quantity: str = CONDUCTIVITY) -> ResponseSurface:
    """Fit a hill to the 22 measured samples and to what the text says of the 80 that were not printed.

    For the conductivity these facts enter beside the samples: the grid's maximum of 1.09e-3 S/cm lies at -7.5 wt%, 1000 °C and
    480 min (the reading of section 4.1.4); without deviation of acid the best holding time at 900 °C is 30 min, with about
    1e-3 S/cm. The height is then set so that the grid's maximum is the published one. That one is the largest of 80
    measurements with scatter, so that the surface lies above most of the 22 samples.

    For the density the floor is the green density of 62 %.

    Args:
        quantity: `CONDUCTIVITY` or `DENSITY`.

    >>> surface = response_surface()
    >>> grid = points("initial_grid")
    >>> grid.iloc[surface(grid).argmax()].tolist(), round(float(surface(grid).max()), 5)
    ([-7.5, 1000.0, 480.0], 0.00109)
    """
    if quantity not in QUANTITIES:
        raise ValueError(f"quantity must be one of {QUANTITIES}, got {quantity!r}")
    samples = measured()
    inputs, value = _rows(samples), samples[quantity].to_numpy()
    if quantity == DENSITY:
        floor = _statement("green_density")
        hill = least_squares(
            lambda free: _hill(np.r_[floor, free], inputs) - value, DENSE_START, bounds=(DENSE_LOW, DENSE_HIGH)
        ).x
        parameters = np.r_[floor, hill]
    else:
        value = np.log10(value)
        parameters = _raised(least_squares(_misfit, START, bounds=(LOW, HIGH), args=(inputs, value)).x)
    scatter = float(np.sqrt(np.mean((_hill(parameters, inputs) - value) ** 2)))
    floor, height, *centre = parameters[:5].tolist()
    shape = tuple(map(tuple, _triangle(parameters).tolist()))
    return ResponseSurface(quantity, floor, height, tuple(centre), shape, scatter)


def facts() -> pd.DataFrame:
    """What the text says of the grid, and what `response_surface` makes of it; `holds` judges each."""
    surface, grid = response_surface(), points("initial_grid")
    value = surface(grid)
    pure = grid[grid[INPUTS[0]] == 0]
    best, best_pure = tuple(grid.iloc[value.argmax()]), tuple(pure.iloc[surface(pure).argmax()])
    hot, lacking = surface(_frame((0, 1000, 450), (-11.25, 1000, 450)))
    short, long = surface(_frame((-7.5, 1000, 10), (-7.5, 1000, 480)))
    rows = [
        ("4.1.1", "points of the grid", "80", f"{len(grid)}", len(grid) == 80),
        (
            "4.1.2",
            "its maximum [S/cm]",
            f"{_maximum():.2e}",
            f"{value.max():.2e}",
            bool(abs(value.max() / _maximum() - 1) < 1e-9),
        ),
        ("4.1.4", "where the maximum lies", _place(_maximum_at()), _place(best), best == _maximum_at()),
        ("4.1.4", "best without deviation of acid", _place(_pure_at()), _place(best_pure), best_pure == _pure_at()),
        ("4.1.4", "1000 °C, 450 min: lack of acid against none", "higher", _compared(lacking, hot), bool(lacking > hot)),
        ("4.1.3", "-7.5 wt%, 1000 °C: 480 min against 10 min", "higher", _compared(long, short), bool(long > short)),
    ]
    return pd.DataFrame(rows, columns=["section", "fact", "text", "model", "holds"])


class VirtualLaboratory:
    """Measures any point of the response surfaces, with noise; everything it gives is simulated.

    Args:
        noise: standard deviation of log10 of the conductivity [decades]; the density gets 10 % points per decade of it.
        seed: of the noise. Each measurement has its own, in the order in which they are asked for.

    >>> table = VirtualLaboratory(noise=0.0).measure(points("initial_grid"))
    >>> len(table), float(table[CONDUCTIVITY].max().round(5))
    (80, 0.00109)
    """

    def __init__(self, *, noise: float = 0.05, seed: int = 0):
        if not (math.isfinite(noise) and noise >= 0):
            raise ValueError(f"noise must be a finite number of decades, zero or more, got {noise!r}")
        self.noise = noise
        self._draw = np.random.default_rng(seed)

    def measure(self, inputs: pd.DataFrame) -> pd.DataFrame:
        """The rows of `inputs` with conductivity and density beside them."""
        draw = self._draw.standard_normal((len(inputs), 2)) * self.noise
        conductivity = response_surface()(inputs) * 10 ** draw[:, 0]
        density = np.minimum(response_surface(DENSITY)(inputs) + 10 * draw[:, 1], 100.0)
        return inputs[list(INPUTS)].assign(**{DENSITY: density, CONDUCTIVITY: conductivity})


def _rows(inputs: pd.DataFrame) -> np.ndarray:
    missing = [name for name in INPUTS if name not in inputs]
    if missing:
        raise ValueError(f"inputs has no column {missing[0]!r}; needed are {INPUTS}")
    return inputs[list(INPUTS)].to_numpy(float)


def _scaled(inputs: np.ndarray) -> np.ndarray:
    acid, temperature, time = inputs.T
    return np.stack([acid / 7.5, (temperature - 950) / 100, np.log10(time / 60)], axis=1)


def _triangle(parameters: np.ndarray) -> np.ndarray:
    shape = np.zeros((3, 3))
    shape[_LOWER] = parameters[5:11]
    return shape


def _hill(parameters: np.ndarray, inputs: np.ndarray) -> np.ndarray:
    """Floor, height, centre and the lower triangle of L, at physical inputs `(n, 3)`."""
    distance = (_scaled(inputs) - parameters[2:5]) @ _triangle(parameters)
    return parameters[0] + parameters[1] * np.exp(-0.5 * (distance**2).sum(1))


def _misfit(parameters: np.ndarray, inputs: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Residuals in decades: the samples, the two published values, and the order of times at 900 °C without deviation."""
    maximum, pure = (_hill(parameters, np.array([place])) for place in (_maximum_at(), _pure_at()))
    others = _hill(parameters, np.array([(*_pure_at()[:2], time) for time in (10.0, 60.0)]))
    return np.concatenate(
        [
            _hill(parameters, inputs) - value,
            WEIGHT_OF_MAXIMUM * (maximum - math.log10(_maximum())),
            pure - math.log10(STOICHIOMETRIC),
            WEIGHT_OF_ORDER * np.maximum(0.0, others - pure + 0.01),
        ]
    )


def _raised(parameters: np.ndarray) -> np.ndarray:
    """The same hill with the published maximum."""
    reached = _hill(parameters, np.array([_maximum_at()]))[0] - parameters[0]
    raised = parameters.copy()
    raised[1] *= (math.log10(_maximum()) - parameters[0]) / reached
    return raised


@cache
def _statement(key: str) -> float:
    """A number that section 4.1 states in its text."""
    table = published.table("zhao_section_4_1_bo_statements")
    return table.loc[table["key"] == key, "value"].item()


def _maximum() -> float:
    return _statement("maximum_conductivity_grid")


def _maximum_at() -> tuple[float, ...]:
    """Where the grid's maximum lies in the reading of section 4.1.4; that of 4.1.3 is no grid point."""
    return tuple(_statement(f"grid_maximum_{name}_4_1_4") for name in ("acid", "temperature", "time"))


def _pure_at() -> tuple[float, ...]:
    return 0.0, _statement("stoichiometric_best_temperature"), _statement("stoichiometric_best_time")


def _frame(*places: Sequence[float]) -> pd.DataFrame:
    return pd.DataFrame(places, columns=list(INPUTS), dtype=float)


def _compared(one: float, other: float) -> str:
    return "higher" if one > other else "lower"


def _place(place: Sequence[float]) -> str:
    acid, temperature, time = place
    return f"{acid:g} wt%, {temperature:g} °C, {time:g} min"
