"""A campaign of experiments: the model, its next batch point by point, the best so far (Zhao, section 4.1)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import permutations
from pathlib import Path
from typing import Any

import ipywidgets as widgets
import numpy as np

from toolkit import bayesopt
from toolkit.bayesopt import logbook
from toolkit.datasets import sintering
from toolkit.figures import bayesopt as figures
from toolkit.figures.campaign_report import write_report
from toolkit.panels.controls import choice, slider, whole_slider
from toolkit.panels.panel import Panel

CONDUCTIVITY = bayesopt.Objective("conductivity", "S/cm", log=True)
LOG = (sintering.INPUTS[2],)
SPACES = {"80 points": "initial_grid", "420 points": "iteration_1_2", "2,574 points": "iteration_3_4"}
MOST_ITERATIONS = 6
MANY_DECADES = 100.0  # from this ratio of largest to smallest on, a loaded objective is modelled as its logarithm


class CampaignPanel(Panel):
    """Watch a campaign on a virtual laboratory, or continue one of your own.

    With an own campaign Run proposes the next batch and asks for it; results are told in Python or through a log file, and
    Report writes an HTML file. Load reads a .csv or .xlsx of past experiments whose last column is to be maximised.

    Args:
        campaign: an own `bayesopt.Campaign` with two variables or more and a first objective to be maximised.
        values: control name to first value.

    >>> panel = CampaignPanel(space="80 points", iterations=1, batch=2)
    >>> [len(record.batch) for record in panel.run().records]
    [1, 2, 0]
    """

    title = "Campaign of experiments"
    record_type = bayesopt.Round

    def __init__(self, campaign: bayesopt.Campaign | None = None, **values: Any):
        if campaign is not None and (len(campaign.space.labels) < 2 or campaign.objectives[0].goal != "max"):
            raise ValueError("campaign: the panel shows two variables or more and a first objective whose goal is 'max'")
        self.own, self.campaign = campaign, campaign
        super().__init__(**values)

    def make_sections(self) -> dict[str, dict[str, widgets.Widget]]:
        """Data (laboratory and space), model, training (the batches) and view."""
        labels = self._space({"space": "80 points"}).labels
        pairs = [(f"{labels[i]} · {labels[j]}", (i, j)) for i, j in permutations(range(len(labels)), 2)]
        data = {
            "space": choice("candidates", SPACES),
            "initial": whole_slider("first experiments", 12, 2, 60),
            "noise": slider("noise [decades]", 0.05, 0.0, 0.3, 0.01),
        }
        return {
            "data": data if self.own is None else {},
            "model": {
                "acquisition": choice("acquisition", ("ucb", "ei", "pi", "thompson", "random")),
                "kappa": slider("κ of UCB", 2.0, 0.0, 6.0, 0.1),
                "kernel": choice("kernel", ("rbf", "matern52")),
                "way": choice("batch by", bayesopt.campaign.BATCHES),
            },
            "training": {
                "batch": whole_slider("batch", 5, 1, 8),
                "iterations": whole_slider("iterations", 4, 1, MOST_ITERATIONS),
                "widen": whole_slider("wider from it.", 3, 2, MOST_ITERATIONS + 1),
                "seed": whole_slider("seed", 0, 0, 99),
            },
            "view": {
                "quantity": choice("colour", figures.QUANTITIES),
                "axes": choice("to the right · up", pairs, value=(1, 2) if len(labels) > 2 else (0, 1)),
                "follow": choice("other variables", (("follow the newest", True), ("held by the slider", False))),
                "held": slider("held at (share)", 0.5, 0.0, 1.0, 0.05),
                "threads": choice("torch threads", (1, 2, 4)),
            },
        }

    def actions(self) -> list[widgets.Widget]:
        """Load a log of past experiments; write the report."""
        buttons = []
        for name, icon, action in (("Load", "upload", self.load), ("Report", "file-text-o", self.report)):
            button = widgets.Button(description=name, icon=icon, layout=widgets.Layout(width="92px"))
            button.on_click(lambda _, action=action: self._guarded(self._accepted, action))
            button.add_class(f"panel-{name.lower()}")
            buttons.append(button)
        return buttons

    def begin(self, settings: Mapping[str, Any]) -> Iterator[bayesopt.Round]:
        """The rounds of a campaign on the laboratory, or the proposals of an own one."""
        if self.own is not None:
            self._configure(self.own, settings)
            return bayesopt.proposing(self.own, settings["batch"])
        self.campaign, laboratory, wider = self._prepared(settings)
        return bayesopt.rounds(
            self.campaign, laboratory.measure, iterations=settings["iterations"], batch=settings["batch"], wider=wider
        )

    def load(self, path: str | Path | None = None) -> None:
        """Go on with the experiments of a file: its columns with units are the variables, the last of them the objective.

        Args:
            path: .csv or .xlsx; None takes the file field.
        """
        path = path or self.path.value
        heads = [head for head in logbook.read(path) if "[" in head]
        if len(heads) < 3:
            raise ValueError(f"{path}: two variables and an objective are needed with units in their heads, found {heads}")
        values = logbook.read(path)[heads[-1]].dropna()
        log = bool(values.min() > 0 and values.max() / values.min() >= MANY_DECADES)
        objective = bayesopt.Objective(*bayesopt.labelled(heads[-1]), log=log)
        campaign = bayesopt.Campaign.from_log(path, objective, inputs=heads[:-1])
        self.stop()
        self.own = self.campaign = campaign
        labels = campaign.space.labels
        axes = [(f"{labels[i]} · {labels[j]}", (i, j)) for i, j in permutations(range(len(labels)), 2)]
        self.records = []
        self.controls["axes"].options = axes
        self._show_note(f"{len(campaign.y)} experiments loaded; objective {objective.label}{', as log10' if log else ''}")
        self._draw()

    def report(self) -> None:
        """Write the campaign as HTML beside the file field's name."""
        if self.campaign is None or not len(self.campaign.y):
            raise ValueError("nothing to report yet: run first")
        path = write_report(self.campaign, Path(self.path.value).with_suffix(".html"))
        self._show_note(f"written to {path}")

    def draw(self, records: list[bayesopt.Round]) -> str:
        """Map, slice, acquisition and best so far; without records what is known before."""
        settings = self.ran_with | {name: self.settings[name] for name in self.sections["view"]} if records else self.settings
        record = records[-1] if records else self._before(settings)
        return figures.campaign_frame(record, self._look(settings, record))

    def status(self, record: bayesopt.Round) -> str:
        """Iteration and experiments."""
        return f"iteration {record.iteration} · {len(record.y)} experiments · best {record.y.max():.3g}"

    def code(self) -> str:
        """The setting as a script."""
        settings = self.settings
        model = ", ".join(f"{name}={settings[of]!r}" for name, of in _MODEL.items())
        if self.own is not None:
            return "\n".join(
                [
                    "from toolkit import bayesopt", "",
                    "campaign = bayesopt.Campaign.load('campaign.json')  # where campaign.save has put it",
                    f"for record in bayesopt.proposing(campaign, {settings['batch']}):", "    print(record)", "",
                ]
            )  # fmt: skip
        first, log = SPACES[settings["space"]], list(LOG)
        return "\n".join(
            [
                "from toolkit import bayesopt", "from toolkit.datasets import sintering", "",
                f"space = bayesopt.grid(sintering.levels({first!r}), log={log})",
                f"wider = bayesopt.grid(sintering.levels('iteration_3_4'), log={log})",
                "objective = bayesopt.Objective('conductivity', 'S/cm', log=True)",
                f"campaign = bayesopt.Campaign(space, objective, {model})",
                f"laboratory = sintering.VirtualLaboratory(noise={settings['noise']}, seed={settings['seed']})",
                f"first = sintering.points('initial_grid').sample({settings['initial']}, random_state={settings['seed']})",
                "past = laboratory.measure(first)", "campaign.record(past, past)",
                f"rounds = bayesopt.rounds(campaign, laboratory.measure, iterations={settings['iterations']}, "
                f"batch={settings['batch']}, wider={{{settings['widen']}: wider}})",
                "for record in rounds:", "    print(record)", "",
            ]
        )  # fmt: skip

    def _space(self, settings: Mapping[str, Any]) -> bayesopt.Space:
        if self.own is not None:
            return self.own.space
        return bayesopt.grid(sintering.levels(SPACES[settings["space"]]), log=LOG)

    def _prepared(self, settings: Mapping[str, Any]) -> tuple[bayesopt.Campaign, sintering.VirtualLaboratory, dict]:
        campaign = bayesopt.Campaign(self._space(settings), CONDUCTIVITY)
        self._configure(campaign, settings)
        laboratory = sintering.VirtualLaboratory(noise=settings["noise"], seed=settings["seed"])
        past = laboratory.measure(sintering.points("initial_grid").sample(settings["initial"], random_state=settings["seed"]))
        campaign.record(past, past)
        return campaign, laboratory, {settings["widen"]: self._space({"space": "2,574 points"})}

    def _configure(self, campaign: bayesopt.Campaign, settings: Mapping[str, Any]) -> None:
        campaign.configure(**{name: settings[of] for name, of in _MODEL.items()})

    def _before(self, settings: Mapping[str, Any]) -> bayesopt.Round:
        """The candidates, and what an own campaign has measured."""
        campaign = self.own or bayesopt.Campaign(self._space(settings), CONDUCTIVITY)
        return bayesopt.beginning(campaign)

    def _look(self, settings: Mapping[str, Any], record: bayesopt.Round) -> figures.Look:
        space = self.campaign.space if self.campaign is not None else self._space(settings)
        objective = self.campaign.objectives[0] if self.campaign is not None else CONDUCTIVITY
        axes = settings["axes"]
        newest = record.batch[-1] if len(record.batch) else record.x[record.y.argmax()] if len(record.y) else None
        held = {}
        for number in sorted(set(range(len(space.labels))) - set(axes)):
            levels = np.unique(record.points[:, number])
            if settings["follow"] and newest is not None:
                held[number] = figures.nearest(levels, newest[number])
            else:
                held[number] = float(levels[round(settings["held"] * (len(levels) - 1))])
        return figures.Look(tuple(space.labels), objective.label, objective.log, tuple(axes), held, settings["quantity"])


_MODEL = {"acquisition": "acquisition", "batch": "way", "kappa": "kappa", "kernel": "kernel", "seed": "seed"}
