"""Every lesson, executed, as a deck of slides: one file each, for a browser without a network.

    python -m course.slides [--to build/slides] [--only 00 03]

A heading begins a slide; what follows stands below it (arrow down), as much on a page as fits. Solutions come open, one page
further than the exercises. reveal.js is written into the file; `make slides` fetches it once into .venv/reveal.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from pathlib import Path

from nbconvert import SlidesExporter
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_notebook

from course import lessons
from course.book import faults
from course.executing import with_outputs
from course.markup import described, linked, with_mathml
from course.paging import pages

REVEAL = lessons.ROOT / ".venv" / "reveal" / "sphinx_revealjs" / "_static" / "revealjs" / "dist"
WIDTH, HEIGHT = 1280, 720


def build(folder: Path, names: Sequence[str], reveal: Path = REVEAL) -> list[Path]:
    """Write a deck for each lesson; they are run where that has not been done.

    Args:
        folder: for the decks.
        names: of the lessons.
        reveal: the folder with `reveal.js` and `reveal.css`.

    Raises:
        FileNotFoundError: reveal.js is not there.
        ValueError: a deck has a fault, see `book.faults`.
    """
    if missing := [name for name in ("reveal.js", "reveal.css") if not (reveal / name).is_file()]:
        raise FileNotFoundError(f"no {' and no '.join(missing)} in {reveal}: `make slides` fetches them")
    written = [lessons.write(folder / f"{name}.html", deck(with_outputs(name), names, reveal)) for name in names]
    if found := [fault for path in written for fault in faults(path)]:
        raise ValueError("\n".join(found))
    return written


def deck(notebook: NotebookNode, names: Sequence[str], reveal: Path = REVEAL) -> str:
    """The slides of an executed notebook as one HTML text.

    Args:
        notebook: executed.
        names: of all lessons with a deck, to which links may lead.
        reveal: as in `build`.
    """
    title = lessons.title(notebook)
    described(notebook)
    paged = slides(notebook)
    for cell in paged.cells:
        if cell.cell_type == "markdown":
            cell.source = linked(with_mathml(cell.source), names)
    exporter = SlidesExporter(mathjax_url="", require_js_url="", jquery_url="", widget_renderer_url="", reveal_url_prefix="")
    exporter.exclude_input_prompt = exporter.exclude_output_prompt = True
    text, _ = exporter.from_notebook_node(paged, resources={"metadata": {"name": title}})
    text = re.sub(r"<script\b.*?</script>|<link\b[^>]*>", "", text, flags=re.S)  # they would be fetched
    style = f"<style>{(reveal / 'reveal.css').read_text(encoding='utf-8')}</style>{STYLE}"
    size = f"const WIDTH = {WIDTH}, HEIGHT = {HEIGHT};"
    script = f"<script>{(reveal / 'reveal.js').read_text(encoding='utf-8')}</script><script>{size}{SCRIPT}</script>"
    return text.replace("</head>", f"{style}</head>", 1).replace("</body>", f"{script}</body>", 1)


def slides(notebook: NotebookNode) -> NotebookNode:
    """The notebook with a cell for each block, marked as nbconvert wants it; later pages repeat their heading in small."""
    cells = []
    for page in pages(notebook):
        first = [] if page.opens else [new_markdown_cell(f'<p class="section">{escape(page.section)}</p>')]
        onto = [*first, *page.cells]
        onto[0].metadata["slideshow"] = {"slide_type": "slide" if page.opens else "subslide"}
        cells += onto
    return new_notebook(cells=cells, metadata=notebook.metadata)


STYLE = """<style>
.reveal { font: 24px/1.4 system-ui, sans-serif; color: #222; }
.reveal .slides { text-align: left; }
.reveal .slides section { padding: 0; }
.reveal h1 { font-size: 52px; margin: 120px 0 20px; }
.reveal h2 { font-size: 36px; margin: 0 0 12px; }
.reveal .section { color: #5f5f5f; font-size: 18px; margin: 0 0 8px; }
.reveal p { margin: 0 0 12px; }
.reveal ul, .reveal ol { margin: 0 0 10px; padding-left: 1.3em; }
.reveal .jp-RenderedHTMLCommon { font-size: 24px; line-height: 1.4; }
.reveal .jp-RenderedHTMLCommon table { font-size: 20px; margin: 0 0 10px; }
.reveal .jp-OutputArea table { font-size: var(--table, 18px) !important; }
.reveal .jp-OutputArea :is(td, th) { padding: 0.25em 0.4em !important; }
.reveal pre { font-size: var(--code, 19px) !important; line-height: 1.3 !important; }
.reveal img { display: block; max-width: 100%; max-height: 620px; margin: 0 auto; }
.reveal .panel { max-width: 1240px; margin: 0 auto; }
.reveal .panel [role=img] { font-size: 17px !important; line-height: 1.4 !important; }
.reveal .panel svg { max-height: 440px; width: 100%; }
.reveal .jp-Cell, .reveal .jp-Cell-outputWrapper, .reveal .jp-OutputArea-child { padding: 0; margin: 0; overflow: visible; }
.reveal .jp-InputPrompt, .reveal .jp-OutputPrompt { display: none; }
.reveal .jp-Notebook, body.jp-Notebook { padding: 0; overflow: hidden; }
.reveal .equation { display: flex; align-items: center; justify-content: center; position: relative; margin: 0.4em 0; }
.reveal .equation .number { position: absolute; right: 0; }
.reveal .slide-number { font-size: 14px; }
</style>
"""
SCRIPT = """
const sizes = [[19, 18], [16.4, 18], [16.4, 16], [16.4, 14], [16.4, 13]], smallest = 0.75;  // of code and tables
function wrapped(slide) {
  let inner = slide.querySelector(":scope > .fit");
  if (!inner) {
    inner = document.createElement("div");
    inner.className = "fit";
    inner.append(...slide.childNodes);
    slide.append(inner);
  }
  return inner;
}
function excess(inner) {  // how many times too large: 1 where all is seen
  const wide = [inner, ...inner.querySelectorAll("table, pre, math, svg, img")].map(part => part.scrollWidth || 0);
  return Math.max(1, inner.scrollHeight * inner.style.zoom / HEIGHT, Math.max(...wide) * inner.style.zoom / WIDTH);
}
function fit() {  // what is a little too large is shown smaller, code and tables first
  if (!Reveal.getCurrentSlide()) return;
  const inner = wrapped(Reveal.getCurrentSlide());
  inner.style.zoom = 1;
  for (const [code, table] of sizes) {
    inner.style.setProperty("--code", code + "px");
    inner.style.setProperty("--table", table + "px");
    if (excess(inner) === 1) return;
  }
  for (let round = 0; round < 5 && excess(inner) > 1; round++)
    inner.style.zoom = Math.max(smallest, 0.99 * inner.style.zoom / excess(inner));
}
Reveal.on("ready", fit);
Reveal.on("slidechanged", fit);
Reveal.initialize({
  width: WIDTH, height: HEIGHT, margin: 0.04, center: false, hash: true, transition: "none", slideNumber: "c/t",
});
"""


def main() -> None:
    """Build the decks that the command line asks for."""
    for path in build(*lessons.asked(__doc__.splitlines()[0], "slides")):
        print(path)


if __name__ == "__main__":
    main()
