# make demo: the whole story on this machine.  make test: every test that this machine can run.  Both do their own set-up.

ready := .venv/installed
run := .venv/bin
TESTS ?=
SIZES ?= 100000
ROUNDS ?= 1
BENCH ?= --startup

.PHONY: demo test soak cover check fix reference bench mutants

demo: $(ready)
	@$(run)/placier demo

test: $(ready)
	@$(run)/python -m pytest -n 4 --dist worksteal $(TESTS)

soak: export PLACIER_HISTORIES ?= 5000
soak: $(ready)
	@$(run)/python -m pytest -n 4 --dist worksteal tests/machine

cover: $(ready)
	@$(run)/python -m pytest -n 4 --dist worksteal --cov=pipeline --cov-branch --cov-report=term:skip-covered --cov-fail-under=95

check: $(ready)
	$(run)/ruff format --check .
	$(run)/ruff check .
	$(run)/mypy
	$(run)/lint-imports
	$(run)/python scripts/audit

fix: $(ready)
	$(run)/ruff format .
	$(run)/ruff check --fix .
	$(run)/python scripts/reference.py

reference: $(ready)
	@$(run)/python scripts/reference.py

bench: $(ready) .venv-bench/installed
	@$(run)/python benchmarks/run.py --sizes $(SIZES) --rounds $(ROUNDS) $(BENCH)

mutants: $(ready)
	@$(run)/python scripts/mutants.py $(MUTANTS)

$(ready): requirements.lock pyproject.toml scripts/setup
	@PYTHON="$(PYTHON)" scripts/setup

# The peers of the benchmarks have an environment of their own.
.venv-bench/installed: benchmarks/requirements.lock | $(ready)
	$(run)/python -m venv --clear .venv-bench
	.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@
