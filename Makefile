# Everything runs from here; each target prepares .venv first and needs only Python >= 3.11 and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
JOBS ?= 2

.PHONY: demo test check slow floors ray mutants fuzz bench gpu house docs clean

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "equipoise needs Python 3.11 or newer; name one with: make PYTHON=python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(READY)
	$(BIN)/equipoise demo --out runs/demo

# One thread for each of JOBS: more of them wait for each other.
test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/pytest -m 'not slow' -n $(JOBS) -q

slow: $(READY)
	$(BIN)/pytest -m slow -q

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tools.house --check

FLOORS := .venv-floors
CORE_TESTS := tests/test_api.py tests/test_extras.py tests/cli/test_startup.py tests/cli/test_list.py \
	tests/cli/test_run.py tests/data/images tests/data/volumes/test_file.py tests/losses tests/metrics \
	tests/networks tests/resampling/test_smote.py tests/training tests/estimators/test_classifier.py
# The core of the suite with the lowest versions that pyproject.toml declares, but for torch.
floors:
	$(PYTHON) -m venv $(FLOORS)
	$(FLOORS)/bin/python -m tools.floors > $(FLOORS)/floors.txt
	$(FLOORS)/bin/python -m pip install --quiet --disable-pip-version-check --prefer-binary \
		-c $(FLOORS)/floors.txt -e '.[volumes]' pytest hypothesis nibabel setuptools
	OMP_NUM_THREADS=1 $(FLOORS)/bin/python -m pytest -m 'not slow' -q \
		-o filterwarnings=default $(CORE_TESTS)  # old versions warn of each other

RAY_TESTS := tests/experiments/running/test_ray_executor.py tests/cli/test_run_ray.py
# The tests of the extra `ray`, which `make test` skips without it.
ray: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,ray]'
	OMP_NUM_THREADS=1 RAY_worker_niceness=0 $(BIN)/pytest -q $(RAY_TESTS)

mutants: $(READY)
	$(BIN)/python -m tests.mutations.run

fuzz: $(READY)
	$(BIN)/python -m tools.fuzz

bench: $(READY)
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks.reporting

# At most ten minutes on a machine with a GPU; again, it goes on.
gpu: $(READY)
	$(BIN)/python -m benchmarks.gpu --json runs/gpu/gpu.json

house: $(READY)
	$(BIN)/python -m tools.house

# The extra `docs`; the pages need no server and no connection.
docs: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo 'Site: site/index.html'

clean:
	rm -rf $(VENV) $(FLOORS) build dist *.egg-info
