"""The printed tables, their descriptions and the doubts about them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pandas as pd

_FOLDER = Path(__file__).parent
_BOOLEANS = {"true": True, "false": False}


@dataclass(frozen=True)
class Description:
    """What a table is and how far it can be trusted.

    Attributes:
        name: its name for `table`.
        what: its content.
        document: author, title, kind and year.
        location: table or section of the document.
        units: units of its columns.
        doubts: places that are hard to read or open to more than one reading; see also `toolkit.published.doubts`.
        rows: number of rows.
    """

    name: str
    what: str
    document: str
    location: str
    units: str
    doubts: str
    rows: int


def tables() -> list[str]:
    """Names of all tables, sorted.

    >>> tables()[0]
    'burghoff_resbuilder_defaults'
    """
    return sorted(file.stem for file in _FOLDER.glob("*.csv"))


def table(name: str) -> pd.DataFrame:
    """One printed table, a fresh copy at each call.

    Numbers are floats, `true` and `false` are booleans, an empty cell is missing (`describe` and the column `notes` say why).
    In the tables of settings, which have a column `value_type`, the numbers and booleans among the texts of the column
    `value` are converted as well. A list inside a cell stays a text separated by `;`.

    Args:
        name: one of `tables()`.

    Raises:
        ValueError: there is no table of this name; the message lists the closest names.

    >>> table("schiessler_table_2_starting_topologies")[["topology", "hidden_layer_sizes"]].iloc[0].tolist()
    ['small', '10']
    """
    return _parsed(_one_of(name, tables(), "name")).copy()


def describe(name: str) -> Description:
    """What a table is: document, location, units and doubts.

    Raises:
        ValueError: there is no table of this name; the message lists the closest names.

    >>> describe("burghoff_table_3_2_phs_fashionmnist").location
    'Table 3.2'
    """
    return _descriptions()[_one_of(name, tables(), "name")]


def doubts(document: str | None = None) -> pd.DataFrame:
    """Inconsistencies, damaged places, open readings and missing values of the documents, and what is used here.

    Args:
        document: "Burghoff", "Ghimire", "Schiessler et al." or "Zhao"; all of them when not given.

    Raises:
        ValueError: there is no document of this name.
    """
    found = table("source_doubts")
    if document is None:
        return found
    _one_of(document, list(found["document"].unique()), "document")
    return found[found["document"] == document].reset_index(drop=True)


def _one_of(name: str, admitted: Sequence[str], argument: str) -> str:
    if not isinstance(name, str):
        raise TypeError(f"{argument} must be a str, got {name!r}")
    if name not in admitted:
        closest = [full for full in admitted if name and name in full] or difflib.get_close_matches(
            name, admitted, n=4, cutoff=0
        )
        raise ValueError(f"{argument} {name!r} is not known; the closest are {', '.join(closest)}")
    return name


@cache
def _parsed(name: str) -> pd.DataFrame:
    text = pd.read_csv(_FOLDER / f"{name}.csv", dtype=str, keep_default_na=False, na_values=[""])
    columns = {label: _typed(text[label]) for label in text}
    if "value_type" in text:
        columns["value"] = _typed_by_row(text["value"], text["value_type"])
    return pd.DataFrame(columns)


def _typed(column: pd.Series) -> pd.Series:
    """A column of text as booleans or floats where each of its cells is one."""
    cells = column.dropna()
    if len(cells) and cells.isin(_BOOLEANS).all():
        # the nullable type, so that a column with gaps can still select rows
        return column.map(_BOOLEANS).astype("boolean" if column.hasnans else bool)
    try:
        return column.astype(object).map(float, na_action="ignore").astype(float)
    except ValueError:
        return column


def _typed_by_row(values: pd.Series, types: pd.Series) -> pd.Series:
    convert = {"number": float, "bool": _BOOLEANS.__getitem__}
    cells = [cell if pd.isna(cell) else convert.get(kind, str)(cell) for cell, kind in zip(values, types, strict=True)]
    return pd.Series(cells, dtype=object)


@cache
def _descriptions() -> dict[str, Description]:
    """The rows of the README's table."""
    text = (_FOLDER / "README.md").read_text(encoding="utf-8")
    documents = dict(re.findall(r"^- \*\*(.+?)\*\*: (.+)$", text, flags=re.MULTILINE))
    rows = re.findall(r"^\| `(.+?)\.csv` \| (\d+) \| (.+) \| (.+) \| (.+) \| (.+) \|$", text, flags=re.MULTILINE)
    described = {}
    for name, count, what, where, units, known_doubts in rows:
        author, _, location = where.partition(", ")
        document = f"{author}: {documents[author]}" if author in documents else author
        described[name] = Description(name, what, document, location, units, known_doubts, int(count))
    return described
