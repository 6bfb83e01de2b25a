# The two commands are `make run-dev` and `make test`; each makes what it needs.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
PORT ?= 8080

# Where images go, and what builds them: docker, podman or buildah. VARIANT: cpu, or cuda (for the studio overlay).
REGISTRY ?= localhost:5001
ENGINE ?= docker
VARIANT ?= cpu
TAG ?= $(shell git describe --always --dirty 2>/dev/null || echo dev)
IMAGE = $(REGISTRY)/agent-reasoning$(if $(filter cuda,$(VARIANT)),-cuda)

.PHONY: install run-dev test test-full check bench bench-events validate manifests dashboards build push image-local lock \
        programs deploy-studio deploy-pro deploy-local

install: .venv/installed

.venv/installed: requirements.txt requirements-dev.txt constraints.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -r requirements-dev.txt -c constraints.txt
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-build-isolation --no-deps -e .
	touch $@

run-dev: install
	HOST=127.0.0.1 PORT=$(PORT) LOG_FORMAT=console $(BIN)/agent-reasoning serve

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

test: check
	$(BIN)/pytest

# Three quarters of an hour, on a machine that does nothing else. LitServe and the load generator are installed for it.
bench: install
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -r benchmarks/serving/requirements.txt -c constraints.txt
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m benchmarks.serving --env SLOTS=16 --env MAX_QUEUE=16 --soak 10
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python benchmarks/search.py --instances 200 --hard 20 --json benchmarks/results/search.json
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python benchmarks/service.py --json benchmarks/results/service.json

# Some minutes: 10,000 events through a broker in memory, while the service is killed and connections break.
bench-events: install
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m benchmarks.events --json benchmarks/results/events.json

# With the tests that need programs from outside Python; it installs those programs.
test-full: check programs
	RUN_EXTERNAL=1 $(BIN)/pytest

programs:
	@command -v prometheus >/dev/null && command -v promtool >/dev/null || \
	  { apt-get update -qq && apt-get install -y -qq --no-install-recommends prometheus; }
	@command -v chromium >/dev/null || \
	  { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; }

# The manifests: does every overlay build, and would a cluster take it and serve with it?
validate: install
	$(BIN)/hadolint Dockerfile
	$(BIN)/python -m tools.observe --check
	$(BIN)/python -m tools.manifests

# What would be applied, as YAML in build/manifests.
manifests: install
	$(BIN)/python -m tools.manifests --write build/manifests

# The Grafana dashboard and the Prometheus rules, written into the base.
dashboards: install
	$(BIN)/python -m tools.observe

build:
	$(ENGINE) build $(BUILD_FLAGS) --build-arg VARIANT=$(VARIANT) -t $(IMAGE):$(TAG) .

# Pushes, and writes the image's digest into the overlays (k8s/kustomize/images): commit that.
push: install build
	mkdir -p build
ifeq ($(ENGINE),docker)
	docker push $(IMAGE):$(TAG)
	docker inspect --format '{{index .RepoDigests 0}}' $(IMAGE):$(TAG) | sed 's/.*@//' > build/digest
else
	$(ENGINE) push $(PUSH_FLAGS) --digestfile build/digest $(IMAGE):$(TAG)
endif
	$(BIN)/python -m tools.release $(VARIANT) $(IMAGE)@$$(cat build/digest)

# PROMETHEUS=no: for a cluster without the Prometheus Operator.
deploy-studio deploy-pro deploy-local: deploy-%: install
	$(BIN)/python -m tools.manifests --published $(if $(filter no,$(PROMETHEUS)),without-prometheus/)$*
	$(BIN)/python -m tools.deploy $(if $(filter no,$(PROMETHEUS)),--without-prometheus) $*

# Builds the image without an engine or a registry and starts it read-only; root, and Debian's buildah and debootstrap.
image-local: install
	@command -v buildah >/dev/null && command -v debootstrap >/dev/null || \
	  { apt-get update -qq && apt-get install -y -qq --no-install-recommends buildah debootstrap; }
	$(BIN)/python -m tools.image_local

# requirements.lock, after a change of requirements.txt or constraints.txt.
lock: install
	$(PYTHON) -m venv build/lock && build/lock/bin/pip install --quiet uv==0.13.9
	{ sed -n '/^#/p;/^[^#]/q' requirements.lock; \
	  build/lock/bin/uv pip compile requirements.txt -c constraints.txt --generate-hashes --no-header --no-annotate --quiet \
	    --no-emit-package torch --python-version 3.11 --python-platform x86_64-manylinux_2_28; } > build/resolved.lock
	# What torch alone needs goes with its build, for CPU or CUDA, and is not among the constraints.
	awk -F== 'function same(name) { gsub(/[_.]/, "-", name); return tolower(name) } \
	  FILENAME != ARGV[ARGC - 1] { pinned[same($$1)]; next } /^[^ ]/ { keep = /^#/ || same($$1) in pinned } keep' \
	  constraints.txt requirements-dev.txt build/resolved.lock > requirements.lock
