"""Events over HTTP, acknowledged by Kafka: how many a second, how soon, and beside it what people write first.

    python -m bench.edge_ingest [--seconds 10] [--connections 32] [--kafka] [--only-ours]

The broker (the embedded one, with --kafka Apache Kafka), the gateway and the client share this machine, so the figures
are for all of them together. Every answer is read, and what Kafka then has is held against what was acknowledged.

- batches: 100 orders a request, JSON, a result for each; again compressed, as Avro, and with `Prefer: return=minimal`.
- single: one order a request; ours and three handlers of FastAPI under the same client: the plain one, which produces
  and flushes, and two that are written for speed. The ratios are to the plain one and to the best of the three.
- paced: single orders at a steady pace, timed from when each was due.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import fastavro
import orjson
from backports import zstd

from bench.edge_ingest_peers import KINDS
from bench.edge_load import Load, Outcome, drive, request
from bench.engine_machine import cores, load_average, processor
from schemas.reader import partition_ends
from schemas.records import parsed_schema
from schemas.validation import validate
from streams import topics
from streams.gateway.key_store import create
from streams.gateway.keys import Scope
from tests.support.processes import cpu_s, memory_mb
from tradewind.assembly import settings_for
from tradewind.settings import Settings
from tradewind.stack.local import LocalStack, StackConfig
from tradewind.stack.ports import choose_port

RESULTS = Path(__file__).parent / "results" / "edge-ingest.json"
MERCHANT = "m-bench"
_BATCH, _BATCHES, _SINGLES = 100, 200, 20_000
_READY_S = 30.0

Figures = dict[str, Any]


def orders(count: int, seed: int = 7) -> list[dict[str, Any]]:
    """Order lines as a shop sends them."""
    rng = random.Random(seed)
    return [
        {
            "event_id": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
            "occurred_at": f"2026-03-01T09:{rng.randrange(60):02}:{rng.randrange(60):02}.{rng.randrange(1000):03}Z",
            "merchant_id": MERCHANT,
            "order_id": f"o-{rng.randrange(10**9)}",
            "line": 1 + rng.randrange(4),
            "listing_id": f"l-{rng.randrange(5000)}",
            "kind": rng.choice(["PLACED", "PAID", "SHIPPED"]),
            "quantity": 1 + rng.randrange(3),
            "amount": f"{rng.randrange(100, 30_000) / 100:.2f}",
            "currency": "EUR",
            "buyer_id": f"b-{rng.randrange(10**6)}",
            "store": "app",
        }
        for _ in range(count)
    ]


def avro_file(rows: Sequence[dict[str, Any]]) -> bytes:
    """The rows as an Avro container file."""
    file = io.BytesIO()
    fastavro.writer(file, parsed_schema("OrderEvent"), [validate("OrderEvent", row) for row in rows])
    return file.getvalue()


@contextmanager
def serving(settings: Settings, url: str, *command: str) -> Iterator[int]:
    """A process that answers there, ended with the block; gives its id."""
    child = subprocess.Popen(
        [sys.executable, "-m", *command],
        env={**os.environ, **settings.environment()},
        stdout=subprocess.DEVNULL,
        stderr=None if os.environ.get("BENCH_LOG") else subprocess.DEVNULL,
    )
    try:
        give_up = time.monotonic() + _READY_S
        while not _answers(url):
            if child.poll() is not None or time.monotonic() > give_up:
                raise SystemExit(f"{' '.join(command)} does not answer; BENCH_LOG=1 shows why")
            time.sleep(0.05)
        yield child.pid
    finally:
        child.terminate()
        child.wait(60)


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=2):
            return True
    except HTTPError:
        return False
    except OSError:
        return False


class Bench:
    """What is measured with, and what was found."""

    def __init__(self, settings: Settings, broker_pid: int, seconds: float, connections: int) -> None:
        self.settings, self.broker_pid = settings, broker_pid
        self.seconds, self.connections = seconds, connections
        self.figures: Figures = {}
        self.acknowledged = 0

    def measure(self, name: str, pid: int, load: Load, each: int) -> Outcome:
        """One load, after a short one that warms up; notes and prints its figures.

        Args:
            each: events of one request.

        Raises:
            SystemExit: something was not acknowledged.
        """
        self.acknowledged += drive(Load(load.port, load.requests, load.connections, 1.5, load.rate)).accepted
        before, began = (cpu_s(pid), cpu_s(self.broker_pid)), time.perf_counter()
        outcome = drive(load)
        took = time.perf_counter() - began
        if set(outcome.statuses) != {202} or outcome.accepted != each * len(outcome.waits_ms):
            raise SystemExit(f"{name}: not all was acknowledged: {dict(outcome.statuses)}")
        self.acknowledged += outcome.accepted
        server, broker = cpu_s(pid) - before[0], cpu_s(self.broker_pid) - before[1]
        found = outcome.figures() | {
            "server_cores": round(server / took, 2),
            "broker_cores": round(broker / took, 2),
            "server_cpu_us_per_event": round(server / outcome.accepted * 1e6, 1),
        }
        if each > 1:
            found = {"events_s": round(outcome.accepted / outcome.seconds)} | found
        self.figures[name] = found
        print(f"{name}: {json.dumps(found)}", file=sys.stderr)
        return outcome

    def load(self, port: int, requests: Sequence[bytes], **change: Any) -> Load:
        """With what was asked for on the command line."""
        return Load(port, requests, **{"connections": self.connections, "seconds": self.seconds} | change)


def ours(bench: Bench) -> None:
    """The gateway."""
    settings = bench.settings
    _, key = create(settings.gateway_keys_file, merchant_id=MERCHANT, scopes=[Scope.PUBLISH], events_per_s=1_000_000)
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    rows = orders(_BATCH * _BATCHES)
    batches = [rows[start : start + _BATCH] for start in range(0, len(rows), _BATCH)]

    def requests(pack: Callable[[list[dict[str, Any]]], bytes], **more: str) -> list[bytes]:
        return [request("/v1/orders", pack(batch), headers | more) for batch in batches]

    singles = [request("/v1/orders", orjson.dumps(row), headers) for row in rows[:_SINGLES]]
    port = settings.gateway_port
    with serving(settings, f"http://127.0.0.1:{port}/readyz", "tradewind", "gateway") as pid:
        few = min(8, bench.connections)
        before = _ends(settings)
        loads = {
            "batches": requests(orjson.dumps),
            "batches_minimal": requests(orjson.dumps, prefer="return=minimal"),
            "batches_gzip": requests(lambda b: gzip.compress(orjson.dumps(b), 6), **{"content-encoding": "gzip"}),
            "batches_zstd": requests(lambda b: zstd.compress(orjson.dumps(b)), **{"content-encoding": "zstd"}),
            "batches_avro": requests(avro_file, **{"content-type": "application/avro"}),
            "batches_avro_zstd": requests(
                lambda b: zstd.compress(avro_file(b)),
                **{"content-type": "application/avro", "content-encoding": "zstd"},
            ),
        }
        for name, made in loads.items():
            outcome = bench.measure(name, pid, bench.load(port, made, connections=few), _BATCH)
            bench.figures[name]["request_bytes"] = round(sum(map(len, made)) / len(made))
            del outcome
        bench.measure("single", pid, bench.load(port, singles), 1)
        bench.measure("single_one_connection", pid, bench.load(port, singles, connections=1), 1)
        bench.measure("single_paced_200_s", pid, bench.load(port, singles, connections=16, rate=200.0), 1)
        bench.figures["gateway_peak_rss_mb"] = int(memory_mb(pid, "VmHWM"))
        if (there := _ends(settings) - before) != bench.acknowledged:
            raise SystemExit(f"{bench.acknowledged} events were acknowledged, and Kafka has {there}")
        bench.figures["kafka_has_what_was_acknowledged"] = there


def peers(bench: Bench, more: Sequence[str]) -> None:
    """What people write first.

    Args:
        more: for their command line.
    """
    singles = [request("/orders", orjson.dumps(row), {"content-type": "application/json"}) for row in orders(_SINGLES)]
    for kind in KINDS:
        port = choose_port(0)
        url = f"http://127.0.0.1:{port}/openapi.json"
        with serving(bench.settings, url, "bench.edge_ingest_peers", kind, str(port), *more) as pid:
            bench.measure(f"single_fastapi_{kind}", pid, bench.load(port, singles), 1)


def ratios(figures: Figures) -> Figures:
    """Single events of ours to those of the plain handler, and of the best one."""
    peer = {kind: figures[f"single_fastapi_{kind}"]["requests_s"] for kind in KINDS}
    best = max(KINDS, key=lambda kind: peer[kind])
    mine = figures["single"]["requests_s"]
    return {
        "single_ratio_to_plain": round(mine / peer["flush"], 2),
        "single_ratio_to_best": round(mine / peer[best], 2),
        "best_peer": best,
    }


def _ends(settings: Settings) -> int:
    return sum(last for _, last in partition_ends(settings.kafka_client(), ["orders.v1"]).values())


@contextmanager
def ground(folder: Path, kafka: bool) -> Iterator[tuple[Settings, int]]:
    """A broker with its topics, and its process's id."""
    given = Settings(data_dir=folder, metrics_port=-1, gateway_port=choose_port(0))
    if kafka:
        from bench.on_kafka import ordinary
        from tests.kafka.cluster import KafkaCluster

        with KafkaCluster(ordinary(folder / "kafka")) as cluster:
            settings = given.model_copy(update={"bootstrap_servers": cluster.bootstrap_servers})
            topics.create(settings)
            yield settings, cluster.pid()
    else:
        with LocalStack(StackConfig(folder)) as stack:
            settings = settings_for(given, stack.endpoints)
            topics.create(settings)
            yield settings, stack.pids()["broker"]


def main() -> None:
    """Run all, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0, help="how long each load lasts")
    parser.add_argument("--connections", type=int, default=32, help="connections of the loads of single events")
    parser.add_argument("--kafka", action="store_true", help="on Apache Kafka; writes edge-ingest-kafka.json")
    parser.add_argument("--only-ours", action="store_true", help="without the peers; writes no file")
    args = parser.parse_args()
    started = datetime.now(timezone.utc).isoformat(timespec="seconds")
    load_before = load_average()
    with tempfile.TemporaryDirectory() as folder, ground(Path(folder), args.kafka) as (settings, broker_pid):
        bench = Bench(settings, broker_pid, args.seconds, args.connections)
        ours(bench)
        if not args.only_ours:
            peers(bench, [] if args.kafka else ["--not-idempotent"])
    figures: Figures = {
        "started": started,
        "cores": cores(),
        **processor(),
        "load_before": load_before,
        "broker": "Apache Kafka" if args.kafka else "embedded",
        "connections_single": args.connections,
        "events_in_a_batch": _BATCH,
        **bench.figures,
    }
    if not args.only_ours:
        figures |= ratios(figures)
        file = RESULTS.with_stem("edge-ingest-kafka") if args.kafka else RESULTS
        file.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
