"""Every panel by keyboard alone: what can be moved is reached with Tab and seen to be, and a run is begun and paused."""

import pytest
from playwright.sync_api import expect

from toolkit import panels

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

IN_ONE_NOTEBOOK = 8
NAMES = sorted(panels.__all__)
GROUPS = [NAMES[start : start + IN_ONE_NOTEBOOK] for start in range(0, len(NAMES), IN_ONE_NOTEBOOK)]

# What a hand on the mouse could move now, in the order of the page; the number beside a slider can be typed over.
CONTROLS = """root => {
    const kinds = "button, select, input, textarea, summary, a[href], [role=tab], .noUi-handle, .widget-readout";
    const found = [...root.querySelectorAll(kinds)];
    window.controls = found.filter(each => !each.disabled && each.checkVisibility({visibilityProperty: true}));
    document.activeElement.blur();
    window.looks = each => {
        const style = getComputedStyle(each);
        return [style.outlineStyle === "none" ? "" : style.outline, style.boxShadow, style.border].join();
    };
    window.unfocused = window.controls.map(window.looks);
    return window.controls.map(each => `${each.closest("[class*=control-], [class*=panel-]")?.className} ${each.tagName}`);
}"""
FOCUSED = """() => {
    const number = window.controls.indexOf(document.activeElement);
    return [number, number >= 0 && window.looks(document.activeElement) !== window.unfocused[number]];
}"""
PLACE = "() => window.controls.indexOf(document.activeElement)"


@pytest.fixture(scope="module", params=GROUPS, ids=lambda names: f"{names[0]} to {names[-1]}")
def shown(request, lab_page):
    """A notebook with one cell for each of some panels."""
    cells = [f"shown[{name!r}] = panels.{name}()\nshown[{name!r}]" for name in request.param]
    lab_page.open_cells("from toolkit import panels\n\nshown = {}", *cells)
    return lab_page


def panels_on(page):
    """Name and panel, in the order of the cells."""
    return [
        (name, page.panel(title))
        for name, title in page.ask_kernel(value="[(name, panel.title) for name, panel in shown.items()]")
    ]


def walk(panel) -> tuple[list[str], list[int], list[bool]]:
    """The controls; which of them had the focus one after the other until it left them; whether each was marked."""
    controls = panel.root.evaluate(CONTROLS)
    panel.page.evaluate("() => window.controls[0].focus()")
    reached, marked = [], []
    for _ in range(len(controls) + 2):
        number, mark = panel.page.evaluate(FOCUSED)
        if number < 0:
            break
        reached.append(number)
        marked.append(mark)
        panel.page.keyboard.press("Tab")
    return controls, reached, marked


def test_each_control_gets_the_focus_in_order_and_shows_it(shown):
    for name, panel in panels_on(shown):
        controls, reached, marked = walk(panel)
        assert len(controls) > 10, name
        assert [controls[number] for number in reached] == controls, name
        assert reached == list(range(len(controls))), name
        assert [controls[number] for number, mark in zip(reached, marked, strict=True) if not mark] == [], name


def test_the_way_back_is_open(shown):
    for name, panel in panels_on(shown):
        count = len(panel.root.evaluate(CONTROLS))
        panel.page.evaluate("() => window.controls.at(-1).focus()")
        for number in reversed(range(count)):
            assert panel.page.evaluate(PLACE) == number, name
            panel.page.keyboard.press("Shift+Tab")
        assert panel.page.evaluate(PLACE) == -1, name


def test_sliders_and_lists_move_by_arrow_keys(shown):
    cells = shown.page.locator(".jp-Notebook .jp-Cell").count()
    for name, panel in panels_on(shown):
        sliders = panel.root.locator(".noUi-handle:visible")
        can_move = "all => all.findLastIndex(each => each.ariaValueMin !== each.ariaValueMax)"
        slider = sliders.nth(sliders.evaluate_all(can_move))
        slider.focus()
        at_end = slider.get_attribute("aria-valuenow") == slider.get_attribute("aria-valuemax")
        before = slider.get_attribute("aria-valuetext")  # the other is rounded
        shown.page.keyboard.press("ArrowLeft" if at_end else "ArrowRight")
        expect(slider, name).not_to_have_attribute("aria-valuetext", before)
        expect(slider, name).to_be_focused()
        options = panel.root.locator(".widget-dropdown:visible select:has(option:nth-child(2))").last
        options.focus()
        number = options.evaluate("each => each.selectedIndex")
        shown.page.keyboard.press("ArrowUp" if number else "ArrowDown")
        assert abs(options.evaluate("each => each.selectedIndex") - number) == 1, name
        shown.page.keyboard.press("b")  # elsewhere in a notebook it makes a new cell
        expect(options, name).to_be_focused()
    assert shown.page.locator(".jp-Notebook .jp-Cell").count() == cells


def test_a_run_is_begun_paused_resumed_and_stopped(shown):
    shown.ask_kernel("for panel in shown.values():\n    panel.rest = lambda: 30.0")  # so that no run ends by itself
    for name, panel in panels_on(shown):
        press = shown.page.keyboard.press
        panel.button("run").focus()
        press("Enter")
        expect(panel.button("pause"), name).to_be_focused()
        press("Space")
        expect(panel.button("run"), name).to_have_text("Resume")
        expect(panel.button("run"), name).to_be_focused()
        press("Space")
        expect(panel.button("pause"), name).to_be_focused()
        press("Tab")
        expect(panel.button("stop"), name).to_be_focused()
        press("Enter")
        expect(panel.button("stop"), name).to_be_disabled()
        expect(panel.button("run"), name).to_be_focused()


def test_escape_leads_back_to_the_cell(shown):
    for name, panel in panels_on(shown):
        panel.root.locator(".widget-readout:visible").first.focus()
        shown.page.keyboard.press("Escape")
        cell = shown.page.locator(".jp-Cell", has=panel.root)
        expect(cell, name).to_be_focused()


def test_a_step_keeps_the_focus(lab_page):
    lab_page.open_cells("from toolkit.panels import LandscapePanel\n\npanel = LandscapePanel()\npanel")
    panel = lab_page.panel("Heavy ball on a landscape")
    panel.button("step").focus()
    for count in (1, 2, 3):
        lab_page.page.keyboard.press("Enter")
        lab_page.wait_until_kernel_has("len(panel.records)", count)
        expect(panel.button("step")).to_be_enabled()
        expect(panel.button("step")).to_be_focused()
    panel.end()
