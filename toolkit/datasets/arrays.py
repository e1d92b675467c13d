"""Arrays that somebody already has, as a `Dataset`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from toolkit.datasets import splits
from toolkit.datasets.dataset import Dataset, Pair

Arrays = np.ndarray | Tensor | Sequence


def from_arrays(
    inputs: Arrays,
    targets: Arrays,
    *,
    name: str = "own data",
    validation: float = 0.1,
    test: float | tuple[Arrays, Arrays] = 0.1,
    seed: int = 0,
    classes: Sequence[str] | None = None,
    standardise: bool = True,
    source: str = "own arrays",
    licence: str = "not stated",
    units: str = "",
    simulated: bool = False,
) -> Dataset:
    """Make a `Dataset` of arrays, with deterministic splits that keep the shares of the classes.

    Whole-number targets are class labels, real ones are the targets of a regression. Images may have their channels first or
    last: the channel axis is the second one if it has up to 4 entries, else the last one.

    Args:
        inputs: images `(n, h, w)`, `(n, c, h, w)` or `(n, h, w, c)` in 0 .. 255 or as real numbers, or features `(n, d)`.
        targets: labels `(n,)` from 0 upwards, or real numbers `(n,)` or `(n, outputs)`.
        name: of the set.
        validation: share of the samples for validation, of the training samples where `test` is given as arrays.
        test: share of the samples for testing, or inputs and targets that somebody else has set apart.
        seed: of the splits.
        classes: names of the classes; by default the labels themselves.
        standardise: let `normalise` subtract the mean of the training split and divide by its standard deviation.
        source: where the data come from.
        licence: what their origin says about use.
        units: of the inputs.
        simulated: computed rather than measured.

    Returns:
        The data on the CPU.

    Raises:
        TypeError: arrays of objects, text or complex numbers.
        ValueError: unequal lengths, negative labels, a class without a sample, numbers that are not finite, shares that leave
            nothing for training.

    >>> images = np.zeros((10, 8, 8), np.uint8)
    >>> from_arrays(images, np.arange(10) % 2, validation=0.2, test=0.2).train[0].shape
    torch.Size([6, 1, 8, 8])
    """
    x, y = as_pair(inputs, targets)
    held_out = as_pair(*test) if isinstance(test, tuple) else None
    classes = _named_classes(classes, y)
    train, chosen, tested = splits.split(
        len(x), validation=validation, test=0.0 if held_out else test, seed=seed, stratify=None if classes is None else y
    )
    mean, std = moments(x[train]) if standardise else (None, None)
    return Dataset(
        name, (x[train], y[train]), (x[chosen], y[chosen]), held_out or (x[tested], y[tested]),
        classes=classes, source=source, licence=licence, units=units, simulated=simulated, mean=mean, std=std,
    )  # fmt: skip


def as_pair(inputs: Arrays, targets: Arrays) -> Pair:
    """Inputs and targets as tensors of their compact type, checked.

    Args:
        inputs: see `from_arrays`.
        targets: see `from_arrays`.

    Returns:
        uint8 images `(n, c, h, w)` or float32, and int64 labels `(n,)` or float32.

    Raises:
        TypeError, ValueError: see `from_arrays`.
    """
    x, y = _plain("inputs", inputs), _plain("targets", targets)
    if x.ndim < 2 or x.size == 0:
        raise ValueError(f"inputs must be images (n, h, w), (n, c, h, w), (n, h, w, c) or features (n, d), got shape {x.shape}")
    if len(x) != len(y):
        raise ValueError(f"inputs and targets must have equal lengths, got {len(x):,} and {len(y):,}")
    x = _compact(_channels_first(x))
    return _tensor(x), _tensor(_labels(y) if y.dtype.kind in "biu" else _compact(y))


def moments(inputs: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel, of images in units of the full scale 255.

    Args:
        inputs: `(n, c, ...)`, uint8 or float32.

    Returns:
        Means and standard deviations, 1 for a channel that is constant.

    >>> moments(torch.tensor([[0.0], [2.0]]))
    ((1.0,), (1.0,))
    """
    if inputs.dtype == torch.uint8:
        counts = torch.stack([torch.bincount(channel.flatten(), minlength=256) for channel in inputs.unbind(1)]).double()
        levels = torch.arange(256, dtype=torch.float64) / 255
        shares = counts / counts.sum(1, keepdim=True)
        mean = shares @ levels
        variance = (shares * (levels - mean[:, None]).square()).sum(1)
    else:
        variance, mean = torch.var_mean(inputs.double(), [0, *range(2, inputs.ndim)], correction=0)
    std = variance.sqrt()
    constant = std <= 1e-7 * mean.abs()  # no more than the rounding of float32
    return tuple(mean.tolist()), tuple(std.where(~constant, 1.0).tolist())


def _plain(name: str, values: Arrays) -> np.ndarray:
    try:
        array = values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)
    except ValueError as error:
        raise ValueError(f"{name} must be an array, got rows of unequal lengths ({error})") from error
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must be an array of whole or real numbers, got {array.dtype} of shape {array.shape}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        first = tuple(np.argwhere(~np.isfinite(array))[0].tolist())
        raise ValueError(f"{name} must be finite, got {array[first]} at position {first}")
    return array


def _channels_first(x: np.ndarray) -> np.ndarray:
    if x.ndim == 3:
        return x[:, None]
    if x.ndim == 4 and x.shape[1] > 4 and x.shape[3] <= 4:
        return x.transpose(0, 3, 1, 2)
    return x


def _compact(x: np.ndarray) -> np.ndarray:
    """uint8 where whole numbers lie in 0 .. 255 and have the shape of images, else float32."""
    if x.ndim >= 4 and x.dtype.kind in "iu":
        if x.min() < 0 or x.max() > 255:
            raise ValueError(f"inputs of whole numbers must lie in 0 .. 255, got {x.min()} .. {x.max()}")
        return x.astype(np.uint8, copy=False)
    return x.astype(np.float32, copy=False)


def _labels(y: np.ndarray) -> np.ndarray:
    if y.ndim != 1:
        raise ValueError(f"targets that are class labels must have shape (n,), got {y.shape}")
    if y.dtype.kind == "i" and y.min() < 0:
        raise ValueError(f"targets must be labels from 0 upwards, got {y.min()} at position {int(y.argmin())}")
    return y.astype(np.int64)


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.require(array, requirements=["C", "W"]))


def _named_classes(classes: Sequence[str] | None, y: Tensor) -> tuple[str, ...] | None:
    if y.dtype != torch.int64:
        if classes is not None:
            raise TypeError(f"targets must be whole numbers where classes are named, got {y.dtype}")
        return None
    largest = int(y.max())
    if classes is None and largest >= len(y):
        raise ValueError(f"targets: label {largest} among {len(y):,} samples leaves classes without a sample")
    names = tuple(str(name) for name in (range(largest + 1) if classes is None else classes))
    if largest >= len(names):
        raise ValueError(f"targets: label {largest} has no name; {len(names)} classes are named, labels count from 0")
    empty = [name for name, count in zip(names, torch.bincount(y, minlength=len(names)).tolist(), strict=True) if count == 0]
    if empty:
        raise ValueError(f"targets: no sample of class {empty[0]!r}; labels must count from 0 without gaps")
    return names
