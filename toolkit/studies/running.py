"""What studies have in common: runs that are done once, one file each, and the joining of these files."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import stdtrit

from toolkit import recordings, sweep


def done(
    function: Callable[..., Mapping[str, Any]], settings: Sequence[Mapping[str, Any]], *, workers: int, name: Sequence[str]
) -> Iterator[Path]:
    """Call a function that writes the file of one run, for every setting; gives the files as they are finished.

    Args:
        function: takes a setting, returns `{"path": file}`; a file that is there already it does not write again.
        settings: one mapping per run.
        workers: runs at a time, one core each.
        name: settings that name a run in an error message.

    Raises:
        RuntimeError: runs failed; the others are done first.
    """
    failed = []
    for one in sweep.run(function, settings, workers=workers, progress=False):
        if one.error:
            failed.append(f"{', '.join(f'{key} {one.settings[key]}' for key in name)}: {one.error}")
        else:
            yield Path(one.result["path"])
    if failed:
        raise RuntimeError("\n".join(failed))


def checkpoint(path: Path) -> Path:
    """Where an unfinished run is kept whose file will be this one."""
    return path.with_suffix(".checkpoint.npz")


def join(folder: str | Path, path: str | Path, *, record: Callable[..., Any]) -> None:
    """Join the files of all finished runs in a folder, and the runs that `path` holds already, into one recording.

    Each record gets the name of its file as its `run`; the settings become a mapping from run to settings.

    Args:
        folder: with one recording per run.
        path: the file to write.
        record: class of the records; it has a field `run`.

    Raises:
        FileNotFoundError: the folder holds no finished run.
    """
    files = [file for file in sorted(Path(folder).glob("[0-9a-z]*_*.npz")) if "checkpoint" not in file.name]
    if not files:
        raise FileNotFoundError(f"{folder}: no finished run")
    new = {file.stem: recordings.load(file, record=record) for file in files}
    newest = new[max(new, key=lambda name: new[name].provenance["date"])]
    settings = {name: run.settings for name, run in new.items()}
    records = [replace(one, run=name) for name, run in new.items() for one in run.records]
    if Path(path).exists():
        old = recordings.load(path, record=record)
        settings = old.settings | settings
        records = [one for one in old.records if one.run not in new] + records
    records.sort(key=lambda one: one.run)
    recordings.save(path, records, settings=dict(sorted(settings.items())), title=newest.title, provenance=newest.provenance)


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean, and the 95 % bounds of it by Student's distribution; no bounds for fewer than two values.

    >>> interval([1.0, 1.0, 1.0])
    (1.0, 1.0, 1.0)
    """
    count = len(values)
    if count < 2:
        return (float(values[0]) if count else math.nan), math.nan, math.nan
    mean, half = float(np.mean(values)), float(stdtrit(count - 1, 0.975) * np.std(values, ddof=1) / math.sqrt(count))
    return mean, mean - half, mean + half
