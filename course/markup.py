"""Text of a lesson as HTML that needs no network: formulas as MathML, links between pages, words for each picture."""

from __future__ import annotations

import re
from collections.abc import Container
from html import escape

from latex2mathml.converter import convert
from nbformat import NotebookNode

CODE = re.compile(r"(```.*?```|`[^`\n]*`)", re.S)
FORMULA = re.compile(r"\$\$(?P<display>.+?)\$\$|\$(?P<inline>[^$\n]+?)\$", re.S)
PLACE = re.compile(r"\[([^\]]*)\]\((?:\.\./notebooks/|\.\./docs/)?(\w+)\.(?:ipynb|md)\)")
TAG = re.compile(r"\\tag\{([^}]*)\}")
LONGEST_DESCRIPTION = 300


def with_mathml(text: str) -> str:
    r"""Markdown with its formulas as MathML; code stays as it is.

    >>> "<math" in with_mathml(r"a share $\alpha$"), with_mathml("`$HOME`")
    (True, '`$HOME`')
    """
    parts = CODE.split(text)
    return "".join(part if place % 2 else FORMULA.sub(formula, part) for place, part in enumerate(parts))


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
    """Markdown whose links to lessons and to the notation lead to their pages; what has no page is named without a link.

    >>> linked("[next](04_morphnet.ipynb), [none](05_none.ipynb)", ["04_morphnet"])
    '[next](04_morphnet.html), none'
    >>> linked("[notation](../docs/notation.md)", ["notation"])
    '[notation](notation.html)'
    """
    return PLACE.sub(lambda found: f"[{found[1]}]({found[2]}.html)" if found[2] in names else found[1], text)


def described(notebook: NotebookNode) -> None:
    """Give each picture the words before it as its description."""
    words = ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            words = re.sub(r"<math.*?</math>|[#*`$]|\[|\]\([^)]*\)", "", cell.source, flags=re.S).strip().split("\n\n")[-1]
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                described_as = escape(" ".join(words.split())[:LONGEST_DESCRIPTION] or "figure", quote=True)
                picture = output["data"]["image/png"].replace("\n", "")
                output["data"] = {"text/html": f'<img alt="{described_as}" src="data:image/png;base64,{picture}">'}
