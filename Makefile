# The two commands are `make run-dev` and `make test`; each makes what it needs.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
PORT ?= 8080

.PHONY: install run-dev test test-full check bench bench-events

install: .venv/installed

.venv/installed: requirements.txt requirements-dev.txt constraints.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -r requirements-dev.txt -c constraints.txt
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-build-isolation --no-deps -e .
	touch $@

run-dev: install
	HOST=127.0.0.1 PORT=$(PORT) LOG_FORMAT=console $(BIN)/agent-reasoning serve

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

test: check
	$(BIN)/pytest

# Three quarters of an hour, on a machine that does nothing else. LitServe and the load generator are installed for it.
bench: install
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -r benchmarks/serving/requirements.txt -c constraints.txt
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m benchmarks.serving --env SLOTS=16 --env MAX_QUEUE=16 --soak 10
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python benchmarks/search.py --instances 200 --hard 20 --json benchmarks/results/search.json
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python benchmarks/service.py --json benchmarks/results/service.json

# Some minutes: 10,000 events through a broker in memory, while the service is killed and connections break.
bench-events: install
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m benchmarks.events --json benchmarks/results/events.json

# With the tests that need programs from outside Python; it installs those programs (none so far).
test-full: check
	RUN_EXTERNAL=1 $(BIN)/pytest
