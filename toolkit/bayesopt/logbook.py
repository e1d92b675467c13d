"""Logs of experiments as .csv and .xlsx files."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from toolkit.recordings import archive

SUFFIXES = (".csv", ".xlsx")


def write(path: str | Path, table: pd.DataFrame) -> None:
    """Write a table by atomic replace, as its name's ending says."""
    suffix, content = _suffix(path), io.BytesIO()
    if suffix == ".csv":
        content.write(table.to_csv(index=False).encode("utf-8-sig"))  # the mark tells Excel that ° is one letter
    else:
        table.to_excel(content, index=False)
    archive.replace(Path(path), lambda file: file.write(content.getvalue()))


def read(path: str | Path) -> pd.DataFrame:
    """Read a table; a .csv may be separated by semicolons and have decimal commas, as Excel writes it in many countries.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, empty, or has another ending.
    """
    suffix, content = _suffix(path), Path(path).read_bytes()
    try:
        table = _parsed(content) if suffix == ".csv" else pd.read_excel(io.BytesIO(content))
    except Exception as fault:
        raise ValueError(f"{path}: damaged or not a {suffix} file: {fault or type(fault).__name__}") from fault
    if table.empty:
        raise ValueError(f"{path}: holds no row")
    table.columns = [str(head).strip() for head in table.columns]
    return table


def _parsed(content: bytes) -> pd.DataFrame:
    text = content.decode("utf-8-sig")
    separated = ";" in text.partition("\n")[0]
    return pd.read_csv(io.StringIO(text), sep=";" if separated else ",", decimal="," if separated else ".")


def _suffix(path: str | Path) -> str:
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"{path}: a log must end in {' or '.join(SUFFIXES)}")
    return suffix


@contextmanager
def blaming(path: str | Path) -> Iterator[None]:
    """Name the file in whatever is said of its content."""
    try:
        yield
    except ValueError as fault:
        raise ValueError(f"{path}: {fault}") from fault
