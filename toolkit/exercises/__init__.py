"""Exercises that check themselves, on this machine, without giving the answer away.

    exercises.check("07.1", 165)

Every answer is checked against what the toolkit computes at that moment, none against a number written down.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from toolkit.exercises import (
    lesson_01,
    lesson_02,
    lesson_03,
    lesson_04,
    lesson_05,
    lesson_06,
    lesson_07,
    lesson_08,
    lesson_09,
    lesson_10,
    lesson_10b,
    lesson_11,
    lesson_12,
    lesson_13,
    lesson_14,
    lesson_15,
)  # fmt: skip
from toolkit.exercises.exercise import Exercise

EXERCISES: dict[str, Exercise] = {
    f"{lesson.__name__.rpartition('_')[2]}.{number}": exercise
    for lesson in (
        lesson_01,
        lesson_02,
        lesson_03,
        lesson_04,
        lesson_05,
        lesson_06,
        lesson_07,
        lesson_08,
        lesson_09,
        lesson_10,
        lesson_10b,
        lesson_11,
        lesson_12,
        lesson_13,
        lesson_14,
        lesson_15,
    )
    for number, exercise in lesson.EXERCISES.items()
}
"""Number of the lesson and of the exercise in it, as in "07.1", to the exercise."""


@dataclass(frozen=True)
class Verdict:
    """What is said to an answer.

    Attributes:
        exercise: as in "07.1".
        right: whether the answer is right.
        words: what is said.
    """

    exercise: str
    right: bool
    words: str

    def __str__(self) -> str:
        return f"{self.exercise}: {self.words}"


def check(exercise: str, answer: Any = None) -> Verdict:
    """Say whether an answer is right, and if not, where to look.

    Args:
        exercise: number of the lesson and of the exercise in it, as in "07.1".
        answer: yours; None where there is none yet.

    Raises:
        ValueError: there is no such exercise.

    >>> print(check("07.1"))
    07.1: asks for a whole number, about 5 minutes.
    >>> print(check("07.1", 180))
    07.1: not yet. No subject is compared with itself: 35 are left beside the first event.
    """
    if exercise not in EXERCISES:
        raise ValueError(f"exercise must be one of {', '.join(EXERCISES)}, got {exercise!r}")
    asked = EXERCISES[exercise]
    if answer is None:
        return Verdict(exercise, False, f"asks for {asked.kind.words}, about {asked.minutes} minutes.")
    if not asked.kind.fits(answer):
        return Verdict(exercise, False, f"asks for {asked.kind.words}, got {answer!r}.")
    hint = asked.judge(answer)
    return Verdict(exercise, not hint, f"not yet. {hint}" if hint else "right.")
