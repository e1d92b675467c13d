"""The panel of many settings: its map fills while they train, and what is chosen on it goes to the race."""

import pytest
from lab_page import place
from lab_server import SMALL, STANDARD
from looks import layout_faults
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@pytest.fixture
def panel(lesson):
    """The lesson's panel with 16 members."""
    panel = lesson.panel("Many settings at once")
    yield panel
    panel.end()


def test_the_map_fills_during_the_run(panel):
    panel.click("run")
    panel.wait_for_frames(3)
    expect(panel.status).to_contain_text("16 members: epoch 6.00")
    expect(panel.button("stop")).to_be_disabled()
    panel.picture("study")


def test_a_cell_is_chosen_by_a_click_and_taken_to_the_race(lesson, panel):
    panel.frame.scroll_into_view_if_needed()
    cells = panel.frame.locator("svg").first
    box = place(cells)
    cells.click(position={"x": box["width"] * 245 / 320, "y": box["height"] * 30 / 270})  # the cell in the top right corner
    panel.wait_for_readout("member", above=14, below=16)
    panel.click("take")
    race = lesson.panel("Heavy ball with friction")
    race.wait_for_readout("mass", above=9.99, below=10.01)
    race.wait_for_readout("friction", above=2.99, below=3.01)


@pytest.mark.parametrize("size", [STANDARD, SMALL], ids=["standard", "small"])
def test_everything_is_seen_whole(lesson, panel, size):
    lesson.resize(size)
    panel.frame.scroll_into_view_if_needed()
    assert layout_faults(panel.root) == []
    lesson.picture(f"study_{size[0]}x{size[1]}")
    lesson.resize(STANDARD)
