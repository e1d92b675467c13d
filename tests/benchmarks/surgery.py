"""What the Surgeon costs: the share of advice and operations, and the whole search against training the start alone.

    python tests/benchmarks/surgery.py [--quick]

Each topology of Table 2 of Schiessler et al. is searched on random images of the size of Fashion-MNIST's, with the published
settings of batches, branches and redraws, and trained alone for the same number of epochs, once with its steps written out as
the search takes them, once by autograd. Searches and trainings alternate; medians over the rounds count. Three figures matter:
the share of the search that is no training and the gain of steps written out, which are matters of this code, and the ratio of
processor times, which is a matter of the method (the document: about 2.9 times the epochs of the baseline). Fewer images than
the real set has make the share larger than it is there. Writes build/benchmarks/surgery.json.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import time
from pathlib import Path

import torch
from torch.nn import functional

from toolkit import datasets, recordings, training
from toolkit.search.surgeon import Surgeon
from toolkit.studies import surgery

RESULT = Path("build/benchmarks/surgery.json")
IMAGES = 6000


def images(count: int) -> datasets.Dataset:
    """Images that can be learnt: ten fixed patterns under noise."""
    draw = torch.Generator().manual_seed(0)
    labels = torch.randint(10, (count,), generator=draw)
    patterns = torch.rand(10, 28, 28, generator=draw)
    noisy = 0.3 * patterns[labels] + 0.7 * torch.rand(count, 28, 28, generator=draw)
    return datasets.from_arrays(noisy.numpy(), labels.numpy())


def spent(records) -> float:
    """Processor time [s] of running an iterator to its end."""
    started = time.process_time()
    for _ in records:
        pass
    return time.process_time() - started


def one_round(data: datasets.Dataset, topology: str, epochs: int, seed: int) -> dict[str, float]:
    """One search and two trainings from the same start."""
    start = surgery.start(data, topology, seed=seed)
    common = {"batch_size": surgery.BATCH, "seed": seed, "device": "cpu"}
    search = Surgeon(data, start, epochs=epochs, learning_rate=surgery.LEARNING_RATE, **common)
    searching = spent(search)
    alone = {}
    for written_out in (True, False):
        model = copy.deepcopy(start)
        optimizer = torch.optim.SGD(model.parameters(), lr=surgery.LEARNING_RATE)
        alone[written_out] = spent(
            training.fit(
                model, data, loss=functional.cross_entropy, optimizer=optimizer, epochs=epochs, metrics=["accuracy"],
                written_out=written_out, **common,
            )
        )  # fmt: skip
    return {
        "share of surgery": search.surgery_seconds / search.seconds,
        "processor time": searching / alone[True],
        "gain": alone[False] / alone[True],
        "epochs": search.trained_epochs / epochs,
        "decisions": sum(one.kind == "decision" for one in search.records),
    }


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one round of 20 epochs instead of three of 40")
    quick = parser.parse_args().quick
    torch.set_num_threads(1)
    data, epochs, rounds = images(IMAGES), 20 if quick else 40, 1 if quick else 3
    table = {}
    for topology in surgery.STARTS:
        measured = [one_round(data, topology, epochs, seed) for seed in range(rounds)]
        table[topology] = {name: statistics.median(one[name] for one in measured) for name in measured[0]}
    print(f"{'start':<10}{'share of surgery':>18}{'processor time':>18}{'gain':>8}{'epochs':>10}{'decisions':>12}")
    for topology, row in table.items():
        print(
            f"{topology:<10}{row['share of surgery']:>18.2%}{row['processor time']:>17.2f}x{row['gain']:>7.2f}x"
            f"{row['epochs']:>9.2f}x{row['decisions']:>12g}"
        )
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    content = {"images": IMAGES, "epochs": epochs, "rounds": rounds, "table": table, "provenance": recordings.provenance()}
    RESULT.write_text(json.dumps(content, indent=1))


if __name__ == "__main__":
    main()
