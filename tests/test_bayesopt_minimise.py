"""Searching a box of whole and continuous variables: what may be proposed, what is found, going on later, refusals."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit import recordings
from toolkit.bayesopt import Box, Objective, Range, Search

LEAST = Objective("y", "1", goal="min")
RANGES = [Range("n", "1", 4, 25, whole=True), Range("r", "cells", 2.0, 8.0), Range("t", "min", 1.0, 1000.0, log=True)]


def bowl(point):
    """Least, 0, at n = 11, r = 3.3, t = 30."""
    return ((point[0] - 11) / 21) ** 2 + ((point[1] - 3.3) / 6) ** 2 + (math.log(point[2] / 30) / math.log(1000)) ** 2


def search(measure=bowl, objective=LEAST, **settings):
    return Search(Box(RANGES), objective, measure, **{"initial": 6, "iterations": 24} | settings)


@given(st.integers(0, 1000), st.integers(1, 20))
def test_every_point_that_is_drawn_or_near_lies_in_the_box(seed, n):
    box, random = Box(RANGES), np.random.default_rng(seed)
    drawn = box.drawn(n, random)
    for points in (drawn, box.near(drawn, 3 * n, random)):
        low, high = np.array([(v.low, v.high) for v in RANGES]).T
        assert ((points >= low - 1e-9) & (points <= high + 1e-9)).all()
        assert (points[:, 0] == np.rint(points[:, 0])).all()
        np.testing.assert_allclose(box.admitted(points), points)
        np.testing.assert_allclose(box.unscaled(box.scaled(points).numpy()), points)


def test_each_whole_number_has_the_same_chance():
    box = Box([Range("n", "1", 0, 3, whole=True)])
    counts = np.bincount(box.drawn(8000, np.random.default_rng(0))[:, 0].astype(int), minlength=4)
    assert abs(counts - 2000).max() < 4 * math.sqrt(8000 * 0.25 * 0.75)


def test_neighbours_of_a_whole_number_differ_from_it():
    box = Box([Range("n", "1", 0, 1000, whole=True)])
    near = box.near(np.array([[500.0]]), 400, np.random.default_rng(0))
    assert (near == 500).mean() < 0.05 and {499.0, 501.0} <= set(near[:, 0])


def test_what_is_one_experiment_is_projected_to_one_point():
    box = Box([Range("a", "1", 0.5, 1.0), Range("b", "1", 0.5, 1.0)], project=lambda p: p / p.max(1, keepdims=True))
    assert (box.drawn(50, np.random.default_rng(0)).max(1) == 1).all()


@pytest.mark.parametrize("acquisition", ["ei", "ucb"])
def test_the_model_finds_what_chance_does_not(acquisition):
    found = [list(search(seed=seed, acquisition=acquisition))[-1] for seed in range(3)]
    chance = [list(search(seed=seed, acquisition="random"))[-1] for seed in range(3)]
    assert np.median([one.best for one in found]) < 0.1 * np.median([one.best for one in chance])
    assert [one.best_point[0] for one in found].count(11.0) >= 2


def test_a_maximum_is_the_least_of_the_negative():
    up = list(search(lambda point: -bowl(point), Objective("y", "1", goal="max"), iterations=8))
    down = list(search(iterations=8))
    assert [trial.point for trial in up] == [trial.point for trial in down]
    assert up[-1].best == -down[-1].best


def test_records_tell_the_best_so_far_and_no_point_comes_twice():
    trials = list(search())
    assert [trial.number for trial in trials] == list(range(1, 31))
    assert [trial.drawn for trial in trials] == [True] * 6 + [False] * 24
    assert [trial.best for trial in trials] == np.minimum.accumulate([trial.value for trial in trials]).tolist()
    assert all(bowl(trial.best_point) == trial.best for trial in trials)
    assert len({trial.point for trial in trials}) == 30


def test_it_ends_when_a_value_is_good_enough():
    trials = list(search(enough=0.01, iterations=60))
    assert trials[-1].value <= 0.01 and all(trial.value > 0.01 for trial in trials[:-1]) and len(trials) < 66


@pytest.mark.parametrize("stop", [0, 3, 6, 13])
def test_a_search_that_was_interrupted_goes_on_with_the_same_numbers(tmp_path, stop):
    whole = list(search(iterations=12))
    first = search(iterations=12)
    begun = [next(first) for _ in range(stop)]
    recordings.save_state(tmp_path / "state.npz", first.state_dict())
    second = search(iterations=12)
    second.load_state_dict(recordings.load_state(tmp_path / "state.npz"))
    assert begun + list(second) == whole


def test_more_iterations_may_be_asked_of_a_finished_search():
    short, long = search(iterations=4), search(iterations=9)
    list(short)
    long.load_state_dict(short.state_dict())
    assert list(long) == list(search(iterations=9))[10:]


def test_a_state_of_another_search_is_refused_and_nothing_changes():
    one, other = search(seed=1), search(seed=2)
    next(one)
    with pytest.raises(ValueError, match="seed = 1"):
        other.load_state_dict(one.state_dict())
    assert len(other.y) == 0


def test_a_function_that_never_changes_is_searched_at_random():
    trials = list(search(lambda point: 1.0))
    assert all(trial.drawn for trial in trials) and len({trial.point for trial in trials}) == 30


def test_a_box_that_is_exhausted_says_so():
    box = Box([Range("n", "1", 0, 3, whole=True)])
    small = Search(box, LEAST, lambda point: point[0], initial=2, iterations=9)
    with pytest.raises(ValueError, match="no more than 4"):
        list(small)
    assert sorted(small.x[:, 0]) == [0, 1, 2, 3]


def test_a_value_that_is_none_is_refused_and_not_entered():
    one = search(lambda point: math.nan)
    with pytest.raises(ValueError, match="finite"):
        next(one)
    assert len(one.y) == 0


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"acquisition": "best"}, "acquisition"),
        ({"kernel": "linear"}, "kernel"),
        ({"initial": 1}, "initial"),
        ({"iterations": -1}, "iterations"),
        ({"candidates": 1.5}, "candidates"),
        ({"refit": 0}, "refit"),
        ({"seed": -1}, "seed"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        search(**settings)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Range("n", "1", 3, 3), "low must lie below high"),
        (lambda: Range("n", "1", 0, math.inf), "low must lie below high"),
        (lambda: Range("n", "1", 0.5, 3, whole=True), "whole"),
        (lambda: Range("n", "1", 0, 3, log=True), "above zero"),
        (lambda: Range("n [1]", "1", 0, 3), "name"),
        (lambda: Box([]), "one or more"),
        (lambda: Box([Range("n", "1", 0, 3)] * 2), "different names"),
        (lambda: Box(RANGES).admitted([[1.0, 2.0]]), "3 finite numbers"),
        (lambda: Box(RANGES).admitted([[1.0, 2.0, math.nan]]), "3 finite numbers"),
    ],
)
def test_boxes_that_cannot_be_searched_are_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
