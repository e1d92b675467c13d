"""Image files sorted into one folder per class, on disk or in a zip archive."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from toolkit.datasets import archives, files
from toolkit.datasets.files import DamagedFile, RawFile

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm")
FAULTS = (OSError, ValueError, SyntaxError, EOFError, struct.error)  # what Pillow raises on damaged bytes
LARGEST_IMAGE = 50_000_000  # pixels


def class_folders(place: Path) -> dict[str, list[Path]]:
    """Sub-folders of `place` in alphabetical order, each with its image files; hidden ones are passed over.

    Raises:
        DamagedFile: there are no sub-folders, or one of them has no images.
    """
    found = {}
    for folder in sorted(path for path in place.iterdir() if path.is_dir() and not path.name.startswith(".")):
        found[folder.name] = sorted(path for path in folder.iterdir() if _is_image(path.name))
        if not found[folder.name]:
            raise DamagedFile(folder, f"a class folder without images ({', '.join(SUFFIXES)})")
    if not found:
        raise DamagedFile(place, "no sub-folders; images are sorted into one sub-folder per class")
    return found


def archived_classes(path: Path, folders: Sequence[str]) -> dict[str, list[RawFile]]:
    """Images of an archive, by the name of the folder they lie in, for the folders named."""
    found = {name: [] for name in folders}
    wanted = archives.members(path, lambda member: _is_image(member) and PurePosixPath(member).parent.name in found)
    for raw in wanted:
        found[PurePosixPath(raw.label).parent.name].append(raw)
    return {name: images for name, images in found.items() if images}


def read_images(
    images: Mapping[str, Sequence[Path | RawFile]], *, size: int | None = None, labels: Mapping[str, int] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Decode images of one size, or bring them to it.

    Args:
        images: folder name to image files.
        size: height and width [pixels] to which each image is stretched (bilinear); None keeps the size, equal for all.
        labels: folder name to label; by default the folders are counted.

    Returns:
        Images `(n, 3, h, w)`, or `(n, 1, h, w)` if all are grey, and labels `(n,)`.

    Raises:
        DamagedFile: an image that cannot be decoded, has more than 8 bits per channel, several pages or too many pixels.
        ValueError: sizes differ and no `size` is given.
    """
    if size is not None and size < 1:
        raise ValueError(f"size must be a number of pixels of 1 or more, got {size}")
    labels = labels or {name: label for label, name in enumerate(images)}
    listed = [(file, labels[name]) for name, group in images.items() for file in group]
    pixels, all_grey = None, True
    for row, (file, _) in enumerate(listed):
        raw = file if isinstance(file, RawFile) else files.read(file)
        image, grey = decode(raw, size=size)
        if pixels is None:
            pixels = np.empty((len(listed), *image.shape), np.uint8)
        if image.shape != pixels.shape[1:]:
            (h, w), (height, width) = image.shape[1:], pixels.shape[2:]
            raise ValueError(
                f"{raw.label}: {w}x{h} pixels, the images before it have {width}x{height}; pass size= to bring all to one"
            )
        pixels[row], all_grey = image, all_grey and grey
    return (pixels[:, :1] if all_grey else pixels), np.array([label for _, label in listed])


def decode(raw: RawFile, *, size: int | None = None) -> tuple[np.ndarray, bool]:
    """One image as `(3, h, w)` uint8, and whether it is grey.

    Raises:
        DamagedFile: see `read_images`.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(io.BytesIO(raw.content)) as image:
            _check_image(image, raw.label)
            upright = ImageOps.exif_transpose(image)
            grey = upright.mode in ("1", "L", "LA")
            colour = (upright.convert("RGBA") if upright.mode in ("P", "PA") else upright).convert("RGB")
    except DamagedFile:
        raise
    except (*FAULTS, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DamagedFile(raw.label, f"not an image that can be decoded ({error})") from error
    if size is not None and colour.size != (size, size):
        colour = colour.resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(colour).transpose(2, 0, 1), grey


def _check_image(image: ImageFile, label: str) -> None:
    width, height = image.size
    if width * height > LARGEST_IMAGE:
        raise DamagedFile(label, f"{width}x{height} pixels; up to {LARGEST_IMAGE:,} are read")
    if image.mode.startswith(("I", "F")):
        raise DamagedFile(label, f"more than 8 bits per pixel (mode {image.mode}); convert it, or pass arrays to from_arrays")
    if getattr(image, "n_frames", 1) > 1:
        raise DamagedFile(label, f"{image.n_frames} pages or frames; one image per file is read")


def _is_image(name: str) -> bool:
    path = PurePosixPath(name)
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
