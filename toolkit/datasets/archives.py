"""Reading zip and tar archives in memory: nothing is ever unpacked to disk, and hostile members are refused."""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from toolkit.datasets import files
from toolkit.datasets.files import DamagedFile, RawFile

FAULTS = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError)


def members(path: Path, wanted: Callable[[str], bool]) -> list[RawFile]:
    """The members of an archive whose name is wanted, in the order of the archive.

    Every member is checked, wanted or not.

    Args:
        path: a .zip or (compressed) .tar file.
        wanted: is called with the member's full name.

    Returns:
        Name and content of each wanted member; those that end in .gz are unpacked.

    Raises:
        DamagedFile: a truncated or corrupt archive; a member with an absolute path or one with "..", a link or a device; an
            archive that unpacks to more than `files.LARGEST` bytes.
    """
    with refusing_damage(path):
        found = _zip_members if zipfile.is_zipfile(path) else _tar_members
        return [files.unpacked(raw) for raw in found(path, wanted)]


@contextmanager
def refusing_damage(label: str | Path) -> Iterator[None]:
    """Turn whatever a reader of archives raises on damaged bytes into a `DamagedFile`."""
    try:
        yield
    except DamagedFile:
        raise
    except FAULTS as error:
        raise DamagedFile(label, f"truncated or corrupt archive ({error})") from error


def checked_zip(archive: zipfile.ZipFile, label: str | Path) -> list[zipfile.ZipInfo]:
    """The members of a zip archive after the checks of `members`."""
    infos = archive.infolist()
    for info in infos:
        _check_name(label, info.filename)
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise DamagedFile(label, f"member {info.filename!r} is a link or a device")
    files.check_size(label, sum(info.file_size for info in infos))
    return infos


def _zip_members(path: Path, wanted: Callable[[str], bool]) -> Iterator[RawFile]:
    with zipfile.ZipFile(path) as archive:
        for info in checked_zip(archive, path):
            if not info.is_dir() and wanted(info.filename):
                yield RawFile(f"{path}/{info.filename}", archive.read(info))


def _tar_members(path: Path, wanted: Callable[[str], bool]) -> Iterator[RawFile]:
    size = 0
    with tarfile.open(fileobj=io.BytesIO(path.read_bytes()), mode="r|*") as archive:
        for member in archive:
            _check_name(path, member.name)
            if not (member.isreg() or member.isdir()):
                raise DamagedFile(path, f"member {member.name!r} is a link or a device")
            size += member.size
            files.check_size(path, size)
            if member.isreg() and wanted(member.name):
                yield RawFile(f"{path}/{member.name}", archive.extractfile(member).read())


def _check_name(label: str | Path, name: str) -> None:
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if ".." in parts or (parts and (parts[0].startswith("/") or parts[0].endswith(":"))):
        raise DamagedFile(label, f"member {name!r} would leave the folder it is unpacked in")
