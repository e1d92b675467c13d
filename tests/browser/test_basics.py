"""The panels of lessons 01 and 02: cells are clicked and typed, depth is seen before a run, pages are turned."""

import pytest
from lab_page import drag
from lab_server import SMALL, STANDARD
from looks import layout_faults
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

CELLS = (
    "from toolkit.panels import ConvolutionPanel, DepthPanel, GalleryPanel",
    "window = ConvolutionPanel()\nwindow",
    "stacks = DepthPanel(epochs=8, scale=300)\nstacks",
    "sets = GalleryPanel()\nsets",
    "from toolkit.panels import BackpropagationPanel, DescentPanel, FittingPanel",
    "race = DescentPanel()\nrace",
    "layer = FittingPanel(task='wavy border', units=40, epochs=400)\nlayer",
    "numbers = BackpropagationPanel()\nnumbers",
)
TITLES = {"Convolution and pooling by hand": 2, "Gradients in deep stacks": 3, "Gallery of data sets": 2}
TITLES |= {"Race of the optimizers": 3, "One hidden layer": 4, "Backpropagation on a small network": 1}


@pytest.fixture(scope="module")
def basics(lab_page):
    """A notebook with the panels of both lessons."""
    lab_page.open_cells(*CELLS)
    return lab_page


def test_a_cell_is_clicked_and_the_map_follows(basics):
    panel = basics.panel("Convolution and pooling by hand")
    panel.type("value", "9")
    basics.wait_until_kernel_has("window.settings['value']", 9.0)
    with panel.new_frame():
        panel.frame.locator("svg").first.locator("rect").nth(6).click(force=True)  # upper right; its number is on top
    basics.wait_until_kernel_has("float(window.image[0, 6])", 9.0)
    expect(panel.frame.locator("svg").nth(1)).to_contain_text("9")
    panel.click("reset")
    basics.wait_until_kernel_has("float(window.image[0, 6])", 0.0)


def test_the_window_moves_and_can_be_stopped(basics):
    panel = basics.panel("Convolution and pooling by hand")
    panel.click("run")
    panel.wait_for_frames(3)
    panel.end()


def test_depth_is_seen_at_once_and_the_learning_rate_acts_during_the_run(basics):
    panel = basics.panel("Gradients in deep stacks")
    with panel.new_frame():
        panel.type("blocks", "8")
    expect(panel.frame).to_contain_text("16 convolutions, before training")
    panel.click("run")
    panel.wait_for_frames(2)
    panel.type("learning-rate", "0.002")
    basics.wait_until_kernel_has(
        "[run.optimizer.param_groups[0]['lr'] for run in stacks._compare.runs.values()]", [0.002, 0.002]
    )
    panel.picture("basics_depth")
    panel.end()


def test_a_class_is_chosen_and_its_pages_are_turned(basics):
    panel = basics.panel("Gallery of data sets")
    with panel.new_frame():
        panel.choose("label", "7")
    with panel.new_frame():
        panel.choose("look", "augmented")
    panel.run_to_end()
    expect(panel.status).to_contain_text("page 5")


def test_the_start_of_the_race_is_dragged(basics):
    panel = basics.panel("Race of the optimizers")
    panel.frame.scroll_into_view_if_needed()
    before = panel.readout("start-x")
    with panel.new_frame():
        drag(basics.page, panel.frame.locator("svg").first, 30, -20)
    panel.wait_for_readout("start-x", above=before)
    panel.choose("ground", "a network on the digits")
    expect(panel.control("start-x")).to_be_hidden()
    panel.click("run")
    panel.wait_for_frames(2)
    panel.end()
    panel.choose("ground", "Himmelblau")


def test_a_hidden_layer_is_trained_live(basics):
    panel = basics.panel("One hidden layer")
    panel.click("run")
    panel.wait_for_frames(3)
    panel.choose("network", "best so far")
    panel.end()


def test_a_weight_changes_the_numbers_and_the_stages_are_played(basics):
    panel = basics.panel("Backpropagation on a small network")
    with panel.new_frame():
        panel.type("x1-h1", "2")
    expect(panel.frame).to_contain_text("w 2")
    panel.click("step")
    expect(panel.status).to_contain_text("round 1 · inputs")
    panel.click("step")
    expect(panel.status).to_contain_text("hidden neurons")
    panel.end()


@pytest.mark.parametrize("size", [STANDARD, SMALL], ids=["standard", "small"])
@pytest.mark.parametrize("title", TITLES)
def test_everything_is_seen_whole(basics, title, size):
    basics.resize(size)
    panel = basics.panel(title)
    panel.frame.scroll_into_view_if_needed()
    expect(panel.frame.locator("svg")).to_have_count(TITLES[title])
    assert layout_faults(panel.root) == []
    panel.picture(f"basics_{title[:8].strip()}_{size[0]}x{size[1]}")
    basics.resize(STANDARD)
