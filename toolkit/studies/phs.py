"""Tables 3.1 and 3.2 of Burghoff: SGD, the heavy ball and the goal-oriented heavy ball on CIFAR-10 and Fashion-MNIST.

Not published and chosen here: batch size 64, number of epochs, seeds, the reading of the goal as an absolute training loss.

The friction column has two readings. As the equations are *printed*, a step takes the share αρ/m of the momentum. But the
tables contradict that: settings with equal α²/m and equal αρ have equal accuracies (66.01 and 66.00, 62.98 and 62.93, 90.36
and 90.49, 83.31 and 83.28 percent) although their αρ/m differ up to a hundredfold. So a step seems to have taken the share
αρ, that is, the friction force was -ρp instead of -ρp/m; with this *implied* reading no braked row leaves the stable range
either. In the notation of `optim.PortHamiltonian` its friction is ρ m.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch.nn import functional

from toolkit import datasets, networks, optim, published, recordings, sweep, training

TABLES = {"fashion_mnist": "burghoff_table_3_2_phs_fashionmnist", "cifar10": "burghoff_table_3_1_phs_cifar10"}
READINGS = ("implied", "printed")
KEYS = ("learning_rate", "optimizer", "friction", "mass", "brake_at", "brake_factor")


def rows(dataset: str) -> list[dict[str, Any]]:
    """The settings of the published rows of one data set, in the order of the table.

    >>> len(rows("fashion_mnist")), rows("fashion_mnist")[1]["mass"]
    (20, 10.0)
    """
    if dataset not in TABLES:
        raise ValueError(f"dataset must be one of {tuple(TABLES)}, got {dataset!r}")
    table = published.table(TABLES[dataset])
    return [{key: row[key] for key in KEYS if pd.notna(row[key])} for row in table.to_dict("records")]


def friction(row: Mapping[str, Any], reading: str) -> float:
    """The friction ρ of `optim.PortHamiltonian` for a row of the tables in one of the two `READINGS`.

    >>> row = {"friction": 0.1, "mass": 10.0}
    >>> friction(row, "printed"), friction(row, "implied")
    (0.1, 1.0)
    """
    if reading not in READINGS:
        raise ValueError(f"reading must be one of {READINGS}, got {reading!r}")
    return row["friction"] * (row["mass"] if reading == "implied" else 1.0)


def build(
    row: Mapping[str, Any],
    data: datasets.Dataset,
    *,
    epochs: int,
    seed: int,
    reading: str = "implied",
    checkpoint: Path | None = None,
) -> training.Fit:
    """The training run of one published row.

    Args:
        row: its settings, see `rows`.
        data: the set to train on.
        epochs: passes over the training split.
        seed: of the weights and of the order of the samples.
        reading: of the friction, one of `READINGS`.
        checkpoint: see `training.fit`.
    """
    model = networks.lenet(data.input_shape, data.n_classes, seed=seed)
    if row["optimizer"] == "sgd":
        optimizer = torch.optim.SGD(model.parameters(), lr=row["learning_rate"])
    else:
        optimizer = optim.PortHamiltonian(
            model.parameters(), row["learning_rate"], mass=row["mass"], friction=friction(row, reading)
        )
    brake = None
    if row["optimizer"] == "goal_oriented":
        brake = optim.GoalBrake(optimizer, goal=row["brake_at"], factor=row["brake_factor"])
    return training.fit(
        model, data, loss=functional.cross_entropy, optimizer=optimizer, epochs=epochs, metrics=["accuracy"], scheduler=brake,
        seed=seed, checkpoint=checkpoint,
    )  # fmt: skip


def record(
    folder: str | Path,
    *,
    dataset: str,
    epochs: int,
    seeds: Sequence[int],
    reading: str = "implied",
    only: Sequence[int] | None = None,
    workers: int = 1,
) -> Iterator[Path]:
    """Train rows of a table with several seeds, one file a run; what lies in the folder already is not done again.

    Args:
        folder: for the files `<row>_<seed>.npz` and the checkpoints of unfinished runs.
        dataset: "fashion_mnist" or "cifar10".
        epochs: of each run.
        seeds: one run of each row for every seed, seed after seed.
        reading: of the friction, one of `READINGS`.
        only: numbers of rows; None takes all.
        workers: runs at a time, one core each.

    Yields:
        The file of each finished run.

    Raises:
        RuntimeError: a run failed; the others are done first.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    numbers = range(len(rows(dataset))) if only is None else only
    common = {"folder": str(folder), "dataset": dataset, "epochs": epochs, "reading": reading}
    settings = [common | {"number": number, "seed": seed} for seed, number in itertools.product(seeds, numbers)]
    failed = []
    for done in sweep.run(record_run, settings, workers=workers, progress=False):
        if done.error:
            failed.append(f"row {done.settings['number']}, seed {done.settings['seed']}: {done.error}")
        else:
            yield Path(done.result["path"])
    if failed:
        raise RuntimeError("\n".join(failed))


def record_run(folder: str, dataset: str, number: int, seed: int, epochs: int, reading: str) -> dict[str, str]:
    """Train one row with one seed and write its file, unless it is there; an interrupted run goes on from its checkpoint."""
    path = Path(folder) / f"{number:02d}_{seed}.npz"
    if not path.exists():
        row, data = rows(dataset)[number], datasets.load(dataset)
        checkpoint = path.with_suffix(".checkpoint.npz")
        run = build(row, data, epochs=epochs, seed=seed, reading=reading, checkpoint=checkpoint)
        for _ in run:
            pass
        _save(path, run, row, reading, data)
        checkpoint.unlink(missing_ok=True)
    return {"path": str(path)}


def merge(folder: str | Path, path: str | Path) -> None:
    """Join the files of all finished runs in a folder, and the runs that `path` holds already, into one recording.

    Raises:
        FileNotFoundError: the folder holds no finished run.
    """
    files = [file for file in sorted(Path(folder).glob("[0-9]*_[0-9]*.npz")) if "checkpoint" not in file.name]
    if not files:
        raise FileNotFoundError(f"{folder}: no finished run")
    new = {file.stem: recordings.load(file, record=training.Record) for file in files}
    newest = new[max(new, key=lambda name: new[name].provenance["date"])]
    settings = {name: run.settings for name, run in new.items()}
    records = [replace(record, run=name) for name, run in new.items() for record in run.records]
    if Path(path).exists():
        old = recordings.load(path, record=training.Record)
        settings = old.settings | settings
        records += [record for record in old.records if record.run not in new]
    settings = dict(sorted(settings.items()))
    records.sort(key=lambda record: (record.run, record.step))
    recordings.save(path, records, settings=settings, title=newest.title, provenance=newest.provenance)


def results(path: str | Path) -> pd.DataFrame:
    """One line per recorded run: the settings of the row, the seed, and the accuracies on the test split.

    `accuracy` is that after the last epoch, `best` that at the least validation loss; both are nan for a run that diverged.
    """
    recording = recordings.load(path, record=training.Record)
    diverged = {record.run for record in recording.records if record.diverged}
    return pd.DataFrame([_result(settings, name in diverged) for name, settings in recording.settings.items()])


def origin(path: str | Path) -> str:
    """Where and when a recording was made, in a few words."""
    provenance = recordings.load(path).provenance
    return f"recorded on {provenance['device']}, {provenance['date'][:10]}"


def _result(settings: Mapping[str, Any], diverged: bool) -> dict[str, Any]:
    result = settings["result"]
    row = {key: settings["row"].get(key, math.nan) for key in KEYS}
    accuracy = math.nan if diverged else result["test_accuracy"]
    best = math.nan if result["best_test_accuracy"] is None else result["best_test_accuracy"]
    return row | {"seed": settings["seed"], "epochs": settings["epochs"], "accuracy": accuracy, "best": best}


def _save(path: Path, run: training.Fit, row: Mapping[str, Any], reading: str, data: datasets.Dataset) -> None:
    result = {"test_accuracy": _test_accuracy(run, data), "best_epoch": run.best["epoch"], "best_test_accuracy": None}
    if run.best["model"] is not None:
        run.model.load_state_dict(run.best["model"])
        result["best_test_accuracy"] = _test_accuracy(run, data)
    settings = {
        "row": dict(row),
        "reading": reading,
        "epochs": run.epochs,
        "seed": run.seed,
        "batch_size": run.batch_size,
        "result": result,
    }
    provenance = recordings.provenance(data={"name": data.name, "sha256": data.fingerprint()}, seeds=[run.seed])
    recordings.save(path, run.records, settings=settings, title=f"chapter 3, {data.name}", provenance=provenance)


def _test_accuracy(run: training.Fit, data: datasets.Dataset) -> float:
    return training.evaluate(run.model, data.test, normalise=data.normalise)["accuracy"]
