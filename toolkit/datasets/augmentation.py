"""Random shifts and flips of a whole batch, on the device of the batch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor


@dataclass(frozen=True)
class Augment:
    """Shift each image by up to a share of its size and mirror half of them: Burghoff, chapter 6 (10 %, horizontal flip).

    Shifts are whole pixels, uniform in -s .. s with s = floor(shift x size), separately for rows and columns; so 8x8 digits,
    where 10 % is less than a pixel, stay in place. Digits and letters should not be flipped.

    Args:
        shift: largest shift as a share of height and width, 0 <= shift < 1.
        flip: mirror left and right with probability one half.
        padding: what moves in from outside, "edge" (the nearest pixel) or "zero".

    Raises:
        ValueError: a shift outside of 0 .. 1 or an unknown padding.

    >>> batch = torch.arange(6, dtype=torch.uint8).reshape(1, 1, 2, 3)
    >>> Augment(shift=0, flip=False)(batch, torch.Generator()) is batch
    True
    """

    shift: float = 0.1
    flip: bool = True
    padding: str = "edge"

    def __post_init__(self) -> None:
        if not 0 <= self.shift < 1:
            raise ValueError(f"shift is a share of the image size, 0 <= shift < 1, got {self.shift!r}")
        if self.padding not in ("edge", "zero"):
            raise ValueError(f"padding must be 'edge' or 'zero', got {self.padding!r}")

    def __call__(self, inputs: Tensor, generator: torch.Generator) -> Tensor:
        """Augment one batch.

        Args:
            inputs: images `(b, c, h, w)` of any type; they are not changed.
            generator: source of the shifts and flips; one on the device of the batch avoids a copy.

        Returns:
            Images of the same shape, type and device.

        Raises:
            ValueError: inputs are not images.
        """
        if inputs.ndim != 4:
            raise ValueError(f"inputs must be images (b, c, h, w), got shape {tuple(inputs.shape)}")
        height, width = inputs.shape[2:]
        down, right = int(self.shift * height), int(self.shift * width)
        if not (down or right or self.flip):
            return inputs
        draw = partial(torch.randint, size=(len(inputs), 1), generator=generator, device=generator.device)
        rows = _shown(height, draw(-down, down + 1), inputs.device)
        columns = _shown(width, draw(-right, right + 1), inputs.device)
        if self.flip:
            columns = torch.where(draw(0, 2).to(inputs.device) == 1, columns.flip(1), columns)
        return self._gather(inputs, rows, columns)

    def _gather(self, inputs: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        b, c, height, width = inputs.shape
        nearest = rows.clamp(0, height - 1)[:, :, None] * width + columns.clamp(0, width - 1)[:, None, :]
        places = nearest.view(b, 1, height * width).expand(b, c, height * width)
        moved = inputs.flatten(2).gather(2, places).view(inputs.shape)
        if self.padding == "edge":
            return moved
        inside = (rows == rows.clamp(0, height - 1))[:, :, None] & (columns == columns.clamp(0, width - 1))[:, None, :]
        return moved.masked_fill_(~inside[:, None], 0)


def _shown(size: int, moved: Tensor, device: torch.device) -> Tensor:
    """Which row (column) of the old image each row of the new one shows, `(b, size)`; outside of 0 .. size-1 there is none."""
    return torch.arange(size, device=device) - moved.to(device)
