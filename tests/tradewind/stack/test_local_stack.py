from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import clickhouse_connect
import pytest
from confluent_kafka.admin import AdminClient

from tests.tradewind.stack.helpers import alive, run_script, until
from tradewind.stack.endpoints import ENDPOINTS_FILE, LOCK_FILE, read_endpoints
from tradewind.stack.local import PASSWORD_FILE, LocalStack, StackConfig, StackError
from tradewind.stack.ports import choose_port
from tradewind.stack.supervisor import ChildExit, ProcessSpec

pytestmark = pytest.mark.integration

# Runs a stack until it is told to stop, as `tradewind up` does.
UP = """
import sys
from pathlib import Path
from tradewind.stack.local import LocalStack, StackConfig
from tradewind.stack.signals import signals_as_interrupts
try:
    with signals_as_interrupts():
        print("starts", flush=True)
        with LocalStack(StackConfig(Path(sys.argv[1]))) as stack:
            print(*stack.pids().values(), flush=True)
            stack.run_until_stopped()
except KeyboardInterrupt:
    pass
"""


def listens(host_port: str) -> bool:
    host, _, port = host_port.removeprefix("http://").rpartition(":")
    with socket.socket() as sock:
        return sock.connect_ex((host, int(port))) == 0


def test_everything_serves_and_everything_ends(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert read_endpoints(data) is None
    with LocalStack(StackConfig(data, clickhouse_database="my shop")) as stack:
        endpoints = stack.endpoints
        pids = stack.pids()
        assert list(pids) == ["broker", "clickhouse", "registry"]
        assert AdminClient({"bootstrap.servers": endpoints.bootstrap_servers}).list_topics(timeout=10).brokers
        with clickhouse_connect.get_client(dsn=endpoints.clickhouse_dsn) as client:
            assert client.command("SELECT currentDatabase()") == "my shop"
        assert listens(endpoints.schema_registry_url)
        assert endpoints.pid == os.getpid()
        assert {path.name for path in stack.log_dir.iterdir()} == {"broker.log", "clickhouse.log", "registry.log"}

        path = data / ENDPOINTS_FILE
        assert path.stat().st_mode & 0o777 == 0o600
        assert json.loads(path.read_text())["clickhouse_dsn"] == endpoints.clickhouse_dsn
        assert read_endpoints(data) == endpoints
        assert (data / PASSWORD_FILE).stat().st_mode & 0o777 == 0o600
        assert endpoints.clickhouse_password == (data / PASSWORD_FILE).read_text().strip()
        assert endpoints.clickhouse_password not in repr(endpoints)
    assert not any(alive(pid) for pid in pids.values())
    assert read_endpoints(data) is None
    assert {path.name for path in data.iterdir()} == {"clickhouse", "logs", PASSWORD_FILE}
    with pytest.raises(StackError, match="not started"):
        _ = stack.endpoints
    stack.stop()


def test_a_second_stack_on_the_same_folder_is_refused(local_stack: LocalStack) -> None:
    data = local_stack.config.data_dir
    with pytest.raises(StackError, match=rf"already runs on {data} \(process {os.getpid()}\)"):
        LocalStack(StackConfig(data)).start()
    assert read_endpoints(data) == local_stack.endpoints


def test_ports_and_account_are_the_configured_ones_where_they_can_be(tmp_path: Path) -> None:
    wanted = choose_port(0)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = StackConfig(
            tmp_path,
            clickhouse_port=wanted,
            registry_port=taken.getsockname()[1],
            clickhouse_user="anna@shop",
            clickhouse_password="p:w/?%",
        )
        with LocalStack(config) as stack:
            endpoints = stack.endpoints
            assert endpoints.clickhouse_url == f"http://127.0.0.1:{wanted}"
            assert endpoints.schema_registry_url != f"http://127.0.0.1:{taken.getsockname()[1]}"
            with clickhouse_connect.get_client(dsn=endpoints.clickhouse_dsn) as client:
                assert client.command("SELECT 1") == 1
    assert not (tmp_path / PASSWORD_FILE).exists()


def test_further_children_run_beside_it_and_stop_first(tmp_path: Path, local_stack: LocalStack) -> None:
    script = (
        "import socket, signal, sys\nhost, port = sys.argv[1].rsplit(':', 1)\n"
        "def stop(*_):\n    socket.create_connection((host, int(port))).close()\n"
        "    print('the broker was there', flush=True)\n    sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, stop)\nprint('up', flush=True)\nwhile True: signal.pause()"
    )
    data = tmp_path / "data"
    with LocalStack(StackConfig(data)) as stack:
        log = stack.log_dir / "worker.log"
        argv = (sys.executable, "-c", script, stack.endpoints.bootstrap_servers)
        ready = lambda: None if "up" in log.read_text() else "its start"  # noqa: E731
        stack.add(ProcessSpec("worker", argv, log, ready))
        assert list(stack.pids()) == ["broker", "clickhouse", "registry", "worker"]
        with pytest.raises(StackError, match="broken ended before it was ready"):
            stack.add(ProcessSpec("broken", (sys.executable, "-c", "1 / 0"), stack.log_dir / "b.log", lambda: "x"))
    assert log.read_text() == "up\nthe broker was there\n"


def test_a_child_that_dies_is_reported(tmp_path: Path) -> None:
    exits: list[ChildExit] = []
    with LocalStack(StackConfig(tmp_path), exits.append) as stack:
        os.kill(stack.pids()["broker"], signal.SIGKILL)
        assert not stack.run_until_stopped()
    assert [(exit_.name, exit_.status) for exit_ in exits] == [("broker", -signal.SIGKILL)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_it_and_leaves_nothing_behind(tmp_path: Path, number: signal.Signals) -> None:
    data = tmp_path / "data"
    with run_script(UP, str(data), cwd=tmp_path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "starts\n"
        pids = [int(pid) for pid in process.stdout.readline().split()]
        assert len(pids) == 3
        assert read_endpoints(data) is not None
        os.killpg(process.pid, number)
        assert process.wait(20) == 0
    assert not any(alive(pid) for pid in pids)
    assert not (data / LOCK_FILE).exists()
    assert not (data / ENDPOINTS_FILE).exists()


def test_a_signal_while_it_starts_leaves_nothing_behind(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with run_script(UP, str(data), cwd=tmp_path) as process:
        until((data / LOCK_FILE).exists, "the lock")
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert not (data / LOCK_FILE).exists()
    assert not (data / ENDPOINTS_FILE).exists()
    in_use = subprocess.run(("ps", "-eo", "args"), capture_output=True, text=True, check=True).stdout
    assert str(data) not in in_use


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends the children of a killed process")
def test_a_killed_stack_leaves_no_process_and_its_data_can_be_used_again(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with run_script(UP, str(data), cwd=tmp_path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "starts\n"
        pids = [int(pid) for pid in process.stdout.readline().split()]
        endpoints = read_endpoints(data)
        assert endpoints is not None
        with clickhouse_connect.get_client(dsn=endpoints.clickhouse_dsn) as client:
            client.command("CREATE TABLE kept (n Int8) ENGINE = MergeTree ORDER BY n")
            client.insert("kept", [[7]], ["n"])
        process.kill()
        process.wait(20)
        until(lambda: not any(alive(pid) for pid in pids), "the children's end")
    # its endpoints are still written there, but nobody takes them for a running stack's
    assert (data / ENDPOINTS_FILE).exists()
    assert read_endpoints(data) is None
    with LocalStack(StackConfig(data)) as stack:
        assert stack.endpoints.clickhouse_password == endpoints.clickhouse_password
        with clickhouse_connect.get_client(dsn=stack.endpoints.clickhouse_dsn) as client:
            assert client.query("SELECT n FROM kept").result_rows == [(7,)]


def test_endpoints_that_are_not_yet_written_are_no_stopped_stack(local_stack: LocalStack) -> None:
    path = local_stack.config.data_dir / ENDPOINTS_FILE
    hidden = path.with_suffix(".hidden")
    path.rename(hidden)
    try:
        with pytest.raises(StackError, match="starting or stopping"):
            read_endpoints(local_stack.config.data_dir)
        path.write_text("{")
        with pytest.raises(StackError, match="can't read"):
            read_endpoints(local_stack.config.data_dir)
    finally:
        hidden.replace(path)
