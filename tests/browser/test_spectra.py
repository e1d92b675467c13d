"""The panels of spectra: a peak is chosen by a click on its loading, and nothing is clipped or overlaps."""

import pytest
from lab_page import place
from lab_server import SMALL, STANDARD
from looks import layout_faults

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

CELL = """
from toolkit.panels import {name}
panel = {name}({arguments})
panel.run()
panel
"""
PANELS = {
    "Components of spectra": CELL.format(name="ComponentsPanel", arguments="biplot='yes'"),
    "Identification of spectra": CELL.format(name="IdentificationPanel", arguments=""),
    "Parts of a mixture": CELL.format(name="DecompositionPanel", arguments="count=4"),
}


@pytest.fixture(scope="module")
def spectra(lab_page):
    """A notebook with the three panels, each run."""
    lab_page.open_cells(*PANELS.values())
    return lab_page


def test_a_peak_is_chosen_by_a_click_on_its_loading(spectra):
    panel = spectra.panel("Components of spectra")
    loadings = panel.frame.locator("svg").first  # seen second
    box = place(loadings)
    stems = loadings.locator("circle")
    tip = place(stems.nth(1))
    loadings.click(position={"x": tip["x"] + tip["width"] / 2 - box["x"], "y": tip["y"] + tip["height"] / 2 - box["y"]})
    chosen = panel.control("peak").locator("select")
    spectra.page.wait_for_function("select => select.value === '7.02 Li-'", arg=chosen.element_handle())


@pytest.mark.parametrize("size", [STANDARD, SMALL], ids=["standard", "small"])
@pytest.mark.parametrize("title", PANELS)
def test_everything_is_seen_whole(spectra, title, size):
    spectra.resize(size)
    panel = spectra.panel(title)
    panel.frame.scroll_into_view_if_needed()
    assert layout_faults(panel.root) == []
    panel.picture(f"spectra_{title.split()[0].lower()}_{size[0]}x{size[1]}")
    spectra.resize(STANDARD)
