# Two commands on a fresh machine: `make report` does the main job, `make test` runs the tests.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python -m
READY := $(VENV)/ready
REPEATS ?= 10

.PHONY: help report publish test bench asv clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1	\2/p' Makefile

# One environment holds every extra but `peers`. The constraints are exact: an open range of torch takes a CUDA build.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.11 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(RUN) pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt -e '.[all]'
	@touch $@

report: $(READY) ## measure the suite `classic`, then tables, figures and one page in reports/latest/
	$(RUN) benchmarks run --suite classic --repeats $(REPEATS) > /dev/null
	$(RUN) reports build

PUBLISHED := figures/breast-cancer--test-loss-time.svg figures/breast-cancer-l2--gap-time.svg \
	figures/two-view-mnist.png tables/gradient-check.md \
	tables/claims.md tables/summary.md tables/time-to-gap.md tables/problems.md tables/environment.md

publish: report ## the report, and from it the reference that is committed in reports/published/; needs MNIST
	@test -f reports/latest/figures/two-view-mnist.png || { echo "the figure of two views needs MNIST: $(RUN) datasets fetch mnist"; exit 1; }
	rm -rf reports/published && mkdir -p reports/published
	cp $(PUBLISHED:%=reports/latest/%) reports/published/

test: $(READY) ## the tests
	$(RUN) ruff check .
	$(RUN) pytest -q -n 2 --dist loadfile

bench: $(READY) ## the suites `full` and `sweep` and the micro-benchmarks; can be interrupted and goes on
	$(RUN) benchmarks run --suite full --repeats $(REPEATS)
	$(RUN) benchmarks run --suite sweep --device cpu --device cuda --repeats $(REPEATS)
	$(RUN) pytest --benchmark-only --benchmark-autosave
	$(RUN) reports build

asv: $(READY) ## the asv benchmarks on the newest commit, in an environment of its own
	$(VENV)/bin/asv machine --yes
	$(VENV)/bin/asv run 'HEAD^!'

clean: ## all that can be made again, except what was measured
	rm -rf $(VENV) .asv/env .asv/env-link .pytest_cache .hypothesis .ruff_cache build *.egg-info reports/latest
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
