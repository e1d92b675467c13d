"""What runs here: versions, device, memory, data; one line each, with advice where something is amiss."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata
from pathlib import Path

import pandas as pd

PACKAGES = ("torch", "numpy", "pandas", "scikit-learn", "matplotlib", "ipywidgets", "ipykernel", "jupyterlab")
LESSON_MEMORY = 1.0  # GB, what a lesson may take
MEMORY_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def report() -> pd.DataFrame:
    """Everything that the lessons depend on, as a table with the columns `found` and `advice` (empty where all is well)."""
    rows = [_python(), *(_package(name) for name in PACKAGES), _device(), _cores(), _memory(), _data_folder()]
    return pd.DataFrame(rows, columns=["what", "found", "advice"]).set_index("what")


def memory() -> tuple[float, float]:
    """Memory in use by this process and memory that it may use, both in GB; the latter nan where it cannot be told."""
    return _resident(), min(_physical(), _container_limit())


def _python() -> tuple[str, str, str]:
    advice = "" if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed"
    return "python", platform.python_version(), advice


def _package(name: str) -> tuple[str, str, str]:
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return name, "missing", "run the set-up of the README again"
    loses_updates = name == "ipykernel" and version.startswith("7.0.")
    return name, version, "loses widget updates from threads: take 7.1 or newer" if loses_updates else ""


def _device() -> tuple[str, str, str]:
    import torch

    if torch.cuda.is_available():
        return "device", f"GPU: {torch.cuda.get_device_name()}", ""
    if torch.backends.mps.is_available():
        return "device", "GPU: Apple (MPS)", ""
    return "device", "CPU", ""


def _cores() -> tuple[str, str, str]:
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return "cores", f"{available}", "" if available > 1 else "panels share the core with the browser: expect half the speed"


def _memory() -> tuple[str, str, str]:
    used, limit = memory()
    few = limit - used < LESSON_MEMORY
    return "memory", f"{used:.2f} GB in use of {limit:.1f} GB", "shut down other kernels before a lesson" if few else ""


def _data_folder() -> tuple[str, str, str]:
    from toolkit import datasets

    found = [name for name in datasets.NAMES if datasets.available(name)]
    return "data sets here", ", ".join(found), ""


def _resident() -> float:
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1e6
    return float("nan")


def _physical() -> float:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    except (AttributeError, ValueError, OSError):
        return float("inf")


def _container_limit() -> float:
    """The limit of the container, as on Binder, where there is one."""
    for path in MEMORY_LIMITS:
        if path.exists() and (text := path.read_text().strip()).isdigit():
            return int(text) / 1e9
    return float("inf")
