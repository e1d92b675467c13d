"""The public experiment behind chapter 7 of Burghoff at full scale: survival times of MNIST digits.

The melanoma sections of the document are not public. Its loss is that of a public tutorial, whose own experiment and numbers
are repeated here: LeNet with ReLU, Adam with a learning rate of 1e-4, batches of 64, 15 epochs. As there, samples are shuffled
without regard to events, of which every batch has some 34, and the 10,000 test images are looked at after every epoch; nothing
is chosen by them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
import torch

from toolkit import networks, recordings, training
from toolkit.datasets import mnist_survival
from toolkit.studies import running
from toolkit.survival.metrics import concordance_index
from toolkit.survival.network import CoxLoss, CoxNetwork

BATCH, LEARNING_RATE = 64, 1e-4
EPOCHS = 15
PUBLISHED = (  # concordance index on the test images after each epoch, in the tutorial's output
    0.6784, 0.6831, 0.6851, 0.6862, 0.6877, 0.6886, 0.6888, 0.6898, 0.6894, 0.6900, 0.6900, 0.6904, 0.6905, 0.6906, 0.6908,
)  # fmt: skip


def build(digits: mnist_survival.Digits, *, epochs: int, seed: int, checkpoint: Path | None = None) -> training.Fit:
    """The training run of one seed.

    Args:
        digits: see `datasets.mnist_survival.load`.
        epochs: passes over the training images.
        seed: of the weights and of the order of the samples.
        checkpoint: see `training.fit`.
    """
    network = networks.lenet((1, 28, 28), 1, seed=seed)
    return CoxNetwork(network, digits.data).fit(
        epochs=epochs, loss=CoxLoss(reduction="mean"), optimizer=torch.optim.Adam(network.parameters(), LEARNING_RATE),
        batch_size=BATCH, stratified=False, seed=seed, checkpoint=checkpoint,
    )  # fmt: skip


def record(folder: str | Path, *, epochs: int = EPOCHS, seeds: Sequence[int] = (0,), workers: int = 1) -> Iterator[Path]:
    """Train with several seeds, one file a run; what lies in the folder already is not done again.

    Args:
        folder: for the files `<epochs>_<seed>.npz` and the checkpoints of unfinished runs.
        epochs: of each run.
        seeds: one run for each.
        workers: runs at a time, one core each.

    Yields:
        The file of each finished run.

    Raises:
        RuntimeError: a run failed; the others are done first.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    runs = [{"folder": str(folder), "epochs": epochs, "seed": seed} for seed in seeds]
    return running.done(record_run, runs, workers=workers, name=("seed",))


def record_run(folder: str, epochs: int, seed: int) -> dict[str, str]:
    """Train with one seed and write its file, unless it is there; an interrupted run goes on from its checkpoint."""
    path = Path(folder) / f"{epochs:02d}_{seed}.npz"
    if not path.exists():
        digits = mnist_survival.load()
        run = build(digits, epochs=epochs, seed=seed, checkpoint=running.checkpoint(path))
        for _ in run:
            pass
        _save(path, run, digits)
        running.checkpoint(path).unlink(missing_ok=True)
    return {"path": str(path)}


def results(path: str | Path) -> pd.DataFrame:
    """Concordance index after each epoch beside the published one.

    Returns:
        One line for each epoch: `epoch`, `published`, `ours` (mean over the seeds), `low` and `high` (95 % bounds of that mean
        by Student's distribution), `difference` and `seeds`.
    """
    recorded = recordings.load(path, record=training.Record).records
    rows = []
    for epoch, published in enumerate(PUBLISHED, start=1):
        values = [each.metrics["validation_concordance"] for each in recorded if each.epoch == epoch]
        if values:
            mean, low, high = running.interval(values)
            rows.append((epoch, published, mean, low, high, mean - published, len(values)))
    return pd.DataFrame(rows, columns=["epoch", "published", "ours", "low", "high", "difference", "seeds"])


def oracle(path: str | Path) -> float:
    """Concordance index that the true log hazards reach on the test images, as recorded."""
    settings = recordings.load(path).settings
    return next(iter(settings.values()))["result"]["oracle"]


def merge(folder: str | Path, path: str | Path) -> None:
    """Join the files of all finished runs in a folder into one recording, see `running.join`."""
    running.join(folder, path, record=training.Record)


def _save(path: Path, run: training.Fit, digits: mnist_survival.Digits) -> None:
    data = digits.data
    time, event = data.test[1].unbind(1)
    censored = {name: float(1 - part[1][:, 1].mean()) for name, part in (("train", data.train), ("test", data.test))}
    settings = {
        "epochs": run.epochs,
        "seed": run.seed,
        "batch_size": run.batch_size,
        "learning_rate": LEARNING_RATE,
        "result": {"oracle": concordance_index(time, event, digits.log_hazard), "censored": censored},
    }
    provenance = recordings.provenance(data={"name": data.name, "sha256": data.fingerprint()}, seeds=[run.seed])
    recordings.save(path, run.records, settings=settings, title="chapter 7, MNIST survival", provenance=provenance)
