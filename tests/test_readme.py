"""What the README shows does run, and its links lead somewhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_the_code_runs(number, tmp_path):
    program = ["-W", "error", "-c", BLOCKS[number]]
    run = subprocess.run([sys.executable, *program], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    assert run.stdout


@pytest.mark.parametrize("link", re.findall(r"\]\((?!https?://)([^)#]+)\)", README))
def test_the_link_leads_to_a_file(link):
    assert (ROOT / link).is_file()


START = (ROOT / "notebooks" / "00_start_here.ipynb").read_text(encoding="utf-8").replace('\\"', '"')
CALLS = sorted(
    set(re.findall(r"`(?:\w+ = )?((?:datasets|survival|spectra|bayesopt|search|sweep|population)\.[\w.]+)", README + START))
)


def test_what_the_text_names_is_there_once_the_parts_are_imported():
    """As a newcomer types it: one import line of the package, then names with dots."""
    assert len(CALLS) >= 12
    parts = ", ".join(sorted({call.partition(".")[0] for call in CALLS}))
    program = f"from toolkit import {parts}\n" + "\n".join(CALLS)
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
