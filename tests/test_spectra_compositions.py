"""Compositions: probabilities, pseudo-mixtures, honest and leaky splits, joint intervals."""

import numpy as np
import pytest

from toolkit.datasets.peak_tables import PeakTable
from toolkit.spectra import (
    REGRESSORS,
    classifier,
    compositions,
    joint_half_widths,
    pseudo_mixtures,
    regress,
    regressor,
    split,
)


def table(n=10, m=12, kinds=("a", "b", "c"), seed=0, spread=0.3):
    draw = np.random.default_rng(seed)
    samples = np.repeat(kinds, n)
    profiles = np.repeat(draw.gamma(0.5, 300.0, (len(kinds), m)) + 5, n, axis=0)
    areas = profiles * np.exp(spread * draw.standard_normal(profiles.shape))
    return PeakTable(np.arange(1.0, m + 1), [""] * m, areas, samples, np.tile(np.arange(1, n + 1), len(kinds)))


def test_probabilities_are_means_over_the_spots():
    data, unknown = table(), table(seed=1)
    model = classifier().fit(data.intensities, data.samples)
    found = compositions(model, unknown)
    each = model.predict_proba(unknown.intensities)[unknown.samples == "b"]
    np.testing.assert_allclose(found.frame().loc["b"], each.mean(0))
    np.testing.assert_allclose(found.low[1], each.min(0))
    np.testing.assert_allclose(found.high[1], each.max(0))
    np.testing.assert_allclose(found.shares.sum(1), 1)


# Pseudo-mixtures --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("parts", [2, 3])
def test_mixtures_are_sums_of_different_references(parts):
    data = table()
    mixed = pseudo_mixtures(data, 500, parts=parts)
    np.testing.assert_allclose(mixed.shares.sum(1), 1)
    assert ((mixed.shares > 0).sum(1) == parts).all()
    weights = np.take_along_axis(
        mixed.shares, np.array([[data.compounds.index(data.samples[p]) for p in row] for row in mixed.parents]), axis=1
    )
    np.testing.assert_allclose(mixed.intensities, np.einsum("np,npm->nm", weights, data.intensities[mixed.parents]))


def test_weights_are_uniform_and_all_spectra_are_parents():
    mixed = pseudo_mixtures(table(), 20_000)
    first = mixed.shares[mixed.shares[:, 0] > 0][:, 0]
    assert np.histogram(first, bins=10, range=(0, 1))[0] / len(first) == pytest.approx(np.full(10, 0.1), abs=0.015)
    counts = np.bincount(mixed.parents.ravel(), minlength=30)
    assert counts.min() > 0.8 * counts.mean() and counts.max() < 1.2 * counts.mean()


def test_the_seed_decides():
    first, again, other = (pseudo_mixtures(table(), 50, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.intensities, again.intensities)
    assert not np.array_equal(first.shares, other.shares)


@pytest.mark.parametrize("kind", ["leaky", "honest"])
def test_sides_have_their_shares(kind):
    sides = split(table(), 1000, kind=kind)
    assert [len(side.shares) for side in sides] == [600, 200, 200]
    for side in sides:
        np.testing.assert_allclose(side.shares.sum(1), 1)
        assert (side.shares > 0).any(0).all()


def test_parents_of_an_honest_split_are_numbers_in_the_whole_table():
    data = table()
    for side in split(data, 300):
        of = np.array(data.compounds)[side.shares.argmax(1)]
        heavier = np.where((data.samples[side.parents] == of[:, None]), 1, 0)
        assert (heavier.sum(1) == 1).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pseudo_mixtures(table(), 0), "n must be 1 or more, got 0"),
        (lambda: pseudo_mixtures(table(), parts=4), "parts must be 2 to 3, the number of references, got 4"),
        (lambda: pseudo_mixtures(table(kinds=("a",))), "parts must be 2 to 1"),
        (lambda: split(table(), kind="random"), r"kind must be one of \('leaky', 'honest'\), got 'random'"),
        (lambda: split(table(), 4), "n must be 5 or more, got 4"),
        (lambda: split(table(2)), "'a' has 2 spectra; an honest split needs 3 or more of each reference"),
        (lambda: regress(table(), "lasso"), "model must be one of .*, got 'lasso'"),
        (lambda: regress(table(), tries=()), "tries must hold one or more settings"),
        (lambda: regress(table(), level=1.0), "level must lie between 0 and 1, got 1.0"),
    ],
)
def test_mixtures_that_cannot_be(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# Regression -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", REGRESSORS)
def test_every_regressor_learns_the_shares(model):
    few = {"random_forest": {"n_estimators": 20}, "gradient_boosting": {"n_estimators": 40}, "adaboost": {"n_estimators": 20}}
    tries = (few.get(model, {}),)
    found = next(regress(table(spread=0.1), model, kinds=("honest",), n=400, tries=tries))
    assert found.r2 > 0.8 and found.error.shape == (3,)
    shares = found.compositions(table(spread=0.1, seed=0).of("b")).shares
    assert shares.sum() == pytest.approx(1) and shares[0, 1] > 0.7


def test_the_forest_has_the_documents_trees():
    assert regressor()[-1].n_estimators == 200


def test_the_leaky_split_flatters():
    leaky, honest = regress(table(spread=0.6), "random_forest", n=1500, tries=({"n_estimators": 40},))
    assert leaky.r2 > 0.95
    assert 1 - honest.r2 > 3 * (1 - leaky.r2)
    assert honest.error.mean() > 2 * leaky.error.mean()


def test_the_validation_mixtures_choose_the_setting():
    tries = ({"max_depth": 1}, {"max_depth": 12}, {"max_depth": 2})
    found = next(regress(table(), "decision_tree", kinds=("honest",), n=800, tries=tries))
    assert found.settings == {"max_depth": 12}
    assert int(np.argmax(found.validation_r2)) == 1 and len(found.validation_r2) == 3
    assert found.estimator[-1].max_depth == 12


def test_intervals_of_shares_stay_in_range():
    found = next(regress(table(), "linear", kinds=("honest",), n=500)).compositions(table(seed=3))
    assert (found.low >= 0).all() and (found.high <= 1).all()
    assert (found.low <= found.shares).all() and (found.shares <= found.high).all()
    assert found.meaning == "90% joint interval of pseudo-mixtures"


@pytest.mark.parametrize("level", [0.5, 0.9])
def test_a_joint_interval_covers_all_outputs_of_further_rows(level):
    draw = np.random.default_rng(0)
    scales = np.array([0.1, 1.0, 5.0])
    covered = []
    for _ in range(300):
        residuals = draw.standard_t(4, (150, 3)) * scales + 0.3 * draw.standard_normal((150, 1))
        half_widths = joint_half_widths(residuals[:50], level=level)
        covered.append((np.abs(residuals[50:]) <= half_widths).all(1).mean())
    assert np.mean(covered) == pytest.approx(level, abs=0.02)


def test_an_interval_needs_enough_rows():
    with pytest.raises(ValueError, match="residuals: 8 rows are too few for a level of 0.9; 9 are needed"):
        joint_half_widths(np.ones((8, 2)), level=0.9)


def test_the_forest_loses_its_coverage_when_nothing_is_seen_twice():
    """Coverage is stated, not promised: leaky validation says nothing of spectra with other parents."""
    leaky, honest = regress(table(spread=0.6), "random_forest", n=1500, tries=({"n_estimators": 40},))
    _, _, test = split(table(spread=0.6), 1500)
    wrong = np.abs(test.shares - leaky.estimator.predict(test.intensities))
    assert (wrong <= honest.half_widths).all(1).mean() > (wrong <= leaky.half_widths).all(1).mean()
