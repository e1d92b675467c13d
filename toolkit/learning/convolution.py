"""Convolution and pooling, place by place (Burghoff, section 2.2.7); all arrays are numpy's.

Indices count from 0, from the upper left corner of the input or, with padding, of the padded input.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Integral

import numpy as np

OPERATIONS = ("cross-correlation", "convolution", "max pooling", "mean pooling")
FILLS = ("zero", "nearest")

KERNELS = {
    "vertical edge (Table 2.2)": ((-1, 0, 1), (-1, 0, 1), (-1, 0, 1)),
    "horizontal edge": ((-1, -1, -1), (0, 0, 0), (1, 1, 1)),
    "Sobel": ((-1, 0, 1), (-2, 0, 2), (-1, 0, 1)),
    "Laplacian": ((0, 1, 0), (1, -4, 1), (0, 1, 0)),
    "sum of nine": ((1, 1, 1), (1, 1, 1), (1, 1, 1)),
    "sharpen": ((0, -1, 0), (-1, 5, -1), (0, -1, 0)),
    "shift": ((0, 0, 0), (0, 0, 1), (0, 0, 0)),
    "identity": ((0, 0, 0), (0, 1, 0), (0, 0, 0)),
}


@dataclass(frozen=True, slots=True)
class Placement:
    """The kernel or the pooling window at one place.

    Attributes:
        number: of the place, row by row from 0.
        row: of the map, from 0.
        column: likewise.
        top: first row of the input under the window, from 0; negative in the padding.
        left: first column, likewise.
        window: `(k, k)` what is seen of the padded input.
        weights: `(k, k)` what it is multiplied with; ones for a pooling.
        value: of the map at this place.
        image: `(h, w)` the input without padding.
        result: `(h', w')` the map so far; nan where the window has not been yet.
    """

    number: int
    row: int
    column: int
    top: int
    left: int
    window: np.ndarray
    weights: np.ndarray
    value: float
    image: np.ndarray
    result: np.ndarray


def output_size(size: int, kernel: int, *, stride: int = 1, padding: int = 0) -> int:
    """Height or width of the map, floor((n + 2p - k) / s) + 1; the document has n - (k - 1), for s = 1 and p = 0.

    Args:
        size: n, of the input [pixels].
        kernel: k, of the kernel or the pooling window.
        stride: s.
        padding: p, pixels added on each side.

    Raises:
        ValueError: numbers that are not whole, too small, or a window larger than the padded input.

    >>> output_size(7, 3), output_size(7, 3, padding=1), output_size(4, 2, stride=2)
    (5, 7, 2)
    """
    for name, value, least in (("size", size, 1), ("kernel", kernel, 1), ("stride", stride, 1), ("padding", padding, 0)):
        if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
            raise ValueError(f"{name} must be a whole number, {least} or more, got {value!r}")
    if kernel > size + 2 * padding:
        raise ValueError(f"kernel: a window of {kernel} pixels does not fit into {size} pixels with padding {padding}")
    return (size + 2 * padding - kernel) // stride + 1


def pad(image: np.ndarray, padding: int, *, fill: str = "zero") -> np.ndarray:
    """Pixels added on each side of the first two axes: zeros, or the nearest pixel of the image.

    >>> pad(np.array([[1, 2]]), 1, fill="nearest").tolist()
    [[1, 1, 2, 2], [1, 1, 2, 2], [1, 1, 2, 2]]
    """
    if fill not in FILLS:
        raise ValueError(f"fill must be one of {FILLS}, got {fill!r}")
    widths = [(padding, padding)] * 2 + [(0, 0)] * (image.ndim - 2)
    return np.pad(image, widths, mode="constant" if fill == "zero" else "edge")


def convolve(
    image: np.ndarray, kernel: np.ndarray, *, stride: int = 1, padding: int = 0, fill: str = "zero", flip: bool = False
) -> np.ndarray:
    """The map of a kernel: cross-correlation, (2.22) and with channels (2.23), or the convolution (2.21) with `flip`.

    The document's (2.21) turns the kernel by 180 degrees; libraries, and the document's example, do not.

    Args:
        image: `(h, w)` or `(h, w, c)`.
        kernel: `(k, k)` or `(k, k, c)`.
        stride: pixels from one place to the next.
        padding: pixels added on each side.
        fill: what they hold, one of `FILLS`.
        flip: turn the kernel.

    Returns:
        `(h', w')`, the sum over the window and the channels.

    Raises:
        ValueError: arrays that do not fit each other, see also `output_size`.

    >>> convolve(np.eye(3), np.eye(2)).tolist()
    [[2.0, 0.0], [0.0, 2.0]]
    """
    image, kernel = np.asarray(image, float), np.asarray(kernel, float)
    if image.ndim not in (2, 3) or kernel.shape[2:] != image.shape[2:] or kernel.ndim != image.ndim:
        raise ValueError(f"image and kernel must be (h, w) or (h, w, c) with equal c, got {image.shape} and {kernel.shape}")
    if kernel.shape[0] != kernel.shape[1]:
        raise ValueError(f"kernel must be square, got {kernel.shape}")
    seen = _windows(image, len(kernel), stride, padding, fill)
    weights = np.moveaxis(kernel[::-1, ::-1] if flip else kernel, (0, 1), (-2, -1))
    return (seen * weights).sum(tuple(range(2, seen.ndim)))


def pool(image: np.ndarray, size: int, *, stride: int | None = None, kind: str = "max") -> np.ndarray:
    """The largest or the mean value of each window; the document's windows lie side by side.

    Args:
        image: `(h, w)`.
        size: k, height and width of a window [pixels].
        stride: from one window to the next; None for `size`.
        kind: "max" or "mean".

    Returns:
        `(h', w')`; rows and columns beyond the last whole window are left out.

    Raises:
        ValueError: an unknown kind, see also `output_size`.

    >>> pool(np.arange(16).reshape(4, 4), 2).tolist()
    [[5.0, 7.0], [13.0, 15.0]]
    """
    if kind not in ("max", "mean"):
        raise ValueError(f"kind must be 'max' or 'mean', got {kind!r}")
    seen = _windows(np.asarray(image, float), size, size if stride is None else stride, 0, "zero")
    return seen.max((2, 3)) if kind == "max" else seen.mean((2, 3))


def slide(
    image: np.ndarray,
    kernel: np.ndarray,
    *,
    operation: str = "cross-correlation",
    stride: int = 1,
    padding: int = 0,
    fill: str = "zero",
) -> Iterator[Placement]:
    """Move a window over an image, row by row, and write down what it gives at each place.

    Args:
        image: `(h, w)`.
        kernel: `(k, k)`; a pooling takes its size alone.
        operation: one of `OPERATIONS`.
        stride: from one place to the next.
        padding: pixels added on each side.
        fill: what they hold, one of `FILLS`; a max pooling takes them like any other pixel.

    Raises:
        ValueError: an unknown operation, or arrays and numbers that do not fit.

    >>> [placement.value for placement in slide(np.eye(3), np.eye(2))]
    [2.0, 0.0, 0.0, 2.0]
    """
    image, kernel = np.asarray(image, float), np.asarray(kernel, float)
    if operation not in OPERATIONS:
        raise ValueError(f"operation must be one of {OPERATIONS}, got {operation!r}")
    if image.ndim != 2 or kernel.ndim != 2 or kernel.shape[0] != kernel.shape[1]:
        raise ValueError(f"image and kernel must be (h, w) and (k, k), got {image.shape} and {kernel.shape}")
    seen = _windows(image, len(kernel), stride, padding, fill)
    return _slide(image, _weights(kernel, operation), seen, operation, stride, padding)


def _slide(image, weights, seen, operation, stride, padding) -> Iterator[Placement]:
    combine = {"max pooling": np.max, "mean pooling": np.mean}.get(operation, lambda window: (window * weights).sum())
    result = np.full(seen.shape[:2], np.nan)
    for number, (row, column) in enumerate(np.ndindex(result.shape)):
        window = seen[row, column].copy()
        result[row, column] = combine(window)
        yield Placement(
            number, row, column, row * stride - padding, column * stride - padding, window, weights,
            float(result[row, column]), image, result.copy(),
        )  # fmt: skip


def _weights(kernel: np.ndarray, operation: str) -> np.ndarray:
    if operation.endswith("pooling"):
        return np.ones_like(kernel)
    return kernel[::-1, ::-1].copy() if operation == "convolution" else kernel


def _windows(image: np.ndarray, size: int, stride: int, padding: int, fill: str) -> np.ndarray:
    """Every window of the padded image, `(h', w', [c,] k, k)`."""
    for side in image.shape[:2]:
        output_size(side, size, stride=stride, padding=padding)
    padded = pad(image, padding, fill=fill)
    return np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(0, 1))[::stride, ::stride]
