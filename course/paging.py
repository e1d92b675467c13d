"""How a lesson is cut into slides: blocks of text, code and output, packed onto pages in their order.

The cuts follow from headings and from how much fits, so that the notebooks need no tags. Sizes are estimates in lines of text;
what is a little too tall all the same is shrunk by the deck when it is shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import ceil

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

LINES = 17.0  # of text on a page
LETTERS = 92  # in a line of text
CODE_LINE, TABLE_ROW, EQUATION = 0.78, 1.35, 2.2  # in lines of text
ROWS = 11  # of a table on a page
SHORT_OUTPUT = 8  # lines that stay below their code
BLOCK = re.compile(r"(?:```.*?```|\$\$.*?\$\$|(?:^[^\n]*\S[^\n]*$\n?)+)", re.M | re.S)
DETAILS = re.compile(r"<details>\s*<summary>(.*?)</summary>(.*?)</details>", re.S)


@dataclass(frozen=True)
class Block:
    """What stays together: a cell of its own, as tall as so many lines; a heading begins a slide, folded or not."""

    cell: NotebookNode
    lines: float
    heading: str = ""
    folded: bool = False


@dataclass
class Page:
    """Cells that are seen together, under the heading of their section."""

    section: str
    opens: bool  # a new section
    folded: bool = False
    cells: list[NotebookNode] = field(default_factory=list)
    lines: float = 0.0


def pages(notebook: NotebookNode) -> list[Page]:
    """An executed lesson as pages, in its order."""
    found: list[Page] = []
    section = ""
    for block in blocks(notebook):
        if block.heading:
            found.append(Page(block.heading, opens=True, folded=block.folded))
        elif found[-1].folded > block.folded:
            found.append(Page(section, opens=False))
        elif found[-1].lines + block.lines > LINES:
            found.append(Page(found[-1].section, opens=False, folded=block.folded))
        if not block.folded:
            section = found[-1].section
        found[-1].cells.append(block.cell)
        found[-1].lines += block.lines
    return found


def blocks(notebook: NotebookNode) -> Iterator[Block]:
    """Every cell in parts that fit on a page, where it has such parts."""
    for cell in notebook.cells:
        yield from text_blocks(cell.source) if cell.cell_type == "markdown" else code_blocks(cell)


def text_blocks(text: str) -> Iterator[Block]:
    """Headings, paragraphs, items of lists, equations and parts of tables; a folded part begins a slide and is open."""
    before = DETAILS.split(text)
    for place in range(0, len(before), 3):
        yield from open_blocks(before[place])
        if place + 2 < len(before):
            yield Block(new_markdown_cell(f"## {before[place + 1]}"), 2.0, before[place + 1], folded=True)
            yield from (replace(block, folded=True) for block in open_blocks(before[place + 2]))


def open_blocks(text: str) -> Iterator[Block]:
    """The blocks of text in which nothing is folded."""
    for block in BLOCK.findall(text):
        block = block.rstrip()
        if heading := re.match(r"#{1,2} (.+)", block):
            yield Block(new_markdown_cell(heading[0]), 2.0, heading[1])
            block = block[heading.end() :].strip()
        for part in parted(block):
            yield Block(new_markdown_cell(part), height(part))


def parted(block: str) -> list[str]:
    r"""A table in parts with the head of the whole, a list in its items, anything else as it is; nothing of nothing.

    >>> parted("* one\n  and more\n* two")
    ['* one\n  and more', '* two']
    """
    rows = block.splitlines()
    if block.startswith("|"):
        return ["\n".join([*rows[:2], *rows[first : first + ROWS]]) for first in range(2, len(rows), ROWS)]
    if re.match(r"(\*|-|\d+\.) ", block):
        return [item.rstrip() for item in re.findall(r"^(?:\*|-|\d+\.) .*?(?=^(?:\*|-|\d+\.) |\Z)", block, re.M | re.S)]
    return [block] if block else []


def height(text: str) -> float:
    """Lines that a block of text takes, with the space around it.

    >>> height("one line") < height("word " * 100)
    True
    """
    if text.startswith("$$"):
        return EQUATION + 1.3 * len(re.findall(r"\\\\", text))
    if text.startswith("```"):
        return CODE_LINE * text.count("\n") + 0.5
    if text.startswith("|"):
        return TABLE_ROW * (text.count("\n"))
    read = re.sub(r"\$\$.*?\$\$|\]\([^)]*\)", "", text, flags=re.S)
    return ceil(len(read) / LETTERS) + 0.5 + EQUATION * text.count("$$") / 2


def code_blocks(cell: NotebookNode) -> Iterator[Block]:
    """The code with its few lines of printed output; pictures, panels and tables on pages of their own."""
    printed = [output for output in cell.outputs if is_short(output)]
    lines = CODE_LINE * (cell.source.count("\n") + 1 + sum(plain(output).count("\n") + 1 for output in printed)) + 1.0
    yield Block(new_code_cell(cell.source, outputs=printed), lines)
    for output in cell.outputs:
        if not is_short(output):
            yield from (output_block(part) for part in output_parts(output))


def plain(output: NotebookNode) -> str:
    """What an output says without any marks."""
    return (output.get("text") or output.get("data", {}).get("text/plain", "")).rstrip()


def is_short(output: NotebookNode) -> bool:
    """Whether an output is a few lines of plain text."""
    return set(output.get("data", {})) <= {"text/plain"} and plain(output).count("\n") < SHORT_OUTPUT


def output_block(output: NotebookNode) -> Block:
    """An output without its code. A long one fills a page."""
    cell = new_code_cell("", outputs=[output])
    cell.metadata["transient"] = {"remove_source": True}  # nbconvert's mark for a cell without input
    rows = output.get("data", {}).get("text/html", "").count("<tr")
    return Block(cell, TABLE_ROW * 0.8 * rows + 1.0 if rows else LINES)


def output_parts(output: NotebookNode) -> Iterator[NotebookNode]:
    """A long table as tables of at most `ROWS` rows, any other output as it is."""
    html = output.get("data", {}).get("text/html", "")
    head, body, tail = html.partition("<tbody>")[0], *html.partition("<tbody>")[2].partition("</tbody>")[::2]
    rows = re.findall(r"<tr.*?</tr>", body, re.S)
    if len(rows) <= ROWS or "rowspan" in body:
        yield output
        return
    for chunk in evenly(rows):
        yield NotebookNode(output | {"data": {"text/html": f"{head}<tbody>{''.join(chunk)}</tbody>{tail}"}})


def evenly(rows: Sequence[str]) -> Iterator[Sequence[str]]:
    """Rows in parts of about equal length, at most `ROWS` each.

    >>> [len(part) for part in evenly(["row"] * 13)]
    [7, 6]
    """
    length = ceil(len(rows) / ceil(len(rows) / ROWS))
    yield from (rows[first : first + length] for first in range(0, len(rows), length))
