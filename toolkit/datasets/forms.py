"""The forms in which the documented sets are handed out: which files, and how they become arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Protocol

import numpy as np

from toolkit.datasets import archives, cifar, files, idx, image_files, matlab, norb, npz
from toolkit.datasets.files import DamagedFile, RawFile

Labelled = tuple[np.ndarray, np.ndarray]
Parts = tuple[Labelled, Labelled | None]


class Form(Protocol):
    """One form of a set."""

    def find(self, place: Path) -> list[tuple[Path, ...]]:
        """Each complete group of the form's files in `place` or up to two folders below."""

    def load(self, paths: Sequence[Path], classes: Sequence[str]) -> Parts:
        """Images and labels for training, and for testing where the set has an official test part."""


@dataclass(frozen=True)
class Files:
    """Files of known names, side by side or as members of an archive.

    Args:
        names: of the files, in the order in which `decode` takes them.
        decode: turns the files and the class names into the two parts.
        archive: name of the archive that holds the files; None if they lie side by side.
    """

    names: tuple[str, ...]
    decode: Callable[[Sequence[RawFile], Sequence[str]], Parts]
    archive: str | None = None

    def find(self, place: Path) -> list[tuple[Path, ...]]:
        """See `Form`."""
        return files.side_by_side(place, (self.archive,) if self.archive else self.names)

    def load(self, paths: Sequence[Path], classes: Sequence[str]) -> Parts:
        """See `Form`."""
        return self.decode(self._members(paths[0]) if self.archive else [files.read(path) for path in paths], classes)

    def _members(self, path: Path) -> list[RawFile]:
        found = {_bare(raw.label): raw for raw in archives.members(path, lambda member: _bare(member) in self.names)}
        missing = [name for name in self.names if name not in found]
        if missing:
            raise DamagedFile(path, f"holds no file {missing[0]!r}")
        return [found[name] for name in self.names]


@dataclass(frozen=True)
class ClassFolders:
    """Image files in one folder per class, on disk or in an archive; there is no official test part.

    Args:
        folders: folder name to class name, possibly several folder names (languages) to one class.
        archives: names under which the archive is handed out.
        size: height and width [pixels] to which the images are stretched; None keeps theirs.
    """

    folders: Mapping[str, str]
    archives: tuple[str, ...]
    size: int | None = None

    def find(self, place: Path) -> list[tuple[Path, ...]]:
        """See `Form`."""
        wanted = set(self.folders.values())
        complete = [
            (parent,)
            for parent in files.folders(place)
            if wanted == {self.folders.get(path.name) for path in parent.glob("*/")} - {None}
        ]
        return complete or [group for name in self.archives for group in files.side_by_side(place, (name,))]

    def load(self, paths: Sequence[Path], classes: Sequence[str]) -> Parts:
        """See `Form`."""
        (path,) = paths
        if path.is_dir():
            images = {name: group for name, group in image_files.class_folders(path).items() if name in self.folders}
        else:
            images = image_files.archived_classes(path, tuple(self.folders))
        empty = set(classes) - {self.folders[name] for name in images}
        if empty:
            raise DamagedFile(path, f"holds no images of class {min(empty)!r}")
        labels = {name: list(classes).index(self.folders[name]) for name in images}
        return image_files.read_images(images, size=self.size, labels=labels), None


def idx_files(training: str, testing: str, *, archive: str | None = None, transposed: bool = False) -> Files:
    """Four idx files whose names begin with `training` and `testing`; EMNIST's images are transposed."""
    kinds = ("images-idx3-ubyte", "labels-idx1-ubyte")
    names = tuple(f"{part}-{kind}{'.gz' if archive else ''}" for part in (training, testing) for kind in kinds)
    return Files(names, partial(_decode_idx, transposed=transposed), archive)


def cifar_binaries(training: Sequence[str], testing: str, *, labels: int, archive: str | None = None) -> Files:
    """Binary records, `labels` label bytes each."""
    return Files((*training, testing), partial(_decode_cifar, read=partial(cifar.read_binary, labels=labels)), archive)


def cifar_pickles(training: Sequence[str], testing: str, *, key: str, archive: str | None = None) -> Files:
    """Python batches with the labels under `key`; never unpickled."""
    return Files((*training, testing), partial(_decode_cifar, read=partial(cifar.read_python_batch, key=key)), archive)


def labelled(images: np.ndarray, labels: np.ndarray, *, label: str, classes: Sequence[str]) -> Labelled:
    """Images and labels after a check that they fit together.

    Raises:
        DamagedFile: unequal numbers of images and labels, or labels that no class belongs to.
    """
    if len(images) != len(labels):
        raise DamagedFile(label, f"{len(labels):,} labels for {len(images):,} images")
    wrong = np.flatnonzero((labels < 0) | (labels >= len(classes)))
    if len(wrong):
        raise DamagedFile(label, f"label {labels[wrong[0]]} at position {wrong[0]} lies outside of 0 .. {len(classes) - 1}")
    return images, labels


def decode_svhn(raws: Sequence[RawFile], classes: Sequence[str]) -> Parts:
    """train_32x32.mat and test_32x32.mat: X `(32, 32, 3, n)` and y `(n, 1)` from 1 to 10, where 10 means the digit 0."""
    return tuple(_svhn_part(raw, classes) for raw in raws)


def decode_emnist_matlab(raws: Sequence[RawFile], classes: Sequence[str]) -> Parts:
    """emnist-byclass.mat: a structure `dataset` with parts train and test, images `(n, 784)` column by column."""
    (raw,) = raws
    (dataset,) = matlab.read_variables(raw, ["dataset"])
    try:
        parts = [dataset[0, 0][name][0, 0] for name in ("train", "test")]
        arrays = [(part["images"].reshape(-1, 28, 28), part["labels"].ravel()) for part in parts]
    except (ValueError, IndexError, KeyError, TypeError) as error:
        raise DamagedFile(raw.label, f"not laid out like emnist-byclass.mat ({error})") from error
    return tuple(labelled(x.transpose(0, 2, 1), y, label=raw.label, classes=classes) for x, y in arrays)


def decode_norb(raws: Sequence[RawFile], classes: Sequence[str]) -> Parts:
    """Images `(n, 2, 96, 96)` of two cameras, of which the first is used, and categories `(n,)`."""
    images, labels = [norb.read_matrix(raw) for raw in raws[::2]], [norb.read_matrix(raw) for raw in raws[1::2]]
    for raw, array in zip(raws[::2], images, strict=True):
        if array.ndim != 4 or array.shape[1] != 2 or array.dtype != np.uint8:
            raise DamagedFile(raw.label, f"images must be bytes of shape (n, 2, h, w), the file holds {array.shape}")
    found = zip(images, labels, raws[1::2], strict=True)
    return tuple(labelled(x[:, :1], y.ravel(), label=raw.label, classes=classes) for x, y, raw in found)


def decode_npz(raws: Sequence[RawFile], classes: Sequence[str]) -> Parts:
    """x_train, y_train, x_test and y_test in one .npz."""
    (raw,) = raws
    arrays = npz.read_npz(raw)
    missing = [name for name in ("x_train", "y_train", "x_test", "y_test") if name not in arrays]
    if missing:
        raise DamagedFile(raw.label, f"holds no array {missing[0]!r}, only {', '.join(arrays) or 'nothing'}")
    named = arrays.get("class_names")
    if named is not None and tuple(named.tolist()) != tuple(classes):
        raise DamagedFile(raw.label, f"its classes begin with {named.tolist()[:3]}, not with {list(classes[:3])}")
    return tuple(
        labelled(arrays[f"x_{part}"], arrays[f"y_{part}"], label=raw.label, classes=classes) for part in ("train", "test")
    )


def _decode_idx(raws: Sequence[RawFile], classes: Sequence[str], *, transposed: bool) -> Parts:
    images = [idx.read_idx(raw, dimensions=3) for raw in raws[::2]]
    labels = [idx.read_idx(raw, dimensions=1) for raw in raws[1::2]]
    upright = [array.transpose(0, 2, 1) if transposed else array for array in images]
    found = zip(upright, labels, raws[1::2], strict=True)
    return tuple(labelled(x, y, label=raw.label, classes=classes) for x, y, raw in found)


def _decode_cifar(raws: Sequence[RawFile], classes: Sequence[str], *, read: Callable[[RawFile], Labelled]) -> Parts:
    *training, test = [labelled(*read(raw), label=raw.label, classes=classes) for raw in raws]
    images, labels = zip(*training, strict=True)
    return (np.concatenate(images), np.concatenate(labels)), test


def _svhn_part(raw: RawFile, classes: Sequence[str]) -> Labelled:
    images, labels = matlab.read_variables(raw, ["X", "y"])
    if images.ndim != 4 or images.shape[2] != 3 or images.dtype != np.uint8:
        raise DamagedFile(raw.label, f"X must be bytes of shape (h, w, 3, n), the file holds {images.dtype} {images.shape}")
    digits = np.where(labels.ravel() == 10, 0, labels.ravel())
    return labelled(images.transpose(3, 2, 0, 1), digits, label=raw.label, classes=classes)


def _bare(member: str) -> str:
    return PurePosixPath(member).name
