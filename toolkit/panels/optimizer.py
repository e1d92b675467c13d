"""The heavy ball in training: braked, unbraked and raced against its rivals, steered while it runs (Burghoff, chapter 3)."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ipywidgets as widgets
import pandas as pd
import torch
from torch.nn import functional

from toolkit import datasets, optim, recordings, training
from toolkit.figures import optimizer as figures
from toolkit.panels.controls import choice, log_slider, several, slider, whole_slider
from toolkit.panels.images import NETWORKS, chosen_data, data_code, data_controls, network, network_code
from toolkit.panels.panel import Panel
from toolkit.studies import phs

RUNS = ("goal-oriented", "port-Hamiltonian", "SGD", "SGD, matched", "step decay", "Adam")
OPTIMIZERS = {
    "optim.PortHamiltonian": optim.PortHamiltonian,
    "torch.optim.SGD": torch.optim.SGD,
    "torch.optim.Adam": torch.optim.Adam,
}
BALLS = ("goal-oriented", "port-Hamiltonian")
MOST_RUNS = 6
ADAM_RATE = 1e-3


class OptimizerPanel(Panel):
    """Train up to six networks side by side from the same weights, on the same batches.

    Sliders of α, m, ρ, the goal and the factor act on the running balls; Brake! and Push! act at once. A finished epoch can be
    gone back to: choose it under "rewind to", move the sliders, and Branch.

    Args:
        data: an own `datasets.Dataset` of images; None offers the sets found on this machine.
        values: control name to first value.

    >>> panel = OptimizerPanel(epochs=1, runs=("SGD",))
    >>> panel.run().records[-1].epoch
    1.0
    """

    title = "Heavy ball with friction: train, brake, race"
    record_type = training.Record
    live = ("learning_rate", "mass", "friction", "goal", "goal_kind", "patience", "factor", "epochs")

    def __init__(self, data: datasets.Dataset | None = None, **values: Any):
        self.own_data = data
        self.runs: dict[str, training.Fit] = {}
        self.curves = figures.Curves()
        self._states: dict[tuple[str, int], dict] = {}
        super().__init__(**values)

    # Controls ----------------------------------------------------------------------------------------------------------

    def make_sections(self) -> dict[str, dict[str, widgets.Widget]]:
        """Data, model, training and view."""
        return {
            "data": data_controls(self.own_data),
            "model": {
                "network": choice("network", NETWORKS),
                "seed": whole_slider("seed", 0, 0, 99),
            },
            "training": {
                "runs": several("race", RUNS, value=RUNS[:3]),
                "learning_rate": log_slider("step of time α", 0.1, -5, 0),
                "mass": log_slider("mass m", 0.3, -4, 4),
                "friction": log_slider("friction ρ", 0.1, -4, 3),
                "friction_scheme": choice("friction scheme", optim.FRICTION_SCHEMES),
                "goal_kind": choice("goal is a", optim.GOAL_KINDS),
                "goal": slider("goal", 0.2, 0.01, 2.5, 0.005),
                "patience": whole_slider("overfitting after", 3, 1, 20),
                "factor": log_slider("brake factor", 20, 0, 3),
                "deadline": whole_slider("deadline (0 none)", 0, 0, 50),
                "reaccelerate_after": whole_slider("push after (0 no)", 0, 0, 50),
                "batch_size": choice("batch size", (16, 32, 64, 128, 256, 512), value=64),
                "epochs": whole_slider("epochs", 20, 1, 100),
            },
            "view": {
                "loss_scale": choice("loss scale", ("log", "linear")),
                "threads": choice("torch threads", (1, 2, 4)),
            },
        }  # fmt: skip

    def actions(self) -> list[widgets.Widget]:
        """Brake!, Push! and the way back to an earlier epoch."""
        layout = widgets.Layout(width="84px")
        self.brake_button = widgets.Button(description="Brake!", button_style="danger", layout=layout)
        self.push_button = widgets.Button(description="Push!", button_style="warning", layout=layout)
        self.branch_button = widgets.Button(description="Branch", icon="code-fork", layout=layout)
        self.rewind = widgets.IntSlider(
            min=0,
            max=0,
            description="rewind to epoch",
            style={"description_width": "112px"},
            layout=widgets.Layout(width="256px"),
        )
        self.brake_button.on_click(lambda _: self._guarded(self._accepted, self.brake))
        self.push_button.on_click(lambda _: self._guarded(self.push))
        self.branch_button.on_click(lambda _: self._guarded(self._accepted, self.branch))
        buttons = {"brake": self.brake_button, "push": self.push_button, "branch": self.branch_button, "rewind": self.rewind}
        for name, button in buttons.items():
            button.add_class(f"panel-{name}")
        return list(buttons.values())

    # The runs ----------------------------------------------------------------------------------------------------------

    def begin(self, settings: Mapping[str, Any]) -> Iterator[training.Record]:
        """The chosen runs from the same initial weights, one record of each in turn."""
        if not settings["runs"]:
            raise ValueError(f"race: choose at least one of {RUNS}")
        data = chosen_data(self.own_data, settings)
        runs = {name: self._fit(name, data, settings) for name in settings["runs"]}
        self.data, self.runs, self._states, self.rewind.max = data, runs, {}, 0
        return self._kept(runs)

    def branch(self) -> None:
        """Go back to the epoch chosen under "rewind to" and go on from there with the present settings of ball and goal."""
        name, epoch = next((name for name in BALLS if name in self.runs), None), self.rewind.value
        if (name, epoch) not in self._states:
            raise ValueError("nothing to branch from: run a goal-oriented or port-Hamiltonian race for an epoch first")
        if len(self.runs) >= MOST_RUNS:
            raise ValueError(f"{MOST_RUNS} runs are drawn already; press Run to begin anew")
        settings = self.settings
        if settings["epochs"] <= epoch:
            raise ValueError(f"epochs: {settings['epochs']} end at or before epoch {epoch}, to which to go back; choose more")
        fit = self._fit(name, self.data, settings)
        fit.load_state_dict(self._states[name, epoch])
        fit.optimizer.param_groups[0]["friction_scheme"] = settings["friction_scheme"]
        for control in ("learning_rate", "goal", "factor"):
            self._steer(fit, control, settings[control])
        self.stop()
        branch = f"branch {1 + sum(run.startswith('branch') for run in self.runs)} from epoch {epoch}"
        self.runs[branch] = fit
        self._go_on_with(self._kept({branch: fit}))
        self._launch()

    def brake(self) -> None:
        """Brake every goal-oriented run now."""
        for brake in self._brakes():
            brake.brake()

    def push(self) -> None:
        """Release the brakes and push the balls with one unit of kinetic energy."""
        for brake in self._brakes():
            brake.reaccelerate()

    def steer(self, name: str, value: Any) -> None:
        """Apply a moved slider to the runs that are not finished; what no run could begin with is refused by all of them."""
        if name != "epochs":
            self._check_steering()
        for run in self.runs.values():
            self._steer(run, name, value)

    def replay(self, path: str | Path) -> None:
        """Show a recorded race; what can be steered or branched is only a run of this session."""
        super().replay(path)
        self.runs, self._states, self.rewind.max = {}, {}, 0

    def recording(self, path: str | Path) -> recordings.Recording:
        """A race of this panel, or of the recorded runs of a published table those of the ball and the seed that are set."""
        if not phs.is_recording(path):
            return super().recording(path)
        ball = {name: self.settings[name] for name in ("learning_rate", "mass", "friction", "seed")}
        common, records = phs.race(path, **ball)
        settings = (
            ball | common | {"network": "LeNet", "scale": "published", "goal_kind": "loss", "friction_scheme": "exponential"}
        )
        return replace(recordings.load(path), title=self.title, settings=settings, records=records)

    def results(self) -> pd.DataFrame:
        """Accuracy of each run: last epoch and at the least validation loss, on validation and test split."""
        return pd.DataFrame([self._result(name, run) for name, run in self.runs.items()])

    def _fit(self, name: str, data: datasets.Dataset, settings: Mapping[str, Any]) -> training.Fit:
        model = network(settings["network"], data, seed=settings["seed"])
        recipe = Recipe.of(name, settings)
        optimizer = OPTIMIZERS[recipe.optimizer](model.parameters(), **recipe.arguments)
        brake = recipe.goal and optim.GoalBrake(optimizer, **recipe.goal)
        steps = math.ceil(len(data.train[0]) / settings["batch_size"])
        return training.fit(
            model, data, loss=functional.cross_entropy, optimizer=optimizer, epochs=settings["epochs"],
            batch_size=settings["batch_size"], metrics=["accuracy"], scheduler=brake, seed=settings["seed"],
            every=max(10, steps // 20),
        )  # fmt: skip

    def _kept(self, runs: dict[str, training.Fit]) -> Iterator[training.Record]:
        """The race, keeping the balls' state at each epoch for `branch`."""
        for record in training.race(runs):
            if record.run in BALLS and record.epoch == int(record.epoch):
                self._states[record.run, int(record.epoch)] = _kept_state(self.runs[record.run])
            yield record

    def _brakes(self) -> list[optim.GoalBrake]:
        schedulers = [scheduler for run in self.runs.values() for scheduler in run.schedulers]
        return [brake for brake in schedulers if brake.setting == "friction"]

    def _check_steering(self) -> None:
        settings = self.settings
        if any(run.schedulers for run in self.runs.values()):
            still = torch.optim.SGD([torch.zeros(1)], lr=1.0)
            optim.GoalBrake(still, goal=_goal(settings), factor=settings["factor"], kind=settings["goal_kind"], setting="lr")
        for run in self.runs.values():
            group = run.optimizer.param_groups[0]
            if "friction" in group:
                strongest = settings["friction"] * (settings["factor"] if run.schedulers else 1)
                optim.check_settings(group | _ball(settings) | {"friction": strongest})

    def _steer(self, run: training.Fit, name: str, value: Any) -> None:
        if name == "epochs":
            run.epochs = max(value, run.epoch)
            return
        for brake in run.schedulers:
            if name in ("goal", "goal_kind", "patience"):
                brake.kind, brake.goal = self.settings["goal_kind"], _goal(self.settings)
            elif name == "factor" and (brake.setting == "friction" or not brake.braked):
                brake.factor = value
        group = run.optimizer.param_groups[0]
        if "friction" in group:
            braked = [brake.factor for brake in run.schedulers if brake.braked]
            group.update(_ball(self.settings) | {"friction": self.settings["friction"] * (braked[0] if braked else 1)})

    def _result(self, name: str, run: training.Fit) -> dict[str, Any]:
        model = copy.deepcopy(run.model)  # the run may be at work

        def test_accuracy() -> float:
            return training.evaluate(model, self.data.test, normalise=self.data.normalise)["accuracy"]

        last = {"run": name, "epochs": run.epoch, "test accuracy": test_accuracy()}
        if run.best["model"] is None:
            return last
        model.load_state_dict(run.best["model"])
        return last | {"best epoch": run.best["epoch"], "test accuracy at best": test_accuracy()}

    # The picture and the text ------------------------------------------------------------------------------------------

    def draw(self, records: list[training.Record]) -> str:
        """Loss, accuracy and energy of every run."""
        self.curves.follow(records)
        self.rewind.max = max((epoch for _, epoch in list(self._states)), default=0)  # here, so that it is seldom sent
        settings = self.settings
        decay, impulse = optim.damping(*(settings[name] for name in ("learning_rate", "mass", "friction", "friction_scheme")))
        return figures.race_frame(
            self.curves,
            log_loss=settings["loss_scale"] == "log",
            note=(
                f"friction per step αρ/m = {settings['learning_rate'] * settings['friction'] / settings['mass']:.3g} · "
                f"momentum kept {decay:.4g} · first step {settings['learning_rate'] * impulse / settings['mass']:.3g} ∇L · "
                f"long run α/ρ = {settings['learning_rate'] / settings['friction']:.3g} ∇L"
            ),
        )

    def status(self, record: training.Record) -> str:
        """Epoch, step and seconds of the newest record."""
        ended = " · diverged" if record.diverged else ""
        return f"{record.run}: epoch {record.epoch:.2f} · step {record.step:,} · {record.seconds:.1f} s{ended}"

    def code(self) -> str:
        """The setting as a script of library calls."""
        settings = self.settings
        return "\n".join(
            [
                "import math", "", "import torch", "from torch.nn import functional", "",
                "from toolkit import datasets, networks, optim, training", "",
                *data_code(self.own_data, settings),
                f"every = max(10, math.ceil(len(data.train[0]) / {settings['batch_size']}) // 20)",
                "runs = {}",
                *(line for name in settings["runs"] for line in ("", *_run_code(name, settings))),
                "", "for record in training.race(runs):", "    print(record)", "",
            ]
        )  # fmt: skip


@dataclass(frozen=True)
class Recipe:
    """Optimizer, its arguments and those of its brake, if any: what both the run and its code are made from."""

    optimizer: str
    arguments: dict[str, Any]
    goal: dict[str, Any] | None = None

    @classmethod
    def of(cls, name: str, settings: Mapping[str, Any]) -> Recipe:
        """The recipe of one of `RUNS` under the panel's settings."""
        ball = _ball(settings) | {"friction_scheme": settings["friction_scheme"]}
        matched = optim.sgd_settings(ball["lr"], ball["mass"], ball["friction"], scheme=ball["friction_scheme"])
        goal = {"goal": _goal(settings), "factor": settings["factor"], "kind": settings["goal_kind"]}
        outlook = {key: settings[key] for key in ("deadline", "reaccelerate_after") if settings[key]}
        return {
            "goal-oriented": cls("optim.PortHamiltonian", ball, goal | outlook),
            "port-Hamiltonian": cls("optim.PortHamiltonian", ball),
            "SGD": cls("torch.optim.SGD", {"lr": settings["learning_rate"]}),
            "SGD, matched": cls("torch.optim.SGD", matched),
            "step decay": cls("torch.optim.SGD", matched, goal | {"setting": "lr"}),
            "Adam": cls("torch.optim.Adam", {"lr": ADAM_RATE}),
        }[name]


def _ball(settings: Mapping[str, Any]) -> dict[str, float]:
    return {"lr": settings["learning_rate"], "mass": settings["mass"], "friction": settings["friction"]}


def _kept_state(run: training.Fit) -> dict[str, Any]:
    """A copy to branch from; what a run replaces and never changes is not copied, and of its records one will do."""
    state = run.state_dict()
    best, records = state.pop("best"), state.pop("records")
    return copy.deepcopy(state) | {"best": best, "records": records[-1:]}


def _goal(settings: Mapping[str, Any]) -> float:
    return settings["patience"] if settings["goal_kind"] == "overfitting" else settings["goal"]


def _run_code(name: str, settings: Mapping[str, Any]) -> list[str]:
    recipe = Recipe.of(name, settings)
    scheduler = ", scheduler=brake" if recipe.goal else ""
    return [
        f"model = {network_code(settings['network'], seed=settings['seed'])}",
        f"optimizer = {recipe.optimizer}(model.parameters(), {_arguments(recipe.arguments)})",
        *([f"brake = optim.GoalBrake(optimizer, {_arguments(recipe.goal)})"] if recipe.goal else []),
        f"runs[{name!r}] = training.fit(",
        f"    model, data, loss=functional.cross_entropy, optimizer=optimizer, epochs={settings['epochs']},",
        f"    batch_size={settings['batch_size']}, metrics=['accuracy'], seed={settings['seed']}, every=every{scheduler},",
        ")",
    ]


def _arguments(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in values.items())
