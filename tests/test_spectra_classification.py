"""The study of Tables 4.7 and 4.8: its models, folds and refusals; characteristic peaks."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import StratifiedKFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from toolkit import published
from toolkit.datasets import lithium_spectra
from toolkit.datasets.peak_tables import PeakTable
from toolkit.spectra import MODELS, TABLE_4_7, TABLE_4_8, characteristic_peaks, classifier, classify, folds


def table(n=6, m=7, kinds=("a", "b", "c"), seed=0, spread=0.3):
    draw = np.random.default_rng(seed)
    samples = np.repeat(kinds, n)
    profiles = np.repeat(draw.gamma(1.0, 300.0, (len(kinds), m)), n, axis=0)
    areas = profiles * np.exp(spread * draw.standard_normal(profiles.shape))
    return PeakTable(np.arange(1.0, m + 1), [""] * m, areas, samples, np.tile(np.arange(1, n + 1), len(kinds)))


# The tables' rows -------------------------------------------------------------------------------------------------------


def test_the_settings_are_the_published_rows():
    assert {row["model"] for row in TABLE_4_7} == set(published.table("zhao_table_4_7_classifiers")["model"])
    printed = published.table("zhao_table_4_8_lr_regularization")[["regularization", "c_inverse_strength"]].drop_duplicates()
    rows = {
        (row.regularization, None if np.isnan(row.c_inverse_strength) else row.c_inverse_strength)
        for row in printed.itertuples()
    }
    assert {(row["penalty"], row.get("c")) for row in TABLE_4_8} == rows
    assert len(TABLE_4_7) == 9 and len(TABLE_4_8) == 16


@pytest.mark.parametrize("model", MODELS)
def test_every_model_classifies_and_gives_probabilities(model):
    data = table(12, spread=0.1)
    row = next(classify(data, [{"model": model}], unknown=data.of("a", "c"), n_folds=3))
    assert row.accuracy > 0.9 and row.f_score > 0.9
    assert row.confusion.sum() == 36 and row.confusion.trace() == pytest.approx(36 * row.accuracy)
    assert list(row.probabilities) == ["a", "c"]
    for name, probabilities in row.probabilities.items():
        assert probabilities.sum() == pytest.approx(1)
        assert row.classes[probabilities.argmax()] == name


@pytest.mark.parametrize("settings", TABLE_4_8, ids=lambda row: f"{row['penalty']} {row.get('c', '')}")
def test_every_penalty_classifies(settings):
    row = next(classify(table(), [settings], n_folds=3))
    assert row.settings == settings
    strong = settings["penalty"] != "none" and settings["c"] < 1
    assert strong or row.accuracy > 0.9


def test_the_study_is_scikit_learns_cross_validation():
    data = table(10, spread=0.9)
    row = next(classify(data, [{"model": "logistic_regression", "penalty": "l2", "c": 0.5}], n_folds=5, seed=3))
    model = make_pipeline(MinMaxScaler(), LogisticRegression(C=0.5, max_iter=5000))
    parts = StratifiedKFold(5, shuffle=True, random_state=3)
    scoring = {"accuracy": "accuracy", "f": "f1_macro"}
    peer = cross_validate(model, data.intensities, data.samples, cv=parts, scoring=scoring)
    np.testing.assert_allclose(row.accuracies, peer["test_accuracy"])
    assert row.f_score == pytest.approx(peer["test_f"].mean())


def test_probabilities_are_those_of_the_model_on_all_references():
    data, unknown = table(), table(seed=5)
    row = next(classify(data, [{"model": "k_nn"}], unknown=unknown, n_folds=3))
    model = classifier("k_nn").fit(data.intensities, data.samples)
    np.testing.assert_allclose(row.probabilities["b"], model.predict_proba(unknown.of("b").intensities).mean(0))


def test_own_folds_are_used():
    data = table()
    rows = np.arange(18)
    parts = [(rows[rows % 6 < 3], rows[rows % 6 == part]) for part in (3, 4)]
    row = next(classify(data, [{"model": "gaussian_nb"}], parts=parts))
    assert len(row.accuracies) == 2 and row.confusion.sum() == 6


def test_too_strong_l1_knows_nothing_and_plain_folds_then_fall_below_chance():
    """Why Table 4.8 has accuracies of 0.12 and 0.13: the most frequent class in training is rare in the test."""
    data = lithium_spectra.simulate(lithium_spectra.COMPOUNDS)
    accuracy = {}
    for stratified in (True, False):
        runs = [
            next(
                classify(data, [{"model": "logistic_regression", "penalty": "l1", "c": 0.01}], stratified=stratified, seed=seed)
            )
            for seed in range(4)
        ]
        accuracy[stratified] = np.mean([run.accuracy for run in runs])
    assert accuracy[True] == pytest.approx(0.2, abs=0.05)
    assert accuracy[False] < 0.15


@pytest.mark.parametrize("stratified", [True, False])
def test_folds_part_the_spectra(stratified):
    labels = np.repeat(list("abcde"), 12)
    parts = folds(labels, stratified=stratified, seed=4)
    assert sorted(np.concatenate([test for _, test in parts]).tolist()) == list(range(60))
    assert all(not set(train) & set(test) for train, test in parts)
    sizes = {tuple(np.unique(labels[test], return_counts=True)[1].tolist()) for _, test in parts}
    assert (max(max(size) - min(size) for size in sizes) <= 1) == stratified


def test_a_record_agrees_with_its_own_confusion():
    row = next(classify(table(10, spread=1.5), [{"model": "decision_tree"}], n_folds=5))
    true = np.repeat(row.classes, row.confusion.sum(1))
    given = np.concatenate([np.repeat(row.classes, counts) for counts in row.confusion])
    assert accuracy_score(true, given) == pytest.approx(row.accuracy)
    assert f1_score(true, given, average="macro") == pytest.approx(row.f_score, abs=0.1)
    assert 0.3 < row.accuracy < 1


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: classify(table(kinds=("a",))), ValueError, r"labels must be of two or more classes, got \['a'\] only"),
        (
            lambda: classify(table(), n_folds=7),
            ValueError,
            "n must be 2 to 6, the number of spectra of 'a', the smallest class, got 7",
        ),
        (
            lambda: classify(table(), n_folds=19, stratified=False),
            ValueError,
            "n must be 2 to 18, the number of spectra, got 19",
        ),
        (lambda: folds(["a", "b"], n=1, stratified=False), ValueError, "n must be 2 to 2, .* got 1 folds"),
        (lambda: classify(table(), [{"model": "xgboost"}]), ValueError, "model must be one of .*, got 'xgboost'"),
        (lambda: classify(table(), scaling="pareto"), ValueError, "scaling must be one of"),
        (lambda: classifier("k_nn", c=2.0), TypeError, r"k_nn takes no further settings, got \['c'\]"),
        (
            lambda: classifier(penalty="l3"),
            ValueError,
            r"penalty must be one of \('none', 'l1', 'l2', 'elastic_net'\), got 'l3'",
        ),
        (lambda: classifier(c=0.0), ValueError, "c must be positive, the inverse strength of the penalty, got 0.0"),
        (
            lambda: classify(table(), unknown=table(m=6)),
            ValueError,
            "unknown must have the 7 peaks of the references, got 6 peaks",
        ),
    ],
)
def test_studies_that_cannot_be(call, error, message):
    with pytest.raises(error, match=message):
        call()


# Characteristic peaks ---------------------------------------------------------------------------------------------------


def planted(n=10, m=8, seed=0):
    """Class a has peak 2, class b peak 5, class c nothing of its own; the rest is noise."""
    draw = np.random.default_rng(seed)
    samples = np.repeat(list("abc"), n)
    areas = draw.gamma(30.0, 10.0, (3 * n, m))
    areas[:n, 2] += 600
    areas[n : 2 * n, 5] += 600
    return PeakTable(np.arange(1.0, m + 1), [""] * m, areas, samples, np.tile(np.arange(1, n + 1), 3))


@pytest.mark.parametrize("stratified", [True, False])
@pytest.mark.parametrize(
    ("model", "by"),
    [("logistic_regression", "coefficients"), ("logistic_regression", "permutation"), ("gaussian_nb", "permutation")],
)
def test_planted_peaks_are_found(model, by, stratified):
    found = characteristic_peaks(planted(), model, by=by, stratified=stratified)
    assert found.top("a", 1).tolist() == [2] and found.top("b", 1).tolist() == [5]
    assert found.weights.shape == found.spread.shape == (3, 8)
    noise = np.delete(found.weights[:2], [2, 5], axis=1)
    assert np.abs(noise).max() < 0.5 * found.weights[:2].max(1).min()


def test_coefficients_are_averaged_over_the_folds():
    data = planted()
    found = characteristic_peaks(data, n_folds=4, seed=2)
    coefficients = [
        classifier().fit(data.intensities[train], data.samples[train])[-1].coef_
        for train, _ in folds(data.samples, n=4, seed=2)
    ]
    np.testing.assert_allclose(found.weights, np.mean(coefficients, axis=0))
    np.testing.assert_allclose(found.spread, np.std(coefficients, axis=0))


def test_two_classes_have_opposite_coefficients():
    weights = characteristic_peaks(planted().of("a", "b")).weights
    np.testing.assert_allclose(weights[0], -weights[1])


def test_the_frame_is_judged_by_chemistry():
    frame = characteristic_peaks(lithium_spectra.simulate(lithium_spectra.COMPOUNDS)).frame(15)
    assert len(frame) == 75 and frame["rank"].max() == 15
    hydride = frame[frame["compound"] == "LiH"].set_index("ion")
    assert hydride["plausible"].mean() > 0.8 and hydride.loc["LiH2-", "highest"]
    names = characteristic_peaks(planted()).frame(1)
    assert names["plausible"].tolist() == [None, None, None]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: characteristic_peaks(planted(), by="loadings"),
            r"by must be one of \('coefficients', 'permutation'\), got 'loadings'",
        ),
        (lambda: characteristic_peaks(planted(), "k_nn"), "k_nn has no coefficients; take by='permutation'"),
        (lambda: characteristic_peaks(planted(), by="permutation", repeats=0), "repeats must be 1 or more, got 0"),
        (lambda: characteristic_peaks(planted().of("a")), r"labels must be of two or more classes, got \['a'\] only"),
        (lambda: characteristic_peaks(planted()).top("d"), r"class must be one of \('a', 'b', 'c'\), got 'd'"),
    ],
)
def test_characteristic_peaks_that_cannot_be(call, message):
    with pytest.raises(ValueError, match=message):
        call()
