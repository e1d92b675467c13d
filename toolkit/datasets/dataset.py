"""The one type in which every lesson holds its data."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from toolkit.datasets import splits

if TYPE_CHECKING:
    import pandas as pd

SPLITS = ("train", "validation", "test")
Pair = tuple[Tensor, Tensor]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Inputs and targets in three splits, held in their compact type; `normalise` turns a batch into a network's input.

    Images are uint8 `(n, c, h, w)`, feature matrices float32 `(n, d)`; class labels are int64 `(n,)`, other targets float32.
    `dataclasses.replace(data, mean=None, std=None)` gives the same data scaled to [0, 1] only.

    Args:
        name: of the set.
        train: inputs and targets for training.
        validation: for choices made during the work; may be empty.
        test: for the number that is reported; may be empty.
        classes: names of the classes in the order of the labels; None for regression.
        source: where the data come from.
        licence: what their origin says about use.
        units: of the inputs as they are stored.
        simulated: computed rather than measured.
        mean: of each channel (feature) of the training inputs, images in units of the full scale 255.
        std: likewise the standard deviation.

    Raises:
        ValueError, TypeError: splits that do not fit together, labels without a class.

    >>> pair = torch.zeros(2, 3), torch.tensor([0, 1])
    >>> Dataset("toy", pair, pair, pair, classes=("no", "yes"), source="made up", licence="none", units="m", simulated=True)
    Dataset 'toy': 2 train, 2 validation, 2 test samples of shape 3 (float32), 2 classes, on cpu, simulated
    """

    name: str
    train: Pair
    validation: Pair
    test: Pair
    _: KW_ONLY
    classes: tuple[str, ...] | None
    source: str
    licence: str
    units: str
    simulated: bool = False
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    _affine: dict = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        for name in SPLITS:
            _check_split(name, getattr(self, name), like=self.train[0], classes=self.classes)
        _check_scaling(self.mean, self.std, self.train[0].shape[1])

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one sample: `(c, h, w)` of an image, `(d,)` of a feature vector."""
        return tuple(self.train[0].shape[1:])

    @property
    def n_classes(self) -> int:
        """Number of classes; 0 for regression."""
        return len(self.classes or ())

    @property
    def device(self) -> torch.device:
        """Where the tensors lie."""
        return self.train[0].device

    def normalise(self, inputs: Tensor) -> Tensor:
        """Turn a batch in its stored type into the network's input, on the device of the batch.

        uint8 becomes x / 255; then (x - mean) / std per channel where `mean` and `std` are given.

        Args:
            inputs: `(b, ...)` uint8 or floating point; they are not changed.

        Returns:
            float32 of the same shape; float32 inputs themselves where there is nothing to do.

        Raises:
            TypeError: inputs of another type.
        """
        if inputs.is_floating_point():
            if self.mean is None:
                return inputs.to(torch.float32)
            scale, shift = self._scale_and_shift(inputs.device, 1.0)
            return torch.mul(inputs.to(torch.float32), scale).add_(shift)
        if inputs.dtype is not torch.uint8:
            raise TypeError(f"inputs must be uint8 or floating point, got {inputs.dtype}")
        scale, shift = self._scale_and_shift(inputs.device, 255.0)
        scaled = inputs.to(torch.float32).mul_(scale)
        return scaled if self.mean is None else scaled.add_(shift)

    def _scale_and_shift(self, device: torch.device, full_scale: float) -> Pair:
        if (device, full_scale) not in self._affine:
            mean, std = self.mean or (0.0,), self.std or (1.0,)
            scale = [1 / (s * full_scale) for s in std]
            shift = [-m / s for m, s in zip(mean, std, strict=True)]
            shape = (-1, *[1] * (self.train[0].ndim - 2))
            with torch.inference_mode(False):  # what is kept here must serve training too
                self._affine[device, full_scale] = tuple(torch.tensor(v, device=device).view(shape) for v in (scale, shift))
        return self._affine[device, full_scale]

    def to(self, device: str | torch.device) -> Dataset:
        """The same data on another device."""
        return replace(self, **{name: tuple(part.to(device) for part in getattr(self, name)) for name in SPLITS})

    def subset(self, n: int, *, seed: int = 0, proportional: bool = False) -> Dataset:
        """A smaller training split in which the classes keep their shares, for a classroom.

        Args:
            n: training samples to keep.
            seed: of the choice.
            proportional: shrink validation and test by the same factor.

        Returns:
            A set with the same `mean` and `std`.

        Raises:
            ValueError: n is not between 1 and the number of training samples.
        """
        total = len(self.train[0])
        if not 1 <= n <= total:
            raise ValueError(f"n must be a number of training samples from 1 to {total:,}, got {n}")
        sizes = {"train": n}
        if proportional:
            sizes |= {name: len(getattr(self, name)[0]) * n // total for name in SPLITS[1:]}
        chosen = {name: self._sample(getattr(self, name), size, seed) for name, size in sizes.items()}
        return replace(self, name=f"{self.name} ({n:,} of {total:,})", **chosen)

    def _sample(self, pair: Pair, size: int, seed: int) -> Pair:
        inputs, targets = pair
        if size == 0:
            return inputs[:0], targets[:0]
        places = splits.sample(len(inputs), size, seed=seed, stratify=targets.cpu() if self.classes else None)
        places = places.to(inputs.device)
        return inputs[places], targets[places]

    def describe(self) -> pd.DataFrame:
        """Origin, licence and size of the set as a table."""
        import pandas as pd

        counts = {f"{name} samples": len(getattr(self, name)[0]) for name in SPLITS}
        rows = {
            "source": self.source,
            "licence": self.licence,
            "origin": "simulated" if self.simulated else "measured",
            "inputs": f"{_shape_text(self.input_shape)}, {_type_text(self.train[0])}, {self.units or 'no unit stated'}",
            "targets": f"{self.n_classes} classes: {_listed(self.classes)}" if self.classes else "numbers (regression)",
            **counts,
            "memory (MB)": round(sum(part.nbytes for name in SPLITS for part in getattr(self, name)) / 1e6, 1),
        }
        return pd.DataFrame({self.name: rows})

    def fingerprint(self) -> str:
        """SHA-256 over shapes, types and values of all tensors; the same on every device."""
        digest = hashlib.sha256()
        for name in SPLITS:
            for part in getattr(self, name):
                digest.update(f"{name} {part.dtype} {tuple(part.shape)}\n".encode())
                digest.update(part.cpu().contiguous().numpy())
        return digest.hexdigest()

    def __repr__(self) -> str:
        counts = ", ".join(f"{len(getattr(self, name)[0]):,} {name}" for name in SPLITS)
        shape = f"{_shape_text(self.input_shape)} ({_type_text(self.train[0])})"
        goal = f"{self.n_classes} classes" if self.classes else "regression"
        kind = ", simulated" if self.simulated else ""
        return f"Dataset {self.name!r}: {counts} samples of shape {shape}, {goal}, on {self.device}{kind}"


def _check_split(name: str, pair: Pair, *, like: Tensor, classes: tuple[str, ...] | None) -> None:
    inputs, targets = pair
    if inputs.ndim < 2 or inputs.shape[1:] != like.shape[1:] or inputs.dtype != like.dtype:
        raise ValueError(
            f"{name}: inputs must be {like.dtype} of shape (n, {_shape_text(like.shape[1:])}), "
            f"got {inputs.dtype} of shape {tuple(inputs.shape)}"
        )
    if inputs.dtype not in (torch.uint8, torch.float32):
        raise TypeError(f"{name}: inputs must be uint8 or float32, got {inputs.dtype}")
    if len(inputs) != len(targets):
        raise ValueError(f"{name}: inputs and targets must have equal lengths, got {len(inputs):,} and {len(targets):,}")
    if targets.dtype != (torch.float32 if classes is None else torch.int64):
        raise TypeError(f"{name}: targets must be int64 labels, or float32 where classes is None, got {targets.dtype}")
    if classes is not None and len(targets) and not 0 <= int(targets.min()) <= int(targets.max()) < len(classes):
        raise ValueError(
            f"{name}: labels must lie in 0 .. {len(classes) - 1}, got {int(targets.min())} .. {int(targets.max())}"
        )


def _check_scaling(mean: tuple[float, ...] | None, std: tuple[float, ...] | None, channels: int) -> None:
    if (mean is None) != (std is None):
        raise ValueError("mean and std must be given together")
    for name, values in (("mean", mean), ("std", std)):
        if values is not None and len(values) not in (1, channels):
            raise ValueError(f"{name} must have one entry per channel ({channels}), got {len(values)}")
    if mean is not None and (len(mean) != len(std) or min(std) <= 0):
        raise ValueError(f"std must be positive and have as many entries as mean, got {std}")


def _shape_text(shape: Sequence[int]) -> str:
    return "x".join(str(size) for size in shape)


def _type_text(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _listed(names: Sequence[str], *, most: int = 10) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")
