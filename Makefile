# Two commands on a machine that has Python 3.11+, make and a package registry: `make run`, `make test`.
# make run ARGS="--listen --port=9000"   passes flags
# make run PYTHON=python3.12             chooses the interpreter that .venv is made with
# make run-vllm ARGS="--model-path ..."    the same with --backend=vllm, from an environment of its own
# make test-vllm                           its tests, on a CPU
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

# vLLM has an environment of its own, because it narrows the versions of others: .venv-vllm. On a machine with a GPU it is
# vLLM as its project publishes it, elsewhere a build for CPUs by a third party.
VLLM_BIN := .venv-vllm/bin
ifneq ($(shell command -v nvidia-smi),)
INSTALL_VLLM = $(VLLM_BIN)/pip install --quiet --constraint constraints-vllm.txt --editable . vllm==0.32.0
else
# All its packages stand in constraints-vllm.txt, so nothing is resolved: that leaves out torchvision, torchaudio and
# torchcodec, whose builds for CUDA break transformers beside a torch without it, and triton, which knows no CPU.
INSTALL_VLLM = $(VLLM_BIN)/pip install --quiet --no-deps --requirement constraints-vllm.txt --editable .
endif

.PHONY: run run-vllm test test-vllm check format lint types unit browser default-config lock lock-vllm clean

run: .venv/run.stamp
	$(BIN)/python webui/webui_server.py $(ARGS)

run-vllm: .venv-vllm/run.stamp
	$(VLLM_BIN)/python webui/webui_server.py --backend=vllm $(ARGS)

test: check

check: .venv/dev.stamp format lint types unit

format:
	$(BIN)/ruff format --check .

test-vllm: .venv-vllm/run.stamp
	VLLM_NO_USAGE_STATS=1 $(VLLM_BIN)/python -m pytest -k vllm tests/generation tests/api/test_vllm_server.py

lint:
	$(BIN)/ruff check .

types:
	$(BIN)/mypy

unit:
	$(BIN)/python -m pytest

.venv-vllm/run.stamp: pyproject.toml constraints-vllm.txt
	@echo "Making .venv-vllm and installing vLLM (once; some minutes, 3.3 GB) ..."
	$(PYTHON) -m venv .venv-vllm
	$(subst $(BIN),$(VLLM_BIN),$(INSTALL_TORCH))
	$(INSTALL_VLLM)
	@touch $@

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

# Pins what is installed in .venv now; run it after a range in pyproject.toml was changed and the tests pass, with the extra
# openvino installed, which is pinned too.
lock: .venv/dev.stamp
	$(BIN)/pip freeze --exclude-editable | sed 's/^\(torch==[0-9.]*\)+.*/\1/' | LC_ALL=C sort -f > constraints.txt

# The same for .venv-vllm, after another version of vLLM was installed into it; what vLLM brings for GPUs is left out.
lock-vllm: .venv-vllm/run.stamp
	(echo "# What .venv-vllm holds on a machine without a GPU: vLLM and this program with its tests (make test-vllm)."; \
	$(VLLM_BIN)/pip freeze --exclude-editable | grep -v -E '^(torchvision|torchaudio|torchcodec|triton)==' \
	| sed 's/^\(torch==[0-9.]*\)+.*/\1/' | LC_ALL=C sort -f) > constraints-vllm.txt

clean:
	rm -rf .venv .venv-vllm .mypy_cache .ruff_cache .pytest_cache
