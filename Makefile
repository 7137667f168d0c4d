# Works with GNU make 3.81 and BSD tools. `make help` lists the targets.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
FUZZ := .venv-fuzz
FUZZ_SECONDS := 120
FUZZ_SEED := 0
CACHES := build .mypy_cache .pytest_cache .ruff_cache .hypothesis sisr_bench.egg-info

.PHONY: help env demo test lint docs notebook tables bench reproduce attacks fuzz clean
.DEFAULT_GOAL := help

help:
	@echo 'make env        .venv with srbench and its development tools'
	@echo 'make demo       bicubic and IMDN-BAM on the embedded images under two protocols, without a network'
	@echo 'make test       the test suite; with SRBENCH_TEST_DATA also the tests on real data'
	@echo 'make lint       ruff and mypy --strict'
	@echo 'make docs       the documentation site, every warning an error'
	@echo 'make notebook   run the notebooks in examples/, and compare what they print with what they store'
	@echo 'make tables     write the tables of the catalogues into docs/*.md and studies/README.md'
	@echo 'make bench      speed against peers and limits, as a Markdown table'
	@echo 'make reproduce  every table of the report (needs SRBENCH_TEST_DATA)'
	@echo 'make fuzz       fuzz the readers of strangers'"'"' files, FUZZ_SECONDS each'
	@echo 'make attacks    try over a thousand hostile files on the readers, and count the outcomes in SECURITY.md'
	@echo 'make clean      remove .venv and everything generated (fetched files stay in the cache)'

env: $(STAMP)

# A name on PATH is not yet an interpreter (shims of version managers fail when run, Debian splits off ensurepip),
# so each candidate has to prove itself by running.
# The extras onnx, figures and tracking come along for their tests.
$(STAMP): pyproject.toml constraints.txt
	@set -e; \
	if ! $(BIN)/python -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
	  chosen=; \
	  for candidate in python3.13 python3.12 python3.11; do \
	    if $$candidate -c 'import ensurepip, venv' >/dev/null 2>&1; then chosen=$$candidate; break; fi; \
	  done; \
	  if [ -z "$$chosen" ]; then \
	    echo 'srbench needs Python 3.13, 3.12 or 3.11 with venv and ensurepip; none of them runs here.' >&2; \
	    echo 'Debian, Ubuntu: apt install python3-venv; Fedora: dnf install python3.13; macOS: brew install python@3.13' >&2; \
	    exit 1; \
	  fi; \
	  echo "creating $(VENV) with $$chosen"; \
	  $$chosen -m venv --clear $(VENV); \
	fi
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,onnx,figures,tracking]'
	@touch $(STAMP)

demo: $(STAMP)
	SRBENCH_OFFLINE=1 $(BIN)/srbench evaluate --model bicubic --dataset Sample --scale 4 --protocol matlab-y --protocol bam2021
	@echo
	SRBENCH_OFFLINE=1 $(BIN)/srbench evaluate --model zoo:imdn-bam --dataset Sample --scale 4 --protocol matlab-y --protocol bam2021

test: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses=auto --maxprocesses=4 --dist=worksteal

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# The theme's notice about a later MkDocs is of no use here: the versions are fixed.
docs: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo 'the documentation is at build/docs/index.html; to search in it: $(BIN)/python -m http.server --directory build/docs'

notebook: $(STAMP)
	$(BIN)/python -m tests.notebook_runner --check examples/*.ipynb

tables: $(STAMP)
	$(BIN)/python docs/hooks/catalogues.py

bench: $(STAMP)
	$(BIN)/python -m benchmarks

reproduce: $(STAMP)
	$(BIN)/python -m benchmarks.reproduce

attacks: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m fuzz.run_attacks

# The fuzzer's environment adds atheris to what $(VENV) holds; atheris has wheels for Linux alone.
$(FUZZ)/.installed: $(STAMP)
	$(BIN)/python -m venv --clear $(FUZZ)
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > "$$($(FUZZ)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/srbench-base.pth"
	$(FUZZ)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps 'atheris==3.0.0'
	@touch $@

fuzz: $(FUZZ)/.installed
	for target in submission table checkpoint picture sample run entry study unpacking; do $(FUZZ)/bin/python -m fuzz $$target $(FUZZ_SECONDS) $(FUZZ_SEED) || exit 1; done

clean:
	rm -rf $(VENV) $(FUZZ) $(CACHES)
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
