"""Lesson 15: compositions from ToF-SIMS spectra."""

from __future__ import annotations

from functools import cache

from sklearn.pipeline import Pipeline

from toolkit import spectra
from toolkit.datasets import lithium_spectra
from toolkit.exercises.exercise import NUMBER, Exercise, equal_to

SMALL, LARGE = 0.01, 100.0  # ends of the slider of C
DOSES = (1e13, 1e17)  # ions/cm²
SURE, LITTLE = 0.6, 0.2


@cache
def probability(sample: str, compound: str, *, c: float = 1.0, truncate: bool = False) -> float:
    """Mean probability that logistic regression gives a compound in a sample."""
    pure = lithium_spectra.simulate(lithium_spectra.COMPOUNDS, seed=0)
    asked = lithium_spectra.simulate([sample], seed=0)
    model = {"model": "logistic_regression", "penalty": "l2", "c": c}
    found = next(spectra.classify(pure, [model], unknown=asked, truncate=truncate))
    return float(found.probabilities[sample][found.classes.index(compound)])


def growth() -> float:
    """By how much the probability of LiH in No. 2 grows from the smallest C of the slider to the largest."""
    return probability("sample_2", "LiH", c=LARGE, truncate=True) - probability("sample_2", "LiH", c=SMALL, truncate=True)


@cache
def _model() -> Pipeline:
    pure = lithium_spectra.simulate(lithium_spectra.COMPOUNDS, seed=0)
    return spectra.classifier(truncate=True).fit(pure.intensities, pure.samples)


def sputtered(dose: float) -> tuple[str, float, float]:
    """What the model says of the simulated foil after a dose: compound, its probability, and its true share of the surface."""
    foil = lithium_spectra.simulate(["sample_5"], seed=0, fluence=dose)
    said = _model().predict_proba(foil.intensities).mean(0)
    compound = str(_model().classes_[said.argmax()])
    return compound, float(said.max()), float(lithium_spectra.surface("sample_5", dose).get(compound, 0.0))


def _judge_dose(dose: float) -> str:
    if not DOSES[0] <= dose <= DOSES[1]:
        return f"The slider goes from {DOSES[0]:g} to {DOSES[1]:g} ions/cm²."
    compound, said, true = sputtered(dose)
    if said <= SURE:
        return f"At this dose the model gives no compound more than {said:.0%}."
    return "" if true < LITTLE else f"It says {compound} with {said:.0%}, and {true:.0%} of the surface is {compound}."


EXERCISES = {
    1: Exercise(
        NUMBER,
        equal_to(
            lambda: probability("sample_4", "Li2CO3"), within=0.006,
            otherwise="Choose 'no' under 'cut at references' in the panel, run, and point at the bar of No. 4.",
            mistakes=lambda: {
                probability("sample_4", "Li2CO3", truncate=True): "That is with the cut at the references.",
                1.0: "The document reports that.", probability("sample_4", "LiOH"): "That is the hydroxide.",
            },
        ),
        lambda: probability("sample_4", "Li2CO3"), minutes=5,
    ),
    2: Exercise(
        NUMBER,
        equal_to(
            growth, within=0.02, otherwise="Read the probability of LiH in No. 2 at both ends of the slider of C.",
            mistakes=lambda: {
                -growth(): "Which way does it go as C grows?",
                probability("sample_2", "LiH", c=LARGE, truncate=True): "That is the value at the upper end.",
                probability("sample_2", "LiH", c=SMALL, truncate=True): "That is the value at the lower end.",
            },
        ),
        growth, minutes=10,
    ),
    3: Exercise(NUMBER, _judge_dose, lambda: 1e15, minutes=10),
}  # fmt: skip
