# Each verb sets up what it needs in .venv; once that is done it starts at once.
PYTHON ?= python3
LAB_ARGS ?=
SEATS ?= 40
PYTEST_ARGS ?= -n 2 --dist loadgroup

PY := .venv/bin/python
# Two threads per test on a busy machine are many times slower than one.
PYTEST := OMP_NUM_THREADS=1 $(PY) -m pytest
INSTALL := $(PY) -m pip install --disable-pip-version-check -c constraints.txt
ifeq ($(TORCH),cpu)
INSTALL += --extra-index-url https://download.pytorch.org/whl/cpu
endif
RECIPE := pyproject.toml constraints.txt

.PHONY: help lab test check notebooks browser bench book results slides clean moved
.DELETE_ON_ERROR:

help:
	@echo "make lab        open the lessons in JupyterLab"
	@echo "make test       run every test: units, doctests, notebooks, panels, browser"
	@echo "make check      style of code and notebooks"
	@echo "make notebooks  run the notebooks only"
	@echo "make browser    run the browser tests only (they need Chromium)"
	@echo "make bench      measure speed; results go to build/benchmarks"
	@echo "make book       every lesson, executed, as static pages in build/book"
	@echo "make slides     every lesson, executed, as a deck of slides in build/slides"
	@echo "make results    every published table and figure beside ours, a page in build/results"
	@echo "make versions   the lessons without solutions in build/student, with them and session plans in build/teacher"
	@echo "make notation   symbols of all lessons, gathered into docs/notation.md"
	@echo "make classroom  memory and processor time per seat of every lesson, and what forty seats need (SEATS=40)"
	@echo "make clean      remove build output and caches (.venv stays)"
	@echo
	@echo "PYTHON=python3.12 chooses the Python of a new .venv; TORCH=cpu avoids the CUDA packages on Linux;"
	@echo "LAB_ARGS='--port=9000 --no-browser' goes to JupyterLab, PYTEST_ARGS='-k optim' to pytest."

# An address on this machine with its token; containers run as root; no browser where there is no display.
# In a terminal the server gets a process group of its own, so that Ctrl-C stops it and make still ends with success.
LAB_URL := /lab/tree/notebooks/00_start_here.ipynb
NO_DISPLAY := $(if $(DISPLAY)$(WAYLAND_DISPLAY)$(filter Darwin,$(shell uname)),,--no-browser)
lab: .venv/lab.stamp
	@if [ -t 0 ]; then set -m; fi; \
	$(PY) -m jupyterlab --ip=127.0.0.1 --allow-root --LabApp.default_url=$(LAB_URL) -y $(NO_DISPLAY) $(LAB_ARGS)

test: .venv/dev.stamp
	$(PYTEST) $(PYTEST_ARGS)

check: .venv/dev.stamp
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m nbstripout --verify notebooks/*.ipynb

notebooks: .venv/dev.stamp
	$(PYTEST) $(PYTEST_ARGS) tests/test_notebooks.py tests/test_notebook_contract.py

browser: .venv/dev.stamp
	$(PYTEST) tests/browser

bench: .venv/dev.stamp
	@mkdir -p build/benchmarks
	@set -e; for script in tests/benchmarks/*.py; do echo "== $$script"; OMP_NUM_THREADS=1 $(PY) "$$script"; done

book: .venv/dev.stamp
	OMP_NUM_THREADS=1 $(PY) -m course.book

results: .venv/dev.stamp
	OMP_NUM_THREADS=1 $(PY) -m course.results

slides: .venv/dev.stamp
	OMP_NUM_THREADS=1 $(PY) -m course.slides

classroom: .venv/dev.stamp
	OMP_NUM_THREADS=1 $(PY) -m course.classroom --measure --together 03 --seats $(SEATS)

notation: .venv/dev.stamp
	$(PY) -m course.notation

versions: .venv/dev.stamp
	$(PY) -m course.versions

clean:
	rm -rf build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
	find toolkit tests notebooks -name __pycache__ -prune -exec rm -rf {} + -o -name .ipynb_checkpoints -prune -exec rm -rf {} +

# The stamps hold the folder they were made in: a copied or moved checkout is installed anew.
ifneq ($(wildcard .venv/lab.stamp),)
ifneq ($(shell cat .venv/lab.stamp),$(CURDIR))
.venv/lab.stamp: moved
endif
endif

.venv/lab.stamp: $(RECIPE) | $(PY)
	$(INSTALL) --editable '.[view3d]'
	@echo "$(CURDIR)" > $@

.venv/dev.stamp: $(RECIPE) .venv/lab.stamp
	$(INSTALL) --editable '.[dev,cluster,slides,view3d,peers]'
	$(INSTALL) --no-deps --upgrade --target .venv/reveal sphinx-revealjs  # for the reveal.js in it; Sphinx is not needed
	@echo "$(CURDIR)" > $@

$(PY):
	@command -v $(PYTHON) > /dev/null || { echo "No '$(PYTHON)' found. Install Python 3.11 or newer, or name it: make lab PYTHON=/path/to/python"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed, '$(PYTHON)' is $$($(PYTHON) --version 2>&1). Name a newer one: make lab PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv .venv
