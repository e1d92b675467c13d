"""What every test shares: one thread, one property-test profile, the devices of this machine, the data folder."""

import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported; two threads collapse on a busy machine
os.environ.setdefault("MPLBACKEND", "agg")

import hypothesis
import pytest
import torch

collect_ignore_glob = ["benchmarks/*", "*conftest.py"]  # nothing in them is a test or a doctest

torch.set_num_threads(1)
hypothesis.settings.register_profile("tests", deadline=None, derandomize=True, max_examples=50, database=None)
hypothesis.settings.load_profile("tests")

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


@pytest.fixture(params=DEVICES)
def device(request) -> str:
    """Each device of this machine in turn."""
    return request.param


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of the real data sets; the test is skipped where there is none."""
    named = os.environ.get("TOOLKIT_DATA")
    if not named:
        pytest.skip("TOOLKIT_DATA is not set: it names the folder with the real data sets")
    if not Path(named).is_dir():
        pytest.skip(f"TOOLKIT_DATA names {named!r}, which is not a folder")
    return Path(named)


def pytest_terminal_summary(terminalreporter):
    """Time and memory of each notebook, however the run was spread over workers."""
    reports = [report for outcome in ("passed", "failed") for report in terminalreporter.getreports(outcome)]
    ran = [dict(report.user_properties) for report in reports if report.when == "call"]
    for row in sorted((row for row in ran if "notebook" in row), key=lambda row: row["notebook"]):
        terminalreporter.write_line(f"{row['notebook']:44}{row['seconds']:7.1f} s {row['megabytes']:6.0f} MB")
