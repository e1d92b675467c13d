"""Descriptors and energies made ready for small networks: one scale for all atoms, energies in units of their spread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

Pair = tuple[Tensor, Tensor]
Part = Pair | tuple[Tensor, Tensor, Tensor]
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
        present: of each part, 1 where an atom is and 0 in rows that only fill up a frame, `(n, a)`; empty where frames have
            equal numbers of atoms.
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
    present: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def atoms(self) -> int:
        """a, the number of atoms of every frame; where these differ, of the largest."""
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
        return replace(self, **parts, present={name: each.to(device) for name, each in self.present.items()})

    def millielectronvolts(self, loss: np.ndarray | float) -> np.ndarray | float:
        """Root mean squared error [meV/atom] that belongs to a mean squared error in units of `unit` squared."""
        return 1000 * self.unit * np.sqrt(loss)

    def _parts(self) -> dict[str, Pair]:
        return {"train": self.train, "validation": self.validation, "test": self.test}


def scaled(
    train: Part, validation: Part, test: Part | None = None, *, scaling: Literal["standard", "min-max"] = "standard"
) -> Scaled:
    """Scale descriptors and energies by the training part, every atom alike.

    "min-max" maps each function to -1 .. 1 (Ghimire, equation 2.5); "standard" to mean 0 and spread 1, with which a penalty
    weighs all functions alike. The printed form divides by zero for a function that is constant, such as G2 with R_s = R_c at
    high eta: a function whose spread is below 1e-6 of its size is called dead and set to zero.

    Frames of different numbers of atoms are filled up to a rows, and a part gets a third array `(n, a)`, 1 where an atom is and
    0 elsewhere. What stands in the other rows counts for nothing. A part without it has a atoms in every frame.

    Args:
        train: descriptors `(n, a, d)` and energies `(n,)` [eV] of whole frames; third, where needed, which rows are atoms.
        validation: likewise.
        test: likewise, if there is one.
        scaling: of the descriptors.

    Raises:
        ValueError: shapes that do not fit, an unknown scaling, values that are not finite, frames without atoms, or energies
            that do not vary.

    >>> data = scaled(
    ...     (torch.tensor([[[1.0, 7.0]], [[3.0, 7.0]]]), torch.tensor([-1.0, 1.0])), (torch.ones(1, 1, 2), torch.ones(1))
    ... )
    >>> data.train[0].flatten(), data.dead, data.unit
    (tensor([-1.,  0.,  1.,  0.]), tensor([False,  True]), 1.0)
    """
    if scaling not in SCALINGS:
        raise ValueError(f"scaling must be one of {SCALINGS}, got {scaling!r}")
    parts = {"train": _part("train", train), "validation": _part("validation", validation)}
    shape = parts["train"][0].shape[1:]
    empty = (torch.empty(0, *shape), torch.empty(0, dtype=torch.float64), None)
    parts["test"] = empty if test is None else _part("test", test)
    for name, (descriptors, _, _) in parts.items():
        if descriptors.shape[1:] != shape:
            raise ValueError(f"{name}: frames of {tuple(descriptors.shape[1:])} atoms and functions, train has {tuple(shape)}")
    first, _, own = parts["train"]
    centre, scale, dead = _scale(first.flatten(0, 1) if own is None else first[own], scaling)
    energies_of = {name: energies / (shape[0] if own is None else own.sum(1)) for name, (_, energies, own) in parts.items()}
    per_atom = energies_of["train"]
    mean, unit = float(per_atom.mean()), float(per_atom.std(correction=0))
    if not unit > 0:
        raise ValueError("train: all energies are equal, there is nothing to learn")
    ready = {
        name: (_emptied(((descriptors - centre) / scale).mul_(~dead).float(), own), ((energies_of[name] - mean) / unit).float())
        for name, (descriptors, _, own) in parts.items()
    }
    return Scaled(
        **ready, centre=centre, scale=scale, dead=dead, mean=mean, unit=unit, columns=np.arange(shape[1]),
        present=_present(parts),
    )  # fmt: skip


def _present(parts: dict[str, tuple[Tensor, Tensor, Tensor | None]]) -> dict[str, Tensor]:
    """Which rows are atoms, of every part as soon as one part says so."""
    if all(own is None for _, _, own in parts.values()):
        return {}
    return {
        name: torch.ones(descriptors.shape[:2]) if own is None else own.float() for name, (descriptors, _, own) in parts.items()
    }


def _emptied(descriptors: Tensor, present: Tensor | None) -> Tensor:
    """With zeros in the rows that are no atoms."""
    return descriptors if present is None else descriptors.masked_fill_(~present.unsqueeze(-1), 0.0)


def _scale(flat: Tensor, scaling: str) -> tuple[Tensor, Tensor, Tensor]:
    """Centre, scale and whether it is dead, of each function over all atoms `(N, d)`, `(d,)`."""
    low, high = flat.amin(0), flat.amax(0)
    dead = high - low <= FAINTEST * torch.maximum(low.abs(), high.abs())
    if scaling == "min-max":
        centre, scale = (low + high) / 2, (high - low) / 2
    else:
        scale, centre = torch.std_mean(flat, 0, correction=0)
    return centre, torch.where(dead, 1, scale), dead


def _part(name: str, part: Part) -> tuple[Tensor, Tensor, Tensor | None]:
    try:
        descriptors, energies, *rest = (torch.as_tensor(each) for each in part)
        (present,) = rest or (None,)
    except (TypeError, ValueError) as fault:
        raise TypeError(f"{name} must be descriptors (n, a, d) and energies (n,), got {type(part).__name__}") from fault
    if descriptors.ndim != 3 or energies.shape != descriptors.shape[:1] or 0 in descriptors.shape:
        shapes = f"{tuple(descriptors.shape)} and {tuple(energies.shape)}"
        raise ValueError(f"{name} must be descriptors (n, a, d) and energies (n,), none of them empty, got {shapes}")
    if present is not None:
        present = _checked(name, present, descriptors)
    counting = descriptors if present is None else descriptors[present]
    if not (counting.isfinite().all() and energies.isfinite().all()):
        raise ValueError(f"{name}: some values are not finite")
    return descriptors, energies.double(), present


def _checked(name: str, present: Tensor, descriptors: Tensor) -> Tensor:
    """Which rows are atoms as truth values."""
    if present.shape != descriptors.shape[:2]:
        shapes = f"{tuple(descriptors.shape[:2])}, got {tuple(present.shape)}"
        raise ValueError(f"{name}: the rows that are atoms must have the shape (n, a) of the descriptors, {shapes}")
    if not ((present == 0) | (present == 1)).all():
        raise ValueError(f"{name}: the rows that are atoms must be marked by 1 and the others by 0")
    if not present.bool().any(1).all():
        raise ValueError(f"{name}: frame {int(present.bool().any(1).int().argmin())} has no atom")
    return present.bool()
