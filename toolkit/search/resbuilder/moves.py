"""The moves of the search, as functions of descriptions: where to insert, which widths to take, how deep a block stands."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping

from toolkit.search.architecture import ResNetSpec, insert_block, places
from toolkit.search.morphnet import ROUNDINGS, expand


def key(spec: ResNetSpec) -> str:
    """What makes two architectures the same: everything in their descriptions."""
    return spec.to_json()


def unseen_place(spec: ResNetSpec, seen: Collection[str], *, seed: int) -> tuple[int, int] | None:
    """Where the next block goes: a stage at random, then a position in it at random, until the result is a new architecture.

    Args:
        spec: the present architecture.
        seen: keys of those that were trained.
        seed: of the draw.

    Returns:
        Stage and position; None where no insertion gives a new architecture.

    >>> from toolkit.search.architecture import Stage
    >>> start = ResNetSpec((1, 8, 8), 10, (Stage(4), Stage(4, (), "max")))
    >>> unseen_place(start, {key(insert_block(start, 0, 0)[0])}, seed=0)
    (1, 0)
    """
    fresh = [place for place in places(spec) if key(insert_block(spec, *place)[0]) not in seen]
    if not fresh:
        return None
    # Drawing again until the result is new leaves the odds among the new ones as they were.
    odds = [1 / (len(spec.stages[stage].blocks) + 1) for stage, _ in fresh]
    return random.Random(seed).choices(fresh, odds)[0]


def depth(spec: ResNetSpec) -> int:
    """Convolutions on the longest way through the network, and the dense layer."""
    return len(_chain(spec))


def relative_position(spec: ResNetSpec, stage: int, block: int) -> float:
    """Where a block stands: layers up to the middle of its two convolutions over `depth`, from 0 to 1.

    >>> from toolkit.search.architecture import Stage
    >>> relative_position(ResNetSpec((1, 8, 8), 10, (Stage(4, (4,)),)), 0, 0)
    0.5
    """
    chain = _chain(spec)
    return (chain.index(("block", stage, block)) + 1) / len(chain)


def _chain(spec: ResNetSpec) -> list[tuple]:
    """Places of all layers with weights, one after the other; what stands beside a branch is left out."""
    branched = {layer.place for layer in spec.layers if layer.role == "first.conv"}
    return [
        layer.place for layer in spec.layers
        if not layer.is_norm and not (layer.role == "skip.conv" and layer.place in branched)
    ]  # fmt: skip


def suggested_widths(
    spec: ResNetSpec, alive: Mapping[str, int], budget: float, *, intensity: float = 1.0
) -> tuple[float, ResNetSpec, dict[str, int]]:
    """Widths after MorphNet, c* = (1 - I) c + I c' with c' = κ times what is alive, κ the largest that fits the budget.

    κ is found with the FLOPs of the shrunk network, so that c' keeps the budget; the published code takes those of the network
    before. Where c* alone does not, though c did, it is scaled down. A block without channels is removed.

    Args:
        spec: with the widths c.
        alive: the widths that are left, by name.
        budget: ζ [FLOPs per sample].
        intensity: I, 0 to 1.

    Returns:
        κ; the architecture; and c* by the names in `spec`, 0 for a block that is removed.

    Raises:
        Collapsed: a stream has no channel left.
        ValueError: one channel everywhere is too much.
    """
    kappa, _ = expand(spec.with_widths(alive), budget)
    rounded = ROUNDINGS["round"]
    wide = {name: max(1, rounded(kappa * width)) if width else 0 for name, width in alive.items()}
    mixed = {name: rounded((1 - intensity) * width + intensity * wide[name]) for name, width in spec.widths.items()}
    chosen = spec.with_widths(mixed)
    if chosen.flops() > budget >= spec.flops():
        factor, chosen = expand(chosen, budget)
        mixed = {name: max(1, rounded(factor * width)) if width else 0 for name, width in mixed.items()}
    return kappa, chosen, mixed
