"""The heavy ball against its analytic solutions, torch's SGD and its own functional form."""

import copy
import math

import pytest
import torch
from torch import nn

from toolkit import networks, optim
from toolkit.optim import PortHamiltonian, port_hamiltonian_step

SCHEMES = optim.FRICTION_SCHEMES
DOUBLE = torch.float64


def trajectory(gradient, start, *, steps, **settings):
    """Weights and momenta of `steps` steps from rest, both `(steps + 1, ...)`."""
    weights, momenta = [start], [torch.zeros_like(start)]
    for _ in range(steps):
        w, p = port_hamiltonian_step(weights[-1], momenta[-1], gradient(weights[-1]), **settings)
        weights.append(w)
        momenta.append(p)
    return torch.stack(weights), torch.stack(momenta)


def small_network():
    """A real network in double precision with convolutions and dense layers, and a batch for it."""
    draw = torch.Generator().manual_seed(4)
    images, labels = torch.rand(16, 1, 8, 8, generator=draw, dtype=DOUBLE), torch.randint(10, (16,), generator=draw)
    return networks.lenet((1, 8, 8), seed=1).double(), images, labels


def thirds(network):
    """The parameters in three groups."""
    return [list(part.parameters()) for part in (network[:3], network[3:8], network[8:])]


def train(network, optimizer, images, labels, steps):
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(images), labels).backward()
        optimizer.step()
    return [weight.detach().clone() for weight in network.parameters()]


def ball(*, start=(1.0, 2.0), **settings):
    """One parameter and its optimizer on a quadratic loss; the gradient is set by `pull`."""
    weight = nn.Parameter(torch.tensor(start, dtype=DOUBLE))
    return weight, PortHamiltonian([weight], **({"lr": 0.1} | settings))


def pull(weight, optimizer, gradient=None):
    weight.grad = weight.detach().clone() if gradient is None else torch.tensor(gradient, dtype=DOUBLE)
    optimizer.step()


# The map to SGD


@pytest.mark.parametrize("scheme", SCHEMES)
def test_200_steps_equal_sgd_with_momentum(scheme):
    groups = [
        {"lr": 0.3, "mass": 2.0, "friction": 1.0},
        {"lr": 0.1, "mass": 0.5, "friction": 4.0},
        {"lr": 0.2, "friction": 0.1},
    ]
    network, images, labels = small_network()
    twin = copy.deepcopy(network)
    ours = PortHamiltonian(
        [{"params": p} | group for p, group in zip(thirds(network), groups, strict=True)], lr=0.1, friction_scheme=scheme
    )
    matched = [optim.sgd_settings(**({"mass": 1.0} | group), scheme=scheme) for group in groups]
    theirs = torch.optim.SGD([{"params": p} | group for p, group in zip(thirds(twin), matched, strict=True)])
    for a, b in zip(train(network, ours, images, labels, 200), train(twin, theirs, images, labels, 200), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


def test_the_euler_settings_are_those_of_the_proof():
    lr, mass, friction = 0.1, 3.0, 0.7
    network, images, labels = small_network()
    twin = copy.deepcopy(network)
    ours = PortHamiltonian(network.parameters(), lr, mass, friction, "euler")
    theirs = torch.optim.SGD(twin.parameters(), lr=lr**2 / mass, momentum=1 - lr * friction / mass)
    for a, b in zip(train(network, ours, images, labels, 200), train(twin, theirs, images, labels, 200), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


def test_friction_mass_over_lr_is_plain_sgd():
    network, images, labels = small_network()
    twin = copy.deepcopy(network)
    ours = PortHamiltonian(network.parameters(), lr=0.25, mass=0.5, friction=2.0, friction_scheme="euler")
    theirs = torch.optim.SGD(twin.parameters(), lr=0.125)
    for a, b in zip(train(network, ours, images, labels, 50), train(twin, theirs, images, labels, 50), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-13)


def test_weight_decay_is_that_of_sgd():
    network, images, labels = small_network()
    twin = copy.deepcopy(network)
    ours = PortHamiltonian(network.parameters(), 0.2, 1.0, 1.0, "euler", weight_decay=0.1)
    theirs = torch.optim.SGD(twin.parameters(), lr=0.04, momentum=0.8, weight_decay=0.1)
    start = sum(weight.norm().item() for weight in network.parameters())
    trained = train(network, ours, images, labels, 100)
    for a, b in zip(trained, train(twin, theirs, images, labels, 100), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12)
    assert sum(weight.norm().item() for weight in trained) < 0.8 * start


# The ordinary differential equation (3.3)


def oscillator(t, *, k, mass, friction, start):
    a = friction / (2 * mass)
    w = math.sqrt(k / mass - a**2)
    return start * torch.exp(-a * t) * (torch.cos(w * t) + a / w * torch.sin(w * t))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_first_order_convergence_to_the_damped_oscillator(scheme):
    k, mass, friction, start, end = 2.0, 0.7, 0.5, torch.tensor(1.5, dtype=DOUBLE), 6.0
    errors = []
    for steps in (2000, 4000, 8000):
        settings = {"lr": end / steps, "mass": mass, "friction": friction, "scheme": scheme}
        weights, _ = trajectory(lambda w: k * w, start, steps=steps, **settings)
        exact = oscillator(torch.linspace(0, end, steps + 1, dtype=DOUBLE), k=k, mass=mass, friction=friction, start=start)
        errors.append((weights - exact).abs().max().item())
    assert errors[0] < 5e-3
    assert [errors[0] / errors[1], errors[1] / errors[2]] == pytest.approx([2, 2], rel=0.02)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_energy_balance_closes_at_first_order(scheme):
    curvature, mass, friction, end = torch.tensor([0.5, 3.0], dtype=DOUBLE), 1.3, 0.8, 4.0
    start = torch.tensor([1.0, -2.0], dtype=DOUBLE)
    gaps = []
    for steps in (1000, 2000, 4000):
        lr = end / steps
        w, p = trajectory(lambda w: curvature * w, start, steps=steps, lr=lr, mass=mass, friction=friction, scheme=scheme)
        loss = (curvature * w**2 / 2).sum(1)
        lost = optim.hamiltonian(loss[0], p[0], mass) - optim.hamiltonian(loss[-1], p[-1], mass)
        gaps.append(abs(lost - (lr * friction * (p[1:] / mass).square()).sum()).item())
    assert gaps[0] < 0.01 * lost
    assert [gaps[0] / gaps[1], gaps[1] / gaps[2]] == pytest.approx([2, 2], rel=0.04)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("seed", range(5))
def test_the_energy_never_rises_for_small_steps_on_a_convex_quadratic(scheme, seed):
    draw = torch.Generator().manual_seed(seed)
    root = torch.randn(6, 6, generator=draw, dtype=DOUBLE)
    curvature, start = root @ root.T, torch.randn(6, generator=draw, dtype=DOUBLE)
    mass, friction = torch.exp(torch.randn(2, generator=draw, dtype=DOUBLE)).tolist()
    steepest = torch.linalg.eigvalsh(curvature).max().item()
    lr = 0.05 * min(friction / steepest, mass / friction, math.sqrt(mass / steepest))
    w, p = trajectory(lambda w: curvature @ w, start, steps=3000, lr=lr, mass=mass, friction=friction, scheme=scheme)
    energy = p.square().sum(1) / (2 * mass) + torch.einsum("ti,ij,tj->t", w, curvature, w) / 2
    assert (energy.diff() < 0).all()
    assert energy[-1] < 0.9 * energy[0]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_without_friction_the_ball_keeps_swinging(scheme):
    w, _ = trajectory(lambda w: w, torch.ones(1, dtype=DOUBLE), steps=10_000, lr=0.1, mass=1.0, friction=0.0, scheme=scheme)
    assert w[-100:].abs().max() == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_under_a_constant_gradient_the_step_is_lr_over_friction(scheme):
    gradient = torch.tensor([3.0, -1.0], dtype=DOUBLE)
    for friction in (0.5, 5.0):
        settings = {"lr": 0.2, "mass": 0.8, "friction": friction, "scheme": scheme}
        w, _ = trajectory(lambda w: gradient, torch.zeros(2, dtype=DOUBLE), steps=400, **settings)
        torch.testing.assert_close(w[-1] - w[-2], -0.2 / friction * gradient, rtol=1e-10, atol=0)


@pytest.mark.parametrize("scheme", ["exponential", "implicit"])
def test_stable_at_fifty_times_the_friction_that_euler_takes(scheme):
    settings = {"lr": 1.0, "mass": 0.01, "friction": 1.0}
    w, p = trajectory(lambda w: 0.5 * w, torch.ones(3, dtype=DOUBLE), steps=60, scheme=scheme, **settings)
    assert (w.diff(dim=0) < 0).all()  # overdamped: straight down the slope
    assert w[-1].abs().max() < 1e-12
    assert p[-1].abs().max() < 1e-12
    with pytest.raises(ValueError, match="= 100 must be below 2 in the 'euler' scheme"):
        PortHamiltonian([nn.Parameter(torch.ones(3))], **settings, friction_scheme="euler")


BOUNDARIES = {
    "euler": lambda a: 2 * (2 - a),  # (α²/m) λ < 2 (2 - α ρ / m)
    "implicit": lambda a: 2 * (2 + a),
    "exponential": lambda a: 2 * a / math.tanh(a / 2),
}


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("damping", [0.3, 1.0, 1.7])
def test_stability_boundary_on_the_quadratic(scheme, damping):
    lr, mass = 0.4, 0.9
    limit = BOUNDARIES[scheme](damping) * mass / lr**2
    settings = {"steps": 4000, "lr": lr, "mass": mass, "friction": damping * mass / lr, "scheme": scheme}
    inside, _ = trajectory(lambda w: 0.99 * limit * w, torch.ones(1, dtype=DOUBLE), **settings)
    outside, _ = trajectory(lambda w: 1.01 * limit * w, torch.ones(1, dtype=DOUBLE), **settings)
    assert inside[-1].abs() < 1e-4
    assert outside[-1].abs() > 1e4


def test_euler_takes_friction_up_to_its_boundary_and_the_momentum_still_fades():
    weight, optimizer = ball(lr=1.0, mass=1.0, friction=1.999, friction_scheme="euler")
    pull(weight, optimizer, [1.0, -1.0])
    start = optimizer.kinetic_energy()
    for _ in range(2000):
        pull(weight, optimizer, [0.0, 0.0])
    assert optimizer.kinetic_energy() == pytest.approx(start * 0.999**4000, rel=1e-9)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_rest_at_a_minimum_is_a_fixed_point(scheme):
    weights, momentum = port_hamiltonian_step(
        torch.ones(2), torch.zeros(2), torch.zeros(2), lr=0.3, mass=2.0, friction=1.0, scheme=scheme
    )
    assert weights.tolist() == [1, 1]
    assert momentum.tolist() == [0, 0]


# The functional form


@pytest.mark.parametrize("scheme", SCHEMES)
def test_k_members_equal_k_optimizers(scheme):
    settings = [(0.1, 1.0, 0.5), (0.3, 2.0, 0.0), (0.05, 0.2, 3.0), (0.2, 5.0, 20.0)]
    start = torch.randn(3, generator=torch.Generator().manual_seed(0), dtype=DOUBLE)
    lr, mass, friction = (torch.tensor(column, dtype=DOUBLE)[:, None] for column in zip(*settings, strict=True))
    together, _ = trajectory(torch.sin, start.expand(4, 3), steps=50, lr=lr, mass=mass, friction=friction, scheme=scheme)
    for member, (lr, mass, friction) in enumerate(settings):
        weight, optimizer = ball(start=start.tolist(), lr=lr, mass=mass, friction=friction, friction_scheme=scheme)
        for _ in range(50):
            pull(weight, optimizer, torch.sin(weight).tolist())
        torch.testing.assert_close(together[-1, member], weight.detach(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_gradients_through_a_step(scheme):
    draw = torch.Generator().manual_seed(0)
    state = [torch.randn(4, generator=draw, dtype=DOUBLE, requires_grad=True) for _ in range(3)]
    settings = [(0.5 + torch.rand(4, generator=draw, dtype=DOUBLE)).requires_grad_() for _ in range(3)]

    def step(w, p, g, lr, mass, friction):
        return port_hamiltonian_step(w, p, g, lr=lr, mass=mass, friction=friction, scheme=scheme)

    assert torch.autograd.gradcheck(step, (*state, *settings))


def test_tiny_and_zero_friction_of_a_population_are_the_kick():
    lr, friction = torch.full((4,), 0.1, dtype=DOUBLE), torch.tensor([0.0, 1e-300, 1e-40, 1e-12], dtype=DOUBLE)
    decay, impulse = optim.damping(lr, torch.ones(4, dtype=DOUBLE), friction.requires_grad_())
    torch.testing.assert_close(torch.stack([decay, impulse]), torch.stack([torch.ones_like(lr), lr]), rtol=1e-12, atol=0)
    impulse.sum().backward()
    assert friction.grad.isfinite().all()


def test_a_functional_step_changes_nothing_in_place():
    weights, momentum, gradient = torch.ones(2), torch.ones(2), torch.ones(2)
    port_hamiltonian_step(weights, momentum, gradient, lr=0.1, mass=1.0, friction=1.0)
    assert [weights.tolist(), momentum.tolist(), gradient.tolist()] == [[1, 1]] * 3


# The optimizer


def test_closure():
    weight, optimizer = ball(friction=2.0)
    twin, other = ball(friction=2.0)

    def closure():
        optimizer.zero_grad()
        loss = (weight**2).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 5
    pull(twin, other, [2.0, 4.0])
    assert torch.equal(weight, twin)


def test_weights_without_a_gradient_stay():
    weights = [nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))]
    optimizer = PortHamiltonian(weights, lr=0.1)
    weights[0].grad = torch.ones(2)
    optimizer.step()
    assert weights[1].tolist() == [1, 1]
    assert weights[0].tolist() != [1, 1]
    assert len(optimizer.state_dict()["state"]) == 1


def test_a_loaded_state_goes_on_bit_by_bit():
    network, images, labels = small_network()
    optimizer = PortHamiltonian(network.parameters(), lr=0.2, mass=0.5, friction=0.3)
    train(network, optimizer, images, labels, 5)
    later, saved = copy.deepcopy(network), copy.deepcopy(optimizer.state_dict())
    resumed = PortHamiltonian(later.parameters(), lr=9.0, mass=9.0, friction=9.0, friction_scheme="implicit")
    resumed.load_state_dict(saved)
    whole, parts = train(network, optimizer, images, labels, 5), train(later, resumed, images, labels, 5)
    assert all(torch.equal(a, b) for a, b in zip(whole, parts, strict=True))
    assert resumed.kinetic_energy() == optimizer.kinetic_energy()


@pytest.mark.parametrize(("name", "value"), [("lr", 0.3), ("mass", 4.0), ("friction", 7.0)])
def test_a_live_change_holds_from_the_next_step(name, value):
    settings = {"lr": 0.1, "mass": 1.0, "friction": 1.0}
    weight, optimizer = ball(**settings)
    pull(weight, optimizer)
    before, momentum = weight.detach().clone(), optimizer.state[weight]["momentum"].clone()
    optimizer.param_groups[0][name] = value
    pull(weight, optimizer)
    expected, _ = port_hamiltonian_step(before, momentum, before, **settings | {name: value})
    unchanged, _ = port_hamiltonian_step(before, momentum, before, **settings)
    torch.testing.assert_close(weight.detach(), expected, rtol=1e-14, atol=0)
    assert not torch.allclose(weight, unchanged)


def test_kinetic_energy_of_two_groups():
    light, heavy = (nn.Parameter(torch.zeros(2, dtype=DOUBLE)) for _ in range(2))
    optimizer = PortHamiltonian([{"params": light, "mass": 0.5}, {"params": [heavy]}], lr=0.1, mass=2.0, friction=0.0)
    assert optimizer.kinetic_energy() == 0
    light.grad, heavy.grad = torch.tensor([30.0, 40.0], dtype=DOUBLE), torch.tensor([0.0, 10.0], dtype=DOUBLE)
    optimizer.step()  # p = (-3, -4) and (0, -1)
    assert optimizer.kinetic_energy() == pytest.approx(25 / 1 + 1 / 4, rel=1e-14)


def test_push_from_rest_gives_the_energy_evenly_over_weights_of_any_mass():
    light, heavy = (nn.Parameter(torch.zeros(n)) for n in (20_000, 60_000))
    optimizer = PortHamiltonian([{"params": light, "mass": 0.1}, {"params": heavy, "mass": 10.0}], lr=0.1)
    optimizer.push(8.0, seed=3)
    energies = [optimizer.state[w]["momentum"].square().sum().item() / (2 * m) for w, m in ((light, 0.1), (heavy, 10.0))]
    assert energies == pytest.approx([2, 6], rel=0.05)  # five standard deviations of chi squared at 20,000
    assert optimizer.kinetic_energy() == pytest.approx(sum(energies), rel=1e-6)
    assert light.count_nonzero() == 0


def test_push_adds_its_energy_on_average_to_a_moving_ball():
    gains = []
    for seed in range(400):
        weight, optimizer = ball(start=[0.0] * 50)
        pull(weight, optimizer, [10.0] * 50)
        before = optimizer.kinetic_energy()
        optimizer.push(3.0, seed=seed)
        gains.append(optimizer.kinetic_energy() - before)
    gains = torch.tensor(gains)
    assert gains.std() > 0.1
    assert gains.mean().item() == pytest.approx(3.0, abs=4 * gains.std().item() / 20)


def test_push_is_seeded_and_leaves_the_global_random_state_alone():
    before = torch.get_rng_state()
    momenta = []
    for seed in (1, 1, 2):
        weight, optimizer = ball()
        optimizer.push(1.0, seed=seed)
        momenta.append(optimizer.state[weight]["momentum"])
    assert torch.equal(momenta[0], momenta[1])
    assert not torch.equal(momenta[0], momenta[2])
    assert torch.equal(torch.get_rng_state(), before)


def test_runs_on_each_device(device):
    weight = nn.Parameter(torch.ones(3, device=device))
    optimizer = PortHamiltonian([weight], lr=0.5, friction=0.0)
    weight.grad = torch.full_like(weight, 2.0)
    optimizer.step()
    optimizer.push(1.0)
    assert weight.tolist() == [0.5] * 3
    assert optimizer.state[weight]["momentum"].device == weight.device


# What is refused

VALUE, TYPE = ValueError, TypeError
REFUSED_SETTINGS = [
    ({"lr": 0}, VALUE, "lr must be a finite number above 0, got 0"),
    ({"lr": -0.1}, VALUE, "lr must be .* got -0.1"),
    ({"lr": math.nan}, VALUE, "lr must be .* got nan"),
    ({"lr": math.inf}, VALUE, "lr must be .* got inf"),
    ({"lr": "0.1"}, TYPE, "lr must be a number, got '0.1'"),
    ({"lr": True}, TYPE, "lr must be a number, got True"),
    ({"lr": None}, TYPE, "lr must be a number, got None"),
    ({"mass": 0.0}, VALUE, "mass must be a finite number above 0, got 0.0"),
    ({"mass": math.inf}, VALUE, "mass must be .* got inf"),
    ({"friction": -1e-9}, VALUE, "friction must be a finite number, zero or more, got -1e-09"),
    ({"friction": math.nan}, VALUE, "friction must be .* got nan"),
    ({"friction": [0.1]}, TYPE, r"friction must be a number, got \[0.1\]"),
    ({"weight_decay": -0.1}, VALUE, "weight_decay must be a finite number, zero or more, got -0.1"),
    ({"friction_scheme": "leapfrog"}, VALUE, "friction_scheme must be one of .*'euler'.* got 'leapfrog'"),
    ({"friction": 20.0, "friction_scheme": "euler"}, VALUE, "friction / mass = 2 must be below 2 .* use friction_scheme="),
]


@pytest.mark.parametrize(("settings", "error", "message"), REFUSED_SETTINGS)
def test_settings_that_are_refused(settings, error, message):
    with pytest.raises(error, match=message):
        ball(**settings)
    _, optimizer = ball()
    with pytest.raises(error, match=message):
        optimizer.add_param_group({"params": [nn.Parameter(torch.ones(1))]} | settings)
    assert len(optimizer.param_groups) == 1


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ([], VALUE, "empty parameter list"),
        ([nn.Parameter(torch.ones(2, dtype=torch.complex64))], TYPE, "params: complex parameters"),
        (nn.Parameter(torch.ones(2)), TYPE, "should be an iterable"),
        ({nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))}, TYPE, "ordered collections"),
    ],
)
def test_parameters_that_are_refused(params, error, message):
    with pytest.raises(error, match=message):
        PortHamiltonian(params if not isinstance(params, set) else [{"params": params}], lr=0.1)


def test_a_complex_group_is_not_added():
    _, optimizer = ball()
    with pytest.raises(TypeError, match="complex"):
        optimizer.add_param_group({"params": nn.Parameter(torch.ones(2, dtype=torch.complex64))})
    assert len(optimizer.param_groups) == 1


def test_a_sparse_gradient_is_refused_before_anything_moves():
    first, table = nn.Parameter(torch.ones(2)), nn.Embedding(5, 2, sparse=True)
    optimizer = PortHamiltonian([{"params": first}, {"params": table.parameters()}], lr=0.1)
    (first.sum() + table(torch.tensor([1])).sum()).backward()
    with pytest.raises(TypeError, match="sparse gradient.*use a dense layer"):
        optimizer.step()
    assert first.tolist() == [1, 1]
    assert not optimizer.state_dict()["state"]


def test_a_live_change_out_of_the_stable_range_is_refused_before_anything_moves():
    first, second = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))
    optimizer = PortHamiltonian([{"params": first}, {"params": second}], lr=0.1, friction_scheme="euler")
    first.grad, second.grad = torch.ones(1), torch.ones(1)
    optimizer.param_groups[1]["friction"] = 30.0
    with pytest.raises(ValueError, match="= 3 must be below 2"):
        optimizer.step()
    assert [first.item(), second.item()] == [1, 1]


@pytest.mark.parametrize(("energy", "error"), [(-1.0, VALUE), (math.inf, VALUE), (math.nan, VALUE), ("1", TYPE)])
def test_push_refuses(energy, error):
    weight, optimizer = ball()
    with pytest.raises(error, match="energy must be"):
        optimizer.push(energy)
    assert weight not in optimizer.state
