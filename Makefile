# `make demo` and `make test` work from a fresh clone: all that they need goes into .venv and nowhere else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CORE := $(VENV)/.installed
STAMP := $(VENV)/.installed-dev
DOCS := $(VENV)/.installed-docs
CONSTRAINTS ?= constraints.txt

.DEFAULT_GOAL := help
.PHONY: help install demo test test-slow lint format docs clean

help:
	@echo "make demo       render, fine-tune, evaluate and report in a few minutes on a laptop"
	@echo "make test       the tests, without the slow ones (make test-slow runs them)"
	@echo "make lint       ruff and mypy"
	@echo "make docs       the pages of docs/ as a website in build/docs"
	@echo "make install    only install into $(VENV) (CONSTRAINTS= for the newest versions, e.g. a CUDA torch)"

install: $(STAMP)

# The demo needs fewer packages than tests, trackers, app and export, and does not wait for them.
$(CORE): pyproject.toml constraints.txt
	$(call install_into_venv,.)
	@touch $(CORE)

$(STAMP): pyproject.toml constraints.txt
	$(call install_into_venv,.[dev])
	@touch $(CORE) $(STAMP)

$(DOCS): pyproject.toml constraints.txt
	$(call install_into_venv,.[docs])
	@touch $(CORE) $(DOCS)

define install_into_venv
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + "; run make with, for instance, PYTHON=python3.12")'
	@echo "installing $(1) into $(VENV); this takes some minutes the first time"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check $(if $(CONSTRAINTS),-c $(CONSTRAINTS)) -e '$(1)'
endef

demo: $(CORE)
	$(BIN)/spatial-swin demo $(DEMO)

# A test process has one torch thread; four of them are enough, for each holds its own torch in memory.
test: $(STAMP)
	$(BIN)/python -m pytest -m "not slow and not gpu" -n logical --maxprocesses 4 --dist loadfile

test-slow: $(STAMP)
	$(BIN)/python -m pytest -m "slow and not gpu" -n logical --maxprocesses 4 --dist worksteal

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(DOCS)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "open build/docs/index.html"

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
