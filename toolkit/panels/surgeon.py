"""Network surgery: one operation on a trained function, and the Surgeon that chooses operations while a network trains."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import ipywidgets as widgets
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from toolkit import datasets, networks, optim, recordings, training
from toolkit.figures import surgeon as figures
from toolkit.panels.controls import choice, log_slider, slider, whole_slider
from toolkit.panels.images import chosen_data, data_code, data_controls
from toolkit.panels.panel import Panel
from toolkit.search import advice, sequence, surgery
from toolkit.search.surgeon import BASELINE, Record, Surgeon
from toolkit.studies import surgery as study

STARTS = {"small 10": (10,), "medium 10-10-10": (10, 10, 10), "large 300-100-100": (300, 100, 100)}
ADVISED = "as advised"
NOTHING = "nothing"
HIDDEN, TRAINING_STEPS = (12, 12, 12), 250
BALL = {"lr": 0.3, "mass": 1.0, "friction": 0.35}
SETTINGS = ("epochs", "pretraining", "interval", "branches", "redraws", "batch_size", "learning_rate", "recovery_batches")
OPERATIONS = ("add neurons", "add layer with ReLU", "add layer, linear", "remove neurons", "remove layer", "split layer")


class SurgeonPanel(Panel):
    """Watch the Surgeon train, branch and choose, beside the same network without surgery; choose yourself if you like.

    With "who decides" on "you" the run pauses at each decision: choose an operation under "your choice", then Resume.

    Args:
        data: an own `datasets.Dataset` of images or tables with classes.
        values: control name to first value.

    >>> panel = SurgeonPanel(epochs=2, pretraining=1, interval=1, branches=1, redraws=0, recovery_batches=1)
    >>> panel.run().search.epoch
    2
    """

    title = "The Surgeon"
    record_type = Record

    def __init__(self, data: datasets.Dataset | None = None, **values: Any):
        self.own_data = data
        self.search: Surgeon | None = None
        self.baseline: training.Fit | None = None
        super().__init__(**values)

    def make_sections(self) -> dict[str, dict[str, widgets.Widget]]:
        """Data, model, training (with the decisions) and view."""
        return {
            "data": data_controls(self.own_data),
            "model": {
                "start": choice("start", STARTS, value="medium 10-10-10"),
                "seed": whole_slider("seed", 0, 0, 99),
                "spread": slider("share spread", 0.1, 0.0, 1.0, 0.05),
                "relative": log_slider("ε₁ relative", 0.005, -4, 0),
                "absolute": slider("ε₂ absolute", 0.3, 0.0, 2.0, 0.05),
            },
            "training": {
                "epochs": whole_slider("epochs", 30, 2, 200),
                "pretraining": whole_slider("pretraining", 5, 1, 50),
                "interval": whole_slider("decide every", 5, 1, 50),
                "branches": whole_slider("branches", 2, 1, 5),
                "redraws": whole_slider("redraws", 1, 0, 5),
                "recovery_batches": whole_slider("recovery", 2, 1, 50),
                "learning_rate": log_slider("learning rate", 0.02, -4, 0),
                "batch_size": choice("batch size", (16, 32, 64, 128, 256), value=16),
                "decides": choice("who decides", ("Surgeon", "you")),
                "wish": choice("your choice", (ADVISED, NOTHING)),
            },
            "view": {"threads": choice("torch threads", (1, 2, 4))},
        }

    def begin(self, settings: Mapping[str, Any]) -> Iterator[Record]:
        """The network without surgery and the search, interval by interval."""
        data = chosen_data(self.own_data, settings)
        start = _start(data, settings)
        chosen = {name: settings[name] for name in (*SETTINGS, "spread", "relative", "absolute", "seed")}
        search = Surgeon(data, start, **chosen)
        self.search, self.baseline, self._offers = search, _baseline(data, start, settings), {}
        self._offer(())
        return self._side_by_side()

    def recording(self, path: str | Path) -> recordings.Recording:
        """A search of this panel, or of the recorded runs of Table 3 the one with the start and the seed that are set."""
        if not study.is_recording(path):
            return super().recording(path)
        settings, records = study.search(path, topology=self.settings["start"].partition(" ")[0], seed=self.settings["seed"])
        chosen = settings | {"start": self.settings["start"], "scale": "published"}
        return replace(recordings.load(path), title=self.title, settings=chosen, records=records)

    def draw(self, records: list[Record]) -> str:
        """Accuracies, shapes, candidates and singular values."""
        settings = self.settings | (self.ran_with if records else {})
        return figures.search_frame(records, absolute=settings["absolute"], relative=settings["relative"])

    def status(self, record: Record) -> str:
        """What happened last."""
        shape, kept = "-".join(map(str, record.widths)) or "no hidden layer", ", ".join(map(str, record.kept))
        words = {
            "epoch": f"branch {record.branch} trains",
            "proposals": f"advice for branch {record.branch}",
            "candidate": f"tried {record.operation}",
            "decision": f"branches {kept} go on" if record.accepted else "no improvement: drawn anew",
        }[record.kind]
        return f"epoch {record.epoch} · {shape} · {record.parameters:,} parameters · {words} · {record.seconds:.1f} s"

    def code(self) -> str:
        """The setting as a script."""
        settings = self.settings
        names = (*SETTINGS, "spread", "relative", "absolute", "seed")
        arguments = ", ".join(f"{name}={settings[name]!r}" for name in names)
        return "\n".join(
            [
                "import math", "", "from toolkit import datasets, networks", "from toolkit.search.surgeon import Surgeon", "",
                *data_code(self.own_data, settings),
                f"start = {_start_code(settings)}",
                f"search = Surgeon(data, start, {arguments})",
                "for record in search:", "    print(record)", "",
            ]
        )  # fmt: skip

    def _side_by_side(self) -> Iterator[Record]:
        """Records of both; the network without surgery is taken up to each decision before the search goes there."""
        for record in self.search:
            yield from self._without_surgery(record.epoch)
            if record.kind == "proposals":
                self._ask(record)
            yield record
            if record.kind == "proposals" and (wish := self._wish(record.branch)) is not ADVISED:
                self.search.wishes[record.branch] = wish

    def _without_surgery(self, epoch: int) -> Iterator[Record]:
        run = self.baseline
        while run.epoch < epoch and (record := next(run, None)) is not None:
            if record.epoch:
                widths = tuple(sequence.widths(run.model)[:-1])
                yield Record(
                    "epoch", int(record.epoch), record.seconds, BASELINE, BASELINE, "identity", -1, 0, widths,
                    sequence.parameters(run.model), {"validation_accuracy": record.metrics["validation_accuracy"]},
                )  # fmt: skip

    def _ask(self, record: Record) -> None:
        """Show what could be done; pause for an answer if a person decides and this is not `run()`."""
        self._offer(record.proposals)
        if self.settings["decides"] == "you" and self._thread is threading.current_thread():
            self._single = True  # pause as after a single step, with this record shown

    def _offer(self, proposals: tuple[Mapping[str, Any], ...]) -> None:
        self._offers = {_words(one): advice.Proposal(**one) for one in proposals}
        self.controls["wish"].options = (ADVISED, NOTHING, *self._offers)

    def _wish(self, branch: int) -> advice.Proposal | None | str:
        wish = self.controls["wish"].value
        if self.settings["decides"] != "you" or wish == ADVISED:
            return ADVISED
        return None if wish == NOTHING else self._offers[wish]


class OperationPanel(Panel):
    """One operation on a small trained network: the function before and after, and what its singular values say.

    Args:
        values: control name to first value.

    >>> OperationPanel(operation="add neurons", spread=0.2).report.exact
    True
    """

    title = "One operation on a trained network"
    record_type = surgery.Report
    instant = True

    def make_sections(self) -> dict[str, dict[str, widgets.Widget]]:
        """Data, model, the operation, and the thresholds."""
        return {
            "data": {"seed": whole_slider("seed", 0, 0, 9)},
            "model": {"activation": choice("activation", ("relu", "tanh", "sigmoid", "gelu"), value="relu")},
            "training": {
                "operation": choice("operation", OPERATIONS, value="remove neurons"),
                "layer": whole_slider("hidden layer", 2, 1, 3),
                "amount": whole_slider("units or rank", 3, 1, 11),
                "spread": slider("share spread", 0.0, 0.0, 1.0, 0.05),
                "repair": whole_slider("steps of recovery", 0, 0, 100),
            },
            "view": {
                "relative": log_slider("ε₁ relative", 0.005, -4, 0),
                "absolute": slider("ε₂ absolute", 0.3, 0.0, 2.0, 0.05),
            },
        }

    @property
    def report(self) -> surgery.Report:
        """What the operation that is set does."""
        return self._operated().report

    def begin(self, settings: Mapping[str, Any]) -> Iterator[surgery.Report]:
        """One record: the report."""
        return iter([self._operated().report])

    def draw(self, records: list[surgery.Report]) -> str:
        """The function before and after; an operation that cannot be done keeps the picture and says why."""
        try:
            operated = self._operated()
        except ValueError as error:
            self._show_error(error)
            return self.frame.value
        settings, (inputs, targets) = self.settings, _samples(self.settings["seed"])
        model = _trained(settings["activation"], settings["seed"])
        grid = torch.linspace(-3.2, 3.2, 161)[:, None]
        after = _fitted(operated.model, settings["repair"], settings["seed"])
        with torch.no_grad():
            curves = [one(grid).flatten().numpy() for one in (model, after)]
        report = operated.report
        return figures.function_frame(
            grid.flatten().numpy(), *curves, [values.tolist() for values in advice.singular_values(model)],
            relative=settings["relative"], absolute=settings["absolute"],
            data=zip(inputs.flatten(), targets.flatten(), strict=True),
            words=(
                f"{report.operation}: {'exact' if report.exact else 'not exact'}, {report.reason}; "
                f"largest change {np.abs(curves[1] - curves[0]).max():.2g}; discarded {report.discarded:.3g}",
                f"{'-'.join(map(str, sequence.widths(model)[:-1]))} becomes {'-'.join(map(str, sequence.widths(after)[:-1]))}; "
                f"{report.before} parameters become {report.after}",
            ),
        )  # fmt: skip

    def status(self, record: surgery.Report) -> str:
        """Exact or not."""
        return f"{record.operation} at layer {record.layer + 1}: {'exact' if record.exact else 'not exact'}"

    def code(self) -> str:
        """The operation as a script on any network."""
        settings = self.settings
        operate, arguments = _deed(settings)
        given = "".join(f", {name}={value!r}" for name, value in arguments.items())
        return "\n".join(
            [
                "from toolkit import networks", "from toolkit.search import surgery", "",
                f"model = networks.dense(1, {HIDDEN}, 1, activation={settings['activation']!r}, seed=0)  # train it first",
                f"operated = surgery.{operate.__name__}(model, {settings['layer'] - 1}{given})",
                "print(operated.report)", "",
            ]
        )  # fmt: skip

    def _operated(self) -> surgery.Surgery:
        settings = self.settings
        operate, arguments = _deed(settings)
        return operate(_trained(settings["activation"], settings["seed"]), settings["layer"] - 1, **arguments)


def _start(data: datasets.Dataset, settings: Mapping[str, Any]) -> nn.Sequential:
    inputs = data.train[0][0].numel()
    return networks.dense(inputs, STARTS[settings["start"]], data.n_classes, seed=settings["seed"])


def _start_code(settings: Mapping[str, Any]) -> str:
    hidden = STARTS[settings["start"]]
    return f"networks.dense(math.prod(data.input_shape), {hidden}, data.n_classes, seed={settings['seed']})"


def _baseline(data: datasets.Dataset, start: nn.Sequential, settings: Mapping[str, Any]) -> training.Fit:
    model = surgery.identity(start).model
    optimizer = torch.optim.SGD(model.parameters(), lr=settings["learning_rate"])
    return training.fit(
        model, data, loss=functional.cross_entropy, optimizer=optimizer, epochs=settings["epochs"],
        batch_size=settings["batch_size"], metrics=["accuracy"], seed=settings["seed"],
    )  # fmt: skip


def _words(proposal: Mapping[str, Any]) -> str:
    amount = f" {proposal['amount']}" if proposal["amount"] else ""
    return f"{proposal['operation']}{amount} at {proposal['layer'] + 1} (score {proposal['score']:.2f})"


def _deed(settings: Mapping[str, Any]) -> tuple[Callable[..., surgery.Surgery], dict[str, Any]]:
    """The function of `surgery` that the controls name, and its arguments."""
    amount = settings["amount"]
    return {
        "add neurons": (surgery.add_neurons, {"count": amount, "spread": settings["spread"]}),
        "add layer with ReLU": (surgery.add_layer, {"activation": "relu"}),
        "add layer, linear": (surgery.add_layer, {"activation": "linear"}),
        "remove neurons": (surgery.remove_neurons, {"count": amount}),
        "remove layer": (surgery.remove_layer, {}),
        "split layer": (surgery.split_layer, {"rank": amount}),
    }[settings["operation"]]


def _samples(seed: int) -> tuple[Tensor, Tensor]:
    """Noisy samples of a function of one number, simulated."""
    draw = torch.Generator().manual_seed(seed)
    inputs = torch.linspace(-3, 3, 40)[:, None]
    return inputs, torch.sin(1.5 * inputs) + 0.3 * inputs + 0.1 * torch.randn(inputs.shape, generator=draw)


@lru_cache(maxsize=64)
def _trained(activation: str, seed: int) -> nn.Sequential:
    return _fitted(networks.dense(1, HIDDEN, 1, activation=activation, seed=seed), TRAINING_STEPS, seed)


def _fitted(model: nn.Sequential, steps: int, seed: int) -> nn.Sequential:
    """The network after so many steps of the heavy ball; torch's optimizers take seconds to load."""
    inputs, targets = _samples(seed)
    weights = list(model.parameters())
    momenta = [torch.zeros_like(weight) for weight in weights]
    for _ in range(steps):
        gradients = torch.autograd.grad(functional.mse_loss(model(inputs), targets), weights)
        with torch.no_grad():
            for number, (weight, gradient) in enumerate(zip(weights, gradients, strict=True)):
                moved, momenta[number] = optim.port_hamiltonian_step(weight, momenta[number], gradient, **BALL)
                weight.copy_(moved)
    return model
