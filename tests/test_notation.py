"""The notation of all lessons: one symbol and one unit for a code name, or a reason, and a page that is up to date."""

import re

import pytest

from course import book, lessons, markup, notation

LESSONS = [name for name in lessons.names() if name != lessons.START]
MESSAGE = "docs/notation.md is not what the lessons say now: `make notation`"


@pytest.mark.parametrize("name", LESSONS)
def test_the_table_of_a_lesson_is_whole(name):
    """Symbol, code name, unit and shape in every row; at least four rows."""
    assert len(notation.entries(name)) >= 4


def test_a_code_name_has_one_symbol_and_unit_or_a_reason():
    assert sorted(notation.clashes(notation.all_entries())) == sorted(notation.SEVERAL)


def test_the_page_is_what_the_lessons_say():
    assert notation.PAGE.read_text(encoding="utf-8") == notation.page(), MESSAGE


def test_every_entry_stands_on_the_page_with_its_lesson():
    rows = [re.split(r" \| ", row.strip("| ")) for row in notation.page().splitlines() if row.startswith("| ")]
    shown = {(row[1], lesson) for row in rows if len(row) == 5 for lesson in re.findall(r"notebooks/(\w+)\.ipynb", row[4])}
    assert shown == {(entry.code.replace("|", r"\vert{}"), entry.lesson) for entry in notation.all_entries()}


def test_links_lead_to_lessons_from_the_tree_and_in_the_book():
    text = notation.page()
    targets = set(re.findall(r"\]\(([^)]+)\)", text))
    assert {(notation.PAGE.parent / target).resolve().stem for target in targets} == set(LESSONS)
    assert all((notation.PAGE.parent / target).exists() for target in targets)
    assert set(re.findall(r"\]\(([^)]+)\)", markup.linked(text, LESSONS))) == {f"{name}.html" for name in LESSONS}


def test_every_symbol_of_the_page_becomes_mathml():
    assert "$" not in markup.CODE.sub("", markup.with_mathml(notation.page()))


def test_a_planted_clash_is_found():
    rows = ["| $a$ | `same` | m | () |", "| $a$ | `same` | s | () |"]
    rows += ["| $b_1$ | `index` | 1 | () |", "| $b_2$ | `index` | 1 | () |"]
    found = [entry for row in rows for entry in notation.row_entries(row, "99_planted")]
    assert list(notation.clashes(found)) == ["same"]


@pytest.mark.parametrize("row", ["| $a$ | `b` | | () |", "| $a$ | `b` | 1 |"])
def test_a_row_with_nothing_in_a_cell_is_refused(row):
    with pytest.raises(ValueError, match="lesson 99: the row .* needs symbol, code name, unit and shape"):
        list(notation.row_entries(row, "99_planted"))


def test_start_and_readme_lead_to_the_page():
    start = "\n".join(cell.source for cell in lessons.read(lessons.START).cells)
    assert "](../docs/notation.md)" in start
    assert "](docs/notation.md)" in (lessons.ROOT / "README.md").read_text(encoding="utf-8")


def test_the_book_has_the_page(monkeypatch, tmp_path):
    monkeypatch.setattr(book, "with_outputs", lessons.read)
    results = lessons.write(tmp_path / "results.html", "<h1>another page</h1>")
    monkeypatch.setattr(book.results, "beside", lambda *_: results)
    written = book.build(tmp_path, ["00_start_here"])
    assert [path.name for path in written][:2] == ["00_start_here.html", "notation.html"]
    page = written[1].read_text(encoding="utf-8")
    assert "One symbol, several meanings" in page
    assert page.count("<math") > len(notation.all_entries()) / 2
    assert 'href="notation.html"' in written[0].read_text(encoding="utf-8")
