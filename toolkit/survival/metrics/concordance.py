"""Concordance indices: how often the subject with the larger log hazard has its event first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from toolkit.survival.metrics.kaplan_meier import censoring
from toolkit.survival.observations import NotDefined, Values, finite, observed, per_subject

TIES = {"half": 0.5, "nothing": 0.0, "excluded": None}
SAME_TIME = ("censored_later", "excluded")


@dataclass(frozen=True)
class Pairs:
    """Numbers of pairs of subjects.

    Attributes:
        concordant: the log hazard is larger for the subject whose event comes first.
        discordant: it is smaller.
        tied: both log hazards are equal.
    """

    concordant: int
    discordant: int
    tied: int

    @property
    def comparable(self) -> int:
        """All pairs of which it is known who has the event first."""
        return self.concordant + self.discordant + self.tied


def concordance_index(
    time: Values,
    event: Values,
    log_hazard: Values,
    *,
    ties: Literal["half", "nothing", "excluded"] = "half",
    same_time: Literal["censored_later", "excluded"] = "censored_later",
) -> float:
    """Harrell's concordance index, Burghoff (7.4) and (7.5), in O(n log n).

    The share of concordant pairs among the comparable ones. A pair is comparable when one has its event at T_j and the other is
    known to be without event then. The conventions differ between programs:

    ===========================  ======================  ====================
    convention                   `ties`                  `same_time`
    ===========================  ======================  ====================
    Harrell, scikit-survival     "half" (default)        "censored_later" (default)
    (7.5) as printed             "nothing"               "excluded"
    Goodman and Kruskal's gamma  "excluded", as (γ+1)/2  either
    ===========================  ======================  ====================

    Two log hazards are tied where they are equal; scikit-survival ties those within 1e-8 too. Two events at one time are never
    comparable.

    Args:
        time: to the event or the end of observation `(n,)`.
        event: 1 where the event was seen, else 0 `(n,)`.
        log_hazard: larger for an earlier event `(n,)`. Programs that expect predicted times give 1 - C.
        ties: what a pair with equal log hazards counts: "half" a concordant pair, "nothing" while it stays in the denominator,
            or "excluded" from both.
        same_time: an event and a censored subject at one time: the "censored_later" one is comparable, or "excluded".

    Returns:
        A number from 0 to 1; 0.5 for constant log hazards with `ties="half"`.

    Raises:
        NotDefined: no comparable pair, as for one subject or without events.
        ValueError, TypeError: see `observations.observed`; log hazards that are not finite; an unknown convention.

    >>> concordance_index([1.0, 2.0, 3.0], [1, 1, 0], [3.0, 2.0, 2.0])
    0.8333333333333334
    >>> concordance_index([1.0, 2.0, 3.0], [1, 1, 0], [3.0, 2.0, 2.0], ties="nothing", same_time="excluded")
    0.6666666666666666
    """
    _check_conventions(ties, same_time)
    return _index(_count(*_subjects(time, event, log_hazard), same_time), ties)


def concordance_pairs(
    time: Values, event: Values, log_hazard: Values, *, same_time: Literal["censored_later", "excluded"] = "censored_later"
) -> Pairs:
    """The numbers of pairs behind `concordance_index`; see there for the arguments.

    >>> concordance_pairs([1.0, 2.0, 3.0], [1, 1, 0], [3.0, 2.0, 2.0])
    Pairs(concordant=2, discordant=0, tied=1)
    """
    _check_conventions("half", same_time)
    lower, tied, comparable = _count(*_subjects(time, event, log_hazard), same_time)
    concordant, tied, comparable = (int(each.sum()) for each in (lower, tied, comparable))
    return Pairs(concordant, comparable - concordant - tied, tied)


def uno_concordance(
    time: Values,
    event: Values,
    log_hazard: Values,
    *,
    train_time: Values | None = None,
    train_event: Values | None = None,
    tau: float | None = None,
    ties: Literal["half", "nothing", "excluded"] = "half",
    same_time: Literal["censored_later", "excluded"] = "censored_later",
) -> float:
    """Uno's concordance index, which does not depend on the censoring in the limit of many subjects (Uno et al. 2011).

    Every pair is weighted with 1/G(T_j)², the inverse squared probability that nobody was censored before the event at T_j.

    Args:
        time: see `concordance_index`.
        event: see `concordance_index`.
        log_hazard: see `concordance_index`.
        train_time: times from which the censoring is estimated; by default those of the subjects themselves.
        train_event: their events.
        tau: only events before this time count, which keeps the weights of late ones from dominating.
        ties: see `concordance_index`.
        same_time: see `concordance_index`.

    Returns:
        A number from 0 to 1.

    Raises:
        NotDefined: no comparable pair, or an event after the last time at which someone of the training subjects is seen.
        ValueError, TypeError: see `concordance_index`.

    >>> uno_concordance([1.0, 2.0, 3.0], [1, 1, 1], [3.0, 2.0, 1.0])
    1.0
    """
    _check_conventions(ties, same_time)
    time, event, h = _subjects(time, event, log_hazard)
    counted = event if tau is None else event & (time < tau)
    weights = torch.zeros(len(time), dtype=torch.float64, device=time.device)
    weights[counted] = censoring(time, event, train_time, train_event).inverse(time[counted]).square()
    return _index([weights * count for count in _count(time, event, h, same_time)], ties)


def _subjects(time: Values, event: Values, log_hazard: Values) -> tuple[Tensor, Tensor, Tensor]:
    time, event = observed(time, event)
    return time, event, finite("log_hazard", per_subject("log_hazard", log_hazard, time)).detach()


def _index(counts: list[Tensor] | tuple[Tensor, ...], ties: str) -> float:
    lower, tied, comparable = (float(each.sum()) for each in counts)
    if ties == "excluded":
        comparable -= tied
    if comparable <= 0:
        raise NotDefined("no comparable pair among these subjects: nobody is known to be without event at the time of an event")
    return (lower + (TIES[ties] or 0.0) * tied) / comparable


def _count(time: Tensor, event: Tensor, h: Tensor, same_time: str) -> tuple[Tensor, Tensor, Tensor]:
    """For each event: comparable subjects with a lower log hazard, with an equal one, and all of them; 0 for the censored.

    From the latest time to the earliest, the subjects comparable with an event are those before it.
    """
    censored_first = torch.argsort(event.to(torch.uint8), stable=True)
    order = censored_first[torch.argsort(time[censored_first], descending=True, stable=True)]
    falling, event_in_order = time[order], event[order]
    comparable = torch.searchsorted(-falling, -falling)  # those with a later time
    if same_time == "censored_later":
        number, sizes = torch.unique_consecutive(falling, return_inverse=True, return_counts=True)[1:]
        comparable = comparable + sizes.new_zeros(len(sizes)).index_add(0, number, (~event_in_order).to(sizes.dtype))[number]
    ranks = torch.unique(h, return_inverse=True)[1][order]
    comparable, own = comparable[event_in_order], ranks[event_in_order]
    lower, not_higher = _count_below(ranks, comparable.repeat(2), torch.cat([own, own + 1])).chunk(2)
    counts = []
    for values in (lower, not_higher - lower, comparable):
        everyone = torch.zeros(len(time), dtype=torch.int64, device=time.device)
        everyone[order[event_in_order]] = values
        counts.append(everyone)
    return tuple(counts)


def _count_below(values: Tensor, prefix: Tensor, limit: Tensor) -> Tensor:
    """How many of the first `prefix` values lie below `limit`, for many queries at once.

    The values are divided by their highest bit, the zeros in front, then each part by the next bit: after every division a
    query's values still lie side by side, and those whose bit is 0 where that of the limit is 1 are counted.

    Args:
        values: whole numbers from 0 to n `(n,)`.
        prefix: `(q,)`.
        limit: from 0 to n + 1 `(q,)`.

    Returns:
        `(q,)`.
    """
    first, last, below = torch.zeros_like(prefix), prefix, torch.zeros_like(prefix)
    for bit in reversed(range((len(values) + 1).bit_length())):
        one = (values >> bit) & 1
        zeros_before = torch.cat([one.new_zeros(1), (1 - one).cumsum(0)])
        first_zero, last_zero = zeros_before[first], zeros_before[last]
        upper = ((limit >> bit) & 1).bool()
        below = below + torch.where(upper, last_zero - first_zero, 0)
        zeros = zeros_before[-1]
        first = torch.where(upper, zeros + first - first_zero, first_zero)
        last = torch.where(upper, zeros + last - last_zero, last_zero)
        values = torch.cat([values[one == 0], values[one == 1]])
    return below


def _check_conventions(ties: str, same_time: str) -> None:
    if ties not in TIES:
        raise ValueError(f"ties must be one of {tuple(TIES)}, got {ties!r}")
    if same_time not in SAME_TIME:
        raise ValueError(f"same_time must be one of {SAME_TIME}, got {same_time!r}")
