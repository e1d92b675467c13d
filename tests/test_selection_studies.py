"""Subsets, elimination, importance, tests over seeds and the forest: known answers and refusals."""

import numpy as np
import pytest
import torch
from selection_cases import FEATURES, arrays, small

from toolkit import published
from toolkit.potential import document_columns
from toolkit.potential.selection import (
    backward,
    equally_spaced,
    fit,
    fit_constant,
    fit_forest,
    fit_linear,
    histories,
    leave_one_out,
    paired,
    permutation,
    scaled,
    spread,
    uncorrelated,
    weight_lengths,
)  # fmt: skip
from toolkit.potential.selection import subsets as subsets_module
from toolkit.potential.selection.scaling import scaled as make_scaled

QUICK = {"epochs": 60, "learning_rate": 0.02, "batch_size": 32, "hidden": (5, 4)}


def test_sets_of_the_document():
    for name, starts in subsets_module.STARTS.items():
        assert equally_spaced(starts).tolist() == document_columns(f"57{name}")
    table = published.table("ghimire_table_d_1_leave_one_out")
    radial, angular = (table[table["function"] == kind]["function_index"] for kind in ("G2", "G5"))
    assert sorted([*(radial - 1), *(angular + 268)]) == equally_spaced().tolist()


def test_spread_covers_the_list():
    for count in (1, 2, 8, 57, 329):
        chosen = spread(count, 329)
        assert len(set(chosen.tolist())) == count
        assert chosen.min() >= 0
        assert chosen.max() < 329
    assert spread(329, 329).tolist() == list(range(329))
    assert spread(4, 8, shift=1.0).tolist() == [2, 4, 6, 7]


def test_correlations_equal_numpy():
    descriptors, _ = arrays(40)
    ours = subsets_module.correlations(descriptors)[:-1, :-1].numpy()
    np.testing.assert_allclose(ours, np.corrcoef(descriptors.flatten(0, 1)[:, :-1].double().numpy().T), atol=1e-10)
    assert not subsets_module.correlations(descriptors)[-1].any()


def test_uncorrelated_keeps_no_copies():
    descriptors, _ = arrays(60)
    kept = uncorrelated(descriptors, threshold=0.9)
    assert kept.tolist() == [0, 1, *range(3, FEATURES - 1)]  # 2 copies 0, the last is constant
    for count in (1, 5, 10):
        kept = uncorrelated(descriptors, count=count)
        assert len(kept) == count
        assert not {0, 2} <= set(kept.tolist())


def test_importance_finds_what_carries_the_energy():
    run = fit(small(140), masks=[range(FEATURES), [0, 1, 3]], seeds=[0, 1], **QUICK)
    list(run)
    rises = permutation(run, repeats=3)
    assert rises.shape == (3, 2, FEATURES)
    assert not rises[:, 1][:, [2, *range(4, FEATURES)]].any()  # what it does not see
    assert rises.mean(0)[1].argsort()[-2:].tolist() in ([0, 1], [1, 0])
    assert weight_lengths(run)[1][[0, 1]].min() > weight_lengths(run)[1][3]
    assert not rises[:, 0, -1].any()  # a constant stays one when it is shuffled


def test_permutation_equals_the_plain_way():
    run = fit(small(), epochs=5, hidden=(4, 3))
    list(run)
    rises = permutation(run, repeats=1, seed=7)[0, 0]
    descriptors, energies = run.data.validation
    order = torch.randperm(descriptors[..., 0].numel(), generator=torch.Generator().manual_seed(7))
    for column in range(FEATURES):
        shuffled = descriptors.clone()
        shuffled[..., column] = descriptors[..., column].flatten()[order].view_as(descriptors[..., column])
        loss = (run.stack.energies(run.best_weights, shuffled) - energies).square().mean()
        plain = run.data.millielectronvolts(float(loss)) - run.rmse("validation")[0]
        np.testing.assert_allclose(rises[column], plain, rtol=1e-3, atol=1e-3)


def test_leave_one_out_misses_what_carries_the_energy():
    data = small(140).only([0, 1, 3, 4])
    results = list(leave_one_out(data, seeds=[0, 1], **QUICK))
    assert [result.seed for result in results] == [0, 1]
    for result in results:
        assert result.validation.argsort()[-2:].tolist() in ([0, 1], [1, 0])
        assert result.full_validation < result.validation[:2].min()
        assert result.test.shape == (4,)


@pytest.mark.parametrize("score", ["leave one out", "weights", "permutation"])
def test_backward_keeps_what_carries_the_energy(score):
    rounds = list(backward(small(140), score=score, drop=3, least=2, seeds=[0, 1], **QUICK))
    assert [len(each.columns) for each in rounds] == [12, 9, 6, 3, 2]
    for before, after in zip(rounds[:-1], rounds[1:], strict=True):
        assert set(before.columns) - set(before.dropped) == set(after.columns)
        assert before.scores.shape == (2, len(before.columns))
    assert rounds[-1].dropped == ()
    kept = set(rounds[-1].columns)
    assert 1 in kept
    assert kept & {0, 2}


def test_backward_stops_where_nothing_is_gained():
    rounds = list(backward(small(140).only([0, 1]), score="leave one out", drop=1, only_gains=True, seeds=[0, 1], **QUICK))
    assert len(rounds) == 1  # both are needed
    assert (rounds[0].scores.mean(0) > 0).all()


def test_a_share_is_dropped_from_round_to_round():
    rounds = backward(small(), score="weights", drop=0.5, seeds=[0], epochs=1)
    assert [len(each.columns) for each in rounds] == [12, 6, 3, 2, 1]


def test_paired_equals_scipy():
    scipy_stats = pytest.importorskip("scipy.stats")
    draw = np.random.default_rng(0)
    first, second = draw.normal(size=5), draw.normal(size=5)
    ours = paired(first, second)
    theirs = scipy_stats.ttest_rel(first, second)
    np.testing.assert_allclose(ours.p, theirs.pvalue)
    np.testing.assert_allclose(ours.p_worse, scipy_stats.ttest_rel(first, second, alternative="greater").pvalue)
    np.testing.assert_allclose((ours.low, ours.high), theirs.confidence_interval())
    assert paired([2.0, 3.0], [1.0, 2.0]).p_worse == 0
    assert not paired(np.arange(5) + 2.0 + 0.01 * draw.normal(size=5), np.arange(5.0)).not_worse()
    assert paired(np.arange(5.0), np.arange(5) + 2.0 + 0.01 * draw.normal(size=5)).not_worse()


def test_a_test_on_histories_calls_two_seeds_of_one_network_different():
    """Correlated draws of one distribution: the plain test rejects far more often than its five per cent."""
    draw = np.random.default_rng(1)
    rejected = 0
    for _ in range(100):
        first, second = (np.cumsum(draw.normal(size=400)) * 0.05 + 1 for _ in range(2))
        rejected += histories(first, second) < 0.05
    assert rejected > 60


def test_a_forest_answers_within_the_training_energies():
    data = small(140)
    for form in ("mean", "atoms in a row", "every atom"):
        found = fit_forest(data, form, trees=10)
        energies = data.train[1].numpy() * data.unit + data.mean
        low, high = energies.min(), energies.max()
        assert (found.energies >= low - 1e-6).all()
        assert (found.energies <= high + 1e-6).all()
        errors = found.energies - found.wanted
        np.testing.assert_allclose(found.rmse, 1000 * np.sqrt((errors**2).mean()), rtol=1e-4)
    assert abs(fit_constant(data).slope) < 1e-6
    assert fit_linear(data).rmse < fit_constant(data).rmse


def test_refusals():
    data = small()
    for message, make in {
        "starts must be in": lambda: equally_spaced((0, 202, 1)),
        "steps must be three": lambda: equally_spaced(steps=(8, 0, 4)),
        "count must be in 1 .. 329, got 0": lambda: spread(0, 329),
        "shift must be in": lambda: spread(3, 9, shift=2.0),
        "one of threshold and count": lambda: uncorrelated(data.train[0]),
        "threshold must be above 0": lambda: uncorrelated(data.train[0], threshold=1.0),
        "count must be in 1 .. 11": lambda: uncorrelated(data.train[0], count=12),
        "score must be one of": lambda: backward(data, score="shap"),
        "drop must be a share": lambda: backward(data, drop=1.5),
        "least must be in": lambda: backward(data, least=0),
        "only_gains needs": lambda: backward(data, only_gains=True),
        "seeds: at least one": lambda: backward(data, seeds=[]),
        "first and second must be two": lambda: paired([1.0], [1.0]),
        "first and second must be finite": lambda: paired([1.0, np.nan], [1.0, 1.0]),
        "form must be one of": lambda: fit_forest(data, "image"),
        "part must be 'train'": lambda: permutation(fit(data, epochs=0), part="all"),
        "a comparison needs test frames": lambda: fit_linear(make_scaled(data.train, data.validation)),
    }.items():
        with pytest.raises(ValueError, match=message):
            make()
    assert scaled is make_scaled
