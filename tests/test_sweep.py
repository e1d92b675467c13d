"""Sweeps on the cores of this machine and their results."""

import multiprocessing.connection
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
import torch
from sweep_cases import SETTINGS, digits, line, logged, noted, training_run, troubled, waiting

from toolkit import datasets, networks, population, recordings, sweep
from toolkit.sweep import cores
from toolkit.sweep.settings import identity

SECONDS = ["seconds"]


def run(function, settings, **choice):
    return sweep.run(function, settings, progress=False, **choice)


def workers_of(process):
    """The processes of its sweeps."""
    children = psutil.Process(process).children(recursive=True)
    return [child for child in children if "LokyProcess" in " ".join(child.cmdline())]


def until(condition):
    """Wait for something that another process does."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def assert_same_table(one, other):
    pd.testing.assert_frame_equal(one.drop(columns=SECONDS), other.drop(columns=SECONDS))


# Every way of running gives the same


def test_processes_give_what_the_calling_process_gives(tmp_path):
    expected = sweep.table(run(line, SETTINGS, workers=1))
    records = list(run(line, SETTINGS, workers=3, results=tmp_path / "results"))
    assert sorted(record.index for record in records) == list(range(6))
    assert_same_table(sweep.table(records), expected)
    assert_same_table(sweep.table(tmp_path / "results"), expected)


@pytest.mark.parametrize("workers", [None, 1, 4, 100])
def test_populations_give_what_single_runs_give(workers, tmp_path):
    def lines(x, scale):
        return {"y": np.array(scale) * x + 1, "name": [f"{a} times {b}" for a, b in zip(x, scale, strict=True)]}

    expected = sweep.table(run(line, SETTINGS, workers=1)).drop(columns="curve")
    records = list(run(lines, SETTINGS, backend="population", workers=workers, results=tmp_path / "results"))
    assert_same_table(sweep.table(records), expected)
    assert_same_table(sweep.table(tmp_path / "results"), expected)


def test_a_population_trains_only_what_is_not_stored(tmp_path):
    asked = []

    def squares(x):
        asked.append(list(x))
        return {"y": torch.tensor(x) ** 2}

    few, all_of_them = [{"x": x} for x in (2, 0)], [{"x": x} for x in range(5)]
    list(run(squares, few, backend="population", results=tmp_path / "results"))
    records = list(run(squares, all_of_them, backend="population", workers=2, results=tmp_path / "results"))
    assert asked == [[2, 0], [1, 3], [4]]
    assert {record.settings["x"]: record.result["y"] for record in records} == {x: x**2 for x in range(5)}


def test_a_study_by_population_fit_is_a_sweep():
    def fitted(learning_rate, seed):
        study = population.fit(
            lambda seed: networks.dense(4, (3,), 1, seed=seed), data, settings={"learning_rate": learning_rate, "seed": seed},
            loss=torch.nn.functional.mse_loss, epochs=1, optimizer="sgd",
        )  # fmt: skip
        return {"loss": list(study)[-1].metrics["validation_loss"]}

    inputs = torch.randn(70, 4, generator=torch.Generator().manual_seed(0))
    data = datasets.from_arrays(inputs, inputs[:, :1], seed=0)
    settings = sweep.grid(learning_rate=[0.01, 0.1], seed=range(2))
    together = sweep.table(run(fitted, settings, backend="population"))
    alone = sweep.table(run(fitted, settings, backend="population", workers=1))
    np.testing.assert_allclose(together["loss"], alone["loss"], rtol=1e-5)
    assert together["loss"].nunique() == 4


@pytest.mark.parametrize(
    ("returned", "error"),
    [
        ({"y": [1, 2]}, r"must return 3 values of each result, one per member; got {'y': \(2,\)}"),
        ({"y": 1.0}, r"must return 3 values of each result, one per member; got {'y': \(\)}"),
        ([1, 2, 3], "must return a dict"),
        (None, "ZeroDivisionError"),
    ],
)
def test_the_error_of_a_population_is_that_of_each_member(returned, error):
    def troubled(x):
        return returned or 1 / 0

    records = list(run(troubled, [{"x": x} for x in range(3)], backend="population"))
    assert len(records) == 3
    assert all(re.search(error, record.error) and record.result == {} for record in records)


def test_the_members_of_a_population_have_the_same_settings():
    with pytest.raises(ValueError, match=r"settings\[1\] has \['shift', 'x'\], the members of a population have all \['x'\]"):
        run(lambda x, shift=0: {"y": x}, [{"x": 1}, {"x": 1, "shift": 2}], backend="population")


def test_what_a_function_captures_goes_with_it():
    offset = np.arange(3)
    records = run(lambda x: {"sum": (x + offset).sum()}, sweep.grid(x=[1, 2]), workers=2)
    assert sorted(record.result["sum"] for record in records) == [6, 9]


def test_a_training_is_swept_on_one_thread_with_equal_numbers(tmp_path):
    settings = sweep.grid(learning_rate=[0.05, 0.5], seed=[0, 1])
    torch.set_num_threads(2)
    try:
        here = [record.result for record in run(training_run, settings, workers=1)]
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
    assert len({result["weight"] for result in here}) == 4
    (elsewhere,) = run(training_run, settings[2:3], workers=2, results=tmp_path)
    (stored,) = run(training_run, settings[2:3], workers=2, results=tmp_path)
    for record in (elsewhere, stored):
        assert record.error == ""
        assert record.result["threads"] == here[2]["threads"] == 1
        assert record.result["losses"].tobytes() == here[2]["losses"].tobytes()
        assert record.result["weight"] == here[2]["weight"]


# Failures stay with their run


@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_that_goes_wrong_leaves_the_others_alone(workers):
    wrong = {
        "raise": "RuntimeError: no result for 0",
        "exit": "SystemExit: 4",
        "no dict": "must return a dict of numbers, strings and arrays, got int",
        "odd value": r"result\['y'\] must consist of numbers",
    }
    settings = [{"x": 0, "trouble": trouble} for trouble in wrong] + [{"x": x} for x in range(1, 4)]
    table = sweep.table(run(troubled, settings, workers=workers))
    assert table["y"].tolist()[4:] == [1, 4, 9]
    assert table["error"].tolist()[4:] == [""] * 3
    for error, text in zip(table["error"], wrong.values(), strict=False):
        assert re.search(text, error)
    assert "in troubled" in table["error"][0]
    assert "in attempt" not in table["error"][0]


def test_a_run_whose_process_dies_is_tried_twice_and_the_others_are_not_touched(tmp_path):
    log = str(tmp_path / "log")
    troubles = ["kill", "", "", "end", "kill once", ""]
    settings = [{"x": x, "trouble": trouble, "log": log} for x, trouble in enumerate(troubles)]
    table = sweep.table(run(troubled, settings, workers=2, results=tmp_path / "results"))
    assert [noted(log, f"begin {x}") for x in range(6)] == [2, 1, 1, 2, 2, 1]
    assert table["y"].dropna().to_dict() == {1: 1, 2: 4, 4: 16, 5: 25}
    assert "died in each of 2 tries, the last time by the signal SIGKILL" in table["error"][0]
    assert "the last time with exit code 3" in table["error"][3]
    assert_same_table(sweep.table(tmp_path / "results"), table)


def test_a_process_that_is_killed_in_a_run_costs_one_try(tmp_path):
    log, go = tmp_path / "log", tmp_path / "go"
    settings = [{"x": x, "log": str(log), "until": str(go)} for x in range(4)]
    team = cores.Team(waiting, dict(enumerate(settings)), 2)
    try:
        team.begin()
        until(lambda: noted(log, "begin 0") and noted(log, "begin 1"))
        victim = next(worker for worker, index in team.busy.items() if index == 1)
        os.kill(victim.process.pid, signal.SIGKILL)
        outcomes = dict(team.ended())
        assert outcomes == {}
        go.touch()
        team.begin()
        while team.busy:
            outcomes |= team.ended()
            team.begin()
    finally:
        team.stop()
    assert {index: outcome.result["y"] for index, outcome in outcomes.items()} == {0: 0, 1: 1, 2: 4, 3: 9}
    assert [noted(log, f"begin {x}") for x in range(4)] == [1, 2, 1, 1]


# Stored results


def test_what_is_stored_is_not_done_again(tmp_path):
    log, results = str(tmp_path / "log"), tmp_path / "results"
    settings = [{"x": x, "log": log} for x in range(5)]
    begun = run(logged, settings[:4], workers=1, results=results)
    for _ in range(2):
        next(begun)
    begun.close()
    again = list(run(logged, settings[:4], workers=2, results=results))
    assert [record.index for record in again[:2]] == [0, 1]
    assert sweep.table(again)["y"].tolist() == [0, 1, 4, 9]
    more = list(run(logged, settings[::-1], workers=1, results=results))
    assert [record.index for record in more] == [1, 2, 3, 4, 0]
    assert sweep.table(results)["x"].tolist() == [4, 3, 2, 1, 0]
    assert [noted(log, f"begin {x}") for x in range(5)] == [1] * 5
    assert_same_table(sweep.table(results), sweep.table(more))


def test_nothing_is_run_when_all_is_stored(tmp_path, monkeypatch):
    list(run(line, SETTINGS, workers=1, results=tmp_path))
    monkeypatch.setattr(cores, "Worker", None)
    assert len(list(run(line, SETTINGS, workers=2, results=tmp_path))) == 6


def test_failed_runs_are_done_again_on_demand_only(tmp_path):
    log = str(tmp_path / "log")
    settings = [{"x": 1, "trouble": "raise", "log": log}, {"x": 2, "log": log}]
    for retry_failed, expected in ((False, [1, 1]), (False, [1, 1]), (True, [2, 1])):
        list(run(troubled, settings, workers=1, results=tmp_path / "results", retry_failed=retry_failed))
        assert [noted(log, f"begin {x}") for x in (1, 2)] == expected


def test_results_of_another_function_are_refused(tmp_path):
    list(run(line, SETTINGS[:1], workers=1, results=tmp_path))
    with pytest.raises(ValueError, match="holds runs of sweep_cases.line, this sweep runs sweep_cases.digits"):
        run(digits, [{"C": 1}], results=tmp_path)


def test_results_of_other_settings_are_refused_and_kept(tmp_path):
    list(run(line, SETTINGS[:3], workers=1, results=tmp_path))
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(ValueError, match="holds 2 finished runs that are not among these settings, such as {'x': "):
        run(line, SETTINGS[2:], results=tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_folder_or_file_of_something_else_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="holds files but no sweep"):
        run(line, SETTINGS, results=tmp_path)
    with pytest.raises(ValueError, match="notes.txt is not a folder"):
        run(line, SETTINGS, results=tmp_path / "notes.txt")
    with pytest.raises(FileNotFoundError):
        sweep.table(tmp_path)


def _cut(path):
    path.write_bytes(path.read_bytes()[:-40])


def _exchange(path):
    recordings.save_state(path, recordings.load_state(path) | {"settings": {"x": 9, "scale": 9}})


def _strip(path):
    recordings.save_state(path, {"settings": {}})


@pytest.mark.parametrize(
    ("damage", "text"), [(_cut, "damaged"), (_exchange, "does not belong to its name"), (_strip, "not a file of a sweep")]
)
def test_a_damaged_file_is_named(damage, text, tmp_path):
    list(run(line, SETTINGS[:2], workers=1, results=tmp_path))
    path = tmp_path / f"{identity(SETTINGS[1])}.npz"
    damage(path)
    with pytest.raises(ValueError, match=f"{path.name}: .*{text}"):
        run(line, SETTINGS, results=tmp_path)
    with pytest.raises(ValueError, match=f"{path.name}: .*{text}"):
        sweep.table(tmp_path)


# A sweep that is killed, interrupted or forgotten

PROGRAM = """
import os, signal, sys
from toolkit import sweep
from sweep_cases import logged

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell makes what it runs in its background ignore it
log, results, moment, number = sys.argv[1:5]
replaced = 0

def fatal_replace(source, target, replace=os.replace):
    global replaced
    replaced += 1
    if replaced == int(number) and moment == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    replace(source, target)
    if replaced == int(number) and moment == "after":
        os.kill(os.getpid(), signal.SIGKILL)

def work(x):  # of the script itself, which needs no guard against being run again
    return logged(x, log, seconds=0.02)

os.replace = fatal_replace
records = sweep.run(work, sweep.grid(x=range(8)), workers=2, results=results, progress=False)
if moment == "forget":
    print(next(records))
else:
    for record in records:
        print(record.index, flush=True)
"""


def launch(tmp_path, moment="never", number=0, new_session=False):
    command = [sys.executable, "-c", PROGRAM, tmp_path / "log", tmp_path / "results", moment, str(number)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env=environment, start_new_session=new_session, **pipes)


def alive(number):
    """Whether the process exists and has not ended."""
    try:
        return psutil.Process(number).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def left_over(log):
    """The processes that have begun a run and still exist."""
    begun = {int(entry.split()[2]) for entry in log.read_text().splitlines()} if log.exists() else set()
    return [number for number in begun if alive(number)]


def begun_and_stored(tmp_path):
    """How often each run was begun that has its file."""
    stored = [x for x in range(8) if (tmp_path / "results" / f"{identity({'x': x})}.npz").exists()]
    return {x: noted(tmp_path / "log", f"begin {x}") for x in stored}


def table_of_one_that_was_never_killed(tmp_path):
    def work(x):
        return logged(x, str(tmp_path / "other log"))

    return sweep.table(run(work, sweep.grid(x=range(8)), workers=1))


def test_a_sweep_killed_at_several_moments_ends_with_the_table_of_one_that_was_not(tmp_path):
    """Killed before and after it describes itself, before and after a run's file takes its name, and at some other time."""
    log = tmp_path / "log"
    for moment, number in [("before", 1), ("after", 1), ("before", 3), ("after", 3), ("between", 0)]:
        before = begun_and_stored(tmp_path)
        process = launch(tmp_path, moment, number)
        if moment == "between":
            process.stdout.readline()
            process.kill()
        process.communicate(timeout=120)
        assert process.returncode == -signal.SIGKILL
        until(lambda: not left_over(log))
        assert {x: noted(log, f"begin {x}") for x in before} == before
    assert 1 < len(before) < 8
    before = begun_and_stored(tmp_path)
    output, errors = launch(tmp_path).communicate(timeout=120)
    assert (sorted(map(int, output.split())), errors) == (list(range(8)), "")
    assert {x: noted(log, f"begin {x}") for x in before} == before
    assert_same_table(sweep.table(tmp_path / "results"), table_of_one_that_was_never_killed(tmp_path))


def test_an_interrupt_at_the_keyboard_leaves_what_is_finished_and_no_process(tmp_path):
    process = launch(tmp_path, new_session=True)
    process.stdout.readline()
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert "KeyboardInterrupt" in errors
    assert not left_over(tmp_path / "log")
    interrupted = sweep.table(tmp_path / "results")
    assert 0 < len(interrupted) < 8
    assert_same_table(interrupted, table_of_one_that_was_never_killed(tmp_path).loc[interrupted.index])


def test_a_program_ends_that_has_not_asked_for_all_records(tmp_path):
    output, errors = launch(tmp_path, "forget").communicate(timeout=120)
    assert output.startswith("SweepRecord(index=")
    assert errors == ""
    assert not left_over(tmp_path / "log")


# Progress and the end


def test_the_bar_can_be_left_out(capfd):
    list(run(line, SETTINGS, workers=2))
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""
    list(sweep.run(troubled, [{"x": 1}, {"x": 2, "trouble": "raise"}], workers=1))
    captured = capfd.readouterr()
    assert "2/2" in captured.err
    assert "failed=1" in captured.err


def test_closing_ends_the_processes_and_keeps_what_is_finished(tmp_path):
    log, results = str(tmp_path / "log"), tmp_path / "results"
    settings = [{"x": x, "log": log, "until": str(tmp_path if x < 2 else tmp_path / "never")} for x in range(6)]
    others = set(workers_of(os.getpid()))  # joblib keeps those of other tests for a while
    records = run(waiting, settings, workers=2, results=results)
    first = [next(records) for _ in range(2)]
    assert len(set(workers_of(os.getpid())) - others) >= 2
    records.close()
    assert not [child for child in set(workers_of(os.getpid())) - others if child.is_running()]
    assert_same_table(sweep.table(results), sweep.table(first))


def test_runs_that_ended_unseen_are_handed_over_at_the_stop():
    team = cores.Team(line, dict(enumerate(SETTINGS)), 2)
    try:
        team.begin()
        for worker in team.busy:
            multiprocessing.connection.wait([worker.connection])
        outcomes = dict(team.stop())
    finally:
        team.stop()
    assert {index: outcome.result["y"] for index, outcome in outcomes.items()} == {0: 1, 1: 1.5}
