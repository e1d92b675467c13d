"""The path: hierarchy, exact independence of what was dropped, order of leaving, limiting cases."""

import numpy as np
import pytest
import torch
from selection_cases import FEATURES, arrays, small

from toolkit.potential.selection import lassonet
from toolkit.potential.selection.lassonet import Path, path
from toolkit.potential.selection.scaling import scaled

QUICK = {
    "hidden": (5, 4),
    "dense_epochs": 30,
    "epochs": 6,
    "growth": 1.5,
    "batch_size": 32,
    "learning_rate": 0.02,
    "dense_learning_rate": 0.02,
}


@pytest.fixture(scope="module")
def walked() -> Path:
    run = path(small(140), seeds=[0, 1], **QUICK)
    list(run)
    return run


def test_the_path_leads_from_all_functions_to_none(walked):
    counts = np.stack([step.features for step in walked.steps])
    assert (counts[0] == FEATURES).all()
    assert (counts[-1] == 0).all()
    assert (counts[-2] > 0).any()
    penalties = [step.penalty for step in walked.steps]
    assert penalties[0] == 0
    np.testing.assert_allclose(np.divide(penalties[2:], penalties[1:-1]), 1.5)


def test_the_functions_that_carry_the_energy_stay_longest(walked):
    for member in range(2):
        first = set(walked.ranking(member)[:3].tolist())
        assert 1 in first
        assert first & {0, 2}  # 2 is a copy of 0
        assert walked.ranking(member)[-1] == FEATURES - 1 or walked.importance()[member].argmin() in (
            FEATURES - 1,
            *range(3, 11),
        )


@pytest.mark.parametrize("penalty", lassonet.PENALTIES)
def test_a_dropped_function_has_exactly_no_influence(penalty):
    data = small(140)
    run = path(data, penalty=penalty, seeds=[0, 1], **QUICK)
    seen_some = 0
    for step in run:
        moved = data.test[0].clone()
        before = run.stack.energies(run.weights, moved)
        for member in range(2):
            dropped = torch.tensor(np.flatnonzero(~step.selected[member]))
            parts = run.stack.parts(run.weights)
            assert not parts["weight 0"][member][:, dropped].any()
            changed = moved.clone()
            changed[..., dropped] += 1e3 * torch.randn(1, generator=torch.Generator().manual_seed(1))
            after = run.stack.energies(run.weights, changed)
            assert torch.equal(after[member], before[member])
            used = torch.tensor(np.flatnonzero(step.selected[member]))
            if 0 < len(dropped) < FEATURES:
                seen_some += 1
                changed[..., used] += 1.0
                assert not torch.allclose(run.stack.energies(run.weights, changed)[member], before[member])
    assert seen_some > 3


def test_the_hierarchy_holds_at_every_step():
    run = path(small(140), hierarchy=0.5, **QUICK)
    for step in run:
        if step.number:
            parts = run.stack.parts(run.weights)
            assert (parts["weight 0"].abs().amax(1) <= 0.5 * parts["skip"].abs() + 1e-6).all()


def test_without_the_network_it_is_a_lasso():
    """M = 0: a linear model with an absolute penalty, whose solution scikit-learn knows."""
    linear_model = pytest.importorskip("sklearn.linear_model")
    data = small(140)
    inputs, targets = data.train[0].mean(1).double().numpy(), data.train[1].double().numpy()
    penalty = 0.2
    run = path(
        data, hierarchy=0.0, hidden=(2,), dense_epochs=10, epochs=2000, batch_size=1000, start=penalty, learning_rate=0.1
    )
    next(run), next(run)
    theirs = linear_model.Lasso(alpha=penalty / 2).fit(inputs, targets)
    np.testing.assert_allclose(run.stack.parts(run.weights)["skip"][0], theirs.coef_, atol=2e-3)
    assert ((theirs.coef_ != 0) == run.steps[1].selected[0]).all()


def test_the_first_penalty_is_a_part_of_that_which_keeps_all_out():
    data = small(140)
    run = path(data, seeds=[0, 1], **QUICK)
    next(run), next(run)
    stationary = run.start / lassonet.START
    parts = run.stack.parts(run.weights)
    parts["weight 0"].zero_(), parts["skip"].zero_()
    before = run.weights.clone()
    run._train(lassonet.SGDRule(), 3, lambda epoch: 1e-3, 2 * stationary)
    assert not run._strength().any()
    assert not torch.equal(before, run.weights)  # the bias went on learning


def test_a_member_does_not_depend_on_its_company(walked):
    alone = path(small(140), seeds=[1], start=walked.start, **QUICK)
    for step, both in zip(alone, walked.steps[:8], strict=False):
        np.testing.assert_allclose(step.validation_loss[0], both.validation_loss[1], rtol=1e-3)


def test_a_state_goes_on_with_the_same_numbers(walked):
    first = path(small(140), seeds=[0, 1], **QUICK)
    for _ in range(4):
        next(first)
    second = path(small(140), seeds=[0, 1], **QUICK)
    second.load_state_dict(first.state_dict())
    for step in walked.steps[4:8]:
        np.testing.assert_array_equal(next(second).validation_loss, step.validation_loss)
    with pytest.raises(ValueError, match="state: it was made with other seeds"):
        path(small(140), seeds=[3, 4], **QUICK).load_state_dict(first.state_dict())


def test_the_number_of_atoms_does_not_change_the_path():
    """The same environments in cells of twice as many atoms: the energy per atom, and so the penalty, means the same."""
    descriptors, energies = arrays(100)
    parts = [(descriptors[:60], energies[:60]), (descriptors[60:], energies[60:])]
    double = [(torch.cat([x, x], dim=1), 2 * y) for x, y in parts]
    one, two = (path(scaled(*pair), **QUICK) for pair in (parts, double))
    for _, a, b in zip(range(6), one, two, strict=False):
        np.testing.assert_allclose(a.validation_loss, b.validation_loss, rtol=2e-2)
        assert abs(a.penalty - b.penalty) <= 1e-3 * a.penalty


def test_a_step_that_diverges_is_taken_again_more_slowly():
    run = path(small(140), **QUICK | {"learning_rate": 1e3})
    steps = [step for _, step in zip(range(4), run, strict=False)]
    assert all((step.train_loss < lassonet.OUT_OF_BOUNDS).all() for step in steps)
    assert steps[-1].learning_rate < 1e3
    assert run.weights.isfinite().all()


def test_at_most_and_its_refusal(walked):
    step = walked.at_most(4, 1)
    assert step.features[1] <= 4 < walked.steps[step.number - 1].features[1]
    short = path(small(), **QUICK)
    next(short)
    with pytest.raises(ValueError, match="count: after 1 steps member 0 still uses more than 3"):
        short.at_most(3)


def test_it_ends_at_the_least_number_of_functions():
    run = path(small(140), least=5, **QUICK)
    list(run)
    assert run.steps[-1].features[0] <= 5 < run.steps[-2].features[0]


def test_refusals():
    data = small()
    for message, settings in {
        "penalty must be one of": {"penalty": "ridge"},
        "seeds: a path has at least": {"seeds": []},
        "growth must be finite and above 1": {"growth": 1.0},
        "hierarchy must be finite": {"hierarchy": -1.0},
        "momentum must be at least 0": {"momentum": 1.0},
        "start must be 'auto' or": {"start": 0.0},
        "learning_rate must be finite": {"learning_rate": 0.0},
        "epochs must be a whole number": {"epochs": 0},
    }.items():
        with pytest.raises(ValueError, match=message):
            path(data, **settings)
    with pytest.raises(TypeError, match="data must come from"):
        path(None)
