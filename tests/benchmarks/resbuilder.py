"""What one architecture of a search costs, beside a plain loop that builds and trains each one anew; and what is not training.

    python tests/benchmarks/resbuilder.py [epochs]

On some digits, RB-0Net with two insertions and one choice of widths: the search with its three trainings of each architecture,
then the same architectures, each built and trained from scratch as often and as long, with a `DataLoader` and equal losses.
Processor time of one thread; the accuracy of the regularised network, which the search goes on training and the loop does not.
Goal: at most 5 % of the search's time outside of training. The share falls with the length of the trainings, so that of 20
epochs, as in the published code, counts.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported

import torch
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from toolkit import datasets, training
from toolkit.search import architecture
from toolkit.search.cost import FlopRegularizer
from toolkit.search.resbuilder import VARIANTS, LayerLasso, Record, ResBuilder, zero_net

BATCH, BUDGET, STRENGTH, LASSO, IMAGES = 64, 3e5, 3e-5, 1e-8, 640
RESULT = Path(__file__).parents[2] / "build" / "benchmarks" / "resbuilder.json"


def searched(data: datasets.Dataset, epochs: int) -> tuple[dict[str, float], list[Record]]:
    """The search: seconds of one architecture, the share outside training, and its records."""
    start = zero_net(data.input_shape, data.n_classes, width=12)
    run = ResBuilder(
        data, start, layer_steps=2, morph_steps=1, budget=BUDGET, epochs=epochs, batch_size=BATCH, morph_strength=STRENGTH,
        lasso_strength=LASSO, augment=None, device="cpu",
    )  # fmt: skip
    started = time.process_time()
    records = list(run)
    spent = time.process_time() - started
    trained = [one for one in records if one.kind == "trained" and one.variant == "with_reg"]
    return {
        "seconds per architecture": spent / len(trained),
        "share outside training": 1 - run.training_seconds / run.seconds,
        "validation accuracy under regularisation": statistics.mean(one.metrics["validation_accuracy"] for one in trained),
    }, trained


def naive(data: datasets.Dataset, records: list[Record], epochs: int) -> dict[str, float]:
    """The loop: the same architectures, each variant from scratch, samples one by one."""
    loader = DataLoader(TensorDataset(*data.train), batch_size=BATCH, shuffle=True, generator=torch.Generator().manual_seed(0))
    accuracies = []
    started = time.process_time()
    for record in records:
        for variant in VARIANTS:
            spec = architecture.from_json(record.architecture)
            model = spec.build(seed=0)
            optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=2e-5)
            flops, lasso = FlopRegularizer(model, spec.input_shape, source="group_lasso"), LayerLasso(model, spec)
            for _ in range(epochs):
                model.train()
                for inputs, targets in loader:
                    loss = functional.cross_entropy(model(data.normalise(inputs)), targets)
                    if variant == "with_reg":
                        loss = loss + STRENGTH * flops.penalty() + LASSO * lasso.penalty()
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                accuracy = training.evaluate(model, data.validation, normalise=data.normalise)["accuracy"]
            if variant == "with_reg":
                accuracies.append(accuracy)
    return {
        "seconds per architecture": (time.process_time() - started) / len(records),
        "validation accuracy under regularisation": statistics.mean(accuracies),
    }


def main(epochs: int) -> None:
    """Print both and keep them."""
    torch.set_num_threads(1)
    data = datasets.images.digits().subset(IMAGES)
    search, records = searched(data, epochs)
    loop = naive(data, records, epochs)
    results = {"epochs": epochs, "architectures": len(records), "search": search, "loop": loop}
    results["ratio"] = loop["seconds per architecture"] / search["seconds per architecture"]
    for name in ("search", "loop"):
        print(f"{name}, {epochs} epochs: " + ", ".join(f"{key} {value:.3g}" for key, value in results[name].items()))
    print(f"the loop takes {results['ratio']:.2f} times as long")
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(results, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
