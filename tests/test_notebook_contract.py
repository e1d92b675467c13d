"""The written form of every notebook: name, sections, cell lengths, nothing stored, nothing hidden."""

import re
import statistics
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
START = "00_start_here.ipynb"

SECTIONS = (
    "Goals",
    "Imports and budget",
    "Equations",
    "The idea in a few lines",
    "The same in the toolkit",
    "Data",
    "Predict before you move anything",
    "The panel",
    "How to read it",
    "Figure",
    "Published against ours",
    "Where text and code part, and where the method fails",
    "Exercises",
    "Summary and references",
)
# What a section must hold: a pattern that its text or its code has to match, and the words for a reader who forgot it.
CONTENT = (
    ("Imports and budget", "code", r"^(import|from) ", "imports"),
    ("Equations", "markdown", r"\|\s*symbol\s*\|\s*code name\s*\|\s*unit\s*\|\s*shape\s*\|", "the table of symbols"),
    ("Equations", "markdown", r"\$\$", "an equation"),
    ("The idea in a few lines", "code", r"\S", "the idea as code"),
    ("The same in the toolkit", "code", r"\bassert", "an assertion"),
    ("Data", "markdown", r"\b(simulated|measured)\b", "whether the data are simulated or measured"),
    ("Data", "markdown", r"\blicen[cs]e", "the licence of the data"),
    ("The panel", "code", r"Panel\(", "a panel"),
    ("Figure", "code", r"\S", "a figure"),
    ("Published against ours", "code", r"\bpublished\b", "the published values"),
    ("Exercises", "markdown", r"<details>", "a folded solution"),
    ("Exercises", "code", r"\S", "a self-check"),
)
FORBIDDEN = (
    (r"^\s*[!%]+\s*(python -m )?(pip|conda|mamba|uv)\b", "installs packages"),
    (r"^\s*!", "calls the shell"),
    (r"\bsys\.path\b|\bos\.chdir\b|^\s*%cd\b", "changes paths"),
    (r"\binteract(ive|ive_output|_manual)?\s*\(|@\s*(\w+\.)?interact\b", "uses interact, which swallows errors"),
    (r"\bOutput\s*\(", "uses an Output widget, which swallows errors"),
    (r"\bfilterwarnings\b|\bsimplefilter\b|\bcatch_warnings\b", "hides warnings"),
    (r"\bThread\s*\(|\bThreadPoolExecutor\b", "starts a thread; a panel owns its worker"),
    (r"^%%(capture|script|bash|sh)\b|^\s*%(autoreload|load_ext)\b", "uses a magic that hides what happens"),
)
MOST_LINES = 15
MEDIAN_LINES = 7


def faults(path: Path) -> list[str]:
    """Everything in which a notebook departs from the contract, in words."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    found = [*name_faults(path), *stored_faults(notebook), *code_faults(notebook), *title_faults(notebook, path)]
    return found if path.name == START else [*found, *section_faults(notebook), *content_faults(notebook)]


def name_faults(path: Path) -> Iterator[str]:
    """Two digits, perhaps a letter, and lower-case words."""
    if not re.fullmatch(r"\d\d[a-z]?(_[a-z0-9]+)+\.ipynb", path.name):
        yield f"name {path.name!r} is not of the form NN_words.ipynb"


def stored_faults(notebook: NotebookNode) -> Iterator[str]:
    """Outputs, counts and settings that would change how the notebook runs."""
    for where, cell in code_cells(notebook):
        if cell.outputs:
            yield f"{where}: stores an output"
        if cell.execution_count is not None:
            yield f"{where}: stores an execution count"
    for name in set(notebook.metadata) - {"kernelspec", "language_info"}:
        yield f"metadata {name!r} is stored"
    if notebook.metadata.get("kernelspec", {}).get("name") != "python3":
        yield "the kernel is not 'python3'"
    for number, cell in enumerate(notebook.cells):
        for name in set(cell.metadata) - {"jupyter", "collapsed"}:
            yield f"cell {number}: metadata {name!r} is stored"


def code_faults(notebook: NotebookNode) -> Iterator[str]:
    """Cells too long or too many, and code that a lesson must not hold."""
    lengths = [len(cell.source.strip().splitlines()) for _, cell in code_cells(notebook)]
    for (where, cell), length in zip(code_cells(notebook), lengths, strict=True):
        if length > MOST_LINES:
            yield f"{where}: {length} lines, at most {MOST_LINES}"
        if length == 0:
            yield f"{where}: is empty"
        for pattern, deed in FORBIDDEN:
            if re.search(pattern, cell.source, re.MULTILINE):
                yield f"{where}: {deed}"
    if lengths and statistics.median(lengths) > MEDIAN_LINES:
        yield f"the median code cell has {statistics.median(lengths):g} lines, at most {MEDIAN_LINES}"
    texts = sum(cell.cell_type == "markdown" for cell in notebook.cells)
    if texts < len(lengths):
        yield f"{texts} text cells for {len(lengths)} code cells"


def title_faults(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """The first cell: number and title, one question, run time on one core, source section."""
    first = notebook.cells[0] if notebook.cells else new_code_cell()
    lines = first.source.splitlines() if first.cell_type == "markdown" else []
    number = path.name.partition("_")[0]
    wanted = {
        f"a first line '# {number} Title'": [line for line in lines[:1] if re.match(rf"# {number} \S", line)],
        "a line that ends with a question mark": [line for line in lines if line.rstrip(" *_").endswith("?")],
        "the run time on one core": [line for line in lines if re.search(r"\d.*\bone core\b", line)],
    }
    if path.name != START:
        wanted["the source section"] = [line for line in lines if re.search(r"\bsource\b", line, re.IGNORECASE)]
    yield from (f"the title cell lacks {what}" for what, present in wanted.items() if not present)


def section_faults(notebook: NotebookNode) -> Iterator[str]:
    """The headings of a lesson, each once and in order; further ones may stand between them."""
    headings = [heading for heading, _ in sections(notebook)]
    for section in SECTIONS:
        if headings.count(section) != 1:
            yield f"heading '## {section}' stands {headings.count(section)} times"
    present = [heading for heading in headings if heading in SECTIONS]
    expected = [section for section in SECTIONS if section in headings]
    if list(dict.fromkeys(present)) != expected:
        yield f"the headings stand in the order {present}"


def content_faults(notebook: NotebookNode) -> Iterator[str]:
    """What a section promises by its heading."""
    cells_of = dict(sections(notebook))
    for section, kind, pattern, what in CONTENT:
        source = "\n".join(cell.source for cell in cells_of.get(section, []) if cell.cell_type == kind)
        if not re.search(pattern, source, re.MULTILINE | re.IGNORECASE):
            yield f"section '{section}' lacks {what}"
    idea = "\n".join(cell.source for cell in cells_of.get("The idea in a few lines", []) if cell.cell_type == "code")
    if re.search(r"\btoolkit\b", idea):
        yield "section 'The idea in a few lines' uses the toolkit"


def code_cells(notebook: NotebookNode) -> list[tuple[str, NotebookNode]]:
    """Each code cell with the words to find it by."""
    return [(f"cell {number}", cell) for number, cell in enumerate(notebook.cells) if cell.cell_type == "code"]


def sections(notebook: NotebookNode) -> list[tuple[str, list[NotebookNode]]]:
    """Second-level headings with the cells under each; a heading opens its own cell."""
    found: list[tuple[str, list[NotebookNode]]] = []
    for cell in notebook.cells:
        headings = re.findall(r"^## (.+?)\s*$", cell.source, re.MULTILINE) if cell.cell_type == "markdown" else []
        found += [(heading, [cell]) for heading in headings]
        if found and not headings:
            found[-1][1].append(cell)
    return found


def unlisted(text: str, notebooks: list[Path]) -> list[str]:
    """Notebooks whose file name a text does not mention."""
    return [path.name for path in notebooks if path.name not in text]


@pytest.mark.parametrize("name", [path.name for path in NOTEBOOKS])
def test_the_notebook_keeps_the_contract(name):
    assert faults(ROOT / "notebooks" / name) == []


def test_the_readme_lists_every_notebook():
    assert unlisted((ROOT / "README.md").read_text(encoding="utf-8"), NOTEBOOKS) == []


def test_the_start_notebook_lists_every_other_one():
    start = nbformat.read(ROOT / "notebooks" / START, as_version=4)
    text = "\n".join(cell.source for cell in start.cells if cell.cell_type == "markdown")
    assert unlisted(text, [path for path in NOTEBOOKS if path.name != START]) == []


def test_an_unlisted_notebook_is_found():
    assert unlisted("see 00_start_here.ipynb", [Path("00_start_here.ipynb"), Path("01_x.ipynb")]) == ["01_x.ipynb"]


def sound_lesson() -> NotebookNode:
    """The smallest notebook that keeps the contract."""
    code = {
        "Imports and budget": "import torch",
        "The idea in a few lines": "step = -0.1 * 2.0",
        "The same in the toolkit": "assert step < 0",
        "The panel": "OptimizerPanel()",
        "Figure": "figure = None",
        "Published against ours": "published.table('a')",
        "Exercises": "answer = 42",
    }
    text = {
        "Equations": "$$a = b$$\n\n| symbol | code name | unit | shape |\n|---|---|---|---|",
        "Data": "Measured. Licence: MIT.",
        "Exercises": "<details><summary>Solution</summary>42</details>",
    }
    title = "# 07 Braking\n\n**When should it stop?**\n\nRun time: 40 s on one core. Source: section 3.\n"
    cells = [new_markdown_cell(title)]
    for section in SECTIONS:
        cells.append(new_markdown_cell(f"## {section}\n\n{text.get(section, '')}"))
        cells += [new_code_cell(code[section])] if section in code else []
    return new_notebook(cells=cells, metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})


def judged(notebook: NotebookNode, folder: Path, name: str = "07_braking.ipynb") -> list[str]:
    """The faults of a notebook once it is written to a file."""
    nbformat.write(notebook, folder / name)
    return faults(folder / name)


def test_a_sound_lesson_has_no_faults(tmp_path):
    assert judged(sound_lesson(), tmp_path) == []


@pytest.mark.parametrize("name", ["7_braking.ipynb", "07-braking.ipynb", "07_Braking.ipynb", "braking.ipynb"])
def test_a_bad_name_is_found(tmp_path, name):
    assert any("NN_words" in fault for fault in judged(sound_lesson(), tmp_path, name))


@pytest.mark.parametrize(
    ("code", "word"),
    [
        ("!pip install torch", "installs"),
        ("%pip install torch", "installs"),
        ("!ls", "shell"),
        ("import sys\nsys.path.append('..')", "paths"),
        ("%cd ..", "paths"),
        ("widgets.interact(draw, x=3)", "interact"),
        ("@interact\ndef draw(x): ...", "interact"),
        ("interactive_output(draw, {})", "interact"),
        ("out = widgets.Output()", "Output"),
        ("import warnings\nwarnings.filterwarnings('ignore')", "warnings"),
        ("Thread(target=lambda: display(1)).start()", "thread"),
        ("%%capture\nprint(1)", "magic"),
        ("\n".join(["x = 1"] * 16), "16 lines"),
        ("", "empty"),
    ],
)
def test_bad_code_is_found(tmp_path, code, word):
    notebook = sound_lesson()
    notebook.cells.insert(2, new_code_cell(code))
    assert any(word in fault for fault in judged(notebook, tmp_path))


def test_long_cells_on_the_whole_are_found(tmp_path):
    notebook = sound_lesson()
    for _, cell in code_cells(notebook):
        cell.source += "\nstep = 1" * 9
    assert judged(notebook, tmp_path) == ["the median code cell has 10 lines, at most 7"]


def test_code_without_text_is_found(tmp_path):
    notebook = sound_lesson()
    notebook.cells += [new_code_cell("step = 1") for _ in range(20)]
    assert judged(notebook, tmp_path) == ["15 text cells for 27 code cells"]


def store_output(notebook):
    code_cells(notebook)[0][1].outputs = [new_output("stream", text="1")]


def store_count(notebook):
    code_cells(notebook)[0][1].execution_count = 3


def allow_errors(notebook):
    notebook.metadata["execution"] = {"allow_errors": True}


def skip_a_cell(notebook):
    code_cells(notebook)[0][1].metadata["tags"] = ["skip-execution"]


def use_another_kernel(notebook):
    notebook.metadata.kernelspec.name = "my-kernel"


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (store_output, "stores an output"),
        (store_count, "stores an execution count"),
        (allow_errors, "'execution'"),
        (skip_a_cell, "'tags'"),
        (use_another_kernel, "python3"),
    ],
)
def test_a_stored_thing_is_found(tmp_path, change, word):
    notebook = sound_lesson()
    change(notebook)
    assert [word in fault for fault in judged(notebook, tmp_path)] == [True]


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("# 07 Braking", "# 08 Braking", "'# 07 Title'"),
        ("stop?", "stop.", "question"),
        ("40 s on one core", "short", "one core"),
        ("Source: section 3.", "", "source section"),
    ],
)
def test_a_poor_title_is_found(tmp_path, old, new, word):
    notebook = sound_lesson()
    notebook.cells[0].source = notebook.cells[0].source.replace(old, new)
    assert [word in fault for fault in judged(notebook, tmp_path)] == [True]


@pytest.mark.parametrize("section", SECTIONS)
def test_a_missing_section_is_found(tmp_path, section):
    notebook = sound_lesson()
    for cell in notebook.cells:
        cell.source = cell.source.replace(f"## {section}\n", "### Something else\n")
    assert f"heading '## {section}' stands 0 times" in judged(notebook, tmp_path)


def test_sections_out_of_order_are_found(tmp_path):
    notebook = sound_lesson()
    notebook.cells[-1], notebook.cells[1] = notebook.cells[1], notebook.cells[-1]
    assert any("in the order" in fault for fault in judged(notebook, tmp_path))


@pytest.mark.parametrize(("section", "kind", "pattern", "what"), CONTENT)
def test_a_section_without_its_content_is_found(tmp_path, section, kind, pattern, what):
    notebook = sound_lesson()
    for cell in dict(sections(notebook))[section]:
        if cell.cell_type == kind:
            cell.source = f"## {section}" if kind == "markdown" else "#"
    if pattern == r"\S":
        notebook.cells = [cell for cell in notebook.cells if cell.source != "#"]
    assert f"section '{section}' lacks {what}" in judged(notebook, tmp_path)


def test_the_toolkit_in_the_plain_idea_is_found(tmp_path):
    notebook = sound_lesson()
    dict(sections(notebook))["The idea in a few lines"][1].source = "from toolkit import optim"
    assert judged(notebook, tmp_path) == ["section 'The idea in a few lines' uses the toolkit"]
