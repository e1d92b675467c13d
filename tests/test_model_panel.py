"""Problems, maps and the panel of classical models: numbers of scikit-learn, no control without effect, readable refusals."""

import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score, confusion_matrix, silhouette_score
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

from toolkit import workflow
from toolkit.figures import layers
from toolkit.figures import models as figures
from toolkit.panels import MapPanel, ModelPanel
from toolkit.panels import models as panel_module

DATASETS = [*workflow.MADE_UP, *workflow.GOALS]


@pytest.mark.parametrize("dataset", DATASETS)
def test_the_script_gives_the_records_of_the_panel(dataset):
    regression = dataset in ("noisy curve", "conductivity")
    model = "ridge regression" if regression else "logistic regression"
    panel, printed = ModelPanel(dataset=dataset, values=3, model=model), []
    panel.run()
    exec(panel.code(), {"print": printed.append})
    for ours, theirs in zip(panel.records, printed, strict=True):
        assert (ours.value, ours.train_error, ours.validation_error) == (
            theirs.value,
            theirs.train_error,
            theirs.validation_error,
        )
        np.testing.assert_array_equal(ours.held_out, theirs.held_out)


@pytest.mark.parametrize("name", workflow.MODELS)
def test_every_model_is_drawn_with_the_numbers_of_an_assessment(name):
    dataset = "two moons" if workflow.MODELS[name].classification else "noisy curve"
    panel = ModelPanel(dataset=dataset, model=name)
    problem = workflow.made_up(dataset, samples=200, noise=0.25)
    model = workflow.model(name, problem.task)
    found = workflow.assess(model, problem.inputs, problem.targets, folds=workflow.folds(problem.targets))
    assert f"validation {found.validation_error:.3f} ± {found.spread:.3f}" in panel.frame.value
    if problem.classes:
        counts = confusion_matrix(problem.targets, found.held_out)
        assert f"{counts[0, 1]} of {counts[0].sum()} A predicted as B" in panel.frame.value


def test_the_shares_of_the_boundary_are_the_probabilities_of_the_fitted_model():
    panel = ModelPanel(dataset="three clouds", model="random forest")
    settings, problem = panel.settings, panel._problem(panel.settings)
    shares = panel_module._shares(problem, "probability", *panel_module._key(settings))
    rows = workflow.folds(problem.targets)[0][0]
    fitted = workflow.model("random forest", "classification").fit(problem.inputs[rows], problem.targets[rows])
    axes = panel_module._axes(problem, panel_module.GRID)
    for row, column in [(0, 0), (10, 40), (49, 3)]:
        np.testing.assert_array_equal(shares[row, column], fitted.predict_proba([[axes[0][column], axes[1][row]]])[0])


def test_a_sweep_stays_while_its_own_hyper_parameter_is_moved_and_goes_when_the_data_change():
    panel = ModelPanel(model="k-nearest neighbours", values=3).run()
    panel.controls["n_neighbors"].value = 17
    assert len(panel.records) == 3
    panel.controls["noise"].value = 0.4
    assert panel.records == []


def test_the_best_value_is_taken_from_the_sweep():
    panel = ModelPanel(dataset="two rings", model="support vector machine", values=5)
    with pytest.raises(ValueError, match="press Run first"):
        panel.take_best()
    panel.run().take_best()
    best = min(panel.records, key=lambda each: each.validation_error)
    assert panel.settings["gamma"] == best.value


def test_only_models_that_can_do_the_task_and_controls_that_matter_are_offered():
    panel = ModelPanel(dataset="noisy curve", model="ridge regression")
    assert "naive Bayes" not in panel.controls["model"].options and panel.settings["model"] == "ridge regression"
    shown = {name for name, control in panel.controls.items() if control.layout.display is None}
    assert {"degree", "alpha", "samples", "noise"} <= shown and not {"C", "gamma", "x", "y", "threshold"} & shown
    panel.controls["dataset"].value = "good conductor"
    assert "ridge regression" not in panel.controls["model"].options
    shown = {name for name, control in panel.controls.items() if control.layout.display is None}
    assert {"x", "y", "threshold", "folds_by"} <= shown and not {"samples", "noise", "degree"} & shown


def test_folds_of_whole_papers_are_another_assessment():
    random, papers = (ModelPanel(dataset="conductivity", model="decision tree", folds_by=by) for by in panel_module.FOLDS)
    assert random.frame.value != papers.frame.value and "groups=problem.groups" in papers.code()


def test_what_cannot_be_fitted_is_said_and_leaves_the_picture():
    frame = pd.DataFrame({"x": np.arange(12.0), "kind": ["a", "b"] * 6})
    panel = ModelPanel(problem=workflow.from_table(frame, "kind", features=["x", "x"]), model="k-nearest neighbours", folds=2)
    before = panel.frame.value
    panel.controls["n_neighbors"].value = 40
    assert "n_neighbors = 40" in panel.error_line.value and panel.frame.value == before
    panel.controls["n_neighbors"].value = 3
    assert panel.error_line.value == ""


def test_an_own_table_becomes_a_problem():
    frame = pd.DataFrame({"T [°C]": [800.0, 900, 1000], "phase": ["pure", "mixed", "pure"], "batch": ["i", "ii", "i"]})
    problem = workflow.from_table(frame, "phase", features=["T [°C]"], groups="batch")
    assert problem.classes == ("mixed", "pure") and problem.targets.tolist() == [1, 0, 1]
    assert problem.groups.tolist() == ["i", "ii", "i"] and not problem.simulated and problem.task == "classification"
    assert workflow.from_table(frame.assign(y=[0.1, 0.2, 0.3]), "y", features=["T [°C]"]).task == "regression"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"features": ["a", "b", "c"]}, "one or two features are needed"),
        ({"features": ["z"]}, "one or two features are needed"),
        ({"target": "z"}, "one or two features are needed"),
        ({"features": ["word"]}, "must be columns of finite numbers"),
        ({"features": ["gap"]}, "must be columns of finite numbers"),
        ({"target": "gap"}, "'gap' must be finite, row 1 is not"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(changes, message):
    frame = pd.DataFrame({name: [1.0, 2.0] for name in "abc"} | {"word": ["u", "v"], "gap": [1.0, np.nan]})
    arguments = {"target": "c", "features": ["a"]} | changes
    with pytest.raises(ValueError, match=message):
        workflow.from_table(frame, arguments["target"], features=arguments["features"])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: workflow.made_up("spiral"), "'spiral' is not known"),
        (lambda: workflow.made_up("two moons", samples=3), "samples must be 20 or more"),
        (lambda: workflow.electrolytes("price"), "goal must be one of"),
        (lambda: workflow.electrolytes("family", ["colour"]), "got 'family' and"),
        (lambda: workflow.electrolytes("good conductor", threshold=5.0), "beyond all conductivities"),
        (lambda: workflow.place(np.eye(3), "UMAP"), "method must be one of"),
        (lambda: workflow.group(np.eye(3), "k-means", 9), "a number of groups from 1 to 3, got 9"),
        (lambda: workflow.group(np.eye(3), "guess", 2), "method must be one of"),
        (lambda: workflow.groupings(np.eye(3), [0, 1, 2], [2], method="k-means", on="globe"), "on one of"),
    ],
)
def test_what_does_not_exist_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# Maps and groups --------------------------------------------------------------------------------------------------------


def test_maps_and_groups_are_scikit_learns():
    draw = np.random.default_rng(0)
    inputs = np.concatenate([draw.normal(centre, 0.3, (30, 4)) for centre in (0, 2, 5)])
    known = np.repeat([0, 1, 2], 30)
    scaled = StandardScaler().fit_transform(inputs)
    np.testing.assert_allclose(abs(workflow.place(inputs, "PCA")), abs(PCA(2).fit_transform(scaled)), atol=1e-9)
    found = list(workflow.groupings(inputs, known, [2, 3], method="k-means", on="PCA", seed=1))
    for grouping in found:
        labels = KMeans(int(grouping.value), n_init=5, random_state=1).fit_predict(scaled)
        np.testing.assert_array_equal(grouping.labels, labels)
        assert grouping.silhouette == pytest.approx(silhouette_score(scaled, labels))
        assert grouping.agreement == pytest.approx(adjusted_rand_score(known, labels))
    assert found[1].agreement == pytest.approx(1.0) and found[1].silhouette > found[0].silhouette


@pytest.mark.parametrize("method", workflow.GROUPINGS)
@pytest.mark.parametrize("on", workflow.MAPS)
def test_every_map_and_grouping_finds_clouds_that_lie_apart(method, on):
    draw = np.random.default_rng(0)
    inputs = np.concatenate([draw.normal(centre, 0.1, (25, 3)) for centre in (0, 3)])
    value = 0.5 if method == "DBSCAN" else 2
    (found,) = workflow.groupings(inputs, np.repeat([0, 1], 25), [value], method=method, on=on, perplexity=10)
    assert found.agreement == 1.0 and found.groups == 2
    nearest = NearestNeighbors(n_neighbors=1).fit(found.points).kneighbors(return_distance=False)[:, 0]
    np.testing.assert_array_equal(nearest >= 25, np.arange(50) >= 25)


def test_dbscan_leaves_the_outlier_alone_and_one_group_has_no_silhouette():
    inputs = np.concatenate([np.random.default_rng(0).normal(0, 0.1, (20, 2)), [[9.0, 9.0]]])
    (found,) = workflow.groupings(inputs, np.zeros(21), [0.5], method="DBSCAN", on="PCA")
    assert found.labels[-1] == -1 and found.groups == 1 and np.isnan(found.silhouette)


def test_the_map_panel_runs_as_its_script_does():
    panel, printed = MapPanel(most=4, description="shares of the elements", method="agglomerative"), []
    panel.run()
    exec(panel.code(), {"print": printed.append})
    for ours, theirs in zip(panel.records, printed, strict=True):
        np.testing.assert_array_equal(ours.labels, theirs.labels)
        np.testing.assert_allclose(ours.points, theirs.points)
    for colour in ("group", "conductivity", "family"):
        panel.controls["colour"].value = colour
        assert panel.frame.value.count("<circle") >= len(panel.records[-1].labels)


# Pictures ---------------------------------------------------------------------------------------------------------------


def test_a_cloud_leaves_out_what_lies_outside_the_axes():
    inside = layers.cloud(np.array([[0.5, 0.5], [2.0, 0.5], [np.nan, 0.5]]), ((0, 1), (0, 1)), colour="red")
    assert inside.count("M") == 1


def test_the_first_row_of_a_picture_lies_at_the_bottom_of_axes():
    colour = np.zeros((2, 1, 3))
    colour[0] = 1.0
    assert layers.picture(colour, (0, 0, 1, 1)) == layers.picture(colour[::-1], (0, 0, 1, 1), upwards=True)


def test_a_confusion_matrix_of_many_classes_has_no_numbers_but_tooltips():
    names = [f"class {number}" for number in range(12)]
    plot = figures.confusion_plot(np.eye(12, dtype=int), names)
    assert plot.count("<rect") == 144 and ">1</text>" not in plot and "1 of 1 class 3 predicted as class 3" in plot
    assert "&lt;b&gt;" in figures.confusion_plot(np.eye(2, dtype=int), ["<b>", "c"])
