"""A JupyterLab and a Chromium of their own: no settings, history or files of the person who runs them are touched."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import BrowserContext, expect, sync_playwright

PATIENCE = 120_000  # ms, for a machine that is busy with other things
STANDARD, SMALL = (1300, 1000), (1000, 800)  # sizes of the window
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PLACES = ("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome", "/Applications/Chromium.app/Contents/MacOS/Chromium")
SWITCHES = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update")
# Else a note with news covers a corner of the window.
NO_NEWS = {"fetchNews": "false", "checkForUpdates": False}


@dataclass(frozen=True)
class Lab:
    """A JupyterLab server: its address, the folder it serves, its process."""

    address: str
    root: Path
    process: subprocess.Popen
    token: str

    def ask(self, path: str, method: str = "GET") -> bytes:
        """The server's answer to a request."""
        headers = {"Authorization": f"token {self.token}"}
        request = urllib.request.Request(f"{self.address}/api{path}", method=method, headers=headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.read()

    def end_kernels(self) -> None:
        """Leave no kernel of an earlier notebook at work."""
        for session in json.loads(self.ask("/sessions")):
            self.ask(f"/sessions/{session['id']}", "DELETE")


def chromium() -> str | None:
    """Path of a Chromium or Chrome on this machine."""
    found = [path for name in NAMES if (path := shutil.which(name))] + [path for path in PLACES if Path(path).exists()]
    return found[0] if found else None


@contextmanager
def serve(root: Path, folder: Path) -> Iterator[Lab]:
    """JupyterLab on the notebooks in `root`; whatever it writes elsewhere goes into `folder`."""
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
    environment.pop("TOOLKIT_DATA", None)
    port, token, log = free_port(), "browser-tests", folder / "log"
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}"]
    command += ["--ServerApp.port_retries=0", f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={root}"]
    command += ["--LabApp.expose_app_in_browser=True"]  # for LabPage.ask_kernel
    with log.open("wb") as stream:
        process = subprocess.Popen(command, env=environment, stdout=stream, stderr=stream, start_new_session=True)
    lab = Lab(f"http://127.0.0.1:{port}", root, process, token)
    try:
        wait_for(lab, log)
        yield lab
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)


@contextmanager
def browse(executable: str, folder: Path) -> Iterator[BrowserContext]:
    """A headless Chromium with its profile in `folder`."""
    with sync_playwright() as playwright:
        expect.set_options(timeout=PATIENCE)
        size = {"width": STANDARD[0], "height": STANDARD[1]}
        window = playwright.chromium.launch_persistent_context(
            folder, executable_path=executable, headless=True, viewport=size, args=list(SWITCHES)
        )
        window.set_default_timeout(PATIENCE)
        yield window
        window.close()


def free_port() -> int:
    """A port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def wait_for(lab: Lab, log: Path) -> None:
    """Until the server answers; if it cannot, its log is the error."""
    deadline = time.monotonic() + PATIENCE / 1000
    while time.monotonic() < deadline and lab.process.poll() is None:
        try:
            lab.ask("/status")
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()}")
