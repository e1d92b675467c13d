"""A population that is saved, stopped, killed or interrupted goes on with the numbers of one that was left in peace."""

import copy
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from population_cases import CROSS_ENTROPY, STEPS, begin, data, lenet, numbers, same_weights

from toolkit import recordings

WAYS = ["layers", "vmap", "sequential"]
SETTINGS = {
    "learning_rate": [0.3, 0.1, 0.2, 1e200],  # the last one diverges
    "friction": [0.5, 1.0, 0.0, 0.0],
    "seed": [0, 1, 1, 2],
    "weight_decay": [0.0, 0.1, 0.0, 0.0],
    "brake_at": [1.0, math.nan, 1.05, None],
    "brake_factor": [5.0, math.nan, 3.0, None],
    "input_mask": [range(6), [0, 2, 5], [0], range(6)],
}
PLAIN = {"learning_rate": [0.02, 0.05]}


def whole_run(**settings):
    run = begin(**({"settings": SETTINGS} | settings))
    list(run)
    return run


def assert_same_run(run, expected):
    assert numbers(run.records) == numbers(expected.records)
    assert [repr(values.tolist()) for values in run.best.values()] == [repr(own.tolist()) for own in expected.best.values()]
    alive = [k for k in range(len(run.members)) if run.alive[k]]
    for best in (False, True):
        models, others = ([each.model(k, best=best).state_dict() for k in alive] for each in (run, expected))
        assert same_weights(models, others)
    assert run.alive.tolist() == expected.alive.tolist()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("optimizer", ["port-hamiltonian", "adam"])
def test_a_state_of_any_record_goes_on_bit_by_bit_in_a_fresh_run(way, optimizer, tmp_path):
    braked = optimizer == "port-hamiltonian"
    case = {"strategy": way, "every": 3, "optimizer": optimizer, "settings": SETTINGS if braked else PLAIN, "epochs": 2}
    expected, run = whole_run(**case), begin(**case)
    for number, _ in enumerate(run):
        recordings.save_state(tmp_path / "state.npz", run.state_dict())
        fresh = begin(**case)
        next(fresh)  # a run that has begun may be sent elsewhere too
        fresh.load_state_dict(recordings.load_state(tmp_path / "state.npz"))
        assert len(fresh.records) == number + 1
        list(fresh)
        assert_same_run(fresh, expected)
    assert len(expected.records) == 7


@pytest.mark.parametrize("way", WAYS)
def test_a_population_may_be_rewound_to_the_same_state_again_and_again(way):
    run, expected = begin(settings=SETTINGS, strategy=way, every=3), whole_run(strategy=way, every=3)
    for _ in range(5):
        next(run)
    state = copy.deepcopy(run.state_dict())
    for _ in range(2):
        run.load_state_dict(state)
        list(run)
        assert_same_run(run, expected)


def test_a_state_goes_on_in_other_chunks():
    expected = whole_run(strategy="layers", members_per_chunk=3)
    run, fresh = (begin(settings=SETTINGS, strategy="layers", members_per_chunk=size) for size in (3, 2))
    next(run), next(run)
    fresh.load_state_dict(run.state_dict())
    for record, own in zip(list(fresh), expected.records[2:], strict=True):
        assert record.metrics["train_loss"] == pytest.approx(own.metrics["train_loss"], rel=1e-12, nan_ok=True)


@pytest.mark.parametrize("way", WAYS)
def test_settings_that_were_changed_live_are_part_of_the_state(way):
    run = begin(settings=PLAIN, strategy=way)
    next(run)
    run.optimizers[0].param_groups[0]["friction"] = 7.0
    fresh = begin(settings=PLAIN, strategy=way)
    fresh.load_state_dict(copy.deepcopy(run.state_dict()))
    assert next(fresh).metrics["friction"].tolist() == [7.0, 1.0]


@pytest.mark.parametrize("way", WAYS)
def test_a_finished_population_goes_on_with_more_epochs(way):
    short, longer = whole_run(strategy=way, epochs=2), begin(settings=SETTINGS, strategy=way, epochs=4)
    longer.load_state_dict(short.state_dict())
    list(longer)
    assert_same_run(longer, whole_run(strategy=way, epochs=4))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("calls", [5, 12, 20, 31])
def test_an_interrupt_inside_a_record_loses_nothing(way, calls):
    left = [calls]

    def loss(outputs, targets):
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt
        return CROSS_ENTROPY(outputs, targets)

    settings = {name: values[:3] for name, values in SETTINGS.items()}
    case = {"settings": settings, "strategy": way, "members_per_chunk": 2, "every": 3, "epochs": 2}
    left[0] = math.inf
    expected, run = begin(loss=loss, **case), begin(loss=loss, **case)
    list(expected)
    left[0] = calls
    with pytest.raises(KeyboardInterrupt):
        list(run)
    fresh = begin(loss=loss, **case)
    fresh.load_state_dict(copy.deepcopy(run.state_dict()))
    for each in (run, fresh):
        list(each)
        assert_same_run(each, expected)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"settings": {"learning_rate": [0.02, 0.06]}}, r"made with learning_rate = \[0.02, 0.06\], .* has \[0.02, 0.05\]"),
        ({"settings": {"learning_rate": [0.02]}}, r"made with learning_rate = \[0.02\], this population has"),
        ({"settings": PLAIN | {"friction": [1.0, 2.0]}}, "made with friction = "),
        ({"settings": PLAIN | {"input_mask": [[0], [1]]}}, "made with input_mask = .* has None"),
        ({"seed": 3}, r"made with seed = \[3, 3\]"),
        ({"batch_size": 16}, "made with batch_size = 16, this population has 8"),
        ({"strategy": "sequential"}, "made with strategy = 'sequential', this population has 'layers'"),
        ({"optimizer": "adam"}, "made with mass = None|made with optimizer = 'adam'"),
        ({"friction_scheme": "euler"}, "made with friction_scheme = 'euler'"),
        ({"build": lenet, "data": data((1, 8, 8))}, "made with strategy|made with network"),
    ],
)  # fmt: skip
def test_the_state_of_another_population_is_refused_with_nothing_changed(other, message):
    run, other = begin(settings=PLAIN), begin(**({"settings": PLAIN} | other))
    next(run), next(other)
    with pytest.raises(ValueError, match=message):
        run.load_state_dict(other.state_dict())
    list(run)
    assert_same_run(run, whole_run(settings=PLAIN))


@pytest.mark.parametrize("state", [{}, {"weights": torch.zeros(3)}])
def test_something_else_than_a_state_is_refused(state):
    with pytest.raises(ValueError, match="state: made with learning_rate = None"):
        begin(settings=PLAIN).load_state_dict(state)


@pytest.mark.parametrize("way", WAYS)
def test_a_checkpoint_is_written_at_each_epoch_and_taken_up(way, tmp_path):
    file = tmp_path / "population.npz"
    case = {"settings": SETTINGS, "strategy": way, "every": 3, "checkpoint": file}
    saved = [len(recordings.load_state(file)["records"]["heads"]) for _ in begin(epochs=2, **case)]
    assert saved == [1, 1, 1, 4, 4, 4, 7]
    second = begin(epochs=3, **(case | {"checkpoint": str(file)}))
    assert [record.step for record in second.records] == [0, 3, 6, 7, 10, 13, 14]
    list(second)
    assert_same_run(second, whole_run(strategy=way, every=3))
    assert os.listdir(tmp_path) == ["population.npz"]


def test_a_checkpoint_of_another_population_is_not_overwritten(tmp_path):
    file = tmp_path / "population.npz"
    list(begin(settings=PLAIN, checkpoint=file))
    content = file.read_bytes()
    with pytest.raises(ValueError, match="made with seed"):
        begin(settings=PLAIN, checkpoint=file, seed=2)
    assert file.read_bytes() == content


PROCESS = """
import sys, time
from pathlib import Path
import torch
from population_cases import CROSS_ENTROPY, begin
from test_population_resume import SETTINGS
from toolkit import recordings

torch.set_num_threads(1)
checkpoint, result, marker = map(Path, sys.argv[1:4])
fatal, pause = int(sys.argv[4]), float(sys.argv[5])
calls = 0

def loss(outputs, targets):
    global calls
    calls += 1
    time.sleep(pause)
    if calls == fatal:
        marker.touch()
        time.sleep(600)
    return CROSS_ENTROPY(outputs, targets)

run = begin(settings=SETTINGS, strategy="layers", checkpoint=checkpoint, loss=loss, epochs=12)
marker.with_suffix(".start").write_text(str(run.step))
list(run)
recordings.save_state(result, run.state_dict())
"""


def test_a_population_killed_twice_ends_with_the_numbers_of_one_that_was_not(tmp_path):
    checkpoint, result, marker = (tmp_path / name for name in ("population.npz", "result.npz", "marker"))

    def launch(fatal=-1, pause=0.0):
        command = [sys.executable, "-c", PROCESS, checkpoint, result, marker, str(fatal), str(pause)]
        return subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(Path(__file__).parent), "OMP_NUM_THREADS": "1"})

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

    def epochs_saved():
        return recordings.load_state(checkpoint)["records"]["heads"][-1][0]

    kill_when(launch(fatal=60), marker.exists)  # inside an epoch, for certain
    first = epochs_saved()
    second = launch(pause=0.003)
    written = checkpoint.stat().st_mtime_ns
    kill_when(second, lambda: checkpoint.stat().st_mtime_ns != written and (time.sleep(0.02) or True))
    between = epochs_saved()
    assert 0 < first < between < 12
    assert launch().wait(timeout=120) == 0
    assert int(marker.with_suffix(".start").read_text()) == between * STEPS

    expected, run = whole_run(strategy="layers", epochs=12), begin(settings=SETTINGS, strategy="layers", epochs=12)
    run.load_state_dict(recordings.load_state(result))
    assert_same_run(run, expected)
