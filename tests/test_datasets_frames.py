"""Frames: parts, splits, files, published sets; what is not sound is refused."""

import os
from dataclasses import replace

import numpy as np
import pytest
import torch
from ase import Atoms, io
from ase.calculators.singlepoint import SinglePointCalculator

from toolkit.datasets import aluminium, frames
from toolkit.datasets.files import DamagedFile, DataNotFound

needs_data = pytest.mark.skipif("TOOLKIT_DATA" not in os.environ, reason="TOOLKIT_DATA does not name the folder of real data")


def structures(sizes=(2, 3, 2, 3), labels="aabb"):
    draw = np.random.default_rng(0)
    found = []
    for number, (size, label) in enumerate(zip(sizes, labels, strict=True)):
        atoms = Atoms(["Al"] * size, draw.random((size, 3)) * 4, cell=5 * np.eye(3), pbc=True)
        atoms.calc = SinglePointCalculator(atoms, energy=float(draw.normal()), forces=draw.normal(size=(size, 3)))
        atoms.info = {"label": label, "trajectory": number // 2}
        found.append(atoms)
    return found


def same(one, other):
    names = ("offsets", "cell", "numbers", "positions", "forces", "energy", "trajectory", "label")
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)


def test_parts_keep_their_atoms():
    data = frames.from_atoms(structures())
    part = data[[2, 1]]
    assert part.sizes.tolist() == [2, 3] and part.energy.tolist() == data.energy[[2, 1]].tolist()
    assert np.array_equal(part.positions[2:], data.positions[2:5])
    assert len(data[1:3]) == 2 and len(data[np.array([True, False, False, True])]) == 2
    assert same(frames.joined([data[:2], data[2:]]), data)


def test_tensors_and_batches():
    data = frames.from_atoms(structures())
    assert [rows.tolist() for rows in data.batches()] == [[0, 2], [1, 3]]
    assert [len(rows) for rows in data.batches(1)] == [1, 1, 1, 1]
    positions, cell, numbers = data[[1, 3]].tensors(torch.float32)
    assert positions.shape == (2, 3, 3) and cell.shape == (2, 3, 3) and numbers.tolist() == [[13] * 3] * 2
    assert np.allclose(positions[1], data.positions[7:10]) and data[[1, 3]].force_tensor().shape == (2, 3, 3)
    free = replace(data[[0]], cell=np.zeros((1, 3, 3)))
    assert free.tensors()[1] is None
    with pytest.raises(ValueError, match=r"one size .* got sizes \[2 3\]"):
        data.tensors()


@pytest.mark.parametrize("name", ["own.extxyz", "own.traj"])
def test_files_of_ase(tmp_path, name):
    data = frames.from_atoms(structures())
    io.write(tmp_path / name, data.atoms())
    read = frames.read(tmp_path / name)
    assert np.allclose(read.positions, data.positions, atol=1e-7) and np.allclose(read.forces, data.forces, atol=1e-7)
    assert np.allclose(read.energy, data.energy) and read.label.tolist() == list("aabb")
    assert read.trajectory.tolist() == [0, 0, 1, 1] and read.source == f"own file {name}"


def test_own_files_come_back_whole(tmp_path):
    data = frames.from_atoms(structures(), source="here", simulated="nothing")
    data.save(tmp_path / "own.npz")
    back = frames.load(tmp_path / "own.npz")
    assert same(back, data) and (back.source, back.simulated) == ("here", "nothing")
    assert [path.name for path in tmp_path.iterdir()] == ["own.npz"]


def test_files_that_are_refused(tmp_path):
    with pytest.raises(DataNotFound, match="does not exist"):
        frames.read(tmp_path / "none.traj")
    with pytest.raises(DataNotFound, match="does not exist"):
        frames.load(tmp_path / "none.npz")
    (tmp_path / "own.dat").write_text("nonsense")
    with pytest.raises(ValueError, match="format must be given"):
        frames.read(tmp_path / "own.dat")
    (tmp_path / "own.extxyz").write_text("nonsense")
    with pytest.raises(DamagedFile, match="own.extxyz: not readable as extxyz"):
        frames.read(tmp_path / "own.extxyz")
    bare = structures()
    bare[1].calc = None
    io.write(tmp_path / "bare.extxyz", bare)
    with pytest.raises(DamagedFile, match="structure 1 has no energy and forces"):
        frames.read(tmp_path / "bare.extxyz")
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    with pytest.raises(DamagedFile, match="holds no array 'offsets'"):
        frames.load(tmp_path / "other.npz")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"energy": np.zeros(3)}, "offsets must have shape"),
        ({"offsets": np.array([0, 5, 2, 7, 10])}, "offsets must rise from 0 to 10"),
        ({"forces": np.full((10, 3), np.nan)}, "forces must be finite"),
        ({"numbers": np.zeros(10, int)}, "numbers must be atomic numbers"),
    ],
)
def test_unsound_arrays_are_refused(change, word):
    with pytest.raises(ValueError, match=word):
        replace(frames.from_atoms(structures()), **change)


def test_structures_that_are_refused():
    with pytest.raises(ValueError, match="at least one"):
        frames.from_atoms([])
    slab = structures()
    slab[2].pbc = (True, True, False)
    with pytest.raises(ValueError, match="structure 2 is periodic along"):
        frames.from_atoms(slab)


def many(runs=10, each=4):
    data = frames.from_atoms(structures())[[0] * (runs * each)]
    return replace(data, trajectory=np.repeat(np.arange(runs), each), label=np.repeat(list("aabbccddee"), each))


def test_a_split_keeps_trajectories_whole():
    data = many()
    parts = data.split(validation=0.2, test=0.2, seed=3)
    assert sorted(np.concatenate(parts)) == list(range(40)) and [len(part) for part in parts] == [24, 8, 8]
    runs = [set(data.trajectory[part]) for part in parts]
    assert not (runs[0] & runs[1] or runs[0] & runs[2] or runs[1] & runs[2])
    assert all(np.array_equal(*pair) for pair in zip(parts, data.split(validation=0.2, test=0.2, seed=3), strict=True))
    mixed = data.split(validation=0.2, test=0.2, seed=3, by="frame")
    assert set(data.trajectory[mixed[0]]) & set(data.trajectory[mixed[1]])
    with pytest.raises(ValueError, match="by must be"):
        data.split(by="luck")


@needs_data
def test_dft_aluminium():
    data = frames.dft_aluminium()
    assert len(data) == 109 and len(data.numbers) == 11544 and set(data.numbers) == {13}
    assert data.energy_per_atom.min() == pytest.approx(-3.7441, abs=1e-4)
    assert data.energy_per_atom.max() == pytest.approx(-3.0521, abs=1e-4)
    assert len(np.unique(data.trajectory)) == 90  # distinct energies
    train, _, test = data.split(seed=1)
    assert not set(data.energy[train].round(5)) & set(data.energy[test].round(5))


@needs_data
def test_dft_copper():
    data = frames.dft_copper()
    assert len(data) == 31 and set(data.numbers) == {29} and {"Surface", "Vacancy"} < set(data.label)


def test_published_sets_that_are_not_here(tmp_path):
    with pytest.raises(DataNotFound, match="mlearn_Cu.npz was not found in"):
        frames.dft_copper(tmp_path)


TINY = aluminium.Scale(("300K", "950K"), repeat=2, trajectories=2, frames=3, stride=2, settling=2, melting=4)


def test_emt_frames_are_those_of_ase(tmp_path):
    from ase.calculators.emt import EMT

    data = aluminium.emt(TINY, folder=tmp_path)
    assert len(data) == 12 and data.label.tolist() == ["300K"] * 6 + ["950K"] * 6
    assert data.trajectory.tolist() == np.repeat(range(4), 3).tolist() and data.simulated == "EMT"
    for number, atoms in ((0, data.atoms()[0]), (11, data.atoms()[11])):
        atoms.calc = EMT()
        assert atoms.get_potential_energy() == pytest.approx(data.energy[number], abs=1e-9)
        assert np.allclose(atoms.get_forces(), data[[number]].forces, atol=1e-9)
    assert len({len(np.unique(data.positions[:, 0]))}) == 1 and len(np.unique(data.energy)) == 12


def test_emt_is_seeded_and_kept(tmp_path, monkeypatch):
    first = aluminium.emt(TINY, seed=5, folder=tmp_path)
    assert same(aluminium.emt(TINY, seed=5, keep=False), first)
    assert not same(aluminium.emt(TINY, seed=6, keep=False), first)
    monkeypatch.setattr(aluminium, "_run", None)  # nothing is simulated again
    assert same(aluminium.emt(TINY, seed=5, folder=tmp_path), first)
    fewer = replace(TINY, labels=("950K",), trajectories=1)
    assert np.array_equal(aluminium.emt(fewer, seed=5, folder=tmp_path).energy, first.energy[6:9])
    with pytest.raises(TypeError):
        aluminium.emt(TINY, seed=7, folder=tmp_path)


def test_a_damaged_run_is_named(tmp_path):
    aluminium.emt(TINY, folder=tmp_path)
    path = sorted(tmp_path.iterdir())[0]
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DamagedFile, match=path.name):
        aluminium.emt(TINY, folder=tmp_path)


def test_kinds_and_scales():
    assert len(aluminium.LABELS) == 21
    published = aluminium.SCALES["published"]
    assert (published.atoms, published.trajectories * published.frames * len(published.labels)) == (256, 4200)
    kinds = aluminium.KINDS
    assert not kinds["500KS"].liquid and kinds["1000K"].liquid and kinds["1500KH"].compressed
    assert kinds["1500KH"].lattice < kinds["1500K"].lattice and kinds["10K"].lattice < kinds["300K"].lattice == 4.05
    for settings, word in (
        ({"labels": ("20K",)}, "labels must be among"), ({"repeat": 0}, "repeat must be"), ({"frames": 1.5}, "frames must be"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=word):
            aluminium.Scale(**settings)
    with pytest.raises(ValueError, match="scale must be one of classroom, laptop, published"):
        aluminium.emt("huge")
    with pytest.raises(ValueError, match="seed must be"):
        aluminium.emt(seed=-1)


def test_the_command_makes_a_set(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(aluminium.SCALES, "classroom", TINY)
    aluminium.main(["classroom", "--folder", str(tmp_path), "--seed", "2"])
    assert "12 frames of 32 atoms" in capsys.readouterr().out and len(list(tmp_path.iterdir())) == 4
