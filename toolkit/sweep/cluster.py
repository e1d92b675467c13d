"""Runs on a Dask cluster, found by the address of its scheduler or started on this machine."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from toolkit.sweep.attempt import Outcome, attempt, lost
from toolkit.sweep.cores import PATIENCE, Keep
from toolkit.sweep.record import SweepRecord

if TYPE_CHECKING:
    from distributed import Client, Future


def check_installed() -> None:
    """Raise where Dask is not installed."""
    try:
        import distributed  # noqa: F401
    except ImportError as fault:
        raise ValueError("backend 'dask' needs the extra 'cluster': pip install 'thesis-toolkit[cluster]'") from fault


def on_cluster(
    function: Callable[..., Any], runs: Mapping[int, dict[str, Any]], keep: Keep, *, address: str | None, workers: int
) -> Iterator[SweepRecord]:
    """All runs at once to the scheduler, which gives a run to another worker when its own has died.

    Runs of one worker look alike when it dies. Those that the scheduler gives up are tried again at the end, one at a time: by
    then whatever dies has only itself to blame.
    """
    if not runs:
        return
    with _client(address, workers) as client:
        suspects: list[int] = []
        yield from _gather(client, function, runs, keep, suspects)
        for index in suspects:
            yield from _gather(client, function, {index: runs[index]}, keep, None)


@contextmanager
def _client(address: str | None, workers: int) -> Iterator[Client]:
    import distributed

    if address is None:
        scheduler = {"allowed_failures": 0}
        with (
            distributed.LocalCluster(
                n_workers=workers, threads_per_worker=1, dashboard_address="127.0.0.1:0", scheduler_kwargs=scheduler
            ) as cluster,
            distributed.Client(cluster, set_as_default=False) as client,
        ):
            yield client
        return
    try:
        client = distributed.Client(address, set_as_default=False)
    except (OSError, ValueError) as fault:
        raise ConnectionError(f"address: no Dask scheduler answers at {address!r}: {fault}") from fault
    with client:
        _check_threads(client, address)
        yield client


def _check_threads(client: Client, address: str) -> None:
    most = max(client.nthreads().values(), default=1)
    if most > 1:  # runs in one process would share torch's random state and its number of threads
        raise ValueError(
            f"address: a worker of {address!r} runs {most} threads; start workers with one each "
            f"(dask worker --nthreads 1, in dask-jobqueue processes = cores)"
        )


def _gather(
    client: Client, function: Callable[..., Any], runs: Mapping[int, dict[str, Any]], keep: Keep, suspects: list[int] | None
) -> Iterator[SweepRecord]:
    """Records as they finish; a run given up by the scheduler goes to the suspects, or where there are none has failed."""
    from distributed import as_completed

    futures = {client.submit(attempt, function, setting, pure=False): index for index, setting in runs.items()}
    completed = as_completed(list(futures), loop=client.loop)
    try:
        for batch in completed.batches():
            records = []
            for future in batch:
                if future.status == "pending":  # its result died with its worker; the scheduler does the run again
                    completed.add(future)
                    continue
                index, outcome = futures.pop(future), _outcome(future)
                future.release()  # else the run would be done again if the worker that holds its result died now
                if outcome is None and suspects is not None:
                    suspects.append(index)
                else:
                    records.append(keep(index, outcome or lost("its worker died in every try")))
            yield from records
    finally:
        for index, outcome in _ready(futures):
            keep(index, outcome)
        client.cancel(list(futures))


def _outcome(future: Future) -> Outcome | None:
    """What became of a run; None if its worker died."""
    from distributed import KilledWorker

    try:
        return future.result()
    except KilledWorker:
        return None
    except Exception as fault:  # not of the function, whose errors are outcomes
        if future.status == "error":  # it could not be sent or imported
            return lost("".join(traceback.format_exception(fault)))
        raise ConnectionError("the Dask scheduler is gone; start the sweep again with the same results to go on") from fault


def _ready(futures: Mapping[Future, int]) -> Iterator[tuple[int, Outcome]]:
    """Runs that ended while nobody asked."""
    for future, index in futures.items():
        with suppress(Exception):  # a result that cannot be had any more is a run to be done again
            if future.status == "finished":
                yield index, future.result(timeout=PATIENCE)
