"""Session plans: 90 minutes each, and what they name exists in the lesson."""

import re
from pathlib import Path

import nbformat
import pytest

from toolkit import exercises

ROOT = Path(__file__).parents[1]
PLANS = sorted((ROOT / "course" / "sessions").glob("[0-9]*.md"))
PARTS = ("**Aim.**", "**Before class.**", "## Live", "## Questions to expect", "**Homework.**")
each_plan = pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem)


def lesson(path):
    """Text and code of the lesson that a plan is for."""
    return nbformat.read(ROOT / "notebooks" / f"{path.stem}.ipynb", as_version=4).cells


def test_every_lesson_with_checked_exercises_has_a_plan():
    lessons = {name.partition(".")[0] for name in exercises.of_all_lessons()}
    assert lessons == {path.stem.partition("_")[0] for path in PLANS}


@each_plan
def test_a_plan_has_its_parts_in_order_and_fills_ninety_minutes(path):
    text = path.read_text(encoding="utf-8")
    places = [text.index(part) for part in PARTS]
    assert places == sorted(places)
    assert sum(int(minutes) for minutes in re.findall(r"^\| (\d+) \|", text, re.M)) == 90


@each_plan
def test_the_title_is_that_of_the_lesson(path):
    first = lesson(path)[0].source.partition("\n")[0]
    assert first.startswith(path.read_text(encoding="utf-8").partition("\n")[0])


@each_plan
def test_panels_and_sections_that_a_plan_names_are_in_the_lesson(path):
    text, cells = path.read_text(encoding="utf-8"), lesson(path)
    code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    headings = [cell.source.partition("\n")[0].lstrip("# ") for cell in cells if cell.cell_type == "markdown"]
    named = set(re.findall(r"`(\w+Panel)`", text))
    assert named
    assert [panel for panel in named if panel not in code] == []
    assert {panel for panel in re.findall(r"\b(\w+Panel)\(", code)} <= named
    places = [row.rsplit("|", 2)[1].strip() for row in re.findall(r"^\| \d+ \|.*\|$", text, re.M)]
    places = [place for place in places if not place.startswith("`")]
    left = [place for place in places for heading in headings if heading and place.startswith(heading)]
    assert len(set(left)) == len(set(places))


@each_plan
def test_the_homework_names_the_exercises_of_the_lesson(path):
    homework = path.read_text(encoding="utf-8").partition("**Homework.**")[2]
    number = path.stem.partition("_")[0]
    assert re.findall(r"\b\d+b?\.\d\b", homework) == [
        name for name in exercises.of_all_lessons() if name.startswith(f"{number}.")
    ]
