"""What cannot work is refused by name, before anything is built or trained."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from population_cases import CROSS_ENTROPY, begin, data, dense, lenet
from torch import nn

from toolkit import population

PLAIN = {"learning_rate": [0.2, 0.05, 0.1]}


def refuse(error, message, **arguments):
    built = []

    def build(seed):
        built.append(seed)
        return dense(seed)

    with pytest.raises(error, match=message):
        begin(build, **({"settings": PLAIN} | arguments))
    assert built == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "learning_rate is missing"),
        ({"mass": [1.0, 2.0]}, "learning_rate is missing"),
        ({"learning_rate": None}, "at least one must hold a value for each member"),
        ({"learning_rate": 0.1}, "at least one must hold a value for each member"),
        ({"learning_rate": []}, "learning_rate is empty"),
        ({"learning_rate": [0.1, None]}, "learning_rate of member 1 is missing"),
        (PLAIN | {"lr": [1, 2, 3]}, r"'lr' is not known with this optimizer; known are \('learning_rate', 'mass', 'friction'"),
        (PLAIN | {"momentum": [0, 0, 0]}, "'momentum' is not known with this optimizer"),
        (PLAIN | {"mass": [1.0, 2.0]}, "equal lengths, got learning_rate: 3, mass: 2"),
        (PLAIN | {"input_mask": [[0]]}, "equal lengths, got learning_rate: 3, input_mask: 1"),
        ({"learning_rate": [0.1, -1]}, "learning_rate of member 1 must be finite and above zero, got -1"),
        ({"learning_rate": [0.1, 0]}, "learning_rate of member 1 must be finite and above zero, got 0"),
        ({"learning_rate": [math.nan, 0.1]}, "learning_rate of member 0 must be finite and above zero, got nan"),
        ({"learning_rate": [0.1, math.inf]}, "learning_rate of member 1 must be finite"),
        (PLAIN | {"mass": np.array([1, 0, 1])}, "mass of member 1 must be finite and above zero, got 0"),
        (PLAIN | {"friction": [1, 1, -0.5]}, "friction of member 2 must be finite and zero or more, got -0.5"),
        (PLAIN | {"weight_decay": torch.tensor([0.0, -1.0, 0.0])}, "weight_decay of member 1 must be finite and zero or more"),
        (PLAIN | {"seed": [0, 1.5, 2]}, "seed of member 1 must be a whole number, 0 or more, got 1.5"),
        (PLAIN | {"seed": [0, 1, -2]}, "seed of member 2 must be a whole number, 0 or more, got -2"),
        (PLAIN | {"brake_at": [0.5, None, 0.5], "brake_factor": [2, 2, None]}, "member 2 has brake_at = 0.5 but no"),
        (PLAIN | {"brake_at": [0.5, -1, 0.5], "brake_factor": 2}, "brake_at of member 1 must be finite"),
        (PLAIN | {"brake_at": [0.5] * 3, "brake_factor": [2, 0, 2]}, "brake_factor of member 1 must be finite and above zero"),
        (PLAIN | {"brake_at": 0.5, "brake_factor": 2, "brake_kind": ["loss", "gain", None]}, "settings of member 1: kind must"),
        (PLAIN | {"brake_at": [2] * 3, "brake_factor": 2, "brake_kind": "fraction"}, "settings of member 0: goal of kind"),
        (PLAIN | {"brake_at": [2] * 3, "brake_factor": 2, "brake_setting": "mass"}, "settings of member 0: setting must be"),
    ],
)  # fmt: skip
def test_settings_that_cannot_work(settings, message):
    refuse(ValueError, message, settings=settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ([0.1, 0.2], "settings must map names to the values of the members, got list"),
        ({"learning_rate": [0.1, "fast"]}, "learning_rate of member 1 must be a number, got 'fast'"),
        (PLAIN | {"friction": [True, 1, 1]}, "friction of member 0 must be a number, got True"),
    ],
)
def test_settings_of_the_wrong_type(settings, message):
    refuse(TypeError, message, settings=settings)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"optimizer": "rmsprop"}, r"optimizer must be one of \('port-hamiltonian', 'sgd', 'adam'\), got 'rmsprop'"),
        ({"friction_scheme": "verlet"}, "friction_scheme must be one of"),
        ({"friction_scheme": "euler", "settings": PLAIN | {"friction": [1, 1, 20]}}, "settings of member 2: lr .* below 2"),
        (
            {"friction_scheme": "euler", "settings": PLAIN | {"brake_at": [None, None, 1.0], "brake_factor": 99}},
            "settings of member 2: lr .* below 2",
        ),
        ({"optimizer": "sgd", "settings": PLAIN | {"brake_at": [1, 1, 1], "brake_factor": 2}}, "SGD has no friction to brake"),
        ({"optimizer": "adam", "settings": PLAIN | {"momentum": [0, 0, 0]}}, "'momentum' is not known"),
        ({"optimizer": "sgd", "settings": PLAIN | {"friction": [0, 0, 0]}}, "'friction' is not known"),
        ({"epochs": -1}, "epochs must be a whole number, 0 or more, got -1"),
        ({"batch_size": 0}, "batch_size must be a whole number, 1 or more, got 0"),
        ({"every": 0}, "every must be a whole number, 1 or more, got 0"),
        ({"seed": -1}, "seed must be a whole number, 0 or more, got -1"),
        ({"metrics": ["accurracy"]}, "metrics: 'accurracy' is not known"),
        ({"members_per_chunk": 0}, "members_per_chunk must be a whole number, 1 or more, got 0"),
        ({"members_per_chunk": "all"}, "members_per_chunk must be a whole number, 1 or more, got 'all'"),
        ({"strategy": "fast"}, r"strategy must be one of \('auto', 'layers', 'vmap', 'sequential'\), got 'fast'"),
        ({"device": "abacus"}, "device 'abacus' cannot be used here"),
    ],
)
def test_arguments_that_cannot_work(arguments, message):
    refuse(ValueError, message, **arguments)


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        ([[True] * 5, [0], [0]], r"input_mask of member 0 must hold 6 bools, got shape \(5,\)"),
        ([[0], [6], [0]], r"input_mask of member 1 must name inputs 0 .. 5, got \[6\]"),
        ([[0], [1], [-1]], r"input_mask of member 2 must name inputs 0 .. 5, got \[-1\]"),
        ([[0], [1.5], [0]], "input_mask of member 1 must hold bools or numbers of inputs"),
        ([0, 1, 2], "input_mask of member 0 must hold bools or numbers of inputs, got 0"),
        ([[0], ["a"], [1]], "input_mask of member 1 must hold bools or numbers of inputs"),
    ],
)
def test_masks_that_fit_no_input(masks, message):
    with pytest.raises(ValueError, match=message):
        begin(settings=PLAIN | {"input_mask": masks})


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (dense(0), TypeError, "build must be a function from a seed to a network, got Sequential"),
        (3, TypeError, "build must be a function from a seed to a network, got 3"),
        (lambda seed: None, TypeError, "build must give a torch.nn.Module, for member 0 it gave NoneType"),
        (lambda seed: nn.Linear(6, 3 + seed).double(), ValueError, "that of member 1 differs from that of member 0"),
        (lambda seed: nn.Linear(6, 3).to([torch.float32, torch.float64][seed % 2]), ValueError, "that of member 1 differs"),
        (lambda seed, model=dense(0): model, ValueError, "build must give a new network each time"),  # noqa: B008
    ],
)
def test_networks_that_do_not_go_together(build, error, message):
    with pytest.raises(error, match=message):
        begin(build, settings=PLAIN | {"seed": [0, 1, 2]})


@pytest.mark.parametrize(
    ("network", "way", "message"),
    [
        (
            lambda seed: nn.Sequential(dense(seed), nn.Dropout(0.1)),
            "layers",
            "'layers' is not possible, the network draws random",
        ),
        (
            lambda seed: nn.Sequential(dense(seed), nn.BatchNorm1d(3)).double(),
            "vmap",
            "'vmap' is not possible, the network has buff",
        ),
    ],
)
def test_a_way_that_the_network_does_not_allow(network, way, message):
    with pytest.raises(ValueError, match=message):
        begin(network, settings=PLAIN, strategy=way)


def test_data_and_loss_that_fit_cannot_take():
    empty = SimpleNamespace(**(vars(data()) | {"validation": (torch.empty(0, 6), torch.empty(0))}))
    with pytest.raises(ValueError, match="data.validation is empty"):
        begin(settings=PLAIN, data=empty)
    with pytest.raises(TypeError, match="data.train must be a pair"):
        begin(settings=PLAIN, data=SimpleNamespace())
    with pytest.raises(TypeError, match="loss must be a function"):
        begin(settings=PLAIN, loss="cross entropy")


@pytest.mark.parametrize("way", ["layers", "sequential"])
def test_members_that_are_not_there(way):
    run = begin(settings=PLAIN, strategy=way)
    for k in (3, -1, 1.5, "best"):
        with pytest.raises(ValueError, match="k must be a member 0 .. 2, got"):
            run.model(k)
    next(run)
    with pytest.raises(ValueError, match="member 1 has no best weights yet"):
        run.model(1, best=True)


def test_a_network_that_does_not_take_the_data():
    with pytest.raises(RuntimeError):
        begin(lenet, settings=PLAIN)


def test_the_refused_arguments_have_admitted_counterparts():
    """The refusals above must not come from what the tests have in common."""
    run = population.fit(dense, data(), settings=PLAIN, loss=CROSS_ENTROPY, epochs=1, device="cpu")
    assert len(list(run)) == 2
