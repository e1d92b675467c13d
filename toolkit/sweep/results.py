"""The folder of a sweep's results, and the table of them.

Each finished run is one file, named after the content of its setting and written by atomic replace. So whenever the sweep is
killed a run is there as a whole or not at all, damage to a file costs one run, arrays are kept bit by bit, and neither the
order of the settings nor the order in which they finish matters. The file `sweep.npz` holds the function's name and the
settings in the order of the latest start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit import recordings
from toolkit.sweep.attempt import Outcome
from toolkit.sweep.record import SweepRecord
from toolkit.sweep.settings import RESERVED, identity

if TYPE_CHECKING:
    import pandas as pd

DESCRIPTION = "sweep.npz"


class Results:
    """The files of a sweep in one folder.

    Args:
        folder: of this sweep alone; made when the first file is written.
    """

    def __init__(self, folder: Path):
        self.folder = folder

    def check(self, function: Callable[..., Any], runs: Iterable[str]) -> None:
        """Raise where the folder holds something else than runs of this function with these settings."""
        ours = name_of(function)
        if self.folder.exists() and not self.folder.is_dir():
            raise ValueError(f"results: {self.folder} is not a folder")
        if not (self.folder / DESCRIPTION).exists():
            if self.folder.exists() and any(not path.name.endswith(".partial") for path in self.folder.iterdir()):
                raise ValueError(f"results: {self.folder} holds files but no sweep; name a new folder")
            return
        if (theirs := self.description()["function"]) != ours:
            raise ValueError(f"results: {self.folder} holds runs of {theirs}, this sweep runs {ours}; name another folder")
        if strangers := self.finished() - set(runs):
            setting = self._content(min(strangers))["settings"]
            raise ValueError(
                f"results: {self.folder} holds {len(strangers)} finished runs that are not among these settings, "
                f"such as {setting}; add them to the settings or name another folder"
            )

    def describe(self, function: Callable[..., Any], settings: Iterable[Mapping[str, Any]]) -> None:
        """Make the folder, and write what is going to be run."""
        self.folder.mkdir(parents=True, exist_ok=True)
        recordings.save_state(self.folder / DESCRIPTION, {"function": name_of(function), "settings": list(settings)})

    def description(self) -> dict[str, Any]:
        """What `describe` wrote."""
        path = self.folder / DESCRIPTION
        return _with_keys(path, recordings.load_state(path), "function", "settings")

    def finished(self) -> set[str]:
        """Identities of the runs that have a file."""
        return {path.stem for path in self.folder.glob("*.npz") if path.name != DESCRIPTION and not path.name.startswith(".")}

    def save(self, setting: Mapping[str, Any], outcome: Outcome) -> None:
        """Write a finished run."""
        recordings.save_state(self.folder / f"{identity(setting)}.npz", {"settings": dict(setting), **outcome._asdict()})

    def load(self, runs: Iterable[str]) -> list[SweepRecord]:
        """The records of those runs that are finished, in the order of the runs."""
        finished = self.finished()
        return [SweepRecord(index, **self._content(run)) for index, run in enumerate(runs) if run in finished]

    def _content(self, run: str) -> dict[str, Any]:
        path = self.folder / f"{run}.npz"
        content = _with_keys(path, recordings.load_state(path), "settings", *Outcome._fields)
        if identity(content["settings"]) != run:
            raise ValueError(f"{path}: holds the run of {content['settings']}, which does not belong to its name")
        return content


def _with_keys(path: Path, content: Any, *names: str) -> dict[str, Any]:
    if not isinstance(content, dict) or set(content) != set(names):
        raise ValueError(f"{path}: not a file of a sweep: it must hold {', '.join(names)} and nothing else")
    return content


def name_of(function: Callable[..., Any]) -> str:
    """The name by which stored results are told from those of another function."""
    name = getattr(function, "__qualname__", "<lambda>")
    if name.endswith("<lambda>"):
        raise TypeError(f"function: stored results are known by the name of the function, and {function!r} has none; use def")
    return f"{function.__module__}.{name}"


def table(records: Iterable[SweepRecord] | str | Path) -> pd.DataFrame:
    """One row a run: a column for each setting and each result, then `seconds` and `error`; its index is the run's.

    A result that bears the name of a setting, or one of those two, is in the column `<name>_result`.

    Args:
        records: of a sweep, in any order, or the folder of its results; there runs that are not finished have no row.

    Raises:
        FileNotFoundError: the folder holds no sweep.
        ValueError: a file is damaged.

    >>> done = [SweepRecord(1, {"seed": 1}, {"loss": 0.25}, 2.0), SweepRecord(0, {"seed": 0}, {"loss": 0.5}, 2.0)]
    >>> table(done)
         seed  loss  seconds error
    run
    0       0  0.50      2.0
    1       1  0.25      2.0
    """
    import pandas as pd

    if isinstance(records, str | Path):
        folder = Results(Path(records))
        records = folder.load(map(identity, folder.description()["settings"]))
    records = sorted(records, key=lambda record: record.index)
    settings = list(dict.fromkeys(name for record in records for name in record.settings))
    taken = {*settings, *RESERVED}
    results = [{f"{name}_result" if name in taken else name: value for name, value in one.result.items()} for one in records]
    columns = [*settings, *dict.fromkeys(name for result in results for name in result), *RESERVED]
    rows = [
        {**record.settings, **result, "seconds": record.seconds, "error": record.error}
        for record, result in zip(records, results, strict=True)
    ]
    return pd.DataFrame(rows, columns=columns, index=pd.Index([record.index for record in records], name="run", dtype=int))
