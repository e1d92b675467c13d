"""Panels that are small enough to test: one that counts, and few images for the real ones."""

import threading
import time
from dataclasses import dataclass, replace

from toolkit import datasets
from toolkit.datasets import aluminium, frames, patients
from toolkit.datasets.patients import simulate
from toolkit.panels.controls import choice, several, slider, whole_slider
from toolkit.panels.panel import Panel

HANGS_AFTER = 30  # seconds


def few_digits(n: int = 120) -> datasets.Dataset:
    """The embedded digits, a tenth of them."""
    return datasets.images.digits().subset(n, proportional=True)


def few_patients(clinics, **settings) -> patients.Cohort:
    """`patients.simulate` with at most 60 patients a clinic, one small slide of each."""
    return simulate(
        [replace(clinic, patients=min(clinic.patients, 60), slides=1.0) for clinic in clinics], **settings | {"size": (16, 16)}
    )


def few_cells() -> frames.Frames:
    """Twelve cells of aluminium with 32 atoms, solid and liquid."""
    scale = aluminium.Scale(("300K", "950K"), repeat=2, trajectories=3, frames=2, stride=2, settling=4, melting=8)
    return aluminium.emt(scale, keep=False)


def timeless(records):
    """All of the records but the seconds; as text, in which nan equals nan."""
    return [repr(replace(record, seconds=0.0)) for record in records]


def until(condition, what: str) -> None:
    """Wait for what another thread is about to bring about."""
    end = time.monotonic() + HANGS_AFTER
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.001)


def returns(action, *arguments) -> None:
    """Call something that must come back, in a thread of its own, so that a test fails where it does not."""
    caller = threading.Thread(target=action, args=arguments, daemon=True)
    caller.start()
    caller.join(HANGS_AFTER)
    assert not caller.is_alive(), f"{action.__name__} did not return"


@dataclass(frozen=True)
class Count:
    """A record."""

    number: int


class CountingPanel(Panel):
    """Counts to `most`. With `gated` each count waits for a `release`; `asked` says how many were asked for."""

    title = "Counting"
    record_type = Count
    live = ("step",)

    def __init__(self, gated=False, **values):
        self.gate = threading.Semaphore(0) if gated else None
        self.asked, self.begun, self.finished = 0, 0, 0
        self.steered, self.drawn = [], []
        super().__init__(**values)

    def make_sections(self):
        return {
            "data": {"first": whole_slider("first", 0, 0, 100)},
            "model": {"step": slider("step", 1.0, 0.5, 4.0, 0.5)},
            "training": {"most": whole_slider("most", 5, 0, 1000), "words": several("words", ("a", "b"), value=("a",))},
            "view": {"unit": choice("unit", ("cm", "m")), "threads": choice("torch threads", (1, 2, 4))},
        }

    def begin(self, settings):
        if not settings["words"]:
            raise ValueError("words: choose at least one")
        self.begun += 1
        return self.count(settings["first"], settings["most"])

    def count(self, first, most):
        for number in range(first, first + most):
            self.asked += 1
            if self.gate is not None:
                assert self.gate.acquire(timeout=HANGS_AFTER)
            yield Count(number)

    def steer(self, name, value):
        if value > 3:
            raise ValueError(f"{name} must be at most 3, got {value}")
        self.steered.append((name, value))

    def draw(self, records):
        self.drawn.append(len(records))
        return f"{len(records)} records in {self.settings['unit']}"

    def finish(self):
        self.finished += 1

    def code(self):
        return f"count({self.settings['first']}, {self.settings['most']})"

    def release(self, times: int) -> None:
        """Let the worker have so many more counts and wait until it has them."""
        have = len(self.records)
        self.gate.release(times)
        until(lambda: len(self.records) >= have + times, f"{times} more records")

    def has_paused(self) -> bool:
        """Whether Run has become Resume."""
        return self.run_button.description == "Resume"
