# make run    build and serve the demo game; prints the URL
# make test   everything: Go with the race detector, JavaScript, a real browser
# make lint   gofmt, vet, staticcheck, types of the JavaScript
# make bench  benchmarks of the hot paths
# make bench-wire  bytes and time of the wire format, beside others
# make bench-peers  CPU and memory beside a loop of write(2) and a plain Go server
# make chaos  a node among hostile clients; a cluster whose nodes and NATS are killed, stopped and cut off: CHAOS_KILLS kills
# make demo-cluster  three nodes with bots, to play and to break things, until Ctrl-C
# make fuzz   every fuzz target for FUZZTIME each
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := run

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME ?= 20s
CHAOS_KILLS ?= 20
LISTEN ?= 127.0.0.1:8080
ARTIFACTS := .artifacts
PACKAGES := ./...
# What is measured against is a module of its own: roomd does not depend on it.
BASELINE := loadtest/baseline

.PHONY: build run test test-go test-noalloc test-js test-browser lint bench bench-wire bench-peers chaos demo-cluster fuzz setup clean

build:
	go build -o bin/roomd ./cmd/roomd

run: build
	exec ./bin/roomd serve --listen $(LISTEN)

test: test-go test-js test-browser

# The race detector changes what allocates and how long things take, so tests of
# allocations, of real processes and of thousands of schedules or clusters run a
# second time without it.
test-go:
	go test -race -timeout 15m $(PACKAGES)
	go test -timeout 15m -run 'Alloc|Watchdog|Connections|Load|Schedule|Guards|Cluster|Outage' $(PACKAGES)
	go -C $(BASELINE) test -race -timeout 2m ./...

test-js: ; @.ci/js test
test-browser: ; @.ci/browser

lint:
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); \
	  if [ -n "$$unformatted" ]; then echo "not gofmt-ed:"; echo "$$unformatted"; exit 1; fi
	go vet $(PACKAGES)
	GOOS=darwin GOARCH=arm64 go vet ./netcode/... ./room/... ./cmd/...
	go run $(STATICCHECK) $(PACKAGES)
	go -C $(BASELINE) vet ./...
	go -C $(BASELINE) run $(STATICCHECK) ./...
	@.ci/js check

bench:
	go test -run '^$$' -bench . -benchmem $(PACKAGES)

bench-wire:
	go run ./loadtest wire

bench-peers:
	go run ./loadtest peers

chaos:
	go run ./loadtest chaos --kills $(CHAOS_KILLS)

demo-cluster:
	go run ./loadtest demo-cluster

fuzz:
	@for pkg in $$(go list $(PACKAGES)); do \
	  for f in $$(go test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
	    echo "== $$pkg $$f"; go test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) $$pkg; \
	  done; \
	done

setup: ; @.ci/setup

clean:
	rm -rf bin $(ARTIFACTS) client-demo/node_modules
