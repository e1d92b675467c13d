"""Which channels of a traced network stand or fall together, and which layers they feed."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.nn import functional

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
# What works on each channel by itself, or on all values alike: channels pass through.
PASSING = (
    nn.Identity, nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish, nn.Tanh, nn.Sigmoid,
    nn.Hardswish, nn.Hardsigmoid, nn.Hardtanh, nn.Softplus, nn.LogSigmoid, nn.Softmax, nn.LogSoftmax,
    nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d,
    nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d,
    nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d,
    nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d, nn.Upsample, nn.ZeroPad2d,
)  # fmt: skip
PASSING_NAMES = (
    "relu", "relu_", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "mish", "tanh", "sigmoid", "hardswish",
    "hardsigmoid", "hardtanh", "softplus", "logsigmoid", "softmax", "log_softmax", "dropout", "dropout2d", "mean", "squeeze",
    "contiguous", "clone", "neg", "abs", "clamp", "interpolate", "pad",
    *(f"{pooling}_pool{d}d" for pooling in ("max", "avg", "adaptive_avg", "adaptive_max") for d in (1, 2, 3)),
)  # fmt: skip
DISPATCHED = tuple(  # their __name__ is that of a dispatcher
    getattr(functional, f"{pooling}_pool{d}d") for pooling in ("max", "adaptive_max") for d in (1, 2, 3)
)
SUMS = ("add", "add_", "iadd", "sub", "sub_", "isub")
PRODUCTS = ("mul", "mul_", "imul")
JOINS = ("cat", "concat", "concatenate")


@dataclass(frozen=True)
class Channels:
    """Channels of one tensor.

    Attributes:
        atoms: `(c,)` number of the channel that each one is.
        gated: `(c,)` whether all that arrives here has passed what can switch the channel off.
    """

    atoms: np.ndarray
    gated: np.ndarray


@dataclass(frozen=True)
class Layer:
    """A layer that costs FLOPs.

    Attributes:
        name: of the module.
        coefficient: FLOPs per pair of input and output channel, 2 x positions x kernel area; per channel if depthwise.
        inputs: atoms of its input channels.
        outputs: atoms of its output channels.
        depthwise: each output channel sees one input channel.
    """

    name: str
    coefficient: int
    inputs: np.ndarray
    outputs: np.ndarray
    depthwise: bool = False

    @property
    def flops(self) -> int:
        """With all channels."""
        return self.coefficient * len(self.outputs) * (1 if self.depthwise else len(self.inputs))


@dataclass
class Network:
    """What a walk through a network finds.

    Attributes:
        layers: that cost FLOPs, in the order of their use; one that is used twice stands there twice.
        sources: pairs of the module whose weights switch channels off, and the atoms of these channels.
        fixed: atoms that cannot be switched off.
        outputs: atoms of the network's outputs.
    """

    layers: list[Layer] = field(default_factory=list)
    sources: list[tuple[nn.Module, np.ndarray]] = field(default_factory=list)
    fixed: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)

    def born(self, count: int) -> np.ndarray:
        """New atoms."""
        first = len(self.parents)
        self.parents += range(first, first + count)
        return np.arange(first, first + count)

    def root(self, atom: int) -> int:
        """The atom that stands for the group of this one."""
        while self.parents[atom] != atom:
            self.parents[atom] = self.parents[self.parents[atom]]
            atom = self.parents[atom]
        return atom

    def join(self, one: np.ndarray, other: np.ndarray) -> None:
        """From now on these atoms stand and fall together, pair by pair."""
        for a, b in zip(one.tolist(), other.tolist(), strict=True):
            self.parents[self.root(b)] = self.root(a)

    def groups(self) -> tuple[Callable[[np.ndarray], np.ndarray], int]:
        """A function from atoms to numbers of groups, and how many groups there are."""
        roots = np.array([self.root(atom) for atom in range(len(self.parents))])
        unique, number = np.unique(roots, return_inverse=True)
        return lambda atoms: number[np.asarray(atoms, dtype=int)], len(unique)


def follow(model: nn.Module, input_shape: Sequence[int], *, source: str) -> Network:
    """Walk once through a network with an empty batch of this shape; the network is left as it was.

    Args:
        model: that torch.fx can trace.
        input_shape: of one sample, `(channels, ...)`.
        source: "gamma" or "group_lasso", what switches channels off.

    Raises:
        ValueError: it holds what cannot be followed; the message names it.
    """
    if fx.Tracer().is_leaf_module(model, ""):  # a bare layer would be traced into its own inside
        model = nn.Sequential(model)
    try:
        traced = fx.symbolic_trace(model)
    except Exception as fault:  # fx hands on whatever a forward with a symbol in it raises
        raise ValueError(f"model: torch.fx cannot trace {type(model).__name__}: {fault}") from fault
    weight = next(model.parameters(), None)
    if weight is None:
        raise ValueError(f"model: {type(model).__name__} has no parameters")
    walk = _Walk(traced, source)
    with _evaluating(model), torch.no_grad():
        walk.run(weight.new_zeros(2, *input_shape))
    return walk.network


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode, and then for each module the mode it had."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


class _Walk(fx.Interpreter):
    """Runs the network and notes for each tensor which channels it has."""

    def __init__(self, traced: fx.GraphModule, source: str):
        super().__init__(traced, garbage_collect_values=False)
        self.extra_traceback = False
        self.source = source
        self.network = Network()
        self.channels: dict[fx.Node, Channels] = {}
        self.used: dict[str, Layer] = {}

    def run_node(self, node: fx.Node) -> Any:
        try:
            result = super().run_node(node)
        except ValueError:
            raise
        except RuntimeError as fault:
            raise ValueError(f"input_shape: does not fit the model at {_called(node)}: {fault}") from fault
        if node.op == "output":
            self._end(node)
        elif isinstance(result, Tensor):
            self.channels[node] = self._channels(node, result)
        elif _holds_tensors(result):
            raise _refused(node, "it gives several tensors")
        return result

    def _channels(self, node: fx.Node, result: Tensor) -> Channels:
        if node.op == "placeholder":
            return self._input(node, result)
        if node.op == "call_module":
            return self._module(node, self.module.get_submodule(node.target), result)
        name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "?")
        if node.op == "get_attr":
            raise _refused(node, "tensors outside of layers cannot be followed")
        if node.target in DISPATCHED:
            name = "max_pool2d"
        if name in SUMS + PRODUCTS or node.target in (operator.truediv,):
            return self._joined(node, product=name in PRODUCTS)
        if name in JOINS:
            return self._concatenated(node)
        if name in ("flatten", "view", "reshape"):
            return self._flattened(node, result)
        if name in PASSING_NAMES:
            return self._passed(node, result)
        raise _refused(node, "it is not among the operations that can be followed")

    def _input(self, node: fx.Node, result: Tensor) -> Channels:
        if self.channels:
            raise _refused(node, "the network has several inputs")
        atoms = self.network.born(result.shape[1])
        self.network.fixed += atoms.tolist()
        return Channels(atoms, np.zeros(len(atoms), bool))

    def _end(self, node: fx.Node) -> None:
        for arrived in node.all_input_nodes:  # one or several tensors, in whatever they are wrapped
            channels = self.channels[arrived]
            self.network.outputs += channels.atoms.tolist()
            self.network.fixed += channels.atoms[~channels.gated].tolist()

    # Modules ---------------------------------------------------------------------------------------------------------------

    def _module(self, node: fx.Node, module: nn.Module, result: Tensor) -> Channels:
        if isinstance(module, (*CONVOLUTIONS, *TRANSPOSED, nn.Linear)):
            return self._layer(node, module, result)
        if isinstance(module, NORMS):
            return self._normed(node, module)
        if isinstance(module, nn.Flatten):
            return self._flattened(node, result)
        if isinstance(module, PASSING):
            return self._passed(node, result)
        raise _refused(node, f"a {type(module).__name__} is not among the layers that can be followed")

    def _layer(self, node: fx.Node, module: nn.Module, result: Tensor) -> Channels:
        arriving = self._arriving(node)
        positions = math.prod(result.shape[2:])
        groups = getattr(module, "groups", 1)
        if isinstance(module, nn.Linear):
            if result.ndim != 2:
                raise _refused(node, f"a dense layer on a tensor of {result.ndim} dimensions")
            area = 1
        else:
            area = math.prod(module.kernel_size)
            if isinstance(module, TRANSPOSED):
                positions = math.prod(self.env[_first(node)].shape[2:])
        depthwise = groups > 1 and groups == len(arriving.atoms)
        if groups > 1 and (not depthwise or isinstance(module, TRANSPOSED)):
            raise _refused(node, f"a convolution in {groups} groups of several channels")
        outputs = self._outputs(node, arriving, result.shape[1])
        layer = Layer(str(node.target), 2 * positions * area, arriving.atoms, outputs, depthwise)
        self.network.layers.append(layer)
        self.used[layer.name] = layer
        if depthwise:
            multiple = len(outputs) // len(arriving.atoms)
            self.network.join(np.repeat(arriving.atoms, multiple), outputs)
            gated = np.repeat(arriving.gated, multiple)
        else:
            self.network.fixed += arriving.atoms[~arriving.gated].tolist()
            gated = np.zeros(len(outputs), bool)
        if self.source == "group_lasso":
            self.network.sources.append((module, outputs))
            gated = np.ones(len(outputs), bool)
        return Channels(outputs, gated)

    def _outputs(self, node: fx.Node, arriving: Channels, count: int) -> np.ndarray:
        """New channels; those of a layer that is used a second time are the same as before, and so are its inputs."""
        if (before := self.used.get(str(node.target))) is None:
            return self.network.born(count)
        self.network.join(before.inputs, arriving.atoms)
        return before.outputs

    def _normed(self, node: fx.Node, module: nn.Module) -> Channels:
        arriving = self._arriving(node)
        if self.source != "gamma" or not module.affine:
            return arriving
        self.network.sources.append((module, arriving.atoms))
        return Channels(arriving.atoms, np.ones(len(arriving.atoms), bool))

    # Operations ------------------------------------------------------------------------------------------------------------

    def _arriving(self, node: fx.Node) -> Channels:
        first = _first(node)
        if first not in self.channels:
            raise _refused(node, "its input is no tensor of the network")
        return self.channels[first]

    def _passed(self, node: fx.Node, result: Tensor) -> Channels:
        arriving = self._arriving(node)
        if tuple(result.shape[:2]) != tuple(self.env[_first(node)].shape[:2]):
            raise _refused(node, "it changes the channels")
        return arriving

    def _flattened(self, node: fx.Node, result: Tensor) -> Channels:
        arriving, before = self._arriving(node), self.env[_first(node)]
        if result.shape == before.shape:
            return arriving
        if result.ndim != 2 or result.shape[0] != before.shape[0]:
            raise _refused(node, f"it makes {tuple(result.shape)} of {tuple(before.shape)}, not (batch, all others)")
        each = math.prod(before.shape[2:])
        return Channels(np.repeat(arriving.atoms, each), np.repeat(arriving.gated, each))

    def _joined(self, node: fx.Node, *, product: bool) -> Channels:
        """A sum lets through what any part lets through; a product is switched off by any factor."""
        tensors = [argument for argument in node.all_input_nodes if argument in self.channels]
        if not tensors:
            raise _refused(node, "its input is no tensor of the network")
        if len({(self.env[one].ndim, self.env[one].shape[1]) for one in tensors}) > 1:
            shapes = " and ".join(str(tuple(self.env[one].shape)) for one in tensors)
            raise _refused(node, f"it spreads channels over others: {shapes}")
        first, *others = [self.channels[one] for one in tensors]
        gated = first.gated
        for other in others:
            self.network.join(first.atoms, other.atoms)
            gated = gated | other.gated if product else gated & other.gated
        return Channels(first.atoms, gated)

    def _concatenated(self, node: fx.Node) -> Channels:
        tensors = node.args[0] if node.args else node.kwargs["tensors"]
        dim = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", 0)
        if dim not in (1, 1 - self.env[tensors[0]].ndim):
            raise _refused(node, f"it concatenates along dimension {dim}, not along the channels")
        parts = [self.channels[one] for one in tensors]
        return Channels(np.concatenate([one.atoms for one in parts]), np.concatenate([one.gated for one in parts]))


def _first(node: fx.Node) -> fx.Node:
    return node.args[0] if node.args else node.kwargs["input"]


def _holds_tensors(result: Any) -> bool:
    return isinstance(result, tuple | list) and any(isinstance(one, Tensor) for one in result)


def _called(node: fx.Node) -> str:
    target = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))
    return f"{target!r} ({node.op.replace('_', ' ')})"


def _refused(node: fx.Node, reason: str) -> ValueError:
    return ValueError(f"model: cannot follow the channels through {_called(node)}: {reason}")
