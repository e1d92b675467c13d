"""What goes wrong in page, console or kernel is seen: each planted fault would fail the test it falls in."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

PLANTED = """
import threading, traitlets
import ipywidgets as widgets

def planted(*_):
    raise ValueError("planted")

button, slider, thread = widgets.Button(description="button"), widgets.IntSlider(), widgets.Button(description="thread")
button.on_click(planted)
slider.observe(planted, names="value")
thread.on_click(lambda _: threading.Thread(target=planted).start())
widgets.VBox([button, slider, thread])
"""


@pytest.fixture(scope="module")
def planted(lab_page):
    lab_page.open_cells(PLANTED)
    return lab_page


def seen(lab_page, words: str) -> bool:
    """Whether a fault with these words is noted; faults are then forgotten."""
    try:
        while not any(re.search(words, fault) for fault in lab_page.faults):
            lab_page.page.wait_for_timeout(20)  # the page's events come in while it waits
    finally:
        lab_page.faults.clear()
    return True


def test_a_sound_notebook_has_none(planted):
    expect(planted.errors()).to_have_count(0)
    assert planted.faults == []


@pytest.mark.parametrize("label", ["button", "thread"])
def test_a_raising_button_is_seen(planted, label):
    planted.page.get_by_role("button", name=label, exact=True).click()
    assert seen(planted, "kernel: (?s:.*)ValueError(?s:.*)planted")


def test_a_raising_slider_is_seen(planted):
    planted.page.locator(".jp-OutputArea .noUi-handle").press("ArrowRight")
    assert seen(planted, "kernel: (?s:.*)ValueError(?s:.*)planted")


@pytest.mark.parametrize("script", ["setTimeout(() => { throw new Error('planted') })", "console.error('planted')"])
def test_an_error_in_the_page_is_seen(planted, script):
    planted.page.evaluate(script)
    assert seen(planted, "(page|console): .*planted")


def test_a_failing_cell_is_seen(lab_page):
    lab_page.open_cells("1 / 0", "2 + 2")
    expect(lab_page.errors()).to_contain_text("ZeroDivisionError")
    assert seen(lab_page, "kernel: (?s:.*)ZeroDivisionError")
