"""The proximal steps against golden values, the lassonet package, brute force and their limiting cases."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from toolkit.potential.selection.proximal import group_prox, hierarchical_prox


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def objective(b, w, v, u, penalty, hidden_penalty):
    return 0.5 * ((b - v) ** 2).sum() + 0.5 * ((w - u) ** 2).sum() + penalty * np.linalg.norm(b) + hidden_penalty * abs(w).sum()


def brute_force(v, u, penalty, hierarchy, hidden_penalty):
    """The least objective: for a given b the best W is a clipped soft threshold, so b is all that is searched."""

    def of(b):
        w = np.sign(u) * np.minimum(np.maximum(abs(u) - hidden_penalty, 0), hierarchy * np.linalg.norm(b))
        return objective(b, w, v, u, penalty, hidden_penalty)

    starts = [v * t for t in np.linspace(0, 4, 9)] + [np.eye(len(v))[0] * t for t in (0.01, 1.0, 3.0)]
    options = {"xatol": 1e-10, "fatol": 1e-14, "maxiter": 4000}
    return min(minimize(of, start, method="Nelder-Mead", options=options).fun for start in starts)


def test_golden_values():
    b, w = hierarchical_prox(torch.tensor([1.0]), torch.tensor([0.5, -2.0]), penalty=0.1, hierarchy=1.0)
    torch.testing.assert_close((b, w), (torch.tensor([1.45]), torch.tensor([0.5, -1.45])))
    b, w = hierarchical_prox(torch.tensor([3.0, 4.0]), torch.zeros(3), penalty=1.0)
    torch.testing.assert_close((b, w), (torch.tensor([2.4, 3.2]), torch.zeros(3)))


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("hidden_penalty", [0.0, 0.3])
def test_equals_the_package(outputs, hidden_penalty):
    package = pytest.importorskip("lassonet.prox")
    v, u = drawn(400, outputs, seed=1), 3 * drawn(400, 10, seed=2)
    for penalty, hierarchy in ((0.0, 1.0), (0.5, 0.1), (2.0, 10.0), (30.0, 1.0)):
        ours = hierarchical_prox(v, u, penalty=penalty, hierarchy=hierarchy, hidden_penalty=hidden_penalty)
        theirs = package.prox(v.T, u.T, lambda_=penalty, lambda_bar=hidden_penalty, M=hierarchy)
        for own, other in zip(ours, theirs, strict=True):
            torch.testing.assert_close(own, other.T, rtol=0, atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000), outputs=st.integers(1, 2), width=st.integers(1, 5), penalty=st.sampled_from([0.0, 0.2, 1.5]),
    hierarchy=st.sampled_from([0.0, 0.3, 1.0, 10.0]), hidden_penalty=st.sampled_from([0.0, 0.4]), zero=st.booleans(),
)  # fmt: skip
def test_nothing_costs_less(seed, outputs, width, penalty, hierarchy, hidden_penalty, zero):
    v, u = drawn(outputs, seed=seed) * (not zero), 2 * drawn(width, seed=seed + 1)
    b, w = hierarchical_prox(v, u, penalty=penalty, hierarchy=hierarchy, hidden_penalty=hidden_penalty)
    assert w.abs().max() <= hierarchy * b.norm() + 1e-12
    ours = objective(b.numpy(), w.numpy(), v.numpy(), u.numpy(), penalty, hidden_penalty)
    least = brute_force(v.numpy(), u.numpy(), penalty, hierarchy, hidden_penalty)
    assert ours <= least + 1e-8
    assert ours >= least - 1e-6  # and brute force has found it


def test_a_feature_without_linear_weight_is_not_a_number_nowhere():
    b, w = hierarchical_prox(torch.zeros(1), torch.tensor([3.0, -4.0]), penalty=1.0, hierarchy=1.0)
    torch.testing.assert_close(b, torch.tensor([2.0]))  # (3 + 4 - 1) / (1 + 2)
    torch.testing.assert_close(w, torch.tensor([2.0, -2.0]))
    b, w = hierarchical_prox(torch.zeros(1), torch.zeros(2), penalty=0.0)
    assert not b.any()
    assert not w.any()


def test_limits_of_the_hierarchy():
    v, u = drawn(50, 1, seed=3), drawn(50, 4, seed=4)
    b, w = hierarchical_prox(v, u, penalty=0.4, hierarchy=0.0)
    torch.testing.assert_close(b, group_prox(v, penalty=0.4))
    assert not w.any()
    b, w = hierarchical_prox(v, u, penalty=0.0, hierarchy=1e6)
    torch.testing.assert_close(w, u)


def test_where_b_is_zero_w_is_zero_exactly():
    b, w = hierarchical_prox(drawn(1000, 1, seed=5), 0.01 * drawn(1000, 10, seed=6), penalty=1.0)
    dropped = b[:, 0] == 0
    assert 0 < dropped.sum() < 1000
    assert not w[dropped].any()


def test_a_penalty_for_each_member_and_many_axes():
    v, u = drawn(3, 7, 1, seed=7), drawn(3, 7, 5, seed=8)
    penalties = torch.tensor([0.1, 0.5, 1.0], dtype=torch.float64)
    together = hierarchical_prox(v, u, penalty=penalties[:, None], hierarchy=2.0)
    for k, penalty in enumerate(penalties):
        alone = hierarchical_prox(v[k], u[k], penalty=float(penalty), hierarchy=2.0)
        torch.testing.assert_close((together[0][k], together[1][k]), alone)


def test_group_prox_shortens_and_ends_at_zero():
    weights = drawn(20, 6, seed=9)
    short = group_prox(weights, penalty=0.5)
    torch.testing.assert_close(short.norm(dim=1), (weights.norm(dim=1) - 0.5).clamp_min(0))
    assert not group_prox(weights, penalty=100.0).any()
    assert not group_prox(torch.zeros(2, 3), penalty=0.0).any()


def test_refusals():
    v, u = torch.ones(3, 1), torch.ones(3, 4)
    with pytest.raises(ValueError, match=r"linear and hidden .* got \(3, 1\) and \(2, 4\)"):
        hierarchical_prox(v, u[:2], penalty=1.0)
    for name in ("penalty", "hierarchy", "hidden_penalty"):
        with pytest.raises(ValueError, match=f"{name} must be zero or more, got -1"):
            hierarchical_prox(v, u, **{"penalty": 1.0} | {name: -1.0})
    with pytest.raises(ValueError, match="penalty must be zero or more, got -1"):
        group_prox(u, penalty=-1.0)
