"""The data set of Zhao, section 4.2.1: membranes of random recipes, with porosity, surface and tortuosities.

As published: 10,000 recipes drawn uniformly, n from 40 to 170 and e from 0.5 to 1 along one axis, r = 3.4 cells; two axes for
the additional 3,000. A part of the data set is one file; an interrupted run goes on with the next part.

Measured on one core: at 128³ voxels 0.14 s to generate a membrane, 0.87 s for its three tortuosities and 0.26 MB on disk, which
makes some three hours and 2.6 GB for 10,000. The document reports 15 s a membrane (200³, 48 threads) and 42 hours.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from toolkit import published, recordings
from toolkit.microstructure import structures
from toolkit.microstructure.descriptors import specific_surface
from toolkit.microstructure.generator import DOMAIN, PORE, Recipe, build
from toolkit.microstructure.tortuosity import tortuosity
from toolkit.studies import running

TITLE = "Zhao, section 4.2.1: generated membranes"
PART = 100  # structures per file
CELL = 0.15  # µm, of the document


@dataclass(frozen=True)
class Membrane:
    """One membrane of the data set.

    Attributes:
        run: the part it belongs to.
        points: n.
        stretch_x: e along x.
        stretch_y: e along y.
        stretch_z: e along z.
        radius: r [cells].
        seed: of the Voronoi points.
        size: voxels along an edge.
        porosity: ε.
        surface: specific surface [1/µm], for cells of 0.15 µm.
        tau_x: tortuosity along x, nan where it was not asked for.
        tau_y: along y.
        tau_z: along z.
        seconds_build: processor time of generating it, its share of the part.
        seconds_solve: of the three tortuosities.
    """

    run: str
    points: int
    stretch_x: float
    stretch_y: float
    stretch_z: float
    radius: float
    seed: int
    size: int
    porosity: float
    surface: float
    tau_x: float
    tau_y: float
    tau_z: float
    seconds_build: float
    seconds_solve: float


def ranges() -> dict[str, Any]:
    """The ranges of section 4.2.1 as arguments of `structures.random_recipes`."""
    value = published.table("zhao_section_4_2_1_generator_ranges").set_index("key")["value"]
    return {
        "points": (int(value["voronoi_points_min"]), int(value["voronoi_points_max"])),
        "radius": float(value["stanchion_radius"]),
        "stretch": (float(value["stretching_factor_min"]), float(value["stretching_factor_max"])),
    }


def record(
    folder: str | Path,
    *,
    count: int = 10_000,
    size: int = 128,
    axes: int = 1,
    seed: int = 0,
    solve: bool = True,
    workers: int = 1,
) -> Iterator[Path]:
    """Make a data set, a file per 100 membranes; what lies in the folder is not done again.

    Args:
        folder: for the files `membranes_<number of the first>.npz`, see `load`.
        count: membranes.
        size: voxels along an edge.
        axes: stretched at a time, 0, 1 or 2.
        seed: of the recipes.
        solve: compute the tortuosities as well.
        workers: parts at a time, one core each.

    Yields:
        The file of each finished part.

    Raises:
        ValueError: the folder holds parts of another data set.
        RuntimeError: a part failed; the others are done first.
    """
    if count < 1:
        raise ValueError(f"count must be 1 or more, got {count}")
    Path(folder).mkdir(parents=True, exist_ok=True)
    common = {"folder": str(folder), "count": count, "size": size, "axes": axes, "seed": seed, "solve": solve}
    _check_folder(Path(folder), {name: value for name, value in common.items() if name not in ("folder", "count")})
    wanted = [common | {"first": first} for first in range(0, count, PART)]
    return running.done(record_part, wanted, workers=workers, name=("first",))


def record_part(folder: str, count: int, size: int, axes: int, seed: int, solve: bool, first: int) -> dict[str, str]:
    """The membranes from number `first` on, up to 100 of them, in one file."""
    path = Path(folder) / f"membranes_{first:06}.npz"
    number = min(PART, count - first)
    if path.exists() and len(recordings.load_state(path)["membranes"]) >= number:
        return {"path": str(path)}
    recipes = structures.random_recipes(count, axes=axes, seed=seed, **ranges())[first : first + number]
    started = time.process_time()
    volumes = build(recipes, size=size)
    built = time.process_time()
    taus = tortuosity(volumes == PORE, (0, 1, 2), tolerance=1e-4).tau if solve else torch.full((number, 3), torch.nan)
    seconds = ((built - started) / number, (time.process_time() - built) / number)
    rows = [
        asdict(_described(path.stem, recipe, volume.numpy(), tau.tolist(), seconds))
        for recipe, volume, tau in zip(recipes, volumes, taus, strict=True)
    ]
    state = {
        "settings": {"size": size, "axes": axes, "seed": seed, "solve": solve},
        "membranes": rows,
        "material": np.packbits(volumes.numpy().reshape(number, -1), axis=1),
    }
    recordings.save_state(path, state)
    return {"path": str(path)}


def load(folder: str | Path, *, volumes: bool = True) -> tuple[np.ndarray | None, pd.DataFrame]:
    """A data set that `record` has made.

    Args:
        folder: with its files.
        volumes: read the voxels as well, a byte each.

    Returns:
        `(n, size, size, size)` uint8, 1 material and 0 pore, or None; and the table, a row per membrane.

    Raises:
        FileNotFoundError: the folder holds no finished part.
    """
    rows, packed = [], []
    for path in _files(Path(folder)):
        state = recordings.load_state(path)
        rows += state["membranes"]
        if volumes:
            packed.append(state["material"])
    table = pd.DataFrame(rows)
    if not volumes:
        return None, table
    size = int(table["size"].iloc[0])
    bits = np.concatenate(packed)
    return np.unpackbits(bits, axis=1, count=size**3).reshape(-1, size, size, size), table


def merge(folder: str | Path, path: str | Path) -> None:
    """The table of a data set, without its voxels, as a recording.

    Raises:
        FileNotFoundError: the folder holds no finished part.
    """
    _, table = load(folder, volumes=False)
    settings = recordings.load_state(_files(Path(folder))[0])["settings"] | {"count": len(table)}
    members = [Membrane(**row) for row in table.to_dict("records")]
    recordings.save(path, members, settings=settings, title=TITLE, provenance=recordings.provenance())


def results(path: str | Path) -> pd.DataFrame:
    """The recorded table with what Table 4.4 shows: direction and intensity of the anisotropy.

    The intensity is τ along the stretched axis over τ along the others, averaged; the direction is the axis with the least τ.
    """
    table = pd.DataFrame([asdict(one) for one in recordings.load(path, record=Membrane).records])
    direction, intensity = anisotropy(table[["tau_x", "tau_y", "tau_z"]].to_numpy())
    stretch = table[["stretch_x", "stretch_y", "stretch_z"]].to_numpy()
    return table.assign(
        direction=direction,
        intensity=intensity,
        stretched=np.array(list("xyz"))[stretch.argmin(1)],
        factor=stretch.min(1),
    )


def anisotropy(tau: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Direction and intensity in the way of Table 4.4: the axis of the least τ, and the mean of it over the two others.

    Args:
        tau: along x, y and z, `(n, 3)`; infinite where there is no path.

    Returns:
        Names of the axes `(n,)`, "none" where there is no path along any, and intensities `(n,)`, nan there.

    >>> direction, intensity = anisotropy(np.array([[1.162, 1.121, 1.161], [np.inf, np.inf, np.inf]]))
    >>> direction.tolist(), intensity.round(3).tolist()
    (['y', 'none'], [0.965, nan])
    """
    tau = np.asarray(tau, float)
    path = np.isfinite(tau).any(1)
    lowest = tau.argmin(1)
    others = np.stack([np.delete(row, axis) for row, axis in zip(tau, lowest, strict=True)])
    least = np.where(path, tau[np.arange(len(tau)), lowest], np.nan)
    return np.where(path, np.array(list("xyz"))[lowest], "none"), (least[:, None] / others).mean(1)


def _described(part: str, recipe: Recipe, volume: np.ndarray, tau: Sequence[float], seconds: tuple[float, float]) -> Membrane:
    voxel = CELL * DOMAIN / len(volume)
    surface = specific_surface(volume, voxel=voxel, periodic=True)
    return Membrane(
        part, recipe.points, *recipe.stretch, recipe.radius, recipe.seed, len(volume), float((volume == PORE).mean()), surface,
        *tau, *seconds,
    )  # fmt: skip


def _files(folder: Path) -> list[Path]:
    found = sorted(folder.glob("membranes_[0-9]*.npz"))
    if not found:
        raise FileNotFoundError(f"{folder}: no finished part of a data set")
    return found


def _check_folder(folder: Path, settings: dict[str, Any]) -> None:
    for path in sorted(folder.glob("membranes_[0-9]*.npz"))[:1]:
        found = recordings.load_state(path)["settings"]
        if found != settings:
            raise ValueError(f"{folder} holds parts made with {found}, not with {settings}; choose another folder")
