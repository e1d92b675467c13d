"""Two versions of every lesson from one source: without solutions for students, with the session plan for teachers.

    python -m course.versions [--to build] [--only 00 03]

Students get the lesson without what is folded under its exercises; the self-check stays. Teachers get the solutions open, and
after the title the plan of the session with the questions to expect; the start notebook has the notes for the whole course.
Both go into folders of their own, with the recordings beside them, and run as the lessons do.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from course import lessons

PLANS = Path(__file__).parent / "sessions"
FOLDED = re.compile(r"\s*<details>.*?</details>", re.S)


def build(folder: Path, names: Sequence[str]) -> list[Path]:
    """Write both versions of the lessons into `student` and `teacher` of a folder; gives the paths of all."""
    written = []
    for kind, version in VERSIONS.items():
        written += [lessons.write(folder / kind / f"{name}.ipynb", nbformat.writes(version(name))) for name in names]
        shutil.copytree(lessons.FOLDER / "recordings", folder / kind / "recordings", dirs_exist_ok=True)
    return written


def student(name: str) -> NotebookNode:
    """A lesson without its solutions."""
    notebook = lessons.read(name)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = FOLDED.sub("", cell.source)
    return notebook


def teacher(name: str) -> NotebookNode:
    """A lesson with its solutions open, and the plan of its session after the title."""
    notebook = lessons.read(name)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = cell.source.replace("<details>", "<details open>")
    notebook.cells[1:1] = [new_markdown_cell(part, id=f"plan-{place}") for place, part in enumerate(plan(name))]
    return notebook


def plan(name: str) -> list[str]:
    """The parts of the plan for a lesson, the first one under a heading of its own; those of the whole course for the start.

    Raises:
        FileNotFoundError: the lesson has no plan.
    """
    file = PLANS / ("README.md" if name == lessons.START else f"{name}.md")
    first, *parts = re.split(r"^(?=## |\*\*Homework)", file.read_text(encoding="utf-8"), flags=re.M)
    heading = "Session plans" if name == lessons.START else "Session plan"
    opening = first.partition("\n")[2].rstrip()
    return [f"## {heading}\n{opening}", *(re.sub("^## ", "### ", part).rstrip() for part in parts)]


VERSIONS: Mapping[str, Callable[[str], NotebookNode]] = {"student": student, "teacher": teacher}
"""Folder to what makes a version."""


def main() -> None:
    """Write the versions that the command line asks for."""
    for path in build(*lessons.asked(__doc__.splitlines()[0], "")):
        print(path)


if __name__ == "__main__":
    main()
