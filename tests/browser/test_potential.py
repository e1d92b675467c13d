"""The panels of potentials: the explorer redraws at once, the learning rate acts on a running training."""

import pytest
from lab_page import LabPage
from lab_server import SMALL, STANDARD
from looks import layout_faults
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

CELLS = (
    "from toolkit.datasets import aluminium\nfrom toolkit.panels import PotentialPanel, SymmetryPanel",
    "tiny = aluminium.Scale(('300K', '950K'), repeat=2, trajectories=4, frames=4, stride=2, settling=6, melting=10)\n"
    "cells = aluminium.emt(tiny, keep=False)",
    "explorer = SymmetryPanel(cells, function='G5', eta=0.01, zeta=4, lambda_=-1, r_c=4.4)\nexplorer",
    "trained = PotentialPanel(cells, set='22', epochs=3000, patience=500, schedule='constant')\ntrained",
)


@pytest.fixture(scope="module")
def potentials(lab_page) -> LabPage:
    """A notebook with both panels."""
    lab_page.open_cells(*CELLS)
    return lab_page


def test_the_explorer_redraws_as_soon_as_something_is_moved(potentials):
    panel = potentials.panel("Symmetry function explorer")
    expect(panel.frame).to_contain_text("lambda -1")
    panel.choose("function", "G2")
    expect(panel.frame).to_contain_text("all angles alike")
    panel.choose("set", "57")
    expect(panel.frame).to_contain_text("functions of the set")
    panel.choose("function", "G5")
    expect(panel.frame).to_contain_text("lambda -1")
    panel.picture("potential_explorer")


def test_the_learning_rate_acts_while_it_runs(potentials):
    panel = potentials.panel("Neural network potential")
    panel.click("run")
    panel.wait_for_frames(2)
    panel.drag("learning-rate", -40)
    potentials.wait_until_kernel_has(
        "trained.fit.run.optimizer.param_groups[0]['lr'] == trained.settings['learning_rate'] < 0.01", True
    )
    panel.wait_for_frames(2)
    panel.picture("potential_training")
    panel.end()
    potentials.wait_until_kernel_has("len(trained.records) > 5 and trained.potential.network.features", 22)


@pytest.mark.parametrize("size", [STANDARD, SMALL], ids=["standard", "small"])
@pytest.mark.parametrize("title", ["Symmetry function explorer", "Neural network potential"])
def test_everything_is_seen_whole(potentials, title, size):
    potentials.resize(size)
    panel = potentials.panel(title)
    panel.frame.scroll_into_view_if_needed()
    expect(panel.frame.locator("svg")).to_have_count(3)
    assert layout_faults(panel.root) == []
    potentials.picture(f"potential_{title[:8].strip()}_{size[0]}x{size[1]}")
    potentials.resize(STANDARD)
