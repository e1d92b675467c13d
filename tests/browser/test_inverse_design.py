"""Lesson 13's panels on its recorded networks: a structure is chosen by a click, a search is watched, nothing overlaps."""

import pytest
from lab_page import place
from lab_server import SMALL, STANDARD
from looks import layout_faults
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

LATENT, INVERSE = "Latent space of membranes", "Recipe of a membrane"
CELLS = (
    "from toolkit.panels import InversePanel, LatentPanel\n"
    "where = 'recordings/membranes_vae'\n"
    "space = LatentPanel(f'{where}_32_one_seed.npz', f'{where}.npz', family='one seed', split='test')\nspace",
    "search = InversePanel(f'{where}_32.npz', initial=5, iterations=10)\nsearch",
)


@pytest.fixture(scope="module")
def membranes(lab_page):
    """A notebook with both panels."""
    lab_page.open_cells(*CELLS)
    return lab_page


def test_a_structure_is_chosen_by_a_click(membranes):
    panel = membranes.panel(LATENT)
    scatter = panel.frame.locator("svg").first
    scatter.scroll_into_view_if_needed()
    box = place(scatter)
    scatter.click(position={"x": 0.62 * box["width"], "y": 0.3 * box["height"]})
    membranes.wait_until_kernel_has("space.settings['chosen'] > 0", True)
    expect(panel.frame.locator("image")).to_have_count(4)
    panel.picture("latent_space")


def test_a_search_is_watched(membranes):
    panel = membranes.panel(INVERSE)
    panel.frame.scroll_into_view_if_needed()
    panel.click("run")
    membranes.wait_until_kernel_has("len(search.records) == 15 and not search.running", True)
    expect(panel.frame.get_by_text("best of 15", exact=True)).to_be_visible()
    panel.picture("recipe_of_a_membrane")


@pytest.mark.parametrize("size", [STANDARD, SMALL], ids=["standard", "small"])
@pytest.mark.parametrize("title", [LATENT, INVERSE])
def test_everything_is_seen_whole(membranes, title, size):
    membranes.resize(size)
    panel = membranes.panel(title)
    panel.frame.scroll_into_view_if_needed()
    expect(panel.frame.locator("svg")).to_have_count(3)
    assert layout_faults(panel.root) == []
    panel.picture(f"{title.split()[0].lower()}_{size[0]}x{size[1]}")
    membranes.resize(STANDARD)
