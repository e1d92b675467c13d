"""Classical models at work: a problem, a model, its hyper-parameters; boundary, errors and confusion at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import ipywidgets as widgets
import numpy as np
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support, r2_score
from sklearn.pipeline import Pipeline

from toolkit import workflow
from toolkit.figures import colours, frame
from toolkit.figures import models as figures
from toolkit.panels.controls import choice, log_slider, slider, whole_slider
from toolkit.panels.panel import Panel

FEATURES = (
    "electronegativity", "volume per atom", "lithium share", "oxygen share", "sulfur share", "phosphorus share",
    "halogen share", "elements", "electronegativity spread", "radius", "radius spread", "mass", "mass spread",
)  # fmt: skip
FOLDS = ("random", "whole papers")
PARAMETERS = {parameter.name: parameter for kind in workflow.MODELS.values() for parameter in kind.parameters}
ONLY_FOR = {  # controls that say something for some problems only
    **dict.fromkeys(("samples", "noise"), tuple(workflow.MADE_UP)),
    **dict.fromkeys(("x", "folds_by"), workflow.GOALS),
    "y": ("good conductor", "family"),
    "threshold": ("good conductor",),
}
ERRORS = {"classification": "error rate", "regression": "mean squared error"}
GRID = 50  # points per feature at which the boundary is drawn


class ModelPanel(Panel):
    """Choose a problem and a model and see its decision boundary, its errors and what it confuses; everything follows a slider.

    Run walks through the first hyper-parameter of the model and draws the two curves of Zhao's Fig. 2.2. The boundary is that
    of the model fitted to the first fold's training rows; errors and confusion are those of all folds.

    Args:
        problem: an own `workflow.Problem`, for example of `workflow.from_table`.
        values: control name to first value.

    >>> panel = ModelPanel(dataset="two moons", model="k-nearest neighbours", values=4)
    >>> [assessment.value for assessment in panel.run().records]
    [1.0, 21.0, 40.0, 60.0]
    """

    title = "Classical models"
    record_type = workflow.Assessment

    def __init__(self, problem: workflow.Problem | None = None, **values: Any):
        self.own = problem
        super().__init__(**values)
        for name in ("dataset", "model"):
            self.controls[name].observe(lambda _: self._guarded(self._offer), names="value")
        self._offer()

    def make_sections(self) -> dict[str, dict[str, widgets.Widget]]:
        """Data, model (with every hyper-parameter, of which those of the chosen model are shown), training and view."""
        names = [self.own.name] if self.own else [*workflow.MADE_UP, *workflow.GOALS]
        return {
            "data": {
                "dataset": choice("problem", names),
                "x": choice("feature x", FEATURES, value="electronegativity"),
                "y": choice("feature y", FEATURES, value="volume per atom"),
                "threshold": slider("good from lg σ", -4.0, -7.0, -3.0, 0.25),
                "samples": whole_slider("samples", 200, 40, 500),
                "noise": slider("noise", 0.25, 0.0, 0.6, 0.05),
                "seed": whole_slider("seed", 0, 0, 99),
            },
            "model": {"model": choice("model", workflow.MODELS)} | {name: _control(each) for name, each in PARAMETERS.items()},
            "training": {
                "folds": whole_slider("folds", 5, 2, 10),
                "folds_by": choice("folds of", FOLDS),
                "values": whole_slider("values in a sweep", 12, 3, 30),
            },
            "view": {"shading": choice("shading", ("probability", "decision"))},
        }

    def actions(self) -> list[widgets.Widget]:
        """Set the hyper-parameter to the value with the least validation error."""
        self.best_button = widgets.Button(description="Take best", icon="check", layout=widgets.Layout(width="110px"))
        self.best_button.on_click(lambda _: self._guarded(self._accepted, self.take_best))
        self.best_button.add_class("panel-best")
        return [self.best_button]

    def begin(self, settings: Mapping[str, Any]) -> Iterator[workflow.Assessment]:
        """An assessment for each value of the model's first hyper-parameter."""
        problem, model = self._problem(settings), _model(self._problem(settings), settings)
        values = _swept(settings).grid(settings["values"])
        folds = _folds(problem, settings)
        return workflow.sweep(
            model, _argument(model, _swept(settings).name), values, problem.inputs, problem.targets, folds=folds
        )

    def rest(self) -> float:
        """Slow enough to watch the boundary change."""
        return 0.25

    def take_best(self) -> None:
        """Model selection: the value of the sweep with the least validation error."""
        if not self.records:
            raise ValueError("no sweep to choose from yet: press Run first")
        best = min(self.records, key=lambda assessment: assessment.validation_error)
        control = self.controls[_swept(self.ran_with).name]
        control.value = type(control.value)(best.value)

    def draw(self, records: list[workflow.Assessment]) -> str:
        """Boundary or curve, errors, and confusion or agreement; what cannot be computed leaves the picture as it is."""
        settings = self._shown_settings(records)
        try:
            problem = self._problem(settings)
            assessment, folds = _assessment(problem, *_key(settings))
        except ValueError as error:
            self._show_error(error)
            return self.frame.value
        swept = _swept(settings)
        curve = records or [assessment]
        plots = (
            _model_plot(problem, folds[0], settings),
            figures.error_plot(
                curve, settings[swept.name], parameter=swept.label, log=not swept.whole, error=ERRORS[problem.task]
            ),
            _verdict_plot(problem, assessment),
        )
        marks = figures.class_colours(problem.classes) if problem.classes else [("training", figures.TRAIN)]
        held_out = ("black rim: held out of this fit", colours.BLACK) if problem.classes else ("held out", figures.VALIDATION)
        marks.append(held_out)
        words = frame.text(_in_words(problem, assessment, settings))
        description = f"{settings['model']} on {problem.name}: validation error {assessment.validation_error:.3g}."
        return frame.compose(
            plots, above=[words, frame.legend(marks[: None if not problem.classes else -1])], description=description
        )

    def status(self, record: workflow.Assessment) -> str:
        """The newest value of the sweep."""
        return (
            f"{_swept(self.ran_with).label} {record.value:.4g} · training error {record.train_error:.3f} · "
            f"validation error {record.validation_error:.3f} ± {record.spread:.3f}"
        )

    def code(self) -> str:
        """The setting as a script."""
        settings = self.settings
        problem = self._problem(settings)
        model = _model(problem, settings)
        swept = _swept(settings)
        groups = ", groups=problem.groups" if _grouped(settings) else ""
        return "\n".join(
            [
                "from toolkit import workflow", *workflow.model_code(model), "",
                f"problem = {self._problem_code(settings)}",
                f"folds = workflow.folds(problem.targets, n={settings['folds']}{groups}, seed={settings['seed']})",
                f"values = {swept.grid(settings['values'])!r}",
                f"for assessment in workflow.sweep(model, {_argument(model, swept.name)!r}, values, problem.inputs, "
                "problem.targets, folds=folds):",
                "    print(assessment)", "",
            ]
        )  # fmt: skip

    def _setting_changed(self, name: str) -> None:
        """A sweep holds for every value of its own hyper-parameter; any other change ends it."""
        if name not in (*self.sections["view"], _swept(self.settings).name):
            self.records = []
        self._show_error(None)
        self._draw()

    def _shown_settings(self, records: list[workflow.Assessment]) -> dict[str, Any]:
        """The settings of the controls; while a sweep runs or is replayed, its newest value."""
        if not records or not (self.running or self.timeline.max):
            return self.settings
        swept = _swept(self.ran_with)
        value = int(records[-1].value) if swept.whole else records[-1].value
        return self.ran_with | {swept.name: value, "shading": self.settings["shading"]}

    def _offer(self) -> None:
        """Show the controls that matter here, and the models that can do the task."""
        settings = self.settings
        problem = self._problem(settings)
        names = [name for name, kind in workflow.MODELS.items() if getattr(kind, problem.task)]
        control = self.controls["model"]
        if list(control.options) != names:
            kept = control.value if control.value in names else names[0]
            control.options = names
            control.value = kept
        shown = {parameter.name for parameter in workflow.MODELS[control.value].parameters}
        for name in PARAMETERS:
            self.controls[name].layout.display = None if name in shown else "none"
        for name, problems in ONLY_FOR.items():
            self.controls[name].layout.display = None if settings["dataset"] in problems else "none"

    def _problem(self, settings: Mapping[str, Any]) -> workflow.Problem:
        return self.own or _chosen(*(settings[name] for name in ("dataset", "x", "y", "threshold", "samples", "noise", "seed")))

    def _problem_code(self, settings: Mapping[str, Any]) -> str:
        if self.own:
            return "...  # your own workflow.Problem, for example of workflow.from_table"
        if settings["dataset"] in workflow.MADE_UP:
            made = ", ".join(f"{name}={settings[name]!r}" for name in ("samples", "noise", "seed"))
            return f"workflow.made_up({settings['dataset']!r}, {made})"
        return f"workflow.electrolytes({settings['dataset']!r}, {_features(settings)!r}, threshold={settings['threshold']!r})"


def _control(parameter: workflow.HyperParameter) -> widgets.Widget:
    if parameter.whole:
        return whole_slider(parameter.label, int(parameter.value), int(parameter.low), int(parameter.high))
    return log_slider(parameter.label, parameter.value, np.log10(parameter.low), np.log10(parameter.high))


def _features(settings: Mapping[str, Any]) -> list[str]:
    return [settings["x"]] if settings["dataset"] == "conductivity" else [settings["x"], settings["y"]]


@lru_cache(maxsize=8)
def _chosen(dataset, x, y, threshold, samples, noise, seed) -> workflow.Problem:
    if dataset in workflow.MADE_UP:
        return workflow.made_up(dataset, samples=samples, noise=noise, seed=seed)
    return workflow.electrolytes(dataset, _features({"dataset": dataset, "x": x, "y": y}), threshold=threshold)


def _swept(settings: Mapping[str, Any]) -> workflow.HyperParameter:
    return workflow.MODELS[settings["model"]].parameters[0]


def _argument(model: Pipeline, name: str) -> str:
    return next(key for key in model.get_params() if key.endswith(f"__{name}"))


def _model(problem: workflow.Problem, settings: Mapping[str, Any]) -> Pipeline:
    names = [parameter.name for parameter in workflow.MODELS[settings["model"]].parameters]
    return workflow.model(settings["model"], problem.task, **{name: settings[name] for name in names})


def _grouped(settings: Mapping[str, Any]) -> bool:
    return settings["folds_by"] == "whole papers" and settings["dataset"] not in workflow.MADE_UP


def _folds(problem: workflow.Problem, settings: Mapping[str, Any]) -> list[tuple[np.ndarray, np.ndarray]]:
    groups = problem.groups if _grouped(settings) else None
    return workflow.folds(problem.targets, n=settings["folds"], groups=groups, seed=settings["seed"])


def _key(settings: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """What an assessment depends on beside the problem."""
    names = ["model", *(parameter.name for parameter in workflow.MODELS[settings["model"]].parameters)]
    return tuple((name, settings[name]) for name in (*names, "dataset", "folds", "folds_by", "seed"))


@lru_cache(maxsize=64)
def _assessment(problem: workflow.Problem, *key: tuple[str, Any]) -> tuple[workflow.Assessment, list]:
    settings = dict(key)
    folds = _folds(problem, settings)
    model, swept = _model(problem, settings), _swept(settings)
    value = settings[swept.name]
    return workflow.assess(model, problem.inputs, problem.targets, folds=folds, value=value), folds


@lru_cache(maxsize=16)
def _fitted(problem: workflow.Problem, *key: tuple[str, Any]) -> Pipeline:
    settings = dict(key)
    rows = _folds(problem, settings)[0][0]
    return _model(problem, settings).fit(problem.inputs[rows], problem.targets[rows])


def _model_plot(problem: workflow.Problem, fold: Sequence[np.ndarray], settings: Mapping[str, Any]) -> str:
    held_out = np.isin(np.arange(len(problem.targets)), fold[1])
    if problem.classes is None:
        (grid,) = _axes(problem, 4 * GRID)
        mean, spread = workflow.mean_and_spread(_fitted(problem, *_key(settings)), grid[:, None])
        return figures.fit_plot(
            grid, mean, spread, problem.inputs[:, 0], problem.targets, held_out,
            feature=problem.features[0], target=problem.target,
        )  # fmt: skip
    shares = _shares(problem, settings["shading"], *_key(settings))
    return figures.boundary_plot(
        shares,
        [_wide(column) for column in problem.inputs.T],
        problem.inputs,
        problem.targets,
        held_out,
        features=problem.features,
        labels=problem.labels,
    )


@lru_cache(maxsize=16)
def _shares(problem: workflow.Problem, shading: str, *key: tuple[str, Any]) -> np.ndarray:
    """Probability of each class on a grid, `(g, g, c)`; one for the decision where the model knows no probability."""
    fitted, classes = _fitted(problem, *key), len(problem.classes)
    points = np.stack(np.meshgrid(*_axes(problem, GRID)), axis=-1).reshape(-1, 2)
    if shading == "probability" and hasattr(fitted, "predict_proba"):
        shares = np.zeros((len(points), classes))
        shares[:, fitted.classes_] = fitted.predict_proba(points)  # a class may be missing in the training rows
        return shares.reshape(GRID, GRID, classes)
    return np.eye(classes)[fitted.predict(points)].reshape(GRID, GRID, classes)


def _axes(problem: workflow.Problem, points: int) -> list[np.ndarray]:
    return [np.linspace(*_wide(column), points) for column in problem.inputs.T]


def _wide(column: np.ndarray) -> tuple[float, float]:
    room = 0.06 * np.ptp(column) or 1.0
    return float(column.min() - room), float(column.max() + room)


def _verdict_plot(problem: workflow.Problem, assessment: workflow.Assessment) -> str:
    if problem.classes is None:
        return figures.agreement_plot(problem.targets, assessment.held_out, target=problem.target)
    labels = range(len(problem.classes))
    confusion = confusion_matrix(problem.targets, assessment.held_out.astype(int), labels=labels)
    return figures.confusion_plot(confusion, problem.classes)


def _in_words(problem: workflow.Problem, assessment: workflow.Assessment, settings: Mapping[str, Any]) -> str:
    origin = "simulated" if problem.simulated else "measured"
    said = (
        f"{len(problem.targets)} samples ({origin}) · error in training {assessment.train_error:.3f}, validation "
        f"{assessment.validation_error:.3f} ± {assessment.spread:.3f} ({settings['folds']} folds)"
    )
    if problem.classes is None:
        return f"{said} · R² {r2_score(problem.targets, assessment.held_out):.2f}"
    precision, recall, f1, _ = precision_recall_fscore_support(
        problem.targets, assessment.held_out.astype(int), average="macro", zero_division=0
    )
    return f"{said} · precision {precision:.2f}, recall {recall:.2f}, F₁ {f1:.2f} (macro)"
