"""Choosing symmetry functions: walk the path of LassoNet, or train without those that are switched off (Ghimire, chapter 4)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ipywidgets as widgets
import numpy as np
import torch

from toolkit import published
from toolkit.datasets import aluminium
from toolkit.datasets.frames import Frames
from toolkit.figures import selection as figures
from toolkit.panels.controls import choice, log_slider, slider, whole_slider
from toolkit.panels.panel import Panel
from toolkit.potential import DOCUMENT_SETS, SymmetryFunctions, document_columns, document_set, learning
from toolkit.potential.selection import fit, path, permutation, scaled, weight_lengths
from toolkit.potential.selection.scaling import Scaled
from toolkit.potential.selection.stacked import ACTIVATIONS

WALK = {"path of LassoNet": "lassonet", "path of group lasso": "group", "path of adaptive lasso": "adaptive"}
RETRAIN = "retrain without what is off"
PIECES = 20  # frames described at a time
SPLITS = ("trajectory", "frame")


@dataclass(frozen=True)
class Progress:
    """A step of a path, or an epoch of a training.

    Attributes:
        task: name of `WALK`, or `RETRAIN`.
        at: penalty or epoch.
        selected: functions in use, `(k, d)` bool.
        strength: |theta|, or the length of first-layer weights, `(k, d)`.
        importance: `(k, d)`; what it is says `measure`.
        measure: with unit.
        validation_rmse: `(k,)` [meV/atom].
        test_rmse: `(k,)` [meV/atom] at the end of a training; empty before, and along a path.
        seconds: since the start, without the making of the data.
    """

    task: str
    at: float
    selected: np.ndarray
    strength: np.ndarray
    importance: np.ndarray
    measure: str
    validation_rmse: np.ndarray
    test_rmse: np.ndarray
    seconds: float


class SelectionPanel(Panel):
    """See functions enter and leave a network as a penalty grows, switch some off by hand, and train without them.

    A click on a bar switches its function off or on, as the control and button below the picture do; Retrain trains without
    them. Several members differ by their first weights: the whiskers show how far a ranking can be trusted.

    Args:
        frames: own structures of one size and species; None offers the cells of `datasets.aluminium`.
        values: control name to first value; `off` takes the numbers of functions.

    >>> tiny = aluminium.Scale(("10K", "500K"), repeat=2, trajectories=3, frames=2, stride=1, settling=2)
    >>> panel = SelectionPanel(aluminium.emt(tiny, keep=False), set="22", task="retrain without what is off", epochs=2)
    >>> [record.at for record in panel.run().records]
    [0.0, 1.0, 2.0, 2.0]
    """

    title = "Choosing symmetry functions"
    record_type = Progress

    def __init__(self, frames: Frames | None = None, *, off: tuple[int, ...] = (), **values: Any):
        self.own = frames
        self.off: set[int] = {int(number) for number in off}
        self._frames: dict[str, Frames] = {}
        self._described: dict[tuple, torch.Tensor] = {}
        super().__init__(**values)
        self._offer()

    def make_sections(self) -> dict[str, dict[str, widgets.Widget]]:
        """Data, model, training and view."""
        data = {"scale": choice("scale", aluminium.SCALES)} if self.own is None else {}
        return {
            "data": data | {"set": choice("functions", DOCUMENT_SETS, value="57"), "split": choice("split by", SPLITS)},
            "model": {
                "task": choice("task", (*WALK, RETRAIN)),
                "first": whole_slider("first layer", 10, 1, 50),
                "second": whole_slider("second (0 none)", 10, 0, 50),
                "activation": choice("activation", ACTIVATIONS),
                "hierarchy": log_slider("hierarchy M", 10.0, -1, 2),
            },
            "training": {
                "epochs": whole_slider("epochs", 200, 1, 3000),
                "learning_rate": log_slider("learning rate", 0.005, -4, -1),
                "path_epochs": whole_slider("epochs a penalty", 10, 1, 100),
                "growth": slider("penalty grows by", 1.2, 1.02, 2.0, 0.02),
                "batch_size": choice("batch size", (8, 16, 32, 64, 128), value=32),
                "members": whole_slider("members", 3, 1, 10),
                "seed": whole_slider("seed", 0, 0, 99),
            },
            "view": {
                "chosen": choice("function", self._options(document_columns("57")), value=0),
                "threads": choice("torch threads", (1, 2, 4)),
            },
        }

    def actions(self) -> list[widgets.Widget]:
        """Switch the chosen function off or on; train without what is off."""
        buttons = []
        for name, icon, width, action in (
            ("Switch", "toggle-on", "92px", self.switch), ("Retrain", "repeat", "92px", self.retrain)
        ):  # fmt: skip
            button = widgets.Button(description=name, icon=icon, layout=widgets.Layout(width=width))
            button.on_click(lambda _, action=action: self._guarded(self._accepted, action))
            button.add_class(f"panel-{name.lower()}")
            buttons.append(button)
        return buttons

    def switch(self, number: int | None = None) -> None:
        """Switch a function of the set off, or on again.

        Args:
            number: in the set; None takes the one that is chosen.
        """
        count = len(document_columns(self.settings["set"]))
        number = self.settings["chosen"] if number is None else int(number)
        if not 0 <= number < count:
            raise ValueError(f"number must be in 0 .. {count - 1}, got {number}")
        self.off ^= {number}
        self._draw()

    def retrain(self) -> None:
        """Train without what is off, beside the same networks with all functions."""
        if not self.running:
            self._set_control("task", RETRAIN)
        self.start()

    def pointed(self, position: list[float]) -> None:
        """Switch the function whose bar was clicked."""
        number = figures.bar_at(len(document_columns(self._shown("set"))), position)
        if number is not None and self._shown("set") == self.settings["set"]:
            self.controls["chosen"].value = number
            self.switch(number)

    def replay(self, path: str | Path) -> None:
        """As of every panel; what was off in the recorded training is off again."""
        super().replay(path)
        if self.records[-1].task == RETRAIN:
            self.off = set(np.flatnonzero(~np.asarray(self.records[-1].selected)[0]).tolist())
            self._draw()

    def begin(self, settings: Mapping[str, Any]) -> Iterator[Progress]:
        """The steps of a path, or the epochs of a training; descriptors are made with the first record."""
        count, off = len(document_columns(settings["set"])), sorted(self.off)
        if len([number for number in off if number < count]) == count:
            raise ValueError(f"off: all {count} functions are switched off, a network needs at least one")
        return self._walk(settings) if settings["task"] in WALK else self._train(settings, off)

    def draw(self, records: list[Progress]) -> str:
        """Bars of importance; path or training."""
        name = self._shown("set") if records else self.settings["set"]
        columns = document_columns(name)
        labels, kinds = _labels(columns), [_kind(column) for column in columns]
        record = records[-1] if records else None
        walking = record is None or record.task in WALK
        first = [one for one in records if not walking or one.at > 0]
        importance = record.importance if record else np.zeros((1, len(columns)))
        return figures.selection_frame(
            labels, kinds, [number in self.off for number in range(len(columns))], importance,
            record.measure if record else "nothing is trained yet",
            at=[one.at for one in first], strength=np.array([one.strength.mean(0) for one in first]),
            features=np.array([one.selected.sum(1) for one in first]),
            errors=np.array([one.validation_rmse for one in first]), walking=walking,
            chosen=min(self.settings["chosen"], len(columns) - 1), published=_printed(name), above=self._above(columns, labels),
        )  # fmt: skip

    def status(self, record: Progress) -> str:
        """Where it is, how many functions are in use, and the errors."""
        counts, errors = record.selected.sum(1), record.validation_rmse
        where = f"penalty {record.at:.3g}" if record.task in WALK else f"epoch {record.at:.0f}"
        used = f"{counts.min()} to {counts.max()}" if counts.min() < counts.max() else f"{counts[0]}"
        test = f", test {_range(record.test_rmse)}" if len(record.test_rmse) else ""
        return f"{where} · {used} functions · validation {_range(errors)}{test} meV/atom · {record.seconds:.1f} s"

    def code(self) -> str:
        """The setting as a script."""
        settings = self.settings
        source = f"aluminium.emt({settings['scale']!r})" if self.own is None else 'frames.read("your.extxyz")  # those given'
        lines = [
            "import torch", "", f"from toolkit.datasets import {'aluminium' if self.own is None else 'frames'}",
            "from toolkit.potential import SymmetryFunctions, document_set",
            "from toolkit.potential.selection import fit, path, scaled", "",
            f"structures = {source}", "positions, cell, _ = structures.tensors(torch.float32)",
            f"functions = SymmetryFunctions(*document_set({settings['set']!r}))",
            f"pieces = [slice(at, at + {PIECES}) for at in range(0, len(structures), {PIECES})]",
            "descriptors = torch.cat([functions(positions[rows], None if cell is None else cell[rows]) for rows in pieces])",
            f"parts = structures.split(by={settings['split']!r}, seed=0)",
            "data = scaled(*((descriptors[rows], torch.tensor(structures.energy[rows])) for rows in parts))",
        ]  # fmt: skip
        if settings["task"] in WALK:
            arguments = ", ".join(f"{name}={value!r}" for name, value in _path_arguments(settings).items())
            used = f"used = {self._used(len(document_columns(settings['set'])))}" if self.off else "used = range(data.features)"
            lines += [used, f"for step in path(data.only([*used]), {arguments}):"]
            lines += ["    print(step.penalty, step.features, step.validation_rmse)", ""]
        else:
            arguments = ", ".join(f"{name}={value!r}" for name, value in _fit_arguments(settings).items())
            masks = f"[{self._used(len(document_columns(settings['set'])))}] * {settings['members']}"
            lines += [f"run = fit(data, masks={masks}, {arguments})"]
            lines += ["for record in run:", "    print(record.epoch, record.metrics['validation_rmse'])"]
            lines += ["print(run.rmse('test'))", ""]
        return "\n".join(lines)

    def _shown(self, name: str) -> Any:
        return (self.ran_with if self.records else self.settings)[name]

    def _used(self, count: int) -> list[int]:
        return [number for number in range(count) if number not in self.off]

    def _setting_changed(self, name: str) -> None:
        if name == "set":  # the numbers mean other functions now
            self.off = set()
            self._offer()
        super()._setting_changed(name)

    def _offer(self) -> None:
        """Let the functions of the set be chosen."""
        options, control = self._options(document_columns(self.settings["set"])), self.controls["chosen"]
        if tuple(options) != control.options:
            control.options = options

    def _options(self, columns: list[int]) -> list[tuple[str, int]]:
        return [(label, number) for number, label in enumerate(_labels(columns))]

    def _above(self, columns: list[int], labels: list[str]) -> str:
        off = [labels[number] for number in sorted(self.off) if number < len(columns)]
        few = ", ".join(off[:4]) + (f" and {len(off) - 4} more" if len(off) > 4 else "")
        return f"switched off: {few}; press Retrain" if off else "all functions are on"

    def _walk(self, settings: Mapping[str, Any]) -> Iterator[Progress]:
        data = self._data(settings)
        used = np.array(self._used(data.features))
        run = path(data.only(used), **_path_arguments(settings))
        for step in run:
            full = {}
            for name, values in (("selected", step.selected), ("strength", step.strength), ("left", run.importance())):
                full[name] = np.zeros((settings["members"], data.features), dtype=values.dtype)
                full[name][:, used] = values
            yield Progress(
                settings["task"], float(step.penalty), full["selected"], full["strength"], full["left"],
                "largest λ at which in use", step.validation_rmse, np.empty(0), step.seconds,
            )  # fmt: skip

    def _train(self, settings: Mapping[str, Any], off: list[int]) -> Iterator[Progress]:
        data = self._data(settings)
        used = [number for number in range(data.features) if number not in off]
        run = fit(data, masks=[used] * settings["members"], **_fit_arguments(settings))
        seen, none = run.seen.numpy(), np.empty(0)
        for record in run:
            lengths = run.stack.parts(run.weights)["weight 0"].norm(dim=1).cpu().numpy()
            errors = record.metrics["validation_rmse"]
            words = "length of weights"
            yield Progress(RETRAIN, float(record.epoch), seen, lengths, lengths, words, errors, none, record.seconds)
        test = run.rmse("test") if len(data.test[1]) else none
        rises = permutation(run, repeats=3, seed=settings["seed"]).mean(0)
        measure = "rise of the RMSE when shuffled [meV/atom]"
        best = run.rmse("validation")
        yield Progress(RETRAIN, float(record.epoch), seen, weight_lengths(run), rises, measure, best, test, run.seconds)

    def _data(self, settings: Mapping[str, Any]) -> Scaled:
        frames = self.own
        if frames is None:
            if settings["scale"] not in self._frames:
                self._frames[settings["scale"]] = aluminium.emt(settings["scale"])
            frames = self._frames[settings["scale"]]
        key = settings.get("scale"), settings["set"]
        if key not in self._described:
            self._described = {key: _described(frames, settings["set"])}
        energies = torch.tensor(frames.energy)
        rows = [torch.tensor(part) for part in frames.split(by=settings["split"], seed=0)]
        return scaled(*((self._described[key][part], energies[part]) for part in rows))


def _described(frames: Frames, name: str) -> torch.Tensor:
    functions = SymmetryFunctions(*document_set(name))
    positions, cell, _ = frames.tensors(torch.float32)
    pieces = [slice(at, at + PIECES) for at in range(0, len(frames), PIECES)]
    return torch.cat([functions(positions[rows], None if cell is None else cell[rows]) for rows in pieces])


def _labels(columns: list[int]) -> list[str]:
    radial, angular = document_set("329")
    names = [f"G2 η {each.eta:g} R_s {each.r_s:.3g}" for each in radial]
    names += [f"G5 η {each.eta:g} ζ {each.zeta:g} λ {each.lambda_:+g}" for each in angular]
    return [f"{column + 1}: {names[column]}" for column in columns]


def _kind(column: int) -> str:
    return figures.KINDS[(column >= 201) + (column >= 269)]


def _path_arguments(settings: Mapping[str, Any]) -> dict[str, Any]:
    hidden = (settings["first"], settings["second"]) if settings["second"] else (settings["first"],)
    return {
        "penalty": WALK[settings["task"]], "seeds": [settings["seed"] + number for number in range(settings["members"])],
        "hidden": hidden, "activation": settings["activation"], "hierarchy": settings["hierarchy"],
        "dense_epochs": settings["epochs"], "dense_learning_rate": settings["learning_rate"], "epochs": settings["path_epochs"],
        "growth": settings["growth"], "batch_size": settings["batch_size"], "order_seed": settings["seed"],
    }  # fmt: skip


def _fit_arguments(settings: Mapping[str, Any]) -> dict[str, Any]:
    hidden = (settings["first"], settings["second"]) if settings["second"] else (settings["first"],)
    return {
        "seeds": [settings["seed"] + number for number in range(settings["members"])], "hidden": hidden,
        "activation": settings["activation"], "learning_rate": settings["learning_rate"], "epochs": settings["epochs"],
        "batch_size": settings["batch_size"], "order_seed": settings["seed"],
    }  # fmt: skip


def _range(errors: np.ndarray) -> str:
    low, high = float(np.min(errors)), float(np.max(errors))
    return f"{low:.2f}" if len(errors) == 1 else f"{low:.2f} to {high:.2f}"


def _printed(name: str) -> tuple[str, float] | None:
    """Name and error [meV/atom] of the printed model with as many functions."""
    count = int(name.rstrip("ABCD"))
    losses = published.table("ghimire_table_4_1_variable_counts").set_index("n_features")["val_loss"]
    if count not in losses.index:
        return None
    return f"published, {count} functions, ab initio", float(learning.rmse_of_document(np.min(losses.loc[[count]])))
