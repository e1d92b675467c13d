"""Which voxels are joined to both ends of a volume, through faces."""

from __future__ import annotations

import numpy as np
from scipy import ndimage


def components(conducting: np.ndarray) -> tuple[np.ndarray, int]:
    """Number of the connected part that each voxel belongs to, 0 for voxels that do not conduct, and how many parts there are.

    Voxels are neighbours when they share a face.

    Args:
        conducting: bool `(x, y, z)`.

    >>> components(np.array([[[True, False, True]]]))[1]
    2
    """
    return ndimage.label(conducting)


def percolating(labels: np.ndarray, count: int, axis: int) -> np.ndarray:
    """The voxels of parts that reach from one end of an axis to the other.

    Args:
        labels: see `components`.
        count: number of parts.
        axis: 0, 1 or 2.

    Returns:
        bool, of the shape of `labels`.

    >>> labels, count = components(np.array([[[True, True], [True, False]]]))
    >>> percolating(labels, count, 2).sum()
    np.int64(3)
    """
    first, last = labels.take(0, axis), labels.take(-1, axis)
    touches = np.zeros((2, count + 1), bool)
    touches[0, first], touches[1, last] = True, True
    through = touches.all(0)
    through[0] = False
    return through[labels]
