"""The results page: every table and figure of the four documents with ours beside it.

    python -m course.results [--to build/results]

It writes `results.html`, `results.csv` (a line for each table and figure) and `results_numbers.csv` (a line for each number),
all from the published tables and the recordings; the book has the same page. `course/results.csv` is a copy that can be read
without running anything.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from html import escape
from pathlib import Path

import pandas as pd

from course import lessons
from toolkit import published, results
from toolkit.results.words import number

COPY = Path(__file__).with_suffix(".csv")
RECORDINGS = lessons.FOLDER / "recordings"
NAME, TITLE = "results", "Results: published against ours"
SUMMARY = ["number", "what", "lesson", "made", "published", "ours", "verdict"]
NUMBERS = ["measure", "case", "published", "ours", "spread", "runs", "tolerance", "unit", "verdict", "remarks", "origin"]


def write(folder: Path, found: Sequence[results.Result], names: Collection[str] = (), head: str = "") -> list[Path]:
    """Write the page and both tables.

    Args:
        folder: for the files.
        found: of `results.collect`.
        names: of the lessons whose pages stand beside this one.
        head: links to the other pages of a book.
    """
    summary, numbers = results.summary(found), results.numbers(found)
    return [
        lessons.write(folder / f"{NAME}.html", page(found, names, head)),
        lessons.write(folder / f"{NAME}.csv", summary.to_csv(index=False, lineterminator="\n")),
        lessons.write(folder / f"{NAME}_numbers.csv", numbers.to_csv(index=False, lineterminator="\n", float_format="%.6g")),
    ]


def beside(folder: Path, names: Collection[str], head: str) -> Path:
    """Write the page beside those of a book.

    Args:
        folder: of the book.
        names: of its lessons.
        head: links to its pages.
    """
    return write(folder, results.collect(RECORDINGS), names, head)[0]


def page(found: Sequence[results.Result], names: Collection[str] = (), head: str = "") -> str:
    """The page as HTML that needs nothing else."""
    documents = list(dict.fromkeys(one.row.document for one in found))
    parts = [section(document, [one for one in found if one.row.document == document], names) for document in documents]
    text = "".join([f"<h1>{TITLE}</h1>", RULE, counts(found), *parts])
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{TITLE}</title>{STYLE}</head>'
        f"<body>{head}<main>{text}</main></body></html>\n"
    )


def counts(found: Iterable[results.Result]) -> str:
    """How many rows have which verdict."""
    told = Counter(one.verdict for one in found)
    cells = "".join(f'<tr><td class="{_class(name)}">{escape(name)}</td><td>{count}</td></tr>' for name, count in told.items())
    return f'<table class="counts"><tr><th>verdict</th><th>tables, figures, sections</th></tr>{cells}</table>'


def section(document: str, found: Sequence[results.Result], names: Collection[str]) -> str:
    """The rows of one document, and below each its numbers."""
    title = next(published.describe(name).document for one in found for name in one.row.published)
    heads = "".join(f'<th scope="col">{name}</th>' for name in SUMMARY)
    rows = "".join(_row(one, names) for one in found)
    below = "".join(_numbers(one) for one in found if one.lines is not None)
    return f"<h2>{escape(title)}</h2><table><tr>{heads}</tr>{rows}</table><h3>{escape(document)}: every number</h3>{below}"


def _row(one: results.Result, names: Collection[str]) -> str:
    line = results.summary([one]).iloc[0]
    shown = f'<a href="#{_place(one)}">{one.row.name}</a>' if one.lines is not None else one.row.name
    lesson = lessons.number(one.row.lesson)
    if one.row.lesson in names:
        lesson = f'<a href="{one.row.lesson}.html">{lesson}</a>'
    made = ", ".join(filter(None, (line["live or recorded"], line["device"], line["date"])))
    reason = f": {escape(one.reason)}" if one.reason else ""
    verdict = f'<td class="{_class(one.verdict)}"><b>{escape(one.verdict)}</b>{reason}</td>'
    texts = (one.row.title, made, line["published"], line["ours"])
    title, made, printed, ours = (f"<td>{escape(text)}</td>" for text in texts)
    cells = f"{title}<td>{lesson}</td>{made}{printed}{ours}{verdict}"
    return f'<tr class="row-{_class(one.verdict)}"><th scope="row">{shown}</th>{cells}</tr>'


def _numbers(one: results.Result) -> str:
    heads = "".join(f'<th scope="col">{name}</th>' for name in NUMBERS)
    rows = "".join(f"<tr>{''.join(_cell(line[name]) for name in NUMBERS)}</tr>" for line in one.lines.to_dict("records"))
    summary = f"{one.row.name}: {one.row.title} ({len(one.lines)} numbers)"
    return (
        f'<details id="{_place(one)}"><summary>{escape(summary)}</summary><table><tr>{heads}</tr>{rows}</table></details>'
    )  # fmt: skip


def _cell(value: object) -> str:
    if isinstance(value, str):
        return f"<td>{escape(value)}</td>"
    return f'<td class="number">{"" if pd.isna(value) else number(value)}</td>'


def _place(one: results.Result) -> str:
    return f"{one.row.document} {one.row.name}".lower().replace(" ", "-").replace(".", "-")


def _class(verdict: str) -> str:
    return verdict.partition(":")[0].partition(",")[0].replace(" ", "-")


RULE = """<p>Two or more own runs agree with a printed number if it lies in the interval in which 95 % of repetitions would lie
(Student's distribution over the seeds), widened by half a unit of its last printed digit; an interval wider than the number
leaves it undecided. A row differs as soon as one of its numbers does. Statements agree if they hold with every seed. Numbers,
dates, devices and verdicts are computed from the published tables and the recordings. As tables:
<a href="results.csv">results.csv</a>, <a href="results_numbers.csv">results_numbers.csv</a>.</p>"""
STYLE = """<style>
body { font-family: system-ui, sans-serif; line-height: 1.35; color: #1a1a1a; background: #fff; }
main { max-width: 100rem; margin: 0 auto; padding: 0 1rem; }
nav { display: flex; flex-wrap: wrap; gap: 0.3rem 1rem; max-width: 60rem; margin: 0 auto; padding: 1rem; font-size: 0.85rem; }
nav a[aria-current] { font-weight: bold; text-decoration: none; }
table { border-collapse: collapse; font-size: 0.8rem; width: 100%; }
table.counts { width: auto; }
h2 { font-size: 1.2rem; margin-top: 2rem; }
tr.row-illustration, tr.row-settings { color: #595959; }
th, td { border: 1px solid #ccc; padding: 0.25rem 0.45rem; text-align: left; vertical-align: top; font-weight: normal; }
tr:first-child > th { background: #eee; font-weight: bold; position: sticky; top: 0; }
tr > th[scope=row] { white-space: nowrap; }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.agrees { border-left: 5px solid #00a275; }
td.differs { border-left: 5px solid #b5430f; }
td.undecided { border-left: 5px solid #c98600; }
td.not-comparable { border-left: 5px solid #4a9bd4; }
details { margin: 0.3rem 0; overflow-x: auto; }
details[open] > summary { font-weight: bold; }
</style>"""


def main() -> None:
    """Make the page and the copy."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--to", type=Path, default=lessons.BUILD / NAME, help=f"default: build/{NAME}")
    folder = parser.parse_args().to
    found = results.collect(RECORDINGS)
    for path in [*write(folder, found), lessons.write(COPY, results.summary(found).to_csv(index=False, lineterminator="\n"))]:
        print(path)


if __name__ == "__main__":
    main()
