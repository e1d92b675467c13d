"""Steps per second of `training.fit` beside three loops that people write.

    python tests/benchmarks/training.py [rounds]

* fit: `training.fit`, one record per epoch.
* loader: the loop of the PyTorch tutorials, a `DataLoader` on a `Dataset` that gives one normalised sample at a time: an image
  by way of PIL as in torchvision, a row of a data frame as in the tutorial on custom data sets.
* tensors: the same with a `TensorDataset` of inputs that have been normalised beforehand; no goal, for comparison.
* bare: a loop written by hand on tensors that lie ready, with nothing that is not needed.

All train the same network with the same optimizer on the same samples in batches of 64 and give, for each epoch, the mean
training loss and the loss of one validation batch. They take turns, and the table holds medians over all rounds. The time is
that of the processor, one thread, so that other programs on the machine count little. Goals: 0.97 of bare everywhere, 1.1 of
loader for LeNet, 3 of loader for the small dense networks.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from toolkit import datasets, networks, training
from toolkit.optim import PortHamiltonian

BATCH, IMAGES, FOREVER = 64, 12_800, 10**6
RESULT = Path(__file__).parents[2] / "build" / "benchmarks" / "training.json"


@dataclass
class Case:
    name: str
    data: datasets.Dataset
    build: Callable[[], nn.Module]
    loss: nn.Module
    optimizer: Callable[..., torch.optim.Optimizer]
    epochs_per_round: int
    least_of_loader: float
    least_of_bare: float = 0.97


class Pictures(torch.utils.data.Dataset):
    """Images one by one, by the steps of torchvision's data sets with `ToTensor` and `Normalize`."""

    def __init__(self, images: torch.Tensor, labels: torch.Tensor, data: datasets.Dataset):
        self.images, self.labels = images, labels
        self.mean, self.std = (None if v is None else torch.tensor(v).view(-1, 1, 1) for v in (data.mean, data.std))

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        picture = Image.fromarray(self.images[index, 0].numpy())
        image = torch.from_numpy(np.array(picture, copy=True))[:, :, None].permute(2, 0, 1).contiguous().float().div(255)
        if self.mean is not None:
            image = image.clone().sub_(self.mean).div_(self.std)
        return image, int(self.labels[index])


class Rows(torch.utils.data.Dataset):
    """Rows of a data frame one by one, its last column the target."""

    def __init__(self, inputs: torch.Tensor, targets: torch.Tensor, data: datasets.Dataset):
        self.frame = pd.DataFrame(torch.cat([inputs, targets], 1).numpy())
        self.mean, self.std = np.array(data.mean, np.float32), np.array(data.std, np.float32)

    def __len__(self):
        return len(self.frame)

    def __getitem__(self, index):
        row = np.array(self.frame.iloc[index], dtype=np.float32)
        return torch.from_numpy((row[:-1] - self.mean) / self.std), torch.from_numpy(row[-1:])


def fitted(case: Case, model: nn.Module, optimizer: torch.optim.Optimizer) -> Iterator[object]:
    run = training.fit(model, case.data, loss=case.loss, optimizer=optimizer, epochs=FOREVER, batch_size=BATCH, device="cpu")
    next(run)  # the record at step 0
    return run


def loader(case: Case, model: nn.Module, optimizer: torch.optim.Optimizer) -> Iterator[object]:
    samples = Pictures if case.data.classes else Rows
    return tutorial(case, model, optimizer, *(samples(*split, case.data) for split in (case.data.train, case.data.validation)))


def tensors(case: Case, model: nn.Module, optimizer: torch.optim.Optimizer) -> Iterator[object]:
    ready = [TensorDataset(case.data.normalise(inputs), targets) for inputs, targets in (case.data.train, case.data.validation)]
    return tutorial(case, model, optimizer, *ready)


def tutorial(case: Case, model: nn.Module, optimizer: torch.optim.Optimizer, train, validation) -> Iterator[object]:
    batches, unseen = DataLoader(train, batch_size=BATCH, shuffle=True), DataLoader(validation, batch_size=BATCH)
    while True:
        model.train()
        running_loss, validation_loss = 0.0, 0.0
        for inputs, targets in batches:
            loss = case.loss(model(inputs), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            running_loss += loss.item() * len(inputs)
        model.eval()
        with torch.no_grad():
            for inputs, targets in unseen:
                validation_loss += case.loss(model(inputs), targets).item() * len(inputs)
        yield running_loss, validation_loss


def bare(case: Case, model: nn.Module, optimizer: torch.optim.Optimizer) -> Iterator[object]:
    (inputs, targets), (unseen, answers) = case.data.train, case.data.validation
    while True:
        model.train()
        running_loss = torch.zeros(())
        for rows in torch.randperm(len(inputs)).split(BATCH):
            loss = case.loss(model(case.data.normalise(inputs[rows])), targets[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            running_loss += loss.detach() * len(rows)
        model.eval()
        with torch.no_grad():
            validation_loss = case.loss(model(case.data.normalise(unseen)), answers)
        yield running_loss.item(), validation_loss.item()


LOOPS = {"fit": fitted, "loader": loader, "tensors": tensors, "bare": bare}


def fashion() -> datasets.Dataset:
    """Fashion-MNIST, or noise of its shape where the data are not on this machine."""
    try:
        data = datasets.images.fashion_mnist()
    except datasets.DataNotFound:
        print("Fashion-MNIST is not here (is TOOLKIT_DATA set?): random images of its shape instead")
        draw = torch.Generator().manual_seed(0)
        images = torch.randint(256, (IMAGES + 2 * BATCH, 28, 28), dtype=torch.uint8, generator=draw)
        data = datasets.from_arrays(
            images, torch.arange(len(images)) % 10, name="random images", validation=BATCH / len(images)
        )
    return shortened(data, IMAGES)


def table(samples: int, features: int) -> datasets.Dataset:
    """Random features and one number to be learned."""
    draw = torch.Generator().manual_seed(0)
    inputs = 10 * torch.rand(2 * samples, features, generator=draw)
    return shortened(datasets.from_arrays(inputs, inputs.sum(1, keepdim=True).sin(), simulated=True), samples)


def shortened(data: datasets.Dataset, samples: int) -> datasets.Dataset:
    train, validation = (part[:samples] for part in data.train), (part[:BATCH] for part in data.validation)
    return replace(data, train=tuple(train), validation=tuple(validation))


def heavy_ball(weights) -> PortHamiltonian:
    return PortHamiltonian(weights, lr=0.1, mass=10.0, friction=0.1)


def slow_sgd(weights) -> torch.optim.SGD:
    return torch.optim.SGD(weights, lr=0.005)


def cases() -> Iterator[Case]:
    """The networks, sizes and optimizers of Burghoff 3.4, Ghimire 2.4 and 3.1, Schiessler et al. 4.1."""
    images, labelled = fashion(), nn.CrossEntropyLoss()
    yield Case(f"LeNet, {images.name}", images, networks.lenet, labelled, heavy_ball, 1, 1.1)
    for features, width, samples, epochs in ((57, 10, 3360, 10), (12, 30, 7225, 5)):
        build = lambda features=features, width=width: networks.dense(features, (width, width), 1, activation="tanh")  # noqa: E731
        name = f"{features}-{width}-{width}-1 tanh, {samples:,} rows"
        yield Case(name, table(samples, features), build, nn.MSELoss(), torch.optim.Adam, epochs, 3)
    unscaled = replace(images, mean=None, std=None)
    for hidden in ((10,), (10, 10, 10)):
        name = f"784-{'-'.join(map(str, hidden))}-10, {images.name}"
        yield Case(name, unscaled, lambda hidden=hidden: networks.dense(784, hidden, 10), labelled, slow_sgd, 3, 3)


def measure(case: Case, rounds: int) -> dict[str, float]:
    """Median steps per second of each loop."""
    running = {}
    for name, loop in LOOPS.items():
        torch.manual_seed(0)
        model = case.build()
        running[name] = loop(case, model, case.optimizer(model.parameters()))
        next(running[name])
    steps = case.epochs_per_round * -(-len(case.data.train[0]) // BATCH)
    speeds: dict[str, list[float]] = {name: [] for name in LOOPS}
    for _ in range(rounds):
        for name, loop in running.items():
            started = time.process_time()
            for _ in range(case.epochs_per_round):
                next(loop)
            speeds[name].append(steps / (time.process_time() - started))
    return {name: statistics.median(values) for name, values in speeds.items()}


def main(rounds: int) -> None:
    torch.set_num_threads(1)
    rows = []
    print(
        f"{'steps per second':36}"
        + "".join(f"{name:>8}" for name in LOOPS)
        + "   fit/loader (goal)   fit/tensors   fit/bare (goal)"
    )
    for case in cases():
        speed = measure(case, rounds)
        of = {name: speed["fit"] / speed[name] for name in ("loader", "tensors", "bare")}
        met = of["loader"] >= case.least_of_loader and of["bare"] >= case.least_of_bare
        rows.append({"case": case.name, **speed, **{f"fit/{name}": ratio for name, ratio in of.items()}, "goals met": met})
        speeds = "".join(f"{value:8.0f}" for value in speed.values())
        print(
            f"{case.name:36}{speeds}{of['loader']:13.2f} ({case.least_of_loader:.1f})"
            f"{of['tensors']:14.2f}{of['bare']:11.3f} ({case.least_of_bare}){'' if met else '   below'}",
            flush=True,
        )
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    machine = {
        "torch": torch.__version__,
        "machine": platform.processor() or platform.machine(),
        "threads": 1,
        "rounds": rounds,
    }
    RESULT.write_text(json.dumps(machine | {"steps per second": rows}, indent=1) + "\n")
    print(f"written to {RESULT}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 9)
