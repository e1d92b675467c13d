"""What the live panel costs: optimizer steps per second of a race in `OptimizerPanel` and of the same race without a panel.

    python tests/benchmarks/panel.py [rounds]

The race without a panel is the script of "Copy as code". Both take turns in one Jupyter kernel: alone, so that the pictures are
made and sent but nobody looks at them, and shown by JupyterLab in a headless Chromium. Everything runs on one core, and the
time is that of the processor, summed over kernel, server and browser: what one core needs for all of them.

A panel draws by the clock. Where other programs take the core for a while, it draws more pictures per step than on a free core,
and "kept" as measured is too low; so it is also given for five pictures per second of processor time, from what one picture
costs. The table holds medians over all rounds. Goal: the kernel keeps 0.95 of its steps at five pictures per second. A browser
has a core of its own on most machines, or is on another machine; the row where it has not says what it costs.
"""

from __future__ import annotations

import ast
import json
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # before any kernel is started

import psutil
import torch
from jupyter_client import KernelManager

sys.path.insert(0, str(Path(__file__).parents[1] / "browser"))
from lab_page import LabPage
from lab_server import browse, chromium, serve

LEAST, PICTURES = 0.95, 5
RESULT = Path(__file__).parents[2] / "build" / "benchmarks" / "panel.json"
CASES = {
    "digits, LeNet, 3 runs": {"epochs": 20},
    "digits, dense, 6 runs": {
        "network": "dense 100-100",
        "runs": ("goal-oriented", "port-Hamiltonian", "SGD", "SGD, matched", "step decay", "Adam"),
        "epochs": 30,
    },
    "Fashion-MNIST, LeNet, 3 runs": {"dataset": "fashion_mnist", "scale": "laptop", "epochs": 1},
}

SETUP = """
import torch
from toolkit import training
from toolkit.panels import OptimizerPanel

torch.set_num_threads(1)
frames = []
panel = OptimizerPanel(**{settings})
panel.frame.observe(lambda change: frames.append(change), names="value")

def without_panel():
    script = dict()
    exec(panel.code().split("for record")[0], script)
    for record in training.race(script["runs"]):
        pass
    return sum(run.step for run in script["runs"].values())

def with_panel():
    panel.start()
    panel.join()
    return sum(run.step for run in panel.runs.values())
"""

Ask = Callable[..., object]


@contextmanager
def kernel_alone(settings: dict) -> Iterator[tuple[Ask, psutil.Process]]:
    """A kernel without a front end: how to ask it, and its process."""
    manager = KernelManager()
    manager.start_kernel(extra_arguments=["--log-level=ERROR"])
    client = manager.blocking_client()
    client.start_channels()

    def ask(code: str = "", *, value: str = "None") -> object:
        reply = client.execute(code, silent=True, user_expressions={"value": value}, reply=True, timeout=600)
        return ast.literal_eval(reply["content"]["user_expressions"]["value"]["data"]["text/plain"])

    try:
        client.wait_for_ready(timeout=120)
        ask(SETUP.format(settings=settings) + "display(panel)")
        yield ask, psutil.Process(manager.provisioner.pid)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


@contextmanager
def in_the_browser(settings: dict) -> Iterator[tuple[Ask, psutil.Process]]:
    """A kernel whose panel is shown by JupyterLab: how to ask it, and the process that started all the others."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / "notebooks").mkdir()
        with serve(folder / "notebooks", folder) as lab, browse(chromium(), folder / "chromium") as window:
            page = LabPage(window.pages[0], lab)
            page.open_cells(SETUP.format(settings=settings) + "panel")
            page.panel("Heavy ball")
            yield page.ask_kernel, psutil.Process()


def processor_seconds(process: psutil.Process) -> float:
    """Time of a process and those it started, without the driver of the browser and this benchmark."""
    family = [process, *process.children(recursive=True)]
    counted = [each for each in family if each.pid != os.getpid() and "node" not in each.name()]
    return sum(sum(each.cpu_times()[:2]) for each in counted)


def measure(where: Callable, settings: dict, rounds: int) -> dict[str, float]:
    """Steps per second without and with a panel, what is kept, and what a picture costs by measurement and by the panel."""
    rows = []
    with where(settings) as (ask, process):

        def run(variant: str) -> tuple[int, float]:
            before = processor_seconds(process)
            ask(f"steps = {variant}()")
            return ask(value="steps"), processor_seconds(process) - before

        for variant in ("without_panel", "with_panel"):
            run(variant)  # the first time is always slower
        for _ in range(rounds):
            steps, alone = run("without_panel")
            ask("frames.clear()")
            _, live = run("with_panel")
            picture = (live - alone) / ask(value="len(frames)")
            row = {"without panel": steps / alone, "with panel": steps / live, "kept": alone / live}
            rows.append(row | {"kept at 5 pictures/s": 1 - PICTURES * picture, "picture ms": 1000 * picture})
        share = ask(value="panel._pace.share")
    return {name: statistics.median(row[name] for row in rows) for name in rows[0]} | {"drawing, says the panel": share}


def stay_on_one_core() -> None:
    """Bind this process, and with it all that it starts, to the last of its cores."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def available() -> dict[str, dict]:
    """The cases whose data are on this machine."""
    from toolkit import datasets

    return {name: case for name, case in CASES.items() if datasets.available(case.get("dataset", "digits"))}


def main(rounds: int) -> None:
    stay_on_one_core()
    places = {"kernel": kernel_alone} | ({"browser": in_the_browser} if chromium() else {})
    rows = {}
    heads = {"shown by": 10, "alone": 7, "panel": 7, "kept": 7, "at 5/s": 8, "picture": 10, "says panel": 12}
    print(f"{'steps per second':30}" + "".join(f"{head:>{width}}" for head, width in heads.items()))
    for name, settings in available().items():
        for place, where in places.items():
            row = rows[f"{name}, {place}"] = measure(where, settings, rounds)
            alone, live, kept, at_five, picture, share = row.values()
            print(
                f"{name:30}{place:>10}{alone:7.0f}{live:7.0f}{kept:7.3f}{at_five:8.3f}{picture:7.1f} ms{share:12.1%}",
                flush=True,
            )
    missed = [name for name, row in rows.items() if name.endswith("kernel") and row["kept at 5 pictures/s"] < LEAST]
    print(f"goal {LEAST} in the kernel: " + (f"missed by {'; '.join(missed)}" if missed else "met"))
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    machine = {"machine": platform.processor() or platform.machine(), "torch": torch.__version__, "rounds": rounds}
    RESULT.write_text(json.dumps(machine | {"races": rows}, indent=1) + "\n")
    print(f"written to {RESULT}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
