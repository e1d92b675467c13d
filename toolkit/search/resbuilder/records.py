"""What a search gives: one record for each unit of work, and the best network so far."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from toolkit.search import architecture

KINDS = ("epoch", "trained", "keep", "delete", "insert", "exhausted", "morph", "collapse", "diverged")
VARIANTS = ("with_reg", "no_reg_ri", "no_reg_wi")


@dataclass(frozen=True, slots=True)
class Record:
    """What one unit of work gave.

    Attributes:
        kind: "epoch" of a training, or a part of one with `every`; "trained" when a variant of an architecture is finished.
            Between two architectures: "keep" where the momentum spared the blocks, "delete" and "insert" for one block each,
            "exhausted" where every insertion would give an architecture that was trained before, "morph" for new widths.
            "collapse", a stream without channels, ends the run; so does "diverged", a loss that is not finite, of "with_reg".
        step: number of the architecture, from 1 for the start; for an edit that of the architecture it leads to.
        seconds: time spent so far [s], without pauses.
        architecture: as text, for `architecture.from_json`; after the edit.
        flops: of one sample.
        parameters: how many numbers are trained.
        depth: convolutions on the longest way, and the dense layer.
        variant: one of `VARIANTS` for "epoch", "trained" and "diverged"; else empty.
        epoch: passes over the data in this training.
        metrics: those of `training.Record`, of which the losses hold the penalties; for "trained" `train_accuracy` (on as many
            images as validation has), `validation_accuracy` and `test_accuracy`. Nothing is chosen by the last one.
        event: of an edit. `stage`, `block` and `hand` (1 if a person did it) of "insert" and "delete"; the latter's `score`,
            the mean or the sum of |ω| that was under the threshold; by hand also `accuracy_before` and `accuracy_after`, on
            the validation split, with no training between. `gain` and `spared`, the number of blocks under the threshold, of
            "keep". `kappa`, `channels` (of the first stage) and `removed` (number of blocks) of "morph", which has `removed`
            pairs of stage and block in `blocks` and their positions in `positions`. `widths`, those left, of "collapse".
        position: of the block that was inserted or deleted, relative to the depth of the network that has it, from 0 to 1.
        cycle: how many times the widths were chosen before.
        training_seconds: part of `seconds` that `training.fit` took [s].
        run: name of the run among several.
    """

    kind: str
    step: int
    seconds: float
    architecture: str
    flops: int
    parameters: int
    depth: int
    variant: str = ""
    epoch: float = 0.0
    metrics: Mapping[str, float] = field(default_factory=dict)
    event: Mapping[str, Any] = field(default_factory=dict)
    position: float = math.nan
    cycle: int = 0
    training_seconds: float = 0.0
    run: str = ""


@dataclass(frozen=True)
class Found:
    """A trained network of a search.

    Attributes:
        record: of kind "trained".
        weights: its state dict.
    """

    record: Record
    weights: Mapping[str, Tensor]

    def build(self) -> nn.Module:
        """The network with these weights, on the CPU, in evaluation mode."""
        model = architecture.from_json(self.record.architecture).build(seed=0)
        model.load_state_dict(self.weights)
        return model.eval()
