"""The proximal step of LassoNet: a feature may enter the network only as far as its linear weight lets it."""

from __future__ import annotations

import torch
from torch import Tensor


def hierarchical_prox(
    linear: Tensor, hidden: Tensor, *, penalty: float | Tensor, hierarchy: float = 10.0, hidden_penalty: float | Tensor = 0.0
) -> tuple[Tensor, Tensor]:
    """The nearest weights at the cost of the penalty that keep to the hierarchy, for many features at once.

    For each feature with linear weights v and weights u into the first hidden layer, the minimum over b and W of
    1/2 |b - v|^2 + 1/2 |W - u|^2 + penalty |b| + hidden_penalty |W|_1 under max|W| <= hierarchy |b| (Lemhadri et al. 2021,
    Algorithm 2). With |u| cut by the hidden penalty and sorted, the s largest entries lie on the bound; |b| follows for every
    s = 0 .. h, and the s is right whose bound separates entry s from s + 1.

    Where v = 0 the published form divides by zero. The minimum there is the same with every direction of b; here b points along
    the first axis, while the package lassonet keeps b = 0, which is not the minimum if u is large.

    Args:
        linear: v, `(..., c)`, c outputs (1 for an energy).
        hidden: u, `(..., h)`.
        penalty: lambda, zero or more; a tensor must broadcast against `(...)`.
        hierarchy: M; 0 leaves a group lasso on the linear part alone.
        hidden_penalty: a lasso on each weight of the hidden layer, zero or more.

    Returns:
        b `(..., c)` and W `(..., h)`; W is exactly zero wherever b is.

    Raises:
        ValueError: shapes that do not fit, a negative penalty or hierarchy.

    >>> linear, hidden = hierarchical_prox(torch.tensor([1.0]), torch.tensor([0.5, -2.0]), penalty=0.1, hierarchy=1.0)
    >>> linear, hidden
    (tensor([1.4500]), tensor([ 0.5000, -1.4500]))
    """
    _check(linear, hidden, penalty, hierarchy, hidden_penalty)
    penalty = torch.as_tensor(penalty).to(linear)
    hidden_penalty = torch.as_tensor(hidden_penalty).to(hidden)
    size = linear.norm(dim=-1)
    cut = (hidden.abs() - hidden_penalty[..., None]).clamp_min(0)
    ranked = cut.sort(dim=-1, descending=True).values
    lengths = _lengths(size, hidden.abs().sort(dim=-1, descending=True).values - hidden_penalty[..., None], penalty, hierarchy)
    active = (ranked > hierarchy * lengths[..., :-1]).sum(-1, keepdim=True)  # entries on the bound
    length = lengths.gather(-1, active)
    towards = torch.where(
        (size > 0)[..., None], linear / size.clamp_min(torch.finfo(size.dtype).tiny)[..., None], _first(linear)
    )
    return length * towards, hidden.sign() * torch.minimum(cut, hierarchy * length)


def _lengths(size: Tensor, ranked: Tensor, penalty: Tensor, hierarchy: float) -> Tensor:
    """|b| if the s largest entries of u lie on the bound, for s = 0 .. h, `(..., h + 1)`."""
    sums = torch.nn.functional.pad(ranked.cumsum(-1), (1, 0))
    count = torch.arange(sums.shape[-1], dtype=size.dtype, device=size.device)
    return (size[..., None] - penalty[..., None] + hierarchy * sums).clamp_min(0) / (1 + count * hierarchy**2)


def _first(like: Tensor) -> Tensor:
    """The first axis as a direction."""
    direction = torch.zeros(like.shape[-1], dtype=like.dtype, device=like.device)
    direction[0] = 1
    return direction


def group_prox(weights: Tensor, *, penalty: float | Tensor) -> Tensor:
    """Group soft threshold: each group is made shorter by the penalty, and exactly zero where it is not longer than that.

    Args:
        weights: one group in the last axis, `(..., h)`.
        penalty: zero or more; a tensor must broadcast against `(...)`.

    Returns:
        `(..., h)`.

    Raises:
        ValueError: a negative penalty.

    >>> group_prox(torch.tensor([3.0, 4.0]), penalty=1.0)
    tensor([2.4000, 3.2000])
    """
    penalty = torch.as_tensor(penalty).to(weights)
    if not (penalty >= 0).all():
        raise ValueError(f"penalty must be zero or more, got {penalty.min().item()}")
    size = weights.norm(dim=-1, keepdim=True)
    left = (size - penalty[..., None]).clamp_min(0)
    return weights * (left / torch.where(size > 0, size, 1))


def _check(linear: Tensor, hidden: Tensor, penalty, hierarchy: float, hidden_penalty) -> None:
    if linear.ndim == 0 or hidden.ndim == 0 or linear.shape[:-1] != hidden.shape[:-1]:
        shapes = f"{tuple(linear.shape)} and {tuple(hidden.shape)}"
        raise ValueError(f"linear and hidden must have the same features before their last axis, got {shapes}")
    for name, value in (("penalty", penalty), ("hierarchy", hierarchy), ("hidden_penalty", hidden_penalty)):
        if not (torch.as_tensor(value) >= 0).all():
            raise ValueError(f"{name} must be zero or more, got {value}")
