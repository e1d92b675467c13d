"""One JupyterLab and one Chromium for all browser tests, and a page that notes every fault it meets."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab_page import LabPage
from lab_server import Lab, browse, chromium, serve

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


@pytest.fixture(scope="session")
def lab(tmp_path_factory) -> Iterator[Lab]:
    """JupyterLab on a copy of the lessons; it has the embedded digits only, whatever else this machine has."""
    folder = tmp_path_factory.mktemp("lab")
    root = shutil.copytree(NOTEBOOKS, folder / "lessons", ignore=shutil.ignore_patterns(".*"))
    with serve(root, folder) as lab:
        yield lab


@pytest.fixture(scope="session")
def lab_page(request, tmp_path_factory) -> Iterator[LabPage]:
    """The one page, to open notebooks in; without a Chromium its tests are skipped."""
    executable = chromium()
    if executable is None:
        pytest.skip("no Chromium or Chrome is installed")
    with browse(executable, tmp_path_factory.mktemp("chromium")) as window:
        yield LabPage(window.pages[0], request.getfixturevalue("lab"))


@pytest.fixture(scope="module")
def lesson(lab_page) -> LabPage:
    """Lesson 03 with all its cells run, or run up to the first error."""
    name = "03_port_hamiltonian_optimizer.ipynb"
    shutil.copy(NOTEBOOKS / name, lab_page.lab.root)  # without the widgets of an earlier kernel, which JupyterLab saves
    lab_page.open(name)
    lab_page.run_all()
    return lab_page


@pytest.fixture(autouse=True)
def no_faults(lab_page):
    """Fail a test up to whose end page, console or kernel have reported an error."""
    yield
    faults, lab_page.faults = lab_page.faults, []
    assert faults == []
