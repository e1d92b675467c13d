"""Deterministic splits: disjoint, covering, the same for the same seed."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np
import torch
from torch import Tensor


def split(
    n: int, *, validation: float = 0.1, test: float = 0.1, seed: int = 0, stratify: np.ndarray | Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Divide the sample numbers 0 .. n-1 into training, validation and test.

    With `stratify` the samples stand class by class, shuffled inside each class, and the held-out ones are taken at even
    distances along that line. So the totals are exact (rounded once), and each class gives its share to within two samples.

    Args:
        n: number of samples.
        validation: share of the samples, 0 <= validation < 1.
        test: share of the samples; validation + test < 1.
        seed: of the shuffling.
        stratify: one class label per sample `(n,)`.

    Returns:
        Three rising index tensors (int64) for training, validation and test.

    Raises:
        ValueError: a share, seed or number of samples that leaves no training sample.

    >>> split(6, validation=0, test=0.5, stratify=np.array([0, 0, 0, 0, 1, 1]))[2].shape
    torch.Size([3])
    """
    check(validation=validation, test=test, seed=seed)
    if n < 1 or round(n * (validation + test)) >= n:
        raise ValueError(f"validation={validation} and test={test} leave none of {n} samples for training")
    order = _class_by_class(n, stratify, seed)
    held = _evenly(n, round(n * (validation + test)))
    held_out = order[held]
    tested = _evenly(len(held_out), round(n * test))
    parts = order[~held], held_out[~tested], held_out[tested]
    return tuple(torch.from_numpy(np.sort(part)) for part in parts)


def sample(n: int, size: int, *, seed: int = 0, stratify: np.ndarray | Tensor | None = None) -> Tensor:
    """Choose `size` of the sample numbers 0 .. n-1, with `stratify` so that the classes keep their shares.

    Args:
        n: number of samples.
        size: how many to choose, 1 <= size <= n.
        seed: of the choice.
        stratify: one class label per sample `(n,)`.

    Returns:
        A rising index tensor (int64) `(size,)`.

    Raises:
        ValueError: more samples than there are.

    >>> sample(4, 2, stratify=np.array([0, 0, 1, 1])).shape
    torch.Size([2])
    """
    check(validation=0, test=0, seed=seed)
    if not 1 <= size <= n:
        raise ValueError(f"size must be a number of samples from 1 to {n}, got {size}")
    order = _class_by_class(n, stratify, seed)
    return torch.from_numpy(np.sort(order[_evenly(n, size)]))


def check(*, validation: float, test: float, seed: int) -> None:
    """Refuse shares and seeds that cannot work for any number of samples.

    Raises:
        ValueError: a share outside of 0 .. 1, shares that leave nothing for training, or a negative seed.
    """
    for name, share in (("validation", validation), ("test", test)):
        if not isinstance(share, Real) or not 0 <= share < 1:
            raise ValueError(f"{name} is a share of the samples, 0 <= {name} < 1, got {share!r}")
    if validation + test >= 1:
        raise ValueError(f"validation={validation} and test={test} leave nothing for training")
    if not isinstance(seed, Integral) or seed < 0:
        raise ValueError(f"seed must be a whole number of 0 or more, got {seed!r}")


def _class_by_class(n: int, stratify: np.ndarray | Tensor | None, seed: int) -> np.ndarray:
    shuffled = np.random.default_rng(seed).permutation(n)
    if stratify is None:
        return shuffled
    labels = np.asarray(stratify)
    if labels.shape != (n,):
        raise ValueError(f"stratify must hold one label for each of {n} samples, got shape {labels.shape}")
    return shuffled[np.argsort(labels[shuffled], kind="stable")]


def _evenly(n: int, k: int) -> np.ndarray:
    """Mark k of n places at even distances; in any stretch of m places their number differs from k m / n by less than one."""
    steps = (np.arange(n + 1, dtype=np.int64) * k + n // 2) // max(n, 1)
    return np.diff(steps) > 0
