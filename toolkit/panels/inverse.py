"""The recipe of a membrane found again: target and best structure side by side while the search goes on (Fig. 4.12)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import ipywidgets as widgets
import numpy as np
import torch

from toolkit.bayesopt import Trial
from toolkit.bayesopt.minimise import ACQUISITIONS
from toolkit.bayesopt.process import KERNELS
from toolkit.figures import latent as figures
from toolkit.microstructure import inverse, structures
from toolkit.microstructure.generator import Recipe
from toolkit.panels.controls import choice, slider, whole_slider
from toolkit.panels.panel import Panel
from toolkit.studies import membranes_latent, membranes_vae

VARIABLES = ("Voronoi points n", "radius r [cells]", "stretch along x", "stretch along y", "stretch along z")
OTHER_SEED = 1
DARKER = 3.0
MOST_KEPT = 400  # structures, of 33 kB each at 32³


def _seen_through(volume: torch.Tensor, axis: int) -> np.ndarray:
    """Shares of material along lines of sight, made darker."""
    return (DARKER * volume.float().mean(axis) / 255).clamp(max=1).numpy()


class InversePanel(Panel):
    """Watch a search for the recipe of a target of Table 4.5, or of a membrane of your own.

    Without a file the network has random weights, whose latent space is a measure of structures as well, if a poor one.

    Args:
        network: file of a trained network.
        own: a recipe of your own to be found; it lies in the ranges of `inverse.ranges` for the network's part of the
            document's volume, a tenth at 32³ voxels.
        values: control name to first value.

    >>> panel = InversePanel(initial=3, iterations=2)
    >>> [record.drawn for record in panel.run().records]
    [True, True, True, False, False]
    """

    title = "Recipe of a membrane"
    record_type = Trial

    def __init__(self, network: str | Path | None = None, own: Recipe | None = None, **values: Any):
        self.file = None if network is None else str(network)
        self.model = membranes_latent.demonstration(n=1)[0] if network is None else membranes_vae.network(network)
        self.targets = membranes_latent.targets(membranes_vae.share(self.model.size)) | ({} if own is None else {"own": own})
        self._built: dict[Recipe, torch.Tensor] = {}
        super().__init__(**values)

    def make_sections(self) -> dict[str, dict[str, widgets.Widget]]:
        """Data (the target), model (how the search thinks), training (how long) and view."""
        seeds = (("the target's own", 0), ("another one", OTHER_SEED))
        return {
            "data": {
                "target": choice("target", list(self.targets)[::-1] if "own" in self.targets else list(self.targets)),
                "seed": choice("seed of the points", seeds),
            },
            "model": {
                "acquisition": choice("acquisition", ACQUISITIONS, value="ucb"),
                "kappa": slider("κ of UCB", 2.0, 0.0, 6.0, 0.1),
                "kernel": choice("kernel", tuple(KERNELS), value="matern52"),
            },
            "training": {
                "initial": whole_slider("random at first", 20, 2, 60),
                "iterations": whole_slider("then proposed", 60, 0, 300),
                "search_seed": whole_slider("search seed", 0, 0, 99),
            },
            "view": {
                "axis": choice("seen along", structures.AXES),
                "position": slider("slices at (share)", 0.5, 0.0, 1.0, 0.05),
            },
        }

    def begin(self, settings: Mapping[str, Any]) -> Iterator[Trial]:
        """A search with these settings."""
        names = ("acquisition", "kappa", "kernel", "initial", "iterations", "search_seed")
        goal = self._volume(self.targets[settings["target"]])
        return inverse.recover(
            self.model, goal, seed=self._seed(settings), box=inverse.ranges(membranes_vae.share(self.model.size)),
            build=self._volumes, **{name: settings[name] for name in names},
        )  # fmt: skip

    def draw(self, records: list[Trial]) -> str:
        """Slices of target and best, the distance so far, both recipes."""
        settings = self.ran_with | {name: self.settings[name] for name in self.sections["view"]} if records else self.settings
        wanted = inverse.point_of(self.targets[settings["target"]])
        found = records[-1].best_point if records else [None] * len(wanted)
        return figures.inverse_frame(
            self._slices(settings, records),
            records,
            rows=list(zip(VARIABLES, wanted.tolist(), found, strict=True)),
            initial=settings["initial"],
            note=self._note(settings),
        )

    def status(self, record: Trial) -> str:
        """How many structures were tried and how near the best is."""
        return f"structure {record.number} · distance {record.value:.3g} · least {record.best:.3g}"

    def code(self) -> str:
        """The setting as a script."""
        settings = self.settings
        network = "membranes_latent.demonstration()[0]" if self.file is None else f"membranes_vae.network({self.file!r})"
        recipe = self.targets[settings["target"]]
        names = ("acquisition", "kappa", "kernel", "initial", "iterations", "search_seed")
        return "\n".join(
            [
                "from toolkit.microstructure import inverse, structures", "from toolkit.microstructure.generator import Recipe",
                "from toolkit.studies import membranes_latent, membranes_vae", "",
                f"model = {network}",
                f"target = structures.shares([{recipe!r}], size=model.size)",
                "search = inverse.recover(",
                f"    model, target, seed={self._seed(settings)}, box=inverse.ranges({membranes_vae.share(self.model.size)}),",
                f"    {', '.join(f'{name}={settings[name]!r}' for name in names)},",
                ")", "for trial in search:", "    print(trial.number, trial.best, trial.best_point)", "",
            ]
        )  # fmt: skip

    def _seed(self, settings: Mapping[str, Any]) -> int:
        return self.targets[settings["target"]].seed + settings["seed"]

    def _volumes(self, recipes: Sequence[Recipe]) -> torch.Tensor:
        return torch.stack([self._volume(recipe) for recipe in recipes])[:, None]

    def _volume(self, recipe: Recipe) -> torch.Tensor:
        """The structure of a recipe; those of a whole search are kept, so that drawing need not build one again."""
        if recipe not in self._built:
            self._built = dict(list(self._built.items())[-MOST_KEPT:])
            self._built[recipe] = structures.shares([recipe], size=self.model.size, finer=membranes_vae.FINER)[0, 0]
        return self._built[recipe]

    def _slices(self, settings: Mapping[str, Any], records: list[Trial]) -> list[tuple[str, np.ndarray]]:
        volumes = {"target": self._volume(self.targets[settings["target"]])}
        if records:
            recipe = inverse.recipe_of(records[-1].best_point, seed=self._seed(settings))
            volumes[f"best of {len(records)}"] = self._volume(recipe)
        place, axis = round(settings["position"] * (self.model.size - 1)), structures.AXES.index(settings["axis"])
        slices = [(name, volume.select(axis, place).numpy() / 255) for name, volume in volumes.items()]
        through = [(f"{name}, seen through", _seen_through(volume, axis)) for name, volume in volumes.items()]
        return slices + through if records else [slices[0], through[0]]

    def _note(self, settings: Mapping[str, Any]) -> str:
        weights = "random weights" if self.file is None else Path(self.file).name
        seed = "the target's own seed" if settings["seed"] == 0 else "another seed"
        return f"target {settings['target']} on {self.model.size}³ voxels, network: {weights}; every structure has {seed}"
