"""You against the machine: a class chooses experiments, strategies choose theirs, on the same virtual laboratory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import ipywidgets as widgets
import numpy as np

from toolkit import bayesopt
from toolkit.datasets import sintering
from toolkit.figures import bayesopt as figures
from toolkit.panels.campaign import CONDUCTIVITY, LOG
from toolkit.panels.controls import choice, several, slider, whole_slider
from toolkit.panels.panel import Panel

OPPONENTS = ("ucb", "ei", "pi", "random")
CHOICES = ("acid", "temperature", "time")  # the controls that say what is measured next
LEVELS = tuple(sintering.levels("initial_grid").values())
SHOWN = ("own measurements", "model of own", "truth")


class DuelPanel(Panel):
    """Choose the next experiment against UCB, EI, PI and random picks: all begin with the same measurements.

    Choose acid, temperature and time, or click on the map, then press Measure; each strategy makes one experiment too.

    Args:
        values: control name to first value.

    >>> panel = DuelPanel(opponents=("ei", "random"), steps=3)
    >>> panel.run().records[-1].best.shape
    (3,)
    """

    title = "You against the machine"
    record_type = bayesopt.Turn
    live = CHOICES

    def make_sections(self) -> dict[str, dict[str, widgets.Widget]]:
        """Data (what all begin with), model (the opponents), training (your next experiment) and view."""
        return {
            "data": {
                "initial": whole_slider("first experiments", 5, 2, 30),
                "noise": slider("noise [decades]", 0.05, 0.0, 0.3, 0.01),
                "seed": whole_slider("seed", 0, 0, 99),
            },
            "model": {
                "opponents": several("opponents", OPPONENTS, value=OPPONENTS),
                "kappa": slider("κ of UCB", 2.0, 0.0, 6.0, 0.1),
            },
            "training": {
                "acid": choice("your acid [wt%]", LEVELS[0], value=0.0),
                "temperature": choice("temperature [°C]", LEVELS[1], value=900.0),
                "time": choice("time [min]", LEVELS[2], value=60.0),
                "steps": whole_slider("turns", 12, 1, 40),
            },
            "view": {"show": choice("map shows", SHOWN), "threads": choice("torch threads", (1, 2, 4))},
        }

    def actions(self) -> list[widgets.Widget]:
        """Make the chosen experiment."""
        self.measure_button = widgets.Button(description="Measure", icon="flask", layout=widgets.Layout(width="104px"))
        self.measure_button.on_click(lambda _: self._guarded(self.step))
        self.measure_button.add_class("panel-measure")
        return [self.measure_button]

    def begin(self, settings: Mapping[str, Any]) -> Iterator[bayesopt.Turn]:
        """The turns; your experiment is what the controls say when it is due."""
        campaigns, laboratory = self._players(settings)
        self.chosen = [settings[name] for name in CHOICES]
        return bayesopt.duel(campaigns, laboratory.measure, you=lambda: self.chosen, turns=settings["steps"])

    def steer(self, name: str, value: Any) -> None:
        """Another choice for the next turn."""
        self.chosen = [self.settings[each] for each in CHOICES]
        self._draw()

    def pointed(self, position: list[float]) -> None:
        """Choose temperature and time of the cell that was clicked."""
        column, row = figures.cell_at(LEVELS[1], LEVELS[2], position)
        self.controls["temperature"].value, self.controls["time"].value = LEVELS[1][column], LEVELS[2][row]

    def draw(self, records: list[bayesopt.Turn]) -> str:
        """Your map at the chosen acid, and everybody's best so far."""
        settings = self.ran_with if records else self.settings
        players = ("you", *settings["opponents"])
        surface = sintering.response_surface()
        truth = float(surface(sintering.points("initial_grid")).max()) if records else np.nan
        turns = records[-1].turn if records else 0
        text = f"after {turns} of {settings['steps']} turns; your next: {self._chosen_words()}"
        if not turns:
            text = f"press Measure {'to make your experiment' if records else 'to see what all begin with'}; {text}"
        return figures.duel_frame(
            records, self._map(records, settings), players=players, objective=CONDUCTIVITY.label, truth=truth, text=text
        )

    def status(self, record: bayesopt.Turn) -> str:
        """Who leads."""
        leader = record.players[int(record.best.argmax())]
        return f"turn {record.turn} · in the lead: {figures.NAMES[leader]} with {record.best.max():.3g} S/cm"

    def code(self) -> str:
        """The setting as a script, with your choice as it is now in every turn."""
        settings = self.settings
        point = tuple(settings[name] for name in CHOICES)
        return "\n".join(
            [
                "from toolkit import bayesopt", "from toolkit.datasets import sintering", "",
                f"space = bayesopt.grid(sintering.levels('initial_grid'), log={list(LOG)})",
                "objective = bayesopt.Objective('conductivity', 'S/cm', log=True)",
                f"laboratory = sintering.VirtualLaboratory(noise={settings['noise']}, seed={settings['seed']})",
                f"first = sintering.points('initial_grid').sample({settings['initial']}, random_state={settings['seed']})",
                "past = laboratory.measure(first)",
                f"strategies = {{'you': 'random'}} | {{name: name for name in {list(settings['opponents'])}}}",
                "campaigns = {",
                f"    name: bayesopt.Campaign(space, objective, acquisition=strategy, kappa={settings['kappa']}, "
                f"seed={settings['seed']})",
                "    for name, strategy in strategies.items()", "}",
                "for campaign in campaigns.values():", "    campaign.record(past, past)",
                f"turns = bayesopt.duel(campaigns, laboratory.measure, you=lambda: {point}, turns={settings['steps']})",
                "for turn in turns:", "    print(turn)", "",
            ]
        )  # fmt: skip

    def _players(self, settings: Mapping[str, Any]) -> tuple[dict[str, bayesopt.Campaign], sintering.VirtualLaboratory]:
        space = bayesopt.grid(sintering.levels("initial_grid"), log=LOG)
        laboratory = sintering.VirtualLaboratory(noise=settings["noise"], seed=settings["seed"])
        past = laboratory.measure(sintering.points("initial_grid").sample(settings["initial"], random_state=settings["seed"]))
        campaigns = {}
        for name in ("you", *settings["opponents"]):
            strategy = "random" if name == "you" else name
            campaigns[name] = bayesopt.Campaign(
                space, CONDUCTIVITY, acquisition=strategy, kappa=settings["kappa"], seed=settings["seed"]
            )
            campaigns[name].record(past, past)
        return campaigns, laboratory

    def _chosen_words(self) -> str:
        acid, temperature, time = (self.settings[name] for name in CHOICES)
        return f"{acid:g} wt%, {temperature:g} °C, {time:g} min"

    def _map(self, records: list[bayesopt.Turn], settings: Mapping[str, Any]) -> str:
        acid = self.settings["acid"]
        values, marks = np.full((len(LEVELS[2]), len(LEVELS[1])), np.nan), []
        if records:
            x, y = records[-1].x, records[-1].y
            values = self._values(x, y, acid)
            marks = [
                self._mark("o", point, f"measured: {value:.3g}") for point, value in zip(x, y, strict=True) if point[0] == acid
            ]
        marks.append(self._mark("+", [acid, self.settings["temperature"], self.settings["time"]], "your next experiment"))
        title = f"{self.settings['show']} [S/cm], acid {acid:g} wt%"
        labels = ("temperature [°C]", "time [min]")
        return figures.cell_map(
            LEVELS[1], LEVELS[2], values, title=title, labels=labels, marks=marks, limits=(2e-5, 1.3e-3), log=True
        )

    def _values(self, x: np.ndarray, y: np.ndarray, acid: float) -> np.ndarray:
        """What the map shows at this acid, `(times, temperatures)`."""
        points = np.array([(acid, temperature, time) for time in LEVELS[2] for temperature in LEVELS[1]])
        shape = (len(LEVELS[2]), len(LEVELS[1]))
        space = bayesopt.grid(sintering.levels("initial_grid"), log=LOG)
        if self.settings["show"] == "truth":
            return sintering.response_surface()(space.frame(points)).reshape(shape)
        if self.settings["show"] == "model of own":
            own = bayesopt.Campaign(space, CONDUCTIVITY)
            own.record(x, y, repeats=True)
            return own.predict(points)[f"{CONDUCTIVITY.label} mean"].to_numpy().reshape(shape)
        means = [y[(x == point).all(1)].mean() if (x == point).all(1).any() else np.nan for point in points]
        return np.reshape(means, shape)

    def _mark(self, sign: str, point: Any, words: str) -> figures.Mark:
        return figures.Mark(LEVELS[1].index(point[1]), LEVELS[2].index(point[2]), sign, words)
