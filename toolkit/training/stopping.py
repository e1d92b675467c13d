"""End a run early."""

from __future__ import annotations

import math
from typing import Any

from toolkit.training.settings import whole


class EarlyStopping:
    """End a run when a metric has not fallen by `min_delta` for `patience` epochs.

    Args:
        patience: epochs without improvement that are allowed, 1 or more.
        min_delta: a fall smaller than this is no improvement.
        monitor: name of the metric.

    >>> stopping = EarlyStopping(patience=2)
    >>> [stopping.step(loss) for loss in (1.0, 0.5, 0.6, 0.5)]
    [False, False, False, True]
    """

    def __init__(self, patience: int, *, min_delta: float = 0.0, monitor: str = "validation_loss"):
        self.patience = whole("patience", patience, 1)
        if not (0 <= min_delta < math.inf):
            raise ValueError(f"min_delta must be a finite number, zero or more, got {min_delta}")
        self.min_delta, self.monitor = min_delta, monitor
        self.least, self.waited = math.inf, 0

    def step(self, value: float) -> bool:
        """Take the metric of one more epoch; returns whether to stop."""
        if value < self.least - self.min_delta:
            self.least, self.waited = value, 0
        else:
            self.waited += 1
        return self.waited >= self.patience

    def state_dict(self) -> dict[str, Any]:
        """All settings and counters."""
        return dict(vars(self))

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a state made by `state_dict`."""
        vars(self).update(state)
