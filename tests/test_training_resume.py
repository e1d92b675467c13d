"""A run that is saved, stopped, killed or interrupted goes on with the numbers of one that was left in peace."""

import copy
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torch import nn
from training_cases import STEPS, begin, data, network, normalise, numbers, same, weights

from toolkit import recordings, training
from toolkit.training import EarlyStopping

LOSS = nn.CrossEntropyLoss()
COMBINATIONS = [
    {"optimizer": "sgd", "scheduler": "step"},
    {"optimizer": "adam", "scheduler": "plateau", "dropout": 0.4},
    {"optimizer": "port-hamiltonian", "scheduler": "brake", "dropout": 0.4},
]


def whole_run(**settings):
    run = begin(every=3, **settings)
    list(run)
    return run


def assert_same_run(run, expected):
    assert numbers(run.records) == numbers(expected.records)
    assert same(weights(run), weights(expected))
    assert (run.best["epoch"], run.best["validation_loss"]) == (expected.best["epoch"], expected.best["validation_loss"])
    assert same(run.best["model"].values(), expected.best["model"].values())


# States


@pytest.mark.parametrize("settings", COMBINATIONS)
def test_a_state_of_any_record_goes_on_bit_by_bit_in_a_fresh_run(settings, tmp_path):
    expected, run = whole_run(**settings), begin(every=3, **settings)
    for number, _ in enumerate(run):
        recordings.save_state(tmp_path / "state.npz", run.state_dict())
        fresh = begin(every=3, **settings)
        next(fresh)  # a run that has begun may be sent elsewhere too
        fresh.load_state_dict(recordings.load_state(tmp_path / "state.npz"))
        assert len(fresh.records) == number + 1
        list(fresh)
        assert_same_run(fresh, expected)
    assert len(expected.records) == 10


def test_a_state_with_early_stopping_goes_on():
    def settings():
        return {"stopping": EarlyStopping(2, min_delta=0.2), "epochs": 9}

    expected = begin(**settings())
    list(expected)
    assert 2 < len(expected.records) < 10
    run = begin(**settings())
    for _ in run:
        fresh = begin(**settings())
        fresh.load_state_dict(copy.deepcopy(run.state_dict()))
        list(fresh)
        assert_same_run(fresh, expected)
        assert fresh.ended


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "port-hamiltonian"])
def test_a_run_may_be_rewound_to_the_same_state_again_and_again(optimizer):
    run = begin(every=3, optimizer=optimizer, dropout=0.4)
    for _ in range(5):
        next(run)
    state = copy.deepcopy(run.state_dict())
    for _ in range(3):
        run.load_state_dict(state)
        list(run)
        assert_same_run(run, whole_run(optimizer=optimizer, dropout=0.4))


def test_rewinding_brings_back_settings_that_were_changed_since():
    run = begin(optimizer="port-hamiltonian", epochs=3)
    next(run)
    state = copy.deepcopy(run.state_dict())
    run.optimizer.param_groups[0]["friction"] = 7.0
    list(run)
    branch = numbers(run.records)
    run.load_state_dict(state)
    list(run)
    assert numbers(run.records) == numbers(begin(optimizer="port-hamiltonian"))
    assert numbers(run.records) != branch


def test_a_finished_run_goes_on_with_more_epochs():
    short = begin(epochs=2, scheduler="step")
    list(short)
    longer = begin(epochs=5, scheduler="step")
    longer.load_state_dict(short.state_dict())
    list(longer)
    expected = begin(epochs=5, scheduler="step")
    list(expected)
    assert_same_run(longer, expected)


def test_a_diverged_run_stays_ended():
    run = begin()
    run.optimizer.param_groups[0]["lr"] = 1e38
    list(run)
    assert run.records[-1].diverged
    fresh = begin()
    fresh.load_state_dict(copy.deepcopy(run.state_dict()))
    assert list(fresh) == []
    assert fresh.ended


def test_losses_in_double_precision_survive():
    def double():
        model, split = network().double(), data()
        split.normalise = lambda inputs: normalise(inputs).double()
        return begin(model, data=split, every=3)

    expected, run = double(), double()
    list(expected)
    for _ in range(3):
        next(run)
    fresh = double()
    fresh.load_state_dict(copy.deepcopy(run.state_dict()))
    list(fresh)
    assert_same_run(fresh, expected)


def test_seconds_go_on():
    run = begin()
    next(run), next(run)
    fresh = begin()
    fresh.load_state_dict(run.state_dict())
    assert next(fresh).seconds > run.records[-1].seconds > 0


def two_groups(**settings):
    model = network()
    optimizer = torch.optim.SGD([{"params": layer.parameters()} for layer in (model[0], model[3])], lr=0.1)
    return training.fit(model, data(), loss=LOSS, optimizer=optimizer, epochs=3, batch_size=8, device="cpu", **settings)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (lambda: begin(batch_size=16), "state: made with batch_size = 16, this run has 8"),
        (lambda: begin(seed=3), "state: made with seed = 3, this run has 0"),
        (lambda: begin(optimizer="adam"), "made with optimizer = 'Adam', this run has 'SGD'"),
        (lambda: begin(scheduler="step"), r"made with schedulers = \['StepLR'\], this run has \[\]"),
        (lambda: begin(stopping=EarlyStopping(2)), "made with stopping = True, this run has False"),
        (lambda: begin(data=data(40)), "made with train samples = 40, this run has 50"),
        (lambda: begin(network(hidden=6)), r"made with model.0.weight = \[6, 6\], this run has \[5, 6\]"),
        (lambda: begin(nn.Sequential(nn.Flatten(), *network())), r"made with model.0.weight = None, this run has \[5, 6\]"),
        (lambda: begin(nn.Sequential(*network(), nn.BatchNorm1d(3, affine=False))), "made with model.4.running_mean = .* None"),
        (two_groups, r"made with parameter groups = \[2, 2\], this run has \[4\]"),
    ],
)
def test_the_state_of_another_run_is_refused_with_nothing_changed(other, message):
    run = begin(epochs=3)
    next(run), next(run)
    before = copy.deepcopy(run.state_dict())
    other = other()
    next(other)
    with pytest.raises(ValueError, match=message):
        run.load_state_dict(other.state_dict())
    assert numbers(run.records) == numbers(training.Record(*fields) for fields in before["records"])
    assert same(weights(run), before["model"].values())
    list(run)
    assert numbers(run.records) == numbers(begin(epochs=3))


@pytest.mark.parametrize("state", [{}, {"weights": torch.zeros(3)}])
def test_something_else_than_a_state_is_refused(state):
    with pytest.raises(ValueError, match="state: made with model.0.weight = None"):
        begin().load_state_dict(state)


# Checkpoints


def test_a_checkpoint_is_written_at_each_epoch_and_taken_up(tmp_path):
    file = tmp_path / "run.npz"
    first = begin(epochs=2, checkpoint=file, dropout=0.4, every=3)
    saved = []
    for record in first:
        saved.append((record.step, recordings.load_state(file)["epoch"]))
    assert saved == [(0, 0), (3, 0), (6, 0), (7, 1), (10, 1), (13, 1), (14, 2)]
    second = begin(epochs=3, checkpoint=str(file), dropout=0.4, every=3)
    assert [record.step for record in second.records] == [0, 3, 6, 7, 10, 13, 14]
    list(second)
    assert_same_run(second, whole_run(dropout=0.4))
    assert os.listdir(tmp_path) == ["run.npz"]


def test_a_damaged_checkpoint_is_named_and_nothing_is_changed(tmp_path):
    file = tmp_path / "run.npz"
    list(begin(checkpoint=file))
    file.write_bytes(file.read_bytes()[:-100])
    damaged, model = file.read_bytes(), network()
    with pytest.raises(ValueError, match="run.npz"):
        begin(model, checkpoint=file)
    assert same(model.parameters(), network().parameters())
    assert file.read_bytes() == damaged


def test_a_checkpoint_of_another_run_is_not_overwritten(tmp_path):
    file = tmp_path / "run.npz"
    list(begin(checkpoint=file, seed=1))
    content = file.read_bytes()
    with pytest.raises(ValueError, match="made with seed = 1, this run has 2"):
        begin(checkpoint=file, seed=2)
    assert file.read_bytes() == content


PROCESS = """
import sys, time
from pathlib import Path
import torch
from torch import nn
from training_cases import begin, weights
from toolkit import recordings

torch.set_num_threads(1)
checkpoint, result, marker = map(Path, sys.argv[1:4])
calls, fatal, pause = 0, int(sys.argv[4]), float(sys.argv[5])

def loss(outputs, targets):
    global calls
    calls += outputs.requires_grad
    time.sleep(pause)
    if calls == fatal:
        marker.touch()
        time.sleep(600)
    return nn.functional.cross_entropy(outputs, targets)

run = begin(checkpoint=checkpoint, loss=loss, optimizer="port-hamiltonian", scheduler="brake", dropout=0.4, epochs=12)
marker.with_suffix(".start").write_text(str(run.step))
list(run)
recordings.save_state(result, {"weights": weights(run), "state": run.state_dict()})
"""


def test_a_run_killed_twice_ends_with_the_numbers_of_one_that_was_not(tmp_path):
    checkpoint, result, marker = (tmp_path / name for name in ("run.npz", "result.npz", "marker"))

    def launch(fatal=-1, pause=0.0):
        command = [sys.executable, "-c", PROCESS, checkpoint, result, marker, str(fatal), str(pause)]
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
        return subprocess.Popen(command, env=environment)

    def kill_when(process, condition):
        try:
            deadline = time.monotonic() + 120
            while not condition():
                assert process.poll() is None, "the process ended by itself"
                assert time.monotonic() < deadline
                time.sleep(0.005)
        finally:
            process.kill()
        assert process.wait() == -signal.SIGKILL

    kill_when(launch(fatal=3 * STEPS + 4), marker.exists)  # in the fourth batch of the fourth epoch, for certain
    assert recordings.load_state(checkpoint)["epoch"] == 3
    second = launch(pause=0.01)
    written = checkpoint.stat().st_mtime_ns
    kill_when(second, lambda: checkpoint.stat().st_mtime_ns != written and (time.sleep(0.03) or True))
    between = recordings.load_state(checkpoint)["epoch"]
    assert 3 < between < 12
    assert launch().wait(timeout=120) == 0
    assert int(marker.with_suffix(".start").read_text()) == between * STEPS

    expected = begin(optimizer="port-hamiltonian", scheduler="brake", dropout=0.4, epochs=12)
    list(expected)
    final = recordings.load_state(result)
    assert same(final["weights"], weights(expected))
    assert numbers(training.Record(*fields) for fields in final["state"]["records"]) == numbers(expected.records)
    assert same(final["state"]["best"]["model"].values(), expected.best["model"].values())


# Interrupts


def finish(run, error):
    """Ask for records until the end, as a user does who starts the cell again after each interrupt."""
    interrupts = 0
    while True:
        try:
            for _ in run:
                pass
            return interrupts
        except error:
            interrupts += 1


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
@pytest.mark.parametrize("place", ["loss", "step", "augment"])
@pytest.mark.parametrize("every", [None, 3])
def test_an_interrupt_in_a_step_costs_nothing(error, place, every, monkeypatch):
    """Raised before the first record, in an epoch's first, fifth and last batch, the last twice, and in its validation."""
    calls = {"loss": 0, "step": 0, "augment": 0}

    def interrupted(name, function):
        def call(*arguments, **named):
            calls[name] += 1
            if name == place and calls[name] in (1, 4, 9, 12, 13, 15):
                raise error
            return function(*arguments, **named)

        return call

    def brighten(inputs, generator):
        return inputs + torch.randint(9, inputs.shape, generator=generator, dtype=torch.uint8)

    settings = {"optimizer": "port-hamiltonian", "scheduler": "brake", "dropout": 0.4, "every": every}
    expected = begin(augment=brighten, **settings)
    list(expected)
    run = begin(augment=interrupted("augment", brighten), loss=interrupted("loss", LOSS), **settings)
    monkeypatch.setattr(run.optimizer, "step", interrupted("step", run.optimizer.step))
    assert finish(run, error) == 6
    assert_same_run(run, expected)


def test_an_interrupted_run_has_a_usable_best_and_last_state(monkeypatch):
    run = begin(epochs=5)
    for _ in range(3):
        next(run)
    monkeypatch.setattr(run.optimizer, "step", lambda: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        next(run)
    assert run.best["epoch"] in (1, 2)
    fresh = begin(epochs=5)
    fresh.load_state_dict(copy.deepcopy(run.state_dict()))
    list(fresh)
    assert numbers(fresh.records) == numbers(begin(epochs=5))


def test_a_closed_run_is_not_brought_back_by_a_further_request():
    run = begin()
    next(run)
    run.close()
    assert [next(run, None) for _ in range(3)] == [None] * 3
