"""Exercises: the solution that the toolkit computes passes, and wrong answers get the hint that helps."""

import re
from pathlib import Path

import nbformat
import pytest

from toolkit import exercises

FOLDER = Path(__file__).parents[1] / "notebooks"

WRONG = {  # exercise to wrong answers, each with words of the hint that it must get
    "01.1": {0.9: "Ask of the alarms", 0.474: "not all alarms", 0.679: "that are false"},
    "01.2": {2.0: "Which direction is steeper", 0.1: "not the limit", 1.0: "What does y do"},
    "01.3": {0.3: "more alive", -0.5: "other input", 0.1: "its ReLU is on"},
    "02.1": {12: "padding is missing", 13: "first place counts", 28: "stride of 1", 5: "How far"},
    "02.2": {((-1, 0, 1),) * 3: "cross-correlation gives", ((0, 0, 0),) * 3: "zero everywhere", ((1, 0, 1),) * 3: "another"},
    "02.3": {8: "two convolutions each", 18: "smaller number", 14: "Not yet", 3: "line above"},
    "03.1": {6: "with a brake are not asked for", 0: "where is it 0", 16: "where is it 0"},
    "03.2": {1.5: "brakes before it has crossed", 1.3: "a larger goal will do", 1.44: "in tenths"},
    "03.3": {(0.1, 100.0): "0.1 the loss stands below 1 after 20 epochs. Try less", (100.0, 0.01): "smaller friction first",
             (100.0, 300.0): "same side"},
    "04.1": {180000: "multiply-adds", 60000: "every input channel", 3600: "at every position", 25: "kernel area, positions"},
    "04.2": {1.2: "not down", 1.0: "nothing changes", 1.5: "must round to 6"},
    "04.3": {2: "does not take both", 4: "do not keep the same four", 8: "dead in both"},
    "05.1": {0.00798: "mean over the weights", 588.2: "on its own", 368.64: "standard deviation", 5000.0: "How many weights"},
    "05.2": {1e-3: "derivative of ω²", 2e-3: "other side", 1000.0: "Upside down", 0.2: "derivatives of both"},
    "05.3": {("pre, zero_gamma",): "There are more", ("post, normal",): "One of these learns", ("pre, glorot",): "is small"},
    "06.1": {3.6649: "must score lower", 1.5275: "stands in an exponential as well", 1.5231: "1.1, not the growth"},
    "06.2": {("relu",): "there are more", ("relu", "leaky_relu"): "changes its own outputs", ("tanh",): "changes its own"},
    "06.3": {(0, 1): "of its range only", (2, 1): "hidden layers 0 and 1", (1, 8): "at least one unit must stay"},
    "07.1": {180: "compared with itself", 175: "not at risk any more", 155: "different times", 36: "seen longer"},
    "07.2": {("naive", "B"): "order within a clinic", ("standardised",): "each clinic's mean", (): "At least one more"},
    "07.3": {(1, 1, 1, 1, 1, 1): "sees their sum", (1, 1, 1, -1, -1, -1): "make it larger", (0,) * 6: "make it larger"},
    "08.1": {0.94: "of which no root", 30.63: "First the root", 490.1: "of the whole cell", 5: "root of the loss"},
    "08.2": {680: "Each neuron", 179456: "share the same weights", 700: "The output has", 5: "Layer by layer"},
    "08.3": {28.96: "exponent ζ was left out", 151.04: "for λ = +1", 180: "largest", 45: "its largest value"},
    "09.1": {1: "threshold for the linear", 3.0: "was left out", 2.5: "pulls as well", 9: "which s lasts"},
    "09.2": {11: "known spread", 24: "of the differences already", 2: "as large as the mean", 100: "Student's bound"},
    "09.3": {("A",): "another such set", ("B", "D"): "odd or an even", (): "another such set"},
    "10.1": {1.5: "(2.13) as printed", 0.6: "named or true", 0.3: "Precision and recall first"},
    "10.2": {11: "training error is least", 8: "answer for seed 0", 5: "blue curve is lowest"},
    "10.3": {("two moons", "logistic regression", None): "not 0", ("two rings", "abacus", None): "cannot be run",
             ("three clouds", "decision tree", None): "not 0"},
    "10b.1": {1200: "has a bias too", 416: "all three channels", 38547712: "the dense layer", 3: "one bias"},
    "10b.2": {3: "overlaps", 10: "on both sides", 7: "How many more"},
    "10b.3": {(20, 0.01): "cannot be run", (3, 0.002): "still finds", (3, 0.0): "cannot be run"},
    "11.1": {126.0: "79 tries", 200: "with replacement", 0.634: "share of one campaign", 5: "one pick misses"},
    "11.2": {0.4: "deviations differ", 1.0: "safe candidate has a deviation", 0.75: "Upside down", 9: "set them equal"},
    "11.3": {((0.0, 2.0), (0.1, 0.05)): "PI does not prefer", ((0.5, 1.0), (0.1, 1.0)): "EI does not prefer",
             ((0.5, 0.0), (0.1, 1.0)): "larger than 0"},
    "12.1": {7.033: "on the outer faces", 6.8: "not N layers apart", 1.889: "four voxels a layer", 5: "Count resistances"},
    "12.2": {1.0: "trimmed away", 0.969: "Upside down", 1.008: "Share of the channel", 2: "Which porosity"},
    "12.3": {0.55: "along the layers", 0.316: "resistances add", 0.0909: "five layers of each", 1: "What adds up"},
    "13.1": {1.636: "half in front", 0.4716: "2 ln σ", 0.318: "mean costs", 5: "natural logarithm"},
    "13.2": {153490273: "printed network", 4790113: "at 32³", 19186284: "Only two layers", 7: "flat maps"},
    "13.3": {0.749: "for μ = 0", 2.408: "half in front", 1.249: "more than variance 1", 5: "mean of μ²"},
    "14.1": {3: "Those lie outside", 12: "Some lie outside", 5: "Count the squares"},
    "14.2": {"min-max": "Another has more", "none": "0 of the 12", "log": "Another has more"},
    "14.3": {0.0: "on the surface of No. 1", 7: "slider goes", 1.0: "on the surface of No. 1"},
    "15.1": {1.0: "document reports", 0.553: "with the cut", 0.028: "hydroxide", 0.5: "cut at references"},
    "15.2": {-0.63: "Which way", 0.95: "upper end", 0.32: "lower end", 0.1: "both ends"},
    "15.3": {3e15: "of the surface is Li2O", 1e12: "slider goes", 1.8e15: "no compound more than"},
}  # fmt: skip


@pytest.mark.parametrize("name", exercises.of_all_lessons())
def test_the_solution_is_right(name):
    solution = exercises.of_all_lessons()[name].solution()
    verdict = exercises.check(name, solution)
    assert verdict.right, str(verdict)
    assert str(verdict) == f"{name}: right."


def test_every_exercise_has_three_wrong_answers():
    assert list(WRONG) == list(exercises.of_all_lessons())
    assert min(map(len, WRONG.values())) >= 3


@pytest.mark.parametrize("name, answer", [(name, answer) for name, answers in WRONG.items() for answer in answers])
def test_a_wrong_answer_gets_its_hint(name, answer):
    given = (*answer[:2], {}) if name == "10.3" else answer
    verdict = exercises.check(name, given)
    assert not verdict.right
    assert WRONG[name][answer] in verdict.words


@pytest.mark.parametrize("name", exercises.of_all_lessons())
def test_no_hint_gives_a_number_away(name):
    solution = exercises.of_all_lessons()[name].solution()
    if isinstance(solution, int | float):
        for answer in WRONG[name]:
            said = exercises.check(name, answer).words.replace(str(answer), "")
            numbers = [float(number) for number in re.findall(r"(?<![\d.])\d+\.?\d*(?:e\d+)?(?![\d.]*%)", said)]
            assert not any(abs(number - solution) <= 0.005 * abs(solution) for number in numbers), said


@pytest.mark.parametrize("answer", ["many", [1, 2, 3], True, float("nan"), {"a": 1}])
@pytest.mark.parametrize("name", exercises.of_all_lessons())
def test_an_answer_of_another_kind_is_told_which_kind_is_asked_for(name, answer):
    verdict = exercises.check(name, answer)
    assert not verdict.right
    assert verdict.words == f"asks for {exercises.of_all_lessons()[name].kind.words}, got {answer!r}."


@pytest.mark.parametrize("name", exercises.of_all_lessons())
def test_no_answer_yet_is_told_what_is_asked_for(name):
    asked = exercises.of_all_lessons()[name]
    assert str(exercises.check(name)) == f"{name}: asks for {asked.kind.words}, about {asked.minutes} minutes."


def test_an_unknown_exercise_is_refused():
    with pytest.raises(ValueError, match=r"exercise must be one of 01.1, .*, got '99.1'"):
        exercises.check("99.1", 3)


def lessons_with_exercises():
    return sorted({name.partition(".")[0] for name in exercises.of_all_lessons()})


@pytest.mark.parametrize("lesson", lessons_with_exercises())
def test_the_lesson_asks_its_exercises_with_their_time_and_no_answer(lesson):
    (path,) = FOLDER.glob(f"{lesson}_*.ipynb")
    cells = nbformat.read(path, as_version=4).cells
    code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    asked = re.findall(r'"(\d+b?\.\d)": None', code)
    assert asked == [name for name in exercises.of_all_lessons() if name.startswith(f"{lesson}.")]
    (text,) = [cell.source for cell in cells if cell.cell_type == "markdown" and cell.source.startswith("## Exercises")]
    minutes = re.findall(r"\((\d+) minutes\)", text)
    assert [int(each) for each in minutes[:3]] == [exercises.of_all_lessons()[name].minutes for name in asked]
