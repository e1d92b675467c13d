"""Tortuosity from the encoder of a trained autoencoder and a small regressor, against training from scratch (Zhao, 4.2.5).

for outcome in compare(model, volumes, tortuosities, repeats=20):
    print(outcome.strategy, outcome.test_error)
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from scipy import stats
from torch import Tensor, nn
from torch.nn import functional

from toolkit import training
from toolkit.datasets import Dataset
from toolkit.microstructure.autoencoder import VAE, as_shares, latent_means
from toolkit.training.settings import whole

STRATEGIES = ("transfer", "scratch", "random encoder", "mean")
UNITS = 64  # of each of the two dense layers
L2 = 1e-5
LEARNING_RATE = 1e-3


class TortuosityRegressor(nn.Module):
    """The encoder up to the latent means, two dense layers of 64 ReLU and a linear neuron; no sampling.

    Which output of the encoder is taken is not stated; here it is μ.

    Args:
        model: the autoencoder whose encoder is copied, trained or not.
        frozen: leave the encoder as it is: only the dense layers have gradients.
        seed: of the dense layers, whose weights are drawn by Xavier's uniform rule.

    >>> regressor = TortuosityRegressor(VAE(16, latent=3, hidden=8), frozen=True)
    >>> regressor(torch.zeros(2, 1, 16, 16, 16)).shape
    torch.Size([2])
    """

    def __init__(self, model: VAE, *, frozen: bool, seed: int = 0):
        super().__init__()
        self.features, self.mean = copy.deepcopy(model.features), copy.deepcopy(model.mean)
        for weight in (*self.features.parameters(), *self.mean.parameters()):
            weight.requires_grad_(not frozen)
        self.head = _head(model.latent, seed)

    def latents(self, volumes: Tensor) -> Tensor:
        """μ of volumes `(b, 1, s, s, s)`, `(b, l)`."""
        return self.mean(self.features(volumes))

    def forward(self, volumes: Tensor) -> Tensor:
        """Tortuosity `(b,)` of volumes `(b, 1, s, s, s)` between 0 and 1."""
        return self.head(self.latents(volumes))[:, 0]


def _head(inputs: int, seed: int) -> nn.Sequential:
    layers = [nn.Linear(inputs, UNITS), nn.ReLU(), nn.Linear(UNITS, UNITS), nn.ReLU(), nn.Linear(UNITS, 1)]
    generator = torch.Generator().manual_seed(whole("seed", seed, 0))
    for layer in layers[::2]:
        nn.init.xavier_uniform_(layer.weight, generator=generator)
        nn.init.zeros_(layer.bias)
    return nn.Sequential(*layers)


@dataclass(frozen=True)
class Outcome:
    """A regressor after training.

    Attributes:
        strategy: one of `STRATEGIES`; "mean" predicts the mean of the training targets whatever the structure.
        repeat: number of the split and the first weights.
        train_error: mean squared error on the structures it was trained on.
        test_error: on the others.
        unchanged: whether the encoder is bit by bit what it was before.
        run: name of the file it was kept in.
    """

    strategy: str
    repeat: int
    train_error: float
    test_error: float
    unchanged: bool
    run: str = ""


def compare(
    model: VAE,
    volumes: Tensor,
    targets: Tensor,
    *,
    repeats: int | Sequence[int] = 20,
    strategies: Sequence[str] = STRATEGIES,
    train: int = 250,
    epochs: int = 100,
    learning_rate: float = LEARNING_RATE,
    batch_size: int = 64,
) -> Iterator[Outcome]:
    """Train each strategy again and again; in a repeat all have the same split and the same first weights of the dense layers.

    Targets are standardised with the mean and deviation of the training part. The errors are those of the last epoch, in the
    targets' own unit. A frozen encoder's latent means are computed once, which changes no number.

    Args:
        model: the trained autoencoder; it stays as it is.
        volumes: `(n, 1, s, s, s)`, see `autoencoder.latent_means`.
        targets: tortuosity `(n,)`.
        repeats: how many, or their numbers.
        strategies: "transfer" (trained encoder, frozen), "scratch" (encoder drawn anew and trained as well), "random encoder"
            (drawn anew, frozen) and "mean". Whether the document froze the encoder of its second network is not stated.
        train: structures to train on; the others are the test.
        epochs: passes over them; 100 in the document.
        learning_rate: of Adam; 1e-5 in the document, with which 400 steps leave the dense layers about where they began.
        batch_size: 64 in the document.

    Yields:
        An `Outcome` for each repeat and strategy.

    Raises:
        ValueError: targets that do not fit or are not finite, an unknown strategy, too few structures.
    """
    repeats = range(repeats) if isinstance(repeats, int) else repeats
    targets = _checked(volumes, targets, strategies, train)
    inputs = as_shares(volumes, model.size)
    return (
        outcome
        for repeat in repeats
        for outcome in _repeat(
            model, inputs, targets, repeat, strategies, train, epochs=epochs, learning_rate=learning_rate, batch_size=batch_size
        )
    )


def _repeat(model, inputs, targets, repeat, strategies, train, **settings) -> Iterator[Outcome]:
    order = training.shuffled(len(inputs), seed=repeat, epoch=0)
    known, unknown = order[:train], order[train:]
    centre, spread = targets[known].mean(), targets[known].std().clamp(min=torch.finfo(targets.dtype).tiny)
    goals = (targets - centre) / spread
    for strategy in strategies:
        if strategy == "mean":
            predicted, unchanged = torch.zeros_like(goals), True
        else:
            predicted, unchanged = _predictions(model, inputs, goals, known, unknown, strategy, repeat, **settings)
        squares = ((predicted - goals) * spread).square()
        yield Outcome(strategy, int(repeat), float(squares[known].mean()), float(squares[unknown].mean()), unchanged)


def _predictions(model, inputs, goals, known, unknown, strategy, repeat, **settings) -> tuple[Tensor, bool]:
    """Standardised predictions for all structures, and whether the encoder was left as it was."""
    if strategy != "transfer":
        model = VAE(model.size, latent=model.latent, hidden=model.hidden, seed=repeat)
    regressor = TortuosityRegressor(model, frozen=strategy != "scratch", seed=repeat)
    before = [weight.clone() for weight in _encoder(regressor)]
    if strategy == "scratch":
        network, seen = regressor, inputs
    else:
        network, seen = nn.Sequential(regressor.head, nn.Flatten(0)), latent_means(model, inputs)
    data = _data(seen, goals, known, unknown)
    list(_training(network, regressor, data, seed=repeat, **settings))
    unchanged = all(torch.equal(*pair) for pair in zip(before, _encoder(regressor), strict=True))
    return training.outputs(regressor, inputs), unchanged


def _training(network, regressor, data, *, epochs, learning_rate, batch_size, seed) -> training.Fit:
    """Adam with the weak L2 term on the dense layers' weights: its gradient is 2 L2 w."""
    dense = [weight for name, weight in regressor.head.named_parameters() if name.endswith("weight")]
    held = {id(weight) for weight in dense}
    others = [weight for weight in network.parameters() if id(weight) not in held and weight.requires_grad]
    groups = [{"params": dense, "weight_decay": 2 * L2}, {"params": others}]
    return training.fit(
        network, data, loss=functional.mse_loss, optimizer=torch.optim.Adam(groups, lr=learning_rate), epochs=epochs,
        batch_size=batch_size, seed=seed, device=next(regressor.parameters()).device,
    )  # fmt: skip


def _data(seen: Tensor, goals: Tensor, known: Tensor, unknown: Tensor) -> Dataset:
    parts = [(seen[rows].detach(), goals[rows]) for rows in (known, unknown, unknown[:0])]
    return Dataset("tortuosity", *parts, classes=None, source="computed", licence="free to use", units="1", simulated=True)


def _encoder(regressor: TortuosityRegressor) -> list[Tensor]:
    return [*regressor.features.state_dict().values(), *regressor.mean.state_dict().values()]


def _checked(volumes: Tensor, targets: Tensor, strategies: Sequence[str], train: int) -> Tensor:
    unknown = [name for name in strategies if name not in STRATEGIES]
    if unknown or not strategies:
        raise ValueError(f"strategies must be among {STRATEGIES}, got {tuple(strategies)}")
    targets = torch.as_tensor(targets, dtype=torch.float32)
    if targets.shape != (len(volumes),):
        raise ValueError(f"targets must be one number for each of {len(volumes)} structures, got {tuple(targets.shape)}")
    if not targets.isfinite().all():
        row = int((~targets.isfinite()).nonzero()[0])
        raise ValueError(f"targets must be finite; structure {row} has {float(targets[row])} (no path through its pores?)")
    if not 2 <= whole("train", train, 2) < len(volumes):
        raise ValueError(f"train must be from 2 to {len(volumes) - 1}, one less than the structures, got {train}")
    return targets


def paired(outcomes: Sequence[Outcome], first: str = "transfer", second: str = "scratch", *, on: str = "test") -> pd.Series:
    """Two strategies compared repeat by repeat.

    Args:
        outcomes: of both strategies in the same repeats.
        first: strategy.
        second: the one it is compared with.
        on: "train" or "test" error.

    Returns:
        Means and standard deviations of both, the mean difference second - first with its 95 % bounds by Student's
        distribution, p of the paired t test and of Wilcoxon's signed ranks, and in how many of n repeats the first was better.

    Raises:
        ValueError: fewer than two repeats, or repeats of one strategy only.
    """
    errors = {
        name: {one.repeat: getattr(one, f"{on}_error") for one in outcomes if one.strategy == name} for name in (first, second)
    }
    if errors[first].keys() != errors[second].keys() or len(errors[first]) < 2:
        raise ValueError(f"outcomes: {first!r} and {second!r} must have the same repeats, two or more, got "
                         f"{sorted(errors[first])} and {sorted(errors[second])}")  # fmt: skip
    a, b = (np.array([errors[name][repeat] for repeat in sorted(errors[name])]) for name in (first, second))
    test = stats.ttest_rel(b, a)
    low, high = test.confidence_interval(0.95)
    return pd.Series({
        f"{first} mean": a.mean(), f"{first} deviation": a.std(ddof=1), f"{second} mean": b.mean(),
        f"{second} deviation": b.std(ddof=1), "difference": (b - a).mean(), "low": low, "high": high, "p of t": test.pvalue,
        "p of ranks": stats.wilcoxon(b, a).pvalue, "better in": int((a < b).sum()), "n": len(a),
    })  # fmt: skip
