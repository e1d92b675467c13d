"""The two forms of CIFAR-10 and CIFAR-100: binary records, and Python pickles, which are never executed."""

from __future__ import annotations

import pickletools

import numpy as np

from toolkit.datasets.files import DamagedFile, RawFile

PIXELS = 3 * 32 * 32
WHOLE_NUMBERS = ("BININT", "BININT1", "BININT2", "INT")
STRINGS = ("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINBYTES", "SHORT_BINBYTES")


def read_binary(raw: RawFile, *, labels: int) -> tuple[np.ndarray, np.ndarray]:
    """Decode the binary version: per image the label bytes, then red, green and blue planes of 32x32 pixels.

    Args:
        raw: a file such as data_batch_1.bin.
        labels: label bytes per image; 1 in CIFAR-10, 2 (coarse, fine) in CIFAR-100. The last one is used.

    Returns:
        Images `(n, 3, 32, 32)` and labels `(n,)`, both uint8.

    Raises:
        DamagedFile: the length is not a whole number of records.
    """
    size = labels + PIXELS
    if not raw.content or len(raw.content) % size:
        raise DamagedFile(raw.label, f"{len(raw.content):,} bytes are not a whole number of records of {size} bytes")
    records = np.frombuffer(raw.content, np.uint8).reshape(-1, size)
    return records[:, labels:].reshape(-1, 3, 32, 32), records[:, labels - 1]


def read_python_batch(raw: RawFile, *, key: str) -> tuple[np.ndarray, np.ndarray]:
    """Take pixels and labels out of a Python batch without unpickling it.

    A pickle is a program that may do anything when it is loaded. Here its instructions are only listed: the one long string in
    it holds the pixels, the whole numbers that follow the string `key` are the labels.

    Args:
        raw: a file such as data_batch_1 of cifar-10-batches-py.
        key: "labels" in CIFAR-10, "fine_labels" in CIFAR-100.

    Returns:
        Images `(n, 3, 32, 32)` and labels `(n,)`.

    Raises:
        DamagedFile: not of the form of the published batches.
    """
    pixels, labels, collecting = [], [], False
    try:
        for instruction, argument, _ in pickletools.genops(bytes(raw.content)):
            if instruction.name in STRINGS:
                collecting = argument == key
                if len(argument) >= PIXELS:
                    pixels.append(argument)
            elif collecting and instruction.name in WHOLE_NUMBERS:
                labels.append(argument)
            elif instruction.name == "NEWTRUE":
                raise ValueError("pixels in Fortran order")
        (plane,) = pixels
        images = np.frombuffer(plane if isinstance(plane, bytes) else plane.encode("latin-1"), np.uint8)
        return images.reshape(len(labels), 3, 32, 32), np.array(labels)
    except (ValueError, IndexError, UnicodeError) as error:
        raise DamagedFile(raw.label, f"not a published CIFAR batch ({error}); the binary version (.bin) is read too") from error
