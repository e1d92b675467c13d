"""A newcomer's way through lessons: each is opened, run to its end and read from top to bottom."""

import re

import pytest
from lab_server import STANDARD
from looks import layout_faults, outside
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

WINDOW = (1300, 900)
LOOKS = 12  # at a screen before it counts as restless
LESSONS = {
    "00": "00_start_here",
    "03": "03_port_hamiltonian_optimizer",
    "07": "07_survival_analysis",
    "14": "14_tof_sims_components",
}
PANELS = {"00": "Heavy ball on a landscape", "03": "Heavy ball with friction"}  # with runs of many records

SCROLLER = ".jp-NotebookPanel:not(.lm-mod-hidden) .jp-WindowedPanel-outer"
DOWN = f"""() => {{
    const place = document.querySelector("{SCROLLER}"), before = place.scrollTop;
    place.scrollTop += 0.9 * place.clientHeight;
    return place.scrollTop > before;
}}"""
TOP = f"""() => {{ document.querySelector("{SCROLLER}").scrollTop = 0; }}"""

# Heights and emptiness of a frame at each of the browser's own frames while pictures follow each other.
WATCH = """([root, frame, number]) => new Promise(enough => {
    const seen = {heights: new Set(), empty: 0, looks: 0};
    const pictures = new Set([frame.innerHTML]);
    const observer = new MutationObserver(() => pictures.add(frame.innerHTML));
    observer.observe(frame, {childList: true, subtree: true, characterData: true});
    const look = () => {
        seen.looks += 1;
        seen.empty += frame.querySelector("svg") === null || frame.getBoundingClientRect().height < 50;
        seen.heights.add(Math.round(root.getBoundingClientRect().height));
        if (pictures.size <= number) return requestAnimationFrame(look);
        observer.disconnect();
        enough({heights: [...seen.heights], empty: seen.empty, looks: seen.looks});
    };
    requestAnimationFrame(look);
})"""


@pytest.fixture(scope="module", params=LESSONS)
def lesson(request, lab_page):
    """A lesson with all its cells run, in a window as on a small laptop."""
    lab_page.resize(WINDOW)
    lab_page.open(f"{LESSONS[request.param]}.ipynb")
    lab_page.run_all()
    yield request.param, lab_page
    lab_page.resize(STANDARD)


def screens(page):
    """The notebook from top to bottom, by nearly a window at a time; gives the number of each."""
    page.page.evaluate(TOP)
    number = 0
    while True:
        page.page.wait_for_timeout(150)
        yield number
        number += 1
        if not page.page.evaluate(DOWN):
            return


def comes_to_rest(page, name):
    """Whether three pictures in a row, half a second apart, are equal: what is reached may still be drawn, but not for long."""
    equal, before = 1, page.picture(name)
    for _ in range(LOOKS):
        page.page.wait_for_timeout(500)
        picture = page.picture(name)
        equal = equal + 1 if picture == before else 1
        before = picture
        if equal == 3:
            return True
    return False


def test_every_cell_has_run_without_error(lesson):
    _, page = lesson
    expect(page.errors()).to_have_count(0)
    expect(page.page.locator(".jp-CodeCell .jp-InputPrompt", has_text=re.compile(r"\[[ *]\]:"))).to_have_count(0)


def test_nothing_is_clipped_overlaps_or_flickers(lesson):
    number, page = lesson
    page.page.mouse.move(2, 2)
    faults = {}
    for screen in screens(page):
        assert comes_to_rest(page, f"newcomer_{number}_{screen:02d}"), f"screen {screen} is not at rest"
        for output in page.page.locator(".jp-OutputArea-output:visible").all():
            if found := layout_faults(output) + outside(output):
                faults[output.inner_text()[:40]] = sorted(set(found))
    assert faults == {}


def test_a_run_keeps_its_place(lesson):
    number, page = lesson
    if number not in PANELS:
        pytest.skip("its first panel has no run of many records")
    panel = page.panel(PANELS[number])
    panel.frame.scroll_into_view_if_needed()
    panel.click("run")
    panel.wait_for_frames(2)  # the first picture of a run may show more plots than the one before it
    seen = page.page.evaluate(WATCH, [panel.root.element_handle(), panel.frame.element_handle(), 3])
    panel.end()
    assert seen["looks"] > 10
    assert seen["empty"] == 0
    assert len(seen["heights"]) == 1
