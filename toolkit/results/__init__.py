"""Every table and figure of the four documents with ours beside it, from the published tables and the recordings.

    found = results.collect("notebooks/recordings")        one result per row of the register
    results.summary(found)                                 a data frame: published, ours, verdict, device, date
    results.numbers(found)                                 every compared number

The rows are typed by hand (`register.csv`): what they are, which lesson has them, why something is not comparable. Numbers,
dates, devices and verdicts are computed here from the data.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from toolkit import recordings
from toolkit.results import burghoff, ghimire, schiessler, verdicts, zhao
from toolkit.results.lines import LINES
from toolkit.results.register import Row, rows
from toolkit.results.words import told

__all__ = ["LINES", "NUMBERS", "Result", "Row", "collect", "numbers", "rows", "summary"]

NUMBERS = {one.__name__: one for module in (burghoff, ghimire, schiessler, zhao) for one in module.NUMBERS}


@dataclass(frozen=True)
class Result:
    """A row of the register with what stands behind it.

    Attributes:
        row: of the register.
        lines: its numbers in the columns `LINES`; None where there are none.
        files: the recordings that hold our runs.
        devices: on which they were made.
        dates: when.
        verdict: in a word or two.
        reason: what is to be said of it.
    """

    row: Row
    lines: pd.DataFrame | None
    files: tuple[str, ...]
    devices: tuple[str, ...]
    dates: tuple[str, ...]
    verdict: str
    reason: str

    @property
    def way(self) -> str:
        """How ours came about: "recorded", "live" where a lesson computes it, or empty for what no lesson computes."""
        if self.files:
            return "recorded"
        computed = self.row.lesson and self.row.verdict in ("", "not comparable") and self.verdict != verdicts.NOT_RECORDED
        return "live" if computed else ""


def collect(folder: str | Path, *, lesson: str = "", documents: Sequence[str] = ()) -> list[Result]:
    """Compute every row's numbers and verdict, some ten seconds for all.

    Args:
        folder: that holds the recordings.
        lesson: number of a lesson, to compute its rows only.
        documents: short names, to compute their rows only.

    Raises:
        FileNotFoundError: there is no such folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder of recordings")
    chosen = [row for row in rows() if not documents or row.document in documents]
    chosen = [row for row in chosen if not lesson or row.lesson.partition("_")[0] == lesson]
    files = {row: [path for path in sorted(folder.glob("*.npz")) if row.takes(path.name)] for row in chosen}
    made = {path: _provenance(path) for path in sorted({path for paths in files.values() for path in paths})}
    return [_result(row, folder, {path.name: made[path] for path in files[row]}) for row in chosen]


def summary(found: Iterable[Result]) -> pd.DataFrame:
    """One line per row: document, number, what, lesson, live or recorded, device, date, published, ours, verdict, reason."""
    return pd.DataFrame([_summarised(one) for one in found])


def numbers(found: Iterable[Result]) -> pd.DataFrame:
    """Every compared number, in the columns `LINES` after document and number of the row."""
    parts = [one.lines.assign(document=one.row.document, number=one.row.name) for one in found if one.lines is not None]
    columns = ["document", "number", *LINES]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def _result(row: Row, folder: Path, made: dict[str, dict[str, Any]]) -> Result:
    there = bool(made) or not row.recordings
    lines = NUMBERS[row.numbers](folder) if row.numbers and there else None
    verdict, reason = verdicts.of_row(row, lines)
    devices = dict.fromkeys(one["device"] for one in made.values())
    dates = sorted({one["date"][:10] for one in made.values()})
    return Result(row, lines, tuple(made), tuple(devices), tuple(dates), verdict, reason)


def _provenance(path: Path) -> dict[str, Any]:
    """Of a recording, or of a state that was kept as one."""
    try:
        return recordings.load(path).provenance
    except ValueError:
        return recordings.load_state(path)["provenance"]


def _summarised(one: Result) -> dict[str, str]:
    row = one.row
    published, ours = ("", "") if one.lines is None else (told(one.lines, side) for side in ("published", "ours"))
    return {
        "document": row.document,
        "number": row.name,
        "what": row.title,
        "lesson": row.lesson,
        "live or recorded": one.way,
        "device": ", ".join(one.devices),
        "date": " to ".join(dict.fromkeys((one.dates[0], one.dates[-1]))) if one.dates else "",
        "published": published,
        "ours": ours,
        "verdict": one.verdict,
        "reason": one.reason,
    }
