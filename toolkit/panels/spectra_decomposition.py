"""A mixture taken apart into a few spectra, beside the references that they look like."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ipywidgets as widgets
import numpy as np

from toolkit.datasets.lithium_spectra import UNKNOWN
from toolkit.datasets.peak_tables import PeakTable
from toolkit.figures import frame
from toolkit.figures import spectra as figures
from toolkit.panels.controls import choice, slider, whole_slider
from toolkit.panels.panel import Panel
from toolkit.panels.spectra import data_code, data_controls, references, unknown
from toolkit.spectra.decomposition import METHODS, Match, decompose, match

MOST = 5


@dataclass(frozen=True, eq=False)
class Parts:
    """One decomposition and what it is compared with.

    Attributes:
        count: number of components.
        weights: `(n, k)` of the spectra.
        profiles: `(k, m)`.
        error: of the reconstruction, relative.
        iterations: that it took.
        references: `(r, m)` mean spectra of the pure samples.
        names: `(r,)` of them.
        mz: `(m,)` [u].
        ions: `(m,)`.
    """

    count: int
    weights: np.ndarray
    profiles: np.ndarray
    error: float
    iterations: int
    references: np.ndarray
    names: np.ndarray
    mz: np.ndarray
    ions: np.ndarray

    def match(self, least: float) -> Match:
        """The components beside the references."""
        return match(self.profiles, self.references, self.names.tolist(), least=least)


class DecompositionPanel(Panel):
    """Run decomposes one sample with 1, 2, ... components; then choose how many are shown, and which of them.

    Args:
        table: an own peak table; simulated lithium compounds without it.
        unknown: samples of it that can be taken apart; the others are the references.
        values: control name to first value.

    >>> DecompositionPanel(sample="sample_2", steps=20).run().records[1].count
    2
    """

    title = "Parts of a mixture"
    record_type = Parts

    def __init__(self, table: PeakTable | None = None, unknown: Sequence[str] = UNKNOWN, **values: Any):
        self.table, self._asked = table, unknown
        super().__init__(**values)

    def make_sections(self) -> dict[str, dict[str, widgets.Widget]]:
        """Data, model, training (how long) and view."""
        names = UNKNOWN if self.table is None else [name for name in self.table.compounds if name in self._asked]
        if not names:
            raise ValueError(f"unknown: name a sample to take apart, of {list(self.table.compounds)}, got {list(self._asked)}")
        simulation = {name: control for name, control in data_controls(self.table, ()).items() if name != "unknown"}
        return {
            "data": {"sample": choice("sample", [(figures.short(name), name) for name in names]), **simulation},
            "model": {"method": choice("method", METHODS)},
            "training": {"steps": whole_slider("iterations", 2000, 10, 5000)},
            "view": {
                "count": whole_slider("components", 2, 1, MOST),
                "part": whole_slider("part shown", 1, 1, MOST),
                "least": slider("least correlation", 0.5, 0.0, 1.0, 0.05),
            },
        }

    def begin(self, settings: Mapping[str, Any]) -> Iterator[Parts]:
        """A record per number of components."""
        mixture, pure = self._tables(settings)
        means = np.array([pure.of(name).intensities.mean(0) for name in pure.compounds])
        most = min(MOST, *mixture.intensities.shape)
        return (_parts(mixture, count, settings, means, pure.compounds) for count in range(1, most + 1))

    def draw(self, records: list[Parts]) -> str:
        """Error over the number of components, matches, one profile beside its reference, shares."""
        if not records:
            return self._first_picture()
        settings = self.settings
        shown = records[min(settings["count"], len(records)) - 1]
        part = min(settings["part"], shown.count) - 1
        found = shown.match(settings["least"])
        names = shown.names.tolist()
        best = found.best[part]
        plots = [
            figures.elbow([r.count for r in records], [r.error for r in records], chosen=shown.count, title="relative error"),
            figures.match_cells(
                found.correlations, names, least=settings["least"], chosen=part, title="correlation of parts and references"
            ),
            figures.profiles(
                shown.mz, shown.profiles[part], shown.references[names.index(best)], shown.ions.tolist(),
                names=(f"part {part + 1} of {shown.count}", best), title=f"part {part + 1} and {best}",
            ),
        ]  # fmt: skip
        words = _in_words(found.shares(shown.weights), self.ran_with.get("sample", ""))
        legend = frame.legend([*figures.colour_of(names).items()])
        return frame.compose(plots, above=[legend, frame.text(words)], description=words)

    def status(self, record: Parts) -> str:
        """Components, error and iterations of the newest decomposition."""
        return f"{record.count} components: error {record.error:.3f} after {record.iterations} iterations"

    def code(self) -> str:
        """The setting as a script."""
        settings = self.settings
        return "\n".join([
            f"from toolkit.datasets import {'lithium_spectra' if self.table is None else 'peak_tables'}",
            "from toolkit.spectra.decomposition import decompose, match", "",
            *data_code(self.table, self._asking(settings)),
            "means = [references.of(name).intensities.mean(0) for name in references.compounds]",
            f"mixture = unknown.of({settings['sample']!r}).intensities",
            f"for count in range(1, min({MOST}, *mixture.shape) + 1):",
            f"    parts = decompose(mixture, count, method={settings['method']!r}, iterations={settings['steps']})",
            f"    found = match(parts.profiles, means, references.compounds, least={settings['least']!r})",
            "    print(count, parts.error, found.best, found.shares(parts.weights))", "",
        ])  # fmt: skip

    def _asking(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """The settings as `references` and `unknown` take them; of an own table all unknown samples stay apart."""
        return {**settings, "unknown": (settings["sample"],) if self.table is None else tuple(self._asked)}

    def _tables(self, settings: Mapping[str, Any]) -> tuple[PeakTable, PeakTable]:
        asking = self._asking(settings)
        return unknown(self.table, asking).of(settings["sample"]), references(self.table, asking)

    def _first_picture(self) -> str:
        """The sample's mean spectrum."""
        mixture = unknown(self.table, self._asking(self.settings)).of(self.settings["sample"])
        name = figures.short(self.settings["sample"])
        mean = mixture.intensities.mean(0)
        picture = figures.profiles(
            mixture.mz, mean, np.zeros_like(mean), mixture.ions.tolist(), names=("mean of its spots", ""), title=name
        )
        return frame.compose([picture], above=[frame.text(f"{name}, not taken apart yet")], description=f"Spectrum of {name}.")


def _parts(mixture: PeakTable, count: int, settings: Mapping[str, Any], means: np.ndarray, names: Sequence[str]) -> Parts:
    found = decompose(mixture.intensities, count, method=settings["method"], iterations=settings["steps"])
    peaks = mixture.mz, mixture.ions
    return Parts(count, found.weights, found.profiles, found.error, found.iterations, means, np.array(names), *peaks)


def _in_words(shares: Mapping[str, float], sample: str) -> str:
    listed = ", ".join(f"{name} {100 * share:.0f} %" for name, share in shares.items() if share > 0)
    return f"{figures.short(sample)}: {listed} of the counts; a part below the threshold counts as unknown"
