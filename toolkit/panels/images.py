"""Image data and networks as panels offer them: the controls, what they choose, and how the choice reads as code."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import ipywidgets as widgets
import torch

from toolkit import datasets, networks
from toolkit.panels.controls import choice

SCALES = {"classroom": 1500, "laptop": 12_000, "published": None}  # training samples at most
NETWORKS = ("LeNet", "dense 100-100")


def data_controls(own: datasets.Dataset | None) -> dict[str, widgets.Widget]:
    """Which set, and how much of it: the sets found on this machine, or one's own."""
    names = ["own data"] if own else [name for name in datasets.NAMES if datasets.available(name)]
    return {"dataset": choice("data set", names), "scale": choice("scale", SCALES)}


def chosen_data(own: datasets.Dataset | None, settings: Mapping[str, Any]) -> datasets.Dataset:
    """The set that the controls name."""
    data = own or datasets.load(settings["dataset"])
    most = SCALES[settings["scale"]]
    return data if most is None or len(data.train[0]) <= most else data.subset(most, proportional=True)


def data_code(own: datasets.Dataset | None, settings: Mapping[str, Any]) -> list[str]:
    """`chosen_data` as lines of a script."""
    most = SCALES[settings["scale"]]
    source = "data = ...  # your own datasets.Dataset" if own else f"data = datasets.load({settings['dataset']!r})"
    smaller = [f"if len(data.train[0]) > {most}:", f"    data = data.subset({most}, proportional=True)"]
    return [source, *(smaller if most else [])]


def network(name: str, data: datasets.Dataset, *, seed: int) -> torch.nn.Module:
    """One of `NETWORKS` for this data."""
    if name == "LeNet":
        return networks.lenet(data.input_shape, len(data.classes), seed=seed)
    return networks.dense(math.prod(data.input_shape), (100, 100), len(data.classes), seed=seed)


def network_code(name: str, *, seed: int | str) -> str:
    """`network` as an expression; the seed may be a variable's name."""
    if name == "LeNet":
        return f"networks.lenet(data.input_shape, len(data.classes), seed={seed})"
    return f"networks.dense(math.prod(data.input_shape), (100, 100), len(data.classes), seed={seed})"
