"""Principal components and non-negative factors: agreement with scikit-learn and pyMCR, ellipses, maps, matching."""

import itertools

import numpy as np
import pytest
from pymcr.mcr import McrAR
from pymcr.regressors import NNLS
from scipy import stats
from sklearn.decomposition import PCA, non_negative_factorization
from sklearn.preprocessing import MinMaxScaler

from toolkit.datasets.peak_tables import PeakTable
from toolkit.spectra import (
    classifier,
    components,
    decision_map,
    decompose,
    elbow,
    ellipse,
    factorise,
    match,
    overlaps,
    reading,
)
from toolkit.spectra.decomposition import METHODS


def table(n=8, m=6, seed=0, kinds=("a", "b", "c")):
    draw = np.random.default_rng(seed)
    samples = np.repeat(kinds, n)
    profiles = draw.gamma(1.0, 300.0, (len(kinds), m))
    areas = draw.poisson(np.repeat(profiles, n, axis=0) * draw.uniform(0.8, 1.2, (len(samples), 1)))
    return PeakTable(np.arange(1.0, m + 1), [""] * m, areas, samples, np.tile(np.arange(1, n + 1), len(kinds)))


def sums(n=15, m=9, k=3, seed=0):
    draw = np.random.default_rng(seed)
    return draw.gamma(0.5, 1.0, (n, k)) @ draw.gamma(0.4, 1.0, (k, m))


# Principal components ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_components_agree_with_scikit_learn(seed):
    data = table(seed=seed)
    fitted = components(data, 4)
    scaled = MinMaxScaler().fit_transform(data.intensities)
    peer = PCA(4).fit(scaled)
    np.testing.assert_allclose(fitted.explained, peer.explained_variance_ratio_)
    np.testing.assert_allclose(np.abs(fitted.loadings), np.abs(peer.components_), atol=1e-9)
    np.testing.assert_allclose(np.abs(fitted.scores), np.abs(peer.transform(scaled)), atol=1e-9)
    np.testing.assert_allclose(fitted.project(data.intensities), fitted.scores, atol=1e-12)


@pytest.mark.parametrize("scaling", ["none", "log", "standardise", "min-max", "Poisson", "square root"])
def test_all_components_give_the_spectra_back(scaling):
    data = table()
    fitted = components(data, 6, scaling=scaling)
    np.testing.assert_allclose(fitted.reconstruct(fitted.scores), data.intensities, rtol=1e-9, atol=1e-7)


def test_the_mean_belongs_to_the_reconstruction():
    data = table()
    fitted = components(data, 2, scaling="none")
    np.testing.assert_allclose(fitted.reconstruct(np.zeros((1, 2)))[0], data.intensities.mean(0))


def test_others_are_cut_at_the_references():
    data = table()
    bright = data.intensities * 50
    fitted = components(data, 2, truncate=True)
    np.testing.assert_allclose(fitted.project(bright), fitted.project(np.minimum(bright, data.intensities.max(0))))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: components(table(), 7), "n must be 1 to 6, the lesser of 24 spectra and 6 peaks, got 7"),
        (lambda: components(table().rows([0]), 1), "all scaled spectra are alike"),
        (lambda: reading(components(table()), "d"), r"compound must be one of two or more samples, got 'd' of \['a'"),
        (lambda: components(table(), scaling="total ion").reconstruct(np.zeros((1, 2))), "Normalizer has no inverse"),
    ],
)
def test_components_that_cannot_be(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# Ellipses ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [4, 12, 200])
@pytest.mark.parametrize("level", [0.5, 0.95])
def test_an_ellipse_covers_its_share_of_further_draws(n, level):
    draw = np.random.default_rng(n)
    root = np.array([[2.0, 0.0], [1.5, 0.3]])
    repeats, further = 1500, 20
    points = draw.standard_normal((repeats, n + further, 2)) @ root.T + [3.0, -1.0]
    covered = np.mean([ellipse(each[:n], level=level).contains(each[n:]).mean() for each in points])
    # the draws of one repeat share an ellipse: the repeats are what is independent
    assert covered == pytest.approx(level, abs=4 * np.sqrt(level * (1 - level) / repeats))


def test_many_points_give_the_ellipse_of_the_normal_distribution():
    points = np.random.default_rng(0).standard_normal((200_000, 2))
    assert np.linalg.norm(ellipse(points).outline(), axis=1) == pytest.approx(np.sqrt(stats.chi2.ppf(0.95, 2)), rel=0.01)


def test_the_outline_lies_on_the_edge():
    found = ellipse(np.random.default_rng(1).standard_normal((9, 2)) @ [[3, 1], [0, 0.2]])
    inside, outside = (found.centre + factor * (found.outline() - found.centre) for factor in (0.999, 1.001))
    assert found.contains(inside).all() and not found.contains(outside).any()


@pytest.mark.parametrize(
    ("points", "level", "message"),
    [
        ([[0, 0], [1, 1]], 0.95, "three or more pairs"),
        ([[0, 0, 0]] * 4, 0.95, "three or more pairs"),
        ([[0, 0], [1, 1], [2, 2], [3, 3]], 0.95, "lie on a line"),
        ([[0, 0], [1, 1], [2, 0]], 1.0, "level must lie between 0 and 1, got 1.0"),
    ],
)
def test_ellipses_that_cannot_be(points, level, message):
    with pytest.raises(ValueError, match=message):
        ellipse(points, level=level)


def test_references_lie_in_their_own_ellipses_and_not_in_others():
    data = table(12)
    found = overlaps(components(data, 2), data)
    assert found.to_numpy().diagonal().min() > 0.9
    assert found.to_numpy()[~np.eye(3, dtype=bool)].max() == 0


# Reading and maps -------------------------------------------------------------------------------------------------------


def test_the_reading_finds_the_peak_that_was_planted():
    data = table(kinds=("a", "b", "c", "d"))
    areas = data.intensities.copy()
    areas[data.samples == "b", 3] += 5000
    planted = PeakTable(data.mz, data.ions, areas, data.samples, data.spots)
    found = reading(components(planted, 4, scaling="none"), "b", n=3)
    assert (found.component, found.peaks[0], found.highest[0]) == (0, 3, True)
    assert found.sign * components(planted, 4, scaling="none").scores[data.samples == "b", 0].mean() > 0


@pytest.mark.parametrize("scaling", ["min-max", "log", "Poisson"])
def test_the_map_is_the_classifier_on_the_spectra_of_its_points(scaling):
    data = table(12)
    fitted = components(data, 2, scaling="min-max")
    model = classifier(scaling=scaling).fit(data.intensities, data.samples)
    found = decision_map(model, fitted, size=9)
    assert found.labels.shape == (9, 9) and found.classes == ("a", "b", "c")
    np.testing.assert_allclose(found.probabilities.sum(-1), 1)
    areas = np.maximum(fitted.reconstruct([[found.x[7], found.y[2]]]), 0 if scaling != "min-max" else -np.inf)
    np.testing.assert_allclose(found.probabilities[2, 7], model.predict_proba(areas)[0])


def test_spectra_lie_in_the_region_of_their_class():
    data = table(12)
    fitted = components(data, 2)
    found = decision_map(classifier().fit(data.intensities, data.samples), fitted, size=80)
    columns, rows = (np.abs(axis[:, None] - fitted.scores[:, i]).argmin(0) for i, axis in enumerate((found.x, found.y)))
    assert (np.array(found.classes)[found.labels[rows, columns]] == data.samples).mean() > 0.9


@pytest.mark.parametrize("axes", [(0, 0), (0, 4)])
def test_axes_must_be_two_components(axes):
    model = classifier().fit(table().intensities, table().samples)
    with pytest.raises(ValueError, match=r"axes must be two of the components 0 to 3, got"):
        decision_map(model, components(table()), axes=axes)


# Factors ----------------------------------------------------------------------------------------------------------------


def start(seed, n=15, m=9, k=3):
    draw = np.random.default_rng(seed)
    return draw.random((n, k)) + 0.1, draw.random((k, m)) + 0.1


@pytest.mark.parametrize("seed", range(3))
def test_multiplicative_updates_agree_with_scikit_learn(seed):
    data, (weights, profiles) = sums(seed=seed), start(seed)
    step = next(itertools.islice(factorise(data, 3, start=(weights, profiles)), 50, None))
    with pytest.warns(UserWarning, match="Maximum number of iterations 50 reached"):
        peer = non_negative_factorization(
            data, W=weights.copy(), H=profiles.copy(), n_components=3, init="custom", solver="mu", max_iter=50, tol=1e-12
        )
    np.testing.assert_allclose(step.weights, peer[0], rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(step.profiles, peer[1], rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("seed", range(3))
def test_alternating_least_squares_agree_with_pymcr(seed):
    data, (weights, profiles) = sums(seed=seed), start(seed)
    step = next(itertools.islice(factorise(data, 3, method="mcr", start=(weights, profiles)), 20, None))
    peer = McrAR(max_iter=20, c_regr=NNLS(), st_regr=NNLS(), c_constraints=[], st_constraints=[], tol_increase=None,
                 tol_n_increase=None, tol_err_change=None, tol_n_above_min=None)  # fmt: skip
    peer.fit(data, ST=profiles)
    np.testing.assert_allclose(step.weights @ step.profiles, peer.C_ @ peer.ST_, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(step.profiles, peer.ST_, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("method", METHODS)
def test_the_error_never_grows_and_nothing_is_negative(method):
    steps = list(itertools.islice(factorise(sums() + 0.1 * sums(seed=5, k=6), 3, method=method), 40))
    errors = np.array([step.error for step in steps])
    assert (np.diff(errors[1:]) <= 1e-12).all()
    assert all((step.weights >= 0).all() and (step.profiles >= 0).all() for step in steps)
    data = sums() + 0.1 * sums(seed=5, k=6)
    assert steps[-1].error == pytest.approx(
        np.linalg.norm(data - steps[-1].weights @ steps[-1].profiles) / np.linalg.norm(data)
    )


@pytest.mark.parametrize("method", METHODS)
def test_parts_that_have_peaks_of_their_own_are_found(method):
    pure = np.array([[5.0, 0, 1, 0], [0, 3.0, 0, 1], [0, 0, 1, 4.0]])
    weights = np.random.default_rng(2).dirichlet([0.3] * 3, 30)
    found = decompose(weights @ pure, 3, method=method)
    names = match(found.profiles, pure, ["x", "y", "z"])
    assert sorted(names.best) == ["x", "y", "z"] and names.correlations.max(1).min() > 0.99
    np.testing.assert_allclose(found.profiles.sum(1), 1)
    assert found.error < 1e-3
    np.testing.assert_allclose(found.shares.sum(), 1)


@pytest.mark.parametrize("method", METHODS)
def test_a_decomposition_says_whether_the_error_stood_still(method):
    data = sums() + 0.1 * sums(seed=5, k=6)
    done, cut = decompose(data, 3, method=method, tolerance=1e-3), decompose(data, 3, method=method, iterations=4)
    assert done.converged and done.iterations < 2000
    assert not cut.converged and cut.iterations == 4


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("method", METHODS)
def test_the_elbow_is_where_the_parts_end(method, k):
    noise = np.random.default_rng(1).normal(0, 0.01, (15, 9))
    found = elbow(np.maximum(sums(k=k, seed=4) + noise, 0), method=method)
    assert found.chosen == k
    assert found.counts == (1, 2, 3, 4, 5, 6)


def test_a_match_below_the_threshold_is_unknown():
    found = match([[1.0, 0, 0], [0, 1.0, 0.9]], [[1.0, 0, 0.1], [0.5, 0.5, 0.0]], ["x", "y"])
    assert found.best[0] == "x" and found.accepted.tolist() == [True, False]
    np.testing.assert_allclose(found.correlations[0, 0], stats.pearsonr([1, 0, 0], [1, 0, 0.1])[0])
    shares = found.shares(np.array([[3.0, 1.0]]))
    assert shares["x"] == 0.75 and shares["unknown"] == 0.25


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: decompose(sums(), 3, method="ica"), r"method must be one of \('nmf', 'mcr'\), got 'ica'"),
        (lambda: decompose(-sums(), 3), "finite numbers not below 0"),
        (lambda: decompose(0 * sums(), 3), "must hold a count, got zeros only"),
        (lambda: decompose(sums(), 10), "n must be 1 to 9, the lesser of 15 spectra and 9 peaks, got 10"),
        (lambda: decompose(sums(), 3, iterations=0), "iterations must be 1 or more, got 0"),
        (lambda: factorise(sums(), 3, start=start(0, k=2)), r"start must be W \(15, 3\) and H \(3, 9\)"),
        (lambda: elbow(sums(n=2)), "the table 3 x 3 or larger"),
        (lambda: match(sums(), sums(m=8), ["x"] * 15), "must have the same peaks"),
        (lambda: match(sums(), sums(), ["x"]), "names must be one per reference"),
    ],
)
def test_factors_that_cannot_be(call, message):
    with pytest.raises(ValueError, match=message):
        call()
