# Mailiu: `make run` shows it, `make test` proves it.
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help setup test check clean

help: ## What can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: .venv/.done ## Virtual environment from the lock file

.venv/.done: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

test: setup check ## Every check and every test
	$(BIN)/python -m pytest

check: setup ## ruff, mypy, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict schemas
	$(BIN)/mypy mqtt_ingest streams projections analytics api infra
	$(BIN)/lint-imports

clean: ## Remove what was installed and made
	rm -rf .venv .mailiu .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
