"""Lesson 03 in JupyterLab: all cells run, and the panel of the race does what a class asks of it."""

import re

import pytest
from film import Film
from lab_server import SMALL, STANDARD
from looks import layout_faults, least_contrast
from playwright.sync_api import expect

SETTING = {"learning-rate": "0.1", "mass": "0.3", "friction": "0.1", "goal": "0.01", "epochs": "100"}

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@pytest.fixture
def panel(lesson):
    """The lesson's panel at rest, set for a race that is long enough to be steered and whose goal nobody reaches alone."""
    panel = lesson.panel("Heavy ball with friction")
    panel.choose("runs", "goal-oriented", "port-Hamiltonian", "SGD")
    panel.choose("friction-scheme", "exponential")
    for name, value in SETTING.items():
        panel.type(name, value)
    yield panel
    panel.end()


def brake_marks(panel):
    return panel.frame.locator("svg line title")


def records_at_rest(lesson) -> int:
    """Number of records once the one in work has come, which takes a fraction of the time that is waited."""
    before, after = -1, 0
    while before != after:
        lesson.page.wait_for_timeout(1500)
        before, after = after, lesson.ask_kernel(value="len(panel.records)")
    return after


def test_all_cells_run(lesson):
    expect(lesson.errors()).to_have_count(0)
    unrun = lesson.page.locator(".jp-CodeCell .jp-InputPrompt", has_text=re.compile(r"\[[ *]\]:"))
    expect(unrun).to_have_count(0)
    lesson.panel("Heavy ball with friction")
    lesson.picture("lesson_03")


def test_sliders_move_by_typing_keys_and_dragging(lesson, panel):
    panel.type("learning-rate", "0.05")
    assert panel.readout("learning-rate") == 0.05
    panel.press("learning-rate", "ArrowRight")
    by_key = panel.readout("learning-rate")
    panel.drag("learning-rate", -30)
    by_hand = panel.readout("learning-rate")
    assert by_hand < by_key
    assert by_key > 0.05
    lesson.wait_until_kernel_has("panel.settings['learning_rate']", by_hand)
    panel.click("code")
    expect(panel.root.locator(".panel-code-view textarea")).to_have_value(re.compile(rf"lr={by_hand:g}\b"))
    panel.click("code")


def test_a_typed_value_is_kept_as_it_was_typed(lesson, panel):
    for value in (0.1234, 7.0, 0.3):
        panel.type("mass", str(value))
        assert panel.readout("mass") == value
        lesson.wait_until_kernel_has("panel.settings['mass']", value)


def test_brake_acts_during_the_run(lesson, panel):
    lesson.resize((STANDARD[0], 1150))  # the whole panel in one picture
    panel.click("run")
    panel.wait_for_frames(5)
    expect(panel.status).to_have_text(re.compile(r"epoch ([5-9]|\d\d)\."))
    expect(brake_marks(panel)).to_have_count(0)
    panel.click("brake")
    expect(brake_marks(panel).first).to_contain_text("goal-oriented: brake on at epoch")
    expect(panel.button("pause")).to_be_enabled()
    before = lesson.ask_kernel(value="panel.records[-1].epoch")
    panel.wait_for_frames(5)
    assert lesson.ask_kernel(value="panel.records[-1].epoch") > before
    last = "[r.metrics for r in list(panel.records) if r.run == 'goal-oriented'][-1]"
    assert lesson.ask_kernel(value=last)["friction"] == pytest.approx(20 * 0.1)
    expect(panel.status).to_have_text(re.compile(r"epoch (1[2-9]|[2-9]\d)\."))
    panel.picture("optimizer_braked")
    lesson.resize(STANDARD)
    lesson.picture("optimizer_braked_window")


def test_a_race_is_filmed(lesson, panel):
    """The moving picture of the README."""
    lesson.resize((1300, 900))
    film = Film(panel)
    panel.click("run")
    panel.wait_for_frames(2)
    film.shoot(8)
    panel.click("brake")
    film.shoot(14)
    lesson.resize(STANDARD)
    assert len(set(film.pictures)) > 10
    assert 20_000 < film.write("optimizer_race").stat().st_size < 1_000_000


def test_push_releases_the_brake(lesson, panel):
    panel.click("run")
    panel.wait_for_frames(3)
    panel.click("brake")
    expect(brake_marks(panel).first).to_be_attached()
    panel.click("push")
    panel.wait_for_frames(5)
    assert lesson.ask_kernel(value="[r.metrics['braked'] for r in list(panel.records) if r.run == 'goal-oriented'][-1]") == 0.0


def test_pause_step_resume_stop(lesson, panel):
    panel.click("run")
    panel.wait_for_frames(3)
    panel.click("pause")
    expect(panel.button("run")).to_have_text("Resume")
    expect(panel.button("pause")).to_be_disabled()
    number = records_at_rest(lesson)
    panel.picture("optimizer_paused")
    shown = panel.status.inner_text()
    panel.click("step")
    expect(panel.status).not_to_have_text(shown)
    expect(panel.button("run")).to_have_text("Resume")
    assert records_at_rest(lesson) == number + 1
    panel.click("run")
    panel.wait_for_frames(3)
    panel.click("stop")
    expect(panel.button("run")).to_have_text("Run")
    expect(panel.button("stop")).to_be_disabled()
    assert lesson.ask_kernel(value="panel.records[-1].epoch") < 100


def test_learning_rate_and_friction_act_while_it_runs(lesson, panel):
    panel.click("run")
    panel.wait_for_frames(3)
    panel.type("learning-rate", "0.02")
    panel.type("friction", "0.5")
    panel.wait_for_frames(4)
    latest = lesson.ask_kernel(value="{r.run: r.metrics for r in list(panel.records)}['port-Hamiltonian']")
    assert (latest["learning_rate"], latest["friction"]) == (0.02, 0.5)
    expect(panel.frame).to_contain_text("long run α/ρ = 0.04")


def test_a_refused_setting_is_said_and_the_panel_goes_on(panel):
    panel.choose("friction-scheme", "euler")
    panel.type("friction", "1000")
    panel.click("run")
    expect(panel.error).to_contain_text("friction")
    expect(panel.error).to_contain_text("ValueError")
    panel.picture("optimizer_refused")
    panel.type("friction", "0.1")
    panel.click("run")
    panel.wait_for_frames(3)
    expect(panel.error).to_have_text("")
    panel.type("friction", "1000")
    expect(panel.error).to_contain_text("friction")
    panel.wait_for_frames(3)
    panel.type("friction", "0.1")
    expect(panel.error).to_have_text("")


def test_rewind_and_branch(panel):
    panel.type("epochs", "6")
    panel.run_to_end()
    rewind = panel.root.locator(".panel-rewind")
    rewind.locator(".noUi-handle").press("Home")
    rewind.locator(".noUi-handle").press("ArrowRight")
    rewind.locator(".noUi-handle").press("ArrowRight")
    expect(rewind.locator(".widget-readout")).to_have_text("2")
    panel.type("friction", "1")
    panel.click("branch")
    expect(panel.frame).to_contain_text("branch 1 from epoch 2")
    expect(panel.button("stop")).to_be_disabled()
    expect(panel.status).to_contain_text("epoch 6")
    panel.picture("optimizer_branched")


def test_copy_as_code(panel):
    code = panel.root.locator(".panel-code-view textarea")
    expect(code).to_be_hidden()
    panel.click("code")
    expect(code).to_have_value(re.compile(r"optim\.PortHamiltonian(?s:.*)training\.race\(runs\)"))
    panel.picture("optimizer_code")
    panel.click("code")
    expect(code).to_be_hidden()


def test_save_and_replay(lesson, panel):
    panel.type("epochs", "3")
    panel.type("mass", "0.4")
    panel.run_to_end()
    expect(panel.status).to_contain_text("SGD: epoch 3.00")
    panel.root.locator(".panel-file input").fill("race.npz")
    panel.click("save")
    panel.type("mass", "0.3")
    expect(panel.error).to_contain_text("press Run")
    panel.click("replay")
    timeline = panel.root.locator(".panel-timeline")
    expect(timeline).to_be_visible()
    expect(panel.error).to_have_text("")
    expect(panel.control("mass").locator(".widget-readout")).to_have_text("0.4")
    assert (lesson.lab.root / "race.npz").stat().st_size > 0
    timeline.locator(".noUi-handle").press("Home")
    expect(panel.status).to_contain_text("epoch 0.00")
    for _ in range(4):
        timeline.locator(".noUi-handle").press("ArrowRight")
    expect(panel.status).to_contain_text("epoch 0.50")
    panel.picture("optimizer_replayed")
    panel.root.locator(".panel-file input").fill("nowhere.npz")
    panel.click("replay")
    expect(panel.error).to_contain_text("nowhere.npz")


@pytest.mark.parametrize("size", [STANDARD, SMALL], ids=["standard", "small"])
def test_everything_is_seen_whole(lesson, panel, size):
    lesson.resize(size)
    panel.choose("runs", "goal-oriented", "port-Hamiltonian", "SGD", "SGD, matched", "step decay", "Adam")
    panel.type("epochs", "2")
    panel.run_to_end()
    expect(panel.status).to_contain_text("Adam: epoch 2.00")
    assert layout_faults(panel.root) == []
    buttons, frame = panel.button("run").bounding_box(), panel.frame.bounding_box()
    assert frame["y"] + frame["height"] - buttons["y"] < size[1] - 150  # buttons and picture at once
    panel.frame.scroll_into_view_if_needed()
    lesson.picture(f"optimizer_{size[0]}x{size[1]}")
    lesson.resize(STANDARD)


def test_the_dark_theme_is_readable(lesson, panel):
    panel.type("epochs", "3")
    panel.run_to_end()
    lesson.menu("Settings", "Theme", "JupyterLab Dark")
    expect(lesson.page.locator("body")).to_have_attribute("data-jp-theme-light", "false")
    text, curves = least_contrast(panel.frame)
    panel.picture("optimizer_dark")
    lesson.panel("Heavy ball on a landscape").picture("landscape_dark")
    lesson.menu("Settings", "Theme", "JupyterLab Light")
    expect(lesson.page.locator("body")).to_have_attribute("data-jp-theme-light", "true")
    assert text >= 4.5
    assert curves >= 2.5
