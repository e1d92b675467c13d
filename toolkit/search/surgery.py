"""Operations that reshape a trained network and keep its function where mathematics allows (Schiessler et al., section 3.1).

Layers are counted as `sequence.weighted` counts them: 0 is the first with weights, the last is the output. A unit is a neuron
of a dense layer or a channel of a convolution. No operation changes the network that it is given.

Where the document errs: a duplicated unit keeps the function for *every* activation, as long as its outgoing weights are
shared out (7), not only for piecewise linear ones; an inserted layer with activation keeps it where applying the activation
twice is applying it once (ReLU, but not leaky ReLU, which is piecewise linear); biases go through the projections as well.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from toolkit.search import sequence
from toolkit.search.outcome import Origin, Report, Surgery

INSERTED = {"relu": (nn.ReLU,), "linear": ()}


def identity(model: nn.Sequential) -> Surgery:
    """A copy of the network: nothing is done, as one candidate among others.

    >>> identity(nn.Sequential(nn.Linear(4, 3))).report.fraction
    1.0
    """
    sequence.weighted(model)
    return _operated(model, "identity", -1, {}, {}, exact=True, reason="nothing is changed")


def add_neurons(model: nn.Sequential, layer: int, *, count: int, spread: float = 0.0, seed: int = 0) -> Surgery:
    """Duplicate units and share their outgoing weights out among the copies, (7) and (8): exact for every activation.

    Copies with equal shares have equal gradients for ever. `spread` makes the shares unequal, so that they part; the function
    stays, since the shares of a unit still add up to one.

    Args:
        model: an `nn.Sequential` that `sequence.weighted` accepts.
        layer: number of a hidden layer.
        count: how many copies; each unit is copied once before one is copied twice.
        spread: standard deviation of the shares.
        seed: of the choice of units and of the shares.

    >>> network = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2))
    >>> operated = add_neurons(network, 0, count=2)
    >>> sequence.widths(operated.model), operated.report.exact
    ([5, 2], True)
    """
    _check_hidden(model, layer)
    _check_whole("count", count, 1)
    check_spread(spread)
    draw, units = torch.Generator().manual_seed(seed), sequence.widths(model)[layer]
    source = _copies(units, count, draw)
    return _through(
        model, layer, functional.one_hot(source, units), _shares(source, spread, draw).T, "add neurons",
        exact=True, reason="the shares of a unit's outgoing weights add up to one",
        undo=partial(merge_neurons, layer=layer, source=source.tolist()),
    )  # fmt: skip


def merge_neurons(model: nn.Sequential, layer: int, *, source: Sequence[int]) -> Surgery:
    """Take copies back into one unit: the mean of their incoming weights, the sum of their outgoing ones.

    Exact while the copies are alike; the way back from `add_neurons`.

    Args:
        model: as for `add_neurons`.
        layer: number of a hidden layer.
        source: for each unit the number of the unit that it goes into, from 0 on without gaps.
    """
    places = _check_hidden(model, layer)
    units, into = sequence.widths(model)[layer], torch.as_tensor(source)
    if len(into) != units or into.unique().tolist() != list(range(int(into.max()) + 1)):
        raise ValueError(f"source must number {units} units from 0 on without gaps, got {list(source)}")
    member = functional.one_hot(into).T.to(torch.float64)
    weights = _with_bias(model[places[layer]])
    mean = member / member.sum(1, keepdim=True)
    apart = float((weights - (mean.to(weights) @ weights)[into]).norm())
    alike = apart <= 10 * torch.finfo(weights.dtype).eps * float(weights.norm())
    return _through(
        model, layer, mean, member.T, "merge neurons",
        exact=alike, reason="copies that are alike act as one" if alike else "the copies have parted", discarded=apart,
    )  # fmt: skip


def remove_neurons(model: nn.Sequential, layer: int, *, count: int) -> Surgery:
    """Project the weights onto the largest singular vectors and pass the way back to the next layer, (10): W ≈ U Uᵀ W.

    The layer keeps Uᵀ W = Σ Vᵀ and Uᵀ b, the next one takes its weights times U (columns as torch counts them; the document
    has rows). The activation between is ignored, so only without one is it exact, and then if nothing is discarded. Each
    column of U has a sum of zero or more, since its sign decides what a ReLU lets through.

    Args:
        model: as for `add_neurons`.
        layer: number of a hidden layer.
        count: how many units fewer, at most all but one.
    """
    places = _check_hidden(model, layer)
    units = sequence.widths(model)[layer]
    _check_whole("count", count, 1)
    if count >= units:
        raise ValueError(f"count: {count} units cannot be removed from {units}; at least one must stay")
    weights = _with_bias(model[places[layer]]).double()
    vectors = _oriented(torch.linalg.svd(weights[:, : model[places[layer]].weight[0].numel()]).U[:, : units - count])
    discarded = float((weights - vectors @ (vectors.T @ weights)).norm())
    nothing = discarded <= 10 * torch.finfo(model[places[layer]].weight.dtype).eps * float(weights.norm()) * math.sqrt(units)
    linear = _linear_between(model, layer)
    return _through(
        model, layer, vectors.T, vectors, "remove neurons",
        exact=linear and nothing, discarded=discarded,
        reason="the activation between is ignored" if not linear else "the layer had this rank" if nothing else
        "the layer had more rank",
    )  # fmt: skip


def add_layer(model: nn.Sequential, layer: int, *, activation: Literal["relu", "linear"] = "relu", kernel: int = 3) -> Surgery:
    """Insert an identity layer behind the activation of a hidden layer, (3).

    Exact without an activation, and with ReLU where the values that it gets are never negative.

    Args:
        model: as for `add_neurons`.
        layer: number of a hidden layer; the new one is as wide.
        activation: of the new layer.
        kernel: side of a new convolution, odd [pixels].
    """
    places = _check_hidden(model, layer)
    if activation not in INSERTED:
        raise ValueError(f"activation must be one of {tuple(INSERTED)}, got {activation!r}")
    if not (isinstance(kernel, int) and kernel > 0 and kernel % 2):
        raise ValueError(f"kernel must be an odd positive number, got {kernel!r}")
    before = places[layer]
    behind = before + isinstance(model[before + 1], sequence.ACTIVATIONS)
    inserted = [_identity(model[before], kernel), *(module() for module in INSERTED[activation])]
    never_negative = isinstance(model[behind], sequence.NEVER_NEGATIVE)
    exact = activation == "linear" or never_negative
    returns = not fault_of_merging([inserted[0], *model[behind + 1 : places[layer + 1] + 1]])
    return _operated(
        model, "add layer", layer, {behind: [model[behind], *inserted]}, {}, exact=exact,
        reason="an identity without activation" if activation == "linear" else
        "what the new ReLU gets is never negative" if never_negative else "the new ReLU cuts off negative values",
        undo=partial(remove_layer, layer=layer + 1) if returns else None,
    )  # fmt: skip


def remove_layer(model: nn.Sequential, layer: int) -> Surgery:
    """Drop the activation of a hidden layer and multiply its weights into the next one, (11) and (12).

    Exact where there is no activation between and, for two convolutions, where the second does not pad.

    Args:
        model: as for `add_neurons`.
        layer: number of a hidden layer.

    Raises:
        ValueError: the two cannot be one: a pooling lies between them, or a convolution goes into a dense layer, or the first
            has a stride or a dilation other than one.
    """
    places = _check_hidden(model, layer)
    start, end = places[layer], places[layer + 1]
    first, second = model[start], model[end]
    if fault := fault_of_merging(list(model[start : end + 1])):
        raise ValueError(fault)
    joined = _joined_convolutions(first, second) if isinstance(first, nn.Conv2d) else _joined_dense(first, second)
    linear, padded = _linear_between(model, layer), isinstance(second, nn.Conv2d) and any(second.padding)
    return _operated(
        model, "remove layer", layer, {start: [joined], **{place: [] for place in range(start + 1, end + 1)}}, {},
        exact=linear and not padded, discarded=0.0,
        reason="the activation between is ignored" if not linear else "the edge of the image differs" if padded else
        "two linear maps are one",
    )  # fmt: skip


def split_layer(model: nn.Sequential, layer: int, *, rank: int) -> Surgery:
    """Put a linear bottleneck into a layer: Uᵀ W first, without bias, then U with the old bias; W ≈ U Uᵀ W (truncated SVD).

    Args:
        model: as for `add_neurons`.
        layer: number of any layer with weights.
        rank: units of the bottleneck, at most the smaller side of the weight matrix; exact at the rank of the layer.
    """
    places = sequence.weighted(model)
    _check_layer(layer, len(places), "a layer with weights")
    old = model[places[layer]]
    most = min(old.weight.flatten(1).shape)
    _check_whole("rank", rank, 1)
    if rank > most:
        raise ValueError(f"rank must be at most {most} for this layer, got {rank}")
    weights = old.weight.detach().flatten(1).double()
    vectors = torch.linalg.svd(weights, full_matrices=False).U[:, :rank]
    bottleneck = sequence.with_weights(old, _like(vectors.T @ weights, old.weight, rank), None)
    outward = _pointwise(old, vectors.to(old.weight))
    discarded = float((weights - vectors @ (vectors.T @ weights)).norm())
    exact = discarded <= 10 * torch.finfo(old.weight.dtype).eps * float(weights.norm()) * math.sqrt(most)
    origins = {
        bottleneck.weight: Origin(old.weight, vectors.T.to(old.weight), _to_units),
        outward.weight: Origin(old.weight, bottleneck.weight.detach().flatten(1), partial(_to_columns, like=outward.weight)),
        **({outward.bias: Origin(old.bias)} if old.bias is not None else {}),
    }
    return _operated(
        model, "split layer", layer, {places[layer]: [bottleneck, outward]}, origins, exact=exact, discarded=discarded,
        reason="the layer has this rank" if exact else "the layer has more rank", undo=partial(remove_layer, layer=layer),
    )  # fmt: skip


# How an operation is put together -----------------------------------------------------------------------------------------


def _through(model: nn.Sequential, layer: int, incoming: Tensor, outgoing: Tensor, operation: str, **report: object) -> Surgery:
    """New units P W, next layer's weights W' Q; so the gradients become Qᵀ G and G' Pᵀ.

    `incoming` is P `(new units, units)`, `outgoing` is Q `(units, new units)`.
    """
    places = sequence.weighted(model)
    first, second = model[places[layer]], model[places[layer + 1]]
    incoming, outgoing = incoming.to(first.weight), outgoing.to(first.weight)
    bias = None if first.bias is None else incoming @ first.bias.detach()
    changed = sequence.with_weights(first, _to_units(incoming, first.weight.detach()), bias)
    units = len(first.weight)
    reconnected = sequence.with_weights(second, _to_inputs(outgoing.T, second.weight.detach(), units=units), second.bias)
    origins = {
        changed.weight: Origin(first.weight, outgoing.T, _to_units),
        reconnected.weight: Origin(second.weight, incoming, partial(_to_inputs, units=units)),
    }
    if first.bias is not None:
        origins[changed.bias] = Origin(first.bias, outgoing.T, torch.mv)
    if second.bias is not None:
        origins[reconnected.bias] = Origin(second.bias)
    return _operated(model, operation, layer, {places[layer]: [changed], places[layer + 1]: [reconnected]}, origins, **report)


def _operated(
    model: nn.Sequential,
    operation: str,
    layer: int,
    replaced: Mapping[int, Sequence[nn.Module]],
    origins: dict[nn.Parameter, Origin],
    *,
    exact: bool,
    reason: str,
    discarded: float = 0.0,
    undo: Callable[[nn.Sequential], Surgery] | None = None,
) -> Surgery:
    """The network with some modules replaced by others; those that stay are copied, and so are old ones among the new."""
    modules = []
    for place, module in enumerate(model):
        for new in replaced.get(place, [module]):
            kept = copy.deepcopy(new) if new is module else new
            if new is module:
                origins |= {mine: Origin(old) for mine, old in zip(kept.parameters(), module.parameters(), strict=True)}
            modules.append(kept)
    after = nn.Sequential(*modules).train(model.training)
    sizes = sequence.parameters(model), sequence.parameters(after)
    return Surgery(after, Report(operation, layer, exact, reason, discarded, *sizes), origins, undo)


# Along the units and the inputs of a layer --------------------------------------------------------------------------------


def _to_units(matrix: Tensor, weight: Tensor) -> Tensor:
    """The matrix applied to the outputs of weights `(out, in, ...)`."""
    return (matrix @ weight.flatten(1)).reshape(len(matrix), *weight.shape[1:])


def _to_inputs(matrix: Tensor, weight: Tensor, *, units: int) -> Tensor:
    """The matrix applied to the units that feed weights `(out, in, ...)`, each of which may feed several inputs in a row."""
    blocks = weight.reshape(len(weight), units, -1)
    mixed = torch.einsum("vu,oub->ovb", matrix, blocks)
    return mixed.reshape(len(weight), -1, *weight.shape[2:])


def _to_columns(matrix: Tensor, weight: Tensor, *, like: Tensor) -> Tensor:
    return (weight.flatten(1) @ matrix.T).reshape(like.shape)


def _like(matrix: Tensor, weight: Tensor, units: int) -> Tensor:
    return matrix.to(weight).reshape(units, *weight.shape[1:])


def _with_bias(layer: nn.Module) -> Tensor:
    """Weights as a matrix with the bias as its last column, `(out, in + 1)`; without bias that column is zero."""
    weight = layer.weight.detach().flatten(1)
    bias = weight.new_zeros(len(weight)) if layer.bias is None else layer.bias.detach()
    return torch.cat([weight, bias[:, None]], 1)


def _copies(units: int, count: int, draw: torch.Generator) -> Tensor:
    """The old unit of each new one: all of them, then copies, each unit once before one is copied twice."""
    rounds = [torch.randperm(units, generator=draw) for _ in range(math.ceil(count / units))]
    return torch.cat([torch.arange(units), torch.cat(rounds)[:count]])


def _shares(source: Tensor, spread: float, draw: torch.Generator) -> Tensor:
    """Share of each new unit in the outgoing weights of its old one, `(new units, units)`; the columns add up to one."""
    member = functional.one_hot(source).double()
    copies = member.sum(0)
    noise = spread * member * torch.randn(len(source), 1, generator=draw, dtype=torch.float64)
    return member / copies + noise - member * (noise.sum(0) / copies)


def _oriented(vectors: Tensor) -> Tensor:
    signs = torch.where(vectors.sum(0) < 0, -1.0, 1.0)
    return vectors * signs.to(vectors)


def _identity(layer: nn.Module, kernel: int) -> nn.Module:
    """A layer that passes on what this one gives."""
    units = len(layer.weight)
    if isinstance(layer, nn.Linear):
        weight = torch.eye(units, dtype=layer.weight.dtype, device=layer.weight.device)
        return sequence.with_weights(layer, weight, weight.new_zeros(units))
    weight = layer.weight.new_zeros(units, units, kernel, kernel)
    weight[range(units), range(units), kernel // 2, kernel // 2] = 1
    return _plain_convolution(layer, weight, weight.new_zeros(units), padding=kernel // 2)


def _pointwise(layer: nn.Module, matrix: Tensor) -> nn.Module:
    """The matrix `(out, in)` as a layer of the same kind that takes and gives single units, with this layer's bias."""
    if isinstance(layer, nn.Linear):
        return sequence.with_weights(layer, matrix, layer.bias)
    return _plain_convolution(layer, matrix[:, :, None, None], layer.bias, padding=0)


def _plain_convolution(layer: nn.Conv2d, weight: Tensor, bias: Tensor | None, *, padding: int) -> nn.Conv2d:
    plain = {"stride": 1, "padding": padding, "dilation": 1, "padding_mode": "zeros"}
    return sequence.with_weights(layer, weight, bias, **plain)


def _joined_dense(first: nn.Linear, second: nn.Linear) -> nn.Linear:
    weight = second.weight.detach() @ first.weight.detach()
    return sequence.with_weights(second, weight, _joined_bias(first, second, second.weight.detach()))


def _joined_convolutions(first: nn.Conv2d, second: nn.Conv2d) -> nn.Conv2d:
    """One convolution for two: the kernels are convolved with each other, the paddings add up."""
    inner, outer = first.weight.detach(), second.weight.detach()
    reach = [side - 1 for side in outer.shape[2:]]
    weight = functional.conv2d(inner.transpose(0, 1), outer.flip(2, 3), padding=reach).transpose(0, 1)
    bias = _joined_bias(first, second, outer.sum((2, 3)))
    stride = tuple(one * more for one, more in zip(first.stride, second.stride, strict=True))
    padding = tuple(one + more for one, more in zip(first.padding, second.padding, strict=True))
    return sequence.with_weights(first, weight, bias, stride=stride, padding=padding)


def _joined_bias(first: nn.Module, second: nn.Module, weight: Tensor) -> Tensor | None:
    """(12): what the first bias gives behind the second weights `(out, in)`, plus the second bias."""
    if first.bias is None:
        return second.bias
    passed = weight @ first.bias.detach()
    return passed if second.bias is None else passed + second.bias.detach()


# Refusals -----------------------------------------------------------------------------------------------------------------


def check_spread(spread: float) -> None:
    """Raise ValueError unless it is a standard deviation."""
    if not (isinstance(spread, int | float) and 0 <= spread < math.inf):
        raise ValueError(f"spread must be zero or a finite positive number, got {spread!r}")


def _check_hidden(model: nn.Sequential, layer: int) -> list[int]:
    places = sequence.weighted(model)
    _check_layer(layer, len(places) - 1, "a hidden layer")
    first, second = model[places[layer]], model[places[layer + 1]]
    inputs = second.weight.shape[1]
    if inputs % len(first.weight):
        raise ValueError(f"layer {layer}: its {len(first.weight)} units do not fit the {inputs} inputs of the next layer")
    return places


def _check_layer(layer: int, count: int, kind: str) -> None:
    if isinstance(layer, bool) or not isinstance(layer, int) or not 0 <= layer < count:
        raise ValueError(f"layer must be the number of {kind}, from 0 to {count - 1}, got {layer!r}")


def _check_whole(name: str, value: int, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{name} must be a whole number, {least} or more, got {value!r}")


def fault_of_merging(modules: Sequence[nn.Module]) -> str:
    """Why the first and the last of these modules cannot become one; empty if they can."""
    first, *between, second = modules
    simple = all(isinstance(module, (*sequence.ACTIVATIONS, nn.Dropout)) for module in between)
    if type(first) is not type(second) or not simple:
        return f"these layers cannot become one: {' -> '.join(type(module).__name__ for module in modules)}"
    if isinstance(first, nn.Linear):
        return ""
    if any(isinstance(one.padding, str) for one in (first, second)):
        return "convolutions with padding by name cannot become one; give it in pixels"
    pointwise = second.kernel_size == (1, 1) and second.padding == (0, 0)
    if not pointwise and {*first.stride, *first.dilation, *second.dilation} != {1}:
        return "a convolution with a stride or a dilation cannot be merged into the next one"
    return ""


def _linear_between(model: nn.Sequential, layer: int) -> bool:
    places = sequence.weighted(model)
    between = model[places[layer] + 1 : places[layer + 1]]
    return all(isinstance(module, nn.Identity | nn.Flatten | nn.AvgPool2d | nn.AdaptiveAvgPool2d) for module in between)
