"""Symmetry functions against dscribe, and an epoch of training against the published 256 sub-networks; one thread, one run.

All 329 functions of a 256-atom cell are computed by two objects of dscribe (it has one cutoff for each) and by one of ours, in
turn, in processor time. An epoch is one pass over 3,360 of 4,200 frames with batches of 64, as the document trains; the
published way calls the shared layers once for each of the 256 atoms and adds the outputs. It is measured on a stated number of
steps, in turn with ours, since a step costs the same wherever in the epoch it is. The arithmetic limit is what the matrix
products of a step alone take. `python tests/benchmarks/potential.py [--quick]`
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import numpy as np
import torch
from ase.build import bulk
from dscribe.descriptors import ACSF

from toolkit import recordings, training
from toolkit.potential import HighDimensionalNetwork, SymmetryFunctions, document_set

RESULT = Path("build/benchmarks/potential.json")
FRAMES, TRAINED, BATCH, ATOMS = 4200, 3360, 64, 256


def seconds(work):
    """Processor time of one call."""
    started = time.process_time()
    work()
    return time.process_time() - started


def in_turn(works, rounds):
    """Median processor time of each, measured one after another in every round."""
    for work in works.values():
        work()
    measured = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            measured[name].append(seconds(work))
    return {name: statistics.median(times) for name, times in measured.items()}


def descriptors(rounds):
    """Milliseconds for all 329 functions of one cell, and how far the values are from dscribe's."""
    atoms = bulk("Al", "fcc", a=4.05, cubic=True).repeat(4)
    atoms.rattle(0.15, seed=1)
    radial, angular = document_set("329")
    first = ACSF(r_cut=6.8, g2_params=[row[1:] for row in radial], species=["Al"], periodic=True)
    second = ACSF(r_cut=4.4, g5_params=[row[1:] for row in angular], species=["Al"], periodic=True)
    functions = SymmetryFunctions(radial, angular)
    works, values = {"dscribe": lambda: (first.create(atoms), second.create(atoms))}, {}
    for dtype in (torch.float32, torch.float64):
        positions = torch.tensor(atoms.positions, dtype=dtype)[None]
        cell = torch.tensor(atoms.cell.array, dtype=dtype)[None]
        name = str(dtype).removeprefix("torch.")
        works[name] = lambda positions=positions, cell=cell: functions(positions, cell)
        values[name] = works[name]()[0].double().numpy()
    expected = np.concatenate([first.create(atoms)[:, 1:], 2 * second.create(atoms)[:, 1:]], 1)
    times = in_turn(works, rounds)
    off = {name: float(np.max(np.abs(each - expected).max(0) / np.ptp(expected, 0))) for name, each in values.items()}
    return {"milliseconds": {name: 1000 * value for name, value in times.items()}, "off, in parts of the range": off} | {
        "times faster": {name: times["dscribe"] / times[name] for name in off}
    }


class SubNetworks(torch.nn.Module):
    """The published way: the layers are called for each atom, and the outputs are added."""

    def __init__(self, network):
        super().__init__()
        self.layers = network

    def forward(self, features):
        """Energies `(b,)`."""
        return sum(self.layers(each) for each in features.unbind(1)).squeeze(-1)


class Cells:
    """Descriptors and energies drawn at random; what they are does not change the time."""

    def __init__(self, features, frames):
        draw = torch.Generator().manual_seed(0)
        self.train = (torch.rand(frames, ATOMS, features, generator=draw) * 2 - 1, torch.randn(frames, generator=draw))
        self.validation = (self.train[0][:2], self.train[1][:2])

    def normalise(self, inputs):
        return inputs


def epoch(features, steps, rounds):
    """Seconds of an epoch both ways and of its matrix products alone."""
    cells = Cells(features, steps * BATCH)
    torch.manual_seed(0)
    ours = HighDimensionalNetwork(features)
    networks = {"ours": ours, "published": SubNetworks(ours.networks[0])}
    inputs = cells.train[0][:3]
    assert torch.allclose(ours(inputs), networks["published"](inputs), atol=1e-4)

    def train(network):
        optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
        run = training.fit(network, cells, loss=torch.nn.functional.mse_loss, optimizer=optimizer, epochs=1, device="cpu")
        next(run)  # losses before training
        return lambda: next(run)

    widths = [features, 10, 10, 1]
    left = [torch.randn(BATCH * ATOMS, width) for width in widths]
    weights = [torch.randn(*shape) for shape in zip(widths, widths[1:], strict=False)]

    def products():
        for _ in range(steps):
            for number, weight in enumerate(weights):
                left[number] @ weight  # forward
                left[number + 1].T @ left[number]  # gradient of the weights
                if number:
                    left[number + 1] @ weight.T  # gradient of the inputs

    measured = {"ours": [], "published": [], "products": []}
    for _ in range(rounds):
        for name, network in networks.items():
            measured[name].append(seconds(train(network)))
        measured["products"].append(seconds(products))
    scale = TRAINED / BATCH / steps
    found = {name: scale * statistics.median(times) for name, times in measured.items()}
    return found | {
        "times faster": found["published"] / found["ours"],
        "times the matrix products": found["ours"] / found["products"],
        "measured on steps": steps,
    }


def main():
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds and steps")
    quick = parser.parse_args().quick
    torch.set_num_threads(1)
    result = {"descriptors": descriptors(5 if quick else 25)}
    print(json.dumps(result["descriptors"], indent=1))
    for features in (22, 57, 329):
        result[f"epoch of {features}-10-10-1"] = epoch(features, 4 if quick else 12, 3 if quick else 7)
        print(features, json.dumps(result[f"epoch of {features}-10-10-1"], indent=1))
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(result | {"provenance": recordings.provenance()}, indent=1))


if __name__ == "__main__":
    main()
