# `make` says what there is. One environment per Python version lives under .venv/; PYTHON=python3.12 chooses another.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

SUPPORTED := 3.11 3.12 3.13
PYTHON ?=
FOUND := $(shell .ci/find-python $(PYTHON))
VERSION := $(firstword $(FOUND))
VENV := .venv/$(VERSION)
RUN := $(VENV)/bin/python -m
PIP := $(RUN) pip --disable-pip-version-check --quiet

JOBS ?= 2
PYTEST_ARGS ?=
SEEDS ?= 500
SYSTEM_SEEDS ?= 20
PARTITION_SEEDS ?= 100
ARGS ?=

# Tests start hundreds of processes: without compiled files each of them compiles coterie anew, half of its start.
unexport PYTHONDONTWRITEBYTECODE

# The lowest version runs all tests. The highest leaves out the slow ones and PURE: what explores the algorithms, which
# make no system call, or reads the source. Those in between run ON_EVERY_VERSION: what depends on the interpreter, but no
# whole clusters in the simulator (SIMULATED), whose own tests are in tests/runtime.
PURE := $(addprefix tests/protocols/,balancing checking detection simulation) \
  $(addprefix tests/,test_architecture.py test_module_names.py test_public_members.py)
ON_EVERY_VERSION := tests/runtime tests/embedding tests/actors tests/coterie
SIMULATED := tests/actors/simulation/scenarios
SHORT := $(PYTEST_ARGS) -m 'not slow'

# The checked folders that hold any Python (mypy refuses empty ones).
CHECKED := $(foreach folder,tests benchmarks examples,$(if $(shell find $(folder) -name '*.py' 2>/dev/null),$(folder)))

.PHONY: help
help: ## say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "PYTHON=python3.12 chooses the interpreter (now: $(or $(FOUND),none found))"

.PHONY: venv
venv: $(VENV)/.installed ## make the environment of one Python version

$(VENV)/.installed: pyproject.toml
	@test -n "$(VERSION)" || { echo "no usable Python found for PYTHON='$(PYTHON)': one of $(SUPPORTED) is needed" >&2; exit 1; }
	@echo "making $(VENV) with $(lastword $(FOUND))"
	@$(lastword $(FOUND)) -m venv $(VENV)
	@$(PIP) install --upgrade pip
	@$(PIP) install --editable '.[test,check]'
	@touch $@

.PHONY: test
test: venv ## run the tests on one Python version
	@echo "tests on Python $(VERSION)"
	@$(RUN) pytest -n $(JOBS) --dist worksteal $(PYTEST_ARGS)

.PHONY: lint
lint: venv ## ruff, mypy --strict, pyright
	@$(MAKE) -j $(JOBS) --output-sync=target lint-ruff lint-mypy lint-pyright

.PHONY: lint-ruff
lint-ruff:
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .

.PHONY: lint-mypy
lint-mypy:
	@$(RUN) mypy --strict -p coterie
	@$(RUN) mypy --strict --explicit-package-bases $(CHECKED)

.PHONY: lint-pyright
lint-pyright:
	@$(RUN) pyright --version >/dev/null 2>&1 || \
	  { echo "pyright cannot start: it needs node, on PATH or to be fetched over the network" >&2; exit 1; }
	@PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(RUN) pyright --pythonpath $(VENV)/bin/python

.PHONY: check
check: lint ## what CI runs: lint, then the tests on every supported Python that is here (all of them on the lowest)
	@for version in $(SUPPORTED); do \
	  .ci/find-python $$version >/dev/null || echo "Python $$version is not here: not tested"; \
	done
	@here=(); for version in $(SUPPORTED); do \
	  if .ci/find-python $$version >/dev/null; then here+=($$version); fi; \
	done; \
	for version in "$${here[@]}"; do \
	  if [ "$$version" = "$${here[0]}" ]; then \
	    $(MAKE) test PYTHON=$$version; \
	  elif [ "$$version" = "$${here[-1]}" ]; then \
	    echo "Python $$version: without the slow tests and the pure parts, which ran on $${here[0]}"; \
	    $(MAKE) test PYTHON=$$version PYTEST_ARGS="$(SHORT) $(addprefix --ignore=,$(PURE))"; \
	  else \
	    echo "Python $$version: what depends on the interpreter, without the slow tests"; \
	    $(MAKE) test PYTHON=$$version PYTEST_ARGS="$(SHORT) $(ON_EVERY_VERSION) --ignore=$(SIMULATED)"; \
	  fi; \
	done

.PHONY: fmt
fmt: venv ## format, and fix what ruff can fix
	@$(RUN) ruff check --fix .
	@$(RUN) ruff format .

.PHONY: demo
demo: venv ## three processes, a kill, and nothing lost (ARGS=…)
	@$(VENV)/bin/coterie demo $(ARGS)

.PHONY: bench
bench: venv ## the benchmark suites (ARGS=…)
	@$(RUN) benchmarks $(ARGS)

.PHONY: sim
sim: venv ## SEEDS seeds of each simulated algorithm, SYSTEM_SEEDS of whole clusters, PARTITION_SEEDS of broken links
	@$(VENV)/bin/coterie sim raft --seeds $(SEEDS) --jobs $(JOBS) $(ARGS)
	@$(VENV)/bin/coterie sim synod --seeds $(SEEDS) --jobs $(JOBS) $(ARGS)
	@$(VENV)/bin/coterie sim raft-kv --level system --seeds $(SYSTEM_SEEDS) --jobs $(JOBS) $(ARGS)
	@$(VENV)/bin/coterie sim upgrade --level system --seeds $(SYSTEM_SEEDS) --jobs $(JOBS) $(ARGS)
	@$(VENV)/bin/coterie sim partial-partitions --seeds $(PARTITION_SEEDS) --jobs $(JOBS) $(ARGS)

.PHONY: mutants
mutants: venv ## deliberate bugs, each of which the judges must catch
	@$(VENV)/bin/coterie sim mutants --jobs $(JOBS) $(ARGS)

.PHONY: clean
clean: ## remove environments, caches and build results
	@rm -rf .venv build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
