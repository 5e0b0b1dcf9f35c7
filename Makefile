# make run and make test set up all they need, on Debian or Ubuntu with git, make and Python 3.10 or later.

PYTHON ?= python3
PORT ?= 8000
ROUNDS ?= 5
EXAMPLES ?= 3000
SECONDS ?= 3
BIN := .venv/bin
MODELS := $(patsubst %/model.toml,%/live,$(wildcard extra_files/*/model.toml))
STATIC := $(filter-out %.gz,$(wildcard lm_app/static/lm_app/*.* lm_app/static/lm_app/vendor/*.*))
APT := $(if $(SKIP_APT),:,contrib/apt_install.sh)

.PHONY: help
help: ## Show this help
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

.PHONY: run
run: .env $(MODELS) static ## Set up, train the models that have no version yet, and serve on PORT (8000); it says what to open
	PORT=$(PORT) exec $(BIN)/python -m ml_api

.PHONY: static
static: $(STATIC:=.gz) ## Compress what the pages load

%.gz: %
	gzip -9 -n -k -f $<

.PHONY: train
train: .env .venv/installed ## Train all models
	$(BIN)/python manage.py runscript update_lm

.PHONY: scale
scale: .venv/installed ## Install what trains on and scores data that are larger than memory
	$(BIN)/pip install -q --disable-pip-version-check -r contrib/requirements-scale.txt

.PHONY: test
test: lint ## Set up, then run the linters, the type check and the tests
	$(BIN)/python -m pytest

.PHONY: lint
lint: .venv/installed-dev .venv/lint/installed ## Run the linters and the type check
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/air format --check .
	$(BIN)/typos
	$(BIN)/shellcheck .ci/run contrib/apt_install.sh
	.venv/lint/bin/hadolint Dockerfile
	.venv/lint/bin/checkov
	! command -v terraform >/dev/null || terraform fmt -check -recursive terraform

.PHONY: screenshots
screenshots: .venv/installed-dev .env $(MODELS) static ## Take the pictures of the main page that the documentation shows
	DJANGO_SETTINGS_MODULE=ml_api.settings $(BIN)/python -m tests.pages.screenshots

.PHONY: fuzz
fuzz: .venv/installed-dev ## Send, store and train EXAMPLES (3000) of each kind at random, and kill workers for a minute
	FUZZ_EXAMPLES=$(EXAMPLES) KILL_SECONDS=60 KILLS=60 PUBLICATIONS=200 $(BIN)/python -m pytest --no-cov -rP --show-capture=stdout tests/faults/test_fuzz.py tests/faults/test_watched_formulas.py tests/faults/test_kills.py tests/store/test_faults.py

.PHONY: audit
audit: .venv/installed .venv/lint/installed ## Look for known vulnerabilities in what the server needs
	.venv/lint/bin/pip-audit --progress-spinner off --path "$$(echo .venv/lib/python3.*/site-packages)"

.PHONY: bench
bench: .venv/installed benchmarks/.venv/installed ## Measure it against other servers; quick: ROUNDS=1 SECONDS=1; half an hour of mixed load: PARTS=soak; 10,000,000 rows: PARTS="scale digits"
	$(BIN)/python -m benchmarks.run --rounds $(ROUNDS) --seconds $(SECONDS) $(PARTS)

.PHONY: format
format: .venv/installed-dev ## Format the code
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(BIN)/air format .

.env: | .venv/installed
	$(BIN)/python contrib/setup_env_and_terraform.py

extra_files/%/live: | .venv/installed .env
	$(BIN)/python manage.py runscript update_lm --script-args $*

# RPY2_CFFI_MODE=API: without it, rpy2 that can't compile falls back to a slower way in silence.
# --no-cache-dir: a cached rpy2 may have been compiled for another R.
.venv/installed: requirements.txt contrib/requirements-r4.6.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or later is needed; name one: make PYTHON=...")'
	$(APT) r-base-core r-base-dev r-cran-svglite python3-dev python3-venv
	$(PYTHON) -m venv .venv
	RPY2_CFFI_MODE=API $(BIN)/pip install -q --no-cache-dir --disable-pip-version-check -r requirements.txt
	@if R -s -e 'quit(status = getRversion() < "4.6")'; then set -x; \
	RPY2_CFFI_MODE=API $(BIN)/pip install -q --no-cache-dir --disable-pip-version-check -r contrib/requirements-r4.6.txt; fi
	RPY2_CFFI_MODE=API $(BIN)/python -c 'import rpy2.rinterface'
	touch $@

.venv/installed-dev: requirements-dev.txt contrib/requirements-files.txt contrib/requirements-redis.txt contrib/requirements-scale.txt contrib/requirements-traces.txt .venv/installed
	$(BIN)/pip install -q --disable-pip-version-check -r requirements-dev.txt
	$(APT) curl iproute2 nodejs prometheus r-cran-curl r-cran-httr2 r-cran-jsonlite r-cran-mass r-cran-testthat redis-server strace
	if grep -q '^ID=ubuntu' /etc/os-release; then $(BIN)/playwright install --with-deps chromium; else $(APT) chromium; fi
	touch $@

# checkov wants other versions of what the tests use.
.venv/lint/installed: contrib/requirements-deploy.txt | .venv/installed
	$(PYTHON) -m venv .venv/lint
	.venv/lint/bin/pip install -q --disable-pip-version-check -r contrib/requirements-deploy.txt
	touch $@

benchmarks/.venv/installed: benchmarks/requirements.txt
	$(APT) r-cran-data.table r-cran-plumber wrk time
	$(PYTHON) -m venv benchmarks/.venv
	benchmarks/.venv/bin/pip install -q --disable-pip-version-check -r benchmarks/requirements.txt
	touch $@
