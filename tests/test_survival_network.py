"""Training by the partial likelihood through `training.fit`: tables, images, batches with events, refusals."""

import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from toolkit import networks, training
from toolkit.datasets import survival
from toolkit.studies import survival_tables
from toolkit.survival import cox, metrics
from toolkit.survival.batches import event_stratified
from toolkit.survival.network import CoxLoss, CoxNetwork, concordance

REFERENCES = {  # test concordance of an independent Cox regression with Efron's ties on the training part
    "metabric": 0.632363, "support": 0.583074, "gbsg": 0.656291, "simulated_linear": 0.778274, "simulated_gaussian": 0.486842,
}  # fmt: skip


def bell(n=600, seed=0, share=0.7):
    """Subjects whose log hazard is a bell over two features, which no linear model finds."""
    random = np.random.default_rng(seed)
    x = random.uniform(-1, 1, (n, 2)).astype(np.float32)
    h = 4 * np.exp(-4 * (x**2).sum(1))
    time = random.exponential(np.exp(-h))
    seen = random.random(n) < share
    return survival.from_columns(x, np.where(seen, time, time * random.random(n)), seen, validation=0.2, test=0.3), h


def pictures(n=120, seed=0):
    """Grey images whose brightness is the log hazard."""
    random = np.random.default_rng(seed)
    brightness = random.integers(0, 200, n)
    x = (brightness[:, None, None] + random.integers(0, 50, (n, 16, 16))).astype(np.uint8)
    time = random.exponential(np.exp(-brightness / 40))
    return survival.from_columns(x, time, random.random(n) < 0.8, validation=0.25, test=0.25)


# References


@pytest.mark.parametrize("name", REFERENCES)
def test_a_linear_network_reaches_the_reference_concordance(name, data_folder):
    data = survival.load(name, validation=0)
    nobody = tuple(part[:0] for part in data.validation)  # the simulated tables have an official validation part
    model = survival_tables.linear(replace(data, validation=nobody))
    index = metrics.concordance_index(*data.test[1].unbind(1), model.log_hazard(data.test[0]))
    assert index == pytest.approx(REFERENCES[name], abs=0.005)


def test_a_network_finds_what_a_linear_one_cannot_and_the_paired_test_says_so():
    data, _ = bell()
    network = networks.dense(2, (32, 32), 1, activation="tanh", seed=0)
    deep = CoxNetwork(network, data)
    records = list(deep.fit(epochs=30, optimizer=torch.optim.Adam(network.parameters(), 1e-2)))
    flat = survival_tables.linear(data)
    time, event = data.test[1].unbind(1)
    predictions = [model.log_hazard(data.test[0]) for model in (deep, flat)]
    compared = metrics.paired_comparison(metrics.concordance_index, time, event, *predictions, resamples=200)
    assert compared.better == "first" and compared.p_value <= 0.02
    assert records[-1].metrics["validation_concordance"] > 0.6


def test_a_network_with_convolutions_learns_from_pictures():
    data = pictures()
    network = networks.vgg(data.input_shape, shrink=32, seed=0)
    model = CoxNetwork(network, data)
    run = model.fit(
        epochs=6, batch_size=10, optimizer=torch.optim.Adam(network.parameters(), 3e-3), loss=CoxLoss(reduction="events")
    )
    list(run)
    assert metrics.concordance_index(*data.test[1].unbind(1), model.log_hazard(data.test[0])) > 0.7


# The class and its loss


def test_curves_of_the_model_are_those_of_its_log_hazards():
    data, _ = bell(200)
    model = survival_tables.linear(data)
    times = [0.1, 0.5]
    train = model.data.train
    baseline = cox.baseline_hazard(*train[1].unbind(1), model.log_hazard(train[0]))
    expected = cox.survival_curves(model.log_hazard(data.test[0]), times, baseline=baseline)
    assert torch.equal(model.survival(data.test[0], times), expected)
    assert model.log_hazard(data.test[0]).shape == (len(data.test[0]),)


def test_the_loss_takes_time_and_event_from_the_first_two_columns():
    h, targets = torch.tensor([[0.3], [0.1], [0.2]]), torch.tensor([[1.0, 1, 9, 9], [2, 0, 9, 9], [3, 1, 9, 9]])
    assert CoxLoss()(h, targets) == cox.cox_loss(h, targets[:, 0], targets[:, 1])
    for reduction in cox.REDUCTIONS:
        loss = CoxLoss(ties="efron", reduction=reduction)(h, targets)
        assert loss == cox.cox_loss(h, targets[:, 0], targets[:, 1], ties="efron", reduction=reduction)


def test_the_strength_of_the_penalty_is_read_at_every_step():
    h, targets = torch.tensor([[0.5], [0.1]]), torch.tensor([[1.0, 1], [2, 1]])
    loss = CoxLoss(penalty=lambda h: h.sum().square() / len(h), strength=0.5)
    penalised = loss(h, targets)
    loss.strength = 0.0
    assert (penalised - loss(h, targets)).item() == pytest.approx(0.5 * 0.36 / 2)


def test_the_concordance_metric_is_nan_where_it_is_not_defined():
    assert math.isnan(concordance(torch.zeros(2, 1), torch.tensor([[1.0, 0], [2.0, 0]])))


def test_a_run_that_diverges_ends_with_a_record():
    data, _ = bell(100)
    network = networks.dense(2, (8,), 1, seed=0)
    run = CoxNetwork(network, data).fit(epochs=50, optimizer=torch.optim.SGD(network.parameters(), 1e30), metrics=())
    assert list(run)[-1].diverged


def test_a_resumed_run_goes_on_with_the_same_numbers(tmp_path):
    data, _ = bell(120)

    def begin(epochs, checkpoint=None):
        return CoxNetwork(networks.dense(2, (8,), 1, seed=0), data).fit(
            epochs=epochs, batch_size=16, stratified="always", checkpoint=checkpoint
        )

    list(begin(2, tmp_path / "run.npz"))
    resumed, whole = begin(4, tmp_path / "run.npz"), begin(4)
    list(resumed), list(whole)
    assert [dict(record.metrics) for record in resumed.records] == [dict(record.metrics) for record in whole.records]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda data: CoxNetwork("dense", data), TypeError, "network must be a torch.nn.Module, got str"),
        (
            lambda data: CoxNetwork(nn.Linear(2, 1), replace(data, train=(data.train[0], data.train[1][:, 0]))),
            ValueError,
            r"data.train: targets must have columns time and event, shape \(n, 2\)",
        ),
        (
            lambda data: CoxNetwork(
                nn.Linear(2, 1), replace(data, train=(data.train[0], data.train[1] * torch.tensor([1, 0])))
            ),
            ValueError,
            "data.train must hold at least one event, got none",
        ),
        (
            lambda data: CoxNetwork(nn.Linear(2, 1), replace(data, validation=tuple(part[:1] * 0 - 1 for part in data.train))),
            ValueError,
            "data.validation: time must be finite and not negative, got -1.0",
        ),
        (
            lambda data: CoxNetwork(nn.Linear(2, 1), replace(data, train=(data.train[0], data.train[1].clamp(min=2)))),
            ValueError,
            r"data.train: event must be 1 \(seen\) or 0 \(censored\), got 2.0 at position 0",
        ),
        (lambda data: CoxNetwork(nn.Linear(2, 1), data).fit(epochs=1, stratified="some"), ValueError, "stratified must be"),
        (lambda data: next(CoxNetwork(nn.Linear(2, 3), data).fit(epochs=1)), ValueError, "log_hazard must have one entry per"),
        (lambda data: CoxLoss(strength=-1.0), ValueError, "strength must be a finite number, 0 or more, got -1.0"),
        (lambda data: CoxLoss(ties="exact"), ValueError, "ties must be one of"),
    ],
)
def test_what_cannot_work_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call(bell(60)[0])


# Batches


def targets_with(events, n):
    targets = torch.zeros(n, 2)
    targets[torch.randperm(n, generator=torch.Generator().manual_seed(1))[:events], 1] = 1
    return targets


@pytest.mark.parametrize(("n", "events"), [(100, 14), (101, 50), (7, 7), (30, 0), (1, 1), (997, 3)])
@pytest.mark.parametrize("batch_size", [5, 8, 64])
def test_events_are_spread_evenly_and_everybody_comes_once(n, events, batch_size):
    targets = targets_with(events, n)
    order = event_stratified(targets, seed=0, epoch=2)
    assert sorted(order.tolist()) == list(range(n))
    counts = [int(targets[batch, 1].sum()) for batch in order.split(batch_size) if len(batch) == batch_size]
    share = events / n * batch_size
    assert all(math.floor(share) <= count <= math.ceil(share) for count in counts)


@pytest.mark.parametrize(("n", "events"), [(100, 14), (104, 1), (99, 3), (50, 50), (6, 1)])
@pytest.mark.parametrize("batch_size", [5, 1, 64])
def test_every_batch_has_an_event_where_that_is_asked_for(n, events, batch_size):
    targets = targets_with(events, n)
    order = event_stratified(targets, seed=3, epoch=0, batch_size=batch_size)
    assert order.shape == (n,)
    assert all(targets[batch, 1].sum() >= 1 for batch in order.split(batch_size))
    repeats = torch.bincount(order, minlength=n)
    assert (repeats[targets[:, 1] == 0] <= 1).all()
    seen = repeats[targets[:, 1] == 1]
    assert seen.max() - seen.min() <= 1


def test_the_order_depends_on_seed_and_epoch_alone():
    targets = targets_with(14, 100)
    first = event_stratified(targets, seed=0, epoch=0)
    assert torch.equal(first, event_stratified(targets, seed=0, epoch=0))
    assert not torch.equal(first, event_stratified(targets, seed=0, epoch=1))
    assert not torch.equal(first, event_stratified(targets, seed=1, epoch=0))


def test_stratified_batches_of_the_document_lose_fewer_steps():
    """14 % events in batches of 5 (Burghoff, Table 7.1): about half of the random batches have none."""
    targets, without = targets_with(140, 1000), {}
    for name, order in (
        ("random", training.shuffled(1000, seed=0, epoch=0)),
        ("spread", event_stratified(targets, seed=0, epoch=0)),
    ):
        without[name] = sum(float(targets[batch, 1].sum()) == 0 for batch in order.split(5)) / 200
    assert without["random"] == pytest.approx(0.86**5, abs=0.1)
    assert without["spread"] == pytest.approx(0.3, abs=0.01)


def test_training_batches_are_those_of_the_order():
    data, _ = bell(60, share=0.3)
    seen = []
    loss = CoxLoss()

    def watched(outputs, targets):
        seen.append(int(targets[:, 1].sum()))
        return loss(outputs, targets)

    order = partial(event_stratified, batch_size=4)
    network = networks.dense(2, (), 1, seed=0)
    optimizer = torch.optim.SGD(network.parameters(), 0.1)
    run = training.fit(network, data, loss=watched, optimizer=optimizer, epochs=1, batch_size=4, order=order, device="cpu")
    next(run), seen.clear(), next(run)
    expected = data.train[1][order(data.train[1], seed=0, epoch=0), 1]
    assert seen[:-1] == [int(batch.sum()) for batch in expected.split(4)]
    assert min(seen) >= 1


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (torch.zeros(4), r"targets must have columns time and event, shape \(n, 2\), got \(4,\)"),
        (torch.zeros(4, 2), "at least one event"),
    ],
)
def test_batches_that_cannot_be_are_refused(targets, message):
    with pytest.raises(ValueError, match=message):
        event_stratified(targets, seed=0, epoch=0, batch_size=2)
