"""Every notebook, run from top to bottom in a fresh kernel, within the memory of a small Binder machine."""

import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
import torch
from nbformat.v4 import new_code_cell, new_notebook
from nbmake.nb_run import NotebookRun

from course.memory import PeakMemory

FOLDER = Path(__file__).parents[1] / "notebooks"
MEMORY_BUDGET = 1000 if torch.version.cuda is None else 1700  # MB; the CUDA build maps that much more of libraries
HANGS_AFTER = 600  # seconds in one cell

pytestmark = pytest.mark.notebook


@dataclass(frozen=True)
class Outcome:
    """What a run of a notebook came to; empty texts mean that nothing went wrong."""

    error: str
    complaints: str
    seconds: float
    megabytes: float


def run(path: Path) -> Outcome:
    """Execute a notebook in its own folder."""
    start = time.perf_counter()
    with PeakMemory() as peak:
        result = NotebookRun(path, default_timeout=HANGS_AFTER).execute()
    seconds = time.perf_counter() - start
    outputs = [output for cell in result.nb.cells for output in cell.get("outputs", [])]
    complaints = "".join(output.text for output in outputs if output.get("name") == "stderr")
    error = re.sub(r"\x1b\[[\d;]*m", "", result.error.trace) if result.error else ""  # without the colours
    return Outcome(error, complaints, seconds, peak.megabytes)


@pytest.fixture(autouse=True)
def private_jupyter(tmp_path, monkeypatch):
    """Keep kernels off the history and settings of the person who runs the tests."""
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))


@pytest.mark.parametrize("name", sorted(path.name for path in FOLDER.glob("*.ipynb")))
def test_the_notebook_runs(name, tmp_path, record_property):
    copy = shutil.copytree(FOLDER, tmp_path / "notebooks", ignore=shutil.ignore_patterns(".*"))
    outcome = run(copy / name)
    record_property("notebook", name)
    record_property("seconds", outcome.seconds)
    record_property("megabytes", outcome.megabytes)
    assert outcome.error == ""
    assert outcome.complaints == ""
    assert outcome.megabytes <= MEMORY_BUDGET


def planted(folder: Path, *sources: str) -> Path:
    """A notebook with the given code cells."""
    path = folder / "planted.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell(source) for source in sources]), path)
    return path


def test_a_planted_exception_is_seen(tmp_path):
    outcome = run(planted(tmp_path, "1 + 1", "raise ValueError('planted')", "2 + 2"))
    assert "ValueError: planted" in outcome.error


def test_a_planted_warning_is_seen(tmp_path):
    outcome = run(planted(tmp_path, "import warnings; warnings.warn('planted')"))
    assert outcome.error == ""
    assert "UserWarning: planted" in outcome.complaints


def test_planted_memory_is_seen(tmp_path):
    hold = "import numpy, time; held = numpy.ones(40_000_000); time.sleep(0.3)"  # 320 MB
    outcome = run(planted(tmp_path, hold))
    assert outcome.error == ""
    assert 320 < outcome.megabytes < 600
