# The whole developer surface. Each target does its own set-up; PYTHON=/path/to/python3 chooses the interpreter.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
export PYTHON
BIN := .venv/bin
# conman needs root until it is rootless: a person who is not root is asked once, by sudo.
ROOT := $(if $(filter 0,$(shell id -u)),,sudo -E)

.PHONY: help setup setup-dev demo test test-pythons check bench stress docs clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## what conman needs on this machine, and .venv/bin/conman with the stock plugins
	@tools/setup.sh

setup-dev: ## the same, and what the tests and checks need
	@tools/setup.sh dev

demo: setup ## serve an image, pull it, run it, swap storage and runtime; on a terminal ends in a container
	@$(ROOT) $(BIN)/python tools/demo.py

test: setup-dev ## the whole test suite, against the installed wheels
	@$(ROOT) $(BIN)/python tools/test_pythons.py
	@$(ROOT) $(BIN)/$(if $(ARGS),pytest --installed $(ARGS),python tools/test_suite.py)

test-pythons: setup-dev ## the unit tests on every other supported Python found here
	@$(ROOT) $(BIN)/python tools/test_pythons.py

check: setup-dev ## ruff, mypy --strict, architecture and docs tests
	@$(BIN)/ruff check .
	@tools/mypy.sh
	@$(ROOT) $(BIN)/pytest --installed -q tests/architecture tests/docs

bench: setup-dev ## ratios against podman, containerd and docker where they are; asserts nothing
	@$(ROOT) $(BIN)/python benchmarks/run.py $(ARGS)

stress: setup-dev ## the long versions, and the integration tests again and again (ROUNDS=3), until one fails
	@for i in $$(seq $${ROUNDS:-3}); do echo "== round $$i"; $(ROOT) CONMAN_STRESS=1 CONMAN_TEST_POINTS=10 $(BIN)/pytest --installed -q -x -m "integration or slow or stress" $(ARGS); done

docs: setup-dev ## render docs/reference and docs/from-docker.md; run every command block and example of README and docs/
	@$(BIN)/python tools/reference.py
	@$(BIN)/python tools/from_docker.py
	@$(ROOT) $(BIN)/pytest --installed -q tests/docs

clean: ## remove what make made in the checkout
	@rm -rf .venv build .mypy_cache .pytest_cache .ruff_cache .hypothesis
