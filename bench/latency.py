"""From a question to its draft on Apache Kafka, and events a second without the model.

    python -m bench.latency [--seconds 90] [--orders 2000] [--events 16000] [--only questions|path]

Everything shares this machine: Apache Kafka with its ordinary JVM settings, the embedded ClickHouse, the registry, our
worker and sink, each a process of its own, the producers and the readers.

- questions: `tradewind worker --agents answer` with the shipped model and `tradewind sink`, beside a steady load of
  orders. Buyers ask the demo's questions at random moments, 1 and then 5 a second; a draft is readable when a consumer
  has it, and visible when a SELECT finds it. Questions that a guard hands to a person don't reach the model; those that
  did are counted apart as well.
- path: the worker where all texts come from templates, with 1 and 2 processes, the same tasks without Kafka, and our
  path without a task beside two others that promise the same: a plain Faust agent, and a loop with confluent-kafka.
  Those take 500 events at a time; ours works on 32 (TRADEWIND_WORKER_MAX_IN_FLIGHT), and is measured with 500 as well.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from bench import engine_machine
from bench.latency_figures import Figures, path_table, question_table
from bench.latency_path import NO_MODEL, paths, rate, tasks_alone
from bench.latency_questions import measure, publish_listings
from bench.on_kafka import Ground, ordinary, standing
from streams.app import ANSWER_APP, ENRICH_APP
from tests.support.tiny_model import write_folder
from tradewind.assembly import make_engine, make_publisher
from tradewind.processes import child, sink_child
from tradewind.stack.supervisor import Supervisor

RESULTS = Path(__file__).parent / "results" / "latency.json"
RATES = (1.0, 5.0)


def tell(text: str) -> None:
    """Progress, for whoever waits."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def questions(ground: Ground, seconds: float, orders_s: int) -> list[Figures]:
    """Waits at each pace."""
    worker = child("worker", ["worker", "--agents", "answer"], ground.settings, ground.logs, "tradewind_worker_ready")
    with Supervisor() as supervisor:
        with make_publisher(ground.settings) as publisher:
            publish_listings(publisher)
        tell("worker and sink start")
        supervisor.start(worker, sink_child(ground.settings, ground.logs))
        measure(ground, 2.0, 5.0, orders_s, seed=2)  # the first questions warm up what a process warms up but once
        rows = []
        for pace in RATES:
            tell(f"{pace:g} questions/s beside {orders_s:,} orders/s for {seconds:g} s")
            rows.append(measure(ground, pace, seconds, orders_s))
            tell(json.dumps(rows[-1]["all"]))
    return rows


def path(ground: Ground, folder: Path, events: int) -> list[Figures]:
    """Rates of all paths."""
    write_folder(folder / "tiny", "llama", max_position_embeddings=8192)
    no_model = {"model": str(folder / "tiny"), "model_positions": 4096, "model_threads": 1}
    settings = ground.settings.model_copy(update={**no_model, "model_languages": NO_MODEL})
    with make_publisher(settings) as publisher:
        publish_listings(publisher)
    rows = []
    for each in paths(events):
        for workers in (1, 2) if each.group in (ANSWER_APP, ENRICH_APP) else (1,):
            rows.append(rate(ground, settings, each, workers))
            tell(f"{each.what}, {workers}: {rows[-1]['events_s']:,.0f} events/s")
    engine = make_engine(settings)
    try:
        return rows + tasks_alone(engine, events)
    finally:
        engine.close()


def main() -> None:
    """Run what is asked for, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=90.0, help="how long questions are asked at each pace")
    parser.add_argument("--orders", type=int, default=2000, help="orders a second beside them")
    parser.add_argument("--events", type=int, default=16_000, help="events of the quickest path")
    parser.add_argument("--only", choices=["questions", "path"], help="one half; writes no file")
    args = parser.parse_args()
    found: dict[str, Any] = {"machine": {"cores": engine_machine.cores(), **engine_machine.processor()}}
    with tempfile.TemporaryDirectory() as folder:
        kafka = ordinary(Path(folder) / "kafka")
        found["kafka"] = kafka.version
        found["load_average_before"] = engine_machine.load_average()
        tell(f"Apache Kafka {kafka.version} starts")
        with standing(Path(folder), kafka) as ground:
            if args.only != "path":
                found["questions"] = questions(ground, args.seconds, args.orders)
            if args.only != "questions":
                found["path"] = path(ground, Path(folder), args.events)
    console = Console(width=110)
    if "questions" in found:
        console.print(question_table(found["questions"]))
    if "path" in found:
        console.print(path_table(found["path"]))
    if args.only is None:
        RESULTS.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
        tell(f"written to {RESULTS.relative_to(Path.cwd())}")


if __name__ == "__main__":
    main()
