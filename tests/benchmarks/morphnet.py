"""What MorphNet's penalty adds to a training step, and what reading the widths adds to a run.

    python tests/benchmarks/morphnet.py [rounds]

For each network: the same training step with the penalty and without it, in turns, processor time of one thread, medians over
all rounds; then the time to trace the network once and to read cost and widths. Goal: the penalty takes at most 5 % of a step.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported

import torch
from torch.nn import functional

from toolkit.search.architecture import ConvSpec, Spec, resnet18
from toolkit.search.cost import FlopRegularizer

STEPS = 4  # in a row
RESULT = Path(__file__).parents[2] / "build" / "benchmarks" / "morphnet.json"
CASES: dict[str, tuple[Spec, int]] = {
    "two convolutions 16-32, digits": (ConvSpec((1, 8, 8), 10, (16, 32)), 64),
    "two convolutions 32-64, MNIST": (ConvSpec((1, 28, 28), 10, (32, 64)), 64),
    "ResNet-18 of a quarter of its width, CIFAR-10": (resnet18(width=16), 16),
}


def seconds(work: Callable[[], None]) -> float:
    """Processor time of a piece of work."""
    started = time.process_time()
    work()
    return time.process_time() - started


def compared(spec: Spec, batch: int, source: str, rounds: int) -> dict[str, float]:
    """Medians of one network."""
    model = spec.build(seed=0)
    regularizer = FlopRegularizer(model, spec.input_shape, source=source)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
    x, y = torch.randn(batch, *spec.input_shape), torch.randint(10, (batch,))

    def train(strength: float) -> None:
        for _ in range(STEPS):
            loss = functional.cross_entropy(model(x), y)
            if strength:
                loss = loss + strength * regularizer.penalty()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    train(1e-12)
    pairs = [(seconds(lambda: train(0.0)), seconds(lambda: train(1e-12))) for _ in range(rounds)]
    plain, penalised = (statistics.median(column) / STEPS for column in zip(*pairs, strict=True))
    return {
        "step [ms]": 1e3 * plain,
        "with penalty [ms]": 1e3 * penalised,
        "ratio": statistics.median(b / a for a, b in pairs),
        "trace once [ms]": 1e3 * seconds(lambda: FlopRegularizer(model, spec.input_shape, source=source)),
        "cost and widths [ms]": 1e3 * seconds(lambda: (regularizer.cost(), regularizer.widths())),
    }


def main(rounds: int) -> None:
    """Print the table and keep it."""
    torch.set_num_threads(1)
    results = {}
    for name, (spec, batch) in CASES.items():
        for source in ("gamma", "group_lasso"):
            results[f"{name}, {source}"] = found = compared(spec, batch, source, rounds)
            print(f"{name}, batch {batch}, {source}: " + ", ".join(f"{key} {value:.3g}" for key, value in found.items()))
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(results, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
