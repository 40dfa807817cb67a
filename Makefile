# Every target does its own set-up: a machine with make and Python 3.11 or newer is enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SAMPLES := tests/data/samples
# Two tests at a time, those of a file in one process: they share what they simulate.
SIDE_BY_SIDE := -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: setup demo kernels test test-long browser lint types docs wheel-check benchmark schemas \
  ledger clean

$(STAMP): setup.cfg pyproject.toml gnr/_version.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "gnr needs Python 3.11 or newer; found: $$($(PYTHON) --version 2>&1)."; \
	  echo "Install one and name it: make $(firstword $(MAKECMDGOALS)) PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "Python's venv module is missing. On Debian or Ubuntu: apt-get install python3-venv"; \
	  echo "(on others: the package that brings venv and ensurepip)."; exit 1; }
	@echo "Setting up $(VENV): a minute or two, once."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

# All that the others do first, and nothing else.
setup: $(STAMP)

demo: $(STAMP)
	$(BIN)/gnr solve two-class --gpus 500 --out build/demo
	$(BIN)/gnr solve two-class two-class-separate dolly-eight-class azure-2023-conversation
	$(BIN)/gnr solve two-class --certify --out build/demo | tail -n 5
	$(BIN)/gnr prove M L13.3 --faults
	$(BIN)/gnr prove two-class
	$(BIN)/gnr solve two-class-promises --gpus 500 --out build/demo
	$(BIN)/gnr frontier two-class --sli mean_tpot --sli prefill_fairness --sli decode_fairness \
	  --out build/demo
	$(BIN)/gnr sweep two-class --vary gpu.batch_slots=2:32 --out build/demo
	$(BIN)/gnr draw dolly-eight-class --out build/demo
	$(BIN)/gnr calibrate $(SAMPLES)/iteration-times.csv --for two-class --out build/demo
	$(BIN)/gnr fit $(SAMPLES)/requests.csv --like build/demo/two-class.calibrated.toml --gpus 8 \
	  --out build/demo
	$(BIN)/gnr calibrate $(SAMPLES)/iteration-times.csv --for build/demo/requests.toml --out build/demo
	$(BIN)/gnr replay $(SAMPLES)/requests.csv build/demo/requests.calibrated.toml --gpus 8 \
	  --law build/demo/requests.calibration.json --kv-tokens 60000 --out build/demo
	$(BIN)/gnr size build/demo/requests.calibrated.toml --demand build/demo/requests.demand.csv \
	  --scale 20 --promise p95_ttft=1s --promise p95_tpot=20ms --out build/demo
	$(BIN)/gnr simulate two-class --gpus 500 --fidelity pooled --out build/demo
	$(BIN)/gnr compare two-class --policies gate-and-route,fcfs-immediate,price-index-fill \
	  --gpus 20,100 --replications 8 --out build/demo
	$(BIN)/gnr converge two-class --gpus 5,20,50,200,500,2000,8000,32000 --out build/demo || test $$? -eq 3
	@echo "Pictures and JSON are in build/demo. Clusters of 128,000 GPUs, and with them a verdict, take"
	@echo "one to two minutes more: $(BIN)/gnr converge two-class --out build/demo"

# The kernels that take long to compile: once, before tests that need them run side by side.
kernels: $(STAMP)
	$(BIN)/python tests/compile_kernels.py

test: kernels
	$(BIN)/python -m pytest -q $(SIDE_BY_SIDE) -m "not long" --ignore tests/benchmarks

test-long: kernels
	$(BIN)/python -m pytest -q $(SIDE_BY_SIDE) -m long --ignore tests/benchmarks

# The report is looked at in Chromium; where it cannot be installed, that test is skipped and says so.
browser:
	@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	  && { apt-get -qq update; timeout 600 apt-get -qq install -y chromium; } >/dev/null 2>&1; } \
	  || echo "Chromium is not installed and cannot be: tests/browser will be skipped."

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/python tests/packaging_tools.py build/typeview
	MYPYPATH=build/typeview $(BIN)/mypy -p gnr

# The pages of docs/, in build/docs/html; every warning is an error. -E: docstrings are read anew.
docs: $(STAMP)
	$(BIN)/python -m sphinx -E -n -W --keep-going -q -b html -d build/docs/doctrees docs build/docs/html
	@echo "The pages are in build/docs/html; begin with index.html."

wheel-check: $(STAMP)
	$(BIN)/python -m pytest -q tests/packaging/test_wheel.py

# GNR_LIMITS names the folder of the programs that mark the speed limit; without it they are skipped.
benchmark: $(STAMP)
	$(BIN)/python -m pytest -q -s tests/benchmarks

schemas: $(STAMP)
	$(BIN)/python -m gnr.schemas

# Checks every claim with its planted faults and writes proofs/LEDGER.md.
ledger: $(STAMP)
	$(BIN)/python -m gnr.proofs.ledger_page

clean:
	rm -rf $(VENV) build dist *.egg-info
