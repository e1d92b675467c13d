"""Preconditioning of descriptors: shift, scale, standardise, with a guard for functions that do not vary."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

Kind = Literal["min-max", "standard", "shift", "shift and scale"]
KINDS = ("min-max", "standard", "shift", "shift and scale")
FAINTEST = 1e-6  # a function whose range is this small a part of its size is the rounding noise of float32


class Scaling(nn.Module):
    """What the values of each function were over the training atoms, and how it is scaled by that.

    "min-max" maps to `ends`, by default -1 .. 1 (2.5 of Ghimire); "standard" to mean 0 and deviation 1; "shift" takes the mean
    away; "shift and scale" also divides by the range. A function that hardly varies is dead: the printed form would divide by
    zero, here it becomes 0. Made by `fit_scaling`.

    Args:
        kind: one of `KINDS`.
        low: least value of each function for each species `(s, d)`.
        high: greatest `(s, d)`.
        mean: `(s, d)`.
        deviation: standard deviation `(s, d)`.
        ends: what 0 and 1 of the scaled range, deviation or shift are mapped to; by default -1 and 1 for "min-max", 0 and 1
        else.
    """

    def __init__(
        self,
        kind: Kind,
        low: Tensor,
        high: Tensor,
        mean: Tensor,
        deviation: Tensor,
        *,
        ends: tuple[float, float] | None = None,
    ):
        super().__init__()
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {KINDS}, got {kind!r}")
        self.kind = kind
        self.ends = ends or ((-1.0, 1.0) if kind == "min-max" else (0.0, 1.0))
        for name, value in (("low", low), ("high", high), ("mean", mean), ("deviation", deviation)):
            self.register_buffer(name, torch.atleast_2d(value).double())
        size = torch.maximum(self.low.abs(), self.high.abs())
        self.register_buffer("dead", ~(self.high - self.low > FAINTEST * size))
        extent, one = self.high - self.low, torch.ones_like(self.low)
        reference, divisor = {
            "min-max": (self.low, extent),
            "standard": (self.mean, self.deviation),
            "shift": (self.mean, one),
            "shift and scale": (self.mean, extent),
        }[kind]
        factor = (self.ends[1] - self.ends[0]) / divisor
        self.register_buffer("factor", torch.where(self.dead, 0.0, factor))
        self.register_buffer("shift", torch.where(self.dead, 0.0, reference - self.ends[0] / factor))

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Scaling:
        return keep_double(self, fn)

    def forward(self, features: Tensor, kinds: Tensor | None = None) -> Tensor:
        """Scaled descriptors.

        Args:
            features: `(..., d)`.
            kinds: number of the species of each atom `(...,)`; None where there is one.
        """
        shift, factor = self.shift.to(features), self.factor.to(features)
        if len(shift) == 1:
            return (features - shift[0]) * factor[0]
        if kinds is None:
            raise ValueError(f"kinds must be given for {len(shift)} species")
        return (features - shift[kinds]) * factor[kinds]

    def outside(self, features: Tensor, kinds: Tensor | None = None) -> Tensor:
        """Share of the living functions of each atom that lie outside of what was seen in training `(...,)`."""
        kinds = torch.zeros(features.shape[:-1], dtype=torch.int64, device=features.device) if kinds is None else kinds
        slack = FAINTEST * (self.high - self.low)
        beyond = (features < (self.low - slack)[kinds]) | (features > (self.high + slack)[kinds])
        living = ~self.dead[kinds]
        return (beyond & living).sum(-1) / living.sum(-1).clamp(min=1)


def keep_double(module: nn.Module, fn: Callable[[Tensor], Tensor]) -> nn.Module:
    """Let a module's own buffers follow to a device, but stay in float64.

    `module.float()` would round the energies of whole atoms and the ends of ranges, which `double()` does not bring back.

    Args:
        module: whose buffers they are.
        fn: what torch applies to all tensors of a module that is moved or converted.
    """
    for name, buffer in module._buffers.items():
        device = fn(torch.zeros(0, dtype=torch.float32, device=buffer.device)).device
        if device.type != "mps":  # which has no float64; there the few numbers are sent when they are needed
            module._buffers[name] = buffer.to(device)
    return module


def fit_scaling(features: Tensor, kind: Kind = "min-max", *, kinds: Tensor | None = None, species: int = 1) -> Scaling:
    """A scaling by the descriptors of the training atoms.

    Args:
        features: `(..., d)`.
        kind: one of `KINDS`.
        kinds: number of the species of each atom `(...,)`.
        species: how many there are.

    Raises:
        ValueError: an unknown kind, values that are not finite, or a species without atoms.

    >>> scaling = fit_scaling(torch.tensor([[0.0, 5.0], [2.0, 5.0]]))
    >>> scaling(torch.tensor([[0.5, 5.0]])), scaling.dead.tolist()
    (tensor([[-0.5000,  0.0000]]), [[False, True]])
    """
    if features.ndim < 2 or not features.isfinite().all():
        raise ValueError(f"features must be finite, with shape (..., d), got {tuple(features.shape)}")
    flat = features.detach().reshape(-1, features.shape[-1]).double()
    kinds = torch.zeros(len(flat), dtype=torch.int64) if kinds is None else kinds.reshape(-1)
    parts = [flat[kinds == number] for number in range(species)]
    if any(len(part) == 0 for part in parts):
        raise ValueError("features must hold atoms of each species")
    rows = [(part.amin(0), part.amax(0), part.mean(0), part.std(0, correction=0)) for part in parts]
    return Scaling(kind, *(torch.stack(column) for column in zip(*rows, strict=True)))
