# Every verb is a script or one command; the scripts say how.
.DEFAULT_GOAL := help
.PHONY: help setup stores serve demo test check fmt proto lock compare bench simulate clean

# Passed on: make test ARGS="-k resume", make serve ARGS="--backend memory://"
ARGS ?=
SEEDS ?= 50
FROM ?= 0

help: ## Say what there is to make
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install everything for development: .venv, and Go tools where Go is
	@scripts/setup dev
	@scripts/grpcurl
	@scripts/etcd
	@scripts/compose

stores: setup ## Start each store that the tests use once, and say which one it is
	@scripts/consul
	@exec .venv/bin/python -m tests.servers

serve: ## Run a gateway on a SQLite file, 127.0.0.1:7400 (ARGS=its flags)
	@scripts/setup runtime
	@exec .venv/bin/incumbent-server $(ARGS)

demo: setup ## Kill, stop and move leaders for half a minute, and judge it (STORE=sqlite, etcd, …)
	@$(if $(filter consul,$(STORE)),scripts/consul,:)
	@exec .venv/bin/python -m demo $(if $(STORE),--store $(STORE))

test: setup ## Run all tests (ARGS=pytest's)
	@scripts/consul
	@exec scripts/test $(ARGS)

check: setup ## Format, ruff, mypy, imports, buf, generated code, locks
	@exec scripts/check $(ARGS)

fmt: setup ## Format the code and mend what can be mended
	@.venv/bin/ruff format .
	@.venv/bin/ruff check --fix .

proto: setup ## Write the generated code anew from proto/
	@exec scripts/proto

lock: ## Take newer versions into requirements/
	@exec scripts/lock --upgrade

compare: setup ## Compare the stores, and the gateway with each directly, 15 minutes (ARGS=--full, …)
	@scripts/consul
	@exec .venv/bin/python -m tests.compare $(ARGS)

bench: setup ## Measure the gateway on SQLite alone (ARGS=as of compare)
	@exec .venv/bin/python -m tests.compare --store sqlite $(ARGS)

simulate: setup ## Run the simulation (SEEDS=how many, FROM=the first, ARGS=its flags)
	@exec .venv/bin/python -m tests.simulation --seeds $(SEEDS) --from $(FROM) $(ARGS)

clean: ## Remove what the tools made here, .venv and .tools included
	@rm -rf .venv .venv-* .tools dist uv.lock bench/results .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
