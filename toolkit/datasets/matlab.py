"""MATLAB files (SVHN, EMNIST), read by scipy after a look at how much they will unpack to."""

from __future__ import annotations

import io
import zlib
from collections.abc import Sequence

import numpy as np

from toolkit.datasets import files
from toolkit.datasets.files import DamagedFile, RawFile

HEADER = 128
COMPRESSED = 15


def read_variables(raw: RawFile, names: Sequence[str]) -> list[np.ndarray]:
    """The named variables of a MATLAB 5 file (`save -v7` and older).

    Args:
        raw: the file.
        names: variables that must be in it.

    Returns:
        One array per name.

    Raises:
        DamagedFile: not such a file, truncated, too large when unpacked, or a variable is missing.
    """
    from scipy.io import loadmat

    if not bytes(raw.content[:HEADER]).startswith(b"MATLAB 5.0 MAT-file"):
        raise DamagedFile(raw.label, "not a MATLAB 5 file (in MATLAB, save with -v7)")
    files.check_size(raw.label, _unpacked_size(raw.content))
    try:
        variables = loadmat(io.BytesIO(raw.content), variable_names=list(names))
    except Exception as error:  # scipy meets arbitrary bytes here and fails in as many ways
        raise DamagedFile(raw.label, f"truncated or corrupt MATLAB file ({error})") from error
    missing = [name for name in names if name not in variables]
    if missing:
        raise DamagedFile(raw.label, f"has no variable {missing[0]!r}")
    return [variables[name] for name in names]


def _unpacked_size(content: bytes | bytearray) -> int:
    """Sum of the sizes that the elements of the file declare; a compressed one declares it in its first eight bytes."""
    total, position = 0, HEADER
    while position + 8 <= len(content):
        kind, size = np.frombuffer(content, "<u4", count=2, offset=position).tolist()
        position += 8
        if kind == COMPRESSED:
            start = _start(content[position : position + min(size, 1024)])
            total += int(np.frombuffer(start[4:8], "<u4")[0]) if len(start) == 8 else 0
        else:
            total += size
        position += size
    return total


def _start(compressed: bytes | bytearray) -> bytes:
    try:
        return zlib.decompressobj().decompress(compressed, 8)
    except zlib.error:
        return b""
