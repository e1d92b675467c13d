"""The notation of all lessons on one page, gathered from the tables under their equations.

    python -m course.notation

writes docs/notation.md, which is also a page of the book. A code name has one symbol and one unit in all lessons, but for those
in `SEVERAL`, each with its reason; a symbol may stand for several things, as it does in the documents.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from course import lessons

NAME, TITLE = "notation", "Notation"
PAGE = lessons.ROOT / "docs" / "notation.md"
HEAD = "| symbol | code name | unit | shape |"
SEVERAL = {
    "distance": "between atoms in lesson 08, between two structures in the latent space in lesson 13",
    "inputs": "what any network or model is given",
    "lr": "a step of time for the heavy ball of lesson 03, where masses have units; elsewhere a plain number",
    "mean": "of a prediction, of latent variables, of spectra: the documents write μ for the first two, a bar for the third",
    "momentum": "of the ball in lesson 03; the accuracy that an insertion must bring in lesson 05, so called by its authors",
    "penalty": "what is added to the loss in lesson 04, its strength in 09 and 10, the choice between L1 and L2 in 15",
    "strength": "of a penalty, in the unit that the penalty asks for",
    "value": "what attention adds up, and what two adversaries play for",
    "weights": "of a network or a classifier; of parts in a mixture in lesson 14",
}
"""Code names with several symbols or units, and why."""


@dataclass(frozen=True)
class Entry:
    """A row of a table of symbols, of one code name or of words that stand in for one."""

    symbol: str
    code: str
    unit: str
    shape: str
    lesson: str


def entries(name: str) -> list[Entry]:
    """What the table of a lesson says; rows of several symbols are taken apart where symbols and code names pair up.

    Raises:
        ValueError: a row has not four cells, or one of them is empty.
    """
    text = "\n".join(cell.source for cell in dict(lessons.sections(lessons.read(name)))["Equations"])
    rows = text[text.index(HEAD) :].partition("\n\n")[0].splitlines()[2:]
    return [entry for row in rows for entry in row_entries(row, name)]


def row_entries(row: str, name: str) -> Iterator[Entry]:
    """The entries of one row.

    >>> [(entry.code, entry.unit) for entry in row_entries("| $a$, $b$ | `one`, `two` | 1, m | () |", "99_none")]
    [('`one`', '1'), ('`two`', 'm')]
    """
    cells = [cell.strip() for cell in re.split(r" \|(?: |$)", row.strip().removeprefix("|"))[:4]]
    if len(cells) < 4 or not all(cells):
        raise ValueError(f"lesson {lessons.number(name)}: the row {row!r} needs symbol, code name, unit and shape")
    symbols, units, shapes = parts(cells[0]), parts(cells[2]), parts(cells[3])
    codes = re.findall(r"`[^`]+`", cells[1].partition(";")[0]) or [cells[1]]
    for place, code in enumerate(codes):
        yield Entry(
            symbols[place] if len(symbols) == len(codes) else cells[0],
            code,
            units[place] if len(units) == len(codes) else cells[2],
            shapes[place] if len(shapes) == len(codes) else cells[3],
            name,
        )


def parts(cell: str) -> list[str]:
    """What commas separate, outside formulas and brackets.

    >>> parts("$W, b$, $V(G, D)$"), parts("(n, d), ()")
    (['$W$', '$b$', '$V(G, D)$'], ['(n, d)', '()'])
    """
    cell = re.sub(r"\$[^$(]*\$", lambda formula: formula[0].replace(", ", "$, $"), cell)  # symbols in one formula
    return [part.strip() for part in re.findall(r"(?:\$[^$]*\$|\([^)]*\)|[^,$(])+", cell)]


def all_entries() -> list[Entry]:
    """The entries of all lessons, in their order."""
    return [entry for name in lessons.names() if name != lessons.START for entry in entries(name)]


def named(code: str) -> str:
    """The bare name in code marks and before brackets; empty for what is no code.

    >>> named("`cost()`"), named("friction per step")
    ('cost', '')
    """
    return code.strip("`").partition("(")[0] if code.startswith("`") else ""


def clashes(found: Sequence[Entry]) -> dict[str, list[Entry]]:
    """Code names that have several symbols or units."""
    by_name: dict[str, list[Entry]] = {}
    for entry in found:
        by_name.setdefault(named(entry.code), []).append(entry)
    by_name.pop("", None)
    return {name: rows for name, rows in by_name.items() if len({(bare(row.symbol), row.unit) for row in rows}) > 1}


def bare(symbol: str) -> str:
    r"""A symbol without the words beside it and without its indices, which differ with the equation.

    >>> bare(r"$\lambda$ of (2.12)"), bare("$x^{(n)}$"), bare("$x_0$")
    ('\\lambda', 'x', 'x')
    """
    formula = re.search(r"\$([^$]+)\$", symbol)
    return re.sub(r"(_|\^)(\{[^}]*\}|\\?\w+)", "", formula[1]).strip() if formula else symbol


def page() -> str:
    """The notation as markdown, for the book and to be read beside the code."""
    found = all_entries()
    return "\n\n".join([OPENING, symbol_table(found), MEANINGS, meanings_table(found), NAMES, names_table(found)]) + "\n"


def symbol_table(found: Sequence[Entry]) -> str:
    """One row for each symbol with a code name and unit, with the lessons that use it."""
    merged: dict[tuple[str, str, str], list[Entry]] = {}
    for entry in sorted(found, key=lambda entry: (order(entry.symbol), entry.code, entry.lesson)):
        merged.setdefault((entry.symbol, entry.code, entry.unit), []).append(entry)
    rows = [
        [*key, "; ".join(dict.fromkeys(row.shape for row in rows)), " ".join(dict.fromkeys(link(row.lesson) for row in rows))]
        for key, rows in merged.items()
    ]
    return table(["symbol", "code name", "unit", "shape", "lessons"], rows)


def order(symbol: str) -> tuple[bool, str]:
    """Letters first, as they are read, then words."""
    formula = re.search(r"\$([^$]+)\$", symbol)
    letters = re.sub(r"\\(bar|mathcal|partial|ln|log)\b|[^a-zA-Z]", "", formula[1] if formula else symbol)
    return (formula is None, letters.lower())


def meanings_table(found: Sequence[Entry]) -> str:
    """Symbols that stand for several things, with the code names that tell them apart."""
    by_symbol: dict[str, dict[str, list[str]]] = {}
    for entry in found:
        by_symbol.setdefault(bare(entry.symbol), {}).setdefault(entry.code, []).append(link(entry.lesson))
    rows = [
        [f"${symbol}$", "; ".join(f"{code} {' '.join(dict.fromkeys(links))}" for code, links in codes.items())]
        for symbol, codes in sorted(by_symbol.items(), key=lambda item: order(f"${item[0]}$"))
        if len(codes) > 1 and len({link for links in codes.values() for link in links}) > 1
    ]
    return table(["symbol", "stands for, in lesson"], rows)


def names_table(found: Sequence[Entry]) -> str:
    """Code names that have several symbols or units, with the reason."""
    rows = [
        [f"`{name}`", "; ".join(f"{row.symbol} [{row.unit}] {link(row.lesson)}" for row in rows), SEVERAL.get(name, "")]
        for name, rows in sorted(clashes(found).items())
    ]
    return table(["code name", "symbol [unit] in lesson", "why"], rows)


def link(lesson: str) -> str:
    """The number of a lesson, leading to it."""
    return f"[{lessons.number(lesson)}](../notebooks/{lesson}.ipynb)"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in markdown; bars in formulas are spelled out, for they would end a cell."""
    safe = [[cell.replace("|", r"\vert{}") for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *safe])


OPENING = """# Notation

The symbols of all lessons with their names in the code, gathered from the tables under the equations by `make notation`.
Equations keep the symbols of the document they come from, with its numbers; code names and units are the same in all lessons.
Shapes: `n` samples, `b` batch, `k` members, `d` features, `a` atoms, `h w` image, `m` mass channels, `t` time points,
`()` a number."""
MEANINGS = """## One symbol, several meanings

The four documents take the same letters for different things, and so do the lessons; the code name tells which is meant."""
NAMES = """## One code name, several meanings"""


def main() -> None:
    """Write the page."""
    print(lessons.write(PAGE, page()))


if __name__ == "__main__":
    main()
