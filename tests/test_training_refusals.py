"""Settings of a run that cannot work, and the message of each."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import StepLR
from training_cases import begin, data, network, same

from toolkit import training
from toolkit.training import EarlyStopping

LOSS = nn.CrossEntropyLoss()
VALUE, TYPE = ValueError, TypeError


def other_optimizer():
    return torch.optim.SGD(network().parameters(), lr=0.1)


def split(train=None, validation=None):
    return SimpleNamespace(train=data().train if train is None else train, validation=validation or data().validation)


BAD = [
    ({"model": lambda inputs: inputs}, TYPE, "model must be a torch.nn.Module, got function"),
    ({"loss": "mse"}, TYPE, "loss must be a function of outputs and targets, got 'mse'"),
    ({"optimizer": "adam"}, TYPE, "optimizer must be a torch.optim.Optimizer, got str"),
    ({"optimizer": other_optimizer()}, VALUE, "optimizer: holds parameters that are not the model's"),
    ({"epochs": -1}, VALUE, "epochs must be a whole number, 0 or more, got -1"),
    ({"epochs": 2.5}, VALUE, "epochs must be .* got 2.5"),
    ({"epochs": "3"}, VALUE, "epochs must be .* got '3'"),
    ({"epochs": math.nan}, VALUE, "epochs must be .* got nan"),
    ({"epochs": math.inf}, VALUE, "epochs must be .* got inf"),
    ({"batch_size": 0}, VALUE, "batch_size must be a whole number, 1 or more, got 0"),
    ({"batch_size": True}, VALUE, "batch_size must be .* got True"),
    ({"every": 0}, VALUE, "every must be a whole number, 1 or more, got 0"),
    ({"seed": -1}, VALUE, "seed must be a whole number, 0 or more, got -1"),
    ({"seed": None}, VALUE, "seed must be .* got None"),
    ({"precision": "fp16"}, VALUE, "precision must be one of .*'bf16'.* got 'fp16'"),
    ({"device": "abacus"}, VALUE, "device 'abacus' cannot be used here"),
    ({"metrics": ["f1"]}, VALUE, "metrics: 'f1' is not known; known names are .*'accuracy'"),
    ({"metrics": ["accuracy", training.accuracy]}, VALUE, "metrics: two are called 'accuracy'"),
    ({"augment": "flip"}, TYPE, "augment must be a function of inputs and generator, got 'flip'"),
    ({"order": "shuffled"}, TYPE, "order must be a function of targets, seed and epoch, got 'shuffled'"),
    ({"scheduler": 0.9}, TYPE, "scheduler must have a method 'step', got 0.9"),
    (
        {"scheduler": StepLR(other_optimizer(), 1)},
        VALUE,
        "scheduler: StepLR acts on another optimizer",
    ),
    ({"stopping": 3}, TYPE, "stopping must be a training.EarlyStopping, got 3"),
    (
        {"stopping": EarlyStopping(3, monitor="val_loss")},
        VALUE,
        "stopping: monitors 'val_loss', which this run does not measure",
    ),
    ({"stopping": EarlyStopping(3, monitor="validation_accuracy")}, VALUE, "it measures .*'validation_loss'"),
    ({"data": None}, TYPE, r"data.train must be a pair of tensors \(inputs, targets\), got NoneType"),
    ({"data": split(train=[1, 2])}, TYPE, "data.train must be a pair of tensors .* got list"),
    ({"data": split(train=(torch.zeros(3, 6), [0, 1, 2]))}, TYPE, "data.train must be a pair of tensors"),
    ({"data": split(train=(torch.zeros(3, 6), torch.zeros(2)))}, VALUE, "data.train has 3 inputs but 2 targets"),
    ({"data": split(validation=(torch.zeros(0, 6), torch.zeros(0)))}, VALUE, "data.validation is empty"),
    ({"checkpoint": 3}, TYPE, "int"),
]


@pytest.mark.parametrize(("bad", "error", "message"), BAD)
def test_settings_that_are_refused_before_anything_changes(bad, error, message):
    model = network()
    before, device = [weight.clone() for weight in model.parameters()], next(model.parameters()).device
    settings = {"loss": LOSS, "optimizer": torch.optim.SGD(model.parameters(), lr=0.1), "epochs": 1} | bad
    with pytest.raises(error, match=message):
        training.fit(settings.pop("model", model), settings.pop("data", data()), **settings)
    assert same(before, list(model.parameters()))
    assert next(model.parameters()).device == device


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"patience": 0}, "patience must be a whole number, 1 or more, got 0"),
        ({"patience": 1.5}, "patience must be .* got 1.5"),
        ({"patience": 3, "min_delta": -1e-5}, "min_delta must be a finite number, zero or more, got -1e-05"),
        ({"patience": 3, "min_delta": math.nan}, "min_delta must be .* got nan"),
    ],
)
def test_early_stopping_refuses(settings, message):
    with pytest.raises(ValueError, match=message):
        EarlyStopping(**settings)


def test_numpy_numbers_are_numbers():
    assert len(list(begin(epochs=np.int64(2), batch_size=np.int32(8), seed=np.uint8(3)))) == 3
