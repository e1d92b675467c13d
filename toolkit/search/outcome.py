"""What an operation on a network gives: the new network, a report, and what becomes of the optimizer's state."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

# What optimizers gather: sums of gradients, and sums of their squares. What else they keep cannot be carried over.
GRADIENTS = ("momentum", "momentum_buffer", "exp_avg", "grad_avg")
SQUARES = ("exp_avg_sq", "max_exp_avg_sq", "square_avg", "sum")


@dataclass(frozen=True)
class Report:
    """What an operation did.

    Attributes:
        operation: its name.
        layer: number of the layer.
        exact: whether the function is the same for every input, up to rounding.
        reason: why.
        discarded: Frobenius norm of the part of weights and bias that was given up, sqrt(Σ_{i>r} σ_i²) for a matrix.
        before: parameters of the network before.
        after: and after.
    """

    operation: str
    layer: int
    exact: bool
    reason: str
    discarded: float
    before: int
    after: int

    @property
    def fraction(self) -> float:
        """Parameters after over parameters before, the Δf of (16)."""
        return self.after / self.before


@dataclass(frozen=True)
class Origin:
    """Where a parameter comes from: its gradient is `along(matrix, gradient of parameter)`, or that gradient itself."""

    parameter: nn.Parameter
    matrix: Tensor | None = None
    along: Callable[[Tensor, Tensor], Tensor] | None = None

    def carried(self, values: Tensor, *, squares: bool) -> Tensor | None:
        """Gathered gradients, or squares of them, of the new parameter; None where sums of squares do not follow."""
        if squares and (self.matrix != 0).sum(1).max() > 1:
            return None
        return self.along(self.matrix**2 if squares else self.matrix, values)


@dataclass(frozen=True)
class Surgery:
    """The network after an operation.

    Attributes:
        model: the new network.
        report: what was done, and whether it is exact.
        origins: for each parameter of the new network that has a past, where it comes from.
        undo: takes the new network back, trained or not; None where there is no way back.
    """

    model: nn.Sequential
    report: Report
    origins: Mapping[nn.Parameter, Origin] = field(repr=False)
    undo: Callable[[nn.Sequential], Surgery] | None = field(default=None, repr=False)

    def carry(self, optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
        """An optimizer of the new network, with the settings of the old one's and the state it would have had.

        That is the state which the same gradients would have left in it, had the network had its new shape before. Weights
        without a past begin anew, and so do weights with second moments (Adam) that mix those of several old ones.

        Raises:
            ValueError: the optimizer is not that of the network before.
        """
        groups = {id(one): group for group, held in enumerate(optimizer.param_groups) for one in held["params"]}
        if any(id(origin.parameter) not in groups for origin in self.origins.values()):
            raise ValueError("optimizer: it does not hold the parameters of the network before the operation")
        carried = copy.copy(optimizer)
        carried.param_groups = [{**group, "params": []} for group in optimizer.param_groups]
        carried.state = defaultdict(dict)
        group = 0
        for parameter in self.model.parameters():
            if origin := self.origins.get(parameter):
                group = groups[id(origin.parameter)]
                if state := _carried_state(origin, optimizer.state.get(origin.parameter, {})):
                    carried.state[parameter] = state
            carried.param_groups[group]["params"].append(parameter)
        return carried


def _carried_state(origin: Origin, state: Mapping[str, object]) -> dict[str, object]:
    """The state of a parameter; empty if a part of it cannot be had."""
    if origin.matrix is None:
        return copy.deepcopy(dict(state))
    if "momentum_buffer" in state and "square_avg" in state:  # RMSprop: its momentum gathers quotients
        return {}
    carried = {}
    for name, value in state.items():
        if not (isinstance(value, Tensor) and value.shape == origin.parameter.shape):
            carried[name] = copy.deepcopy(value)  # a count of steps, or nothing yet
        elif name in GRADIENTS or name in SQUARES:
            carried[name] = origin.carried(value, squares=name in SQUARES)
        if carried.get(name) is None and value is not None:
            return {}
    return carried
