"""Own runs beside the published numbers."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pandas as pd
from scipy.special import stdtrit

from toolkit.published import documents

if TYPE_CHECKING:  # it needs jinja2, which comes with Jupyter; comparing needs neither
    from pandas.io.formats.style import Styler

Key = tuple[Any, ...]
Sentences = Sequence[str] | Mapping[Any, str | Sequence[str]]

NUMBERS = ["published", "ours", "spread", "difference", "tolerance"]
RESULT = ["published", "ours", "spread", "runs", "difference", "tolerance", "unit", "verdict", "remarks", "origin"]


@dataclass(frozen=True)
class _Printed:
    """A published number, half a unit of its last printed digit, and the table's notes on it."""

    number: float = math.nan
    half_unit: float = 0.0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Own:
    """Own runs of one row: mean and sample standard deviation of those that gave a number, and how many gave none."""

    mean: float = math.nan
    spread: float = math.nan
    runs: int = 0
    without_number: int = 0


def compare(
    table: str | pd.DataFrame,
    ours: pd.DataFrame,
    *,
    on: str | Sequence[str],
    value: str,
    scale: float = 1.0,
    unit: str = "",
    different: Sentences = (),
    remarks: Sentences = (),
    published_runs: int = 1,
    origin: str = "this session",
) -> pd.DataFrame:
    r"""Put own runs beside the rows of a published table.

    The verdict follows from one rule. With `n >= 2` own runs of sample standard deviation `s`, and `N` runs behind the
    published number (one, where the document does not say), the two agree if

        |ours - published| <= t(0.975, n - 1) s sqrt(1/n + 1/N) + half a unit of the last printed digit,

    that is, if the published number lies in the interval where 95 % of repetitions would lie; `t` is the quantile of
    Student's distribution, and both sides are taken to spread alike. The right-hand side stands in the column `tolerance`:
    where it is wide, "agrees" says little. The last printed digit is read off the whole column, since a table may print fixed
    decimals or fixed digits and drops trailing zeros here; the coarser reading counts.

    Args:
        table: name of a published table, or a data frame such as a part of one.
        ours: the columns `on` and either the column that `value` names, one row per run (nan for a run that diverged), or
            the columns `mean`, `std` and `n`, one row per setting.
        on: columns that identify a row. Numbers are matched to seven digits; missing cells match each other.
        value: the column of `table` that is compared.
        scale: factor on the published and on the own numbers, such as 100 for percent.
        unit: unit of the numbers after scaling.
        different: sentences on what makes the runs not comparable: a sequence for all rows, or a mapping from a row's key (a
            tuple in the order of `on`; the bare value if `on` is one column) to its sentences.
        remarks: sentences that a reader should know but that leave the verdict as it is; forms as for `different`.
        published_runs: runs behind each published number.
        origin: where the own numbers come from, such as "recorded on one H200, 2026-11-20".

    Returns:
        The columns `on`, then `published`, `ours` (mean), `spread` (sample standard deviation), `runs`, `difference` (ours -
        published), `tolerance`, `unit`, `verdict`, `remarks` and `origin`. First the published rows in their order, then
        own settings that were not published. The verdict is one of "agrees", "differs", "agrees to the printed digits; one
        run, spread unknown", "undecided: one run, spread unknown", "no run gave a number", "not run", "not printed", "not
        published" and "not comparable: ...".

    Raises:
        ValueError: an unknown table, column or row key, a key that stands for several rows, or a value that is no number.

    >>> printed = pd.DataFrame({"friction": [0.1, 0.01], "accuracy": [0.9036, 0.8331]})
    >>> ours = pd.DataFrame({"friction": [0.1, 0.1, 0.1], "accuracy": [0.902, 0.905, 0.903]})
    >>> compare(printed, ours, on="friction", value="accuracy")["verdict"].tolist()
    ['agrees', 'not run']
    """
    printed = documents.table(table) if isinstance(table, str) else table
    on = [on] if isinstance(on, str) else list(on)
    _check_columns("table", printed, [*on, value])
    _check_columns("ours", ours, on)
    _check_factors(scale, published_runs)
    published = _printed_rows(printed, on, value, scale)
    own = _own_rows(ours, on, value, scale)
    keys = list({**published, **own})
    reasons, hints = _by_row("different", different, keys), _by_row("remarks", remarks, keys)
    rows = []
    for key in keys:
        number, runs = published.get(key, _Printed()), own.get(key, _Own())
        tolerance = _tolerance(number, runs, published_runs)
        verdict = _verdict(published.get(key), own.get(key), tolerance, reasons[key])
        said = "; ".join([*reasons[key], *hints[key], *number.notes, *_lost(runs)])
        numbers = [number.number, runs.mean, runs.spread, runs.runs, runs.mean - number.number, tolerance]
        rows.append([*_cells(key), *numbers, unit, verdict, said, origin if key in own else ""])
    return pd.DataFrame(rows, columns=[*on, *RESULT])


def show(comparison: pd.DataFrame) -> Styler:
    """A comparison as a tidy table for a notebook: printed digits, the unit in the heads, blanks where there is nothing.

    Remarks and origin stand below the table, those of single rows under numbers; what makes a row not comparable is a remark.

    Args:
        comparison: what `compare` gave.
    """
    unit = next(iter(comparison["unit"]), "")
    heads = {name: f"{name} [{unit}]" if unit else name for name in NUMBERS}
    decimals = _decimals(comparison["published"])
    formats: dict[str, Any] = {head: f"{{:.{decimals}f}}" for head in heads.values()}
    formats[heads["difference"]] = f"{{:+.{decimals}f}}"
    keys = {name: name.replace("_", " ") for name in comparison.columns[: -len(RESULT)]}  # which can go on in a second line
    formats |= {head: "{:g}" for name, head in keys.items() if pd.api.types.is_float_dtype(comparison[name])}
    below, notes = _notes(comparison["remarks"])
    origins = [one for one in comparison["origin"].unique() if one]
    shown = comparison.drop(columns=["unit", "remarks"]).rename(columns=heads | keys)
    shown["verdict"] = shown["verdict"].str.partition(":")[0]
    if any(notes):
        shown.insert(shown.columns.get_loc("verdict") + 1, "notes", notes)
    if len(origins) < 2:
        shown = shown.drop(columns="origin")
        below = [*origins, *below]
    style = shown.style.format(formats, na_rep="").hide(axis="index").set_caption("<br>".join(map(html.escape, below)))
    style.set_table_styles([{"selector": "caption", "props": "caption-side: bottom; text-align: left"}])
    return style.set_table_attributes('style="font-size:80%"')  # all columns are seen beside a file browser


def _notes(remarks: Iterable[str]) -> tuple[list[str], list[str]]:
    """The lines below a table, and for each row the numbers of those that it does not share with all others.

    >>> _notes(["three seeds", "three seeds; goal not reached"])
    (['three seeds', '1: goal not reached'], ['', '1'])
    """
    rows = [remark.split("; ") if remark else [] for remark in remarks]
    everything = list(dict.fromkeys(sentence for row in rows for sentence in row))
    shared = [sentence for sentence in everything if all(sentence in row for row in rows)]
    numbers = {sentence: number for number, sentence in enumerate((one for one in everything if one not in shared), start=1)}
    lines = [*shared, *(f"{number}: {sentence}" for sentence, number in numbers.items())]
    return lines, [", ".join(str(numbers[sentence]) for sentence in row if sentence in numbers) for row in rows]


def _verdict(printed: _Printed | None, own: _Own | None, tolerance: float, reasons: list[str]) -> str:
    if own is None:
        return "not run"
    if printed is None:
        return "not published"
    if reasons:
        return f"not comparable: {'; '.join(reasons)}"
    if math.isnan(printed.number):
        return "not printed"
    if own.runs == 0:
        return "no run gave a number"
    difference = abs(own.mean - printed.number)
    if own.runs == 1 and difference <= _widened(printed.half_unit):
        return "agrees to the printed digits; one run, spread unknown"
    if own.runs == 1:
        return "undecided: one run, spread unknown"
    return "agrees" if difference <= _widened(tolerance) else "differs"


def _tolerance(printed: _Printed, own: _Own, published_runs: int) -> float:
    if own.runs < 2:
        return math.nan
    standard_error = own.spread * math.sqrt(1 / own.runs + 1 / published_runs)
    return float(stdtrit(own.runs - 1, 0.975)) * standard_error + printed.half_unit


def _widened(tolerance: float) -> float:
    """A bound that rounding of binary numbers does not decide."""
    return tolerance * (1 + 1e-9)


def _lost(own: _Own) -> list[str]:
    if own.without_number == 0:
        return []
    return [f"{own.without_number} of {own.without_number + own.runs} runs gave no number"]


def _printed_rows(printed: pd.DataFrame, on: list[str], value: str, scale: float) -> dict[Key, _Printed]:
    numbers = _numbers("table", printed[value])
    notes = printed["notes"] if "notes" in printed else [None] * len(printed)
    rows: dict[Key, _Printed] = {}
    for key, number, unit, note in zip(_keys(printed, on), numbers, _last_digits(numbers), notes, strict=True):
        if key in rows:
            raise ValueError(f"on={on} does not tell the rows of the table apart: several have {_cells(key)}")
        rows[key] = _Printed(scale * number, abs(scale) * unit / 2, () if pd.isna(note) else (note,))
    return rows


def _own_rows(ours: pd.DataFrame, on: list[str], value: str, scale: float) -> dict[Key, _Own]:
    if value in ours:
        return _own_statistics(_keys(ours, on), _numbers("ours", ours[value]), scale)
    if not {"mean", "std", "n"} <= set(ours):
        raise ValueError(f"ours must have the column {value!r} or the columns mean, std and n, got {list(ours)}")
    rows: dict[Key, _Own] = {}
    columns = (_numbers("ours", ours[name]) for name in ("mean", "std", "n"))
    for key, mean, std, count in zip(_keys(ours, on), *columns, strict=True):
        if key in rows:
            raise ValueError(f"ours has several means for {_cells(key)}")
        if not (count >= 1 and count == int(count)) or std < 0:
            raise ValueError(f"ours: n must be whole and 1 or more, std zero or more, got n={count}, std={std}")
        if count > 1 and not math.isfinite(std):
            raise ValueError(f"ours: the std of {int(count)} runs must be finite, got {std}")
        rows[key] = _Own(scale * mean, abs(scale) * std if count > 1 else math.nan, int(count))
    return rows


def _own_statistics(keys: list[Key], numbers: list[float], scale: float) -> dict[Key, _Own]:
    runs: dict[Key, list[float]] = {}
    for key, number in zip(keys, numbers, strict=True):
        runs.setdefault(key, []).append(number)
    rows = {}
    for key, values in runs.items():
        finite = pd.Series([scale * number for number in values if math.isfinite(number)], dtype=float)
        rows[key] = _Own(finite.mean(), finite.std(), len(finite), len(values) - len(finite))
    return rows


def _last_digits(numbers: list[float]) -> list[float]:
    """Unit of the last printed digit of each number, at most 1.

    >>> _last_digits([0.9102, 0.66])
    [0.0001, 0.0001]
    >>> _last_digits([1.06e-3, 4.93e-5])
    [1e-05, 1e-07]
    """
    decimals = [_decimal(number) for number in numbers]
    printed = [decimal for decimal in decimals if decimal]
    finest = min((decimal.as_tuple().exponent for decimal in printed), default=0)
    digits = max((len(decimal.as_tuple().digits) for decimal in printed), default=1)
    exponents = [max(finest, decimal.adjusted() + 1 - digits) if decimal else finest for decimal in decimals]
    return [float(f"1e{min(exponent, 0)}") for exponent in exponents]


def _decimals(numbers: pd.Series) -> int:
    return max((-_decimal(number).as_tuple().exponent for number in numbers), default=0)


def _decimal(number: float) -> Decimal:
    """The number as it would be printed; zero where there is none."""
    return Decimal(f"{number:.12g}").normalize() if math.isfinite(number) else Decimal(0)


def _keys(frame: pd.DataFrame, on: list[str]) -> list[Key]:
    return [_key(cells) for cells in zip(*(frame[name] for name in on), strict=True)]


def _key(cells: Sequence[Any]) -> Key:
    return tuple(_canonical(cell) for cell in cells)


def _canonical(cell: Any) -> Any:
    """A cell in the form in which keys are matched: missing ones are alike, single precision equals double."""
    if pd.isna(cell):
        return None
    if isinstance(cell, str | bool):
        return cell
    return float(f"{float(cell):.7g}") if pd.api.types.is_number(cell) else cell


def _cells(key: Key) -> list[Any]:
    return [math.nan if cell is None else cell for cell in key]


def _by_row(argument: str, sentences: Sentences, keys: list[Key]) -> dict[Key, list[str]]:
    """The sentences that go with each row."""
    if not isinstance(sentences, Mapping):
        return dict.fromkeys(keys, _sentences(argument, sentences))
    given = {_key(key if isinstance(key, tuple) else (key,)): _sentences(argument, said) for key, said in sentences.items()}
    unknown = [_cells(key) for key in given if key not in keys]
    if unknown:
        raise ValueError(f"{argument}: there is no row {unknown[0]}; rows are {[_cells(key) for key in keys]}")
    return {key: given.get(key, []) for key in keys}


def _sentences(argument: str, said: str | Sequence[str]) -> list[str]:
    sentences = [said] if isinstance(said, str) else list(said)
    for sentence in sentences:
        if not isinstance(sentence, str):
            raise TypeError(f"{argument} must hold sentences, got {sentence!r}")
    return sentences


def _numbers(argument: str, column: pd.Series) -> list[float]:
    if not pd.api.types.is_numeric_dtype(column):
        raise ValueError(f"{argument}: the column {column.name!r} must hold numbers, got {column.dtype}")
    return column.astype(float).tolist()


def _check_columns(argument: str, frame: pd.DataFrame, needed: list[str]) -> None:
    if not isinstance(frame, pd.DataFrame):
        raise TypeError(f"{argument} must be a data frame, got {frame!r}")
    missing = [name for name in needed if name not in frame]
    if missing:
        raise ValueError(f"{argument} has no column {missing[0]!r}; its columns are {list(frame)}")


def _check_factors(scale: float, published_runs: int) -> None:
    if not math.isfinite(scale) or scale == 0:
        raise ValueError(f"scale must be a finite number other than zero, got {scale!r}")
    if published_runs < 1:
        raise ValueError(f"published_runs must be 1 or more, got {published_runs!r}")
