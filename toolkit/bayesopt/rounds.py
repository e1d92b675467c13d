"""A campaign on a laboratory that answers at once, as an iterator of records."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from toolkit.bayesopt.campaign import Campaign, Proposal
from toolkit.bayesopt.space import Space


@dataclass(frozen=True, slots=True)
class Round:
    """A campaign after one more proposal, or after the experiments of a batch.

    Attributes:
        iteration: number of the batch, from 1.
        points: the candidates, `(p, d)`.
        mean: of the standardised posterior at them when the newest point was chosen, `(p,)`; nan without a model.
        deviation: likewise.
        score: of the acquisition, minus infinity where nothing may be proposed.
        batch: points proposed and not yet measured, `(b, d)`; none once they are measured.
        x: points measured, `(n, d)`.
        y: values of the first objective, `(n,)`.
        centre: what the model's zero stands for, in the modelled unit (log10 for a logarithmic objective).
        spread: what its one stands for.
    """

    iteration: int
    points: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray
    score: np.ndarray
    batch: np.ndarray
    x: np.ndarray
    y: np.ndarray
    centre: float
    spread: float


def rounds(
    campaign: Campaign,
    measure: Callable[[pd.DataFrame], pd.DataFrame],
    *,
    iterations: int,
    batch: int,
    wider: Mapping[int, Space] | None = None,
) -> Iterator[Round]:
    """Propose, measure, tell, again and again: one record for each proposal and one for each batch of experiments.

    Args:
        campaign: where to begin; it is changed.
        measure: from points with units in their heads to a table that has the objectives' columns.
        iterations: how many batches.
        batch: experiments in each.
        wider: number of an iteration to the space that it and later ones may use.

    Yields:
        `batch` records with a growing `batch`, then one with the results, for each iteration.
    """
    for iteration in range(1, iterations + 1):
        if wider and iteration in wider:
            campaign.expand(wider[iteration])
        proposed = yield from _proposed(campaign, batch, iteration)
        asked = campaign.claim(proposed)
        campaign.tell(asked, measure(asked))
        yield _round(campaign, iteration, proposed[-1], [])


def proposing(campaign: Campaign, batch: int) -> Iterator[Round]:
    """Propose a batch and ask for it: one record for each proposal. The results are told later.

    Args:
        campaign: it has asked for the batch when the last record has been taken and another one is wanted.
        batch: how many experiments.
    """
    campaign.claim((yield from _proposed(campaign, batch, campaign.askings + 1)))


def beginning(campaign: Campaign) -> Round:
    """What is known before anything is proposed; the model is not asked."""
    unknown = np.full(len(campaign.space), np.nan)
    return _round(campaign, 0, Proposal(0, (), unknown, unknown, unknown), [], modelled=False)


def _proposed(campaign: Campaign, batch: int, iteration: int) -> Generator[Round, None, list[Proposal]]:
    proposed: list[Proposal] = []
    for proposal in campaign.proposals(batch):
        proposed.append(proposal)
        yield _round(campaign, iteration, proposal, proposed)
    return proposed


def _round(campaign: Campaign, iteration: int, newest: Proposal, batch: Sequence[Proposal], *, modelled: bool = True) -> Round:
    surrogate = campaign.surrogate() if modelled and campaign.has_model else None
    single = (np.asarray(part, np.float32) for part in (campaign.space.points, newest.mean, newest.deviation, newest.score))
    points = np.array([proposal.point for proposal in batch]).reshape(-1, campaign.x.shape[1])
    scale = (surrogate.centre, surrogate.spread) if surrogate else (0.0, 1.0)
    return Round(iteration, *single, points, campaign.x.copy(), campaign.y[:, 0].copy(), *scale)
