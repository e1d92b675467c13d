"""What a network costs in FLOPs, and the penalty that makes its channels earn them (Burghoff, section 4.4.2.1).

One multiply-add counts as two FLOPs. Only convolutions and dense layers cost; batch norm, activations, pooling, sums and
biases are free, as in MorphNet and in `torch.utils.flop_counter`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from toolkit.search.cost import channels

SOURCES = ("gamma", "group_lasso")


def flops(model: nn.Module, input_shape: Sequence[int]) -> int:
    """FLOPs of one sample: the sum over layers of 2 x positions x kernel area x input channels x output channels.

    Args:
        model: that torch.fx can trace, see `FlopRegularizer` for what it may hold.
        input_shape: of one sample, `(channels, ...)`.

    >>> flops(nn.Sequential(nn.Conv2d(3, 8, 5, padding=2), nn.ReLU()), (3, 10, 10))
    120000
    """
    _check_shape(model, input_shape)
    return sum(layer.flops for layer in channels.follow(model, input_shape, source="group_lasso").layers)


class FlopRegularizer:
    """FLOPs of a network without its dead channels, and a penalty whose gradient makes channels die, (4.2) corrected.

    With the strength r of each channel, `alive` where r > threshold, and C = 2 x positions x kernel area of a layer,

        cost    = Σ_layers C alive_in alive_out
        penalty = Σ_layers C (alive_in Σ_out r + alive_out Σ_in r),

    the counts held constant in the gradient. The printed C_j holds the channel counts a second time, and the indices of the
    second sum are mixed up; the indicator is on |γ| here. For depthwise convolutions cost = C alive and penalty =
    C Σ (r_in + r_out).

    Channels that a sum ties together live and die as one: their strength is the largest of any of them, so that they are alive
    if one is. Fixed, without penalty: the inputs and outputs of the network, and with "gamma" channels that some layer reads
    without a batch norm between. A layer that is used twice counts twice.

    It may hold: convolutions (transposed and depthwise ones too, else without groups), dense layers, batch norm, activations,
    dropout, pooling, means over positions, sums and products of tensors of equal width, concatenations of channels, flattening.

    Args:
        model: that torch.fx can trace; its parameters are read at every call.
        input_shape: of one sample, `(channels, ...)`.
        source: of r: "gamma", the |γ| of batch norm, or "group_lasso", the root mean square of all weights of a channel.
        threshold: above which a channel is alive.
        fixed_outputs: leave the outputs of the network alone, since their number is given by the task. The reference code
            counts and shrinks them.

    Attributes:
        layers: names of the layers that cost FLOPs, in the order of their use.
        full_cost: FLOPs with all channels.

    Raises:
        ValueError: the network holds something else, which the message names, or no channel that could die.

    >>> network = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 36, 10))
    >>> regularizer = FlopRegularizer(network, (1, 6, 6), threshold=0.01)
    >>> regularizer.cost(), regularizer.penalty().item()
    (5472, 5472.0)
    >>> with torch.no_grad():
    ...     network[1].weight[:3] = 0
    >>> regularizer.cost(), regularizer.widths()
    (1368, {'0': 1, '3': 10})
    """

    def __init__(
        self,
        model: nn.Module,
        input_shape: Sequence[int],
        *,
        source: Literal["gamma", "group_lasso"] = "gamma",
        threshold: float = 0.01,
        fixed_outputs: bool = True,
    ):
        _check_shape(model, input_shape)
        if source not in SOURCES:
            raise ValueError(f"source must be one of {SOURCES}, got {source!r}")
        if not (isinstance(threshold, int | float) and 0 <= threshold < math.inf):
            raise ValueError(f"threshold must be zero or a finite positive number, got {threshold!r}")
        self.source, self.threshold = source, threshold
        network = channels.follow(model, input_shape, source=source)
        self.layers = [layer.name for layer in network.layers]
        self.full_cost = sum(layer.flops for layer in network.layers)
        self._tabulate(network, network.fixed + (network.outputs if fixed_outputs else []))

    def _tabulate(self, network: channels.Network, fixed: list[int]) -> None:
        """How often each group of channels stands at the input and at the output of each layer."""
        group_of, groups = network.groups()
        self._sources = [module for module, _ in network.sources]
        index = [group_of(atoms) for _, atoms in network.sources]
        free = np.zeros(groups, bool)
        if index:
            free[np.concatenate(index)] = True
        free[group_of(fixed)] = False
        if not free.any():
            needed = "batch norm with scale between its layers" if self.source == "gamma" else "hidden layers"
            raise ValueError(f"model: no channel of it could be removed with source={self.source!r}; it needs {needed}")
        self._outputs = {layer.name: torch.from_numpy(group_of(layer.outputs)) for layer in network.layers}
        self._inputs = {layer.name: torch.from_numpy(group_of(layer.inputs)) for layer in network.layers}
        dense = [layer for layer in network.layers if not layer.depthwise]
        deep = [layer for layer in network.layers if layer.depthwise]
        self._tables = {
            "index": torch.from_numpy(np.concatenate(index)),
            "free": torch.from_numpy(free),
            "coefficient": torch.tensor([layer.coefficient for layer in dense], dtype=torch.long),
            "inputs": _counts([group_of(layer.inputs) for layer in dense], groups),
            "outputs": _counts([group_of(layer.outputs) for layer in dense], groups),
            "each": torch.tensor([layer.coefficient for layer in deep], dtype=torch.long) @ _counts(
                [group_of(layer.outputs) for layer in deep], groups
            ),
        }  # fmt: skip
        self._cast: dict[tuple[torch.device, torch.dtype], dict[str, Tensor]] = {}

    def cost(self) -> int:
        """FLOPs of one sample without the dead channels."""
        tables, alive = self._tables, self._alive(self._strengths().detach()).cpu().long()
        pairs = tables["coefficient"] * (tables["inputs"] @ alive) * (tables["outputs"] @ alive)
        return int(pairs.sum() + tables["each"] @ alive)

    def penalty(self) -> Tensor:
        """A scalar to be added to the loss, times a strength λ of about 1 / `full_cost`."""
        strengths = self._strengths()
        wide = strengths if strengths.device.type == "mps" else strengths.double()  # counts fill more than 24 bits
        tables, alive = self._on(wide), self._alive(strengths.detach()).to(wide.dtype)
        into, out = tables["coefficient"] * (tables["inputs"] @ alive), tables["coefficient"] * (tables["outputs"] @ alive)
        per_group = into @ tables["outputs"] + out @ tables["inputs"] + 2 * tables["each"]
        return (per_group @ wide).to(strengths.dtype)

    def alive(self) -> dict[str, Tensor]:
        """Name of each layer to which of its output channels are alive, `(out,)`."""
        alive = self._alive(self._strengths().detach()).cpu()
        return {name: alive[groups] for name, groups in self._outputs.items()}

    def alive_inputs(self) -> dict[str, Tensor]:
        """Name of each layer to which of its inputs are alive, `(in,)`."""
        alive = self._alive(self._strengths().detach()).cpu()
        return {name: alive[groups] for name, groups in self._inputs.items()}

    def widths(self) -> Mapping[str, int]:
        """Name of each layer to how many of its output channels are alive."""
        return {name: int(alive.sum()) for name, alive in self.alive().items()}

    def _strengths(self) -> Tensor:
        """Strength r of each group of channels, `(groups,)`: the largest of its members; 0 for those that are fixed."""
        strength = _scale if self.source == "gamma" else _root_mean_square
        values = torch.cat([strength(module) for module in self._sources])
        tables = self._on(values)
        largest = values.new_zeros(len(tables["free"])).scatter_reduce(0, tables["index"], values, "amax")
        return largest * tables["free"]

    def _alive(self, strengths: Tensor) -> Tensor:
        return (strengths > self.threshold) | (self._on(strengths)["free"] == 0)

    def _on(self, like: Tensor) -> dict[str, Tensor]:
        """The tables on the device and in the type of a tensor; what is an index stays one."""
        key = (like.device, like.dtype)
        if key not in self._cast:
            self._cast[key] = {
                name: table.to(like.device) if name == "index" else table.to(like.device, like.dtype)
                for name, table in self._tables.items()
            }
        return self._cast[key]


def _scale(norm: nn.Module) -> Tensor:
    return norm.weight.abs()


def _root_mean_square(layer: nn.Module) -> Tensor:
    """Of all weights of an output channel; the gradient of a channel of zeros is zero."""
    weight = layer.weight.transpose(0, 1) if isinstance(layer, channels.TRANSPOSED) else layer.weight
    weight = weight.flatten(1)
    return torch.linalg.vector_norm(weight, dim=1) / math.sqrt(weight.shape[1])


def _counts(groups_of_layers: Sequence[np.ndarray], groups: int) -> Tensor:
    """How often each group stands in each layer, `(layers, groups)`."""
    rows = [np.bincount(one, minlength=groups) for one in groups_of_layers]
    return torch.from_numpy(np.array(rows, dtype=np.int64).reshape(len(rows), groups))


def _check_shape(model: nn.Module, input_shape: Sequence[int]) -> None:
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}")
    sizes = list(input_shape) if isinstance(input_shape, Sequence) and not isinstance(input_shape, str) else []
    if not sizes or any(isinstance(size, bool) or not isinstance(size, int) or size < 1 for size in sizes):
        raise ValueError(f"input_shape must be (channels, ...) of one sample, whole numbers of 1 or more, got {input_shape!r}")
