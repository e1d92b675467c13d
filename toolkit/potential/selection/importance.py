"""What a trained network says of its functions: lengths of weights, and the error after shuffling one."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from toolkit.potential.selection.masked import Masked
from toolkit.potential.selection.stacked import Stack, shares


def weight_lengths(run: Masked) -> np.ndarray:
    """Length of each function's column in the first layer, `(k, d)`, of the best weights (Ghimire, section 4.4).

    With functions of unit spread it is how strongly the hidden units respond to each; copies share what one would have.
    """
    return run.stack.parts(run.best_weights)["weight 0"].norm(dim=1).cpu().numpy()


@torch.no_grad()
def permutation(run: Masked, *, part: str = "validation", repeats: int = 5, seed: int = 0) -> np.ndarray:
    """Rise of the RMSE [meV/atom] when one function's values are shuffled over all atoms, `(repeats, k, d)`.

    Only the first layer's sum changes, by an outer product: it is computed once, not once per function. Functions that a
    member does not see get exactly 0. Rows that only fill up a frame take no part. Shuffling makes environments that no
    structure has where functions are copies of each other, so near copies each look important.

    Args:
        run: trained members.
        part: of the data, "validation" or "test".
        repeats: independent shuffles.
        seed: of them.

    Raises:
        ValueError: an unknown part, or one without frames.
    """
    if part not in ("train", "validation", "test") or len(getattr(run.data, part)[1]) == 0:
        raise ValueError(f"part must be 'train', 'validation' or 'test' and hold frames, got {part!r}")
    descriptors, energies = getattr(run.data, part)
    draw = torch.Generator().manual_seed(seed)
    base = run.losses(part)
    rises = np.empty((repeats, *run.seen.shape))
    for repeat in range(repeats):
        order = _order(descriptors, run.data.present.get(part), draw)
        rises[repeat] = _losses(run.stack, run.best_weights, descriptors, energies, order, run.data.present.get(part))
    errors = run.data.millielectronvolts
    return np.where(run.seen.numpy(), errors(rises) - errors(base)[:, None], 0.0)


def _order(descriptors: Tensor, present: Tensor | None, draw: torch.Generator) -> Tensor:
    """Which row of all frames each row gets its value from, `(n * a,)`."""
    if present is None:
        return torch.randperm(len(descriptors) * descriptors.shape[1], generator=draw).to(descriptors.device)
    order, atoms = torch.arange(present.numel(), device=present.device), present.flatten().nonzero().squeeze(1)
    order[atoms] = atoms[torch.randperm(len(atoms), generator=draw).to(atoms.device)]
    return order


def _losses(
    stack: Stack, weights: Tensor, descriptors: Tensor, energies: Tensor, order: Tensor, present: Tensor | None
) -> np.ndarray:
    """Mean squared error with one function shuffled, for each of them, `(k, d)`."""
    parts, flat = stack.parts(weights), descriptors.flatten(0, 1)
    first = torch.addmm(parts["bias 0"].reshape(-1, 1), parts["weight 0"].reshape(-1, stack.features), flat.T)
    losses = []
    for column in range(stack.features):
        change = flat[order, column] - flat[:, column]
        moved = torch.addmm(first, parts["weight 0"][..., column].reshape(-1, 1), change[None])
        outputs = stack.onwards(parts, moved, descriptors, shares(present))[0]
        losses.append((outputs - energies).square().mean(1))
    return torch.stack(losses, dim=1).cpu().double().numpy()
