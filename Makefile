# Holdfast's workshop: what one does every day, one word each.
# Nothing here needs root, Node or Docker; what Node would add is skipped loudly.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory

# The first Python on the path that is 3.11 or newer and can start; PYTHON=... overrides the search.
NEWEST_FIRST := python3.14 python3.13 python3.12 python3.11 python3 python
PYTHON ?= $(shell for name in $(NEWEST_FIRST); do \
	"$$name" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& command -v "$$name" && break; done)

VENV := .venv
STAMP := $(VENV)/.stamp
BIN := $(VENV)/bin
PORT ?= 8080
GAMES ?= coins,arena
ifeq "$(GAMES)" "coins,arena"
OPEN ?= coins?bots=2,arena?bots=5
endif
STORE ?= sqlite:var/holdfast.db
NODE_VERSION := $(shell node --version 2>/dev/null)
HAVE_NODE := $(shell test "$$(echo "$(NODE_VERSION)" | sed 's/^v//; s/[.].*//')" -ge 20 2>/dev/null && echo yes)
NO_NODE := $(if $(NODE_VERSION),Node $(NODE_VERSION) is older than 20,there is no Node on the PATH)
CLIENT_SOURCES := $(shell find client games -name '*.js' 2>/dev/null | sort)

.PHONY: help run test test-ten lint fmt swarm cluster chaos sim sim-each mutations bench bench-failover venv lock clean

help:  ## Show this list.
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|'

venv: $(STAMP)  ## Make .venv with exactly the locked packages (hashes checked).

$(STAMP): requirements.lock requirements-dev.lock
	@test -n "$(PYTHON)" || { echo "make: Holdfast needs Python 3.11 or newer with venv, and found" \
		"none on the PATH. Install one, or say PYTHON=/path/to/python3." >&2; exit 2; }
	@echo "venv: $(PYTHON) ($$("$(PYTHON)" --version 2>&1)) -> $(VENV)"
	"$(PYTHON)" -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--require-hashes --requirement requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--no-deps --no-build-isolation --editable .
	touch $@

run: $(STAMP)  ## Serve coins and arena, bots in them, at http://localhost:8080 (PORT=, GAMES=, STORE=).
	@mkdir -p var
	$(BIN)/python -m server --dev --games "$(GAMES)" $(if $(OPEN),--open "$(OPEN)") --store "$(STORE)" --port "$(PORT)"

# tests/lanes.py has the lanes: what measures time or draws pages shares no core with four others.
test: $(STAMP)  ## Every test, the browser client's (where Node 20 is) and Python's (LANES=, ARGS= for one pytest).
ifneq "$(ARGS)" ""
	$(BIN)/python -m pytest $(ARGS)
else
	$(BIN)/python -m tests.lanes $(LANES)
endif

TIMES ?= 10
test-ten: $(STAMP)  ## The whole suite ten times in a fresh clone, with times and reds (TIMES=).
	$(BIN)/python -m tests.fresh --times $(TIMES)

# Every tool always runs, so that one report says everything.
lint: $(STAMP)  ## Style and types: ruff, mypy; pyright and tsc where Node 20 is.
	@failed=0; \
	check() { echo "lint: $$*"; "$$@" || failed=1; }; \
	check $(BIN)/ruff check .; \
	check $(BIN)/ruff format --check .; \
	check $(BIN)/mypy; \
	if test -z "$(HAVE_NODE)"; then \
		echo "lint: SKIPPED pyright and tsc: $(NO_NODE)."; \
	else \
		check $(BIN)/pyright; \
		if test -z "$(CLIENT_SOURCES)"; then \
			echo "lint: SKIPPED tsc: there is no JavaScript in client/ or games/*/web/."; \
		elif test ! -x node_modules/.bin/tsc; then \
			echo "lint: SKIPPED tsc: node_modules is missing; 'npm ci' brings it."; \
		else \
			check node_modules/.bin/tsc --project tsconfig.json; \
		fi; \
	fi; \
	exit $$failed

fmt: $(STAMP)  ## Format, and repair what ruff can repair by itself.
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

swarm: $(STAMP)  ## Bots by the hundred against the running server, with a report (ARGS=).
	$(BIN)/python -m bots swarm $(if $(ARGS),$(ARGS),--game coins --count 100 --seconds 20)

cluster: $(STAMP)  ## Several servers, their Valkey and a proxy on this machine, until Ctrl-C (ARGS=).
	$(BIN)/python -m bench.cluster $(ARGS)

DURATION ?= 120
SEED ?= 1
chaos: $(STAMP)  ## Kill, stop and drain servers and their store under a hundred bots (DURATION=, SEED=, ARGS=).
	$(BIN)/python -m bench.chaos --seconds $(DURATION) --seed $(SEED) $(ARGS)

SEEDS ?= 2000
sim: $(STAMP)  ## Whole servers under one seed each, every call failing now and then (SEEDS=, ARGS=).
	$(BIN)/python -m tests.simulation --seeds $(SEEDS) $(ARGS)

sim-each: $(STAMP)  ## Fail each call once in each way, and stop the process at each call once (ARGS=).
	$(BIN)/python -m tests.simulation --each $(ARGS)

mutations: $(STAMP)  ## Break protocol code in one place at a time; a test must notice each (ARGS=).
	$(BIN)/python -m tests.faults $(ARGS)

bench-failover: $(STAMP)  ## What dying and moving processes cost players; about an hour (ARGS="--kills 20 kills").
	$(BIN)/python -m bench.failover $(ARGS)

bench: $(STAMP)  ## Holdfast beside its peers, measured here (ARGS=).
	$(BIN)/python -m bench $(ARGS)

# A lock holds for every Python from 3.11 on and every platform, and names no registry.
LOCK := $(VENV)-lock/bin/uv pip compile pyproject.toml --universal --python-version 3.11 \
	--generate-hashes --no-strip-extras --no-header --no-annotate --quiet --upgrade

lock:  ## Resolve the newest allowed packages into the lock files (needs a package registry).
	@test -n "$(PYTHON)" || { echo "make: 'lock' needs Python 3.11 or newer." >&2; exit 2; }
	"$(PYTHON)" -m venv --clear $(VENV)-lock
	$(VENV)-lock/bin/python -m pip install --quiet --disable-pip-version-check uv
	$(LOCK) --output-file requirements.lock
	$(LOCK) --extra dev --constraint requirements.lock --output-file requirements-dev.lock
	rm -rf $(VENV)-lock
	npm install --package-lock-only

clean:  ## Remove what the tools made; the server's data in var/ stays.
	rm -rf $(VENV) $(VENV)-lock node_modules build dist htmlcov .coverage .coverage.* *.egg-info \
		.mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
