"""The panel of MorphNet: the strength is moved while it trains, and several strengths race."""

import pytest
from lab_page import LabPage
from lab_server import SMALL, STANDARD
from looks import layout_faults
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

CELLS = (
    "from toolkit.panels import MorphNetPanel",
    "panel = MorphNetPanel(epochs=20, iterations=1)\npanel",
)


@pytest.fixture(scope="module")
def morphnet(lab_page) -> LabPage:
    """A notebook with the panel."""
    lab_page.open_cells(*CELLS)
    return lab_page


def test_the_strength_is_moved_while_it_trains(morphnet):
    panel = morphnet.panel("MorphNet")
    panel.click("run")
    expect(panel.status).to_contain_text("trains under the penalty")
    panel.type("strength", "0.0005")
    morphnet.wait_until_kernel_has("panel.runs[''].strength", 0.0005)
    expect(panel.frame).to_contain_text("collapsed")
    expect(panel.button("stop")).to_be_disabled()
    panel.picture("morphnet_collapsed")


def test_several_strengths_race(morphnet):
    panel = morphnet.panel("MorphNet")
    panel.end()
    panel.choose("experiment", "several strengths")
    panel.type("strength", "0.000003")
    panel.type("epochs", "4")
    morphnet.wait_until_kernel_has(
        "(panel.controls['epochs'].value, panel.controls['experiment'].value)", (4, "several strengths")
    )
    panel.run_to_end()
    morphnet.wait_until_kernel_has("len(panel.runs)", 4)
    expect(panel.frame).to_contain_text("λ = ")
    panel.picture("morphnet_several")


@pytest.mark.parametrize("size", [STANDARD, SMALL], ids=["standard", "small"])
def test_everything_is_seen_whole(morphnet, size):
    morphnet.resize(size)
    panel = morphnet.panel("MorphNet")
    panel.frame.scroll_into_view_if_needed()
    assert layout_faults(panel.root) == []
    panel.picture(f"morphnet_{size[0]}x{size[1]}")
    morphnet.resize(STANDARD)
