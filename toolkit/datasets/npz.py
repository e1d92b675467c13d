"""NumPy archives, without pickles: every array is checked before any memory is taken for it."""

from __future__ import annotations

import io
import math
import zipfile
from typing import IO

import numpy as np

from toolkit.datasets import archives
from toolkit.datasets.files import DamagedFile, RawFile


def read_npz(raw: RawFile) -> dict[str, np.ndarray]:
    """All arrays of an .npz file.

    Args:
        raw: the file.

    Returns:
        Name to array.

    Raises:
        DamagedFile: not a zip of .npy files, object arrays, or data that do not fill the declared shape.
    """
    arrays = {}
    with archives.refusing_damage(raw.label), zipfile.ZipFile(io.BytesIO(raw.content)) as archive:
        for info in archives.checked_zip(archive, raw.label):
            label = f"{raw.label}/{info.filename}"
            if not info.filename.endswith(".npy"):
                raise DamagedFile(label, "not an array; an .npz holds .npy files only")
            with archive.open(info) as stream:
                arrays[info.filename.removesuffix(".npy")] = _read_npy(stream, label, info.file_size)
    return arrays


def _read_npy(stream: IO[bytes], label: str, size: int) -> np.ndarray:
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    try:
        shape, columns_first, dtype = readers[np.lib.format.read_magic(stream)](stream)
    except (ValueError, KeyError) as error:
        raise DamagedFile(label, f"not an .npy array of plain numbers or text ({error})") from error
    if dtype.hasobject:
        raise DamagedFile(label, "an object array, which could run code when loaded; save plain numbers")
    promised, held = math.prod(shape) * dtype.itemsize, size - stream.tell()
    if promised != held:
        raise DamagedFile(label, f"the header promises {promised:,} bytes for shape {shape}, the file holds {held:,}")
    return np.frombuffer(stream.read(), dtype).reshape(shape, order="F" if columns_first else "C")
