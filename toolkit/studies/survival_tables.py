"""Is a network better than a linear model on clinical tables? Both trained by the same loss, compared on the same subjects.

The linear model is Cox regression with Efron's ties on training and validation part. The network has two hidden layers; it
stops by the validation part, and of several seeds the one with the least validation loss is compared with the linear model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import torch

from toolkit import networks, recordings, training
from toolkit.datasets import Dataset, survival
from toolkit.survival.metrics import bootstrap_interval, concordance_index, paired_comparison
from toolkit.survival.network import CoxLoss, CoxNetwork

NAMES = ("metabric", "support", "gbsg", "simulated_linear", "simulated_gaussian")
HIDDEN, BATCH, LEARNING_RATE, WEIGHT_DECAY = (32, 32), 256, 1e-3, 1e-2
PATIENCE, MOST_EPOCHS = 15, 200
RESAMPLES = 2000
TITLE = "linear and deep Cox models on clinical tables"


@dataclass(frozen=True)
class TableRecord:
    """Test concordance of both models on one table.

    Attributes:
        name: of the table.
        linear: concordance index of the linear model.
        network: that of the network.
        low: lower bound of the network's index (95 %, bootstrap over the test subjects).
        high: upper bound.
        difference: network minus linear.
        difference_low: lower bound of the difference, on the same resamples for both.
        difference_high: upper bound.
        p_value: two-sided, of no difference.
        better: "network" or "linear" where the interval of the difference excludes 0, else "undecided".
        seed: of the network that was compared.
        epochs: after how many its validation loss was least.
    """

    name: str
    linear: float
    network: float
    low: float
    high: float
    difference: float
    difference_low: float
    difference_high: float
    p_value: float
    better: str
    seed: int
    epochs: int


def compare(data: Dataset, *, seeds: Sequence[int], resamples: int) -> TableRecord:
    """Train both models on a table and compare them on its test part.

    Args:
        data: with a validation split, on which the network stops; the linear model is trained on both.
        seeds: of the network.
        resamples: of the bootstrap.
    """
    time, event = data.test[1].unbind(1)
    flat = linear(data)
    run, deep = min((network(data, seed=seed) for seed in seeds), key=lambda pair: pair[0].best["validation_loss"])
    predictions = [model.log_hazard(data.test[0]) for model in (deep, flat)]
    compared = paired_comparison(concordance_index, time, event, *predictions, resamples=resamples)
    interval = bootstrap_interval(concordance_index, time, event, predictions[0], resamples=resamples)
    better = {"first": "network", "second": "linear"}.get(compared.better, "undecided")
    difference = compared.difference
    return TableRecord(
        data.name, concordance_index(time, event, predictions[1]), interval.value, interval.low, interval.high,
        difference.value, difference.low, difference.high, compared.p_value, better, run.seed, run.best["epoch"],
    )  # fmt: skip


def linear(data: Dataset, *, ties: str = "efron") -> CoxNetwork:
    """Cox regression on training and validation part: a linear network trained with all subjects in one batch.

    The features are standardised, so that descent with momentum stands still after 100 steps.

    Args:
        data: the table.
        ties: see `cox.cox_loss`.
    """
    train = tuple(torch.cat(parts) for parts in zip(data.train, data.validation, strict=True))
    network = networks.dense(data.input_shape[0], (), 1, seed=0)
    model = CoxNetwork(network, replace(data, train=train, validation=train))
    run = model.fit(
        epochs=100, loss=CoxLoss(ties=ties, reduction="events"), batch_size=len(train[0]), stratified=False, metrics=(),
        optimizer=torch.optim.SGD(network.parameters(), 0.5, momentum=0.5),
    )  # fmt: skip
    for _ in run:
        pass
    return model


def network(data: Dataset, *, seed: int) -> tuple[training.Fit, CoxNetwork]:
    """A network with two hidden layers, with the weights it had at its least validation loss.

    Args:
        data: the table.
        seed: of the weights and of the order of the subjects.
    """
    layers = networks.dense(data.input_shape[0], HIDDEN, 1, seed=seed)
    model = CoxNetwork(layers, data)
    run = model.fit(
        epochs=MOST_EPOCHS, loss=CoxLoss(ties="efron", reduction="events"), batch_size=BATCH, seed=seed,
        optimizer=torch.optim.AdamW(layers.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY),
        stopping=training.EarlyStopping(PATIENCE),
    )  # fmt: skip
    for _ in run:
        pass
    layers.load_state_dict(run.best["model"])
    return run, model


def record(
    path: str | Path, *, names: Sequence[str] = NAMES, seeds: Sequence[int] = range(5), resamples: int = RESAMPLES
) -> Iterator[TableRecord]:
    """Compare on several tables and keep the results in one recording; what it holds already is not done again.

    Args:
        path: the recording.
        names: of the tables, see `datasets.survival.load`.
        seeds: of the networks.
        resamples: of the bootstrap.

    Yields:
        One record for each table.
    """
    kept = recordings.load(path, record=TableRecord) if Path(path).exists() else None
    done, data = (list(kept.records), dict(kept.provenance["data"])) if kept else ([], {})
    settings = {
        "hidden": list(HIDDEN), "batch_size": BATCH, "learning_rate": LEARNING_RATE, "weight_decay": WEIGHT_DECAY,
        "patience": PATIENCE, "resamples": resamples, "seeds": list(seeds),
    }  # fmt: skip
    for name in names:
        if name not in data:
            table = survival.load(name)
            done.append(compare(table, seeds=seeds, resamples=resamples))
            data[name] = table.fingerprint()
            provenance = recordings.provenance(data=data, seeds=list(seeds))
            recordings.save(path, done, settings=settings, title=TITLE, provenance=provenance)
        yield next(each for each in done if each.name == name)


def results(path: str | Path) -> pd.DataFrame:
    """One line per table, with the columns of `TableRecord`."""
    return pd.DataFrame([vars(each) for each in recordings.load(path, record=TableRecord).records])
