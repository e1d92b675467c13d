"""A few subjects whose predictions, times and events can be moved, and what each metric of survival makes of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import ipywidgets as widgets
import numpy as np

from toolkit.figures import survival as figures
from toolkit.panels.controls import choice, slider, whole_slider
from toolkit.panels.panel import Panel
from toolkit.survival import metrics, subjects
from toolkit.survival.metrics import NotDefined
from toolkit.survival.metrics.concordance import TIES

LIMITS = ((-3.0, 105.0), (-4.0, 4.0))  # of time [months] and log hazard in the picture
NEAR = 26.0  # pixels within which a drag goes on with the subject it has begun with
POSITIONS = np.linspace(-4, 4, 33)
HORIZONS = np.arange(1.0, 101.0, 3.0)
STEP = 0.05
MOST = 16
DRAWN_BY = ("n", "event_share", "noise", "seed")
OF_SUBJECT = ("log_hazard", "time", "event")


class MetricPanel(Panel):
    """Choose or drag a subject; everything is computed at once. Run moves the chosen subject from the lowest log hazard up.

    Args:
        values: control name to first value; those of one subject replace what was drawn for it.

    >>> panel = MetricPanel(n=6, event_share=1.0)
    >>> panel.run().records[-1].moved
    4.0
    """

    title = "What the metrics see"
    record_type = subjects.Measured
    instant = True

    def __init__(self, **values: Any):
        self._drawn: tuple[Any, tuple[np.ndarray, ...]] = None, ()
        self._showing = False
        super().__init__(**values)
        for name in (*DRAWN_BY, "subject"):
            self.controls[name].observe(lambda _: self._guarded(self._show_subject), names="value")
        for name in OF_SUBJECT:
            self.controls[name].observe(lambda _: self._guarded(self._take_subject), names="value")
        self._show_subject(given=tuple(values))
        self._take_subject()

    def make_sections(self) -> dict[str, dict[str, widgets.Widget]]:
        """Data (the subjects), model (the prediction and the outcome of one of them), training (the metrics), view."""
        return {
            "data": {
                "n": whole_slider("subjects", 10, 3, MOST),
                "event_share": slider("share of events", 0.6, 0.0, 1.0, 0.1),
                "noise": slider("error of the model", 1.5, 0.0, 3.0, 0.1),
                "seed": whole_slider("seed", 0, 0, 99),
            },
            "model": {
                "subject": whole_slider("subject", 5, 1, MOST),
                "log_hazard": slider("its log hazard h", 0.0, *LIMITS[1], STEP),
                "time": whole_slider("its time", 10, 1, 100),
                "event": choice("it has", {"an event": 1.0, "been censored": 0.0}.items()),
            },
            "training": {
                "ties": choice("tied h count", TIES),
                "horizon": whole_slider("horizon", 30, 1, 100),
            },
            "view": {
                "pairs": choice("pairs", ("all", "chosen")),
                "speed": choice("steps per second", (5, 10, 30)),
            },
        }

    @property
    def outcome(self) -> tuple[np.ndarray, ...]:
        """Times, events and log hazards of the subjects as they are now."""
        settings = {name: self.settings[name] for name in DRAWN_BY}
        if self._drawn[0] != settings:
            time, event, h = subjects.draw(
                settings["n"], events=settings["event_share"], noise=settings["noise"], seed=settings["seed"]
            )
            self._drawn = settings, (time, event, np.clip(np.round(h / STEP) * STEP, *LIMITS[1]))
        return self._drawn[1]

    def begin(self, settings: Mapping[str, Any]) -> Iterator[subjects.Measured]:
        """The chosen subject at each position from the lowest log hazard to the highest."""
        return subjects.slide(
            *self.outcome, POSITIONS, subject=self._chosen(settings), horizon=settings["horizon"], ties=settings["ties"]
        )

    def rest(self) -> float:
        """The chosen speed."""
        return 1 / self.settings["speed"]

    def draw(self, records: list[subjects.Measured]) -> str:
        """The subjects as they are now, or during a run as the newest record has them."""
        if self._showing:  # several controls are being set in turn; the picture follows the last one
            return self.frame.value
        settings = self.ran_with if records else self.settings
        common = {"subject": self._chosen(settings), "horizon": settings["horizon"], "ties": settings["ties"]}
        now = records[-1] if records else subjects.measure(*self.outcome, **common)
        return figures.subjects_frame(
            now, records, chosen=common["subject"], horizon=settings["horizon"], roc=_roc(now),
            brier=(HORIZONS, subjects.brier_curve(now.time, now.event, now.log_hazard, HORIZONS)),
            pairs=self.settings["pairs"], note=_in_words(now, settings["horizon"]), limits=LIMITS,
        )  # fmt: skip

    def status(self, record: subjects.Measured) -> str:
        """Where the subject is, and its metrics."""
        return f"h = {record.moved:.2f} · C {record.c_index:.3f} · AUROC {record.auroc:.3f} · Brier {record.brier:.3f}"

    def code(self) -> str:
        """The subjects as they are now, moved as by Run."""
        settings = self.settings
        time, event, log_hazard = (values.tolist() for values in self.outcome)
        return "\n".join(
            [
                "import numpy as np", "", "from toolkit.survival import subjects", "",
                f"time = {time}", f"event = {event}", f"log_hazard = {[round(h, 2) for h in log_hazard]}",
                f"positions = np.linspace({POSITIONS[0]:g}, {POSITIONS[-1]:g}, {len(POSITIONS)})",
                "for record in subjects.slide(",
                f"    time, event, log_hazard, positions, subject={self._chosen(settings)}, horizon={settings['horizon']},",
                f"    ties={settings['ties']!r},",
                "):", "    print(record)", "",
            ]
        )  # fmt: skip

    def pointed(self, position: list[float]) -> None:
        """Move a subject to a point of the picture: the chosen one if it is near, else the nearest, which is then chosen."""
        scales = figures.subject_scales(LIMITS)
        time, event, h = self.outcome
        distance = np.hypot(scales[0](time) - position[0], scales[1](h) - position[1])
        chosen = self._chosen(self.settings)
        if distance[chosen] > NEAR:
            chosen = int(np.argmin(distance))
        months, log_hazard = (scale.inverse(pixel) for scale, pixel in zip(scales, position, strict=True))
        time[chosen] = min(max(round(months), 1), 100)
        h[chosen] = round(min(max(log_hazard, LIMITS[1][0]), LIMITS[1][1]) / STEP) * STEP
        self.controls["subject"].value = chosen + 1
        self._show_subject()

    def _chosen(self, settings: Mapping[str, Any]) -> int:
        """Number of the chosen subject; the slider may stand beyond the last one."""
        return min(settings["subject"], settings["n"]) - 1

    def _show_subject(self, given: tuple[str, ...] = ()) -> None:
        """Set the controls of one subject to the chosen one's."""
        chosen = self._chosen(self.settings)
        self._showing = True
        for name, values in zip(("time", "event", "log_hazard"), self.outcome, strict=True):
            if name not in given:
                self.controls[name].value = type(self.controls[name].value)(values[chosen])
        self._showing = False
        self._draw_outcome()

    def _take_subject(self) -> None:
        """Set the chosen subject to what its controls say."""
        if self._showing:
            return
        chosen, settings = self._chosen(self.settings), self.settings
        for name, values in zip(("time", "event", "log_hazard"), self.outcome, strict=True):
            values[chosen] = settings[name]
        self._draw_outcome()

    def _draw_outcome(self) -> None:
        """The picture once more, after the subjects have changed; a run under way draws itself."""
        if not self.running:
            self._draw()


def _roc(now: subjects.Measured) -> tuple[np.ndarray, np.ndarray]:
    try:
        return tuple(rates.numpy() for rates in metrics.roc_curve(now.event, now.log_hazard))
    except NotDefined:
        return np.empty(0), np.empty(0)


def _in_words(now: subjects.Measured, horizon: float) -> str:
    values = {
        f"C-index ({now.concordant} right, {now.discordant} wrong, {now.tied} tied)": now.c_index,
        "AUROC of the label": now.auroc,
        f"AUROC by {horizon} months": now.auc,
        f"Brier score at {horizon} months": now.brier,
    }
    return " · ".join(f"{name}: {'not defined' if np.isnan(value) else f'{value:.3f}'}" for name, value in values.items())
