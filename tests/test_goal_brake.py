"""When the brake is applied, how often, and what it leaves alone."""

import copy
import math

import pytest
import torch
from torch import nn

from toolkit import optim, published
from toolkit.optim import GoalBrake, PortHamiltonian

VALUE, TYPE = ValueError, TypeError


def moving_ball(**settings):
    """An optimizer with two parameter groups of different friction, in motion."""
    weights = [nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(3))]
    groups = [{"params": weights[0], "friction": 0.5}, {"params": weights[1], "friction": 0.25}]
    optimizer = PortHamiltonian(groups, **({"lr": 0.1} | settings))
    for weight in weights:
        weight.grad = torch.arange(1.0, 1 + weight.numel())
    optimizer.step()
    return optimizer


def frictions(optimizer):
    return [group["friction"] for group in optimizer.param_groups]


def momenta(optimizer):
    return [state["momentum"].clone() for state in optimizer.state.values()]


def parameters(optimizer):
    return [weight for group in optimizer.param_groups for weight in group["params"]]


def weights(optimizer):
    return [weight.detach().clone() for weight in parameters(optimizer)]


def same(first, second):
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize(
    ("kind", "goal", "losses", "braked"),
    [
        ("loss", 0.65, [0.9, 0.6501, 0.65, 0.9], [False, False, True, True]),
        ("loss", 2.0, [1.0], [True]),
        ("reduction", 0.75, [1.0, 0.5001, 0.5, 1.9], [False, False, True, True]),  # of the initial loss 2
        ("fraction", 0.75, [1.6, 1.5001, 1.5, 1.9], [False, False, True, True]),
        ("overfitting", 2, [0.5, 0.4, 0.41, 0.39, 0.39, 0.5, 0.1], [False] * 5 + [True, True]),
        ("loss", 0.5, [math.nan, math.inf, 0.5], [False, False, True]),
    ],
)
def test_each_kind_brakes_at_its_goal_exactly_once(kind, goal, losses, braked):
    optimizer = moving_ball()
    brake = GoalBrake(optimizer, goal=goal, factor=10, kind=kind)
    brake.start(2.0)
    assert [brake.step(loss) for loss in losses] == braked
    for _ in range(3):
        brake.step(0.0)
    assert frictions(optimizer) == [5.0, 2.5]


@pytest.mark.parametrize(("kind", "goal"), [("reduction", 0.5), ("fraction", 0.5)])
def test_without_a_start_the_first_loss_is_the_initial_one(kind, goal):
    brake = GoalBrake(moving_ball(), goal=goal, factor=10, kind=kind)
    assert [brake.step(loss) for loss in (4.0, 2.1, 2.0)] == [False, False, True]


def test_overfitting_is_read_from_the_validation_loss():
    monitors = [GoalBrake(moving_ball(), goal=0.5, factor=2, kind=kind).monitor for kind in ("loss", "reduction", "fraction")]
    assert monitors == ["train_loss"] * 3
    assert GoalBrake(moving_ball(), goal=3, factor=2, kind="overfitting").monitor == "validation_loss"


def test_braking_keeps_momentum_and_weights_bit_by_bit():
    optimizer = moving_ball()
    before = momenta(optimizer), weights(optimizer), optimizer.kinetic_energy()
    GoalBrake(optimizer, goal=1.0, factor=50).step(0.5)
    assert frictions(optimizer) == [25.0, 12.5]
    assert same(momenta(optimizer), before[0])
    assert same(weights(optimizer), before[1])
    assert optimizer.kinetic_energy() == before[2] > 0


def test_a_person_brakes_and_releases():
    optimizer = moving_ball()
    brake = GoalBrake(optimizer, goal=0.1, factor=49)
    brake.release()  # nothing to release
    assert frictions(optimizer) == [0.5, 0.25]
    brake.brake()
    brake.brake()  # on already
    assert brake.braked
    assert frictions(optimizer) == [24.5, 12.25]
    assert brake.step(0.05)  # the goal comes too late to act
    assert frictions(optimizer) == [24.5, 12.25]
    brake.release()
    assert not brake.braked
    assert frictions(optimizer) == pytest.approx([0.5, 0.25], rel=1e-15)
    assert brake.step(0.05)  # armed again
    assert frictions(optimizer) == pytest.approx([24.5, 12.25], rel=1e-15)


def test_deadline_restores_the_best_weights_and_brakes():
    optimizer = moving_ball()
    brake = GoalBrake(optimizer, goal=0.1, factor=10, deadline=4)
    seen = []
    for loss in (0.9, 0.5, 0.7, 0.8):
        seen.append(weights(optimizer))
        brake.step(loss)
        optimizer.step() if loss != 0.8 else None
    assert brake.braked
    assert frictions(optimizer) == [5.0, 2.5]
    assert same(weights(optimizer), seen[1])
    assert not same(weights(optimizer), seen[3])


def test_a_goal_met_before_the_deadline_restores_nothing():
    optimizer = moving_ball()
    brake = GoalBrake(optimizer, goal=0.6, factor=10, deadline=3)
    assert not brake.step(0.9)
    for loss in (0.6, 0.9, 0.9, 0.9):
        optimizer.step()
        before = weights(optimizer)
        assert brake.step(loss)
        assert same(weights(optimizer), before)
    assert frictions(optimizer) == [5.0, 2.5]


def test_reacceleration_visits_several_minima():
    optimizer = moving_ball(lr=1e-3)
    brake = GoalBrake(optimizer, goal=0.5, factor=10, reaccelerate_after=2, push=7.0)
    states, energies = [], []
    for loss in (0.6, 0.5, 0.3, 0.2, 0.9, 0.4, 0.35, 0.1):
        before = optimizer.kinetic_energy()
        states.append(brake.step(loss))
        energies.append(optimizer.kinetic_energy() - before)
    assert states == [False, True, True, False, False, True, True, False]
    assert brake.visited == [0.2, 0.1]
    assert [energy != 0 for energy in energies] == [False] * 3 + [True] + [False] * 3 + [True]
    assert frictions(optimizer) == pytest.approx([0.5, 0.25], rel=1e-14)


def test_each_reacceleration_pushes_in_another_direction():
    optimizer = moving_ball()
    brake = GoalBrake(optimizer, goal=0.5, factor=10, reaccelerate_after=1)
    kicks = []
    for _ in range(2):
        brake.step(0.4)
        before = momenta(optimizer)
        brake.step(0.4)
        kicks.append([after - earlier for after, earlier in zip(momenta(optimizer), before, strict=True)])
    assert not torch.allclose(kicks[0][1], kicks[1][1])


LOSSES = [0.9, 0.7, 0.8, 0.6, 0.45, 0.4, 0.7, 0.8, 0.9, 0.65, 0.5, 0.4, 0.3, 0.6]


@pytest.mark.parametrize("cut", range(len(LOSSES)))
@pytest.mark.parametrize(
    "settings",
    [
        {"goal": 0.5, "kind": "loss", "reaccelerate_after": 2},
        {"goal": 0.5, "kind": "fraction", "deadline": 3, "reaccelerate_after": 1},
        {"goal": 2, "kind": "overfitting"},
    ],
)
def test_a_loaded_state_goes_on_alike(settings, cut):
    def drive(optimizer, brake, losses):
        course = []
        for loss in losses:
            optimizer.step()
            course.append((brake.step(loss), tuple(frictions(optimizer))))
        return course, weights(optimizer), list(brake.visited)

    optimizer = moving_ball()
    brake = GoalBrake(optimizer, factor=8, **settings)
    drive(optimizer, brake, LOSSES[:cut])
    twin = moving_ball()
    twin.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for mine, theirs in zip(parameters(twin), weights(optimizer), strict=True):
        mine.data.copy_(theirs)
    resumed = GoalBrake(twin, goal=0.9, factor=2)
    resumed.load_state_dict(copy.deepcopy(brake.state_dict()))
    there, here = drive(optimizer, brake, LOSSES[cut:]), drive(twin, resumed, LOSSES[cut:])
    assert there[0] == here[0]
    assert same(there[1], here[1])
    assert there[2] == here[2]
    assert "optimizer" not in brake.state_dict()


@pytest.mark.parametrize("build", [lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9), lambda p: torch.optim.Adam(p)])
def test_the_control_experiment_lowers_any_learning_rate(build):
    optimizer = build([nn.Parameter(torch.ones(1))])
    lr = optimizer.param_groups[0]["lr"]
    brake = GoalBrake(optimizer, goal=0.5, factor=8, setting="lr")
    assert [brake.step(loss) for loss in (0.6, 0.5, 0.1)] == [False, True, True]
    assert optimizer.param_groups[0]["lr"] == lr / 8
    brake.release()
    assert optimizer.param_groups[0]["lr"] == lr


def braked_rows():
    """Learning rate, mass, friction and factor of the sixteen braked rows as printed."""
    for name in ("burghoff_table_3_1_phs_cifar10", "burghoff_table_3_2_phs_fashionmnist"):
        rows = published.table(name)
        rows = rows[rows["optimizer"] == "goal_oriented"]
        yield from rows[["learning_rate", "mass", "friction", "brake_factor"]].astype(float).itertuples(index=False, name=None)


@pytest.mark.parametrize(("scheme", "refused"), [("euler", 6), ("exponential", 0), ("implicit", 0)])
def test_published_rows_that_the_printed_scheme_cannot_brake(scheme, refused):
    outcomes = []
    for lr, mass, friction, factor in braked_rows():
        optimizer = PortHamiltonian([nn.Parameter(torch.ones(2))], lr, mass, friction, scheme)
        settings = dict(optimizer.param_groups[0])
        try:
            GoalBrake(optimizer, goal=0.5, factor=factor).brake()
        except ValueError as error:
            assert "must be below 2 in the 'euler' scheme" in str(error)
            assert optimizer.param_groups[0] == settings
            outcomes.append(1 - lr * friction * factor / mass)
        else:
            assert frictions(optimizer) == [friction * factor]
    assert len(list(braked_rows())) == 16
    assert len(outcomes) == refused
    if scheme == "euler":
        assert sorted(outcomes) == pytest.approx([-99, -9, -9, -4, -4, -4], rel=1e-12)


def test_a_live_change_that_euler_cannot_brake_is_refused_with_nothing_changed():
    optimizer = moving_ball(friction_scheme="euler")
    brake = GoalBrake(optimizer, goal=0.5, factor=10)
    optimizer.param_groups[1]["friction"] = 2.5
    with pytest.raises(ValueError, match="= 2.5 must be below 2"):
        brake.brake()
    assert not brake.braked
    assert frictions(optimizer) == [0.5, 2.5]


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"goal": 0.0}, VALUE, "goal must be a finite number above 0, got 0.0"),
        ({"goal": math.nan}, VALUE, "goal must be .* got nan"),
        ({"goal": "0.5"}, TYPE, "goal must be a number, got '0.5'"),
        ({"goal": 1.0, "kind": "reduction"}, VALUE, "goal of kind 'reduction' is a share of the initial loss.* got 1.0"),
        ({"goal": 90, "kind": "fraction"}, VALUE, "between 0 and 1, got 90"),
        ({"goal": 1.5, "kind": "overfitting"}, VALUE, "whole number of epochs, got 1.5"),
        ({"kind": "accuracy"}, VALUE, "kind must be one of .*'overfitting'.* got 'accuracy'"),
        ({"factor": 0}, VALUE, "factor must be a finite number above 0, got 0"),
        ({"factor": math.inf}, VALUE, "factor must be .* got inf"),
        ({"factor": None}, TYPE, "factor must be a number, got None"),
        ({"deadline": 0}, VALUE, "deadline must be .* above 0, got 0"),
        ({"deadline": 2.5}, VALUE, "deadline must be a whole number of epochs, or None, got 2.5"),
        ({"deadline": math.nan}, VALUE, "deadline must be .* got nan"),
        ({"reaccelerate_after": "3"}, TYPE, "reaccelerate_after must be a number, got '3'"),
        ({"push": -1.0}, VALUE, "push must be a finite number, zero or more, got -1.0"),
        ({"setting": "mass"}, VALUE, "setting must be 'friction' or 'lr', got 'mass'"),
    ],
)
def test_settings_that_are_refused(settings, error, message):
    optimizer = moving_ball()
    with pytest.raises(error, match=message):
        GoalBrake(optimizer, **({"goal": 0.5, "factor": 10} | settings))
    assert frictions(optimizer) == [0.5, 0.25]


@pytest.mark.parametrize("build", [lambda p: torch.optim.SGD(p, lr=0.1), lambda p: torch.optim.Adam(p)])
def test_an_optimizer_without_friction_is_refused(build):
    optimizer = build([nn.Parameter(torch.ones(1))])
    with pytest.raises(ValueError, match=f"{type(optimizer).__name__} has no friction to brake with; use PortHamiltonian"):
        GoalBrake(optimizer, goal=0.5, factor=10)
    with pytest.raises(ValueError, match="reaccelerate_after: .* has no port to push through"):
        GoalBrake(optimizer, goal=0.5, factor=10, setting="lr", reaccelerate_after=3)


def test_the_energy_falls_faster_once_braked():
    slow, braked = moving_ball(), moving_ball()
    GoalBrake(braked, goal=0.5, factor=20).brake()
    for optimizer in (slow, braked):
        for weight in parameters(optimizer):
            weight.grad = torch.zeros_like(weight)
        optimizer.step()
    decay = [optim.damping(0.1, 1.0, friction)[0] for friction in (0.5, 10.0)]
    ratios = [b[0] / a[0] for a, b in zip(momenta(slow), momenta(braked), strict=True)]
    assert ratios[0].item() == pytest.approx(decay[1] / decay[0], rel=1e-6)
