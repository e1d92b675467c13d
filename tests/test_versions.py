"""Versions for students and teachers: what one must not show and the other must, from the same source."""

import re

import nbformat
import pytest
import test_notebook_contract as contract
from nbmake.nb_run import NotebookRun

from course import lessons, versions
from toolkit import exercises

LESSONS = [name for name in lessons.names() if name != lessons.START]
each_lesson = pytest.mark.parametrize("name", LESSONS)


def solutions(name):
    """What is folded in a lesson, line by line."""
    text = "\n".join(cell.source for cell in lessons.read(name).cells if cell.cell_type == "markdown")
    folded = "\n".join(re.findall(r"</summary>(.*?)</details>", text, re.S))
    return [line.strip() for line in folded.splitlines() if line.strip()]


def text(notebook):
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


@each_lesson
def test_students_see_no_solution_and_all_else(name):
    notebook, source = versions.student(name), lessons.read(name)
    assert len(solutions(name)) >= 3
    assert [line for line in solutions(name) if line in text(notebook)] == []
    assert "<details" not in text(notebook)
    assert [cell.source for cell in notebook.cells if cell.cell_type == "code"] == [
        cell.source for cell in source.cells if cell.cell_type == "code"
    ]
    kept = versions.FOLDED.sub("", text(source))
    assert text(notebook).split() == kept.split()


@each_lesson
def test_teachers_see_every_solution_open_and_the_plan_first(name):
    notebook = versions.teacher(name)
    assert [line for line in solutions(name) if line not in text(notebook)] == []
    assert "<details>" not in text(notebook)
    assert text(notebook).count("<details open>") == text(lessons.read(name)).count("<details>")
    plan = (versions.PLANS / f"{name}.md").read_text(encoding="utf-8").partition("\n")[2]
    shown = "\n".join(cell.source for cell in notebook.cells[1 : 1 + len(versions.plan(name))])
    assert shown.replace("#", "").split() == ["Session", "plan", *plan.replace("#", "").split()]
    assert "### Questions to expect" in shown
    assert lessons.sections(notebook)[2][0] == "Goals"


@pytest.mark.parametrize("kind", versions.VERSIONS)
@pytest.mark.parametrize("name", lessons.names())
def test_a_version_keeps_the_form_of_a_notebook(name, kind, tmp_path):
    """Of what a lesson must have one thing is missing only: students have no solutions, those of teachers are not folded."""
    notebook = versions.VERSIONS[kind](name)
    nbformat.validate(notebook)
    path = lessons.write(tmp_path / f"{name}.ipynb", nbformat.writes(notebook))
    missing = ["section 'Exercises' lacks a folded solution"] if name != lessons.START else []
    assert contract.faults(path) == missing


def test_a_lesson_without_a_plan_is_not_passed_over(monkeypatch, tmp_path):
    monkeypatch.setattr(versions, "PLANS", tmp_path)
    with pytest.raises(FileNotFoundError, match="03_port_hamiltonian_optimizer.md"):
        versions.teacher("03_port_hamiltonian_optimizer")


def test_recordings_lie_beside_the_lessons(tmp_path):
    name = "03_port_hamiltonian_optimizer"
    written = [path.relative_to(tmp_path).as_posix() for path in versions.build(tmp_path, [name])]
    assert written == [f"student/{name}.ipynb", f"teacher/{name}.ipynb"]
    for path in (lessons.FOLDER / "recordings").glob("*.npz"):
        for kind in versions.VERSIONS:
            assert (tmp_path / kind / "recordings" / path.name).stat().st_size == path.stat().st_size


@pytest.mark.notebook
def test_the_self_check_of_students_runs_where_it_is_written(tmp_path):
    """Imports and exercises only: all code is that of the lesson, which is run whole elsewhere."""
    notebook = versions.student("03_port_hamiltonian_optimizer")
    sections = dict(lessons.sections(notebook))
    notebook.cells = sections["Imports and budget"] + sections["Exercises"]
    path = lessons.write(tmp_path / "03_short.ipynb", nbformat.writes(notebook))
    result = NotebookRun(path, default_timeout=600).execute()
    assert result.error is None
    printed = "".join(output.get("text", "") for cell in result.nb.cells for output in cell.get("outputs", []))
    asked = [each for each in exercises.of_all_lessons() if each.startswith("03.")]
    assert [each for each in asked if f"{each}: asks for" not in printed] == []
