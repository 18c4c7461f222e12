"""The ClickHouse process: what it keeps, how it ends, and what it refuses to start with."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

from tests.tradewind.stack.helpers import DEADLINE_S, until
from tradewind.stack.clickhouse.auth import PASSWORD_VARIABLE
from tradewind.stack.local import http_ready
from tradewind.stack.ports import choose_port

pytestmark = pytest.mark.integration

HOST = "127.0.0.1"
PASSWORD = "a secret with spaces"
TABLE = "CREATE TABLE t (n UInt64) ENGINE = MergeTree ORDER BY n SETTINGS non_replicated_deduplication_window = 1000"


class Server:
    """A server process on a folder; `connect` gives a client once it serves."""

    def __init__(self, path: Path, port: int, *options: str) -> None:
        self.port = port
        password_file = path.with_name("password")
        password_file.write_text(PASSWORD + "\n")
        self.process = subprocess.Popen(
            (
                *(sys.executable, "-m", "tradewind.stack.clickhouse", "--path", str(path), "--port", str(port)),
                *("--user", "u", "--password-file", str(password_file), *options),
            ),
            stderr=subprocess.PIPE,
            text=True,
        )

    def connect(self) -> Client:
        ready = http_ready(f"http://{HOST}:{self.port}/ping")
        until(lambda: self.process.poll() is not None or ready() is None, "the server")
        return clickhouse_connect.get_client(host=HOST, port=self.port, username="u", password=PASSWORD)

    def end(self, number: signal.Signals) -> tuple[int, str]:
        """Sends a signal; returns the exit status and the log."""
        self.process.send_signal(number)
        _, log = self.process.communicate(timeout=DEADLINE_S)
        return self.process.returncode, log


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(*options: str, port: int = 0) -> Server:
        servers.append(Server(tmp_path / "data", port or choose_port(0, HOST), *options))
        return servers[-1]

    yield start
    for server in servers:
        with suppress(ProcessLookupError):
            server.process.kill()
        server.process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_what_was_acknowledged_is_there_after_the_process_ends(
    serve: Callable[..., Server], number: signal.Signals
) -> None:
    server = serve()
    with server.connect() as client:
        client.command("CREATE DATABASE shop")
        client.command(TABLE.replace("TABLE t", "TABLE shop.t"))
        for part in range(5):
            settings = {"insert_deduplication_token": f"part {part}"}
            client.insert("shop.t", [[part * 100 + n] for n in range(100)], ["n"], settings=settings)
        status, _ = server.end(number)
    assert status == (0 if number == signal.SIGTERM else -signal.SIGKILL)
    with serve().connect() as client:
        assert client.query("SELECT count(), sum(n) FROM shop.t").result_rows == [(500, sum(range(500)))]
        # and it still knows which batches it has
        client.insert("shop.t", [[n] for n in range(100)], ["n"], settings={"insert_deduplication_token": "part 0"})
        assert client.query("SELECT count() FROM shop.t").result_rows == [(500,)]


def test_a_kill_amid_inserts_keeps_whole_batches_only(serve: Callable[..., Server]) -> None:
    rows = 500
    server = serve()
    acknowledged: list[int] = []
    with server.connect() as client:
        client.command(TABLE)

    def insert() -> None:
        with server.connect() as client:
            for batch in range(100_000):
                client.insert("t", [[batch]] * rows, ["n"], settings={"insert_deduplication_token": str(batch)})
                acknowledged.append(batch)

    thread = threading.Thread(target=lambda: suppress_lost_connection(insert))
    thread.start()
    until(lambda: len(acknowledged) >= 5, "five batches")
    server.end(signal.SIGKILL)
    thread.join()
    with serve().connect() as client:
        stored = dict(client.query("SELECT n, count() FROM t GROUP BY n").result_rows)
    assert set(stored.values()) == {rows}
    assert set(acknowledged) <= set(stored)
    assert len(stored) <= len(acknowledged) + 1


def suppress_lost_connection(work: Callable[[], None]) -> None:
    with suppress(OperationalError):
        work()


def test_a_second_server_on_the_same_folder_is_refused(serve: Callable[..., Server], tmp_path: Path) -> None:
    first = serve()
    first.connect().close()
    _, log = serve().process.communicate(timeout=DEADLINE_S)
    assert f"{tmp_path / 'data'} is in use by process {first.process.pid}; stop it, or give another --path" in log
    assert first.connect().command("SELECT 1") == 1


def test_a_taken_port_is_named(serve: Callable[..., Server]) -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        _, log = (server := serve(port=port)).process.communicate(timeout=DEADLINE_S)
    assert server.process.returncode == 1
    assert f"not started: can't listen on {HOST}:{port}: " in log


def test_sigterm_lets_short_queries_end_and_stops_long_ones(serve: Callable[..., Server]) -> None:
    server = serve("--grace", "1.0")
    outcomes: dict[str, object] = {}

    def ask(name: str, seconds: int) -> None:
        sql = f"SELECT sum(sleepEachRow({seconds / 10})) FROM numbers(10) SETTINGS max_block_size = 1 /* {name} */"
        with server.connect() as client:
            try:
                outcomes[name] = client.query(sql).result_rows
            except DatabaseError as error:
                outcomes[name] = error.code

    threads = [threading.Thread(target=ask, args=item) for item in (("short", 1), ("long", 29))]
    with server.connect() as client:
        for thread in threads:
            thread.start()
        sql = "SELECT count() FROM system.processes WHERE query LIKE '%sleepEachRow%' AND query NOT LIKE '%processes%'"
        until(lambda: client.query(sql).result_rows == [(2,)], "both queries")
    status, log = server.end(signal.SIGTERM)
    for thread in threads:
        thread.join()
    assert outcomes == {"short": [(0,)], "long": 394}
    assert status == 0
    assert log.rstrip().endswith("stopped")


def test_the_log_shows_neither_the_password_nor_the_queries(serve: Callable[..., Server]) -> None:
    server = serve()
    secret = uuid.uuid4().hex
    with server.connect() as client:
        assert client.command(f"SELECT '{secret}'") == secret
        with pytest.raises(DatabaseError):
            client.command(f"SELECT nothing, '{secret}'")
        arguments = subprocess.run(
            ("ps", "-o", "args=", "-p", str(server.process.pid)), capture_output=True, text=True, check=True
        ).stdout
    _, log = server.end(signal.SIGTERM)
    assert "listens on" in log
    assert "code=47" in log
    assert secret not in log
    assert PASSWORD not in log
    assert PASSWORD not in arguments


def test_it_does_not_start_without_a_password(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != PASSWORD_VARIABLE}
    done = subprocess.run(
        (sys.executable, "-m", "tradewind.stack.clickhouse", "--path", str(tmp_path), "--port", "1"),
        capture_output=True,
        text=True,
        env=environment,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == 1
    assert f"no password: give a --password-file that isn't empty, or set {PASSWORD_VARIABLE}" in done.stderr
