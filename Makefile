# make demo: set up, then run the whole pipeline on a small synthetic set. make test: set up, then the
# tests. make test-long: the tests that take a minute or more, or a cluster of their own.
# make prefect: a local Prefect server with a worker. make evidently: the scheduled evaluations over time,
# on http://127.0.0.1:8000. make docs: the documentation as a site, site/docs/index.html. make lock: add
# what pyproject.toml names to the lock. make sbom: sbom.json, the bill of materials of the lock. make audit:
# its known vulnerabilities. make clean: delete outputs, runs, caches and DVC's cache.
PYTHON ?= python3
UV_VERSION := 0.13.9
CYCLONEDX_VERSION := 7.5.0
PIP_AUDIT_VERSION := 2.10.1
VENV := .venv
READY := $(VENV)/.ready

export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export DO_NOT_TRACK := 1
export PREFECT_SERVER_ANALYTICS_ENABLED := false

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-long prefect evidently docs lock sbom audit clean

help:
	@sed -n '1,6s/^# //p' Makefile

setup: $(READY)

# uv installs the lock in seconds; where it cannot (an index only pip is set up for), pip does.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "Python 3.11 or newer is needed; choose one with: make PYTHON=python3.12 ..." >&2; exit 2; }
	@echo "setting up $(VENV) from requirements.lock"
	@$(PYTHON) -m venv $(VENV)
	@links="$${UV_FIND_LINKS:-$${PIP_FIND_LINKS:-$$(pip config get global.find-links 2>/dev/null)}}"; \
	if [ -n "$$links" ]; then export UV_FIND_LINKS="$$links"; else unset UV_FIND_LINKS; fi; \
	pip install -q --disable-pip-version-check uv==$(UV_VERSION) \
	    && uv pip install -q --python $(VENV)/bin/python -r requirements.lock \
	    || pip install -q --disable-pip-version-check -r requirements.lock
	@pip install -q --disable-pip-version-check --no-deps -e .
	@touch $@

demo: $(READY)
	@dvdgan synthetic data/synthetic --plain --frames 16
	@dvdgan check
	@lock="$$(cat dvc.lock 2>/dev/null)"; dvc repro || exit; \
	if [ "$$lock" = "$$(cat dvc.lock)" ]; then echo "All is up to date."; fi
	@dvdgan report --show

# Three workers on two cores: one of them mostly waits. A file, or a folder whose files share
# fixtures, stays in one worker (tests/conftest.py). The tests start more than a hundred processes,
# which import compiled files in half the time.
test: $(READY)
	@env -u PYTHONDONTWRITEBYTECODE OMP_NUM_THREADS=1 python -m pytest -n 3 --dist loadfile

# More kills, longer outages, many processes and nodes, Slurm, Dask, PostgreSQL: skipped with the
# reason where one is missing.
test-long: $(READY)
	@env -u PYTHONDONTWRITEBYTECODE OMP_NUM_THREADS=1 python -m pytest -m long

prefect: $(READY)
	@infra/local/prefect.sh

evidently: $(READY)
	@python -m dvdgan.monitoring.workspace .runs/evaluate/history.jsonl .runs/evaluate/workspace
	@evidently ui --workspace .runs/evaluate/workspace --host 127.0.0.1 --port $${PORT:-8000}

# Every warning is an error: a link that leads nowhere, a page that the navigation does not reach.
docs: $(READY)
	@sphinx-build --quiet --fail-on-warning --keep-going -c docs -d .sphinx . site
	@echo "site/docs/index.html"

lock: $(READY)
	@infra/lock.sh

sbom: $(READY)
	@uv tool run --from cyclonedx-bom==$(CYCLONEDX_VERSION) cyclonedx-py requirements requirements.lock \
	    --pyproject pyproject.toml --output-reproducible --output-file sbom.json
	@echo "sbom.json"

# A package that the service does not know is a failure, too: without --strict it would count as safe.
audit: $(READY)
	@uv tool run pip-audit==$(PIP_AUDIT_VERSION) -r requirements.lock --no-deps --disable-pip --strict

clean:
	rm -rf artifacts data/synthetic site .sphinx .runs .prefect .dvc/cache .dvc/tmp
