"""The binary matrix format of smallNORB (files called .mat that have nothing to do with MATLAB)."""

from __future__ import annotations

import math

import numpy as np

from toolkit.datasets.files import DamagedFile, RawFile

TYPES = {0x1E3D4C55: np.dtype("u1"), 0x1E3D4C54: np.dtype("<i4")}


def read_matrix(raw: RawFile) -> np.ndarray:
    """Decode a smallNORB matrix.

    Little-endian 32-bit numbers: the element type, the number of dimensions, the sizes (at least three are always written, the
    surplus ones are 1); then the elements in C order. https://cs.nyu.edu/~ylclab/data/norb-v1.0-small/

    Args:
        raw: the file, unpacked.

    Returns:
        A uint8 or int32 array.

    Raises:
        DamagedFile: unknown type, truncated, or longer than the header says.

    >>> header = np.array([0x1E3D4C55, 1, 2, 1, 1], "<u4").tobytes()
    >>> read_matrix(RawFile("example", header + bytes([5, 6])))
    array([5, 6], dtype=uint8)
    """
    words = np.frombuffer(raw.content[: len(raw.content) // 4 * 4][:40], "<u4")
    if len(words) < 2 or int(words[0]) not in TYPES or not 1 <= words[1] <= 8:
        raise DamagedFile(raw.label, "not a smallNORB matrix of bytes or whole numbers (wrong magic number)")
    dtype, dimensions = TYPES[int(words[0])], int(words[1])
    shape = tuple(words[2 : 2 + dimensions].tolist())
    header = 4 * (2 + max(3, dimensions))
    promised, held = math.prod(shape) * dtype.itemsize, len(raw.content) - header
    if len(shape) < dimensions or promised != held:
        raise DamagedFile(raw.label, f"the header promises {promised:,} bytes for shape {shape}, the file holds {held:,}")
    return np.frombuffer(raw.content, dtype, offset=header).reshape(shape)
