"""Which operation a network may profit from: what its singular values say (Schiessler et al., section 3.2).

The document gives no amounts. Here, as in the published code, n // 10 units are added, at least two, or ten times as many;
as many are removed as seem redundant, at least one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from toolkit.search import sequence, surgery

OPERATIONS = ("add neurons", "add layer", "remove neurons", "remove layer", "split layer")


@dataclass(frozen=True)
class Proposal:
    """An operation that could be done.

    Attributes:
        operation: one of `OPERATIONS`.
        layer: number of a hidden layer.
        amount: units to add or to remove, rank to split at; zero for whole layers.
        score: from 0 to 1, the higher the more promising.
        parameters: of the network afterwards.
    """

    operation: str
    layer: int
    amount: int
    score: float
    parameters: int

    def perform(self, model: nn.Sequential, *, spread: float = 0.0, seed: int = 0) -> surgery.Surgery:
        """Do it to the network; `spread` and `seed` are those of `surgery.add_neurons`."""
        deeds: dict[str, Callable[[], surgery.Surgery]] = {
            "add neurons": lambda: surgery.add_neurons(model, self.layer, count=self.amount, spread=spread, seed=seed),
            "add layer": lambda: surgery.add_layer(model, self.layer),
            "remove neurons": lambda: surgery.remove_neurons(model, self.layer, count=self.amount),
            "remove layer": lambda: surgery.remove_layer(model, self.layer),
            "split layer": lambda: surgery.split_layer(model, self.layer, rank=self.amount),
        }
        return deeds[self.operation]()


def singular_values(model: nn.Sequential) -> list[Tensor]:
    """Singular values of the weights of each hidden layer, largest first, a convolution as the matrix `(out, in h w)`."""
    hidden = sequence.weighted(model)[:-1]
    return [torch.linalg.svdvals(model[place].weight.detach().flatten(1)) for place in hidden]


def redundant(values: Tensor, *, relative: float = 0.005, absolute: float = 0.3) -> int:
    """How many singular values are under one of the two thresholds, n_r of (13): ε₁ = `relative` and ε₂ = `absolute`.

    Args:
        values: `(k,)` singular values σ.
        relative: fraction of the largest one.
        absolute: a size.

    Raises:
        ValueError: a threshold that is negative or no number.

    >>> redundant(torch.tensor([100.0, 2.0, 0.4, 0.2]))
    2
    """
    for name, threshold in (("relative", relative), ("absolute", absolute)):
        if not 0 <= threshold < math.inf:
            raise ValueError(f"{name} must be zero or a finite positive number, got {threshold!r}")
    return int(((values < relative * values.max()) | (values < absolute)).sum())


def scores(redundant_units: int, units: int, *, layer: int, hidden: int) -> dict[str, float]:
    """Score of each operation on a layer, section 3.2: n_r of n_l units redundant, layer i of h hidden ones.

    The document gives none for a split, which like the removal of neurons acts on what is redundant: it gets the same.

    Args:
        redundant_units: n_r.
        units: n_l.
        layer: i, from 1 on.
        hidden: h.

    >>> scores(0, 10, layer=1, hidden=2)["add layer"], scores(10, 10, layer=1, hidden=2)["remove layer"]
    (0.5, 1.0)
    """
    share, depth = redundant_units / units, layer / hidden
    return {
        "add neurons": 1 - share,
        "add layer": (1 - share) * depth,
        "remove neurons": share,
        "remove layer": 1.0 if redundant_units == units else share * depth,
        "split layer": share,
    }


def proposals(
    model: nn.Sequential, *, relative: float = 0.005, absolute: float = 0.3, values: Sequence[Tensor] | None = None
) -> list[Proposal]:
    """Every operation that can be done to the hidden layers, the most promising first; of equal ones the smaller network.

    Args:
        model: as `surgery` takes it.
        relative: threshold ε₁, see `redundant`.
        absolute: threshold ε₂.
        values: `singular_values(model)`, where they are known already.
    """
    values = singular_values(model) if values is None else values
    found = []
    for layer, (spectrum, units) in enumerate(zip(values, sequence.widths(model), strict=False)):
        few = redundant(spectrum, relative=relative, absolute=absolute)
        score = scores(few, units, layer=layer + 1, hidden=len(values))
        for operation, amount in _amounts(units, few, len(spectrum)):
            if (size := size_after(model, operation, layer, amount)) is not None:
                found.append(Proposal(operation, layer, amount, score[operation], size))
    return sorted(found, key=lambda one: (-one.score, one.parameters))


def best_of_each(ranked: Sequence[Proposal]) -> list[Proposal]:
    """The first proposal of each operation, in the order given."""
    first: dict[str, Proposal] = {}
    for one in ranked:
        first.setdefault(one.operation, one)
    return list(first.values())


def size_after(model: nn.Sequential, operation: str, layer: int, amount: int) -> int | None:
    """Parameters of the network after an operation, or None where it cannot be done."""
    places = sequence.weighted(model)
    first, second = model[places[layer]], model[places[layer + 1]]
    units, size = len(first.weight), sequence.parameters(model)
    into, out = first.weight[0].numel(), second.weight.numel() // units
    bias = first.bias is not None
    if operation in ("add neurons", "remove neurons"):
        return size + (amount if operation == "add neurons" else -amount) * (into + bias + out)
    if operation == "add layer":
        return size + units * units * (9 if isinstance(first, nn.Conv2d) else 1) + units
    if operation == "split layer":
        return size + amount * (into + units) - units * into
    if surgery.fault_of_merging(list(model[places[layer] : places[layer + 1] + 1])):
        return None
    return size - sum(one.numel() for one in (*first.parameters(), *second.parameters())) + _joined_size(first, second)


def _amounts(units: int, few: int, singular: int) -> list[tuple[str, int]]:
    small = max(2, units // 10)
    amounts = [("add neurons", small), ("add neurons", 10 * small), ("add layer", 0), ("remove layer", 0)]
    if units > 1:
        amounts.append(("remove neurons", min(max(1, few), units - 1)))
    if few:
        amounts.append(("split layer", max(1, singular - few)))
    return amounts


def _joined_size(first: nn.Module, second: nn.Module) -> int:
    sides = zip(first.weight.shape[2:], second.weight.shape[2:], strict=True)
    kernel = math.prod(one + other - 1 for one, other in sides)
    bias = first.bias is not None or second.bias is not None
    return len(second.weight) * (first.weight.shape[1] * kernel + bias)
