"""The machinery of every panel: controls, a run in a worker thread, a live frame, code, recordings.

A panel drives any iterator of records. Its subclass says what the controls are (`make_sections`), how a run begins (`begin`),
how the records are drawn (`draw`) and how a setting reads as a script (`code`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any

import ipywidgets as widgets
import torch
from traitlets import TraitError

from toolkit import recordings
from toolkit.panels.controls import as_shown
from toolkit.panels.dragging import DragFrame
from toolkit.panels.keyboard import Keys

FRAME_INTERVAL = 0.2
DRAWING_SHARE = 0.05


class Pace:
    """When to draw: not sooner than `FRAME_INTERVAL`, and so seldom that drawing takes at most `DRAWING_SHARE` of the time."""

    def __init__(self):
        self.started = time.perf_counter()
        self.due_at = self.started + FRAME_INTERVAL
        self.drawing = 0.0
        self.share = 0.0

    def due(self) -> bool:
        """Whether a frame may be drawn now."""
        return time.perf_counter() >= self.due_at

    def drew(self, seconds: float) -> None:
        """Account for a frame that took so long [s]."""
        now = time.perf_counter()
        self.drawing += seconds
        self.share = self.drawing / (now - self.started)
        self.due_at = max(now + FRAME_INTERVAL, self.started + self.drawing / DRAWING_SHARE)

    def waited(self, seconds: float) -> None:
        """Leave a pause of so long [s] out of the account."""
        self.started += seconds
        self.due_at += seconds


class Panel:
    """A panel shows itself as the last line of a cell.

    Attributes:
        controls: name to widget, in the order shown.
        records: of the last run, or of the recording that is replayed.
        ran_with: the settings that these records were begun with.

    A subclass sets `title`, `record_type` for `replay`, `instant` if it draws its whole result before a run, and
    defines `make_sections`, `begin`, `draw` and `code`; for controls that act on a run (`live`) it defines `steer`; it may
    define `pointed`, `status`, `actions` and `finish`.
    """

    title = ""
    record_type: type | None = None
    live: tuple[str, ...] = ()
    instant = False

    def __init__(self, **values: Any):
        self.sections: dict[str, dict[str, widgets.Widget]] = self.make_sections()
        self.controls = {name: widget for section in self.sections.values() for name, widget in section.items()}
        for name, value in values.items():
            self._set_control(name, value)
        self.records: list[Any] = []
        self.ran_with: dict[str, Any] = {}
        self._iterator: Iterator[Any] = iter(())
        self._thread: threading.Thread | None = None
        self._go, self._stopped = threading.Event(), threading.Event()
        self._single = False
        self._switching, self._drawing = threading.Lock(), threading.RLock()
        self._pace = Pace()
        self._error: BaseException | None = None
        self._origin = ""
        self._build_widgets()
        for name, widget in self.controls.items():
            widget.observe(lambda change, name=name: self._guarded(self._value_changed, name, change), names="value")
        self._draw()

    # What a subclass defines -------------------------------------------------------------------------------------------

    def make_sections(self) -> dict[str, dict[str, widgets.Widget]]:
        """Controls by section: data, model, training, view, in this order."""
        raise NotImplementedError

    def begin(self, settings: Mapping[str, Any]) -> Iterator[Any]:
        """A new run with these settings; bad ones raise ValueError."""
        raise NotImplementedError

    def draw(self, records: list[Any]) -> str:
        """The live frame as HTML text; also for no records at all."""
        raise NotImplementedError

    def code(self) -> str:
        """The present setting as a script that gives the same numbers."""
        raise NotImplementedError

    def steer(self, name: str, value: Any) -> None:
        """Apply a control named in `live` that was moved during a run; after a ValueError the run goes on as before."""

    def status(self, record: Any) -> str:
        """What the status line says of the newest record."""
        return f"record {len(self.records)}"

    def make_frame(self) -> widgets.Widget:
        """The widget whose `value` is the live frame; it can be pointed at where `pointed` is defined."""
        if type(self).pointed is Panel.pointed:
            return widgets.HTML()
        frame = DragFrame()
        frame.observe(lambda change: self._guarded(self.pointed, change["new"]), names="position")
        return frame

    def pointed(self, position: list[float]) -> None:
        """Do what a click or a drag on the frame's first plot asks for; the position is in pixels of that plot."""

    def rest(self) -> float:
        """Time to wait after each record in a worker thread [s], for runs that are too quick to watch."""
        return 0.0

    def actions(self) -> list[widgets.Widget]:
        """Further buttons beside Run, Pause, Step and Stop."""
        return []

    # Running -----------------------------------------------------------------------------------------------------------

    @property
    def settings(self) -> dict[str, Any]:
        """Name to value of every control, in the digits that are shown."""
        return {name: as_shown(widget.value) for name, widget in self.controls.items()}

    @property
    def running(self) -> bool:
        """Whether a worker thread is at work or paused."""
        return self._thread is not None and self._thread.is_alive() and not self._stopped.is_set()

    def run(self) -> Panel:
        """Run to the end in the calling thread; errors are raised."""
        self.stop()
        self._begin()
        self._work()
        self._raise_error()
        return self

    def start(self) -> None:
        """Run in a worker thread, or go on if paused. Settings that cannot work are said in the error line."""
        self._proceed(single=False)

    def step(self) -> None:
        """Advance by one record, then pause."""
        self._proceed(single=True)

    def pause(self) -> None:
        """Ask for no more records until `resume`."""
        with self._switching:
            if not self._stopped.is_set():  # a worker that pauses itself must not undo a stop
                self._go.clear()
        self._draw()
        self._show_state()

    def resume(self) -> None:
        """Go on after `pause`."""
        self._go.set()
        self._show_state()

    def stop(self) -> None:
        """End the run after the record in work and wait for that."""
        with self._switching:
            self._stopped.set()
            self._go.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def join(self, timeout: float | None = None) -> None:
        """Wait for the worker; raises what it raised."""
        if self._thread is not None:
            self._thread.join(timeout)
        self._raise_error()

    def _proceed(self, *, single: bool) -> None:
        if self.running:
            self._single = single
            self.resume()
            return
        self.stop()
        if self._accepted(self._begin):
            self._single = single
            self._launch()

    def _begin(self) -> None:
        settings = self.settings
        self._go_on_with(self.begin(settings))
        self.records, self.ran_with, self._origin = [], settings, ""

    def _go_on_with(self, iterator: Iterator[Any]) -> None:
        self._show_error(None)
        self._iterator, self._single = iterator, False
        self.timeline.max, self.timeline.layout.display = 0, "none"
        self._stopped.clear()
        self._go.set()

    def _launch(self) -> None:
        self._thread = threading.Thread(target=self._work, name=type(self).__name__, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        threads = torch.get_num_threads()
        torch.set_num_threads(self.settings.get("threads", 1))
        self._pace, self._error = Pace(), None
        try:
            self._show_state()
            try:
                self._ask_for_records()
                self.finish()
            finally:
                self._stopped.set()
                self._draw()
        except BaseException as error:
            self._error = error
            self._show_error(error)
            if self._thread is threading.current_thread():
                raise
        finally:
            torch.set_num_threads(threads)
            self._show_state()

    def _ask_for_records(self) -> None:
        while self._may_go_on():
            record = next(self._iterator, None)
            if record is None:
                return
            self.records.append(record)
            if self._thread is threading.current_thread():
                self._stopped.wait(self.rest())
            if self._single:
                self._single = False
                self.pause()
            elif self._pace.due():
                started = time.perf_counter()
                self._draw()
                self._pace.drew(time.perf_counter() - started)

    def _may_go_on(self) -> bool:
        started = time.perf_counter()
        self._go.wait()
        self._pace.waited(time.perf_counter() - started)
        return not self._stopped.is_set()

    def finish(self) -> None:
        """Called in the run's thread when it has ended or was stopped."""

    def _raise_error(self) -> None:
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    # Showing -----------------------------------------------------------------------------------------------------------

    def _build_widgets(self) -> None:
        button, wide = widgets.Layout(width="76px"), widgets.Layout(width="92px")
        self.run_button = widgets.Button(description="Run", icon="play", button_style="primary", layout=wide)
        self.pause_button = widgets.Button(description="Pause", icon="pause", layout=button)
        self.step_button = widgets.Button(description="Step", icon="step-forward", layout=button)
        self.stop_button = widgets.Button(description="Stop", icon="stop", layout=button)
        self.code_button = widgets.Button(description="Copy as code", icon="code", layout=widgets.Layout(width="130px"))
        for widget, action in (
            (self.run_button, self.start), (self.pause_button, self.pause), (self.step_button, self.step),
            (self.stop_button, self.stop), (self.code_button, self._show_code),
        ):  # fmt: skip
            widget.on_click(lambda _, action=action: self._guarded(action))
        self.frame = self.make_frame()
        self.status_line = widgets.HTML()
        self.error_line = widgets.HTML()
        self.code_view = widgets.Textarea(layout=widgets.Layout(width="auto", height="320px", display="none"))
        self.path = widgets.Text(value="run.npz", description="file", layout=widgets.Layout(width="260px"))
        self.save_button = widgets.Button(description="Save", icon="save", layout=button)
        self.replay_button = widgets.Button(description="Replay", icon="film", layout=wide)
        self.save_button.on_click(lambda _: self._guarded(self._accepted, self.save, self.path.value))
        self.replay_button.on_click(lambda _: self._guarded(self._accepted, self.replay, self.path.value))
        self.timeline = widgets.IntSlider(
            value=0, min=0, max=0, description="timeline", layout=widgets.Layout(flex="1 1 300px", display="none")
        )
        self.timeline.observe(lambda _: self._guarded(self._draw), names="value")
        self.widget = self._arranged()
        for css_class, widget in (
            ("panel-run", self.run_button), ("panel-pause", self.pause_button), ("panel-step", self.step_button),
            ("panel-stop", self.stop_button), ("panel-code", self.code_button), ("panel-frame", self.frame),
            ("panel-status", self.status_line), ("panel-error", self.error_line), ("panel-code-view", self.code_view),
            ("panel-save", self.save_button), ("panel-replay", self.replay_button), ("panel-file", self.path),
            ("panel-timeline", self.timeline),
            *((f"control-{name.replace('_', '-')}", widget) for name, widget in self.controls.items()),
        ):  # fmt: skip
            widget.add_class(css_class)
        self._show_state()

    def _arranged(self) -> widgets.Widget:
        """The picture beside the controls, or above them where there is no room for both."""
        rows = []
        grid = {"grid_template_columns": "repeat(auto-fill, minmax(284px, 1fr))", "grid_gap": "0 10px", "overflow": "visible"}
        for name, section in self.sections.items():
            rows += [widgets.HTML(f"<b>{name}</b>"), widgets.GridBox([*section.values()], layout=widgets.Layout(**grid))]
        controls = widgets.VBox(rows, layout=widgets.Layout(flex="1 1 300px", padding="0 12px 0 0", overflow="visible"))
        wrap = {"flex_flow": "row wrap", "overflow": "visible"}
        buttons = [self.run_button, self.pause_button, self.step_button, self.stop_button, *self.actions()]
        files = [self.code_button, self.path, self.save_button, self.replay_button, self.timeline]
        picture = widgets.VBox(
            [
                widgets.HBox(buttons, layout=widgets.Layout(**wrap)), self.status_line, self.error_line, self.frame,
                widgets.HBox(files, layout=widgets.Layout(**wrap)), self.code_view,
            ],
            layout=widgets.Layout(flex="1000 1 790px", min_width="0", overflow="visible"),
        )  # fmt: skip
        heading = widgets.HTML(f'<h3 style="margin:2px 0">{escape(self.title)}</h3>')
        # In reverse, so that the picture comes on top; the ends of what is reversed are its beginnings.
        both = widgets.Layout(flex_flow="row wrap-reverse", align_items="flex-end", overflow="visible")
        body = widgets.HBox([controls, picture], layout=both)
        keys = Keys(layout=widgets.Layout(display="none"))
        whole = widgets.VBox([heading, body, keys], layout=widgets.Layout(overflow="visible"))
        return whole.add_class("keyboard-panel")

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return self.widget._repr_mimebundle_(**options)

    def _value_changed(self, name: str, change: Mapping[str, Any]) -> None:
        value = as_shown(change["new"])
        if value != as_shown(change["old"]):
            self._control_changed(name, value)

    def _control_changed(self, name: str, value: Any) -> None:
        if not self.running:
            self._setting_changed(name)
        elif name in self.sections.get("view", ()):
            self._draw()
        elif name in self.live:
            if self._accepted(self.steer, name, value):
                self._show_error(None)
        else:
            self._show_note(f"{self.controls[name].description} takes effect at the next Run")

    def _setting_changed(self, name: str) -> None:
        if self.instant:
            self.records = []
        if name not in self.sections.get("view", ()):
            self._show_error(None)
            if self.records:
                self._show_note("the picture shows the last run; press Run for the settings as they are now")
        self._draw()

    def _set_control(self, name: str, value: Any) -> None:
        """Give a control a value; one that it cannot take is refused and leaves it as it was."""
        if name not in self.controls:
            raise ValueError(f"{name!r} is not a control of this panel; it has {tuple(self.controls)}")
        control = self.controls[name]
        before = control.value
        try:
            control.value = value
        except TraitError as error:
            admitted = getattr(control, "options", f"values of type {type(before).__name__}")
            raise ValueError(f"{name} = {value!r} is not admitted; it takes {admitted}") from error
        if control.value != (tuple(value) if isinstance(value, list) else value):
            nearest, control.value = control.value, before
            raise ValueError(f"{name} = {value!r} is not admitted; the nearest value that is: {nearest!r}")

    def _guarded(self, action, *arguments: Any) -> None:
        """Do what a widget asks for; an error is shown in the panel and raised."""
        try:
            action(*arguments)
        except BaseException as error:
            self._show_error(error)
            raise

    def _accepted(self, action, *arguments: Any) -> bool:
        """Do what may be refused for the user's input; a refusal is shown in the panel."""
        try:
            action(*arguments)
        except (ValueError, OSError) as error:
            self._show_error(error)
            return False
        return True

    def _draw(self) -> None:
        with self._drawing:
            records = self.records[: max(1, self.timeline.value) if self.timeline.max else None]  # a copy: a run may go on
            self.frame.value = self.draw(records)
            text = "ready: choose settings, then Run"
            if records:
                origin = self._origin or f"drawing took {100 * self._pace.share:.1f} % of the time"
                text = f"{self.status(records[-1])} &nbsp;·&nbsp; {escape(origin)}"
            self.status_line.value = text

    def _show_state(self) -> None:
        active, going = self.running, self._go.is_set()
        self.run_button.description = "Resume" if active and not going else "Run"
        self.run_button.disabled = self.step_button.disabled = active and going
        self.pause_button.disabled = not (active and going)
        self.stop_button.disabled = not active

    def _show_error(self, error: BaseException | None) -> None:
        text = "" if error is None else f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        self.error_line.value = f'<span style="color:var(--jp-error-color1,#c62828)">{escape(text)}</span>' if text else ""

    def _show_note(self, text: str) -> None:
        self.error_line.value = f"<span>{escape(text)}</span>"

    def _show_code(self) -> None:
        self.code_view.value = self.code()
        self.code_view.layout.display = "none" if self.code_view.layout.display is None else None

    # Recordings --------------------------------------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Write the records of the last run and the settings it was begun with to a file (`recordings.save`)."""
        if not self.records:
            raise ValueError("nothing to save yet: run first")
        recordings.save(path, self.records, settings=self.ran_with, title=self.title, provenance=recordings.provenance())

    def replay(self, path: str | Path) -> None:
        """Show a recorded run: its settings in the controls, its records in the frame, with a timeline to move along."""
        recording = self.recording(path)
        self.stop()
        refused = [name for name, value in recording.settings.items() if not self._accepted(self._set_control, name, value)]
        self.records, self.ran_with, self._origin = recording.records, recording.settings, recording.origin
        self._show_error(None)
        if refused:
            values = ", ".join(f"{name} = {recording.settings[name]!r}" for name in refused)
            self._show_note(f"recorded with {values}, which this panel does not offer here")
        self.timeline.max = len(self.records)
        self.timeline.value = self.timeline.max
        self.timeline.layout.display = None
        self._draw()

    def recording(self, path: str | Path) -> recordings.Recording:
        """What `replay` shows of a file; a panel that can read other recordings than its own extends this."""
        recording = recordings.load(path, record=self.record_type)
        if recording.title != self.title:
            raise ValueError(f"{path}: a recording of {recording.title!r}, this panel is {self.title!r}")
        return recording
