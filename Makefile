# Daily commands. `make help` lists them.

SHELL := /bin/bash
CONFIGURATION := release
BINARY := .build/$(CONFIGURATION)/apus
SOURCES := Package.swift $(shell find Sources -type f)
VENV := .build/python
DATADIR ?= devnet
PREFIX ?= /usr/local
# Tests are built with -c release: EVM code is too slow in debug builds. `swift test` itself would build
# everything anew with other flags.
BUILD_TESTS := swift build -c $(CONFIGURATION) --build-tests
# A node has about a hundred files open: so many tests at a time, not all at once.
SWIFT_TEST := swift test -c $(CONFIGURATION) --skip-build --experimental-maximum-parallelization-width 12
# Tests that keep all cores busy. They run after the others, which would miss their deadlines beside
# them.
HEAVY := ^(SpecRunnerTests|EVMTests|FuzzTests|PredictionTests|CryptographyTests|ChainTests)\.
# Tests that start other processes. They run in a process of their own that has few files open:
# Foundation's Process lists them all, and with more than a thousand it reads past its buffer.
STARTING := ^(EndToEndTests\.|ChainTests\.(CrashTests|PowerLossTests))
# Tests that start a Redis server. Beside those that wait for daemons they would miss their deadlines.
REDIS := ^(RedisTests\.|GatewayTests\.SharedCacheTests)

.PHONY: help run build test test-swift test-one test-clients test-clients-all conformance check format bench bench-chain bench-predict bench-risk bench-rpc bench-gateway docs bench-evm check-interpreter check-plugin fuzz install clean tracer-vectors test-crash
.DEFAULT_GOAL := help

help:  ## This list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(BINARY)  ## Build and start a devnet on 127.0.0.1:8545, kept in ./devnet (DATADIR=…)
	@$(BINARY) dev --datadir $(DATADIR)

build: $(BINARY)  ## Build the release binary

$(BINARY): $(SOURCES)
	@scripts/setup
	@swift build -c $(CONFIGURATION) --product apus
	@touch $(BINARY)

test: test-swift test-clients  ## Run every test (official fixtures: set APUS_FIXTURES)

test-swift:
	@scripts/setup test
	@[ -n "$$APUS_FIXTURES" ] || echo "note: APUS_FIXTURES is not set; suites over the official fixtures will be skipped"
	@$(BUILD_TESTS)
	@ulimit -n "$$(ulimit -Hn)"; $(SWIFT_TEST) --skip '$(HEAVY)' --skip '$(STARTING)' --skip '$(REDIS)'
	@$(SWIFT_TEST) --filter '$(HEAVY)' --skip '$(STARTING)'
	@$(SWIFT_TEST) --filter '$(STARTING)'
	@$(SWIFT_TEST) --filter '$(REDIS)'

# Kills and power failures in all, at least.
CRASH_KILLS ?= 240

test-crash:  ## Kill the node and fail the power at random moments, CRASH_KILLS times, and verify what is left
	@scripts/setup test
	@[ -n "$$APUS_FIXTURES" ] || echo "note: APUS_FIXTURES is not set; no import is killed"
	@$(BUILD_TESTS)
	@APUS_CRASH_KILLS=$(CRASH_KILLS) $(SWIFT_TEST) --filter 'CrashTests|PowerLossTests'

test-one:  ## Run the tests whose name matches: make test-one T=UInt256Tests
	@scripts/setup test
	@$(BUILD_TESTS)
	@$(SWIFT_TEST) --filter '$(T)'

# go-ethereum's own cases for its tracers. They are its, so they are not in this repository.
TRACER_VECTORS ?= .build/tracer-vectors
GETH_SOURCE ?= https://github.com/ethereum/go-ethereum

tracer-vectors: $(TRACER_VECTORS)/eth  ## Run go-ethereum's tracer cases (fetched once; or set TRACER_VECTORS, GETH_SOURCE)
	@$(BUILD_TESTS)
	@APUS_TRACER_VECTORS=$(abspath $(TRACER_VECTORS))/eth/tracers/internal/tracetest/testdata \
	    $(SWIFT_TEST) --filter TracerVectorTests

$(TRACER_VECTORS)/eth:
	@echo "==> fetching the tracer cases from $(GETH_SOURCE)"
	@git clone --quiet --depth 1 --filter=blob:none --sparse $(GETH_SOURCE) $(TRACER_VECTORS)
	@git -C $(TRACER_VECTORS) sparse-checkout set eth/tracers/internal/tracetest/testdata

test-clients: $(BINARY) $(VENV)/ready  ## Run web3.py, eth-tester, eth-account, WebSocket clients, exports and fuzzers against a real daemon
	@$(VENV)/bin/python examples/web3py/first_light.py --apus $(BINARY)
	@$(VENV)/bin/python examples/web3py/first_light.py --eth-tester
	@$(VENV)/bin/python examples/feed/test_follow.py --apus $(BINARY)
	@$(VENV)/bin/python Tests/Exports/test_exports.py --apus $(BINARY)
	@$(VENV)/bin/python -m pytest -c Tests/clients/pytest.ini --rootdir Tests/clients \
	    --apus $(abspath $(BINARY)) Tests/clients

# ethers as its UMD bundle (dist/ethers.umd.min.js of its repository or its package).
ETHERS ?=

test-clients-all: test-clients $(VENV)-boa/ready  ## The same and titanoboa, and ethers v6 by node (set ETHERS=ethers.umd.min.js)
	@$(VENV)-boa/bin/python Tests/clients/titanoboa.py --apus $(BINARY)
	@if [ -n "$(ETHERS)" ]; then node examples/ethers/first_light.js --apus $(BINARY) --ethers $(ETHERS); \
	    else echo "note: ETHERS is not set; ethers is not run"; fi

$(VENV)-boa/ready: Tests/clients/titanoboa.txt
	@scripts/setup test
	@echo "==> installing titanoboa into $(VENV)-boa"
	@python3 -m venv $(VENV)-boa
	@$(VENV)-boa/bin/pip install --quiet --disable-pip-version-check -r Tests/clients/titanoboa.txt
	@touch $@

$(VENV)/ready: examples/web3py/requirements.txt
	@scripts/setup test
	@echo "==> installing Python clients into $(VENV)"
	@python3 -m venv $(VENV)
	@$(VENV)/bin/pip install --quiet --disable-pip-version-check -r examples/web3py/requirements.txt
	@touch $@

# Programs that both interpreters must agree on.
PROGRAMS ?= 3000000
CONFORMANCE := SpecRunnerTests|EVMTests|CryptographyTests|TrieTests|PrimitivesTests|EthereumTypesTests|ExecutionTests|ChainTests

conformance:  ## Run every official corpus whole, and PROGRAMS random programs on both interpreters (half an hour)
	@scripts/setup test
	@[ -n "$$APUS_FIXTURES" ] || { echo "conformance: set APUS_FIXTURES to the official fixtures" >&2; exit 1; }
	@$(BUILD_TESTS)
	@APUS_FIXTURE_STRIDE=1 APUS_DIFFERENTIAL_PROGRAMS=$(PROGRAMS) $(SWIFT_TEST) --filter '^($(CONFORMANCE))\.'

check:  ## Lint the sources and check the architecture
	@swift format lint --strict --recursive --parallel Sources Tests Benchmarks Package.swift
	@echo "format: clean"
	@bash -n $$(grep -lE '^#!.*bash' scripts/* .ci/run) && echo "scripts: clean"

format:  ## Format the sources in place
	@swift format format --in-place --recursive --parallel Sources Tests Benchmarks Package.swift

bench: $(BINARY)  ## Measure: in-process blocks, RPC, start-up, memory
	@scripts/setup bench
	@swift build -c $(CONFIGURATION) --product apus-bench
	@scripts/bench $(BINARY)

# What bench-chain measures: import, index, answers, length, state or reorg, and of how much.
MODE ?= import
COUNT ?=

bench-chain:  ## Measure the chain: imports (fixtures: set APUS_FIXTURES), or MODE=index|answers|length|state|reorg COUNT=n
	@scripts/setup bench
	@swift build -c $(CONFIGURATION) --product apus-bench
	@APUS_FIXTURES=$$(scripts/unpack-fixtures chain-sync chain-ethtest) \
	    .build/$(CONFIGURATION)/apus-bench chain $(MODE) $(COUNT)

bench-predict: $(BINARY)  ## Measure forecasts: their times, and their worth on main-network blocks (fetched)
	@swift build -c $(CONFIGURATION) --product apus-bench
	@.build/$(CONFIGURATION)/apus-bench prediction
	@Benchmarks/prediction/mainnet-fees

bench-risk: $(BINARY)  ## Measure points of risk on labelled addresses of the main network (fetched; six minutes)
	@Benchmarks/analytics/mainnet-labels

bench-rpc: $(BINARY)  ## Measure JSON-RPC beside nginx and a bare NIO server
	@scripts/setup bench
	@swift build -c $(CONFIGURATION) --product apus-bench
	@python3 Benchmarks/rpc/bench_rpc.py --apus $(BINARY) --bench .build/$(CONFIGURATION)/apus-bench

# Seconds of each measurement of bench-gateway.
SECONDS_EACH ?= 10

bench-gateway: $(BINARY)  ## Measure REST beside a bare Hummingbird server, each answer compared (SECONDS_EACH=10)
	@scripts/setup bench
	@swift build -c $(CONFIGURATION) --product apus-bench
	@python3 Benchmarks/gateway/bench_gateway.py --apus $(BINARY) --bench .build/$(CONFIGURATION)/apus-bench \
	    --seconds $(SECONDS_EACH)

docs:  ## Write docs/rpc.md from the table of methods
	@$(BUILD_TESTS)
	@APUS_WRITE_DOCS=1 $(SWIFT_TEST) --filter MethodReferenceTests

bench-evm: $(BINARY) $(VENV)/bench-ready  ## Measure the EVM against pyrevm (programs: set APUS_FIXTURES)
	@swift build -c $(CONFIGURATION) --product apus-bench
	@$(VENV)/bin/python Benchmarks/evm/bench_evm.py --apus $(BINARY)
	@$(VENV)/bin/python Benchmarks/evm/bench_primitives.py --bench .build/$(CONFIGURATION)/apus-bench

$(VENV)/bench-ready: Benchmarks/evm/requirements.txt
	@scripts/setup test
	@echo "==> installing what the EVM is measured against into $(VENV)"
	@python3 -m venv $(VENV)
	@$(VENV)/bin/pip install --quiet --disable-pip-version-check -r Benchmarks/evm/requirements.txt
	@touch $@

check-interpreter: $(BINARY)  ## Disassemble the interpreter loops and look for what must not be in them
	@scripts/check-interpreter $(BINARY)

check-plugin:  ## Build the example of a plugin as the package of its own that it is
	@scripts/setup
	@swift build --package-path examples/plugin --scratch-path .build/plugin

# Seconds of fuzzing for each target.
FUZZ_SECONDS ?= 20
FUZZ_TARGETS := rlp json transaction block precompiles interpreters

fuzz:  ## Fuzz decoders, precompiles and interpreters for FUZZ_SECONDS each (FUZZ_TARGETS="rlp …")
	@swift build -c release --package-path Fuzz --scratch-path .build/fuzz --sanitize=fuzzer --product fuzz
	@mkdir -p .build/fuzz/new
	@set -o pipefail; for target in $(FUZZ_TARGETS); do \
	    echo "==> fuzzing $$target"; mkdir -p .build/fuzz/new/$$target; \
	    APUS_FUZZ=$$target .build/fuzz/release/fuzz -max_total_time=$(FUZZ_SECONDS) -timeout=20 \
	        -max_len=4096 -print_final_stats=1 -verbosity=0 -artifact_prefix=.build/fuzz/$$target- \
	        .build/fuzz/new/$$target Fuzz/Corpus/$$target 2>&1 \
	        | sed -n '/executed_units/p; /slowest/p; /rror/,$$p' || exit 1; \
	done

install: $(BINARY)  ## Install the binary and the systemd unit (PREFIX=/usr/local)
	install -D -m 0755 $(BINARY) $(DESTDIR)$(PREFIX)/bin/apus
	install -D -m 0644 packaging/apus.service $(DESTDIR)$(PREFIX)/lib/systemd/system/apus.service

clean:  ## Remove build products (not chain data)
	rm -rf .build
