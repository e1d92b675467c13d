"""MorphNet: widening to a budget, the loop, collapse, resume, and a user's own network."""

import copy
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_panels import few_digits, timeless
from torch import nn
from torch.nn import functional

from toolkit import published, recordings, training
from toolkit.search import morphnet
from toolkit.search.architecture import Collapsed, ConvSpec, DenseSpec, ResNetSpec, Stage
from toolkit.search.cost import FlopRegularizer

MNIST = ConvSpec((1, 28, 28), 10, (32, 64))
WIDTHS = st.lists(st.integers(1, 60), min_size=1, max_size=4).map(tuple)


@pytest.fixture(scope="module")
def digits():
    return few_digits(240)


def start_for(data, widths=(8, 12)):
    return ConvSpec(data.input_shape, data.n_classes, widths)


def morphed(data, **choice):
    start = choice.pop("start", start_for(data))
    settings = {"strength": 1e-6, "budget": start.flops(), "iterations": 2, "epochs": 2, "every": 3, "learning_rate": 0.02}
    return morphnet.morph(start, data, **settings | {"threshold": 0.05, "batch_size": 32, "device": "cpu"} | choice)


# Widening -----------------------------------------------------------------------------------------------------------------


@given(widths=WIDTHS, share=st.floats(1.0, 1e4), rounding=st.sampled_from(list(morphnet.ROUNDINGS)))
def test_the_factor_is_the_largest_that_fits(widths, share, rounding):
    start = DenseSpec((7,), 3, widths)
    budget = share * start.with_widths(dict.fromkeys(start.widths, 1)).flops()
    kappa, wide = morphnet.expand(start, budget, rounding=rounding)
    assert wide.flops() <= budget

    def at(factor):
        rounded = {name: max(1, morphnet.ROUNDINGS[rounding](factor * c)) for name, c in start.widths.items()}
        return start.with_widths(rounded)

    assert at(kappa) == wide
    assert at(kappa * (1 + 1e-9)).flops() > budget


def test_one_factor_takes_1_and_41_to_3_and_116_by_rounding_only():
    """The footnote of section 5.1.2; floor cannot do it, whatever the budget."""
    shrunk = MNIST.with_widths({"conv1": 1, "conv2": 41})
    table = published.table("burghoff_section_5_morphnet").set_index("key")["value"]
    printed = {name: int(table[f"lambda_max_expanded_channels_layer_{n}"]) for n, name in ((1, "conv1"), (2, "conv2"))}
    wanted = MNIST.with_widths(printed)
    assert printed == {"conv1": 3, "conv2": 116}
    for rounding in morphnet.ROUNDINGS:
        found = any(
            morphnet.expand(shrunk, budget, rounding=rounding)[1] == wanted
            for budget in range(wanted.flops(), wanted.flops() + 60_000, 5_000)
        )
        assert found == (rounding != "floor")
    kappa, _ = morphnet.expand(shrunk, wanted.flops())
    assert 2.818 < kappa <= 2.842


def test_a_network_over_the_budget_shrinks():
    kappa, narrow = morphnet.expand(MNIST, MNIST.flops() / 4)
    assert kappa < 1 and narrow.convolutions == (15, 31)


# The loop -----------------------------------------------------------------------------------------------------------------


def test_the_rounds_shrink_widen_begin_anew_and_end_without_the_penalty(digits):
    run = morphed(digits, strength=1e-5, epochs=8, every=None, learning_rate=0.05)
    records = list(run)
    kinds = [record.kind for record in records]
    assert [kinds.count(kind) for kind in morphnet.KINDS] == [18, 2, 9, 0, 0]
    for record in records:
        if record.kind == "training":
            assert record.flops == start_for(digits).with_widths(record.alive).flops()
            assert all(record.alive[name] <= record.widths[name] for name in record.widths)
        if record.kind == "morph":
            chosen = start_for(digits).with_widths(record.chosen)
            assert record.flops == chosen.flops() <= run.budget
            assert chosen == morphnet.expand(start_for(digits).with_widths(record.alive), run.budget)[1]
    morphs = [record for record in records if record.kind == "morph"]
    assert any(sum(one.alive.values()) < sum(one.widths.values()) for one in morphs)
    assert morphs[1].widths == morphs[0].chosen and records[-1].widths == morphs[1].chosen
    assert run.architecture.widths == records[-1].widths == records[-1].alive
    assert [record.seconds for record in records] == sorted(record.seconds for record in records)
    last = records[-1].metrics
    assert last["validation_task_loss"] == pytest.approx(last["validation_loss"])
    penalised = next(record for record in reversed(records) if record.kind == "training").metrics
    assert penalised["validation_loss"] > penalised["validation_task_loss"]


def test_without_strength_it_is_plain_training(digits):
    run = morphed(digits, strength=0, iterations=1, seed=4)
    records = [record for record in run if record.kind == "training"]
    model = start_for(digits).build(seed=4)
    plain = training.fit(
        model, digits, loss=functional.cross_entropy, optimizer=torch.optim.Adam(model.parameters(), lr=0.02), epochs=2,
        batch_size=32, every=3, seed=4, device="cpu",
    )  # fmt: skip
    for one, other in zip(records, plain, strict=True):
        assert {name: one.metrics[name] for name in other.metrics} == other.metrics


def test_the_penalty_trains_as_written_out(digits):
    run = morphed(digits, iterations=1, epochs=1, every=None, strength=1e-5)
    list(zip(range(2), run, strict=False))
    model = start_for(digits).build(seed=0)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    regularizer = FlopRegularizer(model, digits.input_shape, threshold=0.05)
    for rows in training.shuffled(len(digits.train[0]), seed=0, epoch=0).split(32):
        inputs, targets = digits.train[0][rows], digits.train[1][rows]
        optimizer.zero_grad()
        (functional.cross_entropy(model(digits.normalise(inputs)), targets) + 1e-5 * regularizer.penalty()).backward()
        optimizer.step()
    for one, other in zip(run.model.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_a_collapse_ends_the_run_and_is_recorded(digits):
    run = morphed(digits, strength=1e-3, epochs=30)
    records = list(run)
    assert records[-1].kind == "collapse" and run.ended
    assert min(records[-1].alive.values()) == 0
    assert all(min(record.alive.values()) > 0 for record in records[:-1])
    assert list(run) == []


def test_a_loss_that_is_not_finite_ends_the_run(digits):
    records = list(morphed(digits, optimizer=lambda weights: torch.optim.SGD(weights, lr=1e30), strength=0))
    assert records[-1].kind == "diverged"


def test_a_block_without_channels_is_removed(digits):
    start = ResNetSpec(digits.input_shape, 10, (Stage(6, (6, 6)),), "post", closing=False)

    def optimizer(weights):
        return torch.optim.SGD(weights, lr=0.02)

    run = morphed(digits, start=start, iterations=1, epochs=1, optimizer=optimizer, strength=0)
    list(zip(range(3), run, strict=False))
    with torch.no_grad():
        run.model.stages[0].blocks[0].first.norm.weight.zero_()
        run.fit.close()
    record = next(run)
    assert record.kind == "morph"
    assert record.alive["stage0.block0"] == 0 and set(record.chosen) == {"stream0", "stage0.block0"}
    assert len(run.architecture.stages[0].blocks) == 1 and next(run).kind == "final"


def test_zero_iterations_only_train(digits):
    assert {record.kind for record in morphed(digits, iterations=0, final_epochs=1)} == {"final"}


@pytest.mark.parametrize("source", ["gamma", "group_lasso"])
def test_killed_at_any_record_and_resumed_it_gives_the_same_rest(source, digits, tmp_path):
    settings = {"source": source, "epochs": 1, "strength": 3e-6, "threshold": 0.05 if source == "gamma" else 0.02}
    whole = list(morphed(digits, **settings))
    assert len(whole) > 10
    run, path = morphed(digits, **settings), tmp_path / "state.npz"
    for number in range(len(whole)):
        next(run)
        recordings.save_state(path, run.state_dict())
        again = morphed(digits, **settings)
        again.load_state_dict(recordings.load_state(path))
        assert timeless(again.records) == timeless(whole[: number + 1])
        if number % 3 == 0:
            assert timeless(again) == timeless(whole[number + 1 :])


def test_a_state_of_another_run_is_refused_and_changes_nothing(digits):
    run, other = morphed(digits), morphed(digits, strength=2e-6)
    next(run)
    with pytest.raises(ValueError, match="state: made with strength = 1e-06, this run has 2e-06"):
        other.load_state_dict(run.state_dict())
    assert other.records == []


def test_runs_take_turns_and_are_recorded(digits, tmp_path):
    runs = {f"λ = {one:g}": morphed(digits, strength=one, iterations=1, epochs=1) for one in (0.0, 1e-6)}
    records = list(training.race(runs))
    assert {record.run for record in records} == set(runs)
    path = tmp_path / "runs.npz"
    recordings.save(path, records, settings={})
    loaded = recordings.load(path, record=morphnet.Record).records
    assert timeless(loaded) == timeless(records)


# Your own network ---------------------------------------------------------------------------------------------------------


class Own(nn.Module):
    """A network with a sum and a concatenation, as someone might have it."""

    def __init__(self, stem, side, units):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, stem, 3, padding=1), nn.BatchNorm2d(stem), nn.ReLU())
        self.again = nn.Sequential(nn.Conv2d(stem, stem, 3, padding=1), nn.BatchNorm2d(stem), nn.ReLU())
        self.side = nn.Sequential(nn.Conv2d(stem, side, 1), nn.BatchNorm2d(side), nn.ReLU())
        self.hidden = nn.Sequential(nn.Linear(stem + side, units), nn.BatchNorm1d(units), nn.ReLU())
        self.head = nn.Linear(units, 10)

    def forward(self, x):
        x = self.stem(x)
        x = torch.cat([x + self.again(x), self.side(x)], 1)
        return self.head(self.hidden(x.mean((2, 3))))


def own(widths):
    return Own(widths["stem.0"], widths["side.0"], widths["hidden.0"])


def test_a_network_of_ones_own_is_morphed(digits):
    start = morphnet.Custom(own, {"stem.0": 6, "side.0": 5, "hidden.0": 12}, digits.input_shape)
    run = morphed(digits, start=start, budget=2 * start.flops(), strength=3e-5)
    morphs = [record for record in run if record.kind == "morph"]
    assert len(morphs) == 2 and start.flops() < run.architecture.flops() <= 2 * start.flops()
    assert run.model.stem[0].out_channels == run.architecture.widths["stem.0"]
    state = copy.deepcopy(run.state_dict())
    again = morphed(digits, start=start, budget=2 * start.flops(), strength=3e-5)
    again.load_state_dict(state)
    assert again.architecture.widths == run.architecture.widths
    with pytest.raises(Collapsed):
        start.with_widths({"side.0": 0})


def test_a_width_named_after_no_layer_is_refused(digits):
    start = morphnet.Custom(lambda widths: own({"side.0": 5, "hidden.0": 12, "stem.0": widths["stem"]}), {"stem": 6}, (1, 8, 8))
    with pytest.raises(ValueError, match="'stem' is no layer of the network; its layers are"):
        list(morphed(digits, start=start, budget=1e6))


# Refusals -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ({"strength": -1e-9}, "strength must be zero or"),
        ({"strength": math.nan}, "strength must be zero or"),
        ({"budget": 10.0}, "budget: one channel everywhere needs"),
        ({"budget": 0}, "budget must be a finite positive"),
        ({"iterations": 1.5}, "iterations must be a whole number"),
        ({"epochs": 0}, "epochs must be a whole number, 1 or more"),
        ({"final_epochs": -1}, "final_epochs must be"),
        ({"threshold": -0.1}, "threshold must be"),
        ({"source": "beta"}, "source must be one of"),
        ({"rounding": "up"}, "rounding must be one of"),
        ({"batch_size": 0}, "batch_size must be"),
        ({"seed": -1}, "seed must be"),
        ({"start": DenseSpec((1, 8, 8), 10, (5,))}, "batch norm with scale"),
        ({"start": DenseSpec((1, 8, 8), 10)}, "no width that could be changed"),
    ],
)
def test_what_cannot_work_is_refused_before_any_work(choice, words, digits):
    with pytest.raises(ValueError, match=words):
        morphed(digits, **choice)
