"""One hidden layer on a curve or on two classes: what it can represent, where it overfits, what stops that.

Burghoff, sections 2.2.2 (universal approximation) and 2.2.6 (over- and underfitting).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from toolkit import training
from toolkit.learning.confusion import confusion_matrix
from toolkit.networks import ACTIVATIONS, seeded

VALIDATION = 400  # samples
GRID, TILES = 161, 41  # points of a curve, and along each side of a map of two classes
MOST_RECORDS = 120
LIMIT = 2.0  # of each feature
BATCH = 32


@dataclass(frozen=True)
class Task:
    """What is to be learned.

    Attributes:
        formula: the rule as text.
        features: one for a curve, two for classes.
        rule: from features `(n, d)` to the curve, or to a number that is positive for class 1.
    """

    formula: str
    features: int
    rule: Callable[[np.ndarray], np.ndarray]

    @property
    def classification(self) -> bool:
        """Whether the targets are classes."""
        return self.features == 2


def _border(x: np.ndarray) -> np.ndarray:
    return x[:, 1] - 0.8 * np.sin(1.8 * x[:, 0])


def _ring(x: np.ndarray) -> np.ndarray:
    return 1.3 - np.hypot(x[:, 0], x[:, 1])


TASKS = {
    "wave": Task("y = sin 3x", 1, lambda x: np.sin(3 * x[:, 0])),
    "kink": Task("y = |x| - 1", 1, lambda x: np.abs(x[:, 0]) - 1),
    "step": Task("y = sign x", 1, lambda x: np.sign(x[:, 0])),
    "bumps": Task("y = sin 3x / 2 + cos 7x / 2", 1, lambda x: (np.sin(3 * x[:, 0]) + np.cos(7 * x[:, 0])) / 2),
    "wavy border": Task("class 1 above x₂ = 0.8 sin 1.8x₁", 2, _border),
    "disc": Task("class 1 within 1.3 of the centre", 2, _ring),
}


@dataclass(frozen=True, slots=True)
class Fitted:
    """A network in the course of its training.

    Attributes:
        epoch: passes over the training data so far.
        seconds: time spent in training [s].
        metrics: `train_loss` and `validation_loss` without penalty, `penalty` λ G(ω); for classes `train_accuracy` and
            `validation_accuracy`.
        prediction: `(161,)` the curve, or `(41, 41)` the probability of class 1, the first axis being x₂; over -2 .. 2.
        units: of a curve `(m, 81)` what each hidden unit adds to it, of classes `(m, 3)` weights and bias of each.
        confusion: `(2, 2)` of the validation part, see `confusion_matrix`; empty for a curve.
        diverged: the loss is no longer finite; the run has ended.
    """

    epoch: float
    seconds: float
    metrics: Mapping[str, float]
    prediction: np.ndarray
    units: np.ndarray
    confusion: np.ndarray
    diverged: bool = False


def draw_samples(task: str, n: int, *, noise: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Samples of a task with noise: on a curve it is added to y, for classes it is added to the features after labelling.

    Args:
        task: one of `TASKS`.
        n: samples.
        noise: standard deviation.
        seed: of the draws.

    Returns:
        Features `(n, d)` and targets `(n,)`, labels 0 and 1 for classes.

    >>> draw_samples("kink", 3, noise=0.0, seed=0)[1].shape
    (3,)
    """
    draw, rule = np.random.default_rng(seed), TASKS[task]
    inputs = draw.uniform(-LIMIT, LIMIT, (n, rule.features))
    targets, noises = rule.rule(inputs), noise * draw.standard_normal((n, rule.features))
    if rule.classification:
        return inputs + noises, (targets > 0).astype(int)
    return inputs, targets + noises[:, 0]


def l1(weights: Tensor) -> Tensor:
    """Sum of the absolute values, (2.19).

    >>> l1(torch.tensor([3.0, -4.0])).item()
    7.0
    """
    return weights.abs().sum()


def l2(weights: Tensor) -> Tensor:
    """Half the sum of the squares, (2.20).

    >>> l2(torch.tensor([3.0, -4.0])).item()
    12.5
    """
    return weights.square().sum() / 2


def network(features: int, units: int, outputs: int, *, activation: str = "relu", dropout: float = 0.0) -> nn.Sequential:
    """One hidden layer: linear, activation, dropout, linear. Its first breakpoints are spread over the range of the inputs.

    Args:
        features: d.
        units: m, of the hidden layer.
        outputs: of the last layer.
        activation: one of `networks.ACTIVATIONS`, or "square".
        dropout: share of the hidden units that are silenced in each step.
    """
    hidden = nn.Linear(features, units)
    with torch.no_grad():
        hidden.weight.normal_(0, 2.0 / math.sqrt(features))
        hidden.bias.uniform_(-LIMIT, LIMIT).mul_(hidden.weight.norm(dim=1))
    return nn.Sequential(hidden, _activation(activation), nn.Dropout(dropout), nn.Linear(units, outputs))


class Square(nn.Module):
    """The polynomial x², with which more units do not help: the sum of parabolas is a parabola."""

    def forward(self, values: Tensor) -> Tensor:
        """The squares."""
        return values.square()


def _activation(name: str) -> nn.Module:
    return Square() if name == "square" else ACTIVATIONS[name]()


ACTIVATION_NAMES = ("relu", "tanh", "sigmoid", "square", "linear")


def learn(
    task: str,
    *,
    units: int = 12,
    activation: str = "tanh",
    samples: int = 60,
    noise: float = 0.2,
    epochs: int = 300,
    learning_rate: float = 0.02,
    l1_strength: float = 0.0,
    l2_strength: float = 0.0,
    dropout: float = 0.0,
    jitter: float = 0.0,
    patience: int = 0,
    seed: int = 0,
) -> Iterator[Fitted]:
    """Train one hidden layer by Adam; at most some 120 records over the run, one before the first epoch.

    The loss is the mean squared error or the cross-entropy, plus λ G(ω) of (2.18) over the weights without biases.

    Args:
        task: one of `TASKS`.
        units: m, of the hidden layer.
        activation: one of `ACTIVATION_NAMES`.
        samples: for training; 400 others are for validation.
        noise: see `draw_samples`.
        epochs: passes over the training samples, 32 to a batch.
        learning_rate: of Adam.
        l1_strength: λ of (2.19).
        l2_strength: λ of (2.20).
        dropout: share of silenced hidden units.
        jitter: augmentation, the standard deviation of noise that is added to the inputs of every batch.
        patience: epochs without a smaller validation loss after which to stop early; 0 never stops.
        seed: of data, weights, order, dropout and jitter.

    Raises:
        ValueError: an unknown task or activation, or a number outside its range.

    >>> [record.epoch for record in learn("kink", epochs=2)]
    [0.0, 1.0, 2.0]
    """
    if task not in TASKS or activation not in ACTIVATION_NAMES:
        raise ValueError(f"task and activation must be of {tuple(TASKS)} and {ACTIVATION_NAMES}, got {task!r}, {activation!r}")
    least = {"units": 1, "samples": 2, "epochs": 0, "noise": 0, "l1_strength": 0, "l2_strength": 0, "jitter": 0, "patience": 0}
    given = {"units": units, "samples": samples, "epochs": epochs, "noise": noise, "l1_strength": l1_strength,
             "l2_strength": l2_strength, "jitter": jitter, "patience": patience}  # fmt: skip
    for name, value in given.items():
        if not least[name] <= value < math.inf:
            raise ValueError(f"{name} must be a number, {least[name]} or more, got {value!r}")
    if not 0 <= dropout < 1 or not learning_rate > 0:
        raise ValueError(f"dropout must lie in 0 .. 1 and learning_rate be positive, got {dropout!r} and {learning_rate!r}")
    with seeded(seed):
        model = network(
            TASKS[task].features, units, 2 if TASKS[task].classification else 1, activation=activation, dropout=dropout
        )
    data = _data(task, samples, noise, seed)
    run = _run(
        model, data, TASKS[task].classification, epochs, learning_rate, (l1_strength, l2_strength), jitter, patience, seed
    )
    return _sketches(run, TASKS[task], math.ceil(epochs / MOST_RECORDS) or 1)


def _data(task: str, samples: int, noise: float, seed: int) -> SimpleNamespace:
    kind = torch.int64 if TASKS[task].classification else torch.float32

    def tensors(n: int, seed: int) -> tuple[Tensor, Tensor]:
        inputs, targets = draw_samples(task, n, noise=noise, seed=seed)
        return torch.tensor(inputs, dtype=torch.float32), torch.tensor(targets, dtype=kind)

    return SimpleNamespace(train=tensors(samples, seed), validation=tensors(VALIDATION, seed + 100_000))


def data_loss(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean squared error of numbers, cross-entropy (2.9) of labels.

    >>> round(data_loss(torch.zeros(2, 2), torch.tensor([0, 1])).item(), 4)
    0.6931
    """
    if targets.is_floating_point():
        return functional.mse_loss(outputs[:, 0], targets)
    return functional.cross_entropy(outputs, targets)


def penalty(model: nn.Sequential, strengths: tuple[float, float]) -> Tensor:
    """λ G(ω) of (2.18): L1 and L2 over the weights of both layers, without biases.

    Args:
        model: as `network` makes it.
        strengths: λ of (2.19) and of (2.20).
    """
    weights = [model[0].weight, model[-1].weight]
    return sum(strengths[0] * l1(weight) + strengths[1] * l2(weight) for weight in weights)


def _run(model, data, classification, epochs, learning_rate, strengths, jitter, patience, seed) -> SimpleNamespace:
    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        return data_loss(outputs, targets) + penalty(model, strengths)

    def shaken(inputs: Tensor, generator: torch.Generator) -> Tensor:
        return inputs + jitter * torch.randn(inputs.shape, generator=generator)

    stopping = training.EarlyStopping(patience, monitor="validation_data_loss") if patience else None
    fit = training.fit(
        model, data, loss=loss, optimizer=torch.optim.Adam(model.parameters(), learning_rate), epochs=epochs, batch_size=BATCH,
        metrics=[data_loss, *(["accuracy"] if classification else [])], stopping=stopping, augment=shaken if jitter else None,
        seed=seed, device="cpu",
    )  # fmt: skip
    return SimpleNamespace(fit=fit, model=model, data=data, strengths=strengths)


def _sketches(run: SimpleNamespace, task: Task, stride: int) -> Iterator[Fitted]:
    started = time.perf_counter()
    for number, record in enumerate(run.fit):
        if number % stride == 0 or record.diverged or run.fit.ended or number == run.fit.epochs:
            yield _sketch(run, task, record, time.perf_counter() - started)


@torch.no_grad()
def _sketch(run: SimpleNamespace, task: Task, record: training.Record, seconds: float) -> Fitted:
    train, validation = (training.outputs(run.model, part[0]) for part in (run.data.train, run.data.validation))
    metrics = {
        "train_loss": float(data_loss(train, run.data.train[1])),
        "validation_loss": float(data_loss(validation, run.data.validation[1])),
        "penalty": float(penalty(run.model, run.strengths)),
    }
    confusion = np.empty((0, 0), int)
    if task.classification:
        metrics["train_accuracy"] = float(training.accuracy(train, run.data.train[1]))
        metrics["validation_accuracy"] = float(training.accuracy(validation, run.data.validation[1]))
        confusion = confusion_matrix(validation.argmax(1).numpy(), run.data.validation[1].numpy())
    prediction, units = _pictured(run.model, task)
    return Fitted(record.epoch, seconds, metrics, prediction, units, confusion, record.diverged)


def _pictured(model: nn.Sequential, task: Task) -> tuple[np.ndarray, np.ndarray]:
    if task.classification:
        axis = torch.linspace(-LIMIT, LIMIT, TILES)
        points = torch.cartesian_prod(axis, axis).flip(1)
        share = training.outputs(model, points).softmax(1)[:, 1].view(TILES, TILES)
        return share.numpy(), torch.cat([model[0].weight, model[0].bias[:, None]], 1).numpy().copy()
    grid = torch.linspace(-LIMIT, LIMIT, GRID)[:, None]
    hidden = model[1](model[0](grid[::2]))
    return training.outputs(model, grid)[:, 0].numpy(), (hidden * model[-1].weight[0]).T.numpy().copy()
