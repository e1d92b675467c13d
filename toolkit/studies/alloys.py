"""The pipeline of the lithium spectra on real ones: noble-metal alloys, from the published peaks and from raw spectra.

Classes: six alloys of 20 spectra each, judged on five stratified and five plain folds, and with all spectra of one primary ion
left out at a time. Four sources: the published peak table; what of it is left if only zero or not is told (`zeros`); the ions
that were looked for in every alloy (`common`); and the raw spectra by our own calibration and peak search.

Compositions: regression on pseudo-mixtures of ruthenium and its four binary alloys, from raw spectra that are divided by their
sum. Honest are the errors on pseudo-mixtures of spectra that the model has not seen; on the real binary alloys with a primary
ion that it has not seen; and on the real ternary and quaternary alloys, which are no reference. Nominal compositions are taken
as equal atomic parts, which is how the alloys are named; the origin's tables state none. No mixture of the references holds
less than one half ruthenium, so a third or a quarter of it cannot be found. The forest has 60 trees, not the document's 200.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import LeaveOneGroupOut

from toolkit import recordings
from toolkit.datasets import alloy_spectra
from toolkit.datasets.alloy_spectra import ALLOYS, AlloyPeaks, RawSpectrum
from toolkit.datasets.peak_tables import PeakTable
from toolkit.spectra import calibration, search
from toolkit.spectra.classification import MODELS, classify, folds
from toolkit.spectra.compositions import Compositions, normalised, pseudo_mixtures, regress, regressor
from toolkit.studies import running

TITLE = "ToF-SIMS of noble-metal alloys"
POLARITIES = ("negative", "positive")
SOURCES = ("published", "zeros", "common", "raw")
FOLDS = ("stratified", "plain", "primary ion left out")
SCALINGS = ("min-max", "log")
# Ions that the scale is fitted to: in every spectrum, and free of neighbours as far as unit mass resolution goes.
IONS = {
    "negative": ("H-", "C-", "CH-", "O-", "OH-", "C2-", "C2H-", "35Cl-", "37Cl-", "C4H-"),
    "positive": ("H+", "CH3+", "Na+", "Al+", "C2H5+", "K+", "C3H7+", "Ru+"),
}
SLOPES, OFFSETS = (32_000.0, 35_000.0), (-700.0, 0.0)  # channels per √u and channels, of this instrument
MASSES = (0.5, 320.0)
REFERENCES = ("Ru", "Ru-Rh", "Ru-Pt", "Ru-Pd", "Ru-Ir")
PRIMARY = "another primary ion, 2 parts"
UNSEEN = ("Ru-Pt-Pd", "Ru-Pt-Pd-Ir")
ELEMENTS = ("Ru", "Rh", "Pt", "Pd", "Ir")
CONTROLS = ("logistic_regression", "random_forest", "k_nn")
MIXTURES = 2000
SETTINGS = {"linear": {}, "random_forest": {"n_estimators": 60, "max_features": 0.3}}  # of which the forest is fitted 24 times


@dataclass(frozen=True)
class Result:
    """One number of the study.

    Attributes:
        run: the unit of work that it belongs to.
        polarity: "negative" or "positive".
        source: of the peaks.
        model: name.
        setting: scaling and folds, or split and number of parts of the mixtures.
        quantity: "accuracy", "R2", "error" (mean absolute, of shares), "coverage", or an element for its atomic fraction.
        sample: the alloy, empty where all are meant.
        value: the number.
        spread: standard deviation over the folds or primary ions, or half width of the joint 90 % interval; nan for none.
        nominal: atomic fraction in equal parts; nan where there is none.
    """

    run: str
    polarity: str
    source: str
    model: str
    setting: str
    quantity: str
    sample: str
    value: float
    spread: float
    nominal: float


# Peaks ---------------------------------------------------------------------------------------------------------------------


def calibrated(spectra: Sequence[RawSpectrum], polarity: str) -> dict[str, calibration.Calibration]:
    """A scale of each spectrum from channels alone."""
    return {each.name: _scale(each, IONS[polarity]) for each in spectra}


def _scale(spectrum: RawSpectrum, ions: Sequence[str]) -> calibration.Calibration:
    start = calibration.coarse(spectrum.times, spectrum.counts, ions, slopes=SLOPES, offsets=OFFSETS)
    return calibration.refine(spectrum.times, spectrum.counts, ions, start=start)


@cache
def from_raw(polarity: str) -> AlloyPeaks:
    """Peaks of the raw spectra: our calibration, search, borders and areas."""
    spectra = alloy_spectra.raw(polarity)
    scales = calibrated(spectra, polarity)
    table = search.peak_table(spectra, lambda each: scales[each.name].mz(each.times), mz=MASSES)
    return AlloyPeaks(table, np.array([each.primary_ion for each in spectra]))


def peaks(polarity: str, source: str) -> AlloyPeaks:
    """Spectra of the six alloys from one of the `SOURCES`.

    Raises:
        ValueError: an unknown source or polarity.
    """
    if source not in SOURCES:
        raise ValueError(f"source must be one of {SOURCES}, got {source!r}")
    found = (from_raw(polarity) if source == "raw" else alloy_spectra.peaks(polarity)).of(*ALLOYS)
    areas = found.table.intensities
    if source == "common":
        everywhere = [(areas[found.table.samples == name] > 0).any(0) for name in ALLOYS]
        return replace(found, table=found.table.peaks(np.all(everywhere, axis=0)))
    if source == "zeros":
        found = replace(found, table=replace(found.table, intensities=(areas > 0).astype(float), units="present"))
    return replace(found, table=found.table.peaks(search.alive(found.table.intensities, least=1.0)))


# Units of work -------------------------------------------------------------------------------------------------------------


def units() -> list[tuple[str, str, str, str]]:
    """Task, polarity, source and model of each unit of work.

    >>> len(units())
    52
    """
    models = {"zeros": CONTROLS, "common": CONTROLS}
    judged = [
        ("classes", polarity, source, model)
        for source in SOURCES
        for polarity in POLARITIES
        for model in models.get(source, MODELS)
    ]
    return judged + [("compositions", polarity, "raw", model) for polarity in POLARITIES for model in SETTINGS]


def record(folder: str | Path, *, workers: int = 1) -> Iterator[Path]:
    """Do the units of work, one file each; what lies in the folder already is not done again.

    Args:
        folder: for the files.
        workers: units at a time, one core each.

    Yields:
        The file of each unit.

    Raises:
        RuntimeError: a unit failed, such as for want of the alloy spectra; the others are done first.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    names = ("task", "polarity", "source", "model")
    wanted = [dict(zip(names, unit, strict=True)) | {"folder": str(folder)} for unit in units()]
    return running.done(record_unit, wanted, workers=workers, name=names)


def record_unit(folder: str, task: str, polarity: str, source: str, model: str) -> dict[str, str]:
    """Do one unit of work and write its file, unless it is there."""
    path = Path(folder) / f"{task}_{polarity}_{source}_{model}.npz"
    if not path.exists():
        found = classes(polarity, source, model) if task == "classes" else compositions(polarity, source, model)
        recordings.save(path, found, settings=settings(task, polarity, model), title=TITLE, provenance=provenance())
    return {"path": str(path)}


def settings(task: str, polarity: str, model: str) -> dict[str, Any]:
    """What a unit of work was run with, beside its names."""
    ions = {"ions": list(IONS[polarity]), "mz": list(MASSES)}
    if task == "classes":
        return ions | {"alloys": list(ALLOYS)}
    return ions | {"references": list(REFERENCES), "mixtures": MIXTURES, "regressor": SETTINGS[model]}


def provenance() -> dict[str, Any]:
    """Where the numbers come from: this code, and the spectra."""
    data = {"alloy spectra": alloy_spectra.PAGE, "checksum of the raw spectra": alloy_spectra.RAW[1]}
    return recordings.provenance(data=data, seeds=[0])


def merge(folder: str | Path, path: str | Path) -> None:
    """Join the files of all finished units in a folder into one recording, see `running.join`."""
    running.join(folder, path, record=Result)


def results(path: str | Path) -> pd.DataFrame:
    """A recording of the study, one row per number."""
    return pd.DataFrame(recordings.load(path).records)


def classes(polarity: str, source: str, model: str) -> list[Result]:
    """Accuracy of a model by scaling and kind of folds."""
    found = peaks(polarity, source)
    run, rows = f"classes_{polarity}_{source}_{model}", []
    for scaling in SCALINGS:
        for kind, parts in _folds(found).items():
            accuracies = next(classify(found.table, [{"model": model}], scaling=scaling, parts=parts)).accuracies
            numbers = float(accuracies.mean()), float(accuracies.std(ddof=1)), np.nan
            rows.append(Result(run, polarity, source, model, f"{scaling}, {kind}", "accuracy", "", *numbers))
    return rows


def _folds(found: AlloyPeaks) -> dict[str, list]:
    labels = found.table.samples
    by_ion = LeaveOneGroupOut().split(np.zeros(len(labels)), labels, groups=found.primary_ions)
    kinds = [folds(labels), folds(labels, stratified=False), list(by_ion)]
    return dict(zip(FOLDS, kinds, strict=True))


def compositions(polarity: str, source: str, model: str) -> list[Result]:
    """Error on pseudo-mixtures by split, and atomic fractions of the alloys that are no reference."""
    table = from_raw(polarity).table
    table = replace(table, intensities=table.intensities / table.intensities.sum(1, keepdims=True), units="share of all counts")
    run, rows = f"compositions_{polarity}_{source}_{model}", []
    for parts in (2, 3):
        for one in regress(
            table.of(*REFERENCES), model, n=MIXTURES, tries=(SETTINGS[model],), parts=parts, scaling="square root"
        ):
            setting = f"{one.kind}, {parts} parts"
            common = run, polarity, source, model, setting
            rows.append(Result(*common, "R2", "", one.r2, np.nan, np.nan))
            rows.append(Result(*common, "error", "", float(one.error.mean()), np.nan, np.nan))
            rows.append(Result(*common, "coverage", "", one.coverage, np.nan, one.level))
            rows += [Result(*common, *each) for each in _fractions(one.compositions(table.of(*UNSEEN)), one.half_widths)]
    return rows + [Result(run, polarity, source, model, PRIMARY, *each) for each in _other_primary_ions(polarity, table, model)]


def _other_primary_ions(polarity: str, table: PeakTable, model: str) -> Iterator[tuple[str, str, float, float, float]]:
    """Atomic fractions of the real binary alloys, each primary ion by a model that knows the others only."""
    ions = from_raw(polarity).primary_ions
    content = np.array([nominal(name) for name in REFERENCES])
    found: dict[str, list[np.ndarray]] = {}
    for ion in np.unique(ions):
        mixed = pseudo_mixtures(table.rows(ions != ion).of(*REFERENCES), MIXTURES)
        fitted = regressor(model, scaling="square root", **SETTINGS[model]).fit(mixed.intensities, mixed.shares)
        for alloy in REFERENCES[1:]:
            rows = (ions == ion) & (table.samples == alloy)
            if rows.any():
                order = [mixed.compounds.index(name) for name in REFERENCES]
                shares = normalised(fitted.predict(table.intensities[rows]))[:, order]
                found.setdefault(alloy, []).append((shares @ content).mean(0))
    for alloy, fractions in found.items():
        means, spreads = np.mean(fractions, axis=0), np.std(fractions, axis=0, ddof=1)
        for element, *numbers in zip(ELEMENTS, means.tolist(), spreads.tolist(), nominal(alloy).tolist(), strict=True):
            yield element, alloy, *numbers


def _fractions(found: Compositions, half_widths: np.ndarray) -> Iterator[tuple[str, str, float, float, float]]:
    content = np.array([nominal(name) for name in found.compounds])
    for sample, shares in zip(found.samples, found.shares, strict=True):
        for element, value, spread, part in zip(
            ELEMENTS, shares @ content, half_widths @ content, nominal(sample), strict=True
        ):
            yield element, sample, float(value), float(spread), float(part)


def nominal(alloy: str) -> np.ndarray:
    """Atomic fractions of `ELEMENTS` in equal parts.

    >>> nominal("Ru-Pt").tolist()
    [0.5, 0.0, 0.5, 0.0, 0.0]
    """
    present = np.isin(ELEMENTS, alloy.split("-"))
    return present / present.sum()
