"""Lesson 10b: ideas behind networks."""

from __future__ import annotations

import torch
from torch import nn

from toolkit import network_ideas
from toolkit.exercises.exercise import WHOLE, Exercise, Kind, equal_to, is_number

FIELD = 11
CHANNELS, KERNELS, KERNEL, IMAGE = 3, 16, 5, 32
MAP = IMAGE - KERNEL + 1
EPOCHS = 10


def convolution_weights() -> int:
    """Weights and biases of 16 kernels of 5 x 5 on 3 channels."""
    return sum(weight.numel() for weight in nn.Conv2d(CHANNELS, KERNELS, KERNEL).parameters())


def layers_to_see(field: int) -> int:
    """How many convolutions of 3 x 3 one pixel needs to depend on so many in a row, read off a gradient."""
    for layers in range(1, field):
        inputs = torch.zeros(1, 1, 1, 2 * field + 1, requires_grad=True)
        outputs = inputs
        for _ in range(layers):
            outputs = nn.functional.conv2d(outputs, torch.ones(1, 1, 1, 3), padding=(0, 1))
        outputs[..., field].sum().backward()
        if int((inputs.grad != 0).sum()) >= field:
            return layers
    raise ValueError(f"field must be 3 or more, got {field}")


def _judge_adversaries(answer: tuple[int, float]) -> str:
    steps, rate = answer
    try:
        *_, last = network_ideas.learn("adversaries", knob=steps, epochs=EPOCHS, learning_rate=rate, seed=0)
    except ValueError as refused:
        return f"That cannot be run: {refused}"
    found = last.metrics["clouds_found"]
    return "" if last.diverged or found <= 6 else f"After {EPOCHS} epochs the generator still finds {found:.0f} of 8 clouds."


EXERCISES = {
    1: Exercise(
        WHOLE,
        equal_to(
            convolution_weights, otherwise="Each kernel is 5 x 5 on every one of the 3 channels, and has one bias.",
            mistakes={
                CHANNELS * KERNELS * KERNEL**2: "Each kernel has a bias too.",
                KERNELS * (KERNEL**2 + 1): "A kernel reaches through all three channels.",
                (CHANNELS * IMAGE**2 + 1) * KERNELS * MAP**2: "That is the dense layer.",
            },
        ),
        convolution_weights, minutes=5,
    ),
    2: Exercise(
        WHOLE,
        equal_to(
            lambda: layers_to_see(FIELD),
            otherwise="One such convolution sees 3 in a row. How many more does each further one add?",
            mistakes={
                FIELD // 3: "What two in a row see overlaps.",
                FIELD - 1: "Each one widens the view on both sides.",
            },
        ),
        lambda: layers_to_see(FIELD), minutes=5,
    ),
    3: Exercise(
        Kind(
            "two numbers, steps of D per step of G (1 to 10) and a learning rate",
            lambda answer: isinstance(answer, tuple | list) and len(answer) == 2 and all(map(is_number, answer)),
        ),
        _judge_adversaries, lambda: (1, 0.1), minutes=10,
    ),
}  # fmt: skip
