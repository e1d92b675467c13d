"""Survival analysis: a network on two clinics with a penalty to steer, and subjects to move (Burghoff, chapter 7)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import ipywidgets as widgets
import numpy as np
import torch

from toolkit import networks
from toolkit.datasets import patients
from toolkit.figures import survival as figures
from toolkit.panels.controls import choice, log_slider, slider, whole_slider
from toolkit.panels.panel import Panel
from toolkit.survival import cox, domain, merged
from toolkit.survival.network import CoxNetwork

PATIENTS = {"as published": 1, "fourfold": 4}
HAZARDS = {"1 in 7, as published": patients.BASELINE_HAZARD, "1 in 2": 10 * patients.BASELINE_HAZARD}
NETWORKS = {"VGG-like, 1/8": 8, "VGG-like, 1/16": 16, "linear": None}
SEEN = {"clinic A": (), "both clinics": ("B",)}
RISKS = {2: ("low", "high"), 3: ("low", "middle", "high"), 4: ("lowest", "low", "high", "highest")}
DATA = ("patients", "hazard", "gap", "pen", "risk", "seen", "seed")  # controls on which the patients depend
PICTURE = (24, 30)  # pixels, for a live run on one core


class CoxPanel(Panel):
    """Train on clinic A, look at A's validation patients and all of clinic B, and slide the penalty while it runs.

    Strength, learning rate and number of epochs act on the running network. With "both clinics" the network is shown B's
    pictures without their outcomes, so that the penalty can pin B's level too.

    Args:
        values: control name to first value.

    >>> panel = CoxPanel(network="linear", epochs=1)
    >>> panel.run().records[-1].log_hazard.shape
    (278,)
    """

    title = "Survival on two clinics"
    record_type = merged.ClinicRecord
    live = ("strength", "learning_rate", "epochs")

    def __init__(self, **values: Any):
        self.fit: Any = None
        self._data: tuple[Any, patients.Dataset] = None, None
        super().__init__(**values)

    def make_sections(self) -> dict[str, dict[str, widgets.Widget]]:
        """Data (patients and scanners), model, training and view."""
        return {
            "data": {
                "patients": choice("patients", PATIENTS.items()),
                "hazard": choice("events in A", HAZARDS.items()),
                "gap": slider("scanner gap", 1.0, 0.0, 1.0, 0.05),
                "pen": slider("pen marks on B", patients.B.scanner.pen, 0.0, 1.0, 0.05),
                "risk": slider("true risk of B", 0.0, -2.0, 2.0, 0.1),
            },
            "model": {
                "network": choice("network", NETWORKS),
                "seed": whole_slider("seed", 0, 0, 99),
            },
            "training": {
                "penalty": choice("penalty", domain.PENALTIES, value="mean"),
                "strength": log_slider("strength λ", 0.1, -4, 2),
                "seen": choice("penalty sees", SEEN),
                "ties": choice("ties", cox.TIES),
                "stratified": choice("batches", (("events spread evenly", True), ("at random", False))),
                "batch_size": choice("batch size", (5, 10, 20, 50, 100), value=20),
                "learning_rate": log_slider("learning rate", 1e-3, -5, -1),
                "epochs": whole_slider("epochs", 15, 1, 100),
            },
            "view": {
                "merge": choice("merging", merged.MERGES),
                "part": choice("interval of", figures.PART, value="naive"),
                "groups": choice("risk groups", tuple(RISKS), value=3),
                "threads": choice("torch threads", (1, 2, 4)),
            },
        }

    def begin(self, settings: Mapping[str, Any]) -> Iterator[merged.ClinicRecord]:
        """The network's training, measured on the held-out patients at each epoch."""
        data = self.data(settings)
        model = CoxNetwork(_network(settings["network"], data, settings["seed"]), data)
        loss = domain.ClinicLoss(
            ties=settings["ties"], penalty=domain.PENALTIES[settings["penalty"]], strength=settings["strength"]
        )
        self.fit = model.fit(
            epochs=settings["epochs"], batch_size=settings["batch_size"], loss=loss, seed=settings["seed"],
            optimizer=torch.optim.Adam(model.network.parameters(), settings["learning_rate"]),
            stratified=settings["stratified"], device="cpu",
        )  # fmt: skip
        return merged.follow(self.fit, patients.held_out(data))

    def data(self, settings: Mapping[str, Any]) -> patients.Dataset:
        """The patients that the controls describe; kept, since a run is often repeated on them with another penalty."""
        chosen = {name: settings[name] for name in DATA}
        if self._data[0] != chosen:
            a = replace(patients.A, patients=settings["patients"] * patients.A.patients)
            b = patients.with_gap(settings["gap"], pen=settings["pen"])
            b = replace(b, patients=settings["patients"] * b.patients, risk=settings["risk"])
            cohort = patients.simulate((a, b), size=PICTURE, baseline_hazard=settings["hazard"], seed=settings["seed"])
            self._data = chosen, patients.dataset(cohort, unlabelled=SEEN[settings["seen"]], seed=settings["seed"])
        return self._data[1]

    def steer(self, name: str, value: Any) -> None:
        """Apply a moved slider to the running network."""
        if name == "strength":
            self.fit.loss.strength = value
        elif name == "learning_rate":
            self.fit.optimizer.param_groups[0]["lr"] = value
        else:
            self.fit.epochs = max(value, self.fit.epoch)

    def draw(self, records: list[merged.ClinicRecord]) -> str:
        """Loss, concordance, survival of risk groups and histograms of the newest predictions."""
        settings = self.settings
        groups, edges, shares, note = [], np.linspace(-2, 2, 2), np.empty((0, 1)), "not run yet"
        if records and np.isfinite(records[-1].log_hazard).all():
            newest = records[-1]
            time, event, clinic = newest.outcomes.T
            h = newest.log_hazard
            if settings["merge"] == "standardised":
                h = domain.standardise(h, clinic).numpy()
            estimates = merged.risk_groups(time, event, h, names=RISKS[settings["groups"]])
            groups = [figures.Curve.of(*estimate) for estimate in estimates]
            edges, shares = domain.histograms(h, clinic)
            note = _in_words(newest, settings["part"])
        return figures.cox_frame(
            records, part=settings["part"], groups=groups, edges=edges, shares=shares, merge=settings["merge"], note=note
        )

    def status(self, record: merged.ClinicRecord) -> str:
        """Epoch, step, seconds, and how many batches had no event."""
        loss = None if self.fit is None else self.fit.loss
        empty = f" · no event in {loss.without_event} of {loss.batches} batches" if loss else ""
        ended = " · diverged" if record.diverged else ""
        return f"epoch {record.epoch:.0f} · step {record.step:,} · {record.seconds:.1f} s{empty}{ended}"

    def replay(self, path: Any) -> None:
        """Show a recorded run; what can be steered is only a run of this session."""
        super().replay(path)
        self.fit = None

    def code(self) -> str:
        """The setting as a script."""
        settings = self.settings
        return "\n".join(
            [
                "from dataclasses import replace", "", "import torch", "", "from toolkit import networks",
                "from toolkit.datasets import patients", "from toolkit.survival import domain, merged",
                "from toolkit.survival.network import CoxNetwork", "",
                f"a = replace(patients.A, patients={settings['patients']} * patients.A.patients)",
                f"b = replace(patients.with_gap({settings['gap']!r}, pen={settings['pen']!r}), "
                f"patients={settings['patients']} * patients.B.patients, risk={settings['risk']!r})",
                f"cohort = patients.simulate((a, b), size={PICTURE}, baseline_hazard={settings['hazard']!r}, "
                f"seed={settings['seed']})",
                f"data = patients.dataset(cohort, unlabelled={SEEN[settings['seen']]}, seed={settings['seed']})",
                f"model = CoxNetwork({_network_code(settings['network'], settings['seed'])}, data)",
                f"loss = domain.ClinicLoss(ties={settings['ties']!r}, penalty=domain.PENALTIES[{settings['penalty']!r}], "
                f"strength={settings['strength']!r})",
                "run = model.fit(",
                f"    epochs={settings['epochs']}, batch_size={settings['batch_size']}, loss=loss, seed={settings['seed']},",
                f"    optimizer=torch.optim.Adam(model.network.parameters(), {settings['learning_rate']!r}),",
                f"    stratified={settings['stratified']}, device='cpu',",
                ")",
                "for record in merged.follow(run, patients.held_out(data)):", "    print(record)", "",
            ]
        )  # fmt: skip


def _network(name: str, data: patients.Dataset, seed: int) -> torch.nn.Module:
    if NETWORKS[name] is None:
        return networks.dense(int(np.prod(data.input_shape)), (), 1, seed=seed)
    return networks.vgg(data.input_shape, shrink=NETWORKS[name], seed=seed)


def _network_code(name: str, seed: int) -> str:
    if NETWORKS[name] is None:
        return f"networks.dense({3 * PICTURE[0] * PICTURE[1]}, (), 1, seed={seed})"
    return f"networks.vgg(data.input_shape, shrink={NETWORKS[name]}, seed={seed})"


def _in_words(record: merged.ClinicRecord, part: str) -> str:
    events = [int(record.outcomes[record.outcomes[:, 2] == number, 1].sum()) for number in (0, 1)]
    value, low, high = (record.metrics[f"{name}_{part}"] for name in ("c_index", "low", "high"))
    return (
        f"{part}: C = {value:.3f} [{low:.3f}, {high:.3f}] · B lies {record.metrics['shift']:+.2f} spreads from A · "
        f"events held out: {events[0]} in A, {events[1]} in B"
    )
