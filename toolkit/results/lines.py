"""Lines: one printed number each with ours beside it, all in the columns of `published.compare`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from toolkit.published.comparison import RESULT

LINES = ["measure", "case", *RESULT]
HERE = "computed here"
HELD = "statements that hold, share of seeds"
WIDE = "undecided: our seeds spread over more than the number itself"


def of_comparison(comparison: pd.DataFrame, measure: str) -> pd.DataFrame:
    """What `published.compare` gave as lines: its key columns become words; own settings that nobody printed are left out.

    A number that lies in an interval wider than itself is undecided, for anything would have agreed.

    Args:
        comparison: of one quantity.
        measure: what that is, "test accuracy".
    """
    keys = [name for name in comparison.columns if name not in RESULT]
    printed = comparison[comparison["verdict"] != "not published"]
    cases = [_words(row) for row in printed[keys].to_dict("records")]
    wide = (printed["verdict"] == "agrees") & (printed["tolerance"] > printed["published"].abs())
    printed = printed.assign(verdict=printed["verdict"].mask(wide, WIDE))
    return printed[RESULT].assign(measure=measure, case=cases)[LINES].reset_index(drop=True)


@dataclass(frozen=True)
class Line:
    """A number that `published.compare` does not know how to compare, with what decides about it.

    Attributes:
        measure: what is compared.
        case: of which setting.
        published: as printed.
        ours: mean.
        tolerance: largest difference that agrees.
        spread: standard deviation of our runs.
        runs: how many.
        unit: of the numbers.
        remarks: what a reader should know.
        origin: where and when ours were made.
        verdict: of a line that the tolerance does not decide; empty otherwise.
    """

    measure: str
    case: str
    published: float
    ours: float
    tolerance: float
    spread: float = math.nan
    runs: int = 1
    unit: str = ""
    remarks: str = ""
    origin: str = HERE
    verdict: str = ""

    @property
    def decided(self) -> str:
        """Its verdict.

        >>> Line("weights", "28 x 28", 44426, 44426, tolerance=0).decided
        'agrees'
        """
        difference = abs(self.ours - self.published)
        return self.verdict or ("agrees" if difference <= self.tolerance * (1 + 1e-9) else "differs")


def table(lines: Iterable[Line]) -> pd.DataFrame:
    """Lines as a data frame."""
    rows = [vars(line) | {"difference": line.ours - line.published, "verdict": line.decided} for line in lines]
    return pd.DataFrame(rows, columns=LINES)


def statements(rows: Sequence[tuple[str, str, Sequence[bool]]], origin: str) -> pd.DataFrame:
    """Statements as lines: printed as true (1), ours the share of runs in which they hold.

    A statement agrees if it holds in every run, differs if in none, and is undecided in between.

    Args:
        rows: where it stands, the statement, and whether it held in each run.
        origin: where and when the runs were made.
    """
    lines = []
    for where, statement, held in rows:
        share = sum(held) / len(held)
        mixed = f"undecided: holds with {sum(held)} of {len(held)} seeds"
        verdict = {0: "differs", 1: "agrees"}.get(share, mixed)
        case = f"{where}: {statement}"
        lines.append(
            Line("statements that hold, share of seeds", case, 1, share, 0, runs=len(held), origin=origin, verdict=verdict)
        )
    return table(lines)


def _words(keys: dict) -> str:
    if list(keys) == ["key"]:  # a table of named values
        return _word(keys["key"])
    return ", ".join(f"{name.replace('_', ' ')} {_word(value)}" for name, value in keys.items() if not _missing(value))


def _missing(value: object) -> bool:
    return value is None or isinstance(value, float) and math.isnan(value)


def _word(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value).replace("_", " ")
