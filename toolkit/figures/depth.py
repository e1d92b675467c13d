"""Plain and residual stacks side by side: gradients by layer, loss, accuracy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from toolkit.figures import colours, frame
from toolkit.figures.layers import SIZE

KINDS = {"plain": colours.ORANGE, "residual": colours.BLUE}
SMALLEST = 1e-30  # of a norm that is drawn; float32 rounds smaller ones to zero


def depth_frame(norms: Mapping[str, np.ndarray], records: Sequence[Any], *, note: str, classes: int) -> str:
    """Gradient norms now, and the course of the training.

    Args:
        norms: "plain" and "residual" to `(layers,)`.
        records: see `toolkit.learning.depth.Layers`; none before a run.
        note: a line above.
        classes: of the data; guessing has an accuracy of one in so many.

    Returns:
        A `<div>` element.
    """
    loss = frame.plot(
        [
            *_course(records, "train_loss", dash="5 3"), *_course(records, "batch_loss", dash="1 3", width=1.2),
            *_course(records, "validation_loss"),
        ],
        title="loss", x_label="epoch", y_label="dots, dashes: training", size=SIZE, log_y=True,
    )  # fmt: skip
    epochs = [record.epoch for record in records] or [0.0, 1.0]
    guess = frame.Line([epochs[0], epochs[-1]], [1 / classes] * 2, "guessing", colours.GREY, "2 3", 1.2)
    accuracy = frame.plot(
        [guess, *_course(records, "validation_accuracy")], title="accuracy on validation", x_label="epoch", size=SIZE,
        y_label="dots: guessing", y_limits=(0.0, 1.02),
    )  # fmt: skip
    legend = frame.legend([(kind, KINDS[kind]) for kind in KINDS])
    return frame.compose([gradient_plot(norms), loss, accuracy], above=[frame.text(note), legend], description=note)


def gradient_plot(norms: Mapping[str, np.ndarray]) -> str:
    """Norm of the gradient by the weights of each convolution."""
    lines = [
        frame.Line(np.arange(len(values)), np.maximum(values, SMALLEST), kind, KINDS[kind], width=2.2)
        for kind, values in norms.items()
    ]
    return frame.plot(lines, title="gradient by layer", x_label="convolution, from the input on", y_label="norm of ∂L/∂W",
                      size=SIZE, log_y=True)  # fmt: skip


def gradients(axes: Sequence[Any], by_depth: Mapping[int, Mapping[str, np.ndarray]]) -> None:
    """Static: norms by layer at several depths, one matplotlib axis for each kind.

    Args:
        axes: two, for plain and residual.
        by_depth: depth to kind to `(layers,)`.
    """
    dashes = ("-", "--", "-.", ":")
    for axis, kind in zip(axes, KINDS, strict=True):
        for number, (depth, norms) in enumerate(by_depth.items()):
            axis.plot(np.maximum(norms[kind], SMALLEST), dashes[number % 4], color=KINDS[kind], label=f"depth {depth}")
        axis.set(title=kind, xlabel="convolution, from the input on", yscale="log")
        axis.legend(fontsize=8, frameon=False)
    axes[0].set_ylabel("norm of ∂L/∂W")


def _course(records: Sequence[Any], metric: str, **style: Any) -> list[frame.Line]:
    lines = []
    for kind, colour in KINDS.items():
        points = [
            (record.epoch, record.metrics[f"{kind}_{metric}"]) for record in records if f"{kind}_{metric}" in record.metrics
        ]
        x, y = zip(*points, strict=True) if points else ((), ())
        lines.append(frame.Line(x, y, f"{kind}, {metric.replace('_', ' ')}", colour, **style))
    return lines
