"""Survival analysis: a model on two clinics while it is trained, metrics of a few subjects, and what a penalty gains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from toolkit.figures import colours, frame

SIZE = (320, 240)
PART = {"A": colours.BLUE, "B": colours.VERMILION, "naive": colours.GREY, "standardised": colours.GREEN}
GROUPS = (colours.GREEN, colours.BLUE, colours.ORANGE, colours.VERMILION)  # from the lowest risk to the highest
EVENT, CENSORED = colours.VERMILION, colours.SKY
METRIC = {"c_index": colours.BLUE, "auroc": colours.ORANGE, "auc": colours.GREEN, "brier": colours.PURPLE}
METRIC_NAMES = {"c_index": "C-index", "auroc": "AUROC of the label", "auc": "AUROC by the horizon", "brier": "Brier score"}
SUBJECT_AXES = (44, 312, 24, 206)  # left, right, top and bottom of the first plot of `subjects_frame` [pixels]


@dataclass(frozen=True)
class Curve:
    """A survival curve: probability `survival` of no event up to each `time`, with its bounds."""

    label: str
    time: np.ndarray
    survival: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def of(cls, label: str, estimate: Any) -> Curve:
        """The curve of an estimate such as `survival.metrics.KaplanMeier`."""
        return cls(label, *(np.asarray(getattr(estimate, name)) for name in ("time", "survival", "low", "high")))

    def steps(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Corners of the staircase of "survival", "low" or "high", from (0, 1) on."""
        values = np.concatenate([[1.0], getattr(self, name)])
        return np.repeat(np.concatenate([[0.0], self.time]), 2)[1:], np.repeat(values, 2)[:-1]


def group_colours(count: int) -> list[str]:
    """Colours of so many risk groups, from the lowest risk to the highest."""
    return [*GROUPS[: count - 1], GROUPS[-1]][:count]


def cox_frame(
    records: Sequence[Any],
    *,
    part: str,
    groups: Sequence[Curve],
    edges: np.ndarray,
    shares: np.ndarray,
    merge: str,
    note: str,
) -> str:
    """Loss, concordance, survival of risk groups and histograms of both clinics, as a live frame.

    Args:
        records: with `epoch` and `metrics` as those of `survival.merged.ClinicRecord`.
        part: whose interval is drawn, one of `PART`.
        groups: Kaplan-Meier curves from the lowest risk to the highest.
        edges: of the histograms' bins `(bins + 1,)`.
        shares: of each clinic's predictions `(2, bins)`.
        merge: "naive" or "standardised", for the words.
        note: a line of text under the legend.

    Returns:
        A `<div>` element.
    """
    plots = (_losses(records), _concordance(records, part), _survival(groups, merge), _histograms(edges, shares, merge))
    labels = {"A": "clinic A", "B": "clinic B", "naive": "merged naively", "standardised": "merged, standardised"}
    legend = frame.legend([(label, PART[name]) for name, label in labels.items()])
    description = "Loss and concordance by epoch, survival of risk groups, and histograms of the predictions of two clinics."
    return frame.compose(plots, above=[legend, frame.text(note)], description=description)


def subjects_frame(
    subjects: Any, moved: Sequence[Any], *, chosen: int, horizon: float, roc: tuple[np.ndarray, np.ndarray],
    brier: tuple[np.ndarray, np.ndarray], pairs: str, note: str, limits: tuple[tuple[float, float], tuple[float, float]],
) -> str:  # fmt: skip
    """A few subjects with their pairs, the ROC curve, the Brier score over the horizon and the metrics as one of them moves.

    Args:
        subjects: as `survival.subjects.Measured`.
        moved: the same for other positions of the chosen subject; none before a run.
        chosen: number of that subject.
        horizon: the stated time.
        roc: false and true positive rates of the plain label, empty where there is no curve.
        brier: times and scores.
        pairs: "all" or "chosen", those that are drawn.
        note: a line of text.
        limits: of the time and of the log hazard.

    Returns:
        A `<div>` element; its first plot can be dragged in, see `subject_scales`.
    """
    plots = (
        _subjects(subjects, chosen, horizon, pairs, limits), _roc(subjects, roc), _brier(brier, horizon),
        _moved(subjects, moved, limits[1]),
    )  # fmt: skip
    legend = frame.legend([("event", EVENT), ("censored", CENSORED), *((METRIC_NAMES[name], METRIC[name]) for name in METRIC)])
    description = f"{len(subjects.time)} subjects by time and log hazard with their comparable pairs, and four metrics."
    return frame.compose(plots, above=[legend, frame.text(note)], description=description)


def subject_scales(limits: tuple[tuple[float, float], tuple[float, float]]) -> tuple[frame.Scale, frame.Scale]:
    """The scales of time and log hazard in the first plot of `subjects_frame`."""
    left, right, top, bottom = SUBJECT_AXES
    return (
        frame.fitted_scale((), left, right, limits=limits[0]),
        frame.fitted_scale((), bottom, top, limits=limits[1]),
    )


# Static twins -------------------------------------------------------------------------------------------------------------


def draw_histograms(axis: Any, edges: np.ndarray, shares: np.ndarray, *, title: str) -> None:
    """Histograms of both clinics' predictions on a matplotlib axis."""
    for name, heights in zip(("A", "B"), shares, strict=True):
        axis.stairs(heights, edges, color=PART[name], fill=True, alpha=0.35)
        axis.stairs(heights, edges, color=PART[name], label=f"clinic {name}")
    axis.set(title=title, xlabel="predicted log hazard h", ylabel="share of the patients")


def draw_survival(axis: Any, groups: Sequence[Curve], *, title: str) -> None:
    """Kaplan-Meier curves of risk groups with their bounds on a matplotlib axis."""
    for curve, colour in zip(groups, group_colours(len(groups)), strict=True):
        axis.plot(*curve.steps("survival"), color=colour, label=curve.label)
        x, low = curve.steps("low")
        axis.fill_between(x, low, curve.steps("high")[1], color=colour, alpha=0.15, linewidth=0)
    axis.set(title=title, xlabel="time [months]", ylabel="share without event", ylim=(0, 1.02))


def draw_table(
    axis: Any, parts: Sequence[str], ours: Mapping[str, Sequence[float]], printed: Sequence[float], *, title: str
) -> None:
    """Values of single runs as dots and the published ones as bars, side by side for each part of a table.

    Args:
        axis: of matplotlib.
        parts: names along the abscissa.
        ours: for each part the values of the runs.
        printed: for each part the published value.
        title: above.
    """
    for place, (part, value) in enumerate(zip(parts, printed, strict=True)):
        runs = np.asarray(ours[part], float)
        axis.scatter(
            place + np.linspace(-0.12, 0.12, len(runs)),
            runs,
            s=18,
            color=colours.OURS,
            label="ours, one dot a seed" * (place == 0),
        )
        axis.hlines(np.nanmean(runs), place - 0.3, place + 0.3, color=colours.OURS, label="ours, mean" * (place == 0))
        axis.hlines(value, place - 0.3, place + 0.3, color=colours.PUBLISHED, linestyle="--", label="published" * (place == 0))
    axis.axhline(0.5, color=colours.GREY, linewidth=0.8)
    axis.set_xticks(range(len(parts)), parts)
    axis.set(title=title, ylabel="concordance index")


def draw_calibration(axis: Any, slides: Sequence[int], values: np.ndarray, *, naive: float, standardised: float) -> None:
    """Merged concordance against the number of calibration slides: mean and middle 90 % of the draws.

    Args:
        axis: of matplotlib.
        slides: numbers of slides `(s,)`.
        values: concordance `(s, draws)`.
        naive: without calibration.
        standardised: with all slides.
    """
    low, high = np.quantile(values, [0.05, 0.95], axis=1)
    axis.fill_between(slides, low, high, color=PART["B"], alpha=0.2, linewidth=0)
    axis.plot(slides, values.mean(1), color=PART["B"], marker="o", markersize=3, label="calibrated, mean and 90 % of the draws")
    axis.axhline(naive, color=PART["naive"], label="naive")
    axis.axhline(standardised, color=PART["standardised"], label="standardised with all slides")
    axis.set_xscale("log")
    axis.set_xticks(slides, [str(count) for count in slides])
    axis.minorticks_off()
    axis.set(xlabel="slides of clinic B without outcomes", ylabel="merged concordance index")


# Parts of the live frames --------------------------------------------------------------------------------------------------


def _losses(records: Sequence[Any]) -> str:
    trained = [record for record in records if record.step]  # before the first step the loss is of other risk sets
    lines = [
        _line(trained, "train_loss", "training, mean of the batches", frame.TEXT, dash="1 3"),
        _line(records, "validation_loss", "validation, one risk set", frame.TEXT),
    ]
    return frame.plot(lines, title="loss", x_label="epoch", y_label="dotted: in batches", size=SIZE, log_y=True)


def _concordance(records: Sequence[Any], part: str) -> str:
    lines = [_line(records, f"c_index_{name}", name, colour) for name, colour in PART.items()]
    lines += [
        _line(records, f"{bound}_{part}", f"{part}: 95 % interval", PART[part], dash="4 3", width=1.0)
        for bound in ("low", "high")
    ]
    return frame.plot(
        lines, title="C-index", x_label="epoch", y_label=f"dashed: 95 % of {part}", size=SIZE, y_limits=(0.2, 1.0)
    )  # fmt: skip


def _survival(groups: Sequence[Curve], merge: str) -> str:
    lines = []
    for curve, colour in zip(groups, group_colours(len(groups)), strict=True):
        lines += [
            frame.Line(*curve.steps(bound), f"{curve.label}: 95 % bound", colour, dash="2 3", width=0.8)
            for bound in ("low", "high")
        ]
        lines.append(frame.Line(*curve.steps("survival"), curve.label, colour))
    return frame.plot(
        lines, title="survival by risk group", x_label="time [months]", y_label=merge, size=SIZE,
        y_limits=(_floor(groups), 1.02), x_limits=None if groups else (0.0, 105.0),
    )  # fmt: skip


def _floor(groups: Sequence[Curve]) -> float:
    """A tenth below all curves and bounds."""
    lowest = min((np.nanmin(curve.low, initial=1.0) for curve in groups), default=0.0)
    return float(np.floor(10 * lowest) / 10)


def _histograms(edges: np.ndarray, shares: np.ndarray, merge: str) -> str:
    x, lines, marks = np.repeat(edges, 2), [], []
    for name, heights in zip(("A", "B"), shares, strict=False):
        lines.append(frame.Line(x, np.concatenate([[0.0], np.repeat(heights, 2), [0.0]]), f"clinic {name}", PART[name]))
        mean = float((heights * (edges[:-1] + edges[1:]) / 2).sum() / heights.sum())
        marks.append((mean, PART[name], f"clinic {name}: mean {mean:.2f}"))
    label = "log hazard h" if merge == "naive" else "standardised log hazard"
    return frame.plot(
        lines, title="predictions", x_label=label, y_label="share of the patients", size=SIZE, marks=marks,
        y_limits=None if lines else (0.0, 1.0), x_limits=None if lines else (-2.0, 2.0),
    )  # fmt: skip


def _line(records: Sequence[Any], metric: str, label: str, colour: str, **looks: Any) -> frame.Line:
    having = [record for record in records if metric in record.metrics]
    return frame.Line(
        [record.epoch for record in having], [record.metrics[metric] for record in having], label, colour, **looks
    )


def _subjects(
    subjects: Any, chosen: int, horizon: float, pairs: str, limits: tuple[tuple[float, float], tuple[float, float]]
) -> str:
    time, event, h = subjects.time, subjects.event, subjects.log_hazard
    lines = [
        frame.Line(
            [time[first], time[later]], [h[first], h[later]], _pair_in_words(h[first], h[later]), colour, width=0.9, dash=dash
        )
        for first, later in _comparable(time, event)
        if pairs == "all" or chosen in (first, later)
        for colour, dash in [_pair_looks(h[first], h[later])]
    ]
    across = [frame.Line(limits[0], [h[chosen]] * 2, "the chosen subject", frame.TEXT, dash="1 4", width=1.0)]
    points = [
        (
            time[n],
            h[n],
            EVENT if event[n] else CENSORED,
            f"subject {n + 1}: {'event' if event[n] else 'censored'} at {time[n]:g}, h = {h[n]:.2f}",
        )
        for n in range(len(time))
    ]
    return frame.plot(
        lines + across, title="subjects", x_label="time [months]", y_label="log hazard h; solid: right order", size=SIZE,
        x_limits=limits[0], y_limits=limits[1], marks=[(horizon, frame.TEXT, f"horizon {horizon:g}")], points=points,
    )  # fmt: skip


def _comparable(time: np.ndarray, event: np.ndarray) -> list[tuple[int, int]]:
    """Pairs (first event, later subject) whose order is known."""
    return [
        (first, later)
        for first in np.flatnonzero(event)
        for later in range(len(time))
        if time[later] > time[first] or (time[later] == time[first] and not event[later])
    ]


def _pair_looks(first: float, later: float) -> tuple[str, str]:
    return (colours.GREEN, "") if first > later else (colours.VERMILION, "3 3") if first < later else (colours.GREY, "1 3")


def _pair_in_words(first: float, later: float) -> str:
    return "concordant pair" if first > later else "discordant pair" if first < later else "tied pair"


def _roc(subjects: Any, roc: tuple[np.ndarray, np.ndarray]) -> str:
    lines = [frame.Line([0, 1], [0, 1], "chance", colours.GREY, dash="3 3", width=1.0)]
    if len(roc[0]):
        lines.append(frame.Line(*roc, "ROC curve of the event label", METRIC["auroc"]))
    return frame.plot(
        lines, title="ROC of the event label", x_label="false positive rate", y_label="true positive rate", size=SIZE,
        x_limits=(0, 1), y_limits=(0, 1.02),
    )  # fmt: skip


def _brier(brier: tuple[np.ndarray, np.ndarray], horizon: float) -> str:
    times, scores = brier
    chance = frame.Line([0, times[-1]], [0.25, 0.25], "probability one half for everybody", colours.GREY, dash="3 3", width=1.0)
    top = max(0.3, 1.05 * float(np.max(scores)))
    return frame.plot(
        [chance, frame.Line(times, scores, "Brier score", METRIC["brier"])], title="Brier score", x_label="horizon [months]",
        y_label="grey: one half for all", size=SIZE, y_limits=(0.0, top),
        marks=[(horizon, frame.TEXT, f"horizon {horizon:g}")],
    )  # fmt: skip


def _moved(subjects: Any, moved: Sequence[Any], h_limits: tuple[float, float]) -> str:
    positions = [each.moved for each in moved]
    lines = [
        frame.Line(positions, [getattr(each, name) for each in moved], METRIC_NAMES[name], METRIC[name]) for name in METRIC
    ]
    points = [
        (subjects.moved, value, METRIC[name], f"{METRIC_NAMES[name]} {value:.3f} at h = {subjects.moved:.2f}")
        for name in METRIC
        if np.isfinite(value := getattr(subjects, name))
    ]
    return frame.plot(
        lines, title="Run moves the chosen one", x_label="log hazard of the chosen subject", size=SIZE, y_limits=(0.0, 1.02),
        x_limits=h_limits, points=points,
    )  # fmt: skip
