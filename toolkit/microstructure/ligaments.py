"""Which voxels lie in a ligament: within a radius of a line segment. Exact distances, block by block."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

TINY = np.finfo(float).tiny  # instead of the squared length of a segment without length
VOXELS_AT_ONCE = 2**18  # voxels of the blocks that are worked on together: what stays in the cache of a core


def tubes(
    segments: Sequence[np.ndarray], radii: Sequence[np.ndarray], *, size: int, device: str | torch.device = "cpu"
) -> Tensor:
    """Volumes of the voxels whose centre lies within a radius of a line segment, all volumes together.

    A volume is cut into blocks; only blocks that a segment's tube can touch are looked into.

    Args:
        segments: per volume end points `(m, 2, 3)` [voxels]; voxel i of an axis has its centre at i + 1/2. Equal end points
            make a ball.
        radii: per volume `(m,)` [voxels].
        size: voxels along an edge.
        device: where the work is done.

    Returns:
        `(b, size, size, size)` uint8, 1 in a ligament.

    >>> tubes([np.array([[[0.0, 2.5, 2.5], [5.0, 2.5, 2.5]]])], [np.array([0.5])], size=5).sum((1, 2, 3))
    tensor([5])
    """
    block = 4 if size <= 64 else 8
    padded = -(-size // block) * block
    volumes = torch.zeros(len(segments), padded, padded, padded, dtype=torch.uint8, device=device)
    ends = torch.from_numpy(np.concatenate(segments)).to(device)
    counts = torch.tensor([len(rows) for rows in segments], device=device)
    owner = torch.arange(len(segments), device=device).repeat_interleave(counts)
    radius = torch.from_numpy(np.concatenate(radii)).to(device)
    flat, inside = volumes.view(-1), _offsets(padded, block, device)
    rows, corners = _pairs(ends, radius, padded, block)
    step = max(VOXELS_AT_ONCE // block**3, 1)
    for part in range(0, len(rows), step):
        row, corner = rows[part : part + step], corners[part : part + step]
        near = _squared_distances(ends[row], corner, block) <= radius[row].square()[:, None, None, None]
        first = ((owner[row] * padded + corner[:, 0]) * padded + corner[:, 1]) * padded + corner[:, 2]
        flat[(first[:, None, None, None] + inside)[near]] = 1
    return volumes[:, :size, :size, :size].contiguous()


def tubes_one_by_one(segments: np.ndarray, radii: np.ndarray, *, size: int) -> np.ndarray:
    """The same for one volume in plain numpy, a segment at a time.

    Args:
        segments: end points `(m, 2, 3)` [voxels].
        radii: `(m,)` [voxels].
        size: voxels along an edge.

    Returns:
        `(size, size, size)` uint8.

    >>> tubes_one_by_one(np.full((1, 2, 3), 2.5), np.array([1.0]), size=5).sum()
    np.uint64(7)
    """
    volume = np.zeros((size, size, size), np.uint8)
    for (start, end), radius in zip(segments, radii, strict=True):
        low = np.maximum(np.floor(np.minimum(start, end) - radius), 0).astype(int)
        high = np.minimum(np.ceil(np.maximum(start, end) + radius), size).astype(int)
        if (low < high).all():
            window = tuple(map(slice, low, high))
            offset = np.stack(np.mgrid[window], -1) + 0.5 - start
            along = end - start
            share = np.clip(offset @ along / max(along @ along, TINY), 0, 1)
            volume[window][((offset - share[..., None] * along) ** 2).sum(-1) <= radius**2] = 1
    return volume


def _pairs(ends: Tensor, radius: Tensor, size: int, block: int) -> tuple[Tensor, Tensor]:
    """Segments and first voxels of blocks that may have to do with each other: `(p,)` and `(p, 3)`."""
    low = ((ends.amin(1) - radius[:, None]) / block).floor().long().clamp_(min=0)
    high = ((ends.amax(1) + radius[:, None]) / block).ceil().long().clamp_(max=-(-size // block))
    extent = (high - low).clamp_(min=0)
    counts = extent.prod(1)
    rows = torch.arange(len(ends), device=ends.device).repeat_interleave(counts)
    number = torch.arange(len(rows), device=ends.device) - (counts.cumsum(0) - counts)[rows]
    _, wide, deep = extent[rows].unbind(1)
    blocks = torch.stack([number // (wide * deep), number // deep % wide, number % deep], 1) + low[rows]
    middle = (blocks + 0.5) * block
    gap = _to_segment(ends[rows], middle)
    touched = gap <= (radius[rows] + block * 3**0.5 / 2).square()
    return rows[touched], blocks[touched] * block


def _to_segment(ends: Tensor, points: Tensor) -> Tensor:
    """Squared distances `(p,)` of points `(p, 3)` to segments `(p, 2, 3)`."""
    along, offset = ends[:, 1] - ends[:, 0], points - ends[:, 0]
    share = ((offset * along).sum(1) / _square(along)).clamp_(0, 1)
    return (offset - share[:, None] * along).square().sum(1)


def _squared_distances(ends: Tensor, corners: Tensor, block: int) -> Tensor:
    """Squared distances `(p, block, block, block)` of all voxel centres of blocks to segments, axis by axis."""
    centres = torch.arange(block, device=ends.device) + 0.5
    along = ends[:, 1] - ends[:, 0]
    offset = corners[:, :, None] + centres - ends[:, 0, :, None]  # (p, 3, block)
    projected = _outer_sum(offset * along[:, :, None])
    share = (projected / _square(along)[:, None, None, None]).clamp_(0, 1)
    steps = along[:, :, None, None, None]
    x, y, z = offset[:, 0, :, None, None], offset[:, 1, None, :, None], offset[:, 2, None, None, :]
    return (x - share * steps[:, 0]).square_() + (y - share * steps[:, 1]).square_() + (z - share * steps[:, 2]).square_()


def _outer_sum(terms: Tensor) -> Tensor:
    """x_i + y_j + z_k of `(p, 3, block)`."""
    return terms[:, 0, :, None, None] + terms[:, 1, None, :, None] + terms[:, 2, None, None, :]


def _square(along: Tensor) -> Tensor:
    return along.square().sum(1).clamp_(min=TINY)


def _offsets(size: int, block: int, device: str | torch.device) -> Tensor:
    """Positions of a block's voxels in a flat volume, counted from its first one."""
    steps = torch.arange(block, device=device)
    return (steps[:, None, None] * size + steps[:, None]) * size + steps
