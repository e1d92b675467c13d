"""The selection panel: the path, switching off, retraining, replay, and code that gives the same numbers."""

import numpy as np
import pytest
from small_panels import few_cells

from toolkit import panels
from toolkit.datasets import aluminium
from toolkit.figures import selection as figures
from toolkit.panels.selection import RETRAIN
from toolkit.potential import document_columns

QUICK = {"set": "22", "epochs": 5, "path_epochs": 1, "growth": 2.0, "members": 2}


@pytest.fixture(scope="module")
def cells():
    return few_cells()


def test_the_path_goes_from_all_to_none(cells):
    panel = panels.SelectionPanel(cells, **QUICK).run()
    counts = [record.selected.sum(1).tolist() for record in panel.records]
    assert counts[0] == [22, 22]
    assert counts[-1] == [0, 0]
    assert (panel.records[-1].importance.max() <= panel.records[-1].at) and panel.records[-1].importance.max() > 0
    assert "largest λ" in panel.frame.value


def test_what_is_off_is_seen_by_no_member(cells):
    panel = panels.SelectionPanel(cells, off=(0, 5), task=RETRAIN, **QUICK)
    assert "press Retrain" in panel.frame.value
    panel.run()
    last = panel.records[-1]
    assert not last.selected[:, [0, 5]].any()
    assert not last.importance[:, [0, 5]].any()
    assert last.importance.any()
    assert last.test_rmse.shape == (2,)
    assert "test" in panel.status_line.value
    walked = panels.SelectionPanel(cells, off=(0, 5), **QUICK).run().records
    assert walked[0].selected.sum(1).tolist() == [20, 20]
    assert not walked[0].strength[:, [0, 5]].any()


def test_a_click_on_a_bar_and_the_button_do_the_same(cells):
    panel = panels.SelectionPanel(cells, **QUICK)
    width = (figures.BAR_RIGHT - figures.BAR_LEFT) / 22
    panel.pointed([figures.BAR_LEFT + 3.5 * width, 100.0])
    assert panel.off == {3}
    assert panel.controls["chosen"].value == 3
    panel.switch()
    assert panel.off == set()
    panel.pointed([3.0, 100.0])  # beside the bars
    assert panel.off == set()


def test_another_set_offers_its_functions_and_forgets_what_was_off(cells):
    panel = panels.SelectionPanel(cells, **QUICK)
    assert len(panel.controls["chosen"].options) == 22
    panel.switch(21)
    panel.controls["set"].value = "57B"
    assert panel.off == set()
    assert [label.partition(":")[0] for label, _ in panel.controls["chosen"].options] == [
        str(column + 1) for column in document_columns("57B")
    ]


def test_a_recording_shows_what_was_off(cells, tmp_path):
    panel = panels.SelectionPanel(cells, off=(1, 2), task=RETRAIN, **QUICK).run()
    panel.save(tmp_path / "run.npz")
    other = panels.SelectionPanel(cells)
    other.replay(tmp_path / "run.npz")
    assert other.off == {1, 2}
    np.testing.assert_allclose(other.records[-1].importance, panel.records[-1].importance)


@pytest.mark.parametrize("task", ["path of LassoNet", RETRAIN])
def test_the_code_gives_the_same_numbers(cells, task, monkeypatch, capsys):
    monkeypatch.setattr(aluminium, "emt", lambda scale: cells)
    panel = panels.SelectionPanel(task=task, off=(4,), **QUICK)
    panel.run()
    exec(panel.code(), {})
    printed = capsys.readouterr().out
    shown = panel.records[-1].test_rmse if task == RETRAIN else panel.records[-1].validation_rmse
    assert str(shown) in printed


def test_refusals(cells):
    with pytest.raises(ValueError, match="all 22 functions are switched off"):
        panels.SelectionPanel(cells, off=tuple(range(22)), **QUICK).run()
    with pytest.raises(ValueError, match=r"number must be in 0 .. 21, got 22"):
        panels.SelectionPanel(cells, **QUICK).switch(22)
