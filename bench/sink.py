"""How fast and how fresh orders come into ClickHouse: our sink, and beside it what people write first.

    python -m bench.sink [--rows 2000000] [--quix-rows 300000] [--rate 20000] [--seconds 20]

Broker, ClickHouse, producer and consumer share this machine, so the figures are for all of them together. Each
consumer is a process of its own and reads the same topic; its rate is taken from its first visible row to its last.

- ours: `tradewind sink`, all topics subscribed, with its default settings.
- plain: confluent-kafka, fastavro's decode of each message, clickhouse-connect's insert of columns, 50,000 rows each.
- quix: a quixstreams application with a BatchingSink, the same decode and the same insert, 50,000 messages a commit.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clickhouse_connect.driver.client import Client

from bench.sink_load import fill, steady
from consumers.clickhouse.client import open_client
from consumers.clickhouse.migrate import migrate
from streams import topics
from tests.support.processes import memory_mb
from tradewind.assembly import settings_for
from tradewind.settings import Settings
from tradewind.stack.local import LocalStack, StackConfig

RESULTS = Path(__file__).parent / "results" / "sink.json"
_POLL_S = 0.01


@contextmanager
def process(settings: Settings, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """A Python process with these settings, ended with the block."""
    child = subprocess.Popen(
        [sys.executable, "-m", *command],
        env={**os.environ, **settings.environment()},
        stdout=subprocess.DEVNULL,
        stderr=None if os.environ.get("BENCH_LOG") else subprocess.DEVNULL,
    )
    try:
        yield child
    finally:
        child.terminate()
        child.wait(60)


def count(client: Client, table: str) -> int:
    """Rows of the table, from its metadata."""
    return int(client.query(f"SELECT count() FROM {table}").result_rows[0][0])


def rows_a_second(client: Client, table: str, rows: int, child: subprocess.Popen[bytes]) -> float:
    """Rows a second from the first that is visible to the last."""

    def wait_for(least: int) -> int:
        while (found := count(client, table)) < least:
            if child.poll() is not None:
                raise SystemExit(f"the process that fills {table} ended with {child.returncode} at {found} rows")
            time.sleep(_POLL_S)
        return found

    first = wait_for(1)
    started = time.monotonic()
    last = wait_for(rows)
    return (last - first) / (time.monotonic() - started)


def freshness(client: Client, settings: Settings, rate: int, seconds: int) -> list[float]:
    """Milliseconds from produce to visible in a SELECT, median and 99th percentile, at a steady rate.

    The rows of one insert share `_inserted_at` and become visible at once; when that was is seen by asking for new
    ones every few milliseconds.
    """
    before = count(client, "orders")
    seen: dict[int, float] = {}
    newest = int(client.query("SELECT toUnixTimestamp64Milli(max(_inserted_at)) FROM orders").result_rows[0][0])
    with steady(settings, rate, seconds):
        while count(client, "orders") < before + rate * seconds:
            found = client.query(
                "SELECT DISTINCT toUnixTimestamp64Milli(_inserted_at) FROM orders"
                " WHERE _inserted_at > fromUnixTimestamp64Milli({newest:Int64})",
                parameters={"newest": newest},
            )
            now = time.time() * 1000
            for (insert,) in found.result_rows:
                seen.setdefault(insert, now)
            newest = max([newest, *seen])
            time.sleep(_POLL_S)
    now = time.time() * 1000
    for (insert,) in client.query(
        "SELECT DISTINCT toUnixTimestamp64Milli(_inserted_at) FROM orders"
        " WHERE _inserted_at > now() - INTERVAL 5 MINUTE"
    ).result_rows:
        seen.setdefault(insert, now)
    inserts = sorted(seen)
    waited = client.query(
        "SELECT quantilesExact(0.5, 0.99, 1)(transform(toUnixTimestamp64Milli(_inserted_at), {inserts:Array(Int64)},"
        " {visible:Array(Float64)}, 0.) - toUnixTimestamp64Milli(occurred_at)) FROM orders"
        " WHERE occurred_at > now() - INTERVAL 1 HOUR",
        parameters={"inserts": inserts, "visible": [seen[insert] for insert in inserts]},
    )
    return [float(value) for value in waited.result_rows[0][0]]


def main() -> None:
    """Run all, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_000_000, help="orders to drain")
    parser.add_argument("--quix-rows", type=int, default=300_000, help="quixstreams is stopped after so many")
    parser.add_argument("--rate", type=int, default=20_000, help="orders a second while freshness is measured")
    parser.add_argument("--seconds", type=int, default=20, help="how long freshness is measured")
    parser.add_argument("--only-ours", action="store_true", help="without the peers; writes no file")
    args = parser.parse_args()
    figures: dict[str, float] = {"rows": args.rows}
    with tempfile.TemporaryDirectory() as folder, LocalStack(StackConfig(Path(folder))) as stack:
        settings = settings_for(Settings(data_dir=Path(folder), metrics_port=-1), stack.endpoints)
        topics.create(settings)
        migrate(settings)
        client = open_client(settings)
        print(f"filling the topic with {args.rows:,} orders ...", file=sys.stderr)
        fill(settings, args.rows)
        with process(settings, "tradewind", "sink") as child:
            figures["ours_rows_s"] = round(rows_a_second(client, "orders", args.rows, child))
            print(f"ours {figures['ours_rows_s']:,.0f} rows/s", file=sys.stderr)
            p50, p99, worst = freshness(client, settings, args.rate, args.seconds)
            figures["peak_rss_mb"] = int(memory_mb(child.pid, "VmHWM"))
        if not args.only_ours:
            for name, rows in (("plain", args.rows), ("quix", args.quix_rows)):
                client.command(f"CREATE TABLE {name} AS orders")
                with process(settings, "bench.sink_peers", name) as child:
                    figures[f"{name}_rows_s"] = round(rows_a_second(client, name, rows, child))
                    print(f"{name} {figures[f'{name}_rows_s']:,.0f} rows/s", file=sys.stderr)
                figures[f"ratio_{name}"] = round(figures["ours_rows_s"] / figures[f"{name}_rows_s"], 2)
    figures |= {
        "events_s_while_fresh": args.rate,
        "produce_to_visible_p50_ms": round(p50),
        "produce_to_visible_p99_ms": round(p99),
        "produce_to_visible_max_ms": round(worst),
    }
    if not args.only_ours:
        RESULTS.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
