"""One JupyterLab and one Chromium for all browser tests, and a page that notes every fault it meets."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab_page import PATIENCE, Lab, LabPage
from playwright import sync_api

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PLACES = ("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome", "/Applications/Chromium.app/Contents/MacOS/Chromium")
SWITCHES = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update")
# Else a note with news covers a corner of the window.
NO_NEWS = {"fetchNews": "false", "checkForUpdates": False}


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a Chromium or Chrome; without one the test is skipped."""
    found = [path for name in NAMES if (path := shutil.which(name))] + [path for path in PLACES if Path(path).exists()]
    if not found:
        pytest.skip(f"no Chromium on this machine (looked for {', '.join(NAMES)})")
    return found[0]


@pytest.fixture(scope="session")
def lab(chromium, tmp_path_factory) -> Iterator[Lab]:
    """A JupyterLab of its own settings that serves a copy of the lessons: the checkout stays as it is."""
    folder = tmp_path_factory.mktemp("lab")
    root = shutil.copytree(NOTEBOOKS, folder / "lessons", ignore=shutil.ignore_patterns(".*"))
    settings = folder / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(NO_NEWS))
    places = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "IPYTHONDIR": "ipython",
    }
    environment = os.environ | {name: str(folder / place) for name, place in places.items()}
    environment.pop("TOOLKIT_DATA", None)  # the embedded digits, whatever else this machine has
    server_on = Lab(f"http://127.0.0.1:{free_port()}", root, folder / "log")
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1"]
    command += [f"--port={server_on.address.rpartition(':')[2]}", "--ServerApp.port_retries=0"]
    command += [f"--IdentityProvider.token={server_on.token}", f"--ServerApp.root_dir={root}"]
    command += ["--LabApp.expose_app_in_browser=True"]  # for LabPage.value
    with server_on.log.open("wb") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        wait_for(server, server_on)
        yield server_on
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(60)


@pytest.fixture(scope="session")
def window(chromium, tmp_path_factory) -> Iterator[sync_api.BrowserContext]:
    """A Chromium with a profile of its own."""
    with sync_api.sync_playwright() as playwright:
        sync_api.expect.set_options(timeout=PATIENCE)
        context = playwright.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("chromium"),
            executable_path=chromium,
            headless=True,
            viewport={"width": 1300, "height": 1000},
            args=list(SWITCHES),
        )
        context.set_default_timeout(PATIENCE)
        yield context
        context.close()


@pytest.fixture(scope="session")
def lab_page(lab, window) -> LabPage:
    """The one page, to open notebooks in."""
    return LabPage(window.pages[0], lab)


@pytest.fixture(autouse=True)
def no_faults(lab_page):
    """Fail a test up to whose end page, console or kernel have reported an error."""
    yield
    faults, lab_page.faults = lab_page.faults, []
    assert faults == []


@pytest.fixture(scope="session")
def lesson(lab_page) -> LabPage:
    """Lesson 03 with all its cells run, or run up to the first error."""
    lab_page.open("03_port_hamiltonian_optimizer.ipynb")
    lab_page.run_all()
    return lab_page


def free_port() -> int:
    """A port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def wait_for(server: subprocess.Popen, lab: Lab) -> None:
    """Until the server answers; if it cannot, its log is the error."""
    deadline = time.monotonic() + PATIENCE / 1000
    while time.monotonic() < deadline and server.poll() is None:
        try:
            lab.ask("/status")
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    pytest.fail(f"JupyterLab did not start:\n{lab.log.read_text()}")
