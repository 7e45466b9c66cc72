# Everything that a newcomer needs: `make demo` and `make test`. Both need Python 3.11 or later, make and a package registry.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCK := $(VENV)/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header
READY := $(VENV)/.ready

.PHONY: demo stack test check audit fuzz bench bench-quick plots chaos model reference docs screenshots format lock release image-test image-deps e2e-deps clean translations

demo: $(READY)
	$(BIN)/alertrouter demo

# The sample service with Prometheus, Alertmanager, PostgreSQL, alertrouter and a PagerDuty sandbox around it (make e2e-deps installs the
# first two). FASTER=1 takes the rules' durations as they are.
stack: $(READY)
	@$(BIN)/python -m tools.stack $(if $(FASTER),--faster $(FASTER))

test: $(READY)
	$(BIN)/pytest -n 2

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/zensical build --strict -f zensical.toml

# Known faults of the packages that are shipped, from the registry's own list; asks it, so it is not part of `check`.
audit: $(READY)
	$(BIN)/pip-audit --strict --disable-pip --require-hashes -r requirements.txt

# Foreign bytes for every parser that meets them, for minutes; `test` tries a few.
fuzz: $(READY)
	FUZZ_EXAMPLES=4000 $(BIN)/pytest -n 2 tests/fuzz

# Figures, with real processes on loopback; nothing is asserted. The load comes from wrk (apt-get install wrk).
BENCH := PYTHONPATH=tests $(BIN)/python benchmarks

bench: $(READY)
	$(BENCH)/intake.py
	$(BENCH)/delivery.py
	$(BENCH)/timers.py
	$(BENCH)/storm.py
	$(BENCH)/outage.py
	$(BENCH)/overload.py
	$(BENCH)/volume.py
	$(BENCH)/weight.py
	$(BENCH)/growth.py
	$(BENCH)/runbooks.py
	$(BENCH)/pages.py
	$(BENCH)/neighbour.py

# The pictures in docs/performance.md, from what was measured last.
plots: $(READY)
	$(BENCH)/plots.py

# The first of them, in less than two minutes.
bench-quick: $(READY)
	$(BENCH)/intake.py --seconds 2 --rounds 2 --keep quick

# The pages of docs/ that are made from the code, the README and CONTRIBUTING.
reference: $(READY)
	$(BIN)/python -m tools.reference

# The pages' catalogues after a text has changed: fill in what is empty in the .po files, and run it again.
translations: $(READY)
	$(BIN)/python -m tools.translations

# The documentation as a site in dist/site; a link that leads nowhere is an error.
docs: $(READY)
	$(BIN)/zensical build --strict -f zensical.toml

# Real processes, killed, frozen, cut off, failed over and upgraded while they page; some thirty minutes. One run, with a seed of your
# choice: PYTHONPATH=tests .venv/bin/python -m chaos --help
chaos: $(READY)
	$(BIN)/pytest -m chaos

# Every order of events that the protocol between replicas has, and what goes wrong without each of its guards.
model: $(READY)
	PYTHONPATH=tests $(BIN)/python -m model

# The pictures in the README.
screenshots: $(READY)
	PYTHONPATH=tests $(BIN)/python tools/screenshots.py

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The pinned requirements, for every platform, with hashes and without an index's address.
lock: $(READY)
	$(LOCK) pyproject.toml --extra postgres --extra fallback --extra oidc --extra traces -o requirements.txt
	$(LOCK) pyproject.toml --extra dev -o requirements-dev.txt
	printf 'hatchling\nhatch-vcs\n' | $(LOCK) - -o requirements-build.txt

# Builds the image with buildah and runs it as Kubernetes would; wants root, and Debian's buildah and debootstrap (make image-deps).
image-test: $(READY)
	$(BIN)/pytest -m image tests/image

image-deps:
	apt-get update
	DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends buildah debootstrap

# Everything that a release consists of, in dist/, and proof that it can be installed; nothing is sent anywhere. The version is the tag's (v1.2.3).
release: $(READY)
	rm -rf dist
	$(BIN)/hatchling build
	$(BIN)/twine check --strict dist/*.whl dist/*.tar.gz
	PYTHON=$(PYTHON) deploy/try-wheel.sh dist/*.whl dist/.venv
	sed "s/^dynamic = .*/version = \"$$($(BIN)/hatchling version)\"/" pyproject.toml > dist/pyproject.toml
	$(BIN)/cyclonedx-py environment --pyproject dist/pyproject.toml --output-reproducible -o dist/alertrouter.cdx.json dist/.venv/bin/python
	rm -r dist/.venv dist/pyproject.toml
	cd dist && sha256sum * > SHA256SUMS && cat SHA256SUMS

# What the end-to-end tests need from Debian; they are skipped, loudly, where it is absent.
e2e-deps:
	apt-get update
	DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends prometheus prometheus-alertmanager chromium systemd

clean:
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(READY): requirements-dev.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes --no-deps -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	touch $@
