"""The figures of descriptor selection: what is drawn is what was given."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from toolkit.figures import selection as figures

KINDS = [figures.KINDS[0]] * 3 + [figures.KINDS[1]] * 2 + [figures.KINDS[2]]
LABELS = [f"function {number}" for number in range(6)]


@pytest.fixture
def axis():
    return Figure().subplots()


def frame(**changes):
    settings = {
        "at": [0.1, 1.0, 10.0], "strength": np.ones((3, 6)), "features": np.array([[6, 6], [4, 5], [1, 2]]),
        "errors": np.array([[9.0, 8.0], [7.0, 6.0], [20.0, 30.0]]), "walking": True, "chosen": 2,
        "published": ("published", 1.5), "above": "words",
    }  # fmt: skip
    importance = np.arange(12.0).reshape(2, 6)
    return figures.selection_frame(LABELS, KINDS, [False] * 5 + [True], importance, "measure", **settings | changes)


def test_every_bar_names_its_function_and_spread():
    picture = frame()
    assert "function 1: 4 (1 to 7)" in picture
    assert "function 5: 8 (5 to 11), off" in picture
    assert picture.count("<svg") == 4
    assert 'role="img"' in picture
    assert "1 to 2 in use" in picture


def test_a_frame_without_records_is_a_frame():
    empty = {"at": [], "strength": np.empty((0,)), "features": np.empty((0,)), "errors": np.empty((0,))}
    for walking in (True, False):
        assert frame(**empty, walking=walking).count("<svg") == 4


def test_bars_lie_where_they_are_clicked():
    for count in (1, 22, 57, 329):
        width = (figures.BAR_RIGHT - figures.BAR_LEFT) / count
        for number in (0, count // 2, count - 1):
            assert figures.bar_at(count, (figures.BAR_LEFT + (number + 0.5) * width, 50.0)) == number
        assert figures.bar_at(count, (figures.BAR_RIGHT + 1.0, 50.0)) is None


def test_a_path_leaves_gaps_where_a_function_is_out(axis):
    strength = np.array([[1.0, 0.5], [0.5, 0.0], [0.2, 0.1]])
    figures.draw_path(axis, [0.1, 1.0, 10.0], strength, [figures.KINDS[0], figures.KINDS[2]])
    drawn = [line.get_ydata() for line in axis.lines[:2]]
    np.testing.assert_array_equal(drawn[0], strength[:, 0])
    np.testing.assert_array_equal(np.isnan(drawn[1]), [False, True, False])


def test_left_out_is_sorted_and_keeps_colours(axis):
    figures.draw_left_out(axis, np.array([[3.0, 1.0, 2.0], [5.0, 1.0, 2.0]]), [*figures.KINDS])
    assert [bar.get_height() for bar in axis.patches] == [1.0, 2.0, 4.0]
    assert axis.get_xlabel() == "function left out, in order"


def test_sets_and_counts_show_every_seed(axis):
    figures.draw_sets(axis, {"A": [1.0, 2.0], "G5": [3.0, 5.0]})
    assert [label.get_text() for label in axis.get_yticklabels()] == ["G5", "A"]
    np.testing.assert_array_equal(axis.lines[1].get_xdata(), [4.0, 4.0])  # the mean of the first row from below
    other = Figure().subplots()
    figures.draw_counts(other, [1, 2, 4], [3.0, 2.0, 1.0], label="ours")
    assert len(other.lines[0].get_xdata()) == 3
