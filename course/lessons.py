"""The lessons as files: which there are, what they are called, and how a page made of one is written."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import nbformat
from nbformat import NotebookNode

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "notebooks"
BUILD = ROOT / "build"
START = "00_start_here"


def names() -> list[str]:
    """All lessons in their order, without ending."""
    return sorted(path.stem for path in FOLDER.glob("*.ipynb"))


def number(name: str) -> str:
    """The number that a lesson begins with.

    >>> number("10b_network_ideas")
    '10b'
    """
    return name.partition("_")[0]


def chosen(numbers: Sequence[str] | None) -> list[str]:
    """The lessons with these numbers, in their order; all where there are none.

    Raises:
        ValueError: a number is that of no lesson.
    """
    there = {number(name): name for name in names()}
    if unknown := [each for each in numbers or () if each not in there]:
        raise ValueError(f"no lesson {', '.join(unknown)}; there are {', '.join(there)}")
    return [name for each, name in there.items() if not numbers or each in numbers]


def read(name: str) -> NotebookNode:
    """The notebook of a lesson."""
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def title(notebook: NotebookNode) -> str:
    """The heading of a notebook."""
    return notebook.cells[0].source.partition("\n")[0].removeprefix("# ")


def sections(notebook: NotebookNode) -> list[tuple[str, list[NotebookNode]]]:
    """Second-level headings, each with its cells; what stands before the first one is under the title."""
    found = [(title(notebook), [])]
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and cell.source.startswith("## "):
            found.append((cell.source.partition("\n")[0].removeprefix("## ").strip(), []))
        found[-1][1].append(cell)
    return found


def write(path: Path, text: str) -> Path:
    """Replace a file by a text, in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    return partial.replace(path)


def asked(description: str, folder: str) -> tuple[Path, list[str]]:
    """Where to write and which lessons, as the command line says; a lesson that does not exist ends the program."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--to", type=Path, default=BUILD / folder, help=f"default: build/{folder}")
    parser.add_argument("--only", nargs="*", help="numbers of lessons, as 00 03; all without this")
    arguments = parser.parse_args()
    try:
        return arguments.to, chosen(arguments.only)
    except ValueError as error:
        parser.error(str(error))
