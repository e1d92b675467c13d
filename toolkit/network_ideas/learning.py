"""The ideas by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from toolkit.network_ideas import convolution, generation, graphs, sequences
from toolkit.network_ideas.sketches import Sketch

__all__ = ["IDEAS", "Idea", "Knob", "Sketch", "learn"]


@dataclass(frozen=True)
class Knob:
    """The setting that matters.

    Attributes:
        label: what it is.
        value: a good one.
        low: least.
        high: largest.
        whole: whether it is a count; others are on a logarithmic scale.
    """

    label: str
    value: float
    low: float
    high: float
    whole: bool = True


@dataclass(frozen=True)
class Idea:
    """An idea, its knob, and how it is trained.

    Attributes:
        question: what the task asks.
        knob: the setting that matters.
        begin: `begin(knob, epochs=, learning_rate=, seed=)` gives an iterator of sketches.
        learning_rate: one at which it learns well.
        epochs: after which it has learned.
    """

    question: str
    knob: Knob
    begin: Callable[..., Iterator[Sketch]]
    learning_rate: float
    epochs: int


IDEAS = {
    "convolution": Idea("fibres along or across?", Knob("kernel size", 5, 1, 7), convolution.learn, 0.02, 15),
    "recurrence": Idea("was the first number positive?", Knob("length T", 12, 2, 60), sequences.remember, 0.01, 20),
    "attention": Idea("is the marked number positive?", Knob("length T", 15, 2, 60), sequences.attend, 0.02, 20),
    "graphs": Idea("is a source within three steps?", Knob("rounds T", 3, 0, 6), graphs.learn, 0.01, 15),
    "autoencoder": Idea(
        "which digits do two numbers draw?", Knob("β", 1.0, 0.01, 100, whole=False), generation.draw_digits, 0.005, 40
    ),
    "adversaries": Idea("can the points be told apart?", Knob("D steps per G step", 3, 1, 10), generation.compete, 0.002, 30),
}


def learn(
    name: str, *, knob: float | None = None, epochs: int | None = None, learning_rate: float | None = None, seed: int = 0
) -> Iterator[Sketch]:
    """Train one of `IDEAS`, a sketch before the first epoch and after each one.

    Args:
        name: of the idea.
        knob: its setting; None for a good one.
        epochs: passes over the data; None for enough.
        learning_rate: of Adam; None for a good one.
        seed: of data, weights and order.

    Raises:
        ValueError: an unknown idea, or a knob outside its range.

    >>> [sketch.epoch for sketch in learn("graphs", epochs=1)]
    [0.0, 1.0]
    """
    if name not in IDEAS:
        raise ValueError(f"idea {name!r} is not known; known are {tuple(IDEAS)}")
    idea = IDEAS[name]
    value = idea.knob.value if knob is None else knob
    if not idea.knob.low <= value <= idea.knob.high or (idea.knob.whole and value != int(value)):
        kind = "a whole number" if idea.knob.whole else "a number"
        raise ValueError(f"{name}: {idea.knob.label} must be {kind} from {idea.knob.low} to {idea.knob.high}, got {value}")
    epochs = idea.epochs if epochs is None else epochs
    rate = idea.learning_rate if learning_rate is None else learning_rate
    if epochs < 0 or not rate > 0:
        raise ValueError(f"epochs must be 0 or more and learning_rate positive, got {epochs} and {rate}")
    return idea.begin(int(value) if idea.knob.whole else value, epochs=epochs, learning_rate=rate, seed=seed)
