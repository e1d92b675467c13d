"""Lesson 02: convolutional networks."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from toolkit import datasets, published
from toolkit.exercises.exercise import WHOLE, Exercise, Kind, equal_to, is_number
from toolkit.learning import convolution, depth

IMAGE, KERNEL, STRIDE, PADDING = 28, 5, 2, 2
SMALL = 1e-6  # of the first gradient relative to the last
DEEPEST = 40


def rows() -> int:
    """Rows of the map."""
    return convolution.output_size(IMAGE, KERNEL, stride=STRIDE, padding=PADDING)


def table_2_2(name: str) -> np.ndarray:
    """One of the matrices of Table 2.2."""
    table = published.table("burghoff_table_2_2_convolution_example")
    return table[table["matrix"] == name].pivot(index="row", columns="col", values="value").to_numpy(float)


def turned_kernel() -> list[list[float]]:
    """The kernel with which (2.21) gives the printed map."""
    return table_2_2("kernel")[::-1, ::-1].tolist()


@cache
def starving_depth() -> int:
    """The least number of convolutions at which the first gradient of the plain stack is below a millionth of the last."""
    data = datasets.images.digits().subset(600, proportional=True)
    sample = data.normalise(data.train[0][: depth.SAMPLE]), data.train[1][: depth.SAMPLE]
    for layers in range(2, DEEPEST + 1, 2):
        norms = depth.gradient_norms(depth.stacks(layers, seed=0)["plain"], *sample)
        if norms[0] < SMALL * norms[-1]:
            return layers
    raise ValueError(f"up to {DEEPEST} convolutions the gradient never falls below {SMALL} of the last")


def _is_kernel(answer: Any) -> bool:
    lists = (list, tuple, np.ndarray)
    return (
        isinstance(answer, lists)
        and len(answer) == 3
        and all(isinstance(row, lists) and len(row) == 3 and all(map(is_number, row)) for row in answer)
    )


def _judge_kernel(answer: Any) -> str:
    kernel, wanted = np.array(answer, float), table_2_2("output")
    if np.allclose(convolution.convolve(table_2_2("input"), kernel, flip=True), wanted):
        return ""
    if np.allclose(convolution.convolve(table_2_2("input"), kernel), wanted):
        return "With this one the cross-correlation gives the map. What does the convolution do with a kernel first?"
    if not kernel.any():
        return "That gives zero everywhere."
    return "The first entry comes out wrong, or another one: write it into the panel and compare."


EXERCISES = {
    1: Exercise(
        WHOLE,
        equal_to(
            rows, otherwise="How far can the window travel over the padded image, and in which steps?",
            mistakes={
                12: "The padding is missing.",
                13: "The first place counts as well.",
                28: "That is the map with a stride of 1.",
            },
        ),
        rows, minutes=3,
    ),
    2: Exercise(Kind("a kernel, three rows of three numbers", _is_kernel), _judge_kernel, turned_kernel, minutes=5),
    3: Exercise(
        WHOLE,
        equal_to(
            starving_depth, otherwise="Move the number of blocks and read the line above the plots.",
            mistakes=lambda: {
                starving_depth() // 2: "Blocks have two convolutions each.",
                starving_depth() + 2: "A smaller number will do.",
                starving_depth() - 2: "Not yet.",
            },
        ),
        starving_depth, minutes=5,
    ),
}  # fmt: skip
