"""Static figures of spectra on a matplotlib axis: score maps with ellipses, decision maps, stems (Zhao, Figs. 4.16 to 4.25)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps

from toolkit.figures.spectra import colour_of, short

PROBABILITY = colormaps["cividis"]


def score_map(
    axis: Any,
    scores: np.ndarray,
    samples: Sequence[str],
    *,
    classes: Sequence[str],
    ellipses: Mapping[str, np.ndarray],
    labels: tuple[str, str],
    legend: bool = True,
) -> None:
    """Scores on two components, squares for samples that are no class, with the ellipse of each class.

    Args:
        axis: where to draw.
        scores: `(n, 2)`.
        samples: `(n,)` name of each spectrum's sample.
        classes: the samples that the components were fitted on.
        ellipses: class to the points of its ellipse, `(k, 2)`.
        labels: of the abscissa and the ordinate.
        legend: name the samples.
    """
    names = np.asarray(samples)
    shown = list(dict.fromkeys(names.tolist()))
    colour = colour_of(classes, [name for name in shown if name not in classes])
    for name in shown:
        marker = "o" if name in classes else "s"
        axis.scatter(*scores[names == name].T, s=16, marker=marker, color=colour[name], edgecolor="white", linewidth=0.4,
                     label=short(name))  # fmt: skip
    for name, curve in ellipses.items():
        axis.plot(*curve.T, color=colour[name], linewidth=0.9)
    axis.set(xlabel=labels[0], ylabel=labels[1])
    if legend:
        axis.legend(fontsize=7, frameon=False, ncols=2)


def decision_map(
    axis: Any,
    across: np.ndarray,
    down: np.ndarray,
    probability: np.ndarray,
    *,
    title: str,
    labels: tuple[str, str],
) -> Any:
    """Probability of one class over the plane of two components (Fig. 4.20b, d).

    Args:
        axis: where to draw.
        across: `(k,)` scores to the right.
        down: `(l,)` scores upwards.
        probability: `(l, k)`.
        title: above the map.
        labels: of the abscissa and the ordinate.

    Returns:
        The image, for a colour bar.
    """
    extent = (across[0], across[-1], down[0], down[-1])
    image = axis.imshow(probability, origin="lower", extent=extent, aspect="auto", cmap=PROBABILITY, vmin=0.0, vmax=1.0)
    axis.set(title=title, xlabel=labels[0], ylabel=labels[1])
    return image


def stems(
    axis: Any, mz: np.ndarray, values: np.ndarray, *, title: str, colour: str, ions: Sequence[str], named: int = 5
) -> None:
    """A spectrum or a column of loadings as stems, the highest of them named.

    Args:
        axis: where to draw.
        mz: `(m,)` [u].
        values: `(m,)`.
        title: above the stems.
        colour: of the stems.
        ions: `(m,)`.
        named: how many.
    """
    axis.vlines(mz, 0, values, color=colour, linewidth=1.2)
    axis.axhline(0, color="0.6", linewidth=0.6)
    taken: list[float] = []
    for peak in np.argsort(-np.abs(values)):
        if len(taken) == named:
            break
        if all(abs(mz[peak] - other) > 6 for other in taken):
            taken.append(float(mz[peak]))
            up = "bottom" if values[peak] >= 0 else "top"
            axis.annotate(ions[peak], (mz[peak], values[peak]), ha="center", va=up, fontsize=7)
    axis.margins(y=0.15)
    axis.set_title(title, fontsize=9)
    axis.set_xlabel("m/z [u]")
