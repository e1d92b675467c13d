"""Ionic conductivities of solid lithium electrolytes, and features of their composition.

    from toolkit.datasets import conductivities

    data = conductivities.load()                   # OBELiX where it is on this machine, else a simulated table that says so
    features, target = data.features(), data.table["log_conductivity"]

Features are computed row by row, so that no row knows of another: what depends on the whole table (means, selections) belongs
into a model that sees the training rows only.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from toolkit.datasets.elements import ELEMENTS, composition
from toolkit.datasets.files import DamagedFile, DataNotFound, places

FOLDER = "ionic_conductivity"
FILES = {
    "train": ("obelix_train.csv", "01d87779862807e24bc45bb2c759852f892390b99f9340f13906c54805aa8776"),
    "test": ("obelix_test.csv", "b2c266eb74e22f403743d52959bea7c43b1531a850994870a70dd909200e5297"),
}
PAGE = "https://github.com/NRC-Mila/OBELiX"
COLUMNS = {
    "Reduced Composition": "formula",
    "True Composition": "cell_content",
    "Ionic conductivity (S cm-1)": "conductivity",
    "Family": "family",
    "DOI": "paper",
    **{name: name for name in ("a", "b", "c", "alpha", "beta", "gamma")},
}
SPELLINGS = {"argyrodite": "argyrodites", "cholorides": "chlorides", "Halide": "halides", "nitride": "nitrides"}
HALOGENS = ("F", "Cl", "Br", "I")
GOOD = 1e-4  # S/cm; from here on a solid is of interest as an electrolyte


@dataclass(frozen=True, eq=False)
class Conductivities:
    """A table of materials, one per row.

    Attributes:
        name: of the table.
        table: `formula`, `family`, `conductivity` [S/cm], `log_conductivity` (decimal), `upper_bound` (the
            conductivity is below the value), `paper`, `part` (as published, "train" or "test"), `volume_per_atom` [Å³].
        source: where it comes from.
        licence: what its origin says about use.
        simulated: computed rather than measured.
    """

    name: str
    table: pd.DataFrame
    source: str
    licence: str
    simulated: bool

    def features(self) -> pd.DataFrame:
        """`features` of all rows with the volume per atom [Å³] as last column."""
        return features(self.table["formula"]).assign(**{"volume per atom": self.table["volume_per_atom"].to_numpy()})

    def measured(self) -> Conductivities:
        """The rows that hold a number rather than an upper bound."""
        rows = self.table[~self.table["upper_bound"]].reset_index(drop=True)
        return Conductivities(self.name, rows, self.source, self.licence, self.simulated)

    def describe(self) -> pd.DataFrame:
        """Origin, licence and size as a table."""
        low, high = self.table["conductivity"].agg(["min", "max"])
        rows = {
            "source": self.source,
            "licence": self.licence,
            "origin": "simulated" if self.simulated else "measured",
            "materials": len(self.table),
            "of these upper bounds": int(self.table["upper_bound"].sum()),
            "papers": self.table["paper"].nunique(),
            "families": self.table["family"].nunique(),
            "conductivity": f"{low:.1e} to {high:.1e} S/cm",
        }
        return pd.DataFrame({self.name: rows})


def load(folder: str | Path | None = None) -> Conductivities:
    """OBELiX where it is on this machine, else the simulated table.

    Args:
        folder: where the two files are; None stands for $TOOLKIT_DATA/ionic_conductivity and the download cache.
    """
    try:
        return obelix(folder)
    except DataNotFound:
        return simulated()


def obelix(folder: str | Path | None = None) -> Conductivities:
    """The OBELiX data set: 599 measured conductivities at room temperature, collected from papers.

    Training and test part are the published ones, which share no paper.

    Args:
        folder: where obelix_train.csv and obelix_test.csv are; None stands for $TOOLKIT_DATA/ionic_conductivity and the
            download cache.

    Returns:
        The table; its source says whether the files are the published ones.

    Raises:
        DataNotFound: the files are not there; the message says where to get them.
        DamagedFile: a file is not what it claims to be.
    """
    place = _place(folder)
    parts, published = [], True
    for part, (file, checksum) in FILES.items():
        content = (place / file).read_bytes()
        published &= hashlib.sha256(content).hexdigest() == checksum
        parts.append(_read(place / file, content).assign(part=part))
    state = "the published files" if published else "files that differ from those of commit 4eaac88"
    table = pd.concat(parts, ignore_index=True)
    return Conductivities("OBELiX", table, f"OBELiX, {PAGE}; {state}", "CC BY 4.0", simulated=False)


def features(formulas: pd.Series | list[str]) -> pd.DataFrame:
    """Features of compositions (Zhao, section 3.1.2): shares of atoms, and means and spreads of elemental properties.

    A mean weighs every atom alike; a spread is the mean absolute deviation from it. Two polymorphs have equal features.

    Args:
        formulas: n chemical formulas.

    Returns:
        `(n, 12)`; radii in Å, masses in u.

    Raises:
        ValueError: a text that is no formula.

    >>> features(["LiF"])[["lithium share", "electronegativity", "electronegativity spread"]].iloc[0].tolist()
    [0.5, 2.48, 1.5]
    """
    return pd.DataFrame([_features(composition(formula)) for formula in formulas])


def shares(formulas: pd.Series | list[str]) -> pd.DataFrame:
    """Share of each element that occurs, `(n, elements)`; rows sum to one.

    >>> shares(["LiF", "Li2O"])["Li"].round(3).tolist()
    [0.5, 0.667]
    """
    atoms = pd.DataFrame([composition(formula) for formula in formulas]).fillna(0.0)
    return atoms.div(atoms.sum(axis=1), axis=0)


def simulated(n: int = 300, *, seed: int = 0) -> Conductivities:
    """A table of the same form, for machines without OBELiX: five families of solid solutions, made up.

    Along the degree of substitution x the decimal logarithm of the conductivity is a parabola; to it come an offset of the
    paper (deviation 0.3) and the error of a measurement (deviation 0.2). Each paper reports four to eight members of a family.

    Args:
        n: materials.
        seed: of the draws.

    Raises:
        ValueError: n below 20.
    """
    if n < 20:
        raise ValueError(f"n must be 20 or more, got {n}")
    draw, rows, paper = np.random.default_rng(seed), [], 0
    while len(rows) < n:
        solution, paper = _SOLUTIONS[draw.integers(len(_SOLUTIONS))], paper + 1
        offset, part = 0.3 * draw.standard_normal(), "test" if paper % 5 == 0 else "train"
        for share in draw.uniform(0.05, 1.0, draw.integers(4, 9)):
            rows.append(solution.material(share, offset, draw) | {"paper": f"simulated paper {paper}", "part": part})
    table = pd.DataFrame(rows[:n])
    table["conductivity"] = 10 ** table["log_conductivity"]
    return Conductivities("simulated electrolytes", table, "generated with seed " + str(seed), "none needed", simulated=True)


@dataclass(frozen=True)
class _Solution:
    """A made-up solid solution: formula of x, and a parabola of the logarithm of the conductivity."""

    family: str
    formula: Callable[[float], str]
    most: float  # largest x
    best: float  # share of it at which the conductivity peaks
    peak: float  # log10 of that conductivity [S/cm]
    drop: float  # decades from the peak to the farther end
    volume: float  # per atom at x = 0 [Å³]

    def material(self, share: float, offset: float, draw: np.random.Generator) -> dict:
        """A row without its paper."""
        lost = self.drop * ((share - self.best) / max(self.best, 1 - self.best)) ** 2
        return {
            "formula": self.formula(self.most * share),
            "family": self.family,
            "log_conductivity": self.peak - lost + offset + 0.2 * draw.standard_normal(),
            "upper_bound": False,
            "volume_per_atom": self.volume * (1 + 0.03 * share) + 0.05 * draw.standard_normal(),
        }


_SOLUTIONS = (
    _Solution("NASICON", lambda x: f"Li{1 + x:.4f}Al{x:.4f}Ti{2 - x:.4f}(PO4)3", 0.6, 0.5, -3.2, 2.5, 12.0),
    _Solution("garnet", lambda x: f"Li{7 - x:.4f}La3Zr{2 - x:.4f}Ta{x:.4f}O12", 1.2, 0.4, -3.3, 2.0, 11.3),
    _Solution("perovskites", lambda x: f"Li{3 * x:.4f}La{2 / 3 - x:.4f}TiO3", 0.16, 0.7, -3.6, 2.5, 11.6),
    _Solution("argyrodites", lambda x: f"Li{6 - x:.4f}PS{5 - x:.4f}Cl{1 + x:.4f}", 0.7, 0.8, -2.2, 1.0, 18.3),
    _Solution("LISICON", lambda x: f"Li{4 - x:.4f}Si{1 - x:.4f}P{x:.4f}O4", 0.9, 0.5, -5.5, 2.0, 11.0),
)


def _place(folder: str | Path | None) -> Path:
    searched = places(FOLDER, folder)
    for place in searched:
        if all((place / file).is_file() for file, _ in FILES.values()):
            return place
    names = " and ".join(file for file, _ in FILES.values())
    raise DataNotFound(
        f"OBELiX: {names} were looked for in {', '.join(map(str, searched))}; they are train.csv and test.csv of "
        f"{PAGE}/tree/main/data/downloads, to be saved under these names"
    )


def _read(path: Path, content: bytes) -> pd.DataFrame:
    try:
        raw = pd.read_csv(io.BytesIO(content), dtype={"Ionic conductivity (S cm-1)": str})
    except (ValueError, UnicodeDecodeError) as error:
        raise DamagedFile(path, f"not a CSV table ({error})") from error
    missing = [name for name in COLUMNS if name not in raw]
    if missing:
        raise DamagedFile(path, f"the column {missing[0]!r} is missing")
    try:
        return _tidy(raw[list(COLUMNS)].rename(columns=COLUMNS))
    except (TypeError, ValueError) as error:
        raise DamagedFile(path, str(error)) from error


def _tidy(raw: pd.DataFrame) -> pd.DataFrame:
    values = raw["conductivity"].str.lstrip("<").astype(float)
    if not (values > 0).all():
        raise ValueError(f"conductivities must be positive, got {values[~(values > 0)].iloc[0]}")
    atoms = np.array([sum(composition(content).values()) for content in raw["cell_content"]])
    return pd.DataFrame(
        {
            "formula": raw["formula"].str.strip(),
            "family": raw["family"].fillna("not stated").replace(SPELLINGS),
            "conductivity": values,
            "log_conductivity": np.log10(values),
            "upper_bound": raw["conductivity"].str.startswith("<"),
            "paper": raw["paper"],
            "volume_per_atom": _cell_volume(raw) / atoms,
        }
    )


def _cell_volume(cell: pd.DataFrame) -> np.ndarray:
    """Volume of the cells with edges a, b, c [Å] and angles α, β, γ [°]."""
    a, b, c = (cell[name].to_numpy(float) for name in "abc")
    alpha, beta, gamma = (np.cos(np.radians(cell[name].to_numpy(float))) for name in ("alpha", "beta", "gamma"))
    return a * b * c * np.sqrt(1 + 2 * alpha * beta * gamma - alpha**2 - beta**2 - gamma**2)


def _features(atoms: dict[str, float]) -> dict[str, float]:
    elements = [ELEMENTS[symbol] for symbol in atoms]
    weights = np.array(list(atoms.values())) / sum(atoms.values())
    share = dict(zip(atoms, weights, strict=True))
    row = {
        "lithium share": share.get("Li", 0.0),
        "oxygen share": share.get("O", 0.0),
        "sulfur share": share.get("S", 0.0),
        "phosphorus share": share.get("P", 0.0),
        "halogen share": sum(share.get(symbol, 0.0) for symbol in HALOGENS),
        "elements": float(len(atoms)),
    }
    for name in ("electronegativity", "radius", "mass"):
        values = np.array([getattr(element, name) for element in elements])
        mean = float(weights @ values)
        row |= {name: mean, f"{name} spread": float(weights @ abs(values - mean))}
    return row
