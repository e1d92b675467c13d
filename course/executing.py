"""Lessons with their outputs: each is run once, and again only when it or the toolkit has changed.

Book and slides are made from the same run. A panel shows the frame that it ends with, so that neither needs a kernel.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

from course import lessons

KEPT = lessons.BUILD / "executed"
WIDGET, WIDGETS = "application/vnd.jupyter.widget-view+json", "application/vnd.jupyter.widget-state+json"
LONGEST_CELL = 600  # seconds
INLINE = "module://matplotlib_inline.backend_inline"
SOURCES = ("toolkit/**/*.py", "toolkit/**/*.csv", "notebooks/recordings/*", "constraints.txt")


def with_outputs(name: str, folder: Path = KEPT) -> NotebookNode:
    """A lesson with its outputs, from the run before if nothing has changed since.

    Args:
        name: of the lesson.
        folder: where runs are kept.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell fails.
    """
    kept = folder / f"{name}.{digest(name)}.ipynb"
    if not kept.exists():
        with tempfile.TemporaryDirectory() as copied:
            where = shutil.copytree(lessons.FOLDER, Path(copied) / "notebooks", ignore=shutil.ignore_patterns(".*"))
            notebook = executed(Path(where) / f"{name}.ipynb")
        for older in folder.glob(f"{name}.*.ipynb"):
            older.unlink()
        lessons.write(kept, nbformat.writes(notebook))
    return nbformat.read(kept, as_version=4)


def digest(name: str) -> str:
    """Changes whenever a run of the lesson could come out otherwise."""
    files = [lessons.FOLDER / f"{name}.ipynb", *(path for pattern in SOURCES for path in sorted(lessons.ROOT.glob(pattern)))]
    state = hashlib.sha256()
    for path in files:
        state.update(str(path.relative_to(lessons.ROOT)).encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return state.hexdigest()[:16]


def executed(path: Path) -> NotebookNode:
    """Run a notebook in its folder; panels become the frames they end with."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=LONGEST_CELL, resources={"metadata": {"path": str(path.parent)}})
    client.execute(env=os.environ | {"MPLBACKEND": INLINE})  # whatever backend this machine prefers
    models = notebook.metadata.pop("widgets", {}).get(WIDGETS, {}).get("state", {})
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if WIDGET in output.get("data", {}):
                output["data"] = {"text/html": frozen(output["data"][WIDGET]["model_id"], models)}
    return notebook


def frozen(model: str, models: Mapping[str, Any]) -> str:
    """What a panel shows in the end: title, legend and plots; a plain list of its settings."""
    states = [models[name]["state"] for name in below(model, models) if name in models]
    texts = [state.get("value", "") for state in states if isinstance(state.get("value"), str)]
    shown = [text for text in texts if "<svg" in text or "<h3" in text]
    settings = [f"{state['description']}: {value}" for state in states if (value := setting(state)) is not None]
    told = f"<details><summary>settings</summary><p>{escape(' · '.join(settings))}</p></details>" if settings else ""
    return f'<div class="panel">{"".join(shown)}{told}</div>'


def below(model: str, models: Mapping[str, Any]) -> Iterator[str]:
    """A widget and all within it, in the order shown."""
    yield model
    for child in models.get(model, {}).get("state", {}).get("children", []):
        yield from below(child.removeprefix("IPY_MODEL_"), models)


def setting(state: Mapping[str, Any]) -> Any:
    """What a control is set to; None for what is no control."""
    if not state.get("description") or "Button" in state["_model_name"]:
        return None
    if "index" in state and "_options_labels" in state:
        chosen = state["index"]
        places = chosen if isinstance(chosen, list) else [] if chosen is None else [chosen]
        return ", ".join(state["_options_labels"][place] for place in places)
    return state.get("value")
