# Mailiu: `make run` shows it, `make test` proves it.
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
# The pure core: everything in streams/ but what speaks to Kafka, to Faust or to a store.
CORE := streams/rules streams/scores $(filter-out $(addprefix streams/,batches.py progress.py rejection.py sender.py shards.py store.py \
	ticker.py worker.py),$(wildcard streams/*.py))
LOADS := pip install --quiet --disable-pip-version-check

.PHONY: help setup system run test check bench audit sbom docs clean

help: ## What can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: system .venv/.done .kafka/.done ## System packages, virtual environment from the lock file, Kafka's jars

system:
	@PYTHON=$(PYTHON) infra/setup-system.sh

.venv/.done: requirements.lock pyproject.toml | system
	$(PYTHON) -m venv .venv
	$(BIN)/python -m $(LOADS) --require-hashes -r requirements.lock
	$(BIN)/python -m $(LOADS) --no-deps --editable .
	@touch $@

.kafka/.done: infra/kafka/pom.xml | system
	mvn -q -B -Dstyle.color=never -f infra/kafka/pom.xml dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory=$(CURDIR)/.kafka
	@touch $@

run: setup ## Start everything, let a small district of cuffs publish, serve until Ctrl-C
	@$(BIN)/mailiu run

test: setup check ## Every check and every test
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

check: setup ## ruff, mypy, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict schemas $(CORE)
	$(BIN)/mypy mqtt_ingest streams projections analytics api infra
	$(BIN)/lint-imports

bench: setup ## Measure against named references
	$(BIN)/mailiu bench

audit: setup ## Ask for known weaknesses of the locked packages (build/audit.json)
	$(BIN)/python -m infra.supply

sbom: setup ## Bill of materials, CycloneDX (build/sbom.json)
	@mkdir -p build
	$(BIN)/cyclonedx-py environment $(BIN)/python --pyproject pyproject.toml --output-reproducible --of JSON -o build/sbom.json

docs: setup ## Write the generated pages of docs/
	$(BIN)/mailiu settings --markdown > docs/settings.md
	$(BIN)/python -m tests.scores.page

clean: ## Remove what was installed and made
	rm -rf .venv .kafka .mailiu .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
