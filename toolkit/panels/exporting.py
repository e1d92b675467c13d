"""Networks and their descriptions as files for other programs."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from toolkit.recordings import archive


def export_text(path: Path, text: str) -> Path:
    """Write a text by atomic replace."""
    archive.replace(path, lambda file: file.write(text.encode()))
    return path


def export_network(path: Path, model: nn.Module, input_shape: Sequence[int]) -> Path:
    """Write a network with its weights as `torch.export` has it, for any number of samples; by atomic replace.

    Args:
        path: of the file; `torch.export.load` reads it without the classes that the network is made of.
        model: in evaluation mode, on the CPU.
        input_shape: of one sample.

    Returns:
        The path.
    """
    example = torch.zeros(2, *input_shape)
    program = torch.export.export(model, (example,), dynamic_shapes=({0: torch.export.Dim("samples")},))
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    archive.replace(path, lambda file: file.write(buffer.getvalue()))
    return path
