# Every target sets up .venv by itself when it is missing or older than what it is made from.

PYTHON ?= python3.11
WORKSPACE ?= workspace
PORT ?= 5006

BIN := .venv/bin
READY := .venv/.ready
SOURCES := $(wildcard requirements*.txt constraints.txt core/pyproject.toml plugins/*/pyproject.toml apps/*/pyproject.toml)

.PHONY: help setup demo workbench test lint docs bench screenshots paper clean

help: ## List the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(READY): $(SOURCES)
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check -r requirements.txt
	touch $(READY)

setup: $(READY) ## Create .venv and install everything into it

demo: $(READY) ## Train a small model until it groks, analyse it, and serve the workbench
	$(BIN)/dynascope init $(WORKSPACE)
	$(BIN)/dynascope train modular_addition_1layer --preset demo --workspace $(WORKSPACE)
	$(BIN)/dynascope analyze --workspace $(WORKSPACE)
	$(BIN)/dynascope serve $(WORKSPACE) --port $(PORT)

workbench: $(READY) ## Serve the workbench
	$(BIN)/dynascope serve $(WORKSPACE) --port $(PORT)

test: $(READY) ## Run the tests (those in a browser too, where Chromium is installed)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadgroup $(PYTEST)

lint: $(READY) ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(READY) ## Build the documentation, strictly
	$(BIN)/mkdocs build --strict --site-dir site

.PHONY: figures
figures: $(READY) ## Draw the pictures of the tour, each a view of the demo
	$(BIN)/python docs/figures.py $(WORKSPACE)

bench: $(READY) ## Measure: each figure is a ratio to a baseline in the same run
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/analysis.py
	$(BIN)/python benchmarks/tables.py
	$(BIN)/python benchmarks/workbench.py
	$(BIN)/python benchmarks/reports.py

screenshots: $(READY) ## Take the pictures of the documentation from the workbench
	$(BIN)/python docs/screenshots.py $(WORKSPACE)

paper: $(READY) ## Train the run of the paper (an hour on two cores; goes on where it stopped), and compare
	$(BIN)/dynascope init paper
	$(BIN)/dynascope train modular_addition_1layer --preset nanda --schedule 0:15000:100,15000:40001:500 --workspace paper
	$(BIN)/dynascope analyze --workspace paper
	$(BIN)/dynascope analyze --workspace paper -a modular_addition.ablations --epochs 40000
	$(BIN)/python docs/paper.py paper $(PAPER)

clean: ## Remove what was built; workspaces stay
	rm -rf .venv site .pytest_cache .mypy_cache .ruff_cache
