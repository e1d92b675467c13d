"""Table 7.2 of Burghoff, re-enacted on simulated clinics: isolated and merged predictions, with and without a penalty.

The document's pictures are private. Here `datasets.patients` draws as many patients of two clinics, with about as many events
and as long a follow-up; the two scanners differ. Each seed draws its own patients, split and weights.

Not published and chosen here: the strength λ of the penalty, pictures of 24x30 pixels, the VGG-like network at an eighth of its
width, and the epoch: both the last one and that with the least validation loss are recorded. The document trains on pictures of
clinic A alone. The arm "mean, both" also shows the network B's pictures, without outcomes, as a penalty can only act on
predictions that it sees.
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

from toolkit import networks, recordings, training
from toolkit.datasets import patients
from toolkit.studies import running
from toolkit.survival import domain, merged, metrics
from toolkit.survival.network import CoxNetwork

TABLE = "burghoff_table_7_2_survival_metrics"
KEYS = ("regularization", "evaluation", "dataset", "merge")
SHRINK = 8
STRENGTH = 0.1
EPOCHS = ("best", "last")
PICTURE = (24, 30)  # height and width of a section [pixels]
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
    """How many patients, as a multiple of the published numbers, how long they are trained on, and in which arms."""

    times: int
    epochs: int
    batch_size: int
    arms: tuple[str, ...]


@dataclass(frozen=True)
class Predictions:
    """What one run predicts for the test patients.

    Attributes:
        seed: of patients, split and weights.
        arm: one of `ARMS`.
        best_epoch: that of the least validation loss; None where no epoch had one.
        outcomes: time, event and number of the clinic `(n, 3)`.
        true: log hazards of the simulation `(n,)`.
        last: predicted after the last epoch `(n,)`.
        best: predicted after the best epoch `(n,)`.
        run: name of its file.
    """

    seed: int
    arm: str
    best_epoch: int | None
    outcomes: np.ndarray
    true: np.ndarray
    last: np.ndarray
    best: np.ndarray
    run: str = ""


ARMS = {
    "none": Arm("none"),
    "mean": Arm("mean"),
    "l2": Arm("l2"),
    "mean, both": Arm("mean", ("B",)),
}
SIZES = {
    "published": Size(1, epochs=50, batch_size=5, arms=("none", "mean")),
    "fourfold": Size(4, epochs=8, batch_size=20, arms=tuple(ARMS)),
}


def record(
    folder: str | Path,
    *,
    size: str,
    seeds: Sequence[int],
    arms: Sequence[str] | None = None,
    strength: float = STRENGTH,
    workers: int = 1,
) -> Iterator[Path]:
    """Train every arm with every seed, one file a run; what lies in the folder already is not done again.

    Args:
        folder: for the files `<seed>_<arm>.npz` and the checkpoints of unfinished runs.
        size: one of `SIZES`.
        seeds: of patients, split and weights.
        arms: some of `ARMS`; None takes those of the size.
        strength: λ of the penalty.
        workers: runs at a time, one core each.

    Yields:
        The file of each finished run.

    Raises:
        ValueError: an unknown size or arm.
        RuntimeError: a run failed; the others are done first.
    """
    _check(size, arms or ())
    Path(folder).mkdir(parents=True, exist_ok=True)
    common = {"folder": str(folder), "size": size, "strength": strength}
    settings = [common | {"seed": seed, "arm": arm} for seed, arm in itertools.product(seeds, arms or SIZES[size].arms)]
    return running.done(record_run, settings, workers=workers, name=("arm", "seed"))


def record_run(folder: str, size: str, arm: str, seed: int, strength: float) -> dict[str, str]:
    """Train one arm with one seed and write its predictions, unless they are there; an interrupted run goes on."""
    path = Path(folder) / f"{seed:02d}_{arm.replace(', ', '_')}.npz"
    if not path.exists():
        cohort, data = clinics(size, arm=arm, seed=seed)
        checkpoint = running.checkpoint(path)
        model, run = build(data, size=size, arm=arm, seed=seed, strength=strength, checkpoint=checkpoint)
        for _ in run:
            pass
        settings = {"size": size, "strength": strength, "epochs": run.epochs, "batch_size": run.batch_size, "shrink": SHRINK}
        provenance = recordings.provenance(data={"name": data.name, "sha256": data.fingerprint()}, seeds=[seed])
        predictions = _predictions(model, run, cohort, seed, arm)
        recordings.save(path, [predictions], settings=settings, title=f"chapter 7, {size}", provenance=provenance)
        checkpoint.unlink(missing_ok=True)
    return {"path": str(path)}


def clinics(size: str, *, arm: str, seed: int) -> tuple[patients.Cohort, patients.Dataset]:
    """The simulated patients of one seed, and the data set on which an arm trains."""
    times = SIZES[size].times
    both = [replace(clinic, patients=times * clinic.patients) for clinic in (patients.A, patients.B)]
    cohort = patients.simulate(both, size=PICTURE, seed=seed)
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


def join(folder: str | Path, path: str | Path) -> None:
    """Join the files of all finished runs in a folder into one recording, see `running.join`."""
    running.join(folder, path, record=Predictions)


def results(path: str | Path, *, epoch: str = "best", resamples: int = 200) -> pd.DataFrame:
    """One line per run, part of Table 7.2 and metric, with the columns of the published table beside arm and seed.

    Args:
        path: of a recording.
        epoch: "best" for the weights at the least validation loss, or "last".
        resamples: of each run's interval, whose bounds are the columns `low` and `high`.
    """
    if epoch not in EPOCHS:
        raise ValueError(f"epoch must be one of {EPOCHS}, got {epoch!r}")
    rows = [row for record in recordings.load(path, record=Predictions).records for row in _rows(record, epoch, resamples)]
    return pd.DataFrame(rows, columns=["arm", "seed", "part", *KEYS, "metric", "value", "low", "high"])


def gains(path: str | Path, *, epoch: str = "best") -> pd.DataFrame:
    """What each arm and each way of merging adds to the naively merged concordance without a penalty, run by run.

    Args:
        path: of a recording.
        epoch: see `results`.

    Returns:
        Arm and part; mean over the seeds of the difference, the bounds of its 95 % interval by Student's distribution, and
        whether they exclude 0. Runs with the same seed share patients, split and initial weights.
    """
    found = results(path, epoch=epoch, resamples=1)  # the bounds of single runs are not looked at
    values = found[(found["metric"] == "c_index") & found["part"].isin(merged.MERGES)]
    table = values.pivot(index="seed", columns=["arm", "part"], values="value")
    differences = table.sub(table["none", "naive"], axis=0).drop(columns=[("none", "naive")])
    rows = []
    for (arm, part), column in differences.items():
        mean, low, high = running.interval(column.dropna().tolist())
        rows.append((arm, part, mean, low, high, column.notna().sum(), low > 0 or high < 0))
    return pd.DataFrame(rows, columns=["arm", "part", "gain", "low", "high", "seeds", "beyond_its_interval"])


def origin(path: str | Path) -> str:
    """Where and when a recording was made, in a few words."""
    provenance = recordings.load(path).provenance
    return f"recorded on {provenance['device']}, {provenance['date'][:10]}"


def _predictions(model: CoxNetwork, run: training.Fit, cohort: patients.Cohort, seed: int, arm: str) -> Predictions:
    inputs, targets = model.data.test
    patient = targets[:, 3]
    true = patients.per_patient(cohort.log_hazard, cohort.targets[:, 3])[patient.unique().long()]
    last = patients.per_patient(model.log_hazard(inputs), patient)
    if run.best["model"] is not None:
        model.network.load_state_dict(run.best["model"])
    best = patients.per_patient(model.log_hazard(inputs), patient)
    outcomes = patients.per_patient(targets[:, :3], patient)
    return Predictions(seed, arm, run.best["epoch"], *(each.numpy() for each in (outcomes, true, last, best)))


def _rows(run: Predictions, epoch: str, resamples: int) -> Iterator[list[Any]]:
    time, event, clinic = torch.from_numpy(run.outcomes).T
    log_hazard = torch.from_numpy(getattr(run, epoch))
    standardised = domain.standardise(log_hazard, clinic)
    everyone = torch.ones_like(clinic, dtype=torch.bool)
    rows_of = {"A": clinic == 0, "B": clinic == 1, "naive": everyone, "standardised": everyone}
    found = merged.concordances(time, event, log_hazard, clinic, resamples=resamples)
    for part, keys in PARTS.items():
        known = [run.arm, run.seed, part, ARMS[run.arm].penalty != "none", *keys]
        rows, values = rows_of[part], standardised if part == "standardised" else log_hazard
        yield [*known, "c_index", found[part].value, found[part].low, found[part].high]
        yield [*known, "auroc", metrics.auroc(event[rows], values[rows]), np.nan, np.nan]


def _check(size: str, arms: Sequence[str]) -> None:
    if size not in SIZES:
        raise ValueError(f"size must be one of {tuple(SIZES)}, got {size!r}")
    for arm in arms:
        if arm not in ARMS:
            raise ValueError(f"arms must be some of {tuple(ARMS)}, got {arm!r}")
