"""Peak tables of mass spectra: one row per measured spot, one column per peak; the type, and the readers of CSV files."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from toolkit.datasets import files

SIMULATED = "# simulated: computed, not measured\n"
LONG = ("sample", "spot", "mz", "intensity")
_MZ = re.compile(r"\s*(?:m/z|mz|centre mass|center mass|mass)\s*(?:[\[(](?:u|amu|Da)[\])])?\s*", re.IGNORECASE)
_ION = re.compile(r"\s*(?:ion|assignment|description|formula)\s*", re.IGNORECASE)
_SPECTRUM = re.compile(r"(?P<sample>.*\S)[\s_-]+(?P<spot>\d+)(?:\.(?:ita|itm|its))?\s*")


@dataclass(frozen=True, eq=False)
class PeakTable:
    """Peak areas of n spectra.

    Attributes:
        mz: `(m,)` mass-to-charge ratio of the peaks, strictly ascending [u].
        ions: `(m,)` names such as "6LiH2-"; empty where nobody has assigned one.
        intensities: `(n, m)` peak areas, none negative.
        samples: `(n,)` name of each spectrum's sample.
        spots: `(n,)` number of the spot on its sample, from 1.
        units: of the intensities.
        simulated: computed rather than measured.
        source: where the spectra come from.
        licence: what their origin says about use.

    Raises:
        ValueError: shapes that do not belong together, an m/z that is not above the one before it, an intensity that is
            negative or not finite, a spot that occurs twice on its sample.
        TypeError: text where numbers belong.

    >>> table = PeakTable([7.02, 9.03], ["Li-", "LiH2-"], [[5, 1], [2, 9]], ["Li2O", "LiH"], [1, 1])
    >>> table.of("LiH").intensities.tolist()
    [[2.0, 9.0]]
    """

    mz: np.ndarray
    ions: np.ndarray
    intensities: np.ndarray
    samples: np.ndarray
    spots: np.ndarray
    units: str = "counts"
    simulated: bool = False
    source: str = "own table"
    licence: str = "not stated"

    def __post_init__(self):
        for name in ("mz", "intensities"):
            object.__setattr__(self, name, _real(name, getattr(self, name)))
        object.__setattr__(self, "spots", _whole(self.spots))
        for name in ("ions", "samples"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=str))
        _check(self)

    @property
    def compounds(self) -> tuple[str, ...]:
        """The samples' names, each once, in their order."""
        return tuple(dict.fromkeys(self.samples.tolist()))

    def rows(self, chosen: np.ndarray | Sequence[int]) -> PeakTable:
        """The spectra with these numbers, or where this mask is true."""
        parts = {name: getattr(self, name)[chosen] for name in ("intensities", "samples", "spots")}
        return replace(self, **parts)

    def of(self, *samples: str) -> PeakTable:
        """The spectra of these samples.

        Raises:
            ValueError: a sample that is not in the table.
        """
        unknown = [name for name in samples if name not in self.compounds]
        if unknown:
            raise ValueError(f"samples: {unknown[0]!r} is not among {list(self.compounds)}")
        return self.rows(np.isin(self.samples, samples))

    def peaks(self, chosen: np.ndarray | Sequence[int]) -> PeakTable:
        """The peaks with these numbers, or where this mask is true."""
        return replace(self, mz=self.mz[chosen], ions=self.ions[chosen], intensities=self.intensities[:, chosen])

    def labels(self) -> list[str]:
        """Each peak as "9.03 LiH2-"."""
        return [f"{mz:.2f} {ion}".rstrip() for mz, ion in zip(self.mz, self.ions, strict=True)]

    def frame(self) -> pd.DataFrame:
        """Wide: one row per spectrum, indexed by sample and spot, one column per peak."""
        index = pd.MultiIndex.from_arrays([self.samples, self.spots], names=["sample", "spot"])
        return pd.DataFrame(self.intensities, index=index, columns=self.labels())


def read(path: str | Path, *, units: str = "counts") -> PeakTable:
    """Read a peak table from a CSV file, in one of three forms.

    * as SurfaceLab lists peak areas: a row per peak, with a column m/z (also "Mass (u)", "Center Mass (u)"), maybe one of ions
      ("Assignment"), and a column per spectrum, whose name is the sample's and the spot's number: "LiH_3", "LiH 3.ita"
    * wide: a row per spectrum, with the columns sample and spot, then a column per peak: "9.03 LiH2-" or only "9.03"
    * long: a row per area, with the columns sample, spot, mz, intensity and maybe ion

    Fields are parted by tab, semicolon or comma; with one of the first two, decimals may be written with a comma. Columns named
    Lower Mass and Upper Mass are skipped, and so are lines that start with #, but for the one by which `write` marks a
    simulated table.

    Args:
        path: the file, maybe packed with gzip.
        units: of the intensities.

    Returns:
        The table, peaks by ascending m/z.

    Raises:
        FileNotFoundError: there is no such file.
        DamagedFile: none of these forms, text where a number belongs, a missing or repeated spot, a negative area, peaks
            with the same m/z; the message names the file and the fault.
    """
    raw = files.read(Path(path))
    with files.blaming(path):
        frame = _frame(raw.content)
        columns = {_plain(name): name for name in frame.columns}
        if {"sample", "spot", "intensity"} <= set(columns):
            table = _from_long(frame.rename(columns={old: new for new, old in columns.items()}))
        elif {"sample", "spot"} <= set(columns):
            table = _from_wide(frame.rename(columns={columns["sample"]: "sample", columns["spot"]: "spot"}))
        elif "mz" in columns:
            table = _from_peaks(frame.rename(columns={columns["mz"]: "mz"} | _named(columns, "ion")))
        else:
            raise ValueError(
                "the columns must be sample, spot, mz and intensity (long), sample, spot and one per peak (wide), or m/z and "
                f"one per spectrum (as SurfaceLab exports), got {list(frame.columns)[:6]}"
            )
        return replace(table, units=units, source=str(path), simulated=frame.attrs["simulated"])


def write(table: PeakTable, path: str | Path) -> None:
    """Write a table in the form of SurfaceLab's list, by atomic replace; `read` gives it back, and whether it is simulated."""
    peaks = pd.DataFrame({"m/z": table.mz, "ion": table.ions})
    names = [f"{sample}_{spot}" for sample, spot in zip(table.samples, table.spots, strict=True)]
    areas = pd.DataFrame(table.intensities.T, columns=names)
    whole, part = Path(path), Path(f"{path}.part")
    rows = pd.concat([peaks, areas], axis=1).to_csv(index=False, float_format="%.17g", lineterminator="\n")
    part.write_text((SIMULATED if table.simulated else "") + rows, encoding="utf-8")
    part.replace(whole)


def _frame(content: bytes | bytearray) -> pd.DataFrame:
    try:
        text = bytes(content).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"not a text file in UTF-8 ({error})") from error
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if len(lines) < 2:
        raise ValueError("holds no row of numbers")
    separator = max("\t;,", key=lines[0].count)
    rows = list(csv.reader(io.StringIO("\n".join(lines)), delimiter=separator))
    uneven = next((number for number, row in enumerate(rows) if len(row) != len(rows[0])), None)
    if uneven is not None:
        raise ValueError(f"row {uneven} has {len(rows[uneven])} fields, the head has {len(rows[0])}")
    heads = [name.strip() for name in rows[0]]
    repeated = next((name for name in heads if heads.count(name) > 1), None)
    if repeated is not None:
        raise ValueError(f"the column {repeated!r} occurs twice")
    frame = pd.DataFrame(rows[1:], columns=heads, dtype=str).apply(lambda column: column.str.strip())
    frame.attrs |= {"comma": separator != ",", "simulated": text.startswith(SIMULATED.rstrip())}
    return frame


def _plain(name: str) -> str:
    return "mz" if _MZ.fullmatch(name) else "ion" if _ION.fullmatch(name) else name.strip().lower()


def _named(columns: dict[str, str], name: str) -> dict[str, str]:
    return {columns[name]: name} if name in columns else {}


def _numbers(frame: pd.DataFrame) -> np.ndarray:
    """The cells as numbers; the first that is none is named with row and column."""
    if frame.attrs.get("comma"):
        frame = frame.apply(lambda column: column.str.replace(",", "."))
    numbers = frame.map(_number).to_numpy(float)
    bad = np.argwhere(np.isnan(numbers))
    if len(bad):
        row, column = bad[0]
        raise ValueError(f"row {row + 1}, column {frame.columns[column]!r}: {frame.iat[row, column]!r} is not a number")
    return numbers


def _number(text: str) -> float:
    """Exact to the last bit, which pandas' own reading is not; nan for anything else."""
    try:
        return math.nan if "_" in text else float(text)
    except ValueError:
        return math.nan


def _column(frame: pd.DataFrame, name: str) -> np.ndarray:
    part = frame[[name]]
    part.attrs = frame.attrs
    return _numbers(part)[:, 0]


def _from_peaks(frame: pd.DataFrame) -> PeakTable:
    named = {name: _SPECTRUM.fullmatch(name) for name in frame.columns}
    spectra = {name: match for name, match in named.items() if match and name not in ("mz", "ion")}
    others = [name for name in frame.columns if name not in spectra and not _is_known(name)]
    if others or not spectra:
        what = f"the column {others[0]!r} is not" if others else "no column is"
        raise ValueError(f"{what} named like a spectrum, sample and number of the spot, such as 'LiH_3'")
    areas = frame[list(spectra)]
    areas.attrs = frame.attrs
    mz = _column(frame, "mz")
    order = np.argsort(mz, kind="stable")
    ions = frame["ion"].to_numpy(str) if "ion" in frame else np.full(len(mz), "")
    samples = [match["sample"] for match in spectra.values()]
    spots = [int(match["spot"]) for match in spectra.values()]
    return PeakTable(mz[order], ions[order], _numbers(areas).T[:, order], samples, spots)


def _is_known(name: str) -> bool:
    return name in ("mz", "ion") or _plain(name) in ("lower mass", "upper mass", "lower mass (u)", "upper mass (u)")


def _from_wide(frame: pd.DataFrame) -> PeakTable:
    peaks = [name for name in frame.columns if name not in ("sample", "spot")]
    heads = [name.split(maxsplit=1) for name in peaks]
    mz = []
    for name, head in zip(peaks, heads, strict=True):
        try:
            mz.append(float(head[0].replace(",", ".")))
        except (IndexError, ValueError):
            raise ValueError(f"the column {name!r} does not start with an m/z, such as '9.03 LiH2-'") from None
    ions = [head[1] if len(head) > 1 else "" for head in heads]
    areas = frame[peaks]
    areas.attrs = frame.attrs
    order = np.argsort(mz, kind="stable")
    spots = _column(frame, "spot")
    return PeakTable(np.array(mz)[order], np.array(ions)[order], _numbers(areas)[:, order], frame["sample"], spots)


def _from_long(frame: pd.DataFrame) -> PeakTable:
    missing = [name for name in LONG if name not in frame]
    if missing:
        raise ValueError(f"the column {missing[0]!r} is missing")
    values = pd.DataFrame({name: _column(frame, name) for name in ("spot", "mz", "intensity")})
    values["sample"], values["ion"] = frame["sample"].to_numpy(), frame["ion"].to_numpy() if "ion" in frame else ""
    named = values.groupby("mz")["ion"].nunique()
    if (named > 1).any():
        raise ValueError(f"m/z {named[named > 1].index[0]} has several ions")
    keys = ["sample", "spot", "mz"]
    if values.duplicated(keys).any():
        sample, spot, mz = values.loc[values.duplicated(keys), keys].iloc[0]
        raise ValueError(f"m/z {mz} occurs twice for spot {spot:g} of {sample}")
    wide = values.pivot(index=["sample", "spot"], columns="mz", values="intensity")
    wide = wide.reindex(list(dict.fromkeys(zip(values["sample"], values["spot"], strict=True))))
    if wide.isna().to_numpy().any():
        row, column = np.argwhere(wide.isna().to_numpy())[0]
        sample, spot = wide.index[row]
        raise ValueError(f"m/z {wide.columns[column]} is missing for spot {spot:g} of {sample}")
    ions = values.groupby("mz")["ion"].first().loc[wide.columns]
    names, spots = zip(*wide.index, strict=True)
    return PeakTable(wide.columns.to_numpy(float), ions.to_numpy(str), wide.to_numpy(), names, spots)


def _real(name: str, values: Sequence) -> np.ndarray:
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must be numbers, got {array.dtype} such as {array.ravel()[:1].tolist()}")
    return array.astype(float)


def _whole(spots: Sequence) -> np.ndarray:
    numbers = _real("spots", spots)
    if not (np.isfinite(numbers).all() and (numbers == np.rint(numbers)).all() and (numbers >= 1).all()):
        wrong = numbers[~(np.isfinite(numbers) & (numbers == np.rint(numbers)) & (numbers >= 1))][0]
        raise ValueError(f"spots must be whole numbers from 1, got {wrong}")
    return numbers.astype(int)


def _check(table: PeakTable) -> None:
    n, m = len(table.samples), len(table.mz)
    if table.intensities.shape != (n, m) or table.ions.shape != (m,) or table.spots.shape != (n,):
        raise ValueError(
            f"intensities must have a row per sample and a column per m/z, ({n}, {m}), got {table.intensities.shape}; "
            f"ions must have shape ({m},), got {table.ions.shape}; spots ({n},), got {table.spots.shape}"
        )
    if not n or not m:
        raise ValueError(f"a peak table must hold a spectrum and a peak, got {n} spectra of {m} peaks")
    _check_mz(table.mz)
    wrong = np.argwhere(~(np.isfinite(table.intensities) & (table.intensities >= 0)))
    if len(wrong):
        row, column = wrong[0]
        raise ValueError(
            f"intensities must be finite and not negative, got {table.intensities[row, column]} at m/z {table.mz[column]} "
            f"of {table.samples[row]}, spot {table.spots[row]}"
        )
    seen = pd.Series(zip(table.samples.tolist(), table.spots.tolist(), strict=True))
    if seen.duplicated().any():
        sample, spot = seen[seen.duplicated()].iloc[0]
        raise ValueError(f"spots: {spot} occurs twice on {sample}")


def _check_mz(mz: np.ndarray) -> None:
    if not (np.isfinite(mz).all() and (mz > 0).all()):
        raise ValueError(f"mz must be positive [u], got {mz[~(np.isfinite(mz) & (mz > 0))][0]}")
    step = np.diff(mz)
    if (step == 0).any():
        raise ValueError(f"mz: {mz[1:][step == 0][0]} occurs twice")
    if (step < 0).any():
        place = int(np.argmax(step < 0))
        raise ValueError(f"mz must ascend, got {mz[place + 1]} after {mz[place]}")


__all__ = ["PeakTable", "read", "write"]
