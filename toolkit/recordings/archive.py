"""Files: one npz archive of a JSON document and arrays, written by atomic replace, read without trust."""

from __future__ import annotations

import io
import json
import os
import uuid
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from toolkit.recordings import tree

FORMAT = "thesis-toolkit"
VERSION = 1


def write(path: str | Path, kind: str, content: Any, *, compress: bool = False) -> None:
    """Write a tree of the given kind; everything that can be refused is refused before a file is touched."""
    arrays: dict[str, np.ndarray] = {}
    document = {"format": FORMAT, "version": VERSION, "kind": kind, "tree": tree.encode(content, (), arrays)}
    text = json.dumps(document, allow_nan=False, separators=(",", ":")).encode()
    members = {"document": np.frombuffer(text, dtype=np.uint8), **arrays}
    write_npz = np.savez_compressed if compress else np.savez
    replace(Path(path), lambda file: write_npz(file, **members))


def read(path: str | Path, kind: str) -> Any:
    """The tree of a file of the given kind; ValueError names the file and its fault."""
    content = Path(path).read_bytes()
    with faults_of(path):
        members = _members(content)
    if "document" not in members:
        raise ValueError(f"{path}: not a file of the toolkit: the archive has no member 'document'")
    with faults_of(path):
        document = json.loads(members["document"].tobytes())
        found, version = f"{document['format']} {document['kind']}", int(document["version"])
    if found != f"{FORMAT} {kind}":
        raise ValueError(f"{path}: holds a {found}, not a {FORMAT} {kind}")
    if version > VERSION:
        raise ValueError(f"{path}: format version {version}, this toolkit reads up to {VERSION}: a newer toolkit is needed")
    with faults_of(path):
        return tree.decode(document["tree"], members)


@contextmanager
def faults_of(path: str | Path) -> Iterator[None]:
    """Whatever goes wrong while a file's content is decoded is a fault of that file, and is said as such."""
    try:
        yield
    except ImportError:  # torch is missing, the file is not to blame
        raise
    except Exception as fault:
        raise ValueError(f"{path}: damaged or not a file of the toolkit: {fault or type(fault).__name__}") from fault


def replace(path: Path, write_content: Callable[[BinaryIO], None]) -> None:
    """Write a file beside `path`, bring it to disk, and only then let it take the place of `path`."""
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
    try:
        with partial.open("xb") as file:
            write_content(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Bring the new name to disk as well, where the system lets a folder be opened."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _members(content: bytes) -> dict[str, np.ndarray]:
    """Arrays of an npz archive; each member is read to its end, so that its checksum is compared."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {
            name.removesuffix(".npy"): np.lib.format.read_array(io.BytesIO(archive.read(name)), allow_pickle=False)
            for name in archive.namelist()
        }
