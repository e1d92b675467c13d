"""The classical models of Zhao, section 2.5: pipelines of scikit-learn with the one or two hyper-parameters that matter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from sklearn.svm import SVC, SVR
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

TASKS = ("classification", "regression")


@dataclass(frozen=True)
class HyperParameter:
    """A hyper-parameter with the range that is worth a look.

    Attributes:
        name: of scikit-learn's argument.
        label: what it means.
        value: a sensible one.
        low: least.
        high: largest.
        whole: whether it is a count, on a linear scale; others are on a logarithmic one.
    """

    name: str
    label: str
    value: float
    low: float
    high: float
    whole: bool = False

    def grid(self, n: int) -> list[float]:
        """At most n values over the range; a number is rounded to three digits.

        >>> HyperParameter("max_depth", "depth", 3, 1, 15, whole=True).grid(4)
        [1, 6, 10, 15]
        """
        if self.whole:
            return [int(value) for value in np.unique(np.rint(np.linspace(self.low, self.high, n)))]
        return [float(f"{value:.3g}") for value in np.geomspace(self.low, self.high, n)]


@dataclass(frozen=True)
class Model:
    """A kind of model; its last step is built of the hyper-parameters in their order.

    Attributes:
        parameters: the first one is worth a sweep.
        classification: makes the classifier, None where there is none.
        regression: likewise.
        polynomial: the first hyper-parameter is the degree of polynomial features before the last step.
    """

    parameters: tuple[HyperParameter, ...]
    classification: Callable[..., BaseEstimator] | None = None
    regression: Callable[..., BaseEstimator] | None = None
    polynomial: bool = False


_DEGREE = HyperParameter("degree", "degree", 1, 1, 12, whole=True)
_DEPTH = HyperParameter("max_depth", "depth", 3, 1, 15, whole=True)
_C = HyperParameter("C", "C (weight of data)", 1.0, 1e-3, 1e3)
_LEARNERS = HyperParameter("n_estimators", "learners", 30, 1, 100, whole=True)
_RATE = HyperParameter("learning_rate", "learning rate", 0.3, 0.01, 1)
_LENGTH = HyperParameter("length_scale", "length scale l", 1.0, 0.01, 100)

MODELS = {
    "logistic regression": Model((_C,), classification=lambda C: LogisticRegression(C=C, max_iter=5000)),
    "ridge regression": Model(
        (_DEGREE, HyperParameter("alpha", "alpha (penalty)", 1e-3, 1e-6, 1e2)),
        regression=lambda alpha: Ridge(alpha, solver="svd"),
        polynomial=True,
    ),
    "k-nearest neighbours": Model(
        (HyperParameter("n_neighbors", "neighbours k", 5, 1, 60, whole=True),), KNeighborsClassifier, KNeighborsRegressor
    ),
    "support vector machine": Model(
        (HyperParameter("gamma", "γ of the kernel", 1.0, 1e-2, 1e2), _C),
        classification=lambda gamma, C: SVC(gamma=gamma, C=C),
        regression=lambda gamma, C: SVR(gamma=gamma, C=C),
    ),
    "Gaussian process": Model(
        (_LENGTH,),
        classification=lambda length: GaussianProcessClassifier(RBF(length), optimizer=None),
        regression=lambda length: GaussianProcessRegressor(RBF(length), alpha=0.1, normalize_y=True, optimizer=None),
    ),
    "naive Bayes": Model(
        (HyperParameter("var_smoothing", "smoothing", 1e-9, 1e-9, 10),), classification=lambda s: GaussianNB(var_smoothing=s)
    ),
    "decision tree": Model(
        (_DEPTH, HyperParameter("min_samples_leaf", "samples per leaf", 1, 1, 20, whole=True)),
        classification=lambda depth, leaf: DecisionTreeClassifier(max_depth=depth, min_samples_leaf=leaf, random_state=0),
        regression=lambda depth, leaf: DecisionTreeRegressor(max_depth=depth, min_samples_leaf=leaf, random_state=0),
    ),
    "random forest": Model(
        (_DEPTH, _LEARNERS),
        classification=lambda depth, n: RandomForestClassifier(n, max_depth=depth, random_state=0),
        regression=lambda depth, n: RandomForestRegressor(n, max_depth=depth, random_state=0),
    ),
    "AdaBoost": Model(
        (_LEARNERS, _RATE),
        classification=lambda n, rate: AdaBoostClassifier(n_estimators=n, learning_rate=rate, random_state=0),
        regression=lambda n, rate: AdaBoostRegressor(n_estimators=n, learning_rate=rate, random_state=0),
    ),
    "gradient boosting": Model(
        (_LEARNERS, _DEPTH),
        classification=lambda n, depth: GradientBoostingClassifier(n_estimators=n, max_depth=depth, random_state=0),
        regression=lambda n, depth: GradientBoostingRegressor(n_estimators=n, max_depth=depth, random_state=0),
    ),
}


def model(name: str, task: str, **values: float) -> Pipeline:
    """A pipeline of scikit-learn: a scaler, perhaps polynomial features, and the model.

    Since the scaler is part of it, it learns mean and deviation from the rows that `fit` is given and from no others.

    Args:
        name: one of `MODELS`.
        task: "classification" or "regression".
        values: hyper-parameters by name; the others are as in `MODELS`.

    Returns:
        The pipeline, not fitted.

    Raises:
        ValueError: a model, task or hyper-parameter that does not exist, or a model that cannot do the task.

    >>> model("k-nearest neighbours", "classification", n_neighbors=3)[-1]
    KNeighborsClassifier(n_neighbors=3)
    """
    if name not in MODELS:
        raise ValueError(f"model {name!r} is not known; known are {tuple(MODELS)}")
    if task not in TASKS:
        raise ValueError(f"task must be one of {TASKS}, got {task!r}")
    kind = MODELS[name]
    settings = {parameter.name: parameter.value for parameter in kind.parameters}
    unknown = [key for key in values if key not in settings]
    if unknown:
        raise ValueError(f"{name} has no hyper-parameter {unknown[0]!r}; it has {tuple(settings)}")
    build = getattr(kind, task)
    if build is None:
        able = [other for other, each in MODELS.items() if getattr(each, task)]
        raise ValueError(f"{name} cannot do {task}; these can: {', '.join(able)}")
    chosen = list((settings | values).values())
    if kind.polynomial:
        degree, *chosen = chosen
        return make_pipeline(StandardScaler(), PolynomialFeatures(degree, include_bias=False), StandardScaler(), build(*chosen))
    if build in (KNeighborsClassifier, KNeighborsRegressor):
        return make_pipeline(StandardScaler(), build(n_neighbors=chosen[0]))
    return make_pipeline(StandardScaler(), build(*chosen))


def model_code(pipeline: Pipeline) -> list[str]:
    """A pipeline as lines of a script that make it again: imports, then `model = ...`.

    >>> model_code(model("decision tree", "regression"))[-1]
    'model = make_pipeline(StandardScaler(), DecisionTreeRegressor(max_depth=3, random_state=0))'
    """
    objects = [step for _, step in pipeline.steps]
    kernel = getattr(objects[-1], "kernel", None)
    texts = [" ".join(repr(step).split()) for step in objects]
    if isinstance(kernel, RBF):
        objects.append(kernel)
        texts[-1] = texts[-1].replace(repr(kernel), f"RBF({kernel.length_scale!r})")  # repr keeps three digits
    classes = {(_public(type(each)), type(each).__name__) for each in objects} | {("sklearn.pipeline", "make_pipeline")}
    imports = [f"from {module} import {name}" for module, name in sorted(classes)]
    return [*imports, "", f"model = make_pipeline({', '.join(texts)})"]


def _public(kind: type) -> str:
    return ".".join(part for part in kind.__module__.split(".") if not part.startswith("_"))
