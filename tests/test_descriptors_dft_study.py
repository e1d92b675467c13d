"""The study of descriptors on the DFT cells: a few cells in short, ragged as they are, and what the recording must hold."""

from pathlib import Path

import numpy as np
import pytest
import torch

from toolkit.datasets.frames import Frames
from toolkit.potential import SymmetryFunctions, document_columns, document_set
from toolkit.potential.selection import paired
from toolkit.studies import __main__ as command
from toolkit.studies import descriptors_dft
from toolkit.studies.descriptors_dft import Effort

RECORDING = Path(__file__).parents[1] / "notebooks/recordings/descriptors_dft.npz"
EFFORT = Effort(compared=3, dense=2, path=1)


def cells(count: int = 15) -> Frames:
    """Cells of 3 to 6 atoms; each second has the energy of the one before."""
    draw = np.random.default_rng(0)
    sizes = draw.integers(3, 7, count)
    atoms = sizes.sum()
    groups = np.arange(count) // 2
    return Frames(
        np.r_[0, sizes.cumsum()], np.tile(6.0 * np.eye(3), (count, 1, 1)), np.full(atoms, 13), draw.uniform(0, 6, (atoms, 3)),
        np.zeros((atoms, 3)), sizes * (-3.7 + 0.1 * draw.normal(size=count)[groups]), groups, np.full(count, "x"),
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    paths = list(descriptors_dft.record(folder, seeds=[0, 1], frames=cells(), effort=EFFORT))
    assert [path.stem for path in paths] == ["seed_00", "seed_01"]
    descriptors_dft.merge(folder, folder / "joined.npz")
    return folder


def test_descriptors_of_each_cell_stand_in_its_own_rows():
    frames = cells(4)
    functions, present = descriptors_dft.descriptors(frames)
    assert functions.shape == (4, frames.sizes.max(), 329)
    assert present.sum(1).tolist() == frames.sizes.tolist()
    for row in range(4):
        positions, cell, _ = frames[[row]].tensors(torch.float32)
        alone = SymmetryFunctions(*document_set("329"))(positions, cell)[0]
        torch.testing.assert_close(functions[row, : len(alone)], alone)
        assert not functions[row, len(alone) :].any()


def test_cells_of_equal_energy_stay_together():
    frames = cells()
    data = descriptors_dft.prepared(frames, *descriptors_dft.descriptors(frames), seed=0)
    parts = [set(getattr(data, name)[1].numpy().round(4).tolist()) for name in ("train", "validation", "test")]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 8


def test_every_set_is_there_for_every_seed(folder):
    records = descriptors_dft.load(folder / "joined.npz")
    assert sorted((one.seed, one.name) for one in records) == sorted(
        (seed, name) for seed in (0, 1) for name in ("22", "57A", "329", "LassoNet")
    )
    for one in records:
        assert one.features == len(one.columns) <= (329 if one.name == "329" else 57)
        if one.name != "LassoNet":
            assert one.columns.tolist() == document_columns(one.name)
        assert 0 < one.test_median < 2 * one.test


def test_differences_are_paired_by_seed(folder):
    records = descriptors_dft.load(folder / "joined.npz")
    table = descriptors_dft.table(records)
    errors = {(one.name, one.seed): one.test_median for one in records}
    found = paired(*([errors[name, seed] for seed in (0, 1)] for name in ("22", "329")))
    np.testing.assert_allclose(
        table.loc["22", "test median"], [np.mean([errors["22", 0], errors["22", 1]]), found.difference, found.low, found.high]
    )
    assert (table.loc["329", "test RMSE"][["minus 329", "low", "high"]] == 0).all()


def test_what_is_there_is_not_computed_again(folder, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(descriptors_dft, "descriptors", None)
    assert len(list(descriptors_dft.record(folder, seeds=[0, 1], frames=cells(), effort=EFFORT))) == 2
    (tmp_path / "descriptors_dft").symlink_to(folder)
    places = ["--folder", str(tmp_path), "--recordings", str(tmp_path / "recordings")]
    command.main(["descriptors", "--data", "dft", "--seeds", "2", *places])
    assert len(capsys.readouterr().out.split()) == 2
    assert len(descriptors_dft.load(tmp_path / "recordings/descriptors_dft.npz")) == 8


def test_the_recording_holds_five_seeds():
    records = descriptors_dft.load(RECORDING)
    assert {one.seed for one in records} == set(range(5))
    assert len(records) == 20
    assert max(one.features for one in records if one.name == "LassoNet") <= 57
