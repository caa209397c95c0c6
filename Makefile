# Praxino's chores. `make gif PROMPT="a rocket flying up on a blue background"` is all that a newcomer needs.

VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/runtime.stamp
DEVELOP := $(VENV)/develop.stamp
PIP := $(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt

# The prompt reaches the shell through the environment, unexpanded: quotes, $ and # in it are just characters.
override PROMPT_TEXT := $(value PROMPT)
ifeq ($(strip $(PROMPT_TEXT)),)
override PROMPT_TEXT := a rocket flying up on a blue background
endif
export PROMPT_TEXT
unexport PROMPT

# On Linux, the usual torch brings gigabytes of CUDA. Give TORCH_INDEX=URL to take a smaller build from another index.
TORCH_INDEX ?=

# What `make bench` measured last.
RESULTS := bench/results/pocket.json
MIDDLE := bench/results/ltx-middle.json

# What `make bench-gpu` measures: a file each, made only where it is missing, within so many hours.
GPU_MODELS := ltx-video-0.9.1 hotshot-xl sdxl-base flux-dev hunyuan-video
GPU_RESULTS := $(GPU_MODELS:%=bench/results/gpu-%.json)
GPU_HOURS ?= 3
ROUNDS := 3
WARM := 3

# The suite is dealt out to a process for each core.
SHARED := --numprocesses logical --maxprocesses 8 --dist loadgroup

.PHONY: help gif test test-all check bench bench-check bench-gpu bench-gpu-all score docs clean

help:
	@echo 'make gif PROMPT="..."   draw a GIF (sets up .venv the first time)'
	@echo 'make test               the tests, in minutes'
	@echo 'make test-all           the slow ones too'
	@echo 'make check              format, lint, types, import rules, docs'
	@echo 'make bench              measure the main job beside plain diffusers, on an idle machine'
	@echo 'make bench-check        fail where it was faster when it was measured last'
	@echo 'make bench-gpu          measure five models at full size, with random weights, on a GPU'
	@echo 'make score              score the bundled model anew from its weights'
	@echo 'make docs               write the docs to site/'
	@echo 'make clean              remove what was built, but not .venv'

gif: $(RUNTIME)
	@$(BIN)/praxino generate -- "$$PROMPT_TEXT"

test: $(DEVELOP)
	$(BIN)/python -m pytest $(SHARED)

test-all: $(DEVELOP)
	$(BIN)/python -m pytest $(SHARED) -m ''

check: $(DEVELOP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports --no-cache
	$(BIN)/python docs/generate.py --check
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

bench: $(DEVELOP)
	$(BIN)/praxino bench --sweep batch=1,2,4 -o $(RESULTS) --plots docs/plots
	$(BIN)/praxino bench --published ltx-middle --device cpu --rounds 2 --warm 2 \
		--contender exact --contender near --contender fast \
		--sweep frames=9,17,33 --sweep pixels=64,128,192 --sweep steps=4,8,16 -o $(MIDDLE) --plots docs/plots
	$(BIN)/python bench/tables.py

bench-check: $(DEVELOP)
	$(BIN)/praxino bench --no-roofline --check $(RESULTS)

# Made anew by hand alone: a result does not grow old with the code. What failed does not keep the others from it.
bench-gpu: $(DEVELOP)
	$(MAKE) --keep-going bench-gpu-all; measured=$$?; $(BIN)/python bench/tables.py && exit $$measured

bench-gpu-all: $(GPU_RESULTS)

# A clip of 720p and 129 frames takes minutes.
bench/results/gpu-hunyuan-video.json: ROUNDS := 1
bench/results/gpu-hunyuan-video.json: WARM := 1

bench/results/gpu-%.json:
	timeout $(GPU_HOURS)h $(BIN)/praxino bench --published $* --device cuda --rounds $(ROUNDS) --warm $(WARM) -o $@

score: $(DEVELOP)
	$(BIN)/python bench/score.py

docs: $(DEVELOP)
	$(BIN)/python docs/generate.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

clean:
	rm -rf site build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find src tests bench docs -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@for python in python3 python3.13 python3.12 python3.11 python3.14 python; do \
		if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			echo "setting up $(VENV) with $$($$python --version)"; \
			exec $$python -m venv $(VENV); \
		fi; \
	done; \
	echo 'Praxino needs Python 3.11 or newer, and none is on the PATH.' >&2; exit 1

# torch first and alone, so that no other requirement can choose its build.
$(RUNTIME): pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) torch
	$(PIP) --editable .
	@touch $@

$(DEVELOP): $(RUNTIME)
	$(PIP) --editable '.[dev,test,train]'
	@touch $@
