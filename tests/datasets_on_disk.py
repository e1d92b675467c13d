"""Writes tiny data sets in each of the formats that `toolkit.datasets` reads, and tables of bad ones."""

import io
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from PIL import Image

from toolkit.datasets import DamagedFile

NORB_NAMES = [
    f"smallnorb-5x{part}-{kind}.mat"
    for part in ("46789x9x18x6x2x96x96-training", "01235x9x18x6x2x96x96-testing")
    for kind in ("dat", "cat")
]


def random_images(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def idx_bytes(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.astype(np.uint8).tobytes()


def write_idx_set(folder: Path, train, test, names=("train", "t10k"), suffix: str = "") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, (images, labels) in zip(names, (train, test), strict=True):
        (folder / f"{name}-images-idx3-ubyte{suffix}").write_bytes(_packed(idx_bytes(images), suffix))
        (folder / f"{name}-labels-idx1-ubyte{suffix}").write_bytes(_packed(idx_bytes(labels), suffix))


def _packed(content: bytes, suffix: str) -> bytes:
    import gzip

    return gzip.compress(content, mtime=0) if suffix == ".gz" else content


def cifar_binary(images: np.ndarray, *labels: np.ndarray) -> bytes:
    columns = [label.astype(np.uint8)[:, None] for label in labels]
    return np.concatenate([*columns, images.reshape(len(images), -1)], axis=1).tobytes()


def python2_batch(images: np.ndarray, labels: np.ndarray, key: str = "labels", fortran: bool = False) -> bytes:
    """The instructions that Python 2 wrote for {"data": uint8 array, key: list of whole numbers, "filenames": [...]}."""

    def text(value: str) -> bytes:
        return b"U" + bytes([len(value)]) + value.encode()

    pixels, n = images.tobytes(), struct.pack("<H", len(images))
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\nq\x06cnumpy\nndarray\nq\x07K\x00\x85" + text("b") + b"\x87Rq\x08(K\x01"
        + b"M" + n + b"M\x00\x0c\x86cnumpy\ndtype\nq\x09" + text("u1") + b"K\x00K\x01\x87Rq\x0a(K\x03" + text("|")
        + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb" + (b"\x88" if fortran else b"\x89")
        + b"T" + struct.pack("<I", len(pixels)) + pixels + b"tb"
    )  # fmt: skip
    numbers = b"]q\x04(" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    names = b"]q\x0b(" + b"".join(text(f"image_{i}.png") for i in range(len(images))) + b"e"
    batch = text("batch_label") + text("training batch 1 of 5")
    return b"\x80\x02}q\x01(" + batch + text(key) + numbers + text("data") + array + text("filenames") + names + b"u."


def norb_bytes(array: np.ndarray) -> bytes:
    magic = {"u1": 0x1E3D4C55, "i4": 0x1E3D4C54}[array.dtype.str[1:]]
    shape = (*array.shape, *[1] * (3 - array.ndim))
    return struct.pack(f"<{2 + len(shape)}I", magic, array.ndim, *shape) + array.tobytes()


def matlab_bytes(variables: dict, compressed: bool = True) -> bytes:
    stream = io.BytesIO()
    scipy.io.savemat(stream, variables, do_compression=compressed)
    return stream.getvalue()


def write_zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def write_tar(path: Path, members: dict[str, bytes], *special: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for info in special:
            archive.addfile(info)
    return path


def png(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind)
    return stream.getvalue()


def write_class_folders(folder: Path, images: dict[str, list[np.ndarray]]) -> Path:
    for name, group in images.items():
        (folder / name).mkdir(parents=True)
        for number, pixels in enumerate(group):
            (folder / name / f"{number:03}.png").write_bytes(png(pixels))
    return folder


class Table(list):
    """A table of bad input: each row reads files it has written into a folder, and must be refused."""

    def refused(self, message: str, error: type[Exception] = DamagedFile):
        """Enter the decorated reader of a folder with the error it must end in."""

        def enter(case):
            self.append(pytest.param(case, error, message, id=case.__name__))
            return case

        return enter


def npz_bytes(save=np.savez, **arrays) -> bytes:
    stream = io.BytesIO()
    save(stream, **arrays)
    return stream.getvalue()
