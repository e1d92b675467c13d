"""The partial likelihood, its gradients, the baseline hazard: definitions, independent programs, limits, refusals."""

import math

import numpy as np
import pytest
import torch
from sksurv.linear_model import CoxPHSurvivalAnalysis
from sksurv.util import Surv
from survival_cases import heavy_ties, loss_by_definition, rossi
from survival_peers import CoxPHOptimizer, neg_partial_log_likelihood
from torch.autograd import gradcheck, gradgradcheck

from toolkit.studies import survival_tables
from toolkit.survival import cox, prefix
from toolkit.survival.cox import baseline_hazard, cox_loss, survival_curves

SEEDS = range(100)
TIES = ("breslow", "efron")


def doubles(seed, n=14):
    time, event, h = heavy_ties(seed, n=n, levels=6)
    return time, event, h.clone().requires_grad_()


@pytest.mark.parametrize("ties", TIES)
@pytest.mark.parametrize("seed", SEEDS)
def test_the_loss_is_that_of_the_definition(seed, ties):
    time, event, h = heavy_ties(seed)
    expected = loss_by_definition(h, time, event, ties=ties)
    assert cox_loss(h, time, event, ties=ties).item() == pytest.approx(expected, rel=1e-10, abs=1e-10)


@pytest.mark.filterwarnings("ignore:Ties in `time` detected")  # torchsurv says so every time
@pytest.mark.parametrize("ties", TIES)
@pytest.mark.parametrize("seed", SEEDS)
def test_the_loss_is_that_of_torchsurv(seed, ties):
    """Where two events tie; else torchsurv 0.2 leaves subjects censored at the time of an event out of its risk set."""
    time, event, h = heavy_ties(seed, n=30 + seed)
    assert len(time[event].unique()) < event.sum()
    theirs = neg_partial_log_likelihood(h, event, time, ties_method=ties, reduction="sum")
    assert cox_loss(h, time, event, ties=ties).item() == pytest.approx(theirs.item(), rel=1e-6)


@pytest.mark.parametrize("ties", TIES)
@pytest.mark.parametrize("seed", range(5))
def test_the_gradient_vanishes_where_scikit_survival_finds_the_optimum(seed, ties):
    time, event, _ = heavy_ties(seed, n=80)
    x = np.random.default_rng(seed).normal(size=(80, 3))
    theirs = CoxPHSurvivalAnalysis(ties=ties, tol=1e-14, n_iter=200).fit(x, Surv.from_arrays(event.numpy(), time.numpy()))
    weights = torch.tensor(theirs.coef_, requires_grad=True)
    cox_loss(torch.from_numpy(x) @ weights, time, event, ties=ties, reduction="mean").backward()
    assert weights.grad.abs().max() < 1e-7


@pytest.mark.parametrize("ties", TIES)
@pytest.mark.parametrize("seed", SEEDS)
def test_the_loss_is_that_of_scikit_survival(seed, ties):
    if CoxPHOptimizer is None:
        pytest.skip("this scikit-survival keeps its likelihood elsewhere")
    time, event, h = heavy_ties(seed)
    x = np.stack([h.numpy(), np.cos(h.numpy())], 1)
    weights = np.array([0.7, -0.3])
    theirs = CoxPHOptimizer(x, event.numpy(), time.numpy(), np.zeros(2), ties).nlog_likelihood(weights)
    ours = cox_loss(torch.from_numpy(x @ weights), time, event, ties=ties, reduction="mean")
    assert ours.item() == pytest.approx(theirs, rel=1e-6, abs=1e-12)


def test_a_linear_network_on_all_subjects_is_the_cox_regression_of_the_rossi_data():
    published = [-0.37902189, -0.05724593, 0.31412977, -0.15111460, -0.43278257, -0.08498284, 0.09111154]
    data = rossi()
    model = survival_tables.linear(data, ties="breslow")
    assert (model.network[1].weight[0] / torch.tensor(data.std)).tolist() == pytest.approx(published, abs=1e-4)
    loss = cox_loss(model.log_hazard(data.train[0]).double(), *data.train[1].unbind(1))
    assert loss.item() == pytest.approx(659.1206, abs=1e-3)


@pytest.mark.parametrize("ties", TIES)
@pytest.mark.parametrize("reduction", cox.REDUCTIONS)
@pytest.mark.parametrize("seed", range(3))
def test_first_and_second_derivatives_are_those_of_finite_differences(seed, ties, reduction):
    time, event, h = doubles(seed)
    assert gradcheck(lambda h: cox_loss(h, time, event, ties=ties, reduction=reduction), h)
    assert gradgradcheck(lambda h: cox_loss(h, time, event, ties=ties, reduction=reduction), h)


def test_prefix_sums_have_derivatives_of_any_order_also_against_zero_gradients():
    x = torch.randn(6, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    picked = torch.tensor([0.0, 1.0, 0.0, -2.0, 0.0, 1.0], dtype=torch.float64)
    assert gradgradcheck(lambda x: prefix.log_sum_exp(x) * picked, x)

    def curvature(x):
        (slope,) = torch.autograd.grad((prefix.log_sum_exp(x) * picked).sum(), x, create_graph=True)
        return torch.autograd.grad(slope.square().sum(), x, create_graph=True)[0]

    assert gradcheck(curvature, x)


@pytest.mark.parametrize("ties", TIES)
def test_the_hessian_of_a_loss_with_censored_subjects_is_finite_and_has_no_negative_eigenvalue(ties):
    time, event, h = doubles(3)
    hessian = torch.autograd.functional.hessian(lambda h: cox_loss(h, time, event, ties=ties), h)
    eigenvalues = torch.linalg.eigvalsh(hessian)
    assert eigenvalues.min() > -1e-12
    assert torch.linalg.vector_norm(hessian.sum(1)) < 1e-12  # no curvature along the free constant


@pytest.mark.parametrize("ties", TIES)
def test_invariances(ties):
    time, event, h = doubles(5, n=40)
    loss = cox_loss(h, time, event, ties=ties)
    (gradient,) = torch.autograd.grad(loss, h)
    assert gradient.sum().abs() < 1e-12
    assert cox_loss(h + 7, time, event, ties=ties).item() == pytest.approx(loss.item(), rel=1e-12)
    mixed = torch.randperm(40, generator=torch.Generator().manual_seed(0))
    assert cox_loss(h[mixed], time[mixed], event[mixed], ties=ties).item() == pytest.approx(loss.item(), rel=1e-12)
    assert cox_loss(h, time.exp(), event, ties=ties).item() == pytest.approx(loss.item(), rel=1e-12)  # only the order counts


def test_efron_is_breslow_without_ties_and_less_with_them():
    time, event, h = heavy_ties(1, n=40)
    assert cox_loss(h, time, event, ties="efron") < cox_loss(h, time, event)
    distinct = time + torch.linspace(0, 0.5, 40, dtype=torch.float64)
    assert cox_loss(h, distinct, event, ties="efron").item() == pytest.approx(cox_loss(h, distinct, event).item(), rel=1e-14)


@pytest.mark.parametrize("ties", TIES)
@pytest.mark.parametrize("size", [1e2, 1e3])
def test_large_log_hazards_do_no_harm(ties, size, device):
    time, event, h = (part.to(device) for part in heavy_ties(2, n=50))
    h = (h / h.abs().max() * size).requires_grad_()
    loss = cox_loss(h, time, event, ties=ties)
    (gradient,) = torch.autograd.grad(loss, h)
    assert loss.isfinite() and gradient.isfinite().all()
    assert gradient.sum().abs() < 1e-9
    expected = loss_by_definition_in_logarithms(h.detach().cpu(), time.cpu(), event.cpu(), ties)
    assert loss.item() == pytest.approx(expected, rel=1e-10)


def loss_by_definition_in_logarithms(h, time, event, ties):
    total = 0.0
    for t in time[event].unique():
        died, at_risk = h[event & (time == t)], torch.logsumexp(h[time >= t], 0)
        share = (died - at_risk).exp().sum() if ties == "efron" else 0.0
        for place in range(len(died)):
            total += float(at_risk + torch.log1p(torch.as_tensor(-place / len(died) * share, dtype=h.dtype)) - died[place])
    return total


def test_reductions():
    time, event, h = heavy_ties(4, n=30)
    total = cox_loss(h, time, event)
    assert cox_loss(h, time, event, reduction="events").item() == pytest.approx(float(total / event.sum()))
    assert cox_loss(h, time, event, reduction="mean").item() == pytest.approx(float(total / 30))


def test_a_million_subjects_need_no_matrix():
    n, random = 10**6, torch.Generator().manual_seed(0)
    h = torch.randn(n, generator=random, requires_grad=True)
    time, event = torch.rand(n, generator=random), torch.rand(n, generator=random) < 0.4
    loss = cox_loss(h, time, event)
    loss.backward()
    risk = torch.logcumsumexp(h.detach().double()[time.argsort(descending=True)], 0)
    expected = (risk[event[time.argsort(descending=True)]].sum() - h.detach().double()[event].sum()).item()
    assert loss.item() == pytest.approx(expected, rel=1e-4)
    assert h.grad.isfinite().all() and h.grad.sum().abs() < 1


@pytest.mark.parametrize("shape", [(6,), (6, 1)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_shape_and_type_of_the_log_hazard(shape, dtype):
    loss = cox_loss(torch.zeros(shape, dtype=dtype), [1, 2, 3, 4, 5, 6], [True, False] * 3)
    assert loss.dtype == dtype and loss.shape == ()
    assert loss.item() == pytest.approx(math.log(6 * 4 * 2), rel=1e-2)


def test_without_events_the_loss_is_zero_with_a_graph_and_a_warning():
    h = torch.randn(4, requires_grad=True)
    with pytest.warns(UserWarning, match="no event among these subjects"):
        loss = cox_loss(h, [1.0, 2.0, 3.0, 4.0], [0, 0, 0, 0])
    loss.backward()
    assert loss.item() == 0 and h.grad.tolist() == [0, 0, 0, 0]


def test_a_single_subject_has_a_loss_of_zero():
    h = torch.tensor([3.0], requires_grad=True)
    loss = cox_loss(h, [1.0], [1])
    loss.backward()
    assert loss.item() == 0 and h.grad.item() == 0


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_log_hazard_that_is_not_finite_gives_nan_so_that_a_run_can_end(bad):
    assert not cox_loss(torch.tensor([0.0, bad, 1.0]), [1.0, 2.0, 3.0], [1, 1, 1]).isfinite()


BAD = [
    ({"time": [1.0, -2.0, 3.0]}, ValueError, "time must be finite and not negative, got -2.0 at position 1"),
    ({"time": [1.0, math.nan, 3.0]}, ValueError, "time must be finite and not negative, got nan at position 1"),
    ({"time": [1.0, 2.0, math.inf]}, ValueError, "time must be finite .* got inf at position 2"),
    ({"event": [1, 2, 0]}, ValueError, r"event must be 1 \(seen\) or 0 \(censored\), got 2 at position 1"),
    ({"event": [1.0, math.nan, 0.0]}, ValueError, "event must be 1 .* got nan at position 1"),
    ({"event": [1, 0]}, ValueError, "event must have one entry per subject, got 2 for 3 times"),
    ({"log_hazard": torch.zeros(4)}, ValueError, r"log_hazard must have one entry per subject, shape \(3,\), got \(4,\)"),
    ({"log_hazard": torch.zeros(3, 2)}, ValueError, r"log_hazard must have one entry per subject, .* got \(3, 2\)"),
    ({"time": [[1.0, 2.0, 3.0]]}, ValueError, r"time must have shape \(n,\), got \(1, 3\)"),
    ({"time": [], "event": [], "log_hazard": torch.zeros(0)}, ValueError, "time must hold at least one subject, got none"),
    ({"time": ["a", "b", "c"]}, TypeError, "time must be numbers, got list"),
    ({"log_hazard": torch.zeros(3, dtype=torch.complex64)}, TypeError, "log_hazard must be real numbers"),
    ({"ties": "exact"}, ValueError, r"ties must be one of \('breslow', 'efron'\), got 'exact'"),
    ({"reduction": "none"}, ValueError, r"reduction must be one of \('sum', 'events', 'mean'\), got 'none'"),
]


@pytest.mark.parametrize(("bad", "error", "message"), BAD)
def test_bad_input_is_refused(bad, error, message):
    arguments = {"log_hazard": torch.zeros(3), "time": [1.0, 2.0, 3.0], "event": [1, 0, 1]} | bad
    with pytest.raises(error, match=message):
        cox_loss(**arguments)


# Baseline hazard and survival curves


@pytest.mark.parametrize("seed", range(5))
def test_the_baseline_is_that_of_scikit_survival(seed):
    time, event, _ = heavy_ties(seed, n=60)
    x = np.random.default_rng(seed).normal(size=(60, 2))
    theirs = CoxPHSurvivalAnalysis().fit(x, Surv.from_arrays(event.numpy(), time.numpy()))
    h = x @ theirs.coef_
    ours = baseline_hazard(time, event, h)
    curve = theirs.cum_baseline_hazard_
    assert ours.log_cumulative_at(torch.tensor(curve.x)).exp().numpy() == pytest.approx(curve.y, rel=1e-9)
    expected = np.stack([step(curve.x) for step in theirs.predict_survival_function(x[:4])])
    assert survival_curves(h[:4], curve.x, baseline=ours).numpy() == pytest.approx(expected, rel=1e-9)


def test_a_baseline_of_large_log_hazards_gives_the_same_curves():
    time, event, h = heavy_ties(7, n=40)
    times = torch.arange(1.0, 8.0)
    plain = survival_curves(h, times, baseline=baseline_hazard(time, event, h))
    shifted = survival_curves(h + 1000, times, baseline=baseline_hazard(time, event, h + 1000))
    assert torch.allclose(plain, shifted, rtol=1e-9)
    assert ((plain.diff(dim=1) <= 0) & (plain[:, 1:] >= 0)).all()


def test_equal_hazards_give_nelson_and_aalens_estimate():
    time, event, h = heavy_ties(8, n=40)
    baseline = baseline_hazard(time, event, torch.zeros(40))
    expected = [float((event & (time == t)).sum() / (time >= t).sum()) for t in baseline.time]
    assert baseline.log_steps.exp().tolist() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1.0, 2.0], [0, 0], [0.0, 0.0]), "event must hold at least one event, got none"),
        (([1.0, 2.0], [1, 0], [0.0, math.nan]), "log_hazard must be finite, got nan at position 1"),
    ],
)
def test_a_baseline_that_cannot_be_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        baseline_hazard(*arguments)


@pytest.mark.parametrize("times", [[2.0, 1.0], [], [math.nan], [-1.0], [1.0, 1.0]])
def test_times_that_do_not_rise_are_refused(times):
    baseline = baseline_hazard([1.0, 2.0], [1, 1], [0.0, 0.0])
    with pytest.raises(ValueError, match="times must be finite times that increase, 0 or more"):
        survival_curves([0.0], times, baseline=baseline)
