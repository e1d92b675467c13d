"""A person against strategies: everybody makes one experiment a turn, each on a campaign of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from toolkit.bayesopt.campaign import Campaign


@dataclass(frozen=True, slots=True)
class Turn:
    """The state after a turn.

    Attributes:
        turn: experiments that everybody has made since the beginning.
        players: their names.
        points: the newest experiment of each, `(players, d)`; nan at the beginning.
        values: its result, `(players,)`.
        best: the best result of each so far, `(players,)`.
        x: all experiments of the first player, `(n, d)`.
        y: their results, `(n,)`.
    """

    turn: int
    players: tuple[str, ...]
    points: np.ndarray
    values: np.ndarray
    best: np.ndarray
    x: np.ndarray
    y: np.ndarray


def duel(
    campaigns: Mapping[str, Campaign],
    measure: Callable[[pd.DataFrame], pd.DataFrame],
    *,
    you: Callable[[], Sequence[float]],
    turns: int,
) -> Iterator[Turn]:
    """Let a person and strategies look for the largest value of the same laboratory.

    Args:
        campaigns: name of the player to the campaign; "you" comes first and may repeat an experiment.
        measure: from points with units in their heads to a table with the objective's column.
        you: gives the person's next experiment when it is due.
        turns: how many.

    Yields:
        The state at the beginning and after each turn.

    Raises:
        ValueError: "you" is not the first player.
    """
    players = tuple(campaigns)
    if players[:1] != ("you",):
        raise ValueError(f"the first player must be 'you', got {players}")
    return _turns(campaigns, measure, you, turns)


def _turns(campaigns, measure, you, turns) -> Iterator[Turn]:
    own = campaigns["you"]
    nothing = np.full((len(campaigns), own.x.shape[1]), np.nan)
    yield _state(0, campaigns, nothing, np.full(len(campaigns), np.nan))
    for turn in range(1, turns + 1):
        point = own.space.frame([you()])
        own.record(point, measure(point), repeats=True)
        for name, campaign in campaigns.items():
            if name != "you":
                asked = campaign.ask(1)
                campaign.tell(asked, measure(asked))
        points, values = (np.array([getattr(c, part)[-1] for c in campaigns.values()]) for part in ("x", "y"))
        yield _state(turn, campaigns, points, values[:, 0])


def _state(turn: int, campaigns: Mapping[str, Campaign], points: np.ndarray, values: np.ndarray) -> Turn:
    best = np.array([campaign.y[:, 0].max() for campaign in campaigns.values()])
    own = campaigns["you"]
    return Turn(turn, tuple(campaigns), points, values, best, own.x.copy(), own.y[:, 0].copy())
