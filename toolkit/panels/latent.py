"""The latent space of membranes: move along its components, see what the decoder makes of it, choose structures (Fig. 4.10)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ipywidgets as widgets
import numpy as np
import torch

from toolkit.figures import latent as figures
from toolkit.figures import layers
from toolkit.microstructure import structures
from toolkit.microstructure.autoencoder import decoded
from toolkit.panels.controls import choice, slider, whole_slider
from toolkit.panels.panel import Panel
from toolkit.studies import membranes_latent, membranes_vae

QUANTITIES = {"direction": "direction", "porosity": "porosity", "intensity": "stretching factor", "points": "Voronoi points"}
COMPONENTS = 6
FARTHEST = 3.0  # standard deviations


@dataclass(frozen=True)
class Place:
    """A place on a walk along a component.

    Attributes:
        component: number of the component, from 1.
        coordinate: along it [standard deviations].
        porosity: of what the decoder makes of the place.
    """

    component: int
    coordinate: float
    porosity: float


class LatentPanel(Panel):
    """Structures in two components, slices of a chosen one, of its reconstruction, and of the decoded place beside it.

    The decoded place is the mean of all structures, or the chosen one, moved along a component. Run walks along that
    component. A structure is chosen by its number or by a click near it. Without files the network has random weights.

    Args:
        network: file of a trained network.
        results: file of its study.
        family: which of the study's families of membranes the network was trained on.
        values: control name to first value.

    >>> panel = LatentPanel(steps=3)
    >>> [record.coordinate for record in panel.run().records]
    [-3.0, 0.0, 3.0]
    """

    title = "Latent space of membranes"
    record_type = Place

    def __init__(
        self,
        network: str | Path | None = None,
        results: str | Path | None = None,
        *,
        family: str = "own seeds",
        **values: Any,
    ):
        if (network is None) != (results is None):
            raise ValueError("network and results: give the files of both, or none for random weights")
        self.files = None if network is None else (str(network), str(results), family)
        if self.files is None:
            self.model, self.found = membranes_latent.demonstration()
        else:
            self.model, self.found = membranes_vae.network(network), membranes_latent.results(results, family)
        self._structures: dict[int, torch.Tensor] = {}
        super().__init__(**values)

    def make_sections(self) -> dict[str, dict[str, widgets.Widget]]:
        """Data (structures), model (the place that is decoded), training (the walk) and view."""
        count = min(COMPONENTS, len(self.found.components.axes))
        splits = list(dict.fromkeys(self.found.structures["split"]))
        numbers = list(range(1, count + 1))
        return {
            "data": {
                "split": choice("structures", splits),
                "chosen": whole_slider("chosen structure", 0, 0, len(self.found.rows(splits[0])) - 1),
            },
            "model": {
                "start": choice("move from", ("mean of all", "chosen structure")),
                "component": choice("along component", numbers),
                "coordinate": slider("by [deviations]", 0.0, -FARTHEST, FARTHEST, 0.1),
            },
            "training": {"steps": whole_slider("steps of the walk", 13, 2, 61)},
            "view": {
                "across": choice("to the right", numbers),
                "up": choice("up", numbers, value=min(2, count)),
                "colour": choice("colour", [(label, name) for name, label in QUANTITIES.items()]),
                "axis": choice("slices across", structures.AXES),
                "position": slider("slices at (share)", 0.5, 0.0, 1.0, 0.05),
            },
        }

    def begin(self, settings: Mapping[str, Any]) -> Iterator[Place]:
        """A walk from -3 to 3 standard deviations along the component."""
        return self._walk(settings, np.linspace(-FARTHEST, FARTHEST, settings["steps"]))

    def _walk(self, settings: Mapping[str, Any], coordinates: np.ndarray) -> Iterator[Place]:
        for coordinate in coordinates:
            volume = self._decoded(settings, float(coordinate))
            yield Place(settings["component"], round(float(coordinate), 6), 1 - float(volume.mean()))

    def rest(self) -> float:
        """Slow enough to watch the structure change."""
        return 0.15

    def pointed(self, position: list[float]) -> None:
        """Choose the structure nearest to a click."""
        across, up = self._pixels(self.settings)
        self.controls["chosen"].value = int(np.hypot(across - position[0], up - position[1]).argmin())

    def draw(self, records: list[Place]) -> str:
        """The scatter with the chosen structure and the decoded place, four slices, explained variance."""
        settings = self.settings
        if records:
            settings |= {"component": records[-1].component, "coordinate": records[-1].coordinate}
        self.controls["chosen"].max = len(self.found.rows(settings["split"])) - 1
        settings["chosen"] = min(settings["chosen"], self.controls["chosen"].max)
        row = int(self.found.rows(settings["split"])[settings["chosen"]])
        labels = [f"PC{settings[name]}" for name in ("across", "up")]
        column = self.found.structures[settings["colour"]].to_numpy()[self.found.rows(settings["split"])]
        return figures.latent_frame(
            self._plane(settings),
            column,
            axes=tuple(labels),
            chosen=settings["chosen"],
            here=self._here(settings),
            volumes=self._slices(settings, row),
            explained=self.found.components.explained,
            quantity=QUANTITIES[settings["colour"]],
            note=self._note(settings, row),
        )

    def status(self, record: Place) -> str:
        """Where the walk is."""
        return f"PC{record.component} at {record.coordinate:+.2f} standard deviations · porosity {record.porosity:.3f}"

    def code(self) -> str:
        """The decoded place as a script."""
        settings = self.settings
        start = "found.components.centre"
        if settings["start"] == "chosen structure":
            start = f"found.latents[found.rows({settings['split']!r})[{settings['chosen']}]]"
        loading = ["model, found = membranes_latent.demonstration()"]
        if self.files is not None:
            network, results, family = map(repr, self.files)
            loading = [f"model = membranes_vae.network({network})", f"found = membranes_latent.results({results}, {family})"]
        number = settings["component"] - 1
        return "\n".join(
            [
                "import numpy as np", "import torch", "", "from toolkit.microstructure.autoencoder import decoded",
                "from toolkit.studies import membranes_latent, membranes_vae", "", *loading,
                f"step = np.sqrt(found.components.variance[{number}]) * found.components.axes[{number}]",
                f"z = {start} + {settings['coordinate']} * step",
                "volume = decoded(model, torch.from_numpy(z)[None])[0, 0]", "print(1 - float(volume.mean()))", "",
            ]
        )  # fmt: skip

    # What is shown -----------------------------------------------------------------------------------------------------

    def _scores(self, settings: Mapping[str, Any]) -> np.ndarray:
        return self.found.components.scores(self.found.latents[self.found.rows(settings["split"])])

    def _plane(self, settings: Mapping[str, Any]) -> np.ndarray:
        return self._scores(settings)[:, [settings["across"] - 1, settings["up"] - 1]]

    def _pixels(self, settings: Mapping[str, Any]) -> list[np.ndarray]:
        """Where the structures lie in the scatter, whose limits make room for the decoded place as well."""
        columns = self._plane(settings).T
        shown = [np.append(*pair) for pair in zip(columns, self._here(settings), strict=True)]
        return [scale(column) for scale, column in zip(layers.scales(list(map(layers.margins, shown))), columns, strict=True)]

    def _point(self, settings: Mapping[str, Any], coordinate: float) -> np.ndarray:
        parts, number = self.found.components, settings["component"] - 1
        start = parts.centre
        if settings["start"] == "chosen structure":
            start = self.found.latents[self.found.rows(settings["split"])[settings["chosen"]]]
        return start + coordinate * np.sqrt(parts.variance[number]) * parts.axes[number]

    def _here(self, settings: Mapping[str, Any]) -> tuple[float, float]:
        scores = self.found.components.scores(self._point(settings, settings["coordinate"])[None])[0]
        return float(scores[settings["across"] - 1]), float(scores[settings["up"] - 1])

    def _decoded(self, settings: Mapping[str, Any], coordinate: float) -> torch.Tensor:
        return decoded(self.model, torch.from_numpy(self._point(settings, coordinate))[None])[0, 0]

    def _slices(self, settings: Mapping[str, Any], row: int) -> list[tuple[str, np.ndarray]]:
        if row not in self._structures:
            size = self.model.size
            self._structures = {row: structures.shares([self.found.recipe(row)], size=size, finer=membranes_vae.FINER)[0, 0]}
        seen = decoded(self.model, torch.from_numpy(self.found.latents[row])[None])[0, 0]
        mean = decoded(self.model, torch.from_numpy(self.found.components.centre)[None])[0, 0]
        volumes = {
            "chosen structure": self._structures[row].float() / 255,
            "its reconstruction": seen,
            "decoded place": self._decoded(settings, settings["coordinate"]),
            "mean of all, decoded": mean,
        }
        place = round(settings["position"] * (self.model.size - 1))
        axis = structures.AXES.index(settings["axis"])
        return [(name, volume.select(axis, place).numpy()) for name, volume in volumes.items()]

    def _note(self, settings: Mapping[str, Any], row: int) -> str:
        one = self.found.structures.iloc[row]
        return (
            f"network: {self.found.origin} · structure {settings['chosen']}: n = {one.points:.0f}, stretched along "
            f"{one.direction} (e = {one.intensity:.2f}), porosity {one.porosity:.3f} · yellow: decoded place"
        )
