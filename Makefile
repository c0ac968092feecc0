# SPDX-FileCopyrightText: The cni-chain authors
# SPDX-License-Identifier: Apache-2.0

SHELL       := /bin/bash
.SHELLFLAGS := -o pipefail -ec
.DELETE_ON_ERROR:
.DEFAULT_GOAL := build

DESTDIR ?=
BINDIR  ?= /opt/cni/bin
GO      ?= go

# Every directory under plugins/ with a main.go is a plugin, every one under chain/cmd/ a tool: nothing is listed.
PLUGINS := $(patsubst %/main.go,%,$(wildcard plugins/*/main.go))
TOOLS   := $(patsubst %/main.go,%,$(wildcard chain/cmd/*/main.go))

# Static (starts 0.8 ms sooner than with cgo), stripped, without paths of the machine that built it.
GOBUILD := CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w'

# What the tests run beside Go: command:the Debian package that brings it.
NEEDS   := ip:iproute2 iptables:iptables nft:nftables conntrack:conntrack strace:strace busybox:busybox-static
# Where they are for whoever has only /usr/bin in PATH. ($(shell) does not see what is exported before make 4.4.)
export PATH := $(PATH):/usr/sbin:/sbin
found    = $(shell PATH='$(PATH)' command -v $1)
MISSING  = $(foreach n,$(NEEDS),$(if $(call found,$(firstword $(subst :, ,$n))),,$(lastword $(subst :, ,$n))))

# Tests that need namespaces fail where there are none; `make test TESTNET=` skips them instead.
TESTNET ?= require
# Further arguments of `go test`, and the packages: make test RUN='-run TestConflists' PKGS=./e2e/...
RUN     ?=
PKGS    ?= ./...

##@ Building

build: ## the plugins and the tool, into bin/
	@mkdir -p bin
	@$(if $(PLUGINS)$(TOOLS),$(GOBUILD) -o bin/ $(addprefix ./,$(PLUGINS) $(TOOLS)),echo "nothing to build yet")

upstream: bin/upstream/.version ## the reference plugins and cnitool at the pinned version, into bin/upstream/

# The versions are those of e2e/upstream/go.mod; nothing is built again while they stay.
bin/upstream/.version: e2e/upstream/go.mod e2e/upstream/go.sum
	@mkdir -p $(@D)
	@echo "building the reference plugins, once"
	@cd $(<D) && $(GOBUILD) -o ../../$(@D)/ tool
	@sed -n 's/^[[:space:]]*\(github.com\/containernetworking\/[a-z]* v[^ ]*\).*/\1/p' $< > $@

install: build ## the plugins and the tool, into $(DESTDIR)$(BINDIR), while containers run
	@bin/cnichain install --from bin --bin-dir $(DESTDIR)$(BINDIR)

MANDIR ?= /usr/local/share/man
man: build bin/tools/go-md2man ## man pages of the tool's commands, and of the links out of their READMEs, into bin/man
	@rm -rf bin/man && bin/cnichain man bin/man
	@for link in $(notdir $(PLUGINS)); do \
	   sed -e "1s/.*/% $$link 8/" -e 's/^## \(.*\)/# \U\1/' -e 's/^### /## /' \
	       -e 's/\[`*\([a-z-]*\)`*\](\.\.\/[a-z-]*\/README\.md)/**\1**(8)/g' plugins/$$link/README.md \
	      | bin/tools/go-md2man > bin/man/$$link.8; done

install-man: man ## those pages, into $(DESTDIR)$(MANDIR)/man8
	install -d $(DESTDIR)$(MANDIR)/man8
	install -m 0644 bin/man/*.8 $(DESTDIR)$(MANDIR)/man8/

.PHONY: dist packages
dist: export GOFLAGS = -buildvcs=true
dist: man ## archives, .deb and .rpm of this commit, into bin/dist; ARCH=amd64,arm64 for some of the architectures
	@cd packaging && $(GO) build -o ../bin/tools/packaging .
	@bin/tools/packaging -root . $(if $(ARCH),-arch $(ARCH))

packages: NEEDS += rpm:rpm podman:podman runc:runc
packages: deps ## what make dist makes, installed, upgraded under load and removed, each in a root of its own
	@cd packaging && TESTNET=$(TESTNET) $(GO) test -count=1 -timeout 20m $(RUN) ./...

##@ Trying and testing

demo: build ## two containers, a bridge, a port and a page, told step by step in namespaces of their own
	@bin/cnichain demo

test: deps build build-faults upstream bin/tools/testsum ## everything: unit, kernel, end-to-end
	@echo "testing $(PKGS) (all of it takes about five minutes on two cores)"
	@{ TESTNET=$(TESTNET) $(GO) test -json -p 2 -timeout 20m $(RUN) $(PKGS) 2>&1 || true; \
	   $(if $(filter ./...,$(PKGS)),cd tools && $(GO) test -json ./... 2>&1 || true;) } | bin/tools/testsum

# flanneld needs a C compiler for a backend that is not used here.
multihost: NEEDS += etcd:etcd-server nsenter:util-linux gcc:build-essential
multihost: deps build upstream bin/multihost/flanneld ## three hosts with flannel and etcd, and what reaches whom
	@cd e2e/multihost && TESTNET=$(TESTNET) $(GO) test -count=1 -v -timeout 10m $(RUN) .

bin/multihost/flanneld: e2e/multihost/go.mod e2e/multihost/go.sum
	@mkdir -p $(@D)
	@echo "building flanneld, once: some minutes"
	@cd $(<D) && CGO_ENABLED=1 $(GO) build -trimpath -ldflags '-s -w' -o ../../$@ github.com/flannel-io/flannel

# Chosen jobs: make qemu JOBS='e2e port-map'; what else can be set is in e2e/qemu/run.
.PHONY: qemu
qemu: NEEDS += qemu-system-x86_64:qemu-system-x86
qemu: deps build upstream bin/tools/testsum ## kernel tests in a QEMU guest on Debian's kernel (docs/kernels.md)
	@GO=$(GO) e2e/qemu/run $(JOBS)

# The parts that run side by side; SHARDS='0/6 1/6 2/6' tries every second point.
SHARDS ?= 0/3 1/3 2/3
faults: deps build build-faults upstream ## every link fails at every point: 75 minutes, and docs/reliability.md
	@rm -f bin/faults.table; export FAULTS=all FAULTS_TABLE=$(CURDIR)/bin/faults.table TESTNET=$(TESTNET); \
	for shard in $(SHARDS); do FAULTS_SHARD=$$shard $(GO) test -count=1 -timeout 150m $(RUN) ./e2e/faults & done; \
	status=0; for job in $$(jobs -p); do wait $$job || status=1; done; \
	$(GO) run ./e2e/faults/page -page docs/reliability.md bin/faults.table; exit $$status

RUNTIMES_PAGE ?= write
runtimes: NEEDS += ctr:containerd runc:runc podman:podman
runtimes: deps build upstream ## the chain under containerd, podman and their like: a table, and docs/runtimes.md
	@cd e2e/runtimes && RUNTIMES_PAGE=$(RUNTIMES_PAGE) TESTNET=$(TESTNET) $(GO) test -count=1 -timeout 10m $(RUN)

# The links with a switch by which tests fail a step (chain/internal/fault).
build-faults:
	@mkdir -p bin/faults
	@$(GOBUILD) -tags faults -o bin/faults/ $(addprefix ./,$(PLUGINS))

bench: build upstream ## ours beside upstream's, into docs/benchmarks.md; QUICK=1 for a short one
	@mkdir -p docs bin/tools
	@cd e2e/bench && $(GO) build -o ../../bin/tools/bench .
	@bin/tools/bench -bin bin -out docs $(if $(QUICK),-quick) $(BENCH)

# Only what is missing is installed, and nothing removed for it (another vendor's containerd, say).
APT := apt-get install -y --no-install-recommends --no-remove
deps: ## what the tests need of the system, installed with apt-get
	@mkdir -p bin
	@missing="$(strip $(MISSING))"; [ -n "$$missing" ] || exit 0; \
	if ! command -v apt-get >/dev/null; then \
	   echo "The tests need what Debian's packages of these names have, in PATH: $$missing" >&2; exit 1; fi; \
	if [ "$$(id -u)" != 0 ]; then \
	   echo "The tests need $$missing. Type this once, then make test again:" >&2; \
	   echo "    sudo sh -c 'apt-get update && $(APT) $$missing'" >&2; exit 1; fi; \
	echo "installing what the tests need: $$missing"; export DEBIAN_FRONTEND=noninteractive; \
	{ apt-get update && $(APT) $$missing; } </dev/null >bin/deps.log 2>&1 || { cat bin/deps.log >&2; exit 1; }

##@ Keeping the code

# Programs and tests with dependencies of their own, which those who import chain do not inherit.
MODULES := tools $(patsubst %/go.mod,%,$(filter-out e2e/upstream/%,$(wildcard packaging/go.mod e2e/*/go.mod)))

lint: bin/tools/staticcheck ## gofmt, go vet, staticcheck
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); \
	[ -z "$$unformatted" ] || { echo "gofmt would change these (make fmt):"; echo "$$unformatted"; exit 1; } >&2
	@$(GO) vet ./...
	@bin/tools/staticcheck ./...
	@for module in $(MODULES); do (cd $$module && $(GO) vet ./... && $(CURDIR)/bin/tools/staticcheck ./...); done

fmt: ## gofmt
	@gofmt -w $$(git ls-files '*.go')

# Tools of the build have a module of their own, so that those who import chain do not inherit them.
bin/tools/testsum: $(wildcard tools/testsum/*.go)
	@mkdir -p $(@D)
	@cd tools && $(GO) build -o ../$@ ./testsum

bin/tools/staticcheck: tools/go.mod tools/go.sum
	@mkdir -p $(@D)
	@cd tools && $(GO) build -o ../$@ honnef.co/go/tools/cmd/staticcheck

# Written by programs, committed, and held to what they are written from by tests. docs/debugging.md shows times of day,
# so it is written only when it has to be: go test -run TestDebugging -update ./chain/cmd/cnichain
generate: build ## schemas/ from the links' source, pages from what they show, the demo's picture
	@$(GO) run ./chain/cmd/cnichain/internal/schema/gen
	@$(GO) test -count=1 ./chain/cmd/cnichain/internal/lint -run 'TestCases|TestPage' -update >/dev/null
	@$(GO) test -count=1 ./docs/write-a-link/static-arp -run TestPage -update >/dev/null
	@bin/cnichain demo --svg docs/demo.svg >/dev/null
	@git --no-pager diff --stat -- schemas docs chain/cmd/cnichain/internal/lint/testdata

bin/tools/go-md2man: tools/go.mod tools/go.sum
	@mkdir -p $(@D)
	@cd tools && $(GO) build -o ../$@ github.com/cpuguy83/go-md2man/v2

clean: ## what was built
	rm -rf bin

help: ## this list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} \
	   /^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build build-faults faults runtimes fuzz upstream install man install-man demo test bench deps lint fmt \
        generate clean help
