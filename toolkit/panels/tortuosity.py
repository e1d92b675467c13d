"""Laplace's equation in the pores while it is solved: potential, current, and the error that falls (Zhao, appendix B)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import ipywidgets as widgets
import numpy as np
from scipy import ndimage

from toolkit.figures import membranes as figures
from toolkit.microstructure.flow import BOUNDARIES, PRECONDITIONERS
from toolkit.microstructure.generator import PORE, voronoi_membrane
from toolkit.microstructure.watching import Snapshot, current_density, watch
from toolkit.panels.controls import choice, log_slider, slider, whole_slider
from toolkit.panels.panel import Panel

STRUCTURES = ("membrane", "blobs", "slanted strip", "dead ends")
SIZES = (16, 24, 32, 40)


def structure(name: str, *, size: int, porosity: float, seed: int) -> np.ndarray:
    """A volume to solve in, true in the pores.

    Args:
        name: one of `STRUCTURES`.
        size: voxels along an edge.
        porosity: of the blobs.
        seed: of membrane and blobs.

    >>> structure("slanted strip", size=16, porosity=0.5, seed=0).sum()
    np.int64(64)
    """
    if name == "membrane":
        return (voronoi_membrane(40, (1, 0.5, 1), radius=12.0, size=size, seed=seed) == PORE).numpy()
    if name == "blobs":
        field = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal((size,) * 3), size / 16, mode="wrap")
        return field <= np.quantile(field, porosity)
    volume = np.zeros((size, size + 1, size + 1), bool)
    if name == "slanted strip":
        for layer in range(size):
            volume[layer, layer : layer + 2, layer : layer + 2] = True
        return volume
    volume[:, size // 4 : size // 2, size // 4 : 3 * size // 4] = True  # a channel with dead ends at its side
    volume[size // 4 : size // 2, size // 2 : size - 2, size // 4 : 3 * size // 4] = True
    volume[3 * size // 4 : -2, size // 2 + 2 :, size // 4 : 3 * size // 4] = True
    return volume


class TortuosityPanel(Panel):
    """Watch the solver: a slice of the potential and of the current, and the current through every plane.

    Args:
        volume: an own volume, true or 1 in the pores; None offers examples.
        values: control name to first value.

    >>> panel = TortuosityPanel(structure="blobs", size=16)
    >>> panel.run().records[-1].error <= 1e-4
    True
    """

    title = "Tortuosity while it is solved"
    record_type = Snapshot

    def __init__(self, volume: np.ndarray | None = None, **values: Any):
        self.own = None if volume is None else np.asarray(volume)
        self._made: tuple[dict[str, Any], np.ndarray] | None = None
        super().__init__(**values)

    def make_sections(self) -> dict[str, dict[str, widgets.Widget]]:
        """Data (the volume), model (the equations), training (the solver) and view."""
        data = {
            "structure": choice("structure", STRUCTURES),
            "size": choice("voxels per edge", SIZES, value=32),
            "porosity": slider("ε of the blobs", 0.6, 0.2, 0.95, 0.05),
            "seed": whole_slider("seed", 0, 0, 99),
        }
        return {
            "data": data if self.own is None else {},
            "model": {
                "axis": choice("flow along", (("x", 0), ("y", 1), ("z", 2))),
                "boundary": choice("electrodes at", (("outer faces", BOUNDARIES[0]), ("voxel centres", BOUNDARIES[1]))),
                "trim": choice("pores that count", (("all", False), ("that reach through", True))),
            },
            "training": {
                "preconditioner": choice("preconditioner", PRECONDITIONERS),
                "tolerance": log_slider("tolerance", 1e-4, -6, -1),
            },
            "view": {
                "position": slider("slice at (share)", 0.5, 0.0, 1.0, 0.05),
                "speed": choice("steps per second", (("as fast as it is", 0), ("2", 2), ("5", 5), ("10", 10)), value=5),
            },
        }  # fmt: skip

    def begin(self, settings: Mapping[str, Any]) -> Iterator[Snapshot]:
        """The solver's snapshots; refused where no pore reaches through."""
        names = ("axis", "boundary", "trim", "preconditioner", "tolerance")
        return watch(self._volume(settings), **{name: settings[name] for name in names})

    def rest(self) -> float:
        """The chosen speed."""
        return 1 / self.settings["speed"] if self.settings["speed"] else 0.0

    def draw(self, records: list[Snapshot]) -> str:
        """The newest snapshot, or the volume with nothing solved yet."""
        settings = self.ran_with if records else self.settings
        volume = np.moveaxis(self._volume(settings), settings["axis"], 0) > 0
        place = round(self.settings["position"] * (volume.shape[2] - 1))
        material = ~volume[:, :, place]
        snapshot = records[-1] if records else _nothing(volume)
        potential = np.asarray(snapshot.potential, float)
        density = current_density(potential)[:, :, place]
        shown = Snapshot(
            snapshot.iteration, snapshot.tau, snapshot.error, snapshot.balance, snapshot.currents, potential[:, :, place]
        )
        note = f"porosity ε {volume.mean():.3f} · "
        note += f"τ {snapshot.tau:.5g} · σ_eff/σ_P {snapshot.currents.mean():.4g}" if records else "press Run to solve"
        return figures.flow_frame(shown, density=density, material=material, history=records, note=note)

    def status(self, record: Snapshot) -> str:
        """Iteration, tortuosity, error."""
        errors = f"error about {record.error:.1e} · imbalance {record.balance:.1e}"
        return f"iteration {record.iteration} · τ {record.tau:.5f} · {errors}"

    def code(self) -> str:
        """The setting as a script."""
        settings = self.settings
        made = (
            ["pores = ...  # your volume, true or 1 in the pores"]
            if self.own is not None
            else [
                f"pores = structure({settings['structure']!r}, size={settings['size']}, porosity={settings['porosity']}, "
                f"seed={settings['seed']})"
            ]
        )
        names = ("axis", "boundary", "trim", "preconditioner", "tolerance")
        arguments = ", ".join(f"{name}={settings[name]!r}" for name in names)
        return "\n".join(
            [
                *(["from toolkit.panels.tortuosity import structure"] if self.own is None else []),
                "from toolkit.microstructure.watching import watch", "", *made, f"for snapshot in watch(pores, {arguments}):",
                "    print(snapshot.iteration, snapshot.tau, snapshot.error, snapshot.balance)", "",
            ]
        )  # fmt: skip

    def _volume(self, settings: Mapping[str, Any]) -> np.ndarray:
        if self.own is not None:
            return self.own
        arguments = {name: settings[name] for name in ("size", "porosity", "seed")} | {"name": settings["structure"]}
        if self._made is None or self._made[0] != arguments:
            self._made = (arguments, structure(**arguments))
        return self._made[1]


def _nothing(volume: np.ndarray) -> Snapshot:
    return Snapshot(0, np.nan, np.nan, np.nan, np.zeros(len(volume) + 1), np.full(volume.shape, np.nan))
