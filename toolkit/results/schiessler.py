"""Schiessler et al.: printed numbers and ours. Each function takes the folder of the recordings and gives lines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from toolkit import published, recordings
from toolkit.results import lines
from toolkit.results.lines import Line
from toolkit.search.surgeon import score
from toolkit.studies import surgery

HALF_DIGIT = 0.00005  # of the four printed decimals
HALF_UNIT = 0.5  # of 290 epochs and of 14 %, as they are printed
MEASURES = {
    "baseline_accuracy": "baseline accuracy",
    "surgeon_accuracy": "Surgeon accuracy",
    "parameter_fraction_increase_percent": "change of parameters [%]",
}


def scores(folder: Path) -> pd.DataFrame:
    """Table 1 by (16), within what rounding of the three printed inputs and of the score allows."""
    found = []
    for row in published.table("schiessler_table_1_scoring_example").to_dict("records"):
        accuracy, gain, fraction = row["accuracy"], row["accuracy_gain"], row["parameter_fraction"]
        tolerance = HALF_DIGIT * (2 + 2 * np.exp(gain - fraction))
        found.append(Line("score", row["operation"], row["score"], score(accuracy, gain, fraction), tolerance))
    return lines.table(found)


def surgeon(folder: Path) -> pd.DataFrame:
    """Table 3, those data sets that are recorded."""
    return pd.concat(
        [
            lines.of_comparison(surgery.compared(path, what), measure)
            for path in _recorded(folder)
            for what, measure in MEASURES.items()
        ],
        ignore_index=True,
    )


def single_runs(folder: Path) -> pd.DataFrame:
    """Costs of a run, and what single runs are said to have done, beside all of ours."""
    said = published.table("schiessler_text_statements").set_index("key")["value"].astype(float)
    found = []
    for path in _recorded(folder):
        runs, origin = surgery.results(path), recordings.load(path).origin
        dataset = surgery.DATASETS.get(runs["dataset"].iloc[0], runs["dataset"].iloc[0])
        found.append(
            _beside("epochs trained in a run", dataset, said["total_training_per_run"], runs["trained_epochs"], origin)
        )
        large = runs[runs["topology"] == "large"]["parameter_fraction_increase_percent"]
        if dataset == "Fashion-MNIST" and len(large):
            shrunk = -100 * said["parameter_reduction_single_run"]
            found.append(_beside("change of parameters [%]", f"{dataset}, large", shrunk, large, origin))
    return lines.table(found)


def _beside(measure: str, case: str, published_number: float, runs: pd.Series, origin: str) -> Line:
    within = runs.min() - HALF_UNIT <= published_number <= runs.max() + HALF_UNIT
    verdict = f"{'agrees' if within else 'differs'}" if len(runs) > 1 else "undecided: one run, spread unknown"
    remarks = f"one of our {len(runs)} runs could be it" if within else "outside the range of our runs"
    half = (runs.max() - runs.min()) / 2
    return Line(
        measure, case, published_number, runs.mean(), half, spread=runs.std(), runs=len(runs), remarks=remarks, origin=origin,
        verdict=verdict,
    )  # fmt: skip


def _recorded(folder: Path) -> list[Path]:
    return sorted(folder.glob("surgery_*.npz"))


NUMBERS = (scores, surgeon, single_runs)
