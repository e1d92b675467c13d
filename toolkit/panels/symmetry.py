"""Symmetry functions over the data that they describe: move their parameters and see which distances and angles they weigh."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import ipywidgets as widgets
import numpy as np
import torch
from torch import Tensor

from toolkit.datasets.frames import Frames, from_atoms
from toolkit.figures import potential as figures
from toolkit.panels.controls import choice, log_slider, several, slider
from toolkit.panels.panel import Panel
from toolkit.potential import G1, G2, G3, G4, G5, SymmetryFunctions, cutoff, document_set
from toolkit.potential.distributions import angle_distribution, radial_distribution
from toolkit.potential.functions import CUTOFFS

ANGULAR = ("G4", "G5")
ATOMS = 320  # of each kind of structure, or a little less
MOST_CURVES = 40
NO_SET = "none"


@dataclass(frozen=True)
class Explored:
    """Mean and standard deviation of a function over the atoms of each kind of structure."""

    name: str
    kinds: tuple[str, ...]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]


@dataclass
class _Kind:
    """A kind of structure with what is drawn of it again and again."""

    positions: Tensor
    cell: Tensor
    distances: tuple[np.ndarray, np.ndarray]
    angles: tuple[np.ndarray, np.ndarray]
    pairs: dict[float, Any] = field(default_factory=dict)


class SymmetryPanel(Panel):
    """One symmetry function laid over the radial and angular distribution of structures, and its values over their atoms.

    Args:
        frames: structures of one size and one species, whose labels are offered; by default aluminium crystals whose atoms are
            displaced at random.
        values: control name to first value.

    >>> panel = SymmetryPanel(function="G5", zeta=4, lambda_=-1)
    >>> panel.run().records[0].name
    'G5 eta 0.02 zeta 4 lambda -1 r_c 6'
    """

    title = "Symmetry function explorer"
    record_type = Explored
    instant = True

    def __init__(self, frames: Frames | None = None, **values: Any):
        self.frames = _displaced() if frames is None else frames
        if len(np.unique(self.frames.sizes)) != 1 or not self.frames.cell.any((1, 2)).all():
            raise ValueError("frames must be periodic structures of one size")
        self._kinds: dict[str, _Kind] = {}
        super().__init__(**values)

    def make_sections(self) -> dict[str, dict[str, widgets.Widget]]:
        """Data (kinds of structure), model (the function), view."""
        labels = list(dict.fromkeys(self.frames.label.tolist()))
        return {
            "data": {"structures": several("structures", labels, value=(labels[0], labels[-1]))},
            "model": {
                "function": choice("function", ("G1", "G2", "G3", "G4", "G5"), value="G2"),
                "r_c": slider("cutoff R_c [Å]", 6.0, 2.0, 8.0, 0.1),
                "eta": log_slider("width η [1/Å²]", 0.02, -3, 1),
                "r_s": slider("shell R_s [Å]", 0.0, 0.0, 8.0, 0.05),
                "kappa": slider("wave κ [1/Å]", 1.0, 0.0, 6.0, 0.1),
                "zeta": choice("exponent ζ", (1, 2, 4, 8, 16, 32, 64)),
                "lambda_": choice("sign λ", (1, -1)),
                "cutoff": choice("cutoff function", CUTOFFS),
            },
            "view": {"set": choice("curves of set", (NO_SET, "22", "57", "57B", "329"))},
        }

    def begin(self, settings: Mapping[str, Any]) -> Iterator[Explored]:
        """One record: mean and deviation of the function over the atoms."""
        if not settings["structures"]:
            raise ValueError(f"structures: choose at least one of {', '.join(self.controls['structures'].options)}")
        values = [self._values(kind, settings) for kind in settings["structures"]]
        means, deviations = ([float(getattr(each, name)()) for each in values] for name in ("mean", "std"))
        name = self._functions(settings).names[0]
        return iter([Explored(name, tuple(settings["structures"]), tuple(means), tuple(deviations))])

    def draw(self, records: list[Explored]) -> str:
        """Along the distance, around the angle, and the values."""
        settings = self.settings
        functions, r = self._functions(settings), np.linspace(0.01, 8.0, 320)
        kinds = settings["structures"]
        described = [(kind, self._kind(kind)) for kind in kinds]
        theta, angular = np.linspace(0, 180, 181), None
        if settings["function"] in ANGULAR:
            factor = ((1 + settings["lambda_"] * np.cos(np.radians(theta))) / 2) ** settings["zeta"]
            angular = (theta, factor)
        return figures.explorer(
            (r, _radial(functions.radial[0] if functions.radial else functions.angular[0], r, settings["cutoff"])),
            angular,
            [(r, _radial(row, r, settings["cutoff"], tallest=True)) for row in _set(settings["set"])],
            [(kind, *each.distances) for kind, each in described],
            [(kind, *each.angles) for kind, each in described],
            [(kind, *_histogram(self._values(kind, settings))) for kind in kinds],
            name=functions.names[0], words=self._words(settings),
        )  # fmt: skip

    def status(self, record: Explored) -> str:
        """Mean and spread of each kind."""
        return " · ".join(
            f"{kind}: {mean:.4g} ± {deviation:.2g}"
            for kind, mean, deviation in zip(record.kinds, record.mean, record.deviation, strict=True)
        )

    def code(self) -> str:
        """The function as a script on aluminium."""
        functions = self._functions(self.settings)
        radial, angular = functions.radial, functions.angular
        return "\n".join(
            [
                "import torch", "from ase.build import bulk", "",
                f"from toolkit.potential import {type((radial + angular)[0]).__name__}, SymmetryFunctions", "",
                'atoms = bulk("Al", "fcc", a=4.05, cubic=True).repeat(4)',
                "positions, cell = (torch.tensor(each)[None] for each in (atoms.positions, atoms.cell.array))",
                f"functions = SymmetryFunctions({list(radial)}, {list(angular)}, cutoff={functions.cutoff!r})",
                "print(functions(positions, cell)[0, 0])", "",
            ]
        )  # fmt: skip

    def _functions(self, settings: Mapping[str, Any]) -> SymmetryFunctions:
        r_c = settings["r_c"]
        row = {
            "G1": lambda: G1(r_c),
            "G2": lambda: G2(r_c, settings["eta"], settings["r_s"]),
            "G3": lambda: G3(r_c, settings["kappa"]),
            "G4": lambda: G4(r_c, settings["eta"], settings["zeta"], settings["lambda_"]),
            "G5": lambda: G5(r_c, settings["eta"], settings["zeta"], settings["lambda_"]),
        }[settings["function"]]()
        angular = settings["function"] in ANGULAR
        return SymmetryFunctions([] if angular else [row], [row] if angular else [], cutoff=settings["cutoff"])

    def _kind(self, label: str) -> _Kind:
        if label not in self._kinds:
            chosen = self.frames[np.flatnonzero(self.frames.label == label)[: max(1, ATOMS // int(self.frames.sizes[0]))]]
            positions, cell, _ = chosen.tensors(torch.float32)
            self._kinds[label] = _Kind(positions, cell, radial_distribution(chosen, r_max=8.0), angle_distribution(chosen))
        return self._kinds[label]

    def _values(self, label: str, settings: Mapping[str, Any]) -> np.ndarray:
        functions, kind = self._functions(settings), self._kind(label)
        if functions.cutoff_radius not in kind.pairs:
            kind.pairs = {functions.cutoff_radius: functions.find(kind.positions, kind.cell)}
        pairs = kind.pairs[functions.cutoff_radius]
        return functions(kind.positions, kind.cell, pairs=pairs).flatten().numpy()

    def _words(self, settings: Mapping[str, Any]) -> str:
        unused = {"G1": "η, R_s, κ, ζ and λ", "G2": "κ, ζ and λ", "G3": "η, R_s, ζ and λ"}.get(
            settings["function"], "R_s and κ"
        )
        origin = "simulated" if self.frames.simulated in ("EMT", "displaced") else self.frames.simulated
        return f"{unused} do not act on {settings['function']}. Structures: {origin}, {self.frames.source}."


def _radial(row: Any, r: np.ndarray, kind: str, *, tallest: bool = False) -> np.ndarray:
    """What one neighbour at R adds, or its weight in an angular function; scaled to 1 with `tallest`."""
    damping = cutoff(torch.from_numpy(r), row.r_c, kind).numpy()
    if isinstance(row, G3):
        return np.cos(row.kappa * r) * damping
    value = np.exp(-getattr(row, "eta", 0.0) * (r - getattr(row, "r_s", 0.0)) ** 2) * damping
    return value / max(1e-12, value.max()) if tallest else value


def _set(name: str) -> list[Any]:
    if name == NO_SET:
        return []
    radial = document_set(name)[0]
    return list(radial[:: -(-len(radial) // MOST_CURVES)])


def _histogram(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As steps; a spread of nothing is drawn as one bar."""
    room = max(float(np.ptp(values)), 1e-6 * float(np.abs(values).max()), 1e-12)
    density, edges = np.histogram(values, 40, range=(float(values.min()) - 0.05 * room, float(values.max()) + 0.05 * room))
    share = density / max(1, density.sum()) / np.diff(edges)
    return np.repeat(edges, 2), np.concatenate([[0], np.repeat(share, 2), [0]])


def _displaced() -> Frames:
    """Crystals whose atoms are displaced at random by three amounts."""
    from ase.build import bulk
    from ase.calculators.singlepoint import SinglePointCalculator

    draw, found = np.random.default_rng(0), []
    for size in (0.05, 0.15, 0.3):
        atoms = bulk("Al", "fcc", a=4.05, cubic=True).repeat(3)
        atoms.positions += draw.normal(0, size, atoms.positions.shape)
        atoms.calc = SinglePointCalculator(atoms, energy=0.0, forces=0 * atoms.positions)
        atoms.info = {"label": f"displaced by {size} Å"}
        found.append(atoms)
    return from_atoms(found, source="aluminium crystals displaced at random", simulated="displaced")
