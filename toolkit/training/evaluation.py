"""Measure a network on a whole split."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

BATCH, BATCH_ON_CPU = 1024, 256  # more does not fit into a processor's caches: convolutions take nearly twice as long
MOST_NUMBERS = 2**24  # of inputs in a batch: one whole slide, or BATCH images of 3x72x72


def accuracy(outputs: Tensor, targets: Tensor) -> Tensor:
    """Share of samples whose largest output is the target class.

    >>> accuracy(torch.tensor([[0.0, 1.0], [2.0, 1.0]]), torch.tensor([1, 1])).item()
    0.5
    """
    return (outputs.argmax(1) == targets).float().mean()


METRICS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"accuracy": accuracy}


@torch.no_grad()
def evaluate(
    model: nn.Module,
    split: tuple[Tensor, Tensor],
    *,
    metrics: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = METRICS,
    normalise: Callable[[Tensor], Tensor] = lambda inputs: inputs,
) -> dict[str, float]:
    """Metrics of the model in evaluation mode on a whole split, computed on all its outputs at once.

    Args:
        model: a module; its mode is given back as it was.
        split: inputs and targets `(n, ...)`, for example `data.test`.
        metrics: name to function `(outputs, targets) -> scalar`.
        normalise: applied to each batch of inputs, `data.normalise`.

    Returns:
        Name to value.

    >>> evaluate(nn.Identity(), (torch.eye(2), torch.tensor([0, 0])))
    {'accuracy': 0.5}
    """
    inputs, targets = split
    values = outputs(model, inputs, normalise=normalise)
    return {name: float(function(values, targets.to(values.device))) for name, function in metrics.items()}


@torch.no_grad()
def outputs(model: nn.Module, inputs: Tensor, *, normalise: Callable[[Tensor], Tensor] = lambda inputs: inputs) -> Tensor:
    """What the model in evaluation mode makes of all inputs, batch by batch on the model's device.

    Args:
        model: a module; its mode is given back as it was.
        inputs: `(n, ...)` in their stored type.
        normalise: applied to each batch of inputs, `data.normalise`.

    Returns:
        `(n, ...)` in float32 or wider.

    >>> outputs(nn.Linear(3, 2), torch.zeros(4, 3)).shape
    torch.Size([4, 2])
    """
    device = next((weight.device for weight in model.parameters()), inputs.device)
    most = BATCH_ON_CPU if device.type == "cpu" else BATCH
    size = max(1, min(most, MOST_NUMBERS // max(1, inputs[:1].numel())))
    was_training = model.training
    model.eval()
    try:
        values = torch.cat([model(normalise(batch.to(device))) for batch in inputs.split(size)])
    finally:
        model.train(was_training)
    return values.to(torch.promote_types(values.dtype, torch.float32))  # bfloat16 is too coarse for a mean


def metric_functions(metrics: Sequence[str | Callable]) -> dict[str, Callable[[Tensor, Tensor], Tensor]]:
    """Names in `METRICS` or functions, as a mapping from name to function."""
    functions = {}
    for metric in [metrics] if isinstance(metrics, str) or callable(metrics) else metrics:
        if not callable(metric) and metric not in METRICS:
            raise ValueError(f"metrics: {metric!r} is not known; known names are {tuple(METRICS)}, or pass a function")
        name = getattr(metric, "__name__", type(metric).__name__) if callable(metric) else metric
        if name in functions or name == "loss":
            raise ValueError(f"metrics: two are called {name!r}; the name 'loss' is taken by the training loss")
        functions[name] = metric if callable(metric) else METRICS[metric]
    return functions
