"""Edits of an architecture: each gives the new description and a function that carries a trained network over.

    longer, carry = insert_block(spec, 1, 0, init="zero_gamma")
    grown = carry(model)
    grown.model, grown.report, grown.carry(optimizer)

What is carried is a copy; the old network and its optimizer stay as they are.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from toolkit.search.architecture.residual import ResNetSpec
from toolkit.search.architecture.spec import Layer, Spec
from toolkit.search.outcome import Origin, Report, Surgery

Init = Literal["normal", "zero_gamma", "glorot"]
INITS = ("normal", "zero_gamma", "glorot")

Carry = Callable[[nn.Module], Surgery]


def places(spec: ResNetSpec) -> list[tuple[int, int]]:
    """Where a block can be inserted: pairs of stage and position, all behind the stem and in front of the mean.

    >>> from toolkit.search.architecture import Stage
    >>> places(ResNetSpec((1, 8, 8), 10, (Stage(4, (4,)), Stage(4, (), "max"))))
    [(0, 0), (0, 1), (1, 0)]
    """
    _check_residual(spec)
    return [(number, position) for number, stage in enumerate(spec.stages) for position in range(len(stage.blocks) + 1)]


def insert_block(
    spec: ResNetSpec,
    stage: int,
    position: int,
    *,
    inner: int | None = None,
    init: Init = "normal",
    spread: float = 1e-2,
    seed: int = 0,
) -> tuple[ResNetSpec, Carry]:
    """Put a block x + branch(x) in front of the one at this position, or behind the last.

    With "zero_gamma" the branch is exactly zero, in evaluation and in training: the scale of its last batch norm is zero
    ("post"), or its last convolution ("pre"). With `spec.closing` such a block never learns, since ReLU's gradient at zero is
    zero. With "normal" the block is near the identity in evaluation, and in training only with the order "pre": behind the
    convolution batch norm brings any small weights back to variance 1, which section 4.4.3 overlooks.

    Args:
        spec: a residual network.
        stage: number of the stage, from 0 on.
        position: in it, from 0 to its number of blocks.
        inner: channels between the two convolutions; the width of the stage where not given.
        init: "normal" weights of standard deviation `spread`, "zero_gamma", or "glorot" uniform.
        spread: of "normal".
        seed: of the new weights.

    Returns:
        The new description, and the function from a network to a `Surgery`.

    Raises:
        ValueError: there is no such place.
    """
    if (stage, position) not in places(spec):
        raise ValueError(f"stage, position: no block can stand at {(stage, position)}; it can at {places(spec)}")
    if init not in INITS:
        raise ValueError(f"init must be one of {INITS}, got {init!r}")
    if not (isinstance(spread, int | float) and 0 < spread < float("inf")):
        raise ValueError(f"spread must be a finite positive number, got {spread!r}")
    blocks = spec.stages[stage].blocks
    new = spec.stages[stage].width if inner is None else inner
    longer = _with_blocks(spec, stage, (*blocks[:position], new, *blocks[position:]))
    moved = {("block", stage, n): ("block", stage, n - 1) for n in range(position + 1, len(blocks) + 1)}
    name = f"stages.{stage}.blocks.{position}"
    said = "the branch is zero" if init == "zero_gamma" else "the branch is not zero"
    edit = _Edit(
        "insert block", stage, spec, longer, {**moved, ("block", stage, position): None}, seed=seed,
        undo=lambda model: remove_block(longer, stage, position)[1](model),
        prepare=partial(_initialised, name=name, order=spec.block, init=init, spread=spread, seed=seed),
        judge=lambda model: (init == "zero_gamma", said, 0.0),
    )  # fmt: skip
    return longer, edit.carry


def remove_block(spec: ResNetSpec, stage: int, position: int) -> tuple[ResNetSpec, Carry]:
    """Take a block out; exact where its branch is zero.

    Args:
        spec: a residual network.
        stage: number of the stage, from 0 on.
        position: of the block in it, from 0 on.

    Returns:
        The new description, and the function from a network to a `Surgery`.

    Raises:
        ValueError: there is no such block.
    """
    _check_residual(spec)
    there = [(number, n) for number, one in enumerate(spec.stages) for n in range(len(one.blocks))]
    if (stage, position) not in there:
        raise ValueError(f"stage, position: there is no block at {(stage, position)}; there are {there}")
    blocks = spec.stages[stage].blocks
    shorter = _with_blocks(spec, stage, blocks[:position] + blocks[position + 1 :])
    moved = {("block", stage, n): ("block", stage, n + 1) for n in range(position, len(blocks) - 1)}
    judge = partial(_loss_of, name=f"stages.{stage}.blocks.{position}", order=spec.block)
    return shorter, _Edit("remove block", stage, spec, shorter, moved, judge=judge).carry


def set_widths(
    spec: Spec, widths: Mapping[str, int], *, kept: Mapping[str, Iterable[int]] | None = None, seed: int = 0
) -> tuple[Spec, Carry]:
    """Change widths; a width of zero inside a block removes the block.

    New channels get fresh weights and nobody reads them yet, so that growing keeps the function. Of a width that shrinks the
    channels in `kept` stay, else the first ones.

    Args:
        spec: any architecture.
        widths: some of `spec.widths` to their new values.
        kept: width to the numbers of the channels that stay, in their new order, or a mask of them.
        seed: of the new weights.

    Returns:
        The new description, and the function from a network to a `Surgery`.

    Raises:
        Collapsed: no channel would be left where no network is without one.
        ValueError: another fault in widths or in kept.
    """
    changed = spec.with_widths(widths)
    moved, names = _renumbered(spec, widths)
    staying = {}
    for name, width in changed.widths.items():
        before = names.get(name, name)
        numbers = _numbers(before, (kept or {}).get(before), spec.widths[before], width)
        if numbers != list(range(spec.widths[before])) or width != spec.widths[before]:
            staying[name] = torch.tensor(numbers + [-1] * (width - len(numbers)))
    lost = len(changed.layers) < len(spec.layers) or any(
        len(set(numbers.tolist()) - {-1}) < spec.widths[names.get(name, name)] for name, numbers in staying.items()
    )
    said = "channels are dropped" if lost else "nobody reads the new channels yet"
    edit = _Edit("set widths", -1, spec, changed, moved, kept=staying, seed=seed, judge=lambda model: (not lost, said, 0.0))
    return changed, edit.carry


@dataclass(frozen=True)
class _Edit:
    """What becomes of the places of the old architecture, and which channels stay.

    Attributes:
        moved: new place to old one, None for what is new; places that are not named stay where they are.
        kept: new width to the old number of each channel, -1 for new ones; widths that are not named stay as they are.
    """

    operation: str
    stage: int
    old: Spec
    new: Spec
    moved: Mapping[tuple, tuple | None]
    judge: Callable[[nn.Module], tuple[bool, str, float]]
    kept: Mapping[str, Tensor] = field(default_factory=dict)
    prepare: Callable[[nn.Module], None] = lambda model: None
    undo: Callable[[nn.Module], Surgery] | None = None
    seed: int = 0

    def carry(self, model: nn.Module) -> Surgery:
        """The network after the edit, with all weights that it shares with this one."""
        _check_built(model, self.old)
        like = next(model.parameters())
        network = self.new.build(seed=self.seed).to(like.device, like.dtype).train(model.training)
        former = {(layer.place, layer.role): layer for layer in self.old.layers}
        origins: dict[nn.Parameter, Origin] = {}
        for layer in self.new.layers:
            if (place := self.moved.get(layer.place, layer.place)) is not None:
                before = model.get_submodule(former[place, layer.role].name)
                rows, columns = self.kept.get(layer.writes), _columns(self.kept.get(layer.reads), layer)
                origins |= _filled(network.get_submodule(layer.name), before, rows, columns)
        with torch.no_grad():
            self.prepare(network)
        sizes = self.old.parameters, self.new.parameters
        exact, reason, discarded = self.judge(model)
        return Surgery(network, Report(self.operation, self.stage, exact, reason, discarded, *sizes), origins, self.undo)


# Weights ------------------------------------------------------------------------------------------------------------------


@torch.no_grad()
def _filled(module: nn.Module, before: nn.Module, rows: Tensor | None, columns: Tensor | None) -> dict[nn.Parameter, Origin]:
    """Give a layer the weights that it had before, and say where its parameters come from."""
    origins = {}
    for name, value in before.state_dict(keep_vars=True).items():
        target = getattr(module, name)
        used = columns if value.ndim > 1 else None
        chosen = rows if value.ndim else None  # the number of batches has no channels
        new = _picked(value, chosen, used)
        if chosen is not None:
            new[chosen < 0] = target[chosen < 0]
        target.copy_(new)
        if isinstance(value, nn.Parameter):
            matrix = None if chosen is None and used is None else _selection(chosen, len(value))
            origins[target] = (
                Origin(value) if matrix is None else Origin(value, matrix.to(value), partial(_gathered, columns=used))
            )
    return origins


def _picked(value: Tensor, rows: Tensor | None, columns: Tensor | None) -> Tensor:
    """Rows and columns by number; those of number -1 are zero."""
    if columns is not None:
        value = value.index_select(1, columns.clamp(min=0).to(value.device)) * _shaped(columns >= 0, value, 1)
    if rows is not None:
        value = value.index_select(0, rows.clamp(min=0).to(value.device)) * _shaped(rows >= 0, value, 0)
    return value.clone()


def _gathered(matrix: Tensor, values: Tensor, *, columns: Tensor | None) -> Tensor:
    """Gradients that an optimizer has gathered, in the new channels: as the weights are."""
    values = _picked(values, None, columns)
    return (matrix @ values.flatten(1)).reshape(len(matrix), *values.shape[1:]) if values.ndim > 1 else matrix @ values


def _selection(rows: Tensor | None, count: int) -> Tensor:
    """One row for each new channel, with a one at the old channel that it is; none for a new one."""
    if rows is None:
        return torch.eye(count)
    return functional.one_hot(rows.clamp(min=0), count) * (rows >= 0)[:, None]


def _shaped(mask: Tensor, value: Tensor, dim: int) -> Tensor:
    shape = [1] * value.ndim
    shape[dim] = len(mask)
    return mask.reshape(shape).to(value)


def _columns(kept: Tensor | None, layer: Layer) -> Tensor | None:
    """Numbers of the inputs of a layer, each channel standing for `each` inputs in a row."""
    if kept is None:
        return None
    inputs = kept[:, None] * layer.each + torch.arange(layer.each)
    return torch.where(kept[:, None] < 0, -1, inputs).flatten()


def _initialised(model: nn.Module, *, name: str, order: str, init: Init, spread: float, seed: int) -> None:
    """Weights of a new block."""
    block, draw = model.get_submodule(name), torch.Generator().manual_seed(seed)
    for weight in (block.first.conv.weight, block.second.conv.weight):
        if init == "normal":
            weight.copy_(spread * torch.randn(weight.shape, generator=draw))
        elif init == "glorot":
            weight.copy_(nn.init.xavier_uniform_(torch.empty(weight.shape), generator=draw))
    if init == "zero_gamma":
        nn.init.zeros_(block.second.norm.weight if order == "post" else block.second.conv.weight)


def _loss_of(model: nn.Module, *, name: str, order: str) -> tuple[bool, str, float]:
    """Whether the branch of a block is zero, and the norm of its weights."""
    block = model.get_submodule(name)
    last = [block.second.norm.weight, block.second.norm.bias] if order == "post" else [block.second.conv.weight]
    zero = all(not weight.any() for weight in last)
    norm = float(sum(unit.conv.weight.detach().double().pow(2).sum() for unit in (block.first, block.second)) ** 0.5)
    return zero, "the branch is zero" if zero else "the branch is not zero", 0.0 if zero else norm


# Descriptions -------------------------------------------------------------------------------------------------------------


def _with_blocks(spec: ResNetSpec, stage: int, blocks: tuple[int, ...]) -> ResNetSpec:
    changed = replace(spec.stages[stage], blocks=blocks)
    return replace(spec, stages=(*spec.stages[:stage], changed, *spec.stages[stage + 1 :]))


def _renumbered(spec: Spec, widths: Mapping[str, int]) -> tuple[dict[tuple, tuple], dict[str, str]]:
    """What becomes of places and of names of widths where blocks of width zero go: new to old."""
    moved, names = {}, {}
    for number, stage in enumerate(spec.stages if isinstance(spec, ResNetSpec) else ()):
        old = [f"stage{number}.block{position}" for position in range(len(stage.blocks))]
        staying = [position for position, name in enumerate(old) if widths.get(name, 1)]
        for new, position in enumerate(staying):
            moved["block", number, new] = ("block", number, position)
            names[f"stage{number}.block{new}"] = old[position]
    return moved, names


def _numbers(name: str, kept: Iterable[int] | None, before: int, width: int) -> list[int]:
    """Numbers of the channels that stay."""
    if kept is None:
        return list(range(min(before, width)))
    kept = torch.as_tensor(kept if isinstance(kept, Tensor | Sequence) else list(kept))
    numbers = (kept.nonzero().flatten() if kept.dtype == torch.bool else kept).tolist()
    if len(set(numbers)) < len(numbers) or any(not 0 <= one < before for one in numbers) or len(numbers) > width:
        raise ValueError(f"kept[{name!r}] must name at most {width} different channels of {before}, got {numbers}")
    return numbers


def _check_residual(spec: Spec) -> None:
    if not isinstance(spec, ResNetSpec):
        raise TypeError(f"spec must be a ResNetSpec, for only residual networks have blocks, got {type(spec).__name__}")


def _check_built(model: nn.Module, spec: Spec) -> None:
    shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    with torch.device("meta"):
        wanted = {name: tuple(value.shape) for name, value in spec.build(seed=0).state_dict().items()}
    for name in dict.fromkeys(itertools.chain(wanted, shapes)):
        if shapes.get(name) != wanted.get(name):
            raise ValueError(f"model: not a network of this architecture: {name} is {shapes.get(name)}, not {wanted.get(name)}")
