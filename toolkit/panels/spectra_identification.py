"""A classifier of spectra: judged on folds, asked what it looks at, and asked about unknown samples and a sputtered foil."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ipywidgets as widgets
import numpy as np
from sklearn.metrics import confusion_matrix
from sklearn.pipeline import Pipeline

from toolkit.datasets.lithium_spectra import UNKNOWN
from toolkit.datasets.peak_tables import PeakTable
from toolkit.figures import spectra as figures
from toolkit.panels.controls import choice, log_slider, whole_slider
from toolkit.panels.panel import Panel
from toolkit.panels.spectra import data_code, data_controls, references, simulated, simulation, unknown
from toolkit.spectra.characteristic import WAYS, characteristic_peaks
from toolkit.spectra.classification import MODELS, PENALTIES, classifier, folds, same_peaks
from toolkit.spectra.compositions import compositions
from toolkit.spectra.scaling import SCALINGS

FOIL = "sample_5"
DOSES = np.geomspace(1e13, 1e17, 17)  # ions/cm²
TOP = 15


@dataclass(frozen=True, eq=False)
class Judged:
    """A classifier fitted on the training spectra of one fold, or at last on all references.

    Attributes:
        fold: its number from 1; 0 for all references.
        classes: `(c,)` names.
        confusion: `(c, c)` on the test spectra of the fold, the true classes in rows; zeros for all references.
        samples: `(u,)` names of the unknown samples.
        probabilities: `(u, c)` means over their spots.
        profile: `(doses, c)` likewise of a simulated foil after each of `DOSES`; empty until the end, and for own spectra.
        peaks: `(c, 15)` labels of the characteristic peaks, the strongest first; empty until the end.
        weights: `(c, 15)` of these.
        verdicts: `(c, 15)` 1 where chemistry allows the ion for the class, 0 where not, -1 where nobody knows.
    """

    fold: int
    classes: np.ndarray
    confusion: np.ndarray
    samples: np.ndarray
    probabilities: np.ndarray
    profile: np.ndarray
    peaks: np.ndarray
    weights: np.ndarray
    verdicts: np.ndarray


class IdentificationPanel(Panel):
    """Run fits one model per fold and then one on all references.

    Args:
        table: an own peak table; simulated lithium compounds without it.
        unknown: samples that the model is asked about.
        values: control name to first value.

    >>> panel = IdentificationPanel(model="k_nn").run()
    >>> len(panel.records), panel.records[-1].probabilities.shape
    (6, (5, 5))
    """

    title = "Identification of spectra"
    record_type = Judged

    def __init__(self, table: PeakTable | None = None, unknown: Sequence[str] = UNKNOWN, **values: Any):
        self.table, self._asked = table, unknown
        super().__init__(**values)

    def make_sections(self) -> dict[str, dict[str, widgets.Widget]]:
        """Data, model, training (folds) and view."""
        data = data_controls(self.table, self._asked)
        names = references(self.table, {name: control.value for name, control in data.items()}).compounds
        dose = {"dose": log_slider("dose [ions/cm²]", 4e15, 13, 17)} if self.table is None else {}
        return {
            "data": data,
            "model": {
                "model": choice("model", MODELS),
                "scaling": choice("scaling", SCALINGS, value="min-max"),
                "truncate": choice("cut at references", ("no", "yes"), value="yes"),
                "penalty": choice("penalty of LR", PENALTIES, value="l2"),
                "c": log_slider("C of LR", 1.0, -2, 2),
            },
            "training": {
                "folds": whole_slider("folds", 5, 2, 12),
                "stratified": choice("folds keep shares", ("yes", "no")),
                "by": choice("peaks by", WAYS),
            },
            "view": {"compound": choice("peaks of", names), **dose},
        }

    def begin(self, settings: Mapping[str, Any]) -> Iterator[Judged]:
        """A record per fold, and one for all references."""
        table, others = references(self.table, settings), unknown(self.table, settings)
        if others is not None:
            same_peaks(table, others)
        plan = folds(
            table.samples, n=settings["folds"], stratified=settings["stratified"] == "yes", seed=settings.get("seed", 0)
        )
        return self._judge(
            table, others, plan, classifier(**_model(settings), truncate=settings["truncate"] == "yes"), settings
        )

    def draw(self, records: list[Judged]) -> str:
        """Confusion over the folds so far, characteristic peaks, probabilities of the unknown, the sputtered foil."""
        if not records:
            names = references(self.table, self.settings).compounds
            return figures.identification_frame(names, np.zeros((len(names),) * 2, int), words="not run yet")
        last, settings = records[-1], self.settings
        classes, confusion = last.classes.tolist(), np.sum([record.confusion for record in records], axis=0)
        chosen = classes.index(settings["compound"]) if settings["compound"] in classes else 0
        verdicts = [{1: True, 0: False}.get(value) for value in last.verdicts[chosen]] if len(last.verdicts) else []
        return figures.identification_frame(
            classes, confusion, words=_in_words(records), compound=classes[chosen],
            ions=last.peaks[chosen].tolist() if len(last.peaks) else [],
            weights=last.weights[chosen] if len(last.weights) else np.zeros(0), verdicts=verdicts,
            samples=last.samples.tolist(), probabilities=last.probabilities, doses=DOSES, profile=last.profile,
            dose=settings.get("dose", 0.0),
        )  # fmt: skip

    def status(self, record: Judged) -> str:
        """Which fold, and how many of its spectra were named rightly."""
        if not record.fold:
            return "fitted on all references"
        return f"fold {record.fold}: {int(np.trace(record.confusion))} of {int(record.confusion.sum())} right"

    def code(self) -> str:
        """The setting as a script."""
        settings = self.settings
        cut, kept = settings["truncate"] == "yes", settings["stratified"] == "yes"
        row = {name: value for name, value in _model(settings).items() if name not in ("scaling", "seed")}
        asked = ", unknown=unknown" if settings["unknown"] else ""
        return "\n".join([
            f"from toolkit.datasets import {'lithium_spectra' if self.table is None else 'peak_tables'}",
            "from toolkit.spectra.classification import classify", "",
            *data_code(self.table, settings),
            "found, = classify(",
            f"    references, [{row!r}]{asked}, scaling={settings['scaling']!r}, truncate={cut},",
            f"    n_folds={settings['folds']}, stratified={kept}, seed={settings.get('seed', 0)},",
            ")",
            "print(found.accuracy, found.confusion, found.probabilities)", "",
        ])  # fmt: skip

    def _judge(
        self, table: PeakTable, others: PeakTable | None, plan: list, estimator: Pipeline, settings: Mapping[str, Any]
    ) -> Iterator[Judged]:
        classes = np.unique(table.samples)
        for number, (train, test) in enumerate(plan, start=1):
            estimator.fit(table.intensities[train], table.samples[train])
            given = estimator.predict(table.intensities[test])
            confusion = confusion_matrix(table.samples[test], given, labels=classes)
            yield _judged(number, classes, confusion, estimator, others)
        estimator.fit(table.intensities, table.samples)
        profile = np.zeros((0, len(classes)))
        if self.table is None:
            foils = [simulated((FOIL,), fluence=float(dose), **simulation(settings)) for dose in DOSES]
            profile = np.concatenate([compositions(estimator, foil).shares for foil in foils])
        yield _judged(0, classes, np.zeros((len(classes),) * 2, int), estimator, others, profile, _peaks(table, settings))


def _model(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `classifier` among the settings."""
    own = {name: settings[name] for name in ("penalty", "c")} if settings["model"] == "logistic_regression" else {}
    if own.get("penalty") == "none":
        del own["c"]
    return {"model": settings["model"], "scaling": settings["scaling"], "seed": settings.get("seed", 0), **own}


def _judged(
    fold: int, classes: np.ndarray, confusion: np.ndarray, estimator: Pipeline, others: PeakTable | None,
    profile: np.ndarray | None = None, peaks: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None,
) -> Judged:  # fmt: skip
    none = np.zeros((0, TOP))
    if others is None:
        samples, probabilities = np.zeros(0, str), np.zeros((0, len(classes)))
    else:
        found = compositions(estimator, others)
        samples, probabilities = np.array(found.samples), _ordered(found.shares, estimator.classes_, classes)
    profile = np.zeros((0, len(classes))) if profile is None else profile
    labels, weights, verdicts = peaks or (none.astype(str), none, none.astype(int))
    return Judged(fold, classes, confusion, samples, probabilities, profile, labels, weights, verdicts)


def _ordered(shares: np.ndarray, own: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """The columns of all classes; plain folds may leave one out of the training spectra."""
    filled = np.zeros((len(shares), len(classes)))
    filled[:, np.searchsorted(classes, own)] = shares
    return filled


def _peaks(table: PeakTable, settings: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Labels, weights and verdicts of the characteristic peaks; None where the model has no coefficients."""
    if settings["by"] == "coefficients" and settings["model"] != "logistic_regression":
        return None
    arguments = _model(settings)
    found = characteristic_peaks(
        table, arguments.pop("model"), by=settings["by"], n_folds=settings["folds"], repeats=1,
        stratified=settings["stratified"] == "yes", **arguments,
    )  # fmt: skip
    rows = found.frame(min(TOP, len(table.mz)))
    shape = (len(found.classes), -1)
    labels = np.array([f"{mz:.2f} {ion}".strip() for mz, ion in zip(rows["mz"], rows["ion"], strict=True)])
    verdicts = np.array([-1 if verdict is None else int(verdict) for verdict in rows["plausible"]])
    return labels.reshape(shape), rows["weight"].to_numpy().reshape(shape), verdicts.reshape(shape)


def _in_words(records: Sequence[Judged]) -> str:
    shares = [np.trace(record.confusion) / record.confusion.sum() for record in records if record.fold]
    spread = f", {min(shares):.2f} to {max(shares):.2f}" if len(shares) > 1 else ""
    end = "; the probabilities are those of a model of all references" if not records[-1].fold else ""
    return f"Accuracy {np.mean(shares):.3f} over {len(shares)} folds{spread}{end}."
