"""Recipes recovered from a membrane: the ranges, the distance, a search that finds its target, the table, refusals."""

import numpy as np
import pytest
import torch

from toolkit import published
from toolkit.microstructure import inverse
from toolkit.microstructure.autoencoder import VAE, latent_means
from toolkit.microstructure.generator import Recipe
from toolkit.microstructure.inverse import Recovered, errors, latent_distances, point_of, ranges, recipe_of, recover, table
from toolkit.microstructure.structures import cut, shares, targets

SHARE = 0.1
TARGET = Recipe(9, (1.0, 0.75, 1.0), 7.0, seed=5)


@pytest.fixture(scope="module")
def model():
    return VAE(16, latent=8, hidden=32, share=0.1, seed=0)


@pytest.fixture(scope="module")
def target():
    return shares([TARGET], size=16)


def test_the_targets_of_table_4_5_lie_in_the_ranges():
    for share in (1.0, SHARE):
        box = ranges(share)
        for recipe in targets().values():
            point = point_of(cut(recipe, share))
            np.testing.assert_allclose(box.admitted(point[None])[0], point)


def test_stretching_factors_count_by_their_ratios():
    assert ranges().admitted([[100, 3.4, 0.5, 0.5, 0.5]])[0, 2:].tolist() == [1, 1, 1]
    points = ranges(SHARE).drawn(50, np.random.default_rng(0))
    for point in points:
        assert point_of(recipe_of(point, seed=0)).tolist() == point.tolist()


def test_the_distance_is_euclidean_between_latent_means_and_zero_for_the_same(model, target):
    others = shares([TARGET, Recipe(12, radius=7.0, seed=1)], size=16)
    found = latent_distances(model, target, others)
    means = latent_means(model, torch.cat([target, others]))
    assert found[0] < inverse.LEAST
    assert found[1] == pytest.approx((means[2] - means[0]).norm().item(), rel=1e-5)


def slabs(recipes):
    """Volumes that change smoothly with a recipe: its numbers, scaled, as the shares of material in slabs."""
    scaled = ranges(SHARE).scaled(np.array([point_of(recipe) for recipe in recipes])).float()
    return scaled.repeat_interleave(3, 1)[:, None, :, None, None].expand(-1, 1, 15, 16, 16).contiguous()


def padded(recipes):
    return torch.cat([slabs(recipes), torch.zeros(len(recipes), 1, 1, 16, 16)], 2)


def test_a_search_finds_the_recipe_where_the_structure_changes_smoothly(model):
    goal = padded([TARGET])
    settings = {"seed": TARGET.seed, "box": ranges(SHARE), "build": padded, "initial": 10, "iterations": 50}
    trials = list(recover(model, goal, search_seed=1, **settings))
    chance = list(recover(model, goal, search_seed=1, acquisition="random", **settings))
    assert trials[-1].best < 0.2 * chance[-1].best
    found = recipe_of(trials[-1].best_point, seed=TARGET.seed)
    assert abs(found.points - TARGET.points) <= 1 and found.radius == pytest.approx(TARGET.radius, rel=0.05)
    np.testing.assert_allclose(found.stretch, TARGET.stretch, atol=0.05)


def test_the_very_recipe_ends_the_search(model, target):
    search = recover(model, target, seed=TARGET.seed, box=ranges(SHARE), initial=4, iterations=9)
    search.box.drawn = lambda n, random: np.tile(point_of(TARGET), (n, 1))
    trials = list(search)
    assert len(trials) == 1 and trials[0].value == inverse.LEAST


def test_a_search_goes_on_where_it_was(model, target):
    def begin():
        return recover(model, target, seed=TARGET.seed, box=ranges(SHARE), initial=4, iterations=4)

    whole, first, second = list(begin()), begin(), begin()
    begun = [next(first) for _ in range(5)]
    second.load_state_dict(first.state_dict())
    assert begun + list(second) == whole


def test_an_own_generator_may_be_given(model, target):
    asked = []

    def build(recipes):
        asked.extend(recipes)
        return shares(recipes, size=16, finer=1)

    list(recover(model, target, seed=7, box=ranges(SHARE), build=build, initial=2, iterations=1))
    assert len(asked) == 3 and {recipe.seed for recipe in asked} == {7}


def found(target="A", distances=(3.0, 1.0, 2.0, 4.0)):
    return [
        Recovered(target, number, (100 + number, 3.4 + 0.1 * number, 1.0, 0.75, 1.0), distance, np.array([9.0, distance]))
        for number, distance in enumerate(distances)
    ]


def test_the_table_has_the_median_and_the_best_search():
    ours = table(found(), targets())
    assert ours["row_kind"].tolist() == ["real", "median", "best"]
    assert ours["latent_difference"].tolist()[1:] == [2.0, 1.0]
    assert ours["n_voronoi_points"].tolist() == [100, 102, 101]
    assert set(ours) <= set(published.table("zhao_table_4_5_inverse_bo"))


def test_errors_are_relative_to_the_target():
    ours = errors(found(), targets())
    assert ours["points error"].tolist() == [0, 0.01, 0.02, 0.03]
    np.testing.assert_allclose(ours["radius error"], np.arange(4) * 0.1 / 3.4, atol=1e-12)
    assert not ours["stretch error"].any()


@pytest.mark.parametrize("shape", [(15, 16, 16), (2, 1, 16, 16, 16), (1, 1, 32, 32, 32)])
def test_a_target_of_another_size_is_refused(model, shape):
    with pytest.raises(ValueError, match="16"):
        recover(model, torch.zeros(shape), seed=0)


@pytest.mark.parametrize("share", [0, -1, 1.1])
def test_a_share_of_no_volume_is_refused(share):
    with pytest.raises(ValueError, match="share"):
        ranges(share)
