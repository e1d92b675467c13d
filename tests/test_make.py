"""`make lab` as a person meets it: an address, Ctrl-C, and a clear word about a Python that is too old."""

import os
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


@pytest.fixture
def private_jupyter(tmp_path, monkeypatch):
    """Keep the server off the settings and workspaces of the person who runs the tests."""
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTERLAB_WORKSPACES_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name))


def read_until(terminal: int, pattern: str, seconds: float = 60) -> re.Match:
    """Collect what a terminal shows until the pattern appears in it."""
    shown, end = "", time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            shown += os.read(terminal, 4096).decode(errors="replace")
        except OSError:  # everyone else has closed the terminal
            shown += "(end)"
        if match := re.search(pattern, shown, re.DOTALL):
            return match
        if shown.endswith("(end)"):
            break
    pytest.fail(f"{pattern!r} was not shown:\n{shown}")


def answers(address: str, seconds: float = 60) -> bool:
    """Whether a page is served; the address is shown a moment before."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with suppress(urllib.error.URLError), urllib.request.urlopen(address, timeout=30) as page:
            return page.status == 200
        time.sleep(0.1)
    return False


def own_terminal(terminal: int) -> dict:
    """Popen arguments that make the given terminal the controlling one, as a shell window does."""
    import fcntl
    import termios

    return {"start_new_session": True, "preexec_fn": lambda: fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)}


@pytest.mark.skipif(sys.platform == "win32", reason="needs a Unix terminal")
@pytest.mark.skipif(not (ROOT / ".venv/lab.stamp").exists(), reason="`make lab` has not been set up here")
def test_lab_prints_its_address_and_stops_on_ctrl_c(private_jupyter):
    import pty

    ours, theirs = pty.openpty()
    command = ["make", "lab", "LAB_ARGS=--no-browser --port=0"]
    lab = subprocess.Popen(command, cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs, **own_terminal(theirs))
    os.close(theirs)
    try:
        address = read_until(ours, r"http://127\.0\.0\.1:\d+/lab/tree/notebooks/00_start_here\.ipynb\?token=\w+")
        assert answers(address[0])
        os.write(ours, b"\x03")
        last_words = read_until(ours, r"Shutting down.*\(end\)")
        assert lab.wait(30) == 0
        assert "Traceback" not in last_words[0]
    finally:
        lab.kill()
        lab.wait()
        os.close(ours)


def test_a_python_that_is_too_old_is_refused_by_name(tmp_path):
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    old = tmp_path / "old-python"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.1" && exit 0\nexit 1\n')
    old.chmod(0o755)
    made = subprocess.run(["make", "lab", f"PYTHON={old}"], cwd=tmp_path, capture_output=True, text=True)
    assert made.returncode != 0
    assert "Python 3.11 or newer is needed" in made.stdout
    assert "3.9.1" in made.stdout
    assert not (tmp_path / ".venv").exists()


def test_a_missing_python_is_named(tmp_path):
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    made = subprocess.run(["make", "lab", "PYTHON=no-such-python"], cwd=tmp_path, capture_output=True, text=True)
    assert made.returncode != 0
    assert "No 'no-such-python' found" in made.stdout


def test_no_two_test_files_have_one_name():
    """Pytest would import the first for both."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))
