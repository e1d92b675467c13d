"""Every lesson, executed, as a static HTML book that needs no network and no kernel.

    python -m course.book [--to build/book] [--only 00 03]

Each notebook becomes one page; the results of all and their notation are two more. A panel shows the frame that it ends with;
formulas are MathML, which browsers draw themselves. The build ends with an error if a page has a broken link, a picture without
words that describe it, or anything that would be fetched from elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape, unescape
from pathlib import Path

from nbconvert import HTMLExporter
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_notebook

from course import lessons, notation, results
from course.executing import with_outputs
from course.markup import described, linked, with_mathml

LINK = re.compile(r"""<a\b[^>]*?\bhref=["']([^"']*)["']""")
PICTURE = re.compile(r"<img\b[^>]*>")
FETCHED = re.compile(r"""(?:<(?:script|img|iframe|source)\b[^>]*?\bsrc|<link\b[^>]*?\bhref)=["'](https?:)?//[^"']*""")
NAMED = re.compile(r"""\b(?:id|name)=["']([^"']+)["']""")


def build(folder: Path, names: Sequence[str]) -> list[Path]:
    """Write a page for each lesson; they are run where that has not been done.

    Args:
        folder: for the pages; what it holds of an earlier book is replaced.
        names: of the lessons, in the order of the book.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell fails.
        ValueError: a page has a fault, see `faults`.
    """
    titles = {name: lessons.title(lessons.read(name)) for name in names}
    titles |= {notation.NAME: notation.TITLE, results.NAME: results.TITLE}
    pages = {name: page(with_outputs(name), name, titles) for name in names}
    pages[notation.NAME] = page(new_notebook(cells=[new_markdown_cell(notation.page())]), notation.NAME, titles)
    written = [lessons.write(folder / f"{name}.html", text) for name, text in pages.items()]
    written.append(results.beside(folder, names, navigation(results.NAME, titles)))
    target = lessons.START if lessons.START in pages else names[0]
    lessons.write(folder / "index.html", f'<!DOCTYPE html><meta http-equiv="refresh" content="0; url={target}.html">\n')
    found = [fault for path in written for fault in faults(path)]
    if found:
        raise ValueError("\n".join(found))
    return written


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
    >>> undescribed("<img alt='loss over epochs' src='a.png'>")  # as it is written where the words hold a double quote
    False
    """
    words = re.search(r"""\balt=(["'])(.*?)\1""", tag)
    return not words or not words[2].strip() or "No description" in words[2]


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
    for path in build(*lessons.asked(__doc__.splitlines()[0], "book")):
        print(path)


if __name__ == "__main__":
    main()
