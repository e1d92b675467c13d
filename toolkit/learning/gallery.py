"""Browse the images of a data set, page by page, and see how many there are of each class (Burghoff, section 2.3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import pandas as pd
import torch

from toolkit import published
from toolkit.datasets import Augment, Dataset, images
from toolkit.datasets.catalogue import CARDS
from toolkit.datasets.dataset import SPLITS

PRINTED = {  # name of the loader: name in the document's Table 2.4
    "mnist": "MNIST", "fashion_mnist": "FashionMNIST", "emnist": "EMNIST", "cifar10": "CIFAR10", "cifar100": "CIFAR100",
    "small_norb": "SmallNORB", "animals10": "Animals10",
}  # fmt: skip
LOOKS = ("as stored", "normalised", "augmented")


@dataclass(frozen=True, slots=True)
class Page:
    """Some images of a data set.

    Attributes:
        number: of the page, from 1.
        pages: how many there are.
        pixels: `(n, h, w, 3)` red, green and blue in 0 .. 255 (uint8), ready to be drawn.
        labels: `(n,)`.
        rows: `(n,)` number of each image in its split.
        counts: `(c,)` images of each class in the split.
        mean: `(h, w, 3)` mean of the shown class in the split, or of all classes; uint8.
    """

    number: int
    pages: int
    pixels: np.ndarray
    labels: np.ndarray
    rows: np.ndarray
    counts: np.ndarray
    mean: np.ndarray


def pages(
    data: Dataset,
    *,
    split: str = "train",
    label: int | None = None,
    each: int = 24,
    look: str = "as stored",
    most: int | None = None,
    seed: int = 0,
) -> Iterator[Page]:
    """The images of a split in random order, some at a time.

    Args:
        data: images `(n, c, h, w)` with one or three channels (uint8) and classes.
        split: "train", "validation" or "test".
        label: show one class only.
        each: images on a page.
        look: "as stored"; "normalised", mean and deviation of each channel taken off as in Fig. 2.12 (b), drawn from -2 to 2
            deviations; "augmented", shifted by up to a fifth and mirrored.
        most: pages; None for all.
        seed: of the order and of the augmentation.

    Raises:
        ValueError: no images, or a split, label, number or look that does not exist.

    >>> from toolkit import datasets
    >>> page = next(pages(datasets.images.digits(), label=3))
    >>> page.pixels.shape, set(page.labels.tolist())
    ((24, 8, 8, 3), {3})
    """
    if split not in SPLITS or look not in LOOKS:
        raise ValueError(f"split and look must be of {SPLITS} and {LOOKS}, got {split!r} and {look!r}")
    if data.train[0].ndim != 4 or data.train[0].shape[1] not in (1, 3) or not data.classes:
        raise ValueError(f"data: only grey or colour images with classes can be shown, got {data}")
    if label is not None and not 0 <= label < data.n_classes:
        raise ValueError(f"label must be None or a whole number from 0 to {data.n_classes - 1}, got {label!r}")
    if each < 1 or (most is not None and most < 1):
        raise ValueError(f"each and most must be 1 or more, got {each} and {most}")
    return islice(_pages(data, split, label, each, look, seed), most)


def _pages(data, split, label, each, look, seed) -> Iterator[Page]:
    pictures, labels = getattr(data, split)
    rows = torch.arange(len(labels)) if label is None else (labels == label).nonzero()[:, 0]
    counts = torch.bincount(labels, minlength=data.n_classes).numpy()
    mean = _colours(_mean(pictures, rows)[None], data)[0]
    order = rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))]
    parts = order.split(each) if len(order) else ()
    augment = Augment(shift=0.2, flip=True)
    for number, part in enumerate(parts, start=1):
        shown = pictures[part]
        if look == "augmented":
            shown = augment(shown, torch.Generator().manual_seed(seed + number))
        yield Page(
            number, len(parts), _colours(shown, data, normalised=look == "normalised"), labels[part].numpy(), part.numpy(),
            counts, mean,
        )  # fmt: skip


def normalised_levels(data: Dataset, images: torch.Tensor) -> torch.Tensor:
    """Normalised images `(n, c, h, w)` as levels 0 .. 255: -2 deviations are black, 2 and more are white."""
    return ((data.normalise(images) + 2) / 4).clamp(0, 1).mul(255).to(torch.uint8)


def overview() -> pd.DataFrame:
    """The sets of Table 2.4: what is printed of each, and what its origin says; `here` where it needs no download.

    >>> overview().loc["SmallNORB", ["classes printed", "classes"]].tolist()
    [50, 5]
    """
    table = published.table("burghoff_table_2_4_datasets").set_index("dataset")
    rows = {}
    for name, title in PRINTED.items():
        card, printed = CARDS[name], table.loc[title]
        rows[title] = {
            "images printed": int(printed["n_total"]), "images": sum(card.counts),
            "classes printed": int(printed["classes"]), "classes": len(card.classes),
            "pixels": int(printed["size_px"]), "licence": card.licence, "here": images.available(name),
        }  # fmt: skip
    return pd.DataFrame(rows).T


def table_2_4(data: Dataset) -> dict[str, tuple[int | None, int]]:
    """What Table 2.4 and section 2.3 print of a set, and what is here: name to (printed, here); None where nothing is printed.

    Args:
        data: a documented set as `datasets.load` gives it; others have nothing printed.
    """
    table = published.table("burghoff_table_2_4_datasets").set_index("dataset")
    name = data.name.partition(" (")[0]  # without "(part)" of files that hold a part of the set
    printed = table.loc[PRINTED[name]] if name in PRINTED else None
    here = {
        "size_px": data.input_shape[1],
        "classes": data.n_classes,
        "n_train": len(data.train[0]) + len(data.validation[0]),
        "n_test": len(data.test[0]),
    }
    return {name: (_whole(printed, name), value) for name, value in here.items()}


def _whole(printed, name: str) -> int | None:
    value = None if printed is None else printed[name]
    return None if value is None or np.isnan(float(value)) else int(value)


def _mean(images: torch.Tensor, rows: torch.Tensor, most: int = 2000) -> torch.Tensor:
    """Mean of at most 2,000 images, in their own type."""
    if not len(rows):
        return torch.zeros_like(images[0]) if len(images) else torch.zeros(images.shape[1:], dtype=images.dtype)
    return images[rows[:most]].float().mean(0).to(images.dtype)


def _colours(images: torch.Tensor, data: Dataset, *, normalised: bool = False) -> np.ndarray:
    if normalised:
        images = normalised_levels(data, images)
    elif images.dtype != torch.uint8:
        images = images.clamp(0, 1).mul(255).to(torch.uint8)
    return images.expand(-1, 3, -1, -1).permute(0, 2, 3, 1).contiguous().numpy()
