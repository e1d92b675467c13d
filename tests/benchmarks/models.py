"""How quickly the panel of classical models follows a slider: one movement, its parts, and the map of the boundary.

    python tests/benchmarks/models.py [--quick]

For every model on two problems: processor time of a new picture (five fits, their predictions, the boundary on a 50 x 50 grid,
three plots), of the boundary alone (probabilities on the grid and its PNG), and of a repeated picture, which is kept. Models
alternate within a round; the median over the rounds counts. Writes build/benchmarks/models.json.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

from toolkit import recordings, workflow
from toolkit.figures import models as figures
from toolkit.panels import ModelPanel
from toolkit.panels import models as panel_module

RESULT = Path("build/benchmarks/models.json")
ROUNDS = 5
PROBLEMS = ("two moons", "good conductor")


def spent(action) -> tuple[float, object]:
    """Processor time [s] and result."""
    started = time.process_time()
    result = action()
    return time.process_time() - started, result


def one_round(panel: ModelPanel, number: int) -> dict[str, float]:
    """A new setting is drawn, then drawn again, then its boundary alone."""
    seed = panel.controls["seed"]
    moved, _ = spent(lambda: setattr(seed, "value", number + 1))
    again, _ = spent(panel._draw)
    settings = panel.settings
    problem = panel._problem(settings)
    panel_module._shares.cache_clear()
    grid, shares = spent(lambda: panel_module._shares(problem, "probability", *panel_module._key(settings)))
    limits = [panel_module._wide(column) for column in problem.inputs.T]
    drawn, _ = spent(
        lambda: figures.boundary_plot(
            shares,
            limits,
            problem.inputs,
            problem.targets,
            problem.targets > 0,
            features=problem.features,
            labels=problem.labels,
        )
    )
    return {"movement": moved, "same picture again": again, "probabilities on the grid": grid, "boundary plot": drawn}


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two rounds")
    rounds = 2 if parser.parse_args().quick else ROUNDS
    first, _ = spent(ModelPanel)
    print(f"construction of the first panel with its picture: {1000 * first:.0f} ms")
    names = [name for name, kind in workflow.MODELS.items() if kind.classification]
    panels = {(problem, name): ModelPanel(dataset=problem, model=name) for problem in PROBLEMS for name in names}
    found: dict[tuple[str, str], list[dict[str, float]]] = {key: [] for key in panels}
    for number in range(rounds):
        for key, panel in panels.items():
            found[key].append(one_round(panel, number))
    table = [
        {"problem": problem, "model": name}
        | {part: statistics.median(each[part] for each in found[problem, name]) for part in found[problem, name][0]}
        for problem, name in panels
    ]
    for row in table:
        times = ", ".join(f"{part} {1000 * row[part]:.0f} ms" for part in list(row)[2:])
        print(f"{row['problem']:15} {row['model']:24} {times}")
    result = {"rounds": rounds, "construction": first, "rows": table, "provenance": recordings.provenance()}
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
