"""Save and load runs and states: numbers and JSON only, nothing is ever unpickled.

    save_state("checkpoint.npz", {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3})
    save("run.npz", records, settings={"learning_rate": 0.1}, title="digits, braked at 0.15")
    load("run.npz").records[-1]["metrics"]["train_loss"]

A file is one `.npz` archive. Its member `document` holds one JSON text: name and version of the format, kind of the content
and its tree; the arrays that the tree names lie beside it as ordinary `.npy` members, so that any program that reads npz can
look at them. Files are replaced as a whole or not at all, whenever the writer is killed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit.recordings import archive, columns
from toolkit.recordings.origin import provenance

__all__ = ["Recording", "load", "load_state", "provenance", "save", "save_state"]

_provenance_here = provenance  # `save` has an argument of the same name


@dataclass(frozen=True)
class Recording:
    """A run as it was saved.

    Attributes:
        title: one line for people.
        settings: what was set before the run, as a tree of dicts, lists, numbers and strings.
        provenance: where the numbers come from, see `provenance`.
        records: the records in their order, as dicts or as instances of the class given to `load`.
    """

    title: str
    settings: dict[str, Any]
    provenance: dict[str, Any]
    records: list[Any]

    @property
    def origin(self) -> str:
        """Where and when it was made, in a few words; "recorded" where the file does not say."""
        device, date = self.provenance.get("device"), self.provenance.get("date", "")
        return f"recorded on {device}, {date[:10]}" if device else "recorded"


def save_state(path: str | Path, state: Any) -> None:
    """Save a tree of numbers, strings, arrays and tensors, bit by bit, by atomic replace.

    Tensors are copied to the CPU and lose their gradient; those that share memory are stored one by one.

    Args:
        path: the file to write; an older one is replaced only once the new one is complete on disk.
        state: any nesting of dict (keys str or int), list and tuple around None, bool, int, float, str, arrays and tensors.

    Raises:
        TypeError: the tree holds something else; the message names its place, and no file is touched.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_state(f"{folder}/state.npz", {"epoch": 3, 0: (1.5, None)})
    ...     load_state(f"{folder}/state.npz")
    {'epoch': 3, 0: (1.5, None)}
    """
    archive.write(path, "state", state)


def load_state(path: str | Path) -> Any:
    """Load what `save_state` wrote, with the same types; tensors come back on the CPU.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, was not written by `save_state`, or is of a newer version.
    """
    return archive.read(path, "state")


def save(
    path: str | Path,
    records: Iterable[Any],
    *,
    settings: Mapping[str, Any],
    title: str = "",
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Save the records of a run column by column, compressed, by atomic replace.

    Args:
        path: the file to write; an older one is replaced only once the new one is complete on disk.
        records: dataclass instances or dicts with values as in `save_state`; mappings and dataclasses inside become dicts.
        settings: what was set before the run.
        title: one line for people.
        provenance: where the numbers come from; found out on this machine when not given, see `provenance`.

    Raises:
        TypeError: a record or a setting holds something that cannot be saved; the message names its place, and no file is
            touched.
    """
    if not isinstance(title, str):
        raise TypeError(f"title must be a str, got {title!r}")
    groups, order = columns.from_records(records)
    run = {
        "title": title,
        "settings": columns.plain(settings, "settings"),
        "provenance": columns.plain(_provenance_here() if provenance is None else provenance, "provenance"),
        "groups": groups,
        "order": order,
    }
    archive.write(path, "recording", run, compress=True)


def load(path: str | Path, *, record: Callable[..., Any] | None = None) -> Recording:
    """Load what `save` wrote.

    Args:
        path: the file to read.
        record: a dataclass to build each record from; plain dicts when not given.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, was not written by `save`, is of a newer version, or its records do not fit `record`.
    """
    run = archive.read(path, "recording")
    with archive.faults_of(path):
        records = columns.to_records(run["groups"], run["order"])
        recording = Recording(run["title"], run["settings"], run["provenance"], records)
    if record is None:
        return recording
    return dataclasses.replace(recording, records=[_instance(record, fields, path) for fields in records])


def _instance(record: Callable[..., Any], fields: dict, path: str | Path) -> Any:
    try:
        return record(**fields)
    except TypeError as fault:
        raise ValueError(f"{path}: a record with the fields {list(fields)} does not fit {record.__name__}: {fault}") from fault
