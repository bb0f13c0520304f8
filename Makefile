# make demo    the main job on real input, about a minute
# make test    everything that must hold: lint, formats, real etcd servers, faults
# make test-k8s  the same on a real Kubernetes control plane, after `make k8s`
# make docs-check  what the pages say: blocks, flags, defaults, codes, versions, output, links
# make bench   side by side with what one would take instead: docs/performance.md
# make soak    thousands of kills and resumes, and 2 GB through a slow target: an hour and more
# make build   dist/, and the generated protobuf module under src/wire/gen

SHELL := bash
BIN := node_modules/.bin
GEN := src/wire/gen/etcd.js
PBJS_FLAGS := -t static-module -w esm --no-verify --no-convert --no-delimited --no-typeurl --no-service
MOCHA := $(BIN)/mocha --import=tsx --exit
# Most tests wait for servers; each worker has ports of its own (test/rig/ports.ts).
PARALLEL := --parallel --jobs 3
K8S_TESTS := test/k8s/**/*.k8s.test.ts

TOP_PAGES := README.md README.zh-CN.md CONTRIBUTING.md SECURITY.md

.PHONY: build demo bench bench-record test docs-check k8s test-k8s soak lint lint-types lint-rules lint-format format clean

build: dist/.built dist/src/index.d.ts dist/man/etcd-lockstep.1

# The page is for the browser, and checked with its own settings
PAGE := src/listen/page
SOURCES := $(GEN) tsconfig.json tsconfig.build.json package-lock.json $(wildcard packaging/*.ts) \
	$(shell find src -type f -not -path 'src/wire/gen/*')

# Bundles take seconds and are not checked: lint-types does that
dist/.built: $(SOURCES)
	node --import=tsx packaging/bundle.ts
	@touch $@

dist/src/index.d.ts: $(SOURCES)
	node --import=tsx packaging/types.ts

dist/man/etcd-lockstep.1: $(SOURCES)
	node --import=tsx packaging/manpage.ts

$(GEN): proto/etcd.proto proto/raft.proto node_modules/.installed
	@mkdir -p $(@D)
	$(BIN)/pbjs $(PBJS_FLAGS) -d -o $(GEN) proto/etcd.proto proto/raft.proto

node_modules/.installed: package-lock.json
	npm ci --no-audit --no-fund
	@touch $@

.PHONY: etcd
etcd:
	@test/rig/get-etcd.sh

demo: build etcd
	@$(BIN)/tsx bench/demo.ts

# ONLY=seed,audit SIZES=10000,100000 RUNS=3 for a part of it
bench: build etcd
	@node --import=tsx bench/bench.ts

# Takes over what `make bench` has found into bench/results.json and docs/performance.md
bench-record:
	@node --import=tsx bench/record.ts
	@$(BIN)/prettier --write --log-level warn bench/results.json docs/performance.md

test: $(GEN)
	@$(MAKE) --no-print-directory -j3 lint build etcd
	$(MOCHA) $(PARALLEL) --timeout 120000 --ignore '$(K8S_TESTS)' 'test/**/*.test.ts'

# Part of make test; takes a minute and a half: what the pages show is made anew
docs-check: build etcd
	$(MOCHA) --timeout 120000 'test/docs/*.test.ts' test/cli/reference.test.ts

# Builds kube-apiserver, kube-scheduler and kube-controller-manager: about eight minutes, once
k8s:
	@test/k8s/get-kube.sh

test-k8s: build etcd
	@if test/k8s/get-kube.sh --check; then $(MOCHA) --timeout 600000 '$(K8S_TESTS)'; fi

soak: build etcd
	SOAK=1 $(MOCHA) --timeout 120000 'test/crash/*.test.ts'
	SOAK=1 $(MOCHA) test/lockstep/model.test.ts test/lockstep/explore.test.ts
	SOAK=1 $(MOCHA) test/night/explore.test.ts test/night/random.test.ts
	LIVES=200 $(MOCHA) test/differential.etcd.test.ts test/repair/lives.etcd.test.ts \
		test/base/fromfile.etcd.test.ts --timeout 120000
	SOAK=1 $(MOCHA) --timeout 120000 test/mirror/random.etcd.test.ts
	SOAK=1 $(MOCHA) --timeout 120000 test/faults/load.etcd.test.ts -g slow
	SOAK=1 $(MOCHA) test/week/week.etcd.test.ts
	SOAK=1 $(MOCHA) --timeout 300000 test/faults/batches.etcd.test.ts test/faults/peermembers.etcd.test.ts

lint: lint-types lint-rules lint-format

lint-types: $(GEN)
	$(BIN)/tsc --noEmit -p tsconfig.json
	$(BIN)/tsc --noEmit -p $(PAGE)

lint-rules: $(GEN)
	$(BIN)/eslint --max-warnings 0 src test bench deploy packaging

lint-format: node_modules/.installed
	$(BIN)/prettier --check --log-level warn src test bench deploy packaging docs $(TOP_PAGES)

format:
	$(BIN)/prettier --write --log-level warn src test bench deploy packaging docs $(TOP_PAGES)

clean:
	rm -rf dist src/wire/gen
