"""What is stored when things die in the middle."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import structlog
import urllib3
from clickhouse_connect.driver.client import Client

from bench.sink_faults import run_faults
from bench.sink_faults_stack import Options
from consumers.clickhouse import sink
from consumers.clickhouse.client import open_client
from tests.consumers.events import order
from tests.consumers.harness import DEADLINE_S, World, until, world_on
from tests.support.stack import ClickHouseEndpoint
from tradewind.settings import Settings
from tradewind.stack.clickhouse.__main__ import PASSWORD_VARIABLE
from tradewind.stack.ports import choose_port

pytestmark = pytest.mark.integration


@contextmanager
def sink_process(world: World, name: str, **settings: object) -> Iterator[subprocess.Popen[bytes]]:
    """A sink of one table in a process of its own; killed at the end."""
    chosen = world.settings.model_copy(update={"kafka_session_timeout_ms": 6000, **settings})
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.consumers.clickhouse.sink_process", f"{name}={world.topic(name)}"],
        env={**os.environ, **chosen.environment()},
        stdout=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(DEADLINE_S)


def test_a_sink_killed_in_the_middle_loses_nothing_and_counts_nothing_twice(world: World) -> None:
    sent = 50_000
    framed = world.codec.encode_event(order(0))
    for number in range(sent):
        value = framed[:6] + str(uuid.UUID(int=number)).encode() + framed[42:]
        world.send("orders", value, str(number).encode())
    world.flush()
    # Small batches, so that the kill comes between, before or inside of inserts.
    with sink_process(world, "orders", sink_batch_rows=500) as process:
        until(lambda: world.number("SELECT count() FROM orders") >= sent // 3, "a third of the rows")
        process.kill()
        process.wait(DEADLINE_S)
    assert world.number("SELECT count() FROM orders") < sent, "it was killed too late to show anything"
    with world.sink("orders"):
        until(lambda: world.number("SELECT uniqExact(event_id) FROM orders") == sent, "all rows")
    assert world.rows("SELECT count(), uniqExact(event_id) FROM orders FINAL") == [(sent, sent)]


@dataclass
class Server:
    """An embedded ClickHouse that a test starts and stops, always at the same port."""

    path: Path
    port: int = field(default_factory=lambda: choose_port(0))
    password: str = field(default_factory=lambda: uuid.uuid4().hex)
    process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> ClickHouseEndpoint:
        return ClickHouseEndpoint("127.0.0.1", self.port, "tradewind", self.password, "faults")

    def start(self) -> None:
        """Start it and wait until it serves."""
        options = ["--path", str(self.path), "--host", "127.0.0.1", "--port", str(self.port), "--user", "tradewind"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tradewind.stack.clickhouse", *options],
            env={**os.environ, PASSWORD_VARIABLE: self.password},
            stderr=subprocess.DEVNULL,
        )
        until(self._answers, "ClickHouse serves")

    def kill(self) -> None:
        """Kill it, if it runs."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(DEADLINE_S)
            self.process = None

    def _answers(self) -> bool:
        try:
            return urllib3.request("GET", f"{self.endpoint.url}/ping", timeout=1.0, retries=False).status == 200
        except urllib3.exceptions.HTTPError:
            return False


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A running server of the test's own."""
    server = Server(tmp_path / "clickhouse")
    server.start()
    try:
        yield server
    finally:
        server.kill()


def test_a_sink_outlives_its_clickhouse(broker: str, server: Server, unique_name: Callable[[str], str]) -> None:
    with world_on(broker, server.endpoint, unique_name) as world:
        with world.sink("orders") as sinking:
            for number in range(1000):
                world.send_event("orders", order(number), str(number).encode())
            world.flush()
            until(lambda: world.number("SELECT count() FROM orders") == 1000, "the first rows")
            server.kill()
            for number in range(1000, 2000):
                world.send_event("orders", order(number), str(number).encode())
            world.flush()
            until(lambda: sinking.metric("tradewind_sink_retries_total", table="orders") >= 2, "tries that fail")
            server.start()
            with open_client(world.settings) as client:
                until(
                    lambda: client.query("SELECT count() FROM orders").result_rows == [(2000,)], "the rest of the rows"
                )
        with open_client(world.settings) as client:
            found = client.query("SELECT count(), uniqExact(event_id) FROM orders FINAL").result_rows
        assert list(found) == [(2000, 2000)]


def test_a_sink_that_starts_before_clickhouse_answers_waits_for_the_positions(
    broker: str, server: Server, unique_name: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table is out of reach when the partitions are assigned, as after a rebalance during an outage."""

    def open_and_lose(settings: Settings) -> Client:
        client = open_client(settings)
        server.kill()
        return client

    monkeypatch.setattr(sink, "open_client", open_and_lose)
    with world_on(broker, server.endpoint, unique_name) as world:
        world.send_event("orders", order(1))
        world.flush()
        with structlog.testing.capture_logs() as logs, world.sink("orders"):
            until(lambda: any(entry["event"] == "positions_unknown" for entry in logs), "a question without an answer")
            server.start()
            with open_client(world.settings) as client:
                until(lambda: client.query("SELECT count() FROM orders").result_rows == [(1,)], "the row")


def test_two_sinks_share_the_partitions_and_count_nothing_twice(world: World) -> None:
    def send(numbers: range) -> None:
        for number in numbers:
            world.send_event("orders", order(number), str(number).encode())
        world.flush()

    with world.sink("orders"):
        send(range(1000))
        until(lambda: world.number("SELECT count() FROM orders") == 1000, "the first rows")
        with world.sink("orders"):
            send(range(1000, 2000))
            until(lambda: world.number("SELECT uniqExact(event_id) FROM orders") == 2000, "rows by either")
        send(range(2000, 3000))
        until(lambda: world.number("SELECT uniqExact(event_id) FROM orders") == 3000, "the last rows")
    assert world.rows("SELECT count(), uniqExact(event_id) FROM orders FINAL") == [(3000, 3000)]


@pytest.mark.timeout(300)
@pytest.mark.slow
def test_every_fault_in_one_small_run(tmp_path: Path) -> None:
    """`make sink-faults` in small: kills, a restart of ClickHouse, rebalances and a zombie, on a stack of its own."""
    figures = run_faults(Options(rows=10_000, kills=3, restarts=1, rebalances=2, seed=7), tmp_path)
    assert figures["right"], figures
    assert figures["broken"] > 0
    assert figures["zombies"] == 1
    # Were it not for the faults, the view that adds up as it goes would be wrong by what was sent again.
    assert figures["peer_drift"] > 0
