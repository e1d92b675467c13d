"""The import direction of the package, its file names and sizes, and what `import toolkit` loads."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "toolkit"

# What each part may import of the package. The longest name that fits counts: search.cost before search.
FOUNDATION = {"datasets", "training", "optim", "networks", "published", "recordings", "search.cost"}
METHOD = FOUNDATION | {"population", "sweep"}
MAY_IMPORT = {
    "": set(),  # toolkit/__init__.py
    "datasets": set(),
    "datasets.sintering": {"datasets", "published"},
    "training": {"recordings"},
    "optim": set(),
    "networks": set(),
    "published": set(),
    "workflow": {"datasets"},
    "network_ideas": {"networks", "training"},
    "learning": FOUNDATION | {"landscapes"},
    "recordings": set(),
    "doctor": {"datasets"},
    "landscapes": {"optim"},
    "figures": set(),
    "population": {"training", "optim", "recordings"},
    "sweep": {"training", "recordings"},
    "search.cost": set(),
    "search": METHOD,
    "survival": METHOD,
    "potential": METHOD,
    "bayesopt": METHOD,
    "microstructure.inverse": METHOD | {"microstructure", "bayesopt"},
    "microstructure": METHOD,
    "spectra": METHOD,
}
MAY_IMPORT["studies"] = set(MAY_IMPORT) - {"", "figures"}
MAY_IMPORT["exercises"] = set(MAY_IMPORT) - {"", "figures"}
MAY_IMPORT["results"] = set(MAY_IMPORT) - {"", "figures", "exercises"}
MAY_IMPORT["panels"] = set(MAY_IMPORT)
FRONT_END = {"ipywidgets", "IPython", "anywidget", "k3d"}
DRAWING = {"numpy", "matplotlib", "seaborn"}
VAGUE_NAMES = {"util", "utils", "helper", "helpers", "common", "misc", "core"}
MOST_LINES = 500


def module_name(path: Path, package: Path) -> str:
    """``training.loop`` for ``toolkit/training/loop.py``; empty for the package itself."""
    parts = path.relative_to(package).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_names(path: Path, package: Path) -> Iterator[tuple[int, str]]:
    """Line and absolute name of each import, inside functions and through ``importlib`` too."""
    here = path.relative_to(package.parent).with_suffix("").parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            folder = here[: len(here) - node.level] if node.level else ()
            stem = ".".join([*folder, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{stem}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            yield node.lineno, called_by_name(node)


def called_by_name(call: ast.Call) -> str:
    """The module that a call imports, or the package it must lie in; a question mark where the name is computed."""
    named = call.args[0] if call.args else None
    begin = named.values[0] if isinstance(named, ast.JoinedStr) else None
    if isinstance(begin, ast.Constant):
        return str(begin.value).rpartition(".")[0] or "?"
    return str(named.value) if isinstance(named, ast.Constant) else "?"


def rule_of(module: str) -> str | None:
    """The longest entry of the import table that the module falls under."""
    fitting = [rule for rule in MAY_IMPORT if module == rule or (rule and module.startswith(f"{rule}."))]
    return max(fitting, key=len, default=None)


def import_fault(module: str, name: str) -> str | None:
    """Why a module may not import that name, or None where it may."""
    rule, (outer, _, inner) = rule_of(module), name.partition(".")
    part = module.partition(".")[0]
    if rule is None:
        return f"'{part}' has no entry in the import table of the layering test"
    if name == "?":
        return None if module == "" else "imports a module whose name is computed"
    if outer in FRONT_END and part != "panels":
        return f"imports {outer}, which only panels may"
    if outer != "toolkit":
        foreign = part == "figures" and outer not in DRAWING | sys.stdlib_module_names
        return f"imports {outer}; figures draw with {', '.join(sorted(DRAWING))} only" if foreign else None
    if not inner or inner.startswith("_"):
        return None
    allowed = any(inner == target or inner.startswith(f"{target}.") for target in {rule, *MAY_IMPORT[rule]})
    return None if allowed else f"imports {name}, which lies above or beside it"


def import_faults(package: Path) -> list[str]:
    """Every import that runs against the table."""
    return [
        f"{path.relative_to(package.parent)}:{line} {fault}"
        for path in sorted(package.rglob("*.py"))
        for line, name in imported_names(path, package)
        if (fault := import_fault(module_name(path, package), name))
    ]


def shape_faults(package: Path) -> list[str]:
    """Files with a name that says nothing, and files that are too long."""
    faults = []
    for path in sorted(package.rglob("*.py")):
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > MOST_LINES:
            faults.append(f"{path.relative_to(package.parent)}: {lines} lines, at most {MOST_LINES}")
        for part in path.relative_to(package).with_suffix("").parts:
            if part.lower() in VAGUE_NAMES:
                faults.append(f"{path.relative_to(package.parent)}: '{part}' says nothing about its content")
    return faults


def public_functions(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, ast.FunctionDef]]:
    """Public functions and methods; a constructor counts where the class describes its arguments, else a function makes it."""
    for node in body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            made_by_people = "Args:" in (ast.get_docstring(node) or "")
            methods = [part for part in node.body if made_by_people or getattr(part, "name", "") != "__init__"]
            yield from public_functions(methods, f"{node.name}.")
        elif isinstance(node, ast.FunctionDef) and (not node.name.startswith("_") or node.name == "__init__"):
            yield prefix + node.name, node


def untyped_parameters(package: Path) -> list[str]:
    """Named parameters of public functions that carry no annotation; ``**settings`` are those of another function."""
    faults = []
    for path in sorted(package.rglob("*.py")):
        for name, node in public_functions(ast.parse(path.read_text(encoding="utf-8")).body):
            named = node.args.posonlyargs + node.args.args + node.args.kwonlyargs
            bare = [arg.arg for arg in named if arg.annotation is None and arg.arg not in ("self", "cls")]
            faults += [f"{path.relative_to(package.parent)}:{node.lineno} {name}({arg}) has no type" for arg in bare]
    return faults


def plant(folder: Path, file: str, text: str) -> Path:
    """A package of one file, to see a rule broken."""
    path = folder / "toolkit" / file
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    return folder / "toolkit"


def test_imports_run_one_way():
    assert import_faults(PACKAGE) == []


def test_files_are_named_and_short():
    assert shape_faults(PACKAGE) == []


def test_public_parameters_are_typed():
    assert untyped_parameters(PACKAGE) == []


@pytest.mark.parametrize(
    ("file", "text", "word"),
    [
        ("datasets/images.py", "import toolkit.training", "toolkit.training"),
        ("optim.py", "from toolkit import recordings", "toolkit.recordings"),
        ("optim.py", "from . import recordings", "toolkit.recordings"),
        ("datasets/images.py", "from ..training import fit", "toolkit.training.fit"),
        ("networks.py", "def build():\n    from toolkit.figures import phases", "toolkit.figures"),
        ("training/__init__.py", "import importlib\nimportlib.import_module('toolkit.panels')", "toolkit.panels"),
        ("training/__init__.py", "__import__('toolkit.panels')", "toolkit.panels"),
        ("training/__init__.py", "from importlib import import_module\nimport_module(name)", "computed"),
        ("training/__init__.py", "from importlib import import_module\nimport_module(f'{name}.a')", "computed"),
        ("training/__init__.py", "from importlib import import_module\nimport_module(f'toolkit.panels.{name}')", "above"),
        ("survival/cox.py", "from toolkit.bayesopt import Campaign", "toolkit.bayesopt"),
        ("search/cost.py", "from toolkit.search import surgeon", "toolkit.search.surgeon"),
        ("microstructure/tortuosity.py", "from toolkit import bayesopt", "toolkit.bayesopt"),
        ("training/live.py", "import ipywidgets as widgets", "ipywidgets"),
        ("recordings.py", "def show():\n    from IPython.display import display", "IPython"),
        ("figures/phases.py", "import torch", "torch"),
        ("figures/phases.py", "from toolkit import training", "toolkit.training"),
        ("figures/phases.py", "import pandas.plotting", "pandas"),
        ("novelty.py", "import math", "novelty"),
        ("training/__init__.py", "from toolkit import recordings", None),
        ("microstructure/inverse.py", "from toolkit import bayesopt", None),
        ("search/surgeon.py", "from toolkit.search import cost", None),
        ("panels/optimizer.py", "import ipywidgets\nfrom toolkit import optim, figures", None),
        ("figures/phases.py", "import math\nimport numpy\nfrom matplotlib.axes import Axes\nfrom . import colours", None),
    ],
)
def test_a_planted_import_is_judged(tmp_path, file, text, word):
    faults = import_faults(plant(tmp_path, file, text))
    assert len(faults) == (word is not None)
    assert word is None or word in faults[0]


@pytest.mark.parametrize("file", ["utils.py", "search/helpers.py", "core/network.py"])
def test_a_planted_vague_name_is_found(tmp_path, file):
    assert "says nothing" in shape_faults(plant(tmp_path, file, ""))[0]


@pytest.mark.parametrize(("lines", "found"), [(MOST_LINES, 0), (MOST_LINES + 1, 1)])
def test_a_planted_long_file_is_found(tmp_path, lines, found):
    assert len(shape_faults(plant(tmp_path, "optim.py", "pass\n" * lines))) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("def fit(model, data: list): ...", 1),
        ("class Run:\n    'Args: model'\n    def __init__(self, model): ...", 1),
        ("class Fit:\n    'Made by `fit`.'\n    def __init__(self, model): ...\n    def stop(self, when): ...", 1),
        ("def fit(*, loss, every): ...", 2),
        ("def load(name: str, **settings): ...", 0),
        ("def fit(model: object): ...\ndef _step(model): ...\nclass _Run:\n    def go(self, to): ...", 0),
    ],
)
def test_a_planted_untyped_parameter_is_found(tmp_path, text, found):
    assert len(untyped_parameters(plant(tmp_path, "optim.py", text))) == found


def test_importing_the_package_loads_nothing_but_itself():
    loaded = "import sys; before = set(sys.modules); import toolkit; print(*sorted(set(sys.modules) - before))"
    run = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    foreign = [name for name in run.stdout.split() if name.partition(".")[0] not in sys.stdlib_module_names]
    assert foreign == ["toolkit"]


def test_the_package_names_its_modules():
    import toolkit

    listed = set(dir(toolkit)) - {"__version__"}
    present = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert listed == present - {"__init__"}
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = toolkit.nonsense


def test_a_module_is_imported_when_it_is_named():
    code = "import sys, toolkit; assert 'toolkit.published' not in sys.modules; print(toolkit.published.__name__)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    assert run.stdout.strip() == "toolkit.published"
