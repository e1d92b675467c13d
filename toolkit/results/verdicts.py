"""The verdict on a row: what its lines say together, by one rule."""

from __future__ import annotations

from collections import Counter

import pandas as pd

from toolkit.results.register import GIVEN, Row

NOT_RECORDED = "not recorded yet"
KINDS = ("agrees", "differs", "undecided", "not comparable")
WITHOUT = ("not run", "not printed", "no run gave a number")


def of_line(verdict: str) -> str:
    """Which of the four kinds a line's verdict is; those without a number on one side are kept as they are.

    >>> of_line("agrees to the printed digits; one run, spread unknown")
    'agrees'
    """
    return next((kind for kind in KINDS if verdict.startswith(kind)), verdict)


def of_row(row: Row, lines: pd.DataFrame | None) -> tuple[str, str]:
    """A verdict in a word or two, and what is to be said of it.

    With lines: "differs" as soon as one line does; else "agrees" if half of the lines that can be compared do, or more; else
    "undecided", or "not comparable" where no line is. Lines without our number, or without a printed one, decide nothing.

    Args:
        row: of the register.
        lines: its numbers; None where its recordings do not exist yet.
    """
    if row.verdict:
        return GIVEN[row.verdict], row.reason
    if lines is None or lines.empty:
        return NOT_RECORDED, ""
    kinds = Counter(of_line(verdict) for verdict in lines["verdict"])
    unknown = set(kinds) - {*KINDS, *WITHOUT}
    if unknown:
        raise ValueError(f"{row.document}, {row.name}: no rule for a line that is {unknown.pop()!r}")
    word = _word(kinds)
    return word, "; ".join(filter(None, [_counted(kinds, len(lines)), _why(row, word, lines)]))


def _word(kinds: Counter) -> str:
    if kinds["differs"]:
        return "differs"
    if kinds["agrees"] or kinds["undecided"]:
        return "agrees" if kinds["agrees"] >= kinds["undecided"] else "undecided"
    return "not comparable" if kinds["not comparable"] else NOT_RECORDED


def _counted(kinds: Counter, lines: int) -> str:
    """How many lines are of each kind; empty where all are of one."""
    if max(kinds.values()) == lines:
        return ""
    said = {"agrees": "agree", "differs": "differ", "undecided": "undecided"}
    return ", ".join(f"{kinds[kind]} of {lines} {said.get(kind, kind)}" for kind in (*KINDS, *WITHOUT) if kinds[kind])


def _why(row: Row, word: str, lines: pd.DataFrame) -> str:
    """Reasons of the lines where nothing can be compared, else what the register says."""
    if word != "not comparable":
        return row.reason
    told = (verdict.partition(": ")[2] for verdict in lines["verdict"] if of_line(verdict) == word)
    return "; ".join(dict.fromkeys(filter(None, [*told, row.reason])))
