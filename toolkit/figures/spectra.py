"""Live frames of spectra: scores, loadings and peak areas; probabilities and confusion; components beside references."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from toolkit.figures import colours, frame

COMPOUND = {
    "Li2CO3": colours.BLUE,
    "Li2O": colours.GREEN,
    "Li3N": colours.PURPLE,
    "LiH": colours.VERMILION,
    "LiOH": colours.ORANGE,
}
BROWN, VIOLET, OLIVE = "#a0522d", "#6a5bff", "#6f9a00"
UNKNOWN = (VIOLET, colours.SKY, BROWN, colours.GREY, OLIVE)
RIGHT, WRONG = colours.SKY, BROWN  # no compound has them
SIZE = (320, 250)
LEFT, ABOVE, BELOW, MARGIN = 44, 24, 34, 8  # the axes inside `frame.plot`
NAMES, IONS = 74, 112  # pixels for the names of rows, and of peaks
LABELLED = 4  # stems whose ion is written beside them


def colour_of(references: Sequence[str], unknown: Sequence[str] = ()) -> dict[str, str]:
    """Colour of each class and of each unknown sample: the lithium compounds have their own in every picture.

    >>> colour_of(["LiH"])["LiH"] == COMPOUND["LiH"]
    True
    """
    taken = {COMPOUND.get(name) for name in references}
    free = [colour for colour in dict.fromkeys((*colours.CYCLE, *UNKNOWN)) if colour not in taken]
    others = [name for name in references if name not in COMPOUND]
    found = {name: COMPOUND[name] for name in references if name in COMPOUND}
    found |= {name: free[number % len(free)] for number, name in enumerate(others)}
    return found | {name: UNKNOWN[number % len(UNKNOWN)] for number, name in enumerate(unknown)}


def short(name: str) -> str:
    """How a sample's name is written in a picture: the numbered samples as in the document.

    >>> short("sample_4"), short("LiOH")
    ('No. 4', 'LiOH')
    """
    return name.replace("sample_", "No. ")


# Scores, loadings, peak areas ---------------------------------------------------------------------------------------------


def components_frame(
    scores: np.ndarray,
    samples: Sequence[str],
    *,
    colour: Mapping[str, str],
    unknown: Sequence[str],
    ellipses: Mapping[str, np.ndarray],
    axes: tuple[str, str],
    loadings: np.ndarray,
    component: str,
    mz: np.ndarray,
    ions: Sequence[str],
    areas: np.ndarray,
    area_label: str,
    chosen: int,
    arrows: bool,
    above: str,
) -> str:
    """The three steps of Graham and Castner side by side: scores, loadings of one component, areas of one peak.

    Args:
        scores: `(n, 2)` on the two components shown.
        samples: `(n,)` name of each spectrum's sample.
        colour: sample to colour.
        unknown: samples that the components were not fitted on; they are squares.
        ellipses: sample to the points of its ellipse, `(k, 2)`.
        axes: names of the two components.
        loadings: `(3, m)`: of the two components shown, then of the one whose stems are drawn.
        component: name of the last.
        mz: `(m,)`.
        ions: `(m,)`.
        areas: `(n,)` of the chosen peak.
        area_label: what they are.
        chosen: number of the peak.
        arrows: draw the strongest peaks into the scores, as a biplot.
        above: a line of text.

    Returns:
        A `<div>` element; `peak_at` tells which peak lies under a point of its first plot, the loadings.
    """
    shown = list(dict.fromkeys(samples))
    legend = frame.legend([(short(name), colour[name]) for name in shown])
    stems = _stems(mz, loadings[2], ions, chosen, title=f"2  loadings of {component}: click a peak", y_label="")
    dots = _scores(scores, samples, colour, unknown, ellipses, axes)
    if arrows:
        dots = _with_arrows(dots, scores, ellipses, loadings[:2], ions)
    rows = [(short(name), colour[name], areas[[sample == name for sample in samples]]) for name in shown]
    peaks = _areas(rows, title=f"3  areas of {mz[chosen]:.2f} {ions[chosen]}", x_label=area_label)
    # What can be clicked comes first in the text; where it is seen is another matter.
    plots = [_placed(stems, 2), _placed(dots, 1), _placed(peaks, 3)]
    description = f"Scores of {len(scores)} spectra of {len(shown)} samples, loadings of {component}, areas of one peak."
    return frame.compose(plots, above=[legend, frame.text(above)], description=description)


def peak_at(mz: np.ndarray, values: np.ndarray, point: Sequence[float]) -> int:
    """Number of the peak whose tip lies nearest to a point [pixels] of the stems; across counts thrice."""
    x, y = _stem_scales(mz, values)
    return int(np.argmin((3 * (x(mz) - point[0])) ** 2 + (y(values) - point[1]) ** 2))


def _scores(scores, samples, colour, unknown, ellipses, axes) -> str:
    x_limits, y_limits = _score_limits(scores, ellipses)
    lines = [frame.Line(curve[:, 0], curve[:, 1], short(name), colour[name], width=1.2) for name, curve in ellipses.items()]
    points = [
        (float(x), float(y), colour[name], short(name))
        for (x, y), name in zip(scores, samples, strict=True)
        if name not in unknown
    ]
    picture = frame.plot(
        lines, title="1  scores", x_label=axes[0], y_label=axes[1], size=SIZE, x_limits=x_limits, y_limits=y_limits,
        points=points,
    )  # fmt: skip
    across, down = _scales(x_limits, y_limits)
    squares = [
        _square(float(across(x)), float(down(y)), colour[name], short(name))
        for (x, y), name in zip(scores, samples, strict=True)
        if name in unknown
    ]
    return _with(picture, squares)


def _with_arrows(picture, scores, ellipses, loadings, ions) -> str:
    """Arrows for the peaks that point farthest to the right, left, up and down."""
    across, down = _scales(*_score_limits(scores, ellipses))
    reach = 0.8 * np.abs(scores).max() / (np.hypot(*loadings).max() or 1.0)
    parts = []
    for peak in sorted({int(extreme(row)) for row in loadings for extreme in (np.argmax, np.argmin)}):
        x, y = (float(scale(reach * part)) for scale, part in zip((across, down), loadings[:, peak], strict=True))
        line = f'<line x1="{float(across(0)):.1f}" y1="{float(down(0)):.1f}" x2="{x:.1f}" y2="{y:.1f}"'
        parts.append(f'{line} stroke="{frame.TEXT}"><title>{escape(ions[peak])}</title></line>')
    return _with(picture, parts)


def _score_limits(scores: np.ndarray, ellipses: Mapping[str, np.ndarray]) -> tuple[tuple[float, float], tuple[float, float]]:
    points = np.concatenate([scores, *ellipses.values()])
    low, high = points.min(0), points.max(0)
    room = 0.06 * np.where(high > low, high - low, 1.0)
    return tuple(zip((low - room).tolist(), (high + room).tolist(), strict=True))


def _stems(mz, values, ions, chosen: int, *, title: str, y_label: str) -> str:
    across, down = _stem_scales(mz, values)
    picture = frame.plot(
        [], title=title, x_label="m/z [u]", y_label=y_label, size=SIZE,
        x_limits=(across.low, across.high), y_limits=(down.low, down.high),
    )  # fmt: skip
    strongest = set(np.argsort(-np.abs(values))[:LABELLED].tolist()) | {chosen}
    return _with(picture, [*_stem_marks(across, down, mz, values, ions, strongest - {chosen}, colours.GREY),
                           *_stem_marks(across, down, mz, values, ions, {chosen}, colours.VERMILION)])  # fmt: skip


def _stem_scales(mz: np.ndarray, values: np.ndarray) -> tuple[frame.Scale, frame.Scale]:
    most = float(np.abs(values).max()) or 1.0
    low = -1.25 * most if values.min() < 0 else 0.0
    return _scales((0.0, float(mz.max()) + 3), (low, 1.25 * most))


def _stem_marks(across, down, mz, values, ions, named, colour) -> list[str]:
    """Stems, of the named peaks alone where the colour stresses them, and their tips with the ion as tooltip."""
    stressed = colour == colours.VERMILION
    numbers = sorted(named) if stressed else range(len(mz))
    x, y, ground = across(mz), down(values), float(down(0.0))
    path = "".join(f"M{x[n]:.1f} {ground:.1f}V{y[n]:.1f}" for n in numbers)
    parts = [f'<path d="{path}" stroke="{colour}" stroke-width="{2.4 if stressed else 1.2}"/>']
    for n in numbers:
        tip = f'<circle cx="{x[n]:.1f}" cy="{y[n]:.1f}" r="{4 if stressed else 2.4}" fill="{colour}">'
        parts.append(f"{tip}<title>{mz[n]:.3f} {escape(ions[n])}: {values[n]:.3g}</title></circle>")
    return parts + [_ion_label(float(x[n]), float(y[n]), ions[n], up=bool(values[n] >= 0)) for n in sorted(named) if stressed]


def _ion_label(x: float, y: float, ion: str, *, up: bool) -> str:
    return f'<text x="{max(x, 60):.1f}" y="{y - 7 if up else y + 15:.1f}" text-anchor="middle">{escape(ion)}</text>'


def _areas(rows: Sequence[tuple[str, str, np.ndarray]], *, title: str, x_label: str) -> str:
    values = np.concatenate([areas for _, _, areas in rows])
    low, high = min(float(values.min()), 0.0), float(values.max())
    scale, middles, parts = _rows([name for name, _, _ in rows], (low, high if high > low else low + 1.0), title, x_label)
    for (name, colour, areas), middle in zip(rows, middles, strict=True):
        parts += [_dot(float(scale(area)), middle, colour, f"{name}: {area:.4g}") for area in areas]
    return _svg(parts)


# Probabilities, confusion, ions -------------------------------------------------------------------------------------------


def identification_frame(
    classes: Sequence[str],
    confusion: np.ndarray,
    *,
    words: str,
    compound: str = "",
    ions: Sequence[str] = (),
    weights: np.ndarray | None = None,
    verdicts: Sequence[bool | None] = (),
    samples: Sequence[str] = (),
    probabilities: np.ndarray | None = None,
    doses: np.ndarray | None = None,
    profile: np.ndarray | None = None,
    dose: float = 0.0,
) -> str:
    """Confusion, characteristic ions of one class, probabilities of unknown samples, and of a foil over the sputter dose.

    Args:
        classes: `(c,)` names.
        confusion: `(c, c)` counts, the true classes in rows.
        words: a line above the pictures.
        compound: the class whose ions are shown.
        ions: `(k,)` labels.
        weights: `(k,)`.
        verdicts: `(k,)` see `ion_bars`.
        samples: `(u,)` names of the unknown samples.
        probabilities: `(u, c)`.
        doses: `(d,)` [ions/cm²].
        profile: `(d, c)`; without rows there is no foil.
        dose: the chosen one; the nearest of the doses is shown as a bar.
    """
    rows, bars = [short(name) for name in samples], np.zeros((0, len(classes))) if probabilities is None else probabilities
    plots = [confusion_cells(confusion, classes, title="confusion on test spectra")]
    plots.append(ion_bars([] if weights is None else weights, ions, verdicts, title=f"what speaks for {compound or 'a class'}"))
    if profile is not None and len(profile):
        nearest = int(np.abs(np.log(doses / dose)).argmin())
        rows, bars = [*rows, f"foil {doses[nearest]:.0e}".replace("e+", "e")], np.concatenate([bars, profile[[nearest]]])
    plots.append(probability_bars(bars, rows, classes, title="unknown samples"))
    if profile is not None and len(profile):
        plots.append(profile_curves(doses, profile, classes, dose=dose, title="simulated foil"))
    marks = [*colour_of(classes).items(), ("plausible ion", RIGHT), ("implausible ion", WRONG)]
    return frame.compose([_pairs(plots)], above=[frame.legend(marks), frame.text(words)], description=words)


def probability_bars(probabilities: np.ndarray, rows: Sequence[str], classes: Sequence[str], *, title: str) -> str:
    """Stacked bars of probabilities or shares.

    Args:
        probabilities: `(rows, classes)`.
        rows: names.
        classes: names.
        title: above the bars.
    """
    colour = colour_of(classes)
    scale, middles, parts = _rows(rows, (0.0, 1.0), title, "probability", room=False)
    height = _row_height(len(rows))
    for middle, shares in zip(middles, probabilities, strict=True):
        ends = scale(np.concatenate([[0.0], np.cumsum(shares)]))
        for name, share, start, stop in zip(classes, shares, ends[:-1], ends[1:], strict=True):
            parts.append(
                f'<rect x="{start:.1f}" y="{middle - height / 2:.1f}" width="{max(stop - start, 0):.1f}" '
                f'height="{height:.1f}" fill="{colour[name]}"><title>{escape(name)} {share:.2f}</title></rect>'
            )
    return _svg(parts)


def ion_bars(weights: Sequence[float], labels: Sequence[str], right: Sequence[bool | None], *, title: str) -> str:
    """The characteristic ions of one class, the strongest on top.

    Args:
        weights: `(k,)` coefficients or losses of accuracy.
        labels: `(k,)` m/z and ion.
        right: `(k,)` whether the ion is chemically plausible for the class; None where nobody knows.
        title: above the bars.
    """
    weights = np.asarray(weights, float)
    low, high = min(0.0, float(weights.min(initial=0.0))), max(0.0, float(weights.max(initial=0.0)))
    scale, middles, parts = _rows(labels, (low, high if high > low else low + 1.0), title, "weight", left=IONS)
    height, ground = _row_height(len(labels)), float(scale(0.0))
    for middle, weight, label, verdict in zip(middles, weights, labels, right, strict=True):
        start, stop = sorted((ground, float(scale(weight))))
        colour = colours.GREY if verdict is None else RIGHT if verdict else WRONG
        said = "chemistry unknown" if verdict is None else "plausible" if verdict else "not plausible"
        parts.append(
            f'<rect x="{start:.1f}" y="{middle - height / 2:.1f}" width="{stop - start:.1f}" height="{height:.1f}" '
            f'fill="{colour}"><title>{escape(label)}: {weight:.3g}, {said}</title></rect>'
        )
    return _svg(parts)


def confusion_cells(counts: np.ndarray, classes: Sequence[str], *, title: str) -> str:
    """True classes in rows, given ones in columns, `(classes, classes)`; wrong cells have the colour of what is wrong."""
    size = len(classes)
    side = (SIZE[0] - NAMES - MARGIN) / size, (SIZE[1] - ABOVE - 46) / size
    parts = [f'<text x="{NAMES}" y="14" font-weight="600">{escape(title)}</text>']
    for row, name in enumerate(classes):
        top = ABOVE + row * side[1]
        parts.append(_row_name(short(name), top + side[1] / 2))
        for column, given in enumerate(classes):
            count, left = int(counts[row, column]), NAMES + column * side[0]
            share = count / max(int(counts[row].sum()), 1)
            colour = RIGHT if row == column else WRONG
            parts.append(
                f'<rect x="{left:.1f}" y="{top:.1f}" width="{side[0]:.1f}" height="{side[1]:.1f}" stroke="{frame.FAINT}" '
                f'fill="{colour}" fill-opacity="{0.55 * share:.2f}"><title>{escape(name)} taken for {escape(given)}: '
                f"{count}</title></rect>"
            )
            if count:
                parts.append(
                    f'<text x="{left + side[0] / 2:.1f}" y="{top + side[1] / 2 + 4:.1f}" text-anchor="middle">{count}</text>'
                )
        if size <= 6:
            middle = NAMES + (row + 0.5) * side[0]
            parts.append(f'<text x="{middle:.1f}" y="{SIZE[1] - 30}" text-anchor="middle">{escape(short(name))}</text>')
    parts.append(f'<text x="{(NAMES + SIZE[0]) / 2}" y="{SIZE[1] - 12}" text-anchor="middle">taken for</text>')
    return _svg(parts)


def profile_curves(doses: np.ndarray, probabilities: np.ndarray, classes: Sequence[str], *, dose: float, title: str) -> str:
    """Probability of every class over the sputter dose.

    Args:
        doses: `(k,)` [ions/cm²].
        probabilities: `(k, classes)`.
        classes: names.
        dose: the chosen one, marked.
        title: above the curves.
    """
    colour = colour_of(classes)
    lines = [frame.Line(doses, values, name, colour[name]) for name, values in zip(classes, probabilities.T, strict=True)]
    return frame.plot(
        lines, title=title, x_label="sputter dose [ions/cm²]", size=SIZE, log_x=True, y_limits=(0.0, 1.0),
        marks=[(dose, frame.TEXT, f"{dose:.2g} ions/cm²")],
    )  # fmt: skip


# Components beside references ---------------------------------------------------------------------------------------------


def profiles(
    mz: np.ndarray, found: np.ndarray, reference: np.ndarray, ions: Sequence[str], *, names: tuple[str, str], title: str
) -> str:
    """A decomposed spectrum upwards and its best reference downwards, both scaled to their highest peak.

    Args:
        mz: `(m,)`.
        found: `(m,)`.
        reference: `(m,)`.
        ions: `(m,)`.
        names: of the two.
        title: above the stems.
    """
    across, down = _scales((0.0, float(mz.max()) + 3), (-1.3, 1.3))
    picture = frame.plot(
        [], title=title, x_label="m/z [u]", size=SIZE, x_limits=(across.low, across.high), y_limits=(down.low, down.high)
    )
    parts = []
    for values, colour, name, at in ((found, frame.TEXT, names[0], 1.15), (-reference, colours.SKY, names[1], -1.25)):
        heights = values / (np.abs(values).max() or 1.0)
        x, y, ground = across(mz), down(heights), float(down(0.0))
        path = "".join(f"M{a:.1f} {ground:.1f}V{b:.1f}" for a, b in zip(x, y, strict=True))
        parts.append(f'<path d="{path}" stroke="{colour}" stroke-width="1.6"/>')
        for peak in np.argsort(-np.abs(heights))[:12]:
            tip = f'<circle cx="{x[peak]:.1f}" cy="{y[peak]:.1f}" r="2.2" fill="{colour}">'
            parts.append(f"{tip}<title>{mz[peak]:.3f} {escape(ions[peak])}: {abs(heights[peak]):.2f}</title></circle>")
        parts.append(f'<text x="{SIZE[0] - MARGIN}" y="{float(down(at)):.1f}" text-anchor="end">{escape(name)}</text>')
    return _with(picture, parts)


def match_cells(correlations: np.ndarray, references: Sequence[str], *, least: float, chosen: int, title: str) -> str:
    """Correlation of every component with every reference; those below the threshold are faint.

    Args:
        correlations: `(components, references)`.
        references: names.
        least: the threshold.
        chosen: number of the component that is stressed.
        title: above the cells.
    """
    count, width = len(correlations), (SIZE[0] - NAMES - MARGIN) / len(references)
    height = min(34.0, (SIZE[1] - ABOVE - 40) / count)
    parts = [f'<text x="{NAMES}" y="14" font-weight="600">{escape(title)}</text>']
    for row, values in enumerate(correlations):
        top = ABOVE + row * height
        parts.append(_row_name(f"part {row + 1}", top + height / 2, bold=row == chosen))
        for column, value in enumerate(values):
            left, good = NAMES + column * width, value >= least
            best = column == int(np.argmax(values))
            border = f'stroke="{frame.TEXT}" stroke-width="1.6"' if best else f'stroke="{frame.FAINT}"'
            fill, opacity = (RIGHT, 0.6) if good else (colours.GREY, 0.15)
            parts.append(
                f'<rect x="{left + 1:.1f}" y="{top + 1:.1f}" width="{width - 2:.1f}" height="{height - 2:.1f}" {border} '
                f'fill="{fill}" fill-opacity="{max(float(value), 0.0) * opacity:.2f}">'
                f"<title>part {row + 1} and {escape(references[column])}: {value:.3f}</title></rect>"
            )
            parts.append(
                f'<text x="{left + width / 2:.1f}" y="{top + height / 2 + 4:.1f}" text-anchor="middle">{value:.2f}</text>'
            )
    for column, name in enumerate(references):
        at = NAMES + (column + 0.5) * width
        parts.append(f'<text x="{at:.1f}" y="{ABOVE + count * height + 14:.1f}" text-anchor="middle">{escape(name)}</text>')
    return _svg(parts)


def elbow(counts: Sequence[int], errors: Sequence[float], *, chosen: int, title: str) -> str:
    """Error of the reconstruction over the number of components, the chosen one marked, in none of the compounds' colours."""
    points = [(n, error, colours.GREY, f"{n}: {error:.3g}") for n, error in zip(counts, errors, strict=True)]
    return frame.plot(
        [frame.Line(counts, errors, "error", colours.GREY)], title=title, x_label="number of components", size=SIZE,
        points=points, x_limits=(min(counts) - 0.3, max(counts) + 0.3), y_limits=(0.0, 1.1 * max(errors) or 1.0),
        marks=[(chosen, frame.TEXT, f"{chosen} components")],
    )  # fmt: skip


# Drawing ------------------------------------------------------------------------------------------------------------------


def _scales(x_limits: tuple[float, float], y_limits: tuple[float, float]) -> tuple[frame.Scale, frame.Scale]:
    """The scales of `frame.plot` for a plot of `SIZE`."""
    return frame.Scale(*x_limits, LEFT, SIZE[0] - MARGIN), frame.Scale(*y_limits, SIZE[1] - BELOW, ABOVE)


def _rows(
    names: Sequence[str], limits: tuple[float, float], title: str, x_label: str, *, room: bool = True, left: int = NAMES
) -> tuple[frame.Scale, list[float], list[str]]:
    """Axes whose ordinate is a list of names: the scale, the middles of the rows, and what is drawn so far."""
    margin = 0.04 * (limits[1] - limits[0]) if room else 0.0
    scale = frame.Scale(limits[0] - (margin if limits[0] else 0.0), limits[1] + margin, left, SIZE[0] - MARGIN - 6)
    bottom = SIZE[1] - BELOW
    middles = [ABOVE + (row + 0.5) * (bottom - ABOVE) / max(len(names), 1) for row in range(len(names))]
    parts = [f'<text x="{left}" y="14" font-weight="600">{escape(title)}</text>']
    parts.append(frame.abscissa(scale, ABOVE, bottom))
    parts.append(f'<text x="{(left + SIZE[0]) / 2}" y="{bottom + 28}" text-anchor="middle">{escape(x_label)}</text>')
    parts.append(f'<path d="M{left} {ABOVE}V{bottom}H{SIZE[0] - MARGIN}" fill="none" stroke="{frame.TEXT}"/>')
    return scale, middles, parts + [_row_name(name, middle, left=left) for name, middle in zip(names, middles, strict=True)]


def _row_name(name: str, middle: float, *, bold: bool = False, left: int = NAMES) -> str:
    weight = ' font-weight="600"' if bold else ""
    return f'<text x="{left - 5}" y="{middle + 4:.1f}" text-anchor="end"{weight}>{escape(name)}</text>'


def _row_height(rows: int) -> float:
    return 0.7 * (SIZE[1] - ABOVE - BELOW) / max(rows, 1)


def _dot(x: float, y: float, colour: str, text: str) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.4" fill="{colour}" stroke="white"><title>{escape(text)}</title></circle>'


def _square(x: float, y: float, colour: str, text: str) -> str:
    place = f'x="{x - 3.5:.1f}" y="{y - 3.5:.1f}" width="7" height="7"'
    return f'<rect {place} fill="{colour}" stroke="{frame.TEXT}"><title>{escape(text)}</title></rect>'


def _with(picture: str, parts: Sequence[str]) -> str:
    return f"{picture.removesuffix('</svg>')}{''.join(parts)}</svg>"


def _pairs(plots: Sequence[str]) -> str:
    """Two in a row where there is room, for pictures with many names."""
    return f'<div style="display:grid;grid-template-columns:repeat(auto-fit,minmax(330px,1fr))">{"".join(plots)}</div>'


def _placed(picture: str, order: int) -> str:
    return picture.replace("<svg ", f'<svg style="order:{order}" ', 1)


def _svg(parts: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIZE[0]} {SIZE[1]}" fill="{frame.TEXT}">{"".join(parts)}</svg>'
    )
