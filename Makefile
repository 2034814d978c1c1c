# Each target is one line that calls the npm script of the same name; `make` alone lists them.
.DEFAULT_GOAL := help
# The Node of package.json, not the machine's.
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)
export KEEP MINUTES KAFKA_VERSIONS
# Version 2 (a plugin of docker) or 1.29 (a program of its own), whichever is installed.
COMPOSE ?= $(shell docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose)
# Compose profiles beside the default services, separated by commas: observability, tools.
PROFILES ?=
export COMPOSE_PROFILES = $(PROFILES)
comma := ,
ifneq ($(filter observability,$(subst $(comma), ,$(PROFILES))),)
export OTEL_EXPORTER_OTLP_ENDPOINT ?= http://jaeger:4318
endif
# A label of the image.
export REVISION ?= $(shell git rev-parse HEAD 2>/dev/null)
WAIT_READY = node src/main.ts health --wait 300

.PHONY: help check test unit integration failure compat deploy-test stack soak mutants demo recovery bench bench-quick hot-path codecs flat endurance sbom screenshots fmt docs up down clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

check: node_modules ## format, lint, types, dead code, prose, unit tests: under twenty seconds
	@npm run -s check
test: node_modules ## every test, on a real Kafka and registry: containers where there is Docker, else jars
	@npm run -s test
unit: node_modules ## the unit tests alone
	@npm run -s unit
integration: node_modules ## the integration tests alone
	@npm run -s integration
failure: node_modules ## the failure suite alone: processes, brokers, network, clocks (about nine minutes)
	@npm run -s failure
screenshots: node_modules ## pictures of the console in both themes, for docs/images (needs Debian's chromium)
	@npm run -s screenshots
compat: node_modules ## every login on every supported version of Kafka (about six minutes; KAFKA_VERSIONS="4.0.2 4.4.0")
	@npm run -s compat
deploy-test: node_modules ## the chart with helm 3 and 4, the alert rules on real faults (bash .ci/tools.sh installs what they need)
	@npm run -s deploy-test
stack: node_modules ## the image and docker-compose.yml: builds, starts, kills a processor, verifies, removes
	@npm run -s stack
soak: node_modules ## the failure suite unbounded, repeatedly with new seeds (MINUTES=60)
	@npm run -s soak
mutants: node_modules ## plants faults one by one and shows that the tests catch each
	@npm run -s mutants
demo: node_modules ## shows the whole flow: broker, registry, bridge, two processors (KEEP=1 keeps it up)
	@npm run -s demo
recovery: node_modules ## how long a partition is silent after each kind of death (about eight minutes)
	@npm run -s recovery
bench: node_modules ## throughput, latency, crash, restore, trace and look-ups, beside peers, on a broker of its own
	@npm run -s bench
hot-path: node_modules ## what an event costs in the processor, step by step
	@npm run -s hot-path
codecs: node_modules ## what reading an event costs by the codec of its batch (seconds)
	@npm run -s codecs
flat: node_modules ## whether an event costs more with more ids, partitions or routes (about ten minutes)
	@npm run -s flat
endurance: node_modules ## whether anything grows in an hour under an even load (MINUTES=60, RATE=200)
	@npm run -s endurance
bench-quick: node_modules ## whether a change has made the processor slower (under a minute)
	@npm run -s bench-quick
sbom: ## writes sbom.cdx.json: the packages of the image with their licences, in CycloneDX
	@npm run -s sbom
docs: node_modules ## renews the generated pages in docs/
	@npm run -s docs
fmt: node_modules ## formats, and applies the linter's safe fixes
	@npm run -s fmt
up: ## the production-like stack of docker-compose.yml, built from this folder (PROFILES=observability,tools)
	$(COMPOSE) up --build --detach
	@$(COMPOSE) exec -T bridge $(WAIT_READY)
	@$(COMPOSE) exec -T processor $(WAIT_READY)
down: ## stops it and removes its data
	COMPOSE_PROFILES=observability,tools $(COMPOSE) down --volumes --remove-orphans
clean: ## removes what was installed and downloaded
	rm -rf node_modules .cache coverage

node_modules: package.json package-lock.json
	@echo '· installing packages (npm ci)' >&2
	@npm ci --no-audit --no-fund --loglevel=error
	@touch node_modules
