# The two commands of the README are `make demo` and `make test`; each sets up what it needs.

SHELL := /bin/sh
.DELETE_ON_ERROR:
.PHONY: help setup demo test check format protocol contracts reliability lock bench soak clean images \
	test-unit test-host test-examples test-web test-journeys test-containers

PYTEST := .venv/bin/python -m pytest -q
PAGE_SOURCES := $(shell find web/src web/*.html web/*.ts web/*.js web/public -type f 2>/dev/null)

help: ## what the targets do
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

setup: .tools/machine .venv/.made runtime/static/index.html .tools/bin/goss ## everything that is needed to run a workshop
	@echo "Ready: .venv/bin/workshop"

demo: setup ## compile an example, run it on the embedded engine, print the link
	@.venv/bin/workshop run --engine sandbox examples/hello-linux || [ $$? -eq 130 ] # Ctrl-C is its end

test: setup .tools/test-machine .tools/container-machine ## every check and test there is
	.ci/tests

check: setup ## format, lint, types, layers, the page's own checks
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/python web/generate-protocol.py | diff -u web/src/lib/protocol.ts - 
	.ci/page check

format: setup ## write the code in the one format
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .
	.ci/page format

test-unit: setup .tools/test-machine ## the daemon's tests, without browser and sandbox
	$(PYTEST) tests/domain tests/store tests/services tests/api tests/bash tests/runtime

test-host: setup .tools/test-machine ## compiler, command line, embedded engine
	$(PYTEST) tests/host

test-examples: setup .tools/test-machine ## every example: unsolved fails, solved passes
	$(PYTEST) tests/examples

test-web: runtime/static/index.html ## the page's logic
	.ci/page test

test-journeys: setup .tools/test-machine ## a real browser against a real session
	$(PYTEST) tests/e2e

test-containers: setup .tools/container-machine ## the images and what runs in real containers
	$(PYTEST) tests/containers

images: setup ## build the platform images with podman or docker, print what they add to a base
	@command -v podman >/dev/null || command -v docker >/dev/null || $(MAKE) .tools/container-machine
	@.ci/containers images

protocol: .venv/.made ## generate the page's types from the daemon's models
	.venv/bin/python web/generate-protocol.py > web/src/lib/protocol.ts

contracts: .venv/.made ## write what others rely on anew, after a wanted change
	.venv/bin/python -m tests.contracts

reliability: .venv/.made ## write docs/reliability.md: each fault, its promise, the tests that prove it
	@.venv/bin/python -m tests.reliability > docs/reliability.new && mv docs/reliability.new docs/reliability.md

bench: setup .tools/test-machine ## measure, print one table
	.venv/bin/python -m bench

soak: setup .tools/test-machine .tools/container-machine ## a class for an hour, 200 cut terminals, every base and moment of a move (MINUTES=60 STUDENTS=4)
	.venv/bin/python -m bench.soak $(MINUTES) $(STUDENTS)
	WORKSHOP_CUTS=200 $(PYTEST) tests/e2e/test_cuts_journey.py -o log_cli=true -o log_cli_level=INFO
	WORKSHOP_THOROUGH=1 $(PYTEST) tests/containers

lock: .venv/.made ## write the lock files anew, without a registry's host
	@PATH="$(CURDIR)/.tools/uv/bin:$$PATH" uv pip compile -q --generate-hashes --no-emit-index-url --no-header pyproject.toml -o requirements.lock
	@PATH="$(CURDIR)/.tools/uv/bin:$$PATH" uv pip compile -q --generate-hashes --no-emit-index-url --no-header --extra host --group dev pyproject.toml -o requirements-dev.lock

clean: ## remove what setup made
	rm -rf .venv .tools runtime/static host/player web/node_modules build dist

.tools/machine: .ci/packages Makefile
	@.ci/packages python3:python3 git:git bwrap:bubblewrap ps:procps
	@mkdir -p .tools && touch $@

.tools/test-machine: .ci/packages Makefile
	@.ci/packages chromium:chromium firefox-esr:firefox-esr asciinema:asciinema vim:vim less:less htop:htop setpriv:util-linux
	@mkdir -p .tools && touch $@

.tools/container-machine: .ci/packages Makefile
	@.ci/packages podman:podman runc:runc /usr/sbin/iptables:iptables ip:iproute2 mmdebstrap:mmdebstrap \
		/usr/lib/podman/netavark:netavark /usr/lib/podman/aardvark-dns:aardvark-dns
	@mkdir -p .tools && touch $@

.venv/.made: requirements-dev.lock pyproject.toml .ci/python
	@.ci/python
	@touch $@

web/node_modules/.made: web/package-lock.json .ci/page .venv/.made
	@.ci/page install
	@touch $@

runtime/static/index.html: web/node_modules/.made $(PAGE_SOURCES)
	@echo "Building the page into runtime/static."
	@.ci/page build
	@touch $@

.tools/bin/goss: goss/go.sum goss/get-goss
	@goss/get-goss $@
	@touch $@
