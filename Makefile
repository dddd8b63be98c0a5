# Two commands on a machine that has Python 3.11+, make and a package registry: `make run`, `make test`.
# make run ARGS="--listen --port=9000"   passes flags
# make run PYTHON=python3.12             chooses the interpreter that .venv is made with
# make run TORCH=torch==2.13.0           chooses the build of torch (default: the CPU's where there is no NVIDIA driver)

PYTHON ?= python3
BIN := .venv/bin
ARGS ?=
CPU_INDEX := https://download.pytorch.org/whl/cpu

# torch comes first and alone: an open range, or the default build on Linux, brings gigabytes of CUDA to a machine without
# a GPU. The CPU build is taken from the configured registry if it is there, else from PyTorch's own index, else (macOS,
# where every build is a CPU build) by its plain version.
ifdef TORCH
INSTALL_TORCH = $(BIN)/pip install --quiet "$(TORCH)"
else ifneq ($(shell command -v nvidia-smi),)
INSTALL_TORCH = $(BIN)/pip install --quiet torch==2.13.0
else
INSTALL_TORCH = $(BIN)/pip install --quiet torch==2.13.0+cpu 2>/dev/null \
	|| $(BIN)/pip install --quiet torch==2.13.0 --index-url $(CPU_INDEX) 2>/dev/null \
	|| $(BIN)/pip install --quiet torch==2.13.0
endif

.PHONY: run test check format lint types unit browser default-config lock clean

run: .venv/run.stamp
	$(BIN)/python webui/webui_server.py $(ARGS)

test: check

check: .venv/dev.stamp format lint types unit

format:
	$(BIN)/ruff format --check .

lint:
	$(BIN)/ruff check .

types:
	$(BIN)/mypy

unit:
	$(BIN)/python -m pytest

.venv/torch.stamp:
	@echo "Making .venv and installing torch (once; some minutes) ..."
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make run PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(INSTALL_TORCH)
	@touch $@

.venv/run.stamp: .venv/torch.stamp pyproject.toml constraints.txt
	@echo "Installing the packages of constraints.txt ..."
	$(BIN)/pip install --quiet --constraint constraints.txt --editable .
	@touch $@

.venv/dev.stamp: .venv/run.stamp
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[dev]"
	@touch $@

# The page's own test needs a Chromium; on Debian: apt-get install chromium.
browser: .venv/dev.stamp
	$(BIN)/python -m pytest tests/webui/test_browser.py

default-config: .venv/run.stamp
	$(BIN)/python -m api.settings > configs/default.yaml

# Pins what is installed in .venv now; run it after a range in pyproject.toml was changed and the tests pass.
lock: .venv/dev.stamp
	$(BIN)/pip freeze --exclude-editable | sed 's/^\(torch==[0-9.]*\)+.*/\1/' | LC_ALL=C sort -f > constraints.txt

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache
