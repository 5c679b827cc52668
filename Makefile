# What a person types. `make check` and `make test` are also what CI runs.
.DEFAULT_GOAL := help
SHELL := /bin/bash
judges_seconds := tests/e2e/test_prediction.py tests/e2e/test_prefix_change.py
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: help setup demo test long e2e warm timed shared replay bench night torture acceptance soak lint type imports fmt check clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

setup: ## install what is missing: Python packages, Docker Engine, Terraform
	@scripts/setup

demo: setup ## the main job on the local AWS: prefix-change, from 404 to 200; leaves the sandbox up for a look
	@scripts/demo

test: ## what CI runs: check, then the tests on the local AWS, and beside them a sample of the kill matrices
	@$(MAKE) --no-print-directory --jobs 2 check warm
	@$(MAKE) --no-print-directory replay
	@$(MAKE) --no-print-directory timed
	@$(MAKE) --no-print-directory --jobs 2 shared long

check: lint type imports ## no outside world: ruff, mypy, import-linter, unit and contract tests
	pytest -q -n 3 -m "not sandbox and not e2e and not long"

long: setup ## all states of a handover, a sample of the moments to kill prefix-change at, stacks broken in every way
	@# It takes what others leave of the machine.
	nice -n 19 pytest -q -n 2 --timeout 1200 -m "long and not sandbox and not e2e"

e2e: timed ## the tests that need the local AWS
	@$(MAKE) --no-print-directory shared

warm: setup
	@scripts/setup tests
	@# The images and the golden state that every sandbox begins from are made once.
	cd examples/lgtm-stack && lgtm-deploy sandbox up --name warm --images standin && lgtm-deploy sandbox down --name warm

timed: setup
	@scripts/setup tests
	@# What judges seconds has the machine for itself.
	pytest -q $(judges_seconds)

shared: setup
	@scripts/setup tests
	pytest -q -n 2 --dist loadfile --durations=15 -m "sandbox or e2e" $(addprefix --ignore=,$(judges_seconds))

replay: ## compare the stand-ins with recordings of the real servers (RECORDINGS=DIR for others than the project's)
	@scripts/setup python
	@python -m bench.replay $(if $(RECORDINGS),--recordings $(RECORDINGS)) $(ARGS)

bench: setup ## start-up, the engine beside others (peers are installed for it), and the release beside a script
	@scripts/bench

night: setup ## the eight ways in which the change once failed, put to lgtm-deploy and to a script
	@scripts/night

torture: setup ## kill prefix-change on the local AWS, or let calls fail (ARGS="--mode faults --shard 1/4"); hours
	@scripts/torture $(ARGS)

acceptance: warm ## what CI has no time for: the other shards of the kill matrices, and further whole runs
	pytest -q -n 2 --timeout 1200 -m "acceptance and not sandbox and not e2e"
	pytest -q -n 2 --dist loadfile --durations=15 -m "acceptance and (sandbox or e2e)"

soak: setup ## verify a sound sandbox 200 times: is there ever a false alarm?
	@scripts/soak

lint: setup ## ruff: rules and layout
	ruff check .
	ruff format --check .

type: setup ## mypy, strict
	mypy

imports: setup ## import-linter: the layers of docs and pyproject.toml
	lint-imports

fmt: setup ## lay the code out, and mend what ruff can mend
	ruff format .
	ruff check --fix .

clean: ## remove everything that setup, demo and tests made: sandboxes, engine, environments, caches
	@scripts/clean
