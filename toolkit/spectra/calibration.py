r"""From time of flight to m/z: t = t0 + k √(m/z), fitted to ions that are known to be there (Zhao, section 4.3.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from toolkit.spectra.ions import mz as mz_of


@dataclass(frozen=True)
class Calibration:
    """A scale of m/z.

    Attributes:
        slope: k, channels per root of u.
        offset: t0 [channels].
        residuals: ion that it was fitted to -> its m/z by this scale minus the exact one [u].
    """

    slope: float
    offset: float
    residuals: Mapping[str, float]

    def mz(self, times: np.ndarray) -> np.ndarray:
        """m/z of channels [u]; channels before t0 are given 0."""
        return np.square(np.maximum((np.asarray(times, float) - self.offset) / self.slope, 0.0))

    def time(self, mz: np.ndarray) -> np.ndarray:
        """Channels of m/z [u]."""
        return self.offset + self.slope * np.sqrt(mz)


def calibrate(positions: Sequence[float], ions: Sequence[str]) -> Calibration:
    """Fit k and t0 by least squares of the times.

    Args:
        positions: `(i,)` channels where the ions' peaks lie.
        ions: `(i,)` such as "Li-", two or more of different m/z.

    Raises:
        ValueError: fewer than two ions, not as many positions, an ion that is no formula, a slope that is not positive.

    >>> fitted = calibrate([100.0 + 1000 * mz_of("H-") ** 0.5, 100.0 + 1000 * mz_of("O2-") ** 0.5], ["H-", "O2-"])
    >>> round(fitted.slope, 6), round(fitted.offset, 6)
    (1000.0, 100.0)
    """
    roots = np.sqrt([mz_of(ion) for ion in ions])
    times = np.asarray(positions, float)
    if times.shape != roots.shape or len(np.unique(roots)) < 2:
        raise ValueError(f"ions must be two or more of different m/z with a position each, got {list(ions)} and {len(times)}")
    slope, offset = np.polyfit(roots, times, 1)
    if not slope > 0:
        raise ValueError(f"positions must grow with the m/z of the ions, got {times.tolist()} for {list(ions)}")
    errors = ((times - offset) / slope) ** 2 - roots**2
    return Calibration(float(slope), float(offset), dict(zip(ions, errors.tolist(), strict=True)))


def coarse(
    times: np.ndarray, counts: np.ndarray, ions: Sequence[str], *, slopes: tuple[float, float], offsets: tuple[float, float]
) -> Calibration:
    """The scale at which most of the ions have counts, searched over a grid; `refine` makes it exact.

    Args:
        times: `(t,)` channels, ascending.
        counts: `(t,)`.
        ions: that are in every such spectrum, three or more.
        slopes: least and largest k of the instrument.
        offsets: least and largest t0.

    Raises:
        ValueError: fewer than three ions, empty ranges, a spectrum without counts; see `refine`.
    """
    times, counts = _spectrum(times, counts)
    if len(ions) < 3:
        raise ValueError(f"ions must be three or more, else many scales fit, got {list(ions)}")
    if not (0 < slopes[0] < slopes[1] and offsets[0] < offsets[1]):
        raise ValueError(f"slopes and offsets must be a least and a largest value, got {slopes} and {offsets}")
    roots, step = np.sqrt([mz_of(ion) for ion in ions]), float(np.median(np.diff(times)))
    # a step of half a channel at the heaviest ion, and of half a channel for the offset
    slope = np.arange(*slopes, step / roots.max() / 2)[:, None, None]
    offset = np.arange(*offsets, step / 2)[:, None]
    places = np.clip(np.searchsorted(times, offset + slope * roots), 1, len(times) - 1)
    heights = np.log1p(np.maximum(counts[places], counts[places - 1])).sum(-1)
    best = np.unravel_index(heights.argmax(), heights.shape)
    return Calibration(float(slope[best[0], 0, 0]), float(offset[best[1], 0]), {})


def refine(
    times: np.ndarray, counts: np.ndarray, ions: Sequence[str], *, start: Calibration, window: float = 0.1, rounds: int = 3
) -> Calibration:
    """Look for the ions near where a scale puts them, and fit the scale to what is found; repeat.

    A peak's position is the mean of the channels around its highest one, weighted with their counts.

    Args:
        times: `(t,)` channels, ascending.
        counts: `(t,)`.
        ions: names; those without counts in their window are left out.
        start: a scale that puts each ion nearer to its own peak than to others.
        window: to both sides of an ion [u]; one and a half channels where these are wider.
        rounds: repetitions.

    Raises:
        ValueError: unequal lengths, channels that do not ascend, negative counts, fewer than two ions with counts.
    """
    times, counts = _spectrum(times, counts)
    scale = start
    for _ in range(rounds):
        found = {ion: place for ion in ions if (place := _position(times, counts, scale, mz_of(ion), window)) is not None}
        if len(found) < 2:
            raise ValueError(f"ions: only {list(found)} of {list(ions)} have counts within {window} u of where they should be")
        scale = calibrate(list(found.values()), list(found))
    return scale


def _position(times: np.ndarray, counts: np.ndarray, scale: Calibration, mz: float, window: float) -> float | None:
    low, high = scale.time(np.array([max(mz - window, 0.0), mz + window]))
    middle, reach = (low + high) / 2, max(high - low, 3 * float(np.median(np.diff(times)))) / 2
    first, last = np.searchsorted(times, [middle - reach, middle + reach])
    if last <= first or not counts[first:last].any():
        return None
    top = first + int(counts[first:last].argmax())
    around = slice(max(top - 1, 0), top + 2)
    return float(np.average(times[around], weights=counts[around]))


def _spectrum(times: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    times, counts = np.asarray(times, float), np.asarray(counts, float)
    if times.ndim != 1 or times.shape != counts.shape or len(times) < 3:
        raise ValueError(f"times and counts must be of equal length, 3 or more, got {times.shape} and {counts.shape}")
    if not (np.diff(times) > 0).all():
        raise ValueError("times must ascend")
    if not (np.isfinite(counts).all() and (counts >= 0).all() and counts.any()):
        raise ValueError(f"counts must be finite, not negative and not all zero, got {counts.min()} to {counts.max()}")
    return times, counts
