"""Principal components of latent means and the properties read from neighbours: identities, an independent code, refusals."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

from toolkit.microstructure.latent import components, estimated, nearest, shares_of_variance, strangeness


def cloud(n=60, d=7, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + rng.normal(size=d)


def test_components_are_those_of_scikit_learn():
    latents = cloud()
    ours, theirs = components(latents), PCA().fit(latents)
    np.testing.assert_allclose(ours.variance, theirs.explained_variance_)
    np.testing.assert_allclose(ours.explained, theirs.explained_variance_ratio_)
    signs = np.sign((ours.axes * theirs.components_).sum(1))
    np.testing.assert_allclose(ours.axes, theirs.components_ * signs[:, None], atol=1e-10)
    np.testing.assert_allclose(ours.scores(latents), theirs.transform(latents) * signs, atol=1e-10)
    assert ours.enough(0.95) == PCA(0.95).fit(latents).n_components_


def test_a_tensor_serves_as_well_as_an_array():
    latents = cloud()
    np.testing.assert_allclose(components(torch.tensor(latents)).variance, components(latents).variance)


def test_the_way_to_the_scores_and_back():
    latents = cloud()
    found = components(latents)
    np.testing.assert_allclose(found.latents(found.scores(latents)), latents, atol=1e-10)
    two = found.scores(latents)[:, :2]
    np.testing.assert_allclose(found.scores(found.latents(two))[:, :2], two, atol=1e-10)
    np.testing.assert_allclose(found.scores(found.latents(two))[:, 2:], 0, atol=1e-10)


def test_loadings_are_correlations():
    latents = cloud()
    found = components(latents)
    scores = found.scores(latents)
    by_hand = np.corrcoef(scores.T, latents.T)[: scores.shape[1], scores.shape[1] :]
    np.testing.assert_allclose(found.loadings, by_hand, atol=1e-10)
    np.testing.assert_allclose(np.square(found.loadings).sum(0), 1)
    assert found.closest(0, 2).tolist() == np.argsort(-np.abs(by_hand[0]))[:2].tolist()


def test_a_dimension_that_never_changes_has_no_loading():
    latents = np.column_stack([cloud(d=2), np.full(60, 3.0)])
    found = components(latents)
    assert not found.loadings[:, 2].any() and np.isfinite(found.loadings).all()


def test_more_dimensions_than_structures():
    latents = cloud(5, 9)
    found = components(latents)
    assert found.axes.shape == (4, 9) and found.enough(1.0) == 4
    np.testing.assert_allclose(found.latents(found.scores(latents)), latents, atol=1e-10)


def test_what_a_property_accounts_for():
    rng = np.random.default_rng(1)
    porosity, labels = rng.uniform(size=300), rng.choice(["x", "y", "z"], 300)
    scores = np.column_stack([3 * porosity + 1, np.where(labels == "x", 1.0, -1.0), rng.normal(size=300)])
    of_porosity, of_direction = shares_of_variance(scores, porosity), shares_of_variance(scores, labels)
    assert of_porosity[0] == pytest.approx(1) and of_porosity[1:].max() < 0.05
    assert of_direction[1] == pytest.approx(1) and of_direction[[0, 2]].max() < 0.05
    assert of_porosity[2] == pytest.approx(np.corrcoef(scores[:, 2], porosity)[0, 1] ** 2)


@given(st.integers(1, 30), st.integers(1, 12), st.integers(1, 5), st.integers(0, 1000))
def test_neighbours_are_those_of_scikit_learn(n, m, d, seed):
    rng = np.random.default_rng(seed)
    known, unknown, k = rng.normal(size=(n, d)), rng.normal(size=(m, d)), min(n, 3)
    theirs = NearestNeighbors(n_neighbors=k).fit(known).kneighbors(unknown, return_distance=False)
    assert nearest(known, unknown, k=k).tolist() == theirs.tolist()


def test_equal_distances_come_in_the_order_of_the_known():
    assert nearest([[1.0], [-1.0], [1.0]], [[0.0]], k=3).tolist() == [[0, 1, 2]]


TABLE = pd.DataFrame({"porosity": [0.8, 0.9, 0.7], "direction": ["x", "y", "y"], "intensity": [0.5, 0.7, 0.9]})
KNOWN = np.array([[0.0, 0.0, 5.0], [1.0, 1.0, 6.0], [1.1, 1.1, 7.0]])


def test_porosity_and_direction_come_from_neighbours_in_their_own_components():
    found = estimated(KNOWN, TABLE, [[0.1, 0.0, 6.9]])
    assert found.values.tolist() == [[0.7, "x", 0.5]]


def test_several_neighbours_vote_and_average():
    found = estimated(KNOWN, TABLE, [[0.4, 0.4, 5.9]], k=3)
    assert found["direction"].tolist() == ["y"]
    assert found["porosity"].item() == pytest.approx(0.8) and found["intensity"].item() == pytest.approx(0.7)
    assert estimated(KNOWN, TABLE, [[0.0, 0.0, 5.0]], k=2)["direction"].tolist() == ["x"]  # one of each: the nearer


def test_other_components_may_be_named():
    assert estimated(KNOWN, TABLE, [[9.0, 0.0, 5.1]], porosity=[0], direction=[2]).values.tolist() == [[0.7, "x", 0.5]]


def test_strangeness_is_the_distance_beside_that_of_usual_ones():
    rng = np.random.default_rng(3)
    known, usual, unknown = (rng.normal(size=(count, 4)) for count in (50, 40, 9))
    found = strangeness(known, usual, unknown)
    model = NearestNeighbors(n_neighbors=1).fit(known)
    (theirs, rows), common = model.kneighbors(unknown), model.kneighbors(usual)[0][:, 0]
    assert found["nearest"].tolist() == rows[:, 0].tolist()
    np.testing.assert_allclose(found["distance"], theirs[:, 0])
    np.testing.assert_allclose(found["as far"], [(common >= one).mean() for one in theirs[:, 0]])


def test_usual_ones_are_as_far_as_themselves():
    known, usual = np.zeros((1, 2)), np.array([[1.0, 0], [2, 0], [3, 0]])
    assert strangeness(known, usual, usual)["as far"].round(6).tolist() == [1.0, round(2 / 3, 6), round(1 / 3, 6)]
    assert strangeness(known, usual, [[9.0, 0]])["as far"].tolist() == [0.0]
    with pytest.raises(ValueError, match="usual"):
        strangeness(known, np.empty((0, 2)), usual)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: components([[1.0, 2.0]]), "two different"),
        (lambda: components([[1.0, 2.0], [1.0, 2.0]]), "two different"),
        (lambda: components([1.0, 2.0]), "two dimensions"),
        (lambda: components([[1.0, np.nan], [0.0, 0.0]]), "row 0"),
        (lambda: components(cloud()).scores(cloud(d=6)), r"\(n, 7\)"),
        (lambda: components(cloud()).latents(cloud(d=8)), "7 components"),
        (lambda: components(cloud()).enough(0.0), "share"),
        (lambda: shares_of_variance(cloud(), [1.0]), "60 structures"),
        (lambda: nearest(cloud(), cloud(), k=0), "from 1 to the 60"),
        (lambda: nearest(cloud(), cloud(), k=61), "from 1 to the 60"),
        (lambda: nearest(cloud(), cloud(d=3)), r"\(n, 7\)"),
        (lambda: estimated(KNOWN, TABLE.drop(columns="porosity"), KNOWN), "porosity"),
        (lambda: estimated(KNOWN[:2], TABLE, KNOWN), "2 structures"),
        (lambda: estimated(KNOWN, TABLE, KNOWN, porosity=[3]), "porosity: components"),
        (lambda: estimated(KNOWN, TABLE, KNOWN, direction=[]), "direction: components"),
    ],
)
def test_what_cannot_work_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
