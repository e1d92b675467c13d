"""Exercises that check themselves, on this machine, without giving the answer away.

    exercises.check("07.1", 165)

Every answer is checked against what the toolkit computes at that moment, none against a number written down.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

from toolkit.exercises.exercise import Exercise

LESSONS = ("01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "10b", "11", "12", "13", "14", "15")


def of_lesson(lesson: str) -> Mapping[str, Exercise]:
    """Exercises of a lesson by their full number, as in "07.1". A lesson's are imported only when they are asked for."""
    module = import_module(f"toolkit.exercises.lesson_{lesson}")
    return {f"{lesson}.{number}": exercise for number, exercise in module.EXERCISES.items()}


@cache
def of_all_lessons() -> Mapping[str, Exercise]:
    """All exercises by their full number, lesson by lesson."""
    return {number: exercise for lesson in LESSONS for number, exercise in of_lesson(lesson).items()}


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
    lesson = str(exercise).partition(".")[0]
    asked = of_lesson(lesson).get(exercise) if lesson in LESSONS else None
    if asked is None:
        raise ValueError(f"exercise must be one of {', '.join(of_all_lessons())}, got {exercise!r}")
    if answer is None:
        return Verdict(exercise, False, f"asks for {asked.kind.words}, about {asked.minutes} minutes.")
    if not asked.kind.fits(answer):
        return Verdict(exercise, False, f"asks for {asked.kind.words}, got {answer!r}.")
    hint = asked.judge(answer)
    return Verdict(exercise, not hint, f"not yet. {hint}" if hint else "right.")
