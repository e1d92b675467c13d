"""Whole-slide images: a tiled TIFF written here, read by OpenSlide, scaled down and framed."""

import sys

import numpy as np
import pandas as pd
import pytest
import torch

pytest.importorskip("openslide", reason="reading slides takes the extra 'slides'")
tifffile = pytest.importorskip("tifffile", reason="the slides of these tests are written with tifffile")

from toolkit.datasets import DamagedFile, slides  # noqa: E402

SHAPE = (768, 1024)


def scan(seed: int = 0, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    """Smooth colours with a dark square: `(h, w, 3)`."""
    generator = np.random.default_rng(seed)
    y, x = np.meshgrid(np.linspace(0, 1, shape[0]), np.linspace(0, 1, shape[1]), indexing="ij")
    waves = [np.sin(2 * np.pi * (a * x + b * y)) for a, b in generator.uniform(0.5, 2, (3, 2))]
    picture = (127 + 100 * np.stack(waves, -1)).astype(np.uint8)
    picture[64:192, 128:256] = 20
    return picture


def write_slide(path, picture, *, levels: int = 3, compression: str | None = None):
    """A tiled TIFF pyramid, each level half of the one before."""
    with tifffile.TiffWriter(path) as file:
        for level in range(levels):
            step = 2**level
            height, width = (side // step * step for side in picture.shape[:2])
            blocks = picture[:height, :width].reshape(height // step, step, width // step, step, 3)
            file.write(
                np.round(blocks.mean((1, 3))).astype(np.uint8), tile=(128, 128), photometric="rgb",
                compression=compression, subfiletype=int(level > 0),
            )  # fmt: skip
    return path


def averaged(picture, factor: int) -> np.ndarray:
    height, width = picture.shape[0] // factor, picture.shape[1] // factor
    cut = picture[: height * factor, : width * factor].astype(float)
    return cut.reshape(height, factor, width, factor, 3).mean((1, 3)).transpose(2, 0, 1)


@pytest.fixture
def slide(tmp_path):
    return write_slide(tmp_path / "slide.tif", scan())


@pytest.mark.parametrize("factor", [1, 2, 4, 8, 64])
def test_every_pixel_is_the_mean_of_a_square_of_the_scan(slide, factor):
    expected = averaged(scan(), factor)
    read = slides.read(slide, factor=factor, frame=expected.shape[1:])
    assert read.dtype == torch.uint8
    assert np.abs(read.numpy() - expected).max() <= 1.5  # two roundings: one of the pyramid, one here


def test_a_factor_between_levels_is_the_mean_too(slide):
    """3 lies between the levels 2 and 4 of the pyramid and does not divide the height."""
    expected = averaged(scan()[:768, :1023], 3)
    read = slides.read(slide, factor=3, frame=(256, 342)).numpy()[:, :, :341]
    assert np.abs(read[:, 1:-1, 1:-8] - expected[:, 1:-1, 1:-8]).mean() < 2


def test_the_slide_stands_in_the_middle_of_a_white_frame(slide):
    read = slides.read(slide, factor=8, frame=(200, 300)).numpy()
    assert read.shape == (3, 200, 300)
    inside = read[:, 52:148, 86:214]
    assert np.abs(inside - averaged(scan(), 8)).max() <= 1.5
    outside = np.ones((200, 300), bool)
    outside[52:148, 86:214] = False
    assert (read[:, outside] == 255).all()


def test_reading_in_strips_gives_the_same_pixels(slide, monkeypatch):
    whole = slides.read(slide, factor=8, frame=(96, 128))
    monkeypatch.setattr(slides, "STRIP_PIXELS", 3000)
    strips = slides.read(slide, factor=8, frame=(96, 128))
    assert (whole.int() - strips.int()).abs().max() <= 1


def test_compressed_slides_are_read(tmp_path):
    path = write_slide(tmp_path / "slide.tif", scan(), compression="deflate")
    assert np.abs(slides.read(path, factor=16, frame=(48, 64)).numpy() - averaged(scan(), 16)).max() <= 1.5


# Refusals -------------------------------------------------------------------------------------------------------------


def cut_in_the_tiles(content: bytes) -> bytes:
    return content[: len(content) // 3]


def scrambled_tiles(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[: middle // 2] + b"\xff" * middle + content[middle // 2 + middle :]


@pytest.mark.parametrize("damage", [cut_in_the_tiles, scrambled_tiles, lambda _: b"", lambda _: b"not a slide at all" * 99])
def test_a_corrupt_slide_is_an_error_that_names_it(tmp_path, damage):
    path = write_slide(tmp_path / "broken.tif", scan(), compression="deflate")
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DamagedFile, match=r"broken\.tif: (not a slide|cannot be read to its end)"):
        slides.read(path, factor=8, frame=(96, 128))


def test_a_missing_slide_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.tif: no such slide"):
        slides.read(tmp_path / "none.tif")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"factor": 0.5}, "factor must be a number of 1 or more, got 0.5"),
        ({"factor": float("nan")}, "factor must be a number of 1 or more"),
        ({"frame": (0, 10)}, "frame must be height and width in pixels"),
        ({"factor": 2, "frame": (300, 600)}, "384 x 512 pixels, more than the frame of 300 x 600; a factor of 2.56 or more"),
    ],
)  # fmt: skip
def test_settings_that_cannot_work_are_refused(slide, settings, message):
    with pytest.raises(ValueError) as refusal:  # noqa: PT011
        slides.read(slide, **settings)
    assert message in str(refusal.value)


def test_without_openslide_the_extra_is_named(slide, monkeypatch):
    monkeypatch.setitem(sys.modules, "openslide", None)
    with pytest.raises(ImportError, match="the extra 'slides'"):
        slides.read(slide)


# A table of slides ----------------------------------------------------------------------------------------------------


@pytest.fixture
def table(tmp_path):
    """Ten patients with two slides each, the slides of clinic B scanned at twice the resolution."""
    rows = []
    for number in range(20):
        clinic = "Tübingen" if number >= 10 else "Bonn"
        write_slide(tmp_path / f"{number}.tif", scan(number, (128, 160) if number < 10 else (256, 320)), levels=1)
        patient = number // 2
        rows.append((f"{number}.tif", f"P{patient}", 10.0 + patient, patient % 2, clinic, 8 if number < 10 else 16))
    return pd.DataFrame(rows, columns=["file", "patient", "months", "dead", "clinic", "factor"])


def test_a_table_of_slides_becomes_a_data_set_without_shared_patients(table, tmp_path):
    data = slides.dataset(
        table, folder=tmp_path, time="months", event="dead", clinic="clinic", factor="factor", frame=(20, 25), validation=0.2,
        test=0.3,
    )  # fmt: skip
    assert data.input_shape == (3, 20, 25)
    members = [set(part[1][:, 3].tolist()) for part in (data.train, data.validation, data.test)]
    assert [len(each) for each in members] == [5, 2, 3]
    assert len(set.union(*members)) == 10
    assert not data.simulated
    rows = data.test[1]
    assert set(rows[:, 0].tolist()) == {10 + patient for patient in members[2]}
    assert torch.equal(rows[:, 1], rows[:, 3] % 2)
    assert torch.equal(rows[:, 2], (rows[:, 3] >= 5).float())
    corner = data.train[0][:, :, 0, 0]
    assert (corner == 255).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="dead"), "table has no column 'dead'; its columns are ['file', 'patient', 'months'"),
        (lambda t: t.assign(dead=t["dead"] + 1), "the column 'dead' must hold 1 for an event and 0 for censored"),
        (lambda t: t.assign(months=-1.0), "times in the column 'months' must be finite and 0 or more"),
        (lambda t: t.assign(months="soon"), "the column 'months' must hold numbers"),
        (lambda t: t.assign(months=np.nan), "the column 'months' has empty cells"),
        (lambda t: t.assign(months=np.arange(20.0)), "patient 'P0' has rows with different times or events"),
        (lambda t: t.iloc[:0], "table has no rows"),
    ],
)
def test_a_table_that_cannot_be_is_refused_before_any_slide_is_read(table, tmp_path, change, message):
    with pytest.raises(ValueError) as refusal:  # noqa: PT011
        slides.dataset(change(table), folder=tmp_path / "nowhere", time="months", event="dead")
    assert message in str(refusal.value)
