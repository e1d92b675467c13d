"""Recurrence and attention (section 2.6.3): two ways to carry something through a sequence."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from toolkit.network_ideas.sketches import Pairs, Sketch, fitted, measured, sketches
from toolkit.networks import seeded

HIDDEN, SAMPLES, SHOWN = 16, 1500, 12
CELLS = {"plain": nn.RNN, "gated": nn.GRU}


class Memory(nn.Module):
    """A recurrent layer (2.46) whose last state is read out.

    Args:
        cell: "plain" (tanh) or "gated" (GRU).
    """

    def __init__(self, cell: str):
        super().__init__()
        self.recurrence = CELLS[cell](1, HIDDEN, batch_first=True)
        self.readout = nn.Linear(HIDDEN, 2)

    def forward(self, sequences: Tensor) -> Tensor:
        """Logits `(b, 2)` of sequences `(b, t, 1)`."""
        return self.readout(self.recurrence(sequences)[0][:, -1])


class Attention(nn.Module):
    """One head of self-attention (2.47); the last position asks, every position answers.

    Args:
        features: channels of the input.
        width: D_k, of queries, keys and values.
    """

    def __init__(self, features: int = 3, width: int = 8):
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(features, width) for _ in range(3))
        self.readout = nn.Linear(width, 2)

    def weights(self, sequences: Tensor) -> Tensor:
        """How much the last position attends to each one, `(b, t)`; rows sum to one."""
        scores = self.key(sequences) @ self.query(sequences[:, -1]).unsqueeze(2)
        return (scores.squeeze(2) / self.query.out_features**0.5).softmax(1)

    def forward(self, sequences: Tensor) -> Tensor:
        """Logits `(b, 2)` of sequences `(b, t, 3)`."""
        return self.readout((self.weights(sequences).unsqueeze(2) * self.value(sequences)).sum(1))


def first_of_many(n: int, length: int, *, seed: int) -> tuple[Tensor, Tensor]:
    """Random numbers `(n, length, 1)`; the label `(n,)` says whether the first one is positive.

    Args:
        n: sequences.
        length: T, of each.
        seed: of the draws.
    """
    draw = np.random.default_rng(seed)
    numbers = draw.standard_normal((n, length, 1))
    return torch.tensor(numbers, dtype=torch.float32), torch.tensor((numbers[:, 0, 0] > 0).astype(int))


def marked_of_many(n: int, length: int, *, seed: int) -> tuple[Tensor, Tensor]:
    """Random numbers of which one is marked `(n, length, 3)`; the label `(n,)` says whether that one is positive.

    The channels are the number, the mark, and a one at the last position.

    Args:
        n: sequences.
        length: T, of each.
        seed: of the draws.
    """
    draw = np.random.default_rng(seed)
    sequences = np.zeros((n, length, 3))
    sequences[..., 0] = draw.standard_normal((n, length))
    marked = draw.integers(0, length, n)
    sequences[np.arange(n), marked, 1] = 1.0
    sequences[:, -1, 2] = 1.0
    labels = sequences[np.arange(n), marked, 0] > 0
    return torch.tensor(sequences, dtype=torch.float32), torch.tensor(labels.astype(int))


def remember(length: int, *, epochs: int, learning_rate: float, seed: int) -> Iterator[Sketch]:
    """Train a plain and a gated recurrent network side by side; show how the last state depends on each input.

    Args:
        length: T, numbers in a sequence.
        epochs: passes over the sequences.
        learning_rate: of Adam.
        seed: of data, weights and order.
    """
    data = Pairs.of(*first_of_many(SAMPLES, length, seed=seed))
    models = {}
    for cell in CELLS:
        with seeded(seed):
            models[cell] = Memory(cell)
    runs = [
        fitted(model, data, functional.cross_entropy, epochs=epochs, learning_rate=learning_rate, seed=seed)
        for model in models.values()
    ]
    for records in zip(*runs, strict=True):
        metrics = {
            f"{cell}_{name}": value
            for cell, record in zip(models, records, strict=True)
            for name, value in measured(record).items()
        }
        influence = {cell: _influence(model, data.validation[0]) for cell, model in models.items()}
        seconds = sum(record.seconds for record in records)
        yield Sketch(records[0].epoch, seconds, metrics, influence, any(record.diverged for record in records))


def attend(length: int, *, epochs: int, learning_rate: float, seed: int) -> Iterator[Sketch]:
    """Train attention; show where the last position looks in some sequences, and where it should.

    Args:
        length: T, numbers in a sequence.
        epochs: passes over the sequences.
        learning_rate: of Adam.
        seed: of data, weights and order.
    """
    data = Pairs.of(*marked_of_many(SAMPLES, length, seed=seed))
    with seeded(seed):
        model = Attention()
    shown = data.validation[0][:SHOWN]

    def picture() -> dict[str, np.ndarray]:
        return {"weights": model.weights(shown).numpy(), "marked": shown[:, :, 1].argmax(1).numpy()}

    run = fitted(model, data, functional.cross_entropy, epochs=epochs, learning_rate=learning_rate, seed=seed)
    return sketches(run, picture)


def _influence(model: Memory, sequences: Tensor) -> np.ndarray:
    """Mean absolute derivative of the difference of the logits by the input at each position, `(t,)`."""
    inputs = sequences[:64].clone().requires_grad_()
    with torch.enable_grad():
        logits = model(inputs)
        (derivative,) = torch.autograd.grad((logits[:, 1] - logits[:, 0]).sum(), inputs)
    return derivative.abs().mean((0, 2)).numpy()
