"""Zhao, sections 4.2.2 to 4.2.5, measured on the networks of `membranes_vae`: latent space, recipes found again, transfer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from toolkit import recordings
from toolkit.bayesopt import wilson_interval
from toolkit.datasets import Dataset
from toolkit.microstructure import inverse, latent, linear, structures, transfer
from toolkit.microstructure.autoencoder import VAE, as_shares, latent_means, reconstructed
from toolkit.microstructure.generator import PORE, Recipe, build
from toolkit.microstructure.tortuosity import tortuosity
from toolkit.recordings import archive
from toolkit.studies.membranes_vae import FAMILIES, FINER, MATERIAL, SIZE, data, files, network, recipes, share

PCA_NUMBERS = (16, 32, 64, 128, 256)
TWO_AXES = 200  # structures stretched along two axes; 3,000 in the document
TRANSFER_POINTS, TRANSFER_RADIUS = (180, 250), 2.8
TRANSFERS = {
    "classroom": {"train": 120, "test": 40, "epochs": 20, "batch_size": 12, "learning_rate": 1e-3},  # 200 steps
    "published": {"train": 250, "test": 50, "epochs": 100, "batch_size": 64, "learning_rate": 1e-5},  # 400 steps
}
TRANSFER_FAMILY = "one seed"  # with points of their own neither network predicts better than the mean after 120 membranes


def record(
    folder: str | Path,
    networks: str | Path,
    *,
    size: int = SIZE,
    repeats: int = 10,
    iterations: int = 60,
    transfers: int = 20,
    published: int = 20,
) -> Iterator[Path]:
    """Measure the trained networks; one file a part.

    Reconstruction and latent space of both families, searches for the four targets with the first, transfer with the second.

    Args:
        folder: for the files of single parts; what lies in it is not done again.
        networks: folder that holds the networks' files.
        size: of the networks, one of `membranes_vae.SCALES`.
        repeats: searches for each target; 10 in the document.
        iterations: proposals of each search after 20 random recipes; up to 1,500 in the document.
        transfers: repeats of the comparison of transfer with training from scratch; 20 in the document.
        published: repeats of the same with the document's numbers of structures, steps and rate.

    Yields:
        The file of each finished part.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    models = {family: network(Path(networks) / name) for family, name in files(size).items()}
    first, second = models[FAMILIES[0]], models[TRANSFER_FAMILY]
    parts = {f"latent_{number}": partial(latent_part, models[family], family) for number, family in enumerate(FAMILIES)}
    parts |= {
        f"search_{name}_{repeat}": partial(search_part, first, name, repeat, iterations)
        for repeat in range(repeats)
        for name in structures.targets()
    }
    parts |= {f"transfer_{repeat}": partial(transfer_part, second, repeat) for repeat in range(transfers)}
    parts |= {f"published_{repeat}": partial(transfer_part, second, repeat, "published") for repeat in range(published)}
    for name, make in parts.items():
        file = folder / f"{name}.npz"
        if not file.exists():
            recordings.save_state(file, make())
        yield file


def merge(folder: str | Path, path: str | Path) -> None:
    """Join the finished parts in a folder into one file for `results`.

    Raises:
        FileNotFoundError: the folder holds no finished latent part.
    """
    files = {file.stem: file for file in sorted(Path(folder).glob("*_*.npz"))}
    state = {kind: [] for kind in ("latent", "search", "transfer", "published")}
    for name, file in files.items():
        state[name.partition("_")[0]] += recordings.load_state(file)
    if not state["latent"]:
        raise FileNotFoundError(f"{folder}: no finished part 'latent'")
    state["provenance"] = recordings.provenance(data={"name": "Voronoi membranes", "simulated": True})
    archive.write(path, "state", state, compress=True)


def latent_part(model: VAE, family: str) -> list[dict[str, Any]]:
    """Reconstruction errors beside those of PCA, latent means of all structures, distances between strangers of one recipe."""
    size = model.size
    sets, some = recipes(family, size=size), data(family, size=size)
    one = 0 if family == "one seed" else None
    twice = structures.random_recipes(
        TWO_AXES, points=_points(sets["train"]), radius=sets["test"][0].radius, axes=2, seed=7, membrane_seed=one
    )
    volumes = {"train": some.train[0], "test": some.test[0], "two axes": structures.shares(twice, size=size, finer=FINER)}
    made = {"train": sets["train"], "test": sets["test"], "two axes": twice}
    part = {
        "family": family,
        "latents": torch.cat([latent_means(model, volumes[name]) for name in made]).half(),
        "structures": [_row(name, *pair) for name in made for pair in zip(made[name], volumes[name], strict=True)],
        "reconstruction": list(reconstructions(model, some)),
        "strangers": {name: strangers(model, recipe) for name, recipe in targets(share(size)).items()},
    }
    return [part]


def _points(some: Sequence[Recipe]) -> tuple[int, int]:
    """Least and largest number of Voronoi points."""
    numbers = [recipe.points for recipe in some]
    return min(numbers), max(numbers)


def _row(name: str, recipe: Recipe, volume: Tensor) -> dict[str, Any]:
    row = {"split": name, "points": recipe.points, "radius": recipe.radius, "seed": recipe.seed}
    row |= {f"stretch_{axis}": factor for axis, factor in zip(structures.AXES, recipe.stretch, strict=True)}
    return row | {"porosity": 1 - float(volume.float().mean()) / 255}


def reconstructions(model: VAE, data: Dataset) -> Iterator[dict[str, Any]]:
    """Errors on the test part: of the network, of its decoder without a latent code, and of PCA with as many numbers."""
    known, unseen = as_shares(data.train[0], model.size), as_shares(data.test[0], model.size)
    plain, moved = linear.principal(known), linear.principal_of_moved(known)
    found = {
        ("mean of the training part", 0): known.mean().expand_as(unseen),
        ("autoencoder", model.latent): reconstructed(model, unseen),
        **{("PCA", k): plain(unseen, k) for k in PCA_NUMBERS},
        **{("PCA of moved copies", k): moved(unseen, k) for k in PCA_NUMBERS},
    }
    for (method, numbers), volumes in found.items():
        errors = {
            "squared_error": linear.mean_squared_error(unseen, volumes),
            "cross_entropy": linear.cross_entropy(unseen, volumes),
        }
        yield {"method": method, "numbers": numbers} | errors


def strangers(model: VAE, recipe: Recipe, n: int = 20) -> list[float]:
    """Latent distances of membranes of the same recipe but other seeds."""
    volumes = structures.shares(
        [replace(recipe, seed=seed) for seed in range(recipe.seed, recipe.seed + n + 1)], size=model.size
    )
    return inverse.latent_distances(model, volumes[:1], volumes[1:]).tolist()


def targets(part: float = share(SIZE)) -> dict[str, Recipe]:
    """The four targets of Table 4.5 in a part of the document's volume, a tenth by default.

    >>> [recipe.points for recipe in targets().values()]
    [10, 18, 18, 18]
    """
    return {name: structures.cut(recipe, part) for name, recipe in structures.targets().items()}


def search_part(model: VAE, name: str, repeat: int, iterations: int) -> list[dict[str, Any]]:
    """One search for a target, with the target's own seed."""
    part = share(model.size)
    recipe, box = targets(part)[name], inverse.ranges(part)
    goal = structures.shares([recipe], size=model.size, finer=FINER)
    *_, last = trials = list(
        inverse.recover(model, goal, seed=recipe.seed, box=box, iterations=iterations, search_seed=repeat, acquisition="ucb")
    )
    best = np.array([trial.best for trial in trials], np.float32)
    return [{"target": name, "repeat": repeat, "point": last.best_point, "distance": last.best, "best": best}]


@cache
def tortuosity_set(count: int, *, size: int = SIZE) -> tuple[Tensor, Tensor]:
    """Structures and tortuosities for transfer: n = 180 to 250 and r = 2.8 as in 4.2.5, along x (the text names no direction).

    The flow is solved on the finer voxels, where pore and material are told apart; the network sees their means.

    Args:
        count: how many; fewer are the first of more.
        size: voxels along an edge that the network sees.
    """
    least = structures.cut(Recipe(TRANSFER_POINTS[0], radius=TRANSFER_RADIUS), share(size))
    points = (least.points, round(TRANSFER_POINTS[1] * share(size)))
    some = structures.random_recipes(count, points=points, radius=least.radius, seed=11, membrane_seed=0)
    fine = build(some, size=size * FINER)
    return structures.shares(some, size=size, finer=FINER), tortuosity(fine == PORE, axis=0, tolerance=1e-4).tau


def transfer_part(model: VAE, repeat: int, setting: str = "classroom") -> list[dict[str, Any]]:
    """One repeat of all strategies.

    Args:
        model: trained on membranes of one seed.
        repeat: its number.
        setting: one of `TRANSFERS`.
    """
    settings = dict(TRANSFERS[setting])
    volumes, tau = tortuosity_set(settings["train"] + settings.pop("test"), size=model.size)
    return [asdict(one) for one in transfer.compare(model, volumes, tau, repeats=[repeat], **settings)]


@dataclass(frozen=True, eq=False)
class Results:
    """What was measured.

    Attributes:
        latents: of all structures, `(n, l)`.
        structures: recipe, porosity, direction and intensity of each of them; split "train", "test" or "two axes".
        reconstruction: method, how many numbers it keeps, mean squared error, cross-entropy [nat].
        strangers: target to distances of structures of its recipe and other seeds.
        recovered: the searches.
        outcomes: of transfer and its rivals, as in a class.
        published: likewise with the document's numbers of structures, steps and rate.
        origin: where and when.
    """

    latents: np.ndarray
    structures: pd.DataFrame
    reconstruction: pd.DataFrame
    strangers: dict[str, list[float]]
    recovered: list[inverse.Recovered]
    outcomes: list[transfer.Outcome]
    published: list[transfer.Outcome]
    origin: str

    def rows(self, split: str) -> np.ndarray:
        """Numbers of the structures of a split."""
        return np.flatnonzero(self.structures["split"] == split)

    @cached_property
    def components(self) -> latent.Components:
        """Of the training structures' latent means."""
        return latent.components(self.latents[self.rows("train")])

    def recipe(self, row: int) -> Recipe:
        """What makes a structure again."""
        one = self.structures.iloc[row]
        return Recipe(
            int(one.points), tuple(float(one[f"stretch_{axis}"]) for axis in structures.AXES), float(one.radius), int(one.seed)
        )


def results(path: str | Path, family: str = "own seeds") -> Results:
    """What `merge` wrote.

    Args:
        path: of the file.
        family: whose latent space, one of `membranes_vae.FAMILIES`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged or holds something else, or not this family.
    """
    state = recordings.load_state(path)
    if not (isinstance(state, dict) and {"latent", "search", "transfer"} <= set(state)):
        raise ValueError(f"{path}: does not hold results of this study")
    space = next((one for one in state["latent"] if one["family"] == family), None)
    if space is None:
        raise ValueError(f"family must be one of {[one['family'] for one in state['latent']]} in {path}, got {family!r}")
    return Results(
        torch.as_tensor(space["latents"]).double().numpy(),
        _described(pd.DataFrame(space["structures"])),
        pd.DataFrame(space["reconstruction"]),
        space["strangers"],
        [inverse.Recovered(**one) for one in state["search"]],
        [transfer.Outcome(**one) for one in state["transfer"]],
        [transfer.Outcome(**one) for one in state.get("published", [])],
        recordings.Recording("", {}, state["provenance"], []).origin,
    )


def _described(table: pd.DataFrame) -> pd.DataFrame:
    """With the axes along which each structure is stretched, and how much."""
    factors = table[[f"stretch_{axis}" for axis in structures.AXES]].to_numpy()
    named = [
        "".join(axis for axis, factor in zip(structures.AXES, row, strict=True) if factor < 1) or "none" for row in factors
    ]
    return table.assign(direction=named, intensity=factors.min(1))


def demonstration(*, size: int = 16, n: int = 12, held_out: int = 4) -> tuple[VAE, Results]:
    """A small network with random weights, n structures and a few that are held out, to try a panel without any file.

    >>> demonstration(n=3)[1].latents.shape
    (7, 8)
    """
    model = VAE(size, latent=8, hidden=32, share=MATERIAL, seed=0).eval()
    some = structures.random_recipes(n + held_out, points=(4, 8), radius=targets()["A"].radius, seed=1)
    volumes = structures.shares(some, size=size, finer=FINER)
    splits = ["train"] * n + ["test"] * held_out
    table = pd.DataFrame([_row(*row) for row in zip(splits, some, volumes, strict=True)])
    latents = latent_means(model, volumes).double().numpy()
    return model, Results(latents, _described(table), pd.DataFrame(), {}, [], [], [], "random weights")


def directions_found(found: Results, *, split: str = "test", components: int | None = None, k: int = 1) -> pd.DataFrame:
    """Direction and porosity of structures that the network has not seen, by their nearest neighbour in the training part.

    Args:
        found: results.
        split: "test".
        components: how many principal components; None takes the whole latent space.
        k: neighbours.

    Returns:
        One row per structure: true and estimated porosity, direction and intensity.
    """
    known, unknown = found.rows("train"), found.rows(split)
    scores = [found.components.scores(found.latents[rows]) for rows in (known, unknown)]
    axes = range(scores[0].shape[1] if components is None else components)
    table = found.structures.iloc[known].reset_index(drop=True)
    estimates = latent.estimated(scores[0], table, scores[1], porosity=list(axes), direction=list(axes), k=k)
    return found.structures.iloc[unknown].reset_index(drop=True).join(estimates, rsuffix="_estimated")


def as_table_4_4(found: Results, *, split: str = "test") -> tuple[pd.DataFrame, tuple[int, ...], tuple[int, ...]]:
    """The same in the way of Table 4.4: porosity by one component, direction and intensity by two.

    Returns:
        The table, the component that accounts for most of the porosity, and the two that account for most of the direction.
    """
    known, unknown = found.rows("train"), found.rows(split)
    scores = [found.components.scores(found.latents[rows]) for rows in (known, unknown)]
    table = found.structures.iloc[known].reset_index(drop=True)
    porosity, direction = components_of_table_4_4(found)
    estimates = latent.estimated(scores[0], table, scores[1], porosity=porosity, direction=direction)
    return found.structures.iloc[unknown].reset_index(drop=True).join(estimates, rsuffix="_estimated"), porosity, direction


def components_of_table_4_4(found: Results) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The component that accounts for most of the porosity, and the two that account for most of the direction.

    They are chosen on the training part; the document names PC3, and PC1 with PC2.
    """
    known = found.rows("train")
    scores, table = found.components.scores(found.latents[known]), found.structures.iloc[known]
    porosity = (int(latent.shares_of_variance(scores, table["porosity"]).argmax()),)
    return porosity, tuple(np.argsort(-latent.shares_of_variance(scores, table["direction"]), kind="stable")[:2].tolist())


def accuracy(table: pd.DataFrame) -> tuple[float, float, float]:
    """Share of right directions with Wilson's 95 % interval.

    >>> accuracy(pd.DataFrame({"direction": ["x", "y"], "direction_estimated": ["x", "z"]}))[0]
    0.5
    """
    right = int((table["direction"] == table["direction_estimated"]).sum())
    return right / len(table), *wilson_interval(right, len(table))


def inverse_table(found: Results) -> pd.DataFrame:
    """The searches at 32³ voxels as Table 4.5, n and r in the document's domain."""
    table = inverse.table(found.recovered, targets())
    table["n_voronoi_points"] = table["n_voronoi_points"] / share(SIZE)
    table["stanchion_radius"] = table["stanchion_radius"] * share(SIZE) ** (1 / 3)
    return table
