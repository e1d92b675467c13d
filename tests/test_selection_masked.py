"""Many small networks at once: each is the network it would be alone, whatever shares the computation."""

import numpy as np
import pytest
import torch
from selection_cases import ATOMS, FEATURES, arrays, small
from torch import nn

from toolkit import training
from toolkit.potential.selection import masked, stacked
from toolkit.potential.selection.scaling import scaled
from toolkit.potential.selection.stacked import ACTIVATIONS, Stack

LAYERS = {"tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "relu": nn.ReLU}


class Atomic(nn.Module):
    """The published way: one dense network for every atom, the mean of what it gives; and a linear part."""

    def __init__(self, stack, row):
        super().__init__()
        widths = [stack.features, *stack.hidden, 1]
        dense = [nn.Linear(*pair) for pair in zip(widths[:-1], widths[1:], strict=True)]
        parts = {name: part[0] for name, part in stack.parts(row[None]).items()}
        for number, layer in enumerate(dense):
            layer.weight.data, layer.bias.data = parts[f"weight {number}"].clone(), parts[f"bias {number}"].clone()
        layers = [each for layer in dense for each in (layer, LAYERS[stack.activation]())][:-1]
        self.network = nn.Sequential(*layers)
        self.skip = nn.Parameter(parts["skip"].clone()) if stack.skip else None

    def forward(self, descriptors):
        linear = 0 if self.skip is None else descriptors @ self.skip
        return (self.network(descriptors).squeeze(-1) + linear).mean(1)


@pytest.mark.parametrize("activation", list(ACTIVATIONS))
@pytest.mark.parametrize("hidden", [(4,), (5, 3), (4, 3, 2)])
@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("piece", [1, 1_000_000])
def test_losses_and_gradients_equal_autograd(activation, hidden, skip, piece, monkeypatch):
    monkeypatch.setattr(stacked, "PIECE_BYTES", piece)
    stack = Stack(FEATURES, hidden, activation, skip)
    weights = stack.initial([3, 4, 5])
    descriptors, energies = arrays(9)
    rows = torch.tensor([4, 0, 7, 2, 8])
    losses, gradient = stack.gradient(weights, descriptors, energies.float(), rows)
    outputs = stack.energies(weights, descriptors)
    for k, row in enumerate(weights):
        alone = Atomic(stack, row)
        torch.testing.assert_close(outputs[k], alone(descriptors), rtol=1e-4, atol=1e-5)
        loss = nn.functional.mse_loss(alone(descriptors[rows]), energies[rows].float())
        loss.backward()
        torch.testing.assert_close(losses[k], loss, rtol=1e-4, atol=1e-5)
        by_name = dict(alone.network.named_parameters())
        expected = [part.grad.flatten() for part in by_name.values()] + ([alone.skip.grad] if skip else [])
        torch.testing.assert_close(gradient[k], torch.cat(expected), rtol=1e-3, atol=1e-3)


def test_gradients_equal_differences_in_double_precision():
    stack = Stack(4, (3, 2), "tanh", skip=True)
    weights = stack.initial([0, 1]).double()
    descriptors, energies = arrays(5, features=4)
    descriptors, energies = descriptors.double(), energies / ATOMS
    _, gradient = stack.gradient(weights, descriptors, energies)
    step = 1e-6
    for column in range(stack.weights):
        moved = [weights.clone(), weights.clone()]
        moved[0][:, column] += step
        moved[1][:, column] -= step
        up, down = (stack.gradient(each, descriptors, energies)[0] for each in moved)
        torch.testing.assert_close(gradient[:, column], (up - down) / (2 * step), rtol=1e-6, atol=1e-8)


def test_a_member_equals_a_training_of_its_own_network():
    """Its functions only, in torch's autograd and Adam, with the loop of the toolkit."""
    data, mask = small(), [0, 1, 5]
    run = masked.fit(data, masks=[[3, 4], mask, range(FEATURES)], hidden=(4, 3), epochs=5, batch_size=16, schedule="constant")
    records = list(run)
    own = data.only(mask)
    whole = Stack(FEATURES, (4, 3)).parts(Stack(FEATURES, (4, 3)).initial([0], run.seen[1:2]))
    alone = Atomic(Stack(3, (4, 3)), Stack(3, (4, 3)).initial([0])[0])
    with torch.no_grad():
        layers = [layer for layer in alone.network if isinstance(layer, nn.Linear)]
        for number, layer in enumerate(layers):
            layer.weight.copy_(whole[f"weight {number}"][0][:, mask] if number == 0 else whole[f"weight {number}"][0])
            layer.bias.copy_(whole[f"bias {number}"][0])
    optimizer = torch.optim.Adam(alone.parameters(), 0.005)
    theirs = list(
        training.fit(alone, own, loss=nn.MSELoss(), optimizer=optimizer, epochs=5, batch_size=16, device="cpu")
    )  # the same order of the frames, as both take it from seed and epoch
    ours = [float(record.metrics["validation_loss"][1]) for record in records]
    np.testing.assert_allclose(ours, [record.metrics["validation_loss"] for record in theirs], rtol=1e-4)
    train = [float(record.metrics["train_loss"][1]) for record in records[1:]]
    np.testing.assert_allclose(train, [record.metrics["train_loss"] for record in theirs[1:]], rtol=1e-4)


def test_a_member_does_not_depend_on_its_company():
    masks = [[0, 1], [2, 3, 4], [5]]
    data = small()
    together = masked.fit(data, masks=masks, seeds=[0, 1, 2], epochs=4)
    list(together)
    for k, mask in enumerate(masks):
        alone = masked.fit(data, masks=[mask], seeds=k, epochs=4)
        list(alone)
        np.testing.assert_allclose(alone.rmse("test"), together.rmse("test")[k : k + 1], rtol=1e-4)


def test_what_a_member_does_not_see_has_no_influence():
    data = small()
    run = masked.fit(data, masks=[[0, 3], [1]], epochs=3)
    list(run)
    descriptors = data.test[0].clone()
    descriptors[..., 4:] = 1e6
    torch.testing.assert_close(
        run.stack.energies(run.weights, descriptors), run.stack.energies(run.weights, data.test[0]), rtol=0, atol=0
    )


def test_it_learns_and_keeps_the_best():
    data = small(140)
    run = masked.fit(data, masks=[[0, 1], [5, 6]], epochs=150, batch_size=32, learning_rate=0.02)
    records = list(run)
    losses = np.array([record.metrics["validation_loss"] for record in records])
    np.testing.assert_allclose(run.best["validation_loss"], losses.min(0))
    assert (run.best["epoch"] == losses.argmin(0)).all()
    np.testing.assert_allclose(run.losses("validation"), losses.min(0), rtol=1e-5)
    assert losses[-1, 0] < 0.1  # of the variance, with the two functions that carry the energy
    assert losses[-1, 1] > 0.5  # with two that do not
    assert len(records) == 151


def test_rmse_is_in_millielectronvolts_per_atom():
    data = small()
    run = masked.fit(data, epochs=1)
    list(run)
    errors = run.energies("test")[0] - (data.test[1].double().numpy() * data.unit + data.mean)
    np.testing.assert_allclose(run.rmse("test")[0], 1000 * np.sqrt((errors**2).mean()), rtol=1e-4)


def test_members_that_have_stopped_stay_as_they_are():
    data = small()
    run = masked.fit(data, masks=[[0], [0, 1]], epochs=60, patience=3, min_delta=0.02, learning_rate=0.02, schedule="constant")
    frozen = None
    for record in run:
        if frozen is None and not run.running.all():
            stopped = int(np.flatnonzero(~run.running)[0])
            frozen = run.weights[stopped].clone()
            assert np.isfinite(record.metrics["validation_loss"]).all()
    assert len(run.records) < 61
    torch.testing.assert_close(run.weights[stopped], frozen, rtol=0, atol=0)


def test_a_state_goes_on_with_the_same_numbers():
    data = small()
    whole = [record.metrics["validation_loss"].tolist() for record in masked.fit(data, masks=[[0], [1]], epochs=6)]
    first = masked.fit(data, masks=[[0], [1]], epochs=6)
    for _ in range(3):
        next(first)
    second = masked.fit(data, masks=[[0], [1]], epochs=6)
    second.load_state_dict(first.state_dict())
    list(second)
    assert [record.metrics["validation_loss"].tolist() for record in second.records] == whole
    with pytest.raises(ValueError, match="state: it was made with other members"):
        masked.fit(data, masks=[[0], [2]], epochs=6).load_state_dict(first.state_dict())


def test_members_with_one_seed_start_alike():
    stack = Stack(3, (2,))
    seen = torch.tensor([[True, True, False], [True, False, False]])
    parts = stack.parts(stack.initial([5, 5], seen))
    torch.testing.assert_close(parts["weight 0"][0, :, 0] * 2**0.5, parts["weight 0"][1, :, 0])
    torch.testing.assert_close(parts["weight 1"][0], parts["weight 1"][1])


def test_scaling():
    descriptors, energies = arrays(30)
    for scaling in ("standard", "min-max"):
        data = scaled((descriptors, energies), (descriptors, energies), scaling=scaling)
        assert data.dead.tolist() == [False] * (FEATURES - 1) + [True]
        assert not data.train[0][..., -1].any()
        torch.testing.assert_close((data.train[1].double() * data.unit + data.mean) * ATOMS, energies, rtol=1e-6, atol=1e-5)
    flat = data.train[0].flatten(0, 1)[:, :-1]
    torch.testing.assert_close((flat.amin(0), flat.amax(0)), (-torch.ones(FEATURES - 1), torch.ones(FEATURES - 1)))
    assert data.only([2, 5]).columns.tolist() == [2, 5]


def test_refusals():
    descriptors, energies = arrays(10)
    pair = descriptors, energies
    for message, make in {
        "scaling must be one of": lambda: scaled(pair, pair, scaling="none"),
        "train must be descriptors": lambda: scaled((descriptors[0], energies), pair),
        r"validation: frames of \(6, 4\)": lambda: scaled(pair, (descriptors[..., :4], energies)),
        "train: some values are not finite": lambda: scaled((descriptors / 0, energies), pair),
        "train: all energies are equal": lambda: scaled((descriptors, energies * 0), pair),
        "columns must be numbers": lambda: small().only([12]),
        "masks: member 0 must name functions 0 .. 11": lambda: masked.fit(small(), masks=[[12]]),
        "masks: member 0 sees no function": lambda: masked.fit(small(), masks=np.eye(2, 12, -1) > 0),
        "masks: a population has": lambda: masked.fit(small(), masks=[]),
        "seeds: 2 given for 3 masks": lambda: masked.fit(small(), masks=[[0]] * 3, seeds=[0, 1]),
        "schedule must be one of": lambda: masked.fit(small(), schedule="linear"),
        "learning_rate must be finite": lambda: masked.fit(small(), learning_rate=0.0),
        "patience must be a whole number": lambda: masked.fit(small(), patience=0),
        "activation must be one of": lambda: masked.fit(small(), activation="sine"),
        "hidden must be the units": lambda: masked.fit(small(), hidden=()),
    }.items():
        with pytest.raises(ValueError, match=message):
            make()
    with pytest.raises(TypeError, match="data must come from"):
        masked.fit(pair)
