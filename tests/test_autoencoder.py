"""The autoencoder of Table 4.3: its sizes, its two terms against closed forms, its training against a loop, refusals."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from toolkit import published, training
from toolkit.datasets import Dataset
from toolkit.microstructure.autoencoder import (
    VAE,
    NegativeBound,
    ToOneChannel,
    as_shares,
    decoded,
    divergence,
    gaussian_divergence,
    latent_means,
    reconstructed,
    reconstruction,
    reparameterised,
    training_memory,
)
from toolkit.training import shuffled

SAMPLES, BATCH, EPOCHS = 10, 4, 2


def blobs(n, size=16, seed=0):
    """Smooth random structures, uint8 with 255 for material, `(n, 1, s, s, s)`."""
    noise = torch.rand(n, 1, size, size, size, generator=torch.Generator().manual_seed(seed))
    return (functional.avg_pool3d(noise, 5, 1, 2) > 0.5).to(torch.uint8) * 255


def structures(n=SAMPLES, size=16):
    parts = [(blobs(count, size, seed), torch.zeros(count)) for seed, count in enumerate((n, 4, 4))]
    return Dataset("blobs", *parts, classes=None, source="here", licence="none", units="share of 255", simulated=True)


def small(seed=0, size=16):
    return VAE(size, latent=3, hidden=8, seed=seed)


# Table 4.3 -------------------------------------------------------------------------------------------------------------


def test_the_weights_of_table_4_3_layer_by_layer():
    printed = published.table("zhao_table_4_3_vae_architecture")["n_parameters_derived"]
    with torch.device("meta"):
        model = VAE(128)
    count = {name: 0 for name in ("features.0", "features.2", "features.4", "features.6", "features.9", "mean", "log_variance")}
    count |= {f"decoder.{number}": 0 for number in (0, 3, 5, 7, 9)}
    for name, weight in model.named_parameters():
        count[name.rpartition(".")[0]] += weight.numel()
    count["mean"] += count.pop("log_variance")  # one row of the table
    assert list(count.values()) == [number for number in printed if number]
    assert sum(count.values()) == 153_490_273


@pytest.mark.parametrize(("size", "weights"), [(32, 4_790_113), (64, 21_312_353), (128, 153_490_273)])
def test_the_weights_at_other_sizes(size, weights):
    """Flat maps of 128 (s/16)³ numbers: 2,048 weights and one of the decoder's 256 + 1 for each, the rest does not change."""
    with torch.device("meta"):
        model = VAE(size)
    flat = 128 * (size // 16) ** 3
    convolutions = 1_040 + 32_800 + 131_136 + 524_416 + 524_352 + 131_104 + 32_784 + 1_025
    expected = convolutions + (flat + 1) * 2048 + 1_049_088 + 257 * flat
    assert sum(weight.numel() for weight in model.parameters()) == expected == weights


def test_shapes_of_every_step_at_32():
    model, volumes = VAE(32, seed=0), blobs(2, 32).float() / 255
    mean, log_variance = model.encode(volumes)
    assert mean.shape == log_variance.shape == (2, 256)
    assert model.decode(mean).shape == volumes.shape
    assert model(volumes).shape == (2, 2)


def test_the_seed_of_the_weights_leaves_torchs_own_state_alone():
    before = torch.get_rng_state()
    one, two, other = small(5), small(5), small(6)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(one.mean.weight, two.mean.weight)
    assert not torch.equal(one.mean.weight, other.mean.weight)


def test_the_first_weights_carry_the_signal_to_the_latent_means_and_give_the_stated_share():
    """The spread of μ over structures is of the order of the spread of the voxels, and voxels have the share on average."""
    model = VAE(32, hidden=256, latent=64, share=0.1, seed=0)
    volumes = blobs(24, 32)
    assert 0.05 < latent_means(model, volumes).std(0).mean() < 20
    assert torch.sigmoid(model.decoder[-1].bias).item() == pytest.approx(0.1)


def test_the_last_layer_is_a_transposed_convolution():
    layer = ToOneChannel(5).double()
    plain = torch.nn.ConvTranspose3d(5, 1, 4, 2, 1).double()
    plain.load_state_dict(layer.state_dict())
    maps = [torch.randn(2, 5, 3, 3, 3, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    maps[1].data.copy_(maps[0].data)
    weights = torch.randn(2, 1, 6, 6, 6, dtype=torch.float64)
    for one, at in ((layer, maps[0]), (plain, maps[1])):
        (one(at) * weights).sum().backward()
    torch.testing.assert_close(layer(maps[0]), plain(maps[1]))
    torch.testing.assert_close(maps[0].grad, maps[1].grad)
    torch.testing.assert_close(layer.weight.grad, plain.weight.grad)
    torch.testing.assert_close(layer.bias.grad, plain.bias.grad)


# The bound -------------------------------------------------------------------------------------------------------------


@given(st.integers(0, 10_000), st.integers(1, 6))
def test_the_divergence_is_that_of_torchs_distributions(seed, latent):
    torch.manual_seed(seed)
    mean, log_variance = torch.randn(4, latent, dtype=torch.float64), torch.randn(4, latent, dtype=torch.float64)
    normal = torch.distributions.Normal
    terms = torch.distributions.kl_divergence(normal(mean, (0.5 * log_variance).exp()), normal(torch.zeros(1).double(), 1.0))
    ours = gaussian_divergence(mean, log_variance)
    torch.testing.assert_close(ours, terms.sum(1))
    assert (ours >= 0).all()


def test_the_divergence_is_zero_only_for_the_prior():
    assert gaussian_divergence(torch.zeros(1, 5), torch.zeros(1, 5)).item() == 0
    mean, log_variance = torch.tensor([[0.3]]), torch.tensor([[math.log(0.25)]])
    assert gaussian_divergence(mean, log_variance).item() == pytest.approx(0.5 * (0.09 + 0.25 - 1 - math.log(0.25)), rel=1e-6)


def test_the_divergence_keeps_its_digits_near_the_prior():
    """With exp(x) - 1 in float32 a log variance of 1e-5 would leave nothing of ¼ 1e-10."""
    value = gaussian_divergence(torch.zeros(1, 1), torch.full((1, 1), 1e-3)).item()
    assert value == pytest.approx(0.25e-6, rel=1e-2)


def test_gradients_pass_the_draw():
    mean = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    log_variance = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)

    def drawn(mean, log_variance):
        torch.manual_seed(1)
        return reparameterised(mean, log_variance)

    assert torch.autograd.gradcheck(drawn, (mean, log_variance))
    assert torch.autograd.gradcheck(gaussian_divergence, (mean, log_variance))
    torch.manual_seed(1)
    noise = torch.randn(2, 3, dtype=torch.float64)
    drawn(mean, log_variance).sum().backward()
    torch.testing.assert_close(mean.grad, torch.ones_like(mean))
    torch.testing.assert_close(log_variance.grad, 0.5 * (0.5 * log_variance.detach()).exp() * noise)


def test_draws_have_the_stated_mean_and_deviation():
    torch.manual_seed(0)
    draws = reparameterised(torch.full((20_000, 1), 2.0), torch.full((20_000, 1), math.log(0.09)))
    assert draws.mean().item() == pytest.approx(2.0, abs=4 * 0.3 / math.sqrt(20_000))
    assert draws.std().item() == pytest.approx(0.3, rel=0.03)


def test_the_cross_entropy_is_the_sum_over_voxels_and_the_loss_the_mean_over_the_batch():
    model, volumes = small(), blobs(3).float() / 255
    torch.manual_seed(2)
    terms = model(volumes)
    torch.manual_seed(2)
    mean, log_variance = model.encode(volumes)
    shares = model.decode(reparameterised(mean, log_variance)).sigmoid()
    by_hand = -(volumes * shares.log() + (1 - volumes) * (1 - shares).log()).sum((1, 2, 3, 4))
    torch.testing.assert_close(terms[:, 0], by_hand)
    torch.testing.assert_close(terms[:, 1], gaussian_divergence(mean, log_variance))
    assert NegativeBound(3.0)(terms, None).item() == pytest.approx((terms[:, 0] + 3 * terms[:, 1]).mean().item())


# Training --------------------------------------------------------------------------------------------------------------


def trained(model, beta=1.0, epochs=EPOCHS, learning_rate=1e-3):
    data = structures()
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    run = training.fit(
        model, data, loss=NegativeBound(beta), optimizer=optimizer, epochs=epochs, batch_size=BATCH, device="cpu",
        metrics=[reconstruction, divergence],
    )  # fmt: skip
    return list(run)


def test_training_by_fit_is_a_loop_by_hand():
    model, twin = small(), small()
    records = trained(model)
    volumes, optimizer, step, losses = structures().train[0], torch.optim.Adam(twin.parameters(), lr=1e-3), 0, []
    from toolkit.training.randomness import mixed

    for epoch in range(EPOCHS):
        for rows in shuffled(SAMPLES, seed=0, epoch=epoch).split(BATCH):
            torch.manual_seed(mixed("dropout", 0, step))
            loss = NegativeBound()(twin(volumes[rows].float() / 255), None)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item() * len(rows))
            step += 1
    for ours, theirs in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)
    per_epoch = len(losses) // EPOCHS
    assert records[1].metrics["train_loss"] == pytest.approx(sum(losses[:per_epoch]) / SAMPLES, rel=1e-5)


def test_the_loss_falls_and_is_the_sum_of_its_metrics():
    records = trained(small(), beta=0.5, epochs=12, learning_rate=5e-3)
    assert records[-1].metrics["validation_loss"] < 0.9 * records[0].metrics["validation_loss"]
    last = records[-1].metrics
    total = last["validation_reconstruction"] + 0.5 * last["validation_divergence"]
    assert last["validation_loss"] == pytest.approx(total, rel=1e-5)


def test_beta_weighs_the_way_to_the_prior():
    """From a posterior far away from the prior a large β comes back, β = 0 has no reason to."""
    free, held = small(), small()
    for model, beta in ((free, 0.0), (held, 50.0)):
        torch.nn.init.constant_(model.mean.bias, 2.0)  # a divergence of about 6
        trained(model, beta=beta, epochs=40, learning_rate=5e-3)
    volumes = structures().train[0].float() / 255
    with torch.no_grad():
        assert gaussian_divergence(*held.encode(volumes)).mean() < 1 < 3 < gaussian_divergence(*free.encode(volumes)).mean()


# Using it --------------------------------------------------------------------------------------------------------------


def test_latent_means_and_volumes_come_in_batches_of_any_stored_type(device):
    model, volumes = small().to(device), blobs(130)
    means = latent_means(model, volumes)
    assert means.shape == (130, 3) and means.device.type == torch.device(device).type
    one = torch.cat([latent_means(model, volumes[row : row + 1]) for row in (0, 64, 129)])
    torch.testing.assert_close(means[[0, 64, 129]], one, rtol=1e-4, atol=1e-5)
    for same in (volumes == 255, volumes // 255, volumes.float() / 255, (volumes == 255)[:, 0]):
        torch.testing.assert_close(latent_means(model, same), means)
    shares = reconstructed(model, volumes[:3])
    torch.testing.assert_close(shares, decoded(model, means[:3]))
    assert shares.shape == (3, 1, 16, 16, 16) and shares.min() >= 0 and shares.max() <= 1


@pytest.mark.parametrize("size", [32, 64])
def test_the_memory_of_a_step_is_what_autograd_keeps(size):
    model, volumes, kept = VAE(size, latent=4, hidden=16, seed=0), blobs(4, size).float() / 255, {}
    weights = {weight.untyped_storage().data_ptr() for weight in model.parameters()}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = NegativeBound()(model(volumes), None)
    stated = training_memory(size, batch=4, latent=4, hidden=16)
    assert stated["activations"] == pytest.approx(sum(storage.nbytes() for storage in kept.values()) / 1e6, rel=0.02)
    assert stated["weights"] == pytest.approx(16e-6 * sum(weight.numel() for weight in model.parameters()))
    assert stated["total"] == stated["weights"] + stated["activations"] and loss.isfinite()


# Refusals --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 8, 40, 32.0, True, -16])
def test_a_size_that_four_halvings_do_not_fit_is_refused(size):
    with pytest.raises(ValueError, match="size must be a multiple of 16"):
        VAE(size)


@pytest.mark.parametrize("name", ["latent", "hidden"])
@pytest.mark.parametrize("value", [0, 1.5, -3])
def test_layers_without_units_are_refused(name, value):
    with pytest.raises(ValueError, match=name):
        VAE(16, **{name: value})


@pytest.mark.parametrize("share", [0, 1, -0.2, math.nan])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(ValueError, match="share"):
        VAE(16, share=share)


@pytest.mark.parametrize("beta", [-1, math.nan, math.inf])
def test_a_weight_that_is_none_is_refused(beta):
    with pytest.raises(ValueError, match="beta"):
        NegativeBound(beta)


@pytest.mark.parametrize(
    ("volumes", "words"),
    [
        (torch.zeros(2, 1, 16, 16, 8), "shape"),
        (torch.zeros(16, 16, 16), "shape"),
        (torch.zeros(2, 2, 16, 16, 16), "shape"),
        (torch.full((1, 16, 16, 16), 1.5), "between 0 and 1"),
        (torch.full((1, 16, 16, 16), -0.1), "between 0 and 1"),
        (torch.full((1, 16, 16, 16), math.nan), "between 0 and 1"),
    ],
)
def test_volumes_that_are_no_shares_are_refused(volumes, words):
    with pytest.raises(ValueError, match=words):
        as_shares(volumes, 16)


def test_an_array_is_refused_by_its_type():
    with pytest.raises(TypeError, match="tensor"):
        latent_means(small(), np.zeros((1, 16, 16, 16)))


def test_latent_points_of_another_dimension_are_refused():
    with pytest.raises(ValueError, match=r"\(n, 3\)"):
        decoded(small(), torch.zeros(2, 4))
