# Everything a contributor runs. `make help` lists the targets; the work is done in scripts/.

# Debian's Elixir complains about a locale that is not UTF-8, and cannot print accents in it.
ifeq ($(shell uname -s),Linux)
export LC_ALL := C.UTF-8
endif
export ELIXIR_ERL_OPTIONS := +fnu $(ELIXIR_ERL_OPTIONS)

.DEFAULT_GOAL := help
.PHONY: help setup pythons build demo test test-all test-asyncio lint other-systems format bench matrix precompiled doctor clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  ERLANG_PYTHON=3.12 make test    chooses the Python, by version or by path"

setup: ## Install what building needs, where it is missing
	@scripts/setup.sh

pythons: ## Get the Pythons that few machines have: 3.13t, and 3.14 in a Debian trixie
	@scripts/pythons.sh

build: setup ## Build the library and its native code
	@mix setup

demo: build ## Build, then run the tour of what the library does, and what goes with it
	@mix run examples/tour.exs
	@mix run examples/production.exs

test: setup ## Build, then run ExUnit, cargo test and pytest
	@scripts/test.sh

test-all: setup ## The same for every supported Python, and for two versions of Elixir
	@scripts/test_all.sh

test-asyncio: setup ## Run CPython's own tests of asyncio on our event loop
	@scripts/test_asyncio.sh $(TESTS)

lint: setup ## Check formatting, lints and types in every language
	@scripts/lint.sh

other-systems: setup ## Lint the native code for every system of a release, and test its portable poller
	@scripts/other_systems.sh

format: setup ## Format the sources in every language
	@scripts/format.sh

bench: build ## Run every benchmark, or ONLY="call convert", and keep and draw what they print
	@scripts/bench.sh $(ONLY)

matrix: setup ## Try well-known C extensions in every mode, and write the guide's table
	@scripts/matrix.sh

precompiled: setup ## Build what a release offers ready-made, for every Python found
	@mix deps.get
	@mix py.precompiled

doctor: ## Show which Python is used, why, and whether all is in order
	@mix py.doctor

clean: ## Remove everything that was built
	rm -rf _build deps doc priv native/target
	find python -name __pycache__ -type d -prune -exec rm -rf {} +
