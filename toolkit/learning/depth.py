"""Gradients in deep stacks of convolutions, plain and residual (Burghoff, section 2.2.7.3).

In a plain stack the gradient reaches the first layers through a product of all the later ones; a residual block adds its
input to its output, so that one way back passes no weight at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from toolkit import training
from toolkit.networks import ACTIVATIONS, seeded

KINDS = ("plain", "residual")
INITIALISATIONS = ("torch", "He")
SAMPLE = 128  # images on which the gradients of a record are measured


class Stack(nn.Module):
    """A convolution, `depth` further ones of equal width, and a dense layer; all kernels are 3 x 3 with padding 1.

    With `residual` the input of every second one of the further convolutions is added after the one that follows it, before
    its activation: (convolution, activation, convolution, add, activation), the block of Fig. 2.8.

    Args:
        depth: further convolutions, an even number.
        input_shape: channels, height and width [pixels] of one image.
        classes: number of outputs.
        residual: with skip connections.
        width: channels of each convolution.
        activation: one of `networks.ACTIVATIONS`.
        normalised: with batch normalisation after each of the further convolutions.
        initialisation: "torch" (uniform, variance 1/(3 fan-in)) or "He" (normal, variance 2/fan-in).

    Raises:
        ValueError: an odd depth, or an unknown name.
    """

    def __init__(
        self,
        depth: int,
        *,
        input_shape: tuple[int, int, int] = (1, 8, 8),
        classes: int = 10,
        residual: bool = False,
        width: int = 8,
        activation: str = "relu",
        normalised: bool = False,
        initialisation: str = "torch",
    ):
        super().__init__()
        if depth != int(depth) or depth < 2 or depth % 2:
            raise ValueError(f"depth must be an even whole number, 2 or more, got {depth!r}")
        if activation not in ACTIVATIONS or initialisation not in INITIALISATIONS:
            known = f"{tuple(ACTIVATIONS)} and {INITIALISATIONS}"
            raise ValueError(f"activation and initialisation must be of {known}, got {activation!r} and {initialisation!r}")
        channels, height, across = input_shape
        self.residual, self.activation = residual, ACTIVATIONS[activation]()
        self.stem = nn.Conv2d(channels, width, 3, padding=1)
        self.convolutions = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(depth))
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) if normalised else nn.Identity() for _ in range(depth))
        self.head = nn.Linear(width * height * across, classes)
        if initialisation == "He":
            for layer in (self.stem, *self.convolutions):
                nn.init.kaiming_normal_(layer.weight)
                nn.init.zeros_(layer.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Logits `(b, classes)` of images `(b, c, h, w)`."""
        state = self.activation(self.stem(images))
        for first in range(0, len(self.convolutions), 2):
            inner = self.activation(self._layer(first, state))
            outer = self._layer(first + 1, inner)
            state = self.activation(outer + state if self.residual else outer)
        return self.head(state.flatten(1))

    def _layer(self, number: int, state: Tensor) -> Tensor:
        return self.norms[number](self.convolutions[number](state))


@dataclass(frozen=True, slots=True)
class Layers:
    """A plain and a residual stack in the course of their training.

    Attributes:
        epoch: passes over the data so far.
        seconds: time spent on both [s].
        metrics: name to value, each name beginning with the kind of stack, such as `plain_train_loss`.
        norms: `(2, layers)` norm of the loss's gradient by the weights of each convolution, from the input on; plain, residual.
        diverged: a loss is no longer finite; the run has ended.
    """

    epoch: float
    seconds: float
    metrics: Mapping[str, float]
    norms: np.ndarray
    diverged: bool = False


def stacks(depth: int, *, seed: int = 0, **settings: object) -> dict[str, Stack]:
    """A plain and a residual `Stack` with the same weights, of the same settings.

    Args:
        depth: see `Stack`.
        seed: of the weights.
        settings: the other arguments of `Stack`.

    >>> plain, residual = stacks(4).values()
    >>> bool((plain.stem.weight == residual.stem.weight).all())
    True
    """
    built = {}
    for kind in KINDS:
        with seeded(seed):
            built[kind] = Stack(depth, residual=kind == "residual", **settings)
    return built


def gradient_norms(model: Stack, inputs: Tensor, targets: Tensor) -> np.ndarray:
    """Norm of the cross-entropy's gradient by the weights of each convolution, from the input on.

    Args:
        model: the stack; its own gradients and its state stay as they are.
        inputs: `(b, c, h, w)` as the network takes them.
        targets: `(b,)` labels.

    Returns:
        `(depth + 1,)`; the first is that of the convolution at the input.

    >>> norms = gradient_norms(Stack(10), torch.rand(8, 1, 8, 8), torch.arange(8))
    >>> bool(norms[0] < norms[-1])
    True
    """
    weights = [model.stem.weight, *(layer.weight for layer in model.convolutions)]
    was_training = model.training
    model.eval() if _without_statistics(model) else model.train()
    statistics = {name: value.clone() for name, value in model.named_buffers()}
    with torch.enable_grad():
        gradients = torch.autograd.grad(functional.cross_entropy(model(inputs), targets), weights)
    for name, value in model.named_buffers():
        value.copy_(statistics[name])
    model.train(was_training)
    return np.array([float(gradient.norm()) for gradient in gradients])


def compare(
    data: training.Data,
    depth: int,
    *,
    epochs: int = 5,
    learning_rate: float = 0.05,
    batch_size: int = 64,
    seed: int = 0,
    every: int | None = None,
    **settings: object,
) -> Compare:
    """Train a plain and a residual stack on the same images in the same order, by SGD with momentum 0.9.

    Args:
        data: images with classes, for example `datasets.images.digits()`.
        depth: see `Stack`.
        epochs: passes over the training images.
        learning_rate: of both.
        batch_size: images per step.
        seed: of weights and order.
        every: steps between records inside an epoch; None gives one record per epoch.
        settings: the other arguments of `Stack`, but for the shape and the classes, which are those of the data.

    Returns:
        An iterator of `Layers`.
    """
    shape, classes = tuple(data.train[0].shape[1:]), int(data.train[1].max()) + 1
    built = stacks(depth, seed=seed, input_shape=shape, classes=classes, **settings)
    sample = data.normalise(data.train[0][:SAMPLE]), data.train[1][:SAMPLE]
    runs = {
        kind: training.fit(
            model, data, loss=functional.cross_entropy, epochs=epochs, batch_size=batch_size, metrics=["accuracy"], seed=seed,
            optimizer=torch.optim.SGD(model.parameters(), learning_rate, momentum=0.9), every=every, device="cpu",
        )
        for kind, model in built.items()
    }  # fmt: skip
    return Compare(runs, sample)


class Compare(Iterator[Layers]):
    """Two runs side by side, made by `compare`.

    Attributes:
        runs: kind to `training.Fit`; the learning rates of their optimizers may be changed between two records.
    """

    def __init__(self, runs: Mapping[str, training.Fit], sample: tuple[Tensor, Tensor]):
        self.runs, self._sample, self._ended = runs, sample, False

    def __next__(self) -> Layers:
        records = [None if self._ended else next(run, None) for run in self.runs.values()]
        if None in records:
            raise StopIteration
        self._ended = any(record.diverged for record in records)
        metrics = {
            f"{kind}_{name}": value
            for kind, record in zip(self.runs, records, strict=True)
            for name, value in record.metrics.items()
            if name != "learning_rate"
        }
        norms = np.stack([gradient_norms(run.model, *self._sample) for run in self.runs.values()])
        return Layers(records[0].epoch, sum(record.seconds for record in records), metrics, norms, self._ended)


def _without_statistics(model: nn.Module) -> bool:
    return not any(isinstance(part, nn.BatchNorm2d) for part in model.modules())
