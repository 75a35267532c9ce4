# The commands of the project. `make help` lists them.

CARGO ?= cargo
# What `make load` and `make bench` pass on.
ARGS ?=

# What `make schemathesis` asks for.
CASES ?= 5000

# What `make tus` tests, and the headers that it sends there.
URL ?=
HEADERS ?=

.PHONY: help run test tools schemathesis tus bench load clean
.DEFAULT_GOAL := help

help: ## list the commands
	@sed -n 's/^\([a-z]*\):.*## \(.*\)$$/\1	\2/p' Makefile | expand -t 14

run: ## build for release, serve the demo company, keep its records in ./data
	$(CARGO) build --release --locked
	./target/release/frontdesk serve --demo --data data

test: tools ## install what tests need, then check format, lints, tests and documentation
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	$(CARGO) test --locked --workspace --no-fail-fast
	$(CARGO) test --locked --bench codec --bench room --bench journal --bench fanout --bench passwords
	$(CARGO) test --locked --bench start -- --quick
	cd web && node --test
	$(CARGO) build --locked --release # what `make run` builds: optimised code can fail where other code does not
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps

tools:
	./scripts/install-test-tools.sh

schemathesis: tools ## more requests made from the OpenAPI document; CASES=5000 says how many
	SCHEMATHESIS_CASES=$(CASES) $(CARGO) test --locked --test openapi -- --nocapture

tus: ## whether a server speaks tus; URL=http://127.0.0.1:1080/files/ names another than ours
	TUS_URL="$(URL)" TUS_HEADERS="$(HEADERS)" $(CARGO) test --locked --test tus -- $(ARGS)

bench: ## measure the parts; ARGS="--bench codec" picks one
	$(CARGO) bench --locked $(ARGS)

load: ## measure the whole; ARGS="steady --help" says what can be set
	$(CARGO) load $(or $(ARGS),steady)

clean: ## remove what was built; ./data stays
	$(CARGO) clean
