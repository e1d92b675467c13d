"""Pre-treatments: scikit-learn's own checks, known values, exact inverses, and that nothing of a test fold leaks in."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.utils.estimator_checks import check_estimator

from toolkit.datasets.peak_tables import PeakTable
from toolkit.spectra import SCALINGS, TABLE_4_7, classify, folds, regress, scale, split
from toolkit.spectra.scaling import Truncation, unscale

INVERTIBLE = ("none", "log", "standardise", "min-max", "Poisson", "square root")


def areas(n=12, m=6, seed=0):
    return np.random.default_rng(seed).gamma(1.0, 300.0, (n, m))


@pytest.mark.parametrize("name", [*SCALINGS, "truncation"])
def test_scikit_learn_accepts_the_transformer(name):
    results = check_estimator(Truncation() if name == "truncation" else scale(name), on_skip=None, on_fail="raise")
    skipped = {result["check_name"] for result in results if result["status"] == "skipped"}
    assert all(name.startswith("check_array_api") for name in skipped)  # these need other array libraries
    assert sum(result["status"] == "passed" for result in results) > 30


def test_known_values():
    x = np.array([[1.0, 0.0, 8.0], [3.0, 0.0, 2.0]])
    wanted = {
        "none": x,
        "log": np.log(x + 1),
        "standardise": [[-1, 0, 1], [1, 0, -1]],
        "normalise": [[0.125, 0, 1], [1, 0, 2 / 3]],
        "min-max": [[0, 0, 1], [1, 0, 0]],
        "Poisson": x / np.sqrt([2, 1, 5]),
        "total ion": [[1 / 9, 0, 8 / 9], [0.6, 0, 0.4]],
        "square root": np.sqrt(x),
    }
    assert list(wanted) == list(SCALINGS)
    for name, values in wanted.items():
        np.testing.assert_allclose(scale(name).fit_transform(x), values, err_msg=name)


@pytest.mark.parametrize("name", INVERTIBLE)
def test_inverses_are_exact(name):
    transformer = scale(name).fit(areas())
    np.testing.assert_allclose(unscale(transformer, transformer.transform(areas(seed=1))), areas(seed=1), rtol=1e-9)


@pytest.mark.parametrize("name", ["normalise", "total ion"])
def test_a_lost_scale_has_no_inverse(name):
    transformer = scale(name).fit(areas())
    with pytest.raises(ValueError, match="Normalizer has no inverse: a spectrum's own maximum or sum is lost"):
        unscale(transformer, areas())


def test_training_areas_lie_between_zero_and_one():
    scaled = scale("min-max").fit_transform(areas())
    assert scaled.min() == 0 and scaled.max() == pytest.approx(1)


def test_truncation_cuts_at_the_references_alone():
    transformer = scale("none", truncate=True).fit(areas())
    outlier = areas(seed=1) * 100
    np.testing.assert_array_equal(transformer.transform(outlier), np.minimum(outlier, areas().max(0)))
    np.testing.assert_array_equal(transformer.transform(areas()), areas())


@pytest.mark.parametrize("name", ["log", "Poisson", "square root"])
def test_negative_areas_are_refused(name):
    with pytest.raises(ValueError, match="Negative values in data passed to .*: areas cannot be below 0, got -1.0"):
        scale(name).fit([[1.0, -1.0], [2.0, 3.0]])


def test_an_unknown_scaling_is_refused():
    with pytest.raises(ValueError, match=r"scaling must be one of \('none', 'log', .* got 'pareto'"):
        scale("pareto")


# Leakage ----------------------------------------------------------------------------------------------------------------


def learned(transformer):
    """Every array that a transformer keeps after fitting."""
    steps = [step for _, step in transformer.steps] if hasattr(transformer, "steps") else [transformer]
    arrays = [value for step in steps for name, value in vars(step).items() if name.endswith("_")]
    return [value for value in arrays if isinstance(value, np.ndarray)]


@pytest.mark.parametrize("truncate", [False, True])
@pytest.mark.parametrize("name", SCALINGS)
def test_test_rows_do_not_influence_the_scaling(name, truncate):
    x = areas(20)
    train, test = folds(["a", "b"] * 10)[0]
    spoiled = x.copy()
    spoiled[test] *= 1e6
    kept, other = (clone(scale(name, truncate=truncate)).fit(rows[train]) for rows in (x, spoiled))
    for left, right in zip(learned(kept), learned(other), strict=True):
        np.testing.assert_array_equal(left, right)


def two_kinds(seed=0):
    """One peak that tells the kinds apart, four of noise."""
    draw = np.random.default_rng(seed)
    labels = np.repeat(["a", "b"], 20)
    areas = draw.uniform(0.0, 1000.0, (40, 5))
    areas[:, 0] = draw.uniform(0.0, 1.0, 40) + 2 * (labels == "b")
    return PeakTable(np.arange(1.0, 6.0), [""] * 5, areas, labels, np.tile(np.arange(1, 21), 2))


def test_the_study_scales_inside_its_folds():
    """Scaled together with one extreme test spectrum, the peak that matters would vanish; the study must not notice."""
    table = two_kinds()
    parts = folds(table.samples)[:1]
    train, test = parts[0]
    areas = table.intensities.copy()
    areas[test[0], 0] = 1e6
    spoiled = PeakTable(table.mz, table.ions, areas, table.samples, table.spots)
    (before, after) = (next(classify(each, TABLE_4_7[:1], parts=parts)).accuracies[0] for each in (table, spoiled))
    assert before == 1.0 and after >= 1 - 1 / len(test)
    leaking = scale().fit_transform(spoiled.intensities)  # what a study would see that scales before it splits
    model = LogisticRegression().fit(leaking[train], table.samples[train])
    assert model.score(leaking[test], table.samples[test]) < 0.9 * after


def test_a_leaking_split_of_mixtures_shares_parents_and_an_honest_one_does_not():
    for kind, shared in (("leaky", True), ("honest", False)):
        train, validation, test = (set(side.parents.ravel().tolist()) for side in split(two_kinds(), 600, kind=kind))
        assert bool(train & test) == bool(train & validation) == bool(validation & test) == shared
    assert [one.kind for one in regress(two_kinds(), "linear", n=200)] == ["leaky", "honest"]
