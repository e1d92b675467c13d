"""Virtual experiments: the analytic random baseline, each campaign as if alone, the published shape, refusals."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import binomtest
from sintering_cases import TIME, sintering_table

from toolkit.bayesopt import Prior, process, random_baseline, virtual_experiments, wilson_interval
from toolkit.bayesopt import acquisition as acquisitions
from toolkit.datasets import sintering

LOG = [TIME, sintering.CONDUCTIVITY]


def race(**settings):
    chosen = {"inputs": sintering.INPUTS, "target": sintering.CONDUCTIVITY, "log": LOG} | settings
    return virtual_experiments(sintering_table(), **chosen)


def last(**settings):
    return list(race(**settings))[-1]


# The random baseline ----------------------------------------------------------------------------------------------------


def test_the_baseline_of_the_document_needs_no_data():
    for attempts, found, tries in ((79, 126.0, 33.6), (80, 126.9, 33.9)):
        probability, mean = random_baseline(80, attempts)
        assert round(200 * probability, 1) == found and round(mean, 1) == tries


def test_random_campaigns_come_to_the_baseline_within_its_standard_error():
    state = last(strategies=["random"], initial=[1], repeats=4000, seed=11)
    probability, tries = random_baseline(80, 79)
    share, error = state.fraction()[0, 0], math.sqrt(probability * (1 - probability) / 4000)
    assert abs(share - probability) < 3 * error
    row = state.summary().iloc[0]
    assert abs(row["tries"] - tries) < 3 * row["error"]


def test_intervals_are_wilsons():
    for found, campaigns in ((0, 20), (126, 200), (200, 200)):
        expected = binomtest(found, campaigns).proportion_ci(method="wilson")
        assert wilson_interval(found, campaigns) == pytest.approx((expected.low, expected.high), abs=1e-6)


# One batch is many campaigns --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", ["ucb", "ei", "pi"])
def test_a_campaign_in_the_batch_is_the_campaign_alone(strategy):
    settings = {"initial": [4, 9], "repeats": 3, "attempts": 12, "seed": 2}
    together = list(race(strategies=["ucb", "ei", "pi", "random"], **settings))[-1]
    alone = list(race(strategies=[strategy], **settings))[-1]
    np.testing.assert_array_equal(together.picked[together.strategies.index(strategy)], alone.picked[0])


def test_a_campaign_is_what_the_formulas_say_step_by_step():
    """The same campaign with dense matrices, one process at a time."""
    table, initial, seed, noise = sintering_table(), 6, 3, 0.05
    value = torch.tensor(np.log10(table[sintering.CONDUCTIVITY].to_numpy()))
    x = table[list(sintering.INPUTS)].assign(**{TIME: np.log10(table[TIME])}).to_numpy()
    x = torch.tensor((x - x.min(0)) / np.ptp(x, axis=0))
    draw = torch.Generator().manual_seed(seed)  # in the order in which the race draws
    rows = torch.randint(80, (1, initial), generator=draw)[0].tolist()
    first = noise * torch.randn((1, initial), generator=draw, dtype=torch.float64)[0]
    later = noise * torch.randn((1, 1, 74), generator=draw, dtype=torch.float64)[0, 0]
    seen, prior = (value[rows] + first).tolist(), Prior()
    theta = prior.centre(3)[None]
    curvature = process.first_curvature(theta, prior)
    for number in range(74):
        y = torch.tensor(seen, dtype=torch.float64)
        y, told = (y - y.mean()) / y.std(), x[rows]
        theta, curvature = process.climb(process.observations(told, y), theta, curvature, prior=prior)
        matrix = process.covariance(theta, process.squared_differences(told, told)[:, None])[0]
        matrix = matrix + process.noise_variance(theta) * torch.eye(len(rows), dtype=torch.float64)
        between = process.covariance(theta, process.squared_differences(told, x)[:, None])[0]
        mean = between.mT @ torch.linalg.solve(matrix, y)
        variance = theta[0, -2].exp() - (between * torch.linalg.solve(matrix, between)).sum(0)
        score = acquisitions.expected_improvement(mean, variance.clamp(min=0).sqrt(), best=float(y.max()))
        rows.append(int(score.argmax()))
        if rows[-1] == int(value.argmax()):
            break
        seen.append(float(value[rows[-1]] + later[number]))
    state = last(strategies=["ei"], initial=[initial], repeats=1, seed=seed, noise=noise)
    assert state.picked[0, 0, 0] == number + 1 and state.tries == number + 1


def test_records_count_up_and_do_not_change_afterwards():
    states = list(race(strategies=["ei", "random"], initial=[3], repeats=10))
    assert [state.tries for state in states] == list(range(1, len(states) + 1))
    for state in states:
        assert state.picked.max() <= state.tries
        later = states[-1].picked
        np.testing.assert_array_equal(state.picked, np.where(later <= state.tries, later, 0))
    assert states[-1].running == 0


def test_without_replacement_a_stuck_strategy_goes_on():
    settings = {"strategies": ["ucb"], "initial": [15], "repeats": 12, "kappa": 0.5, "seed": 1}
    stuck, freed = last(**settings).picked > 0, last(**settings, replacement=False).picked > 0
    assert freed.sum() > stuck.sum()


@pytest.mark.slow
def test_the_virtual_laboratory_has_the_published_shape():
    """At least 95 % by UCB and EI, about 63 % at random, and about 6 tries from 15 initial points."""
    state = last(strategies=["ucb", "ei"], initial=[10, 15, 20], repeats=100, kappa=3.0)
    assert (state.fraction() >= 0.95).all()
    assert (state.mean_tries()[:, 1:] < 7).all()
    probability, _ = random_baseline(80, 79)
    assert round(probability, 2) == 0.63


# Refusals ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"inputs": []}, "inputs must be a list of columns"),
        ({"inputs": "acid"}, "inputs must be a list of columns"),
        ({"inputs": ["acid"]}, "the table has no column 'acid'"),
        ({"log": ["acid [wt%]"]}, "column 'acid \\[wt%\\]' must hold positive numbers"),
        ({"inputs": [TIME]}, "several rows of the table have the same inputs"),
        ({"strategies": ["best"]}, "strategies must be different ones of"),
        ({"strategies": ["ei", "ei"]}, "strategies must be different ones of"),
        ({"initial": [0]}, "initial must be whole numbers from 1 to 79"),
        ({"initial": [80]}, "initial must be whole numbers from 1 to 79"),
        ({"repeats": 0}, "repeats must be a whole number"),
        ({"noise": -1.0}, "noise and kappa must be finite and zero or more"),
        ({"kernel": "linear"}, "kernel must be one of"),
        ({"attempts": 81}, "attempts must be None or a whole number from 1 to 80"),
    ],
)
def test_bad_settings_are_refused_at_once(settings, words):
    with pytest.raises(ValueError, match=words):
        race(**settings)


def test_bad_tables_are_refused_at_once():
    for table, words in (
        (sintering_table().assign(**{sintering.CONDUCTIVITY: 1e-4}), "neither the target nor an input may be constant"),
        (sintering_table().assign(**{TIME: math.nan}), "must hold"),
        (sintering_table().head(1), "two rows or more"),
    ):
        with pytest.raises(ValueError, match=words):
            virtual_experiments(table, inputs=sintering.INPUTS, target=sintering.CONDUCTIVITY, log=LOG)
