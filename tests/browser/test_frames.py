"""Live frames in a real font: the numbers along the axes stay inside the plot and apart, however narrow the range."""

import pytest
from lab_page import SCREENSHOTS
from looks import layout_faults

from toolkit.figures import frame

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

RANGES = [
    (-0.0971, -0.0949),
    (-0.09551, -0.09549),
    (1.23449, 1.23461),
    (-1.0004, -0.9996),
    (99_990.0, 100_010.0),
    (-1e-7, 1e-7),
    (-0.1, 1.0),
]


def test_labels_of_narrow_ranges(lab_page):
    page = lab_page.page.context.new_page()
    page.set_viewport_size({"width": 1000, "height": 900})
    ends = [frame.Line(limits, limits, "", "red") for limits in RANGES]
    plots = [frame.plot([line], title="a", x_label="x", x_limits=line.x, y_limits=line.y) for line in ends]
    page.set_content(frame.compose(plots, description="narrow ranges"))
    page.screenshot(path=SCREENSHOTS / "frames.png")
    faults = layout_faults(page.locator("body"))
    page.close()
    assert faults == []
