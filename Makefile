# Two commands for a newcomer: `make demo` and `make test`. Each sets up .venv first.
VENV ?= .venv
PYTHON ?= python3
CORES ?= 2
# An index that has torch and torchvision, both from one place; empty: PyPI, on Linux with CUDA.
TORCH_INDEX ?=
PIP = $(BIN)/python -m pip install --quiet --constraint constraints.txt
BIN = $(VENV)/bin

# Files, and folders whose files share one run of the workflow.
SHARED_RUNS = $(patsubst %/conftest.py,%,$(wildcard tests/integration/*/conftest.py))
INTEGRATION = $(SHARED_RUNS) $(sort $(wildcard tests/integration/test_*.py))

.PHONY: demo test lint types unit integration slurm $(INTEGRATION)

demo: $(VENV)/.ready
	$(BIN)/snakemake --cores $(CORES)

# Three at a time, each printed when it is done: SLURM's tests, which mostly wait, unit tests, and,
# file by file, integration tests.
test:
	$(MAKE) --no-print-directory --keep-going -j3 --output-sync=target \
		lint types slurm unit integration

integration: $(INTEGRATION)

unit slurm: $(VENV)/.ready
	$(BIN)/python -m pytest tests/$@

$(INTEGRATION): $(VENV)/.ready
	$(BIN)/python -m pytest $@

lint: $(VENV)/.ready
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint

types: $(VENV)/.ready
	$(BIN)/mypy

$(VENV)/.ready: constraints.txt pyproject.toml
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "NicheCLIP needs Python 3.11 or later: make PYTHON=python3.11 ..."'
	$(PYTHON) -m venv $(VENV)
	$(if $(TORCH_INDEX),$(PIP) --no-deps --index-url $(TORCH_INDEX) torch torchvision)
	$(PIP) --editable '.[dev]'
	$(BIN)/python -m nicheclip.runtime.installation
	touch $@
