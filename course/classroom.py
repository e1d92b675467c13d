"""Will it run for forty students? Memory and processor time per seat, measured, and what a room needs.

    python -m course.classroom [--seats 40] [--measure [03 07]] [--together 03] [--side-by-side 4]

A seat is one kernel that runs all cells of a lesson. Seats on one server share the libraries and nothing else, so a further
seat costs its own memory; processor time adds up, and where there are fewer cores than seats at work, all wait in proportion.
`--together` checks this: so many seats run one lesson side by side. What was measured is kept in course/classroom.json, with
date and machine; without `--measure` the table is made from that.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from math import ceil
from pathlib import Path
from typing import Any

import nbformat
import psutil
from nbclient import NotebookClient

from course import lessons
from course.executing import INLINE, LONGEST_CELL
from course.memory import PeakMemory, descendants, own_bytes
from toolkit import recordings

KEPT = Path(__file__).with_suffix(".json")
SHARED = 250.0  # MB, at most, of libraries that all seats map together
PATIENCE = 5  # minutes in which all cells of all seats should have run
HEAD = ("lesson", "CPU [s]", "peak [MB]", "idle [MB]", "RAM [GB]", "RAM idle [GB]", "cores", "measured")


@dataclass(frozen=True)
class Seat:
    """What one kernel takes for a whole lesson.

    Attributes:
        lesson: its name.
        cpu: processor time [s].
        seconds: from the start of the kernel to the last cell [s].
        peak: largest own memory [MB].
        idle: own memory after the last cell [MB].
        when: the day.
        machine: processor and number of cores.
        load: processes at work on that machine just before, on average of a minute.
    """

    lesson: str
    cpu: float
    seconds: float
    peak: float
    idle: float
    when: str
    machine: str
    load: float


def seat(name: str) -> Seat:
    """Run all cells of a lesson in a kernel of its own and measure it.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell fails.
    """
    load, start = os.getloadavg()[0], time.perf_counter()
    with tempfile.TemporaryDirectory() as copied, PeakMemory(own_bytes, every=0.25) as memory:
        where = shutil.copytree(lessons.FOLDER, Path(copied) / "notebooks", ignore=shutil.ignore_patterns(".*"))
        notebook = nbformat.read(Path(where) / f"{name}.ipynb", as_version=4)
        client = NotebookClient(notebook, timeout=LONGEST_CELL, resources={"metadata": {"path": str(where)}})
        with client.setup_kernel(env=os.environ | {"MPLBACKEND": INLINE}):
            for place, cell in enumerate(notebook.cells):
                client.execute_cell(cell, place)
            cpu, seconds, idle = processor_time(), time.perf_counter() - start, memory.now()
    return Seat(
        name, round(cpu, 1), round(seconds, 1), round(max(memory.megabytes, idle)), round(idle),
        date.today().isoformat(), machine(), round(load, 1),
    )  # fmt: skip


def processor_time() -> float:
    """Processor time of all that this process has started and that still runs, with what that has started [s]."""
    times = [each.cpu_times() for each in descendants(psutil.Process())]
    return sum(each.user + each.system + each.children_user + each.children_system for each in times)


def machine() -> str:
    """Processor and cores in words."""
    made = recordings.provenance()
    return f"{made['device']}, {made['cores']} cores"


def together(name: str, seats: int) -> dict[str, Any]:
    """Run a lesson in one seat, then in several side by side; how much slower, and what each takes."""
    alone, beside = several(name, 1), several(name, seats)
    cores = psutil.cpu_count() or 1
    return {
        "lesson": name, "seats": seats, "cores": cores, "when": alone[0].when, "machine": alone[0].machine,
        "load": alone[0].load,
        "slower": round(max(one.seconds for one in beside) / alone[0].seconds, 2),
        "expected slower": round(max(1.0, seats / cores), 2),
        "peak of each [MB]": round(sum(one.peak for one in beside) / seats), "peak alone [MB]": alone[0].peak,
        "CPU of each [s]": round(sum(one.cpu for one in beside) / seats, 1), "CPU alone [s]": alone[0].cpu,
    }  # fmt: skip


def several(name: str, seats: int) -> list[Seat]:
    """Seats at one time, each measured by a process of its own."""
    command = [sys.executable, "-m", "course.classroom", "--one", name]
    started = [subprocess.Popen(command, cwd=lessons.ROOT, stdout=subprocess.PIPE, text=True) for _ in range(seats)]
    printed = [process.communicate()[0] for process in started]
    if any(process.returncode for process in started):
        raise RuntimeError(f"lesson {name} failed in one of {seats} seats")
    return [Seat(**json.loads(text.splitlines()[-1])) for text in printed]


def kept() -> dict[str, Any]:
    """What has been measured: `seats` by lesson, and runs `together`."""
    return json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {"seats": {}, "together": []}


def keep(*, seats: Mapping[str, Any] | None = None, together: Sequence[Mapping[str, Any]] = ()) -> None:
    """Add to what is kept; a newer measurement of a lesson replaces the older one."""
    all_of = kept()
    all_of["seats"] = dict(sorted((all_of["seats"] | dict(seats or {})).items()))
    newer = {each["lesson"] for each in together}
    all_of["together"] = [each for each in all_of["together"] if each["lesson"] not in newer] + list(together)
    lessons.write(KEPT, json.dumps(all_of, indent=1, ensure_ascii=False) + "\n")


def needs(one: Seat, seats: int) -> dict[str, float]:
    """Memory [GB] and cores for so many seats at one lesson.

    >>> one = Seat("03_a", cpu=15, seconds=20, peak=400, idle=300, when="", machine="", load=0)
    >>> needs(one, 40)
    {'memory': 16.2, 'idle': 12.2, 'cores': 2}
    """
    return {
        "memory": round((SHARED + seats * one.peak) / 1000, 1),
        "idle": round((SHARED + seats * one.idle) / 1000, 1),
        "cores": ceil(seats * one.cpu / (60 * PATIENCE)),
    }


def report(measured: Mapping[str, Any], seats: int) -> Iterator[str]:
    """The table in lines: each lesson, then the whole course, then what seats side by side have shown."""
    yield f"{seats} seats on one server; cores so that all cells of all seats have run after {PATIENCE} minutes"
    yield " ".join(f"{word:>13}" for word in HEAD)
    ones = [Seat(**values) for values in measured["seats"].values()]
    for one in ones:
        room = needs(one, seats)
        cells = (lessons.number(one.lesson), one.cpu, one.peak, one.idle, *room.values(), one.when)
        yield " ".join(f"{cell!s:>13}" for cell in cells)
    if ones:
        most = {key: max(needs(one, seats)[key] for one in ones) for key in ("memory", "idle", "cores")}
        yield f"largest: {most['memory']} GB, {most['idle']} GB once all are done, {most['cores']} cores"
        yield "measured on " + "; ".join(sorted({one.machine for one in ones}))
    if unmeasured := [name for name in lessons.names() if name not in measured["seats"]]:
        yield f"not measured: {', '.join(map(lessons.number, unmeasured))}"
    for run in measured["together"]:
        yield "side by side: " + ", ".join(f"{key} {value}" for key, value in run.items())


def main() -> None:
    """Measure what the command line asks for, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seats", type=int, default=40, help="default: 40")
    parser.add_argument("--measure", nargs="*", help="numbers of lessons to measure, as 00 03; all without numbers")
    parser.add_argument("--together", help="number of a lesson to run in several seats side by side")
    parser.add_argument("--side-by-side", type=int, default=4, help="how many, default: 4")
    parser.add_argument("--one", choices=lessons.names(), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.seats < 1 or asked.side_by_side < 1:
        parser.error("seats must be 1 or more")
    if asked.one:
        print(json.dumps(asdict(seat(asked.one))))
        return
    try:
        names = [] if asked.measure is None else lessons.chosen(asked.measure)
        beside = lessons.chosen([asked.together]) if asked.together else []
    except ValueError as error:
        parser.error(str(error))
    for name in names:
        keep(seats={name: asdict(seat(name))})
    for name in beside:
        keep(together=[together(name, asked.side_by_side)])
    print("\n".join(report(kept(), asked.seats)))


if __name__ == "__main__":
    main()
