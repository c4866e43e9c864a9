# Every target sets up what it needs, once: the Python environment of uv.lock in .venv, and Nextflow (./nextflow).
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
PYTHON ?= python3
# Slow downloads get three minutes; certificates are those of the system, to which a company may have added its own.
export UV_HTTP_TIMEOUT ?= 180
export UV_SYSTEM_CERTS ?= 1
export UV_NO_PROGRESS ?= 1

.PHONY: help setup environment demo benchmark docs pictures links lint test needed test-baselines test-containers test-slurm test-faults test-nf clean

help: ## Show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /make \1\t/' | expand -t 24

setup: .venv/.ready ## Set up the Python environment and Nextflow
	@./nextflow -v

# Packages are compiled here, once: otherwise every task in which Python may not write bytecode would compile all it loads.
.venv/.ready: pyproject.toml uv.lock
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
		|| { echo "ERROR: $(PYTHON) is not Python 3.11, 3.12 or 3.13; name one, e.g. make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 2; }
	@echo "Setting up .venv from uv.lock (once; about 8 GB, a minute or two) ..."
	@test -x .venv/bin/pip || $(PYTHON) -m venv .venv
	@uv=$$(command -v uv || true); \
	if [ -z "$$uv" ]; then .venv/bin/python -m pip install -q --disable-pip-version-check uv; uv=.venv/bin/uv; fi; \
	"$$uv" sync --frozen --inexact --quiet --compile-bytecode --python .venv/bin/python
	@touch .venv/.ready

# Its packages are pinned in environments/NAME/requirements.txt.
environment: setup ## Set up the environment of a method: make environment NAME=<folder of environments/>
	@test -f "environments/$(NAME)/requirements.txt" \
		|| { echo "ERROR: there is no environments/$(NAME)/requirements.txt; NAME is one of: $$(cd environments 2>/dev/null && echo *)" >&2; exit 2; }
	@test -x ".venv-$(NAME)/bin/python" || $(PYTHON) -m venv ".venv-$(NAME)"
	@uv=$$(command -v uv || true); \
	if [ -z "$$uv" ]; then .venv/bin/python -m pip install -q --disable-pip-version-check uv; uv=.venv/bin/uv; fi; \
	"$$uv" pip sync --quiet --compile-bytecode --python ".venv-$(NAME)/bin/python" "environments/$(NAME)/requirements.txt"
	@echo "The environment: $(CURDIR)/.venv-$(NAME)"

demo: setup ## Run the pipeline on a simulated tissue and print the path of the report
	@echo "Running the pipeline on a simulated tissue (36 x 36 spots; RNA, protein, chromatin) ..."
	./nextflow run . -profile demo --outdir results/demo -resume
	@echo "The report: $(CURDIR)/results/demo/report.html"

TABLE ?=
DATA ?=

benchmark: setup ## Measure a table of docs/benchmarks.md: make benchmark TABLE=<name> DATA=<folder>; without TABLE, list them
	@.venv/bin/python benchmarks/table.py $(TABLE) $(if $(DATA),--data "$(DATA)")

# Every page is read anew, since a page that has been read gives no warning; warnings are errors.
SPHINX = .venv/bin/sphinx-build -E -q -W -n --keep-going -c docs/sphinx -d docs/_build/pages

docs: setup ## Build the documentation as a site
	@$(SPHINX) -b html . docs/_build/html
	@echo "The documentation: $(CURDIR)/docs/_build/html/index.html"

pictures: setup ## Run the tutorial and replace its pictures; with DATA=<folder of the real tissues> also the README's (minutes; Chromium)
	OMP_NUM_THREADS=1 .venv/bin/python docs/pictures/tutorial.py
	$(if $(DATA),.venv/bin/python docs/pictures/readme.py "$(DATA)")

links: setup ## Check the documentation's links to other sites (minutes; needs the internet)
	$(SPHINX) -b linkcheck . docs/_build/links

lint: setup ## Check style, types, the Nextflow code and the documentation's links
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	./nextflow lint main.nf nextflow.config workflows modules conf docs/site.config tests/pipeline/stubs/task.nf tests/modules
	$(SPHINX) -b dummy . docs/_build/check

# One thread for each worker: threads that share a core wait for each other, and tests of methods take 5 times as long. The number
# of workers is in tests/conftest.py.
test: lint ## Run lint and all tests
	OMP_NUM_THREADS=1 .venv/bin/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

BASE ?= main

needed: ## List which of the long tests below a change needs, from main or from BASE=<commit>
	@files=$$(git diff --name-only "$(BASE)..."; git diff --name-only HEAD; git ls-files --others --exclude-standard); \
	$(PYTHON) -m tests.needed $$files

test-baselines: ## Set up the environments of the baselines and run each on a simulated tissue (half an hour; 9 GB)
	@for environment in environments/*/; do $(MAKE) environment NAME=$$(basename $$environment); done
	OMP_NUM_THREADS=1 .venv/bin/python -m pytest --durations=0 -m "long or not long" tests/baselines

test-containers: setup ## Build the image and run the pipeline in it (a quarter of an hour; Podman, Buildah, 30 GB)
	containers/test.sh

test-slurm: setup ## Run the pipeline through a real Slurm on this machine (a quarter of an hour; root, slurm-wlm, munge)
	.venv/bin/python -m pytest --durations=0 tests/slurm

test-faults: setup ## Kill runs and fill their disks at random moments, resume, compare (half an hour; full disks need root)
	.venv/bin/python -m tests.faults.harness

test-nf: setup ## Run all nf-test tests; nf-test must be on PATH (ten minutes)
	PATH="$(CURDIR):$$PATH" nf-test test --ci tests/modules tests/pipeline.nf.test
	PATH="$(CURDIR):$$PATH" tests/with_stubs.sh nf-test test --ci tests/profiles.nf.test

clean: ## Remove results, work folders and caches; keeps .venv and Nextflow
	rm -rf work results docs/_build .nf-test .nextflow .nextflow.log* .pytest_cache .mypy_cache .ruff_cache .hypothesis
