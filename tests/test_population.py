"""Every member of a population is the run that it would be alone."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from population_cases import (
    BATCH,
    CROSS_ENTROPY,
    STEPS,
    Residual,
    alone,
    assert_members_equal_runs_alone,
    begin,
    data,
    dense,
    dense32,
    lenet,
    lenet32,
    numbers,
    regression,
    same_weights,
    unbounded,
    unbounded32,
    weights,
)
from torch import nn

from toolkit import datasets, networks, population, training
from toolkit.population import strategy

WAYS = ["layers", "vmap", "sequential"]
PLAIN = {"learning_rate": [0.2, 0.05, 0.1]}
VARIED = {
    "learning_rate": [0.3, 0.1, 0.2, 0.2, 0.05],
    "seed": [0, 1, 1, 2, 0],
    "weight_decay": [0.0, 0.1, 0.0, 0.02, 0.0],
    "input_mask": [range(6), [0, 2, 5], [True, False, True, True, False, True], [1], [0, 1, 2, 3, 4, 5]],
}
PHS = VARIED | {
    "mass": [1.0, 0.3, 0.5, 1.0, 0.2],
    "friction": [0.5, 2.0, 0.0, 1.0, 0.3],
    "brake_at": [1.0, math.nan, 1.05, None, 0.9],
    "brake_factor": [5.0, math.nan, 3.0, None, 2.0],
}

# One member is one run


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("optimizer", "settings"),
    [
        ({"optimizer": "sgd"}, VARIED | {"momentum": [0.0, 0.9, 0.5, 0.0, 0.3]}),
        ({"optimizer": "sgd"}, PLAIN | {"brake_at": [1.0] * 3, "brake_factor": [2, 3, 4], "brake_setting": "lr"}),
        ({"optimizer": "adam"}, VARIED | {"learning_rate": [0.01, 0.02, 0.005, 0.01, 0.1]}),
        ({"optimizer": "port-hamiltonian"}, PHS),
        ({"friction_scheme": "euler"}, PHS),
        ({"friction_scheme": "implicit"}, PHS),
    ],
    ids=["sgd", "sgd-decay", "adam", "exponential", "euler", "implicit"],
)
def test_dense_members_equal_their_runs_alone(way, optimizer, settings, device):
    case = optimizer | {"settings": settings, "every": 3, "metrics": ["accuracy"], "device": device}
    assert_members_equal_runs_alone(begin(strategy=way, **case), **case)


@pytest.mark.parametrize("way", WAYS)
def test_convolutional_members_equal_their_runs_alone(way, device):
    masks = [range(64), range(0, 64, 2), [True] * 32 + [False] * 32, range(5, 60), range(64)]
    case = {"settings": PHS | {"input_mask": masks}, "data": data((1, 8, 8)), "metrics": ["accuracy"], "device": device}
    assert_members_equal_runs_alone(begin(lenet, strategy=way, **case), lenet, **case)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("build", "shape"), [(dense32, (6,)), (lenet32, (1, 8, 8))])
def test_members_in_single_precision_equal_their_runs_up_to_rounding(way, build, shape, device):
    settings = {name: values for name, values in PHS.items() if name != "input_mask"}
    case = {"settings": settings, "data": data(shape, torch.float32), "metrics": ["accuracy"], "device": device}
    assert_members_equal_runs_alone(begin(build, strategy=way, **case), build, tolerance=1e-4, **case)


@pytest.mark.parametrize("way", ["vmap", "sequential"])
def test_a_network_that_is_no_stack_of_layers(way):
    assert_members_equal_runs_alone(begin(Residual, settings=PHS, strategy=way), Residual, settings=PHS)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ["loss", "reduction", "fraction", "overfitting"])
def test_every_member_has_a_goal_of_its_own(way, kind):
    goals = {
        "loss": [1.1, 0.9, 0.0001],
        "reduction": [0.05, 0.3, 0.99],
        "fraction": [0.95, 0.6, 0.01],
        "overfitting": [1, 2, 3],
    }
    settings = {"learning_rate": [0.3, 0.2, 0.2], "friction": [0.1, 0.2, 0.3], "brake_factor": 8.0, "brake_kind": kind}
    case = {"settings": settings | {"brake_at": goals[kind]}, "epochs": 8}
    run = begin(strategy=way, **case)
    assert_members_equal_runs_alone(run, **case)
    braked = np.stack([record.metrics["braked"] for record in run.records])
    assert kind == "overfitting" or len(np.unique(braked.sum(0))) > 1


@pytest.mark.parametrize("way", WAYS)
def test_regression_with_a_metric_of_ones_own(way):
    def largest_error(outputs, targets):
        return (outputs - targets).abs().max()

    def build(seed):
        return networks.dense(6, (5,), 1, activation="sigmoid", seed=seed).double()

    case = {"settings": PLAIN, "data": regression(), "loss": nn.functional.mse_loss, "metrics": largest_error}
    run = begin(build, strategy=way, **case)
    assert_members_equal_runs_alone(run, build, **case)
    assert "validation_largest_error" in run.records[-1].metrics


def test_a_metric_in_a_list_and_single_values_for_all_members():
    settings = {"learning_rate": 0.2, "friction": np.array([0.1, 0.5]), "mass": torch.tensor(0.5), "seed": np.array([3, 4])}
    plain = {"learning_rate": [0.2, 0.2], "friction": [0.1, 0.5], "mass": [0.5, 0.5], "seed": [3, 4]}
    assert_members_equal_runs_alone(begin(settings=settings, metrics=["accuracy"]), settings=plain, metrics=["accuracy"])


def test_a_data_set_of_the_toolkit(device):
    draw = torch.Generator().manual_seed(0)
    splits = [(torch.randint(256, (n, 1, 8, 8), generator=draw, dtype=torch.uint8), torch.arange(n) % 3) for n in (40, 20, 20)]
    made_up = datasets.Dataset(
        "toy", *splits, classes=("a", "b", "c"), source="made up", licence="none", units="grey", mean=(0.4,), std=(0.3,)
    )
    case = {"settings": PLAIN, "data": made_up, "device": device}
    for way in WAYS:
        assert_members_equal_runs_alone(begin(lenet32, strategy=way, **case), lenet32, tolerance=1e-4, **case)


@pytest.mark.parametrize("way", WAYS)
def test_shared_and_own_orders_of_the_samples(way):
    """Members of one seed see the same batches, members of different seeds do not."""
    settings = {"learning_rate": 0.1, "seed": [7, 8, 7]}
    run = begin(lambda seed: dense(0), settings=settings, strategy=way, every=1)
    list(run)
    losses = np.stack([record.metrics["batch_loss"] for record in run.records[1:]])
    assert (losses[:, 0] == losses[:, 2]).all()
    assert (losses[:, 0] != losses[:, 1]).all()


# Nothing depends on the company


@pytest.mark.parametrize("way", ["layers", "vmap"])
@pytest.mark.parametrize("build", [dense, lenet])
def test_chunks_change_no_number(way, build):
    settings = {name: values for name, values in PHS.items() if name != "input_mask"}
    source = data((1, 8, 8)) if build is lenet else data()
    runs = [begin(build, settings=settings, data=source, strategy=way, members_per_chunk=size) for size in (1, 2, 3, 5, 99)]
    for run in runs:
        list(run)
        for record, first in zip(run.records, runs[0].records, strict=True):
            for name, values in record.metrics.items():
                np.testing.assert_allclose(values, first.metrics[name], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("way", WAYS)
def test_the_order_of_the_members_changes_no_number(way):
    order = [3, 0, 4, 2, 1]
    shuffled = {name: [values[k] for k in order] for name, values in PHS.items()}
    run, other = begin(settings=PHS, strategy=way), begin(settings=shuffled, strategy=way)
    for record, permuted in zip(run, other, strict=True):
        for name, values in record.metrics.items():
            np.testing.assert_allclose(values[order], permuted.metrics[name], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("build", "source", "loss"),
    [
        (unbounded, regression(), nn.functional.mse_loss),
        (unbounded32, regression(torch.float32), nn.functional.mse_loss),
        (lenet32, data((1, 8, 8), torch.float32), CROSS_ENTROPY),
    ],
)
def test_a_member_that_diverges_leaves_the_others_untouched(way, build, source, loss):
    tame, wild = {"learning_rate": [0.1, 0.2, 0.3]}, {"learning_rate": [0.1, 1e30, 0.3]}
    expected, run = (
        begin(build, settings=settings, strategy=way, data=source, loss=loss, every=2) for settings in (tame, wild)
    )
    list(expected), list(run)
    assert len(run.records) == len(expected.records)
    for record, own in zip(run.records, expected.records, strict=True):
        for name, values in record.metrics.items():
            assert (values[[0, 2]] == own.metrics[name][[0, 2]]).all()
    for k in (0, 2):
        assert same_weights([run.model(k).state_dict()], [expected.model(k).state_dict()])
    lost = np.array([np.isnan(record.metrics["learning_rate"][1]) for record in run.records])
    assert not lost[0] and lost[-1] and (np.diff(lost.astype(int)) >= 0).all()
    assert all(np.isnan(values[1]) for record in run.records[lost.argmax() :] for values in record.metrics.values())
    assert run.alive.tolist() == [True, False, True]
    assert not any(record.diverged for record in run.records)
    assert np.isnan(run.evaluate(source.validation)["loss"]).tolist() == [False, True, False]


@pytest.mark.parametrize("way", WAYS)
def test_a_member_diverges_at_the_record_at_which_it_would_alone(way):
    settings = {"learning_rate": [0.1, 1e4, 1e2, 1e30], "friction": 0.01}
    case = {"settings": settings, "every": 1, "epochs": 4, "data": regression(), "loss": nn.functional.mse_loss}
    run = begin(unbounded, strategy=way, **case)
    list(run)
    for k in range(4):
        ended = [record.step for record in alone(k, unbounded, **case) if record.diverged]
        lost = [record.step for record in run.records if np.isnan(record.metrics["learning_rate"][k])]
        assert lost[:1] == ended
    assert run.alive.tolist() == [True, False, False, False]


@pytest.mark.parametrize("way", WAYS)
def test_the_run_ends_when_all_members_have_diverged(way):
    case = {"data": regression(), "loss": nn.functional.mse_loss, "epochs": 50}
    run = begin(unbounded, settings={"learning_rate": [1e30, 1e35]}, strategy=way, **case)
    list(run)
    assert len(run.records) < 5
    assert [record.diverged for record in run.records] == [False] * (len(run.records) - 1) + [True]
    assert all(np.isnan(values).all() for values in run.records[-1].metrics.values())
    assert next(run, None) is None


def test_side_by_side_on_the_cores_changes_no_number(monkeypatch):
    runs = []
    for cores in (1, 3):
        monkeypatch.setattr(strategy, "cpu_count", lambda cores=cores: cores)
        runs.append(begin(lenet, settings=PLAIN, data=data((1, 8, 8)), strategy="sequential"))
        list(runs[-1])
    assert [run._work.workers for run in runs] == [1, 3]
    assert numbers(runs[0].records) == numbers(runs[1].records)
    assert same_weights(weights(runs[0]), weights(runs[1]))


def test_members_with_dropout_are_trained_one_after_the_other(monkeypatch):
    def build(seed):
        return nn.Sequential(dense(seed)[:3], nn.Dropout(0.4), dense(seed)[3:])

    monkeypatch.setattr(strategy, "cpu_count", lambda: 3)
    run = begin(build, settings=PHS)
    assert run.strategy == "sequential"
    assert run._work.workers == 1
    assert_members_equal_runs_alone(run, build, settings=PHS)


def test_running_statistics_and_frozen_weights_are_trained_alone():
    def build(seed):
        layers = dense(seed)
        layers[1].weight.requires_grad = False
        return nn.Sequential(layers, nn.BatchNorm1d(3).double())

    run = begin(build, settings=PHS)
    assert run.strategy == "sequential"
    assert_members_equal_runs_alone(run, build, settings=PHS)


# Which way is taken


def wide(seed):
    return networks.dense(6, (200, 200), 3, seed=seed)


@pytest.mark.parametrize(
    ("build", "shape", "members", "expected"),
    [
        (dense32, (6,), 3, "layers"),
        (dense32, (6,), 1, "sequential"),
        (wide, (6,), 3, "sequential"),
        (lenet32, (1, 8, 8), 3, "sequential"),
    ],
)
def test_the_way_that_was_measured_to_be_fastest_on_a_cpu(build, shape, members, expected):
    run = begin(build, settings={"learning_rate": [0.1] * members}, data=data(shape, torch.float32))
    assert run.strategy == expected


def test_a_dense_network_that_is_no_stack_goes_through_vmap():
    assert begin(Residual, settings=PLAIN).strategy == "vmap"


def test_an_accelerator_takes_everything_at_once():
    for network in (lenet32(0), wide(0)):
        assert strategy.worth_stacking(network, torch.device("cuda"))
        assert not strategy.worth_stacking(network, torch.device("cpu"))


def test_a_loss_that_cannot_be_vectorised_is_computed_member_by_member():
    def clipped(outputs, targets):
        value = CROSS_ENTROPY(outputs, targets)
        return value if value.item() < 2 else 2 + 0 * value

    run = begin(settings=PLAIN, loss=clipped)
    assert run.strategy == "sequential"
    assert_members_equal_runs_alone(run, settings=PLAIN, loss=clipped)


def test_memory_limits_the_members_at_a_time(monkeypatch):
    inputs = torch.zeros(4, 1, 28, 28)
    network = networks.lenet()
    fit = strategy.members_that_fit(network, inputs, batch_size=64, members=1000)
    assert 1 < fit < 1000
    assert strategy.members_that_fit(network, inputs, batch_size=64, members=3) == 3
    assert strategy.members_that_fit(network, inputs, batch_size=1024, members=1000) == pytest.approx(fit / 4, abs=1)
    monkeypatch.setattr(strategy, "CPU_BYTES", 1)
    assert strategy.members_that_fit(network, inputs, batch_size=64, members=1000) == 1
    run = begin(settings=PHS, strategy="layers")
    assert run._work.members_per_chunk == 1
    assert_members_equal_runs_alone(run, settings=PHS)


# During and after the run


@pytest.mark.parametrize("way", WAYS)
def test_settings_may_be_changed_between_records(way):
    run, expected = begin(settings=PLAIN, strategy=way, every=3), [alone(k, settings=PLAIN, every=3) for k in range(3)]
    for _ in range(4):
        next(run), [next(each) for each in expected]
    run.optimizers[1].param_groups[0]["friction"] = expected[1].optimizer.param_groups[0]["friction"] = 7.0
    for record in run:
        losses = [next(each).metrics["batch_loss"] for each in expected]
        np.testing.assert_allclose(record.metrics["batch_loss"], losses, rtol=1e-10)
        assert record.metrics["friction"].tolist() == [1.0, 7.0, 1.0]


@pytest.mark.parametrize("way", WAYS)
def test_a_person_may_brake_one_member(way):
    settings = PLAIN | {"brake_at": [1e-6, None, 1e-6], "brake_factor": 5}
    run = begin(settings=settings, strategy=way)
    next(run)
    assert run.brakes[1] is None
    run.brakes[2].brake()
    assert next(run).metrics["braked"].tolist() == [0, 0, 1]
    assert next(run).metrics["friction"].tolist() == [1, 1, 5]


@pytest.mark.parametrize("way", WAYS)
def test_a_setting_that_turns_unstable_is_refused_and_may_be_corrected(way):
    run = begin(settings=PLAIN, strategy=way, friction_scheme="euler")
    next(run)
    run.optimizers[0].param_groups[0]["friction"] = 100.0
    with pytest.raises(ValueError, match="must be below 2"):
        next(run)
    run.optimizers[0].param_groups[0]["friction"] = 1.0
    list(run)
    expected = begin(settings=PLAIN, strategy=way, friction_scheme="euler")
    list(expected)
    assert numbers(run.records) == numbers(expected.records)


@pytest.mark.parametrize("way", WAYS)
def test_evaluate_gives_what_training_evaluate_gives(way):
    source = data()
    run = begin(settings=PHS, strategy=way, metrics=["accuracy"], epochs=4)
    assert np.isnan(run.evaluate(source.validation, best=True)["loss"]).all()
    list(run)
    for best in (False, True):
        values = run.evaluate(source.train, best=best)
        assert list(values) == ["loss", "accuracy"]
        for k in (0, 3):
            mask = torch.zeros(6, dtype=torch.bool)
            mask[PHS["input_mask"][k]] = True
            expected = training.evaluate(
                run.model(k, best=best),
                source.train,
                metrics={"loss": CROSS_ENTROPY} | training.METRICS,
                normalise=lambda batch, mask=mask: source.normalise(batch) * mask,
            )
            assert {name: each[k] for name, each in values.items()} == pytest.approx(expected, rel=1e-12)
    validation = run.evaluate(source.validation)
    assert validation["loss"] == pytest.approx(run.records[-1].metrics["validation_loss"], rel=1e-12)
    assert run.evaluate(source.validation, best=True)["loss"] == pytest.approx(run.best["validation_loss"], rel=1e-12)


@pytest.mark.parametrize("way", WAYS)
def test_a_model_is_a_copy(way):
    run = begin(settings=PLAIN, strategy=way)
    next(run), next(run)
    for best in (False, True):
        with torch.no_grad():
            [weight.fill_(9.0) for weight in run.model(0, best=best).parameters()]
    assert_members_equal_runs_alone(run, settings=PLAIN)


def test_members_with_shared_weights_of_two_layers():
    def build(seed):
        layers = networks.dense(6, (6, 6), 3, activation="tanh", seed=seed).double()
        layers[3].weight = layers[1].weight
        return layers

    for way in WAYS:
        assert_members_equal_runs_alone(begin(build, settings=PHS, strategy=way), build, settings=PHS)


def test_a_record_holds_one_number_per_member():
    run = begin(settings=PHS, every=3, metrics=["accuracy"])
    records = list(run)
    assert [record.step for record in records[:5]] == [0, 3, 6, 7, 10]
    assert records[4].epoch == 10 / STEPS
    assert set(records[0].metrics) == {
        "learning_rate", "friction", "kinetic_energy", "braked", "train_loss", "validation_loss", "validation_accuracy"
    }  # fmt: skip
    assert set(records[1].metrics) == {"learning_rate", "friction", "kinetic_energy", "braked", "batch_loss"}
    for record in records:
        assert isinstance(record, training.Record)
        assert all(values.shape == (5,) and values.dtype == np.float64 for values in record.metrics.values())
    assert [record.seconds for record in records] == sorted(record.seconds for record in records)
    assert run.records == records


def test_no_epochs_give_the_initial_record_only():
    assert [record.step for record in begin(settings=PLAIN, epochs=0)] == [0]


@pytest.mark.parametrize("way", WAYS)
def test_a_closed_run_asks_no_further(way):
    run = begin(settings=PLAIN, strategy=way)
    next(run)
    run.close()
    assert list(run) == []
    assert len(run.records) == 1
    fresh = begin(settings=PLAIN, strategy=way)
    fresh.load_state_dict(run.state_dict())
    assert len(list(fresh)) == 3


@pytest.mark.parametrize("way", WAYS)
def test_the_callers_random_numbers_stay_as_they_are(way, monkeypatch):
    monkeypatch.setattr(strategy, "cpu_count", lambda: 2)

    def build(seed):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(6, 3).double())

    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    run = begin(build, settings=PLAIN, strategy=way)
    list(run)
    run.evaluate(data().validation)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("way", WAYS)
def test_the_same_seed_gives_the_same_numbers(way):
    first, second = (begin(settings=PHS, strategy=way) for _ in range(2))
    list(first), list(second)
    assert numbers(first.records) == numbers(second.records)
    other = begin(settings=PLAIN, strategy=way, seed=6)
    list(other)
    assert numbers(other.records) != numbers(begin(settings=PLAIN, strategy=way, seed=5))


def test_data_without_normalise_and_one_batch_for_all():
    source = regression()
    bare = SimpleNamespace(train=source.train, validation=source.validation)
    case = {"settings": PLAIN, "loss": nn.functional.mse_loss, "batch_size": 100}

    def build(seed):
        return networks.dense(6, (), 1, seed=seed).double()

    assert_members_equal_runs_alone(begin(build, data=bare, **case), build, data=source, **case)
    assert BATCH < len(source.train[0]) < 100


def test_strategies_are_listed():
    assert set(population.STRATEGIES) == {"auto", *WAYS}
