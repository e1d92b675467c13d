"""Membranes as the autoencoder takes them: a finer volume brought to the network's size, whole data sets of random recipes.

The document generates 200³ cells and resizes them to 128³ by a spline, after which voxels are no longer 0 or 1. Here each voxel
is the mean of the finer voxels in it: the share of material, kept as uint8 with 255 for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from toolkit import published
from toolkit.datasets import Dataset
from toolkit.microstructure.generator import Recipe, build

AXES = ("x", "y", "z")
BATCH = 64  # membranes that are built at one time


def shares(recipes: Sequence[Recipe], *, size: int, finer: int = 2) -> Tensor:
    """The membranes of some recipes, periodic, as shares of material.

    Args:
        recipes: one per membrane.
        size: voxels along an edge.
        finer: voxels along the edge of each of these, of which the mean is taken.

    Returns:
        `(n, 1, size, size, size)` uint8, 255 for a voxel full of material.

    >>> volumes = shares([Recipe(20, radius=6.0)], size=16)
    >>> volumes.shape, volumes.dtype
    (torch.Size([1, 1, 16, 16, 16]), torch.uint8)
    """
    if isinstance(finer, bool) or not isinstance(finer, int) or finer < 1:
        raise ValueError(f"finer must be a whole number, 1 or more, got {finer!r}")
    if not len(recipes):
        raise ValueError("recipes must hold one per membrane, got none")
    volumes = [
        _means(build(recipes[first : first + BATCH], size=size * finer), finer) for first in range(0, len(recipes), BATCH)
    ]
    return torch.cat(volumes)


def _means(volumes: Tensor, finer: int) -> Tensor:
    return (functional.avg_pool3d(volumes[:, None].float(), finer) * 255).round().to(torch.uint8)


def cut(recipe: Recipe, share: float) -> Recipe:
    """The recipe of a domain that holds this share of the document's volume, which is cut out of the same material.

    The generator draws its domain 200 cells wide whatever it holds; with fewer points and thicker ligaments it holds less of
    the same: porosity and shape of the cells stay. A small volume is what a network of 32³ voxels can resolve.

    Args:
        recipe: for the document's domain of 200³ cells.
        share: of its volume, above 0 and not above 1.

    >>> cut(Recipe(100), 0.1).points, round(cut(Recipe(100), 0.1).radius, 3)
    (10, 7.325)
    """
    if not 0 < share <= 1:
        raise ValueError(f"share must lie above 0 and not above 1, got {share}")
    return replace(recipe, points=round(recipe.points * share), radius=recipe.radius * share ** (-1 / 3))


def uncut(recipe: Recipe, share: float) -> dict[str, float]:
    """The inverse of `cut`: n and r [cells] in the document's domain, for a comparison with its table."""
    return {"points": recipe.points / share, "radius": recipe.radius * share ** (1 / 3)}


def random_recipes(
    n: int,
    *,
    points: tuple[int, int],
    radius: float,
    stretch: tuple[float, float] = (0.5, 1.0),
    axes: int = 1,
    seed: int = 0,
    membrane_seed: int | None = None,
) -> list[Recipe]:
    """Recipes drawn uniformly from ranges, each stretched along `axes` random axes (section 4.2.1).

    Args:
        n: how many.
        points: least and largest number of Voronoi points.
        radius: of the ligaments [cells].
        stretch: least and largest factor; smaller stretches more.
        axes: 0, 1 or 2 stretched axes.
        seed: of the draw; the membranes get seeds of their own from it.
        membrane_seed: one for all of them instead. Then the points of a membrane are the first n of one row, and membranes that
            differ little in their recipes look alike.

    >>> recipes = random_recipes(3, points=(4, 17), radius=7.0, seed=1)
    >>> sorted({sum(factor < 1 for factor in recipe.stretch) for recipe in recipes})
    [1]
    """
    if axes not in (0, 1, 2):
        raise ValueError(f"axes must be 0, 1 or 2, got {axes!r}")
    random = np.random.default_rng(seed)
    recipes = []
    for _ in range(n):
        factors = np.ones(3)
        factors[random.permutation(3)[:axes]] = random.uniform(*stretch, size=axes)
        count, own = int(random.integers(points[0], points[1] + 1)), int(random.integers(2**31))
        recipes.append(Recipe(count, tuple(factors.tolist()), radius, own if membrane_seed is None else membrane_seed))
    return recipes


def direction(recipe: Recipe) -> str:
    """The axes along which a recipe stretches, such as "y" or "xz"; "none" without any.

    >>> direction(Recipe(100, (1.0, 0.7, 1.0)))
    'y'
    """
    return "".join(axis for axis, factor in zip(AXES, recipe.stretch, strict=True) if factor < 1) or "none"


def dataset(recipes: dict[str, Sequence[Recipe]], *, size: int, finer: int = 2) -> Dataset:
    """Membranes as inputs, and as targets which axis is stretched (0, 1, 2 for x, y, z; 3 for none or several).

    Args:
        recipes: of "train", "validation" and "test".
        size: voxels along an edge.
        finer: see `shares`.

    >>> some = random_recipes(2, points=(4, 8), radius=9.0)
    >>> dataset({"train": some, "validation": some, "test": some}, size=16).classes
    ('x', 'y', 'z', 'other')
    """
    parts = {name: (shares(some, size=size, finer=finer), _labels(some)) for name, some in recipes.items()}
    return Dataset(
        "membranes", **parts, classes=(*AXES, "other"), source="toolkit.microstructure.generator", licence="free to use",
        units="share of material [1/255]", simulated=True,
    )  # fmt: skip


def _labels(recipes: Sequence[Recipe]) -> Tensor:
    numbers = {axis: number for number, axis in enumerate(AXES)}
    return torch.tensor([numbers.get(direction(recipe), 3) for recipe in recipes], dtype=torch.int64)


def moved(volumes: Tensor, generator: torch.Generator) -> Tensor:
    """The same membranes elsewhere in the domain and turned: an augmentation for `training.fit`.

    A periodic membrane may be shifted by any number of voxels and mirrored or its axes exchanged; it stays one of the family,
    so that few membranes serve as many. The whole batch is moved alike. Labels of direction do not follow.

    Args:
        volumes: `(b, 1, s, s, s)`.
        generator: of the move.
    """
    steps = torch.randint(volumes.shape[-1], (3,), generator=generator, device=generator.device).tolist()
    mirrored = [axis for axis in (2, 3, 4) if torch.rand((), generator=generator, device=generator.device) < 0.5]
    order = torch.randperm(3, generator=generator, device=generator.device).tolist()
    return volumes.roll(steps, (2, 3, 4)).flip(mirrored).permute(0, 1, *(axis + 2 for axis in order)).contiguous()


@cache
def targets() -> dict[str, Recipe]:
    """The four membranes of Table 4.5 by name; the seed of their points is not printed, here it is 0.

    >>> targets()["D"].stretch
    (0.65, 0.55, 1.0)
    """
    table = published.table("zhao_table_4_5_inverse_bo").query("row_kind == 'real'")
    return {
        row.target: Recipe(int(row.n_voronoi_points), (row.stretch_x, row.stretch_y, row.stretch_z), row.stanchion_radius)
        for row in table.itertuples()
    }
