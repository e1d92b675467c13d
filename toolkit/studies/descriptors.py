"""Which of the 329 symmetry functions are needed: chapter 4 of Ghimire on aluminium by EMT, with seeds and a test part.

For every seed the trajectories are parted anew into training, validation and test, weights and order of the frames are drawn
anew, and every method chooses its functions again from the training and validation parts. The test part is looked at once.
Cells have 32 atoms where the document's have 256; energies are EMT, not ab initio.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from toolkit import recordings
from toolkit.datasets import aluminium
from toolkit.datasets.frames import Frames
from toolkit.potential import SymmetryFunctions, document_columns, document_set
from toolkit.potential.selection import (
    backward,
    fit,
    fit_constant,
    fit_forest,
    fit_linear,
    leave_one_out,
    paired,
    path,
    scaled,
    spread,
    uncorrelated,
)  # fmt: skip
from toolkit.potential.selection.comparison import Paired
from toolkit.potential.selection.forest import FORMS
from toolkit.potential.selection.scaling import Scaled

CELLS = aluminium.Scale(aluminium.FEW, repeat=2, trajectories=5, frames=8, stride=5, settling=40, melting=40)
TREES = 30
TITLE = "functions of 329, EMT aluminium"
SETS = ("22", "57A", "57B", "57C", "57D", "329")
COUNTS = (1, 2, 3, 4, 6, 8, 12, 16, 22, 33, 37, 43, 50, 57, 61, 67, 72, 120, 200, 329)  # Table 4.1 and between
GROUPS = {"G2, R_s = 0": range(201), "G2, R_s > 0": range(201, 269), "G5": range(269, 329)}  # Fig. 4.3
MOST = 57
SERIES = {"columns": np.int64, "strength": np.float64}  # fields that hold several numbers
LEAST = (57, 40, 30, 20, 12, 8)  # numbers of functions at which the path of LassoNet is left


@dataclass(frozen=True)
class Effort:
    """How long networks are trained, in epochs.

    Attributes:
        patient: all functions, set A and the choice of LassoNet once more, so long that more hardly helps.
        compared: subsets that are judged on the test part.
        others: leave one out, subsets of every size, rounds of elimination.
        path: at each penalty.
    """

    patient: int = 1500
    compared: int = 300
    others: int = 100
    path: int = 10


@dataclass(frozen=True)
class Trained:
    """One trained model.

    Attributes:
        study: "sets", "groups", "counts", "leave one out", "lassonet", "weights", "permutation", "uncorrelated", "patient" or
            "forest".
        name: of the set, the function left out, the form of the forest.
        features: number of functions.
        columns: their numbers among the 329.
        seed: of the split and everything else.
        train: RMSE [meV/atom].
        validation: likewise.
        test: likewise.
    """

    study: str
    name: str
    features: int
    columns: tuple[int, ...]
    seed: int
    train: float
    validation: float
    test: float


@dataclass(frozen=True)
class Walked:
    """One penalty on the path of LassoNet.

    Attributes:
        penalty: lambda.
        columns: functions in use.
        strength: their |theta|.
        seed: of the split and everything else.
        validation_rmse: of the penalised network [meV/atom].
    """

    penalty: float
    columns: tuple[int, ...]
    strength: tuple[float, ...]
    seed: int
    validation_rmse: float


@dataclass(frozen=True)
class Cost:
    """Time that a method took to find its functions.

    Attributes:
        method: as `Trained.study`.
        seed: of the split.
        seconds: of one thread's processor time.
    """

    method: str
    seed: int
    seconds: float


def descriptors(frames: Frames, *, pieces: int = 20) -> torch.Tensor:
    """All 329 functions of frames that have equal sizes, `(n, a, 329)` in single precision."""
    functions = SymmetryFunctions(*document_set("329"))
    positions, cell, _ = frames.tensors(torch.float32)
    parts = range(0, len(frames), pieces)
    return torch.cat([functions(positions[at : at + pieces], cell[at : at + pieces]) for at in parts])


def prepared(frames: Frames, functions: torch.Tensor, *, seed: int) -> Scaled:
    """The frames in three parts by trajectory, scaled by the training part."""
    energies = torch.tensor(frames.energy)
    rows = [torch.tensor(part) for part in frames.split(validation=0.2, test=0.2, seed=seed)]
    return scaled(*((functions[part], energies[part]) for part in rows))


def records_of(data: Scaled, *, seed: int, effort: Effort = Effort()) -> Iterator[Trained | Walked | Cost]:  # noqa: B008
    """Everything for one seed."""
    chosen: dict[str, list[int]] = {name: document_columns(name) for name in SETS}
    groups = {name: [*columns] for name, columns in GROUPS.items()}
    found: dict[str, dict[str, list[int]]] = {"sets": chosen, "groups": groups}
    for method, search in (("lassonet", _by_lassonet), ("weights", _by_score), ("permutation", _by_score)):
        started = time.process_time()
        walked, found[method] = search(data, method, seed, effort)
        yield from walked
        yield Cost(method, seed, time.process_time() - started)
    found["uncorrelated"] = {f"{count} uncorrelated": uncorrelated(data.train[0], count=count).tolist() for count in (57, 30)}
    yield from _compared(data, found, seed, effort.compared)
    yield from _left_out(data, seed, effort.others)
    yield from _counted(data, seed, effort.others)
    yield from _forests(data.only(document_columns("22")), seed)


def _by_lassonet(data: Scaled, method: str, seed: int, effort: Effort) -> tuple[list[Walked], dict[str, list[int]]]:
    """The path, and the functions in use where it first has no more than some numbers of them."""
    run = path(data, seeds=seed, order_seed=seed, dense_epochs=effort.others, epochs=effort.path, growth=1.3, least=1)
    walked = []
    for step in run:
        columns = np.flatnonzero(step.selected[0])
        strength = tuple(step.strength[0][columns].tolist())
        walked.append(Walked(step.penalty, tuple(columns.tolist()), strength, seed, float(step.validation_rmse[0])))
    steps = {run.at_most(count).number: run.at_most(count) for count in LEAST}
    subsets = [np.flatnonzero(step.selected[0]).tolist() for step in steps.values()]
    return walked, {f"LassoNet, {len(columns)}": columns for columns in subsets if columns}


def _by_score(data: Scaled, method: str, seed: int, effort: Effort) -> tuple[list[Walked], dict[str, list[int]]]:
    """Rounds of elimination down to ten functions: the first that has no more than 57, and the best of those that have not."""
    rounds = list(backward(data, score=method, drop=0.4, least=10, seeds=[seed], epochs=effort.others, order_seed=seed))
    few = [one for one in rounds if len(one.columns) <= MOST]
    best = min(few, key=lambda one: one.validation_rmse.mean())
    return [], {f"by {method}, {len(one.columns)}": [*one.columns] for one in (few[0], best)}


def _compared(data: Scaled, found: Mapping[str, Mapping[str, list[int]]], seed: int, epochs: int) -> Iterator[Trained]:
    """Train every subset from the same first weights, all at once, and judge it on the test part."""
    named = [(study, name, columns) for study, subsets in found.items() for name, columns in subsets.items()]
    run = fit(data, masks=[columns for _, _, columns in named], seeds=seed, order_seed=seed, epochs=epochs)
    list(run)
    errors = zip(*(run.rmse(part).tolist() for part in ("train", "validation", "test")), strict=True)
    for (study, name, columns), values in zip(named, errors, strict=True):
        yield Trained(study, name, len(columns), tuple(columns), seed, *values)


def trained_long(data: Scaled, records: Sequence[Any], *, seed: int, effort: Effort = Effort()) -> Iterator[Trained]:  # noqa: B008
    """All functions, set A, and what LassoNet chose for this seed, each trained to the end."""
    models = table(records)
    walked = models[(models["study"] == "lassonet") & (models["features"] <= MOST) & (models["seed"] == seed)]
    chosen = list(walked.loc[walked["validation"].idxmin(), "columns"])
    for name, columns in (("329", range(data.features)), ("57A", document_columns("57A")), ("LassoNet", chosen)):
        run = fit(data.only([*columns]), seeds=seed, order_seed=seed, epochs=effort.patient)
        list(run)
        errors = (float(run.rmse(part)[0]) for part in ("train", "validation", "test"))
        yield Trained("patient", name, len(columns), tuple(columns), seed, *errors)


def _left_out(data: Scaled, seed: int, epochs: int) -> Iterator[Trained]:
    columns = np.array(document_columns("57A"))
    for result in leave_one_out(data.only(columns), seeds=[seed], epochs=epochs):
        whole = np.nan, result.full_validation, result.full_test
        yield Trained("leave one out", "none", len(columns), tuple(columns.tolist()), seed, *whole)
        for column, validation, test in zip(columns, result.validation, result.test, strict=True):
            left = tuple(columns[columns != column].tolist())
            yield Trained("leave one out", str(column), len(left), left, seed, np.nan, float(validation), float(test))


def _counted(data: Scaled, seed: int, epochs: int) -> Iterator[Trained]:
    """Equally spaced subsets of every size, two of each for one seed, as many as the document trained over five seeds."""
    shifts = np.random.default_rng(seed).uniform(size=2)
    masks = [spread(count, data.features, shift=shift) for count in COUNTS for shift in shifts]
    run = fit(data, masks=masks, seeds=seed, order_seed=seed, epochs=epochs)
    list(run)
    errors = zip(*(run.rmse(part).tolist() for part in ("train", "validation", "test")), strict=True)
    for mask, values in zip(masks, errors, strict=True):
        yield Trained("counts", f"{len(mask)} equally spaced", len(mask), tuple(mask.tolist()), seed, *values)


def _forests(data: Scaled, seed: int) -> Iterator[Trained]:
    models = [fit_forest(data, form, trees=TREES, seed=seed) for form in FORMS] + [fit_linear(data), fit_constant(data)]
    for model in models:
        columns = tuple(data.columns.tolist())
        yield Trained("forest", model.form, len(columns), columns, seed, model.train_rmse, np.nan, model.rmse)


# Reading ------------------------------------------------------------------------------------------------------------------


def table(records: Sequence[Any]) -> pd.DataFrame:
    """Trained models, one row each."""
    rows = [one for one in records if isinstance(one, Trained)]
    return pd.DataFrame([vars(one) for one in rows])


def against_all(records: Sequence[Any]) -> pd.DataFrame:
    """Every compared subset beside all 329 functions: means over the seeds and paired tests of the test RMSE.

    What a method chose for each seed has one row, whatever number of functions it has there; of several subsets of LassoNet
    the one with the least validation error counts, and so for the others.
    """
    models = table(records)
    means = models.groupby(["study", "name", "features", "seed"], as_index=False)[["train", "validation", "test"]].mean()
    whole = means[(means["study"] == "sets") & (means["name"] == "329")].set_index("seed")["test"]
    rows = []
    for name, own in _candidates(means):
        own = own.set_index("seed").sort_index()
        test = paired(own["test"], whole.loc[own.index])
        rows.append(
            [name, own["features"].mean(), own["features"].max(), own["validation"].mean(), own["test"].mean(), *_shown(test)]
        )
    heads = [
        "functions chosen by",
        "features",
        "most",
        "validation",
        "test",
        "minus 329",
        "low",
        "high",
        "p worse",
        "not worse",
    ]
    return pd.DataFrame(rows, columns=heads).sort_values("test", ignore_index=True)


def patient(records: Sequence[Any]) -> pd.DataFrame:
    """The subsets that were trained to the end beside all 329 functions, as `against_all`."""
    own = table(records)
    own = own[own["study"] == "patient"].set_index("seed").sort_index()
    whole, rows = own[own["name"] == "329"], []
    for name, each in own.groupby("name"):
        shown = _shown(paired(each["test"], whole.loc[each.index, "test"]))
        rows.append(
            [name, each["features"].mean(), each["train"].mean(), each["validation"].mean(), each["test"].mean(), *shown]
        )
    heads = ["functions", "features", "train", "validation", "test", "minus 329", "low", "high", "p worse", "not worse"]
    return pd.DataFrame(rows, columns=heads).sort_values("test", ignore_index=True)


def _candidates(means: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    for study in ("lassonet", "weights", "permutation"):
        own = means[(means["study"] == study) & (means["features"] <= MOST)]
        yield study, own.loc[own.groupby("seed")["validation"].idxmin()]
    for study in ("sets", "groups", "uncorrelated"):
        for name, own in means[means["study"] == study].groupby("name"):
            if name != "329":
                yield str(name), own


def _shown(test: Paired) -> tuple[float, float, float, float, bool]:
    return test.difference, test.low, test.high, test.p_worse, test.not_worse()


# Recording ----------------------------------------------------------------------------------------------------------------


def record(
    folder: str | Path, *, seeds: Sequence[int], cells: aluminium.Scale = CELLS, effort: Effort = Effort()
) -> Iterator[Path]:  # noqa: B008
    """Compute all seeds, two files each; what is there already is not computed again.

    Yields:
        Each file, once it is complete.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    first = [Path(folder) / f"{seed}.npz" for seed in seeds]
    second = [Path(folder) / f"{seed}_patient.npz" for seed in seeds]
    if not all(one.exists() for one in (*first, *second)):
        frames = aluminium.emt(cells, folder=Path(folder) / "emt", progress=True)
        functions = descriptors(frames)
    for file, seed in [*zip(first, seeds, strict=True), *zip(second, seeds, strict=True)]:
        if not file.exists():
            data = prepared(frames, functions, seed=seed)
            known = load(Path(folder) / f"{seed}.npz") if file in second else None
            compute = (
                records_of(data, seed=seed, effort=effort)
                if known is None
                else trained_long(data, known, seed=seed, effort=effort)
            )
            settings = {"seed": seed, "frames": len(frames), "effort": vars(effort)}
            recordings.save(file, [_packed(one) for one in compute], settings=settings, title=TITLE)
        yield file


def merge(folder: str | Path, path: str | Path) -> None:
    """Join the files of all seeds in a folder into one recording.

    Raises:
        FileNotFoundError: the folder holds no finished seed.
    """
    files = sorted(Path(folder).glob("[0-9]*.npz"), key=lambda file: (int(file.stem.partition("_")[0]), file.stem))
    if not files:
        raise FileNotFoundError(f"{folder}: no finished seed")
    loaded = [recordings.load(file) for file in files]
    found = [_packed(_record(one)) for each in loaded for one in each.records]
    seeds = sorted({each.settings["seed"] for each in loaded})
    provenance = recordings.provenance(data={"name": "aluminium, EMT"}, seeds=seeds)
    recordings.save(path, found, settings=loaded[0].settings | {"seeds": seeds}, title=TITLE, provenance=provenance)


def load(path: str | Path) -> list[Trained | Walked | Cost]:
    """Records of a recording."""
    return [_record(one) for one in recordings.load(path).records]


def _record(fields: Mapping[str, Any]) -> Trained | Walked | Cost:
    kind = next(kind for name, kind in (("study", Trained), ("penalty", Walked), ("method", Cost)) if name in fields)
    return kind(**{name: tuple(np.asarray(value).tolist()) if name in SERIES else value for name, value in fields.items()})


def _packed(one: Trained | Walked | Cost) -> dict[str, Any]:
    """The fields, series of numbers as one array each: a file holds a member for each, not one for every number."""
    return {name: np.array(value, dtype=SERIES[name]) if name in SERIES else value for name, value in vars(one).items()}
