"""Runs in processes of this machine, each of which is known by its own pipe, so that a death is charged to its own run."""

from __future__ import annotations

import atexit
import os
import signal
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection, wait
from typing import Any

from joblib.externals.loky.backend import get_context, reduction

from toolkit.sweep.attempt import Outcome, attempt, lost
from toolkit.sweep.record import SweepRecord

# loky's processes take functions of notebooks, and scripts need no `if __name__ == "__main__"`
PROCESSES = get_context("loky")
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1")
PATIENCE = 5.0  # [s] for an idle process to end by itself
TRIES = 2

Keep = Callable[[int, Outcome], SweepRecord]


def in_this_process(function: Callable[..., Any], runs: Mapping[int, dict[str, Any]], keep: Keep) -> Iterator[SweepRecord]:
    """One run after the other, here."""
    for index, setting in runs.items():
        yield keep(index, attempt(function, setting))


def on_cores(
    function: Callable[..., Any], runs: Mapping[int, dict[str, Any]], keep: Keep, *, workers: int
) -> Iterator[SweepRecord]:
    """As many runs at a time as there are workers; a next one begins when a record is asked for."""
    team = Team(function, runs, workers)
    try:
        team.begin()
        while team.busy:
            records = [keep(index, outcome) for index, outcome in team.ended()]
            team.begin()
            yield from records
        team.dismiss()
    finally:
        for index, outcome in team.stop():
            keep(index, outcome)


class Team:
    """Worker processes, and which run each of them has.

    Args:
        function: what to run.
        runs: number and setting of each run.
        size: how many processes at most.
    """

    def __init__(self, function: Callable[..., Any], runs: Mapping[int, dict[str, Any]], size: int):
        self.function, self.runs, self.size = bytes(reduction.dumps(function)), runs, size
        self.waiting, self.deaths = deque(runs), Counter[int]()
        self.idle: list[Worker] = []
        self.busy: dict[Worker, int] = {}

    def begin(self) -> None:
        """Give every free process a run."""
        while self.waiting and len(self.busy) < self.size:
            worker = self.idle.pop() if self.idle else Worker(self.function)
            self.busy[worker] = self.waiting.popleft()
            worker.begin(self.runs[self.busy[worker]])

    def ended(self) -> Iterator[tuple[int, Outcome]]:
        """Wait for at least one process to speak or to die; the runs that have ended by that."""
        heard = wait([worker.connection for worker in self.busy])
        for worker in [worker for worker in self.busy if worker.connection in heard]:
            index, outcome = self.busy.pop(worker), worker.outcome()
            if outcome is not None:
                self.idle.append(worker)
                yield index, outcome
            elif self.deaths[index] + 1 < TRIES:
                worker.end()
                self.deaths[index] += 1
                self.waiting.appendleft(index)
            else:
                yield index, lost(f"its process died in each of {TRIES} tries, the last time {worker.end()}")

    def dismiss(self) -> None:
        """Let idle processes end by themselves."""
        for worker in self.idle:
            worker.connection.close()
        for worker in self.idle:
            worker.process.join(PATIENCE)

    def stop(self) -> list[tuple[int, Outcome]]:
        """End all processes at once; the runs that were ready by then."""
        ready = [(index, worker.outcome()) for worker, index in self.busy.items() if worker.has_spoken()]
        for worker in [*self.busy, *self.idle]:
            worker.end()
        return [(index, outcome) for index, outcome in ready if outcome is not None]


class Worker:
    """A process that calls the function with one setting after the other.

    Args:
        function: pickled; sent once, so that what it keeps in memory serves all runs of the process.
    """

    def __init__(self, function: bytes):
        self.connection, its_connection = PROCESSES.Pipe()
        its_lifeline, self.lifeline = PROCESSES.Pipe(duplex=False)
        self.process = PROCESSES.Process(target=serve, args=(its_connection, its_lifeline), env=ONE_THREAD)
        self.process.start()
        its_connection.close()
        its_lifeline.close()
        atexit.register(self.end)  # else the interpreter would wait for the process
        with suppress(OSError):
            self.connection.send_bytes(function)

    def begin(self, setting: Mapping[str, Any]) -> None:
        """Send a setting; a process that is dead already is noticed when its outcome is asked for."""
        with suppress(OSError):
            self.connection.send(setting)

    def has_spoken(self) -> bool:
        """Whether its outcome can be had without waiting."""
        return not self.connection.closed and bool(wait([self.connection], 0))

    def outcome(self) -> Outcome | None:
        """What became of the run, waiting for it; None if the process has died."""
        try:
            return self.connection.recv()
        except (EOFError, OSError):
            return None

    def end(self) -> str:
        """Kill the process if it lives; says how it ended."""
        atexit.unregister(self.end)
        if self.process.is_alive():
            os.kill(self.process.pid, getattr(signal, "SIGKILL", signal.SIGTERM))
        self.process.join()
        self.connection.close()
        self.lifeline.close()
        code = self.process.exitcode
        return f"by the signal {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"


def serve(connection: Connection, lifeline: Connection) -> None:
    """Work of a process, until the other end of the connection is closed; it does not outlive the process that started it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt reaches the whole group; the sweep decides what it means
    threading.Thread(target=_end_with, args=(lifeline,), daemon=True).start()
    try:
        function = connection.recv()
    except Exception as fault:
        function = partial(_refuse, fault)
    while True:
        try:
            setting = connection.recv()
        except (EOFError, OSError):
            return
        connection.send(attempt(function, setting))


def _end_with(lifeline: Connection) -> None:
    with suppress(EOFError, OSError):
        lifeline.recv_bytes()
    os._exit(1)


def _refuse(fault: Exception, **_: Any) -> None:
    raise fault
