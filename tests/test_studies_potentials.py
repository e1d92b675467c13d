"""The study of potentials: runs are done once, joined, and read as a table; the recording holds what it says."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from toolkit import recordings
from toolkit.datasets import aluminium, frames
from toolkit.studies import potentials

RECORDING = Path(__file__).parents[1] / "notebooks" / "recordings" / "potentials.npz"
TINY = aluminium.Scale(("300K", "950K"), repeat=2, trajectories=5, frames=2, stride=2, settling=4, melting=6)


@pytest.fixture
def small(monkeypatch):
    cells = aluminium.emt(TINY, keep=False)
    monkeypatch.setattr(potentials, "cells", lambda dataset, scale="classroom": cells)
    monkeypatch.setattr(potentials, "EPOCHS", {"emt": 4, "dft": 3, "dft_forces": 2} | dict.fromkeys(potentials.SHARES, 4))
    return cells


@pytest.mark.parametrize(("dataset", "structure"), [("emt", "12-5-5-1"), ("dft", "22-10-10-1"), ("dft_forces", "22-10-10-1")])
def test_runs_are_done_once_and_joined(small, tmp_path, dataset, structure):
    settings = {"dataset": dataset, "seeds": [0, 1], "structures": [structure]}
    files = list(potentials.record(tmp_path, **settings))
    written = [file.stat().st_mtime_ns for file in files]
    assert list(potentials.record(tmp_path, **settings)) == files
    assert [file.stat().st_mtime_ns for file in files] == written
    potentials.join(tmp_path, tmp_path / "joined.npz")
    table = potentials.results(tmp_path / "joined.npz")
    assert table["seed"].tolist() == [0, 1] and (table["structure"] == structure).all()
    one = recordings.load(tmp_path / "joined.npz", record=potentials.TrainedPotential).records[0]
    assert len(one.history) == one.epochs + 1 and len(one.true) == 4
    assert one.test == pytest.approx(1000 * np.sqrt(np.mean((one.predicted - one.true) ** 2)))
    assert one.validation == pytest.approx(one.history.min(), rel=0.02) or dataset == "dft_forces"
    assert (table["test_median"] <= table["test"] * 1.5).all() and (table["test_forces"] > 0).all()


def test_shares_part_what_is_not_tested():
    cells = aluminium.emt(replace(TINY, trajectories=10), keep=False)
    for seed in range(3):
        tested = cells.split(validation=0.2, test=0.2, seed=seed)[2]
        for dataset, share in potentials.SHARES.items():
            train, validation, test = potentials.parts_of(dataset, cells, seed)
            assert np.array_equal(test, tested)
            assert sorted([*train, *validation, *test]) == list(range(len(cells)))
            runs = [set(cells.trajectory[rows]) for rows in (train, validation, test)]
            assert sum(map(len, runs)) == 20 and len(runs[0]) == 16 - round(16 * (1 - share))
    assert [len(part) for part in potentials.parts_of("emt", cells, 0)] == [24, 8, 8]


def test_shares_are_recorded_and_read(small, tmp_path):
    for dataset in ("emt_80", "emt_60"):
        list(potentials.record(tmp_path, dataset=dataset, seeds=[0, 1], structures=["22-5-5-1"]))
    potentials.join(tmp_path, tmp_path / "joined.npz")
    table = potentials.shares(tmp_path / "joined.npz")
    curves = potentials.curves(tmp_path / "joined.npz", "22-5-5-1")
    assert table.index.tolist() == [("22-5-5-1", 0.8), ("22-5-5-1", 0.6)] and table["seeds"].tolist() == [2, 2]
    rows = potentials.results(tmp_path / "joined.npz").query("dataset == 'emt_60'")
    found = table.loc[("22-5-5-1", 0.6)]
    assert found["test", "mean"] == pytest.approx(rows["test"].mean())
    assert found["validation", "std"] == pytest.approx(rows["validation"].std())
    assert list(curves) == [0.8, 0.6] and [len(each) for each in curves[0.6]] == [5, 5]
    assert sorted(each.min() for each in curves[0.6]) == pytest.approx(sorted(rows["validation"]), rel=0.02)


def test_structures_are_read_as_they_are_written():
    assert len(potentials.functions_of("12-5-5-1")) == 12 and not potentials.functions_of("12-5-5-1").angular
    assert len(potentials.functions_of("57-10-10-1")) == 57 and potentials.hidden_of("329-10-20-1") == (10, 20)


def test_refusals(tmp_path):
    with pytest.raises(ValueError, match="dataset must be one of"):
        potentials.record(tmp_path, dataset="lj", seeds=[0])
    with pytest.raises(ValueError, match="structures must be among"):
        potentials.record(tmp_path, dataset="dft", seeds=[0], structures=["1-1-1"])
    with pytest.raises(ValueError, match="structure must be one recorded with shares"):
        potentials.curves(RECORDING, "12-5-5-1")


def test_the_recording():
    table = potentials.results(RECORDING)
    assert set(potentials.STRUCTURES["emt"]) == set(table.loc[table["dataset"] == "emt", "structure"])
    assert set(potentials.STRUCTURES["dft"]) == set(table.loc[table["dataset"] == "dft", "structure"])
    shares = potentials.shares(RECORDING)
    assert set(shares.index) == {
        (one, share) for one in potentials.STRUCTURES["emt_80"] for share in potentials.SHARES.values()
    }
    assert (shares["seeds"] == 3).all() and (shares["test"]["std"] > 0).all()
    run = recordings.load(RECORDING, record=potentials.TrainedPotential)
    assert {one.run for one in run.records} == set(run.settings)
    assert all(len(one.history) == one.epochs + 1 for one in run.records)


def test_dft_cells_are_the_published_ones(monkeypatch):
    monkeypatch.setattr(frames, "dft_aluminium", lambda: "cells")
    potentials.cells.cache_clear()
    assert potentials.cells("dft") == "cells"
    potentials.cells.cache_clear()
