"""Kernels, evidence, fit and posterior against the dense formulas, scikit-learn and BoTorch."""

import numpy as np
import pytest
import torch
from sklearn.gaussian_process import GaussianProcessRegressor, kernels

from toolkit.bayesopt import process
from toolkit.bayesopt.process import Prior
from toolkit.bayesopt.surrogate import Surrogate

both_kernels = pytest.mark.parametrize("kernel", list(process.KERNELS))


def data(seed=0, n=14, d=3, repeats=0):
    draw = torch.Generator().manual_seed(seed)
    x = torch.rand((n, d), generator=draw, dtype=torch.float64)
    for row in range(repeats):
        x[-1 - row] = x[row % 3]
    return x, torch.sin(3 * x[:, 0]) + x[:, -1] ** 2 + 0.2 * torch.randn(n, generator=draw, dtype=torch.float64)


def theta(d=3):
    return torch.linspace(-1.0, 0.5, d + 2, dtype=torch.float64)[None] - torch.tensor([0.0] * d + [0.0, 3.0])


def dense(values, x, z, kernel):
    """Kernel values by the definition, point by point."""
    lengths, signal = values[0, :-2].exp(), values[0, -2].exp()
    s = (((x[:, None] - z[None]) / lengths) ** 2).sum(-1)
    r = torch.sqrt(5 * s + 1e-300)
    return signal * (torch.exp(-0.5 * s) if kernel == "rbf" else (1 + r + r**2 / 3) * torch.exp(-r))


@both_kernels
@pytest.mark.parametrize("repeats", [0, 5])
def test_evidence_and_slope_are_those_of_the_dense_formula(kernel, repeats):
    (x, y), values = data(repeats=repeats), theta().requires_grad_()
    matrix = dense(values, x, x, kernel) + process.noise_variance(values) * torch.eye(len(x))
    expected = torch.distributions.MultivariateNormal(torch.zeros_like(y), matrix).log_prob(y)
    value, slope = process.evidence(values.detach(), process.observations(x, y), kernel=kernel)
    torch.testing.assert_close(value[0], expected.detach(), rtol=1e-10, atol=1e-10)
    (expected_slope,) = torch.autograd.grad(expected, values)
    torch.testing.assert_close(slope, expected_slope, rtol=1e-6, atol=1e-8)


def test_the_prior_adds_its_normal_density():
    x, y = data()
    seen, prior = process.observations(x, y), Prior()
    plain, _ = process.evidence(theta(), seen)
    value, slope = process.evidence(theta(), seen, prior=prior)
    away = (theta() - prior.centre(3)) / prior.width(3)
    torch.testing.assert_close(value, plain - 0.5 * away.square().sum(1))
    step = 1e-6 * torch.eye(5, dtype=torch.float64)
    numeric = [
        (process.evidence(theta() + h, seen, prior=prior)[0] - process.evidence(theta() - h, seen, prior=prior)[0]) / 2e-6
        for h in step
    ]
    torch.testing.assert_close(slope[0], torch.cat(numeric), rtol=1e-5, atol=1e-6)


@both_kernels
@pytest.mark.parametrize("repeats", [0, 5])
def test_the_posterior_is_that_of_scikit_learn(kernel, repeats):
    (x, y), (z, _) = data(repeats=repeats), data(seed=1, n=30)
    lengths = theta()[0, :-2].exp().tolist()
    base = kernels.RBF(lengths) if kernel == "rbf" else kernels.Matern(lengths, nu=2.5)
    noise = float(process.noise_variance(theta())[0])
    peer = GaussianProcessRegressor(kernels.ConstantKernel(float(theta()[0, -2].exp())) * base, alpha=noise, optimizer=None)
    expected = peer.fit(x.numpy(), y.numpy()).predict(z.numpy(), return_std=True)
    seen = process.observations(x, y)
    cross = process.squared_differences(torch.unique(x, dim=0), z)[:, None]
    ours = process.predict(theta(), seen, cross, kernel=kernel)
    for mine, theirs in zip(ours, expected, strict=True):
        np.testing.assert_allclose(mine[0].numpy(), theirs, rtol=1e-7, atol=1e-7)


@both_kernels
def test_the_fit_is_as_good_as_scikit_learns(kernel):
    x, y = data(seed=5, n=30)
    y = (y - y.mean()) / y.std()
    base = kernels.RBF([0.5] * 3, (1e-5, 1e5)) if kernel == "rbf" else kernels.Matern([0.5] * 3, (1e-5, 1e5), nu=2.5)
    peer = GaussianProcessRegressor(kernels.ConstantKernel(1.0) * base + kernels.WhiteKernel(0.01, (1e-6, 10)), alpha=1e-12)
    peer.fit(x.numpy(), y.numpy())
    seen = process.observations(x, y)
    fitted = process.fit(seen, Prior().centre(3)[None], kernel=kernel)
    value, _ = process.evidence(fitted, seen, kernel=kernel)
    assert value.item() >= peer.log_marginal_likelihood_value_ - 0.02


@both_kernels
def test_many_processes_are_fitted_as_each_alone(kernel):
    prior = Prior()
    alone = [process.observations(*data(seed=seed, n=9)) for seed in range(6)]
    fitted = [process.fit(seen, prior.centre(3)[None], kernel=kernel, prior=prior) for seen in alone]
    together = process.Observations(
        torch.cat([seen.squares for seen in alone], 1), torch.cat([seen.mean for seen in alone]),
        torch.cat([seen.count for seen in alone]), torch.cat([seen.within for seen in alone]),
    )  # fmt: skip
    batch = process.fit(together, prior.centre(3).repeat(6, 1), kernel=kernel, prior=prior)
    torch.testing.assert_close(batch, torch.cat(fitted), rtol=1e-6, atol=1e-6)
    _, slope = process.evidence(batch, together, kernel=kernel, prior=prior)
    assert slope.abs().max() < 2 * process.TOLERANCE


def test_filled_up_rows_change_nothing():
    x, y = data(n=7)
    seen = process.observations(x, y)
    more = 3
    wider = process.Observations(
        torch.nn.functional.pad(seen.squares, (0, more, 0, more), value=0.3), torch.nn.functional.pad(seen.mean, (0, more)),
        torch.nn.functional.pad(seen.count, (0, more)), seen.within,
    )  # fmt: skip
    for ours, theirs in zip(process.evidence(theta(), wider), process.evidence(theta(), seen), strict=True):
        torch.testing.assert_close(ours, theirs)
    z = torch.rand((5, 3), dtype=torch.float64)
    cross = process.squared_differences(torch.unique(x, dim=0), z)[:, None]
    filled = torch.nn.functional.pad(cross, (0, 0, 0, more), value=0.1)
    for ours, theirs in zip(process.predict(theta(), wider, filled), process.predict(theta(), seen, cross), strict=True):
        torch.testing.assert_close(ours, theirs)


# The kriging believer, section 8 of the document's method -----------------------------------------------------------------


@both_kernels
def test_believing_leaves_the_mean_and_lowers_the_deviation(kernel):
    (x, y), (z, _) = data(n=20), data(seed=2, n=200)
    before = Surrogate.fitted(x, y, kernel=kernel, prior=Prior())
    after = before.believing(z[:1])
    (mean, deviation), (new_mean, new_deviation) = before.predict(z), after.predict(z)
    torch.testing.assert_close(new_mean, mean, rtol=0, atol=1e-10)
    assert bool((new_deviation <= deviation + 1e-9).all())
    noise = float(process.noise_variance(before.theta)[0])
    expected = noise * deviation[0] ** 2 / (noise + deviation[0] ** 2)
    torch.testing.assert_close(new_deviation[0] ** 2, expected, rtol=1e-6, atol=1e-10)


def test_believing_what_was_measured_already_is_admitted():
    x, y = data(n=10)
    surrogate = Surrogate.fitted(x, y, prior=Prior())
    before, after = surrogate.predict(x), surrogate.believing(x[:2]).predict(x)
    torch.testing.assert_close(after[0], before[0], rtol=0, atol=1e-10)
    assert bool((after[1][:2] < before[1][:2]).all())


def test_samples_have_the_mean_and_deviation_of_the_posterior():
    (x, y), (z, _) = data(n=8), data(seed=2, n=12)
    surrogate = Surrogate.fitted(x, y, prior=Prior())
    samples = surrogate.sample(z, 20_000, torch.Generator().manual_seed(0))
    mean, deviation = surrogate.predict(z)
    torch.testing.assert_close(samples.mean(0), mean, rtol=0, atol=0.02)
    torch.testing.assert_close(samples.std(0), deviation, rtol=0.05, atol=1e-3)


def test_hyperparameters_are_told_in_plain_units():
    x, y = data(n=10)
    told = Surrogate.fitted(x, y, prior=Prior()).hyperparameters
    assert len(told["lengthscales"]) == 3
    assert told["noise"] > 0 and told["signal"] > 0
