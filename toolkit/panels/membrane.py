"""A membrane whose parameters are moved: its slices at once, its tortuosities on Run, its volume to turn where k3d is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Any

import ipywidgets as widgets
import numpy as np

from toolkit.figures import membranes as figures
from toolkit.microstructure.descriptors import specific_surface, two_point_correlation
from toolkit.microstructure.generator import DOMAIN, PORE, voronoi_membrane
from toolkit.microstructure.watching import AxisStep, each_axis
from toolkit.panels.controls import choice, slider, whole_slider
from toolkit.panels.panel import Panel

SIZES = (32, 48, 64)
CELL = 0.15  # µm, of the document


class MembranePanel(Panel):
    """Slices, correlation, porosity and surface follow the sliders; Run solves for the tortuosities along x, y and z.

    The button 3D shows the volume beside the panel where the optional package k3d is installed.

    Args:
        values: control name to first value.

    >>> panel = MembranePanel(points=60, size=32)
    >>> sorted({step.axis for step in panel.run().records})
    [0, 1, 2]
    """

    title = "Generator of membranes"
    record_type = AxisStep
    instant = True

    def __init__(self, **values: Any):
        self._made: tuple[dict[str, Any], np.ndarray, np.ndarray, str] | None = None
        self.plot3d: Any = None
        super().__init__(**values)

    def make_sections(self) -> dict[str, dict[str, widgets.Widget]]:
        """Data (the recipe), model (what is done to it), training (the solver) and view."""
        return {
            "data": {
                "points": whole_slider("Voronoi points n", 100, 10, 250),
                "radius": slider("radius r [cells]", 3.4, 1.0, 12.0, 0.1),
                **{f"stretch_{axis}": slider(f"stretch e along {axis}", 1.0, 0.3, 1.0, 0.05) for axis in "xyz"},
                "seed": whole_slider("seed", 0, 0, 99),
            },
            "model": {
                "smoothing": slider("smoothing [cells]", 0.0, 0.0, 12.0, 0.5),
                "spheres": whole_slider("spheres", 0, 0, 100),
                "sphere_radius": slider("their radius [cells]", 8.0, 2.0, 25.0, 0.5),
                "periodic": choice("outside", (("periodic copies", True), ("no more points", False))),
            },
            "training": {
                "size": choice("voxels per edge", SIZES),
                "tolerance": choice("solver's tolerance", (1e-2, 1e-3, 1e-4), value=1e-3),
            },
            "view": {"position": slider("slices at (share)", 0.5, 0.0, 1.0, 0.05)},
        }  # fmt: skip

    def actions(self) -> list[widgets.Widget]:
        """A button for the volume, where k3d is installed."""
        if find_spec("k3d") is None:
            return []
        button = widgets.Button(description="3D", icon="cube", layout=widgets.Layout(width="76px"))
        button.on_click(lambda _: self._guarded(self.show_volume))
        button.add_class("panel-volume")
        return [button]

    def begin(self, settings: Mapping[str, Any]) -> Iterator[AxisStep]:
        """The solver along x, y and z; refused where all three axes are stretched."""
        volume = voronoi_membrane(**self._arguments(settings)).numpy()
        return each_axis(volume == PORE, tolerance=settings["tolerance"])

    def draw(self, records: list[AxisStep]) -> str:
        """The membrane of the records, or of the sliders; a recipe that is refused keeps the picture as it is."""
        settings = self.ran_with if records else self.settings
        try:
            volume, correlation, note = self._membrane(settings)
        except ValueError as error:
            self._show_error(error)
            return self.frame.value or figures.membrane_frame(
                np.zeros((2, 2, 2)), positions=(0, 0, 0), correlation=np.zeros((3, 1)), steps=(), note=str(error)
            )
        position = round(self.settings["position"] * (len(volume) - 1))
        if records:
            last = {step.axis: step.tau for step in records}
            note += " · " + ", ".join(f"τ along {'xyz'[axis]} {tau:.4f}" for axis, tau in last.items())
        return figures.membrane_frame(volume, positions=[position] * 3, correlation=correlation, steps=records, note=note)

    def status(self, record: AxisStep) -> str:
        """Axis, iteration and tortuosity."""
        return f"along {'xyz'[record.axis]} · iteration {record.iteration} · τ {record.tau:.4f}"

    def code(self) -> str:
        """The setting as a script."""
        settings = self.settings
        arguments = ", ".join(f"{name}={value!r}" for name, value in self._arguments(settings).items())
        return "\n".join(
            [
                "from toolkit.microstructure.descriptors import porosity, specific_surface",
                "from toolkit.microstructure.generator import PORE, voronoi_membrane",
                "from toolkit.microstructure.tortuosity import tortuosity", "",
                f"membrane = voronoi_membrane({arguments})", "pores = membrane == PORE",
                f"print(porosity(pores), specific_surface(pores, voxel={CELL * DOMAIN / settings['size']:.6g}, periodic="
                f"{settings['periodic']}))",
                f"print(tortuosity(pores, axis=(0, 1, 2), tolerance={settings['tolerance']}).tau)", "",
            ]
        )  # fmt: skip

    def show_volume(self) -> None:
        """Show the membrane as a volume to turn, or put it away again."""
        import k3d

        if self.plot3d is not None:
            self.widget.children = self.widget.children[:-1]
            self.plot3d = None
            return
        volume, _, _ = self._membrane(self.settings)
        self.plot3d = k3d.plot(height=420, camera_auto_fit=True, grid_visible=True)
        self.plot3d += k3d.marching_cubes(volume.astype(np.float32), level=0.5, color=0x4A6FA5, flat_shading=False)
        self.widget.children = [*self.widget.children, self.plot3d]

    def _arguments(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        names = ("points", "radius", "size", "seed", "smoothing", "spheres", "sphere_radius", "periodic")
        stretch = tuple(settings[f"stretch_{axis}"] for axis in "xyz")
        return {"stretch": stretch} | {name: settings[name] for name in names}

    def _membrane(self, settings: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray, str]:
        """Volume, correlation and a line about it; kept until a setting that matters changes."""
        arguments = self._arguments(settings)
        if self._made is None or self._made[0] != arguments:
            volume = voronoi_membrane(**arguments).numpy()
            correlation = two_point_correlation(volume, periodic=settings["periodic"])
            voxel = CELL * DOMAIN / settings["size"]
            surface = specific_surface(volume, voxel=voxel, periodic=settings["periodic"])
            note = f"porosity ε {1 - volume.mean():.3f} · surface {surface:.3f} 1/µm · voxel {voxel:.2f} µm"
            self._made = (arguments, volume, correlation, note)
            if self.plot3d is not None:
                self.plot3d.objects[-1].scalar_field = volume.astype(np.float32)
        return self._made[1:]
