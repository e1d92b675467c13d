"""Landscapes that can be written down, and the ball that rolls over them."""

import math
import warnings
from dataclasses import replace

import numpy as np
import pytest
import sympy  # comes with torch
from hypothesis import given
from hypothesis import strategies as st
from sympy.parsing import sympy_parser

from toolkit import landscapes
from toolkit.landscapes import LANDSCAPES, roll
from toolkit.optim import FRICTION_SCHEMES, port_hamiltonian_step

PARABOLA = LANDSCAPES["parabola"]
every_landscape = pytest.mark.parametrize("landscape", LANDSCAPES.values(), ids=list(LANDSCAPES))


def places(landscape, n=200):
    low, high = np.array(landscape.limits, float).T
    return np.random.default_rng(0).uniform(low, high, (n, landscape.dimensions))


@every_landscape
def test_the_gradient_is_that_of_the_value(landscape):
    weights, step = places(landscape), 1e-5
    for axis in range(landscape.dimensions):
        shift = np.zeros(landscape.dimensions)
        shift[axis] = step
        slope = (landscape.value(weights + shift) - landscape.value(weights - shift)) / (2 * step)
        np.testing.assert_allclose(landscape.gradient(weights)[:, axis], slope, rtol=1e-6, atol=1e-6)


@every_landscape
def test_the_value_is_what_the_formula_says(landscape):
    transformations = (*sympy_parser.standard_transformations, sympy_parser.implicit_multiplication_application)
    formula = sympy_parser.parse_expr(landscape.formula.replace("²", "**2"), transformations=transformations)
    names = "ω" if landscape.dimensions == 1 else "xy"
    value = sympy.lambdify(sympy.symbols(list(names)), formula, "numpy")
    weights = places(landscape)
    np.testing.assert_allclose(landscape.value(weights), value(*weights.T), rtol=1e-12, atol=1e-12)


@every_landscape
def test_shapes_go_through(landscape):
    weights = places(landscape, 6).reshape(2, 3, landscape.dimensions)
    assert landscape.value(weights).shape == (2, 3)
    assert landscape.gradient(weights).shape == weights.shape
    assert landscape.value(weights[0, 0]).shape == ()
    assert landscape.value(weights)[1, 2] == landscape.value(weights[1, 2])


@every_landscape
def test_the_start_lies_inside_and_is_where_the_ball_starts(landscape):
    assert all(low <= at <= high for at, (low, high) in zip(landscape.start, landscape.limits, strict=True))
    first = next(roll(landscape, lr=0.1))
    assert (first.step, first.weights, first.kinetic) == (0, tuple(map(float, landscape.start)), 0.0)
    assert set(first.momentum) == {0.0}
    assert first.potential == landscape.value(np.array(landscape.start, float))


@pytest.mark.parametrize(
    ("name", "minimum"),
    [
        ("parabola", (0.0,)), ("washboard", (0.0,)), ("bowl", (0.0, 0.0)), ("Rosenbrock", (1.0, 1.0)),
        ("Himmelblau", (3.0, 2.0)), ("egg box", (0.0, 0.0)),
    ],
)  # fmt: skip
def test_known_minima(name, minimum):
    landscape, minimum = LANDSCAPES[name], np.array(minimum)
    assert landscape.value(minimum) == pytest.approx(0.0, abs=1e-12)
    np.testing.assert_allclose(landscape.gradient(minimum), 0.0, atol=1e-12)
    assert (landscape.value(places(landscape, 5000)) > 0).all()


def test_the_double_well_has_one_deep_and_one_shallow_minimum():
    x = np.linspace(-3.6, 3.6, 10_001)[:, None]
    loss = LANDSCAPES["double well"].value(x)
    inner = np.flatnonzero((loss[1:-1] < loss[:-2]) & (loss[1:-1] < loss[2:])) + 1
    shallow, deep = sorted(loss[inner], reverse=True)
    assert len(inner) == 2
    assert shallow > deep + 1
    assert loss.min() > 0


def oscillator(time, start, mass, friction):
    """Damped oscillation on the parabola (section 3.3), from rest."""
    a = friction / (2 * mass)
    w = math.sqrt(1 / mass - a**2)
    return start * np.exp(-a * time) * (np.cos(w * time) + a / w * np.sin(w * time))


@pytest.mark.parametrize("scheme", FRICTION_SCHEMES)
@pytest.mark.parametrize(("mass", "friction"), [(1.0, 0.0), (1.0, 0.4), (3.0, 0.2)])
def test_small_steps_follow_the_damped_oscillator_to_first_order(scheme, mass, friction):
    errors = []
    for lr in (0.01, 0.005):
        path = roll(PARABOLA, (2.0,), lr=lr, mass=mass, friction=friction, friction_scheme=scheme, steps=round(8 / lr))
        path = np.array([position.weights[0] for position in path])
        errors.append(np.abs(path - oscillator(lr * np.arange(len(path)), 2.0, mass, friction)).max())
    assert errors[0] < 0.03
    assert errors[0] / errors[1] == pytest.approx(2.0, rel=0.1)


def test_without_friction_the_energy_stays_within_bounds():
    energy = [position.potential + position.kinetic for position in roll(PARABOLA, (2.0,), lr=0.1, steps=20_000)]
    assert 1.8 < min(energy) < max(energy) < 2.2


def test_friction_takes_the_energy_out():
    for landscape in LANDSCAPES.values():
        *_, last = roll(landscape, lr=0.03, friction=1.0, steps=3000)
        assert last.kinetic < 1e-6
        np.testing.assert_allclose(landscape.gradient(np.array(last.weights)), 0.0, atol=1e-2)


@pytest.mark.parametrize("scheme", FRICTION_SCHEMES)
@every_landscape
def test_each_position_is_one_step_from_the_last(landscape, scheme):
    settings = {"lr": 0.02, "mass": 0.7, "friction": 0.9}
    path = list(roll(landscape, **settings, friction_scheme=scheme, steps=30))
    assert [position.step for position in path] == list(range(31))
    weights = momentum = None
    for position in path:
        if weights is not None:
            gradient = landscape.gradient(weights)
            weights, momentum = port_hamiltonian_step(weights, momentum, gradient, **settings, scheme=scheme)
            np.testing.assert_allclose(position.weights, weights, rtol=1e-12)
            np.testing.assert_allclose(position.momentum, momentum, rtol=1e-12, atol=1e-15)
        weights, momentum = np.array(position.weights), np.array(position.momentum)
        assert position.potential == landscape.value(weights)
        assert position.kinetic == pytest.approx((momentum**2).sum() / 1.4)


def test_the_brake_goes_on_once_and_multiplies_the_friction():
    path = list(roll(PARABOLA, (2.0,), lr=0.1, friction=0.3, goal=0.5, factor=10.0, steps=100))
    braked = next(position.step for position in path if position.braked)
    assert path[braked].potential <= 0.5 < path[braked - 1].potential
    assert all(position.braked == (position.step >= braked) for position in path)
    for before, after in zip(path, path[1:], strict=False):
        friction = 3.0 if before.braked else 0.3
        args = (np.array(before.weights), np.array(before.momentum), np.array(before.weights))
        _, momentum = port_hamiltonian_step(*args, lr=0.1, mass=1.0, friction=friction)
        np.testing.assert_allclose(after.momentum, momentum, rtol=1e-12)


def test_without_a_goal_nothing_brakes():
    assert not any(position.braked for position in roll(PARABOLA, lr=0.1, friction=0.3, factor=100.0))


def test_a_braked_ball_stays_and_an_unbraked_one_leaves():
    kwargs = {"lr": 0.05, "friction": 0.02, "steps": 60}
    fast, slow = (list(roll(PARABOLA, (2.0,), goal=0.5, factor=f, **kwargs))[-1] for f in (1.0, 1000.0))
    assert fast.weights[0] < -1 < 0.5 < slow.weights[0]


@every_landscape
@pytest.mark.parametrize("lr", [3.0, 1e3, 1e100])
def test_a_ball_that_leaves_all_bounds_ends_its_path_without_a_warning(landscape, lr):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        path = list(roll(landscape, lr=lr, mass=1e-3, steps=100_000))
    assert 1 <= len(path) < 1000
    assert all(math.isfinite(position.potential + position.kinetic) for position in path)


def test_own_landscapes_roll_too():
    slope = landscapes.Landscape("slope", "ω", lambda w: w[..., 0], lambda w: np.ones_like(w), ((-1, 1),), (0.0,))
    *_, last = roll(slope, lr=0.1, friction=0.5, steps=1000)
    assert last.momentum[0] == pytest.approx(-2.0)  # where friction holds the slope: p = -m / ρ


def test_no_steps_are_the_start_alone():
    assert [position.step for position in roll(PARABOLA, lr=0.1, steps=0)] == [0]


@given(start=st.floats(-5, 5), lr=st.floats(1e-3, 1.9), mass=st.floats(1.0, 100.0), friction=st.floats(0, 10))
def test_the_parabola_is_stable_where_theory_says_so(start, lr, mass, friction):
    path = list(roll(PARABOLA, (start,), lr=lr, mass=mass, friction=friction, steps=50))
    assert len(path) == 51
    assert all(abs(position.weights[0]) <= 8 * abs(start) + 1e-9 for position in path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"start": (1.0, 2.0)}, r"start must be 1 finite numbers on 'parabola', got \(1.0, 2.0\)"),
        ({"start": ()}, "start must be 1 finite numbers"),
        ({"start": 1.0}, "start must be 1 finite numbers"),
        ({"start": (math.nan,)}, r"start must be 1 finite numbers on 'parabola', got \(nan,\)"),
        ({"lr": 0.0}, "lr must be a finite number above 0, got 0.0"),
        ({"lr": math.inf}, "lr must be a finite number above 0, got inf"),
        ({"mass": -1.0}, "mass must be a finite number above 0, got -1.0"),
        ({"friction": -0.1}, "friction must be a finite number, zero or more, got -0.1"),
        ({"friction_scheme": "Euler"}, "friction_scheme must be one of .* got 'Euler'"),
        ({"friction_scheme": "euler", "friction": 25.0}, "must be below 2"),
        ({"friction_scheme": "euler", "friction": 1.0, "goal": 0.5, "factor": 25.0}, "must be below 2"),
        ({"steps": -1}, "steps must be a whole number, zero or more, got -1"),
        ({"steps": 2.5}, "steps must be a whole number, zero or more, got 2.5"),
        ({"factor": 0.0}, "factor must be a finite number above 0 .* got 0.0"),
        ({"goal": math.nan}, "goal a finite number or None, got 1.0 and nan"),
    ],
)
def test_bad_input_is_refused_before_the_ball_rolls(arguments, message):
    with pytest.raises(ValueError, match=message):
        roll(PARABOLA, **({"lr": 0.1} | arguments))


def test_a_position_cannot_be_changed():
    position = next(roll(PARABOLA, lr=0.1))
    with pytest.raises(AttributeError):
        position.step = 3
    assert replace(position, step=3).step == 3
