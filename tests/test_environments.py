"""The files that say what is installed agree, and Binder finds what it needs."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

import toolkit

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CONDA_NAMES = {"pytorch": "torch"}
IMPORT_NAMES = {"PIL": "pillow", "sklearn": "scikit-learn", "openslide": "openslide-python"}
BROUGHT_BY_JUPYTER = {"IPython", "traitlets"}
BROUGHT_BY_BINDER = {"jupyterlab"}
BROUGHT_BY_BOTORCH = {"gpytorch", "linear_operator"}


def requirements(lines: list[str]) -> dict[str, SpecifierSet]:
    """Requirement lines as a map from name to bounds."""
    return {one.name.lower(): one.specifier for one in map(Requirement, lines)}


RUNTIME = requirements(PROJECT["dependencies"])
EXTRAS = requirements([line for extra in PROJECT["optional-dependencies"].values() for line in extra])


def constraints() -> dict[str, str]:
    """Package and exact version of each line of constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return {
        name.lower().replace("_", "-"): version
        for name, version in (line.split("==") for line in lines if line and not line.startswith("#"))
    }


def environment(path: str) -> tuple[dict[str, SpecifierSet], list[str]]:
    """The conda requirements of an environment file under their PyPI names, and its pip lines."""
    entries = yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))["dependencies"]
    lines = [re.sub(r"(?<=\w)=(?=\d)", "==", entry) for entry in entries if isinstance(entry, str)]
    pip_lines = [line for entry in entries if isinstance(entry, dict) for line in entry["pip"]]
    conda = requirements(lines)
    assert conda.pop("pip") == SpecifierSet()
    return {CONDA_NAMES.get(name, name): bounds for name, bounds in conda.items()}, pip_lines


def ignored(_folder: str, names: list[str]) -> set[str]:
    """What git ignores, for copies of the tree that hold nothing else."""
    lines = (ROOT / ".gitignore").read_text(encoding="utf-8").split()
    return shutil.ignore_patterns(".git", *(line.rstrip("/") for line in lines))(_folder, names)


@pytest.fixture
def clean_tree(tmp_path) -> Path:
    """The repository as a fresh clone has it."""
    return Path(shutil.copytree(ROOT, tmp_path / "clone", ignore=ignored))


def test_every_dependency_has_one_tested_version():
    tested = constraints()
    for name, bounds in {**RUNTIME, **EXTRAS}.items():
        assert bounds.contains(tested[name]), f"{name} {tested[name]} is outside '{bounds}'"


def test_every_dependency_says_why():
    lines = (ROOT / "pyproject.toml").read_text(encoding="utf-8").splitlines()
    for name in {**RUNTIME, **EXTRAS}:
        assert [line for line in lines if re.match(rf'(\w+ = \[)?\s*"{name}[<>=].*# \w', line)], f"{name} has no reason"


def test_every_import_of_the_package_is_declared():
    imported = set()
    for path in (ROOT / "toolkit").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                imported.add(node.module.partition(".")[0])
    foreign = imported - sys.stdlib_module_names - {"toolkit"}
    assert {IMPORT_NAMES.get(name, name) for name in foreign} <= set(RUNTIME) | set(
        EXTRAS
    ) | BROUGHT_BY_JUPYTER | BROUGHT_BY_BOTORCH


def test_the_conda_environment_has_the_bounds_of_the_project():
    conda, pip_lines = environment("environment.yml")
    assert conda.pop("python") == SpecifierSet(PROJECT["requires-python"])
    assert conda == RUNTIME
    assert pip_lines == ["--editable ."]


def test_binder_has_the_tested_versions():
    conda, pip_lines = environment("binder/environment.yml")
    assert conda.pop("python") == SpecifierSet("==3.11")
    assert SpecifierSet(PROJECT["requires-python"]).contains("3.11")
    assert conda == {"ipykernel": RUNTIME["ipykernel"]}
    index, *pinned = pip_lines
    assert index == "--extra-index-url https://download.pytorch.org/whl/cpu"
    versions = dict(line.split("==") for line in pinned)
    assert versions.pop("torch") == f"{constraints()['torch']}+cpu"
    rest = set(RUNTIME) - {"torch", "ipykernel"} - BROUGHT_BY_BINDER
    assert versions == {name: constraints()[name] for name in rest}


def test_pre_commit_runs_the_tested_versions():
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    versions = {repo["repo"].rpartition("/")[2]: repo["rev"].removeprefix("v") for repo in config["repos"]}
    assert versions == {"ruff-pre-commit": constraints()["ruff"], "nbstripout": constraints()["nbstripout"]}


def test_repo2docker_finds_what_binder_needs(clean_tree):
    command = [sys.executable, "-m", "repo2docker", "--no-build", "--debug", str(clean_tree)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120)
    recipe = run.stdout + run.stderr
    assert run.returncode == 0, recipe
    assert "Building conda environment for python=3.11" in recipe
    assert '--file "binder/environment.yml"' in recipe
    assert "RUN ./binder/postBuild" in recipe
    assert 'R2D_ENTRYPOINT="${REPO_DIR}/binder/start"' in recipe


def test_repo2docker_without_the_binder_folder_is_seen_to_differ(clean_tree):
    shutil.rmtree(clean_tree / "binder")
    command = [sys.executable, "-m", "repo2docker", "--no-build", "--debug", str(clean_tree)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert "binder/environment.yml" not in run.stdout + run.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps no executable bit")
@pytest.mark.parametrize("script", ["binder/postBuild", "binder/start", ".ci/run"])
def test_scripts_can_be_run(script):
    assert os.access(ROOT / script, os.X_OK)
    subprocess.run(["bash", "-n", ROOT / script], check=True)


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize(
    ("variables", "threads"),
    [({}, "unset"), ({"BINDER_SERVICE_HOST": "mybinder.org"}, "1"), ({"BINDER_REF_URL": "https://example.org"}, "1")],
)
def test_binder_starts_with_one_thread(variables, threads):
    command = ["bash", ROOT / "binder/start", "bash", "-c", 'echo "${OMP_NUM_THREADS:-unset} $1"', "bash", "a word"]
    run = subprocess.run(command, env={"PATH": os.environ["PATH"], **variables}, capture_output=True, text=True, check=True)
    assert run.stdout.split(maxsplit=1) == [threads, "a word\n"]


def test_the_wheel_holds_every_file_of_the_package(clean_tree, tmp_path):
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", tmp_path]
    subprocess.run([*build, clean_tree], capture_output=True, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    package = {path.relative_to(ROOT).as_posix() for path in (ROOT / "toolkit").rglob("*") if path.is_file()}
    package = {name for name in package if "__pycache__" not in name}
    assert package == {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("toolkit/")}


def test_the_citation_names_the_software_and_its_four_sources():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == toolkit.__version__
    assert citation["license"] == PROJECT["license"]
    assert {"message", "title", "authors"} <= set(citation)
    assert [source["authors"][0]["family-names"] for source in citation["references"]] == [
        "Burghoff",
        "Ghimire",
        "Schiessler",
        "Zhao",
    ]
    assert all({"type", "title", "year"} <= set(source) for source in citation["references"])


def test_the_changelog_opens_with_this_version():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(r"^## (\S+)", text, re.MULTILINE)[1] == toolkit.__version__


@pytest.mark.parametrize("file", ["README.md", "CONTRIBUTING.md", ".ci/run", ".github/workflows/test.yml"])
def test_every_make_verb_that_is_named_exists(file):
    named = set(re.findall(r"\bmake ([a-z]+)", (ROOT / file).read_text(encoding="utf-8")))
    verbs = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert named
    assert named <= verbs


@pytest.mark.parametrize("name", ["test.yml", "weekly.yml"])
def test_workflows_are_readable(name):
    workflow = yaml.safe_load((ROOT / ".github/workflows" / name).read_text(encoding="utf-8"))
    assert all("runs-on" in job and job["steps"] for job in workflow["jobs"].values())
