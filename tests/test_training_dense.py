"""The step that is written out gives what autograd and `torch.optim.SGD` give, to the last bit, and else stands back."""

import copy
import itertools

import pytest
import torch
from torch import nn
from torch.nn import functional
from training_cases import data, numbers, same

from toolkit import datasets, training
from toolkit.training.dense import written_out


def network(*widths, flatten=False, activation=nn.ReLU, bias=True, seed=0):
    """Six numbers in, three classes out."""
    draw, modules = torch.Generator().manual_seed(seed), [nn.Flatten()] if flatten else []
    for first, second in itertools.pairwise((6, *widths, 3)):
        modules += [nn.Linear(first, second, bias=bias), activation()]
    model = nn.Sequential(*modules[:-1])
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(torch.randn(weight.shape, generator=draw) / 2)
    return model


def sgd(model, **settings):
    return torch.optim.SGD(model.parameters(), **({"lr": 0.1} | settings))


def run(model, *, written_out, **settings):
    defaults = {"data": data(), "loss": functional.cross_entropy, "epochs": 3, "batch_size": 8, "device": "cpu"}
    settings = defaults | {"optimizer": sgd(model)} | settings
    return training.fit(model, metrics=["accuracy"], written_out=written_out, **settings)


@pytest.mark.parametrize("widths", [(), (1,), (5,), (40, 7), (16, 16, 16, 16)])
@pytest.mark.parametrize("flatten", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_weights_and_records_are_those_of_autograd(widths, flatten, dtype):
    usual, quick = (network(*widths, flatten=flatten).to(dtype) for _ in range(2))
    given = data()
    given.normalise = lambda inputs: inputs.to(dtype).div(127.5).sub(1)
    expected = list(run(usual, written_out=False, data=given, every=2))
    before = copy.deepcopy(quick)
    found = run(quick, written_out=True, data=given, every=2)
    assert found._dense_step is not None
    assert numbers(list(found)) == numbers(expected)
    assert same(list(quick.parameters()), list(usual.parameters()))
    assert not same(list(quick.parameters()), list(before.parameters()))


def test_images_and_a_learning_rate_that_changes():
    digits = datasets.load("digits").subset(300)
    networks = [nn.Sequential(nn.Flatten(), nn.Linear(64, 12), nn.ReLU(), nn.Linear(12, 10)) for _ in range(2)]
    networks[1].load_state_dict(networks[0].state_dict())
    for model, quick in zip(networks, (False, True), strict=True):
        training_run = run(model, written_out=quick, data=digits, batch_size=16)
        for record in training_run:
            training_run.optimizer.param_groups[0]["lr"] = 0.1 / (1 + record.epoch)
    assert same(*(list(model.parameters()) for model in networks))


def test_an_ignored_class_counts_for_nothing():
    given, models = data(), [network(5), network(5)]
    given.train[1][::3] = -100
    for model, quick in zip(models, (False, True), strict=True):
        list(run(model, written_out=quick, data=given))
    assert same(*(list(model.parameters()) for model in models))


def shared():
    layer = nn.Linear(6, 6)
    return nn.Sequential(layer, nn.ReLU(), layer, nn.ReLU(), nn.Linear(6, 3))


def frozen():
    model = network(5)
    model[0].weight.requires_grad_(False)
    return model


def two_groups(model):
    return torch.optim.SGD([{"params": layer.parameters()} for layer in model if isinstance(layer, nn.Linear)], lr=0.1)


@pytest.mark.parametrize(
    "model",
    [
        network(5, activation=nn.Tanh), network(5, bias=False), shared(), frozen(), nn.Sequential(network(5)),
        nn.Sequential(*network(5), nn.ReLU()), nn.Sequential(nn.Linear(6, 5), nn.Linear(5, 3)), nn.Sequential(nn.Flatten()),
        nn.Sequential(nn.Flatten(0), *network(5)), nn.Sequential(*network(5)[:2], nn.Dropout(0.5), *network(5)[2:]),
    ],
)  # fmt: skip
def test_another_network_is_left_to_autograd(model):
    weights = list(model.parameters()) or [torch.zeros(1)]
    assert (
        written_out(model, functional.cross_entropy, torch.optim.SGD(weights, lr=0.1), torch.zeros(4, dtype=torch.int64))
        is None
    )


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda model: sgd(model, momentum=0.9), lambda model: sgd(model, weight_decay=1e-3), two_groups,
        lambda model: sgd(model, maximize=True), lambda model: sgd(model[0]),
        lambda model: torch.optim.Adam(model.parameters()),
    ],
)  # fmt: skip
def test_another_optimizer_is_left_to_autograd(optimizer):
    models = [network(5), network(5)]
    runs = [
        run(model, written_out=quick, optimizer=optimizer(model)) for model, quick in zip(models, (False, True), strict=True)
    ]
    assert runs[1]._dense_step is None
    assert numbers(list(runs[0])) == numbers(list(runs[1]))


def test_another_loss_or_kind_of_target_is_left_to_autograd():
    model = network(5)
    assert written_out(model, nn.CrossEntropyLoss(), sgd(model), torch.zeros(4, dtype=torch.int64)) is None
    assert written_out(model, functional.cross_entropy, sgd(model), torch.zeros(4, 3)) is None
    assert written_out(model, functional.cross_entropy, sgd(model), torch.zeros(4, dtype=torch.int64)) is not None


@pytest.mark.parametrize("setting", ["scheduler", "precision"])
def test_schedulers_and_bf16_are_left_to_autograd(setting):
    model = network(5)
    optimizer = sgd(model)
    more = {"scheduler": torch.optim.lr_scheduler.StepLR(optimizer, 1), "precision": "bf16"}
    assert run(model, written_out=True, optimizer=optimizer, **{setting: more[setting]})._dense_step is None
