"""Populations on small problems, and each member trained alone in the plainest way."""

from types import SimpleNamespace

import numpy as np
import torch
from torch import nn

from toolkit import networks, population, training
from toolkit.optim import GoalBrake, PortHamiltonian

SAMPLES, BATCH, STEPS = 50, 8, 7  # the seventh batch of an epoch has two samples
CROSS_ENTROPY = nn.CrossEntropyLoss()


def data(shape=(6,), dtype=torch.float64):
    """Three noisy classes, as integers that `normalise` turns into the network's input."""
    draw = torch.Generator().manual_seed(0)
    targets = torch.randint(3, (SAMPLES + 20,), generator=draw)
    centres = torch.randint(200, (3, *shape), generator=draw)
    noise = torch.randint(56, (SAMPLES + 20, *shape), generator=draw)
    inputs = (centres[targets] + noise).to(torch.uint8)
    return SimpleNamespace(
        train=(inputs[:SAMPLES], targets[:SAMPLES]),
        validation=(inputs[SAMPLES:], targets[SAMPLES:]),
        normalise=lambda batch: batch.to(dtype).div(127.5).sub(1),
    )


def regression(dtype=torch.float64):
    draw = torch.Generator().manual_seed(1)
    inputs = torch.randn(SAMPLES, 6, generator=draw, dtype=dtype)
    targets = inputs[:, :2].prod(1, keepdim=True)
    return SimpleNamespace(train=(inputs, targets), validation=(inputs[:20], targets[:20]), normalise=lambda batch: batch)


def dense(seed, dtype=torch.float64):
    return networks.dense(6, (5, 4), 3, activation="tanh", seed=seed).to(dtype)


def unbounded(seed, dtype=torch.float64):
    """A network for `regression` whose loss soon overflows at a large learning rate."""
    return networks.dense(6, (5,), 1, activation="linear", seed=seed).to(dtype)


def unbounded32(seed):
    return unbounded(seed, torch.float32)


def dense32(seed):
    return dense(seed, torch.float32)


def lenet(seed, dtype=torch.float64):
    return networks.lenet((1, 8, 8), 3, seed=seed).to(dtype)


def lenet32(seed):
    return lenet(seed, torch.float32)


class Residual(nn.Module):
    """A network that is no plain stack."""

    def __init__(self, seed):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.first, self.second, self.last = nn.Linear(6, 6).double(), nn.Linear(6, 6).double(), nn.Linear(6, 3).double()

    def forward(self, inputs):
        return self.last(inputs + self.second(self.first(inputs).relu()))


def begin(build=dense, **settings):
    defaults = {"data": data(), "loss": CROSS_ENTROPY, "epochs": 3, "batch_size": BATCH, "device": "cpu", "seed": 5}
    return population.fit(build, **(defaults | settings))


def member_of(settings, k):
    """The settings of member k, without what is missing."""
    own = {name: values if isinstance(values, float | int | str) else values[k] for name, values in settings.items()}
    return {name: value for name, value in own.items() if value is not None and not (np.ndim(value) == 0 and value != value)}


def optimizer_alone(name, weights, own, friction_scheme):
    lr, decay = own["learning_rate"], own.get("weight_decay", 0.0)
    if name == "sgd":
        return torch.optim.SGD(weights, lr=lr, momentum=own.get("momentum", 0.0), weight_decay=decay)
    if name == "adam":
        return torch.optim.Adam(weights, lr=lr, weight_decay=decay)
    mass, friction = own.get("mass", 1.0), own.get("friction", 1.0)
    return PortHamiltonian(weights, lr, mass=mass, friction=friction, friction_scheme=friction_scheme, weight_decay=decay)


def alone(k, build=dense, *, settings, optimizer="port-hamiltonian", friction_scheme="exponential", seed=5, **run):
    """Member k through `training.fit`."""
    own = member_of(settings, k)
    source = run.pop("data", data())
    if "input_mask" in own:
        mask = torch.zeros(source.train[0][0].numel(), dtype=torch.bool)
        mask[torch.as_tensor(own["input_mask"])] = True
        mask = mask.view(source.train[0].shape[1:])
        source = SimpleNamespace(
            **(vars(source) | {"normalise": lambda batch, unmasked=source.normalise: unmasked(batch) * mask})
        )
    model = build(own.get("seed", seed))
    steered = optimizer_alone(optimizer, model.parameters(), own, friction_scheme)
    brake = None
    if "brake_at" in own:
        kind, setting = own.get("brake_kind", "loss"), own.get("brake_setting", "friction")
        brake = GoalBrake(steered, goal=own["brake_at"], factor=own["brake_factor"], kind=kind, setting=setting)
    for name in ("strategy", "members_per_chunk"):
        run.pop(name, None)
    defaults = {"loss": CROSS_ENTROPY, "epochs": 3, "batch_size": BATCH, "device": "cpu"}
    return training.fit(model, source, optimizer=steered, scheduler=brake, seed=own.get("seed", seed), **(defaults | run))


def assert_members_equal_runs_alone(run, build=dense, *, tolerance=1e-10, **settings):
    """Run the population to its end; every number of every member is that of its own run."""
    list(run)
    for k in range(len(run.members)):
        expected = alone(k, build, **settings)
        list(expected)
        assert [(record.epoch, record.step) for record in run.records] == [(r.epoch, r.step) for r in expected.records]
        for record, own in zip(run.records, expected.records, strict=True):
            for name, value in own.metrics.items():
                np.testing.assert_allclose(
                    record.metrics[name][k], value, rtol=tolerance, atol=tolerance, err_msg=f"{k} {name}"
                )
            assert set(record.metrics) - set(own.metrics) <= {"braked"}
        assert run.best["epoch"][k] == expected.best["epoch"]
        np.testing.assert_allclose(run.best["validation_loss"][k], expected.best["validation_loss"], rtol=tolerance)
        assert_close_weights(run.model(k).state_dict(), expected.model.state_dict(), tolerance)
        assert_close_weights(run.model(k, best=True).state_dict(), expected.best["model"], tolerance)


def assert_close_weights(weights, expected, tolerance):
    assert list(weights) == list(expected)
    for name in weights:
        torch.testing.assert_close(weights[name], expected[name], rtol=tolerance, atol=tolerance)


def numbers(records):
    """All of the records but the seconds, as text, in which nan equals nan."""
    return [
        (r.epoch, r.step, r.diverged, {name: values.tolist().__repr__() for name, values in r.metrics.items()}) for r in records
    ]


def weights(run):
    return [run.model(k).state_dict() for k in range(len(run.members))]


def same_weights(first, second):
    return all(torch.equal(a[name], b[name]) for a, b in zip(first, second, strict=True) for name in a)
