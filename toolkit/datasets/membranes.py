"""Three-dimensional images of porous materials: tomographs of one's own, and three volumes that are published.

from toolkit.datasets import membranes

scan = membranes.read("scan.tif")                       # or a folder of slices, .npz, .npy, .raw
smooth = membranes.smoothed(scan, variance=3)
material = membranes.segmented(smooth, porosity=0.85)   # 1 material, 0 pore, as in Zhao, section 4.2.1
cubes = [membranes.resized(cube, 128) for cube in membranes.crops(material, 200)]
"""

from __future__ import annotations

import hashlib
import io
import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
from tqdm import tqdm

from toolkit.datasets import files
from toolkit.datasets.files import DamagedFile, DataNotFound, RawFile
from toolkit.datasets.image_files import FAULTS, SUFFIXES
from toolkit.datasets.npz import read_npz

if TYPE_CHECKING:
    from PIL.Image import Image

FOLDER = "porous"
GREY_MODES = {"1": "bool", "L": "uint8", "I;16": "uint16", "I;16B": "uint16", "I": "int32", "F": "float32"}  # of Pillow
VARIANCE = 3.0  # of the document's filter [voxels²]
LARGEST = 4 * 2**30  # voxels


@dataclass(frozen=True, eq=False)
class Sample:
    """A published volume.

    Attributes:
        name: of the volume.
        volume: `(x, y, z)`, bool and true in the pores, or uint8 labels of phases.
        phases: label to name.
        voxel: edge of a voxel [µm], or nan where it has none.
        source: where it comes from, and whether the file is the published one.
        licence: what its origin says about use.
        simulated: designed or generated rather than measured.
    """

    name: str
    volume: np.ndarray
    phases: dict[int, str]
    voxel: float
    source: str
    licence: str
    simulated: bool


@dataclass(frozen=True)
class _Card:
    file: str
    checksum: str
    page: str
    phases: dict[int, str]
    voxel: float
    simulated: bool


CARDS = {
    "berea": _Card(
        "berea_200.npz", "c15640eb06f3021b68aabfd9b8f6a304024ff124f011fd4743b89f4883456ff2",
        "https://github.com/PMEAL/OpenPNM (berea_100_to_300.npz at c6c2d5c)", {0: "sandstone", 1: "pore"}, 5.345, False,
    ),
    "nmc_electrode": _Card(
        "nmc_electrode_256.npz", "a6d101757eeb8ed24162654203daa090b1b994b0cceddadd5aae37afc3f064f0",
        "https://github.com/tldr-group/taufactor (electrode.tiff at fb64548)",
        {0: "pore", 85: "NMC", 170: "carbon and binder"}, 100 / 256, True,
    ),
    "taufactor_reference": _Card(
        "taufactor_reference_500.npz", "e6948410b453fdd8d8007635ba124fb3b6b43daa2c017d41032a6f5f9a3e6dc2",
        "https://github.com/tldr-group/taufactor (TF-500x500x500-1x2x6-v3.tiff at fb64548)",
        {0: "wall", 1: "percolating phase"}, math.nan, True,
    ),
}  # fmt: skip


# Published volumes --------------------------------------------------------------------------------------------------------


def load(name: str, folder: str | Path | None = None) -> Sample:
    """A published volume: "berea" (sandstone, 200³), "nmc_electrode" (256³, three phases), "taufactor_reference" (500³).

    Args:
        name: one of these.
        folder: where the .npz file is; None stands for $TOOLKIT_DATA/porous and the download cache.

    Raises:
        DataNotFound: the file is not there; the message says what it is.
        DamagedFile: the file is not what it claims to be.
        ValueError: another name.
    """
    if name not in CARDS:
        raise ValueError(f"name must be one of {tuple(CARDS)}, got {name!r}")
    card = CARDS[name]
    searched = files.places(FOLDER, folder)
    place = next((place for place in searched if (place / card.file).is_file()), None)
    if place is None:
        raise DataNotFound(f"{name}: {card.file} was looked for in {', '.join(map(str, searched))}; it is made of {card.page}")
    raw = files.read(place / card.file)
    published = hashlib.sha256(raw.content).hexdigest() == card.checksum
    state = "the published file" if published else "a file that differs from the published one"
    volume = _unpacked(raw, card)
    return Sample(name, volume, card.phases, card.voxel, f"{card.page}; {state}", "MIT", card.simulated)


def _unpacked(raw: RawFile, card: _Card) -> np.ndarray:
    arrays = read_npz(raw)
    if "labels" in arrays:
        volume = arrays["labels"]
    else:
        packed = next((values for key, values in arrays.items() if key.endswith("_packed")), None)
        if packed is None or "shape" not in arrays:
            raise DamagedFile(raw.label, f"neither 'labels' nor packed bits with their 'shape', but {sorted(arrays)}")
        shape = tuple(arrays["shape"].tolist())
        if packed.dtype != np.uint8 or len(shape) != 3 or packed.size != -(-math.prod(shape) // 8):
            raise DamagedFile(raw.label, f"{packed.size:,} bytes of bits do not fill the shape {shape}")
        volume = np.unpackbits(packed, count=math.prod(shape)).reshape(shape).astype(bool)
    if volume.ndim != 3 or not set(np.unique(volume).tolist()) <= set(card.phases):
        raise DamagedFile(raw.label, f"not a volume of the phases {tuple(card.phases)}")
    return volume


# Tomographs of one's own --------------------------------------------------------------------------------------------------


def read(
    path: str | Path,
    *,
    shape: Sequence[int] | None = None,
    dtype: str | None = None,
    key: str | None = None,
    progress: bool = False,
) -> np.ndarray:
    """A volume of grey levels or phases.

    Args:
        path: a TIFF file of many pages, a folder with one image per slice (in alphabetical order), .npz, .npy, or .raw.
        shape: of a .raw file, slices first.
        dtype: of a .raw file, such as "uint8" or "<u2" (little-endian 16 bits).
        key: of the array in an .npz file that holds several volumes.
        progress: show a bar while slices are read.

    Returns:
        `(slices, rows, columns)`, of the type in the file.

    Raises:
        DamagedFile: truncated, not what it claims to be, slices of unequal size or type, colour.
        FileNotFoundError: there is no such file.
        ValueError: a kind of file that is not known; shape and dtype of a .raw file are missing or do not fit.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        slices = sorted(one for one in path.iterdir() if one.suffix.lower() in SUFFIXES and not one.name.startswith("."))
        if not slices:
            raise DamagedFile(path, f"a folder without slices ({', '.join(SUFFIXES)})")
        return _stacked(_one_per_file(slices), len(slices), path, progress)
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no such file or folder")
    kind = path.name.removesuffix(".gz").rpartition(".")[2].lower()
    if kind in ("tif", "tiff"):
        return _tiff(path, progress)
    if kind == "raw":
        return _raw(files.read(path), shape, dtype)
    if kind == "npz":
        return _volume_of(files.read(path), key)
    if kind == "npy":
        return _npy(files.read(path))
    raise ValueError(f"{path}: a volume is read from a folder of slices, .tif, .tiff, .npz, .npy or .raw")


def _tiff(path: Path, progress: bool) -> np.ndarray:
    from PIL import Image

    raw = files.read(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # Pillow warns of a stack that ends too early, and goes on without the rest
            with Image.open(io.BytesIO(raw.content)) as image:
                count = getattr(image, "n_frames", 1)
                return _stacked(_pages(image, count), count, path, progress)
    except DamagedFile:
        raise
    except (*FAULTS, Warning, Image.DecompressionBombError) as error:
        raise DamagedFile(path, f"truncated, or not a TIFF stack ({error})") from error


def _pages(image: Image, count: int) -> Iterator[np.ndarray]:
    for number in range(count):
        image.seek(number)
        yield _grey(image, f"page {number}")


def _one_per_file(paths: Sequence[Path]) -> Iterator[np.ndarray]:
    from PIL import Image

    for path in paths:
        try:
            with Image.open(io.BytesIO(files.read(path).content)) as image:
                yield _grey(image, "the image")
        except DamagedFile:
            raise
        except (*FAULTS, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise DamagedFile(path, f"not an image that can be decoded ({error})") from error


def _grey(image: Image, what: str) -> np.ndarray:
    if image.mode not in GREY_MODES:
        raise ValueError(f"{what} is not grey (mode {image.mode}); convert the stack to grey levels")
    return np.asarray(image)


def _stacked(slices: Iterator[np.ndarray], count: int, path: Path, progress: bool) -> np.ndarray:
    volume = None
    with files.blaming(path):
        for number, one in enumerate(tqdm(slices, total=count, desc="slices", disable=not progress)):
            if volume is None:
                _check_count((count, *one.shape))
                volume = np.empty((count, *one.shape), one.dtype)
            if one.shape != volume.shape[1:] or one.dtype != volume.dtype:
                raise ValueError(
                    f"slice {number} has {one.shape} pixels of {one.dtype}, the first one {volume.shape[1:]} of {volume.dtype}"
                )
            volume[number] = one
    return volume


def _raw(raw: RawFile, shape: Sequence[int] | None, dtype: str | None) -> np.ndarray:
    if shape is None or dtype is None:
        raise ValueError(f"{raw.label}: a .raw file needs shape=(slices, rows, columns) and dtype=, such as 'uint8' or '<u2'")
    kind = np.dtype(dtype)
    if len(shape) != 3 or min(shape) < 1 or kind.kind not in "biuf":
        raise ValueError(f"shape must be three whole numbers and dtype one of numbers, got {tuple(shape)} and {dtype!r}")
    if len(raw.content) != math.prod(shape) * kind.itemsize:
        raise DamagedFile(
            raw.label,
            f"{len(raw.content):,} bytes; shape {tuple(shape)} of {kind} would be {math.prod(shape) * kind.itemsize:,}",
        )
    return np.frombuffer(raw.content, kind).reshape(tuple(shape)).astype(kind.newbyteorder("="))


def _volume_of(raw: RawFile, key: str | None) -> np.ndarray:
    arrays = read_npz(raw)
    volumes = {name: array for name, array in arrays.items() if array.ndim == 3}
    if key is not None and key not in volumes:
        raise ValueError(f"key {key!r} is not a volume of {raw.label}; these are: {sorted(volumes)}")
    if key is None and len(volumes) != 1:
        raise ValueError(f"{raw.label} holds {len(volumes)} volumes ({sorted(volumes)}); choose one with key=")
    return volumes[key if key is not None else next(iter(volumes))].copy()


def _npy(raw: RawFile) -> np.ndarray:
    with files.blaming(raw.label):
        array = np.lib.format.read_array(io.BytesIO(raw.content), allow_pickle=False)
        if array.ndim != 3:
            raise ValueError(f"not a volume: an array of shape {array.shape}")
    return array


# From grey levels to cubes of material and pores --------------------------------------------------------------------------


def smoothed(volume: np.ndarray, *, variance: float = VARIANCE, progress: bool = False) -> np.ndarray:
    """A Gaussian filter against noise; the document's has a variance of 3 voxels².

    Args:
        volume: `(x, y, z)`.
        variance: of the Gaussian [voxels²]; 0 leaves the volume as it is.
        progress: show a bar, a step per axis.

    Returns:
        float32.

    >>> smoothed(np.full((4, 4, 4), 7)).max().round(5)
    np.float32(7.0)
    """
    if not 0 <= variance < math.inf:
        raise ValueError(f"variance must be finite and 0 or more, got {variance}")
    filtered = _checked(volume).astype(np.float32)
    if variance:
        for axis in tqdm(range(3), desc="filter", disable=not progress):
            ndimage.gaussian_filter1d(filtered, math.sqrt(variance), axis, output=filtered, mode="nearest")
    return filtered


def threshold(volume: np.ndarray, *, porosity: float) -> float:
    """The grey level below which the given share of voxels lies: what an experiment measured as porosity.

    Args:
        volume: grey levels, `(x, y, z)`.
        porosity: share of pores, between 0 and 1; pores are dark.

    >>> threshold(np.arange(8).reshape(2, 2, 2), porosity=0.75)
    6.0
    """
    if not 0 < porosity < 1:
        raise ValueError(f"porosity must lie between 0 and 1, got {porosity}")
    values = _checked(volume).ravel()
    lowest, highest = values.min(), values.max()
    if lowest == highest:
        raise ValueError(f"volume must have two grey levels or more to be cut in two, it has {lowest} only")
    rank = min(max(round(porosity * values.size), 1), values.size - 1)
    level = np.partition(values, rank)[rank]
    levels = [one for one in (level, values[values > level].min(initial=highest)) if one > lowest]  # many voxels may share one
    return float(min(levels, key=lambda one: abs((values < one).mean() - porosity)))


def segmented(volume: np.ndarray, *, porosity: float | None = None, level: float | None = None) -> np.ndarray:
    """Material 1 where it is as bright as a level or brighter, pores 0.

    Args:
        volume: grey levels, `(x, y, z)`.
        porosity: share of pores to reach, as nearly as the grey levels allow.
        level: the level itself, instead.

    >>> segmented(np.arange(8).reshape(2, 2, 2), porosity=0.75).sum()
    np.uint64(2)
    """
    if (porosity is None) == (level is None):
        raise ValueError(f"one of porosity and level must be given, got porosity={porosity} and level={level}")
    level = threshold(volume, porosity=porosity) if level is None else level
    return (_checked(volume) >= level).astype(np.uint8)


def crops(volume: np.ndarray, size: int, *, count: int | None = None, seed: int = 0) -> list[np.ndarray]:
    """Cubes cut out of a volume.

    Args:
        volume: `(x, y, z)`.
        size: voxels along an edge of a cube.
        count: so many cubes at random places, which may overlap; None cuts the whole volume into cubes side by side.
        seed: of the places.

    Returns:
        Views `(size, size, size)`.

    >>> len(crops(np.zeros((9, 5, 4)), 2))
    16
    """
    volume = _checked(volume)
    if not 1 <= size <= min(volume.shape):
        raise ValueError(f"size must lie between 1 and the shortest edge {min(volume.shape)}, got {size}")
    if count is not None and count < 1:
        raise ValueError(f"count must be 1 or more, got {count}")
    if count is None:
        corners = np.stack(np.meshgrid(*[np.arange(0, edge - size + 1, size) for edge in volume.shape], indexing="ij"), -1)
    else:
        corners = np.random.default_rng(seed).integers(0, np.array(volume.shape) - size + 1, (count, 3))
    return [volume[tuple(slice(low, low + size) for low in corner)] for corner in corners.reshape(-1, 3)]


def resized(volume: np.ndarray, size: int, *, binary: bool = True) -> np.ndarray:
    """A cube with another number of voxels, by spline interpolation.

    The document calls what it trained on binary; a spline gives values in between, so that it must have been cut once more. A
    spline does not average: where a voxel is to become much larger than the ligaments are thick, smooth the volume before.

    Args:
        volume: `(n, n, n)`.
        size: voxels along an edge afterwards.
        binary: cut at one half; otherwise leave the values between.

    Returns:
        uint8, or float32 where `binary` is false.

    >>> resized(np.ones((6, 6, 6)), 4).shape
    (4, 4, 4)
    """
    volume = _checked(volume)
    if len(set(volume.shape)) != 1:
        raise ValueError(f"volume must be a cube, got shape {volume.shape}")
    if size < 1:
        raise ValueError(f"size must be 1 or more, got {size}")
    values = ndimage.zoom(volume.astype(np.float32), size / len(volume), order=3, mode="nearest", grid_mode=True)
    return (values >= 0.5).astype(np.uint8) if binary else values


def _checked(volume: np.ndarray) -> np.ndarray:
    array = np.asarray(volume)
    if array.ndim != 3 or array.size == 0:
        raise ValueError(f"volume must have three axes and at least one voxel, got shape {array.shape}")
    if array.dtype.kind not in "biuf":
        raise TypeError(f"volume must hold numbers, got {array.dtype}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError("volume must be finite, it holds nan or infinity")
    return array


def _check_count(shape: tuple[int, ...]) -> None:
    if math.prod(shape) > LARGEST:
        raise ValueError(f"{math.prod(shape):,} voxels; up to {LARGEST:,} are read at once")
