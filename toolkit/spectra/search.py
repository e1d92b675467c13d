"""Peaks of raw spectra: search on their sum, borders that all spectra share, areas, and a guard against dead peaks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from scipy import signal

from toolkit.datasets.peak_tables import PeakTable

Spectrum = tuple[np.ndarray, np.ndarray]  # m/z (t,) and counts (t,)


def total(spectra: Iterable[Spectrum], *, mz: tuple[float, float], step: float) -> Spectrum:
    """Add up spectra whose channels differ; counts are kept, each channel's being spread evenly over it.

    Args:
        spectra: m/z, ascending, and counts.
        mz: from and to [u].
        step: of the sum's channels in √u: these are of equal width in time of flight.

    Returns:
        m/z of the middle of each channel, and counts.
    """
    edges = np.square(np.arange(np.sqrt(mz[0]), np.sqrt(mz[1]) + step, step))
    counts = np.zeros(len(edges) - 1)
    for own, heights in spectra:
        counts += np.diff(_cumulated(own, heights, edges))
    return (edges[:-1] + edges[1:]) / 2, counts


def find_peaks(
    mz: np.ndarray, counts: np.ndarray, *, least: float = 100.0, significance: float = 5.0
) -> tuple[np.ndarray, np.ndarray]:
    """Peaks of a spectrum with their borders.

    A peak must rise by `significance` standard deviations of its own counts above the deepest points on both sides (the less
    deep one counts). On a flat background of many channels noise alone reaches eight. Borders lie where nine tenths of that
    rise are gone, and never beyond the deepest channel between a peak and its neighbour.

    Args:
        mz: `(t,)` ascending [u].
        counts: `(t,)`.
        least: counts at the top.
        significance: see above.

    Returns:
        `(p,)` m/z of the tops, and `(p, 2)` borders; neighbours may touch but do not overlap.

    Raises:
        ValueError: unequal lengths, m/z that does not ascend, negative counts, a threshold below 0.

    >>> tops, borders = find_peaks(np.arange(9.0), [0, 0, 150, 0, 0, 90, 0, 0, 0])
    >>> tops.tolist(), bool(borders[0, 0] < 2 < borders[0, 1])
    ([2.0], True)
    """
    mz, counts = check_spectrum(mz, counts)
    if least < 0 or significance < 0:
        raise ValueError(f"least and significance must be 0 or more, got {least} and {significance}")
    tops, found = signal.find_peaks(counts, height=least, prominence=significance * np.sqrt(counts))
    if not len(tops):
        return np.empty(0), np.empty((0, 2))
    kept = found["prominences"], found["left_bases"], found["right_bases"]
    _, _, left, right = signal.peak_widths(counts, tops, rel_height=0.9, prominence_data=kept)
    valleys = [tops[i] + int(counts[tops[i] : tops[i + 1] + 1].argmin()) for i in range(len(tops) - 1)]
    left, right = np.maximum(left, [0, *valleys]), np.minimum(right, [*valleys, len(mz) - 1])
    places = np.arange(len(mz))
    return mz[tops], np.stack([np.interp(left, places, mz), np.interp(right, places, mz)], axis=1)


def integrate(mz: np.ndarray, counts: np.ndarray, borders: np.ndarray) -> np.ndarray:
    """Counts between borders; a channel that a border cuts is shared out.

    Args:
        mz: `(t,)` ascending [u].
        counts: `(t,)`.
        borders: `(p, 2)` lower and upper m/z.

    Returns:
        `(p,)` areas.

    Raises:
        ValueError: see `find_peaks`; borders whose lower end is not below the upper one.

    >>> integrate([1.0, 2.0, 3.0], [10, 20, 30], [[1.5, 2.5], [2.0, 3.5]]).tolist()
    [20.0, 40.0]
    """
    mz, counts = check_spectrum(mz, counts)
    borders = np.asarray(borders, float).reshape(-1, 2)
    if not (borders[:, 0] < borders[:, 1]).all():
        raise ValueError("borders: the lower end must be below the upper one")
    cumulated = _cumulated(mz, counts, borders)
    return cumulated[:, 1] - cumulated[:, 0]


def alive(intensities: np.ndarray, *, least: float = 100.0) -> np.ndarray:
    """Which peaks are worth keeping: `least` counts in one spectrum at least, and not the same in all of them.

    A peak that never changes tells nothing, and scalings by its range or deviation would divide by zero.

    Args:
        intensities: `(n, m)`.
        least: counts.

    >>> alive([[200.0, 5.0, 300.0], [150.0, 6.0, 300.0]]).tolist()
    [True, False, False]
    """
    areas = np.asarray(intensities, float)
    return (areas.max(0) >= least) & (np.ptp(areas, axis=0) > 0)


def peak_table(
    spectra: Sequence,
    calibrated: Callable[[object], np.ndarray],
    *,
    mz: tuple[float, float] = (0.5, 120.0),
    least: float = 100.0,
    step: float = 0.003,
) -> PeakTable:
    """A peak table of raw spectra: two passes, one spectrum in memory at a time.

    The peaks are searched on the sum of all spectra; their borders, the same for all, cut the areas out of each.

    Args:
        spectra: with `counts` `(t,)`, `sample` and `spot`; may be read anew on every pass.
        calibrated: gives the m/z `(t,)` of a spectrum's channels [u].
        mz: from and to [u]; the document goes to 120.
        least: counts that a peak must have in one spectrum at least.
        step: of the summed spectrum in √u, about the width of a channel.

    Raises:
        ValueError: no peak was found, or see `find_peaks`.
    """
    summed = total(((calibrated(each), each.counts) for each in spectra), mz=mz, step=step)
    tops, borders = find_peaks(*summed, least=least)
    if not len(tops):
        raise ValueError(f"no peak with {least} counts between m/z {mz[0]} and {mz[1]}")
    areas = np.array([integrate(calibrated(each), each.counts, borders) for each in spectra])
    samples, spots = [each.sample for each in spectra], [each.spot for each in spectra]
    table = PeakTable(tops, np.full(len(tops), ""), areas, samples, spots, source="own peak search in raw spectra")
    return table.peaks(alive(areas, least=least))


def check_spectrum(mz: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The arrays as floats.

    Raises:
        ValueError: unequal lengths, m/z that does not ascend, counts that are negative or not finite.
    """
    mz, counts = np.asarray(mz, float), np.asarray(counts, float)
    if mz.ndim != 1 or mz.shape != counts.shape or len(mz) < 3:
        raise ValueError(f"mz and counts must be of equal length, 3 or more, got {mz.shape} and {counts.shape}")
    if not (np.diff(mz) > 0).all():
        raise ValueError(f"mz must ascend, got {mz[1:][np.diff(mz) <= 0][0]} after {mz[:-1][np.diff(mz) <= 0][0]}")
    if not (np.isfinite(counts).all() and (counts >= 0).all()):
        raise ValueError(f"counts must be finite and not negative, got {counts[~(np.isfinite(counts) & (counts >= 0))][0]}")
    return mz, counts


def _cumulated(mz: np.ndarray, counts: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Counts below each m/z."""
    middles = (mz[:-1] + mz[1:]) / 2
    edges = np.concatenate([[1.5 * mz[0] - 0.5 * mz[1]], middles, [1.5 * mz[-1] - 0.5 * mz[-2]]])
    return np.interp(places, edges, np.concatenate([[0.0], np.cumsum(counts)]))
