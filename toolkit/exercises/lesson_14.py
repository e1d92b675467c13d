"""Lesson 14: components of ToF-SIMS spectra."""

from __future__ import annotations

from functools import cache

from toolkit import spectra
from toolkit.datasets import lithium_spectra
from toolkit.exercises.exercise import NUMBER, WHOLE, Exercise, equal_to, one_of

SPOTS = 12
MOST_DIRT = 5.0


@cache
def inside(scaling: str) -> int:
    """How many spots of No. 2 lie in the 95 % ellipse of LiH."""
    pure = lithium_spectra.simulate(lithium_spectra.COMPOUNDS, seed=0)
    unknown = lithium_spectra.simulate(["sample_2"], seed=0)
    return round(SPOTS * spectra.overlaps(spectra.components(pure, scaling=scaling), unknown).loc["sample_2", "LiH"])


def fullest() -> str:
    """The scaling with most of them."""
    return max(spectra.SCALINGS, key=inside)


def named(contamination: float) -> set[str]:
    """The compounds that two parts of the spectra of No. 1 look most like."""
    pure = lithium_spectra.simulate(lithium_spectra.COMPOUNDS, seed=0, contamination=contamination)
    mixture = lithium_spectra.simulate(["sample_1"], seed=0, contamination=contamination)
    references = [pure.of(name).intensities.mean(0) for name in pure.compounds]
    return set(spectra.match(spectra.decompose(mixture.intensities, 2).profiles, references, pure.compounds).best)


def _judge_scaling(scaling: str) -> str:
    count = inside(scaling)
    return "" if count == inside(fullest()) else f"With {scaling!r} {count} of the {SPOTS} spots lie inside. Another has more."


def first_misnamed() -> float:
    """The least contamination, in quarters, with which a part is named after a compound that is not there."""
    return next(dirt / 4 for dirt in range(round(4 * MOST_DIRT) + 1) if not named(dirt / 4) <= there())


def there() -> set[str]:
    """The compounds on the surface of No. 1."""
    return set(lithium_spectra.surface("sample_1"))


def _judge_contamination(contamination: float) -> str:
    if not 0 <= contamination <= MOST_DIRT:
        return f"The slider goes from 0 to {MOST_DIRT:g}."
    return "Both parts are named after compounds that are on the surface of No. 1." if named(contamination) <= there() else ""


EXERCISES = {
    1: Exercise(
        WHOLE,
        equal_to(
            lambda: inside("min-max"),
            otherwise="Count the squares of No. 2 in the ellipse of LiH, with min-max scaling and seed 0.",
            mistakes=lambda: {SPOTS - inside("min-max"): "Those lie outside.", SPOTS: "Some lie outside."},
        ),
        lambda: inside("min-max"), minutes=5,
    ),
    2: Exercise(one_of(*spectra.SCALINGS), _judge_scaling, fullest, minutes=10),
    3: Exercise(NUMBER, _judge_contamination, first_misnamed, minutes=10),
}  # fmt: skip
