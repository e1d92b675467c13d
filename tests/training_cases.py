"""A small classification problem that trains in milliseconds, and runs on it."""

from types import SimpleNamespace

import torch
from torch import nn

from toolkit import training
from toolkit.optim import GoalBrake, PortHamiltonian

SAMPLES, BATCH, STEPS = 50, 8, 7  # the seventh batch of an epoch has two samples

OPTIMIZERS = {
    "sgd": lambda weights: torch.optim.SGD(weights, lr=0.1, momentum=0.9),
    "adam": lambda weights: torch.optim.Adam(weights, lr=0.01),
    "port-hamiltonian": lambda weights: PortHamiltonian(weights, lr=0.2, friction=0.5),
}
SCHEDULERS = {
    "none": lambda optimizer: None,
    "step": lambda optimizer: torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5),
    "plateau": lambda optimizer: torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, threshold=0.3),
    "brake": lambda optimizer: GoalBrake(optimizer, goal=0.9, kind="fraction", factor=4, deadline=2, reaccelerate_after=1),
}


def normalise(inputs):
    return inputs.float().div(127.5).sub(1)


def data(samples=SAMPLES, seed=0):
    """Three noisy classes of six bytes each."""
    draw = torch.Generator().manual_seed(seed)
    targets = torch.randint(3, (samples + 20,), generator=draw)
    centres = torch.tensor([[60, 200, 90, 130, 60, 10], [140, 90, 120, 90, 160, 60], [200, 60, 60, 180, 200, 90]])
    inputs = (centres[targets] + 40 * torch.randn(samples + 20, 6, generator=draw)).clamp(0, 255).to(torch.uint8)
    return SimpleNamespace(
        train=(inputs[:samples], targets[:samples]), validation=(inputs[samples:], targets[samples:]), normalise=normalise
    )


def network(dropout=0.0, hidden=5):
    draw = torch.Generator().manual_seed(0)
    layers = nn.Sequential(nn.Linear(6, hidden), nn.Tanh(), nn.Dropout(dropout), nn.Linear(hidden, 3))
    with torch.no_grad():
        for weight in layers.parameters():
            weight.copy_(torch.randn(weight.shape, generator=draw) / 2)
    return layers


def begin(model=None, *, optimizer="sgd", scheduler="none", dropout=0.0, **settings):
    """A run on the small problem; optimizer and scheduler by the names above."""
    model = network(dropout) if model is None else model
    steered = OPTIMIZERS[optimizer](model.parameters())
    defaults = {"data": data(), "loss": nn.CrossEntropyLoss(), "epochs": 3, "batch_size": BATCH, "device": "cpu"}
    return training.fit(model, optimizer=steered, scheduler=SCHEDULERS[scheduler](steered), **(defaults | settings))


def numbers(records):
    """All of the records but the seconds."""
    return [(record.epoch, record.step, dict(record.metrics), record.diverged) for record in records]


def weights(run):
    return [weight.detach().clone() for weight in run.model.parameters()]


def same(first, second):
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
