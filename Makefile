# Each command sets up what it needs, once, in .venv; constraints.txt pins every version.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCK := constraints.txt
PIP := $(BIN)/python -m pip install --disable-pip-version-check --constraint $(LOCK)
# A sixth of the time of the tests is waiting, for processes and terminals: on two cores three files at a time are faster.
WORKERS ?= 3
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder
FAST := -n 2 --dist loadfile -m 'not (app or terminal or ray or litellm or package or browser or slow)'
# The only versions that are chosen by hand: newer ones change the figures of the benchmarks, and are 3 GB to download.
PINNED := torch==2.14.1 torchvision==0.29.1

FUZZ_INPUTS ?= 10000
# events of each harness of `make soak`, and the first seed
SEED ?= 0
KILLS ?= 1000
DAMAGED ?= 1000
FOLDERS ?= 200
RACES ?= 20
DISKS ?= 200
BURSTS ?= 200

.PHONY: demo docs test test-thorough test-fast test-latest test-lowest check audit soak fuzz lock lock-check bench clean help

demo: $(VENV)/.demo  ## the whole loop on the bundled domain, offline
	$(BIN)/treegen demo demo

test: $(VENV)/.dev  ## all tests, three files at a time
	$(PYTEST) --durations=15

test-thorough: $(VENV)/.dev  ## all tests, and the properties with four times as many examples
	TREEGEN_THOROUGH=1 $(PYTEST)

test-fast: $(VENV)/.dev  ## the tests that take under a minute, for every edit
	OMP_NUM_THREADS=1 $(BIN)/pytest -q $(FAST)

docs: $(VENV)/.dev  ## the documentation as a site, in docs/_build; a warning is an error
	$(BIN)/sphinx-build -b html -W --keep-going -q docs docs/_build
	@echo "docs/_build/index.html"

check: $(VENV)/.dev lock-check audit  ## ruff, mypy --strict, import layers, the lock and its known vulnerabilities
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -q tests/test_layers.py tests/test_lock.py

soak: $(VENV)/.dev  ## kills, damage, hostile folders, races, full disks and bursts at the review, with a table in soak.md
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.soak --seed $(SEED) --table soak.md --kills $(KILLS) --damaged $(DAMAGED) \
	  --folders $(FOLDERS) --races $(RACES) --disks $(DISKS) --bursts $(BURSTS)

fuzz: $(VENV)/.dev  ## 10,000 awkward tables, tars, pictures, domains and trees through the commands, with a table of counts
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.fuzz --inputs $(FUZZ_INPUTS)

bench: $(VENV)/.dev  ## speed as ratios within one run, written to benchmarks/RESULTS.md
	$(BIN)/python benchmarks/run.py

lock: $(BIN)/uv  ## the newest versions that the ranges in pyproject.toml allow, into constraints.txt
	printf '%s\n' $(PINNED) | $(BIN)/uv pip compile $(COMPILE) $(LOCK) --upgrade

# The versions that are pinned already stay: the copy changes only if pyproject.toml asks for something that the lock lacks.
lock-check: $(BIN)/uv
	@cp $(LOCK) $(VENV)/$(LOCK)
	@printf '%s\n' $(PINNED) | $(BIN)/uv pip compile $(COMPILE) $(VENV)/$(LOCK) >$(VENV)/compile.log 2>&1 || { cat $(VENV)/compile.log; exit 1; }
	@diff $(LOCK) $(VENV)/$(LOCK) || { echo "$(LOCK) does not satisfy pyproject.toml: run make lock"; exit 1; }

# In an environment of its own, for .venv holds what the lock names and nothing else.
audit: $(VENV)/.dev
	@test -x $(VENV)-audit/bin/pip-audit || { $(PYTHON) -m venv $(VENV)-audit && \
	  $(VENV)-audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit; } 2>/dev/null || true
	@$(BIN)/python -m tests.audit $(VENV)-audit/bin/pip-audit $(LOCK)

COMPILE := pyproject.toml --extra dev --universal --python-version 3.11 --constraint /dev/stdin --no-annotate \
  --custom-compile-command 'make lock' --quiet --output-file

# Environments of their own, and 3 GB of downloads each: whether the ranges in pyproject.toml are true.
test-latest: $(BIN)/uv  ## the fast tests with the newest versions
	$(call tested,latest,highest)

test-lowest: $(BIN)/uv  ## the fast tests with the lowest versions
	$(call tested,lowest,lowest-direct)

define tested
	$(BIN)/uv venv --quiet --clear --python $(PYTHON) $(VENV)-$(1)
	$(BIN)/uv pip compile pyproject.toml --extra dev --resolution $(2) --no-annotate --no-header --quiet \
	  --python $(VENV)-$(1)/bin/python --output-file $(VENV)-$(1)/requirements.txt
	$(BIN)/uv pip install --python $(VENV)-$(1)/bin/python --requirements $(VENV)-$(1)/requirements.txt
	$(BIN)/uv pip install --quiet --python $(VENV)-$(1)/bin/python --no-deps --editable .
	OMP_NUM_THREADS=1 $(VENV)-$(1)/bin/python -m pytest -q $(FAST)
endef

# Installs again only when pyproject.toml or the lock changes; what pip has installed already is not downloaded again.
$(VENV)/.demo: pyproject.toml $(LOCK) | $(BIN)/python
	@echo "Installing treegen with CLIP, language models and the review into $(VENV)."
	@echo "On Linux this downloads about 3 GB (PyTorch comes with CUDA) and takes 6 GB on disk: 2 to 10 minutes."
	$(PIP) hatchling editables
	$(PIP) --no-build-isolation --editable '.[clip,llm,review]'
	@touch $@

$(VENV)/.dev: pyproject.toml $(LOCK) | $(BIN)/python
	@echo "Installing treegen, everything that it can use, and the tools of its tests into $(VENV)."
	@echo "On Linux this downloads about 3.3 GB (PyTorch comes with CUDA) and takes 7 GB on disk: 2 to 10 minutes."
	$(PIP) hatchling editables
	$(PIP) --no-build-isolation --editable '.[dev]'
	@touch $@

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(BIN)/uv: | $(BIN)/python
	$(PIP) uv

clean:  ## removes the environments and the demo's files
	rm -rf $(VENV) $(VENV)-audit $(VENV)-latest $(VENV)-lowest demo docs/_build

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' Makefile | sed 's/:.*##/:/'
