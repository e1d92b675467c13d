"""Decks of the lessons: nothing is lost on the way to the slides, pages hold what fits, and a browser shows all of it."""

import re

import nbformat
import pytest
from deck_cases import ROWS, planted_lesson

from course import book, lessons, paging, slides


@pytest.fixture
def planted():
    return planted_lesson()


@pytest.fixture
def reveal(tmp_path):
    """A folder that stands for reveal.js where nothing is shown."""
    folder = tmp_path / "reveal"
    folder.mkdir()
    (folder / "reveal.css").write_text(".reveal {}")
    (folder / "reveal.js").write_text("var Reveal = {};")
    return folder


def words(text):
    """Words of markdown without what makes headings, tables and folds."""
    return re.findall(r"\w+", re.sub(r"</?(?:details|summary)>", " ", text))


@pytest.mark.parametrize("name", lessons.names())
def test_no_word_and_no_line_of_a_lesson_is_lost(name):
    """Only the heads of tables that go on are repeated; they are counted once."""
    notebook = lessons.read(name)
    pages = paging.pages(notebook)
    code = [cell.source for page in pages for cell in page.cells if cell.cell_type == "code"]
    assert code == [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    text = [cell.source for page in pages for cell in page.cells if cell.cell_type == "markdown"]
    heads = {part[0] for block in text if (part := block.splitlines()) and block.startswith("|")}
    got = [word for block in text for word in words(block)]
    wanted = [word for cell in notebook.cells if cell.cell_type == "markdown" for word in words(cell.source)]
    repeated = [words(block.splitlines()[0]) for block in text if block.splitlines()[0] in heads]
    assert len(wanted) <= len(got) <= len(wanted) + sum(map(len, repeated))
    assert set(got) == set(wanted)


@pytest.mark.parametrize("name", lessons.names())
def test_a_heading_opens_a_slide_and_no_page_is_too_full(name):
    notebook = lessons.read(name)
    pages = paging.pages(notebook)
    headings = [heading for heading, _ in lessons.sections(notebook)]
    assert [page.section for page in pages if page.opens and not page.folded] == headings
    assert [page.section for page in pages if page.lines > paging.LINES] == []


def test_long_text_goes_on_under_its_heading(planted):
    pages = [page for page in paging.pages(planted) if page.section == "Long"]
    assert [page.opens for page in pages] == [True] + [False] * (len(pages) - 1)
    assert len(pages) > 2
    first = slides.slides(planted).cells
    small = [cell for cell in first if cell.source == '<p class="section">Long</p>']
    assert len(small) == len(pages) - 1
    assert {cell.metadata["slideshow"]["slide_type"] for cell in small} == {"subslide"}


def test_solutions_stand_open_one_slide_after_the_exercises(planted):
    pages = [(page.section, page.opens, page.folded) for page in paging.pages(planted)]
    place = pages.index(("Exercises", True, False))
    assert pages[place : place + 3] == [("Exercises", True, False), ("Solutions", True, True), ("Exercises", False, False)]
    solution = next(page for page in paging.pages(planted) if page.folded)
    assert [cell.source for cell in solution.cells] == ["## Solutions", "1. Three of them."]


def test_short_output_stays_with_its_code_and_a_table_is_parted(planted):
    cells = [cell for page in paging.pages(planted) for cell in page.cells if cell.cell_type == "code"]
    one = next(cell for cell in cells if cell.source == "print(1)")
    assert one.outputs[0].text == "one\n"
    tables = [cell.outputs[0].data["text/html"] for cell in cells if cell.outputs and "<table" in str(cell.outputs[0])]
    assert len(tables) == 3
    assert all(table.count("<th>head</th>") == 1 and table.count("<tr") <= paging.ROWS + 1 for table in tables)
    assert re.findall(r"row (\d+)<", "".join(tables)) == [str(row) for row in range(ROWS)]


def test_a_deck_is_one_file_that_fetches_nothing(planted, reveal, tmp_path):
    path = lessons.write(tmp_path / "99_planted.html", slides.deck(planted, ["00_start_here"], reveal))
    lessons.write(tmp_path / "00_start_here.html", "there")
    text = path.read_text(encoding="utf-8")
    assert book.faults(path) == []
    assert not re.search(r"<script[^>]+src|<link\b", text)
    assert 'href="00_start_here.html"' in text
    assert "<math" in text
    nbformat.validate(slides.slides(planted))


def test_without_reveal_it_is_said_how_to_get_it(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no reveal.js and no reveal.css in .*`make slides` fetches them"):
        slides.build(tmp_path, ["00_start_here"], tmp_path)
