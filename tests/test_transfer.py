"""Tortuosity from a frozen encoder: what changes and what must not, errors by hand, the paired test, refusals."""

import numpy as np
import pytest
import torch
from scipy import stats
from torch.nn import functional

from toolkit import training
from toolkit.microstructure.autoencoder import VAE, latent_means
from toolkit.microstructure.structures import random_recipes, shares
from toolkit.microstructure.transfer import L2, STRATEGIES, Outcome, TortuosityRegressor, compare, paired

N, TRAIN = 24, 16
SETTINGS = {"repeats": 2, "train": TRAIN, "epochs": 3, "batch_size": 8}


@pytest.fixture(scope="module")
def model():
    return VAE(16, latent=4, hidden=16, share=0.1, seed=0)


@pytest.fixture(scope="module")
def volumes():
    return shares(random_recipes(N, points=(4, 12), radius=9.0), size=16)


@pytest.fixture(scope="module")
def targets(volumes):
    return 1 + 3 * volumes.float().flatten(1).mean(1) / 255


def test_the_regressor_is_the_encoder_and_two_dense_layers(model, volumes):
    regressor = TortuosityRegressor(model, frozen=True, seed=1)
    means = latent_means(model, volumes)
    torch.testing.assert_close(regressor.latents(volumes.float() / 255), means)
    shapes = [tuple(weight.shape) for weight in regressor.head.parameters()]
    assert shapes == [(64, 4), (64,), (64, 64), (64,), (1, 64), (1,)]
    hidden = means
    for layer in regressor.head[:-1:2]:
        hidden = functional.relu(hidden @ layer.weight.T + layer.bias)
    by_hand = hidden @ regressor.head[-1].weight[0] + regressor.head[-1].bias
    torch.testing.assert_close(regressor(volumes.float() / 255), by_hand)


def test_the_first_weights_are_xaviers_and_depend_on_the_seed(model):
    one, two = (TortuosityRegressor(model, frozen=True, seed=seed).head[2].weight for seed in (0, 1))
    bound = (6 / 128) ** 0.5
    assert one.abs().max() <= bound and one.std().item() == pytest.approx(bound / 3**0.5, rel=0.05)
    assert not torch.equal(one, two)


@pytest.mark.parametrize("frozen", [True, False])
def test_a_frozen_encoder_has_no_gradients_and_the_model_shares_no_weight(model, volumes, frozen):
    regressor = TortuosityRegressor(model, frozen=frozen)
    regressor(volumes[:2].float() / 255).sum().backward()
    encoder = [*regressor.features.parameters(), *regressor.mean.parameters()]
    assert all((weight.grad is None) == frozen for weight in encoder)
    ours = {weight.data_ptr() for weight in model.parameters()}
    assert not ours & {weight.data_ptr() for weight in regressor.parameters()}


def test_the_encoder_is_bit_by_bit_what_it_was_and_that_from_scratch_is_not(model, volumes, targets):
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    outcomes = list(compare(model, volumes, targets, **SETTINGS))
    assert [(one.repeat, one.strategy) for one in outcomes] == [(repeat, name) for repeat in (0, 1) for name in STRATEGIES]
    assert all(one.unchanged == (one.strategy != "scratch") for one in outcomes)
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())


def test_latent_means_computed_once_change_nothing(model, volumes, targets):
    """The whole network with a frozen encoder, trained on volumes by hand."""
    outcome = next(compare(model, volumes, targets, **SETTINGS | {"repeats": [3]}))
    order = training.shuffled(N, seed=3, epoch=0)
    known, unknown = order[:TRAIN], order[TRAIN:]
    centre, spread = targets[known].mean(), targets[known].std()
    goals, inputs = (targets - centre) / spread, volumes.float() / 255
    regressor = TortuosityRegressor(model, frozen=True, seed=3)
    dense = [weight for name, weight in regressor.head.named_parameters() if name.endswith("weight")]
    biases = [weight for name, weight in regressor.head.named_parameters() if name.endswith("bias")]
    optimizer = torch.optim.Adam([{"params": dense}, {"params": biases}], lr=1e-3)
    for epoch in range(3):
        for rows in known[training.shuffled(TRAIN, seed=3, epoch=epoch)].split(8):
            loss = functional.mse_loss(regressor(inputs[rows]), goals[rows]) + L2 * sum(w.square().sum() for w in dense)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        squares = ((regressor(inputs) - goals) * spread).square()
    assert outcome.test_error == pytest.approx(squares[unknown].mean().item(), rel=1e-3)
    assert outcome.train_error == pytest.approx(squares[known].mean().item(), rel=1e-3)


def test_the_mean_predicts_the_mean(model, volumes, targets):
    for one in compare(model, volumes, targets, strategies=["mean"], **SETTINGS):
        order = training.shuffled(N, seed=one.repeat, epoch=0)
        centre = targets[order[:TRAIN]].mean()
        assert one.test_error == pytest.approx((targets[order[TRAIN:]] - centre).square().mean().item(), rel=1e-4)


def test_a_property_that_the_latents_hold_is_learned(model, volumes):
    means = latent_means(model, volumes)
    targets = means[:, 0] / means[:, 0].std()
    settings = SETTINGS | {"epochs": 150, "learning_rate": 3e-3, "repeats": 1, "strategies": ["transfer", "mean"]}
    learned, constant = compare(model, volumes, targets, **settings)
    assert learned.train_error < 0.1 * constant.train_error and learned.test_error < 0.6 * constant.test_error


def test_the_same_call_gives_the_same_numbers(model, volumes, targets):
    one, two = (list(compare(model, volumes, targets, **SETTINGS)) for _ in range(2))
    assert one == two
    assert list(compare(model, volumes, targets, **SETTINGS | {"repeats": [1]})) == one[len(STRATEGIES) :]


def outcomes(first, second):
    pairs = zip(first, second, strict=True)
    return [
        Outcome(name, repeat, 2 * error, error, True)
        for repeat, pair in enumerate(pairs)
        for name, error in zip(("transfer", "scratch"), pair, strict=True)
    ]


def test_the_paired_test_is_that_of_scipy():
    random = np.random.default_rng(0)
    first = random.uniform(1, 2, 20)
    second = first + random.normal(0.1, 0.1, 20)
    row = paired(outcomes(first, second))
    assert row["difference"] == pytest.approx((second - first).mean()) and row["n"] == 20
    assert row["p of t"] == pytest.approx(stats.ttest_rel(second, first).pvalue)
    assert row["p of ranks"] == pytest.approx(stats.wilcoxon(second, first).pvalue)
    assert row["low"] < row["difference"] < row["high"] and row["better in"] == (first < second).sum()
    assert paired(outcomes(first, second), on="train")["transfer mean"] == pytest.approx(2 * first.mean())
    swapped = paired(outcomes(first, second), "scratch", "transfer")
    assert swapped["difference"] == pytest.approx(-row["difference"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"targets": torch.ones(N - 1)}, "one number for each of 24"),
        ({"targets": torch.full((N,), torch.inf)}, "structure 0 has inf"),
        ({"strategies": ["luck"]}, "strategies"),
        ({"strategies": []}, "strategies"),
        ({"train": N}, "train"),
        ({"train": 1}, "train"),
        ({"volumes": torch.zeros(N, 1, 32, 32, 32)}, "shape"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_any_work(model, volumes, targets, change, words):
    arguments = {"volumes": volumes, "targets": targets} | SETTINGS | change
    with pytest.raises(ValueError, match=words):
        compare(model, **arguments)


def test_repeats_that_do_not_pair_are_refused():
    with pytest.raises(ValueError, match="same repeats"):
        paired(outcomes([1.0, 2.0], [2.0, 3.0])[:-1])
    with pytest.raises(ValueError, match="two or more"):
        paired(outcomes([1.0], [2.0]))
