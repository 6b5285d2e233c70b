# One way to do each thing, the same on a laptop and in CI. Every target builds .venv by itself, once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PARALLEL := --numprocesses 2 --dist loadfile --no-loadscope-reorder
# PyTorch's own index has a build for processors alone, a tenth the size of the one that pip takes on Linux.
CPU_TORCH := https://download.pytorch.org/whl/cpu

.PHONY: setup demo docs test test-long test-ray lint format bench clean

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@if ! command -v nvidia-smi > /dev/null && ! $(BIN)/python -c 'import torch' 2> /dev/null; then \
	  $(BIN)/python -m pip install --quiet --no-deps --retries 0 --timeout 15 --constraint constraints.txt \
	    --index-url $(CPU_TORCH) torch 2> /dev/null || echo "$(CPU_TORCH) cannot be reached: pip looks elsewhere"; \
	fi
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[train,runtime,export,demo,parquet,pretrained,live,kafka,serve,cluster,docs,dev]'
	@touch $@

demo: $(READY)
	$(BIN)/trine demo

docs: $(READY)
	$(BIN)/python tools/reference.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo site/index.html

test: $(READY)
	$(BIN)/python -m pytest -m 'not long and not ray' $(PARALLEL)

# Whole programs, trainings that are killed, exports of every kind: minutes more.
test-long: $(READY)
	$(BIN)/python -m pytest -m 'long and not ray' $(PARALLEL)

# Ray's head and nodes on this machine: minutes, and a gigabyte each.
test-ray: $(READY)
	$(BIN)/python -m pytest -m ray

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY)
	$(BIN)/python bench/run.py

clean:
	rm -rf $(VENV) build dist site
