"""The data set of membranes by one command: parts, resume, the table, the command line."""

import numpy as np
import pytest
import torch

from toolkit.microstructure.generator import Recipe, build
from toolkit.microstructure.tortuosity import tortuosity
from toolkit.studies import __main__ as command
from toolkit.studies import membranes

SMALL = {"count": 5, "size": 16, "seed": 3}


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(membranes, "PART", 2)


def test_the_data_set_is_what_its_table_says(tmp_path):
    files = list(membranes.record(tmp_path, **SMALL))
    assert [path.name for path in files] == [f"membranes_{first:06}.npz" for first in (0, 2, 4)]
    volumes, table = membranes.load(tmp_path)
    assert volumes.shape == (5, 16, 16, 16)
    for volume, row in zip(volumes, table.itertuples(), strict=True):
        recipe = Recipe(row.points, (row.stretch_x, row.stretch_y, row.stretch_z), row.radius, row.seed)
        assert torch.equal(torch.from_numpy(volume), build([recipe], size=16)[0])
        assert row.porosity == (volume == 0).mean()
        np.testing.assert_allclose(
            [row.tau_x, row.tau_y, row.tau_z], tortuosity(volume == 0, (0, 1, 2)).tau.tolist(), rtol=2e-4
        )
        assert sum(factor < 1 for factor in recipe.stretch) == 1
        assert 40 <= row.points <= 170 and row.radius == 3.4


def test_finished_parts_are_not_made_again(tmp_path, monkeypatch):
    list(membranes.record(tmp_path, **SMALL))
    _, table = membranes.load(tmp_path)
    (tmp_path / "membranes_000002.npz").unlink()
    made = []
    monkeypatch.setattr(membranes, "build", lambda recipes, **rest: made.append(len(recipes)) or build(recipes, **rest))
    list(membranes.record(tmp_path, **SMALL))
    assert made == [2]
    list(membranes.record(tmp_path, **SMALL | {"count": 6}))  # the last part grows
    assert made == [2, 2]
    _, longer = membranes.load(tmp_path, volumes=False)
    columns = ["points", "stretch_x", "seed", "porosity", "tau_x"]
    np.testing.assert_array_equal(longer[columns][:5], table[columns])


def test_two_axes_and_no_tortuosity(tmp_path):
    list(membranes.record(tmp_path, count=2, size=12, axes=2, solve=False))
    _, table = membranes.load(tmp_path)
    assert ((table[["stretch_x", "stretch_y", "stretch_z"]] < 1).sum(axis=1) == 2).all()
    assert table["tau_x"].isna().all()


def test_a_folder_holds_one_data_set(tmp_path):
    list(membranes.record(tmp_path, **SMALL))
    with pytest.raises(ValueError, match="holds parts made with"):
        membranes.record(tmp_path, **SMALL | {"size": 8})
    with pytest.raises(ValueError, match="count must be 1"):
        membranes.record(tmp_path, count=0)
    with pytest.raises(FileNotFoundError, match="no finished part"):
        membranes.load(tmp_path / "nothing")


def test_the_command_makes_the_data_set_and_its_table(tmp_path, capsys):
    places = ["--folder", str(tmp_path / "runs"), "--recordings", str(tmp_path)]
    command.main(["membranes", "--count", "3", "--size", "16", "--seed", "1", *places])
    assert "membranes_000002.npz" in capsys.readouterr().out
    table = membranes.results(tmp_path / "membranes_16.npz")
    assert len(table) == 3
    assert set(table["direction"]) <= set("xyz")
    assert (table["intensity"] <= 1).all()
    assert (table["seconds_build"] > 0).all()
