"""Sweeps on real Dask clusters of several worker processes."""

import os
import signal
import sys
import time

import dask
import distributed
import pandas as pd
import psutil
import pytest
from sweep_cases import SETTINGS, line, noted, troubled, waiting

from toolkit import sweep


def run(function, settings, **choice):
    return sweep.run(function, settings, backend="dask", progress=False, **choice)


def until(condition):
    """Wait for something that another process does."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def without_seconds(table):
    return table.drop(columns="seconds")


@pytest.fixture(scope="module")
def cluster():
    """Three worker processes, as on three machines; their nannies replace those that die."""
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 1}),
        distributed.LocalCluster(
            n_workers=3, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs="CRITICAL"
        ) as local,
    ):
        yield local


def test_a_cluster_gives_what_the_calling_process_gives(cluster, tmp_path):
    settings = SETTINGS + [{"x": x, "scale": 10} for x in range(20)]
    expected = sweep.table(sweep.run(line, settings, workers=1, progress=False))
    records = list(run(line, settings, address=cluster.scheduler_address, results=tmp_path))
    for table in (sweep.table(records), sweep.table(tmp_path)):
        pd.testing.assert_frame_equal(without_seconds(table), without_seconds(expected))


def test_a_worker_killed_in_the_middle_costs_nothing(cluster, tmp_path):
    log, go = tmp_path / "log", tmp_path / "go"
    settings = [{"x": x, "log": str(log), "until": str(tmp_path if x < 2 else go)} for x in range(12)]
    records = run(waiting, settings, address=cluster.scheduler_address, results=tmp_path / "results")
    early = [next(records) for _ in range(2)]
    until(lambda: sum(noted(log, f"begin {x}") for x in range(2, 12)) == 3)
    until(lambda: len(cluster.scheduler.tasks) == 10)  # it has let go of the two that are stored
    victim = int(log.read_text().splitlines()[-1].split()[2])
    os.kill(victim, signal.SIGKILL)
    until(lambda: sum(noted(log, f"begin {x}") for x in range(2, 12)) > 3)  # the lost one is under way again
    go.touch()
    table = sweep.table(early + list(records))
    assert table["y"].tolist() == [x**2 for x in range(12)]
    assert set(table["error"]) == {""}
    assert not psutil.pid_exists(victim)
    counts = [noted(log, f"begin {x}") for x in range(12)]
    assert min(counts) == 1
    assert sum(counts) == 13
    pd.testing.assert_frame_equal(sweep.table(tmp_path / "results"), table)


def test_a_run_that_kills_every_worker_fails_alone(cluster, tmp_path):
    settings = [{"x": 0, "trouble": "kill"}, {"x": 9, "trouble": "raise"}, *({"x": x} for x in range(1, 9))]
    table = sweep.table(run(troubled, settings, address=cluster.scheduler_address, results=tmp_path))
    assert "its worker died" in table["error"][0]
    assert "RuntimeError: no result for 9" in table["error"][1]
    assert "in troubled" in table["error"][1]
    assert set(table["error"][2:]) == {""}
    assert table["y"].tolist()[2:] == [x**2 for x in range(1, 9)]


def test_a_sweep_that_is_closed_frees_the_cluster(cluster, tmp_path):
    log = tmp_path / "log"
    settings = [{"x": x, "log": str(log), "until": str(tmp_path if x == 0 else tmp_path / "go")} for x in range(40)]
    records = run(waiting, settings, address=cluster.scheduler_address, results=tmp_path / "results")
    first = next(records)
    records.close()
    (tmp_path / "go").touch()
    with distributed.Client(cluster, set_as_default=False) as client:
        until(lambda: not any(client.processing().values()))
    assert noted(log, "begin") < 10
    pd.testing.assert_frame_equal(sweep.table(tmp_path / "results"), sweep.table([first]))


def test_without_an_address_a_cluster_is_started_for_the_sweep(capfd):
    children = psutil.Process().children(recursive=True)
    table = sweep.table(run(line, SETTINGS, workers=2))
    assert table["y"].tolist() == [1, 1.5, 2, 1, 3, 5]
    left = [child for child in psutil.Process().children(recursive=True) if child not in children]
    assert not [child for child in left if "spawn_main" in " ".join(child.cmdline())]
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""


def test_workers_with_several_threads_are_refused():
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=2, processes=False, dashboard_address="127.0.0.1:0"
        ) as threads,
        pytest.raises(ValueError, match="runs 2 threads; start workers with one each"),
    ):
        list(run(line, SETTINGS, address=threads.scheduler_address))


def test_a_scheduler_that_goes_away_ends_the_sweep_and_fails_no_run(tmp_path):
    log = tmp_path / "log"
    settings = [{"x": x, "log": str(log), "until": str(tmp_path if x == 0 else tmp_path / "go")} for x in range(4)]
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0", silence_logs="CRITICAL"
    ) as lost:
        records = run(waiting, settings, address=lost.scheduler_address, results=tmp_path / "results")
        next(records)
        (tmp_path / "go").touch()
    with pytest.raises(ConnectionError, match="the Dask scheduler is gone"):
        list(records)
    assert set(sweep.table(tmp_path / "results")["error"]) == {""}


def test_an_address_where_nobody_answers_is_named():
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "0.2s"}),
        pytest.raises(ConnectionError, match="no Dask scheduler answers at 'tcp://127.0.0.1:9'"),
    ):
        list(run(line, SETTINGS, address="tcp://127.0.0.1:9"))


def test_dask_is_asked_for_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ValueError, match=r"needs the extra 'cluster': pip install 'thesis-toolkit\[cluster\]'"):
        run(line, SETTINGS)


def test_stored_runs_need_no_cluster(tmp_path):
    list(sweep.run(line, SETTINGS, workers=1, results=tmp_path, progress=False))
    with dask.config.set({"distributed.comm.timeouts.connect": "0.2s"}):
        assert len(list(run(line, SETTINGS, results=tmp_path, address="tcp://127.0.0.1:9"))) == 6
