"""Image sets: scikit-learn's digits, which are always here, the documents' sets, and one's own.

    data = images.digits()
    data = images.fashion_mnist()                # from $TOOLKIT_DATA/fashion_mnist, or an earlier download
    data = images.fashion_mnist(download=True)   # fetched and checked where it is not here yet
    data = images.npz("mine.npz")
    data = images.folder("mine", size=64)

A loader looks into `folder` if one is given; else into $TOOLKIT_DATA/<name> and then into the download cache. It reads the
files as they are handed out, in their archives or unpacked. Nothing is fetched unless `download=True` is written. An official
test part stays whole and the validation split is cut out of the training part. `mean` and `std` of the result are those of the
training split.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from toolkit.datasets import files, splits
from toolkit.datasets.arrays import from_arrays
from toolkit.datasets.catalogue import CARDS, DIGITS
from toolkit.datasets.dataset import Dataset
from toolkit.datasets.documented import Folder, documented, on_this_machine
from toolkit.datasets.files import DamagedFile, DataNotFound, blaming
from toolkit.datasets.image_files import class_folders, read_images
from toolkit.datasets.npz import read_npz


def digits(
    folder: Folder = None, *, download: bool = False, validation: float = 0.1, test: float = 0.2, seed: int = 0
) -> Dataset:
    """The 1,797 handwritten digits (8x8) that come with scikit-learn: the test part of UCI's optical digits.

    A pixel counts the inked points of a 4x4 block, 0 .. 16. It is stored as 15 times that count, 0 .. 240: integer division by
    15 gives the count back.

    Args:
        folder: not used; the set is part of scikit-learn. It is there so that all loaders are called alike.
        download: not used, likewise.
        validation: share of all images.
        test: share of all images; the set has no official test part.
        seed: of the splits.

    Returns:
        1x8x8 images in 10 classes.

    >>> digits()
    Dataset 'digits': 1,258 train, 180 validation, 359 test samples of shape 1x8x8 (uint8), 10 classes, on cpu
    """
    # read without importing scikit-learn, which takes longer than everything else in a first cell
    path = Path(find_spec("sklearn").origin).parent / "datasets" / "data" / "digits.csv.gz"
    table = np.loadtxt(path, delimiter=",", dtype=np.uint8)
    return from_arrays(
        table[:, :-1].reshape(-1, 8, 8) * 15, table[:, -1], name="digits", validation=validation, test=test, seed=seed,
        classes=DIGITS, source="UCI optical recognition of handwritten digits (Alpaydin and Kaynak 1998), as in scikit-learn",
        licence="CC BY 4.0", units="inked points of a 4x4 block times 15, 0 .. 240",
    )  # fmt: skip


def mnist(folder: Folder = None, *, download: bool = False, validation: float = 0.1, seed: int = 0) -> Dataset:
    """MNIST: handwritten digits, 60,000 + 10,000 grey images of 28x28.

    Args:
        folder: holds the four idx files, with or without .gz; None looks in the usual places.
        download: fetch 12 MB if the files are not found.
        validation: share of the official training part.
        seed: of the splits.

    Returns:
        1x28x28 images in 10 classes.

    Raises:
        DataNotFound: not on this machine and `download` is False.
        DamagedFile: a file is not what it claims to be.
        DownloadFailed: the files could not be fetched whole.
    """
    return documented("mnist", folder, download=download, validation=validation, seed=seed)


def fashion_mnist(folder: Folder = None, *, download: bool = False, validation: float = 0.1, seed: int = 0) -> Dataset:
    """Fashion-MNIST: articles of clothing, 60,000 + 10,000 grey images of 28x28.

    Args:
        folder: holds the four idx files, with or without .gz; None looks in the usual places.
        download: fetch 31 MB if the files are not found.
        validation: share of the official training part.
        seed: of the splits.

    Returns:
        1x28x28 images in 10 classes.

    Raises:
        DataNotFound, DamagedFile, DownloadFailed: see `mnist`.
    """
    return documented("fashion_mnist", folder, download=download, validation=validation, seed=seed)


def emnist(folder: Folder = None, *, download: bool = False, validation: float = 0.1, seed: int = 0) -> Dataset:
    """EMNIST ByClass: handwritten digits, capital and small letters, 697,932 + 116,323 grey images of 28x28.

    The published files hold the images transposed; they are turned upright here.

    Args:
        folder: holds the emnist-byclass idx files or their gzip.zip, emnist-byclass.mat or its matlab.zip, or one .npz with
            x_train, y_train, x_test and y_test (upright); None looks in the usual places.
        download: fetch gzip.zip (562 MB) if none of these is found.
        validation: share of the official training part.
        seed: of the splits.

    Returns:
        1x28x28 images in 62 classes.

    Raises:
        DataNotFound, DamagedFile, DownloadFailed: see `mnist`.
    """
    return documented("emnist", folder, download=download, validation=validation, seed=seed)


def cifar10(folder: Folder = None, *, download: bool = False, validation: float = 0.1, seed: int = 0) -> Dataset:
    """CIFAR-10: small photographs of animals and vehicles, 50,000 + 10,000 colour images of 32x32.

    Args:
        folder: holds the binary version (.bin files or cifar-10-binary.tar.gz), the Python version (batches or
            cifar-10-python.tar.gz; read without executing their pickles), or one .npz with x_train, y_train, x_test and
            y_test; None looks in the usual places.
        download: fetch the binary version (170 MB) if none of these is found.
        validation: share of the official training part.
        seed: of the splits.

    Returns:
        3x32x32 images in 10 classes.

    Raises:
        DataNotFound, DamagedFile, DownloadFailed: see `mnist`.
    """
    return documented("cifar10", folder, download=download, validation=validation, seed=seed)


def cifar100(folder: Folder = None, *, download: bool = False, validation: float = 0.1, seed: int = 0) -> Dataset:
    """CIFAR-100 with its fine labels: small photographs, 50,000 + 10,000 colour images of 32x32.

    Args:
        folder: holds the binary version (train.bin and test.bin or cifar-100-binary.tar.gz) or the Python version (train and
            test or cifar-100-python.tar.gz; read without executing their pickles); None looks in the usual places.
        download: fetch the binary version (169 MB) if none of these is found.
        validation: share of the official training part.
        seed: of the splits.

    Returns:
        3x32x32 images in 100 classes.

    Raises:
        DataNotFound, DamagedFile, DownloadFailed: see `mnist`.
    """
    return documented("cifar100", folder, download=download, validation=validation, seed=seed)


def svhn(folder: Folder = None, *, download: bool = False, validation: float = 0.1, seed: int = 0) -> Dataset:
    """SVHN, cropped digits: house numbers from street photographs, 73,257 + 26,032 colour images of 32x32.

    The published label 10 of the digit 0 becomes label 0. The additional images ("extra") are not read.

    Args:
        folder: holds train_32x32.mat and test_32x32.mat; None looks in the usual places.
        download: fetch 246 MB if the files are not found.
        validation: share of the official training part.
        seed: of the splits.

    Returns:
        3x32x32 images in 10 classes.

    Raises:
        DataNotFound, DamagedFile, DownloadFailed: see `mnist`.
    """
    return documented("svhn", folder, download=download, validation=validation, seed=seed)


def eurosat(
    folder: Folder = None, *, download: bool = False, validation: float = 0.1, test: float = 0.1, seed: int = 0
) -> Dataset:
    """EuroSAT (RGB): land use seen by the Sentinel-2 satellite, 27,000 colour images of 64x64.

    Args:
        folder: holds the ten class folders or EuroSAT.zip; None looks in the usual places.
        download: fetch EuroSAT.zip (94 MB) if neither is found.
        validation: share of all images.
        test: share of all images; the set has no official test part.
        seed: of the splits.

    Returns:
        3x64x64 images in 10 classes.

    Raises:
        DataNotFound, DamagedFile, DownloadFailed: see `mnist`.
    """
    return documented("eurosat", folder, download=download, validation=validation, test=test, seed=seed)


def small_norb(folder: Folder = None, *, download: bool = False, validation: float = 0.1, seed: int = 0) -> Dataset:
    """smallNORB: 50 toys of five kinds under changing light and viewpoint, 24,300 + 24,300 grey images of 96x96.

    Of each stereo pair the image of the first camera is used. The test part shows toys that the training part does not.

    Args:
        folder: holds the four files smallnorb-*-dat.mat and smallnorb-*-cat.mat, with or without .gz; None looks in the usual
            places.
        download: fetch 263 MB if the files are not found.
        validation: share of the official training part; other views of the same toys.
        seed: of the splits.

    Returns:
        1x96x96 images in 5 classes.

    Raises:
        DataNotFound, DamagedFile, DownloadFailed: see `mnist`.
    """
    return documented("small_norb", folder, download=download, validation=validation, seed=seed)


def animals10(
    folder: Folder = None,
    *,
    download: bool = False,
    validation: float = 0.1,
    test: float = 0.1,
    seed: int = 0,
    size: int = 64,
) -> Dataset:
    """Animals10: photographs of ten kinds of animals found on the web, 26,179 colour images of many sizes.

    Args:
        folder: holds the ten class folders (with their Italian or English names), or the archive as it comes (archive.zip);
            None looks in the usual places.
        download: refused, since no checksum is published and the page asks for an account; the error names the page.
        validation: share of all images.
        test: share of all images; the set has no official test part.
        seed: of the splits.
        size: height and width [pixels] to which each image is stretched.

    Returns:
        3 x size x size images in 10 classes.

    Raises:
        DataNotFound, DamagedFile: see `mnist`.
    """
    return documented("animals10", folder, download=download, validation=validation, test=test, seed=seed, size=size)


def npz(path: str | Path, *, validation: float = 0.1, test: float = 0.1, seed: int = 0) -> Dataset:
    """One's own arrays from an .npz file.

    Args:
        path: file with x and y, images and labels, or x_train and y_train and, if it has a test part, x_test and y_test; shapes
            and types as in `from_arrays`. An array class_names may name the classes.
        validation: share of the samples, of the training ones where there is a test part.
        test: share of the samples where there is no test part.
        seed: of the splits.

    Returns:
        The data, named after the file.

    Raises:
        DataNotFound: no such file.
        DamagedFile: not a sound .npz, object arrays, other names, or arrays that `from_arrays` refuses.
    """
    splits.check(validation=validation, test=test, seed=seed)
    path = _existing(path)
    arrays = read_npz(files.read(path))
    pairs = (("x_train", "y_train"), ("x", "y"), ("images", "labels"))
    found = next((pair for pair in pairs if set(pair) <= set(arrays)), None)
    if found is None:
        raise DamagedFile(
            path, f"holds {', '.join(arrays) or 'nothing'}, but neither x and y, images and labels nor x_train and y_train"
        )
    official = ("x_test", "y_test") if {"x_test", "y_test"} <= set(arrays) else None
    with blaming(path):
        return from_arrays(
            *(arrays[name] for name in found), name=path.stem, validation=validation, seed=seed,
            test=tuple(arrays[name] for name in official) if official else test,
            classes=arrays["class_names"].tolist() if "class_names" in arrays else None, source=f"own file {path.name}",
        )  # fmt: skip


def folder(path: str | Path, *, size: int | None = None, validation: float = 0.1, test: float = 0.1, seed: int = 0) -> Dataset:
    """One's own images, sorted into one sub-folder per class.

    Args:
        path: folder of class folders; or one with exactly the sub-folders train and test, each with the class folders.
        size: height and width [pixels] to which each image is stretched; None needs images of one size.
        validation: share of the images, of the training ones where there is a test folder.
        test: share of the images where there is no test folder.
        seed: of the splits.

    Returns:
        Images in the classes that the sub-folders name, in alphabetical order; one channel if all images are grey.

    Raises:
        DataNotFound: no such folder.
        DamagedFile: an image that cannot be decoded, an empty class folder, a class without a training image.
        ValueError: sizes differ and no `size` is given.
    """
    splits.check(validation=validation, test=test, seed=seed)
    path = _existing(path)
    divided = {child.name for child in path.glob("*/")} == {"train", "test"}
    groups = class_folders(path / "train" if divided else path)
    labels = {name: label for label, name in enumerate(groups)}
    x, y = read_images(groups, size=size, labels=labels)
    if divided:
        test = _test_folder(path / "test", labels, size=size, channels=x.shape[1])
    with blaming(path):
        return from_arrays(
            x, y, name=path.name, validation=validation, test=test, seed=seed, classes=tuple(groups),
            source=f"own folder {path.name}", units="levels 0 .. 255",
        )  # fmt: skip


LOADERS: dict[str, Callable[..., Dataset]] = {
    loader.__name__: loader
    for loader in (digits, fashion_mnist, mnist, emnist, cifar10, cifar100, svhn, eurosat, small_norb, animals10)
}
NAMES = tuple(LOADERS)


def load(name: str, **settings: object) -> Dataset:
    """The set called `name`.

    Args:
        name: one of `NAMES`.
        **settings: arguments of that loader.

    Returns:
        The data.

    Raises:
        ValueError: no such name.

    >>> load("digits", validation=0).n_classes
    10
    """
    if name not in LOADERS:
        raise ValueError(f"name must be one of {', '.join(NAMES)}, got {name!r}")
    return LOADERS[name](**settings)


def available(name: str) -> bool:
    """Whether the set called `name` is on this machine, so that `load(name)` needs no download.

    >>> available("digits")
    True
    """
    if name not in LOADERS:
        raise ValueError(f"name must be one of {', '.join(NAMES)}, got {name!r}")
    return name not in CARDS or on_this_machine(CARDS[name])


def _test_folder(path: Path, labels: dict[str, int], *, size: int | None, channels: int) -> tuple[np.ndarray, np.ndarray]:
    groups = class_folders(path)
    unknown = set(groups) - set(labels)
    if unknown:
        raise DamagedFile(path / min(unknown), "a class that the train folder does not have")
    x, y = read_images(groups, size=size, labels=labels)
    return np.repeat(x, channels, axis=1) if x.shape[1] < channels else x, y


def _existing(path: str | Path) -> Path:
    path = Path(path).expanduser()
    if not path.exists():
        raise DataNotFound(f"{path} does not exist")
    return path
