"""JupyterLab and the panels in it, as a person sees and handles them."""

import ast
import math
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
from lab_server import PATIENCE, Lab
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import Locator, Page, expect

SCREENSHOTS = Path(__file__).parents[2] / "build" / "browser"
FAULT = re.compile(rb'"msg_type":\s*"error"|"name":\s*"stderr"(?!.*"No such comm)')  # Lab asks before there are widgets


class LabPage:
    """The page, with a list of everything that went wrong in it.

    Attributes:
        faults: uncaught errors of the page, errors in its console, errors and stderr of the kernel.
    """

    def __init__(self, page: Page, lab: Lab):
        self.page, self.lab = page, lab
        self.faults: list[str] = []
        page.on("pageerror", lambda error: self.faults.append(f"page: {error}"))
        page.on("console", lambda message: message.type == "error" and self.faults.append(f"console: {message.text}"))
        page.on("websocket", lambda socket: socket.on("framereceived", self._listen))

    def _listen(self, payload: bytes | str) -> None:
        payload = payload if isinstance(payload, bytes) else payload.encode()
        if FAULT.search(payload):
            self.faults.append(f"kernel: {payload.decode(errors='replace')}")

    def ask_kernel(self, code: str = "", *, value: str = "None") -> Any:
        """Run code in the kernel, beside any worker thread, and give what an expression comes to afterwards."""
        ask = """async ([code, value]) => {
            const kernel = jupyterapp.shell.currentWidget.context.sessionContext.session.kernel;
            const reply = await kernel.requestExecute({code: code, silent: true, user_expressions: {value: value}}).done;
            return reply.content.user_expressions.value.data["text/plain"];
        }"""
        return ast.literal_eval(self.page.evaluate(ask, [code, value]))

    def wait_until_kernel_has(self, value: str, expected: Any) -> None:
        """Wait for a change made in the page: it is sent only when the kernel has answered the one before it."""
        for _ in range(100):
            if (found := self.ask_kernel(value=value)) == expected:
                return
            self.page.wait_for_timeout(100)
        raise AssertionError(f"{value} is {found!r}, expected {expected!r}")

    def open_cells(self, *sources: str) -> None:
        """A new notebook with these code cells, opened and run."""
        kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)"}
        notebook = new_notebook(cells=[new_code_cell(source) for source in sources], metadata={"kernelspec": kernel})
        nbformat.write(notebook, self.lab.root / "cells.ipynb")
        self.open("cells.ipynb")
        self.run_all()

    def open(self, name: str) -> None:
        """A notebook with a fresh kernel that is ready."""
        page = self.page
        page.goto("about:blank")
        self.lab.end_kernels()
        page.goto(f"{self.lab.address}/lab/tree/{name}?token={self.lab.token}&reset")
        page.wait_for_selector(".jp-NotebookPanel .jp-Notebook .jp-Cell")
        # The notebook's own indicator says "idle" even before there is a kernel.
        expect(page.locator("#jp-main-statusbar")).to_contain_text(re.compile(r"Python 3 .*\| Idle"))

    def menu(self, *names: str) -> None:
        """Choose from the menu bar."""
        self.page.locator(".lm-MenuBar-itemLabel", has_text=re.compile(f"^{names[0]}$")).click()
        for name in names[1:]:
            self.page.locator(".lm-Menu-itemLabel", has_text=re.compile(f"^{name}$")).click()

    def run_all(self) -> None:
        """Run every cell and wait for the last one or for an error."""
        cells = self.page.locator(".jp-Notebook .jp-CodeCell")
        last = cells.last.locator(".jp-InputPrompt", has_text=re.compile(r"\[\d+\]:"))
        self.menu("Run", "Run All Cells")
        expect(last.or_(self.errors()).first).to_be_attached()

    def errors(self) -> Locator:
        """Error and stderr outputs of cells."""
        kinds = ("error", "stderr")
        return self.page.locator(", ".join(f'[data-mime-type="application/vnd.jupyter.{kind}"]' for kind in kinds))

    def panel(self, title: str) -> "PanelOnPage":
        """The first panel with this heading."""
        page = self.page
        output = page.locator(".jp-OutputArea-output", has=page.locator("h3", has_text=title)).first
        return PanelOnPage(page, output)

    def resize(self, size: tuple[int, int]) -> None:
        """Give the window another size."""
        self.page.set_viewport_size({"width": size[0], "height": size[1]})

    def picture(self, name: str) -> bytes:
        """A screenshot of the window, written and given."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        return self.page.screenshot(path=SCREENSHOTS / f"{name}.png", animations="disabled")


class PanelOnPage:
    """A panel's parts by their CSS classes."""

    def __init__(self, page: Page, root: Locator):
        self.page, self.root = page, root
        root.scroll_into_view_if_needed()
        expect(root.locator("button.panel-run")).to_be_visible()
        self.frame = root.locator(".panel-frame")
        self.status = root.locator(".panel-status")
        self.error = root.locator(".panel-error")

    def button(self, name: str) -> Locator:
        """The button of class panel-<name>."""
        return self.root.locator(f"button.panel-{name}")

    def click(self, name: str) -> None:
        """Press a button, once it can be pressed."""
        self.button(name).click()

    def control(self, name: str) -> Locator:
        """The widget of class control-<name>."""
        return self.root.locator(f".control-{name}")

    def readout(self, name: str) -> float:
        """The number beside a slider."""
        return float(self.control(name).locator(".widget-readout").inner_text().replace("\N{MINUS SIGN}", "-"))

    def wait_for_readout(self, name: str, *, above: float = -math.inf, below: float = math.inf) -> None:
        """Until the number beside a slider lies between these two."""
        deadline = time.monotonic() + PATIENCE / 1000
        while not above < self.readout(name) < below:
            assert time.monotonic() < deadline, f"{name} is still {self.readout(name)}"
            self.page.wait_for_timeout(20)

    def type(self, name: str, value: str) -> None:
        """Type a value beside a slider."""
        self.control(name).locator(".widget-readout").click()
        self.page.keyboard.press("ControlOrMeta+A")
        self.page.keyboard.type(value)
        self.page.keyboard.press("Enter")

    def press(self, name: str, key: str, times: int = 1) -> None:
        """Press a key on a slider's handle."""
        self.control(name).locator(".noUi-handle").focus()
        for _ in range(times):
            self.page.keyboard.press(key)

    def drag(self, name: str, pixels: int) -> None:
        """Drag a slider's handle to the right, or to the left by negative pixels."""
        self.control(name).scroll_into_view_if_needed()
        drag(self.page, self.control(name).locator(".noUi-handle"), pixels, 0)

    def run_to_end(self) -> None:
        """Press Run and wait for the last record."""
        before = self.status.inner_text()
        self.click("run")
        expect(self.status).not_to_have_text(before)
        expect(self.button("stop")).to_be_disabled()

    def end(self) -> None:
        """Stop a run, if there is one; it may end by itself at any moment."""
        self.button("stop").evaluate("button => button.disabled || button.click()")
        expect(self.button("run")).to_have_text("Run")
        expect(self.button("run")).to_be_enabled()

    def choose(self, name: str, *values: str) -> None:
        """Choose from a list."""
        self.control(name).locator("select").select_option(list(values))

    @contextmanager
    def new_frame(self) -> Iterator[None]:
        """Wait for another picture than there was before."""
        frame, before = self.frame.element_handle(), self.frame.inner_html()
        yield
        self.page.wait_for_function("([frame, before]) => frame.innerHTML !== before", arg=[frame, before])

    def wait_for_frames(self, number: int) -> None:
        """Until so many different pictures have been seen."""
        seen = """([frame, number]) => new Promise(enough => {
            const pictures = new Set([frame.innerHTML]);
            const observer = new MutationObserver(() => {
                if (pictures.add(frame.innerHTML).size >= number) { observer.disconnect(); enough(pictures.size); }
            });
            observer.observe(frame, {childList: true, subtree: true, characterData: true});
        })"""
        self.page.evaluate(seen, [self.frame.element_handle(), number])

    def picture(self, name: str) -> None:
        """A screenshot of the panel."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.root.screenshot(path=SCREENSHOTS / f"{name}.png", animations="disabled")


def place(target: Locator) -> dict[str, float]:
    """Where something is on the page, even if it is being replaced by a new picture of it."""
    while (box := target.bounding_box()) is None:
        target.page.wait_for_timeout(20)
    return box


def drag(page: Page, target: Locator, right: float, down: float) -> None:
    """Drag with the mouse from the middle of something in view."""
    box = place(target)
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + right, y + down, steps=8)
    page.mouse.up()
