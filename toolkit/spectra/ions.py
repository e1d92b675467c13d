"""Ions: formulas and exact masses, candidates for a peak, the isotope pattern of lithium, chemistry."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from toolkit.datasets.nuclides import ELECTRON, MAIN, NUCLIDES

_ATOM = re.compile(r"\s*(?:\^?(?P<plain>\d+)|\[(?P<bracket>\d+)(?=[A-Z]))?(?P<symbol>[A-Z][a-z]?)\]?(?P<count>\d*)")
_CHARGE = re.compile(r"\^?(?P<size>\d*)(?P<sign>[+-]+)$")
_DIGITS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹₀₁₂₃₄₅₆₇₈₉⁺⁻−", "01234567890123456789+--")

# Most atoms of each element in a candidate, after the ions of Table 4.6, in the order in which names are written.
LITHIUM_COMPOUNDS = {"Li": 4, "P": 1, "C": 4, "N": 1, "O": 4, "F": 1, "H": 5}
TRACES = ("N", "F", "P")  # what a lithium compound only has if its formula says so; else a candidate must earn it


@dataclass(frozen=True)
class Ion:
    """Atoms and a charge.

    Attributes:
        atoms: (symbol, mass number) of each nuclide, and how many there are; an element without a mass number in the formula
            stands for its most abundant isotope.
        charge: in elementary charges, 0 for a neutral particle.
    """

    atoms: tuple[tuple[tuple[str, int], int], ...]
    charge: int = 0

    @property
    def mass(self) -> float:
        """Mass with the electrons that the charge tells of [u]."""
        return sum(NUCLIDES[symbol][number][0] * count for (symbol, number), count in self.atoms) - self.charge * ELECTRON

    @property
    def mz(self) -> float:
        """Mass over charge number [u]; the mass of a neutral particle."""
        return self.mass / max(abs(self.charge), 1)

    @property
    def key(self) -> frozenset:
        """Charge and atoms whatever their order in the formula: equal for "LiOH-" and "OHLi-"."""
        return frozenset({*self.atoms, self.charge})

    @property
    def elements(self) -> dict[str, int]:
        """Element to number of atoms, isotopes put together."""
        found: dict[str, int] = {}
        for (symbol, _), count in self.atoms:
            found[symbol] = found.get(symbol, 0) + count
        return found

    @property
    def abundance(self) -> float:
        """Share of this combination of isotopes among all of the same elements."""
        share = 1.0
        for symbol, total in self.elements.items():
            counts = {number: count for (own, number), count in self.atoms if own == symbol}
            ways = math.factorial(total) / math.prod(math.factorial(count) for count in counts.values())
            share *= ways * math.prod(NUCLIDES[symbol][number][1] ** count for number, count in counts.items())
        return share

    def __str__(self) -> str:
        names = []
        for (symbol, number), count in self.atoms:
            isotope = "" if number == MAIN[symbol] else f"{number}{symbol}"
            # a mass number after other atoms would be read as their count
            named = f"[{isotope}]" if isotope and names else isotope or symbol
            names.append(f"{named}{count if count > 1 else ''}")
        size = str(abs(self.charge)) if abs(self.charge) > 1 else ""
        return "".join(names) + (f"^{size}" if size else "") + ("-" if self.charge < 0 else "+" if self.charge else "")


def parse(formula: str) -> Ion:
    """Read a formula: "LiCO3-", "6LiLi2H4-", "[6Li]2H-", "C6[13C]H6+", "H2O".

    A number at the beginning or in a bracket is a mass number, one after a symbol counts atoms; small raised and lowered
    digits do as well.

    Args:
        formula: the text.

    Raises:
        TypeError: no text.
        ValueError: something that is no formula, an element or isotope without a mass here, zero atoms.

    >>> str(parse("⁶LiCO₃⁻")), round(parse("H2O").mass, 5)
    ('6LiCO3-', 18.01056)
    """
    if not isinstance(formula, str):
        raise TypeError(f"formula must be a text such as 'LiCO3-', got {formula!r}")
    text = formula.translate(_DIGITS).strip()
    charge = 0
    if found := _CHARGE.search(text):
        # digits without ^ before the sign count atoms: CO3- is not threefold charged
        raised = "^" in found[0]
        text = text[: found.start()] if raised else text[: found.start("sign")]
        charge = (int(found["size"] or 1) if raised else len(found["sign"])) * (1 if found["sign"][0] == "+" else -1)
    return Ion(_atoms(formula, text), charge)


def _atoms(formula: str, text: str) -> tuple[tuple[tuple[str, int], int], ...]:
    place, atoms = 0, {}
    while place < len(text):
        found = _ATOM.match(text, place)
        opened, closed = "[" in found[0] if found else False, "]" in found[0] if found else False
        if not found or opened != closed or (found["plain"] and place):
            raise ValueError(f"formula {formula!r}: {text[place:]!r} is no element with a number of atoms")
        symbol, isotope = found["symbol"], found["plain"] or found["bracket"]
        if symbol not in NUCLIDES:
            raise ValueError(f"formula {formula!r}: the element {symbol!r} is not among {', '.join(NUCLIDES)}")
        number, count = int(isotope or MAIN[symbol]), int(found["count"] or 1)
        if number not in NUCLIDES[symbol] or not count:
            known = ", ".join(f"{each}{symbol}" for each in NUCLIDES[symbol])
            raise ValueError(f"formula {formula!r}: {found[0]!r} must be one or more atoms of {known}")
        atoms[symbol, number] = atoms.get((symbol, number), 0) + count
        place = found.end()
    if not atoms:
        raise ValueError(f"formula {formula!r} holds no atom")
    return tuple(atoms.items())


def mz(formula: str) -> float:
    """Mass over charge number of an ion [u], electrons counted.

    >>> round(mz("Li-"), 5), round(mz("H+"), 5)
    (7.01655, 1.00728)
    """
    return parse(formula).mz


# Candidates for a peak -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Candidate:
    """An ion that may be behind a peak.

    Attributes:
        ion: its name.
        mz: its exact m/z [u].
        error: measured minus exact [u].
        abundance: share of this combination of isotopes.
        score: by which candidates are ordered, larger is better.
    """

    ion: str
    mz: float
    error: float
    abundance: float
    score: float


def assign(
    measured: float,
    *,
    tolerance: float = 0.012,
    elements: Mapping[str, int] | None = None,
    charge: int = -1,
    isotopes: Sequence[str] = ("Li",),
    compound: str | None = None,
    n: int = 5,
) -> list[Candidate]:
    """The ions that an m/z may belong to, the likeliest first.

    The score is a logarithm of odds: of a mass error that is normal with half the tolerance as deviation, and of the share of
    the isotopes; less one half for every atom, one for every element and three for every trace (`TRACES`) that the ion needs,
    and plus two if `plausible` for the compound. These four numbers are a judgement, not a fit.

    Args:
        measured: m/z [u].
        tolerance: largest error [u].
        elements: most atoms of each element; those of the lithium compounds by default (`LITHIUM_COMPOUNDS`).
        charge: of the ion.
        isotopes: elements of which all isotopes are considered, not the main one alone.
        compound: formula of what the peak is characteristic for, if known.
        n: at most so many candidates.

    Returns:
        The candidates; none where nothing fits.

    Raises:
        ValueError: a measured m/z or tolerance that is not positive, a charge of 0, an unknown element.

    >>> [candidate.ion for candidate in assign(67.00, n=1)]
    ['LiCO3-']
    """
    if not (math.isfinite(measured) and measured > 0 and math.isfinite(tolerance) and tolerance > 0):
        raise ValueError(f"measured and tolerance must be positive [u], got {measured} and {tolerance}")
    if not charge:
        raise ValueError("charge must not be 0: a neutral particle has no m/z")
    limits = dict(LITHIUM_COMPOUNDS if elements is None else elements)
    unknown = [symbol for symbol in (*limits, *isotopes) if symbol not in NUCLIDES]
    if unknown:
        raise ValueError(f"elements: {unknown[0]!r} is not among {', '.join(NUCLIDES)}")
    names, masses = _library(tuple(limits.items()), charge, tuple(isotopes))
    first, last = np.searchsorted(masses, [measured - tolerance, measured + tolerance])
    own = parse(compound).elements if compound else {}
    found = [_candidate(names[place], measured, tolerance, own) for place in range(first, last)]
    return sorted(found, key=lambda candidate: -candidate.score)[:n]


@lru_cache(maxsize=16)
def _library(limits: tuple[tuple[str, int], ...], charge: int, isotopes: tuple[str, ...]) -> tuple[list[Ion], np.ndarray]:
    """All ions within the limits, by ascending m/z."""
    options = [[((symbol, number), most) for number in (NUCLIDES[symbol] if symbol in isotopes else [MAIN[symbol]])]
               for symbol, most in limits]  # fmt: skip
    ions = [Ion(atoms, charge) for atoms in _combined(options) if atoms]
    masses = np.array([ion.mz for ion in ions])
    order = np.argsort(masses)
    return [ions[place] for place in order], masses[order]


def _combined(options: list) -> Iterator[tuple]:
    if not options:
        yield ()
        return
    for rest in _combined(options[1:]):
        for own in _of_one_element(options[0], options[0][0][1]):
            yield own + rest


def _of_one_element(nuclides: list, left: int) -> Iterator[tuple]:
    if not nuclides:
        yield ()
        return
    (nuclide, _), *others = nuclides
    for count in range(left + 1):
        for rest in _of_one_element(others, left - count):
            yield (((nuclide, count),) if count else ()) + rest


def _candidate(ion: Ion, measured: float, tolerance: float, own: Mapping[str, int]) -> Candidate:
    error, elements = measured - ion.mz, ion.elements
    traces = sum(symbol in TRACES and symbol not in own for symbol in elements)
    bonus = 2.0 if own and _from(elements, own, ("H",)) else 0.0
    effort = 0.5 * sum(elements.values()) + len(elements) + 3 * traces
    score = -2 * (error / tolerance) ** 2 + math.log(ion.abundance) - effort + bonus
    return Candidate(str(ion), ion.mz, error, ion.abundance, score)


# Lithium's isotopes --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pattern:
    """The peak with one 6Li beside that with none.

    Attributes:
        ion: with 7Li only.
        partner: the same with one 6Li.
        expected: ratio of their areas in natural lithium.
        observed: ratio of the areas.
        error: standard error of the observed one, from counting.
        agrees: whether they differ by less than the tolerated share of the expected one or by two standard errors.
    """

    ion: str
    partner: str
    expected: float
    observed: float
    error: float
    agrees: bool


def isotope_pattern(formula: str) -> list[tuple[str, float, float]]:
    """Name, m/z [u] and share of the forms of an ion with 0, 1, ... atoms of 6Li.

    >>> [(name, round(share, 4)) for name, _, share in isotope_pattern("Li2H-")]
    [('Li2H-', 0.854), ('6LiLiH-', 0.1403), ('6Li2H-', 0.0058)]
    """
    ion = parse(formula)
    lithium, light = ion.elements.get("Li", 0), NUCLIDES["Li"][6][1]
    rest = tuple((atom, count) for atom, count in ion.atoms if atom[0] != "Li")
    forms = []
    for count in range(lithium + 1):
        parts = ((("Li", 6), count), (("Li", 7), lithium - count))
        form = Ion((*((atom, number) for atom, number in parts if number), *rest), ion.charge)
        forms.append((str(form), form.mz, math.comb(lithium, count) * light**count * (1 - light) ** (lithium - count)))
    return forms


def check_pattern(
    formula: str, peaks: Sequence[float], areas: Sequence[float], *, window: float = 0.005, tolerated: float = 0.25
) -> Pattern:
    """Whether a lithium ion's partner with one 6Li is as large as natural lithium demands.

    A partner that is too large hides another ion; one that is too small contradicts the lithium.

    Args:
        formula: ion with 7Li, such as "LiH2-".
        peaks: `(m,)` m/z [u].
        areas: `(m,)` peak areas in counts.
        window: how far from its exact m/z a peak may lie [u].
        tolerated: relative difference that is not counting noise, such as from peaks that run together.

    Raises:
        ValueError: an ion without lithium, or one whose two peaks are not both there.

    >>> check_pattern("Li-", [6.0157, 7.0165], [820, 10_000]).agrees
    True
    """
    forms = isotope_pattern(formula)
    if len(forms) < 2:
        raise ValueError(f"formula {formula!r} holds no lithium")
    (main, heavy, share), (partner, light, minor) = forms[:2]
    heavy_area, light_area = (_area_at(name, at, peaks, areas, window) for name, at in ((main, heavy), (partner, light)))
    if heavy_area <= 0:
        raise ValueError(f"{main} has no counts to compare with")
    expected, observed = minor / share, light_area / heavy_area
    error = observed * math.sqrt(1 / max(light_area, 1.0) + 1 / heavy_area)
    difference = abs(observed - expected)
    return Pattern(main, partner, expected, observed, error, difference <= tolerated * expected or difference <= 2 * error)


def _area_at(name: str, wanted: float, peaks: Sequence[float], areas: Sequence[float], window: float) -> float:
    place = int(np.abs(np.asarray(peaks) - wanted).argmin())
    if abs(peaks[place] - wanted) > window:
        raise ValueError(f"no peak within {window} u of {name} ({wanted:.4f}); the nearest lies at {peaks[place]}")
    return float(areas[place])


# Chemistry -----------------------------------------------------------------------------------------------------------------


def plausible(ion: str, compound: str, *, background: Sequence[str] = ("H",)) -> bool:
    """Whether a compound can give that ion by itself: all elements of the ion are its own or of the background.

    Hydrogen is in every spectrum. Carbon is too, but taking it for granted makes every hydrocarbon a sign of something; with
    `background=("H", "C")` CN- counts for a nitride, as the document counts it.

    Args:
        ion: such as "LiCO3-".
        compound: such as "Li2CO3".
        background: elements that the ion may have besides.

    Raises:
        ValueError: a text that is no formula.

    >>> plausible("LiCO3H-", "Li2CO3"), plausible("CN-", "Li3N"), plausible("F-", "LiOH")
    (True, False, False)
    """
    return _from(parse(ion).elements, parse(compound).elements, background)


def _from(atoms: Iterable[str], own: Iterable[str], background: Iterable[str]) -> bool:
    atoms, own = set(atoms), set(own)
    return atoms <= own | set(background) and bool(atoms & own)
