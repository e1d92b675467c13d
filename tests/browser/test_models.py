"""The panel of classical models: the controls follow the problem, and the boundary is an embedded picture that is seen."""

import pytest
from lab_server import SMALL, STANDARD
from looks import layout_faults
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@pytest.fixture(scope="module")
def cells(lab_page):
    """A notebook with the panel alone."""
    lab_page.open_cells("from toolkit.panels import ModelPanel", "ModelPanel(values=4)")
    return lab_page


@pytest.fixture
def panel(cells):
    return cells.panel("Classical models")


def test_the_boundary_is_loaded_and_changes_with_the_model(panel):
    boundary = panel.frame.locator("svg image")
    expect(boundary).to_be_visible()
    before = boundary.get_attribute("href")
    panel.choose("model", "k-nearest neighbours")
    expect(boundary).not_to_have_attribute("href", before)


def test_only_controls_that_matter_are_seen(panel):
    panel.choose("dataset", "noisy curve")
    expect(panel.control("samples")).to_be_visible()
    expect(panel.control("threshold")).to_be_hidden()
    panel.choose("dataset", "good conductor")
    expect(panel.control("threshold")).to_be_visible()
    expect(panel.control("noise")).to_be_hidden()


def test_a_sweep_is_drawn_and_its_best_value_taken(panel):
    panel.choose("dataset", "two rings")
    panel.choose("model", "k-nearest neighbours")
    panel.click("run")
    expect(panel.status).to_contain_text("neighbours k 60")
    panel.click("best")
    panel.wait_for_readout("n-neighbors", below=59)


@pytest.mark.parametrize("size", [STANDARD, SMALL], ids=["standard", "small"])
def test_everything_is_seen_whole(cells, panel, size):
    cells.resize(size)
    panel.frame.scroll_into_view_if_needed()
    assert layout_faults(panel.root) == []
    cells.resize(STANDARD)
