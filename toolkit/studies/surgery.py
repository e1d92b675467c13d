"""Table 3 of Schiessler et al.: the Surgeon beside training the start alone, for the three starts of Table 2.

As published: 100 epochs, a decision every 10, two branches, two redraws, batches of 16, SGD with a learning rate of 0.005, the
five seeds of the appendix. Chosen here: one run per seed (the document has three), a tenth of the training images as
validation split, accuracies on the test split, which nothing is chosen by. The document chose and reported on the test split.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import nn
from torch.nn import functional

from toolkit import datasets, networks, published, recordings, training
from toolkit.datasets.documented import PART
from toolkit.search import sequence, surgery
from toolkit.search.surgeon import BASELINE, Record, Surgeon
from toolkit.studies import running

TABLE = "schiessler_table_3_results"
DATASETS = {"fashion_mnist": "Fashion-MNIST", "cifar10": "CIFAR-10", "emnist": "EMNIST"}
STARTS = {
    row["topology"]: tuple(int(width) for width in str(row["hidden_layer_sizes"]).split(";"))
    for row in published.table("schiessler_table_2_starting_topologies").to_dict("records")
}
SEEDS = (6, 63, 72, 77, 97)
EPOCHS, BATCH, LEARNING_RATE = 100, 16, 0.005
TITLE = "Schiessler, Table 3: "


def start(data: datasets.Dataset, topology: str, *, seed: int) -> nn.Sequential:
    """The network to begin with.

    >>> sequence.widths(start(datasets.load("digits"), "medium", seed=0))
    [10, 10, 10, 10]
    """
    if topology not in STARTS:
        raise ValueError(f"topology must be one of {tuple(STARTS)}, got {topology!r}")
    return networks.dense(data.train[0][0].numel(), STARTS[topology], data.n_classes, seed=seed)


def record(
    folder: str | Path,
    *,
    dataset: str,
    topologies: Sequence[str] = tuple(STARTS),
    seeds: Sequence[int] = SEEDS,
    epochs: int = EPOCHS,
    workers: int = 1,
) -> Iterator[Path]:
    """Run Surgeon and baseline from each start with each seed, one file a run; what lies in the folder is not done again.

    Args:
        folder: for the files `<topology>_<seed>.npz` and the states of unfinished runs.
        dataset: one of `DATASETS`, or another name that `datasets.load` knows.
        topologies: some of `STARTS`.
        seeds: of the weights and of everything drawn.
        epochs: of the network that is returned, and of the baseline.
        workers: runs at a time, one core each.

    Yields:
        The file of each finished run.

    Raises:
        RuntimeError: a run failed; the others are done first.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    common = {"folder": str(folder), "dataset": dataset, "epochs": epochs}
    wanted = [common | {"topology": one, "seed": seed} for seed, one in itertools.product(seeds, topologies)]
    return running.done(record_run, wanted, workers=workers, name=("topology", "seed"))


def record_run(folder: str, dataset: str, topology: str, seed: int, epochs: int) -> dict[str, str]:
    """One start with one seed; an interrupted search goes on from its latest decision, the baseline from its latest epoch."""
    path = Path(folder) / f"{topology}_{seed}.npz"
    if not path.exists():
        data = datasets.load(dataset)
        network = start(data, topology, seed=seed)
        baseline = _baseline(data, network, epochs, seed, running.checkpoint(path.with_stem(f"{path.stem}_baseline")))
        for _ in baseline:
            pass
        search = Surgeon(data, network, epochs=epochs, batch_size=BATCH, learning_rate=LEARNING_RATE, seed=seed, device="cpu")
        _searched(search, running.checkpoint(path))
        _save(path, search, baseline, data, topology)
        for file in (running.checkpoint(path), baseline.checkpoint):
            file.unlink(missing_ok=True)
    return {"path": str(path)}


def merge(folder: str | Path, path: str | Path) -> None:
    """Join the files of all finished runs in a folder, and the runs that `path` holds already, into one recording.

    Raises:
        FileNotFoundError: the folder holds no finished run.
    """
    running.join(folder, path, record=Record)


def results(path: str | Path) -> pd.DataFrame:
    """One line per recorded run: accuracies on the test split, change of parameters [%], epochs trained in all."""
    settings = recordings.load(path).settings
    names = ("dataset", "topology", "seed", "epochs")
    return pd.DataFrame([{name: run[name] for name in names} | run["result"] for run in settings.values()])


def compared(path: str | Path, what: str) -> pd.DataFrame:
    """The recorded runs beside Table 3, see `published.compare`.

    Args:
        path: a recording.
        what: "baseline_accuracy", "surgeon_accuracy" or "parameter_fraction_increase_percent".
    """
    table = published.table(TABLE)
    ours = results(path).rename(columns={what: f"{what}_mean"})
    ours["dataset"] = ours["dataset"].map(DATASETS)
    recording = recordings.load(path)
    return published.compare(
        table[table["dataset"].isin(ours["dataset"])], ours, on=["dataset", "topology"], value=f"{what}_mean",
        different=["trained on a part of the images"] if recording.title.endswith(PART) else [],
        published_runs=15, origin=recording.origin,
        remarks=["chosen on a validation split and reported on the test split; published: both on the test split"],
    )  # fmt: skip


def search(path: str | Path, *, topology: str, seed: int) -> tuple[dict[str, Any], list[Record]]:
    """Settings and records of one recorded run.

    Raises:
        ValueError: it is not in the recording.
    """
    recording = recordings.load(path, record=Record)
    name = f"{topology}_{seed}"
    if name not in recording.settings:
        raise ValueError(f"{path}: no run {name}; recorded are {', '.join(recording.settings)}")
    run = recording.settings[name]
    settings = {"dataset": run["dataset"], "seed": seed, "epochs": run["epochs"]}
    settings |= {"batch_size": BATCH, "learning_rate": LEARNING_RATE}
    return settings, [one for one in recording.records if one.run == name]


def is_recording(path: str | Path) -> bool:
    """Whether a file holds runs of this study."""
    return recordings.load(path).title.startswith(TITLE)


def _baseline(data: datasets.Dataset, network: nn.Sequential, epochs: int, seed: int, checkpoint: Path) -> training.Fit:
    model = surgery.identity(network).model
    return training.fit(
        model, data, loss=functional.cross_entropy, optimizer=torch.optim.SGD(model.parameters(), lr=LEARNING_RATE),
        epochs=epochs, batch_size=BATCH, metrics=["accuracy"], seed=seed, device="cpu", checkpoint=checkpoint, written_out=True,
    )  # fmt: skip


def _searched(search: Surgeon, checkpoint: Path) -> None:
    """Run to the end, keeping the state after each decision."""
    if checkpoint.exists():
        search.load_state_dict(recordings.load_state(checkpoint))
    for one in search:
        if one.kind == "proposals" or one.kind == "epoch" and one.epoch == search.pretraining:
            recordings.save_state(checkpoint, search.state_dict())


def _save(path: Path, search: Surgeon, baseline: training.Fit, data: datasets.Dataset, topology: str) -> None:
    best, first = search.best, sequence.parameters(baseline.model)
    result = {
        "baseline_accuracy": _test_accuracy(baseline.model, data),
        "surgeon_accuracy": _test_accuracy(best.model, data),
        "parameter_fraction_increase_percent": 100 * (sequence.parameters(best.model) / first - 1),
        "shape": list(best.hidden),
        "trained_epochs": search.trained_epochs,
        "surgery_share": search.surgery_seconds / search.seconds,
    }
    dataset = data.name.partition(" ")[0]
    settings = {"dataset": dataset, "topology": topology, "seed": search.seed, "epochs": search.epochs, "result": result}
    own = [replace(one, proposals=(), singular_values=()) for one in search.records if one.kind != "proposals"]
    provenance = recordings.provenance(data={"name": data.name, "sha256": data.fingerprint()}, seeds=[search.seed])
    title = f"{TITLE}{data.name}"
    recordings.save(path, _as_records(baseline) + own, settings=settings, title=title, provenance=provenance)


def _as_records(baseline: training.Fit) -> list[Record]:
    """The baseline as a branch of its own."""
    hidden, size = tuple(sequence.widths(baseline.model)[:-1]), sequence.parameters(baseline.model)
    return [
        Record("epoch", int(one.epoch), one.seconds, BASELINE, BASELINE, "identity", -1, 0, hidden, size, _metrics(one))
        for one in baseline.records
        if one.epoch
    ]


def _metrics(one: training.Record) -> dict[str, Any]:
    return {name: one.metrics[name] for name in ("train_loss", "validation_loss", "validation_accuracy") if name in one.metrics}


def _test_accuracy(model: nn.Module, data: datasets.Dataset) -> float:
    return training.evaluate(model, data.test, normalise=data.normalise)["accuracy"]
