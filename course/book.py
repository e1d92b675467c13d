"""Every lesson, executed, as a static HTML book that needs no network and no kernel.

    python course/book.py [--to build/book] [--only 00 03]

Each notebook is run in a copy of the lessons folder and becomes one page. A panel shows the frame that it ends with; formulas
are MathML, which browsers draw themselves. The build ends with an error if a page has a broken link, a picture without words
that describe it, or anything that would be fetched from elsewhere.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Container, Iterator, Mapping, Sequence
from html import escape, unescape
from pathlib import Path
from typing import Any

import nbformat
from latex2mathml.converter import convert
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from nbformat import NotebookNode

ROOT = Path(__file__).parents[1]
LESSONS = ROOT / "notebooks"
START = "00_start_here"
WIDGET, WIDGETS = "application/vnd.jupyter.widget-view+json", "application/vnd.jupyter.widget-state+json"
LONGEST_CELL = 600  # seconds
INLINE = "module://matplotlib_inline.backend_inline"

CODE = re.compile(r"(```.*?```|`[^`\n]*`)", re.S)
FORMULA = re.compile(r"\$\$(?P<display>.+?)\$\$|\$(?P<inline>[^$\n]+?)\$", re.S)
LESSON = re.compile(r"\[([^\]]*)\]\((\w+)\.ipynb\)")
TAG = re.compile(r"\\tag\{([^}]*)\}")
LINK = re.compile(r"""<a\b[^>]*?\bhref=["']([^"']*)["']""")
PICTURE = re.compile(r"<img\b[^>]*>")
FETCHED = re.compile(r"""(?:<(?:script|img|iframe|source)\b[^>]*?\bsrc|<link\b[^>]*?\bhref)=["'](https?:)?//[^"']*""")
NAMED = re.compile(r"""\b(?:id|name)=["']([^"']+)["']""")


def build(folder: Path, names: Sequence[str]) -> list[Path]:
    """Execute notebooks and write a page for each.

    Args:
        folder: for the pages; what it holds of an earlier book is replaced.
        names: of the notebooks, in the order of the book, without ending.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell fails.
        ValueError: a page has a fault, see `faults`.
    """
    with tempfile.TemporaryDirectory() as copied:
        lessons = Path(shutil.copytree(LESSONS, Path(copied) / "notebooks", ignore=shutil.ignore_patterns(".*")))
        titles = {name: title(nbformat.read(lessons / f"{name}.ipynb", as_version=4)) for name in names}
        pages = {name: page(executed(lessons / f"{name}.ipynb"), name, titles) for name in names}
    folder.mkdir(parents=True, exist_ok=True)
    written = [write(folder / f"{name}.html", text) for name, text in pages.items()]
    target = START if START in pages else names[0]
    write(folder / "index.html", f'<!DOCTYPE html><meta http-equiv="refresh" content="0; url={target}.html">\n')
    found = [fault for path in written for fault in faults(path)]
    if found:
        raise ValueError("\n".join(found))
    return written


def write(path: Path, text: str) -> Path:
    """Replace a file by a text, in one step."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    return partial.replace(path)


def executed(path: Path) -> NotebookNode:
    """A notebook with its outputs, panels as the frames they end with."""
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


def title(notebook: NotebookNode) -> str:
    """The heading of a notebook."""
    return notebook.cells[0].source.partition("\n")[0].removeprefix("# ")


def page(notebook: NotebookNode, name: str, titles: Mapping[str, str]) -> str:
    """A notebook as a page that leads to the others of the book.

    Args:
        notebook: executed.
        name: its own.
        titles: name to title, of all pages in their order.
    """
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = linked(with_mathml(cell.source), titles)
    described(notebook)
    exporter = HTMLExporter(template_name="lab", mathjax_url="", require_js_url="", jquery_url="", widget_renderer_url="")
    exporter.exclude_input_prompt = exporter.exclude_output_prompt = True
    text, _ = exporter.from_notebook_node(notebook, resources={"metadata": {"name": titles[name]}})
    text = re.sub(r"<script\b.*?</script>", "", text, flags=re.S)  # they fetch a renderer, and nothing here needs one
    return text.replace("</head>", f"{STYLE}</head>", 1).replace("<main>", f"{navigation(name, titles)}<main>", 1)


def with_mathml(text: str) -> str:
    r"""Markdown with its formulas as MathML; code stays as it is.

    >>> "<math" in with_mathml(r"a share $\alpha$"), with_mathml("`$HOME`")
    (True, '`$HOME`')
    """
    parts = CODE.split(text)
    return "".join(part if number % 2 else FORMULA.sub(formula, part) for number, part in enumerate(parts))


def formula(found: re.Match) -> str:
    """One formula; an equation's number stands to its right."""
    display = found["display"]
    tags = TAG.findall(display) if display else []
    source = TAG.sub("", display or found["inline"]).strip()
    mathml = convert(source, display="block" if display else "inline").replace("\n", " ")
    if unknown := re.search(r"\\[a-zA-Z]+", re.sub(r"<annotation.*?</annotation>", "", mathml)):
        raise ValueError(f"no MathML for {unknown[0]} in {source!r}")
    if not display:
        return mathml
    number = f'<span class="number">({tags[0]})</span>' if tags else ""
    return f'\n\n<div class="equation">{mathml}{number}</div>\n\n'


def linked(text: str, names: Container[str]) -> str:
    """Markdown whose links to lessons of the book lead to their pages; other lessons are named without a link.

    >>> linked("[next](04_morphnet.ipynb), [none](05_none.ipynb)", ["04_morphnet"])
    '[next](04_morphnet.html), none'
    """
    return LESSON.sub(lambda found: f"[{found[1]}]({found[2]}.html)" if found[2] in names else found[1], text)


def described(notebook: NotebookNode) -> None:
    """Give each picture the words before it as its description."""
    words = ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            words = re.sub(r"<math.*?</math>|[#*`$]|\[|\]\([^)]*\)", "", cell.source, flags=re.S).strip().split("\n\n")[-1]
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                described_as = escape(" ".join(words.split())[:300] or "figure", quote=True)
                picture = output["data"]["image/png"].replace("\n", "")
                output["data"] = {"text/html": f'<img alt="{described_as}" src="data:image/png;base64,{picture}">'}


def navigation(name: str, titles: Mapping[str, str]) -> str:
    """Links to all pages, this one marked."""
    links = [
        f'<a href="{other}.html"{" aria-current=page" if other == name else ""}>{escape(heading)}</a>'
        for other, heading in titles.items()
    ]
    return f'<nav aria-label="lessons">{"".join(links)}</nav>'


def faults(path: Path) -> list[str]:
    """Broken links into the book, pictures without description, and what a browser would fetch from elsewhere."""
    text = path.read_text(encoding="utf-8")
    found = [f"{path.name}: {match[0][:120]} would be fetched" for match in FETCHED.finditer(text)]
    found += [f"{path.name}: a picture has no description" for tag in PICTURE.findall(text) if undescribed(tag)]
    for target in LINK.findall(text):
        target = unescape(target)
        file, _, place = target.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        other = path if not file else path.parent / file
        if not other.exists():
            found.append(f"{path.name}: link to {target}, which is not in the book")
        elif place and place not in NAMED.findall(other.read_text(encoding="utf-8")):
            found.append(f"{path.name}: link to {target}, which has no such place")
    return found


def undescribed(tag: str) -> bool:
    """Whether an <img> has no words for those who do not see it.

    >>> undescribed('<img src="a.png">'), undescribed('<img alt="loss over epochs" src="a.png">')
    (True, False)
    """
    words = re.search(r'\balt="([^"]*)"', tag)
    return not words or not words[1].strip() or "No description" in words[1]


STYLE = """<style>
body { font-family: system-ui, sans-serif; }
main { max-width: 60rem; margin: 0 auto; }
nav { display: flex; flex-wrap: wrap; gap: 0.3rem 1rem; max-width: 60rem; margin: 0 auto; padding: 1rem; font-size: 0.85rem; }
nav a[aria-current] { font-weight: bold; text-decoration: none; }
.equation { display: flex; align-items: center; justify-content: center; position: relative; margin: 1em 0; }
.equation .number { position: absolute; right: 0; }
.panel { border: 1px solid #ddd; padding: 0.6rem; }
math { font-size: 1.05em; }
</style>
"""


def main() -> None:
    """Build the book that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--to", type=Path, default=ROOT / "build" / "book")
    parser.add_argument("--only", nargs="*", help="numbers of lessons, as 00 03; all without this")
    chosen = parser.parse_args()
    names = sorted(path.stem for path in LESSONS.glob("*.ipynb"))
    if chosen.only:
        unknown = [number for number in chosen.only if not any(name.startswith(f"{number}_") for name in names)]
        if unknown:
            sys.exit(f"no lesson {', '.join(unknown)}; there are {', '.join(name.partition('_')[0] for name in names)}")
        names = [name for name in names if name.partition("_")[0] in chosen.only]
    for path in build(chosen.to, names):
        print(path)


if __name__ == "__main__":
    main()
