# Two commands on a fresh machine: `make report` does the main job, `make test` runs the tests.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python -m
READY := $(VENV)/ready
REPEATS ?= 10

# Containers often keep Python from writing compiled modules: every process that imports torch then takes seconds more.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help report publish docs test test-all portability soak bench peers honesty asv clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' Makefile

# One environment holds every extra but `peers`. The constraints are exact: an open range of torch takes a CUDA build.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.11 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(RUN) pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt -e '.[all]'
	@$(RUN) compileall -q -j 0 $(VENV)/lib > /dev/null 2>&1 || true  # on all cores, where pip takes one
	@touch $@

report: $(READY) ## measure the suites `classic` and `sizes`, then tables, figures and one page in reports/latest/
	$(RUN) benchmarks run --suite classic --suite sizes --repeats $(REPEATS) > /dev/null
	$(RUN) reports build

publish: report ## the reference that is committed in reports/published/, and what the README quotes; needs MNIST
	$(RUN) reports publish

docs: $(READY) ## the documentation, in docs/_build/index.html; a warning is an error
	$(VENV)/bin/sphinx-build -q -E -W --keep-going -b html docs docs/_build

test: $(READY) ## the tests
	$(RUN) ruff check .
	$(RUN) pytest -q -n 2 --dist loadfile -m "not slow"

test-all: $(READY) ## the tests, and those that take seconds each: the guide followed to the letter, planted regressions, processes
	$(RUN) pytest -q -n 2 --dist loadfile

portability: $(READY) ## the numerical tests and the exact counts as on other processors, and beside a busy core; half an hour
	$(RUN) tests.portability

soak: $(READY) ## long runs: 5,000 in a row, a store of as many, a hundred kills; an attack on claims; some minutes
	$(RUN) pytest -q -s -p no:cacheprovider tests/soak.py
	HESSBENCH_ATTACK=2000 $(RUN) pytest -q -p no:cacheprovider tests/solvers/test_attack.py

bench: $(READY) ## the suites `full` and `sweep` and the micro-benchmarks; can be interrupted and resumed
	$(RUN) benchmarks run --suite full --repeats $(REPEATS)
	$(RUN) benchmarks run --suite sweep --device cpu --device cuda --repeats $(REPEATS)
	$(RUN) pytest --benchmark-only --benchmark-autosave
	$(RUN) reports build

peers: $(READY) ## our solvers beside those of other libraries; can be interrupted and resumed
	$(RUN) pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt -e '.[peers]'
	$(RUN) benchmarks peers --threads 1 --threads 2

honesty: $(READY) ## false reports of convergence, by our solvers and other libraries on hard problems; can be interrupted, too
	$(RUN) pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt -e '.[peers]'
	$(RUN) benchmarks honesty

asv: $(READY) ## the asv benchmarks on the newest commit, in an environment of its own
	$(VENV)/bin/asv run 'HEAD^!'

clean: ## all that can be made again, except what was measured
	rm -rf $(VENV) .asv/env .asv/env-link .pytest_cache .hypothesis .ruff_cache build *.egg-info reports/latest docs/_build docs/_published
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
