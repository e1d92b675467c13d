"""Table 7.2 of Burghoff, re-enacted on simulated clinics: isolated and merged predictions, with and without a penalty.

The document's pictures are private. Here `datasets.patients` draws as many patients of two clinics, with about as many events
and as long a follow-up; the two scanners differ. Each seed draws its own patients, split and weights.

Not published and chosen here: the strength λ of the penalty, pictures of 40x50 pixels, the VGG-like network at an eighth of its
width, last epoch. The document trains on pictures of clinic A alone. The arms "both" also show the network B's pictures,
without outcomes, as the same penalty can only bring down a level that it sees.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.special import stdtrit

from toolkit import networks, recordings, sweep
from toolkit.datasets import patients
from toolkit.survival import domain, merged, metrics
from toolkit.survival.network import CoxNetwork

TABLE = "burghoff_table_7_2_survival_metrics"
KEYS = ("regularization", "evaluation", "dataset", "merge")
SHRINK = 8
STRENGTH = 1.0
PARTS = {
    "A": ("isolated", "A_test", np.nan),
    "B": ("isolated", "B", np.nan),
    "naive": ("merged", "A_test_and_B", "naive"),
    "standardised": ("merged", "A_test_and_B", "standardized"),
}


@dataclass(frozen=True)
class Arm:
    """A way to train: the penalty's kind, and the clinics whose pictures are seen without outcomes."""

    penalty: str
    unlabelled: tuple[str, ...] = ()


@dataclass(frozen=True)
class Size:
    """How many patients, as a multiple of the published numbers, and how long they are trained on."""

    times: int
    epochs: int
    batch_size: int


ARMS = {
    "none": Arm("none"),
    "mean": Arm("mean"),
    "l2": Arm("l2"),
    "mean, both": Arm("mean", ("B",)),
}
SIZES = {"published": Size(1, epochs=50, batch_size=5), "fourfold": Size(4, epochs=15, batch_size=20)}


def record(
    folder: str | Path,
    *,
    size: str,
    seeds: Sequence[int],
    arms: Sequence[str] = tuple(ARMS),
    strength: float = STRENGTH,
    workers: int = 1,
) -> Iterator[Path]:
    """Train every arm with every seed, one file a run; what lies in the folder already is not done again.

    Args:
        folder: for the files `<seed>_<arm>.npz` and the checkpoints of unfinished runs.
        size: one of `SIZES`.
        seeds: of patients, split and weights.
        arms: some of `ARMS`.
        strength: λ of the penalty.
        workers: runs at a time, one core each.

    Yields:
        The file of each finished run.

    Raises:
        ValueError: an unknown size or arm.
        RuntimeError: a run failed; the others are done first.
    """
    _check(size, arms)
    Path(folder).mkdir(parents=True, exist_ok=True)
    common = {"folder": str(folder), "size": size, "strength": strength}
    settings = [common | {"seed": seed, "arm": arm} for seed, arm in itertools.product(seeds, arms)]
    failed = []
    for done in sweep.run(record_run, settings, workers=workers, progress=False):
        if done.error:
            failed.append(f"arm {done.settings['arm']}, seed {done.settings['seed']}: {done.error}")
        else:
            yield Path(done.result["path"])
    if failed:
        raise RuntimeError("\n".join(failed))


def record_run(folder: str, size: str, arm: str, seed: int, strength: float) -> dict[str, str]:
    """Train one arm with one seed and write its predictions, unless they are there; an interrupted run goes on."""
    path = Path(folder) / f"{seed:02d}_{arm.replace(', ', '_')}.npz"
    if not path.exists():
        cohort, data = clinics(size, arm=arm, seed=seed)
        checkpoint = path.with_suffix(".checkpoint.npz")
        model, run = build(data, size=size, arm=arm, seed=seed, strength=strength, checkpoint=checkpoint)
        for _ in run:
            pass
        settings = {"size": size, "strength": strength, "epochs": run.epochs, "batch_size": run.batch_size, "shrink": SHRINK}
        provenance = recordings.provenance(data={"name": data.name, "sha256": data.fingerprint()}, seeds=[seed])
        result = {"seed": seed, "arm": arm} | _predictions(model, data, cohort)
        recordings.save(path, [result], settings=settings, title=f"chapter 7, {size}", provenance=provenance)
        checkpoint.unlink(missing_ok=True)
    return {"path": str(path)}


def clinics(size: str, *, arm: str, seed: int) -> tuple[patients.Cohort, patients.Dataset]:
    """The simulated patients of one seed, and the data set on which an arm trains."""
    times = SIZES[size].times
    both = [replace(clinic, patients=times * clinic.patients) for clinic in (patients.A, patients.B)]
    cohort = patients.simulate(both, seed=seed)
    return cohort, patients.dataset(cohort, unlabelled=ARMS[arm].unlabelled, seed=seed)


def build(
    data: patients.Dataset, *, size: str, arm: str, seed: int, strength: float = STRENGTH, checkpoint: Path | None = None
) -> tuple[CoxNetwork, Any]:
    """The network and its training run: Adam with a learning rate of 0.001, event-stratified batches."""
    model = CoxNetwork(networks.vgg(data.input_shape, shrink=SHRINK, seed=seed), data)
    loss = domain.ClinicLoss(penalty=domain.PENALTIES[ARMS[arm].penalty], strength=strength)
    run = model.fit(
        epochs=SIZES[size].epochs, batch_size=SIZES[size].batch_size, loss=loss, seed=seed, checkpoint=checkpoint, device="cpu"
    )
    return model, run


def merge(folder: str | Path, path: str | Path) -> None:
    """Join the files of all finished runs in a folder into one recording.

    Raises:
        FileNotFoundError: the folder holds no finished run.
    """
    files = [file for file in sorted(Path(folder).glob("[0-9]*_*.npz")) if "checkpoint" not in file.name]
    if not files:
        raise FileNotFoundError(f"{folder}: no finished run")
    runs = [recordings.load(file) for file in files]
    newest = max(runs, key=lambda run: run.provenance["date"])
    records = [record for run in runs for record in run.records]
    recordings.save(path, records, settings=newest.settings, title=newest.title, provenance=newest.provenance)


def results(path: str | Path) -> pd.DataFrame:
    """One line per run, part of Table 7.2 and metric, with the columns of the published table beside arm and seed."""
    rows = [row for record in recordings.load(path).records for row in _rows(record)]
    return pd.DataFrame(rows, columns=["arm", "seed", "part", *KEYS, "metric", "value", "low", "high"])


def gains(path: str | Path) -> pd.DataFrame:
    """What each arm and each way of merging adds to the naively merged concordance without a penalty, run by run.

    Returns:
        Arm and part; mean over the seeds of the difference, the bounds of its 95 % interval by Student's distribution, and
        whether they exclude 0. Runs with the same seed share patients, split and initial weights.
    """
    found = results(path)
    values = found[(found["metric"] == "c_index") & found["part"].isin(merged.MERGES)]
    table = values.pivot(index="seed", columns=["arm", "part"], values="value")
    differences = table.sub(table["none", "naive"], axis=0).drop(columns=[("none", "naive")])
    mean, n = differences.mean(), differences.notna().sum()
    half = stdtrit(n - 1, 0.975) * differences.std() / np.sqrt(n)
    result = pd.DataFrame({"gain": mean, "low": mean - half, "high": mean + half, "seeds": n}).reset_index()
    return result.assign(beyond_its_interval=(result["low"] > 0) | (result["high"] < 0))


def origin(path: str | Path) -> str:
    """Where and when a recording was made, in a few words."""
    provenance = recordings.load(path).provenance
    return f"recorded on {provenance['device']}, {provenance['date'][:10]}"


def _predictions(model: CoxNetwork, data: patients.Dataset, cohort: patients.Cohort) -> dict[str, np.ndarray]:
    """Outcomes, predicted and true log hazards of the test patients."""
    inputs, targets = data.test
    patient = targets[:, 3]
    true = patients.per_patient(cohort.log_hazard, cohort.targets[:, 3])[patient.unique().long()]
    return {
        "outcomes": patients.per_patient(targets[:, :3], patient).numpy(),
        "log_hazard": patients.per_patient(model.log_hazard(inputs), patient).numpy(),
        "true": true.numpy(),
    }


def _rows(record: dict[str, Any]) -> Iterator[list[Any]]:
    time, event, clinic = torch.from_numpy(record["outcomes"]).T
    log_hazard = torch.from_numpy(record["log_hazard"])
    standardised = domain.standardise(log_hazard, clinic)
    everyone = torch.ones_like(clinic, dtype=torch.bool)
    rows_of = {"A": clinic == 0, "B": clinic == 1, "naive": everyone, "standardised": everyone}
    found = merged.concordances(time, event, log_hazard, clinic)
    for part, keys in PARTS.items():
        known = [record["arm"], record["seed"], part, ARMS[record["arm"]].penalty != "none", *keys]
        rows, values = rows_of[part], standardised if part == "standardised" else log_hazard
        yield [*known, "c_index", found[part].value, found[part].low, found[part].high]
        yield [*known, "auroc", metrics.auroc(event[rows], values[rows]), np.nan, np.nan]


def _check(size: str, arms: Sequence[str]) -> None:
    if size not in SIZES:
        raise ValueError(f"size must be one of {tuple(SIZES)}, got {size!r}")
    for arm in arms:
        if arm not in ARMS:
            raise ValueError(f"arms must be some of {tuple(ARMS)}, got {arm!r}")
