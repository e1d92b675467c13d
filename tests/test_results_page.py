"""The results page: whole, offline, and the copy in the repository as fresh as the recordings."""

from html import unescape

import pandas as pd
import pytest

from course import book, lessons
from course import results as results_page
from toolkit import results

DECIDED_BY_DATA = ["document", "number", "what", "lesson", "live or recorded", "date", "published", "verdict", "reason"]


@pytest.fixture(scope="module")
def found():
    return results.collect(results_page.RECORDINGS)


def test_the_page_has_every_row_and_fetches_nothing(found, tmp_path):
    page, table, numbers = results_page.write(tmp_path, found)
    text = page.read_text(encoding="utf-8")
    assert book.faults(page) == []
    assert text.count('<th scope="row">') == len(found) == len(results.rows())
    assert text.count("<details") == sum(one.lines is not None for one in found)
    written = pd.read_csv(table, keep_default_na=False)
    pd.testing.assert_frame_equal(written, results.summary(found), check_dtype=False)
    assert len(pd.read_csv(numbers)) == len(results.numbers(found))


def test_lessons_of_the_same_book_are_linked(found, tmp_path):
    some = [one for one in found if one.row.lesson in ("03_port_hamiltonian_optimizer", "04_morphnet")]
    page, *_ = results_page.write(tmp_path, some, names=["04_morphnet"], head='<nav><a href="04_morphnet.html">04</a></nav>')
    text = page.read_text(encoding="utf-8")
    assert 'href="03_port_hamiltonian_optimizer.html"' not in text
    assert book.faults(page) == ["results.html: link to 04_morphnet.html, which is not in the book"] * text.count(
        "04_morphnet.html"
    )
    assert text.count("04_morphnet.html") == 1 + sum(one.row.lesson == "04_morphnet" for one in some)


def test_what_is_printed_is_what_was_compared(found):
    table = next(one for one in found if one.row.name == "Table 3.2" and one.row.document == "Burghoff")
    text = unescape(results_page.page([table]))
    for number in table.lines["published"]:
        assert f'<td class="number">{number:.4g}</td>' in text


def test_the_copy_is_fresh(found):
    copy, now = pd.read_csv(results_page.COPY, keep_default_na=False), results.summary(found)
    changed = now.merge(copy, on=DECIDED_BY_DATA, how="left", indicator=True)
    changed = changed[changed["_merge"] == "left_only"][["document", "number"]]
    assert len(copy) == len(now) and changed.empty, f"`make results` brings {lessons.ROOT.name}/course/results.csv up to date"
