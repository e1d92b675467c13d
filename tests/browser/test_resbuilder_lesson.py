"""The panel of the ResBuilder: it pauses, a block is inserted by hand, the history is looked at, the best is exported."""

import pytest
from lab_page import LabPage
from lab_server import SMALL, STANDARD
from looks import layout_faults
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

CELLS = (
    "from toolkit.panels import ResBuilderPanel",
    "panel = ResBuilderPanel(epochs=2, layer_steps=1, morph_steps=2)\npanel",
)


@pytest.fixture(scope="module")
def resbuilder(lab_page) -> LabPage:
    """A notebook with the panel."""
    lab_page.open_cells(*CELLS)
    return lab_page


def test_a_block_is_inserted_by_hand_while_the_search_waits(resbuilder):
    panel = resbuilder.panel("ResBuilder")
    panel.click("step")
    expect(panel.button("run")).to_have_text("Resume")
    panel.type("stage", "2")
    resbuilder.wait_until_kernel_has("panel.controls['stage'].value", 2)
    panel.click("insert")
    expect(panel.frame).to_contain_text("block 1 of stage 2 inserted by hand: accuracy on validation")
    expect(panel.frame).to_contain_text("2: block 1 of stage 2 inserted by hand")
    panel.picture("resbuilder_by_hand")
    panel.click("run")
    expect(panel.button("stop")).to_be_disabled()
    expect(panel.frame).to_contain_text("best within the budget: architecture")
    panel.picture("resbuilder_finished")


def test_an_architecture_of_the_history_is_shown_and_exported(resbuilder):
    panel = resbuilder.panel("ResBuilder")
    panel.choose("show", "by number")
    with panel.new_frame():
        panel.type("number", "3")
    expect(panel.frame).to_contain_text("error while architecture 3 trains")
    panel.click("export")
    expect(panel.error).to_contain_text("written: run_3.json")
    panel.picture("resbuilder_exported")


@pytest.mark.parametrize("size", [STANDARD, SMALL], ids=["standard", "small"])
def test_everything_is_seen_whole(resbuilder, size):
    resbuilder.resize(size)
    panel = resbuilder.panel("ResBuilder")
    panel.frame.scroll_into_view_if_needed()
    assert layout_faults(panel.root) == []
    panel.picture(f"resbuilder_{size[0]}x{size[1]}")
    resbuilder.resize(STANDARD)
