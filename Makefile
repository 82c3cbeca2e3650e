# Three commands: `make demo`, `make test`, `make check`. Each sets up everything it needs, once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test check bench clean help

demo: $(READY)  ## the whole loop on the bundled domain, offline
	$(BIN)/treegen demo demo

test: $(READY)  ## all tests, two files at a time
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder --durations=15

check: $(READY)  ## ruff, mypy --strict, import layers
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -q tests/test_layers.py

bench: $(READY)  ## speed as ratios within one run, written to benchmarks/RESULTS.md
	$(BIN)/python benchmarks/run.py

# Installs again only when pyproject.toml changes; what pip has already installed is not downloaded again.
$(READY): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --editable '.[dev]'
	touch $@

clean:  ## removes the environment and the demo's files
	rm -rf $(VENV) demo

help:  ## this list
	@grep -hE '^[a-z]+:.*##' Makefile | sed 's/:.*##/:/'
