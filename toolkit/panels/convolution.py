"""A window on its way over an image that can be edited: convolution and pooling by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import ipywidgets as widgets
import numpy as np

from toolkit import datasets, published
from toolkit.figures import convolution as figures
from toolkit.learning import convolution
from toolkit.panels.controls import choice, slider, whole_slider
from toolkit.panels.panel import Panel

INPUTS = ("Table 2.2", "Table 2.3", "one bright pixel", "a bright block", "a handwritten 3", "a handwritten 7", "blank")
MOST_CELLS = 8  # rows and columns of the largest input
OPERATIONS = {
    "cross-correlation (2.22)": "cross-correlation",
    "convolution (2.21)": "convolution",
    "max pooling": "max pooling",
    "mean pooling": "mean pooling",
}


class ConvolutionPanel(Panel):
    """Choose or draw an input, edit the kernel, and see the map; Run moves the window over all places.

    A click on a cell of the input or of the kernel writes the value of the slider into it; "Write" does the same at the row and
    column that are set.

    Args:
        values: control name to first value.

    >>> panel = ConvolutionPanel(input="Table 2.2")
    >>> [placement.value for placement in panel.run().records[:5]]
    [15.0, -15.0, -15.0, 9.0, 0.0]
    """

    title = "Convolution and pooling by hand"
    record_type = convolution.Placement
    instant = True

    def __init__(self, **values: Any):
        self._cells: dict[str, tuple[str, np.ndarray]] = {}
        super().__init__(**values)
        self.controls["operation"].observe(lambda _: self._guarded(self._offer), names="value")
        self._offer()

    def make_sections(self) -> dict[str, dict[str, widgets.Widget]]:
        """Data (the input, and what is written into a cell), model (what the window does), view."""
        return {
            "data": {
                "input": choice("input", INPUTS),
                "edit": choice("write into", ("input", "kernel")),
                "row": whole_slider("row", 0, 0, MOST_CELLS - 1),
                "column": whole_slider("column", 0, 0, MOST_CELLS - 1),
                "value": slider("value", 5.0, -9.0, 16.0, 0.5),
            },
            "model": {
                "operation": choice("operation", OPERATIONS.items()),
                "kernel": choice("kernel", convolution.KERNELS),
                "size": whole_slider("window k", 2, 2, 4),
                "stride": whole_slider("stride s", 1, 1, 3),
                "padding": whole_slider("padding p", 0, 0, 2),
                "fill": choice("padding holds", {"zeros": "zero", "the nearest pixel": "nearest"}.items()),
            },
            "view": {
                "place": whole_slider("place", 0, 0, 12**2 - 1),
                "speed": choice("places per second", (2, 5, 20), value=5),
            },
        }

    def actions(self) -> list[widgets.Widget]:
        """Write into a cell, and take back what was written."""
        self.write_button = widgets.Button(description="Write", icon="pencil", layout=widgets.Layout(width="88px"))
        self.reset_button = widgets.Button(description="Reset", icon="undo", layout=widgets.Layout(width="88px"))
        for button, action in ((self.write_button, self.write), (self.reset_button, self.reset)):
            button.on_click(lambda _, action=action: self._guarded(action))
        self.write_button.add_class("panel-write")
        self.reset_button.add_class("panel-reset")
        return [self.write_button, self.reset_button]

    def write(self) -> None:
        """Write the value into the cell at row and column; cells beyond the last count as the last."""
        where, row, column = self._cursor()
        self._matrix(where)[row, column] = self.settings["value"]
        self._show_edit()

    def reset(self) -> None:
        """The chosen input and kernel as they were."""
        self._cells = {}
        self._show_edit()

    @property
    def image(self) -> np.ndarray:
        """The input as it is now, `(h, w)`."""
        return self._matrix("input")

    @property
    def kernel(self) -> np.ndarray:
        """The kernel as it is now, `(3, 3)`."""
        return self._matrix("kernel")

    def begin(self, settings: Mapping[str, Any]) -> Iterator[convolution.Placement]:
        """The window at each place."""
        return convolution.slide(self.image.copy(), self._weights(settings), **_arguments(settings))

    def rest(self) -> float:
        """The chosen speed."""
        return 1 / self.settings["speed"]

    def draw(self, records: list[convolution.Placement]) -> str:
        """The newest place of a run, or without a run the whole map with the chosen place."""
        records = records[-1:]  # the run may be adding to them
        settings = self.ran_with if records else self.settings
        if records:
            now = records[-1]
        else:
            placements = list(self.begin(settings))
            now = placements[min(settings["place"], len(placements) - 1)]
            now = _with_map(now, placements[-1].result)
        padded = convolution.pad(now.image, settings["padding"], fill=settings["fill"])
        return figures.convolution_frame(
            now, padded=padded, cursor=self._cursor(), operation=settings["operation"], note=_in_words(now, settings)
        )

    def status(self, record: convolution.Placement) -> str:
        """The place and what it gave."""
        return f"place {record.number + 1} of {record.result.size} · row {record.row}, column {record.column}: {record.value:g}"

    def code(self) -> str:
        """Input and kernel as they are now, as a script."""
        arguments = ", ".join(f"{name}={value!r}" for name, value in _arguments(self.settings).items())
        return "\n".join(
            [
                "import numpy as np", "", "from toolkit.learning import convolution", "",
                f"image = np.array({self.image.tolist()})",
                f"kernel = np.array({self._weights(self.settings).tolist()})",
                f"for placement in convolution.slide(image, kernel, {arguments}):",
                "    print(placement.row, placement.column, placement.value)", "",
            ]
        )  # fmt: skip

    def replay(self, path: Any) -> None:
        """Show a recorded run, and take over its input and kernel."""
        super().replay(path)
        last, settings = self.records[-1], self.settings
        self._cells["input"] = settings["input"], last.image.copy()
        if not settings["operation"].endswith("pooling"):
            turned = settings["operation"] == "convolution"
            self._cells["kernel"] = settings["kernel"], last.weights[:: -1 if turned else 1, :: -1 if turned else 1].copy()

    def pointed(self, position: list[float]) -> None:
        """Write the value into the cell that was clicked."""
        settings = self.ran_with if self.records else self.settings
        padded = tuple(side + 2 * settings["padding"] for side in self.image.shape)
        place = figures.cell_at(tuple(position), padded, settings["padding"], len(self._weights(settings)))
        if place is None or (place[0] == "kernel" and settings["operation"].endswith("pooling")):
            return
        if settings["operation"] == "convolution" and place[0] == "kernel":  # it is drawn turned
            place = (place[0], *(len(self.kernel) - 1 - index for index in place[1:]))
        for name, value in zip(("edit", "row", "column"), place, strict=True):
            self.controls[name].value = value
        self.write()

    def _matrix(self, where: str) -> np.ndarray:
        """Input or kernel with what has been written into it; another choice begins afresh."""
        chosen = self.settings[where]
        if self._cells.get(where, (None,))[0] != chosen:
            fresh = _input(chosen) if where == "input" else np.array(convolution.KERNELS[chosen], float)
            self._cells[where] = chosen, fresh.copy()
        return self._cells[where][1]

    def _weights(self, settings: Mapping[str, Any]) -> np.ndarray:
        pooling = settings["operation"].endswith("pooling")
        return np.ones((settings["size"],) * 2) if pooling else self.kernel.copy()

    def _cursor(self) -> tuple[str, int, int]:
        settings = self.settings
        rows, columns = self._matrix(settings["edit"]).shape
        return settings["edit"], min(settings["row"], rows - 1), min(settings["column"], columns - 1)

    def _show_edit(self) -> None:
        """The picture once more; a run that has ended gives way to the whole map, one under way draws itself."""
        if not self.running:
            self.records = []
            self._draw()

    def _offer(self) -> None:
        """Show the controls that matter for the operation."""
        pooling = self.settings["operation"].endswith("pooling")
        self.controls["size"].layout.display = None if pooling else "none"
        self.controls["kernel"].layout.display = "none" if pooling else None


def _arguments(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: settings[name] for name in ("operation", "stride", "padding", "fill")}


def _with_map(now: convolution.Placement, result: np.ndarray) -> convolution.Placement:
    return convolution.Placement(
        now.number, now.row, now.column, now.top, now.left, now.window, now.weights, now.value, now.image, result
    )


def _in_words(now: convolution.Placement, settings: Mapping[str, Any]) -> str:
    """Size of the map, and what this place gives."""
    height, size, rows = now.image.shape[0], len(now.window), now.result.shape[0]
    formula = f"⌊({height} + 2·{settings['padding']} - {size})/{settings['stride']}⌋ + 1 = {rows} rows"
    return f"Map: {formula}. Place ({now.row}, {now.column}): {settings['operation']} = {now.value:g}."


@cache
def _input(name: str) -> np.ndarray:
    if name.startswith("Table"):
        tables = {"Table 2.2": "burghoff_table_2_2_convolution_example", "Table 2.3": "burghoff_table_2_3_max_pooling_example"}
        table = published.table(tables[name])
        return table[table["matrix"] == "input"].pivot(index="row", columns="col", values="value").to_numpy(float)
    if name.startswith("a handwritten"):
        images, labels = datasets.images.digits().train
        return images[labels == int(name[-1])][0, 0].numpy() / 15.0
    image = np.zeros((MOST_CELLS, MOST_CELLS))
    if name == "one bright pixel":
        image[3, 3] = 5.0
    if name == "a bright block":
        image[2:6, 2:6] = 5.0
    return image
