"""The panel of the ball on a landscape: at once on every movement, draggable, and played by Run."""

import pytest
from lab_page import drag, place
from lab_server import SMALL, STANDARD
from looks import layout_faults
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@pytest.fixture
def panel(lesson):
    """The lesson's panel with the double well and the ball at rest."""
    panel = lesson.panel("Heavy ball on a landscape")
    panel.choose("landscape", "double well")
    panel.type("start-x", "3.3")
    panel.frame.scroll_into_view_if_needed()
    yield panel
    panel.end()


def test_the_picture_follows_a_control_at_once(panel):
    with panel.new_frame():
        panel.type("friction", "1.5")
    with panel.new_frame():
        panel.drag("mass", 25)
    expect(panel.button("run")).to_be_enabled()
    panel.type("mass", "1")
    panel.type("friction", "0.15")


def test_the_start_is_dragged_on_the_map(panel):
    landscape = panel.frame.locator("svg").first
    width = place(landscape)["width"]
    drag(panel.page, landscape, -0.3 * width, 0)
    panel.wait_for_readout("start-x", below=-2)
    panel.picture("landscape_dragged")
    with panel.new_frame():
        drag(panel.page, landscape, 0.2 * width, 0)
    panel.wait_for_readout("start-x", above=1)


def test_the_other_plots_cannot_be_dragged(panel):
    before = panel.readout("start-x")
    drag(panel.page, panel.frame.locator("svg").nth(1), 40, 0)
    with panel.new_frame():
        panel.type("mass", "2")  # comes after whatever the drag has sent
    assert panel.readout("start-x") == before
    panel.type("mass", "1")


def test_run_plays_the_path(panel):
    panel.click("run")
    panel.wait_for_frames(5)
    expect(panel.button("pause")).to_be_enabled()
    panel.choose("speed", "300")
    expect(panel.status).to_contain_text("step 300")
    expect(panel.button("stop")).to_be_disabled()


def test_two_dimensions(panel):
    expect(panel.control("start-y")).to_be_hidden()
    with panel.new_frame():
        panel.choose("landscape", "Himmelblau")
    expect(panel.control("start-y")).to_be_visible()
    landscape = panel.frame.locator("svg").first
    box = place(landscape)
    drag(panel.page, landscape, 0.25 * box["width"], -0.25 * box["height"])
    panel.wait_for_readout("start-x", above=1)
    panel.wait_for_readout("start-y", above=1)
    panel.picture("landscape_himmelblau")


@pytest.mark.parametrize("size", [STANDARD, SMALL], ids=["standard", "small"])
@pytest.mark.parametrize("landscape", ["double well", "Rosenbrock"])
def test_everything_is_seen_whole(lesson, panel, landscape, size):
    lesson.resize(size)
    panel.choose("landscape", landscape)
    expect(panel.frame).to_contain_text(landscape)
    assert layout_faults(panel.root) == []
    panel.frame.scroll_into_view_if_needed()
    lesson.picture(f"landscape_{landscape.replace(' ', '_')}_{size[0]}x{size[1]}")
    lesson.resize(STANDARD)
