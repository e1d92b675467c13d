"""What the live panel costs: optimizer steps per second of a race in `OptimizerPanel` and of the same race without a panel.

    python tests/benchmarks/panel.py [rounds]

The race without a panel is the script of "Copy as code". Both take turns in one Jupyter kernel: alone, so that the pictures are
made and sent but nobody looks at them, and shown by JupyterLab in a headless Chromium. Everything runs on one core of the
processor, and the time is that of the processor, summed over kernel, server and browser: what one core needs for all of them,
however busy the machine is. The table holds medians over all rounds. Goal: the panel keeps 0.95 of the steps per second.
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

LEAST = 0.95
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
    manager.start_kernel()
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
    """Steps per second with and without a panel, the pictures per second, and the share that the panel says they take."""
    rates: dict[str, list[float]] = {"without_panel": [], "with_panel": []}
    with where(settings) as (ask, process):
        for variant in rates:
            ask(f"{variant}()")  # the first time is always slower
        ask("frames.clear()")
        for _ in range(rounds):
            for variant, rate in rates.items():
                before = processor_seconds(process)
                ask(f"steps = {variant}()")
                rate.append(ask(value="steps") / (processor_seconds(process) - before))
        frames, seconds = ask(value="(len(frames), sum(run.seconds for run in panel.runs.values()))")
        share = ask(value="panel._pace.share")
    ratios = [live / plain for live, plain in zip(rates["with_panel"], rates["without_panel"], strict=True)]
    return {name: statistics.median(rate) for name, rate in rates.items()} | {
        "ratio": statistics.median(ratios),
        "frames_per_second": frames / rounds / seconds,
        "drawing_share": share,
    }


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
    print(f"{'race':30}{'shown by':>10}{'steps/s without':>17}{'with panel':>12}{'ratio':>7}{'frames/s':>10}{'drawing':>9}")
    for name, settings in available().items():
        for place, where in places.items():
            row = rows[f"{name}, {place}"] = measure(where, settings, rounds)
            print(
                f"{name:30}{place:>10}{row['without_panel']:17.0f}{row['with_panel']:12.0f}{row['ratio']:7.3f}"
                f"{row['frames_per_second']:10.1f}{row['drawing_share']:9.1%}",
                flush=True,
            )
    missed = [name for name, row in rows.items() if row["ratio"] < LEAST]
    print(f"goal {LEAST}: " + (f"missed by {'; '.join(missed)}" if missed else "kept by all"))
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    machine = {"processor": platform.processor() or platform.machine(), "torch": torch.__version__, "rounds": rounds}
    RESULT.write_text(json.dumps(machine | {"races": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
