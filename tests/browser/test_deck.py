"""A deck of slides: every page of it is seen whole, and nothing is fetched."""

import pytest
from deck_cases import planted_lesson

from course import lessons, paging, slides

pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("browser"),
    pytest.mark.skipif(not (slides.REVEAL / "reveal.js").is_file(), reason="reveal.js is not here: `make slides` fetches it"),
]
MEASURED = """() => {
    const inner = Reveal.getCurrentSlide().querySelector(".fit");
    return {excess: excess(inner), zoom: Number(inner.style.zoom), words: inner.innerText.slice(0, 40)};
}"""


@pytest.fixture
def deck(lab_page, tmp_path):
    """The deck of a notebook that is hard to show, in a window of its own, and what went wrong or was fetched there."""
    path = lessons.write(tmp_path / "99_planted.html", slides.deck(planted_lesson(), []))
    page, faults = lab_page.page.context.new_page(), []
    page.on("request", lambda request: request.url.startswith(("file:", "data:")) or faults.append(request.url))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.set_viewport_size({"width": slides.WIDTH, "height": slides.HEIGHT})
    page.goto(path.as_uri())
    page.wait_for_function("Reveal.isReady()")
    yield page, faults
    page.close()


def test_every_slide_is_seen_whole(deck):
    """Also a table too tall for its page, a panel of any shape and lines of code up to the margin."""
    page, faults = deck
    sizes = []
    for _ in range(page.evaluate("Reveal.getTotalSlides()")):
        sizes.append(page.evaluate(MEASURED))
        page.evaluate("Reveal.next()")
    assert faults == []
    assert len({size["words"] for size in sizes}) == len(paging.pages(planted_lesson()))
    assert [size for size in sizes if size["excess"] > 1.01] == []
    assert [size for size in sizes if size["zoom"] < 0.75] == []


def test_the_arrow_keys_lead_through_the_deck(deck):
    page, faults = deck
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("[Reveal.getIndices().h, Reveal.getIndices().v]") == [1, 1]
    assert faults == []
