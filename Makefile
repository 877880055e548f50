# medbill: `make demo` shows it, `make test` checks it. Both set themselves up from Python 3.11 or later and make alone.
.POSIX:
.SUFFIXES:

PYTHON ?=
SEEDS ?= 500
FROM ?= 0
FILES ?=
START ?=
ONLY ?=

BIN = .venv/bin
READY = .venv/.ready

.PHONY: help setup demo test simulate failpoints bitflips drills mutants coverage mutation faults floods bench bench-check lock clean
help:
	@echo 'make demo                     the story of the system in about two minutes'
	@echo 'make test                     format, lint, types, import contracts, tests, a short simulation'
	@echo 'make simulate SEEDS=n FROM=s  n simulated networks with faults, from seed s on'
	@echo 'make failpoints ONLY=part     kills and disk errors at every named place of running nodes (also START=label)'
	@echo 'make bitflips                 a bit flipped at 200 places of every kind of file: no wrong answer'
	@echo 'make drills                   losses and repairs over real processes, with a table'
	@echo 'make mutants                   every seeded bug must be found; the table goes to tests/mutants/README.md'
	@echo 'make coverage                  branch coverage of consensus/ and chain/'
	@echo 'make mutation FILES="..."      mutation score of consensus/, file by file; takes hours, can be stopped'
	@echo 'make faults                   real processes: 20 kills, two of four down for a minute, catching up'
	@echo 'make floods                   ten minutes of a flooding validator and a flooding client'
	@echo 'make bench                    how fast, beside what the machine could do; charts in bench/'
	@echo 'make bench-check              ratios of today against those on record'
	@echo 'make setup                    the environment in .venv (PYTHON=... chooses the interpreter)'
	@echo 'make lock                     the two requirements files again, from pyproject.toml (needs uv)'
	@echo 'make clean                    remove .venv, caches and built files'

setup: $(READY)

# uv is used when it is there, because it is faster; pip makes the same environment. Both check every hash and build nothing but ours.
# uv_build looks for its program on PATH, hence the last step's PATH. Compiled once here: a demo starts a hundred processes.
$(READY): requirements-dev.lock pyproject.toml
	@set -eu; \
	python=''; \
	for candidate in $(PYTHON) $$(test -n '$(PYTHON)' || echo python3 python3.11 python3.12 python3.13); do \
	    if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$$candidate; break; fi; \
	done; \
	if test -z "$$python"; then \
	    echo 'medbill needs Python 3.11 or later: apt-get install python3 python3-venv, or name one: make setup PYTHON=...' >&2; exit 1; \
	fi; \
	if ! $(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    if ! command -v uv >/dev/null 2>&1 && ! "$$python" -c 'import ensurepip, venv' 2>/dev/null; then \
	        echo 'this Python has no venv module: apt-get install python3-venv' >&2; exit 1; \
	    fi; \
	    echo "setting up .venv with $$("$$python" --version)" >&2; rm -rf .venv; \
	    if command -v uv >/dev/null 2>&1; then \
	        uv venv -q --python "$$(command -v "$$python")" .venv; \
	    else \
	        "$$python" -m venv .venv; \
	    fi; \
	fi; \
	if command -v uv >/dev/null 2>&1; then \
	    uv pip install -q --compile-bytecode --python $(BIN)/python --require-hashes --only-binary :all: -r requirements-dev.lock; \
	    PATH="$$PWD/$(BIN):$$PATH" uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation --editable .; \
	else \
	    $(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip >/dev/null; \
	    $(BIN)/python -m pip install -q --require-hashes --only-binary=:all: -r requirements-dev.lock; \
	    PATH="$$PWD/$(BIN):$$PATH" $(BIN)/python -m pip install -q --no-deps --no-build-isolation --editable .; \
	fi; \
	$(BIN)/python -m compileall -q -j 0 chain consensus faces node exports archives api cli || true; \
	touch $(READY)

demo: $(READY)
	@$(BIN)/medbill demo

test: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy --strict
	$(BIN)/lint-imports
	@# what mostly waits, for a window or a midnight, waits beside the rest
	log=$$(mktemp); $(BIN)/pytest -m waits >$$log 2>&1 & waits=$$!; trap 'kill $$waits' INT TERM; \
	    $(BIN)/pytest -m 'not waits'; others=$$?; \
	    wait $$waits; code=$$?; cat $$log; rm -f $$log; exit $$((others + code))
	$(BIN)/python -m tests.simulator --seeds 50

simulate: $(READY)
	@$(BIN)/python -m tests.simulator --seeds $(SEEDS) --from $(FROM)

failpoints: $(READY)
	@$(BIN)/python -m tests.failpoints --from '$(START)' --only '$(ONLY)'

bitflips: $(READY)
	@$(BIN)/python -m tests.drills.bitflips

# The last one mounts small file systems: it needs the right to.
drills: $(READY)
	@$(BIN)/python -m tests.drills

mutants: $(READY)
	@$(BIN)/python -m tests.mutants --resume .mutants.jsonl --write

# Branches that the stories of the two packages and a few simulated networks go through.
coverage: $(READY)
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest tests/consensus tests/chain tests/node/test_evidence.py tests/failpoints/test_failpoint.py
	$(BIN)/coverage run --append -m tests.simulator --seeds 8 --verbose >/dev/null
	$(BIN)/coverage report -m

# Hours: goes on where it was stopped. FILES="evidence timers" chooses.
mutation: $(READY)
	@$(BIN)/python -m tests.mutants.mutation $(FILES)

# Kills, an outage of two for a minute, catching up.
faults: $(READY)
	@$(BIN)/python -m tests.faults.kills --times 20 --pair 60
	@$(BIN)/python -m tests.faults.catch_up --seconds 60

floods: $(READY)
	@$(BIN)/python -m tests.faults.floods --minutes 10 --warm-up 480 --bills-before 200000

# The files hold hashes and no address: uv.lock and other makers write where packages came from.
bench: $(READY)
	@$(BIN)/medbill bench --charts bench

bench-check: $(READY)
	@$(BIN)/python -m bench.check

lock:
	@command -v uv >/dev/null 2>&1 || { echo 'make lock needs uv: pip install uv' >&2; exit 1; }
	uv pip compile -q --generate-hashes --universal --python-version 3.11 -o requirements.lock pyproject.toml
	uv pip compile -q --generate-hashes --universal --python-version 3.11 --extra dev -o requirements-dev.lock pyproject.toml

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
