# Everything is built and tested with Go alone, but for the real servers that
# `make test` measures; `testbed/install` gets those from Debian when run by root.

GO      ?= go
BIN     := bin/saturate
export GOTOOLCHAIN = local

.PHONY: build test check race quick shows bench fuzz generate clean

build:
	$(GO) build -o $(BIN) ./cmd/saturate

# All checks, and a quick run of every real stack: at most 15 minutes on 2 cores.
test: check race quick

check:
	@unformatted=$$(git ls-files '*.go' | xargs gofmt -l); \
	if [ -n "$$unformatted" ]; then echo "not gofmt-ed:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	$(GO) mod tidy -diff

# The faults wait more than they work: first, so that the rest runs beside them.
race:
	SATURATE_FAULTS=1 $(GO) test -race -timeout 8m ./testbed/faults ./...

# One after another, and without the race detector's cost: these measure.
quick: build
	@testbed/install; case $$? in \
	0) SATURATE_STACKS=1 $(GO) test -count=1 -timeout 14m -v -run 'Quick' ./testbed && \
	   SATURATE_STACKS=1 $(GO) test -count=1 -timeout 5m -v -run 'Quick' ./testbed/live && \
	   SATURATE_STACKS=1 $(GO) test -count=1 -timeout 3m -run 'Real' ./loadgen/shift/balancer ;; \
	77) echo "the quick runs of the real servers are left out" ;; \
	*) exit 1 ;; esac
	@testbed/guest/install; case $$? in \
	0) SATURATE_STACKS=1 $(GO) test -count=1 -timeout 10m -v -run 'Quick' ./testbed/guest ;; \
	77) echo "the emulated machine with a PMU is left out" ;; \
	*) exit 1 ;; esac
	@testbed/prometheus/install; case $$? in \
	0) SATURATE_STACKS=1 $(GO) test -count=1 -timeout 5m -run 'Traps|Rules|Users|Limit' ./testbed/prometheus ;; \
	77) echo "the real Prometheus is left out" ;; \
	*) exit 1 ;; esac
	SATURATE_STACKS=1 $(GO) test -count=1 -v ./testbed/browser

# The long proofs: every stack again and again, soaks at and above the answer,
# and the tables of the simulation. Hours; see docs/proofs.md.
shows: build
	testbed/install && testbed/prometheus/install
	SATURATE_STACKS=1 SATURATE_SHOWS=1 $(GO) test -count=1 -timeout 12h -v -run 'Shows' ./testbed
	SATURATE_STACKS=1 SATURATE_SHOWS=1 $(GO) test -count=1 -timeout 6h -v -run 'Shows' ./testbed/live
	testbed/guest/install && SATURATE_STACKS=1 SATURATE_SHOWS=1 $(GO) test -count=1 -timeout 2h -v ./testbed/guest
	SATURATE_STACKS=1 $(GO) test -count=1 -timeout 15m -v ./testbed/prometheus
	SATURATE_SHOWS=1 $(GO) test -count=1 -timeout 2h -v ./appweight/... ./history ./stress/agent
	$(GO) test -run '^$$' -bench Search -benchtime 1x -timeout 4h ./ramp

# Beside wrk, h2load, ab, vegeta, fortio, hey and k6: some ten minutes; see
# docs/generator.md. SATURATE_SHOWS=1 makes it the long form, which fails where a
# figure misses what it is to be.
bench:
	@testbed/rivals/install; case $$? in \
	0) SATURATE_STACKS=1 $(GO) test -count=1 -timeout 2h -v ./testbed/rivals ;; \
	77) echo "the comparison with other load generators is left out" ;; \
	*) exit 1 ;; esac
	$(GO) test -run '^$$' -bench . ./loadgen ./stress/... ./ramp/internal/... ./appweight/fleet/... ./history ./cmd/saturate

# A minute for each fuzz target.
fuzz:
	@for p in $$($(GO) list ./...); do \
	  for f in $$($(GO) test -list '^Fuzz' $$p | grep '^Fuzz'); do \
	    echo "$$p $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime 60s -parallel 2 $$p || exit 1; \
	  done; done

generate:
	$(GO) generate ./...

clean:
	rm -rf bin .cache
