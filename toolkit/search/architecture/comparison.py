"""What sets two architectures apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher

from toolkit.search.architecture.residual import ResNetSpec
from toolkit.search.architecture.spec import Spec

Place = tuple[str, int, int]


@dataclass(frozen=True)
class Difference:
    """What was done to get from one architecture to another.

    Attributes:
        inserted: places of the blocks of the later one that the earlier one does not have.
        removed: places of the blocks of the earlier one that the later one does not have.
        widths: name in the later one to width before and after, where it changed.
    """

    inserted: tuple[Place, ...] = ()
    removed: tuple[Place, ...] = ()
    widths: dict[str, tuple[int, int]] = field(default_factory=dict)


def compare(before: Spec, after: Spec) -> Difference:
    """Which blocks are new, which are gone, and which widths are others.

    As many blocks in a stage as before are the same ones in their order; of more or fewer, those of the longest equal runs of
    widths are paired. So two blocks of equal width cannot be told apart: the description does not know which is the new one.

    Args:
        before: the earlier architecture.
        after: the later one, of the same kind and with as many stages.

    Raises:
        ValueError: they have nothing in common.

    >>> from toolkit.search.architecture import Stage
    >>> earlier = ResNetSpec((1, 8, 8), 10, (Stage(4, (4, 3)),))
    >>> compare(earlier, ResNetSpec((1, 8, 8), 10, (Stage(6, (4, 5, 3)),)))
    Difference(inserted=(('block', 0, 1),), removed=(), widths={'stream0': (4, 6)})
    """
    stages = [len(spec.stages) if isinstance(spec, ResNetSpec) else 0 for spec in (before, after)]
    if type(before) is not type(after) or stages[0] != stages[1]:
        raise ValueError(f"after: not to be compared with {type(before).__name__}: it is another kind or has other stages")
    names = {name: name for name in after.widths if ".block" not in name}
    inserted: list[Place] = []
    removed: list[Place] = []
    for number in range(stages[0]):
        one, other = before.stages[number].blocks, after.stages[number].blocks
        paired = _paired(one, other)
        names |= {f"stage{number}.block{b}": f"stage{number}.block{a}" for a, b in paired}
        removed += [("block", number, a) for a in range(len(one)) if a not in {a for a, _ in paired}]
        inserted += [("block", number, b) for b in range(len(other)) if b not in {b for _, b in paired}]
    widths = {
        new: (before.widths[old], after.widths[new])
        for new, old in names.items() if before.widths.get(old, 0) and before.widths[old] != after.widths[new]
    }  # fmt: skip
    return Difference(tuple(inserted), tuple(removed), widths)


def _paired(one: Sequence[int], other: Sequence[int]) -> list[tuple[int, int]]:
    """Positions in both that are the same block."""
    if len(one) == len(other):
        return [(n, n) for n in range(len(one))]
    pairs = []
    for tag, a, a_end, b, b_end in SequenceMatcher(None, one, other, autojunk=False).get_opcodes():
        if tag in ("equal", "replace"):
            pairs += list(zip(range(a, a_end), range(b, b_end), strict=False))
    return pairs
