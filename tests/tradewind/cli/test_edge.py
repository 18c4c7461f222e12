"""`tradewind edge` against a server that does as it is told; with the real gateway it is in tests/streams/edge."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.complete_row import canonical
from schemas.events import derived_id
from schemas.topics import ORDERS
from streams.edge.event import Entry
from streams.edge.queue import EdgeQueue
from tests.support.edge_server import KEY, EdgeServer, order, refuse_order, say, serving
from tests.support.waiting import until
from tests.tradewind.cli.conftest import Cli
from tradewind.cli.shared import Exit
from tradewind.settings import Settings


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[EdgeServer]:
    """A server whose address and key the environment has."""
    with serving(EdgeServer()) as started:
        monkeypatch.setenv("TRADEWIND_EDGE_KEY", KEY)
        monkeypatch.setenv("TRADEWIND_EDGE_URL", started.url)
        yield started


def rows(path: Path, *numbers: int, bad: str = "") -> Path:
    """A file of JSON lines with these orders; `bad` is a line of its own behind the first."""
    lines = [json.dumps(order(number)) for number in numbers]
    lines[1:1] = [bad] if bad else []
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def test_rows_are_sent_with_the_ids_that_publish_gives_them(cli: Cli, server: EdgeServer, tmp_path: Path) -> None:
    result = cli("edge", "send", str(rows(tmp_path / "o.jsonl", 1, 2, 3)), "--kind", "orders")
    assert (result.exit_code, result.stdout) == (Exit.OK, "sent 3 events to orders.v1\n")
    published = [str(derived_id("publish", ORDERS.name, canonical(order(number)))) for number in (1, 2, 3)]
    assert server.taken["orders"] == published


def test_the_same_command_sends_nothing_again_and_what_was_added(cli: Cli, server: EdgeServer, tmp_path: Path) -> None:
    file = rows(tmp_path / "o.jsonl", 1, 2)
    cli("edge", "send", str(file), "--topic", "orders.v1")
    result = cli("edge", "send", str(file), "--kind", "orders")
    assert result.stdout == "sent 0 events to orders.v1; 2 rows were read before\n"
    rows(file, 1, 2, 3)
    result = cli("edge", "send", str(file), "--kind", "orders", "--json")
    assert (json.loads(result.stdout)["skipped"], json.loads(result.stdout)["sent"]) == (2, 1)
    assert len(server.taken["orders"]) == 3


def test_a_file_that_has_changed_is_sent_anew(cli: Cli, server: EdgeServer, tmp_path: Path) -> None:
    file = rows(tmp_path / "o.jsonl", 1, 2)
    cli("edge", "send", str(file), "--kind", "orders")
    rows(file, 3, 2)
    assert cli("edge", "send", str(file), "--kind", "orders").stdout == "sent 2 events to orders.v1\n"
    assert len(set(server.taken["orders"])) == 3  # number 2 went again, under its id


def test_a_bad_row_is_told_and_the_others_go(cli: Cli, server: EdgeServer, tmp_path: Path) -> None:
    file = rows(tmp_path / "o.jsonl", 1, 2, bad=json.dumps(order(9, amount="free")))
    result = cli("edge", "send", str(file), "--kind", "orders")
    assert result.exit_code == Exit.FAILED
    assert f"{file}:2: amount: expected an amount with at most 2 decimals, found 'free'" in result.stderr
    assert result.stdout == "sent 2 events to orders.v1; 1 bad\n"
    result = cli("edge", "send", str(file), "--kind", "orders")
    assert (result.exit_code, "3 rows were read before, 1 of them bad" in result.stdout) == (Exit.FAILED, True)


def test_csv(cli: Cli, server: EdgeServer, tmp_path: Path) -> None:
    file = tmp_path / "q.csv"
    file.write_text("listing_id,question_id,text\nl-1,q-1,Is it blue?\nl-1,q-2,\n", encoding="utf-8")
    result = cli("edge", "send", str(file), "--kind", "questions")
    assert f"{file}:3: text: expected" in result.stderr
    assert [event["text"] for event in server.events] == ["Is it blue?"]


def test_what_the_gateway_refuses_is_listed_sent_again_or_dropped(cli: Cli, server: EdgeServer, tmp_path: Path) -> None:
    server.script = [refuse_order("o-2")] * 2  # a file's rows may go in two requests
    file = rows(tmp_path / "o.jsonl", 1, 2)
    result = cli("edge", "send", str(file), "--kind", "orders")
    assert result.exit_code == Exit.FAILED
    assert f"{file}:2: refused by the gateway: unfit" in result.stderr
    assert "1 refused (tradewind edge refused)" in result.stdout
    listed = json.loads(cli("edge", "refused", "--json").stdout)
    assert (listed["event"]["order_id"], listed["problem"]["detail"]) == ("o-2", "unfit")
    assert "o-2" not in cli("edge", "refused").stdout  # the event's own words are for those who ask
    server.script.clear()
    assert cli("edge", "refused", "--again", "--id", listed["event_id"]).stdout == "1 wait again\n"
    assert cli("edge", "send", str(file), "--kind", "orders").exit_code == Exit.OK
    assert len(server.taken["orders"]) == 2
    assert cli("edge", "refused", "--forget").stdout == "0 dropped\n"


def test_status_while_it_is_in_use(cli: Cli, tmp_path: Path) -> None:
    with EdgeQueue(tmp_path / "q") as queue:
        queue.put([Entry("orders", "1", b"{}")])
        result = cli("edge", "status", "--queue", str(tmp_path / "q"), "--json")
        assert (result.exit_code, json.loads(result.stdout)["waiting"]) == (Exit.OK, 1)
        result = cli("edge", "refused", "--queue", str(tmp_path / "q"))
        assert result.exit_code == Exit.FAILED
        assert f"is used by process {os.getpid()}; end it" in result.stderr


def test_no_gateway_is_told_and_what_waits_is_kept(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADEWIND_EDGE_KEY", KEY)
    file = rows(tmp_path / "o.jsonl", 1, 2)
    result = cli("edge", "send", str(file), "--kind", "orders", "--url", "http://127.0.0.1:9", "--timeout", "0.6")
    assert result.exit_code == Exit.UNREACHABLE
    assert "waiting (the gateway can't be reached: Connection refused); 2 events are kept in" in result.stderr
    assert "error: 2 events wait in" in result.stderr
    assert json.loads(cli("edge", "status", "--json").stdout)["waiting"] == 2


def test_the_gateway_of_a_local_stack_is_found_and_the_key_in_a_file_of_settings(
    cli: Cli, server: EdgeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TRADEWIND_EDGE_URL", "TRADEWIND_EDGE_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    Path(".env").write_text(f"TRADEWIND_EDGE_KEY={KEY}\n", encoding="utf-8")
    folder = Settings().data_dir
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "stack.json").write_text(json.dumps({"pid": os.getpid(), "gateway_url": server.url}), encoding="utf-8")
    result = cli("edge", "send", str(rows(tmp_path / "o.jsonl", 1)), "--kind", "orders")
    assert (result.exit_code, result.stdout) == (Exit.OK, "sent 1 events to orders.v1\n")
    assert "is no setting" not in result.stderr


def test_a_refused_key(cli: Cli, server: EdgeServer, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("tw_wrong_secret\n", encoding="utf-8")
    file = rows(tmp_path / "o.jsonl", 1)
    result = cli("edge", "send", str(file), "--kind", "orders", "--key-file", str(tmp_path / "key"))
    assert result.exit_code == Exit.FAILED
    assert "the gateway does not take the key (401 unknown_key)" in result.stderr
    assert "wrong_secret" not in result.output
    assert cli("edge", "send", str(file), "--kind", "orders").exit_code == Exit.OK
    assert len(server.taken["orders"]) == 1


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("o.jsonl", "--kind", "prices"), "no kind 'prices'; devices send listings, questions, orders"),
        (("none.jsonl", "--kind", "orders"), "none.jsonl: No such file or directory; give a file"),
        (("o.jsonl", "--kind", "orders", "--url", "gateway"), "expected one like https://gateway.example.com"),
        (("o.jsonl", "--kind", "orders", "--key-file", "none"), "none: No such file or directory; give the file"),
        (("o.jsonl", "--kind", "orders", "--format", "xml"), "--format xml: expected jsonl, csv or auto"),
        (("o.jsonl", "--kind", "orders", "--ca", "none"), "--ca none: no certificates can be read"),
    ],
)
def test_wrong_command_lines(cli: Cli, server: EdgeServer, arguments: tuple[str, ...], why: str) -> None:
    rows(Path("o.jsonl"), 1)
    result = cli("edge", "send", *arguments)
    assert (result.exit_code, why in result.stderr) == (Exit.USAGE, True), result.stderr
    assert not server.requests


def test_no_key(cli: Cli, tmp_path: Path) -> None:
    result = cli("edge", "receive", "--url", "http://127.0.0.1:9")
    assert (result.exit_code, "no API key; set TRADEWIND_EDGE_KEY" in result.stderr) == (Exit.USAGE, True)


def test_a_file_that_is_no_queue(cli: Cli, server: EdgeServer, tmp_path: Path) -> None:
    file = rows(tmp_path / "o.jsonl", 1)
    result = cli("edge", "send", str(file), "--kind", "orders", "--queue", str(file))
    assert result.exit_code == Exit.FAILED
    assert "a file of something else; give another file, this one is left as it is" in result.stderr
    assert json.loads(file.read_text(encoding="utf-8")) == order(1)


def test_messages_are_printed_and_the_next_run_goes_on(cli: Cli, server: EdgeServer) -> None:
    assert cli("edge", "receive", "--once", "1", "--timeout", "0.3").exit_code == Exit.FAILED  # it begins now
    server_loop_say(server, {"n": 1}, {"n": 2}, {"n": 3})
    first = cli("edge", "receive", "--once", "2", "--timeout", "10")
    assert [json.loads(line)["event"]["n"] for line in first.stdout.splitlines()] == [1, 2]
    second = cli("edge", "receive", "--once", "1", "--timeout", "10", "--sse")
    assert [json.loads(line)["event"]["n"] for line in second.stdout.splitlines()] == [3]
    assert cli("edge", "receive", "--timeout", "0.2").exit_code == Exit.OK


def server_loop_say(server: EdgeServer, *events: dict[str, int]) -> None:
    """Put messages on the stream of a server that runs in a thread."""
    assert server.loop is not None
    asyncio.run_coroutine_threadsafe(server.say(*events), server.loop).result(10)


def test_a_live_pipe_goes_out_line_by_line_and_ctrl_c_loses_nothing(server: EdgeServer, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "tradewind",
        "edge",
        "send",
        "-",
        "--kind",
        "orders",
        "--queue",
        str(tmp_path / "q"),
    ]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdin is not None
    for number in (1, 2):
        process.stdin.write(json.dumps(order(number)) + "\n")
        process.stdin.flush()
        until(lambda number=number: len(server.taken.get("orders", [])) == number, f"line {number} is there", 60.0)  # type: ignore[misc]
    server.script = [say(503, "away")] * 10_000
    process.stdin.write(json.dumps(order(3)) + "\n")
    process.stdin.flush()
    until(lambda: len(server.requests) > 3, "the third one is tried", 30.0)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == Exit.INTERRUPTED
    assert process.stderr is not None
    assert "interrupted; what was read is kept in" in process.stderr.read()
    with EdgeQueue(tmp_path / "q") as queue:
        batch = queue.take(9, 9_999)
    assert batch is not None
    assert json.loads(batch.bodies[0])["order_id"] == "o-3"
