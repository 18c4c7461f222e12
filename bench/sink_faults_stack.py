"""What `sink_faults.py` lets die: broker, ClickHouse, a sink and a producer, each a process, in one folder."""

from __future__ import annotations

import logging
import os
import random
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from clickhouse_connect.driver.client import Client
from confluent_kafka.admin import AdminClient, NewTopic

from bench.sink_faults_checks import create_peer
from bench.sink_faults_orders import Workload
from consumers.clickhouse.client import open_client
from consumers.clickhouse.migrate import migrate
from consumers.clickhouse.settle import TIERS, SettlePolicy, Settler
from schemas.topics import DEAD_LETTERS, ORDERS
from tests.support import waiting
from tradewind.settings import Settings
from tradewind.stack.broker import broker_spec
from tradewind.stack.clickhouse.auth import PASSWORD_VARIABLE
from tradewind.stack.local import http_ready
from tradewind.stack.ports import choose_port
from tradewind.stack.supervisor import ChildExit, ProcessSpec, RestartPolicy, Supervisor

HOST = "127.0.0.1"
PARTITIONS = 4
#: About what one fault takes, from the restart of what died to the next fault.
FAULT_S = 4.0
DEADLINE_S = 90.0
CHILD = (sys.executable, "-m", "bench.sink_faults_children")
AT_ONCE = RestartPolicy(attempts=1_000_000, initial_s=0.1, max_s=0.1)
SILENT = logging.getLogger(f"{__name__}.librdkafka")


@dataclass(frozen=True, slots=True)
class Options:
    """How large a run is."""

    rows: int = 1_000_000
    kills: int = 50
    restarts: int = 5
    rebalances: int = 20
    seed: int = 1

    @property
    def faults(self) -> int:
        """How often something dies or changes hands."""
        return max(1, self.kills + self.restarts + self.rebalances)


@dataclass
class Run:
    """What stands while faults happen to it."""

    options: Options
    settings: Settings
    supervisor: Supervisor
    client: Client
    producer: Producer
    log_dir: Path
    rng: random.Random
    done: int = 0
    amid_inserts: int = 0
    zombies: int = 0
    exits: list[ChildExit] = field(default_factory=list)

    def let_pass(self) -> int:
        """Let the messages of one more fault pass; gives the rows that are stored before."""
        self.done += 1
        self.producer.allow(self.options.rows * self.done // self.options.faults)
        return self.rows()

    def rows(self) -> int:
        """Rows in the table, copies among them."""
        return int(self.client.query("SELECT count() FROM orders").result_rows[0][0])

    def inserting(self) -> bool:
        """Whether an insert into orders is under way."""
        sql = "SELECT count() FROM system.processes WHERE query_kind = 'Insert' AND query LIKE '%orders%'"
        return bool(self.client.query(sql).result_rows[0][0])

    def assignments(self) -> int:
        """How often any sink was given its partitions."""
        return sum(len(re.findall(rb"\bassigned\b", log.read_bytes())) for log in self.log_dir.glob("sink-*.log"))

    def pid(self, name: str) -> int:
        """The process of that name."""
        until(lambda: name in self.supervisor.pids(), f"{name} runs")
        return self.supervisor.pids()[name]

    def sink_spec(self, name: str) -> ProcessSpec:
        """A sink's process."""
        return ProcessSpec(
            name=name,
            argv=(*CHILD, "sink"),
            env=self.settings.environment(),
            log=self.log_dir / f"{name}.log",
            restart=AT_ONCE,
        )


def until(condition: Callable[[], bool], what: str, deadline_s: float = DEADLINE_S) -> None:
    """As `waiting.until`, asking often: a fault is to hit the moment."""
    waiting.until(condition, what, deadline_s, poll_s=0.01)


class Producer:
    """The producer's process, from outside."""

    def __init__(self, settings: Settings, workload: Workload, rate: float) -> None:
        options = ["--rows", workload.rows, "--seed", workload.seed, "--began", workload.began.isoformat()]
        self._process = subprocess.Popen(
            [*CHILD, "producer", "--rate", str(rate), *map(str, options)],
            stdin=subprocess.PIPE,
            env={**os.environ, **settings.environment()},
            text=True,
        )
        assert self._process.stdin is not None
        self._stdin: IO[str] = self._process.stdin

    def allow(self, messages: int) -> None:
        """Let it send so many in all."""
        self._stdin.write(f"{messages}\n")
        self._stdin.flush()

    def finish(self) -> None:
        """Let it send the rest, and wait until Kafka has everything."""
        self._stdin.close()
        if self._process.wait(600) != 0:
            raise RuntimeError(f"the producer failed with {self._process.returncode}")

    def kill(self) -> None:
        """End it, whatever it has sent."""
        self._process.kill()
        self._process.wait()


@contextmanager
def standing(options: Options, workload: Workload, folder: Path) -> Iterator[Run]:
    """Broker, ClickHouse, one sink, a settler and a producer, in `folder`."""
    kafka, clickhouse, password = choose_port(0, HOST), choose_port(0, HOST), f"{random.SystemRandom().getrandbits(64)}"
    exits: list[ChildExit] = []
    settings = Settings(
        data_dir=folder,
        bootstrap_servers=f"{HOST}:{kafka}",
        clickhouse_url=f"http://{HOST}:{clickhouse}",
        clickhouse_username="tradewind",
        clickhouse_password=password,
        clickhouse_database="tradewind",
        metrics_port=-1,
        # Small, so that there is always something between two inserts or in the middle of one.
        sink_batch_rows=5_000,
        sink_batch_s=0.2,
        retry_first_s=0.05,
        retry_longest_s=0.5,
    )
    server = ProcessSpec(
        name="clickhouse",
        argv=(
            *(sys.executable, "-m", "tradewind.stack.clickhouse", "--path", str(folder / "clickhouse")),
            *("--host", HOST, "--port", str(clickhouse), "--user", "tradewind"),
        ),
        env={PASSWORD_VARIABLE: password},
        log=folder / "logs" / "clickhouse.log",
        ready=http_ready(f"{settings.clickhouse_url}/ping"),
        restart=AT_ONCE,
    )
    with Supervisor(exits.append) as supervisor:
        supervisor.start(broker_spec(HOST, kafka, folder / "logs" / "broker.log"), server)
        new = [NewTopic(topic.name, PARTITIONS, 1) for topic in (ORDERS, DEAD_LETTERS)]
        admin = AdminClient(settings.kafka_client(), logger=SILENT)
        for future in admin.create_topics(new).values():
            future.result(10)
        migrate(settings)
        stop = threading.Event()
        with open_client(settings) as client, open_client(settings) as another:
            create_peer(client)
            tiers = [replace(tier, every_s=5.0) for tier in TIERS]
            settler = Settler(another, policy=SettlePolicy(margin_s=20.0, pause_s=0.5), tiers=tiers)
            settling = threading.Thread(target=settler.run, args=[stop])
            producer = Producer(settings, workload, max(500.0, options.rows / (options.faults * FAULT_S)))
            rng = random.Random(options.seed)
            run = Run(options, settings, supervisor, client, producer, folder / "logs", rng, exits=exits)
            supervisor.start(run.sink_spec("sink-1"))
            settling.start()
            try:
                yield run
            finally:
                stop.set()
                producer.kill()
                settling.join()
