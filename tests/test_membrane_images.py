"""Tomographs: files that are read back, the way from grey levels to binary cubes, damage and refusals."""

import gzip

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from toolkit.datasets import DamagedFile, DataNotFound, membranes

DTYPES = ["uint8", "uint16", "float32"]


@pytest.fixture
def scan():
    """A volume of grey levels of unequal edges."""
    return np.random.default_rng(0).integers(0, 256, (5, 7, 6)).astype(np.uint8)


def write_tiff(path, volume, **options):
    pages = [Image.fromarray(page) for page in volume]
    pages[0].save(path, save_all=True, append_images=pages[1:], **options)
    return path


# Files --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate"])
def test_a_tiff_stack_is_read_back(tmp_path, scan, dtype, compression):
    volume = scan.astype(dtype) * (200 if dtype == "uint16" else 1)
    path = write_tiff(tmp_path / "scan.tif", volume, **({"compression": compression} if compression else {}))
    read = membranes.read(path)
    assert read.dtype == volume.dtype
    np.testing.assert_array_equal(read, volume)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "bool"])
@pytest.mark.parametrize("bigtiff", [False, True])
def test_a_stack_of_another_writer(tmp_path, scan, dtype, bigtiff):
    tifffile = pytest.importorskip("tifffile")
    volume = (scan > 100) if dtype == "bool" else scan.astype(dtype)
    tifffile.imwrite(tmp_path / "scan.tiff", volume, bigtiff=bigtiff, photometric="minisblack")
    read = membranes.read(tmp_path / "scan.tiff", progress=True)
    np.testing.assert_array_equal(read > 0 if dtype == "bool" else read, volume)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp"])
def test_a_folder_of_slices_is_read_in_alphabetical_order(tmp_path, scan, suffix):
    for number in (3, 1, 4, 0, 2):
        Image.fromarray(scan[number]).save(tmp_path / f"slice_{number:03}{suffix}")
    (tmp_path / "notes.txt").write_text("150 nm")
    np.testing.assert_array_equal(membranes.read(tmp_path), scan)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("dtype", ["uint8", "<u2", ">u2", "<f4"])
def test_a_raw_file_is_read_back(tmp_path, scan, dtype, packed):
    content = scan.astype(dtype).tobytes()
    path = tmp_path / ("scan.raw.gz" if packed else "scan.raw")
    path.write_bytes(gzip.compress(content) if packed else content)
    read = membranes.read(path, shape=scan.shape, dtype=dtype)
    assert read.dtype.isnative
    np.testing.assert_array_equal(read, scan)


def test_npz_and_npy_are_read_back(tmp_path, scan):
    np.savez(tmp_path / "one.npz", scan=scan, voxel=np.array([150.0]))
    np.savez(tmp_path / "two.npz", scan=scan, mask=scan > 9)
    np.save(tmp_path / "scan.npy", scan)
    for read in (
        membranes.read(tmp_path / "one.npz"),
        membranes.read(tmp_path / "two.npz", key="scan"),
        membranes.read(tmp_path / "scan.npy"),
    ):
        np.testing.assert_array_equal(read, scan)
    with pytest.raises(ValueError, match=r"holds 2 volumes \(\['mask', 'scan'\]\)"):
        membranes.read(tmp_path / "two.npz")
    with pytest.raises(ValueError, match="key 'other' is not a volume"):
        membranes.read(tmp_path / "two.npz", key="other")


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.95])
def test_a_truncated_stack_is_refused(tmp_path, scan, share):
    volume = np.repeat(np.repeat(scan, 8, 1), 8, 2)
    path = write_tiff(tmp_path / "scan.tif", volume)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(DamagedFile, match=r"scan\.tif"):
        membranes.read(path)


def test_other_damage_is_named(tmp_path, scan):
    Image.fromarray(np.repeat(scan[0][..., None], 3, 2)).save(tmp_path / "colour.tif")
    with pytest.raises(DamagedFile, match=r"colour\.tif: page 0 is not grey \(mode RGB\)"):
        membranes.read(tmp_path / "colour.tif")
    (tmp_path / "text.tif").write_text("a letter")
    with pytest.raises(DamagedFile, match=r"text\.tif: truncated, or not a TIFF stack"):
        membranes.read(tmp_path / "text.tif")
    (tmp_path / "short.raw").write_bytes(b"1234")
    with pytest.raises(DamagedFile, match="4 bytes; shape"):
        membranes.read(tmp_path / "short.raw", shape=(2, 2, 2), dtype="uint8")
    np.save(tmp_path / "flat.npy", scan[0])
    with pytest.raises(DamagedFile, match=r"not a volume: an array of shape \(7, 6\)"):
        membranes.read(tmp_path / "flat.npy")
    np.save(tmp_path / "object.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(DamagedFile, match="object"):
        membranes.read(tmp_path / "object.npy")


def test_slices_of_unequal_size_are_refused(tmp_path, scan):
    Image.fromarray(scan[0]).save(tmp_path / "a.png")
    Image.fromarray(scan[1][:-1]).save(tmp_path / "b.png")
    with pytest.raises(DamagedFile, match=r"slice 1 has \(6, 6\) pixels of uint8, the first one \(7, 6\)"):
        membranes.read(tmp_path)


def test_what_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file"):
        membranes.read(tmp_path / "none.tif")
    with pytest.raises(DamagedFile, match="a folder without slices"):
        membranes.read(tmp_path)
    (tmp_path / "scan.vtk").write_text("")
    with pytest.raises(ValueError, match="read from a folder of slices"):
        membranes.read(tmp_path / "scan.vtk")
    (tmp_path / "scan.raw").write_bytes(b"12345678")
    for arguments in ({}, {"shape": (2, 2), "dtype": "u1"}, {"shape": (2, 2, 2), "dtype": "U1"}):
        with pytest.raises(ValueError, match="shape"):
            membranes.read(tmp_path / "scan.raw", **arguments)


def test_more_voxels_than_are_read_at_once_are_refused(tmp_path, scan, monkeypatch):
    path = write_tiff(tmp_path / "scan.tif", scan)
    monkeypatch.setattr(membranes, "LARGEST", 100)
    with pytest.raises(ValueError, match="210 voxels; up to 100"):
        membranes.read(path)


# Published volumes --------------------------------------------------------------------------------------------------------


def test_the_sandstone_and_the_electrode(data_folder):
    berea = membranes.load("berea", data_folder / "porous")
    assert (berea.volume.shape, berea.volume.dtype, berea.simulated) == ((200, 200, 200), np.dtype(bool), False)
    assert berea.volume.mean() == pytest.approx(0.198715, abs=1e-6)
    assert berea.source.endswith("the published file")
    electrode = membranes.load("nmc_electrode")
    assert electrode.simulated
    assert np.unique(electrode.volume).tolist() == [0, 85, 170]


def packed(volume):
    return {"pore_packed": np.packbits(volume), "shape": np.array(volume.shape)}


def test_a_volume_that_is_not_the_published_one_says_so(tmp_path):
    volume = np.random.default_rng(0).random((3, 4, 5)) < 0.5
    np.savez(tmp_path / "berea_200.npz", **packed(volume))
    sample = membranes.load("berea", tmp_path)
    np.testing.assert_array_equal(sample.volume, volume)
    assert sample.source.endswith("differs from the published one")


def test_damaged_and_missing_volumes(tmp_path):
    with pytest.raises(DataNotFound, match=r"berea_200\.npz was looked for"):
        membranes.load("berea", tmp_path)
    with pytest.raises(ValueError, match="name must be one of"):
        membranes.load("granite", tmp_path)
    np.savez(tmp_path / "berea_200.npz", pore_packed=np.zeros(3, np.uint8), shape=np.array([9, 9, 9]))
    with pytest.raises(DamagedFile, match="do not fill the shape"):
        membranes.load("berea", tmp_path)
    np.savez(tmp_path / "nmc_electrode_256.npz", labels=np.full((2, 2, 2), 7, np.uint8))
    with pytest.raises(DamagedFile, match="not a volume of the phases"):
        membranes.load("nmc_electrode", tmp_path)
    np.savez(tmp_path / "taufactor_reference_500.npz", other=np.zeros(3))
    with pytest.raises(DamagedFile, match="neither 'labels' nor packed bits"):
        membranes.load("taufactor_reference", tmp_path)


# From grey levels to cubes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("porosity", [0.2, 0.5, 0.85])
def test_the_porosity_is_reached_and_noise_does_not_matter(porosity):
    """Two grey levels under noise: filtered and cut at the true porosity, 98 % of the voxels are right."""
    truth = np.zeros((30, 30, 30), bool)
    truth[round(30 * porosity) :] = True
    noisy = np.where(truth, 150.0, 100.0) + 20 * np.random.default_rng(1).standard_normal(truth.shape)
    material = membranes.segmented(membranes.smoothed(noisy.clip(0, 255).astype(np.uint8)), porosity=porosity)
    assert 1 - material.mean() == pytest.approx(porosity, abs=0.001)
    assert (material == truth).mean() > 0.98
    unfiltered = membranes.segmented(noisy, porosity=porosity)
    assert (unfiltered == truth).mean() < 0.95


@given(seed=st.integers(0, 1000), porosity=st.floats(0.05, 0.95))
@settings(max_examples=20)
def test_no_other_level_comes_closer_to_the_porosity(seed, porosity):
    volume = np.random.default_rng(seed).integers(0, 6, (4, 4, 4))
    level = membranes.threshold(volume, porosity=porosity)
    reached = [(volume < other).mean() for other in range(1, 6)]
    assert abs((volume < level).mean() - porosity) == pytest.approx(min(abs(one - porosity) for one in reached if 0 < one < 1))


def test_the_filter_has_the_variance_it_is_told():
    point = np.zeros((31, 31, 31))
    point[15, 15, 15] = 1
    spread = membranes.smoothed(point, variance=3.0, progress=True)
    assert spread.sum() == pytest.approx(1, rel=1e-5)
    along = (np.arange(31) - 15) ** 2
    assert (spread.sum((1, 2)) * along).sum() == pytest.approx(3.0, rel=0.01)
    np.testing.assert_array_equal(membranes.smoothed(point, variance=0), point)


def test_cubes_lie_where_they_should(scan):
    side_by_side = membranes.crops(scan, 2)
    assert len(side_by_side) == 2 * 3 * 3
    np.testing.assert_array_equal(side_by_side[1], scan[:2, :2, 2:4])
    drawn = membranes.crops(scan, 3, count=6, seed=4)
    assert [cube.shape for cube in drawn] == [(3, 3, 3)] * 6
    np.testing.assert_array_equal(drawn[5], membranes.crops(scan, 3, count=6, seed=4)[5])
    assert any((one != other).any() for one, other in zip(drawn, membranes.crops(scan, 3, count=6, seed=5), strict=True))


@pytest.mark.parametrize("size", [16, 25, 48])
def test_a_resized_ball_is_a_ball(size):
    ball = ((np.indices((32, 32, 32)) - 15.5) ** 2).sum(0) <= 10**2
    small = membranes.resized(ball, size)
    assert (small.shape, small.dtype) == ((size,) * 3, np.dtype(np.uint8))
    assert small.mean() == pytest.approx(ball.mean(), rel=0.1)
    values = membranes.resized(ball, size, binary=False)
    assert len(np.unique(values)) > 2  # what the document calls binary


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda volume: membranes.smoothed(volume, variance=-1), "variance must be"),
        (lambda volume: membranes.smoothed(volume[0]), "three axes"),
        (lambda volume: membranes.smoothed(np.full((2, 2, 2), np.nan)), "finite"),
        (lambda volume: membranes.threshold(volume, porosity=1.0), "porosity must lie"),
        (lambda volume: membranes.threshold(np.ones((2, 2, 2)), porosity=0.5), "two grey levels"),
        (lambda volume: membranes.segmented(volume), "one of porosity and level"),
        (lambda volume: membranes.segmented(volume, porosity=0.5, level=3), "one of porosity and level"),
        (lambda volume: membranes.crops(volume, 6), "size must lie between 1 and the shortest edge 5"),
        (lambda volume: membranes.crops(volume, 2, count=0), "count must be 1"),
        (lambda volume: membranes.resized(volume, 4), "must be a cube"),
        (lambda volume: membranes.resized(volume[:2, :2, :2], 0), "size must be 1"),
    ],
)
def test_what_cannot_be_cut_is_refused(scan, call, words):
    with pytest.raises(ValueError, match=words):
        call(scan)


def test_text_is_no_volume():
    with pytest.raises(TypeError, match="must hold numbers"):
        membranes.smoothed(np.full((2, 2, 2), "a"))
