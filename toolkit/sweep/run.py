"""A sweep as an iterator of records."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import joblib
from joblib.externals.loky.backend import reduction
from tqdm.auto import tqdm

from toolkit.sweep import cluster, cores, populations
from toolkit.sweep.attempt import Outcome
from toolkit.sweep.record import SweepRecord
from toolkit.sweep.results import Results
from toolkit.sweep.settings import checked, whole

if TYPE_CHECKING:
    import pandas as pd

BACKENDS = ("cores", "dask", "population")

Begin = Callable[[Mapping[int, dict[str, Any]], cores.Keep], Iterator[SweepRecord]]


def run(
    function: Callable[..., Mapping[str, Any]],
    settings: Sequence[Mapping[str, Any]] | pd.DataFrame,
    *,
    backend: Literal["cores", "dask", "population"] = "cores",
    workers: int | None = None,
    results: str | Path | None = None,
    address: str | None = None,
    retry_failed: bool = False,
    progress: bool = True,
) -> Iterator[SweepRecord]:
    """Call `function(**setting)` for every setting, yielding a `SweepRecord` as each ends, those stored already first.

    To stop is to close the iterator or to interrupt it: what is finished is stored, what is under way is given up. To pause is
    not to ask: on cores what is under way goes on, and nothing else begins.

    Each run has one thread. A function of a notebook or a script is sent with what it captures, to each process once, on a
    cluster with each run: large data it should load itself. A function of a module is imported where it runs.

    Args:
        function: takes one setting as keyword arguments, returns a dict of numbers, strings and arrays.
        settings: one mapping of names to values for each run, from `grid`, from `random` or written out; or a DataFrame with
            one row a run, where an empty cell leaves the argument out. Values are numbers, strings, arrays, lists and dicts.
        backend: "cores" for processes on this machine, "dask" for a cluster, "population" for a function that takes many
            settings at once, such as one around `population.fit`: each argument is a list with one value per run, each
            result must have one value per run. It runs in the calling process; an error is that of all its members.
        workers: how many runs at a time on this machine; None takes all cores, or all runs as one population. With 1 on
            cores they run in the calling process: a debugger works, and a run that kills its process ends the sweep.
        results: folder with one file for each finished run. Runs in it are not done again. It belongs to this function (known
            by its name: a changed body needs a new folder) and these settings in any order; others may be added later.
        address: of the scheduler of a running Dask cluster; None starts one on this machine. In a script that needs
            `if __name__ == "__main__":` around the call.
        retry_failed: do stored runs with an error again.
        progress: show a bar.

    Returns:
        An iterator. A run that raises gives a record with the traceback as its `error`. One whose process dies is tried once
        more, on a cluster as often as the scheduler allows and then once more alone.

    Raises:
        ValueError, TypeError: something that cannot work, before any run begins.
        ConnectionError: the scheduler does not answer or is gone; when the first or a later record is asked for.

    >>> def cube(x):
    ...     return {"y": x**3}
    >>> [record.result["y"] for record in run(cube, [{"x": 1}, {"x": 2}, {"x": 3}], workers=1, progress=False)]
    [1, 8, 27]
    """
    if not callable(function):
        raise TypeError(f"function must be callable, got {function!r}")
    runs = checked(settings, function)
    if backend == "population":
        populations.columns(dict(enumerate(runs.values())))
    begin = _backend(function, backend, workers, address)
    folder = None if results is None else Results(Path(results))
    stored = []
    if folder is not None:
        folder.check(function, runs)
        stored = [record for record in folder.load(runs) if not (retry_failed and record.error)]
    return _records(function, list(runs.values()), begin, folder, stored, progress)


def _records(
    function: Callable[..., Any], settings: list[dict[str, Any]], begin: Begin, folder: Results | None,
    stored: list[SweepRecord], progress: bool,
) -> Iterator[SweepRecord]:  # fmt: skip
    if folder is not None:
        folder.describe(function, settings)

    def keep(index: int, outcome: Outcome) -> SweepRecord:
        if folder is not None:
            folder.save(settings[index], outcome)
        return SweepRecord(index, settings[index], *outcome)

    left = dict(enumerate(settings))
    for record in stored:
        del left[record.index]
    failed = sum(bool(record.error) for record in stored)
    with tqdm(total=len(settings), initial=len(stored), unit="run", disable=not progress) as bar:
        yield from stored
        with closing(begin(left, keep)) as records:
            for record in records:
                failed += bool(record.error)
                bar.set_postfix({"failed": failed} if failed else {}, refresh=False)
                bar.update()
                yield record


def _backend(function: Callable[..., Any], backend: str, workers: int | None, address: str | None) -> Begin:
    """What begins the runs; raises where it could not."""
    if backend not in BACKENDS:
        raise ValueError(f"backend must be one of {BACKENDS}, got {backend!r}")
    if address is not None and (backend != "dask" or not isinstance(address, str)):
        raise ValueError(f"address must be that of a Dask scheduler, with backend 'dask'; got {address!r} with {backend!r}")
    if address is not None and workers is not None:
        raise ValueError(f"workers: the cluster at {address!r} has its own; got {workers!r}")
    if workers is not None and whole("workers", workers, 1) == 1 and backend == "cores":
        return partial(cores.in_this_process, function)
    if backend == "population":
        return partial(populations.in_populations, function, members=workers and whole("workers", workers, 1))
    if backend == "dask":
        cluster.check_installed()
    try:
        reduction.dumps(function)
    except Exception as fault:
        raise TypeError(f"function: {function!r} cannot be sent to another process: {fault}") from fault
    workers = workers or joblib.cpu_count()
    if backend == "dask":
        return partial(cluster.on_cluster, function, address=address, workers=workers)
    return partial(cores.on_cores, function, workers=workers)
