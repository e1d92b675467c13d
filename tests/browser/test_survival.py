"""The panels of survival analysis: the penalty slides two histograms together, and a subject is dragged."""

import pytest
from lab_page import drag
from lab_server import SMALL, STANDARD
from looks import layout_faults
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

CELLS = (
    "from toolkit.panels import CoxPanel, MetricPanel",
    "clinics = CoxPanel(epochs=60, network='VGG-like, 1/16', seen='both clinics', strength=1e-4)\nclinics",
    "subjects = MetricPanel(seed=0)\nsubjects",
)


@pytest.fixture(scope="module")
def survival(lab_page):
    """A notebook with both panels."""
    lab_page.open_cells(*CELLS)
    return lab_page


def test_the_penalty_acts_on_the_running_network(survival):
    panel = survival.panel("Survival on two clinics")
    panel.click("run")
    panel.wait_for_frames(2)
    panel.drag("strength", 80)
    survival.wait_until_kernel_has("clinics.fit.loss.strength == clinics.settings['strength'] > 1e-4", True)
    panel.wait_for_frames(2)
    panel.picture("survival_clinics")
    panel.end()


def test_a_subject_is_dragged(survival):
    panel = survival.panel("What the metrics see")
    panel.frame.scroll_into_view_if_needed()
    assert panel.readout("log-hazard") > 2.35  # of the subject that is chosen first
    drag(survival.page, panel.frame.locator("svg").first, 0, -50)  # from a log hazard near 0 upwards
    panel.wait_for_readout("log-hazard", above=1.5, below=2.35)
    panel.picture("survival_subjects")


@pytest.mark.parametrize("size", [STANDARD, SMALL], ids=["standard", "small"])
@pytest.mark.parametrize("title", ["Survival on two clinics", "What the metrics see"])
def test_everything_is_seen_whole(survival, title, size):
    survival.resize(size)
    panel = survival.panel(title)
    panel.frame.scroll_into_view_if_needed()
    expect(panel.frame.locator("svg")).to_have_count(4)
    assert layout_faults(panel.root) == []
    survival.picture(f"survival_{title[:8].strip()}_{size[0]}x{size[1]}")
    survival.resize(STANDARD)
