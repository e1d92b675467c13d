"""The ball on a landscape: drawn whole at once, played step by step, started from where one drags it."""

import pytest
from small_panels import returns, until

from toolkit import landscapes
from toolkit.figures import landscape as figures
from toolkit.panels import LandscapePanel
from toolkit.panels import landscape as module


def start(panel):
    return panel.controls["start_x"].value, panel.controls["start_y"].value


def test_the_whole_path_is_drawn_before_any_run_and_follows_each_control():
    panel = LandscapePanel(steps=80)
    assert "after 80 steps" in panel.frame.value
    assert panel.status_line.value.startswith("ready")
    values = {"mass": 3.0, "friction": 1.0, "learning_rate": 0.1, "goal": 2.0, "factor": 50.0, "start_x": -2.0}
    for name, value in values.items():
        before = panel.frame.value
        panel.controls[name].value = value
        assert panel.frame.value != before
    panel.controls["steps"].value = 33
    assert "after 33 steps" in panel.frame.value


@pytest.mark.parametrize("name", landscapes.LANDSCAPES)
def test_every_landscape_is_offered_drawn_and_rolled_from_its_own_start(name):
    panel = LandscapePanel(landscape=name, steps=40)
    landscape = landscapes.LANDSCAPES[name]
    assert start(panel)[: landscape.dimensions] == landscape.start
    assert panel.controls["start_y"].layout.display == (None if landscape.dimensions == 2 else "none")
    picture = panel.frame.value
    panel.run()
    assert panel.frame.value == picture
    assert [position.step for position in panel.records] == list(range(41))
    assert f"Ball on {name}" in picture


def test_another_landscape_moves_the_start():
    panel = LandscapePanel(start_x=1.0)
    assert start(panel)[0] == 1.0
    assert panel.controls["start_y"].layout.display == "none"
    panel.controls["landscape"].value = "egg box"
    assert start(panel) == (4.6, 5.0)
    assert panel.controls["start_y"].layout.display is None


def test_a_given_start_stays_and_the_other_coordinate_is_the_landscapes():
    assert start(LandscapePanel(landscape="bowl", start_x=1.0)) == (1.0, 2.0)


def test_settings_that_cannot_roll_are_said_and_the_picture_stays():
    panel = LandscapePanel(friction_scheme="euler", factor=1.0, learning_rate=1.0)
    before = panel.frame.value
    panel.controls["friction"].value = 50.0
    assert "must be below 2 in the &#x27;euler&#x27; scheme" in panel.error_line.value
    assert panel.frame.value == before
    panel.run_button.click()
    assert not panel.running
    assert "must be below 2" in panel.error_line.value
    with pytest.raises(ValueError, match="must be below 2"):
        panel.run()
    panel.controls["friction"].value = 0.5
    assert panel.error_line.value == ""
    assert panel.frame.value != before


def test_a_ball_that_flies_away_is_drawn():
    panel = LandscapePanel(landscape="Rosenbrock", learning_rate=1.0, mass=0.1, steps=100).run()
    assert len(panel.records) < 100
    assert panel.error_line.value == ""


def test_a_run_is_played_at_the_chosen_speed_and_can_be_paused():
    panel = LandscapePanel(steps=20, speed=300)
    assert panel.rest() == pytest.approx(1 / 300)
    panel.step()
    until(lambda: panel.run_button.description == "Resume", "the pause")
    assert "after 0 steps" in panel.frame.value
    assert panel.status_line.value.startswith("step 0 ")
    panel.start()
    panel.join()
    assert "after 20 steps" in panel.frame.value


def test_another_landscape_during_a_run_leaves_the_picture_of_the_run():
    panel = LandscapePanel(landscape="parabola", steps=30, speed=300)
    for _ in range(3):
        panel.step()
        until(lambda: panel.run_button.description == "Resume" and not panel.run_button.disabled, "the pause")
    panel.controls["landscape"].value = "bowl"
    assert "takes effect at the next Run" in panel.error_line.value
    panel.controls["speed"].value = 100  # of the view: it redraws
    assert "Ball on parabola: after 2 steps" in panel.frame.value
    panel.resume()
    panel.join()
    assert "Ball on parabola: after 30 steps" in panel.frame.value
    panel.controls["steps"].value = 12
    assert "Ball on bowl: after 12 steps" in panel.frame.value


def test_a_recorded_path_is_shown_as_it_was(tmp_path):
    panel = LandscapePanel(landscape="Himmelblau", start_x=-1.5, start_y=2.5, steps=50, friction=0.3).run()
    panel.save(tmp_path / "path.npz")
    other = LandscapePanel()
    other.replay(tmp_path / "path.npz")
    assert other.settings == panel.settings
    assert other.records == panel.records
    assert other.frame.value == panel.frame.value
    other.timeline.value = 11
    assert "after 10 steps" in other.frame.value


# Dragging ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", landscapes.LANDSCAPES)
def test_the_start_follows_the_pointer(name):
    panel = LandscapePanel(landscape=name, steps=20)
    scales, before = figures.map_scales(landscapes.LANDSCAPES[name]), panel.frame.value
    goal = (-1.5, 0.5)
    pixels = [float(scale(value)) for scale, value in zip(scales, goal, strict=False)]
    panel.frame.position = [*pixels, 60.0][:2]
    reached = start(panel)[: len(scales)]
    assert reached == pytest.approx(goal[: len(scales)], abs=module.START_STEP)
    assert panel.frame.value != before
    assert next(panel.begin(panel.settings)).weights == pytest.approx(reached)


def test_on_a_line_only_the_abscissa_is_dragged():
    panel = LandscapePanel(landscape="washboard")
    before = start(panel)
    panel.frame.position = [200.0, 5.0]
    assert start(panel)[0] != before[0]
    assert start(panel)[1] == before[1]


def test_a_pointer_beyond_the_map_leaves_the_start_at_its_edge():
    panel = LandscapePanel(landscape="Rosenbrock")
    panel.frame.position = [-500.0, 9000.0]
    assert start(panel) == (-2.0, -1.0)
    panel.frame.position = [5000.0, -900.0]
    assert start(panel) == (2.0, 3.0)


def test_dragging_during_a_run_waits_for_the_next():
    panel = LandscapePanel(steps=50, speed=300)
    panel.step()
    until(lambda: panel.run_button.description == "Resume", "the pause")
    panel.frame.position = [100.0, 100.0]
    assert "takes effect at the next Run" in panel.error_line.value
    assert len(panel.records) == 1
    returns(panel.stop)


# The script -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"landscape": "bowl", "start_x": 1.25, "start_y": -0.35, "friction_scheme": "implicit"},
        {"landscape": "egg box", "mass": 12.5, "friction": 0.037, "learning_rate": 0.3, "factor": 70.0, "goal": 1.3},
        {"landscape": "washboard", "friction_scheme": "euler", "learning_rate": 0.123456},
        {"landscape": "Himmelblau", "start_x": 0.1 + 0.2, "steps": 77},
    ],
)
def test_the_script_rolls_the_same_path(values):
    panel, printed = LandscapePanel(**values), []
    exec(panel.code(), {"print": printed.append})
    assert printed == panel.run().records
