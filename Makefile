# One command each: `make demo` shows skewmon at work, `make test` proves it.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

# What the tests run beside Python. Each script is quick where nothing is left to do; where it cannot do it, the
# tests that need it fail by themselves and the others are still worth running, except in CI.
SETUPS := $(sort $(wildcard tests/*/packages*.sh)) tests/fleet/bullseye.sh

# Most tests wait more than they compute, so four run at a time, by files, the slow ones first. Those that
# compare times of a busy daemon, or start a browser, run by themselves.
ALONE := tests/browser tests/export/test_many_clients.py tests/probe/test_malformed.py \
         tests/probe/test_clocks.py \
         $(patsubst %,tests/integration/test_%.py,admin_clock floods hostile_nodes measure memory_cost memory_loaded)
SHARED := --numprocesses=4 --dist=loadfile --no-loadscope-reorder

.PHONY: demo test setup lint bench scale soak pictures prove fuzz lab deb licences release clean
.DEFAULT_GOAL := test

# What runs; a first look need not wait for what tests.
$(VENV)/usable: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable .
	touch $@

$(VENV)/ready: $(VENV)/usable
	$(BIN)/pip install --quiet --editable . --group dev
	touch $@

demo: $(VENV)/usable
	$(BIN)/skewmon demo

test: setup lint
	$(BIN)/python -m pytest tests $(ALONE:%=--ignore=%) $(SHARED)
	$(BIN)/python -m pytest $(ALONE)

setup: $(VENV)/ready
	@for script in $(SETUPS); do $$script || [ -z "$$CI" ] || exit 1; done

lint: $(VENV)/ready
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.prose

# Accuracy and cost against the alternatives; rewrites the tables of docs/accuracy.md.
bench: setup
	$(BIN)/pip install --quiet --group bench
	$(BIN)/python -m tests.bench

# Cost, memory and bound against the number of nodes, with simulated servers; rewrites the table and the plots of
# docs/scale.md. Another version beside this one: python -m tests.bench.crowd 1000 --against CHECKOUT
scale: setup
	$(BIN)/pip install --quiet --group bench
	$(BIN)/python -m tests.bench.crowd 100 300 1000 3000 10000 --rounds 40 --write

# Two hours of lost connections, steps, reloads and scrapes: nothing may grow.
soak: setup
	$(BIN)/python -m tests.bench.soak

# The pictures of the README, drawn from the demo in some minutes.
pictures: setup
	$(BIN)/python -m tests.pictures

# The full counts: a million simulated bursts, a thousand steps and a thousand slews over real SSH.
prove: setup
	$(BIN)/python -m pytest -m prove --timeout=7200

# Ten minutes of damaged and of valid output for every parser of foreign text, then every law on many more examples.
fuzz: setup
	$(BIN)/python -m tests.fuzz
	$(BIN)/python -m pytest tests $(ALONE:%=--ignore=%) --hypothesis-profile=fuzz --timeout=7200

# Clusters of guest kernels: etcd, a real systemd, clocks that are really stepped.
lab: setup
	tests/lab/guests.sh
	$(BIN)/python -m pytest tests/lab -m lab --timeout=1800

# A package of this Debian or Ubuntu release, in dist/.
deb: $(VENV)/usable
	$(BIN)/pip install --quiet --group deb
	config/debian/build.sh

# The licences of everything that skewmon installs, from an environment that has nothing else.
licences: $(VENV)/usable
	$(BIN)/pip install --quiet --group release
	tests/release/licences.sh

# The tests, then sdist, wheel and Debian package in dist/ and the bill of materials; each of them and the image is tried
# in an empty root, and the package under a real systemd. Nothing is uploaded.
release: test
	$(BIN)/pip install --quiet --group release
	$(BIN)/python -m tests.release

clean:
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
