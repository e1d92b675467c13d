"""What every panel has: a run that can be started, paused, stepped and stopped, a frame, controls, an error line."""

import threading
import time

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_panels import CountingPanel, returns, until

from toolkit import panels
from toolkit.panels import panel as machinery

raises_in_a_thread = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")


def numbers(panel):
    return [record.number for record in panel.records]


@pytest.fixture
def gated():
    """A counting panel whose worker is stopped at the end of the test."""
    panel = CountingPanel(gated=True, most=50)
    yield panel
    panel.gate.release(1000)
    panel.stop()


# Running ----------------------------------------------------------------------------------------------------------------


def test_run_goes_to_the_end_in_the_calling_thread():
    panel = CountingPanel(most=7, first=3)
    assert panel.run() is panel
    assert numbers(panel) == list(range(3, 10))
    assert (panel.running, panel.finished) == (False, 1)
    assert panel.frame.value == "7 records in cm"
    assert numbers(panel.run()) == list(range(3, 10))  # anew, not on top


def test_a_first_picture_is_there_before_any_run():
    panel = CountingPanel()
    assert (panel.frame.value, panel.drawn) == ("0 records in cm", [0])
    assert panel.status_line.value.startswith("ready")
    assert (panel.run_button.disabled, panel.pause_button.disabled, panel.stop_button.disabled) == (False, True, True)


def test_start_works_in_a_thread_of_its_own_and_can_be_repeated():
    panel = CountingPanel(most=4)
    for begun in (1, 2):
        panel.start()
        panel.join()
        assert (numbers(panel), panel.begun, panel.finished) == ([0, 1, 2, 3], begun, begun)
        assert not panel.running
        assert panel.frame.value == "4 records in cm"


def test_a_paused_panel_asks_for_no_record(gated):
    gated.start()
    gated.release(3)
    until(lambda: gated.asked == 4, "the worker to wait for the fourth count")
    gated.pause_button.click()
    assert gated.running
    assert gated.has_paused()
    assert gated.frame.value == "3 records in cm"
    gated.release(1)  # the count that was in work when Pause was pressed
    gated.gate.release(5)
    time.sleep(0.05)  # room for a worker that would not pause
    assert (len(gated.records), gated.asked) == (4, 4)
    gated.run_button.click()
    until(lambda: len(gated.records) == 9, "the worker to go on")
    assert (gated.begun, numbers(gated)) == (1, list(range(9)))
    assert not gated.has_paused()


def test_start_resumes_a_paused_run_and_leaves_a_running_one_alone(gated):
    gated.start()
    gated.start()
    gated.release(2)
    gated.pause()
    gated.start()
    gated.release(3)
    assert gated.begun == 1


def test_step_advances_by_exactly_one_record_from_idle_and_from_paused(gated):
    for count in (1, 2, 3):
        gated.step_button.click()
        gated.gate.release(10)
        until(gated.has_paused, "the panel to pause by itself")
        until(lambda: not gated.run_button.disabled, "the buttons")
        time.sleep(0.02)
        assert (len(gated.records), gated.asked, gated.begun) == (count, count, 1)
    gated.start()
    until(lambda: len(gated.records) > 10, "the run to go on without pauses")


def test_a_step_from_a_running_panel_pauses_it_after_the_record_in_work(gated):
    gated.start()
    gated.release(2)
    until(lambda: gated.asked == 3, "the worker to wait for the third count")
    gated.step()
    gated.gate.release(10)
    until(gated.has_paused, "the panel to pause")
    assert len(gated.records) == 3


def stop_while_it_counts(panel, stop, *arguments):
    """Do what stops the run while its worker is at work on a record, then let it have that one."""
    asked = len(panel.records) + 1
    until(lambda: panel.asked == asked, "the worker to wait for its next count")
    stopping = threading.Thread(target=stop, args=arguments, daemon=True)
    stopping.start()
    until(lambda: not panel.running, "the stop to be asked for")
    panel.gate.release(1)
    returns(stopping.join)


def test_stop_ends_a_run_after_the_record_in_work(gated):
    gated.start()
    gated.release(2)
    stop_while_it_counts(gated, gated.stop_button.click)
    assert (len(gated.records), gated.asked, gated.finished) == (3, 3, 1)
    assert (gated.run_button.description, gated.stop_button.disabled) == ("Run", True)
    assert gated.frame.value == "3 records in cm"


def test_stop_ends_a_paused_run(gated):
    gated.step()
    gated.release(1)
    until(gated.has_paused, "the pause")
    returns(gated.stop_button.click)
    assert not gated.running
    assert (len(gated.records), gated.asked, gated.finished) == (1, 1, 1)


def test_stop_during_a_step_is_not_undone_by_the_pause_that_ends_the_step(gated):
    gated.step()
    stop_while_it_counts(gated, gated.stop_button.click)
    assert len(gated.records) == 1


def test_a_replay_ends_a_run(gated, tmp_path):
    CountingPanel(first=40).run().save(tmp_path / "run.npz")
    gated.start()
    gated.release(2)
    stop_while_it_counts(gated, gated.replay, tmp_path / "run.npz")
    until(lambda: gated.timeline.max, "the replay")
    assert numbers(gated) == [40, 41, 42, 43, 44]


def test_a_step_that_was_refused_or_ran_out_of_records_does_not_pause_the_next_run():
    panel = CountingPanel(most=1)
    panel.controls["words"].value = ()
    panel.step()
    panel.controls["words"].value = ("a",)
    returns(panel.run)
    panel.step()
    until(panel.has_paused, "the pause")
    panel.step()  # there is no second record
    panel.join()
    panel.controls["most"].value = 5
    returns(panel.run)
    assert len(panel.records) == 5


def test_stop_and_pause_on_an_idle_panel_change_nothing():
    panel = CountingPanel()
    for action in (panel.pause, panel.resume, panel.stop, panel.pause, panel.join):
        action()
    assert (panel.running, panel.records) == (False, [])
    assert len(panel.run().records) == 5


def test_rest_slows_a_worker_but_not_a_stop():
    class Slow(CountingPanel):
        def rest(self):
            return 1000.0

    panel = Slow()
    panel.start()
    until(lambda: panel.records, "the first record")
    returns(panel.stop)
    assert numbers(panel) == [0]
    returns(panel.run)  # in the calling thread it does not rest
    assert len(panel.records) == 5


def test_two_panels_run_at_once():
    first, second = CountingPanel(gated=True, most=3), CountingPanel(gated=True, most=3, first=10)
    first.start()
    second.start()
    for panel in (second, first, second, first, second, first):
        panel.release(1)
    first.join()
    second.join()
    assert (numbers(first), numbers(second)) == ([0, 1, 2], [10, 11, 12])


@given(presses=st.lists(st.sampled_from(["run", "pause", "step", "stop"]), max_size=12))
def test_any_order_of_buttons_ends_in_a_whole_run(presses):
    panel = CountingPanel(most=20)
    for press in presses:
        returns(getattr(panel, f"{press}_button").click)
        assert numbers(panel) == list(range(len(panel.records)))
    returns(panel.stop)
    panel.join()
    assert numbers(panel.run()) == list(range(20))


@pytest.mark.parametrize("how", ["run", "start"])
def test_the_run_has_the_chosen_number_of_threads_and_gives_the_old_one_back(how, monkeypatch):
    calls, before = [], torch.get_num_threads()
    monkeypatch.setattr(torch, "set_num_threads", lambda n: calls.append((threading.current_thread().name, n)))
    panel = CountingPanel(threads=4)
    getattr(panel, how)()
    panel.join()
    here = threading.current_thread().name if how == "run" else "CountingPanel"
    assert [call[0] for call in calls] == [here, here]
    assert calls[0][1] == 4
    assert how == "start" or calls[1][1] == before


# Drawing ----------------------------------------------------------------------------------------------------------------


class Clock:
    """A `time` that stands still unless it is told to go on."""

    def __init__(self):
        self.now = 100.0

    def perf_counter(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(machinery, "time", clock)
    return clock


class Costly(CountingPanel):
    """Each record and each frame take their time on a clock."""

    def __init__(self, clock, *, record, frame, **values):
        self.clock, self.record_takes, self.frame_takes, self.frames = clock, record, frame, []
        super().__init__(**values)

    def count(self, first, most):
        for record in super().count(first, most):
            self.clock.now += self.record_takes
            yield record

    def draw(self, records):
        self.frames.append((self.clock.now, len(records)))
        self.clock.now += self.frame_takes
        return super().draw(records)


@pytest.mark.parametrize("frame", [0.0001, 0.005, 0.0101, 0.3, 2.0])
def test_frames_are_seldom_enough_and_take_a_small_share_of_the_time(frame, clock):
    panel = Costly(clock, record=0.03, frame=frame, most=1000)
    started = clock.now
    panel.run()
    *during, last = panel.frames[1:]  # the first was drawn at construction, the last when the run had ended
    assert last[1] == 1000
    times = [at for at, _ in during]
    assert all(after - before >= machinery.FRAME_INTERVAL for before, after in zip(times, times[1:], strict=False))
    for number, at in enumerate(times):
        assert number * frame <= machinery.DRAWING_SHARE * (at - started) + 1e-9
    whole = 1000 * 0.03 + len(times) * frame
    assert len(times) * frame <= machinery.DRAWING_SHARE * whole + frame
    expected = min(30 / machinery.FRAME_INTERVAL, 30 * machinery.DRAWING_SHARE / frame)
    assert len(times) >= 0.7 * expected  # no more seldom than it has to be
    assert f"drawing took {100 * len(times) * frame / (times[-1] + frame - started):.1f} %" in panel.status_line.value


def test_a_pause_does_not_count_as_time_of_the_run(clock):
    pace = machinery.Pace()
    clock.now += 1.0
    pace.drew(0.03)
    clock.now += 1000.0
    pace.waited(1000.0)
    clock.now += 0.9 * machinery.FRAME_INTERVAL
    assert not pace.due()
    clock.now += 0.2 * machinery.FRAME_INTERVAL
    assert pace.due()
    pace.drew(0.03)
    assert pace.share == pytest.approx(0.06 / 1.22)


def test_a_picture_is_of_records_to_which_the_run_adds_nothing():
    drawn = []

    class Watched(CountingPanel):
        def draw(self, records):
            drawn.append(records)
            return super().draw(records)

    panel = Watched(most=20)
    panel.run()
    assert drawn and not any(records is panel.records for records in drawn)
    assert drawn[-1] == panel.records


def test_a_view_control_redraws_a_running_panel_at_once(gated):
    gated.start()
    gated.release(2)
    gated.controls["unit"].value = "m"
    assert gated.frame.value == "2 records in m"
    assert gated.error_line.value == ""


# Controls ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("panel_type", [CountingPanel, *(getattr(panels, name) for name in panels.__all__)])
def test_controls_come_in_the_order_of_the_sections_and_have_labels(panel_type):
    """Where there is nothing to train or to look at differently, that section is left out."""
    panel = panel_type()
    assert list(panel.sections) == [name for name in ("data", "model", "training", "view") if name in panel.sections]
    assert list(panel.controls) == [name for section in panel.sections.values() for name in section]
    assert all(control.description for control in panel.controls.values())
    assert "application/vnd.jupyter.widget-view+json" in panel._repr_mimebundle_()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"colour": 1}, r"'colour' is not a control of this panel; it has \('first', 'step'"),
        ({"most": 1001}, "most = 1001 .* nearest value that is: 1000"),
        ({"most": "many"}, "most = 'many' is not admitted; it takes values of type int"),
        ({"step": -1.0}, "step = -1.0 .* nearest value that is: 0.5"),
        ({"unit": "inch"}, r"unit = 'inch' is not admitted; it takes \('cm', 'm'\)"),
        ({"words": ["c"]}, r"words = \['c'\] is not admitted; it takes \('a', 'b'\)"),
    ],
)
def test_the_constructor_refuses_what_its_controls_cannot_take(values, message):
    with pytest.raises(ValueError, match=message):
        CountingPanel(**values)


def test_the_constructor_sets_controls_and_settings_reads_them():
    settings = CountingPanel(first=2, step=2.5, words=["b", "a"], unit="m").settings
    assert settings == {"first": 2, "step": 2.5, "most": 5, "words": ("b", "a"), "unit": "m", "threads": 1}


def test_only_live_controls_steer_a_run(gated):
    gated.controls["step"].value = 2.0
    assert gated.steered == []  # idle
    gated.start()
    gated.release(1)
    gated.controls["step"].value = 1.5
    gated.controls["first"].value = 9
    assert gated.steered == [("step", 1.5)]
    assert "first takes effect at the next Run" in gated.error_line.value
    gated.pause()
    gated.controls["step"].value = 2.5
    assert gated.steered == [("step", 1.5), ("step", 2.5)]
    assert gated.error_line.value == ""


def test_a_live_move_that_is_refused_is_said_and_the_run_goes_on(gated):
    gated.start()
    gated.controls["step"].value = 4.0
    assert "ValueError: step must be at most 3, got 4.0" in gated.error_line.value
    gated.release(3)
    assert gated.steered == []
    gated.controls["step"].value = 3.0
    assert gated.error_line.value == ""


def test_a_picture_that_is_no_longer_that_of_the_settings_says_so():
    panel = CountingPanel()
    panel.controls["first"].value = 1
    assert panel.error_line.value == ""
    panel.run()
    panel.controls["first"].value = 2
    assert "the picture shows the last run" in panel.error_line.value
    panel.controls["unit"].value = "m"  # of the view: the picture follows, the note stays true
    assert "the picture shows the last run" in panel.error_line.value
    panel.run()
    assert panel.error_line.value == ""


def test_copy_as_code_shows_and_hides_the_code():
    panel = CountingPanel(first=4)
    assert panel.code_view.layout.display == "none"
    panel.code_button.click()
    assert (panel.code_view.value, panel.code_view.layout.display) == ("count(4, 5)", None)
    panel.code_button.click()
    assert panel.code_view.layout.display == "none"


# Errors -----------------------------------------------------------------------------------------------------------------


class Breaks(CountingPanel):
    """Raises `error` in the place that is named, once `after` records are there."""

    def __init__(self, place, error, after=2, **values):
        self.place, self.error, self.after = None, error, after
        super().__init__(**values)
        self.place = place

    def count(self, first, most):
        for record in super().count(first, most):
            if self.place == "record" and record.number >= self.after:
                raise self.error
            yield record

    def draw(self, records):
        if self.place == "draw" and len(records) >= self.after:
            raise self.error
        return super().draw(records)

    def begin(self, settings):
        if self.place == "begin":
            raise self.error
        return super().begin(settings)

    def finish(self):
        if self.place == "finish":
            raise self.error


@raises_in_a_thread
@pytest.mark.parametrize("error", [RuntimeError("<boom>"), ValueError("<boom>"), OSError("<boom>")])
@pytest.mark.parametrize("interval", [0.0, 1000.0])  # a frame after each record, or the last alone
@pytest.mark.parametrize("place", ["record", "draw", "finish"])
@pytest.mark.parametrize("how", ["run", "start"])
def test_no_error_of_a_run_is_swallowed(how, place, interval, error, monkeypatch):
    monkeypatch.setattr(machinery, "FRAME_INTERVAL", interval)
    monkeypatch.setattr(machinery, "DRAWING_SHARE", 1e6)
    panel = Breaks(place, error)
    with pytest.raises(type(error), match="boom"):
        getattr(panel, how)()
        panel.join()
    assert f"{type(error).__name__}: &lt;boom&gt;" in panel.error_line.value
    assert not panel.running
    assert (panel.run_button.disabled, panel.stop_button.disabled) == (False, True)
    panel.join()  # it is raised once
    panel.place = None
    assert len(panel.run().records) == 5
    assert panel.error_line.value == ""


def test_an_interrupt_of_a_run_is_raised():
    panel = Breaks("record", KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        panel.run()
    assert "KeyboardInterrupt" in panel.error_line.value
    assert len(panel.records) == 2


def test_settings_that_are_refused_are_raised_by_run_and_said_by_start():
    panel = CountingPanel()
    panel.run()
    panel.controls["words"].value = ()
    with pytest.raises(ValueError, match="choose at least one"):
        panel.run()
    panel.run_button.click()
    assert "ValueError: words: choose at least one" in panel.error_line.value
    assert not panel.running
    assert len(panel.records) == 5  # of the run before
    panel.controls["words"].value = ("b",)
    panel.run_button.click()
    panel.join()
    assert panel.error_line.value == ""


def test_an_error_in_begin_that_is_no_refusal_is_raised_by_start(caplog):
    panel = Breaks("begin", RuntimeError("boom"))
    with pytest.raises(RuntimeError, match="boom"):
        panel.start()
    assert panel.error_line.value == ""
    panel.run_button.click()
    assert "RuntimeError: boom" in panel.error_line.value
    assert "Exception in callback" in caplog.text  # ipywidgets lets no error of a button out, but logs it
    assert not panel.running


@pytest.mark.parametrize("error", [RuntimeError("boom"), ValueError("boom")])
def test_an_error_in_a_frame_that_a_control_asks_for_is_raised(error):
    panel = Breaks("draw", error, after=0)
    with pytest.raises(type(error), match="boom"):
        panel.controls["unit"].value = "m"
    assert "boom" in panel.error_line.value


def test_an_error_in_steer_that_is_no_refusal_is_raised(gated, monkeypatch):
    gated.start()
    monkeypatch.setattr(gated, "steer", lambda name, value: {}[name])
    with pytest.raises(KeyError):
        gated.controls["step"].value = 2.0
    assert "KeyError" in gated.error_line.value
