"""Whole-slide images: scanned down, framed in white, and divided so that no patient is in two parts.

    table = pandas.read_csv("patients.csv")      # one row per slide
    data = slides.dataset(table, folder="scans", factor=64)

One slide has gigabytes of pixels. It is read at the level of its pyramid that lies nearest above the wanted size, a few rows at
a time, and averaged down from there. Reading takes the optional packages of the extra `slides` (OpenSlide and its Python
interface), which know the formats of most scanners.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from toolkit.datasets.arrays import moments
from toolkit.datasets.dataset import Dataset
from toolkit.datasets.files import DamagedFile
from toolkit.datasets.patients import HELD_OUT, patient_split

if TYPE_CHECKING:
    import pandas as pd
    from openslide import OpenSlide

FRAME = (2000, 2500)  # Burghoff 7.4.3: height and width [pixels]
FACTOR = 64  # of clinic A there; B's slides were reduced by 128
STRIP_PIXELS = 2**24  # read from the file at a time
WHITE = (255, 255, 255)


def read(path: str | Path, *, factor: float = FACTOR, frame: tuple[int, int] = FRAME) -> Tensor:
    """One slide, reduced by a factor in each dimension and centred in a white frame (Burghoff 7.4.3).

    Every pixel is the mean over the square of `factor` x `factor` pixels of the scan that it stands for, as far as the
    scanner's own reduced levels are. Where nothing was scanned the picture is white.

    Args:
        path: of the slide.
        factor: of the reduction, 1 or more.
        frame: height and width [pixels] of the result; the reduced slide must fit into it.

    Returns:
        `(3, height, width)` uint8.

    Raises:
        FileNotFoundError: no such file.
        DamagedFile: not a slide, or one that cannot be read to its end.
        ValueError: a factor below 1, or a reduced slide that is larger than the frame.
        ImportError: OpenSlide is not installed.
    """
    if not 1 <= factor < np.inf:
        raise ValueError(f"factor must be a number of 1 or more, got {factor!r}")
    if len(frame) != 2 or any(side != int(side) or side < 1 for side in frame):
        raise ValueError(f"frame must be height and width in pixels, got {frame!r}")
    with _opened(Path(path)) as slide:
        width, height = (max(1, round(side / factor)) for side in slide.dimensions)
        if height > frame[0] or width > frame[1]:
            least = max(slide.dimensions[1] / frame[0], slide.dimensions[0] / frame[1])
            raise ValueError(
                f"{path}: reduced by {factor:g} it has {height} x {width} pixels, more than the frame of "
                f"{frame[0]} x {frame[1]}; a factor of {least:.4g} or more fits"
            )
        return framed(_reduced(slide, (height, width)), frame)


def framed(picture: Tensor, frame: tuple[int, int]) -> Tensor:
    """A picture `(3, h, w)` in the middle of a white frame; an odd pixel of room falls below and to the right.

    >>> framed(torch.zeros(3, 1, 1, dtype=torch.uint8), (1, 3))[0]
    tensor([[255,   0, 255]], dtype=torch.uint8)
    """
    height, width = picture.shape[1:]
    above, before = (frame[0] - height) // 2, (frame[1] - width) // 2
    result = torch.full((3, *frame), 255, dtype=torch.uint8)
    result[:, above : above + height, before : before + width] = picture
    return result


def dataset(
    table: pd.DataFrame,
    *,
    folder: str | Path = ".",
    file: str = "file",
    patient: str = "patient",
    time: str = "time",
    event: str = "event",
    clinic: str | None = None,
    factor: float | str = FACTOR,
    frame: tuple[int, int] = FRAME,
    validation: float = HELD_OUT,
    test: float = HELD_OUT,
    seed: int = 0,
    name: str = "slides",
) -> Dataset:
    """Read the slides that a table names, and divide them by patients.

    Args:
        table: one row per slide, for example from `pandas.read_csv`.
        folder: where the files lie.
        file: column with the name of each slide's file.
        patient: column that tells the patients apart.
        time: column with the time to the event or the end of observation, equal for all slides of a patient.
        event: column with 1 for an event and 0 for censored, likewise.
        clinic: column that tells clinics or scanners apart; without one all are of one clinic.
        factor: of the reduction of all slides, or the column that holds it; Burghoff 7.4.3 takes 64 for A and 128 for B.
        frame: height and width of every picture [pixels].
        validation: share of the patients.
        test: likewise.
        seed: of the split.
        name: of the set.

    Returns:
        Targets have the columns `patients.TARGETS`; clinics and patients are numbered in alphabetical order.

    Raises:
        FileNotFoundError, DamagedFile, ImportError: see `read`.
        ValueError: a missing column, times or events that cannot be, a patient with two outcomes.
    """
    columns = [file, patient, time, event, *([clinic] if clinic else []), *([factor] if isinstance(factor, str) else [])]
    targets = _targets(table, columns, patient, time, event, clinic)
    parts = patient_split(targets[:, 3], validation=validation, test=test, seed=seed, stratify=targets[:, 1])
    factors = table[factor] if isinstance(factor, str) else [factor] * len(table)
    pictures = torch.stack(
        [read(Path(folder) / path, factor=by, frame=frame) for path, by in zip(table[file], factors, strict=True)]
    )
    mean, std = moments(pictures[parts[0]])
    return Dataset(
        name, *((pictures[rows], targets[rows]) for rows in parts), classes=None, source=f"slides in {folder}",
        licence="not stated", units="8 bit red, green, blue", mean=mean, std=std,
    )  # fmt: skip


@contextmanager
def _opened(path: Path) -> Iterator[OpenSlide]:
    """An open slide; whatever OpenSlide cannot read names the file."""
    try:
        import openslide
    except (ImportError, OSError) as error:  # an OSError where the Python interface is here and its library is not
        raise ImportError(f"reading slides takes OpenSlide, the extra 'slides' of this package ({error})") from error
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such slide")
    try:
        with openslide.OpenSlide(path) as slide:
            yield slide
    except openslide.OpenSlideUnsupportedFormatError as error:
        raise DamagedFile(path, "not a slide of a format that OpenSlide knows") from error
    except openslide.OpenSlideError as error:
        raise DamagedFile(path, f"cannot be read to its end ({error})") from error


def _reduced(slide: OpenSlide, size: tuple[int, int]) -> Tensor:
    """The whole slide brought to a height and width, `(3, h, w)`."""
    height, width = size
    factor = slide.dimensions[1] / height
    level = slide.get_best_level_for_downsample(factor + 1e-6)
    below = slide.level_dimensions[level]
    rows_each = below[1] / height
    stride = max(1, int(STRIP_PIXELS / (below[0] * rows_each)))
    strips = []
    for first in range(0, height, stride):
        last = min(first + stride, height)
        top, bottom = int(first * rows_each), min(below[1], int(np.ceil(last * rows_each)))
        strip = _region(slide, level, top, bottom)
        box = (0, first * rows_each - top, below[0], min(last * rows_each - top, bottom - top))
        strips.append(np.asarray(strip.resize((width, last - first), Image.Resampling.BOX, box=box)))
    return torch.from_numpy(np.concatenate(strips)).permute(2, 0, 1)


def _region(slide: OpenSlide, level: int, top: int, bottom: int) -> Image.Image:
    """Rows of a level, on white where nothing was scanned."""
    origin = (0, round(top * slide.level_downsamples[level]))
    scanned = slide.read_region(origin, level, (slide.level_dimensions[level][0], bottom - top))
    white = Image.new("RGB", scanned.size, WHITE)
    white.paste(scanned, mask=scanned.getchannel("A"))
    return white


def _targets(table: pd.DataFrame, columns: Sequence[str], patient: str, time: str, event: str, clinic: str | None) -> Tensor:
    """Time, event, clinic and patient of each row, checked."""
    missing = [name for name in columns if name not in table]
    if missing:
        raise ValueError(f"table has no column {missing[0]!r}; its columns are {list(table)}")
    empty = [name for name in columns if table[name].isna().any()]
    if empty or not len(table):
        raise ValueError(f"table: the column {empty[0]!r} has empty cells" if empty else "table has no rows")
    numbers = {name: _numbers(table, name) for name in (time, event)}
    if not (np.isfinite(numbers[time]).all() and (numbers[time] >= 0).all()):
        raise ValueError(f"table: times in the column {time!r} must be finite and 0 or more")
    if not np.isin(numbers[event], (0, 1)).all():
        raise ValueError(f"table: the column {event!r} must hold 1 for an event and 0 for censored")
    outcomes = table.groupby(patient)[[time, event]].nunique().max(axis=1)
    if (outcomes > 1).any():
        raise ValueError(f"table: patient {outcomes.idxmax()!r} has rows with different times or events")
    clinics = _numbered(table[clinic]) if clinic else np.zeros(len(table))
    rows = np.stack([numbers[time], numbers[event], clinics, _numbered(table[patient])], 1)
    return torch.from_numpy(rows.astype(np.float32))


def _numbers(table: pd.DataFrame, name: str) -> np.ndarray:
    try:
        return table[name].to_numpy(float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"table: the column {name!r} must hold numbers ({error})") from error


def _numbered(values: Any) -> np.ndarray:
    """Each value's place among the different ones in alphabetical order."""
    return np.unique(np.asarray(values).astype(str), return_inverse=True)[1]
