# Everything that a developer or continuous integration runs. `make help` lists it.

CARGO ?= cargo
# More words for `pli demo` and the load generator: make demo ARGS=--once
ARGS ?=

# How long `make fuzz` tries each target.
SECONDS ?= 20

.PHONY: help demo test check fuzz index audit bench

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

demo: ## Two operators on this machine that exchange messages; stays up for your mail client (ARGS=--once ends)
	@scripts/install-deps.sh demo
	$(CARGO) run --quiet --package server --bin pli -- demo $(ARGS)

# The end-to-end tests drive the binary that the first line builds. The shared private PostgreSQL of
# the tests is stopped whether they held or not.
test: ## All tests, end-to-end tests with real mail clients included
	@scripts/install-deps.sh test
	$(CARGO) build --workspace --bins
	@if $(CARGO) nextest --version >/dev/null 2>&1; then run="nextest run"; else run="test"; fi; \
	$(CARGO) $$run --workspace; status=$$?; \
	$(CARGO) run --quiet --package e2e --bin stop-test-cluster; exit $$status

check: ## Format, clippy and rustdoc without warnings, rule index
	@scripts/install-deps.sh demo
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --quiet
	$(CARGO) xtask rules
	@! $(CARGO) tree --package server --edges normal --prefix none --format '{p} {f}' | grep '^testkit .*database' || \
	{ echo "the binary carries the test databases of testkit: enable that feature in dev-dependencies only"; exit 1; }

fuzz: ## Fuzz targets on the committed corpus (SECONDS=20 for each)
	@scripts/install-deps.sh fuzz
	$(CARGO) fmt --manifest-path fuzz/Cargo.toml --check
	scripts/fuzz.sh $(SECONDS)

index: ## Write docs/conformity/README.md from the rule index
	$(CARGO) xtask rules --write

audit: ## Licences, bans, sources, advisories (cargo-deny; takes minutes to install the first time)
	@$(CARGO) deny --version >/dev/null 2>&1 || { echo "installing cargo-deny"; $(CARGO) install --locked cargo-deny; }
	$(CARGO) deny check licenses bans sources
	@if $(CARGO) deny fetch db >/dev/null 2>&1; then $(CARGO) deny check --disable-fetch advisories; \
	else echo "advisories: NOT checked, the advisory database cannot be reached"; fi

bench: ## Load generator against a release build (ARGS="--json FILE" for the numbers)
	@scripts/install-deps.sh bench
	$(CARGO) build --release --package server
	$(CARGO) run --release --quiet --package bench -- $(ARGS)
