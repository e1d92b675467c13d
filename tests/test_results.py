"""The register of tables and figures, the rule of the verdicts, and the numbers behind them."""

import re
from dataclasses import replace
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest

from toolkit import published, recordings, results
from toolkit.results import lines, verdicts, words
from toolkit.results.lines import Line
from toolkit.results.register import GIVEN, rows

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
RECORDINGS = NOTEBOOKS / "recordings"
NUMBER = r"(?:[A-D]\.)?\d+(?:\.\d+)*"
MENTION = re.compile(rf"(Fig|Table)(?:s?\.|ures?|s)?\s+({NUMBER}(?:(?:,| and| to)\s+{NUMBER})*)")


def mentions(text: str) -> set[str]:
    """Tables and figures that a text names, ranges written out.

    >>> sorted(mentions("after Figs. 3.9 to 3.11 and 4.1, Table B.1"))
    ['Figure 3.10', 'Figure 3.11', 'Figure 3.9', 'Figure 4.1', 'Table B.1']
    """
    found = set()
    for kind, listed in MENTION.findall(re.sub(r"[*`]|\s+", lambda match: " " if match[0].isspace() else "", text)):
        parts = re.split(r"(?:,| and)\s+", listed)
        kind = {"Fig": "Figure"}.get(kind, kind)
        for part in parts:
            first, *last = part.split(" to ")
            found |= {f"{kind} {number}" for number in (between(first, last[0]) if last else [first])}
    return found


def between(first: str, last: str) -> list[str]:
    head, _, start = first.rpartition(".")
    return [f"{head}{'.' * bool(head)}{number}" for number in range(int(start), int(last.rpartition(".")[2]) + 1)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("**Table\n3.1**: x", {"Table 3.1"}),
        ("Tables 4.6 C to 4.10", {"Table 4.6"}),
        ("after Figs. 3 to 5 of", {"Figure 3", "Figure 4", "Figure 5"}),
        ("Figs. 4.15 to 4.17, 4.24 and A.1", {f"Figure {n}" for n in ("4.15", "4.16", "4.17", "4.24", "A.1")}),
        ("figure of merit, tablet 3.1", set()),
    ],
)
def test_mentions_are_read(text, found):
    assert mentions(text) == found


# --- the register


def test_no_row_stands_twice():
    names = [(row.document, row.name) for row in rows()]
    assert len(set(names)) == len(names)


def test_numbers_run_without_a_gap():
    """Within a chapter figures and tables are numbered one after the other."""
    chapters: dict[tuple, list[int]] = {}
    for row in rows():
        if row.kind in ("Table", "Figure"):
            head, _, last = row.number.rpartition(".")
            chapters.setdefault((row.document, row.kind, head), []).append(int(last))
    assert len(chapters) >= 25
    for name, found in chapters.items():
        assert sorted(found) == list(range(1, len(found) + 1)), name


def test_every_published_table_has_a_row():
    listed = [name for row in rows() for name in row.published]
    assert sorted(listed) == [name for name in published.tables() if name != "source_doubts"]


def test_every_recording_is_used_by_a_row():
    files = sorted(path.name for path in RECORDINGS.glob("*.npz"))
    assert len(files) >= 19
    assert [file for file in files if not any(row.takes(file) for row in rows())] == []


def test_every_table_and_figure_is_named_by_its_lesson():
    texts = {path.stem: "\n\n".join(cell.source for cell in nbformat.read(path, 4).cells) for path in NOTEBOOKS.glob("*.ipynb")}
    named = {name: mentions(text) for name, text in texts.items()}
    shown = [row for row in rows() if row.lesson]
    assert [row.lesson for row in shown if row.lesson not in texts] == []
    missing = [
        f"{row.lesson}: {row.name}" for row in shown if row.kind in ("Table", "Figure") and row.name not in named[row.lesson]
    ]
    assert missing == []


def test_only_what_no_lesson_can_show_has_no_lesson():
    assert {row.verdict for row in rows() if not row.lesson} == {"not public"}


def test_every_function_is_used_and_every_reason_is_given():
    assert sorted(row.numbers for row in rows() if row.numbers) == sorted(results.NUMBERS)
    unexplained = [row.name for row in rows() if row.verdict in ("not comparable", "not done") and not row.reason]
    assert unexplained == []


# --- verdicts


def row_of(**changes):
    return replace(next(row for row in rows() if row.numbers == "scores"), **changes)


def of(*kinds: str) -> tuple[str, str]:
    return verdicts.of_row(row_of(reason="because"), pd.DataFrame({"verdict": kinds}))


@pytest.mark.parametrize(
    ("kinds", "word", "said"),
    [
        (["agrees", "agrees"], "agrees", "because"),
        (["agrees", "agrees", "differs"], "differs", "2 of 3 agree, 1 of 3 differ; because"),
        (["agrees", "undecided: one run, spread unknown"], "agrees", "1 of 2 agree, 1 of 2 undecided; because"),
        (["agrees", *["undecided: wide"] * 2], "undecided", "1 of 3 agree, 2 of 3 undecided; because"),
        (["agrees", "not run", "not printed"], "agrees", "1 of 3 agree, 1 of 3 not run, 1 of 3 not printed; because"),
        (["not comparable: simulated", "not comparable: simulated"], "not comparable", "simulated; because"),
        (["not comparable: simulated", "agrees"], "agrees", "1 of 2 agree, 1 of 2 not comparable; because"),
        (["not run", "no run gave a number"], "not recorded yet", "1 of 2 not run, 1 of 2 no run gave a number; because"),
    ],
)
def test_a_row_is_judged_by_its_lines(kinds, word, said):
    assert of(*kinds) == (word, said)


def test_a_row_without_recording_or_without_numbers():
    assert verdicts.of_row(row_of(), None) == ("not recorded yet", "")
    assert verdicts.of_row(row_of(numbers="", verdict="not public", reason="private"), None) == (GIVEN["not public"], "private")


def test_a_line_without_a_rule_is_refused():
    with pytest.raises(ValueError, match="Table 1: no rule for a line that is 'perhaps'"):
        of("perhaps")


@pytest.mark.parametrize(("ours", "verdict"), [(1.5, "agrees"), (0.5, "agrees"), (1.51, "differs"), (0.49, "differs")])
def test_a_line_agrees_within_its_tolerance(ours, verdict):
    assert Line("loss", "a", 1.0, ours, 0.5).decided == verdict


def test_statements_agree_if_they_hold_with_every_seed():
    found = lines.statements([("4.3", name, held) for name, held in (("a", [1, 1]), ("b", [0, 0]), ("c", [1, 0]))], "here")
    assert found["verdict"].tolist() == ["agrees", "differs", "undecided: holds with 1 of 2 seeds"]
    assert found["ours"].tolist() == [1, 0, 0.5] and set(found["runs"]) == {2}


def test_an_interval_wider_than_the_number_decides_nothing():
    printed = pd.DataFrame({"mass": [1.0, 2.0], "accuracy": [0.9, 0.9]})
    ours = pd.DataFrame({"mass": [1.0, 1.0, 2.0, 2.0], "accuracy": [0.1, 0.9, 0.89, 0.91]})
    compared = published.compare(printed, ours, on="mass", value="accuracy")
    assert compared["verdict"].tolist() == ["agrees", "agrees"]
    found = lines.of_comparison(compared, "accuracy")
    assert found["verdict"].tolist() == [lines.WIDE, "agrees"]
    assert found["case"].tolist() == ["mass 1", "mass 2"]


# --- numbers


@pytest.mark.parametrize("name", sorted(results.NUMBERS))
def test_numbers_are_lines_with_a_rule(name):
    row = next(row for row in rows() if row.numbers == name)
    if row.recordings and not any(row.takes(path.name) for path in RECORDINGS.glob("*.npz")):
        pytest.skip(f"{', '.join(row.recordings)}: not recorded yet")
    found = results.NUMBERS[name](RECORDINGS)
    assert list(found) == lines.LINES and len(found)
    assert {verdicts.of_line(verdict) for verdict in found["verdict"]} <= {*verdicts.KINDS, *verdicts.WITHOUT}
    assert not found.duplicated(["measure", "case"]).any()
    compared = found[found["verdict"].map(verdicts.of_line).isin(["agrees", "differs"])]
    assert np.isfinite(compared[["published", "ours"]].to_numpy(float)).all()


def test_known_numbers_come_out():
    found = results.collect(RECORDINGS, lesson="02")
    table = next(one for one in found if one.row.name == "Table 2.2")
    assert (table.verdict, table.way, len(table.lines)) == ("agrees", "live", 25)
    scores = next(one for one in results.collect(RECORDINGS, lesson="06") if one.row.name == "Table 1")
    assert scores.verdict == "agrees" and scores.lines["published"].max() == 0.9812


def test_device_and_date_are_those_of_the_recording():
    heavy_ball = next(one for one in results.collect(RECORDINGS, lesson="03") if one.row.name == "Table 3.2")
    made = recordings.load(RECORDINGS / "phs_fashion_mnist_implied.npz").provenance
    assert heavy_ball.files == ("phs_fashion_mnist_implied.npz",) and heavy_ball.way == "recorded"
    assert heavy_ball.devices == (made["device"],) and heavy_ball.dates == (made["date"][:10],)
    line = results.summary([heavy_ball]).iloc[0]
    assert line["ours"].startswith("test accuracy ") and line["verdict"] == "differs"
    assert len(results.numbers([heavy_ball])) == len(published.table("burghoff_table_3_2_phs_fashionmnist"))


def test_without_recordings_rows_say_so(tmp_path):
    found = {one.row.name: one for one in results.collect(tmp_path, lesson="03")}
    assert found["Table 3.2"].verdict == "not recorded yet" and found["Table 3.2"].way == ""
    assert found["Figure 3.2"].verdict == "differs" and found["Figure 3.2"].lines["ours"].tolist() == [44426, 62006]
    with pytest.raises(FileNotFoundError, match="no such folder of recordings"):
        results.collect(tmp_path / "nowhere")


def test_ranges_are_told_in_words():
    frame = pd.DataFrame({"measure": ["a", "a", "b"], "published": [1.0, 2.5, np.nan], "unit": ["%", "%", ""]})
    assert words.told(frame, "published") == "a 1 to 2.5 % (2 numbers)"
    assert [words.number(value) for value in (44426.0, 0.123456, 1e-6 / 3)] == ["44426", "0.1235", "3.333e-07"]
