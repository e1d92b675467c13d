"""The idx format of MNIST, Fashion-MNIST and EMNIST: a magic number, the shape, then the bytes."""

from __future__ import annotations

import math

import numpy as np

from toolkit.datasets.files import DamagedFile, RawFile

UNSIGNED_BYTES = 8


def read_idx(raw: RawFile, *, dimensions: int) -> np.ndarray:
    """Decode an idx file of unsigned bytes.

    Two zero bytes, the element type (8: unsigned byte), the number of dimensions, each size as a big-endian 32-bit number, and
    the elements in C order.

    Args:
        raw: the file, unpacked.
        dimensions: 3 for images `(n, h, w)`, 1 for labels `(n,)`.

    Returns:
        A uint8 array of that many dimensions.

    Raises:
        DamagedFile: wrong magic number, truncated, or longer than the header says.

    >>> read_idx(RawFile("labels", bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 9])), dimensions=1)
    array([7, 9], dtype=uint8)
    """
    magic, header = bytes((0, 0, UNSIGNED_BYTES, dimensions)), 4 + 4 * dimensions
    if bytes(raw.content[:4]) != magic:
        found = bytes(raw.content[:4]).hex() or "nothing"
        raise DamagedFile(raw.label, f"not an idx file of {dimensions} dimensions: begins with {found}, not {magic.hex()}")
    if len(raw.content) < header:
        raise DamagedFile(raw.label, "truncated inside the header")
    shape = tuple(np.frombuffer(raw.content, ">u4", count=dimensions, offset=4).tolist())
    held = len(raw.content) - header
    if held != math.prod(shape):
        raise DamagedFile(
            raw.label, f"the header promises {math.prod(shape):,} bytes for shape {shape}, the file holds {held:,}"
        )
    return np.frombuffer(raw.content, np.uint8, offset=header).reshape(shape)
