"""Records turned into columns and back.

The layout of a record is its nesting with the kind of each value; records of one layout share one set of columns.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from toolkit.recordings import tree

INT64 = range(-(2**63), 2**63)
DTYPES = {"bool": np.bool_, "int": np.int64, "float": np.float64}


def from_records(records: Iterable[Any]) -> tuple[list[tuple[tuple, list]], np.ndarray]:
    """Groups (layout, columns) of the records, and the number of each record's group in the order of the records."""
    rows: dict[tuple, list[list]] = {}
    numbers: dict[tuple, int] = {}
    order = []
    for index, record in enumerate(records):
        values: list[Any] = []
        layout = _layout(_mapping(record, f"records[{index}]"), (f"records[{index}]",), values)
        rows.setdefault(layout, []).append(values)
        order.append(numbers.setdefault(layout, len(numbers)))
    return [(layout, _columns(layout, rows[layout])) for layout in numbers], np.array(order, dtype=np.int64)


def to_records(groups: list[tuple[tuple, list]], order: np.ndarray) -> list[dict]:
    """The records in their order."""
    rows = [_rows(layout, columns) for layout, columns in groups]
    return [next(rows[number]) for number in order.tolist()]


def plain(settings: Any, name: str) -> dict:
    """Settings with the mappings and dataclasses at every depth turned into dicts."""
    values: list[Any] = []
    layout = _layout(_mapping(settings, name), (name,), values)
    return _build(layout, iter(values))


def _mapping(value: Any, name: str) -> dict:
    fields = _fields(value)
    if type(fields) is not dict:
        raise TypeError(f"{name} must be a mapping or a dataclass instance, got {value!r}")
    return fields


def _fields(value: Any) -> Any:
    """A dataclass instance or any mapping as a dict, one level deep; everything else as it is."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return dict(value) if isinstance(value, Mapping) else value


def _layout(value: Any, place: tuple, values: list[Any]) -> tuple:
    """Layout of one record; its values are appended to `values` in the order of the layout."""
    value = _fields(value)
    if type(value) is dict:
        items = ((tree.checked_key(key, place), _layout(item, (*place, key), values)) for key, item in value.items())
        return ("dict", *items)
    if type(value) in (list, tuple):
        return (type(value).__name__, *(_layout(item, (*place, i), values) for i, item in enumerate(value)))
    if value is None:
        return ("none",)
    values.append(value)
    return _leaf(value, place)


def _leaf(value: Any, place: tuple) -> tuple:
    if type(value) in (bool, int, float, str):
        return (type(value).__name__,)
    if tree.is_array(value):
        kind = "array" if type(value) is np.ndarray else "number"
        return (kind, tree.checked_array(value, place).dtype.str, *value.shape)
    if tree.is_tensor(value):
        return ("tensor", str(tree.checked_tensor(value, place).dtype), *value.shape)
    raise tree.refused(value, place)


def _leaves(layout: tuple) -> Iterator[tuple]:
    kind, *parts = layout
    if kind in ("dict", "list", "tuple"):
        for part in parts:
            yield from _leaves(part[1] if kind == "dict" else part)
    elif kind != "none":
        yield layout


def _columns(layout: tuple, rows: list[list]) -> list[Any]:
    """One array, tensor or list per value of the layout; the first axis counts the records."""
    return [_column(leaf, values) for leaf, values in zip(_leaves(layout), zip(*rows, strict=True), strict=True)]


def _column(leaf: tuple, values: Sequence[Any]) -> Any:
    kind = leaf[0]
    if kind == "str" or (kind == "int" and not all(value in INT64 for value in values)):
        return list(values)
    if kind == "tensor":
        return tree.torch_module().stack([value.detach().cpu() for value in values])
    if kind in ("array", "number"):
        return np.stack(values, dtype=leaf[1], casting="no")
    return np.array(values, dtype=DTYPES[kind])


def _rows(layout: tuple, columns: list[Any]) -> Iterator[dict]:
    """The records of one layout."""
    values = [_values(leaf, column) for leaf, column in zip(_leaves(layout), columns, strict=True)]
    rows = zip(*values, strict=True) if values else itertools.repeat(())
    return (_build(layout, iter(row)) for row in rows)


def _values(leaf: tuple, column: Any) -> Iterable[Any]:
    """Values of a column in the types that they had in the records."""
    if leaf[0] == "tensor":
        return [value.clone() for value in column]  # a record must not keep the whole column alive
    if leaf[0] == "array":
        return [column[index, ...].copy() for index in range(len(column))]
    return column.tolist() if leaf[0] in DTYPES and isinstance(column, np.ndarray) else column


def _build(layout: tuple, values: Iterator[Any]) -> Any:
    kind, *parts = layout
    if kind == "dict":
        return {key: _build(part, values) for key, part in parts}
    if kind in ("list", "tuple"):
        items = [_build(part, values) for part in parts]
        return items if kind == "list" else tuple(items)
    return None if kind == "none" else next(values)
