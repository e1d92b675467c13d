"""Frames: atomic structures with energies and forces, from files, from published sets, split by trajectory.

data = frames.read("my_run.extxyz")                      # or .traj, or any format of ASE by name
train, validation, test = data.split(validation=0.2, test=0.2, seed=0)
positions, cell, numbers = data[train].tensors()
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from toolkit.datasets import files, splits
from toolkit.datasets.files import DamagedFile, DataNotFound, blaming
from toolkit.datasets.npz import read_npz

if TYPE_CHECKING:
    from ase import Atoms

FOLDER = "atomistic"
FORMATS = {".extxyz": "extxyz", ".xyz": "extxyz", ".traj": "traj"}


@dataclass(frozen=True)
class Frames:
    """n structures of any sizes; the atoms of structure i are `offsets[i]:offsets[i + 1]`.

    Attributes:
        offsets: `(n + 1,)` whole numbers, from 0 to the number of all atoms.
        cell: lattice vectors as rows [Å] `(n, 3, 3)`; zeros for a free structure.
        numbers: atomic numbers of all atoms `(N,)`.
        positions: of all atoms [Å] `(N, 3)`.
        forces: on all atoms [eV/Å] `(N, 3)`.
        energy: of whole structures [eV] `(n,)`.
        trajectory: which run a structure comes from `(n,)`; structures of one run are alike and never parted by `split`.
        label: what kind of structure it is, such as "800KS" `(n,)`.
        source: where they come from.
        licence: what their origin says about use.
        simulated: with what the energies were computed, such as "EMT" or "DFT".
    """

    offsets: np.ndarray
    cell: np.ndarray
    numbers: np.ndarray
    positions: np.ndarray
    forces: np.ndarray
    energy: np.ndarray
    trajectory: np.ndarray
    label: np.ndarray
    source: str = "own data"
    licence: str = "not stated"
    simulated: str = "not stated"

    def __post_init__(self) -> None:
        _check(self)

    def __len__(self) -> int:
        return len(self.energy)

    def __getitem__(self, rows: slice | Sequence[int] | np.ndarray | Tensor) -> Frames:
        """Some of the structures, chosen by a slice, whole numbers or truth values."""
        chosen = np.arange(len(self))[rows if isinstance(rows, slice) else np.asarray(rows)].reshape(-1)
        atoms = np.concatenate([np.arange(*self.offsets[row : row + 2]) for row in chosen] or [np.zeros(0, int)])
        each = {name: getattr(self, name)[chosen] for name in ("cell", "energy", "trajectory", "label")}
        every = {name: getattr(self, name)[atoms] for name in ("numbers", "positions", "forces")}
        offsets = np.concatenate([[0], np.cumsum(self.sizes[chosen])])
        return Frames(offsets, **each, **every, **self._facts())

    @property
    def sizes(self) -> np.ndarray:
        """Number of atoms of each structure `(n,)`."""
        return np.diff(self.offsets)

    @property
    def energy_per_atom(self) -> np.ndarray:
        """[eV/atom] `(n,)`."""
        return self.energy / self.sizes

    def tensors(self, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor | None, Tensor]:
        """Positions `(n, a, 3)`, cells `(n, 3, 3)` or None, and numbers `(n, a)`, of structures that have equal sizes.

        Raises:
            ValueError: structures of different sizes, or free and periodic ones together; see `batches`.
        """
        if len(np.unique(self.sizes)) != 1 or len(np.unique(self._periodic)) != 1:
            raise ValueError(f"frames must be of one size and all free or all periodic, got sizes {np.unique(self.sizes)}")
        positions = torch.tensor(self.positions.reshape(len(self), -1, 3), dtype=dtype)
        cell = torch.tensor(self.cell, dtype=dtype) if self._periodic[0] else None
        return positions, cell, torch.tensor(self.numbers.reshape(len(self), -1).astype(np.int64))

    def force_tensor(self, dtype: torch.dtype = torch.float64) -> Tensor:
        """Forces [eV/Å] `(n, a, 3)` of structures that have equal sizes."""
        return torch.tensor(self.forces.reshape(len(self), -1, 3), dtype=dtype)

    def batches(self, most: int = 64) -> Iterator[np.ndarray]:
        """Row numbers of structures of one kind (size, free or periodic), at most so many together."""
        kinds = np.stack([self.sizes, self._periodic], 1)
        for kind in np.unique(kinds, axis=0):
            rows = np.flatnonzero((kinds == kind).all(1))
            yield from np.split(rows, range(most, len(rows), most))

    def split(
        self, *, validation: float = 0.2, test: float = 0.2, seed: int = 0, by: str = "trajectory"
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Part the structures into training, validation and test.

        Args:
            validation: share of the trajectories (or of the structures).
            test: share.
            seed: of the choice.
            by: "trajectory" keeps those of one run together, label by label; "frame" parts them one by one, as the document
                does, which puts structures into the validation part that are nearly those of the training part.

        Returns:
            Three rising arrays of row numbers.
        """
        if by not in ("trajectory", "frame"):
            raise ValueError(f"by must be 'trajectory' or 'frame', got {by!r}")
        if by == "frame":
            return tuple(part.numpy() for part in splits.split(len(self), validation=validation, test=test, seed=seed))
        runs, first = np.unique(self.trajectory, return_index=True)
        labels = np.unique(self.label[first], return_inverse=True)[1]
        parts = splits.split(len(runs), validation=validation, test=test, seed=seed, stratify=labels)
        return tuple(np.flatnonzero(np.isin(self.trajectory, runs[part.numpy()])) for part in parts)

    def atoms(self) -> list[Atoms]:
        """The structures as objects of ASE, with their energies and forces."""
        from ase import Atoms
        from ase.calculators.singlepoint import SinglePointCalculator

        found = []
        for row, (start, stop) in enumerate(zip(self.offsets[:-1], self.offsets[1:], strict=True)):
            place = {"cell": self.cell[row], "pbc": self._periodic[row]}
            structure = Atoms(self.numbers[start:stop], self.positions[start:stop], **place)
            values = {"energy": float(self.energy[row]), "forces": self.forces[start:stop]}
            structure.calc = SinglePointCalculator(structure, **values)
            structure.info |= {"label": str(self.label[row]), "trajectory": int(self.trajectory[row])}
            found.append(structure)
        return found

    def save(self, path: str | Path) -> None:
        """Write an .npz by atomic replace; `load` reads it."""
        save_arrays(path, {each.name: np.asarray(getattr(self, each.name)) for each in fields(self)})

    @property
    def _periodic(self) -> np.ndarray:
        return self.cell.any((1, 2))

    def _facts(self) -> dict[str, str]:
        return {"source": self.source, "licence": self.licence, "simulated": self.simulated}


def joined(parts: Sequence[Frames]) -> Frames:
    """Several sets one after another; they must say the same of their origin."""
    if len({(part.source, part.licence, part.simulated) for part in parts}) != 1:
        raise ValueError("parts must have one source, licence and way of computing")
    every = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("cell", "numbers", "positions", "forces", "energy", "trajectory", "label")
    }
    offsets = np.concatenate([[0], np.cumsum(np.concatenate([part.sizes for part in parts]))])
    return Frames(offsets, **every, **parts[0]._facts())


def from_atoms(structures: Sequence[Atoms], **facts: str) -> Frames:
    """Structures of ASE with energies and forces; `info["trajectory"]` and `info["label"]` are taken where they are there.

    Without them all structures count as one trajectory, which `split` cannot part: give their runs, or split by frame.

    Args:
        structures: each with a calculator that holds energy and forces.
        **facts: `source`, `licence` and `simulated`.

    Raises:
        ValueError: no structures, one without energy or forces, or periodic along some directions only.
    """
    if not structures:
        raise ValueError("structures must hold at least one")
    for number, structure in enumerate(structures):
        held = structure.calc.results if structure.calc is not None else {}
        if not {"energy", "forces"} <= set(held):
            raise ValueError(f"structure {number} has no energy and forces, only {', '.join(held) or 'positions'}")
        if 0 < structure.pbc.sum() < 3:
            raise ValueError(f"structure {number} is periodic along {structure.pbc.tolist()}, not all or none")
    sizes = [len(structure) for structure in structures]
    return Frames(
        np.concatenate([[0], np.cumsum(sizes)]),
        np.array([structure.cell.array * structure.pbc.all() for structure in structures]),
        np.concatenate([structure.numbers for structure in structures]),
        np.concatenate([structure.positions for structure in structures]),
        np.concatenate([structure.calc.results["forces"] for structure in structures]),
        np.array([structure.calc.results["energy"] for structure in structures], float),
        np.array([structure.info.get("trajectory", 0) for structure in structures], int),
        np.array([str(structure.info.get("label", "")) for structure in structures]),
        **facts,
    )


def read(path: str | Path, *, format: str | None = None) -> Frames:
    """Structures with energies and forces from a file that ASE can read.

    Args:
        path: .extxyz, .xyz or .traj, or any other file with `format`.
        format: ASE's name of the file's format.

    Raises:
        DataNotFound: no such file.
        ValueError: an ending that is not known, without `format`.
        DamagedFile: ASE cannot read it, or it has no energies and forces.
    """
    from ase import io

    path = Path(path).expanduser()
    if not path.is_file():
        raise DataNotFound(f"{path} does not exist")
    format = format or FORMATS.get(path.suffix.lower())
    if format is None:
        raise ValueError(f"format must be given for a file that does not end in {', '.join(FORMATS)}: {path.name}")
    try:
        structures = io.read(path, index=":", format=format)
    except Exception as error:  # each reader of ASE fails in its own way
        raise DamagedFile(path, f"not readable as {format} ({type(error).__name__}: {error})") from error
    with blaming(path):
        return from_atoms(structures, source=f"own file {path.name}")


def load(path: str | Path) -> Frames:
    """Read what `Frames.save` wrote.

    Raises:
        DataNotFound: no such file.
        DamagedFile: not such a file.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise DataNotFound(f"{path} does not exist")
    arrays = read_npz(files.read(path))
    missing = [each.name for each in fields(Frames) if each.name not in arrays]
    if missing:
        raise DamagedFile(path, f"holds no array {missing[0]!r}")
    facts = {name: str(arrays.pop(name)) for name in ("source", "licence", "simulated")}
    with blaming(path):
        return Frames(**{each.name: arrays[each.name] for each in fields(Frames) if each.name in arrays}, **facts)


def dft_aluminium(folder: str | Path | None = None) -> Frames:
    """109 cells of aluminium with 92 to 112 atoms, energies and forces by density functional theory (Liu and Mo 2024).

    Strained cells that symmetry maps on one another have equal energies; structures of equal energy count as one trajectory, so
    that `split` does not put one into the training part and its image into the test part.

    Args:
        folder: holds al_dft.npz; None looks in $TOOLKIT_DATA/atomistic and the download cache.

    Raises:
        DataNotFound: not on this machine.
        DamagedFile: not what it claims to be.
    """
    path, arrays = _published("al_dft", folder, "https://github.com/mogroupumd/Li-Al_MLIP_datasets (pure aluminium)")
    with blaming(path):
        return Frames(
            *(arrays[name] for name in ("offsets", "cell", "numbers", "positions", "forces", "energy")),
            trajectory=np.unique(arrays["energy"].round(5), return_inverse=True)[1].reshape(-1), label=arrays["label"],
            source="Liu and Mo, Acta Mater. 268, 119742 (2024), github.com/mogroupumd/Li-Al_MLIP_datasets",
            licence="none stated; cite the article", simulated="DFT",
        )  # fmt: skip


def dft_copper(folder: str | Path | None = None) -> Frames:
    """31 test structures of copper with energies and forces by density functional theory (Zuo et al. 2020).

    Args:
        folder: holds mlearn_Cu.npz; None looks in $TOOLKIT_DATA/atomistic and the download cache.

    Raises:
        DataNotFound: not on this machine.
        DamagedFile: not what it claims to be.
    """
    path, arrays = _published("mlearn_Cu", folder, "https://github.com/materialsvirtuallab/mlearn (data/Cu)")
    with blaming(path):
        each = {name: arrays[f"test_{name}"] for name in ("offsets", "cell", "positions", "forces", "energy", "group")}
        return Frames(
            each["offsets"], each["cell"], np.full(len(each["positions"]), 29), each["positions"], each["forces"],
            each["energy"], trajectory=np.arange(len(each["energy"])), label=each["group"], licence="BSD-3-Clause",
            simulated="DFT", source="Zuo et al., J. Phys. Chem. A 124, 731 (2020), github.com/materialsvirtuallab/mlearn",
        )  # fmt: skip


def save_arrays(path: str | Path, arrays: dict[str, np.ndarray]) -> None:
    """Write an .npz file as a whole or not at all."""
    path = Path(path).expanduser()
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            np.savez(stream, **arrays)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def _published(name: str, folder: str | Path | None, page: str) -> tuple[Path, dict[str, np.ndarray]]:
    places = files.places(FOLDER, folder)
    path = next((place / f"{name}.npz" for place in places if (place / f"{name}.npz").is_file()), None)
    if path is None:
        searched = " or ".join(str(place) for place in places)
        raise DataNotFound(f"{name}.npz was not found in {searched}; the structures come from {page}")
    return path, read_npz(files.read(path))


def _check(frames: Frames) -> None:
    n, atoms = len(frames.energy), len(frames.positions)
    shapes = {
        "offsets": (n + 1,), "cell": (n, 3, 3), "numbers": (atoms,), "positions": (atoms, 3), "forces": (atoms, 3),
        "energy": (n,), "trajectory": (n,), "label": (n,),
    }  # fmt: skip
    for name, shape in shapes.items():
        if np.shape(getattr(frames, name)) != shape:
            raise ValueError(f"{name} must have shape {shape}, got {np.shape(getattr(frames, name))}")
    offsets = frames.offsets
    if offsets[0] != 0 or offsets[-1] != atoms or (np.diff(offsets) < 1).any():
        raise ValueError(f"offsets must rise from 0 to {atoms}, the number of atoms, with at least one atom each")
    for name in ("cell", "positions", "forces", "energy"):
        if not np.isfinite(getattr(frames, name)).all():
            raise ValueError(f"{name} must be finite")
    if frames.numbers.min(initial=1) < 1:
        raise ValueError(f"numbers must be atomic numbers, got {frames.numbers.min()}")
