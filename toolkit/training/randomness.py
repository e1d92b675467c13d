"""Random numbers of a run: order of the samples, augmentation and dropout, each a stream of its own under one seed."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import contextmanager
from hashlib import blake2b

import torch
from torch import Tensor


def shuffled(n: int, *, seed: int, epoch: int) -> Tensor:
    """Order of the n samples in an epoch, `(n,)`: a permutation that depends on seed and epoch alone.

    >>> sorted(shuffled(4, seed=0, epoch=3).tolist())
    [0, 1, 2, 3]
    """
    return torch.randperm(n, generator=generator("order", seed, epoch))


def shuffled_rows(targets: Tensor, *, seed: int, epoch: int) -> Tensor:
    """`shuffled` for as many samples as there are targets: the order that `fit` takes unless it is given another."""
    return shuffled(len(targets), seed=seed, epoch=epoch)


def generator(stream: str, seed: int, number: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator for one epoch or one step of a stream."""
    return torch.Generator(device).manual_seed(mixed(stream, seed, number))


def mixed(stream: str, seed: int, number: int) -> int:
    """One integer of 63 bits, each of which depends on all three: torch's CPU generator reads no more than the last 32."""
    digest = blake2b(f"{stream} {seed} {number}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def global_generators(device: torch.device) -> list[torch.Generator]:
    """Torch's own generators that a model on this device draws from; dropout cannot be given another."""
    generators = [torch.default_generator]
    if device.type == "cuda":
        generators.append(torch.cuda.default_generators[torch.cuda.current_device() if device.index is None else device.index])
    if device.type == "mps":
        generators.append(torch.mps._get_default_mps_generator())
    return generators


@contextmanager
def undisturbed(generators: Sequence[torch.Generator]):
    """Give the generators their states back at the end, so that a run does not change what its caller draws."""
    states = [each.get_state() for each in generators]
    try:
        yield
    finally:
        for each, state in zip(generators, states, strict=True):
            each.set_state(state)
