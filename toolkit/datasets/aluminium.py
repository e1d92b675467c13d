"""Aluminium by molecular dynamics with the EMT potential of ASE: solid and liquid cells at the document's temperatures.

    data = aluminium.emt("classroom")                  # 300 frames of 32 atoms, made in seconds
    data = aluminium.emt("published", progress=True)   # 4,200 frames of 256 atoms, made in half an hour or so

or from the command line, `python -m toolkit.datasets.aluminium published`. Everything here is computed with effective medium
theory (Jacobsen, Stoltze and Norskov 1996), which is a quick formula fitted to metals: it stands in for the ab initio data of
Ghimire, which are private, and its energies are smoother than theirs. Real ab initio cells are in `frames.dft_aluminium`.

Runs are kept in a folder once they are made, one file for each trajectory, so that an interrupted set goes on where it was.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm.auto import tqdm

from toolkit.datasets import files, frames
from toolkit.datasets.frames import Frames

if TYPE_CHECKING:
    from ase import Atoms

SOURCE = "molecular dynamics with the EMT potential of ASE, computed here"
FORMAT = 1  # of the stored runs; a change of the dynamics changes it
EXPANSION = 23.1e-6  # linear, of solid aluminium at room temperature [1/K]
LATTICE = 4.05  # of fcc aluminium at 300 K [Å]
MASS_DENSITY = 1.66053907 * 26.9815385  # times atoms per Å^3 gives g/cm^3
MELT = 3000.0  # at which a liquid is prepared [K]
COMPRESSED = 0.9  # volume of the cells marked H against the others
FRICTION = 0.02  # of the Langevin thermostat [1/fs]
TIME_STEP = 3.0  # [fs]


@dataclass(frozen=True)
class Kind:
    """One of the document's sets of observations.

    Attributes:
        label: as printed, such as "800KS".
        temperature: [K].
        liquid: prepared from a melt; else from the crystal.
        compressed: at a volume of `COMPRESSED`.
    """

    label: str
    temperature: float
    liquid: bool
    compressed: bool = False

    @property
    def lattice(self) -> float:
        """Edge of the cubic cell that four atoms have [Å], from measured densities of the solid and the liquid.

        >>> round(KINDS["300K"].lattice, 3), round(KINDS["1000K"].lattice, 3)
        (4.05, 4.237)
        """
        if self.liquid:  # density of Assael et al. (2006), extended below the melting point
            density = 2.37723 - 0.000311 * (self.temperature - 933.47)
            edge = (4 * MASS_DENSITY / density) ** (1 / 3)
        else:
            edge = LATTICE * (1 + EXPANSION * (self.temperature - 300))
        return edge * (COMPRESSED ** (1 / 3) if self.compressed else 1.0)


def _kind(label: str) -> Kind:
    """Reading of the labels: S marks solids that have a liquid of the same temperature beside them, H a higher pressure."""
    number, _, mark = label.partition("K")
    solid = mark == "S" or label in ("10K", "300K", "500K")
    return Kind(label, float(number), liquid=not solid, compressed=mark == "H")


LABELS = (
    "10K", "1100K", "1250K", "1350K", "1500K", "1500KH", "1600K", "1700K", "300K", "400KS", "500K", "500KS", "600K", "600KS",
    "650K", "700K", "700KS", "750K", "800K", "800KS", "950K",
)  # fmt: skip
KINDS = {label: _kind(label) for label in (*LABELS, "1000K")}  # the document removed 1000K because of outliers
FEW = ("10K", "300K", "500K", "600K", "700KS", "800K", "950K", "1250K", "1500KH", "1700K")


@dataclass(frozen=True)
class Scale:
    """How much is simulated.

    Attributes:
        labels: which kinds, keys of `KINDS`.
        repeat: cubic cells along each edge; 4 gives 256 atoms.
        trajectories: independent runs of each kind.
        frames: taken from each run.
        stride: time steps between two frames.
        settling: time steps before the first frame.
        melting: time steps at `MELT` before that, for liquids.
    """

    labels: tuple[str, ...] = LABELS
    repeat: int = 4
    trajectories: int = 5
    frames: int = 40
    stride: int = 8
    settling: int = 150
    melting: int = 150

    def __post_init__(self) -> None:
        unknown = [label for label in self.labels if label not in KINDS]
        if unknown or not self.labels:
            raise ValueError(f"labels must be among {', '.join(KINDS)}, at least one, got {unknown or self.labels}")
        for name, least in (("repeat", 1), ("trajectories", 1), ("frames", 1), ("stride", 1), ("settling", 0), ("melting", 0)):
            value = getattr(self, name)
            if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
                raise ValueError(f"{name} must be a whole number of {least} or more, got {value!r}")

    @property
    def atoms(self) -> int:
        """In each frame."""
        return 4 * self.repeat**3


SCALES = {
    "classroom": Scale(FEW, repeat=2, trajectories=3, frames=10, stride=5, settling=40, melting=40),
    "laptop": Scale(FEW, repeat=3, trajectories=5, frames=10, stride=8, settling=60, melting=60),
    "published": Scale(),
}


def emt(
    scale: str | Scale = "classroom",
    *,
    seed: int = 0,
    folder: str | Path | None = None,
    keep: bool = True,
    progress: bool = False,
) -> Frames:
    """Frames of aluminium cells by Langevin dynamics with ASE's EMT potential.

    Solids start from the crystal, liquids from a melt at `MELT`, both at the measured density of their state, and settle before
    the first frame is taken. Energies are relative to the EMT crystal at rest.

    Args:
        scale: a name in `SCALES` or a `Scale`; "classroom" has 300 frames of 32 atoms, "laptop" 500 of 108, "published" the
            document's 4,200 of 256.
        seed: of the runs.
        folder: in which runs are kept; None takes the download cache.
        keep: keep runs, and take kept ones instead of simulating again.
        progress: show a bar.

    Raises:
        ValueError: no such scale, or a seed below 0.
        DamagedFile: a kept run is damaged; the message names it.

    >>> tiny = Scale(("300K",), repeat=2, trajectories=1, frames=2, stride=1, settling=0)
    >>> data = emt(tiny, keep=False)
    >>> len(data), data.sizes.tolist(), data.simulated
    (2, [32, 32], 'EMT')
    """
    if not isinstance(scale, Scale):
        if scale not in SCALES:
            raise ValueError(f"scale must be one of {', '.join(SCALES)} or a Scale, got {scale!r}")
        scale = SCALES[scale]
    if not isinstance(seed, Integral) or seed < 0:
        raise ValueError(f"seed must be a whole number of 0 or more, got {seed!r}")
    place = files.cache("aluminium") if folder is None else Path(folder).expanduser()
    runs = [(label, number) for label in scale.labels for number in range(scale.trajectories)]
    parts = []
    for position, (label, number) in enumerate(tqdm(runs, desc="EMT trajectories", unit="run", disable=not progress)):
        path = place / f"emt_{label}_{_name(scale, label, number, seed)}.npz"
        if keep and path.is_file():
            part = frames.load(path)
        else:
            part = _run(KINDS[label], scale, np.random.default_rng([seed, number, *label.encode()]))
            if keep:
                part.save(path)
        parts.append(_numbered(part, position))
    return frames.joined(parts)


def _name(scale: Scale, label: str, number: int, seed: int) -> str:
    """Names the settings that a run depends on, so that another number of runs or kinds finds them again."""
    settings = {key: value for key, value in asdict(scale).items() if key not in ("labels", "trajectories")}
    settings |= {"label": label, "number": number, "seed": int(seed), "format": FORMAT}
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]


def _run(kind: Kind, scale: Scale, draw: np.random.Generator) -> Frames:
    from ase.build import bulk
    from ase.calculators.emt import EMT
    from ase.calculators.singlepoint import SinglePointCalculator

    atoms = bulk("Al", "fcc", a=kind.lattice, cubic=True).repeat(scale.repeat)
    atoms.calc = EMT()
    if kind.liquid:
        _heat(atoms, MELT, draw)
        _move(atoms, MELT, scale.melting, draw)
    _heat(atoms, kind.temperature, draw)
    _move(atoms, kind.temperature, scale.settling, draw)
    taken = []
    for _ in range(scale.frames):
        _move(atoms, kind.temperature, scale.stride, draw)
        frame = atoms.copy()
        frame.calc = SinglePointCalculator(frame, energy=float(atoms.get_potential_energy()), forces=atoms.get_forces())
        frame.info = {"label": kind.label}
        taken.append(frame)
    return frames.from_atoms(taken, source=SOURCE, licence="computed here", simulated="EMT")


def _heat(atoms: Atoms, temperature: float, draw: np.random.Generator) -> None:
    """Draw the momenta of that temperature [K], with the centre of mass at rest."""
    from ase import units

    momenta = draw.standard_normal((len(atoms), 3)) * np.sqrt(units.kB * temperature * atoms.get_masses())[:, None]
    atoms.set_momenta(momenta - momenta.mean(0))


def _move(atoms: Atoms, temperature: float, steps: int, draw: np.random.Generator) -> None:
    from ase import units
    from ase.md.langevin import Langevin

    if steps:
        dynamics = Langevin(
            atoms, TIME_STEP * units.fs, temperature_K=temperature, friction=FRICTION / units.fs, fixcm=False, rng=draw
        )
        dynamics.run(steps)


def _numbered(part: Frames, number: int) -> Frames:
    return replace(part, trajectory=np.full(len(part), number))


def main(arguments: Sequence[str] | None = None) -> None:
    """Make a set from the command line and say where it is."""
    parser = argparse.ArgumentParser(prog="python -m toolkit.datasets.aluminium", description="Make the aluminium frames")
    parser.add_argument("scale", nargs="?", default="classroom", choices=SCALES)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where runs are kept; the download cache by default")
    given = parser.parse_args(arguments)
    data = emt(given.scale, seed=given.seed, folder=given.folder, progress=True)
    print(f"{len(data):,} frames of {data.sizes[0]} atoms in {given.folder or files.cache('aluminium')}")


if __name__ == "__main__":
    main()
