"""The book: formulas of every lesson, panels without a kernel, nothing fetched, no broken link."""

import re

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from course import book, executing, lessons, markup


@pytest.mark.parametrize("name", lessons.names())
def test_every_formula_of_a_lesson_becomes_mathml(name):
    for cell in lessons.read(name).cells:
        if cell.cell_type == "markdown":
            left = markup.CODE.sub("", re.sub(r"<(math|div).*?</\1>", "", markup.with_mathml(cell.source), flags=re.S))
            assert "$" not in left, cell.source


def test_a_formula_without_mathml_is_refused():
    with pytest.raises(ValueError, match=r"no MathML for \\unheard in '\\\\unheard x'"):
        markup.with_mathml(r"a $\unheard x$")


def test_the_number_of_an_equation_stands_beside_it():
    text = markup.with_mathml(r"so $$x = y \tag{2.14}$$ holds")
    assert '<span class="number">(2.14)</span>' in text
    assert "tag" not in text


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A page of a notebook with a formula, a picture and a panel that has run."""
    sources = [
        "import matplotlib.pyplot as plt\nfigure = plt.plot([1, 2])",
        "from toolkit.panels import LandscapePanel\npanel = LandscapePanel(steps=20)\npanel",
        "panel.run();",
    ]
    cells = [new_markdown_cell(r"# 99 Planted"), new_markdown_cell(r"A straight line $y = x$, see [00](00_start_here.ipynb).")]
    cells += [new_code_cell(source) for source in sources]
    path = tmp_path_factory.mktemp("planted") / "99_planted.ipynb"
    nbformat.write(new_notebook(cells=cells), path)
    notebook = executing.executed(path)
    file = path.with_suffix(".html")
    file.write_text(book.page(notebook, "99_planted", {"99_planted": lessons.title(notebook)}), encoding="utf-8")
    return file


@pytest.mark.notebook
def test_a_panel_shows_what_it_ends_with_and_its_settings(page):
    text = page.read_text(encoding="utf-8")
    panel = text[text.index('<div class="panel">') :]
    assert "Heavy ball on a landscape" in panel
    assert panel.count("<svg") >= 3
    assert "friction ρ: " in panel
    assert "widget-view" not in text


@pytest.mark.notebook
def test_the_page_has_no_fault_and_fetches_nothing(page):
    assert book.faults(page) == []
    assert "<script" not in page.read_text(encoding="utf-8")


@pytest.mark.notebook
def test_a_picture_is_described_by_the_words_before_it(page):
    assert 'alt="A straight line , see 00."' in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "planted, fault",
    [
        ('<a href="no.html">x</a>', "link to no.html, which is not in the book"),
        ('<a href="#nowhere">x</a>', "link to #nowhere, which has no such place"),
        ('<a href="index.html#nowhere">x</a>', "which has no such place"),
        ('<img src="data:,">', "a picture has no description"),
        ('<img src="data:," alt="No description has been provided for this image">', "a picture has no description"),
        ('<script src="https://example.org/a.js"></script>', "would be fetched"),
        ('<link rel="stylesheet" href="//example.org/a.css">', "would be fetched"),
    ],
)
def test_a_planted_fault_is_found(tmp_path, planted, fault):
    (tmp_path / "index.html").write_text("<h1 id=there>index</h1>", encoding="utf-8")
    path = tmp_path / "page.html"
    path.write_text(
        f'<h1 id="here">page</h1><a href="#here">x</a><a href="https://example.org">y</a>{planted}', encoding="utf-8"
    )
    found = book.faults(path)
    assert len(found) == 1
    assert fault in found[0]


def test_an_unknown_lesson_is_refused(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["book.py", "--only", "77"])
    with pytest.raises(SystemExit):
        book.main()
    assert "no lesson 77; there are 00, " in capsys.readouterr().err
