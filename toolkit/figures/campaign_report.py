"""A campaign as one HTML file with its figures: what was made, what the model holds, what to do next."""

from __future__ import annotations

import io
import os
import uuid
from html import escape
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from toolkit.figures import bayesopt

STYLE = (
    "body{font:15px/1.5 sans-serif;max-width:1000px;margin:2em auto;padding:0 1em;color:#222}"
    "table{border-collapse:collapse;font-size:13px}td,th{border:1px solid #ccc;padding:3px 8px;text-align:right}"
    "svg{max-width:100%;height:auto}"
)


def report(campaign: Any) -> str:
    """The campaign as HTML text that needs no other file.

    Args:
        campaign: a `bayesopt.Campaign` with experiments.

    Raises:
        ValueError: there is no experiment yet.
    """
    objective = campaign.objectives[0]
    best = campaign.best()
    parts = [
        f"<h1>Campaign for {escape(', '.join(each.label for each in campaign.objectives))}</h1>",
        f"<p>{len(campaign.y)} experiments, {len(campaign.left):,} of {len(campaign.space):,} candidates left. "
        f"Best so far: {best[objective.label]:.4g} {escape(objective.unit)} at "
        f"{escape(campaign.space.words(best[campaign.space.labels]))}.</p>",
        "<h2>Next experiments</h2>",
        _proposals(campaign),
        "<h2>Course</h2>",
        _svg(_course(campaign)),
    ]
    if campaign.has_model:
        parts += ["<h2>What the model holds</h2>", _model(campaign), _svg(_slices(campaign))]
    if len(campaign.objectives) == 2:
        parts += ["<h2>Front of the two objectives</h2>", _svg(_front(campaign)), _table(campaign.pareto())]
    parts += ["<h2>All experiments</h2>", _table(campaign.table())]
    head = f"<meta charset='utf-8'><title>Campaign</title><style>{STYLE}</style>"
    return f"<!doctype html><html lang='en'><head>{head}</head><body>{''.join(parts)}</body></html>"


def write_report(campaign: Any, path: str | Path) -> Path:
    """Write `report` to a file by atomic replace; its path.

    Args:
        campaign: a `bayesopt.Campaign` with experiments.
        path: of the file, ending in .html.
    """
    path = Path(path)
    if path.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"{path}: a report must end in .html")
    text = report(campaign)
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def _proposals(campaign: Any) -> str:
    if not campaign.pending:
        return "<p>Nothing is asked for at present.</p>"
    waiting = campaign.space.frame(list(campaign.pending))
    return _table(campaign.predict(waiting) if campaign.has_model else waiting)


def _model(campaign: Any) -> str:
    told = campaign.surrogate().hyperparameters
    named = zip(campaign.space.labels, told["lengthscales"], strict=True)
    lengths = ", ".join(f"{label} {value:.2f}" for label, value in named)
    return (
        f"<p>Gaussian process, kernel {campaign.kernel}. Lengthscales as shares of each variable's range: {escape(lengths)}; "
        f"a short one means that the variable matters. Noise: {100 * told['noise'] ** 0.5:.0f} % of the target's spread. "
        "The curves go through the best experiment.</p>"
    )


def _course(campaign: Any) -> Figure:
    figure = Figure(figsize=(8, 3), layout="constrained")
    objective = campaign.objectives[0]
    axis = figure.subplots()
    bayesopt.progress(
        axis, campaign.y[:, 0], label=objective.label, iterations=campaign.iteration, smallest=objective.goal == "min"
    )
    return figure


def _slices(campaign: Any) -> Figure:
    curves, objective = campaign.slices(), campaign.objectives[0]
    figure = Figure(figsize=(3.3 * len(curves), 3), layout="constrained")
    bayesopt.slices(figure.subplots(1, len(curves), squeeze=False)[0], curves, label=objective.label, log=objective.log)
    return figure


def _front(campaign: Any) -> Figure:
    figure = Figure(figsize=(5, 3.5), layout="constrained")
    labels = tuple(objective.label for objective in campaign.objectives)
    bayesopt.pareto(figure.subplots(), campaign.table(), campaign.pareto(), labels=labels)
    return figure


def _svg(figure: Figure) -> str:
    text = io.StringIO()
    figure.savefig(text, format="svg")
    return text.getvalue().partition("?>")[2].partition(">")[2].replace("\n", " ")


def _table(table: Any) -> str:
    return table.to_html(index=False, float_format=lambda value: f"{value:.4g}", na_rep="", border=0)
