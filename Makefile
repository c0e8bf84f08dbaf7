# Every target does all that it needs, from a fresh clone on.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
export TF_CPP_MIN_LOG_LEVEL ?= 3
export TF_ENABLE_ONEDNN_OPTS ?= 1

# Two processes that take one file of tests after another, in the order of conftest.py;
# plain `pytest` runs in one.
IN_TWO := -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: help install quickstart test test-jax test-distributed test-beam test-wheel test-slow test-data benchmark verify-saved-models docs lint clean

help:  ## Show this list.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

# Stamps are newer than the files that decide what is installed.
$(VENV)/.installed: setup.py pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	touch $@

$(VENV)/.installed-jax: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable ".[jax]"
	touch $@

$(VENV)/.installed-beam: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable ".[beam]"
	touch $@

install: $(VENV)/.installed  ## Make the virtual environment and install into it.

quickstart: install  ## Pretrain, look at graphs, use them: under six minutes.
	$(BIN)/python recipes/quickstart.py

lint: install  ## Check the style.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

test: lint  ## Lint and the whole test suite, on TensorFlow.
	KERAS_BACKEND=tensorflow $(BIN)/python -m pytest $(IN_TWO)

test-jax: $(VENV)/.installed-jax  ## The core suite on JAX.
	KERAS_BACKEND=jax $(BIN)/python -m pytest $(IN_TWO) tests/ops tests/layers tests/models tests/optimizers \
	    tests/recipes/test_together.py tests/recipes/test_without_tensorflow.py tests/test_import.py \
	    tests/test_command_line_graphs.py::test_graphs_of_files

test-distributed: $(VENV)/.installed-jax  ## Several devices and workers on this machine.
	KERAS_BACKEND=tensorflow $(BIN)/python -m pytest -m distributed tests/distribution

test-beam: $(VENV)/.installed-beam  ## Corpora prepared by Apache Beam.
	KERAS_BACKEND=tensorflow $(BIN)/python -m pytest -m beam tests/data/shards

test-wheel: install  ## The first hours of three users, from a wheel in a fresh environment.
	KERAS_BACKEND=tensorflow $(BIN)/python -m pytest -m wheel tests/first_hour

test-slow: install  ## Trainings of minutes that the suite leaves out.
	KERAS_BACKEND=tensorflow $(BIN)/python -m pytest -m slow

test-data: install  ## Checks on real data sets, found through GLOMO_DATA.
	KERAS_BACKEND=tensorflow $(BIN)/python -m pytest -m data

benchmark: install  ## Time the library beside its peers; an hour, nothing beside it.
	$(BIN)/python -m pip install --quiet --editable ".[benchmarks]"
	$(BIN)/python benchmarks/speed.py --check benchmarks/speed.jsonl --output runs/speed.jsonl

verify-saved-models: install  ## Check the saved models: files, and what they answer.
	$(BIN)/python saved_models/verify.py

docs: install  ## Build the reference site into build/site.
	$(BIN)/python -m pip install --quiet --editable ".[docs]"
	$(BIN)/python website/build.py --output build/site

clean:  ## Remove the virtual environment and caches.
	rm -rf $(VENV) build dist *.egg-info .ruff_cache
