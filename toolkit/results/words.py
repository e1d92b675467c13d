"""Many numbers in a few words: ranges, spread and number of runs of the lines of a row."""

from __future__ import annotations

from math import isfinite

import pandas as pd

DIGITS = 4


def told(lines: pd.DataFrame, side: str) -> str:
    """The numbers of one side, a range for each measure.

    Args:
        lines: of a row.
        side: "published", or "ours" with the median spread and the number of runs.

    >>> frame = pd.DataFrame({"measure": "test accuracy", "ours": [90.5, 91.25], "spread": [0.1, 0.2], "runs": 3, "unit": "%"})
    >>> told(frame, "ours")
    'test accuracy 90.5 to 91.25 % (2 numbers, spread 0.15, 3 runs)'
    """
    return "; ".join(filter(None, (_measure(name, part, side) for name, part in lines.groupby("measure", sort=False))))


def _measure(name: str, lines: pd.DataFrame, side: str) -> str:
    numbers = lines[side].dropna()
    if numbers.empty:
        return ""
    said = [f"{len(numbers)} numbers"] if len(numbers) > 1 else []
    if side == "ours":
        said += _spread(lines.loc[numbers.index])
    ends = dict.fromkeys((number(numbers.min()), number(numbers.max())))
    in_brackets = f"({', '.join(said)})" if said else ""
    return " ".join(filter(None, [name, " to ".join(ends), lines["unit"].iloc[0], in_brackets]))


def _spread(lines: pd.DataFrame) -> list[str]:
    spread, runs = lines["spread"].median(), sorted({int(count) for count in lines["runs"]})
    said = [f"spread {number(spread, digits=2)}"] if isfinite(spread) else []
    if runs[-1] > 1:
        said.append(f"{' to '.join(dict.fromkeys((str(runs[0]), str(runs[-1]))))} runs")
    return said


def number(value: float, digits: int = DIGITS) -> str:
    """A number with a few digits, whole ones in full.

    >>> number(153490273.0), number(0.0123456)
    ('153490273', '0.01235')
    """
    return str(int(value)) if float(value).is_integer() else f"{value:.{digits}g}"
