"""The panels of membranes: slices follow the sliders, a volume is turned, the solver is watched, and all of it is seen."""

import pytest
from lab_server import SMALL, STANDARD
from looks import layout_faults
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

CELLS = (
    "from toolkit.panels import MembranePanel, TortuosityPanel",
    "generator = MembranePanel(size=32)\ngenerator",
    "solver = TortuosityPanel(structure='dead ends', size=32, tolerance=1e-4)\nsolver",
)
GENERATOR, SOLVER = "Generator of membranes", "Tortuosity while it is solved"


@pytest.fixture(scope="module")
def membranes(lab_page):
    """A notebook with both panels."""
    lab_page.open_cells(*CELLS)
    return lab_page


def test_the_slices_follow_a_slider_and_run_gives_three_tortuosities(membranes):
    panel = membranes.panel(GENERATOR)
    with panel.new_frame():
        panel.drag("points", 60)
    membranes.wait_until_kernel_has("generator.settings['points'] > 100", True)
    with panel.new_frame():
        panel.drag("stretch-y", -60)
    panel.run_to_end()
    expect(panel.status).to_contain_text("along z")
    membranes.wait_until_kernel_has("sorted({step.axis for step in generator.records})", [0, 1, 2])
    panel.picture("membranes_generator")


def test_the_volume_is_shown_beside_the_panel(membranes):
    pytest.importorskip("k3d")
    if not membranes.page.evaluate("!!document.createElement('canvas').getContext('webgl2')"):
        pytest.skip("this browser draws no volumes: it has no WebGL")
    panel = membranes.panel(GENERATOR)
    panel.click("volume")
    membranes.wait_until_kernel_has("generator.plot3d is not None", True)
    expect(panel.root.locator("canvas").first).to_be_attached()
    panel.click("volume")
    membranes.wait_until_kernel_has("generator.plot3d is None", True)


def test_the_solver_is_watched(membranes):
    panel = membranes.panel(SOLVER)
    panel.frame.scroll_into_view_if_needed()
    panel.click("run")
    panel.wait_for_frames(3)
    expect(panel.button("stop")).to_be_disabled()
    expect(panel.status).to_contain_text("imbalance")
    panel.picture("membranes_solver")
    with panel.new_frame():
        panel.press("position", "ArrowLeft", times=6)


@pytest.mark.parametrize("size", [STANDARD, SMALL], ids=["standard", "small"])
@pytest.mark.parametrize(("title", "plots"), [(GENERATOR, 3), (SOLVER, 4)])
def test_everything_is_seen_whole(membranes, title, plots, size):
    membranes.resize(size)
    panel = membranes.panel(title)
    panel.frame.scroll_into_view_if_needed()
    expect(panel.frame.locator("svg")).to_have_count(plots)
    assert layout_faults(panel.root) == []
    membranes.picture(f"membranes_{title[:9].strip()}_{size[0]}x{size[1]}")
    membranes.resize(STANDARD)
