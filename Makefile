# One environment (.venv), made once from requirements.lock. Needs Python >= 3.11 and make, nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# PyTorch without CUDA for Linux, a third of the size; where it cannot be reached, the lock's own comes instead.
TORCH_CPU := https://download.pytorch.org/whl/cpu
# Packages are installed uncompiled, and what is imported is compiled once: without this, anew in every process.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help lab demo test quick coverage bench book notebooks lock lint clean
.DEFAULT_GOAL := help

help:  ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "cleann_lite needs Python 3.11 or newer: $$($(PYTHON) --version 2>&1) is too old (make PYTHON=python3.12)"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "$(PYTHON) has no venv module: install it (on Debian: apt install python3-venv)"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the environment into $(VENV) (about two minutes, once) ..."
	@test "$$(uname -s)" != Linux || $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --no-deps \
	  --retries 0 --timeout 10 --index-url $(TORCH_CPU) "$$(grep '^torch==' requirements.lock)" >/dev/null 2>&1 || true
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

lab: $(STAMP)  ## open the course in JupyterLab
	@$(BIN)/python tools/lab.py

demo: $(STAMP)  ## explain examples in the terminal and as a page
	@$(BIN)/python -m cleann_lite demo

test: $(STAMP)  ## ruff, mypy and every test
	@$(BIN)/python tools/test.py

quick: $(STAMP)  ## the tests that take seconds
	@$(BIN)/python -m ruff check .
	@$(BIN)/python -m pytest -n 2 -m "not slow and not browser and not notebook"

coverage: $(STAMP)  ## which lines the tests run
	@$(BIN)/python -m pytest -n 2 -m "not browser and not notebook" --cov=cleann_lite --cov-report=term:skip-covered

bench: $(STAMP)  ## speed and quality, measured on this machine
	@$(BIN)/python -m benchmarks

book: $(STAMP)  ## the executed course as a web site in _site/
	@$(BIN)/python tools/build_book.py

notebooks: $(STAMP)  ## regenerate notebooks/*.ipynb from notebooks/src
	@$(BIN)/python tools/build_notebooks.py

lint: $(STAMP)  ## ruff and mypy
	@$(BIN)/python -m ruff check . && $(BIN)/python -m ruff format --check . && $(BIN)/python -m mypy

lock: $(STAMP)  ## resolve pyproject.toml into requirements.lock
	@$(BIN)/python tools/make_lock.py

clean:  ## remove what make made, the environment too
	rm -rf $(VENV) _site build dist demo.html .pytest_cache .ruff_cache .hypothesis
