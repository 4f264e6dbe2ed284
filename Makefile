# Everything a newcomer needs, each target from a bare clone. A stamp file in the environment says that
# its packages match pyproject.toml and constraints.txt, so the second run of any target installs nothing.
#   make VENV=/elsewhere PYTHON=python3.12 test    another environment, another interpreter

VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
PORT ?= 8000

BASE := $(VENV)/.installed-base
FULL := $(VENV)/.installed-full
PARITY := $(VENV)/.installed-parity

.DEFAULT_GOAL := help
.PHONY: help install demo test test-all serve check format clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' Makefile

install: $(FULL) ## make .venv with everything: training, tests, tools

demo: $(BASE) ## start the server, ask it the first question with the openai client, stop it
	@$(BIN)/python examples/demo.py

serve: $(BASE) ## run the server with the built-in model (PORT=8000)
	$(BIN)/flashstep serve --port $(PORT)

test: $(FULL) ## the tests, without those marked slow
	$(BIN)/python -m pytest

test-all: $(PARITY) ## every test, also those that compare with other implementations
	$(BIN)/python -m pytest -m ""

check: $(FULL) ## format, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(FULL) ## rewrite the files as `make check` wants them
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## remove caches; the environment stays
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis dist
	find src tests examples benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "flashstep needs Python 3.11 or newer, this is " + sys.version.split()[0] + "; name another one: make PYTHON=python3.11")'
	@echo "making the environment $(VENV)"
	@$(PYTHON) -m venv $(VENV)

# One pip call per environment: a second one could replace what the first chose (torch above all).
$(BASE): pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing flashstep into $(VENV)"
	@$(PIP) install -c constraints.txt -e '.[examples]'
	@touch $@

$(FULL): pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing flashstep into $(VENV), with torch and the tools for tests"
	@$(PIP) install -c constraints.txt -e '.[train,dev]'
	@touch $@ $(BASE)

$(PARITY): pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing flashstep into $(VENV), with everything that make test-all compares it with"
	@$(PIP) install -c constraints.txt -e '.[train,dev,parity,clients]'
	@touch $@ $(FULL) $(BASE)
