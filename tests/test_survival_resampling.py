"""Bootstrap intervals and the comparison of two models: coverage, pairing, groups, refusals."""

import math

import numpy as np
import pytest
import torch
from survival_cases import heavy_ties

from toolkit.survival import metrics
from toolkit.survival.metrics import bootstrap_interval, concordance_index, paired_comparison


def exponential(seed, n=150, noise=1.0):
    """Subjects with true log hazards, and predictions of them with some noise."""
    random = np.random.default_rng(seed)
    h = random.normal(size=n)
    time, censoring = random.exponential(np.exp(-h)), random.exponential(2.0, size=n)
    return np.minimum(time, censoring), time <= censoring, h + noise * random.normal(size=n)


def mean_time(time, event, h):
    return float(time.mean())


def closeness(time, event, h):
    return -float((h - time).square().mean())


def test_the_interval_of_a_mean_is_that_of_its_standard_error():
    time, event, h = exponential(0, n=400)
    interval = bootstrap_interval(mean_time, time, event, h, resamples=2000)
    half = 1.96 * time.std() / 20
    assert interval.value == pytest.approx(time.mean()) and interval.resamples == 2000
    assert interval.low == pytest.approx(time.mean() - half, abs=0.25 * half)
    assert interval.high == pytest.approx(time.mean() + half, abs=0.25 * half)


def test_intervals_cover_the_true_value_as_often_as_they_say():
    covered = []
    for seed in range(200):
        time = np.random.default_rng(seed).exponential(size=100)
        interval = bootstrap_interval(mean_time, time, np.ones(100), time, resamples=200)
        covered.append(interval.low <= 1 <= interval.high)
    assert 0.88 <= np.mean(covered) <= 0.98


def test_few_events_make_wide_intervals():
    time, event, h = exponential(1, n=300)
    rare = event & (np.cumsum(event) <= 5)
    few, many = (bootstrap_interval(concordance_index, time, seen, h, resamples=100) for seen in (rare, event))
    assert few.high - few.low > 3 * (many.high - many.low)


def test_the_draws_depend_on_the_seed_alone():
    subjects = exponential(2)
    first, again, other = (bootstrap_interval(concordance_index, *subjects, resamples=50, seed=seed) for seed in (3, 3, 4))
    assert first == again != other


def test_resamples_on_which_the_metric_is_not_defined_are_left_out():
    time, event, h = torch.arange(1.0, 21.0), torch.zeros(20, dtype=torch.bool), torch.randn(20)
    event[:2] = True
    interval = bootstrap_interval(concordance_index, time, event, h, resamples=300)
    assert 200 < interval.resamples < 300  # a draw of 20 misses both events in one of eight cases


def test_whole_patients_are_drawn_where_rows_belong_together():
    """Five equal images of each patient say no more than one."""
    time, event, h = exponential(3, n=100)
    patient = np.arange(100)
    one = bootstrap_interval(concordance_index, time, event, h, resamples=200)
    copies = [np.repeat(values, 5) for values in (time, event, h)]
    grouped = bootstrap_interval(concordance_index, *copies, resamples=200, groups=np.repeat(patient, 5))
    naive = bootstrap_interval(concordance_index, *copies, resamples=200)
    assert (grouped.high - grouped.low) / (one.high - one.low) == pytest.approx(1, abs=0.25)
    assert (naive.high - naive.low) / (one.high - one.low) == pytest.approx(1 / math.sqrt(5), abs=0.15)


# Comparison


def test_a_better_model_is_found_and_the_order_of_the_two_turns_the_sign():
    time, event, good = exponential(4, n=300, noise=0.3)
    bad = np.random.default_rng(0).normal(size=300)
    first = paired_comparison(concordance_index, time, event, good, bad, resamples=100)
    second = paired_comparison(concordance_index, time, event, bad, good, resamples=100)
    assert (first.better, second.better) == ("first", "second")
    assert first.difference.value == -second.difference.value and first.p_value == second.p_value == pytest.approx(2 / 100)


def test_equal_models_are_undecided():
    time, event, h = exponential(5)
    compared = paired_comparison(concordance_index, time, event, h, 2 * h + 1, resamples=50)
    assert compared.better == "undecided" and compared.p_value == 1
    assert compared.difference.low == compared.difference.value == compared.difference.high == 0


def test_pairing_finds_what_two_intervals_hide():
    """Two models with nearly the same errors: their intervals overlap, that of the difference does not hold 0."""
    time, event, h = exponential(6, n=400, noise=0.5)
    worse = h + 0.5 * np.random.default_rng(1).normal(size=400)
    intervals = [bootstrap_interval(concordance_index, time, event, each, resamples=100) for each in (h, worse)]
    compared = paired_comparison(concordance_index, time, event, h, worse, resamples=100)
    assert intervals[0].low < intervals[1].high < intervals[0].high
    assert compared.better == "first" and compared.p_value < 0.05


def test_false_alarms_are_as_rare_as_the_level_says():
    """Two models that are equally good by construction: both see the times with noise of the same size."""
    alarms = []
    for seed in range(200):
        time, event, _ = exponential(seed, n=100)
        random = np.random.default_rng(1000 + seed)
        first, second = (time + random.normal(size=100) for _ in range(2))
        alarms.append(paired_comparison(closeness, time, event, first, second, resamples=200).better != "undecided")
    assert 0.01 <= np.mean(alarms) <= 0.11


TIME, EVENT, HAZARD = (part.numpy() for part in heavy_ties(0, n=20))
BAD = [
    ({"level": 1.0}, "level must lie between 0 and 1, got 1.0"),
    ({"level": math.nan}, "level must lie between 0 and 1, got nan"),
    ({"resamples": 0}, "resamples must be a whole number, 1 or more, got 0"),
    ({"resamples": 1.5}, "resamples must be a whole number, 1 or more, got 1.5"),
    ({"resamples": True}, "resamples must be a whole number"),
    ({"groups": [1, 2]}, "groups must have one entry per subject, got 2 for 20"),
]


@pytest.mark.parametrize(("settings", "message"), BAD)
def test_settings_that_cannot_work_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        bootstrap_interval(concordance_index, TIME, EVENT, HAZARD, **settings)
    with pytest.raises(ValueError, match=message):
        paired_comparison(concordance_index, TIME, EVENT, HAZARD, HAZARD, **settings)


def test_a_metric_that_is_hardly_ever_defined_is_not_reported():
    time, event = np.arange(1.0, 41.0), np.arange(40) == 38  # one event, one subject after it
    with pytest.raises(metrics.NotDefined, match=r"defined on \d+ of 200 resamples only: there are too few events"):
        bootstrap_interval(concordance_index, time, event, time, resamples=200)


def test_second_predictions_of_another_length_are_refused():
    with pytest.raises(ValueError, match=r"second must have one entry per subject, shape \(20,\), got \(19,\)"):
        paired_comparison(concordance_index, TIME, EVENT, HAZARD, HAZARD[1:])
