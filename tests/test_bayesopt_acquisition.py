"""EI, UCB and PI against scipy's closed forms, the definition as an integral, and BoTorch; whole batches and BoTorch models."""

import numpy as np
import pytest
import torch
import torch.utils.cpp_extension
from scipy import integrate, stats
from sintering_cases import CONDUCTIVITY, DENSITY, sintering_campaign, small_campaign

from toolkit.bayesopt import acquisition, joint

with joint.warnings.catch_warnings():
    joint.warnings.simplefilter("ignore", DeprecationWarning)
    from botorch.acquisition import analytic


def posteriors(n=500):
    draw = torch.Generator().manual_seed(7)
    mean = torch.randn(n, generator=draw, dtype=torch.float64)
    return mean, torch.rand(n, generator=draw, dtype=torch.float64) + 0.05


@pytest.mark.parametrize("best", [-1.0, 0.3, 2.0])
def test_the_formulas_are_the_closed_forms_to_1e_10(best):
    mean, deviation = posteriors()
    z = (mean.numpy() - best) / deviation.numpy()
    improvement = (mean.numpy() - best) * stats.norm.cdf(z) + deviation.numpy() * stats.norm.pdf(z)
    formulas = {
        "ei": improvement,
        "pi": stats.norm.cdf(z),
        "ucb": mean.numpy() + 1.7 * deviation.numpy(),
    }
    for name, expected in formulas.items():
        ours = acquisition.by_name(name, kappa=1.7, best=best)(mean, deviation)
        np.testing.assert_allclose(ours.numpy(), expected, rtol=0, atol=1e-10)


def test_expected_improvement_is_the_expectation_of_improvement():
    for mean, deviation, best in ((0.2, 0.5, 0.4), (-1.0, 0.8, 0.0), (1.0, 0.3, 0.5)):

        def weighted(value, mean=mean, deviation=deviation, best=best):
            return max(value - best, 0) * stats.norm.pdf(value, mean, deviation)

        expected, _ = integrate.quad(weighted, best, mean + 12 * deviation)
        ours = acquisition.expected_improvement(
            torch.tensor(mean, dtype=torch.float64), torch.tensor(deviation, dtype=torch.float64), best=best
        )
        assert ours.item() == pytest.approx(expected, abs=1e-8)


def test_the_formulas_are_botorchs_to_1e_10():
    surrogate = sintering_campaign(past=15).surrogate()
    x = torch.rand((60, 3), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    model, (mean, deviation) = joint.model(surrogate), surrogate.predict(x)
    posterior = model.posterior(x[:, None])
    torch.testing.assert_close(posterior.mean[:, 0, 0].detach(), mean, rtol=0, atol=1e-9)
    torch.testing.assert_close(posterior.variance[:, 0, 0].detach().sqrt(), deviation, rtol=0, atol=1e-8)
    mean, deviation = posterior.mean[:, 0, 0].detach(), posterior.variance[:, 0, 0].detach().sqrt()
    best, kappa = torch.tensor(0.5, dtype=torch.float64), 1.7  # BoTorch keeps bare numbers in single precision
    with joint.warnings.catch_warnings():  # BoTorch recommends the logarithm of EI
        joint.warnings.simplefilter("ignore")
        theirs = {
            "ucb": analytic.UpperConfidenceBound(model, beta=torch.tensor(kappa**2, dtype=torch.float64)),
            "ei": analytic.ExpectedImprovement(model, best_f=best),
            "pi": analytic.ProbabilityOfImprovement(model, best_f=best),
        }
    for name, function in theirs.items():
        ours = acquisition.by_name(name, kappa=kappa, best=best)(mean, deviation)
        torch.testing.assert_close(ours, function(x[:, None]).detach(), rtol=0, atol=1e-10)


def test_limits_at_certainty():
    mean, none = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64), torch.zeros(3, dtype=torch.float64)
    assert acquisition.expected_improvement(mean, none, best=2.0).tolist() == [0, 0, 1]
    assert acquisition.probability_of_improvement(mean, none, best=2.0).tolist() == [0, 1, 1]
    small = torch.full((3,), 1e-9, dtype=torch.float64)
    torch.testing.assert_close(
        acquisition.expected_improvement(mean, small, best=2.0), torch.tensor([0.0, 0.0, 1.0]).double(), rtol=0, atol=1e-8
    )


def test_improvement_is_never_negative_even_far_below():
    mean = torch.linspace(-60, 0, 500, dtype=torch.float64)
    improvement = acquisition.expected_improvement(mean, torch.ones_like(mean), best=3.0)
    assert bool((improvement >= 0).all())


def test_the_exported_model_believes_like_the_surrogate():
    surrogate = sintering_campaign(past=15).surrogate()
    x = torch.rand((40, 3), dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    model = joint.model(surrogate)
    model.posterior(x[:1])
    mean = surrogate.predict(x[:1])[0]
    conditioned = model.condition_on_observations(x[:1], mean[:, None])
    ours = surrogate.believing(x[:1]).predict(x)
    theirs = conditioned.posterior(x)
    torch.testing.assert_close(theirs.mean[:, 0].detach(), ours[0], rtol=0, atol=1e-8)
    torch.testing.assert_close(theirs.variance[:, 0].detach().sqrt(), ours[1], rtol=0, atol=1e-7)


@pytest.mark.parametrize("name", ["ucb", "ei", "pi"])
def test_a_joint_batch_of_one_is_where_the_closed_form_is_largest(name):
    single = sintering_campaign(past=20, acquisition=name)
    whole = sintering_campaign(past=20, acquisition=name, batch="joint")
    chosen = next(whole.proposals(1))
    scores = next(single.proposals(1)).score
    assert scores[chosen.place] >= np.sort(scores)[-3]  # sampled, so neighbours of nearly the same value may swap


@pytest.mark.parametrize("name", ["ucb", "ei", "pi"])
def test_joint_batches_hold_different_candidates_and_repeat_with_the_seed(name):
    batches = [sintering_campaign(past=20, acquisition=name, batch="joint", seed=4).ask(4) for _ in range(2)]
    assert batches[0].equals(batches[1])
    assert not batches[0].duplicated().any()


def test_two_objectives_are_improved_by_hypervolume():
    campaign = sintering_campaign(objectives=[CONDUCTIVITY, DENSITY], past=15, acquisition="nehvi", seed=2)
    proposals = campaign.ask(3)
    assert len({campaign.space.key(point) for point in proposals[campaign.space.labels].to_numpy()}) == 3
    again = sintering_campaign(objectives=[CONDUCTIVITY, DENSITY], past=15, acquisition="nehvi", seed=2)
    torch.manual_seed(99)  # of no account
    assert again.ask(3).equals(proposals)
    predicted = campaign.predict(proposals)
    assert predicted[f"{CONDUCTIVITY.label} mean"].max() > campaign.table()[CONDUCTIVITY.label].median()


def test_the_front_is_what_nothing_beats():
    campaign = small_campaign(values=())
    with pytest.raises(ValueError, match="acquisition must be one of"):
        sintering_campaign(objectives=[CONDUCTIVITY, DENSITY], acquisition="ucb")
    campaign = sintering_campaign(objectives=[CONDUCTIVITY, DENSITY], past=30, acquisition="nehvi")
    front, table = campaign.pareto(), campaign.table()
    labels = [CONDUCTIVITY.label, DENSITY.label]
    for _, row in table.iterrows():
        beaten = ((table[labels] >= row[labels]).all(axis=1) & (table[labels] > row[labels]).any(axis=1)).any()
        assert beaten == (row.name not in front.index)
    assert front[labels[0]].is_monotonic_decreasing


def test_hypervolume_of_a_square_and_more():
    values = torch.tensor([[1.0, 1.0], [0.5, 0.5]], dtype=torch.float64)
    assert joint.hypervolume(values, torch.zeros(2, dtype=torch.float64)) == 1.0


def test_nothing_is_compiled_when_a_batch_is_proposed(monkeypatch):
    """BoTorch would start a C++ compiler, which takes more memory than a whole lesson."""
    monkeypatch.setattr(torch.utils.cpp_extension, "load", lambda *_, **__: pytest.fail("a compiler was started"))
    campaign = sintering_campaign(objectives=[CONDUCTIVITY, DENSITY], past=15, acquisition="nehvi", seed=2)
    assert len(campaign.ask(2)) == 2
