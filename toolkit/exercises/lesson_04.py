"""Lesson 04: MorphNet."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from toolkit.exercises.exercise import NUMBER, WHOLE, Exercise, equal_to
from toolkit.search.cost import FlopRegularizer, flops
from toolkit.search.morphnet import ROUNDINGS

INPUTS, OUTPUTS, KERNEL, POSITIONS = 6, 12, 5, 10
WIDTH, CHANNELS = 5, 8
ALIVE = (range(0, 4), range(2, 6))  # channels of the two convolutions that are added


def convolution_flops() -> int:
    """FLOPs of a 5 x 5 convolution from 6 to 12 channels on 10 x 10 positions."""
    side = POSITIONS + KERNEL - 1
    return flops(nn.Conv2d(INPUTS, OUTPUTS, KERNEL), (INPUTS, side, side))


def next_channel() -> float:
    """The least κ at which a layer of 5 channels gets a sixth, by bisection."""
    low, high = 1.0, 2.0
    while high - low > 1e-9:
        kappa = (low + high) / 2
        low, high = (low, kappa) if ROUNDINGS["round"](kappa * WIDTH) > WIDTH else (kappa, high)
    return high


class _Sum(nn.Module):
    """Two convolutions whose outputs are added, and a third that reads the sum."""

    def __init__(self):
        super().__init__()
        self.a, self.b = (nn.Sequential(nn.Conv2d(1, CHANNELS, 1), nn.BatchNorm2d(CHANNELS)) for _ in ALIVE)
        self.last = nn.Conv2d(CHANNELS, 1, 1)
        for branch, alive in zip((self.a, self.b), ALIVE, strict=True):
            branch[1].weight.data = torch.tensor([float(channel in alive) for channel in range(CHANNELS)])

    def forward(self, images: Tensor) -> Tensor:
        return self.last(torch.relu(self.a(images) + self.b(images)))


def alive_behind_a_sum() -> int:
    """How many channels are alive behind the sum."""
    return FlopRegularizer(_Sum(), (1, 4, 4), threshold=0.5).widths()["a.0"]


EXERCISES = {
    1: Exercise(
        WHOLE,
        equal_to(
            convolution_flops, otherwise="Two for each product with its addition: kernel area, positions, inputs, outputs.",
            mistakes=lambda: {
                convolution_flops() // 2: "Those are multiply-adds; one of them is two FLOPs here.",
                convolution_flops() // INPUTS: "Each output reads every input channel.",
                convolution_flops() // POSITIONS**2: "The kernel is applied at every position.",
            },
        ),
        convolution_flops, minutes=3,
    ),
    2: Exercise(
        NUMBER,
        equal_to(
            next_channel, within=0.002, otherwise="κ times 5 must round to 6.",
            mistakes={(WIDTH + 1) / WIDTH: "Rounded to the nearest, not down.", 1.0: "With κ = 1 nothing changes."},
        ),
        next_channel, minutes=5,
    ),
    3: Exercise(
        WHOLE,
        equal_to(
            alive_behind_a_sum, otherwise="A channel of a sum needs only one of its two producers.",
            mistakes={
                len(set(ALIVE[0]) & set(ALIVE[1])): "It does not take both producers to keep a channel.",
                len(ALIVE[0]): "The two do not keep the same four.",
                CHANNELS: "Some channels are dead in both.",
            },
        ),
        alive_behind_a_sum, minutes=5,
    ),
}  # fmt: skip
