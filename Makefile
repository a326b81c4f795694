# On a fresh machine: `make demo` trains a small GAN and draws its pictures; `make test` runs
# every check. Both install into .venv. Choose another Python with `make demo PYTHON=python3.12`.

CANDIDATES := python3 python3.13 python3.12 python3.11
USABLE := import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))
ifndef PYTHON
PYTHON := $(shell for p in $(CANDIDATES); do $$p -c '$(USABLE)' 2>/dev/null && echo $$p && break; done)
endif
CORES := $(shell nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)
VENV := .venv
CONSTRAINTS := constraints.txt
OLDEST := .venv-oldest
BIN := $(VENV)/bin
DEMO := runs/demo
STEPS := 1500
TRAINING := dcgan --config demo
GALLERY := runs/gallery
FACES := runs/sagan-anime

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1

.PHONY: demo gallery sagan-anime test test-portable test-shuffled test-oldest tests lint types audit docs docs-tables clean

# One thread: so small a network gains little from more, and collapses where cores are shared.
demo: export OMP_NUM_THREADS ?= 1
demo: $(VENV)/package.stamp
	@if [ -d $(DEMO)/checkpoints/step-$$(printf %06d $(STEPS)) ]; then \
		echo "$(DEMO) is trained; remove it to train anew"; \
	elif [ -d $(DEMO) ]; then $(BIN)/ganwright resume $(DEMO); \
	else $(BIN)/ganwright train $(TRAINING) --steps $(STEPS) --out $(DEMO); fi
	@echo "Pictures: $$(ls $(DEMO)/samples/*.png | tail -n 1)"
	@echo "Report:   $(DEMO)/report.html"

gallery: $(VENV)/package.stamp
	$(BIN)/python benchmarks/gallery.py --out $(GALLERY) --jobs $(CORES)

sagan-anime: $(VENV)/package.stamp
	@[ -d "$(DATA)" ] || { echo "name a folder of pictures, as in make sagan-anime DATA=faces" >&2; exit 1; }
	@if [ -d $(FACES) ]; then $(BIN)/ganwright resume $(FACES); \
	else $(BIN)/ganwright train sagan --config sagan-anime --data "$(DATA)" --out $(FACES); fi

test: lint types tests

tests: $(VENV)/dev.stamp
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses $(CORES) --maxprocesses 4

# Half an hour or more each: see CONTRIBUTING.
test-portable: $(VENV)/dev.stamp
	$(BIN)/python benchmarks/suite.py portable --cores $(CORES)

test-shuffled: $(VENV)/dev.stamp
	$(BIN)/python benchmarks/suite.py shuffled

# The tests with the oldest torch that pyproject.toml allows.
test-oldest: $(OLDEST)-constraints.txt
	$(MAKE) VENV=$(OLDEST) CONSTRAINTS=$< tests

$(OLDEST)-constraints.txt: constraints.txt
	sed -e 's/^torch==.*/torch==2.11.*/' -e 's/^torchvision==.*/torchvision==0.26.*/' $< > $@

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports
	$(BIN)/python docs/prose.py

types: $(VENV)/dev.stamp
	$(BIN)/mypy

# Known holes in what is installed, by the index's database; it fails where that cannot be reached.
audit: $(VENV)/dev.stamp
	$(BIN)/pip install --quiet 'pip-audit>=2.9'
	$(BIN)/pip freeze --exclude-editable > $(VENV)/installed.txt
	$(BIN)/pip-audit --strict --no-deps --disable-pip --requirement $(VENV)/installed.txt

docs: $(VENV)/docs.stamp
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

docs-tables: $(VENV)/dev.stamp
	$(BIN)/python docs/tables.py

clean:
	rm -rf $(VENV) $(OLDEST) $(OLDEST)-constraints.txt site .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

$(VENV)/package.stamp: EXTRAS :=
# The strict build of the documentation is one of the tests, and so are notebooks and attacks.
$(VENV)/dev.stamp: EXTRAS := [dev,docs,notebooks,attacks]
$(VENV)/docs.stamp: EXTRAS := [docs]

# A virtual environment left by another Python, or half made, is made anew.
$(VENV)/%.stamp: pyproject.toml $(CONSTRAINTS)
	@$(PYTHON) -c '$(USABLE)' 2>/dev/null || { echo "ganwright needs Python 3.11 or newer with venv and pip" \
	"(got '$(PYTHON)'): install one, then name it, as in make PYTHON=python3.12" >&2; exit 1; }
	@[ -x $(BIN)/pip ] && [ "$$($(BIN)/python -V)" = "$$($(PYTHON) -V)" ] \
	|| $(PYTHON) -m venv --clear $(VENV)
	@echo "Installing into $(VENV) (some gigabytes the first time) ..."
	@$(BIN)/pip install --quiet --quiet --constraint $(CONSTRAINTS) --editable '.$(EXTRAS)' \
	|| { echo "Installation failed; if torch has no build for $$($(PYTHON) -V), choose another" \
	"Python, as in make PYTHON=python3.12" >&2; exit 1; }
	@touch $@
