"""Architectures read back from text."""

from __future__ import annotations

import json

from toolkit.search.architecture.plain import ConvSpec, DenseSpec
from toolkit.search.architecture.residual import ResNetSpec, Stage

KINDS = {spec.__name__: spec for spec in (ConvSpec, DenseSpec, ResNetSpec)}


def from_json(text: str) -> ConvSpec | DenseSpec | ResNetSpec:
    """The architecture that `to_json` wrote.

    Raises:
        ValueError: the text says something else.

    >>> from_json(DenseSpec((64,), 10, (12,)).to_json())
    DenseSpec(input_shape=(64,), classes=10, hidden=(12,), activation='relu', norm=False)
    """
    try:
        fields = json.loads(text)
        kind = KINDS[fields.pop("kind")]
        if kind is ResNetSpec:
            fields["stages"] = tuple(Stage(**stage) for stage in fields["stages"])
        return kind(**fields)
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as fault:
        raise ValueError(f"text: not an architecture: {fault!r}") from fault
