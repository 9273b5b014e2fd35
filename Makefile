# `make demo` shows what the package does, `make test` proves it; `make help` lists the rest.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STUB := python/canvas_studio/_core.pyi
WHEELS := target/wheels
SHELL := bash
.SHELLFLAGS := -euo pipefail -c

.PHONY: help demo test torture changelog notices release-check cross bench bench-sandbox instructions develop rust stubs check-stubs wheel python docs sdist clean
.DEFAULT_GOAL := help

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

# A virtual environment of the checkout's own, with exactly the tools that pyproject.toml names.
$(VENV)/tools: pyproject.toml
	@echo "== tools (about a minute the first time)"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.9,<1"
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --group dev
	touch $@

demo: $(VENV)/tools ## Build, and be led through the package on a Studio in a box (80 seconds the first time)
	@echo "== building (80 seconds the first time, seconds after that)"
	VIRTUAL_ENV=$(VENV) $(BIN)/maturin develop --uv
	$(BIN)/canvas-studio demo --output demo-output

bench: wheel ## Measure the release build beside other clients (25 minutes; BENCH=quick: six), or with BASE=OLD.whl
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --group bench
ifdef BASE
	$(BIN)/python -m benches.compare $(BASE) $(WHEELS)/*.whl $(BENCH)
else
	$(BIN)/python -m benches $(BENCH)
endif

bench-sandbox: wheel ## Measure the sandbox itself
	$(BIN)/python benches/sandbox.py

instructions: ## Count the instructions from page to objects, against orjson; needs valgrind
	@echo "== instructions: page to objects, against orjson"
	@command -v valgrind >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
		echo "   installing Debian's package valgrind, which counts them" && \
		{ apt-get update && apt-get install --yes valgrind; } >/dev/null 2>&1; } || true
	$(BIN)/python -m benches.instructions

develop: $(VENV)/tools ## Build into the virtual environment, for working on it
	VIRTUAL_ENV=$(VENV) $(BIN)/maturin develop --uv

test: rust check-stubs wheel python instructions docs sdist ## Run everything: about 14 minutes from a fresh clone on two busy cores
	@echo "== all is well"

changelog: $(VENV)/tools ## Show what the fragments in changes/ will be in CHANGELOG.md
	@$(BIN)/towncrier build --draft --version "$$($(BIN)/python -c 'import canvas_studio; print(canvas_studio.__version__)')"

notices: ## Write the notices of the crates that are linked in (installs cargo-about)
	command -v cargo-about >/dev/null || cargo install --quiet --locked --features cli --version '^0.9.3' cargo-about
	cargo fetch --quiet --locked
	cargo about generate --config release/about.toml --features python,sandbox --frozen --fail \
		--output-file THIRD_PARTY_NOTICES.txt release/notices.hbs

release-check: wheel sdist ## Check what a release needs beside make test: licences, notices, metadata, workflows (installs cargo-deny and cargo-about)
	@echo "== release: licences and sources of the crates"
	command -v cargo-deny >/dev/null || cargo install --quiet --locked cargo-deny
	cargo deny check --hide-inclusion-graph licenses bans sources
	@echo "== release: notices of the crates, written anew and compared"
	cp THIRD_PARTY_NOTICES.txt target/committed-notices.txt
	$(MAKE) --no-print-directory notices
	diff -u target/committed-notices.txt THIRD_PARTY_NOTICES.txt
	@echo "== release: the wheel, and one from the source distribution without git, in fresh environments"
	$(BIN)/python release/first_screen.py $(WHEELS)/*.whl
	mkdir -p target/sdist/without-git && printf '#!/bin/sh\nexit 127\n' > target/sdist/without-git/git && chmod +x target/sdist/without-git/git
	cd target/sdist/canvas_studio-*/ && PATH="$(CURDIR)/target/sdist/without-git:$$PATH" CARGO_TARGET_DIR=$(CURDIR)/target \
		$(CURDIR)/$(BIN)/maturin build --quiet --profile dev --out $(CURDIR)/target/sdist/wheels
	$(BIN)/python release/first_screen.py target/sdist/wheels/*.whl
	@echo "== release: what PyPI is given"
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --group release
	$(BIN)/validate-pyproject pyproject.toml
	$(BIN)/twine check --strict $(WHEELS)/*.whl target/sdist/*.tar.gz
	$(BIN)/check-wheel-contents $(WHEELS)
	$(BIN)/pyroma --min=10 --skip-tests=ValidREST target/sdist/*.tar.gz
	@echo "== release: workflows"
	$(BIN)/zizmor --offline --quiet --pedantic .github
	@echo "== release: what only a maintainer can fill in"
	! grep --line-number OWNER pyproject.toml || { echo "fill in OWNER: RELEASING.md" >&2; exit 1; }

cross: $(VENV)/tools ## Lint for Windows, macOS, ARM and musl by compiling for them; needs Debian (minutes for each of 5 targets)
	@echo "== cross: Windows, macOS, ARM, musl"
	release/cross.sh

torture: $(VENV)/tools ## Run the long suites: fuzz loops, full counts of kills, exits and chaos seeds, axe, PyInstaller (make wheel first)
	@echo "== torture"
	command -v cargo-nextest >/dev/null || cargo install --quiet --locked cargo-nextest
	FUZZ_FROM=0 FUZZ_SECONDS=120 cargo nextest run --features sandbox --test core --test-threads 5 fuzz_
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --group torture
	@command -v chromium >/dev/null || [ -n "$${CHROMIUM:-}" ] || [ "$$(id -u)" != 0 ] || \
		! command -v apt-get >/dev/null || \
		{ echo "   installing Debian's package chromium, for axe"; apt-get update && apt-get install --yes chromium; } >/dev/null 2>&1 || true
	FUZZ_FROM=0 $(BIN)/pytest -n 2 --dist loadfile --quiet -m torture

rust: ## Format, lint and test the core, without Python and with it
	@echo "== rust: format, lint, test"
	command -v cargo-nextest >/dev/null || cargo install --quiet --locked cargo-nextest
	cargo fmt --all --check
	cargo clippy --quiet --all-targets -- -D warnings
	cargo clippy --quiet --all-targets --features python -- -D warnings
	cargo clippy --quiet --all-targets --features python,sandbox -- -D warnings
	cargo nextest run --features sandbox --no-fail-fast --status-level slow

stubs: $(VENV)/tools ## Generate the type stub from the compiled module
	$(BIN)/maturin generate-stubs --quiet --features stubs --out target/stubs
	perl -pi -e 's/^(\s+)def (\w+_async\(.*\)) -> Awaitable\[(.*)\]:/$$1async def $$2 -> $$3:/' target/stubs/canvas_studio/_core.pyi
	$(BIN)/python release/stub_overloads.py target/stubs/canvas_studio/_core.pyi
	$(BIN)/ruff format --quiet --isolated --line-length 120 target/stubs
	cp target/stubs/canvas_studio/_core.pyi $(STUB)

check-stubs: $(VENV)/tools ## Fail if the committed stub is not the generated one
	@echo "== stub: generate, compare"
	test -s $(STUB)
	cp $(STUB) target/committed.pyi
	$(MAKE) --no-print-directory stubs
	diff -u target/committed.pyi $(STUB)

# On Linux, zig links against the glibc of manylinux2014, so that the wheel runs wherever pip takes it from PyPI.
MANYLINUX := $(if $(filter Linux,$(shell uname -s)),--zig --compatibility manylinux2014 --target $(shell uname -m)-unknown-linux-gnu)

wheel: $(VENV)/tools ## Build the release wheel and install it
	@echo "== wheel: the one release build (about 3 minutes the first time)"
	rm -rf $(WHEELS)
	CARGO_ENCODED_RUSTFLAGS="$$($(BIN)/python release/rustflags.py)" PATH="$(CURDIR)/$(BIN):$$PATH" \
		$(BIN)/maturin build --quiet --release $(MANYLINUX) --out $(WHEELS)
	$(BIN)/python release/clean_wheel.py $(WHEELS)/*.whl
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --reinstall --no-deps $(WHEELS)/*.whl
	@ls -l $(WHEELS)/*.whl | awk '{printf "   %s: %.2f MB\n", $$NF, $$5 / 1e6}'

python: ## Lint, type-check and test the package that is installed
	@{ command -v zsh && command -v fish; } >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
		echo "   installing Debian's packages zsh and fish, whose completion is tested" && \
		{ apt-get update && apt-get install --yes zsh fish; } >/dev/null 2>&1; } || true
	@echo "== python: lint, types, tests"
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/python -m mypy.stubtest canvas_studio._core --mypy-config-file pyproject.toml
	$(BIN)/pytest -n 2 --dist worksteal --quiet

# One of the project's addresses, which pyproject.toml holds.
url = $(shell sed -n 's/^$(1) = "\(.*\)"$$/\1/p' pyproject.toml)

docs: $(VENV)/tools ## Build the documentation; a broken link or an unknown name fails
	@echo "== docs"
	SITE_URL="$(call url,Documentation)" REPO_URL="$(call url,Source)" $(BIN)/zensical build --strict --clean
	grep --quiet "<loc>$(call url,Documentation)" site/sitemap.xml

sdist: $(VENV)/tools ## Check that the source distribution builds by itself
	@echo "== sdist"
	rm -rf target/sdist
	$(BIN)/maturin sdist --out target/sdist
	tar -xzf target/sdist/*.tar.gz -C target/sdist
	cmp THIRD_PARTY_NOTICES.txt target/sdist/*/THIRD_PARTY_NOTICES.txt
	cd target/sdist/*/ && CARGO_TARGET_DIR=$(CURDIR)/target cargo check --quiet --locked --features python,sandbox

clean: ## Remove what was built
	rm -rf target dist site $(VENV) demo-output
