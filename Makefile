# Everything from nothing but Python >= 3.11, pip and make. `make` alone says what there is.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Recordings, where there are any; without them the demonstration and the tests use synthetic inputs.
DATA ?= $(or $(EDGEWRIGHT_DATA),$(abspath $(wildcard ../shared/data)))
ifneq ($(DATA),)
export EDGEWRIGHT_DATA := $(DATA)
endif
DEMO_OUT ?= demo
TESTBED_OUT ?= build/testbed
PROCESSES ?= 2

.DEFAULT_GOAL := help
.PHONY: help demo testbed cases test test-peers test-federated test-render test-pages test-clients lint bench wheel docs clean

help:
	@echo "make demo   train SE-PPO, compare it, draw figures and a report (minutes)"
	@echo "make testbed   policies on real processes beside simulations of the same requests (minutes)"
	@echo "make test   all tests"
	@echo "make cases  inputs from the field, and what becomes of each, as a table"
	@echo "make test-clients  the gateway with OpenAI's package for JavaScript and the AI SDK (npm)"
	@echo "make test-pages   tests of pages in headless Chromium, which is installed for them"
	@echo "make test-peers   tests beside Stable-Baselines3, which is installed for them"
	@echo "make test-federated   tests with Flower, in an environment of its own"
	@echo "make test-render   tests of back ends that render, for which Mitsuba is installed (150 MB)"
	@echo "make lint   format, lint, types, import contracts"
	@echo "make bench  speed, as ratios in one run"
	@echo "make wheel  build the wheel, install it in a fresh environment and decide with it"
	@echo "make docs   the documentation as a site in build/site"

$(BIN)/python:
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" \
	  || { echo "Python >= 3.11 is needed, $(PYTHON) is older: make PYTHON=python3.12 ..."; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.user: $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e ".[train,serve]"
	@touch $@

$(VENV)/.dev: $(VENV)/.user
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $@

$(VENV)/.docs: $(VENV)/.user
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e ".[docs]"
	@touch $@

demo: $(VENV)/.user
	$(BIN)/edgewright demo --out $(DEMO_OUT) $(if $(DATA),--data $(DATA))

testbed: $(VENV)/.dev
	$(BIN)/edgewright testbed --quick --out $(TESTBED_OUT) $(if $(DATA),--data $(DATA))

cases: $(VENV)/.dev
	$(BIN)/python tests/cases/table.py $(CASES)

test: $(VENV)/.dev
	TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python -m pytest -n $(PROCESSES) --dist loadfile tests

$(VENV)/.peers: $(VENV)/.dev
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e ".[peers]"
	@touch $@

test-peers: $(VENV)/.peers
	$(BIN)/python -m pytest tests/adapters tests/bench/peers tests/docs \
	  tests/rules/test_free_energy_peers.py \
	  tests/examples/test_examples.py::test_stable_baselines3_is_scored_beside_the_rules

.venv-federated/.there: pyproject.toml constraints-federated.txt
	$(PYTHON) -m venv .venv-federated
	.venv-federated/bin/python -m pip install -q --disable-pip-version-check \
	  -c constraints-federated.txt -e ".[federated]" pytest hypothesis
	@touch $@

test-federated: .venv-federated/.there
	.venv-federated/bin/python -m pytest tests/federated tests/cli/test_train_fleet.py

$(VENV)/.render: $(VENV)/.dev
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e ".[render]" \
	  scikit-image
	@touch $@

test-render: $(VENV)/.render
	TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python -m pytest tests/gateway/test_render.py \
	  tests/gateway/test_scenes.py

build/chromium/.there:
	mkdir -p build/chromium
	cd build/chromium && npm install --silent --no-save --ignore-scripts @sparticuz/chromium puppeteer-core
	@touch $@

test-pages: $(VENV)/.dev build/chromium/.there
	export NODE_PATH=$(CURDIR)/build/chromium/node_modules && \
	  export EDGEWRIGHT_CHROMIUM=$$(cd build/chromium && node --input-type=module \
	    -e "import c from '@sparticuz/chromium'; console.log(await c.executablePath())") && \
	  $(BIN)/python -m pytest tests/reporting/test_page_layout.py tests/gateway/test_live.py

CLIENTS = openai@6.49.0 ai@6.0.326 @ai-sdk/openai-compatible@2.0.92 @ai-sdk/openai@3.0.141

build/clients/.there:
	mkdir -p build/clients
	cd build/clients && npm install --silent --no-save --ignore-scripts $(CLIENTS)
	@touch $@

test-clients: $(VENV)/.dev build/clients/.there
	NODE_PATH=$(CURDIR)/build/clients/node_modules \
	  $(BIN)/python -m pytest tests/gateway/test_node_clients.py

lint: $(VENV)/.dev
	$(BIN)/ruff format --check src tests benchmarks examples
	$(BIN)/ruff check src tests benchmarks examples
	$(BIN)/pyright --pythonpath $(BIN)/python src
	$(BIN)/lint-imports

bench: $(VENV)/.user
	$(BIN)/edgewright bench speed

wheel: $(VENV)/.user
	.ci/wheel

docs: $(VENV)/.docs
	$(BIN)/mkdocs build --strict --site-dir build/site

clean:
	rm -rf $(VENV) .venv-federated build dist demo .pytest_cache .ruff_cache .hypothesis
