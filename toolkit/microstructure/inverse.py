"""Recipes recovered from a structure: Bayesian optimisation of the distance in the latent space (Zhao, section 4.2.4).

    search = recover(model, target, seed=target_recipe.seed, iterations=100)
    for trial in search:
        print(trial.number, recipe_of(trial.best_point, seed=target_recipe.seed), trial.best)

The seed of the Voronoi points is no variable of the search. Two membranes of one recipe but different seeds are as far apart in
the latent space as strangers, so distances near zero, as Table 4.5 has them, are found only with the target's own seed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from toolkit import bayesopt
from toolkit.bayesopt.minimise import Search
from toolkit.microstructure.autoencoder import VAE, as_shares, latent_means
from toolkit.microstructure.generator import Recipe
from toolkit.microstructure.structures import AXES, shares

LEAST = 1e-4  # distance of the very same structure: rounding is below
POINTS, RADIUS, STRETCH = (40, 250), (2.5, 6.5), (0.5, 1.0)  # not stated in the document; the targets lie inside

Build = Callable[[Sequence[Recipe]], Tensor]


class SquaredDistance(bayesopt.Objective):
    """A distance that shall become small and is modelled as its square.

    Around the target the distance has a kink in every direction, which a smooth process cannot follow; its square has none.

    >>> SquaredDistance("latent distance", "1", goal="min").modelled([3.0]).tolist()
    [-9.0]
    """

    def modelled(self, values: Sequence[float]) -> np.ndarray:
        """The negative square, which is maximised."""
        return -np.square(np.asarray(values, float))

    def measured(self, values: Sequence[float]) -> np.ndarray:
        """The inverse of `modelled`."""
        return np.sqrt(-np.asarray(values, float))


DISTANCE = SquaredDistance("latent distance", "1", goal="min")


def ranges(share: float = 1.0) -> bayesopt.Box:
    """What the search may vary: n (whole), r and the stretch along each axis.

    Only the ratios of the three factors count, for the number of points in the domain stays: the largest is brought to 1.

    Args:
        share: of the document's volume in the domain, see `structures.cut`.

    >>> box = ranges()
    >>> box.admitted([[99.6, 3.4, 0.9, 0.6, 0.75]]).round(3).tolist()
    [[100.0, 3.4, 1.0, 0.667, 0.833]]
    """
    if not 0 < share <= 1:
        raise ValueError(f"share must lie above 0 and not above 1, got {share}")
    wider = share ** (-1 / 3)
    return bayesopt.Box(
        [
            bayesopt.Range("Voronoi points", "1", max(4, round(POINTS[0] * share)), round(POINTS[1] * share), whole=True),
            bayesopt.Range("radius", "cells", RADIUS[0] * wider, RADIUS[1] * wider),
            *(bayesopt.Range(f"stretch {axis}", "1", *STRETCH) for axis in AXES),
        ],
        project=_largest_to_one,
    )


def _largest_to_one(points: np.ndarray) -> np.ndarray:
    factors = points[:, 2:]
    return np.concatenate([points[:, :2], factors / factors.max(1, keepdims=True)], 1)


def recipe_of(point: Sequence[float], *, seed: int) -> Recipe:
    """The recipe of a point of the search.

    Args:
        point: n, r and three stretching factors, `(5,)`.
        seed: of the Voronoi points.

    >>> recipe_of((100, 3.4, 1, 0.75, 1), seed=3).points
    100
    """
    points, radius, *stretch = (float(value) for value in point)
    return Recipe(round(points), tuple(stretch), radius, int(seed))


def point_of(recipe: Recipe) -> np.ndarray:
    """The inverse of `recipe_of`, `(5,)`."""
    return np.array([recipe.points, recipe.radius, *recipe.stretch])


def latent_distances(model: VAE, target: Tensor, volumes: Tensor) -> np.ndarray:
    """Euclidean distances of structures from a target between their latent means, `(n,)`: the measure of Fig. 4.12.

    Args:
        model: a trained autoencoder.
        target: one structure, `(s, s, s)` or with leading ones.
        volumes: others, `(n, 1, s, s, s)`.

    Raises:
        ValueError: volumes of another size.
    """
    centre = latent_means(model, _one(model, target))
    return (latent_means(model, volumes) - centre).norm(dim=1).double().cpu().numpy()


def _one(model: VAE, target: Tensor) -> Tensor:
    """The target as a batch of one."""
    if target.numel() != model.size**3 or tuple(target.shape[-3:]) != (model.size,) * 3:
        raise ValueError(f"target must be one structure of {model.size}³ voxels, got shape {tuple(target.shape)}")
    return target.reshape(1, 1, *target.shape[-3:])


def recover(
    model: VAE,
    target: Tensor,
    *,
    seed: int,
    box: bayesopt.Box | None = None,
    build: Build | None = None,
    initial: int = 20,
    iterations: int = 100,
    search_seed: int = 0,
    **settings: Any,
) -> Search:
    """Search for the recipe whose membrane comes nearest to a target in the latent space.

    Args:
        model: a trained autoencoder.
        target: one structure, `(s, s, s)` or with leading ones.
        seed: of the Voronoi points of every membrane that is tried. That of the target, where it is known; with another one the
            search can only compare what does not depend on the places of the points.
        box: what may vary; `ranges()` by default.
        build: from recipes to volumes; `structures.shares` at the model's size by default.
        initial: random recipes at first; 20 in the document.
        iterations: recipes proposed by the model; up to 1,500 in the document.
        search_seed: of the search.
        settings: others of `bayesopt.Search`, such as `acquisition`, which the document does not name.

    Returns:
        An iterator of `bayesopt.Trial`, with `state_dict` for going on later.

    Raises:
        ValueError: a target of another size, settings that cannot work.
    """
    as_shares(_one(model, target), model.size)  # refuses a target before any work
    make = build or (lambda recipes: shares(recipes, size=model.size))

    def measure(point: np.ndarray) -> float:
        return max(LEAST, float(latent_distances(model, target, make([recipe_of(point, seed=seed)]))[0]))

    return Search(
        box or ranges(), DISTANCE, measure, initial=initial, iterations=iterations, enough=LEAST, seed=search_seed, **settings
    )


@dataclass(frozen=True)
class Recovered:
    """One finished search.

    Attributes:
        target: name of the structure looked for.
        repeat: number of the search.
        point: the best recipe, see `recipe_of`, `(5,)`.
        distance: of it in the latent space.
        best: least distance after each experiment, `(n,)`.
        run: name of the file it was kept in.
    """

    target: str
    repeat: int
    point: tuple[float, ...]
    distance: float
    best: np.ndarray
    run: str = ""


def table(found: Sequence[Recovered], targets: dict[str, Recipe]) -> pd.DataFrame:
    """Rows as in Table 4.5: for each target its own recipe, that of the median search and that of the best one.

    The median search is the one whose final distance is the lower median.

    Args:
        found: searches for any of the targets.
        targets: name to the recipe that made the target.

    Returns:
        Columns target, row_kind ("real", "median", "best"), n_voronoi_points, stanchion_radius, stretch_x, stretch_y,
        stretch_z, latent_difference.
    """
    rows = []
    for name in sorted({one.target for one in found}):
        runs = sorted((one for one in found if one.target == name), key=lambda one: one.distance)
        chosen = {"real": (point_of(targets[name]), np.nan)}
        chosen |= {kind: (one.point, one.distance) for kind, one in (("median", _median(runs)), ("best", runs[0]))}
        for kind, (point, distance) in chosen.items():
            rows.append((name, kind, *map(float, point), distance))
    columns = ["target", "row_kind", "n_voronoi_points", "stanchion_radius", *(f"stretch_{axis}" for axis in AXES)]
    return pd.DataFrame(rows, columns=[*columns, "latent_difference"])


def _median(runs: Sequence[Recovered]) -> Recovered:
    return runs[(len(runs) - 1) // 2]


def errors(found: Sequence[Recovered], targets: dict[str, Recipe]) -> pd.DataFrame:
    """How far each search ended from the target's recipe.

    Returns:
        One row per search: target, repeat, distance, and the relative errors of points and radius, the largest error of a
        stretching factor.
    """
    rows = []
    for one in found:
        true, point = point_of(targets[one.target]), np.asarray(one.point, float)
        away = np.abs(point - true)
        rows.append((one.target, one.repeat, one.distance, away[0] / true[0], away[1] / true[1], away[2:].max()))
    return pd.DataFrame(rows, columns=["target", "repeat", "distance", "points error", "radius error", "stretch error"])
