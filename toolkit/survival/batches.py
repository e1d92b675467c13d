"""The order in which subjects go into mini-batches: one without an event teaches nothing."""

from __future__ import annotations

import torch
from torch import Tensor

from toolkit.training import shuffled


def event_stratified(targets: Tensor, *, seed: int, epoch: int, batch_size: int | None = None) -> Tensor:
    """An epoch in which the events are spread evenly over the batches; for `order` of `training.fit`.

    Every stretch of b subjects has its share of the events, to within one. That is a permutation: every subject comes once.
    Where events are rarer than one per batch, batches without an event remain (with 14 % of events and a batch size of 5 a
    third of them, against almost half at random). Given `batch_size`, every batch has one: events come again, each about
    equally often, and as many censored subjects sit out the epoch.

    Args:
        targets: time, event and possibly more of each subject `(n, 2 or more)`.
        seed: of the order.
        epoch: likewise; every epoch has another order.
        batch_size: of the batches of which each is to have an event; None leaves every subject at once per epoch.

    Returns:
        Numbers of the subjects `(n,)`.

    Raises:
        ValueError: targets of another shape, or no event at all where one per batch is asked for.

    >>> targets = torch.tensor([[1.0, 1.0], [2.0, 0.0], [3.0, 1.0], [4.0, 0.0]])
    >>> targets[event_stratified(targets, seed=0, epoch=0), 1].view(2, 2).sum(1)
    tensor([1., 1.])
    """
    if targets.ndim != 2 or targets.shape[1] < 2:
        raise ValueError(f"targets must have columns time and event, shape (n, 2), got {tuple(targets.shape)}")
    n = len(targets)
    order = shuffled(n, seed=seed, epoch=epoch)
    seen = targets[:, 1].cpu()[order] > 0
    events, censored = order[seen], order[~seen]
    places = _evenly(n, len(events))
    if batch_size is not None:
        if len(events) == 0:
            raise ValueError("targets must hold at least one event to put one into every batch, got none")
        for batch in places.split(batch_size):  # views: this marks the places
            batch[0] |= ~batch.any()
    filled = torch.empty(n, dtype=torch.int64)
    filled[places] = events.repeat(1 + int(places.sum()) // max(len(events), 1))[: int(places.sum())]
    filled[~places] = censored[: int((~places).sum())]
    return filled


def _evenly(n: int, k: int) -> Tensor:
    """Mark k of n places at even distances."""
    return ((torch.arange(n + 1) * k + n // 2) // n).diff() > 0
