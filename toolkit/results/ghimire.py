"""Ghimire: printed losses as errors in meV/atom, and ours. Each function takes the folder of the recordings and gives lines.

The printed losses are read as mean squared errors of the energy of 256 atoms in eV²; the document does not say their unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from toolkit import published, recordings
from toolkit.potential.learning import rmse_of_document
from toolkit.results import lines
from toolkit.studies import descriptors, potentials

SIMULATED = "EMT cells of 32 atoms and a validation part of other runs; published: ab initio, 256 atoms, neighbouring frames"
MEASURE, UNIT = "energy RMSE, validation", "meV/atom"
SETS = {"57A": "A", "57B": "B", "57C": "C", "57D": "D"}


def widths(folder: Path) -> pd.DataFrame:
    """Table 3.1."""
    return _structures(folder, "ghimire_table_3_1_depth_12_features")


def twelve_and_22(folder: Path) -> pd.DataFrame:
    """Table 3.3."""
    return _structures(folder, "ghimire_table_3_3_extracted_data")


def numbers_of_functions(folder: Path) -> pd.DataFrame:
    """Table 4.1; of two printed trainings with equally many functions the better one counts."""
    printed = published.table("ghimire_table_4_1_variable_counts").sort_values("val_loss").drop_duplicates("n_features")
    ours = _models(folder, "counts").rename(columns={"features": "n_features"})
    return _compared(printed.sort_values("n_features"), ours, "n_features", _origin(folder / "descriptors_emt.npz"))


def sets_of_57(folder: Path) -> pd.DataFrame:
    """The sets A to D of section 4.3, of which two have a printed loss."""
    ours = _models(folder, "sets")
    ours = ours[ours["name"].isin(SETS)].assign(index_set=ours["name"].map(SETS))
    printed = published.table("ghimire_section_4_3_index_sets")
    return _compared(printed, ours, "index_set", _origin(folder / "descriptors_emt.npz"))


def left_out(folder: Path) -> pd.DataFrame:
    """Table D.1, by the place of the function in set A."""
    printed = published.table("ghimire_table_d_1_leave_one_out").sort_values("index")
    ours = _models(folder, "leave one out")
    ours = ours[ours["name"] != "none"]
    places = {name: place for place, name in enumerate(sorted(ours["name"].unique(), key=int), start=1)}
    ours = ours.assign(place=ours["name"].map(places))
    printed = printed.assign(place=range(1, len(printed) + 1))
    return _compared(printed, ours, "place", _origin(folder / "descriptors_emt.npz"))


def _structures(folder: Path, name: str) -> pd.DataFrame:
    path = folder / "potentials.npz"
    ours = potentials.results(path)
    return _compared(published.table(name), ours[ours["dataset"] == "emt"], "structure", _origin(path))


def _models(folder: Path, study: str) -> pd.DataFrame:
    models = descriptors.table(descriptors.load(folder / "descriptors_emt.npz"))
    return models[models["study"] == study]


def _compared(printed: pd.DataFrame, ours: pd.DataFrame, on: str, origin: str, different: Sequence[str] = (SIMULATED,)):
    printed = printed.assign(rmse=rmse_of_document(printed["val_loss"])).drop(columns="notes", errors="ignore")
    ours = ours.assign(rmse=ours["validation"])
    compared = published.compare(printed, ours, on=on, value="rmse", unit=UNIT, different=list(different), origin=origin)
    return lines.of_comparison(compared, MEASURE)


def _origin(path: Path) -> str:
    return recordings.load(path).origin


NUMBERS = (widths, twelve_and_22, numbers_of_functions, sets_of_57, left_out)
