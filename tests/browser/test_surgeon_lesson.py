"""The panels of network surgery: an operation shown at once, and a decision taken by a person."""

import pytest
from lab_page import LabPage
from lab_server import SMALL, STANDARD
from looks import layout_faults
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

CELLS = (
    "from toolkit.panels import OperationPanel, SurgeonPanel",
    "single = OperationPanel()\nsingle",
    "surgeon = SurgeonPanel(epochs=6, pretraining=2, interval=2, branches=1, redraws=0, decides='you')\nsurgeon",
)


@pytest.fixture(scope="module")
def surgery(lab_page) -> LabPage:
    """A notebook with both panels."""
    lab_page.open_cells(*CELLS)
    return lab_page


def test_an_operation_is_shown_as_soon_as_it_is_chosen(surgery):
    panel = surgery.panel("One operation")
    expect(panel.frame).to_contain_text("not exact")
    panel.choose("operation", "add neurons")
    expect(panel.frame).to_contain_text("add neurons: exact")
    expect(panel.frame).to_contain_text("12-12-12 becomes 12-15-12")
    panel.picture("surgery_operation")


def test_a_person_decides_and_the_search_goes_on(surgery):
    panel = surgery.panel("The Surgeon")
    panel.click("run")
    expect(panel.button("run")).to_have_text("Resume")
    expect(panel.status).to_contain_text("advice for branch 0")
    surgery.wait_until_kernel_has("len(surgeon.controls['wish'].options) > 5", True)
    wish = surgery.ask_kernel(value="next(one for one in surgeon.controls['wish'].options if one.startswith('add layer'))")
    expect(panel.control("wish")).to_contain_text(wish)
    panel.choose("wish", wish)
    surgery.wait_until_kernel_has("surgeon.controls['wish'].value", wish)
    panel.click("run")
    expect(panel.status).to_contain_text("epoch 4")
    tried = "[record.operation for record in surgeon.records if record.kind == 'candidate']"
    surgery.wait_until_kernel_has(tried, ["identity", "add layer"])
    panel.choose("decides", "Surgeon")
    surgery.wait_until_kernel_has("surgeon.controls['decides'].value", "Surgeon")
    panel.click("run")
    expect(panel.status).to_contain_text("epoch 6")
    expect(panel.button("stop")).to_be_disabled()
    panel.picture("surgery_surgeon")


@pytest.mark.parametrize("size", [STANDARD, SMALL], ids=["standard", "small"])
def test_everything_is_seen_whole(surgery, size):
    surgery.resize(size)
    for title in ("One operation", "The Surgeon"):
        panel = surgery.panel(title)
        panel.frame.scroll_into_view_if_needed()
        assert layout_faults(panel.root) == []
    surgery.picture(f"surgery_{size[0]}x{size[1]}")
    surgery.resize(STANDARD)
