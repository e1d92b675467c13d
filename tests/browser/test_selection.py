"""The selection panel: a path is walked, a bar is clicked, and the network learns without its function."""

import pytest
from lab_page import LabPage
from lab_server import SMALL, STANDARD
from looks import layout_faults
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

TITLE = "Choosing symmetry functions"
CELLS = (
    "from toolkit.datasets import aluminium\nfrom toolkit.panels import SelectionPanel",
    "tiny = aluminium.Scale(('300K', '950K'), repeat=2, trajectories=4, frames=4, stride=2, settling=6, melting=10)\n"
    "cells = aluminium.emt(tiny, keep=False)",
    "chooser = SelectionPanel(cells, set='22', epochs=30, path_epochs=2, growth=1.5, members=2)\nchooser.run()\nchooser",
)


@pytest.fixture(scope="module")
def selection(lab_page) -> LabPage:
    """A notebook with the panel, its path walked to the end."""
    lab_page.open_cells(*CELLS)
    return lab_page


def test_a_click_on_a_bar_switches_its_function_off_and_retrains(selection):
    panel = selection.panel(TITLE)
    expect(panel.frame).to_contain_text("largest λ at which in use")
    panel.picture("selection_path")
    bars = panel.frame.locator("svg").first
    box = bars.bounding_box()
    across = (44 + 3.5 * (760 - 52) / 22) / 760  # the middle of the fourth bar
    bars.click(position={"x": across * box["width"], "y": box["height"] / 2})
    expect(panel.frame).to_contain_text("press Retrain")
    selection.wait_until_kernel_has("chooser.off", {3})
    panel.root.locator(".panel-retrain").click()
    expect(panel.frame).to_contain_text("rise of the RMSE when shuffled", timeout=60_000)
    panel.picture("selection_retrained")
    selection.wait_until_kernel_has("[chooser.records[-1].selected.sum(1).tolist(), chooser.running]", [[21, 21], False])
    selection.wait_until_kernel_has("float(abs(chooser.records[-1].importance[:, 3]).max())", 0.0)


def test_the_same_by_controls_alone(selection):
    panel = selection.panel(TITLE)
    panel.choose("chosen", "207: G2 η 1.85 R_s 0.554")
    panel.root.locator(".panel-switch").click()
    selection.wait_until_kernel_has("chooser.off", {1, 3})
    panel.root.locator(".panel-switch").click()
    selection.wait_until_kernel_has("chooser.off", {3})


@pytest.mark.parametrize("size", [STANDARD, SMALL], ids=["standard", "small"])
def test_everything_is_seen_whole(selection, size):
    selection.resize(size)
    panel = selection.panel(TITLE)
    panel.frame.scroll_into_view_if_needed()
    expect(panel.frame.locator("svg")).to_have_count(4)
    assert layout_faults(panel.root) == []
    panel.picture(f"selection_{size[0]}x{size[1]}")
    selection.resize(STANDARD)
