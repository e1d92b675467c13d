"""Largest memory of what a program starts, sampled while it runs."""

from __future__ import annotations

import threading
from collections.abc import Callable

import psutil


class PeakMemory:
    """Largest memory of the processes started by this one inside a ``with`` block, in MB.

    Args:
        of: bytes of one process; resident ones by default.
        every: time between samples [s].
    """

    def __init__(self, of: Callable[[psutil.Process], int] | None = None, every: float = 0.02):
        self._of, self._every = of or resident_bytes, every

    def __enter__(self) -> PeakMemory:
        self._older = {child.pid for child in psutil.Process().children()}  # servers and workers of others
        self.megabytes, self._over = 0.0, threading.Event()
        self._watch = threading.Thread(target=self._sample, daemon=True)
        self._watch.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._watch.join()

    def _sample(self) -> None:
        while not self._over.wait(self._every):
            self.megabytes = max(self.megabytes, self.now())

    def now(self) -> float:
        """What they use at this moment [MB]."""
        started = [child for child in psutil.Process().children() if child.pid not in self._older]
        all_of_them = [*started, *(below for child in started for below in descendants(child))]
        return sum(self._of(process) for process in all_of_them if not forked(process)) / 1e6


def forked(process: psutil.Process) -> bool:
    """Whether it is still its parent under another number, whose memory it shows: a fork about to become another program."""
    try:
        return process.cmdline() == process.parent().cmdline()
    except (psutil.Error, AttributeError):  # it or its parent has just ended
        return True


def descendants(process: psutil.Process) -> list[psutil.Process]:
    """The processes below one; none if it has just ended."""
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def resident_bytes(process: psutil.Process) -> int:
    """Memory in use; zero for a process that has just ended."""
    try:
        return process.memory_info().rss
    except psutil.Error:
        return 0


def own_bytes(process: psutil.Process) -> int:
    """Memory that no other process shares, which is what one more such process costs; zero for one that has just ended."""
    try:
        return process.memory_full_info().uss
    except psutil.Error:
        return 0
