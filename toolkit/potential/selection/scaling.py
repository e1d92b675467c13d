"""Descriptors and energies made ready for small networks: one scale for all atoms, energies in units of their spread."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

Pair = tuple[Tensor, Tensor]
SCALINGS = ("standard", "min-max")
FAINTEST = 1e-6  # a function whose spread is this small a part of its size is rounding noise in float32


@dataclass(frozen=True)
class Scaled:
    """Scaled descriptors `(n, a, d)` and energies `(n,)` of the three parts; made by `scaled`.

    Attributes:
        train: descriptors and energies per atom, in units of `unit` from `mean`.
        validation: likewise.
        test: likewise; empty where none was given.
        centre: what was taken from each function, `(d,)`.
        scale: by what it was divided then, `(d,)`.
        dead: functions that do not vary, `(d,)` bool; they are zero everywhere.
        mean: mean energy of the training part [eV/atom].
        unit: spread of its energy [eV/atom].
        columns: numbers of the functions that these are, `(d,)`.
    """

    train: Pair
    validation: Pair
    test: Pair
    centre: Tensor
    scale: Tensor
    dead: Tensor
    mean: float
    unit: float
    columns: np.ndarray

    @property
    def atoms(self) -> int:
        """a, the same in every frame."""
        return self.train[0].shape[1]

    @property
    def features(self) -> int:
        """Number of functions d."""
        return self.train[0].shape[2]

    def only(self, columns: np.ndarray | list[int]) -> Scaled:
        """The same frames with some of the functions.

        Args:
            columns: their numbers among the d functions.
        """
        columns = np.asarray(columns)
        if columns.size == 0 or columns.dtype.kind not in "iu" or not 0 <= columns.min() <= columns.max() < self.features:
            raise ValueError(f"columns must be numbers 0 .. {self.features - 1}, at least one, got {columns.tolist()}")
        rows = torch.tensor(columns)
        parts = {name: (part[0][..., rows], part[1]) for name, part in self._parts().items()}
        own = {name: getattr(self, name)[rows] for name in ("centre", "scale", "dead")}
        return replace(self, **parts, **own, columns=self.columns[columns])

    def on(self, device: torch.device) -> Scaled:
        """The same on a device."""
        parts = {name: tuple(each.to(device) for each in part) for name, part in self._parts().items()}
        return replace(self, **parts)

    def millielectronvolts(self, loss: np.ndarray | float) -> np.ndarray | float:
        """Root mean squared error [meV/atom] that belongs to a mean squared error in units of `unit` squared."""
        return 1000 * self.unit * np.sqrt(loss)

    def _parts(self) -> dict[str, Pair]:
        return {"train": self.train, "validation": self.validation, "test": self.test}


def scaled(
    train: Pair, validation: Pair, test: Pair | None = None, *, scaling: Literal["standard", "min-max"] = "standard"
) -> Scaled:
    """Scale descriptors and energies by the training part, every atom alike.

    "min-max" maps each function to -1 .. 1 (Ghimire, equation 2.5); "standard" to mean 0 and spread 1, with which a penalty
    weighs all functions alike. The printed form divides by zero for a function that is constant, such as G2 with R_s = R_c at
    high eta: a function whose spread is below 1e-6 of its size is called dead and set to zero.

    Args:
        train: descriptors `(n, a, d)` and energies `(n,)` [eV] of whole frames.
        validation: likewise.
        test: likewise, if there is one.
        scaling: of the descriptors.

    Raises:
        ValueError: shapes that do not fit, an unknown scaling, values that are not finite, or energies that do not vary.

    >>> data = scaled(
    ...     (torch.tensor([[[1.0, 7.0]], [[3.0, 7.0]]]), torch.tensor([-1.0, 1.0])), (torch.ones(1, 1, 2), torch.ones(1))
    ... )
    >>> data.train[0].flatten(), data.dead, data.unit
    (tensor([-1.,  0.,  1.,  0.]), tensor([False,  True]), 1.0)
    """
    if scaling not in SCALINGS:
        raise ValueError(f"scaling must be one of {SCALINGS}, got {scaling!r}")
    parts = {"train": _pair("train", train), "validation": _pair("validation", validation)}
    shape = parts["train"][0].shape[1:]
    empty = (torch.empty(0, *shape), torch.empty(0, dtype=torch.float64))
    parts["test"] = empty if test is None else _pair("test", test)
    for name, (descriptors, _) in parts.items():
        if descriptors.shape[1:] != shape:
            raise ValueError(f"{name}: frames of {tuple(descriptors.shape[1:])} atoms and functions, train has {tuple(shape)}")
    centre, scale, dead = _scale(parts["train"][0], scaling)
    per_atom = parts["train"][1] / shape[0]
    mean, unit = float(per_atom.mean()), float(per_atom.std(correction=0))
    if not unit > 0:
        raise ValueError("train: all energies are equal, there is nothing to learn")
    ready = {
        name: (((descriptors - centre) / scale).mul_(~dead).float(), ((energies / shape[0] - mean) / unit).float())
        for name, (descriptors, energies) in parts.items()
    }
    return Scaled(**ready, centre=centre, scale=scale, dead=dead, mean=mean, unit=unit, columns=np.arange(shape[1]))


def _scale(descriptors: Tensor, scaling: str) -> tuple[Tensor, Tensor, Tensor]:
    """Centre, scale and whether it is dead, of each function, `(d,)`."""
    low, high = descriptors.amin((0, 1)), descriptors.amax((0, 1))
    dead = high - low <= FAINTEST * torch.maximum(low.abs(), high.abs())
    if scaling == "min-max":
        centre, scale = (low + high) / 2, (high - low) / 2
    else:
        flat = descriptors.flatten(0, 1)
        scale, centre = torch.std_mean(flat, 0, correction=0)
    return centre, torch.where(dead, 1, scale), dead


def _pair(name: str, pair: Pair) -> Pair:
    try:
        descriptors, energies = (torch.as_tensor(part) for part in pair)
    except (TypeError, ValueError) as fault:
        raise TypeError(f"{name} must be descriptors (n, a, d) and energies (n,), got {type(pair).__name__}") from fault
    if descriptors.ndim != 3 or energies.shape != descriptors.shape[:1] or 0 in descriptors.shape:
        shapes = f"{tuple(descriptors.shape)} and {tuple(energies.shape)}"
        raise ValueError(f"{name} must be descriptors (n, a, d) and energies (n,), none of them empty, got {shapes}")
    if not (descriptors.isfinite().all() and energies.isfinite().all()):
        raise ValueError(f"{name}: some values are not finite")
    return descriptors, energies.double()
