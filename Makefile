# Everything a developer does, from a clean clone: the virtual environment makes itself.
# `make help` lists the targets. Variables: PYTHON=python3.12, DIR=folder, ARGS="more arguments".

SHELL := /bin/sh
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.runtime-installed
DEVELOP := $(VENV)/.develop-installed

# Not ?= for DIR: a variable of that name in someone's environment must not be served.
DIR = demo
ARGS =
CANDIDATES := python3 python3.13 python3.12 python3.11 python3.14

# Programs that tests play against. Missing ones are installed when that is possible (root, Debian);
# else their tests are skipped, and with CI=true that is a failure.
PEERS := smbclient samba samba-common-bin samba-testsuite python3-samba tshark nmap rclone \
	libsmbclient-dev gcc libc6-dev pkg-config
QUIETLY := PIP_DISABLE_PIP_VERSION_CHECK=1 DEBIAN_FRONTEND=noninteractive

.PHONY: help serve test check peers bench fuzz format clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

serve: $(RUNTIME) ## Serve a folder: a demonstration one, or DIR=~/photos; ARGS="--read-only"
	@if [ "$(DIR)" = demo ]; then $(MAKE_DEMO); fi
	@exec $(BIN)/paraph serve "$(DIR)" $(ARGS)

define MAKE_DEMO
mkdir -p demo/letters; \
[ -e demo/welcome.txt ] || printf 'This folder is served by Paraph.\n' > demo/welcome.txt; \
[ -e demo/letters/first.txt ] || date '+Made on %Y-%m-%d at %H:%M.' > demo/letters/first.txt
endef

test: check peers ## Run every check and all tests, against real peers too
# As a module: `pytest` itself would put $(BIN) on the import path, where impacket leaves a smbclient.py.
	$(BIN)/python -m pytest tests interop

check: $(DEVELOP) ## Run the linter, the formatter's check and the type checker
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

peers:
	@command -v dpkg-query >/dev/null || { \
	  echo "Not a Debian system: peers are used where they are found."; exit 0; }; \
	missing() { for package in $(PEERS); do \
	  dpkg-query -W -f='$${Status}' $$package 2>/dev/null | grep -q 'ok installed' \
	    || printf ' %s' $$package; done; }; \
	lack=$$(missing); \
	if [ -n "$$lack" ] && [ "$$(id -u)" = 0 ]; then \
	  echo "Installing peers for the tests:$$lack"; \
	  $(QUIETLY) apt-get update -qq || echo "apt-get update failed: trying with what it knows."; \
	  $(QUIETLY) apt-get install -qq -y --no-install-recommends $$lack >/dev/null; \
	  lack=$$(missing); \
	fi; \
	[ -z "$$lack" ] && exit 0; \
	echo "MISSING PEERS:$$lack"; \
	if [ "$$CI" = true ]; then echo "CI=true: a missing peer is a failure."; exit 1; fi; \
	echo "Tests that need them will be skipped (pytest counts them at its end). To have them:"; \
	echo "  sudo apt-get install$$lack"

bench: $(DEVELOP) ## Measure (ARGS= goes to the bench)
	$(BIN)/python -m bench $(ARGS)

fuzz: $(DEVELOP) ## Fuzz the decoders (ARGS= goes to the fuzzer)
	$(BIN)/python -m fuzz $(ARGS)

format: $(DEVELOP) ## Put imports and layout in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## Remove what these targets made, except demo/, which may hold files of yours
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/pip:
	@python='$(PYTHON)'; \
	new_enough() { "$$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }; \
	if [ -z "$$python" ]; then \
	  for one in $(CANDIDATES); do new_enough $$one && { python=$$one; break; }; done; \
	fi; \
	if [ -z "$$python" ] || ! new_enough "$$python"; then \
	  echo "Paraph needs Python 3.11 or newer. Not usable: $${python:-$(CANDIDATES)}" \
	    "($$("$${python:-python3}" --version 2>&1 | tail -n 1))." \
	    "Install one, or name it: make PYTHON=/path/to/python3.11" >&2; \
	  exit 2; \
	fi; \
	if ! "$$python" -c 'import venv, ensurepip' 2>/dev/null; then \
	  echo "$$python can not make virtual environments." \
	    "On Debian and Ubuntu: apt-get install python3-venv" >&2; \
	  exit 2; \
	fi; \
	echo "Making $(VENV) with $$("$$python" --version)"; \
	"$$python" -m venv $(VENV)

$(RUNTIME): pyproject.toml | $(BIN)/pip
	$(QUIETLY) $(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(DEVELOP): pyproject.toml | $(BIN)/pip
	$(QUIETLY) $(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@ $(RUNTIME)
