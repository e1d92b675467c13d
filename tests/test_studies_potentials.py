"""The study of potentials: runs are done once, joined, and read as a table; the recording holds what it says."""

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
    monkeypatch.setattr(potentials, "EPOCHS", {"emt": 4, "dft": 3, "dft_forces": 2})
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


def test_structures_are_read_as_they_are_written():
    assert len(potentials.functions_of("12-5-5-1")) == 12 and not potentials.functions_of("12-5-5-1").angular
    assert len(potentials.functions_of("57-10-10-1")) == 57 and potentials.hidden_of("329-10-20-1") == (10, 20)


def test_refusals(tmp_path):
    with pytest.raises(ValueError, match="dataset must be one of"):
        potentials.record(tmp_path, dataset="lj", seeds=[0])
    with pytest.raises(ValueError, match="structures must be among"):
        potentials.record(tmp_path, dataset="dft", seeds=[0], structures=["1-1-1"])


def test_the_recording():
    table = potentials.results(RECORDING)
    assert set(potentials.STRUCTURES["emt"]) == set(table.loc[table["dataset"] == "emt", "structure"])
    assert set(potentials.STRUCTURES["dft"]) == set(table.loc[table["dataset"] == "dft", "structure"])
    run = recordings.load(RECORDING, record=potentials.TrainedPotential)
    assert {one.run for one in run.records} == set(run.settings)
    assert all(len(one.history) == one.epochs + 1 for one in run.records)


def test_dft_cells_are_the_published_ones(monkeypatch):
    monkeypatch.setattr(frames, "dft_aluminium", lambda: "cells")
    potentials.cells.cache_clear()
    assert potentials.cells("dft") == "cells"
    potentials.cells.cache_clear()
