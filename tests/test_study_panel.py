"""Many settings at once: what the panel trains, and the script that it shows for it."""

import numpy as np
import pytest

from toolkit.panels import StudyPanel


@pytest.mark.parametrize("plan", ["grid", "random", "fashion_mnist"])
def test_the_script_gives_the_records_of_the_panel(plan):
    panel, printed = StudyPanel(plan=plan, network="dense 100-100", masses=2, frictions=2, epochs=1, goal=0.5), []
    panel.run()
    exec(panel.code(), {"print": printed.append})
    assert [record.step for record in printed] == [record.step for record in panel.records]
    for ours, theirs in zip(printed, panel.records, strict=True):
        assert ours.metrics.keys() == theirs.metrics.keys()
        for name in ours.metrics:
            np.testing.assert_array_equal(ours.metrics[name], theirs.metrics[name])
