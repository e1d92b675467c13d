"""Lesson 12: membranes and their tortuosities."""

from __future__ import annotations

from functools import cache

import numpy as np

from toolkit.exercises.exercise import NUMBER, Exercise, equal_to
from toolkit.microstructure.tortuosity import tortuosity

LAYERS = 10  # of the slanted strip in exercise 1
SIDE, CHANNEL, BUBBLE = 20, 10, 4  # edges of volume, channel and bubble in exercise 2 [voxels]
GOOD, POOR = 1.0, 0.1  # conductivities of the layers in exercise 3


@cache
def strip(boundary: str) -> float:
    """Tortuosity of the slanted strip."""
    volume = np.zeros((LAYERS, LAYERS + 1, LAYERS + 1), bool)
    for layer in range(LAYERS):
        volume[layer, layer : layer + 2, layer : layer + 2] = True
    return tortuosity(volume, boundary=boundary, tolerance=1e-9, precision="float64").tau.item()


@cache
def bubbled(trim: bool) -> float:
    """Tortuosity of a straight channel beside a bubble."""
    volume = np.zeros((SIDE,) * 3, bool)
    volume[:, :CHANNEL, :CHANNEL] = True
    volume[2 : 2 + BUBBLE, -1 - BUBBLE : -1, -1 - BUBBLE : -1] = True
    return tortuosity(volume, trim=trim).tau.item()


@cache
def layered() -> float:
    """Effective conductivity across ten layers, every second one poor."""
    layers = np.arange(10) % 2
    volume = np.broadcast_to(layers[:, None, None], (10, 3, 3)).copy()
    return tortuosity(volume, conductivity={0: GOOD, 1: POOR}, tolerance=1e-8).effective_conductivity.item()


EXERCISES = {
    1: Exercise(
        NUMBER,
        equal_to(
            lambda: strip("centre"), within=0.002, otherwise="Count resistances: between layers, and across inner ones.",
            mistakes=lambda: {
                strip("face"): "That is with the electrodes on the outer faces.",
                strip("centre") * (LAYERS - 1) / LAYERS: "The electrodes are not N layers apart.",
                strip("centre") / 4: "The porosity is in (4) as well: four voxels a layer.",
            },
        ),
        lambda: strip("centre"), minutes=5,
    ),
    2: Exercise(
        NUMBER,
        equal_to(
            lambda: bubbled(False), within=0.0005, otherwise="The current is that of the channel. Which porosity is in (4)?",
            mistakes=lambda: {
                bubbled(True): "That is with the bubble trimmed away.",
                1 / bubbled(False): "Upside down.",
                1 + BUBBLE**3 / SIDE**3: "Share of the channel, not of the volume.",
            },
        ),
        lambda: bubbled(False), minutes=5,
    ),
    3: Exercise(
        NUMBER,
        equal_to(
            layered, within=0.002, otherwise="The same current flows through all layers. What adds up?",
            mistakes=lambda: {
                (GOOD + POOR) / 2: "That is along the layers.",
                (GOOD * POOR) ** 0.5: "No geometric mean: resistances add.",
                layered() / 2: "There are five layers of each kind, not ten.",
            },
        ),
        layered, minutes=5,
    ),
}  # fmt: skip
