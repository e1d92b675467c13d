"""Concordance, ROC areas, Brier score, calibration, Kaplan-Meier: definitions, scikit-survival, torchsurv, refusals."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import norm
from sklearn.metrics import roc_auc_score
from sksurv import metrics as sksurv_metrics
from sksurv.nonparametric import kaplan_meier_estimator
from sksurv.util import Surv
from survival_cases import heavy_ties, pairs_by_definition
from survival_peers import BrierScore, ConcordanceIndex

from toolkit.survival import cox, metrics

SEEDS = range(40)


def outcome(time, event):
    return Surv.from_arrays(event.numpy(), time.numpy())


def followed_longer(seed, n=80):
    """Training subjects, then subjects that are all observed within their time; both with ties."""
    time, event, h = heavy_ties(seed, n=2 * n, levels=24)
    train = time[:n].clone(), event[:n].clone()
    train[0][0], train[1][0] = 40.0, True  # the last of the training subjects has the event, so nobody's weight is infinite
    event[n], time[n], time[n + 1] = True, 2.0, 25.0  # at every horizon below there are cases and controls
    return train, time[n:], event[n:], h[n:]


# Concordance


@pytest.mark.parametrize("same_time", metrics.concordance.SAME_TIME)
@pytest.mark.parametrize("seed", SEEDS)
def test_pairs_are_those_of_the_definition(seed, same_time):
    time, event, h = heavy_ties(seed)
    concordant, discordant, tied = pairs_by_definition(time, event, h, same_time=same_time)
    ours = metrics.concordance_pairs(time, event, h, same_time=same_time)
    assert (ours.concordant, ours.discordant, ours.tied) == (concordant, discordant, tied)
    if ours.comparable:
        share = {"half": concordant + tied / 2, "nothing": concordant}
        for ties, numerator in share.items():
            index = metrics.concordance_index(time, event, h, ties=ties, same_time=same_time)
            assert index == pytest.approx(numerator / ours.comparable, rel=1e-14)
    if concordant + discordant:
        index = metrics.concordance_index(time, event, h, ties="excluded", same_time=same_time)
        assert index == pytest.approx(concordant / (concordant + discordant), rel=1e-14)


@pytest.mark.parametrize("seed", SEEDS)
def test_harrells_index_is_that_of_scikit_survival_and_torchsurv(seed):
    time, event, h = heavy_ties(seed, n=70)
    ours = metrics.concordance_index(time, event, h)
    theirs = sksurv_metrics.concordance_index_censored(event.numpy(), time.numpy(), h.numpy())
    pairs = metrics.concordance_pairs(time, event, h)
    assert (pairs.concordant, pairs.discordant, pairs.tied) == theirs[1:4]
    assert ours == pytest.approx(theirs[0], rel=1e-12)
    assert ours == pytest.approx(ConcordanceIndex()(h.float(), event, time.float()).item(), rel=1e-6)


@pytest.mark.parametrize("tau", [None, 12.0])
@pytest.mark.parametrize("seed", range(20))
def test_unos_index_is_that_of_scikit_survival(seed, tau):
    train, time, event, h = followed_longer(seed)
    theirs = sksurv_metrics.concordance_index_ipcw(outcome(*train), outcome(time, event), h.numpy(), tau=tau)
    ours = metrics.uno_concordance(time, event, h, train_time=train[0], train_event=train[1], tau=tau)
    assert ours == pytest.approx(theirs[0], rel=1e-10)


def test_unos_index_is_harrells_without_censoring():
    time, _, h = heavy_ties(0, n=50)
    everyone = torch.ones(50, dtype=torch.bool)
    assert metrics.uno_concordance(time, everyone, h) == pytest.approx(metrics.concordance_index(time, everyone, h))


def test_the_conventions_differ_on_one_small_example():
    """Five subjects, two of them censored; the first two share a time, the last two a log hazard."""
    time, event, h = [1.0, 1.0, 2.0, 3.0, 3.0], [1, 0, 1, 0, 0], [0.0, 1.0, 2.0, 2.0, 0.0]
    found = {
        (ties, same): metrics.concordance_index(time, event, h, ties=ties, same_time=same)
        for ties in ("half", "nothing", "excluded")
        for same in ("censored_later", "excluded")
    }
    assert found == {
        ("half", "censored_later"): 2 / 6, ("half", "excluded"): 2 / 5, ("nothing", "censored_later"): 1 / 6,
        ("nothing", "excluded"): 1 / 5, ("excluded", "censored_later"): 1 / 4, ("excluded", "excluded"): 1 / 3,
    }  # fmt: skip


def test_the_index_is_invariant_and_reversed_with_the_sign(device):
    time, event, h = (part.to(device) for part in heavy_ties(3, n=300, levels=40))
    index = metrics.concordance_index(time, event, h)
    assert metrics.concordance_index(time, event, h.exp()) == index
    assert metrics.concordance_index(time.exp(), event, h) == index
    mixed = torch.randperm(300, generator=torch.Generator().manual_seed(0)).to(device)
    assert metrics.concordance_index(time[mixed], event[mixed], h[mixed]) == index
    assert metrics.concordance_index(time, event, -h) == pytest.approx(1 - index)
    assert metrics.concordance_index(time, event, torch.zeros_like(h)) == 0.5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1.0], [1], [0.0]), "no comparable pair"),
        (([1.0, 2.0], [0, 0], [0.0, 1.0]), "no comparable pair"),
        (([2.0, 1.0], [1, 0], [0.0, 1.0]), "no comparable pair"),
        (([1.0, 1.0], [1, 1], [0.0, 1.0]), "no comparable pair"),
    ],
)
def test_no_comparable_pair_is_not_defined(arguments, message):
    with pytest.raises(metrics.NotDefined, match=message):
        metrics.concordance_index(*arguments)
    with pytest.raises(metrics.NotDefined, match=message):
        metrics.uno_concordance(*arguments)


# ROC


@pytest.mark.parametrize("seed", SEEDS)
def test_auroc_is_that_of_scikit_learn_with_ties(seed):
    _, event, h = heavy_ties(seed, n=50)
    if event.all():
        pytest.skip("nobody is censored")
    assert metrics.auroc(event, h) == pytest.approx(roc_auc_score(event.numpy(), h.numpy()), rel=1e-12)


def test_the_printed_formula_exceeds_1_where_the_corrected_one_gives_the_area():
    """Rates with sign and bracket as printed in 7.2.3, with the half added, and as they must be."""
    scores, event = [0.9, 0.8, 0.8, 0.8, 0.5, 0.4], [1, 1, 0, 1, 0, 0]
    false, true = metrics.roc_curve(event, scores)
    step_true, step_false = true.diff(), false.diff()
    added = (true[1:] * step_false + step_true * step_false / 2).sum()
    subtracted = (true[1:] * step_false - step_true * step_false / 2).sum()
    assert added.item() == pytest.approx(10 / 9)
    assert subtracted.item() == pytest.approx(8 / 9) == pytest.approx(metrics.auroc(event, scores))


@pytest.mark.parametrize("seed", range(20))
def test_dynamic_auc_is_that_of_scikit_survival(seed):
    train, time, event, h = followed_longer(seed)
    times = [5.0, 10.0, 20.0]
    theirs, mean = sksurv_metrics.cumulative_dynamic_auc(outcome(*train), outcome(time, event), h.numpy(), times)
    ours = metrics.cumulative_dynamic_auc(time, event, h, times, train_time=train[0], train_event=train[1])
    assert ours.auc.numpy() == pytest.approx(theirs, rel=1e-10)
    assert ours.mean == pytest.approx(mean, rel=1e-10)


def test_dynamic_auc_without_censoring_is_the_plain_area_at_the_horizon():
    time, _, h = heavy_ties(1, n=60)
    everyone = torch.ones(60, dtype=torch.bool)
    ours = metrics.cumulative_dynamic_auc(time, everyone, h, [4.0])
    assert ours.auc.item() == pytest.approx(metrics.auroc(time <= 4, h)) == pytest.approx(ours.mean)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.auroc([1, 1], [0.0, 1.0]), "event: no control"),
        (lambda: metrics.auroc([0, 0], [0.0, 1.0]), "event: no case"),
        (lambda: metrics.cumulative_dynamic_auc([2.0, 3.0], [1, 1], [0.0, 1.0], [1.0]), r"horizons \[1.0\]: no case"),
        (lambda: metrics.cumulative_dynamic_auc([2.0, 3.0], [1, 1], [0.0, 1.0], [3.0]), r"horizons \[3.0\]: no control"),
        (
            lambda: metrics.uno_concordance([1.0, 5.0], [1, 1], [0.0, 1.0], train_time=[1.0, 2.0], train_event=[1, 0]),
            "nobody is seen without being censored up to time 5",
        ),
    ],
)
def test_what_these_subjects_do_not_determine_is_not_defined(call, message):
    with pytest.raises(metrics.NotDefined, match=message):
        call()


# Brier score


def predictions(seed, time, event, h, times):
    return cox.survival_curves(h, times, baseline=cox.baseline_hazard(time, event, h))


@pytest.mark.parametrize("seed", range(20))
def test_brier_scores_are_those_of_scikit_survival(seed):
    train, time, event, h = followed_longer(seed)
    times = [5.0, 10.0, 20.0]
    survival = predictions(seed, time, event, h, times)
    settings = {"train_time": train[0], "train_event": train[1]}
    theirs = sksurv_metrics.brier_score(outcome(*train), outcome(time, event), survival.numpy(), times)[1]
    assert metrics.brier_score(time, event, survival, times, **settings).numpy() == pytest.approx(theirs, rel=1e-10)
    integrated = sksurv_metrics.integrated_brier_score(outcome(*train), outcome(time, event), survival.numpy(), times)
    assert metrics.integrated_brier_score(time, event, survival, times, **settings) == pytest.approx(integrated, rel=1e-10)


def test_brier_scores_without_censoring_are_those_of_torchsurv_and_the_plain_mean():
    time, _, h = heavy_ties(2, n=60)
    everyone, times = torch.ones(60, dtype=torch.bool), torch.tensor([2.0, 4.0, 6.0], dtype=torch.float64)
    survival = predictions(2, time, everyone, h, times)
    plain = (survival - (time[:, None] > times).double()).square().mean(0)
    ours = metrics.brier_score(time, everyone, survival, times)
    assert ours.numpy() == pytest.approx(plain.numpy(), rel=1e-12)
    theirs = BrierScore()(survival.float(), everyone, time.float(), new_time=times.float())
    assert ours.numpy() == pytest.approx(theirs.numpy(), rel=1e-5)


# Kaplan-Meier and calibration


@pytest.mark.parametrize("seed", range(20))
def test_kaplan_meier_is_that_of_scikit_survival(seed):
    time, event, _ = heavy_ties(seed, n=60)
    times, survival, bounds = kaplan_meier_estimator(event.numpy(), time.numpy(), conf_type="log-log")
    ours = metrics.kaplan_meier(time, event)
    assert ours.time.tolist() == times.tolist()
    assert ours.survival.numpy() == pytest.approx(survival, abs=1e-12)
    inner = (survival > 0) & (survival < 1)
    assert ours.low.numpy()[inner] == pytest.approx(bounds[0][inner], rel=1e-9)
    assert ours.high.numpy()[inner] == pytest.approx(bounds[1][inner], rel=1e-9)
    assert ours.at([0.5, times[0], 100.0]).tolist() == [1.0, ours.survival[0], ours.survival[-1]]


def test_kaplan_meier_bounds_cover_the_truth_as_often_as_they_say():
    random, covered = np.random.default_rng(0), []
    for _ in range(300):
        time, censoring = random.exponential(size=100), random.exponential(2.0, size=100)
        curve = metrics.kaplan_meier(np.minimum(time, censoring), time <= censoring)
        place = int(torch.searchsorted(curve.time, 0.7, right=True)) - 1
        covered.append(float(curve.low[place]) <= math.exp(-0.7) <= float(curve.high[place]))
    assert 0.92 <= np.mean(covered) <= 0.98


def simulated(seed, n=4000):
    random = np.random.default_rng(seed)
    h = random.normal(size=n)
    time, censoring = random.exponential(np.exp(-h)), random.exponential(2.0, size=n)
    return torch.tensor(h), torch.tensor(np.minimum(time, censoring)), torch.tensor(time <= censoring)


def test_true_probabilities_are_calibrated_and_sharpened_ones_are_not():
    h, time, event = simulated(0)
    truth = torch.exp(-0.5 * h.exp())
    good = metrics.calibration(time, event, truth, 0.5)
    inside = (good.low <= good.predicted) & (good.predicted <= good.high)
    assert inside.sum() >= 8 and good.error < 0.02
    assert good.counts.tolist() == [400] * 10
    bold = metrics.calibration(time, event, torch.exp(-0.5 * (2 * h).exp()), 0.5)
    assert bold.error > 5 * good.error
    assert bold.predicted[0] < bold.low[0] and bold.predicted[-1] > bold.high[-1]


def test_calibration_keeps_equal_predictions_together_and_counts_what_censoring_hides():
    h, time, event = simulated(1)
    flat = metrics.calibration(time, event, torch.full((4000,), 0.6, dtype=torch.float64), 0.5, groups=5)
    assert flat.counts.tolist() == [4000]
    assert flat.observed.item() == pytest.approx(float(metrics.kaplan_meier(time, event).at([0.5])))
    assert flat.error == pytest.approx(abs(0.6 - flat.observed.item()))


def test_the_level_of_the_bounds_is_a_setting():
    narrow, wide = (metrics.kaplan_meier([1.0, 2.0, 3.0, 4.0], [1, 0, 1, 0], level=level) for level in (0.5, 0.95))
    spread = [float(curve.low[0].log().neg().log() - curve.survival[0].log().neg().log()) for curve in (narrow, wide)]
    assert spread[0] / spread[1] == pytest.approx(norm.ppf(0.75) / norm.ppf(0.975))


T, E, H, S = [1.0, 2.0, 3.0], [1, 0, 1], [0.1, 0.2, 0.3], [[0.5], [0.5], [0.5]]
BAD = [
    (lambda: metrics.concordance_index(T, [1, 2, 0], H), "event must be 1"),
    (lambda: metrics.concordance_index([-1.0, 2.0, 3.0], E, H), "time must be finite and not negative, got -1.0"),
    (lambda: metrics.concordance_index(T, E, [0.1, math.nan, 0.2]), "log_hazard must be finite, got nan at position 1"),
    (lambda: metrics.concordance_index(T, E, [0.1, 0.2]), r"log_hazard must have one entry per subject, .* got \(2,\)"),
    (lambda: metrics.concordance_index(T, E, H, ties="none"), r"ties must be one of \('half', 'nothing', 'excluded'\)"),
    (
        lambda: metrics.concordance_index(T, E, H, same_time="both"),
        r"same_time must be one of \('censored_later', 'excluded'\)",
    ),
    (lambda: metrics.uno_concordance(T, E, H, train_time=T), "train_time and train_event must be given together"),
    (lambda: metrics.auroc([1, 0, 2], H), "event must be 1"),
    (lambda: metrics.cumulative_dynamic_auc(T, E, H, [2.0, 1.0]), "times must be finite times that increase"),
    (lambda: metrics.brier_score(T, E, [[0.5], [1.5], [0.5]], [1.5]), "survival must be probabilities from 0 to 1"),
    (lambda: metrics.brier_score(T, E, S, [1.0, 2.0]), r"survival must have shape \(3, 2\), got \(3, 1\)"),
    (lambda: metrics.integrated_brier_score(T, E, S, [1.5]), "times must hold two times or more to integrate over, got 1"),
    (lambda: metrics.calibration(T, E, H, 4.0, groups=1), "horizon must not be after the last observed time 3, got 4"),
    (lambda: metrics.calibration(T, E, H, 2.0, groups=4), "groups must be a whole number from 1 to .* 3, got 4"),
    (lambda: metrics.calibration(T, E, H, 2.0, groups=1.5), "groups must be a whole number"),
    (lambda: metrics.kaplan_meier(T, E, level=1.0), "level must lie between 0 and 1, got 1.0"),
]


@pytest.mark.parametrize(("call", "message"), BAD)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
