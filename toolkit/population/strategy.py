"""How to train K members at once: which way, and how many at a time."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from joblib import cpu_count
from torch import Tensor, nn

from toolkit.population.layers import Forward, stacked, vectorised

Loss = Callable[[Tensor, Tensor], Tensor]
STRATEGIES = ("auto", "layers", "vmap", "sequential")
BATCHED: dict[str, Callable[[nn.Module], Forward]] = {"layers": stacked, "vmap": vectorised}

# Measured on a CPU core at batch 64: a step of 64 dense networks 57-10-10-1 takes a tenth of 64 steps one by one, of 57-64-64-1
# (7,937 weights) a quarter, of 57-128-128-1 (24,065) and 784-64-10 (50,890) about half, of 784-256-10 more. Stacked LeNets take
# a third more than one by one, and those can use a second core. tests/benchmarks/population.py measures it anew.
MOST_STACKED_WEIGHTS = 20_000

EVALUATION_BATCH = 256
CPU_BYTES = 256 * 2**20
FREE_SHARE = 0.5


def obstacle(way: str, network: nn.Module, loss: Loss, batch: tuple[Tensor, Tensor]) -> str | None:
    """Why members of this network cannot be trained as one computation in this way; None where they can.

    One step of the network alone is compared with that of two members, on copies.
    """
    weights = dict(network.named_parameters())
    if list(network.buffers()):
        return "has buffers, such as running statistics"
    if len({weight.dtype for weight in weights.values()}) != 1:
        return "has weights of several types, or none"
    if draws_random_numbers(network, batch[0]):
        return "draws random numbers in training"
    inputs, targets = batch
    alone = copy.deepcopy(network).train()
    outputs = alone(inputs)
    value = loss(outputs, targets)
    value.backward()
    if any(weight.grad is None for weight in alone.parameters()):
        return "has weights that the loss does not reach"
    try:
        twice = BATCHED[way](network)({name: torch.stack([w, w]) for name, w in weights.items()}, torch.stack([inputs, inputs]))
        values = torch.func.vmap(loss)(twice, torch.stack([targets, targets]))
    except Exception as fault:
        return str(fault).partition("\n")[0]
    if values.shape != (2,) or not torch.allclose(twice, outputs.expand_as(twice), rtol=1e-3, atol=1e-5, equal_nan=True):
        return "gives other outputs or another loss when it is stacked"
    return None


def draws_random_numbers(network: nn.Module, inputs: Tensor) -> bool:
    """Whether a forward pass in training mode moves torch's random state, as dropout does."""
    generator = torch.default_generator
    if inputs.device.type == "cuda":
        generator = torch.cuda.default_generators[torch.cuda.current_device()]
    before = generator.get_state()
    with torch.no_grad():
        copy.deepcopy(network).train()(inputs)
    return not torch.equal(before, generator.get_state())


def choose(wanted: str, network: nn.Module, *, loss: Loss, batch: tuple[Tensor, Tensor], members: int) -> str:
    """The way to train `members` of this network on the device of the batch.

    Args:
        wanted: one of `STRATEGIES`; "auto" decides by the kind of network and device, from measurements.
        network: one member, on the device.
        loss: `loss(outputs, targets)`, a mean over the batch.
        batch: normalised inputs and targets.
        members: K.

    Raises:
        ValueError: a strategy that this network does not allow.
    """
    if wanted == "auto" and (members == 1 or not worth_stacking(network, batch[0].device)):
        return "sequential"
    for way in BATCHED if wanted == "auto" else [wanted]:
        fault = None if way == "sequential" else obstacle(way, network, loss, batch)
        if fault is None:
            return way
        if wanted != "auto":
            raise ValueError(f"strategy: {wanted!r} is not possible, the network {fault}; take 'auto' or 'sequential'")
    return "sequential"


def worth_stacking(network: nn.Module, device: torch.device) -> bool:
    """Whether one computation for all members is expected to be faster than one for each."""
    if device.type != "cpu":
        return True  # a single small network leaves an accelerator idle
    owners = [module for module in network.modules() if next(module.parameters(recurse=False), None) is not None]
    dense = all(isinstance(module, nn.Linear) for module in owners)
    return dense and sum(weight.numel() for weight in network.parameters()) <= MOST_STACKED_WEIGHTS


def members_that_fit(network: nn.Module, inputs: Tensor, *, batch_size: int, members: int) -> int:
    """How many members to compute at a time.

    Weights, optimizer state and best weights of all members are held in any case. What grows with the members at a time are
    their gradients, and for each sample the outputs of every layer and the gradients of those. On a CPU that may take 256 MB,
    so that a lesson with its data stays under 1 GB; on a GPU half of what is free.

    Args:
        network: one member, on the device.
        inputs: some normalised samples, `(b, ...)`.
        batch_size: samples per step.
        members: K.
    """
    values = inputs[0].numel() + 2 * _outputs_of_all_layers(network, inputs[:1])
    weights = sum(weight.numel() for weight in network.parameters())
    computed = inputs.element_size() * (3 * weights + max(batch_size, EVALUATION_BATCH) * values)
    held = inputs.element_size() * 4 * weights * members
    free = CPU_BYTES if inputs.device.type == "cpu" else FREE_SHARE * (_free_bytes(inputs.device) - held)
    return min(members, max(1, int(free // computed)))


def _outputs_of_all_layers(network: nn.Module, sample: Tensor) -> int:
    """Numbers that the layers give for one sample, together."""
    total = 0

    def add(module, inputs, output):
        nonlocal total
        total += output.numel() if isinstance(output, Tensor) else 0

    network = copy.deepcopy(network).eval()
    for module in network.modules():
        module.register_forward_hook(add)
    with torch.no_grad():
        network(sample)
    return total


def _free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()


def cores_to_use() -> int:
    """Members that can be trained side by side on this CPU: its cores, shared out among torch's own threads."""
    return max(1, cpu_count() // torch.get_num_threads())
