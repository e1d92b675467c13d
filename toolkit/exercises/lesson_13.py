"""Lesson 13: the autoencoder of membranes."""

from __future__ import annotations

import math

import torch

from toolkit.exercises.exercise import NUMBER, WHOLE, Exercise, equal_to
from toolkit.microstructure.autoencoder import VAE, gaussian_divergence

MEAN, DEVIATION = 1.0, 0.5  # of the posterior in exercise 1
SHARP = 0.3  # deviation of the posterior in exercise 3


def price(mean: float = MEAN, deviation: float = DEVIATION) -> float:
    """Divergence of a posterior of one latent dimension from the prior [nat]."""
    pair = torch.tensor([[mean]], dtype=torch.float64), torch.tensor([[2 * math.log(deviation)]], dtype=torch.float64)
    return gaussian_divergence(*pair).item()


def weights(size: int) -> int:
    """Weights of the network of Table 4.3 at a size, counted without making them."""
    with torch.device("meta"):
        return sum(weight.numel() for weight in VAE(size).parameters())


def price_of_use() -> float:
    """Mean divergence where the means of all structures and the draws together are distributed as the prior [nat].

    The means then have the variance 1 - σ², and the divergence is linear in μ².
    """
    return price(math.sqrt(1 - SHARP**2), SHARP)


EXERCISES = {
    1: Exercise(
        NUMBER,
        equal_to(
            price, within=0.005, otherwise="½ (μ² + σ² - 1 - ln σ²), with the natural logarithm.",
            mistakes=lambda: {
                2 * price(): "The half in front is missing.",
                price() + math.log(DEVIATION) / 2: "ln σ² is 2 ln σ.",
                price(0.0): "The mean costs as well.",
            },
        ),
        price, minutes=3,
    ),
    2: Exercise(
        WHOLE,
        equal_to(
            lambda: weights(64),
            otherwise="Convolutions keep their weights. Which layers see the flat maps, and how long are these?",
            mistakes=lambda: {
                weights(128): "That is the printed network, at 128³.",
                weights(32): "That is at 32³.",
                weights(128) // 8: "Only two layers depend on the size.",
            },
        ),
        lambda: weights(64), minutes=8,
    ),
    3: Exercise(
        NUMBER,
        equal_to(
            price_of_use, within=0.01, otherwise="What is the mean of μ² if μ + σ ε over all structures has variance 1?",
            mistakes=lambda: {
                price(0.0, SHARP): "That is for μ = 0; over all structures μ must vary.",
                2 * price_of_use(): "The half in front is missing.",
                price(1.0, SHARP): "Means of variance 1 and the draws around them have more than variance 1 together.",
            },
        ),
        price_of_use, minutes=10,
    ),
}  # fmt: skip
