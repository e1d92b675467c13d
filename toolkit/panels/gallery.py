"""The data sets of Burghoff, section 2.3, to browse: those that are on this machine, or one's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import ipywidgets as widgets

from toolkit import datasets
from toolkit.figures import gallery as figures
from toolkit.learning import gallery
from toolkit.panels.controls import choice, whole_slider
from toolkit.panels.panel import Panel

EVERY = "all classes"
EACH = figures.ACROSS * figures.DOWN
FACTS = {"size_px": "pixels a side", "classes": "classes", "n_train": "training images", "n_test": "test images"}


class GalleryPanel(Panel):
    """Choose a set and a class; Run turns the pages.

    Args:
        data: an own set of images with classes, in place of those on this machine.
        values: control name to first value.

    >>> panel = GalleryPanel(dataset="digits", label="3", most=2)
    >>> [sorted(set(page.labels.tolist())) for page in panel.run().records]
    [[3], [3]]
    """

    title = "Gallery of data sets"
    record_type = gallery.Page
    instant = True

    def __init__(self, data: datasets.Dataset | None = None, **values: Any):
        self.own_data = data
        self._sets: dict[str, datasets.Dataset] = {}  # the one that is shown
        super().__init__(**values)

    def make_sections(self) -> dict[str, dict[str, widgets.Widget]]:
        """Data (set, part and class) and view."""
        names = ["own data"] if self.own_data else [name for name in datasets.NAMES if datasets.available(name)]
        self._dataset = choice("data set", names)
        self._label = choice("class", [EVERY, *self._data(names[0]).classes])
        self._dataset.observe(lambda _: self._guarded(self._offer), names="value")  # before the panel draws the change
        return {
            "data": {
                "dataset": self._dataset,
                "split": choice("part", ("train", "validation", "test")),
                "label": self._label,
                "seed": whole_slider("order (seed)", 0, 0, 99),
            },
            "view": {
                "look": choice("look", gallery.LOOKS),
                "most": whole_slider("pages in a run", 5, 1, 20),
                "speed": choice("pages per second", (0.5, 1, 4), value=1),
            },
        }

    def begin(self, settings: Mapping[str, Any]) -> Iterator[gallery.Page]:
        """The pages."""
        return gallery.pages(self._data(settings["dataset"]), most=settings["most"], **_arguments(self._data, settings))

    def rest(self) -> float:
        """The chosen speed."""
        return 1 / self.settings["speed"]

    def draw(self, records: list[gallery.Page]) -> str:
        """The newest page, or the first one; a part without images is said and leaves the picture as it is."""
        records = records[-1:]  # the run may be adding to them
        settings = self.ran_with if records else self.settings
        data = self._data(settings["dataset"])
        page = records[-1] if records else next(self.begin(settings), None)
        if page is None:
            self._show_error(ValueError(f"{data.name}: the part {settings['split']!r} holds no image of {settings['label']!r}"))
            return self.frame.value or figures.frame.text("no image")
        kind = "simulated" if data.simulated else "measured"
        note = f"{data.name}: {settings['look']}, part {settings['split']!r}, {kind}; licence: {data.licence}"
        chosen = _chosen(data, settings["label"])
        return figures.gallery_frame(page, data.classes, note=note, facts=[_facts(data)], chosen=chosen)

    def status(self, record: gallery.Page) -> str:
        """Which page."""
        return f"page {record.number} of {record.pages:,}"

    def code(self) -> str:
        """The setting as a script."""
        settings = self.settings
        source = "..." if self.own_data else f"datasets.load({settings['dataset']!r})"
        arguments = ", ".join(f"{name}={value!r}" for name, value in _arguments(self._data, settings).items())
        return "\n".join(
            [
                "from toolkit import datasets", "from toolkit.learning import gallery", "",
                f"data = {source}" + ("  # your own datasets.Dataset" if self.own_data else ""),
                f"for page in gallery.pages(data, most={settings['most']}, {arguments}):",
                "    print(page.number, page.labels)", "",
            ]
        )  # fmt: skip

    def _data(self, name: str) -> datasets.Dataset:
        if self.own_data is None and name not in self._sets:
            self._sets = {name: datasets.load(name)}
        return self.own_data or self._sets[name]

    def _offer(self) -> None:
        """The classes of the chosen set; a large one takes seconds to read."""
        if hasattr(self, "error_line") and self._dataset.value not in self._sets:  # else the panel is only being built
            self._show_note(f"reading {self._dataset.value} ...")
        classes = [EVERY, *self._data(self._dataset.value).classes]
        if list(self._label.options) != classes:
            kept = self._label.value if self._label.value in classes else EVERY
            self._label.options = classes
            self._label.value = kept


def _arguments(data_of: Any, settings: Mapping[str, Any]) -> dict[str, Any]:
    label = _chosen(data_of(settings["dataset"]), settings["label"])
    return {"split": settings["split"], "label": label, "each": EACH, "look": settings["look"], "seed": settings["seed"]}


def _chosen(data: datasets.Dataset, label: str) -> int | None:
    return None if label == EVERY or label not in data.classes else data.classes.index(label)


def _facts(data: datasets.Dataset) -> str:
    """Table 2.4 and section 2.3 beside what is here."""
    both = gallery.table_2_4(data)
    here = ", ".join(f"{value:,} {FACTS[name]}" for name, (_, value) in both.items())
    printed = ", ".join(f"{value:,} {FACTS[name]}" for name, (value, _) in both.items() if value is not None)
    return f"Here: {here}. " + (f"Printed in section 2.3: {printed}." if printed else "Not a set of section 2.3.")
