"""A step of plain SGD on a small dense network, written out.

Autograd and `torch.optim` spend more time on keeping books than a batch of sixteen samples takes to compute. Here the same
kernels are called in the same order without them, so that weights and losses are the same to the last bit. With a_0 the
flattened inputs, z_l = W_l a_{l-1} + b_l, a_l = ReLU(z_l) and δ_l the gradient of the loss by z_l, summed over the batch,

    ∂L/∂W_l = δ_l a_{l-1}ᵀ,   ∂L/∂b_l = δ_l,   δ_{l-1} = (W_lᵀ δ_l) · [a_{l-1} > 0],

and W_l becomes W_l - η ∂L/∂W_l (Rumelhart, Hinton and Williams, Nature 323, 533, 1986).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

kernels = torch.ops.aten
MEAN, IGNORED = 1, -100  # reduction and ignored class of `functional.cross_entropy`, as its kernels take them

Step = Callable[[Tensor, Tensor], Tensor]


def written_out(model: nn.Module, loss: Any, optimizer: torch.optim.Optimizer, targets: Tensor) -> Step | None:
    """`step(inputs, targets)`, which takes a step on a batch and gives its loss; None where the formulas above do not hold.

    They hold for an `nn.Sequential` of dense layers with ReLU between them, `functional.cross_entropy` of class numbers and
    `torch.optim.SGD` without momentum and the like. The learning rate is read at each step. Hooks are not called.
    """
    of_classes = loss is functional.cross_entropy and targets.dtype == torch.int64 and targets.dim() == 1
    if not (of_classes and _is_dense(model) and _is_plain(optimizer, model)):
        return None
    group = optimizer.param_groups[0]
    pairs = [(layer.weight, layer.bias) for layer in model if isinstance(layer, nn.Linear)]

    @torch.no_grad()
    def step(inputs: Tensor, targets: Tensor) -> Tensor:
        activities = [inputs.flatten(1)]
        for weight, bias in pairs[:-1]:
            activities.append(torch.addmm(bias, activities[-1], weight.t()).relu_())
        weight, bias = pairs[-1]
        value, delta = _cross_entropy(torch.addmm(bias, activities[-1], weight.t()), targets)
        for (weight, bias), below in zip(reversed(pairs), reversed(activities), strict=True):
            gradient, delta_bias = torch.mm(delta.t(), below), delta.sum(0)
            if below is not activities[0]:
                delta = kernels.threshold_backward.default(torch.mm(delta, weight), below, 0)
            weight.add_(gradient, alpha=-group["lr"])
            bias.add_(delta_bias, alpha=-group["lr"])
        return value

    return step


def _cross_entropy(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Its mean over the batch, and the gradient by the logits."""
    shares = torch.log_softmax(logits, 1)
    value, count = kernels.nll_loss_forward.default(shares, targets, None, MEAN, IGNORED)
    by_shares = kernels.nll_loss_backward.default(torch.ones_like(value), shares, targets, None, MEAN, IGNORED, count)
    return value, kernels._log_softmax_backward_data.default(by_shares, shares, 1, shares.dtype)


def _is_dense(model: nn.Module) -> bool:
    """Dense layers with biases and ReLU between them, behind a `Flatten` or not."""
    if type(model) is not nn.Sequential:
        return False
    modules = list(model)
    if modules and type(modules[0]) is nn.Flatten and (modules[0].start_dim, modules[0].end_dim) == (1, -1):
        del modules[0]
    layers, between = modules[::2], modules[1::2]
    return (
        len(modules) % 2 == 1
        and all(type(layer) is nn.Linear and layer.bias is not None for layer in layers)
        and all(type(module) is nn.ReLU for module in between)
    )


def _is_plain(optimizer: torch.optim.Optimizer, model: nn.Module) -> bool:
    """SGD with nothing but a learning rate on all parameters, none of which is there twice."""
    if type(optimizer) is not torch.optim.SGD or len(optimizer.param_groups) != 1:
        return False
    group, own = optimizer.param_groups[0], list(model.parameters())
    held = [id(parameter) for parameter in group["params"]]
    more = ("momentum", "weight_decay", "maximize", "fused", "differentiable")
    return (
        not any(group[name] for name in more)
        and held == [id(parameter) for parameter in own]
        and len(held) == len(list(model.named_parameters(remove_duplicate=False)))
        and all(parameter.requires_grad for parameter in own)
    )
