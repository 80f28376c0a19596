PYTHON ?= python3
VENV := .venv
TEST_PROCESSES ?= $(if $(TIMESCALE_URL),0,2)
RUN := $(VENV)/bin/python

.PHONY: demo serve quick test bench lint docs lock libraries

demo: $(VENV)/installed-runtime
	$(RUN) -m app demo $(if $(DEMO_DAYS),--days $(DEMO_DAYS)) $(if $(DEMO_SECONDS),--seconds $(DEMO_SECONDS))

serve: $(VENV)/installed-runtime
	$(RUN) -m app serve

# What needs no database, and readings through HTTP on the packaged one.
quick: $(VENV)/installed
	$(RUN) -m pytest -n $(TEST_PROCESSES) --dist worksteal -k 'not timescale' tests/unit tests/conformance/test_ingest.py

# Two processes, each with servers of its own; no more than this one where TIMESCALE_URL names a server for all.
test: $(VENV)/installed
	$(RUN) -m pytest -n $(TEST_PROCESSES) --dist worksteal

bench: $(VENV)/installed
	$(RUN) -m bench $(if $(BENCH),--only $(BENCH)) $(if $(QUICK),--quick)

lint: $(VENV)/installed
	$(RUN) -m ruff check . && $(RUN) -m ruff format --check . && $(RUN) -m mypy app bench tests \
		&& $(VENV)/bin/lint-imports --no-cache

# The site of docs/, in site/; neither the service nor its tests need what this installs.
docs: $(VENV)/installed
	$(INSTALL) '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict

# Takes the newest versions that pyproject.toml allows and writes them down; run the tests, then commit.
lock:
	$(PYTHON) -m venv --clear $(VENV)
	$(VENV)/bin/pip install --quiet --editable '.[dev]'
	$(VENV)/bin/pip freeze --exclude-editable > constraints.txt

# Charts and the page of the API, from npm; the tests' too. Pages work without them, as tables.
libraries: $(VENV)/installed
	$(LIBRARIES) --tests

INSTALL = $(VENV)/bin/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable
LIBRARIES = $(RUN) -m app.web.libraries
PINNED = pyproject.toml constraints.txt app/web/package.json app/web/package-lock.json
WITHOUT = echo 'Pages have no charts: their libraries were not installed. Try again: make libraries'

# What the service runs on, and no more.
$(VENV)/installed-runtime: $(PINNED)
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) .
	$(LIBRARIES) || $(WITHOUT)
	touch $@

# What tests, benchmarks and linters need besides.
$(VENV)/installed: $(PINNED)
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) '.[dev]'
	$(LIBRARIES) --tests || $(WITHOUT)
	touch $(VENV)/installed-runtime $@
