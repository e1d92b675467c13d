"""The panel of lesson 05: ResBuilder inserts, deletes and widens; a person can insert and remove blocks too."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from toolkit import datasets, recordings
from toolkit.figures import resbuilder as figures
from toolkit.panels.controls import choice, log_slider, slider, whole_slider
from toolkit.panels.exporting import export_network, export_text
from toolkit.panels.images import chosen_data, data_code, data_controls
from toolkit.panels.panel import Panel
from toolkit.search import architecture
from toolkit.search.architecture import INITS, ORDERS, ResNetSpec
from toolkit.search.morphnet import check_budget
from toolkit.search.resbuilder import RECIPES, VARIANTS, Record, ResBuilder, zero_net
from toolkit.studies import resbuilder as study

STARTS = {"RB-0Net": "rb_0net", "ResNet-18": "rb_r18"}  # to the method of the recorded study
LATEST, BEST, NUMBER = "the latest", "the best", "by number"
TRAINED = {"all three": VARIANTS, "With Reg and No Reg RI": VARIANTS[:2], "With Reg only": VARIANTS[:1]}
OF_RECIPE = "of the recipe"
DECAYS = (OF_RECIPE, 0.0, 1e-10, 1e-9, 1e-5, 2.5e-4, 1e-3)
RATES = (OF_RECIPE, 1e-4, 3e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1)
EVERY = 50  # steps between records inside an epoch, so that a pause comes soon on large sets as well
NOMINAL = (1, 8, 8)  # shape of the digits, before any data were loaded
SAME = ("recipe", "layer_steps", "morph_steps", "momentum", "morph_strength", "intensity", "lasso_strength", "epochs",
        "batch_size", "init", "seed", "deletion_threshold")  # fmt: skip
PLACE = ("stage", "block_number")  # of an edit by hand


class ResBuilderPanel(Panel):
    """Watch a search build a residual network, look at every architecture of its history, change one by hand.

    "Insert block" and "Remove block" pause the run, do it at the place named "by hand", and show the accuracy on the
    validation split before and after, with no training between; the search goes on from there.

    Args:
        data: an own `datasets.Dataset` of images with classes.
        values: control name to first value.

    >>> panel = ResBuilderPanel(epochs=1, layer_steps=1, morph_steps=1, width=2, batch_size=128)
    >>> panel.run().search.number
    3
    """

    title = "ResBuilder"
    record_type = Record
    live = (
        "morph_strength", "lasso_strength", "deletion_threshold", "weight_decay", "learning_rate", "momentum", "intensity",
        "budget", "layer_steps", "morph_steps", "epochs", "stage", "block_number",
    )  # fmt: skip

    def __init__(self, data: datasets.Dataset | None = None, **values: Any):
        self.own_data = data
        self.search: ResBuilder | None = None
        self.by_hand = ""
        self._at_work = threading.Lock()  # held while the search does a unit of work
        self._over = True  # the search has given its last record
        super().__init__(**values)

    def make_sections(self) -> dict[str, dict[str, widgets.Widget]]:
        """Data, model, training with the place of edits by hand, and view."""
        return {
            "data": data_controls(self.own_data),
            "model": {
                "start": choice("start", STARTS),
                "width": whole_slider("channels of it", 6, 2, 64),
                "block": choice("order of a block", ORDERS),
                "init": choice("new weights", INITS),
                "budget": log_slider("ζ budget [MFLOP]", 0.15, -2, 3),
                "seed": whole_slider("seed", 0, 0, 99),
            },
            "training": {
                "recipe": choice("recipe", RECIPES),
                "trained": choice("trainings", TRAINED),
                "layer_steps": whole_slider("n_Λ insertions", 2, 0, 8),
                "morph_steps": whole_slider("n_M MorphNets", 2, 0, 25),
                "momentum": slider("τ_LL momentum", 0.015, 0.0, 0.2, 0.005),
                "lasso_strength": log_slider("λ_Λ LayerLasso", 1e-8, -12, -2),
                "deletion_threshold": log_slider("τ_Λ delete below", 1e-3, -5, 0),
                "morph_strength": log_slider("λ_M MorphNet", 1e-5, -12, -2),
                "intensity": slider("I_M intensity", 1.0, 0.0, 1.0, 0.05),
                "weight_decay": choice("λ₀ of ω²", DECAYS),
                "learning_rate": choice("learning rate", RATES, value=5e-3),
                "epochs": whole_slider("epochs", 3, 1, 50),
                "batch_size": choice("batch size", (16, 32, 64, 128), value=64),
                "stage": whole_slider("by hand: stage", 1, 1, 4),
                "block_number": whole_slider("by hand: block", 1, 1, 16),
            },
            "view": {
                "show": choice("show", (LATEST, BEST, NUMBER)),
                "number": whole_slider("number", 1, 1, 1),
                "threads": choice("torch threads", (1, 2, 4)),
            },
        }

    def actions(self) -> list[widgets.Widget]:
        """Edits by hand, and the files of what is shown."""
        made = []
        for name, words, icon, action in (
            ("insert", "Insert block", "plus", self.insert), ("remove", "Remove block", "minus", self.remove),
            ("export", "Export", "download", lambda: self.export(self.path.value)),
        ):  # fmt: skip
            button = widgets.Button(description=words, icon=icon, layout=widgets.Layout(width="146px"))
            button.add_class(f"panel-{name}")
            button.on_click(lambda _, action=action: self._guarded(self._accepted, action))
            made.append(button)
        return made

    def begin(self, settings: Mapping[str, Any]) -> Iterator[Record]:
        """The records of a new search."""
        data = chosen_data(self.own_data, settings)
        start = start_of(settings, data.input_shape, data.n_classes)
        search = ResBuilder(data, start, **_arguments(settings), every=EVERY)
        self.search, self.by_hand, self._over = search, "", False
        self.controls["number"].max = 1
        return self._watched(search)

    def draw(self, records: list[Record]) -> str:
        """The history of section 6.1.3, the training and the layers of the architecture that is shown."""
        settings = self.settings
        started = self.ran_with if records else settings
        history = figures.changes(records)
        budget = _budget(settings if self.running else started)
        shown = self._shown(records, history, budget)
        words, drawn = _drawn(shown, start_of(settings, NOMINAL, 10))
        return figures.run_frame(
            records, shown=shown.step if shown else 1, drawn=drawn, title=words, by_hand=self.by_hand,
            budget=budget,
        )  # fmt: skip

    def steer(self, name: str, value: Any) -> None:
        """Strengths act at the next step, the others when they are needed; places wait for a button."""
        if name in PLACE:
            return
        if name == "budget":
            check_budget(self.search.architecture, value * 1e6)
            value = value * 1e6
        if value == OF_RECIPE:
            value = getattr(self.search.recipe, name)
        setattr(self.search, name, value)

    def status(self, record: Record) -> str:
        """What happened last."""
        words = {
            "epoch": f"trains {figures.VARIANTS.get(record.variant, ('',))[0]}, epoch {record.epoch:.3g}",
            "trained": f"{figures.VARIANTS.get(record.variant, ('',))[0]} is finished",
            "keep": "all blocks kept: the last insertion was worth it", "delete": "a block was removed",
            "insert": "a block was inserted", "exhausted": "every insertion would give a known architecture",
            "morph": "new widths", "collapse": "collapsed: a stream has no channel left",
            "diverged": "the loss is not finite",
        }[record.kind]  # fmt: skip
        return f"architecture {record.step} · {words} · {record.seconds:.1f} s"

    def code(self) -> str:
        """The setting as a script."""
        settings = self.settings
        arguments = ", ".join(f"{name}={value!r}" for name, value in _arguments(settings).items())
        return "\n".join(
            [
                "from toolkit import datasets", "from toolkit.search.architecture import resnet18",
                "from toolkit.search.resbuilder import ResBuilder, zero_net", "",
                *data_code(self.own_data, settings),
                f"start = {_start_code(settings)}",
                f"search = ResBuilder(data, start, every={EVERY}, {arguments})",
                "for record in search:", "    print(record.step, record.kind, record.variant, record.metrics)",
                "network = search.best.build()", "",
            ]
        )  # fmt: skip

    def recording(self, path: str | Path) -> recordings.Recording:
        """A run of this panel, or of the recorded study the run with the start, the recipe and the seed that are set."""
        found = self._of_study(path) if study.is_recording(path) else super().recording(path)
        self.by_hand = ""
        self.controls["number"].max = max((one.step for one in found.records), default=1)
        return found

    # By hand ---------------------------------------------------------------------------------------------------------------

    def insert(self) -> None:
        """Put a block in front of the one with the number that is set, or behind the last."""
        self._edit("inserted", 1, lambda search, stage, block: search.insert(stage, block))

    def remove(self) -> None:
        """Take out the block with the number that is set."""
        self._edit("removed", 0, lambda search, stage, block: search.remove(stage, block))

    def export(self, path: str | Path) -> list[Path]:
        """Write the architecture that is shown as JSON and, if it is the best one, the trained network as `.pt2`.

        The second is what `torch.export.load` reads, on machines without the toolkit; it takes normalised images.

        Returns:
            The files, named after `path` and the number of the architecture.
        """
        shown = self._shown(self.records, figures.changes(self.records), _budget(self.ran_with or self.settings))
        if shown is None:
            raise ValueError("nothing to export yet: run first")
        stem = Path(path).with_suffix("")
        stem = stem.with_name(f"{stem.name}_{shown.step}")
        written = [export_text(stem.with_suffix(".json"), shown.text)]
        best = self.search.best if self.search else None
        if best is not None and best.record in self.records and best.record.step == shown.step:
            written.append(export_network(stem.with_suffix(".pt2"), best.build(), self.search.architecture.input_shape))
        self.code_view.value = _loading_code(written)
        self.code_view.layout.display = None
        self._show_note(f"written: {', '.join(map(str, written))}" + ("" if written[1:] else "; weights only of the best one"))
        return written

    def _edit(self, words: str, room: int, edit: Any) -> None:
        """Pause, wait for the work under way, edit, and let the record of it through."""
        if not self.running:
            raise ValueError("there is no run to change: press Run, and edit while it is on or paused")
        stage, block = (self.controls[name].value for name in ("stage", "block_number"))
        self.pause()
        with self._at_work:
            if self._over:
                raise ValueError("the search has just come to its end")
            spec = self.search.architecture
            blocks = len(spec.stages[stage - 1].blocks) if stage <= len(spec.stages) else 0
            if stage > len(spec.stages) or block > blocks + room:
                counts = ", ".join(f"{len(one.blocks)} in stage {n + 1}" for n, one in enumerate(spec.stages))
                raise ValueError(f"no block can be {words} at number {block} of stage {stage}: there are {counts}")
            event = edit(self.search, stage - 1, block - 1).event
        self.by_hand = (
            f"block {block} of stage {stage} {words} by hand: accuracy on validation {event['accuracy_before']:.4f} before, "
            f"{event['accuracy_after']:.4f} after, without training"
        )
        self.step()

    def _watched(self, search: ResBuilder) -> Iterator[Record]:
        """The records; the slider of numbers grows with them."""
        while True:
            with self._at_work:
                record = next(search, None)
                self._over = record is None
            if record is None:
                return
            self.controls["number"].max = max(self.controls["number"].max, record.step)
            yield record

    # What is shown ---------------------------------------------------------------------------------------------------------

    def _shown(self, records: list[Record], history: list[figures.Change], budget: float) -> figures.Change | None:
        """The architecture that the controls choose."""
        if not history:
            return None
        best = figures.best(records, budget=budget)
        numbers = {LATEST: history[-1].step, BEST: best.step if best else history[-1].step}
        wanted = numbers.get(self.controls["show"].value, self.controls["number"].value)
        return next((one for one in history if one.step == wanted), history[-1])

    def _of_study(self, path: str | Path) -> recordings.Recording:
        """One of the recorded runs."""
        settings = self.settings
        wanted = (STARTS[settings["start"]], settings["recipe"], settings["seed"])
        runs = {
            (one["method"], one["recipe"], one["seed"]): (one, records)
            for one, records in study.runs(path).values() if one["method"] in STARTS.values()
        }  # fmt: skip
        if wanted not in runs:
            raise ValueError(f"{path}: no run of (method, recipe, seed) = {wanted}; there are {sorted(runs)}")
        recorded, records = runs[wanted]
        start = architecture.from_json(recorded["start"])
        names = ("dataset", "recipe", "layer_steps", "morph_steps", "morph_strength", "epochs", "batch_size", "seed")
        settings = {name: recorded[name] for name in names} | {
            "learning_rate": OF_RECIPE, "weight_decay": OF_RECIPE, "trained": "all three",
            "budget": recorded["budget"] / 1e6, "width": start.stages[0].width, "start": settings["start"],
        }  # fmt: skip
        records = [replace(one, run="") for one in records]
        return replace(recordings.load(path), title=self.title, settings=settings, records=records)


def start_of(settings: Mapping[str, Any], input_shape: tuple[int, ...], classes: int) -> ResNetSpec:
    """The architecture that the controls name."""
    how = {"width": settings["width"], "block": settings["block"]}
    if settings["start"] == "ResNet-18":
        return architecture.resnet18(input_shape, classes, **how)
    return zero_net(input_shape, classes, closing=_closing(settings), **how)


def _start_code(settings: Mapping[str, Any]) -> str:
    how = f"data.input_shape, data.n_classes, width={settings['width']}, block={settings['block']!r}"
    if settings["start"] == "ResNet-18":
        return f"resnet18({how})"
    return f"zero_net({how}, closing={_closing(settings)})"


def _closing(settings: Mapping[str, Any]) -> bool:
    """A block that is exactly zero learns only where its branch does not end in ReLU."""
    return settings["init"] != "zero_gamma"


def _budget(settings: Mapping[str, Any]) -> float:
    return settings["budget"] * 1e6


def _arguments(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Of the search, beside data and start."""
    own = {name: settings[name] for name in ("weight_decay", "learning_rate") if settings[name] != OF_RECIPE}
    return {name: settings[name] for name in SAME} | {
        "budget": _budget(settings), "variants": TRAINED[settings["trained"]], **own,
    }  # fmt: skip


def _drawn(shown: figures.Change | None, start: ResNetSpec) -> tuple[str, dict[str, Any]]:
    """What was done and the layers, with those before."""
    if shown is None:
        return "the start", {"layers": start.layers}
    before = architecture.from_json(shown.before).layers if shown.before else ()
    layers = architecture.from_json(shown.text).layers
    drawn = {"layers": layers, "before": before, "inserted": shown.inserted, "removed": shown.removed}
    return f"{shown.step}: {shown.words}", drawn


def _loading_code(written: list[Path]) -> str:
    """How what was exported is read."""
    lines = [
        "from pathlib import Path", "", "from toolkit.search import architecture", "",
        f"spec = architecture.from_json(Path({str(written[0])!r}).read_text())", "network = spec.build(seed=0)  # not trained",
    ]  # fmt: skip
    if written[1:]:
        lines += ["", "import torch", "", f"trained = torch.export.load({str(written[1])!r}).module()"]
    return "\n".join([*lines, ""])
