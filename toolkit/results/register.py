"""Every table and figure of the four documents, one row each: what it is, which lesson has it, what stands behind ours."""

from __future__ import annotations

import csv
from dataclasses import dataclass, fields
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

FILE = Path(__file__).with_name("register.csv")
KINDS = ("Table", "Figure", "Section", "Appendix")
# Verdicts that no number decides, as the page says them. A row without one is decided by its numbers.
GIVEN = {
    "illustration": "illustration",
    "settings": "settings, no result",
    "not comparable": "not comparable",
    "not public": "not reproduced: data not public",
    "not done": "not done",
}


@dataclass(frozen=True)
class Row:
    """A table, figure or section of a document.

    Attributes:
        document: its short name in `published`.
        kind: one of `KINDS`.
        number: as printed.
        title: what it shows.
        lesson: name of the notebook without ending; empty where no lesson has it.
        numbers: name of the function that puts our numbers beside the printed ones; empty where there is none.
        recordings: names of the files, with wildcards, that hold our runs.
        published: names of its tables in `published`.
        verdict: key of `GIVEN`; empty where the numbers decide.
        reason: why it is not comparable, not done, or differs.
    """

    document: str
    kind: str
    number: str
    title: str
    lesson: str
    numbers: str
    recordings: tuple[str, ...]
    published: tuple[str, ...]
    verdict: str
    reason: str

    @property
    def name(self) -> str:
        """As a text calls it.

        >>> rows()[0].name
        'Table 2.1'
        """
        return f"{self.kind} {self.number}"

    def takes(self, file: str) -> bool:
        """Whether a recording of this name is one of its own."""
        return any(fnmatch(file, pattern) for pattern in self.recordings)


@cache
def rows() -> tuple[Row, ...]:
    """All rows in the order of the documents.

    >>> sorted({row.document for row in rows()})
    ['Burghoff', 'Ghimire', 'Schiessler et al.', 'Zhao']
    """
    with FILE.open(encoding="utf-8", newline="") as lines:
        return tuple(_row(cells) for cells in csv.DictReader(lines))


def _row(cells: dict[str, str]) -> Row:
    lists = {name: tuple(filter(None, cells[name].split(";"))) for name in ("recordings", "published")}
    row = Row(**{field.name: cells[field.name] for field in fields(Row)} | lists)
    if row.kind not in KINDS or row.verdict not in ("", *GIVEN):
        raise ValueError(f"{FILE.name}: {row.document}, {row.name}: unknown kind or verdict {row.verdict!r}")
    if bool(row.verdict) == bool(row.numbers):
        raise ValueError(f"{FILE.name}: {row.document}, {row.name}: needs either numbers or a verdict")
    return row
