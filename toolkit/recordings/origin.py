"""Where the numbers of a run come from."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


def provenance(*, data: Mapping[str, Any] | None = None, seeds: Sequence[int] = ()) -> dict[str, Any]:
    """Describe what made the numbers: code, versions, machine and time.

    Args:
        data: what identifies the data, such as names and checksums.
        seeds: the seeds of the runs.

    Returns:
        `commit` and `dirty` (None outside a checkout of the toolkit), `versions`, `device`, `cores`, `date` (UTC),
        `data`, `seeds`.
    """
    commit, dirty = checkout(Path(__file__).resolve().parents[1])
    return {
        "commit": commit,
        "dirty": dirty,
        "versions": {"python": platform.python_version(), **_versions("torch", "numpy", "thesis-toolkit")},
        "device": _device(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "data": dict(data or {}),
        "seeds": list(seeds),
    }


def _versions(*distributions: str) -> dict[str, str | None]:
    return {name: _version(name) for name in distributions}


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def checkout(package: Path) -> tuple[str | None, bool | None]:
    """Commit of the checkout whose top folder holds the package, and whether the package's files differ from it."""
    top = _git(package, "rev-parse", "--show-toplevel")
    # an installed package may lie in the virtual environment of somebody else's checkout
    if top is None or Path(top) != package.parent:
        return None, None
    commit = _git(package, "rev-parse", "--verify", "HEAD")
    changes = _git(package, "status", "--porcelain", "--", ".")
    return commit, None if commit is None or changes is None else bool(changes)


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _device() -> str:
    """Name of the GPU in use, else of the processor."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        return torch.cuda.get_device_name()
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())
