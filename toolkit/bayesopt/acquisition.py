"""Acquisition functions in closed form: (2.37) to (2.39) of Zhao, elementwise on tensors of any shape."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor


def normal_density(z: Tensor) -> Tensor:
    """φ(z) of the standard normal distribution.

    >>> round(normal_density(torch.zeros(())).item(), 4)
    0.3989
    """
    return torch.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)


def upper_confidence_bound(mean: Tensor, deviation: Tensor, *, kappa: float = 2.0) -> Tensor:
    """UCB, (2.39): μ + κσ. BoTorch's β is κ².

    Args:
        mean: μ of the posterior, any shape.
        deviation: σ, of the same shape, zero or more.
        kappa: weight of the uncertainty.

    >>> upper_confidence_bound(torch.tensor(1.0), torch.tensor(0.5)).item()
    2.0
    """
    return mean + kappa * deviation


def expected_improvement(mean: Tensor, deviation: Tensor, *, best: Tensor | float) -> Tensor:
    """EI, (2.38): (μ - f⁺) Φ(Z) + σ φ(Z) with Z = (μ - f⁺)/σ. Where σ is zero it is max(μ - f⁺, 0).

    Args:
        mean: μ of the posterior, any shape.
        deviation: σ, of the same shape, zero or more.
        best: f⁺, the largest value so far.

    Returns:
        Zero or more, of the same shape.

    >>> expected_improvement(torch.tensor([1.0, 3.0]), torch.zeros(2), best=2.0).tolist()
    [0.0, 1.0]
    """
    gain = mean - best
    z = gain / deviation.clamp(min=torch.finfo(deviation.dtype).tiny)
    improvement = gain * torch.special.ndtr(z) + deviation * normal_density(z)
    return torch.where(deviation > 0, improvement, gain).clamp(min=0)


def probability_of_improvement(mean: Tensor, deviation: Tensor, *, best: Tensor | float) -> Tensor:
    """PI, (2.37): Φ((μ - f⁺)/σ). Where σ is zero it is 1 for μ ≥ f⁺, else 0.

    Args:
        mean: μ of the posterior, any shape.
        deviation: σ, of the same shape, zero or more.
        best: f⁺, the largest value so far.

    Returns:
        Between 0 and 1, of the same shape.

    >>> probability_of_improvement(torch.tensor(2.0), torch.tensor(1.0), best=2.0).item()
    0.5
    """
    gain = mean - best
    probability = torch.special.ndtr(gain / deviation.clamp(min=torch.finfo(deviation.dtype).tiny))
    return torch.where(deviation > 0, probability, (gain >= 0).to(mean.dtype))


def by_name(name: str, *, kappa: float, best: Tensor | float) -> Callable[[Tensor, Tensor], Tensor]:
    """One of the closed forms as a function of μ and σ: "ucb", "ei" or "pi"."""
    if name == "ucb":
        return lambda mean, deviation: upper_confidence_bound(mean, deviation, kappa=kappa)
    formula = {"ei": expected_improvement, "pi": probability_of_improvement}[name]
    return lambda mean, deviation: formula(mean, deviation, best=best)
