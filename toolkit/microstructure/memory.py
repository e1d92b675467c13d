"""Whether something fits into memory, asked before the work is begun."""

from __future__ import annotations

import os

import torch


def available(device: str | torch.device = "cpu") -> int | None:
    """Free memory of a device [bytes], or None where the system does not say.

    >>> available() is None or available() > 0
    True
    """
    device = torch.device(device)
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:  # counts what the system would give up as free
            found = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable")]
            return found[0] if found else None
    except OSError:
        names = {"SC_AVPHYS_PAGES", "SC_PAGE_SIZE"} & set(getattr(os, "sysconf_names", ()))
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if len(names) == 2 else None


def check_memory(needed: int, device: str | torch.device, what: str) -> None:
    """Refuse what needs more memory than there is.

    Args:
        needed: bytes.
        device: where they are needed.
        what: named in the message.

    Raises:
        ValueError: it does not fit.
    """
    free = available(device)
    if free is not None and needed > free:
        raise ValueError(f"{what} need about {needed / 1e9:.1f} GB of memory, {free / 1e9:.1f} GB are free on {device}")
