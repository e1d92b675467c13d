"""Splits and samples: disjoint, covering, stratified, the same for the same seed."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from toolkit.datasets import sample, split

SHARES = st.floats(0, 0.45)
SEEDS = st.integers(0, 2**32)
LABELS = st.lists(st.integers(0, 5), min_size=10, max_size=300).map(np.array)


@given(n=st.integers(10, 500), validation=SHARES, test=SHARES, seed=SEEDS)
def test_the_parts_are_disjoint_cover_everything_and_have_the_shares(n, validation, test, seed):
    parts = split(n, validation=validation, test=test, seed=seed)
    assert torch.equal(torch.cat(parts).sort().values, torch.arange(n))
    assert all(torch.equal(part, part.sort().values) for part in parts)
    assert len(parts[2]) == round(n * test)
    assert len(parts[1]) + len(parts[2]) == round(n * (validation + test))


@given(labels=LABELS, validation=SHARES, test=SHARES, seed=SEEDS)
def test_every_class_gives_its_share(labels, validation, test, seed):
    n = len(labels)
    train, *held_out = split(n, validation=validation, test=test, seed=seed, stratify=labels)
    assert torch.equal(torch.cat([train, *held_out]).sort().values, torch.arange(n))
    for label in np.unique(labels):
        size = np.sum(labels == label)
        assert abs(np.sum(labels[train] == label) - size * len(train) / n) < 1
        for part in held_out:
            assert abs(np.sum(labels[part] == label) - size * len(part) / n) < 2


@given(labels=LABELS, seed=SEEDS)
def test_equal_seeds_give_equal_splits(labels, seed):
    first, second = (split(len(labels), seed=seed, stratify=torch.from_numpy(labels)) for _ in range(2))
    assert all(map(torch.equal, first, second))


def test_other_seeds_give_other_splits():
    tests = {tuple(split(100, seed=seed)[2].tolist()) for seed in range(10)}
    assert len(tests) == 10


def test_every_sample_is_held_out_equally_often():
    labels = np.arange(60) % 3
    counts = sum(
        torch.bincount(split(60, validation=0, test=0.2, seed=seed, stratify=labels)[2], minlength=60) for seed in range(500)
    )
    expected, tolerance = 100, 5 * np.sqrt(500 * 0.2 * 0.8)
    assert (counts - expected).abs().max() < tolerance


@given(labels=LABELS, share=st.floats(0.01, 1), seed=SEEDS)
def test_a_sample_keeps_the_shares_of_the_classes(labels, share, seed):
    n = len(labels)
    size = max(1, int(share * n))
    chosen = sample(n, size, seed=seed, stratify=labels)
    assert len(chosen) == size == len(chosen.unique())
    for label in np.unique(labels):
        assert abs(np.sum(labels[chosen] == label) - np.sum(labels == label) * size / n) < 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n": 0}, "leave none of 0 samples"),
        ({"n": 10, "validation": -0.1}, "validation is a share of the samples, 0 <= validation < 1, got -0.1"),
        ({"n": 10, "test": 1.0}, "test is a share of the samples, 0 <= test < 1, got 1.0"),
        ({"n": 10, "validation": 0.5, "test": 0.5}, "leave nothing for training"),
        ({"n": 1, "validation": 0.4, "test": 0.4}, "leave none of 1 samples for training"),
        ({"n": 10, "validation": "0.1"}, "validation is a share of the samples, 0 <= validation < 1, got .0.1."),
        ({"n": 10, "seed": -1}, "seed must be a whole number of 0 or more, got -1"),
        ({"n": 10, "seed": 1.5}, "seed must be a whole number of 0 or more, got 1.5"),
        ({"n": 10, "stratify": np.zeros(9)}, r"one label for each of 10 samples, got shape \(9,\)"),
    ],
)
def test_impossible_splits_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        split(**settings)


@pytest.mark.parametrize("size", [0, 11])
def test_impossible_samples_are_refused(size):
    with pytest.raises(ValueError, match=f"size must be a number of samples from 1 to 10, got {size}"):
        sample(10, size)
