"""The order in which a run takes its samples, and what evaluation does with large inputs."""

import pytest
import torch
from torch import nn
from training_cases import BATCH, SAMPLES, begin, same, weights

from toolkit import training
from toolkit.training import evaluation, shuffled


def test_a_run_in_a_given_order_equals_one_whose_shuffling_gives_it():
    def order(targets, *, seed, epoch):
        return shuffled(len(targets), seed=seed, epoch=epoch)

    given, plain = begin(order=order, seed=5), begin(seed=5)
    list(given), list(plain)
    assert same(weights(given), weights(plain))


def test_the_order_is_asked_for_once_per_epoch_with_the_targets_and_the_seed():
    asked = []

    def order(targets, *, seed, epoch):
        asked.append((len(targets), seed, epoch))
        return torch.arange(len(targets))

    list(begin(order=order, seed=5, epochs=3, every=1))
    assert asked == [(SAMPLES, 5, 0), (SAMPLES, 5, 1), (SAMPLES, 5, 2)]


def test_samples_may_come_twice_and_not_at_all():
    seen = []

    def loss(outputs, targets):
        seen.append(targets)
        return nn.functional.cross_entropy(outputs, targets)

    run = begin(order=lambda targets, *, seed, epoch: torch.full((len(targets),), 3), loss=loss, epochs=1)
    next(run), seen.clear(), next(run)
    assert all(bool((targets == run.train[1][3]).all()) for targets in seen[: SAMPLES // BATCH])


def test_a_run_resumed_inside_an_epoch_keeps_the_order():
    def backwards(targets, *, seed, epoch):
        return shuffled(len(targets), seed=seed, epoch=epoch).flip(0)

    first, whole = begin(order=backwards, every=2), begin(order=backwards, every=2)
    for _ in range(3):
        next(first)
    resumed = begin(order=backwards, every=2)
    resumed.load_state_dict(first.state_dict())
    list(resumed), list(whole)
    assert same(weights(resumed), weights(whole))


@pytest.mark.parametrize("rows", [torch.arange(SAMPLES - 1), torch.zeros(SAMPLES, 1, dtype=torch.int64)])
def test_an_order_of_another_length_is_refused(rows):
    run = begin(order=lambda targets, *, seed, epoch: rows)
    next(run)
    with pytest.raises(ValueError, match=f"order: must give one number for each of {SAMPLES} samples, gave shape"):
        next(run)


def test_outputs_are_those_of_the_model_in_evaluation_mode_and_its_mode_is_kept(monkeypatch):
    model, inputs = nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.5)), torch.randn(10, 3)
    expected = model.eval()(inputs)
    model.train()
    monkeypatch.setattr(evaluation, "MOST_NUMBERS", 7)  # two samples of three numbers at a time
    sizes = []
    model.register_forward_pre_hook(lambda module, given: sizes.append(len(given[0])))
    values = training.outputs(model, inputs, normalise=lambda batch: batch * 1)
    assert sizes == [2] * 5 and model.training and not values.requires_grad
    torch.testing.assert_close(values, expected)


def test_one_large_sample_is_a_batch_of_its_own(monkeypatch):
    monkeypatch.setattr(evaluation, "MOST_NUMBERS", 2)
    assert training.outputs(nn.Linear(3, 2), torch.randn(4, 3)).shape == (4, 2)
