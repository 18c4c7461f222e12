from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient

from schemas.events import QuestionAsked
from schemas.publisher import Publisher
from schemas.topics import LISTINGS, QUESTIONS
from tests.consumers.events import FULL
from tests.tradewind.cli.conftest import Cli
from tradewind.assembly import make_publisher
from tradewind.settings import Settings
from tradewind.stack.local import LocalStack

pytestmark = pytest.mark.integration
DEADLINE_S = 30.0
QUESTION = next(event for event in FULL if isinstance(event, QuestionAsked))


@pytest.fixture
def publisher(stack: LocalStack) -> Iterator[Publisher]:
    with make_publisher(Settings()) as made:
        yield made


def test_a_line_for_each_event_with_what_is_private_hidden(cli: Cli, publisher: Publisher) -> None:
    publisher.publish(QUESTION)
    publisher.flush()
    result = cli("tail", "questions", "--from-beginning", "-n", "1", "--timeout", "10")
    assert result.exit_code == 0, result.output
    (line,) = result.stdout.splitlines()
    assert line.startswith("2026-03-01T09:30:15.123Z  l-1")
    assert "question_id=q-1" in line
    assert "030" not in line
    shown = cli("tail", "questions", "--from-beginning", "-n", "1", "--timeout", "10", "--show-private")
    assert "030 1234567" in shown.stdout


def test_json_has_the_place_and_reads_back(
    cli: Cli, publisher: Publisher, tail: Callable[..., list[dict[str, Any]]]
) -> None:
    publisher.publish(FULL[0])
    publisher.flush()
    found = next(each for each in tail("listings", "--show-private") if each["key"] == "l-1")
    assert set(found) == {"topic", "partition", "offset", "timestamp", "key", "event"}
    again = cli("publish", "listings", "-", "--dry-run", stdin=json.dumps(found["event"]))
    assert again.exit_code == 0, again.output


def test_what_does_not_decode_is_shown_as_such(cli: Cli, publisher: Publisher) -> None:
    publisher.publish_bytes(LISTINGS.name, b"broken", b"\xffnonsense")
    publisher.flush()
    arguments = ("tail", "listings.v1", "--from-beginning", "--key", "broken", "-n", "1", "--timeout", "10")
    line = cli(*arguments).stdout
    assert line.startswith("undecodable: listings.v1, partition ")
    assert "BadFraming" in line
    found = json.loads(cli(*arguments, "--json").stdout)
    assert found["key"] == "broken"
    assert found["error"]["error_class"] == "BadFraming"
    assert "event" not in found


def test_fewer_than_asked_for_ends_with_one(cli: Cli, publisher: Publisher) -> None:
    result = cli("tail", "insights", "--from-beginning", "-n", "2", "--timeout", "0.5")
    assert result.exit_code == 1
    assert "0 of 2 messages" in result.stderr
    assert cli("tail", "insights", "--timeout", "0.5").exit_code == 0


def test_begins_at_the_end_and_leaves_no_group(cli: Cli, publisher: Publisher) -> None:
    for _ in range(50):  # a batch of many, for the embedded broker takes its beginning for the end of the topic
        publisher.publish(QUESTION)
    publisher.flush()
    assert cli("tail", "questions", "--timeout", "1").stdout == ""
    groups = AdminClient(Settings().kafka_client()).list_consumer_groups().result(timeout=10)
    assert [group.group_id for group in groups.valid if "tail" in group.group_id] == []


def test_follows_until_ctrl_c_which_is_no_error(publisher: Publisher) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    command = (sys.executable, "-m", "tradewind", "tail", QUESTIONS.name, "--json")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
    try:
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)
        heard, give_up = b"", time.monotonic() + DEADLINE_S
        while b"\n" not in heard:  # it begins at the end, so publish until it is there
            assert process.poll() is None
            assert time.monotonic() < give_up, "nothing was heard"
            publisher.publish(QUESTION)
            publisher.flush()
            heard += process.stdout.read() or b""
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=DEADLINE_S)
    finally:
        process.kill()
    assert json.loads(heard.splitlines()[0])["event"]["question_id"] == "q-1"
    assert (process.returncode, errors) == (0, b"")


def test_unknown_and_missing_topics(cli: Cli, module_stack: LocalStack, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cli("tail", "nothing").exit_code == 2
    with LocalStack(type(module_stack.config)(Path("empty"))) as empty:
        monkeypatch.setenv("TRADEWIND_DATA_DIR", str(empty.config.data_dir))
        result = cli("tail", "orders")
    assert result.exit_code == 1
    assert "tradewind topics create" in result.stderr


def test_kafka_that_is_away(cli: Cli, nothing_listens: None) -> None:
    result = cli("tail", "orders")
    assert result.exit_code == 3
    assert "TRADEWIND_BOOTSTRAP_SERVERS" in result.stderr
