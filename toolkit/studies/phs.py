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

import numpy as np
import pandas as pd
import torch
from torch.nn import functional

from toolkit import datasets, networks, optim, published, recordings, training
from toolkit.studies import running

TABLES = {"fashion_mnist": "burghoff_table_3_2_phs_fashionmnist", "cifar10": "burghoff_table_3_1_phs_cifar10"}
READINGS = ("implied", "printed")
RUNS = {  # optimizer of a row: name of its run in figures and panels
    "sgd": "SGD",
    "phs": "port-Hamiltonian",
    "goal_oriented": "goal-oriented",
    "matched_sgd": "SGD, matched",
    "step_decay": "step decay",
}
BRAKED = ("goal_oriented", "step_decay")
TITLE, BATCH = "chapter 3, ", 64
CLAIMED_GAIN = 0.005  # "about 0.5 points" of accuracy by braking
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


def settings(dataset: str) -> list[dict[str, Any]]:
    """The published `rows`, then the baselines that the document lacks, one for each ball: they start from the same step.

    A ball without brake gets "matched_sgd", SGD with the momentum that the ball is equal to (see `optim.sgd_settings`); one
    with brake gets "step_decay", the same SGD whose learning rate is divided by the brake factor where the ball would brake.

    >>> [row["optimizer"] for row in settings("cifar10")][20:22], len(settings("cifar10"))
    (['matched_sgd', 'step_decay'], 36)
    """
    baseline = {"phs": "matched_sgd", "goal_oriented": "step_decay"}
    published_rows = rows(dataset)
    balls = [row for row in published_rows if row["optimizer"] in baseline]
    return published_rows + [row | {"optimizer": baseline[row["optimizer"]]} for row in balls]


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
    """The training run of one published row or baseline.

    Args:
        row: its settings, see `settings`.
        data: the set to train on.
        epochs: passes over the training split.
        seed: of the weights and of the order of the samples.
        reading: of the friction, one of `READINGS`.
        checkpoint: see `training.fit`.
    """
    model = networks.lenet(data.input_shape, data.n_classes, seed=seed)
    optimizer = _optimizer(model, row, reading)
    brake = None
    if row["optimizer"] in BRAKED:
        setting = "friction" if row["optimizer"] == "goal_oriented" else "lr"
        brake = optim.GoalBrake(optimizer, goal=row["brake_at"], factor=row["brake_factor"], setting=setting)
    return training.fit(
        model, data, loss=functional.cross_entropy, optimizer=optimizer, epochs=epochs, batch_size=BATCH, metrics=["accuracy"],
        scheduler=brake, seed=seed, checkpoint=checkpoint,
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
        only: numbers in `settings`; None takes the published rows.
        workers: runs at a time, one core each.

    Yields:
        The file of each finished run.

    Raises:
        RuntimeError: a run failed; the others are done first.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    numbers = range(len(rows(dataset))) if only is None else only
    common = {"folder": str(folder), "dataset": dataset, "epochs": epochs, "reading": reading}
    wanted = [common | {"number": number, "seed": seed} for seed, number in itertools.product(seeds, numbers)]
    return running.done(record_run, wanted, workers=workers, name=("number", "seed"))


def record_run(folder: str, dataset: str, number: int, seed: int, epochs: int, reading: str) -> dict[str, str]:
    """Train one row with one seed and write its file, unless it is there; an interrupted run goes on from its checkpoint.

    A braked run does until its brake goes on what the same run without the brake does. So that one leaves the checkpoint from
    which the braked one goes on; without it the braked one begins at the beginning, with the same result.
    """
    path = Path(folder) / f"{number:02d}_{seed}.npz"
    if not path.exists():
        row, data = settings(dataset)[number], datasets.load(dataset)
        run = build(row, data, epochs=epochs, seed=seed, reading=reading, checkpoint=running.checkpoint(path))
        twin, its_path = _braked_twin(dataset, number), Path(folder) / f"{number + 1:02d}_{seed}.npz"
        for record in run:
            if twin and _parts(record, twin, run) and not (its_path.exists() or running.checkpoint(its_path).exists()):
                recordings.save_state(running.checkpoint(its_path), braked_state(run, twin, data, reading=reading))
        _save(path, run, row, reading, data)
        running.checkpoint(path).unlink(missing_ok=True)
    return {"path": str(path)}


def braked_state(
    run: training.Fit, row: Mapping[str, Any], data: datasets.Dataset, *, reading: str = "implied"
) -> dict[str, Any]:
    """The state that the braked run of a row would have where the run without the brake stands, at the end of an epoch."""
    twin = build(row, data, epochs=run.epochs, seed=run.seed, reading=reading)
    own = twin.state_dict()
    records = [(*numbers, metrics | {"braked": 0.0}, diverged) for *numbers, metrics, diverged in run.state_dict()["records"]]
    twin.load_state_dict(run.state_dict() | {name: own[name] for name in ("settings", "schedulers")} | {"records": records})
    brake, losses = (
        twin.schedulers[0],
        [record.metrics["train_loss"] for record in run.records if "train_loss" in record.metrics],
    )
    brake.start(losses[0])
    for loss in losses[1:]:
        brake.step(loss)
    return twin.state_dict()


def merge(folder: str | Path, path: str | Path) -> None:
    """Join the files of all finished runs in a folder, and the runs that `path` holds already, into one recording.

    Raises:
        FileNotFoundError: the folder holds no finished run.
    """
    running.join(folder, path, record=training.Record)


def results(path: str | Path) -> pd.DataFrame:
    """One line per recorded run: the settings of the row, the seed, and the accuracies on the test split.

    `accuracy` is that after the last epoch, `best` that at the least validation loss; both are nan for a run that diverged.
    `braked_in` is the epoch in which the brake went on, nan if it never did.
    """
    recording = recordings.load(path, record=training.Record)
    runs = _by_run(recording.records)
    return pd.DataFrame([_result(run_settings, runs[name]) for name, run_settings in recording.settings.items()])


def gains(path: str | Path) -> pd.DataFrame:
    """What braking gained in test accuracy, row by row, and whether the claimed half a point holds.

    The gain of a seed is the accuracy of the braked run minus that of the same run without the brake: both have the same
    weights and the same batches until the brake goes on. `low` and `high` bound the mean gain with 95 % confidence, by
    Student's distribution over the seeds. `over_step_decay` is the mean gain over the matched step decay, where recorded.

    Returns:
        The settings of each braked row, then `braked` (runs of how many seeds reached the goal), `seeds`, `published`, `gain`,
        `low`, `high`, `over_step_decay` and `verdict`: "holds" where the interval lies at or above half a point, "does not
        hold" where it lies below, "goal never reached", or "undecided".
    """
    dataset = _dataset(path)
    printed = {_key(row): row["accuracy"] for row in published.table(TABLES[dataset]).to_dict("records")}
    runs: dict[tuple, dict[int, dict[str, Any]]] = {}
    for result in results(path).to_dict("records"):
        runs.setdefault(_key(result), {})[result["seed"]] = result
    braked_rows = [row for row in rows(dataset) if row["optimizer"] == "goal_oriented"]
    return pd.DataFrame([_gain(row, runs, printed) for row in braked_rows if _key(row) in runs])


def remarks(path: str | Path) -> dict[tuple, list[str]]:
    """What a reader should know of each recorded row: what was not published but chosen here, and when the brake went on.

    For `published.compare(..., on=KEYS, remarks=...)`.
    """
    said = {}
    for _, runs in results(path).groupby(list(KEYS), dropna=False, sort=False):
        first, braked = runs.iloc[0], runs["braked_in"].dropna()
        sentences = [f"ours: batch size {BATCH}, {first['epochs']} epochs, {len(runs)} seed{'s' * (len(runs) > 1)}"]
        if first["optimizer"] in BRAKED and len(braked) < len(runs):
            sentences.append(f"goal not reached with {len(runs) - len(braked)} of {len(runs)} seeds")
        if len(braked):
            sentences.append(f"braked in epoch {', '.join(f'{epoch:.0f}' for epoch in braked)}")
        said[tuple(None if pd.isna(first[key]) else first[key] for key in KEYS)] = sentences
    return said


def race(
    path: str | Path, *, learning_rate: float, mass: float, friction: float, seed: int
) -> tuple[dict[str, Any], list[training.Record]]:
    """One ball and its rivals of one seed: what they were run with, and their records, named as in `RUNS`.

    Args:
        path: a recording.
        learning_rate: step of time α.
        mass: m.
        friction: ρ as `optim.PortHamiltonian` takes it.
        seed: of the runs.

    Returns:
        `epochs`, `batch_size`, `runs` and, where one of them has a brake, `goal` and `factor`; the records in the order of
        their steps.

    Raises:
        ValueError: no such ball is in the recording.
    """
    recording = recordings.load(path, record=training.Record)
    wanted = _digits(learning_rate), _digits(mass), _digits(friction), seed
    balls = {name: (*_ball(run), run["seed"]) for name, run in recording.settings.items() if "mass" in run["row"]}
    if wanted not in balls.values():
        known = sorted(set(balls.values()), reverse=True)
        raise ValueError(f"{path}: no ball with (α, m, ρ, seed) = {wanted}; recorded are {known}")
    rivals = {name for name, run in recording.settings.items() if _is_sgd(run, learning_rate, seed)}
    runs = {name: recording.settings[name] for name in recording.settings if name in rivals or balls.get(name) == wanted}
    names = {name: RUNS[run["row"]["optimizer"]] for name, run in runs.items()}
    records = [replace(record, run=names[record.run]) for record in recording.records if record.run in names]
    braked = next((run["row"] for run in runs.values() if "brake_at" in run["row"]), None)
    common = {key: next(iter(runs.values()))[key] for key in ("epochs", "batch_size")} | {"runs": list(names.values())}
    brake = {"goal": braked["brake_at"], "factor": braked["brake_factor"]} if braked else {}
    return common | brake, sorted(records, key=lambda record: record.step)


def averaged(path: str | Path) -> tuple[dict[str, Any], list[training.Record]]:
    """The balls as one population: what it was run with, and records with `(k,)` values, means over the seeds.

    The members are the rows of the table that have a mass, in its order; a row that was not recorded is nan.

    Returns:
        `dataset`, `epochs` and `batch_size`; the records.
    """
    dataset = _dataset(path)
    recording = recordings.load(path, record=training.Record)
    runs = _by_run(recording.records)
    balls = [_key(row) for row in rows(dataset) if "mass" in row]
    members: list[list[list[training.Record]]] = [[] for _ in balls]
    for name, run in recording.settings.items():
        if _key(run["row"]) in balls:
            members[balls.index(_key(run["row"]))].append(runs[name])
    longest = max((run for member in members for run in member), key=len)
    common = {key: next(iter(recording.settings.values()))[key] for key in ("epochs", "batch_size")}
    return common | {"dataset": dataset}, [_averaged(members, record) for record in longest]


def origin(path: str | Path) -> str:
    """Where and when a recording was made, in a few words."""
    return recordings.load(path).origin


def is_recording(path: str | Path) -> bool:
    """Whether a file holds runs of this study."""
    return recordings.load(path).title.startswith(TITLE)


def _optimizer(model: torch.nn.Module, row: Mapping[str, Any], reading: str) -> torch.optim.Optimizer:
    if row["optimizer"] == "sgd":
        return torch.optim.SGD(model.parameters(), lr=row["learning_rate"])
    ball = row["learning_rate"], row["mass"], friction(row, reading)
    if row["optimizer"] in ("matched_sgd", "step_decay"):
        return torch.optim.SGD(model.parameters(), **optim.sgd_settings(*ball, scheme="exponential"))
    return optim.PortHamiltonian(model.parameters(), ball[0], mass=ball[1], friction=ball[2])


def _braked_twin(dataset: str, number: int) -> dict[str, Any] | None:
    """The braked row that follows the row of a ball without brake."""
    row, *following = settings(dataset)[number : number + 2]
    return following[0] if row["optimizer"] == "phs" and following else None


def _parts(record: training.Record, twin: Mapping[str, Any], run: training.Fit) -> bool:
    """Whether the brake of the twin goes on after this record, or never will."""
    ended = record.epoch == run.epochs and not record.diverged
    return record.step > 0 and (ended or record.metrics.get("train_loss", math.inf) <= twin["brake_at"])


def _by_run(records: Sequence[training.Record]) -> dict[str, list[training.Record]]:
    runs: dict[str, list[training.Record]] = {}
    for record in records:
        runs.setdefault(record.run, []).append(record)
    return runs


def _dataset(path: str | Path) -> str:
    title = recordings.load(path).title
    for dataset in TABLES:
        if title.startswith(f"{TITLE}{dataset}"):
            return dataset
    raise ValueError(f"{path}: a recording of {title!r}, not of Table 3.1 or 3.2")


def _key(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Identifies a row: its optimizer and the digits of its settings."""
    return tuple(str(row[key]) if key == "optimizer" else f"{row.get(key, math.nan):.6g}" for key in KEYS)


def _digits(number: float) -> float:
    """The number as a slider shows it."""
    return float(f"{number:.4g}")


def _ball(run: Mapping[str, Any]) -> tuple[float, float, float]:
    row = run["row"]
    return _digits(row["learning_rate"]), _digits(row["mass"]), _digits(friction(row, run["reading"]))


def _is_sgd(run: Mapping[str, Any], learning_rate: float, seed: int) -> bool:
    row = run["row"]
    return row["optimizer"] == "sgd" and run["seed"] == seed and _digits(row["learning_rate"]) == _digits(learning_rate)


def _result(settings: Mapping[str, Any], records: Sequence[training.Record]) -> dict[str, Any]:
    result = settings["result"]
    row = {key: settings["row"].get(key, math.nan) for key in KEYS}
    diverged = any(record.diverged for record in records)
    best = math.nan if result["best_test_accuracy"] is None else result["best_test_accuracy"]
    return row | {
        "seed": settings["seed"],
        "epochs": settings["epochs"],
        "accuracy": math.nan if diverged else result["test_accuracy"],
        "best": best,
        "braked_in": next((record.epoch for record in records if record.metrics.get("braked")), math.nan),
    }


def _gain(
    row: Mapping[str, Any], runs: Mapping[tuple, Mapping[int, Mapping]], printed: Mapping[tuple, float]
) -> dict[str, Any]:
    without = {key: value for key, value in row.items() if not key.startswith("brake")} | {"optimizer": "phs"}
    braked, free, decayed = (runs.get(_key(one), {}) for one in (row, without, row | {"optimizer": "step_decay"}))
    by_seed = [braked[seed]["accuracy"] - free[seed]["accuracy"] for seed in braked if seed in free]
    over_decay = [braked[seed]["accuracy"] - decayed[seed]["accuracy"] for seed in braked if seed in decayed]
    reached = sum(not math.isnan(run["braked_in"]) for run in braked.values())
    mean, low, high = running.interval(by_seed)
    verdict = "holds" if low >= CLAIMED_GAIN else "does not hold" if high < CLAIMED_GAIN else "undecided"
    return {
        **{key: row[key] for key in KEYS if key != "optimizer"},
        "braked": reached,
        "seeds": len(by_seed),
        "published": printed[_key(row)] - printed[_key(without)],
        "gain": mean,
        "low": low,
        "high": high,
        "over_step_decay": float(np.mean(over_decay)) if over_decay else math.nan,
        "verdict": verdict if reached else "goal never reached",
    }


def _averaged(members: Sequence[Sequence[Sequence[training.Record]]], at: training.Record) -> training.Record:
    """The population's record at the step of one record: of every member the mean over its runs, nan once one of them ended."""
    values = {name: np.full(len(members), math.nan) for name in at.metrics}
    for number, runs in enumerate(members):
        there = [record.metrics for run in runs for record in run if record.step == at.step]
        if runs and len(there) == len(runs):
            for name in at.metrics:
                values[name][number] = np.mean([metrics.get(name, math.nan) for metrics in there])
    return training.Record(at.epoch, at.step, at.seconds, values)


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
    recordings.save(path, run.records, settings=settings, title=f"{TITLE}{data.name}", provenance=provenance)


def _test_accuracy(run: training.Fit, data: datasets.Dataset) -> float:
    return training.evaluate(run.model, data.test, normalise=data.normalise)["accuracy"]
