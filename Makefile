.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help demo up test test-thorough test-long coverage check format lock bench bench-quick bench-scale sizing histories openapi settings client clean

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): requirements.lock pyproject.toml client/pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if v >= (3, 11) else f"autos needs Python 3.11 or newer; {sys.executable} is {v[0]}.{v[1]}. Name another with: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . -e ./client
	@touch $(READY)

demo: $(READY) ## Start everything, download the 31 documents of one process, show each step, stop
	$(BIN)/python -m devstack.demo

up: $(READY) ## Start everything on this machine, print where it is, and run it until Ctrl-C
	$(BIN)/autos up

test: $(READY) ## Run the tests on real parts (under five minutes on two cores)
	$(BIN)/python -m pytest

test-thorough: $(READY) ## Run the other tests of CI, two at a time: kills, faults, pages, set-ups, kinds of stores
	$(BIN)/python -m pytest -n 2 -m 'thorough and not long'

test-long: $(READY) ## Run the tests that take minutes: a 1 GiB document, a thousand processes, watchers, subscribers
	$(BIN)/python -m pytest -n 0 -m long tests

# The floor is a little below what the two folders reach together: 60 % of domain (97 %), adapters (91 %), activities
# (63 %), workflows (38 %) and api (1 %). The rest is reached by the other folders, which take longer. For all of it:
# make coverage COVERED=tests COVERAGE_FLOOR=0
COVERED ?= tests/unit tests/integration/adapters tests/integration/api tests/histories
COVERAGE_FLOOR ?= 58

coverage: $(READY) ## Measure the branch coverage of the quick tests against its floor
	$(BIN)/python -m pytest --cov --cov-report=term:skip-covered --cov-fail-under=$(COVERAGE_FLOOR) $(COVERED)

client: $(READY) ## Build the wheel and the sdist of the Python client into client/dist
	cd client && ../$(BIN)/python -m hatchling build

check: $(READY) ## Formatting, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(READY) ## Rewrite the code as `make check` wants it
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY) ## Measure the budgets against their baselines, in one run of about ten minutes
	$(BIN)/python -m benchmarks

bench-quick: $(READY) ## Take a quick look at the budgets that need no minutes
	$(BIN)/python -m benchmarks --quick

bench-scale: $(READY) ## Measure a catalog of 100,000 processes and 3 million documents, on SQLite and Postgres
	$(BIN)/python -m benchmarks --only scale-sqlite scale-postgres

sizing: $(READY) ## Measure what a document costs, and print what a load needs (SIZING="--peak 5")
	$(BIN)/python -m benchmarks.sizing $(SIZING)

openapi: $(READY) ## Write docs/openapi.json again, after a change of the API
	$(BIN)/autos openapi > docs/openapi.json.new && mv docs/openapi.json.new docs/openapi.json

settings: $(READY) ## Write docs/settings.md and .env.example again, after a change of the settings
	$(BIN)/python -m cli.settings_reference

histories: $(READY) ## Record again the workflow histories that the replay test reads
	$(BIN)/python -m tests.histories.record

lock: $(READY) ## Resolve the dependencies again into the two lock files
	$(BIN)/uv pip compile pyproject.toml --no-strip-extras --all-extras --upgrade --universal --python-version 3.11 --generate-hashes --custom-compile-command "make lock" --quiet --output-file requirements.lock
	$(BIN)/uv pip compile pyproject.toml --no-strip-extras --constraint requirements.lock --universal --python-version 3.11 --generate-hashes --custom-compile-command "make lock" --quiet --output-file requirements.runtime.lock

clean: ## Remove the virtual environment and what the local stack stored
	rm -rf $(VENV) .autos .mypy_cache .ruff_cache .pytest_cache .coverage .coverage.* client/dist
