# The two commands are `make run-dev` and `make test`; each makes what it needs.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
PORT ?= 8080

.PHONY: install run-dev test test-full check

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

# With the tests that need programs from outside Python; it installs those programs (none so far).
test-full: check
	RUN_EXTERNAL=1 $(BIN)/pytest
