"""What an exercise is: the kind of answer it asks for, what is said to a wrong one, a solution that the toolkit computes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

Judge = Callable[[Any], str]  # says what is wrong with an answer without giving the right one away; nothing where it is right


@dataclass(frozen=True)
class Kind:
    """A kind of answer.

    Attributes:
        words: as in "asks for a whole number".
        fits: whether an answer is of this kind.
    """

    words: str
    fits: Callable[[Any], bool]


@dataclass(frozen=True)
class Exercise:
    """One exercise of a lesson.

    Attributes:
        kind: of the answer.
        judge: what is wrong with an answer of that kind.
        solution: gives a right answer.
        minutes: that it takes.
    """

    kind: Kind
    judge: Judge
    solution: Callable[[], Any]
    minutes: int


def is_number(answer: Any) -> bool:
    """Whether it is a finite real number; truth values are none.

    >>> is_number(1.5), is_number(True), is_number("1.5"), is_number(float("nan"))
    (True, False, False, False)
    """
    return isinstance(answer, Real) and not isinstance(answer, bool) and math.isfinite(answer)


WHOLE = Kind("a whole number", lambda answer: isinstance(answer, Integral) and not isinstance(answer, bool))
NUMBER = Kind("a number", is_number)


def one_of(*options: str) -> Kind:
    """One of some names.

    >>> one_of("rises", "falls").words
    "one of 'rises', 'falls'"
    """
    return Kind(f"one of {', '.join(map(repr, options))}", lambda answer: isinstance(answer, str) and answer in options)


def some_of(*options: str) -> Kind:
    """A set, list or tuple of some names.

    >>> some_of("a", "b").fits({"b"}), some_of("a", "b").fits("b")
    (True, False)
    """
    words = f"a set of some of {', '.join(map(repr, options))}"
    return Kind(words, lambda answer: isinstance(answer, set | frozenset | list | tuple) and set(answer) <= set(options))


def numbers(count: int, words: str) -> Kind:
    """So many numbers in a row.

    >>> numbers(2, "two numbers").fits((0.1, 3))
    True
    """
    return Kind(words, lambda answer: isinstance(answer, list | tuple) and len(answer) == count and all(map(is_number, answer)))


def equal_to(
    right: Callable[[], float],
    *,
    otherwise: str,
    mistakes: Mapping[float, str] | Callable[[], Mapping[float, str]] = {},  # noqa: B006 (never written to)
    within: float = 0.0,
) -> Judge:
    """The judge of a number.

    Args:
        right: computes it.
        otherwise: what is said to a number that is not in `mistakes`.
        mistakes: number that comes out of a likely mistake to what is said to it.
        within: how far the answer may be off.

    >>> judge = equal_to(lambda: 4.0, otherwise="Count again.", mistakes={5.0: "You counted yourself."})
    >>> judge(4), judge(5), judge(6)
    ('', 'You counted yourself.', 'Count again.')
    """

    def judge(answer: float) -> str:
        if abs(answer - right()) <= within:
            return ""
        known = mistakes() if callable(mistakes) else mistakes
        return next((words for value, words in known.items() if abs(answer - value) <= within), otherwise)

    return judge


def exactly(right: Callable[[], Sequence[str] | set[str]], *, missing: str, wrong: str) -> Judge:
    """The judge of a set of names.

    Args:
        right: computes the set.
        missing: what is said where some are missing and none is wrong.
        wrong: what is said where one is wrong.

    >>> judge = exactly(lambda: {"a", "b"}, missing="There are more.", wrong="Not all of these.")
    >>> judge({"a", "b"}), judge({"a"}), judge({"a", "c"})
    ('', 'There are more.', 'Not all of these.')
    """

    def judge(answer: Sequence[str] | set[str]) -> str:
        if set(answer) == (truth := set(right())):
            return ""
        return missing if set(answer) < truth else wrong

    return judge
