# The two main commands are make demo and make test; make help lists the others.
# A target installs what it needs on its first use: Python packages into .venv, and the binaries of a
# real Kubernetes into a cache outside this checkout.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DOCS_STAMP := $(VENV)/.docs-installed
PINS := constraints.txt
CLUSTER := $(PYTHON) -m tests.cluster
CRD_FOLDERS := crds charts/perfrun/files/crds
LOWEST := build/lowest/bin
# Unit tests of code that runs on any system and needs no Kubernetes client.
PORTABLE := tests/unit/api tests/unit/measure
# Unit tests of runs on this machine, which has to be Linux; they need no Kubernetes client either.
LOCAL := $(addprefix tests/unit/,engine launcher local observe pytest_plugin reach report worker)

# Tests start some thousand processes of perfrun: they compile its modules once, and not each time.
unexport PYTHONDONTWRITEBYTECODE
# As in the image.
export OPENBLAS_NUM_THREADS := 1
export PYDANTIC_DISABLE_PLUGINS := 1

.DEFAULT_GOAL := help
.PHONY: help bench campaign demo demo-stall demo-down test test-unit test-conformance test-integration test-e2e check check-manifests docs quick format crds \
        test-portable test-lowest changelog dist chart krew release-check release-notes \
        cluster-up cluster-down image venv lock clean clean-cache

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

demo: $(STAMP) ## a first test on a real cluster: embedded, or the one of KUBECONFIG
	@$(BIN)/python -m tests.demo up

demo-stall: $(STAMP) ## a server that stalls: truth, perfrun and k6 side by side
	@$(BIN)/python -m tests.conformance stall --peers k6

demo-down: $(STAMP) ## remove what the demo created (the embedded cluster stays: cluster-down)
	@$(BIN)/python -m tests.demo down

test: $(STAMP) ## everything, with real components; ends with the time of each stage
	@$(BIN)/python -m tests.stages

test-unit: $(STAMP) ## unit tests, in seconds
	@$(BIN)/python -m tests.stages units

test-conformance: $(STAMP) ## the engine against servers whose behaviour is known
	@$(BIN)/python -m tests.stages conformance

test-integration: $(STAMP) ## with a real API server, and real local loads
	@$(BIN)/python -m tests.stages integration integration-timing manifests integration-alone

test-e2e: $(STAMP) ## the image, the chart and a whole cluster
	@$(BIN)/python -m tests.stages e2e e2e-disturbs e2e-timing e2e-alone

test-portable: $(STAMP) ## unit tests of code that runs on any system, not only on Linux
	$(BIN)/pytest -n 4 $(PORTABLE)

test-lowest: ## unit tests with the lowest versions that pyproject.toml allows, without and with the packages of the operator
	@$(PYTHON) -m venv --clear build/lowest
	@$(LOWEST)/pip install --quiet uv
	$(LOWEST)/uv pip install --quiet --python $(LOWEST)/python --resolution lowest-direct \
	    --editable '.[browser,observe,pytest,sql]' --group units
	$(LOWEST)/python -m pytest -n 2 $(PORTABLE) $(LOCAL)
	$(LOWEST)/uv pip install --quiet --python $(LOWEST)/python --resolution lowest-direct \
	    --editable '.[browser,observe,operator,pytest,sql]' --group units
	$(LOWEST)/python -m pytest -n 2 $(PORTABLE) tests/unit/logic tests/unit/cli tests/unit/coordinator

campaign: $(STAMP) ## all faults in all phases, a long soak, a thousand manifests; writes docs/explanation/reliability.md
	@$(CLUSTER) build --e2e
	@mkdir -p build && rm -f build/campaign.jsonl
	$(BIN)/pytest tests/e2e/faults tests/e2e/test_soak.py tests/e2e/test_trend.py \
	    tests/integration/controller/test_clock.py tests/integration/controller/test_fairness.py \
	    tests/integration/controller/test_fuzz.py tests/integration/controller/test_mutants.py \
	    tests/integration/controller/test_busy.py \
	    tests/unit/coordinator/test_hostile.py tests/conformance/test_weak_generator.py \
	    --campaign build/campaign.jsonl
	$(BIN)/python -m tests.e2e.faults.outcomes build/campaign.jsonl

bench: $(STAMP) ## benchmarks beside wrk, oha, hey, vegeta, k6 and Locust (installs them), as tables
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks.transports --rounds 3 --seconds 1

check: $(STAMP) ## lint, types, import directions, drift of generated files: no root, no Go, no cluster
	$(BIN)/ruff check
	$(BIN)/ruff format --check --quiet
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m perfrun.api.schema.crd --check $(CRD_FOLDERS)
	$(BIN)/python -m perfrun.api.schema.reference --check docs/reference/fields.md
	$(BIN)/python -m perfrun.report.schema --check docs/reference

check-manifests: $(STAMP) ## deploy/base and the README of the chart are up to date, a real API server accepts all documented manifests, actionlint
	@$(CLUSTER) build
	$(BIN)/pytest tests/integration/test_manifests.py tests/integration/test_workflows.py

docs: $(DOCS_STAMP) ## the site of docs/, in build/site; a dead link or a page that nav leaves out is an error
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build
	@echo "build/site/index.html"

quick: $(STAMP) ## ruff, mypy and unit tests of what has changed since the last commit, in seconds
	@$(BIN)/python -m tests.quick

format: $(STAMP) ## ruff, with automatic fixes
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

crds: $(STAMP) ## CRDs, the field reference, the kustomize base and the README of the chart, from the code and the chart
	$(BIN)/python -m perfrun.api.schema.crd $(CRD_FOLDERS)
	$(BIN)/python -m perfrun.api.schema.reference docs/reference/fields.md
	$(BIN)/python -m perfrun.report.schema docs/reference
	@$(CLUSTER) build
	@PATH=$$($(CLUSTER) path):$$PATH deploy/render.sh
	@$(CLUSTER) chart-readme

cluster-up: ## start the embedded cluster, or reuse it
	@$(CLUSTER) up
	@echo 'eval "$$($(CLUSTER) env)"   # for kubectl and helm in this shell'

cluster-down: ## stop the embedded cluster
	@$(CLUSTER) down

image: cluster-up ## build the image and load it into the embedded cluster
	@$(CLUSTER) image localhost/perfrun:dev .

venv: $(STAMP) ## the Python environment for development, in .venv

$(STAMP): pyproject.toml $(PINS)
	@$(PYTHON) -c 'import sys; sys.exit("perfrun needs Python 3.11 or newer; this is %d.%d: set PYTHON=python3.x" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	@echo "installing Python packages into $(VENV)"
	@$(PYTHON) -m venv $(VENV) || { echo "the venv module is missing: apt-get install python3-venv" >&2; exit 2; }
	@$(BIN)/pip install --quiet --upgrade pip
	@$(BIN)/pip install --quiet --editable '.[browser,operator,observe,sql]' --group dev --constraint $(PINS)
	@touch $@

$(DOCS_STAMP): $(STAMP)
	@$(BIN)/pip install --quiet --group docs --constraint $(PINS)
	@touch $@

lock: ## update constraints.txt to the newest versions
	@$(PYTHON) -m venv --clear build/lock
	@build/lock/bin/pip install --quiet --upgrade pip
	@build/lock/bin/pip install --quiet '.[browser,operator,observe,sql]' --group dev --group docs
	@{ echo '# The versions that are tested and built into the image. Made by `make lock`.'; \
	    build/lock/bin/pip freeze --exclude perfrun; } > $(PINS)
	@rm -rf build/lock

changelog: $(STAMP) ## turn changelog.d into a section of CHANGELOG.md: VERSION=x.y.z; without it, only show it
	@$(BIN)/towncrier build $(if $(VERSION),--yes --version $(VERSION),--draft --version next)

dist: $(STAMP) ## wheel and sdist, in dist
	$(BIN)/hatchling build -d dist

krew: dist ## the archive that deploy/krew/perfrun.yaml names, in dist
	tar -C deploy/krew -cf dist/kubectl-perfrun.tar kubectl-perfrun
	tar -rf dist/kubectl-perfrun.tar LICENSE -C dist $$(cd dist && ls -t perfrun-*.whl | head -1)
	gzip -f dist/kubectl-perfrun.tar
	@cd dist && sha256sum kubectl-perfrun.tar.gz

chart: ## the chart as a package, in dist; with helm from PATH, or the one compiled here
	@mkdir -p dist
	@PATH=$$PATH:$$($(CLUSTER) path) helm package charts/perfrun --destination dist

release-check: $(STAMP) ## whether TAG may be released: TAG, IMAGE and BASE_IMAGE are variables
	@$(BIN)/python -m tests.release check

release-notes: $(STAMP) ## the section of CHANGELOG.md for TAG, in build/notes.md
	@$(BIN)/python -m tests.release notes

clean-cache: ## remove the binaries and images outside this checkout (~/.cache/perfrun)
	@$(CLUSTER) forget

clean: ## remove .venv and the caches of tools
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist
