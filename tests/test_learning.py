"""The basics by hand: optimizers against torch, backpropagation against autograd, one hidden layer, the confusion matrix."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics
from torch.nn import functional

from toolkit import datasets, landscapes, recordings
from toolkit.learning import backpropagation, confusion, descent, fitting

NAMES = list(descent.RULES)
RATES = {"SGD": 0.02, "momentum": 0.03, "momentum, as printed": 0.5, "AdaGrad": 0.3, "RMSProp": 0.02, "Adam": 0.1}


# Optimizers -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("memory", [0.0, 0.9])
def test_each_rule_is_torchs_optimizer_step_by_step(name, memory):
    landscape = landscapes.LANDSCAPES["Himmelblau"]
    weight = torch.nn.Parameter(torch.tensor([1.0, 0.5], dtype=torch.float64))
    optimizer = descent.torch_optimizer(name, [weight], lr=0.01, memory=memory)
    ours = descent.race(landscape, [name], lr={name: 0.01}, start=(1.0, 0.5), memory=memory, steps=50)
    for record in ours:
        if np.isnan(record.loss[0]):  # as printed and without memory the steps are a hundred times longer
            assert (name, memory) == ("momentum, as printed", 0.0) and record.step > 10
            break
        np.testing.assert_allclose(record.weights[0], weight.detach().numpy(), rtol=1e-10)
        weight.grad = torch.tensor(landscape.gradient(weight.detach().numpy()))
        optimizer.step()


def test_momentum_as_printed_is_momentum_with_a_learning_rate_of_one():
    bowl = landscapes.LANDSCAPES["bowl"]
    rates = {"momentum": 1.0, "momentum, as printed": 1e-3}
    for record in descent.race(bowl, list(rates), lr=rates, steps=40):
        np.testing.assert_array_equal(*record.weights)


def test_sgd_on_a_parabola_shrinks_by_a_constant_factor():
    parabola = landscapes.LANDSCAPES["parabola"]
    records = list(descent.race(parabola, ["SGD"], lr={"SGD": 0.1}, start=(1.0,), steps=20))
    np.testing.assert_allclose([record.weights[0, 0] for record in records], 0.9 ** np.arange(21))


def test_the_first_step_of_the_scaled_rules_does_not_know_the_size_of_the_gradient():
    for gradient in (1e-3, 1e3):
        steps = {name: descent.RULES[name](np.array([gradient]), {}, 1, lr=1.0, memory=0.9).item() for name in NAMES[3:]}
        assert steps == pytest.approx({"AdaGrad": -1.0, "RMSProp": -(10**0.5), "Adam": -1.0}, rel=1e-4)


def test_noise_is_the_same_for_all_and_repeats_itself():
    def last(seed):
        *_, record = descent.race(
            landscapes.LANDSCAPES["bowl"], ["SGD", "SGD"], lr={"SGD": 0.05}, noise=1.0, steps=30, seed=seed
        )
        return record.weights

    np.testing.assert_array_equal(last(0)[0], last(0)[1])
    np.testing.assert_array_equal(last(0), last(0))
    assert (last(0) != last(1)).any()


def test_a_racer_that_leaves_all_bounds_is_nan_and_the_others_go_on():
    records = list(descent.race(landscapes.LANDSCAPES["Rosenbrock"], ["SGD", "Adam"], lr={"SGD": 3.0, "Adam": 0.1}))
    assert np.isnan(records[-1].loss[0]) and records[-1].loss[1] < 0.01
    assert len(records) == 201


def test_the_race_on_a_network_takes_the_runs_of_torch(tmp_path):
    data = datasets.images.digits().subset(200, proportional=True)
    records = list(descent.race_on_network(data, NAMES, lr=RATES, epochs=2, every=2, hidden=(8,)))
    again = list(descent.race_on_network(data, NAMES, lr=RATES, epochs=2, every=2, hidden=(8,)))
    np.testing.assert_array_equal(records[-1].loss, again[-1].loss)
    assert [record.step for record in records] == [0, 2, 4, 6, 8]
    assert np.isfinite(records[-1].accuracy).all() and np.isnan(records[1].accuracy).all()
    recordings.save(tmp_path / "run.npz", records, settings={}, title="race")
    loaded = recordings.load(tmp_path / "run.npz", record=descent.Racers).records
    np.testing.assert_array_equal(loaded[-1].moved, records[-1].moved)


def test_a_network_that_diverges_leaves_the_race():
    data = datasets.images.digits().subset(200, proportional=True)
    rates = RATES | {"SGD": 1e8}
    records = list(descent.race_on_network(data, ["SGD", "Adam"], lr=rates, epochs=3, every=1, hidden=(8, 8)))
    assert np.isnan(records[-1].loss[0]) and np.isfinite(records[-1].loss[1])
    assert records[-1].epoch == 3


@pytest.mark.parametrize(
    "change",
    [
        {"names": []}, {"names": ["Newton"]}, {"lr": {}}, {"lr": {"SGD": 0.0}}, {"memory": 1.0}, {"steps": -1}, {"noise": -1.0},
        {"start": (1.0,)}, {"start": (1.0, np.inf)},
    ],
)  # fmt: skip
def test_races_that_cannot_be_are_refused(change):
    settings = {"names": ["SGD"], "lr": {"SGD": 0.1}} | change
    with pytest.raises(ValueError, match="names|lr|memory|steps|start"):
        descent.race(landscapes.LANDSCAPES["bowl"], **settings)


# Backpropagation --------------------------------------------------------------------------------------------------------

weight = st.floats(-3, 3)


@settings(max_examples=60, deadline=None)
@given(
    numbers=st.lists(weight, min_size=9, max_size=9), inputs=st.tuples(weight, weight), target=st.floats(0, 1),
    activation=st.sampled_from(list(backpropagation.ACTIVATIONS)), loss=st.sampled_from(backpropagation.LOSSES),
)  # fmt: skip
def test_every_number_is_that_of_autograd(numbers, inputs, target, activation, loss):
    weights = dict(zip(backpropagation.WEIGHTS, numbers, strict=True))
    stages = list(backpropagation.passes(weights, inputs, target, activation=activation, loss=loss, learning_rate=0.25))
    first, second = (torch.tensor(part, requires_grad=True) for part in backpropagation.matrices(weights))
    one = torch.ones(1, dtype=torch.float64)
    hidden_sums = first @ torch.cat([torch.tensor(inputs, dtype=torch.float64), one])
    function = {"linear": lambda z: z, "relu": torch.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid}[activation]
    output = second @ torch.cat([function(hidden_sums), one])
    y = torch.tensor([target], dtype=torch.float64)
    if loss == "squared error":
        theirs = functional.mse_loss(output, y) / 2
    else:
        theirs = functional.binary_cross_entropy_with_logits(output, y)
    sums = torch.autograd.grad(theirs, [hidden_sums, output], retain_graph=True)
    theirs.backward()
    back, new = stages[-2], stages[-1]
    assert back.loss == pytest.approx(theirs.item(), abs=1e-12)
    np.testing.assert_allclose(back.deltas, torch.cat(sums).numpy(), atol=1e-12)
    np.testing.assert_allclose(back.first_gradient, first.grad.numpy(), atol=1e-12)
    np.testing.assert_allclose(back.second_gradient, second.grad.numpy(), atol=1e-12)
    np.testing.assert_allclose(new.first, (first - 0.25 * first.grad).detach().numpy(), atol=1e-12)
    np.testing.assert_allclose(new.second, (second - 0.25 * second.grad).detach().numpy(), atol=1e-12)


def test_numbers_become_known_stage_by_stage_and_rounds_follow_each_other():
    weights = dict(zip(backpropagation.WEIGHTS, np.linspace(-1, 1, 9), strict=True))
    stages = list(backpropagation.passes(weights, (1.0, -0.5), 1.0, rounds=2))
    assert [stage.stage for stage in stages] == list(backpropagation.STAGES) * 2
    known = [
        [int(np.isfinite(part).sum()) for part in (stage.values, stage.loss, stage.deltas, stage.first_gradient)]
        for stage in stages[:7]
    ]
    assert known == [[0, 0, 0, 0], [2, 0, 0, 0], [3, 0, 0, 0], [3, 1, 0, 0], [3, 1, 1, 0], [3, 1, 3, 6], [3, 1, 3, 6]]
    np.testing.assert_array_equal(stages[6].first, stages[7].first)
    assert stages[-1].loss < stages[6].loss


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"activation": "step"}, "activation"), ({"loss": "hinge"}, "loss"), ({"rounds": 0}, "rounds"),
        ({"loss": "cross-entropy", "target": -1.0}, "target"), ({"inputs": (np.nan, 0.0)}, "finite"),
        ({"weights": {"x1_h1": 1.0}}, "x2_h1"),
    ],
)  # fmt: skip
def test_passes_that_cannot_be_are_refused(change, word):
    given = {"weights": dict.fromkeys(backpropagation.WEIGHTS, 0.5), "inputs": (1.0, 0.0), "target": 1.0} | change
    with pytest.raises(ValueError, match=word):
        backpropagation.passes(**given)


# Confusion matrix -------------------------------------------------------------------------------------------------------


@given(pairs=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40))
def test_matrix_and_measures_are_scikit_learns(pairs):
    predicted, actual = np.array(pairs).T
    matrix = confusion.confusion_matrix(predicted, actual)
    theirs = metrics.confusion_matrix(actual, predicted, labels=[True, False])
    np.testing.assert_array_equal(matrix, theirs.T)
    ours = confusion.measures(matrix)
    unknown = {"zero_division": np.nan}
    expected = {
        "accuracy": metrics.accuracy_score(actual, predicted),
        "precision": metrics.precision_score(actual, predicted, **unknown),
        "recall": metrics.recall_score(actual, predicted, **unknown),
        "specificity": metrics.recall_score(~actual, ~predicted, **unknown),
    }
    np.testing.assert_allclose(list(ours.values()), list(expected.values()))


@pytest.mark.parametrize(("predicted", "actual"), [([1], [1, 0]), ([2], [1]), ([[1]], [[1]])])
def test_labels_that_are_none_are_refused(predicted, actual):
    with pytest.raises(ValueError, match="predicted"):
        confusion.confusion_matrix(predicted, actual)


# One hidden layer -------------------------------------------------------------------------------------------------------


def last(task, **settings):
    *_, record = fitting.learn(task, **settings)
    return record


def test_the_contributions_of_the_units_add_up_to_the_curve():
    record = last("wave", epochs=20, activation="relu")
    gaps = record.prediction[::2] - record.units.sum(axis=0)
    np.testing.assert_allclose(gaps, gaps[0], atol=1e-5)  # the bias of the output


def test_relu_units_make_straight_pieces_with_one_bend_each():
    record = last("wave", units=4, activation="relu", epochs=100)
    bends = np.abs(np.diff(record.prediction, 2)) > 1e-4
    assert 1 <= sum(1 for bent, group in itertools.groupby(bends) if bent) <= 4


def test_more_units_approximate_better_but_parabolas_do_not_add_up_to_more():
    clean = {"noise": 0.0, "samples": 200, "epochs": 400, "learning_rate": 0.02}
    few, many = (last("bumps", units=units, **clean).metrics["validation_loss"] for units in (3, 40))
    assert many < 0.3 * few
    squares = [last("wave", units=units, activation="square", **clean).metrics["validation_loss"] for units in (3, 40)]
    assert min(squares) > 0.3  # the best parabola misses sin 3x by more than that


OVERFITTING = {"units": 60, "activation": "relu", "noise": 0.35, "samples": 80, "epochs": 250}


def test_a_large_layer_overfits_few_samples_and_each_cure_helps():
    def validation(**cure):
        return last("wavy border", **OVERFITTING | cure).metrics["validation_loss"]

    without = validation()
    records = list(fitting.learn("wavy border", **OVERFITTING))
    assert records[-1].metrics["train_loss"] < 0.05
    assert without > 1.8 * min(record.metrics["validation_loss"] for record in records)
    cures = ({"patience": 20}, {"l2_strength": 0.01}, {"l1_strength": 0.003}, {"jitter": 0.3}, {"dropout": 0.5})
    for cure in cures:
        assert validation(**cure) < 0.85 * without, cure


def test_stopping_early_ends_the_run_and_keeps_the_last_record():
    records = list(fitting.learn("wavy border", **OVERFITTING | {"patience": 10}))
    assert records[-1].epoch < 250
    best = min(records, key=lambda record: record.metrics["validation_loss"])
    assert best.epoch <= records[-1].epoch


def test_penalties_are_sums_over_the_weights_without_biases():
    model = fitting.network(2, 5, 2)
    weights = np.concatenate([model[0].weight.detach().numpy().ravel(), model[-1].weight.detach().numpy().ravel()])
    expected = 0.3 * np.abs(weights).sum() + 0.7 * (weights**2).sum() / 2
    assert fitting.penalty(model, (0.3, 0.7)).item() == pytest.approx(expected, rel=1e-5)


def test_the_l1_penalty_drives_more_weights_to_zero_than_the_l2_penalty():
    def small(**strength):
        units = last("wavy border", **OVERFITTING | strength).units[:, :2]
        return (np.abs(units).max(axis=1) < 0.01).sum()

    assert small(l1_strength=0.01) > small(l2_strength=0.01) + 10


def test_a_run_repeats_itself_whatever_others_draw_and_can_be_saved(tmp_path):
    def run():
        torch.rand(3)
        return list(fitting.learn("disc", epochs=3, dropout=0.3, jitter=0.1))

    before = torch.random.get_rng_state()
    first, again = run(), run()
    assert [record.metrics for record in first] == [record.metrics for record in again]
    torch.random.set_rng_state(before)
    recordings.save(tmp_path / "run.npz", first, settings={}, title="layer")
    loaded = recordings.load(tmp_path / "run.npz", record=fitting.Fitted).records
    np.testing.assert_array_equal(loaded[-1].confusion, first[-1].confusion)


def test_the_confusion_matrix_is_that_of_the_validation_part():
    record = last("disc", epochs=30)
    measured = confusion.measures(record.confusion)
    assert record.confusion.sum() == fitting.VALIDATION
    assert measured["accuracy"] == pytest.approx(record.metrics["validation_accuracy"], abs=1e-6)


def test_a_diverging_run_ends():
    records = list(fitting.learn("wave", activation="square", learning_rate=1e8, epochs=200))
    assert records[-1].diverged and records[-1].epoch < 200


@pytest.mark.parametrize(
    "change",
    [
        {"task": "spiral"}, {"activation": "step"}, {"units": 0}, {"samples": 1}, {"dropout": 1.0}, {"learning_rate": 0},
        {"jitter": -1}, {"l1_strength": -1}, {"patience": -1}, {"epochs": np.inf},
    ],
)  # fmt: skip
def test_fits_that_cannot_be_are_refused(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        fitting.learn(**{"task": "wave"} | change)
