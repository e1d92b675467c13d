"""ToF-SIMS of noble-metal alloys (Laurent et al., Analytical Chemistry 2024): measured peak tables and raw spectra.

from toolkit.datasets import alloy_spectra

spectra = alloy_spectra.peaks("positive")       # .table and .primary_ions
for spectrum in alloy_spectra.raw("negative"):  # channels and counts, not calibrated by us
    ...
"""

from __future__ import annotations

import hashlib
import io
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from toolkit.datasets import files, npz
from toolkit.datasets.files import DamagedFile, DataNotFound
from toolkit.datasets.nuclides import NUCLIDES
from toolkit.datasets.peak_tables import PeakTable

FOLDER = "tofsims"
PAGE = "https://github.com/Oscar-Laurent/ToF-SIMS_Article"
LICENCE = "MIT; cite Laurent et al., Analytical Chemistry (2024)"
PEAKS = {
    "positive": ("hea_positive_peaks.csv.gz", "981fa2645688377c09821d0987de73db260077fb53e6adcce2c5a4557bba4ea5"),
    "negative": ("hea_negative_peaks.csv.gz", "0c7abd3ef6ed98d91017d1adeda962e8ed910ce89accccd16fa148db96d67e03"),
}
RAW = ("hea_raw_spectra.npz", "36109942ca63d58a261f1905831ac8c1e6053800023a188544ca053c26fd1dd8")
ALLOYS = ("Ru-Rh", "Ru-Pt", "Ru-Pd", "Ru-Ir", "Ru-Pt-Pd", "Ru-Pt-Pd-Ir")  # those with 20 spectra each
REPEATED = "N_Ru-Pd_Bi1_5"  # identical to N_Ru-Pd_Bi1_4 in the origin
DESCRIPTION = ("sample_name", "state", "polarity", "primary_ion", "replicat")


@dataclass(frozen=True, eq=False)
class AlloyPeaks:
    """A peak table, and what the table type has no place for.

    Attributes:
        table: peaks by mean m/z of their isotopes; spots number the spectra of a sample over all primary ions.
        primary_ions: `(n,)` "Bi1", "Bi3", "Bi5" or "Bi3++".
    """

    table: PeakTable
    primary_ions: np.ndarray

    def of(self, *samples: str) -> AlloyPeaks:
        """The spectra of these samples.

        Raises:
            ValueError: see `PeakTable.of`.
        """
        return AlloyPeaks(self.table.of(*samples), self.primary_ions[np.isin(self.table.samples, samples)])


@dataclass(frozen=True, eq=False)
class RawSpectrum:
    """Counts over time of flight.

    Attributes:
        name: of the file in the origin.
        sample: the alloy.
        spot: number of the spectrum among those of its sample and polarity.
        polarity: "positive" or "negative".
        primary_ion: "Bi1", "Bi3", "Bi5" or "Bi3++".
        times: `(t,)` channels.
        counts: `(t,)`.
        mz: `(t,)` by the calibration of the origin, for comparison [u].
    """

    name: str
    sample: str
    spot: int
    polarity: str
    primary_ion: str
    times: np.ndarray
    counts: np.ndarray
    mz: np.ndarray


def peaks(polarity: str = "positive", folder: str | Path | None = None) -> AlloyPeaks:
    """The published peak table of 138 spectra: areas of element clusters, isotopes put together.

    The origin searched each spectrum for the elements of its own alloy only: a cluster of another element is exactly zero.
    So the zeros tell the alloy, and what a classifier reaches here is no measure of the spectra; `raw` has no such zeros.
    Clusters that the origin lists in two spellings, such as PtPd and PdPt for different alloys, are put together.

    Args:
        polarity: "positive" (766 ions) or "negative" (272).
        folder: where the files are; None stands for $TOOLKIT_DATA/tofsims and the download cache.

    Raises:
        ValueError: an unknown polarity.
        DataNotFound: the file is not there; the message says where it comes from.
        DamagedFile: it is not what it claims to be.
    """
    if polarity not in PEAKS:
        raise ValueError(f"polarity must be one of {tuple(PEAKS)}, got {polarity!r}")
    path = _found(PEAKS[polarity][0], folder)
    with files.blaming(path):
        frame = pd.read_csv(io.BytesIO(files.read(path).content))
        missing = [name for name in DESCRIPTION if name not in frame]
        if missing:
            raise ValueError(f"the column {missing[0]!r} is missing")
        ions = [name for name in frame.columns if name not in DESCRIPTION]
        masses = np.array([_mean_mass(ion) for ion in ions]).round(6)
        mz, first, column = np.unique(masses, return_index=True, return_inverse=True)
        areas = np.zeros((len(frame), len(mz)))
        np.add.at(areas.T, column, frame[ions].apply(pd.to_numeric).to_numpy(float).T)
        spots = frame.groupby("sample_name").cumcount() + 1
        table = PeakTable(mz, np.array(ions)[first], areas, frame["sample_name"], spots)
        state = _state(path, PEAKS[polarity][1])
        return AlloyPeaks(replace(table, source=f"{PAGE}; {state}", licence=LICENCE), frame["primary_ion"].to_numpy(str))


def raw(polarity: str | None = None, folder: str | Path | None = None) -> list[RawSpectrum]:
    """The raw spectra: 262 in all; the one that is a copy of another is left out.

    Args:
        polarity: "positive" or "negative"; None for both.
        folder: see `peaks`.

    Raises:
        ValueError, DataNotFound, DamagedFile: see `peaks`.
    """
    if polarity not in (*PEAKS, None):
        raise ValueError(f"polarity must be one of {tuple(PEAKS)} or None, got {polarity!r}")
    path = _found(RAW[0], folder)
    arrays = npz.read_npz(files.RawFile(str(path), path.read_bytes()))
    wanted = ("offsets", "channel", "mz_delta_micro", "intensity", "name", "polarity", "material", "primary_ion")
    missing = [name for name in wanted if name not in arrays]
    if missing:
        raise DamagedFile(path, f"the array {missing[0]!r} is missing")
    offsets = arrays["offsets"]
    if len(offsets) != len(arrays["name"]) + 1 or (np.diff(offsets) < 1).any() or offsets[-1] != len(arrays["channel"]):
        raise DamagedFile(path, "the offsets do not part the channels into spectra")
    spots: dict[tuple[str, str], int] = {}
    spectra = []
    for number, name in enumerate(arrays["name"].tolist()):
        spectrum = _spectrum(arrays, number, name, spots)
        if name != REPEATED and polarity in (spectrum.polarity, None):
            spectra.append(spectrum)
    return spectra


def _spectrum(arrays: dict[str, np.ndarray], number: int, name: str, spots: dict[tuple[str, str], int]) -> RawSpectrum:
    rows = slice(arrays["offsets"][number], arrays["offsets"][number + 1])
    sample, polarity = str(arrays["material"][number]), str(arrays["polarity"][number])
    spots[sample, polarity] = spots.get((sample, polarity), 0) + 1
    mz = np.cumsum(arrays["mz_delta_micro"][rows]) / 1e6
    own = (arrays["channel"][rows], arrays["intensity"][rows], mz)
    return RawSpectrum(name, sample, spots[sample, polarity], polarity, str(arrays["primary_ion"][number]), *own)


def _mean_mass(ion: str) -> float:
    """Mean mass over natural isotopes [u].

    >>> round(_mean_mass("Ru2O"), 1)
    218.1
    """
    parts = re.findall(r"([A-Z][a-z]?)(\d*)", ion)
    if "".join(symbol + count for symbol, count in parts) != ion or not parts:
        raise ValueError(f"the column {ion!r} is no ion")
    unknown = [symbol for symbol, _ in parts if symbol not in NUCLIDES]
    if unknown:
        raise ValueError(f"the column {ion!r} has the element {unknown[0]!r}, whose mass is not known here")
    return sum(_atomic_mass(symbol) * int(count or 1) for symbol, count in parts)


def _atomic_mass(symbol: str) -> float:
    masses, shares = zip(*NUCLIDES[symbol].values(), strict=True)
    return float(np.average(masses, weights=shares))


def _found(name: str, folder: str | Path | None) -> Path:
    searched = files.places(FOLDER, folder)
    for place in searched:
        if (place / name).is_file():
            return place / name
    raise DataNotFound(f"alloy spectra: {name} was looked for in {', '.join(map(str, searched))}; the data come from {PAGE}")


def _state(path: Path, checksum: str) -> str:
    same = hashlib.sha256(path.read_bytes()).hexdigest() == checksum
    return "the published table" if same else "a file that differs from that of commit c609bc6"
