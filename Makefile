# Every target sets up what it needs; nothing but Python 3.11+ (with venv) and make is asked for.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?=
export PYTHON

RUN := .venv/bin
# Where gates look; folders that do not exist are left out.
CODE := $(wildcard src tests tools bench examples deploy)
COMPILE := $(RUN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --custom-compile-command "make lock" $(if $(UPGRADE),--upgrade)

.PHONY: help setup setup-node demo test gates lint types imports sizes licences dependencies \
	pytest domain chaos containers deep bench lock wheel reference tree format clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

setup: ## set up .venv to work on DreamNet
	@tools/setup.sh dev

setup-node: ## set up .venv to run DreamNet, without the developers' tools
	@tools/setup.sh node

demo: setup-node ## break two real services in every way and watch them heal: make demo ARGS=--stay
	@$(RUN)/dreamnet demo $(ARGS)

# One after the other, even under `make -j`: the machine may be small and the story is readable.
test: setup ## all gates and all tests, at most 15 minutes
	@$(MAKE) --no-print-directory gates
	@$(MAKE) --no-print-directory pytest
	@$(MAKE) --no-print-directory domain
	@echo "make test: everything passed"

gates: lint types imports sizes licences dependencies ## every check that runs no product code

lint: setup ## style and formatting
	$(RUN)/ruff check $(CODE)
	$(RUN)/ruff format --check $(CODE)

types: setup ## strict types of src
	$(RUN)/basedpyright --warnings

imports: setup ## the floors: who may import whom (.importlinter)
	$(RUN)/lint-imports

sizes: setup ## size of files, functions, parameter lists, nesting
	$(RUN)/python tools/check_size.py

licences: setup ## licences of everything installed: make licences ARGS=--list
	$(RUN)/python tools/check_licences.py $(ARGS)

dependencies: setup ## declared dependencies against imported ones
	$(RUN)/deptry src

pytest: setup ## the tests, with coverage by branch: make pytest ARGS="-k reef"
	$(RUN)/coverage erase
	$(RUN)/coverage run -m pytest --session-timeout=1200 --durations=12 $(ARGS)
	@$(RUN)/coverage report | tail -n 1

domain: setup ## the domain is covered whole, by branch (uses the last `make pytest`)
	$(RUN)/coverage report --include='src/dreamnet/domain/*' --fail-under=100 --show-missing

chaos: setup ## long: kill everything again and again: DREAMNET_CHAOS_SEED=1 DREAMNET_CHAOS_ROUNDS=200 make chaos
	$(RUN)/python -m pytest -m "slow or not slow" --timeout=3600 -rP tests/chaos tests/journeys $(ARGS)

containers: setup ## the image, built and run on a real Docker Engine (Debian: docker.io mmdebstrap)
	$(RUN)/python -m pytest -m slow --timeout=1800 -rP tests/containers $(ARGS)

deep: setup ## longest: every test with thousands of examples of each property
	$(RUN)/python -m pytest -m "slow or not slow" --hypothesis-profile=deep --timeout=7200 $(ARGS)

bench: setup ## measure, and write the figures to docs/evidence
	$(RUN)/python -m bench $(ARGS)

lock: setup ## renew the locks after a change of pyproject.toml: make lock UPGRADE=1 takes new versions
	$(COMPILE) --extra node --extra postgres --group dev pyproject.toml -o requirements.lock
	$(COMPILE) --extra node --group setup -c requirements.lock pyproject.toml -o requirements-node.lock

wheel: setup ## build the wheel into dist/
	$(RUN)/uv build --quiet --wheel --no-build-isolation --python $(RUN)/python --out-dir dist .

reference: setup ## write the tables of docs/reference from the code
	$(RUN)/python -m tools.reference

tree: setup ## write the tree of modules into docs/architecture.md
	$(RUN)/python tools/write_tree.py

format: setup ## format the code
	$(RUN)/ruff check --fix-only --quiet $(CODE)
	$(RUN)/ruff format $(CODE)

clean: ## remove everything that was made here: .venv, caches, dist
	rm -rf .venv .coverage .coverage.* .hypothesis .pytest_cache .ruff_cache .import_linter_cache dist build
	find src tests tools bench examples -type d -name __pycache__ -prune -exec rm -rf {} +
