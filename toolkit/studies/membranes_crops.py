"""Zhao, section 4.2.3, on public volumes: crops in the latent space, their properties by neighbours as in Table 4.4.

The document's tomographs are not public. Here the crops come from a measured sandstone and from an electrode whose phases are
published, and for comparison from generated membranes that are cut out and scanned like a sample. Crops of 64³ voxels, each the
mean of 2³ of them in the network's 32³, as the training structures are. Neither network has seen anything but periodic
membranes, so what it says of a crop stands beside two signs of whether it can know: how far the nearest training structure is,
and how much of the crop the decoder gives back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional

from toolkit import recordings
from toolkit.datasets import membranes as scans
from toolkit.microstructure import latent, structures
from toolkit.microstructure.autoencoder import VAE, as_shares, latent_means, reconstructed
from toolkit.microstructure.generator import Recipe, build
from toolkit.microstructure.tortuosity import tortuosity
from toolkit.recordings import archive
from toolkit.studies.membranes import anisotropy
from toolkit.studies.membranes_latent import Results, components_of_table_4_4
from toolkit.studies.membranes_vae import FINER, RADIUS, SIZE

COUNT = 15  # crops of a volume, as in the document
EDGE = SIZE * FINER  # voxels of a crop
GREY, CONTRAST, NOISE = 90.0, 70.0, 25.0  # levels of the made-up scan
CUT_OUT = Recipe(80, (1.0, 0.7, 1.0), RADIUS * 0.8 ** (-1 / 3))  # eight parts of it hold as much as a training structure each
FILE = "membranes_crops.npz"
SAMPLES = {
    "generated, cut out": "membranes of the generator, no longer periodic",
    "generated, scanned": "the same crops under noise, filtered and cut at their porosity",
    "sandstone": "Berea: grains are the material",
    "sandstone, inverted": "Berea: its pores are taken as the material",
    "electrode": "NMC, carbon and binder are the material",
    "electrode, binder": "carbon and binder are the material, NMC counts as pore",
}


@dataclass(frozen=True, eq=False)
class Crops:
    """Crops of one volume.

    Attributes:
        name: of the sample.
        volumes: shares of material, `(m, 1, s, s, s)` uint8.
        measured: "porosity" of each crop; where they were solved for also "tau_x", "tau_y", "tau_z", "direction", "intensity".
        source: what the volume is and where it comes from.
        licence: what its origin says about use.
        simulated: designed or generated rather than measured.
    """

    name: str
    volumes: Tensor
    measured: pd.DataFrame
    source: str = ""
    licence: str = ""
    simulated: bool = False


def record(path: str | Path, folder: str | Path | None = None) -> Iterator[Crops]:
    """Cut, measure and write the crops of all samples.

    Args:
        path: of the file.
        folder: of the public volumes, see `datasets.membranes.load`.

    Yields:
        The crops of each sample; the file is written after the last.

    Raises:
        DataNotFound: a public volume is not there.
    """
    berea, electrode = (scans.load(name, folder) for name in ("berea", "nmc_electrode"))
    materials = {
        "sandstone": (berea, berea.volume == 0),
        "sandstone, inverted": (berea, berea.volume == 1),
        "electrode": (electrode, electrode.volume > 0),
        "electrode, binder": (electrode, electrode.volume == 170),
    }
    made = []
    for name, words in SAMPLES.items():
        if name in materials:
            scan, material = materials[name]
            cubes, about = cut(material), {"source": f"{words}; {scan.source}", "licence": scan.licence}
            about["simulated"] = scan.simulated
        else:
            cubes = generated(scanned=name.endswith("scanned"))
            about = {"source": f"{words}; toolkit.microstructure.generator", "licence": "free to use", "simulated": True}
        made.append(Crops(name, averaged(cubes), measured(cubes), **about))
        yield made[-1]
    state = {"samples": [_as_state(one) for one in made], "provenance": recordings.provenance()}
    archive.write(path, "state", state, compress=True)


def load(path: str | Path) -> dict[str, Crops]:
    """Name to crops, as `record` wrote them.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged or holds something else.
    """
    state = recordings.load_state(path)
    if not (isinstance(state, dict) and "samples" in state):
        raise ValueError(f"{path}: does not hold crops of this study")
    with archive.faults_of(path):
        found = [Crops(**one | {"measured": pd.DataFrame(one["measured"])}) for one in state["samples"]]
    return {one.name: one for one in found}


def _as_state(crops: Crops) -> dict[str, Any]:
    return vars(crops) | {"measured": crops.measured.to_dict("records")}


# Cutting and measuring ----------------------------------------------------------------------------------------------------


def cut(material: np.ndarray, *, edge: int = EDGE, count: int = COUNT, seed: int = 0) -> np.ndarray:
    """Some of the cubes that lie side by side in a volume, in random order.

    Args:
        material: `(x, y, z)`, 1 or true where there is material.
        edge: voxels along an edge of a cube.
        count: at most so many.
        seed: of the choice.

    Returns:
        `(m, edge, edge, edge)` uint8, 1 for material.

    Raises:
        ValueError: another rank, values other than 0 and 1, edges shorter than a cube.

    >>> cut(np.ones((8, 8, 4)), edge=4, count=3).shape
    (3, 4, 4, 4)
    """
    material = np.asarray(material)
    values = np.unique(material)
    if not set(values.tolist()) <= {0, 1}:
        raise ValueError(f"material must hold 0 and 1 only, got {len(values)} values from {values[0]} to {values[-1]}")
    cubes = scans.crops(material, edge)
    chosen = np.random.default_rng(seed).permutation(len(cubes))[:count]
    return np.stack([cubes[number] for number in chosen]).astype(np.uint8)


def generated(*, scanned: bool, seed: int = 100) -> np.ndarray:
    """Crops of two membranes stretched along y, with twice the edge of a training structure each.

    Args:
        scanned: put noise on them, filter it away and cut at the porosity of each membrane, as with a tomograph.
        seed: of the points of the first; the second has the next one.

    Returns:
        `(15, 64, 64, 64)` uint8, 1 for material.
    """
    recipes = [Recipe(CUT_OUT.points, CUT_OUT.stretch, CUT_OUT.radius, seed + number) for number in range(2)]
    wholes = build(recipes, size=2 * EDGE).numpy()
    if scanned:
        wholes = np.stack([_scanned(whole, seed + number) for number, whole in enumerate(wholes)])
    return np.concatenate([cut(whole, count=8) for whole in wholes])[:COUNT]


def _scanned(material: np.ndarray, seed: int) -> np.ndarray:
    noise = NOISE * np.random.default_rng(seed).standard_normal(material.shape)
    return scans.segmented(scans.smoothed(GREY + CONTRAST * material + noise), porosity=1 - float(material.mean()))


def averaged(cubes: np.ndarray, *, size: int = SIZE) -> Tensor:
    """Cubes of material with at least as many voxels as the network takes, as shares of material in each of its voxels.

    Args:
        cubes: `(m, n, n, n)`, 1 for material.
        size: voxels along an edge afterwards.

    Returns:
        `(m, 1, size, size, size)` uint8.

    Raises:
        ValueError: fewer voxels than that.

    >>> averaged(np.ones((2, 6, 6, 6)), size=4).unique().tolist()
    [255]
    """
    cubes = np.asarray(cubes)
    if cubes.ndim != 4 or len(set(cubes.shape[1:])) != 1 or cubes.shape[1] < size:
        raise ValueError(f"cubes must have shape (m, n, n, n) with {size} voxels along an edge or more, got {cubes.shape}")
    means = functional.adaptive_avg_pool3d(torch.from_numpy(cubes.astype(np.float32))[:, None], size)
    return (255 * means).round().to(torch.uint8)


def measured(cubes: np.ndarray) -> pd.DataFrame:
    """What Table 4.4 calls calculated: porosity, tortuosities, direction and intensity of cubes, see `Crops.measured`."""
    cubes = torch.as_tensor(np.asarray(cubes))
    tau = tortuosity(cubes == 0, (0, 1, 2), tolerance=1e-3).tau.double().numpy()
    table = pd.DataFrame(tau, columns=[f"tau_{axis}" for axis in structures.AXES])
    table.insert(0, "porosity", 1 - cubes.double().flatten(1).mean(1).numpy())
    direction, intensity = anisotropy(tau)
    return table.assign(direction=direction, intensity=intensity)


def own(name: str, volume: Any, *, size: int = SIZE, edge: int | None = None) -> Crops:
    """Crops of a volume of one's own; their porosity is counted, no tortuosity is solved for.

    Args:
        name: of the sample.
        volume: material 1, pores 0: `(x, y, z)` to be cut, or cubes `(m, n, n, n)`.
        size: voxels along an edge that the network takes.
        edge: of a crop [voxels]; twice the network's or what the volume allows.

    Raises:
        ValueError: other values than 0 and 1, another rank, fewer voxels than the network takes.
    """
    volume = np.asarray(volume)
    if volume.ndim not in (3, 4):
        raise ValueError(f"{name}: must be a volume (x, y, z) or cubes (m, n, n, n), got shape {volume.shape}")
    if volume.ndim == 3:
        volume = cut(volume, edge=edge or max(size, min(FINER * size, *volume.shape)))
    elif not set(np.unique(volume).tolist()) <= {0, 1}:
        raise ValueError(f"{name}: must hold 0 and 1 only")
    porosity = 1 - volume.reshape(len(volume), -1).mean(1)
    return Crops(name, averaged(volume, size=size), pd.DataFrame({"porosity": porosity}), source="your own volume")


# What the network makes of them -------------------------------------------------------------------------------------------


def estimates(model: VAE, found: Results, crops: Crops) -> pd.DataFrame:
    """Porosity, direction and stretching of crops by their nearest training structure, and whether the network can know.

    Args:
        model: the autoencoder.
        found: its results.
        crops: of one sample.

    Returns:
        The measured columns, "porosity_estimated", "direction_estimated", "intensity_estimated" (the stretching factor of the
        neighbour); "nearest" (row of the training part), "distance" to it and "as far", see `latent.strangeness`; "kept": the
        share of the crop's variance between voxels that the decoder gives back, negative where it draws something else.
    """
    known, latents = found.rows("train"), latent_means(model, crops.volumes).double().numpy()
    scores = [found.components.scores(rows) for rows in (found.latents[known], latents)]
    porosity, direction = components_of_table_4_4(found)
    table = found.structures.iloc[known].reset_index(drop=True)
    by_neighbours = latent.estimated(scores[0], table, scores[1], porosity=porosity, direction=direction)
    strange = latent.strangeness(found.latents[known], found.latents[found.rows("test")], latents)
    joined = crops.measured.join(by_neighbours.add_suffix("_estimated")).join(strange)
    return joined.assign(kept=kept(model, crops.volumes))


def kept(model: VAE, volumes: Tensor) -> np.ndarray:
    """Share of each structure's variance between voxels that the decoder gives back from its latent means, `(m,)`."""
    shares = as_shares(volumes, model.size).flatten(1)
    left = (shares - reconstructed(model, volumes).flatten(1)).square().mean(1)
    return (1 - left / shares.var(1, correction=0).clamp(min=torch.finfo(shares.dtype).tiny)).numpy()


def summary(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """A row per sample: how far porosity is off, how many directions are right, and whether the network can know.

    Args:
        tables: name of a sample to its `estimates`.
    """
    return pd.DataFrame([_summed(name, table) for name, table in tables.items()]).set_index("sample")


def _summed(name: str, table: pd.DataFrame) -> dict[str, Any]:
    off = 100 * (table["porosity_estimated"] / table["porosity"] - 1).abs()
    row = {"sample": name, "porosity": table["porosity"].mean(), "estimated": table["porosity_estimated"].mean()}
    row |= {"largest error [%]": off.max()}
    if "direction" in table:
        right = (table["direction"] == table["direction_estimated"]).sum()
        row |= {"directions right": f"{right} of {len(table)}"}
    return row | {name: table[name].median() for name in ("distance", "as far", "kept")}


def in_words(row: Sequence[Any] | pd.Series) -> str:
    """One crop's estimates as a line for a panel."""
    text = f"porosity {row['porosity']:.3f}, by its neighbour {row['porosity_estimated']:.3f} and stretched along "
    text += f"{row['direction_estimated']} (e = {row['intensity_estimated']:.2f})"
    return f"{text} · nearest training structure at {row['distance']:.1f}, {row['as far']:.0%} of unseen membranes are as far"
