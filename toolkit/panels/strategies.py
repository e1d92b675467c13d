"""The race of strategies: virtual experiments that fill Fig. 4.2 of Zhao live."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import ipywidgets as widgets
import numpy as np
import pandas as pd

from toolkit import bayesopt
from toolkit.bayesopt.virtual import STRATEGIES
from toolkit.datasets import sintering
from toolkit.figures import bayesopt as figures
from toolkit.panels.controls import choice, several, slider, whole_slider
from toolkit.panels.panel import Panel

SIZES = (2, 5, 10, 15, 20, 30, 40, 50)
ROWS = 80


class StrategyPanel(Panel):
    """Race UCB, EI, PI and random picks for the best row of a table, hundreds of campaigns at once.

    Args:
        table: an own table of possible experiments; None takes the 80 points of the sintering model.
        inputs: its columns that the model sees.
        target: the column to be maximised.
        log: those of the columns that enter as log10.
        values: control name to first value.

    >>> panel = StrategyPanel(repeats=4, steps=5)
    >>> panel.run().records[-1].picked.shape
    (4, 3, 4)
    """

    title = "Race of strategies"
    record_type = bayesopt.Tries

    def __init__(
        self,
        table: pd.DataFrame | None = None,
        *,
        inputs: tuple[str, ...] = sintering.INPUTS,
        target: str = sintering.CONDUCTIVITY,
        log: tuple[str, ...] = (sintering.INPUTS[2], sintering.CONDUCTIVITY),
        **values: Any,
    ):
        self.own_table, self.columns = table, {"inputs": list(inputs), "target": target, "log": list(log)}
        self.rows = ROWS if table is None else len(table)
        super().__init__(**values)

    def make_sections(self) -> dict[str, dict[str, widgets.Widget]]:
        """Data (the noise), model, training (which campaigns) and view."""
        sizes = [size for size in SIZES if size < self.rows]
        return {
            "data": {"noise": slider("noise [decades]", 0.05, 0.0, 0.3, 0.01)},
            "model": {
                "kappa": slider("κ of UCB", 3.0, 0.0, 6.0, 0.1),
                "kernel": choice("kernel", ("rbf", "matern52")),
                "replacement": choice("pick again", (("as published", True), ("never", False))),
            },
            "training": {
                "strategies": several("strategies", STRATEGIES, value=STRATEGIES),
                "initial": several("initial draws", [str(size) for size in sizes], value=("5", "15", "30")),
                "repeats": whole_slider("repeats", 40, 1, 200),
                "steps": whole_slider("tries at most", self.rows - 1, 1, self.rows - 1),
                "seed": whole_slider("seed", 0, 0, 99),
            },
            "view": {"curve": choice("curves from", sizes, value=sizes[min(3, len(sizes) - 1)]),
                     "threads": choice("torch threads", (1, 2, 4))},
        }  # fmt: skip

    def begin(self, settings: Mapping[str, Any]) -> Iterator[bayesopt.Tries]:
        """All campaigns as one batch."""
        return bayesopt.virtual_experiments(self.table(), **self.columns, **self._arguments(settings))

    def table(self) -> pd.DataFrame:
        """The possible experiments."""
        if self.own_table is not None:
            return self.own_table
        points = sintering.points("initial_grid")
        return points.assign(**{sintering.CONDUCTIVITY: sintering.response_surface()(points)})

    def draw(self, records: list[bayesopt.Tries]) -> str:
        """Found against tries, and both panels of the figure."""
        attempts = np.arange(self.rows + 1)
        baseline = 100 * (1 - (1 - 1 / self.rows) ** attempts)
        last = records[-1] if records else None
        return figures.race_frame(last, initial=self.settings["curve"], baseline=baseline, rows=self.rows)

    def status(self, record: bayesopt.Tries) -> str:
        """Tries and seconds."""
        return f"try {record.tries} · {record.running} campaigns go on · {record.seconds:.1f} s"

    def code(self) -> str:
        """The setting as a script."""
        table = [
            "table = sintering.points('initial_grid')",
            f"table[{sintering.CONDUCTIVITY!r}] = sintering.response_surface()(table)",
        ]
        if self.own_table is not None:
            table = ["table = pd.read_csv('table.csv')  # your table"]
        arguments = "".join(
            f"    {name}={value!r},\n" for name, value in (self.columns | self._arguments(self.settings)).items()
        )
        imports = "import pandas as pd\n" if self.own_table is not None else "from toolkit.datasets import sintering\n"
        return (
            f"from toolkit import bayesopt\n{imports}\n" + "\n".join(table) + "\nstates = bayesopt.virtual_experiments(\n"
            f"    table,\n{arguments})\nfor state in states:\n    print(state)\n"
        )

    def _arguments(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        names = ("noise", "kappa", "kernel", "replacement", "strategies", "repeats", "seed")
        initial = tuple(int(size) for size in settings["initial"])
        return {name: settings[name] for name in names} | {
            "initial": initial,
            "attempts": settings["steps"],
        }
