# Two commands for a newcomer: `make demo` and `make test`. Each sets up .venv first.
VENV ?= .venv
PYTHON ?= python3
CORES ?= 2
# An index that has torch and torchvision, both from one place; empty: PyPI, on Linux with CUDA.
TORCH_INDEX ?=
PIP = $(BIN)/python -m pip install --quiet --constraint constraints.txt
BIN = $(VENV)/bin

.PHONY: demo test lint types unit integration slurm

demo: $(VENV)/.ready
	$(BIN)/snakemake --cores $(CORES)

# unit and integration tests side by side, each printed when it is done; SLURM's have waits of their own
test: lint types
	$(MAKE) --no-print-directory -j2 --output-sync=target unit integration
	$(MAKE) --no-print-directory slurm

unit integration slurm: $(VENV)/.ready
	$(BIN)/python -m pytest tests/$@

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
