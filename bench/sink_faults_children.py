"""The processes of `sink_faults.py` that are not the stack's own: the sinks, and the producer.

    python -m bench.sink_faults_children sink
    python -m bench.sink_faults_children producer --rows N --seed N --began TIME --rate N

Settings come from the environment.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from datetime import datetime

from bench.sink_faults_orders import CODEC, Workload
from consumers.clickhouse.sink import run_sink
from consumers.clickhouse.tables import TABLES
from schemas.publisher import Publisher
from schemas.registry import CommittedRegistry
from schemas.topics import DEAD_LETTERS, ORDERS
from tradewind.settings import Settings

#: Shorter than the settings allow, so that a dead sink's partitions are given away soon.
SESSION_S = 2.0


def be_sink() -> None:
    """Store until told to stop."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    settings = Settings().model_copy(update={"kafka_session_timeout_ms": int(SESSION_S * 1000)})
    tables = [table for table in TABLES if table.topic in (ORDERS, DEAD_LETTERS)]
    run_sink(settings, stop, registry=CommittedRegistry(), tables=tables)


def be_producer(workload: Workload, rate: float) -> None:
    """Send so many messages a second, as far as the numbers on standard input allow, and the rest when it ends."""
    allowed, ended = threading.Semaphore(0), threading.Event()

    def listen() -> None:
        before = 0
        for line in sys.stdin:
            allowed.release(int(line) - before)
            before = int(line)
        ended.set()
        allowed.release(workload.rows * 2)

    threading.Thread(target=listen, daemon=True).start()
    with Publisher(Settings().kafka_client(), CODEC) as publisher:
        due = time.monotonic()
        for key, value in workload.messages():
            allowed.acquire()
            if not ended.is_set():
                due = max(due + 1 / rate, time.monotonic() - 1)
                time.sleep(max(0.0, due - time.monotonic()))
            publisher.publish_bytes(ORDERS.name, key, value)


def main() -> None:
    """Be one of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("role", choices=["sink", "producer"])
    parser.add_argument("--rows", type=int)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--began", type=datetime.fromisoformat)
    parser.add_argument("--rate", type=float, help="messages a second")
    args = parser.parse_args()
    if args.role == "sink":
        be_sink()
    else:
        be_producer(Workload(args.rows, args.seed, args.began), args.rate)


if __name__ == "__main__":
    main()
