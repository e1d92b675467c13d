"""Classical models are plain scikit-learn, folds do not leak, and the active loop reads what it has measured only."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import make_classification, make_regression
from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor, VotingRegressor
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, mean_squared_error
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score, validation_curve
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR

from toolkit import workflow

CLASSIFIERS = [name for name, kind in workflow.MODELS.items() if kind.classification]
REGRESSORS = [name for name, kind in workflow.MODELS.items() if kind.regression]
BOTH = [("classification", name) for name in CLASSIFIERS] + [("regression", name) for name in REGRESSORS]


def table(task, n=90, seed=3):
    if task == "classification":
        return make_classification(n, 4, n_informative=3, n_redundant=1, n_classes=3, n_clusters_per_class=1, random_state=seed)
    x, y = make_regression(n, 4, noise=5.0, random_state=seed)
    return x, y / 50


# Models -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("task", "name"), BOTH)
def test_a_model_predicts_what_its_script_predicts(task, name):
    x, y = table(task)
    for parameter in workflow.MODELS[name].parameters:
        for value in parameter.grid(3)[:2]:
            ours = workflow.model(name, task, **{parameter.name: value})
            room = {}
            exec("\n".join(workflow.model_code(ours)), room)
            np.testing.assert_array_equal(ours.fit(x, y).predict(x), room["model"].fit(x, y).predict(x))


@pytest.mark.parametrize(
    ("task", "name", "values", "plain"),
    [
        ("classification", "logistic regression", {"C": 0.3}, LogisticRegression(C=0.3, max_iter=5000)),
        ("classification", "support vector machine", {"gamma": 0.4, "C": 7.0}, SVC(gamma=0.4, C=7.0)),
        ("classification", "k-nearest neighbours", {"n_neighbors": 4}, KNeighborsClassifier(4)),
        ("regression", "support vector machine", {"gamma": 0.4, "C": 7.0}, SVR(gamma=0.4, C=7.0)),
        ("regression", "k-nearest neighbours", {"n_neighbors": 4}, KNeighborsRegressor(4)),
        (
            "regression", "Gaussian process", {"length_scale": 2.0},
            GaussianProcessRegressor(RBF(2.0), alpha=0.1, optimizer=None, normalize_y=True),
        ),
        (
            "regression", "random forest", {"max_depth": 4, "n_estimators": 9},
            RandomForestRegressor(9, max_depth=4, random_state=0),
        ),
    ],
)  # fmt: skip
def test_a_model_is_scikit_learns_behind_a_scaler(task, name, values, plain):
    x, y = table(task)
    ours = workflow.model(name, task, **values).fit(x, y)
    np.testing.assert_array_equal(ours.predict(x), make_pipeline(StandardScaler(), plain).fit(x, y).predict(x))


def test_the_names_of_hyper_parameters_are_scikit_learns():
    for task, name in BOTH:
        known = workflow.model(name, task).get_params()
        for parameter in workflow.MODELS[name].parameters:
            ours = workflow.model(name, task, **{parameter.name: parameter.grid(4)[1]})
            found = [ours.get_params()[key] for key in known if key.endswith(f"__{parameter.name}")]
            assert parameter.grid(4)[1] in found, (name, parameter.name)


@pytest.mark.parametrize(
    ("arguments", "values", "message"),
    [
        (("oracle", "regression"), {}, "'oracle' is not known"),
        (("decision tree", "ranking"), {}, "task must be one of"),
        (("decision tree", "regression"), {"gamma": 1.0}, "no hyper-parameter 'gamma'"),
        (("naive Bayes", "regression"), {}, "naive Bayes cannot do regression; these can: ridge"),
        (("ridge regression", "classification"), {}, "cannot do classification; these can: logistic"),
    ],
)
def test_what_does_not_exist_is_refused(arguments, values, message):
    with pytest.raises(ValueError, match=message):
        workflow.model(*arguments, **values)


# Assessment -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("task", "name"), BOTH)
def test_an_assessment_is_what_scikit_learn_finds(task, name):
    x, y = table(task)
    folds = workflow.folds(y, n=2, seed=1)
    model = workflow.model(name, task)
    ours = workflow.assess(model, x, y, folds=folds)
    scoring, best, error = {
        "classification": ("accuracy", 1, lambda a, b: 1 - accuracy_score(a, b)),
        "regression": ("neg_mean_squared_error", 0, mean_squared_error),
    }[task]
    scores = cross_val_score(model, x, y, cv=folds, scoring=scoring)
    assert ours.validation_error == pytest.approx(best - scores.mean(), abs=1e-12)
    assert ours.spread == pytest.approx(scores.std(), abs=1e-12)
    train = [error(y[rows], clone(model).fit(x[rows], y[rows]).predict(x[rows])) for rows, _ in folds]
    assert ours.train_error == pytest.approx(np.mean(train), abs=1e-12)
    np.testing.assert_allclose(ours.held_out, cross_val_predict(model, x, y, cv=folds), rtol=1e-12)


def test_a_sweep_is_scikit_learns_validation_curve():
    x, y = table("classification")
    folds, values = workflow.folds(y), [1, 3, 9, 27]
    model = workflow.model("k-nearest neighbours", "classification")
    ours = list(workflow.sweep(model, "kneighborsclassifier__n_neighbors", values, x, y, folds=folds))
    train, validation = validation_curve(
        model, x, y, param_name="kneighborsclassifier__n_neighbors", param_range=values, cv=folds
    )
    assert [each.value for each in ours] == values
    np.testing.assert_allclose([each.train_error for each in ours], 1 - train.mean(1), atol=1e-12)
    np.testing.assert_allclose([each.validation_error for each in ours], 1 - validation.mean(1), atol=1e-12)
    assert model.get_params()["kneighborsclassifier__n_neighbors"] == 5


def test_a_sweep_does_one_value_at_a_time():
    class Counting(KNeighborsRegressor):
        fits = 0

        def fit(self, x, y):
            Counting.fits += 1
            return super().fit(x, y)

    x, y = table("regression")
    run = workflow.sweep(Counting(), "n_neighbors", [1, 2, 3], x, y, folds=workflow.folds(y, n=2))
    assert Counting.fits == 0
    next(run)
    assert Counting.fits == 2


def test_text_as_targets_and_unknown_parameters_are_refused():
    x, y = table("classification")
    model = workflow.model("decision tree", "classification")
    with pytest.raises(TypeError, match="targets must be numbers"):
        workflow.assess(model, x, np.array(["a", "b", "c"])[y], folds=workflow.folds(y))
    with pytest.raises(ValueError, match="parameter 'depth' is not one of the model's"):
        workflow.sweep(model, "depth", [1], x, y, folds=workflow.folds(y))


# Folds and leakage ------------------------------------------------------------------------------------------------------


def test_folds_cover_every_row_once_and_share_none():
    for targets in (table("classification")[1], table("regression")[1]):
        folds = workflow.folds(targets, n=4, seed=2)
        assert sorted(np.concatenate([rows for _, rows in folds])) == list(range(len(targets)))
        for train, rows in folds:
            assert not set(train) & set(rows) and len(train) + len(rows) == len(targets)


def test_folds_of_labels_are_stratified_and_groups_stay_together():
    y = np.repeat([0, 1, 2], [60, 20, 10])
    for _, rows in workflow.folds(y):
        assert np.bincount(y[rows]).tolist() == [12, 4, 2]
    groups = np.random.default_rng(0).integers(12, size=90)
    for train, rows in workflow.folds(y, groups=groups):
        assert not set(groups[train]) & set(groups[rows])


def test_the_seed_decides_the_folds():
    y = table("regression")[1]
    first, again, other = (workflow.folds(y, seed=seed)[0][1].tolist() for seed in (0, 0, 1))
    assert first == again != other


def test_more_folds_than_members_are_refused():
    with pytest.raises(ValueError, match="class 1 has 2 members, fewer than 5 folds"):
        workflow.folds([0] * 20 + [1] * 2)
    with pytest.raises(ValueError, match="number of groups: 2"):
        workflow.folds([0.0, 1.0, 2.0, 3.0], n=3, groups=["a", "a", "b", "b"])


@pytest.mark.parametrize(("task", "name"), BOTH)
def test_validation_rows_influence_neither_scaling_nor_fit(task, name):
    """Whatever stands in the validation rows, the model fitted to the other rows is the same to the last bit."""
    x, y = table(task)
    train, validation = workflow.folds(y)[0]
    spoiled = x.copy()
    spoiled[validation] = 1e6 * np.random.default_rng(0).standard_normal((len(validation), x.shape[1])) + 1e7
    other = y.copy()
    other[validation] = y[validation][::-1]
    probe = table(task, seed=9)[0]
    model = workflow.model(name, task)
    clean, dirty = (clone(model).fit(a[train], b[train]) for a, b in ((x, y), (spoiled, other)))
    np.testing.assert_array_equal(clean[0].mean_, x[train].mean(0))
    np.testing.assert_array_equal(clean[0].mean_, dirty[0].mean_)
    np.testing.assert_array_equal(clean.predict(probe), dirty.predict(probe))


def test_an_assessment_fits_its_scaler_and_selection_to_training_rows_only():
    """Noise and labels that have nothing to do with it: chosen inside the folds, features are worth nothing."""
    draw = np.random.default_rng(0)
    x, y = draw.standard_normal((60, 3000)), np.tile([0, 1], 30)
    folds = workflow.folds(y)
    inside = workflow.assess(make_pipeline(SelectKBest(f_classif, k=10), LogisticRegression()), x, y, folds=folds)
    leaked = workflow.assess(LogisticRegression(), SelectKBest(f_classif, k=10).fit_transform(x, y), y, folds=folds)
    assert inside.validation_error > 0.35 > 0.15 > leaked.validation_error


def test_test_rows_influence_no_selection_of_a_hyper_parameter():
    x, y = table("classification")
    chosen = []
    for fill in (0.0, 1e9):
        features = np.vstack([x, np.full((30, x.shape[1]), fill)])  # the last 30 rows are for testing
        train = np.arange(len(x))
        search = GridSearchCV(workflow.model("support vector machine", "classification"), {"svc__gamma": [0.01, 0.1, 1.0]})
        chosen.append(search.fit(features[train], y).best_estimator_)
    probe = table("classification", seed=8)[0]
    np.testing.assert_array_equal(chosen[0].predict(probe), chosen[1].predict(probe))
    np.testing.assert_array_equal(chosen[0][0].mean_, x.mean(0))


# Active learning --------------------------------------------------------------------------------------------------------


def pool(n=60, seed=0):
    draw = np.random.default_rng(seed)
    x = draw.uniform(-2, 2, (n, 2))
    return x, np.exp(-((x - 0.7) ** 2).sum(1))


PROCESS = GaussianProcessRegressor(RBF(0.7), alpha=1e-6, optimizer=None)


@pytest.mark.parametrize("strategy", workflow.STRATEGIES)
def test_rounds_measure_every_row_at_most_once(strategy):
    x, y = pool()
    rounds = list(workflow.active_learning(PROCESS, x, y, start=[0, 1, 2], rounds=40, batch=3, strategy=strategy))
    chosen = [row for each in rounds for row in each.chosen]
    assert sorted(chosen) == list(range(60))
    assert [each.measured for each in rounds] == np.cumsum([len(each.chosen) for each in rounds]).tolist()
    assert [each.best for each in rounds] == [y[chosen[: each.measured]].max() for each in rounds]


def test_a_target_that_is_not_measured_yet_changes_nothing():
    x, y = pool()
    honest = list(workflow.active_learning(PROCESS, x, y, start=[0, 1, 2], rounds=6))
    seen = [row for each in honest for row in each.chosen]
    hidden = np.full_like(y, -77.0)
    hidden[seen] = y[seen]
    again = list(workflow.active_learning(PROCESS, x, hidden, start=[0, 1, 2], rounds=6))
    assert [each.chosen for each in again] == [each.chosen for each in honest]


def test_each_strategy_takes_the_largest_of_its_worth():
    x, y = pool()
    fitted = clone(PROCESS).fit(x[:5], y[:5])
    mean, spread = fitted.predict(x[5:], return_std=True)
    for strategy, worth in {"upper bound": mean + 3 * spread, "largest mean": mean, "largest spread": spread}.items():
        run = workflow.active_learning(PROCESS, x, y, start=range(5), rounds=1, strategy=strategy, kappa=3.0)
        last = list(run)[-1]
        assert last.chosen == (5 + int(worth.argmax()),)
        assert last.error == pytest.approx(np.sqrt(np.mean((mean - y[5:]) ** 2)))


def test_the_upper_bound_finds_the_best_sooner_than_chance():
    def tries(strategy, seed):
        x, y = pool(seed=seed)
        start = np.random.default_rng(seed).choice(60, 4, replace=False)
        rounds = workflow.active_learning(PROCESS, x, y, start=start, rounds=56, strategy=strategy, seed=seed)
        return next(each.measured for each in rounds if each.best == y.max())

    ours, chance = (np.mean([tries(strategy, seed) for seed in range(12)]) for strategy in ("upper bound", "random"))
    assert ours < 0.5 * chance


def test_the_spread_is_the_process_own_or_that_between_members():
    x, y = pool()
    scaled = make_pipeline(StandardScaler(), PROCESS).fit(x[:20], y[:20])
    for ours, plain in zip(workflow.mean_and_spread(scaled, x), scaled.predict(x, return_std=True), strict=True):
        np.testing.assert_array_equal(ours, plain)
    forest = RandomForestRegressor(7, random_state=0).fit(x[:20], y[:20])
    mean, spread = workflow.mean_and_spread(forest, x)
    trees = np.array([tree.predict(x) for tree in forest.estimators_])
    np.testing.assert_allclose(mean, trees.mean(0))
    np.testing.assert_allclose(spread, trees.std(0))
    kinds = VotingRegressor([("process", PROCESS), ("ridge", Ridge())]).fit(x[:20], y[:20])
    assert workflow.mean_and_spread(kinds, x)[1].max() > 0
    assert workflow.mean_and_spread(GradientBoostingRegressor().fit(x[:20], y[:20]), x)[1].max() == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"start": [0]}, "start must be two or more different rows"),
        ({"start": [0, 0]}, "start must be two or more different rows"),
        ({"start": [0, 60]}, "rows from 0 to 59"),
        ({"batch": 0}, "batch must be 1 or more"),
        ({"rounds": -1}, "rounds 0 or more"),
        ({"strategy": "luck"}, "strategy must be one of"),
        ({"targets": np.zeros(3)}, "equal lengths, got 60 and 3"),
        ({"model": Ridge()}, "needs a model that knows its uncertainty, Ridge does not"),
    ],
)
def test_a_loop_that_cannot_work_is_refused(changes, message):
    x, y = pool()
    arguments = {"model": PROCESS, "inputs": x, "targets": y, "start": [0, 1], "rounds": 1} | changes
    with pytest.raises(ValueError, match=message):
        workflow.active_learning(arguments.pop("model"), arguments.pop("inputs"), arguments.pop("targets"), **arguments)
