"""Chemical formulas, and the few properties of the elements that a composition is described by.

Atomic masses are the standard atomic weights (IUPAC, abridged), covalent radii those of Cordero et al. (2008; low spin),
electronegativities those of Pauling's scale (lead: Pb(II) 1.87 is not used, but 2.33).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

_TABLE = """
H 1 1.008 2.20 0.31; Li 3 6.94 0.98 1.28; Be 4 9.0122 1.57 0.96; B 5 10.81 2.04 0.84; C 6 12.011 2.55 0.76;
N 7 14.007 3.04 0.71; O 8 15.999 3.44 0.66; F 9 18.998 3.98 0.57; Na 11 22.990 0.93 1.66; Mg 12 24.305 1.31 1.41;
Al 13 26.982 1.61 1.21; Si 14 28.085 1.90 1.11; P 15 30.974 2.19 1.07; S 16 32.06 2.58 1.05; Cl 17 35.45 3.16 1.02;
K 19 39.098 0.82 2.03; Ca 20 40.078 1.00 1.76; Sc 21 44.956 1.36 1.70; Ti 22 47.867 1.54 1.60; V 23 50.942 1.63 1.53;
Cr 24 51.996 1.66 1.39; Mn 25 54.938 1.55 1.39; Fe 26 55.845 1.83 1.32; Co 27 58.933 1.88 1.26; Ni 28 58.693 1.91 1.24;
Cu 29 63.546 1.90 1.32; Zn 30 65.38 1.65 1.22; Ga 31 69.723 1.81 1.22; Ge 32 72.630 2.01 1.20; As 33 74.922 2.18 1.19;
Se 34 78.971 2.55 1.20; Br 35 79.904 2.96 1.20; Rb 37 85.468 0.82 2.20; Sr 38 87.62 0.95 1.95; Y 39 88.906 1.22 1.90;
Zr 40 91.224 1.33 1.75; Nb 41 92.906 1.6 1.64; Mo 42 95.95 2.16 1.54; Ag 47 107.87 1.93 1.45; Cd 48 112.41 1.69 1.44;
In 49 114.82 1.78 1.42; Sn 50 118.71 1.96 1.39; Sb 51 121.76 2.05 1.39; Te 52 127.60 2.1 1.38; I 53 126.90 2.66 1.39;
Cs 55 132.91 0.79 2.44; Ba 56 137.33 0.89 2.15; La 57 138.91 1.10 2.07; Ce 58 140.12 1.12 2.04; Pr 59 140.91 1.13 2.03;
Nd 60 144.24 1.14 2.01; Sm 62 150.36 1.17 1.98; Gd 64 157.25 1.20 1.96; Dy 66 162.50 1.22 1.92; Ho 67 164.93 1.23 1.92;
Er 68 167.26 1.24 1.89; Tm 69 168.93 1.25 1.90; Lu 71 174.97 1.27 1.87; Hf 72 178.49 1.3 1.75; Ta 73 180.95 1.5 1.70;
W 74 183.84 2.36 1.62; Pb 82 207.2 2.33 1.46; Bi 83 208.98 2.02 1.48
"""
_TOKEN = re.compile(r"([A-Z][a-z]?)|([(\[])|([)\]])|(\*)|(\d*\.?\d+)|\s+")


@dataclass(frozen=True)
class Element:
    """An element.

    Attributes:
        symbol: chemical symbol.
        number: atomic number.
        mass: atomic mass [u].
        electronegativity: on Pauling's scale.
        radius: covalent radius [Å].
    """

    symbol: str
    number: int
    mass: float
    electronegativity: float
    radius: float


def _read(entry: str) -> Element:
    symbol, number, *properties = entry.split()
    return Element(symbol, int(number), *map(float, properties))


ELEMENTS = {element.symbol: element for element in map(_read, _TABLE.split(";"))}


def composition(formula: str) -> dict[str, float]:
    """Numbers of atoms in a formula with brackets and broken indices; ``*`` or a space joins parts.

    Args:
        formula: such as "Li1.3Al0.3Ti1.7(PO4)3".

    Returns:
        Element symbol to number of atoms, in the order of first appearance.

    Raises:
        ValueError: something that is no formula, an unknown element, or no atom at all.

    >>> composition("Li3(PO4)")
    {'Li': 3.0, 'P': 1.0, 'O': 4.0}
    >>> composition("[(La0.5Li0.5)2]TiO3")["La"]
    1.0
    """
    groups: list[dict[str, float]] = [{}]
    last: dict[str, float] = {}  # what a number that comes next multiplies
    for symbol, opening, closing, _, number in _tokens(formula):
        if number:
            if not last:
                raise ValueError(f"formula {formula!r}: the number {number} follows no element or bracket")
            _add(groups[-1], last, float(number) - 1.0)
            last = {}
        elif symbol:
            last = {symbol: 1.0}
            _add(groups[-1], last, 1.0)
        elif opening:
            groups.append({})
        elif closing:
            if len(groups) == 1:
                raise ValueError(f"formula {formula!r}: a bracket closes that was not opened")
            last = groups.pop()
            _add(groups[-1], last, 1.0)
        else:
            last = {}
    if len(groups) > 1:
        raise ValueError(f"formula {formula!r}: a bracket is not closed")
    return _checked(formula, groups[0])


def _tokens(formula: str) -> list[tuple[str, ...]]:
    if not isinstance(formula, str):
        raise TypeError(f"formula must be a text, got {formula!r}")
    place, tokens = 0, []
    while place < len(formula):
        match = _TOKEN.match(formula, place)
        if match is None:
            raise ValueError(f"formula {formula!r}: {formula[place]!r} at position {place} is not part of a formula")
        tokens.append(tuple(part or "" for part in match.groups()))
        place = match.end()
    return tokens


def _add(group: dict[str, float], atoms: dict[str, float], times: float) -> None:
    for symbol, count in list(atoms.items()):
        group[symbol] = group.get(symbol, 0.0) + times * count


def _checked(formula: str, atoms: dict[str, float]) -> dict[str, float]:
    unknown = [symbol for symbol in atoms if symbol not in ELEMENTS]
    if unknown:
        raise ValueError(f"formula {formula!r}: {unknown[0]!r} is not among the {len(ELEMENTS)} elements known here")
    atoms = {symbol: round(count, 10) for symbol, count in atoms.items() if count > 1e-9}
    if not atoms or not math.isfinite(sum(atoms.values())):
        raise ValueError(f"formula {formula!r} holds no atoms")
    return atoms
