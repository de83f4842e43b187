# Two commands do everything: `make run` and `make test`. Nothing else is needed first but Python 3.11+ and make.

PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN = .venv/bin
PIP = $(BIN)/python -m pip --quiet --disable-pip-version-check
DATABASE_READY = $(BIN)/python manage.py migrate --verbosity 0 && $(BIN)/python manage.py collectstatic --noinput --verbosity 0

.PHONY: run test lint lock bench try-real messages

run: .venv/runtime
	@$(DATABASE_READY)
	@exec $(BIN)/python manage.py serve

test: .venv/dev
	@tests/needs.sh
	@$(MAKE) --no-print-directory lint
	@$(BIN)/python -m pytest -n 3 --dist loadfile $(ARGS)

lint: .venv/dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/lint-imports --no-cache

bench: .venv/dev
	@$(BIN)/python -m benchmarks

# Takes new texts into the catalogue of each language and compiles it. What is left untranslated fails the tests.
messages: .venv/dev
	@$(BIN)/python manage.py makemessages --all --no-location --no-wrap --no-obsolete \
		--ignore .venv --ignore tests --ignore benchmarks --ignore var
	@$(BIN)/python manage.py compilemessages --ignore .venv

# Real servers, in environments of their own below var/real. The first time, llama.cpp is compiled. SERVERS=litellm: one.
try-real: .venv/dev
	@$(BIN)/python -m tests.real $(SERVERS)

# Regenerates the lock files. They name no index, so that any mirror serves.
lock: .venv/dev
	$(PIP) install uv
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-annotate --no-header \
		--python-version 3.11 pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-annotate --no-header \
		--python-version 3.11 --extra dev pyproject.toml -o requirements-dev.lock

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed, and was not found."; exit 1; }
	@$(PYTHON) -m venv .venv

.venv/runtime: requirements.lock | .venv/bin/python
	@echo "Installing what the site needs …"
	@$(PIP) install --require-hashes -r requirements.lock
	@touch $@

.venv/dev: requirements-dev.lock | .venv/bin/python
	@echo "Installing what the tests need …"
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@ .venv/runtime
