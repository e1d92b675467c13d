"""A documented set on its way from files to a `Dataset`: found or fetched, compared with the published checksums, read."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from toolkit.datasets import files, splits
from toolkit.datasets.arrays import from_arrays
from toolkit.datasets.catalogue import CARDS, Card
from toolkit.datasets.dataset import Dataset
from toolkit.datasets.download import fetch
from toolkit.datasets.files import DamagedFile, DataNotFound
from toolkit.datasets.forms import Form

PART = "(part)"  # how the name of a data set ends where a file holds fewer images than the official one
Folder = str | Path | None


def documented(
    name: str, folder: Folder, *, download: bool, validation: float, seed: int, test: float = 0.0, size: int | None = None
) -> Dataset:
    """Load one of `catalogue.CARDS`.

    Args:
        name: of the set.
        folder: where to look; None stands for $TOOLKIT_DATA/<name> and the download cache.
        download: fetch the published files if the set is not found.
        validation: share of the training part.
        seed: of the splits.
        test: share of all images, for a set without an official test part.
        size: height and width [pixels] to which image files are stretched; None leaves it to the catalogue.

    Returns:
        The data. The source says whether the files are the published ones, and whether they are but a part.

    Raises:
        DataNotFound, DamagedFile, DownloadFailed: see `images.mnist`.
        ValueError: a share or seed that cannot work, before anything is read.
    """
    splits.check(validation=validation, test=test, seed=seed)
    card = CARDS[name]
    form, paths = _locate(card, folder, download)
    if size is not None:
        form = replace(form, size=size)
    state = _compared_with_published(card, paths)
    train, official_test = form.load(paths, card.classes)
    part = _part(card, train, official_test)
    with files.blaming(paths[0]):
        return from_arrays(
            *train, name=f"{name} {PART}" if part else name, validation=validation, test=official_test or test, seed=seed,
            classes=card.classes, source=f"{card.title}, {card.page}; {state}{part}", licence=card.licence, units=card.units,
        )  # fmt: skip


def on_this_machine(card: Card) -> bool:
    """Whether the set can be loaded without a download."""
    return _found(card, files.places(card.name, None)) is not None


def _locate(card: Card, folder: Folder, download: bool) -> tuple[Form, tuple[Path, ...]]:
    searched = files.places(card.name, folder)
    found = _found(card, searched)
    if found is None and download and card.remotes:
        fetch(card, searched[-1])
        found = _found(card, searched[-1:])
    if found is None:
        raise DataNotFound(_how_to_get(card, searched))
    form, groups = found
    if len(groups) > 1:
        raise DataNotFound(
            f"{card.title} lies in several folders, {groups[0][0].parent} and {groups[1][0].parent}: name one with folder="
        )
    return form, groups[0]


def _found(card: Card, places: Sequence[Path]) -> tuple[Form, list[tuple[Path, ...]]] | None:
    for place in places:
        for form in card.forms:
            if groups := form.find(place):
                return form, groups
    return None


def _how_to_get(card: Card, searched: Sequence[Path]) -> str:
    missing = f"{card.title} was not found in {' or '.join(str(place) for place in searched)}"
    if not card.remotes:
        return (
            f"{missing}, and it cannot be fetched from here because no checksum of it is published: "
            f"get it from {card.page} (licence: {card.licence}) and name its folder, images.{card.name}(folder=...)"
        )
    return (
        f"{missing}; write images.{card.name}(download=True) to fetch {card.megabytes:.0f} MB from {card.host} "
        f"(licence: {card.licence})"
    )


def _compared_with_published(card: Card, paths: Sequence[Path]) -> str:
    """Whether the files are the published ones; those of another set, and changed ones in the download cache, are refused."""
    published = {remote.name: remote.checksum for remote in card.remotes}
    compared = [path for path in paths if path.name in published]
    if len(compared) < len(paths):
        return "not in the form whose checksums are published"
    same = [_checksum(path, published[path.name]) == published[path.name] for path in compared]
    if all(same):
        return "published files, checksums right"
    stranger = compared[same.index(False)]
    owner = {remote.checksum: other.title for other in CARDS.values() for remote in other.remotes}
    for checksum in {_checksum(stranger, like) for like in ("sha256", "md5")} & set(owner):
        raise DamagedFile(stranger, f"this is a file of {owner[checksum]}, not of {card.title}")
    if stranger.is_relative_to(files.cache(card.name)):
        raise DamagedFile(stranger, "its checksum is not the published one; delete it, then download again")
    return "checksums differ from the published ones"


def _checksum(path: Path, like: str) -> str:
    algorithm = like.partition(":")[0]
    with path.open("rb") as stream:
        return f"{algorithm}:{hashlib.file_digest(stream, algorithm).hexdigest()}"


def _part(card: Card, train: tuple, test: tuple | None) -> str:
    found = (len(train[0]), len(test[0]) if test else 0)
    if found == card.counts:
        return ""
    return (
        f"; a part, {found[0]:,} + {found[1]:,} images of the published {card.counts[0]:,} + {card.counts[1]:,}: "
        "results do not compare with published ones"
    )
