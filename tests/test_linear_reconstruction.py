"""PCA of voxels against scikit-learn, and the PCA of all moved copies against one that really has them."""

import itertools

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from toolkit.microstructure.linear import cross_entropy, mean_squared_error, principal, principal_of_moved
from toolkit.microstructure.structures import random_recipes, shares


def some(n, size=8, seed=0):
    return shares(random_recipes(n, points=(4, 8), radius=16.0, seed=seed), size=size).double() / 255


@pytest.mark.parametrize("k", [1, 5, 11])
def test_principal_is_the_pca_of_scikit_learn(k):
    known, other = some(12), some(5, seed=1)
    theirs = PCA(k).fit(known.flatten(1).numpy())
    expected = theirs.inverse_transform(theirs.transform(other.flatten(1).numpy()))
    np.testing.assert_allclose(principal(known)(other, k).flatten(1).numpy(), expected, atol=1e-8)


def copies(volumes):
    """Every shift, mirror image and exchange of axes of every volume."""
    size = volumes.shape[-1]
    for order in itertools.permutations((2, 3, 4)):
        turned = volumes.permute(0, 1, *order)
        for mirrored in itertools.product((False, True), repeat=3):
            flipped = turned.flip([axis + 2 for axis in range(3) if mirrored[axis]])
            for steps in itertools.product(range(size), repeat=3):
                yield flipped.roll(steps, (2, 3, 4))


def test_the_pca_of_moved_copies_is_that_of_the_copies():
    """On 4³ voxels with a gap in the spectrum, so that the choice of components is unique."""
    known, other = some(3, size=4), some(4, size=4, seed=1)
    rows = torch.cat(list(copies(known))).flatten(1)
    variance = torch.linalg.eigvalsh(torch.cov(rows.T)).flip(0)
    gaps = variance[:-1] - variance[1:] > 1e-3 * variance[0]
    counts = [int(k) + 1 for k in torch.nonzero(gaps)[:, 0][:4]]
    theirs, ours = PCA().fit(rows.numpy()), principal_of_moved(known)
    for k in counts:
        axes = theirs.components_[:k]
        away = other.flatten(1).numpy() - theirs.mean_
        expected = theirs.mean_ + away @ axes.T @ axes
        np.testing.assert_allclose(ours(other, k).flatten(1).numpy(), expected, atol=1e-6)
    assert len(counts) == 4


def test_all_components_give_the_volume_back():
    known = some(6)
    assert mean_squared_error(known, principal(known)(known, 5)) < 1e-12
    assert mean_squared_error(known, principal_of_moved(known)(known, 8**3)) < 1e-20


def test_the_cross_entropy_is_that_of_torch():
    volumes, shares_ = some(3), torch.rand(3, 1, 8, 8, 8, dtype=torch.float64).clamp(0.01, 0.99)
    expected = torch.nn.functional.binary_cross_entropy(shares_, volumes, reduction="sum") / 3
    assert cross_entropy(volumes, shares_) == pytest.approx(expected.item())
    assert np.isfinite(cross_entropy(volumes, shares_ * 0 - 1))


@pytest.mark.parametrize("k", [0, 6, 1.5])
def test_components_that_are_not_there_are_refused(k):
    known = some(6)
    with pytest.raises(ValueError, match="k must be"):
        principal(known)(known, k)
