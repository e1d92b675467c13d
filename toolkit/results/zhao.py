"""Zhao: printed numbers and ours. Each function takes the folder of the recordings and gives lines."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from toolkit import published, recordings
from toolkit.microstructure.autoencoder import VAE
from toolkit.results import lines
from toolkit.results.lines import Line
from toolkit.studies import lithium, membranes_latent, strategies
from toolkit.studies.membranes_vae import FAMILIES, RESULTS

SPECTRA = "tofsims_lithium.npz"
SIMULATED = "simulated spectra"
OTHER_MEMBRANES = "generated membranes of 32 x 32 x 32 voxels, in a tenth of the volume"
STABLE = 15  # initial points from which on the text speaks of at least 95 %
NORMAL = 1.96


def strategies_found(folder: Path) -> pd.DataFrame:
    """The numbers that the text of Fig. 4.2 gives."""
    said = published.table("zhao_section_4_1_bo_statements").set_index("key")["value"]
    found = []
    for path in sorted(folder.glob("strategies_*.npz")):
        ours, origin = strategies.results(path), recordings.load(path).origin
        found += [*_random_picks(ours, said, origin), *_steady(ours, said, origin)]
    return lines.table(found)


def autoencoder_weights(folder: Path) -> pd.DataFrame:
    """Number of weights of the printed layers, summed over Table 4.3, and of our network at that size."""
    with torch.device("meta"):
        model = VAE(128)
    ours = sum(each.numel() for each in model.parameters())
    printed = published.table("zhao_table_4_3_vae_architecture")["n_parameters_derived"].sum()
    remarks = "the table prints layers; the published side is their sum"
    return lines.table([Line("weights", "128 x 128 x 128 voxels", printed, ours, 0, remarks=remarks)])


def neighbours(folder: Path) -> pd.DataFrame:
    """Table 4.4: directions told by the nearest neighbour, and how far its porosity is off."""
    printed = published.table("zhao_table_4_4_experimental_microstructures")
    right = (printed["direction_calculated"] == printed["direction_predicted"]).mean()
    off = printed["porosity_difference_percent"].abs().mean()
    found = []
    for family in FAMILIES:
        ours = _membranes(folder, family)
        table, *_ = membranes_latent.as_table_4_4(ours)
        share, low, high = membranes_latent.accuracy(table)
        errors = 100 * (table["porosity_estimated"] / table["porosity"] - 1).abs()
        common = {"runs": len(table), "remarks": "runs: membranes", "origin": ours.origin}
        common |= {"verdict": f"not comparable: {OTHER_MEMBRANES}; published: tomographs"}
        found.append(Line("directions told", family, 100 * right, 100 * share, 50 * (high - low), unit="%", **common))
        found.append(Line("error of the porosity", family, off, errors.mean(), np.nan, spread=errors.std(), unit="%", **common))
    return lines.table(found)


def recipes(folder: Path) -> pd.DataFrame:
    """Table 4.5: the parameters found, in the document's domain."""
    found = _membranes(folder)
    printed = published.table("zhao_table_4_5_inverse_bo").query("row_kind != 'real'").drop(columns="notes")
    ours, different = membranes_latent.inverse_table(found), [f"{OTHER_MEMBRANES}, whose random points the search knows"]
    parts = []
    for column in ("n_voronoi_points", "stanchion_radius", "stretch_x", "stretch_y", "stretch_z"):
        compared = published.compare(
            printed, ours[ours["row_kind"] != "real"], on=["target", "row_kind"], value=column, different=different,
            origin=found.origin,
        )  # fmt: skip
        parts.append(lines.of_comparison(compared, column.replace("_", " ")))
    return pd.concat(parts, ignore_index=True)


def transferred(folder: Path) -> pd.DataFrame:
    """Fig. 4.13: mean squared errors of the tortuosity, with the document's settings and with a larger step."""
    found = _membranes(folder)
    larger_step = f"{OTHER_MEMBRANES}, other recipes and a step a hundred times larger"
    parts = []
    for setting, outcomes, why in (("", found.published, OTHER_MEMBRANES), (", larger step", found.outcomes, larger_step)):
        runs = pd.DataFrame([vars(one) for one in outcomes])
        runs["strategy"] = runs["strategy"].map({"transfer": "transfer_learning", "scratch": "from_scratch"})
        ours = pd.concat(
            runs.dropna(subset="strategy").assign(split=split, mse_mean=runs[f"{split}_error"]) for split in ("train", "test")
        )
        compared = published.compare(
            "zhao_section_4_2_5_transfer_learning_mse", ours, on=["strategy", "split"], value="mse_mean", published_runs=20,
            different=[why], origin=found.origin,
        )  # fmt: skip
        parts.append(lines.of_comparison(compared, f"mean squared error of the tortuosity{setting}"))
    return pd.concat(parts, ignore_index=True)


def classifiers(folder: Path) -> pd.DataFrame:
    """Table 4.7."""
    return _spectra(folder, "4.7", "zhao_table_4_7_classifiers", ["model", "mixture"], accuracy=True)


def penalties(folder: Path) -> pd.DataFrame:
    """Table 4.8."""
    keys = ["regularization", "c_inverse_strength", "mixture"]
    return _spectra(folder, "4.8", "zhao_table_4_8_lr_regularization", keys, accuracy=True)


def regression(folder: Path) -> pd.DataFrame:
    """Table 4.9."""
    return _spectra(folder, "4.9", "zhao_table_4_9_lr_mixtures", ["sample_no"])


def forest_shares(folder: Path) -> pd.DataFrame:
    """Table 4.10, parents on both sides as published."""
    return _spectra(folder, "4.10 leaky", "zhao_table_4_10_rf_mixtures", ["sample_no"])


def scalings(folder: Path) -> pd.DataFrame:
    """What the text says of Fig. 4.16."""
    return _statements(folder, "scaling", "best scaling")


def peaks(folder: Path) -> pd.DataFrame:
    """What the text says of Table 4.6."""
    return _statements(folder, "strong peaks", "plausible peaks", "common peaks", "no ion for Li2O")


def mixtures_among_components(folder: Path) -> pd.DataFrame:
    """What the text says of Fig. 4.17."""
    return _statements(folder, "PCA, No. 1", "PCA, No. 2")


def classifier_statements(folder: Path) -> pd.DataFrame:
    """What the text says of classifiers and their penalties."""
    names = ("pure", "LR, mixtures", "k-NN", "SVC-RBF", "L1, small C", "L1, C = 1", "L2, small C", "truncation", "LR, foils")
    return _statements(folder, *names)


def part_statements(folder: Path) -> pd.DataFrame:
    """What the text says of parts and of shares by a forest."""
    return _statements(folder, "NMF, mixtures", "NMF, p", "NMF, foils", "R² as printed", "regression")


def _membranes(folder: Path, family: str = "own seeds") -> membranes_latent.Results:
    path = folder / RESULTS
    return _read(path, path.stat().st_mtime_ns, family)


@lru_cache(maxsize=2)
def _read(path: Path, changed: int, family: str) -> membranes_latent.Results:
    """Kept between the rows that use the same file, which takes seconds to read; `changed` tells versions apart."""
    return membranes_latent.results(path, family)


def _random_picks(ours: pd.DataFrame, said: pd.Series, origin: str) -> list[Line]:
    """Random picks from the fewest initial points: how often they find the best point, and after how many tries."""
    row = ours[ours["strategy"] == "random"].sort_values("initial").iloc[0]
    case = f"random picks, {row['initial']} initial points"
    common = {"runs": int(row["campaigns"]), "remarks": "runs: campaigns", "origin": origin}
    share = Line("found", case, said["random_found_fraction"], row["fraction"], (row["high"] - row["low"]) / 2, **common)
    tries = Line("tries", case, said["random_mean_tries"], row["tries"], NORMAL * row["error"], **common)
    return [share, tries]


def _steady(ours: pd.DataFrame, said: pd.Series, origin: str) -> list[Line]:
    """The least share of campaigns that find the best point once there are enough initial points."""
    found = []
    for strategy in ("ei", "ucb"):
        rows = ours[(ours["strategy"] == strategy) & (ours["initial"] >= STABLE)]
        row, bound = rows.sort_values("fraction").iloc[0], said[f"{strategy}_found_fraction"]
        verdict = "agrees" if row["high"] >= bound else "differs"
        found.append(
            Line(
                "found, at least",
                f"{strategy.upper()}, {STABLE} initial points or more",
                bound,
                row["fraction"],
                (row["high"] - row["low"]) / 2,
                runs=int(row["campaigns"]),
                remarks="runs: campaigns",
                origin=origin,
                verdict=verdict,
            )  # fmt: skip
        )
    return found


def _spectra(folder: Path, table: str, name: str, keys: Sequence[str], *, accuracy: bool = False) -> pd.DataFrame:
    path = folder / SPECTRA
    rows, _ = lithium.load(path)
    ours, printed = lithium.results(rows, table), published.table(name).drop(columns="notes", errors="ignore")
    measures = {"accuracy": "accuracy"} if accuracy else {}
    measures |= {column: f"share of {compound}" for compound, column in lithium.COLUMNS.items()}
    parts = []
    for column, measure in measures.items():
        compared = published.compare(
            printed, ours, on=list(keys), value=column, different=[SIMULATED], origin=recordings.load(path).origin
        )
        parts.append(lines.of_comparison(compared, measure))
    return pd.concat(parts, ignore_index=True)


def _statements(folder: Path, *names: str) -> pd.DataFrame:
    path = folder / SPECTRA
    _, outcomes = lithium.load(path)
    found = []
    for name in names:
        where, statement, _ = lithium.STATEMENTS[name]
        found.append((where, statement, [one.holds for one in outcomes if one.statement == name]))
    return lines.statements(found, recordings.load(path).origin)


NUMBERS = (
    strategies_found, autoencoder_weights, neighbours, recipes, transferred, classifiers, penalties, regression, forest_shares,
    scalings, peaks, mixtures_among_components, classifier_statements, part_statements,
)  # fmt: skip
