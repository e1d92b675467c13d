"""Maps and groups of solid electrolytes, found without being told their families."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import ipywidgets as widgets
import numpy as np

from toolkit import workflow
from toolkit.datasets import conductivities
from toolkit.figures import colours, frame, layers
from toolkit.figures import models as figures
from toolkit.panels.controls import choice, slider, whole_slider
from toolkit.panels.panel import Panel

DESCRIPTIONS = ("features", "shares of the elements")
COLOURS = ("family", "group", "conductivity")


class MapPanel(Panel):
    """Place the electrolytes on a map, group them, and compare the groups with the families of the chemists.

    Without a run the map is that of PCA. Run computes the chosen map and goes through the numbers of groups.

    Args:
        values: control name to first value.

    >>> panel = MapPanel(most=4)
    >>> [grouping.value for grouping in panel.run().records]
    [2.0, 3.0, 4.0]
    """

    title = "Maps and groups"
    record_type = workflow.Grouping

    def make_sections(self) -> dict[str, dict[str, widgets.Widget]]:
        """Data, model (map and groups) and view."""
        return {
            "data": {"description": choice("described by", DESCRIPTIONS)},
            "model": {
                "map": choice("map", workflow.MAPS),
                "perplexity": whole_slider("perplexity (t-SNE)", 30, 5, 100),
                "method": choice("groups by", workflow.GROUPINGS),
                "most": whole_slider("most groups k", 10, 2, 16),
                "radius": slider("radius (DBSCAN)", 1.0, 0.2, 3.0, 0.1),
                "seed": whole_slider("seed", 0, 0, 99),
            },
            "view": {"colour": choice("colour", COLOURS)},
        }

    def begin(self, settings: Mapping[str, Any]) -> Iterator[workflow.Grouping]:
        """Groupings of the electrolytes; with DBSCAN ten radii up to the chosen one."""
        inputs, table, _ = _described(settings["description"])
        return workflow.groupings(
            inputs, table["family"], _values(settings), method=settings["method"], on=settings["map"],
            perplexity=settings["perplexity"], seed=settings["seed"],
        )  # fmt: skip

    def rest(self) -> float:
        """Slow enough to watch the groups split."""
        return 0.3

    def draw(self, records: list[workflow.Grouping]) -> str:
        """The map, and how well the groups are separated and agree with the families."""
        settings = self.ran_with if records else self.settings
        inputs, table, simulated = _described(settings["description"])
        points = records[-1].points if records else _first_map(settings["description"])
        groups = records[-1].labels if records else np.zeros(len(table), int)
        on = settings["map"] if records else "PCA"
        shown, palette, legend = _coloured(self.settings["colour"], table, groups)
        plots = (
            figures.map_plot(
                points, shown, colours_of=palette, title=f"{on}: {len(table)} electrolytes", axes=("first axis", "second axis"),
                labels=_labels(),
            ),
            _quality(records, "radius" if settings["method"] == "DBSCAN" else "groups k"),
        )  # fmt: skip
        origin = "simulated" if simulated else "measured"
        said = "press Run" if not records else (
            f"{records[-1].groups} groups by {settings['method']}: silhouette {records[-1].silhouette:.2f}, "
            f"agreement with the families {records[-1].agreement:.2f}"
        )  # fmt: skip
        words = f"{len(table)} materials ({origin}); {said}"
        return frame.compose(plots, above=[frame.text(words), frame.legend(legend)], description=words)

    def status(self, record: workflow.Grouping) -> str:
        """The newest grouping."""
        return f"value {record.value:.3g}: {record.groups} groups"

    def code(self) -> str:
        """The setting as a script."""
        settings = self.settings
        source = "features()" if settings["description"] == "features" else "table['formula']"
        inputs = f"data.{source}" if source == "features()" else f"conductivities.shares(data.{source})"
        return "\n".join(
            [
                "from toolkit import workflow", "from toolkit.datasets import conductivities", "",
                "data = conductivities.load()",
                f"inputs = {inputs}",
                "for grouping in workflow.groupings(",
                f"    inputs, data.table['family'], {_values(settings)!r}, method={settings['method']!r},",
                f"    on={settings['map']!r}, perplexity={settings['perplexity']}, seed={settings['seed']},",
                "):",
                "    print(grouping)", "",
            ]
        )  # fmt: skip


def _values(settings: Mapping[str, Any]) -> list[float]:
    if settings["method"] == "DBSCAN":
        return [round(float(radius), 3) for radius in np.linspace(0.1, settings["radius"], 10)]
    return list(range(2, settings["most"] + 1))


@cache
def _described(description: str) -> tuple[np.ndarray, Any, bool]:
    data = conductivities.load()
    inputs = data.features() if description == "features" else conductivities.shares(data.table["formula"])
    return inputs.to_numpy(), data.table, data.simulated


@cache
def _first_map(description: str) -> np.ndarray:
    return workflow.place(_described(description)[0], "PCA")


@cache
def _labels() -> list[str]:
    table = _described("features")[1]
    return [f"{formula}, {family}" for formula, family in zip(table["formula"], table["family"], strict=True)]


def _coloured(colour: str, table: Any, groups: np.ndarray) -> tuple[np.ndarray, list[str], list[tuple[str, str]]]:
    """Number of each sample's colour, the colours, and the legend."""
    if colour == "family":
        known = figures.class_colours(workflow.FAMILIES)
        numbers = table["family"].map({name: number for number, name in enumerate(workflow.FAMILIES)}).fillna(-1)
        return numbers.to_numpy(int), [each for _, each in known], [*known, ("others", colours.GREY)]
    if colour == "group":
        palette = list(colours.CYCLE[:-1])
        return (
            groups,
            palette,
            [(f"group {number + 1}", palette[number % len(palette)]) for number in np.unique(groups[groups >= 0])],
        )
    steps = ("#440154", "#3b528b", "#21918c", "#5ec962", "#fde725")
    level = np.digitize(table["log_conductivity"], [-8, -6, -4, -3])
    names = ("below 1e-8", "to 1e-6", "to 1e-4", "to 1e-3", "1e-3 S/cm and more")
    return level, list(steps), list(zip(names, steps, strict=True))


def _quality(records: list[workflow.Grouping], label: str) -> str:
    values = [record.value for record in records]
    lines = [
        frame.Line(values, [record.silhouette for record in records], "silhouette", colours.BLUE),
        frame.Line(values, [record.agreement for record in records], "agreement with the families", colours.VERMILION),
    ]
    return frame.plot(
        lines, title="quality of the groups", x_label=f"{label} (blue silhouette, red agreement)", size=layers.SIZE,
        y_limits=(-0.1, 1.0),
    )  # fmt: skip
