# ZKPool. Two commands do everything: `make demo` runs the main job, `make test` passes all tests.
# A fresh machine needs cargo (with clippy for the tests, as rustup installs it), node with npm, a C compiler and make.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

comma := ,
CONTRACTS := contracts
BIN := $(CURDIR)/$(CONTRACTS)/node_modules/.bin
# What is installed on PATH wins over the npm platform package and over what is built here.
export PATH := $(PATH):$(BIN):$(CURDIR)/target/tools/bin
# Local processes talk to each other directly, whatever proxy leads out of this machine.
export NO_PROXY := 127.0.0.1,localhost$(subst $() ,,$(patsubst %,$(comma)%,$(NO_PROXY) $(no_proxy)))
export no_proxy := $(NO_PROXY)
export FOUNDRY_SOLC := $(CURDIR)/$(CONTRACTS)/tools/solc
# Clippy compiles the crates of the workspace for lint and tests alike: apart, everything below them would be compiled twice.
# A plain `cargo test` compiles the workspace's own crates once more.
CLIPPY := RUSTC_WORKSPACE_WRAPPER=clippy-driver CLIPPY_ARGS=-Dwarnings
FORGE := cd $(CONTRACTS) && forge
NPM_STAMP := $(CONTRACTS)/node_modules/.package-lock.json
RISC0_STAMP := $(CONTRACTS)/lib/risc0/.stamp
SOL := $(shell find $(CONTRACTS)/src $(CONTRACTS)/test -name '*.sol' 2>/dev/null)
ARTIFACTS := $(CONTRACTS)/out/.stamp

.PHONY: help demo demo-zkml demo-rollup test setup chromium nextest contracts test-contracts test-rust lint lint-contracts lint-rust mutants mutants-changed rollup-mutants \
	slither snapshots bench bench-zkml fmt clean guests guest-check train-check

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

# ---- the two commands ----

# Without the zkVM, whose C++ takes minutes to compile.
demo: contracts ## sets everything up and runs the whole road on this machine (ARGS='--json FILE')
	cargo build --release --no-default-features -p zkpool-cli -p zkpool-demo
	target/release/zkpool-demo $(ARGS)

demo-zkml: contracts ## a drawn digit, proven in pieces by three machines, answered on chain (ARGS='--succinct --page …')
	cargo build --release -p zkpool-cli -p zkpool-digits -p zkpool-demo-zkml
	target/release/zkpool-demo-zkml $(ARGS)

# The enclave of this one is simulated, and says so.
demo-rollup: contracts ## batches of a rollup, each proven by a circuit, a zkVM and a (simulated) enclave (ARGS='--batches 2 --page …')
	cargo build --release -p zkpool-cli -p zkpool-rollup-node -p zkpool-rollup-simulated-enclave -p zkpool-demo-rollup
	target/release/zkpool-demo-rollup $(ARGS)

test: lint test-contracts test-rust ## all tests: Solidity and Rust, unit to end-to-end

# ---- setting up ----

setup: $(NPM_STAMP) $(RISC0_STAMP)

$(NPM_STAMP): $(CONTRACTS)/package-lock.json
	cd $(CONTRACTS) && npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

# RISC Zero's published contracts, which the tests run against.
$(RISC0_STAMP): $(CONTRACTS)/tools/risc0.mjs
	node $<
	@touch $@

contracts: $(ARTIFACTS) ## builds the contracts

$(ARTIFACTS): $(NPM_STAMP) $(RISC0_STAMP) $(SOL) $(CONTRACTS)/foundry.toml
	$(FORGE) build
	@touch $@

# The page of the zkML application is tested in a browser.
chromium:
	@command -v chromium >/dev/null && command -v chromedriver >/dev/null || { \
	  echo 'installing chromium and chromium-driver, in which the zkML page is tested'; \
	  sudo=; test "$$(id -u)" = 0 || sudo=sudo; \
	  { $$sudo apt-get update -q && $$sudo apt-get install -q -y --no-install-recommends chromium chromium-driver; } \
	  || { echo 'error: chromium and chromedriver are not on PATH and apt cannot install them: install both' >&2; exit 1; }; }

# The test runner: tests of this project count on a process of their own.
nextest:
	@cargo nextest --version >/dev/null 2>&1 || { \
	  echo 'building cargo-nextest, which runs the tests'; \
	  cargo install --locked --root target/tools cargo-nextest --version 0.9.143; }

# ---- tests ----

test-contracts: contracts ## Solidity: unit, fuzz, invariants, attacks, gas snapshots, trace of the requirements
	$(FORGE) test
	$(CONTRACTS)/tools/gas --check
	node $(CONTRACTS)/tools/mutants.mjs --trace

test-rust: contracts chromium nextest ## Rust: unit to end-to-end, the demos included
	$(CLIPPY) cargo build --workspace --all-targets
	$(CLIPPY) cargo nextest run --workspace --no-fail-fast
	$(CLIPPY) cargo test --doc --workspace --quiet

mutants: contracts ## breaks the contracts on purpose: every mutant must be caught by its own test
	node $(CONTRACTS)/tools/mutants.mjs

snapshots: contracts ## measures the contracts' gas anew
	$(CONTRACTS)/tools/gas

mutants-changed: contracts ## the mutants of files changed since BASE
	node $(CONTRACTS)/tools/mutants.mjs --changed $(BASE)

rollup-mutants: setup ## breaks the example rollup on purpose, one check at a time in each kind of proof (half an hour)
	node examples/rollup/mutants.mjs

guests: ## builds the zkVM guests that are committed (needs apt's rustc-web, rust-web-src and lld-19)
	ci/guests/build.sh crates/backends/tests/guests hash compose bad
	examples/zkml/guest/build.sh
	examples/rollup/guest/build.sh

guest-check: ## the committed zkVM guests are what their sources give, bit for bit
	ci/guests/build.sh --check crates/backends/tests/guests hash compose bad
	examples/zkml/guest/build.sh --check
	examples/rollup/guest/build.sh --check

train-check: ## the committed weights of the digit classifier are what its training gives (installs scikit-learn into .venv)
	test -x .venv/bin/python || python3 -m venv .venv
	.venv/bin/pip install --quiet -r examples/zkml/train/requirements.txt
	.venv/bin/python examples/zkml/train/train.py --check

# ---- form ----

lint: lint-contracts lint-rust ## formatting, clippy, the ring check, freshness of generated files

lint-contracts: contracts
	$(FORGE) fmt --check
	node $(CONTRACTS)/tools/abi.mjs --check

lint-rust:
	cargo fmt --all --check
	node ci/rings.mjs
	$(CLIPPY) cargo build --workspace --all-targets

fmt: setup ## formats everything
	$(FORGE) fmt
	cargo fmt --all

slither: contracts ## static analysis of the contracts (installs slither into .venv)
	test -x .venv/bin/slither || { python3 -m venv .venv && .venv/bin/pip install --quiet slither-analyzer==0.11.6; }
	cd $(CONTRACTS) && ../.venv/bin/slither . --config-file slither.config.json --fail-medium

bench: contracts ## the service with an instant prover; Groth16 against snarkjs
	cargo build --release --no-default-features -p zkpool-cli -p zkpool-demo
	target/release/zkpool-bench
	bench/groth16_vs_snarkjs.sh

bench-zkml: contracts ## zkVM jobs through the pool against RISC Zero's own prover in one process (ARGS='--rounds 3')
	cargo build --release -p zkpool-cli -p zkpool-digits -p zkpool-demo-zkml
	target/release/zkpool-bench-zkml $(ARGS)

clean: ## removes what was built
	rm -rf target $(CONTRACTS)/out $(CONTRACTS)/cache $(CONTRACTS)/node_modules $(CONTRACTS)/lib .venv
