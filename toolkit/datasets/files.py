"""The files of a data set on this machine: where they are looked for, and how they become bytes."""

from __future__ import annotations

import gzip
import io
import os
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path

LARGEST = 4 * 2**30  # bytes that one file or archive may unpack to; the largest documented one (EMNIST) has 0.7e9


class DamagedFile(ValueError):
    """A file that is damaged or not what it claims to be; the message names file and fault."""

    def __init__(self, file: str | Path, fault: str):
        super().__init__(str(file), fault)

    def __str__(self) -> str:
        return ": ".join(self.args)


class DataNotFound(FileNotFoundError):
    """A data set that is not on this machine; the message says where it was looked for and how to get it."""


@dataclass(frozen=True)
class RawFile:
    """The content of a file, unpacked, with the name that messages give it."""

    label: str
    content: bytes | bytearray


def read(path: Path) -> RawFile:
    """Read a file, unpacked if its name ends in .gz.

    Raises:
        DamagedFile: the compressed file is truncated, corrupt or unpacks to more than `LARGEST` bytes.
    """
    return unpacked(RawFile(str(path), path.read_bytes()))


def unpacked(raw: RawFile) -> RawFile:
    """The file itself, or what is in it if its name ends in .gz."""
    if not raw.label.endswith(".gz"):
        return raw
    content = bytearray()
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(raw.content)) as stream:
            while part := stream.read(2**24):
                content += part
                check_size(raw.label, len(content))
    except (EOFError, OSError, zlib.error) as error:
        raise DamagedFile(raw.label, f"truncated or not a gzip file ({error})") from error
    return RawFile(raw.label, content)


@contextmanager
def blaming(file: str | Path) -> Iterator[None]:
    """Name the file in whatever is said of its content."""
    try:
        yield
    except (TypeError, ValueError) as error:
        raise DamagedFile(file, str(error)) from error


def check_size(label: str | Path, size: int) -> None:
    """Refuse what would unpack to more than `LARGEST` bytes."""
    if size > LARGEST:
        raise DamagedFile(label, f"unpacks to more than {LARGEST:,} bytes, which no data set here needs")


def places(name: str, folder: str | Path | None) -> list[Path]:
    """Folders in which the set `name` is looked for: the one given, or $TOOLKIT_DATA/<name> and the download cache."""
    if folder is not None:
        return [Path(folder).expanduser()]
    named = os.environ.get("TOOLKIT_DATA")
    return ([Path(named).expanduser() / name] if named else []) + [cache(name)]


def cache(name: str) -> Path:
    """Where downloaded files of the set `name` are kept."""
    import pooch

    return Path(pooch.os_cache("thesis-toolkit")) / name


def folders(place: Path) -> list[Path]:
    """`place` and the folders up to two levels below: copies unpacked by other programs often lie in sub-folders."""
    below = sorted(place.glob("*/"))
    return [place, *below, *(path for parent in below for path in sorted(parent.glob("*/")))]


def side_by_side(place: Path, names: Sequence[str]) -> list[tuple[Path, ...]]:
    """Each group of files called `names` (or with .gz, or matching a pattern) that lie in one folder at or below `place`."""
    return [group for folder in folders(place) for group in product(*(_called(folder, name) for name in names))]


def _called(folder: Path, name: str) -> list[Path]:
    exact = sorted(path for path in folder.glob(name) if path.is_file())
    return exact or [path for path in [folder / f"{name}.gz"] if path.is_file()]
