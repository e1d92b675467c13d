"""Membranes brought to the network's size: shares of material, smaller domains, random recipes, moves, refusals."""

import numpy as np
import pytest
import torch

from toolkit import published
from toolkit.microstructure import structures
from toolkit.microstructure.generator import Recipe, build
from toolkit.microstructure.structures import cut, dataset, direction, moved, random_recipes, shares, targets, uncut


def test_a_share_is_the_mean_of_the_finer_voxels():
    recipes = [Recipe(8, (1.0, 0.6, 1.0), 9.0, seed=2), Recipe(12, radius=8.0)]
    fine = build(recipes, size=32).numpy()
    by_hand = fine.reshape(2, 16, 2, 16, 2, 16, 2).mean((2, 4, 6))
    np.testing.assert_array_equal(shares(recipes, size=16)[:, 0].numpy(), np.rint(by_hand * 255))
    assert set(shares(recipes, size=16, finer=1).unique().tolist()) == {0, 255}


def test_many_recipes_are_built_in_batches_one_like_the_other(monkeypatch):
    recipes = random_recipes(5, points=(4, 12), radius=8.0)
    together = shares(recipes, size=16)
    monkeypatch.setattr(structures, "BATCH", 2)
    assert torch.equal(shares(recipes, size=16), together)


def test_a_part_of_the_domain_has_the_porosity_of_the_whole():
    whole, part = Recipe(120), cut(Recipe(120), 0.1)
    porosity = {
        name: np.mean(
            [1 - build([Recipe(some.points, radius=some.radius, seed=seed)], size=size).float().mean() for seed in range(4)]
        )
        for name, some, size in (("whole", whole, 128), ("part", part, 60))
    }
    assert porosity["part"] == pytest.approx(porosity["whole"], abs=0.01)
    assert uncut(part, 0.1) == {"points": pytest.approx(120), "radius": pytest.approx(3.4)}


def test_random_recipes_lie_in_their_ranges_and_depend_on_the_seed_alone():
    recipes = random_recipes(200, points=(4, 17), radius=7.3, axes=1, seed=3)
    assert recipes == random_recipes(200, points=(4, 17), radius=7.3, axes=1, seed=3)
    assert recipes != random_recipes(200, points=(4, 17), radius=7.3, axes=1, seed=4)
    assert {recipe.points for recipe in recipes} == set(range(4, 18))
    factors = np.array([recipe.stretch for recipe in recipes])
    assert ((factors < 1).sum(1) == 1).all() and factors.min() >= 0.5
    assert np.bincount([direction(recipe) == axis for recipe in recipes for axis in "xyz"])[1] == 200
    assert len({recipe.seed for recipe in recipes}) == 200


@pytest.mark.parametrize(
    ("stretch", "name"), [((1.0, 1.0, 1.0), "none"), ((0.9, 1.0, 1.0), "x"), ((1.0, 0.6, 0.7), "yz"), ((1.0, 1.0, 0.5), "z")]
)
def test_the_direction_of_a_recipe(stretch, name):
    assert direction(Recipe(100, stretch)) == name


def test_a_data_set_of_membranes():
    recipes = {name: random_recipes(3, points=(4, 8), radius=9.0, axes=2 - number, seed=number)
               for number, name in enumerate(("train", "validation", "test"))}  # fmt: skip
    data = dataset(recipes, size=16)
    assert data.train[0].dtype is torch.uint8 and data.input_shape == (1, 16, 16, 16) and data.simulated
    assert data.train[1].tolist() == [3, 3, 3] and data.test[1].tolist() == [3, 3, 3]
    assert [data.classes[label] for label in data.validation[1]] == [direction(recipe) for recipe in recipes["validation"]]
    assert torch.equal(data.train[0], shares(recipes["train"], size=16))


def test_a_move_keeps_every_voxel_and_fits_the_family():
    """Shifting the seeds and building anew gives what the move gives, so periodic membranes may be moved."""
    volumes = shares([Recipe(8, radius=9.0, seed=1), Recipe(8, radius=9.0, seed=2)], size=16)
    generator = torch.Generator().manual_seed(0)
    places = set()
    for _ in range(20):
        other = moved(volumes, generator)
        assert torch.equal(other.flatten(1).sort().values, volumes.flatten(1).sort().values)
        places.add(tuple(other[0].flatten()[:200].tolist()))
    assert len(places) == 20
    again = [moved(volumes, torch.Generator().manual_seed(5)) for _ in range(2)]
    assert torch.equal(*again)


def test_a_moved_membrane_is_periodic_like_the_first():
    """The jump over the border is no larger than inside: a shift of what is not periodic would leave a seam."""
    volume = shares([Recipe(8, radius=9.0, seed=1)], size=16)
    other = moved(volume, torch.Generator().manual_seed(1))[0, 0].float()
    for axis in range(3):
        steps = (other - other.roll(1, axis)).abs().mean(tuple(place for place in range(3) if place != axis))
        assert steps.max() < 3 * steps.median()


def test_the_targets_are_those_of_table_4_5():
    table = published.table("zhao_table_4_5_inverse_bo").query("row_kind == 'real'").set_index("target")
    assert list(targets()) == ["A", "B", "C", "D"]
    for name, recipe in targets().items():
        assert (recipe.points, recipe.radius) == (table.n_voronoi_points[name], table.stanchion_radius[name])
    assert targets()["D"].stretch == (0.65, 0.55, 1.0)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: shares([], size=16), "recipes"),
        (lambda: shares([Recipe(8)], size=16, finer=0), "finer"),
        (lambda: shares([Recipe(8)], size=16, finer=1.5), "finer"),
        (lambda: cut(Recipe(100), 0.0), "share"),
        (lambda: cut(Recipe(100), 1.5), "share"),
        (lambda: cut(Recipe(100), 0.01), "points"),
        (lambda: random_recipes(1, points=(4, 8), radius=9.0, axes=3), "axes"),
        (lambda: random_recipes(1, points=(4, 8), radius=0.0), "radius"),
    ],
)
def test_what_cannot_be_made_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
