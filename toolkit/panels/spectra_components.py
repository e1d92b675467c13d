"""Principal components of spectra in three linked pictures: scores, loadings, peak areas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ipywidgets as widgets
import numpy as np

from toolkit.datasets.peak_tables import PeakTable
from toolkit.figures import spectra as figures
from toolkit.panels.controls import choice, whole_slider
from toolkit.panels.panel import Panel
from toolkit.panels.spectra import data_code, data_controls, references, unknown
from toolkit.spectra.components import Components, components, ellipse, reading
from toolkit.spectra.scaling import SCALINGS

MOST = 8


@dataclass(frozen=True, eq=False)
class Analysis:
    """Components of the references, and everything projected on them.

    Attributes:
        classes: `(c,)` names of the references.
        samples: `(n,)` name of each spectrum's sample, the references' spectra first.
        scores: `(n, k)`.
        loadings: `(k, m)`.
        explained: `(k,)` share of the variance.
        areas: `(n, m)` as measured.
        scaled: `(n, m)` as the components see them.
        mz: `(m,)` [u].
        ions: `(m,)`.
    """

    classes: np.ndarray
    samples: np.ndarray
    scores: np.ndarray
    loadings: np.ndarray
    explained: np.ndarray
    areas: np.ndarray
    scaled: np.ndarray
    mz: np.ndarray
    ions: np.ndarray


class ComponentsPanel(Panel):
    """Choose a scaling, a component and a peak; the picture follows at once. A peak is also chosen by a click on its loading.

    Args:
        table: an own peak table; simulated lithium compounds without it.
        unknown: samples that are projected but not fitted.
        values: control name to first value.

    >>> panel = ComponentsPanel(scaling="min-max")
    >>> panel.run().records[0].scores.shape
    (84, 4)
    """

    title = "Components of spectra"
    record_type = Analysis
    instant = True

    def __init__(self, table: PeakTable | None = None, unknown: Sequence[str] = ("sample_1", "sample_2"), **values: Any):
        self.table, self._asked = table, unknown
        super().__init__(**values)
        if "peak" not in values:
            analysis = next(self.begin(self.settings))
            strongest = np.abs(analysis.loadings[self._component("component", analysis)]).argmax()
            self.controls["peak"].value = int(strongest)
        self.controls["compound"].observe(lambda _: self._guarded(self._read), names="value")

    def make_sections(self) -> dict[str, dict[str, widgets.Widget]]:
        """Data, model (scaling and number of components) and view; nothing is trained."""
        data = data_controls(self.table, self._asked)
        shown = self.table or references(None, {name: control.value for name, control in data.items()})
        peaks = [(label, number) for number, label in enumerate(shown.labels())]
        return {
            "data": data,
            "model": {
                "scaling": choice("scaling", SCALINGS, value="min-max"),
                "count": whole_slider("components", 4, 2, MOST),
                "truncate": choice("cut at references", ("no", "yes")),
            },
            "view": {
                "across": whole_slider("scores across: PC", 1, 1, MOST),
                "up": whole_slider("scores up: PC", 2, 1, MOST),
                "component": whole_slider("loadings of PC", 2, 1, MOST),
                "peak": choice("peak", peaks),
                "compound": choice("read for", ("choose", *shown.compounds)),
                "areas": choice("areas", ("as measured", "as scaled")),
                "biplot": choice("arrows in scores", ("no", "yes")),
            },
        }

    def begin(self, settings: Mapping[str, Any]) -> Iterator[Analysis]:
        """One analysis."""
        fitted = self._fitted(settings)
        others = unknown(self.table, settings)
        tables = [fitted.table] if others is None else [fitted.table, others]
        areas = np.concatenate([table.intensities for table in tables])
        names = np.concatenate([table.samples for table in tables])
        scaled = fitted.scaler.transform(areas)
        classes, scores = np.array(fitted.table.compounds), fitted.project(areas)
        peaks = fitted.table.mz, fitted.table.ions
        return iter([Analysis(classes, names, scores, fitted.loadings, fitted.explained, areas, scaled, *peaks)])

    def draw(self, records: list[Analysis]) -> str:
        """The analysis of the last run, or of the settings as they are."""
        try:
            analysis = records[-1] if records else next(self.begin(self.settings))
        except ValueError as error:
            self._show_error(error)
            return self.frame.value
        return self._picture(analysis)

    def status(self, record: Analysis) -> str:
        """How much of the variance is in the components."""
        return f"{len(record.loadings)} components hold {100 * record.explained.sum():.0f} % of the variance"

    def code(self) -> str:
        """The setting as a script."""
        settings = self.settings
        cut = ", truncate=True" if settings["truncate"] == "yes" else ""
        lines = [
            f"from toolkit.datasets import {'lithium_spectra' if self.table is None else 'peak_tables'}",
            "from toolkit.spectra.components import components", "", *data_code(self.table, settings),
            f"fitted = components(references, {settings['count']}, scaling={settings['scaling']!r}{cut})",
            "print(fitted.explained, fitted.scores, fitted.loadings)",
            *(["print(fitted.project(unknown.intensities))"] if settings["unknown"] else []), "",
        ]  # fmt: skip
        return "\n".join(lines)

    def pointed(self, position: list[float]) -> None:
        """Choose the peak whose loading was clicked."""
        analysis = self.records[-1] if self.records else next(self.begin(self.settings))
        component = self._component("component", analysis)
        self.controls["peak"].value = figures.peak_at(analysis.mz, analysis.loadings[component], position)

    def _fitted(self, settings: Mapping[str, Any]) -> Components:
        cut = settings["truncate"] == "yes"
        table = references(self.table, settings)
        return components(table, settings["count"], scaling=settings["scaling"], truncate=cut)

    def _read(self) -> None:
        """Set component and peak to what sets the chosen compound apart."""
        name = self.controls["compound"].value
        fitted = self._fitted(self.settings)
        if name in fitted.table.compounds:
            found = reading(fitted, name, n=1)
            self.controls["component"].value = found.component + 1
            self.controls["peak"].value = found.peaks[0]

    def _component(self, name: str, analysis: Analysis) -> int:
        return min(self.settings[name], len(analysis.loadings)) - 1

    def _picture(self, analysis: Analysis) -> str:
        classes, names = analysis.classes.tolist(), analysis.samples.tolist()
        others = [name for name in dict.fromkeys(names) if name not in classes]
        axes = [self._component(name, analysis) for name in ("across", "up", "component")]
        scores, peak = analysis.scores[:, axes[:2]], self.settings["peak"]
        measured = self.settings["areas"] == "as measured"
        return figures.components_frame(
            scores, names, colour=figures.colour_of(classes, others), unknown=others,
            ellipses=_outlines(scores, analysis), axes=tuple(_axis(axis, analysis) for axis in axes[:2]),
            loadings=analysis.loadings[axes], component=f"PC{axes[2] + 1}", mz=analysis.mz, ions=analysis.ions.tolist(),
            areas=(analysis.areas if measured else analysis.scaled)[:, peak],
            area_label="area as measured" if measured else "area as scaled", chosen=peak,
            arrows=self.settings["biplot"] == "yes", above=_in_words(analysis, axes[2], peak),
        )  # fmt: skip


def _outlines(scores: np.ndarray, analysis: Analysis) -> dict[str, np.ndarray]:
    """The 95 % ellipse of every reference that has one; not of two spectra, nor of one component against itself."""
    found = {}
    for name in analysis.classes.tolist():
        try:
            found[name] = ellipse(scores[analysis.samples == name]).outline()
        except ValueError:
            continue
    return found


def _axis(axis: int, analysis: Analysis) -> str:
    return f"PC{axis + 1} ({100 * analysis.explained[axis]:.0f} %)"


def _in_words(analysis: Analysis, component: int, peak: int) -> str:
    means = {name: analysis.scaled[analysis.samples == name, peak].mean() for name in analysis.classes.tolist()}
    strongest = np.argsort(-np.abs(analysis.loadings[component]), kind="stable")[:5]
    ions = ", ".join(f"{analysis.mz[number]:.2f} {analysis.ions[number]}".strip() for number in strongest)
    largest = figures.short(max(means, key=means.get))
    return f"Strongest on {_axis(component, analysis)}: {ions}. The chosen peak is largest in {largest}."
