"""The latent space of membranes: move along its components, choose structures or crops of a tomograph (Figs. 4.10, 4.11)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ipywidgets as widgets
import numpy as np
import pandas as pd
import torch

from toolkit.figures import latent as figures
from toolkit.figures import layers
from toolkit.microstructure import structures
from toolkit.microstructure.autoencoder import decoded, latent_means
from toolkit.panels.controls import choice, slider, whole_slider
from toolkit.panels.panel import Panel
from toolkit.studies import membranes_crops, membranes_latent, membranes_vae
from toolkit.studies.membranes_crops import Crops

QUANTITIES = {"direction": "direction", "porosity": "porosity", "intensity": "stretching factor", "points": "Voronoi points"}
COMPONENTS = 6
FARTHEST = 3.0  # standard deviations
SLICES = (  # titles in the order in which they are shown
    "chosen structure", "chosen crop", "its reconstruction", "decoded place", "mean of all, decoded", "nearest in training",
)  # fmt: skip
KEPT = 4  # generated structures that are not built anew


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
    Crops of a tomograph may be shown over the training structures, with what their nearest neighbours tell of them.

    Args:
        network: file of a trained network.
        results: file of its study.
        family: which of the study's families of membranes the network was trained on.
        crops: file of recorded crops, see `studies.membranes_crops`.
        volumes: name to a volume of your own, 1 material and 0 pore, `(x, y, z)` or cubes `(m, n, n, n)`.
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
        crops: str | Path | None = None,
        volumes: Mapping[str, np.ndarray] | None = None,
        **values: Any,
    ):
        if (network is None) != (results is None):
            raise ValueError("network and results: give the files of both, or none for random weights")
        self.files = None if network is None else (str(network), str(results), family)
        if self.files is None:
            self.model, self.found = membranes_latent.demonstration()
        else:
            self.model, self.found = membranes_vae.network(network), membranes_latent.results(results, family)
        self.crops_file = None if crops is None else str(crops)
        self.crops = self._crops_of(volumes or {})
        self._told: dict[str, tuple[np.ndarray, pd.DataFrame]] = {}
        self._structures: dict[int, torch.Tensor] = {}
        super().__init__(**values)

    def _crops_of(self, volumes: Mapping[str, np.ndarray]) -> dict[str, Crops]:
        found = {} if self.crops_file is None else membranes_crops.load(self.crops_file)
        found |= {name: membranes_crops.own(name, volume, size=self.model.size) for name, volume in volumes.items()}
        splits = set(self.found.structures["split"])
        for name, crops in found.items():
            if crops.volumes.shape[-1] != self.model.size:
                raise ValueError(
                    f"crops of {name!r} have {crops.volumes.shape[-1]} voxels, the network takes {self.model.size}"
                )
            if name in splits:
                raise ValueError(f"volumes: a name must not be one of {sorted(splits)}, got {name!r}")
        return found

    def make_sections(self) -> dict[str, dict[str, widgets.Widget]]:
        """Data (structures or crops), model (the place that is decoded), training (the walk) and view."""
        count = min(COMPONENTS, len(self.found.components.axes))
        splits = list(dict.fromkeys(self.found.structures["split"]))
        numbers = list(range(1, count + 1))
        return {
            "data": {
                "split": choice("data", [*splits, *self.crops]),
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
        self.controls["chosen"].max = len(self._latents(settings)) - 1
        settings["chosen"] = min(settings["chosen"], self.controls["chosen"].max)
        shown, labels = self._shown(settings), [f"PC{settings[name]}" for name in ("across", "up")]
        return figures.latent_frame(
            self._plane(settings, self.found.latents[shown]),
            self.found.structures[settings["colour"]].to_numpy()[shown],
            axes=tuple(labels),
            chosen=settings["chosen"],
            here=self._here(settings),
            volumes=self._slices(settings),
            explained=self.found.components.explained,
            quantity=QUANTITIES[settings["colour"]],
            note=self._note(settings),
            crops=self._plane(settings, self._latents(settings)) if settings["split"] in self.crops else None,
        )

    def status(self, record: Place) -> str:
        """Where the walk is."""
        return f"PC{record.component} at {record.coordinate:+.2f} standard deviations · porosity {record.porosity:.3f}"

    def code(self) -> str:
        """The decoded place as a script."""
        settings = self.settings
        start = "found.components.centre" if settings["start"] == "mean of all" else self._start_as_code(settings)
        loading = ["model, found = membranes_latent.demonstration()"]
        if self.files is not None:
            network, results, family = map(repr, self.files)
            loading = [f"model = membranes_vae.network({network})", f"found = membranes_latent.results({results}, {family})"]
        number = settings["component"] - 1
        return "\n".join(
            [
                "import numpy as np", "import torch", "",
                "from toolkit.microstructure.autoencoder import decoded, latent_means",
                "from toolkit.studies import membranes_crops, membranes_latent, membranes_vae", "", *loading,
                f"step = np.sqrt(found.components.variance[{number}]) * found.components.axes[{number}]",
                f"z = {start} + {settings['coordinate']} * step",
                "volume = decoded(model, torch.from_numpy(z)[None])[0, 0]", "print(1 - float(volume.mean()))", "",
            ]
        )  # fmt: skip

    def _start_as_code(self, settings: Mapping[str, Any]) -> str:
        name, number = settings["split"], settings["chosen"]
        if name not in self.crops:
            return f"found.latents[found.rows({name!r})[{number}]]"
        crops = f"membranes_crops.own({name!r}, ..., size=model.size)"  # the volume is in the reader's hands
        if self.crops_file is not None and name in membranes_crops.SAMPLES:
            crops = f"membranes_crops.load({self.crops_file!r})[{name!r}]"
        return f"latent_means(model, {crops}.volumes)[{number}].double().numpy()"

    # What is shown -----------------------------------------------------------------------------------------------------

    def _shown(self, settings: Mapping[str, Any]) -> np.ndarray:
        """Numbers of the structures in the scatter: those of the split, or the training part beneath crops."""
        return self.found.rows("train" if settings["split"] in self.crops else settings["split"])

    def _latents(self, settings: Mapping[str, Any]) -> np.ndarray:
        """Latent means of what may be chosen."""
        if settings["split"] in self.crops:
            return self._estimated(settings["split"])[0]
        return self.found.latents[self.found.rows(settings["split"])]

    def _estimated(self, name: str) -> tuple[np.ndarray, pd.DataFrame]:
        """Latent means of crops, and what their neighbours tell of them; computed once."""
        if name not in self._told:
            crops = self.crops[name]
            latents = latent_means(self.model, crops.volumes).double().numpy()
            self._told[name] = latents, membranes_crops.estimates(self.model, self.found, crops)
        return self._told[name]

    def _plane(self, settings: Mapping[str, Any], latents: np.ndarray) -> np.ndarray:
        return self.found.components.scores(latents)[:, [settings["across"] - 1, settings["up"] - 1]]

    def _pixels(self, settings: Mapping[str, Any]) -> list[np.ndarray]:
        """Where that which may be chosen lies in the scatter, whose limits have room for all that is drawn."""
        latents = self._latents(settings)
        drawn = [self.found.latents[self._shown(settings)], latents, self._point(settings, settings["coordinate"])[None]]
        limits = [layers.margins(column) for column in self._plane(settings, np.concatenate(drawn)).T]
        return [scale(column) for scale, column in zip(layers.scales(limits), self._plane(settings, latents).T, strict=True)]

    def _point(self, settings: Mapping[str, Any], coordinate: float) -> np.ndarray:
        parts, number = self.found.components, settings["component"] - 1
        start = parts.centre if settings["start"] == "mean of all" else self._latents(settings)[settings["chosen"]]
        return start + coordinate * np.sqrt(parts.variance[number]) * parts.axes[number]

    def _here(self, settings: Mapping[str, Any]) -> tuple[float, float]:
        across, up = self._plane(settings, self._point(settings, settings["coordinate"])[None])[0].tolist()
        return across, up

    def _decoded(self, settings: Mapping[str, Any], coordinate: float) -> torch.Tensor:
        return self._of_latents(self._point(settings, coordinate))

    def _of_latents(self, z: np.ndarray) -> torch.Tensor:
        return decoded(self.model, torch.from_numpy(z)[None])[0, 0]

    def _structure(self, row: int) -> torch.Tensor:
        """Shares of material of a generated structure, built anew; the last few are kept."""
        if row not in self._structures:
            built = structures.shares([self.found.recipe(row)], size=self.model.size, finer=membranes_vae.FINER)[0, 0]
            self._structures = dict(list(self._structures.items())[1 - KEPT :]) | {row: built}
        return self._structures[row].float() / 255

    def _slices(self, settings: Mapping[str, Any]) -> list[tuple[str, np.ndarray]]:
        name, number = settings["split"], settings["chosen"]
        volumes = {}
        if name in self.crops:
            nearest = self._estimated(name)[1]["nearest"].iloc[number]
            volumes["chosen crop"] = self.crops[name].volumes[number, 0].float() / 255
            volumes["nearest in training"] = self._structure(int(self.found.rows("train")[nearest]))
        else:
            volumes["chosen structure"] = self._structure(int(self.found.rows(name)[number]))
            volumes["mean of all, decoded"] = self._of_latents(self.found.components.centre)
        volumes["its reconstruction"] = self._of_latents(self._latents(settings)[number])
        volumes["decoded place"] = self._decoded(settings, settings["coordinate"])
        place = round(settings["position"] * (self.model.size - 1))
        axis = structures.AXES.index(settings["axis"])
        return [(title, volumes[title].select(axis, place).numpy()) for title in SLICES if title in volumes]

    def _note(self, settings: Mapping[str, Any]) -> str:
        name, number = settings["split"], settings["chosen"]
        if name in self.crops:
            told = membranes_crops.in_words(self._estimated(name)[1].iloc[number])
            kind = "simulated" if self.crops[name].simulated else "not simulated"
            return f"network: {self.found.origin} · crop {number} of {name} ({kind}): {told} · yellow: decoded place"
        one = self.found.structures.iloc[self.found.rows(name)[number]]
        return (
            f"network: {self.found.origin} · structure {number}: n = {one.points:.0f}, stretched along "
            f"{one.direction} (e = {one.intensity:.2f}), porosity {one.porosity:.3f} · yellow: decoded place"
        )
