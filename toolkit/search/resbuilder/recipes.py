"""How each architecture is trained: as in the thesis, or as today."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from toolkit.datasets.augmentation import Augment

MIRRORED_IS_ANOTHER = ("digits", "mnist", "emnist", "svhn")  # sets of characters, which nobody writes mirrored
WARM_UP = 0.25  # share of the steps in which the learning rate rises


@dataclass(frozen=True)
class Recipe:
    """Everything about a training that is no part of the search.

    Attributes:
        make: optimizer from parameter groups with their `weight_decay`.
        learning_rate: of that optimizer, its largest.
        weight_decay: λ₀, of the sum of squares λ₀ Σ ω².
        smoothing: of the labels, 0 to 1.
        one_cycle: whether the learning rate rises and falls with each training; else it is constant.
        bf16: autocast on a GPU.
        clip: largest norm of the gradient of all parameters; a longer one is shortened to it.
        shift: largest shift of an image as a share of its size.
        always_flip: mirror images of characters too.
    """

    make: Callable[[Iterable[dict[str, Any]]], torch.optim.Optimizer]
    learning_rate: float
    weight_decay: float
    smoothing: float = 0.0
    one_cycle: bool = False
    bf16: bool = False
    clip: float = math.inf
    shift: float = 0.1
    always_flip: bool = False

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy, a mean over the batch."""
        return functional.cross_entropy(outputs, targets, label_smoothing=self.smoothing)

    def factor(self, share: float) -> float:
        """Of the learning rate when this share of the steps is done.

        >>> [round(RECIPES["modern"].factor(share), 2) for share in (0, 0.25, 1)]
        [0.04, 1.0, 0.0]
        """
        if not self.one_cycle:
            return 1.0
        if share < WARM_UP:
            return 0.04 + 0.96 * share / WARM_UP
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (share - WARM_UP) / (1 - WARM_UP))))


RECIPES = {
    "thesis": Recipe(torch.optim.Adam, learning_rate=1e-3, weight_decay=1e-5, always_flip=True),
    "modern": Recipe(
        partial(torch.optim.SGD, momentum=0.9, nesterov=True), learning_rate=0.1, weight_decay=2.5e-4, smoothing=0.1,
        one_cycle=True, bf16=True, clip=1.0, shift=0.125,
    ),
}  # fmt: skip


def augmentation(recipe: Recipe, name: str = "") -> Augment:
    """Shifts and flips for a data set of this name; a mirrored character is another one, which the thesis overlooks.

    >>> augmentation(RECIPES["modern"], "mnist").flip, augmentation(RECIPES["thesis"], "mnist").flip
    (False, True)
    """
    character = any(name.lower().startswith(one) for one in MIRRORED_IS_ANOTHER)
    return Augment(shift=recipe.shift, flip=recipe.always_flip or not character)
