# The front door. `make` alone lists what there is; CI runs these same targets.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# The containers' Python before others, pyenv's included: since 3.12 coverage hardly costs a test anything. A Python
# that cannot make virtual environments comes last. PYTHON=… chooses another.
PYENV := $${PYENV_ROOT:-$$HOME/.pyenv}/versions
PYTHON ?= $(shell for module in ensurepip sys; do \
  for p in python3.13 $(PYENV)/3.13*/bin/python python3.12 $(PYENV)/3.12*/bin/python python3 python3.11 python3.14; do \
  $$p -c "import sys, $$module; sys.exit(sys.version_info < (3, 11))" >/dev/null 2>&1 && echo $$p && exit; done; done)
UV := .uv/bin/uv
BIN := .venv/bin
# The services' folders, from the one list of them.
SERVICES := $(shell sed -n 's/^folder *= *"\(.*\)"/\1/p' services.toml)
MEMBERS := -e 'shared[embedded]' $(addprefix -e ,$(SERVICES)) -e 'deploy/stack[embedded]'
LOADTESTS := loadtests/.venv/bin
# Tests often wait for servers, so more processes than cores; each has a Postgres and a Valkey of its own.
# One that dies ends the run: xdist would wait for its successor for ever.
TEST_PROCESSES ?= $(shell echo $$((2 * $$(getconf _NPROCESSORS_ONLN) + 1)))
# Python 3.12 and newer report a line once; older ones report each call, and greenlets have to be told apart.
MEASURED = $(shell $(BIN)/python -c 'import sys; sys.version_info < (3, 12) or \
  print("COVERAGE_CORE=sysmon COVERAGE_CONCURRENCY=thread")') $(BIN)/coverage run
PYPROJECTS := pyproject.toml shared/pyproject.toml $(addsuffix /pyproject.toml,$(SERVICES)) deploy/stack/pyproject.toml
COMPILE := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-emit-find-links --no-header --no-annotate
# Every version, build tools included, comes from the lock and is checked against its hashes.
INSTALL = $(UV) pip install --quiet --compile-bytecode --constraint $(1) --build-constraint requirements.lock
export UV_LINK_MODE ?= copy
# Tests start hundreds of processes: what one has compiled the next need not.
unexport PYTHONDONTWRITEBYTECODE

# What a target needs to be told: the variable, and an example.
need = $(if $($(1)),,$(error tell it which: make $@ $(1)=$(2)))

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: .venv/.services .venv/.development loadtests/.venv/.installed ## install everything into .venv and loadtests/.venv

# The gateway as its image has it: compiled where something has changed (docs/decisions/0035).
ifneq ($(COMPILED),)
demo test soak: .facet/compiled/.done
demo test soak: export PYTHONPATH = $(CURDIR)/.facet/compiled
endif

demo: .venv/.services ## run the whole system without Docker and try it; EXIT=1 stops afterwards, COMPILED=1 compiles the gateway first
	@exec $(BIN)/python -m stack $(if $(EXIT),--exit)

dev: .venv/.services ## one service with reload beside the running demo: SERVICE=items
	$(call need,SERVICE,items)
	@exec $(BIN)/python -m stack.dev $(SERVICE)

logs: .venv/.services ## one request's way through all services: ID=<X-Request-ID>; without it the newest lines
	@$(BIN)/python -m stack.logs $(ID)

admin: .venv/.services ## make an account an administrator: EMAIL=ada@example.com
	$(call need,EMAIL,ada@example.com)
	@$(BIN)/python -m stack.inside users users.admin grant $(EMAIL)

import-items: .venv/.services ## list what FILE has, one listing a line (NDJSON), through the gateway at HOST; FACET_API_KEY in the environment
	$(call need,FILE,stones.ndjson)
	@$(BIN)/python -m items.transfer import $(FILE) $(if $(HOST),--url $(HOST))

export-items: .venv/.services ## write all listings of FACET_API_KEY's owner to FILE; import-items takes it
	$(call need,FILE,stones.ndjson)
	@$(BIN)/python -m items.transfer export $(FILE) $(if $(HOST),--url $(HOST))

migration: .venv/.development ## write a migration from what changed in tables.py: SERVICE=items MESSAGE="add a colour"
	$(call need,SERVICE,items)
	$(call need,MESSAGE,"add a colour")
	@$(BIN)/python -m stack.migration $(SERVICE) "$(MESSAGE)"

new-service: .venv/.development ## write a service from the template and add it to the system: NAME=orders
	$(call need,NAME,orders)
	@$(BIN)/python -m stack.new_service $(NAME)

up: ## run the whole system with Docker Compose, until it is healthy
	docker compose up --build --wait

test: .venv/.services .venv/.development loadtests/.venv/.installed ## all tests that need no Docker; COVERAGE=1 also reports which lines they run, and fails below 95 %
ifeq ($(findstring loadtests,$(ARGS)),)
	@rm -f .coverage .coverage.*
	$(if $(COVERAGE),$(MEASURED),$(BIN)/python) -m pytest -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder --max-worker-restart 0 $(ARGS)
ifneq ($(COVERAGE),)
	@$(BIN)/coverage combine --quiet
	$(BIN)/coverage report $(if $(ARGS),,--fail-under=95)
endif
endif
ifneq ($(findstring loadtests,$(or $(ARGS),loadtests)),)
	$(LOADTESTS)/python -m pytest -c loadtests/pyproject.toml -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder --max-worker-restart 0 $(or $(ARGS),loadtests/tests)
endif

slowest: ## the tests again, and the 20 slowest of them; ARGS="loadtests/tests" for those of the load tests
	@$(MAKE) test ARGS="--durations=20 $(ARGS)"

check: .venv/.services .venv/.development loadtests/.venv/.installed ## lint, formatting and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy shared/src $(addsuffix /src,$(SERVICES)) deploy/stack/src deploy/compile.py deploy/healthy.py deploy/requirements.py
	$(LOADTESTS)/mypy --config-file loadtests/pyproject.toml loadtests/src

e2e: .venv/.services .venv/.development ## journeys and faults against the Compose system
	$(BIN)/python -m pytest tests/e2e -m e2e $(ARGS)

soak: .venv/.services .venv/.development loadtests/.venv/.installed ## the long forms of tests that `make test` runs shortened: minutes to hours
ifeq ($(findstring loadtests,$(ARGS)),)
	$(BIN)/python -m pytest -m soak --timeout 7200 -o faulthandler_timeout=0 $(ARGS)
endif
ifneq ($(findstring loadtests,$(or $(ARGS),loadtests)),)
	$(LOADTESTS)/python -m pytest -c loadtests/pyproject.toml -m soak --timeout 7200 -o faulthandler_timeout=0 $(or $(ARGS),loadtests/tests)
endif

load: loadtests/.venv/.installed ## load on whatever runs at HOST; USERS, RATE, TIME, ARGS=--help for all options
	$(LOADTESTS)/python -m loadtests.run $(if $(HOST),--host $(HOST)) $(if $(USERS),--users $(USERS)) \
	  $(if $(RATE),--rate $(RATE)) $(if $(TIME),--time $(TIME)) $(ARGS)

tune: .venv/.services loadtests/.venv/.installed ## find Facet's worker counts; SERVICE, SLO, BUDGET (CPUs), POOL="5 10", QUICK=1, MINUTES, COMPOSE=1; writes deploy/workers.env, with PUBLISH=1 docs and the picture of the report too
	$(LOADTESTS)/facet-tune facet $(if $(SERVICE),--service $(SERVICE)) $(if $(SLO),--slo $(SLO)) \
	  $(if $(BUDGET),--cpus $(BUDGET)) $(if $(POOL),--pool $(POOL)) $(if $(QUICK),--quick) $(if $(MINUTES),--minutes $(MINUTES)) $(if $(COMPOSE),--compose) $(if $(PUBLISH),--publish .) \
	  $(addprefix --compare ,$(wildcard docs/figures/tuning.json)) --write deploy/workers.env $(ARGS)

bench-gateway: .facet/compiled/.done loadtests/.venv/.installed ## our gateway beside others, in sections; writes docs/figures; ARGS="--only peers,latency --quick"
	$(LOADTESTS)/python -m loadtests.bench.gateway $(ARGS)

bench-services: .venv/.services loadtests/.venv/.installed ## our data services beside the usual design and the limit; writes docs/figures
	$(LOADTESTS)/python -m loadtests.bench.services $(ARGS)

bench-pages: .venv/.services loadtests/.venv/.installed ## what a page costs in a large table, and deep inside it; writes docs/figures
	$(LOADTESTS)/python -m loadtests.bench.pages $(ARGS)

bench-ml: .venv/.services loadtests/.venv/.installed ## our model server beside others, one core each; writes docs/figures
	$(LOADTESTS)/python -m loadtests.bench.ml $(ARGS)

bench-faults: .venv/.services loadtests/.venv/.installed ## what faults of Postgres and Redis do to routes that need neither; ARGS="--only postgres-slow redis-cut"
	$(LOADTESTS)/python -m loadtests.bench.faults $(ARGS)

train: .venv/.services .venv/.development ## rebuild the models from their data, byte for byte
	$(BIN)/python -m ml_training

oip-check: .venv/.services ## check a server against the Open Inference Protocol; URL, MODEL, HEADER="X-API-Key: …"
	@$(BIN)/python -m oip_check $(URL) --model $(or $(MODEL),digits) $(if $(HEADER),--header "$(HEADER)") $(ARGS)

format: .venv/.services .venv/.development ## format and mend what can be mended
	$(BIN)/ruff check --fix --quiet . || true
	$(BIN)/ruff format .

settings: .venv/.services ## write docs/settings.md from the settings classes
	@$(BIN)/python -m stack.settings_page

events: .venv/.services ## write docs/events.md and docs/asyncapi.json from the events' classes
	@$(BIN)/python -m stack.events_page

lock: $(UV) ## pin all versions anew
	$(COMPILE) --upgrade --all-extras --group dev --no-emit-package facet-shared $(PYPROJECTS) -o requirements.lock
	$(COMPILE) --upgrade --group loadtests/pyproject.toml:dev loadtests/pyproject.toml -o loadtests/requirements.lock
	$(COMPILE) --upgrade --group loadtests/pyproject.toml:peers -o loadtests/peers.lock
	$(COMPILE) --upgrade --group loadtests/pyproject.toml:traefik -o loadtests/traefik.lock
	$(COMPILE) --upgrade --group loadtests/pyproject.toml:data -o loadtests/data.lock
	$(COMPILE) --upgrade --group loadtests/pyproject.toml:caddy -o loadtests/caddy.lock
	for peer in by-hand litserve bentoml mlserver; do \
	  $(COMPILE) --upgrade --group loadtests/pyproject.toml:ml-$$peer -o loadtests/ml-$$peer.lock; done

clean: ## remove what make made, the demo's data included
	rm -rf .uv .venv loadtests/.venv .facet reports .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache

.PHONY: help install demo dev logs admin import-items export-items migration new-service up test slowest check e2e soak load tune bench-gateway bench-services bench-pages bench-ml bench-faults train oip-check format settings events lock clean

$(UV):
	@[ -n "$(PYTHON)" ] || { echo "Facet needs Python 3.11 or newer, and found none: install it or set PYTHON=…"; exit 1; }
	@$(PYTHON) -m venv .uv || { echo "$(PYTHON) cannot make virtual environments: install its venv package"; exit 1; }
	@.uv/bin/pip install --quiet --disable-pip-version-check uv

.venv/bin/python: | $(UV)
	@$(UV) venv --quiet --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')" .venv

.venv/.services: requirements.lock $(PYPROJECTS) | .venv/bin/python
	@echo "installing the services into .venv"
	@$(call INSTALL,requirements.lock) --python .venv $(MEMBERS)
	@touch $@

.venv/.development: .venv/.services
	@echo "installing what tests, checks and training need into .venv"
	@$(call INSTALL,requirements.lock) --python .venv --group dev -e 'shared[testing]' -e 'services/ml-predict[train]'
	@touch $@

.facet/compiled/.done: $(shell find shared/src gateway/src -name '*.py') gateway/pyproject.toml pyproject.toml requirements.lock deploy/compile.py | .venv/.development
	@echo "compiling the gateway into .facet/compiled"
	@$(BIN)/python deploy/compile.py .facet/compiled gateway/pyproject.toml shared/src gateway/src
	@touch $@

loadtests/.venv/.installed: loadtests/requirements.lock loadtests/pyproject.toml | $(UV)
	@echo "installing the load tests into loadtests/.venv"
	@[ -x loadtests/.venv/bin/python ] || $(UV) venv --quiet --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')" loadtests/.venv
	@$(call INSTALL,loadtests/requirements.lock) --python loadtests/.venv --group loadtests/pyproject.toml:dev -e loadtests
	@touch $@
