"""Sums of exponentials over the beginning of a sequence, stable and differentiable as often as wanted.

With y_i = log Σ_{j ≤ i} exp(x_j) the matrix P_ij = exp(x_j - y_i) for j ≤ i has rows that sum to 1. It is never built: P v and
Pᵀ g are themselves such sums, and every derivative of them is made of the two. PyTorch's own `logcumsumexp` has no second
derivative where an incoming gradient is zero, as it is for every censored subject.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import FunctionCtx


def log_sum_exp(x: Tensor) -> Tensor:
    """Logarithm of the sum of exponentials of the entries up to each one, y_i = log Σ_{j ≤ i} exp(x_j).

    Args:
        x: `(n,)`.

    Returns:
        `(n,)`, in O(n) time and memory.

    >>> log_sum_exp(torch.tensor([1000.0, 1000.0], dtype=torch.float64)) - 1000
    tensor([0.0000, 0.6931], dtype=torch.float64)
    """
    return _LogSumExp.apply(x)


class _LogSumExp(Function):
    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor) -> Tensor:
        y = torch.logcumsumexp(x, 0)
        ctx.save_for_backward(x, y)
        return y

    @staticmethod
    def backward(ctx: FunctionCtx, g: Tensor) -> Tensor:
        return _Transposed.apply(*ctx.saved_tensors, g)


class _Transposed(Function):
    """Pᵀ g of x; y is log_sum_exp(x), whose own dependence on x is part of the derivative with respect to x."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, y: Tensor, g: Tensor) -> Tensor:
        ctx.save_for_backward(x, y, g)
        return _signed(lambda log: (x + torch.logcumsumexp((log - y).flip(0), 0).flip(0)).exp(), g)

    @staticmethod
    def backward(ctx: FunctionCtx, v: Tensor) -> tuple[Tensor, None, Tensor]:
        x, y, g = ctx.saved_tensors
        mean = _Mean.apply(x, y, v)
        return v * _Transposed.apply(x, y, g) - _Transposed.apply(x, y, g * mean), None, mean


class _Mean(Function):
    """P v of x, the weighted means of v; y as above."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, y: Tensor, v: Tensor) -> Tensor:
        ctx.save_for_backward(x, y, v)
        return _signed(lambda log: (torch.logcumsumexp(x + log, 0) - y).exp(), v)

    @staticmethod
    def backward(ctx: FunctionCtx, g: Tensor) -> tuple[Tensor, None, Tensor]:
        x, y, v = ctx.saved_tensors
        spread = _Transposed.apply(x, y, g)
        return v * spread - _Transposed.apply(x, y, g * _Mean.apply(x, y, v)), None, spread


def _signed(of_logarithm: Callable[[Tensor], Tensor], values: Tensor) -> Tensor:
    """A linear function that is given the logarithm of its argument, of values of any sign."""
    positive = of_logarithm(values.clamp(min=0).log())
    return positive - of_logarithm((-values).clamp(min=0).log()) if bool((values < 0).any()) else positive
