r"""Simulated negative secondary-ion spectra of lithium compounds, their mixtures and lithium foils (after Zhao, section 4.3).

The measured spectra were not published. This model has the ions of Table 4.6 and the samples, doses and spots of section
4.3.1; everything else is physics in its plainest form, with one value per constant, chosen beforehand and not fitted:

    counts of ion i = primary ions · yield · Σ_p coverage_p · matrix_p · w_pi,    Poisson distributed
    w_pi = [β^(n-1) · n!/Π n_e! · Π x_pe^n_e + direct_pi] · exp((A_i - A_O) / ε)

An ion of n atoms, n_e of element e, forms by chance from the surface's atoms, with atom fractions x_pe of phase p, or leaves
as one piece of the crystal (`SALT_CLUSTERS`, a geometric series, and `FRAGMENTS`) or of the dirt on it; it keeps its electron
the more easily the larger its electron affinity A_i. Lithium is a natural mixture of two isotopes, so each ion becomes a
binomial pattern.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from toolkit.datasets.elements import ELEMENTS, composition
from toolkit.datasets.nuclides import ELECTRON, MAIN, NUCLIDES
from toolkit.datasets.peak_tables import PeakTable

SOURCE = "simulated with toolkit.datasets.lithium_spectra after Zhao, section 4.3 and Table 4.6"
LICENCE = "that of the toolkit (MIT)"
COMPOUNDS = ("Li2CO3", "Li2O", "Li3N", "LiH", "LiOH")

# Instrument: 1e12 primary ions per cm² on 100 µm x 100 µm (section 4.3.1); counts per primary ion of an ordinary surface.
PRIMARY_IONS = 1e8
YIELD = 3e-3
RESOLUTION = 5000  # m/z over the width of a peak: nearer ones are one peak
LEAST_COUNTS = 100  # expected in at least one sample, else the peak search does not see it (section 4.3.1)

# Ionisation. Electron affinities [eV] to 0.1; where none is listed, that of a typical closed or open shell.
AFFINITIES = {
    "H": 0.8, "Li": 0.6, "C": 1.3, "O": 1.5, "F": 3.4, "Li2": 0.4, "LiH": 0.3, "C2": 3.3, "C3": 2.0, "C4": 3.9, "C2H": 3.0,
    "C4H": 3.6, "CH": 1.2, "CH3": 0.1, "CN": 3.9, "NH": 0.4, "NH2": 0.8, "NO": 0.0, "OH": 1.8, "O2": 0.5, "O3": 2.1,
    "O2H": 1.1, "CO2H": 3.5, "CH3O": 1.6, "C2HO": 2.3, "C2H5O": 1.7,
}  # fmt: skip
CLOSED_SHELL, OPEN_SHELL = 2.0, 0.8
EPSILON = 0.6  # eV: how sharply the electron affinity decides
GROWTH = 0.3  # β: chance of one more atom in a cluster

# What leaves the crystal in one piece, the likeliest first: each further member is `SERIES` times as likely.
DIRECT, SERIES = 0.3, 0.4
SALT_CLUSTERS = {
    "Li2CO3": ("CO3", "LiCO3"),
    "Li2O": ("O", "LiO"),
    "Li3N": ("LiN",),
    "LiH": ("LiH2", "Li2H3", "Li3H4", "Li4H5"),
    "LiOH": ("OH", "LiO2H2", "Li2O3H3"),
    "Li": ("Li",),
}
# Further ions that Table 4.6 names for a compound and that hold what sets it apart, all alike.
FRAGMENT = 0.005
FRAGMENTS = {
    "Li2CO3": ("CO2", "CO3H", "CO3H2", "LiCO3H", "LiO3", "Li2O2", "Li2O3"),
    "Li3N": ("NH", "NH2", "LiNH", "LiNH2", "LiNH3", "NO", "NOH", "CN", "CHN", "CNLi", "CHNLi"),
    "LiH": ("Li2H", "Li2H2", "Li3H", "Li2OH3"),
    "LiOH": (
        "H2O", "H3O", "H2O2", "O2H", "O3", "O4", "LiOH2", "LiO2H", "LiO3H", "Li2OH", "Li2O2H", "Li2O2H3", "Li2O3H", "Li2O3H2",
    ),
}  # fmt: skip
PRESENT = ("H", "Li", "C", "N", "O", "F", "P")  # elements of all ions
# Dirt of hydrocarbons, water and traces: its atoms, and what leaves it in one piece, all alike.
DIRT = {"H": 0.5, "C": 0.25, "O": 0.2, "N": 0.04, "F": 0.009, "P": 0.001}
DIRT_PIECES = (
    "C", "C2", "C3", "C4", "CH", "C2H", "C4H", "CH3", "CH3O", "C2HO", "C2H5O", "CO2H", "CH4O2Li", "CH3OLi", "C3Li", "OH",
    "H2O", "H3O", "H3O3", "F", "CN", "CHN", "PH3",
)  # fmt: skip
DIRT_LEFT, MOST_DIRT = 0.05, 0.95  # coverage: what no sputtering removes (residual gas, what falls back), the most on a spot

# Surfaces: coverage of each pressed pellet; hygroscopic powders carry hydroxide and carbonate.
PELLETS = {
    "Li2CO3": {"Li2CO3": 1.0},
    "Li2O": {"Li2O": 0.90, "LiOH": 0.05, "Li2CO3": 0.05},
    "Li3N": {"Li3N": 0.92, "Li2O": 0.04, "LiOH": 0.02, "Li2CO3": 0.02},
    "LiH": {"LiH": 0.94, "LiOH": 0.04, "Li2O": 0.02},
    "LiOH": {"LiOH": 0.95, "Li2CO3": 0.05},
}
DENSITIES = {"Li2CO3": 2.11, "Li2O": 2.01, "Li3N": 1.27, "LiH": 0.78, "LiOH": 1.46}  # g/cm³: coverage goes by volume
SPUTTERED = 0.5  # nm³ per Ar1500 ion, an order of magnitude
DIRT_DEPTH, FILM_DEPTH, OXIDE_DEPTH = 0.3, 10.0, 100.0  # nm: a monolayer of dirt, the film, the oxide of a foil
FILM = {"Li2CO3": 0.5, "LiOH": 0.5}  # outside on a foil
OXIDE = {"Li2O": 0.5, "LiH": 0.5}  # below it, above the metal
DAMAGED = {"Li2CO3": 0.7, "LiOH": 0.3}  # share that sputtering turns into Li2O in the end
DAMAGE_FLUENCE = 5e14  # ions/cm²
FOIL_BRIGHTNESS = 2.0  # a pellet charges up, a film on metal does not

# Spots: relative spread of brightness, of the dirt, of each peak alone, and grains that a spot averages over.
BRIGHTNESS_SPREAD, DIRT_SPREAD, PEAK_SPREAD, GRAINS = 0.15, 0.5, 0.1, 60.0

# Ions of Table 4.6 without isotopes, and the two that the spectra were calibrated on besides (section 4.3.1).
FORMULAS = (
    "C", "C2", "C2H", "C2H5O", "C2HO", "C3", "C3Li", "C4", "C4H", "CH", "CH3", "CH3O", "CH3OLi", "CH4O2Li", "CHN", "CHNLi",
    "CN", "CNLi", "CO2", "CO2H", "CO3", "CO3H", "CO3H2", "F", "H2O", "H2O2", "H3O", "H3O3", "Li", "Li2", "Li2H", "Li2H2",
    "Li2H3", "Li3H4", "Li2O2", "Li2O2H", "Li2O2H3", "Li2O3", "Li2O3H", "Li2O3H2", "Li2O3H3", "Li2OH", "Li2OH3", "Li3", "Li3H",
    "Li4H5", "LiCO3", "LiCO3H", "LiH", "LiH2", "LiN", "LiNH", "LiNH2", "LiNH3", "LiO", "LiO2", "LiO2H", "LiO2H2", "LiO3",
    "LiO3H", "LiOH", "LiOH2", "NH", "NH2", "NO", "NOH", "O", "O2", "O2H", "O3", "O4", "OH", "PH3",
)  # fmt: skip


@dataclass(frozen=True)
class Sample:
    """What lies on the holder.

    Attributes:
        kind: "pure", "mixture" or "foil".
        expected: compounds that the document expects.
        fluence: of the sputter beam before the measurement [ions/cm²].
        coverage: of a surface that is the same at every depth; None for a foil with its layers.
    """

    kind: str
    expected: tuple[str, ...]
    fluence: float
    coverage: dict[str, float] | None = None


def _pressed(*compounds: str) -> dict[str, float]:
    """Coverage of a pellet of equal weights."""
    volumes = np.array([1 / DENSITIES[name] for name in compounds])
    shares = zip(compounds, volumes / volumes.sum(), strict=True)
    return _added(*({phase: share * part for phase, part in PELLETS[name].items()} for name, share in shares))


def _added(*coverages: dict[str, float]) -> dict[str, float]:
    phases = {phase for coverage in coverages for phase in coverage}
    return {phase: sum(coverage.get(phase, 0.0) for coverage in coverages) for phase in sorted(phases)}


SAMPLES = {name: Sample("pure", (name,), 4e15, _pressed(name)) for name in COMPOUNDS} | {
    "sample_1": Sample("mixture", ("Li2CO3", "LiOH"), 4e15, _pressed("Li2CO3", "LiOH")),
    "sample_2": Sample("mixture", ("LiH", "Li2O"), 4e15, _pressed("LiH", "Li2O")),
    "sample_3": Sample("foil", ("Li3N",), 4e15, {"Li3N": 0.8, "Li2O": 0.2}),
    "sample_4": Sample("foil", ("Li2CO3", "LiOH"), 9e13),
    "sample_5": Sample("foil", ("Li2O", "LiH"), 9.5e15),
}
UNKNOWN = tuple(name for name in SAMPLES if name not in COMPOUNDS)


def simulate(
    samples: Sequence[str] = tuple(SAMPLES),
    *,
    spots: int = 12,
    seed: int = 0,
    matrix_effect: float = 1.0,
    contamination: float = 1.0,
    variation: float = 1.0,
    fluence: float | None = None,
) -> PeakTable:
    """Spectra of `SAMPLES`, a dozen spots of each, labelled as simulated.

    A sample's spectra depend on the seed and on its own name, not on which other samples are asked for; the list of peaks is
    always the same.

    Args:
        samples: names from `SAMPLES`.
        spots: spectra per sample.
        seed: of all draws.
        matrix_effect: how strongly oxygen around a grain changes the yield of its negative ions; 0 makes mixing linear.
        contamination: factor on the dirt; 0 for clean surfaces.
        variation: factor on the differences between spots; 0 leaves counting statistics alone.
        fluence: sputter dose before the measurement [ions/cm²] instead of each sample's own.

    Raises:
        ValueError: an unknown sample, no spots, or a negative factor.

    >>> spectra = simulate(["LiH", "LiOH"], spots=3)
    >>> spectra.samples.tolist(), spectra.simulated
    (['LiH', 'LiH', 'LiH', 'LiOH', 'LiOH', 'LiOH'], True)
    >>> str(spectra.ions[spectra.intensities[0].argmax()])
    'LiH2-'
    """
    _check(samples, spots, matrix_effect=matrix_effect, contamination=contamination, variation=variation, fluence=fluence)
    mz, ions, merged = _peaks()
    counts = []
    for name in samples:
        draw = np.random.default_rng([seed, list(SAMPLES).index(name)])
        sample, dose = SAMPLES[name], _dose(SAMPLES[name], fluence)
        for _ in range(spots):
            coverage, dirt = _spot(surface(name, dose), contamination * _dirt(sample, dose), variation, draw)
            expected = merged @ _expected(sample, coverage, dirt, matrix_effect)
            spread = BRIGHTNESS_SPREAD * draw.standard_normal() + PEAK_SPREAD * draw.standard_normal(len(mz))
            counts.append(draw.poisson(expected * np.exp(variation * spread)))
    names, numbers = np.repeat(list(samples), spots), np.tile(np.arange(1, spots + 1), len(samples))
    return PeakTable(mz, ions, np.array(counts), names, numbers, simulated=True, source=SOURCE, licence=LICENCE)


def surface(sample: str, fluence: float | None = None) -> dict[str, float]:
    """Mean coverage of a sample's surface by phase ("Li" is the metal) after a sputter dose; the dirt on it not counted.

    Args:
        sample: a name from `SAMPLES`.
        fluence: ions/cm²; the sample's own if not given.

    >>> round(surface("sample_4", 0.0)["Li2CO3"], 3), round(surface("sample_5", 9.5e15)["LiH"], 2)
    (0.5, 0.31)
    """
    _check([sample], 1, fluence=fluence)
    dose = _dose(SAMPLES[sample], fluence)
    return _damaged(_layers(SAMPLES[sample], dose), dose)


def _dose(sample: Sample, fluence: float | None) -> float:
    return sample.fluence if fluence is None else fluence


def _depth(fluence: float) -> float:
    """How deep the sputter beam has dug [nm]."""
    return SPUTTERED * fluence / 1e14


def _layers(sample: Sample, fluence: float) -> dict[str, float]:
    """Coverage before the beam changed anything chemically."""
    if sample.coverage is not None:
        return sample.coverage
    film, oxide = math.exp(-_depth(fluence) / FILM_DEPTH), math.exp(-_depth(fluence) / OXIDE_DEPTH)
    shares = ((FILM, film), (OXIDE, (1 - film) * oxide), ({"Li": 1.0}, (1 - film) * (1 - oxide)))
    return _added(*({phase: share * part for phase, part in layer.items()} for layer, share in shares))


def _damaged(coverage: dict[str, float], fluence: float) -> dict[str, float]:
    """The beam drives carbon dioxide and water out of carbonate and hydroxide; the oxide stays."""
    progress = 1 - math.exp(-fluence / DAMAGE_FLUENCE)
    lost = {phase: part * DAMAGED.get(phase, 0.0) * progress for phase, part in coverage.items()}
    return _added({phase: coverage[phase] - lost[phase] for phase in coverage}, {"Li2O": sum(lost.values())})


def _dirt(sample: Sample, fluence: float) -> float:
    """Mean share of the surface under dirt; all of a foil that was not sputtered."""
    on_foil = math.exp(-_depth(fluence) / DIRT_DEPTH) if sample.coverage is None else 0.0
    return DIRT_LEFT + (1 - DIRT_LEFT) * on_foil


def _spot(mean: dict[str, float], dirt: float, variation: float, draw: np.random.Generator) -> tuple[dict[str, float], float]:
    """Coverage of one spot by phase, and the dirt on it: grains and dirt are not the same everywhere."""
    present = {phase: part for phase, part in mean.items() if part > 0}
    parts = np.array([*present.values()])
    if variation > 0:
        parts = draw.dirichlet(parts * GRAINS / variation**2)
    dirt *= math.exp(variation * DIRT_SPREAD * draw.standard_normal())
    return dict(zip(present, parts.tolist(), strict=True)), min(dirt, MOST_DIRT)


def _expected(sample: Sample, coverage: dict[str, float], dirt: float, matrix_effect: float) -> np.ndarray:
    """Expected counts of every isotopologue from a surface, `(isotopologues,)`."""
    oxygen = {phase: _atoms(phase).get("O", 0.0) for phase in coverage}
    around = sum(coverage[phase] * oxygen[phase] for phase in coverage)
    total = sum(
        part * math.exp(matrix_effect * (oxygen[phase] - around)) * _yields(phase, dirt) for phase, part in coverage.items()
    )
    bright = FOIL_BRIGHTNESS if sample.kind == "foil" else 1.0
    return PRIMARY_IONS * YIELD * bright * (_patterns() @ total)


def _yields(phase: str, dirt: float) -> np.ndarray:
    """Chance w of every formula to leave a grain of a phase that is dirty in this share, `(formulas,)`."""
    numbers, chances, ionised, pieces = _tables()
    atoms = _added({e: (1 - dirt) * x for e, x in _atoms(phase).items()}, {e: dirt * x for e, x in DIRT.items()})
    fractions = np.array([atoms.get(element, 0.0) for element in PRESENT])
    present = fractions > 0
    possible = (numbers[:, ~present] == 0).all(1)
    by_chance = possible * chances * np.prod(fractions[present] ** numbers[:, present], axis=1)
    return (by_chance + (1 - dirt) * pieces[phase] + dirt * pieces["dirt"]) * ionised


@cache
def _tables() -> tuple[np.ndarray, np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Atoms by element `(formulas, elements)`, chance of a cluster, of ionisation, and the pieces of each phase."""
    numbers = np.array([[_numbers(formula).get(element, 0) for element in PRESENT] for formula in FORMULAS])
    ways = [math.factorial(row.sum()) / math.prod(math.factorial(n) for n in row.tolist()) for row in numbers]
    chances = np.array(ways) * GROWTH ** (numbers.sum(1) - 1.0)
    ionised = np.exp((np.array([_affinity(formula) for formula in FORMULAS]) - AFFINITIES["O"]) / EPSILON)
    pieces = {phase: np.zeros(len(FORMULAS)) for phase in (*SALT_CLUSTERS, "dirt")}
    for phase, clusters in SALT_CLUSTERS.items():
        for member, formula in enumerate(clusters):
            pieces[phase][FORMULAS.index(formula)] = DIRECT * SERIES**member
    for phase, fragments in FRAGMENTS.items():
        for formula in fragments:
            pieces[phase][FORMULAS.index(formula)] += FRAGMENT
    for formula in DIRT_PIECES:
        pieces["dirt"][FORMULAS.index(formula)] = DIRECT / len(DIRT_PIECES)
    return numbers, chances, ionised, pieces


@cache
def _numbers(formula: str) -> dict[str, int]:
    return {element: int(number) for element, number in composition(formula).items()}


@cache
def _atoms(phase: str) -> dict[str, float]:
    numbers = _numbers(phase)
    return {element: number / sum(numbers.values()) for element, number in numbers.items()}


def _affinity(formula: str) -> float:
    electrons = 1 + sum(ELEMENTS[element].number * number for element, number in _numbers(formula).items())
    return AFFINITIES.get(formula, OPEN_SHELL if electrons % 2 else CLOSED_SHELL)


def _isotopologues(formula: str) -> list[tuple[str, float, float]]:
    """Name, m/z and share of the forms of an ion with 0, 1, ... atoms of 6Li."""
    numbers = _numbers(formula)
    lithium = numbers.get("Li", 0)
    rest = re.sub(r"Li\d*", "", formula)
    mass = sum(NUCLIDES[element][MAIN[element]][0] * number for element, number in numbers.items()) + ELECTRON
    (light_mass, light_share), (heavy_mass, _) = NUCLIDES["Li"][6], NUCLIDES["Li"][7]
    forms = []
    for light in range(lithium + 1):
        share = math.comb(lithium, light) * light_share**light * (1 - light_share) ** (lithium - light)
        heavy = _counted("Li", lithium - light)
        name = formula if light == 0 else f"{_counted('6Li', light)}{heavy}{rest}"
        forms.append((f"{name}-", mass - light * (heavy_mass - light_mass), share))
    return forms


def _counted(symbol: str, number: int) -> str:
    return "" if number == 0 else symbol if number == 1 else f"{symbol}{number}"


@cache
def _forms() -> tuple[list[str], np.ndarray]:
    forms = [form for formula in FORMULAS for form in _isotopologues(formula)]
    return [name for name, _, _ in forms], np.array([mz for _, mz, _ in forms])


@cache
def _patterns() -> np.ndarray:
    """Share of each isotopologue in the ions of its formula, `(isotopologues, formulas)`."""
    patterns = np.zeros((len(_forms()[0]), len(FORMULAS)))
    row = 0
    for column, formula in enumerate(FORMULAS):
        for _, _, share in _isotopologues(formula):
            patterns[row, column] = share
            row += 1
    return patterns


@cache
def _peaks() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """m/z and ion of the peaks that are resolved and seen, and which isotopologues add up to each, `(m, isotopologues)`."""
    names, masses = _forms()
    expected = np.array(
        [_expected(sample, surface(name), _dirt(sample, sample.fluence), matrix_effect=1.0) for name, sample in SAMPLES.items()]
    )
    order = np.argsort(masses)
    groups = np.split(order, np.flatnonzero(np.diff(masses[order]) > masses[order][1:] / RESOLUTION) + 1)
    seen = [group for group in groups if expected[:, group].sum(1).max() >= LEAST_COUNTS]
    merged = np.zeros((len(seen), len(names)))
    for row, group in enumerate(seen):
        merged[row, group] = 1
    weights = [expected[:, group].max(0) for group in seen]
    mz = np.array([np.average(masses[group], weights=weight) for group, weight in zip(seen, weights, strict=True)])
    ions = np.array([names[group[weight.argmax()]] for group, weight in zip(seen, weights, strict=True)])
    return mz, ions, merged


def _check(samples: Sequence[str], spots: int, *, fluence: float | None = None, **factors: float) -> None:
    if isinstance(samples, str) or not len(samples):
        raise ValueError(f"samples must be a sequence of names from {tuple(SAMPLES)}, got {samples!r}")
    for name in samples:
        if name not in SAMPLES:
            raise ValueError(f"samples: {name!r} is not one of {tuple(SAMPLES)}")
    if len(set(samples)) < len(samples):
        raise ValueError(f"samples must not repeat, got {list(samples)}")
    if spots < 1:
        raise ValueError(f"spots must be 1 or more, got {spots}")
    for name, value in factors.items():
        if not (math.isfinite(value) and value >= 0):
            raise ValueError(f"{name} must be a number of 0 or more, got {value}")
    if fluence is not None and not (math.isfinite(fluence) and fluence >= 0):
        raise ValueError(f"fluence must be a dose of 0 or more ions/cm², got {fluence}")
