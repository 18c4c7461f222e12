from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from schemas.codec import Codec
from schemas.events import DeadLetter, derived_id
from schemas.registry import CommittedRegistry
from streams.topics import create
from tests.consumers.events import AT, FULL, order
from tests.tradewind.cli.conftest import Cli
from tradewind.assembly import make_publisher
from tradewind.settings import Settings
from tradewind.stack.local import LocalStack

pytestmark = pytest.mark.integration
BROKEN = b"\xffnot [Avro] at all"
LETTER = next(event for event in FULL if isinstance(event, DeadLetter))


def _letter(number: int, **more: Any) -> DeadLetter:
    values: dict[str, Any] = {
        "event_id": derived_id("dead-letter", "orders.v1", 0, number),
        "occurred_at": AT + timedelta(seconds=number),
        "source_topic": "orders.v1",
        "source_partition": 0,
        "source_offset": number,
        "source_key": f"o-{number}".encode(),
        "source_value": BROKEN,
        "stage": "sink",
        "error_class": "BadFraming",
        "replays": 0,
    }
    return replace(LETTER, **values | more)


SOUND = Codec(CommittedRegistry()).encode_event(order(7))
LETTERS = (
    _letter(1),
    _letter(2, stage="answer", error_class="UnknownSchemaId", source_topic="questions.v1"),
    _letter(3, replays=2),
    _letter(4, source_value=SOUND),
    _letter(5, source_topic="elsewhere"),
)


@pytest.fixture(scope="module")
def put_aside(module_stack: LocalStack, module_broker: str) -> None:
    settings = Settings(data_dir=module_stack.config.data_dir, bootstrap_servers=module_broker, partitions=2)
    create(settings)
    with make_publisher(settings) as publisher:
        for letter in LETTERS:
            publisher.publish(letter)


@pytest.fixture
def letters(put_aside: None, stack: LocalStack) -> tuple[DeadLetter, ...]:
    """What is on the topic; a replay adds the same letters with a higher count."""
    return LETTERS


def _ids(cli: Cli, *arguments: str) -> list[uuid.UUID]:
    result = cli("deadletters", "ls", "--json", *arguments)
    assert result.exit_code == 0, result.output
    return [uuid.UUID(row["event_id"]) for row in json.loads(result.stdout)]


def test_ls_is_filtered_and_has_the_newest_first(cli: Cli, letters: tuple[DeadLetter, ...]) -> None:
    ids = [letter.event_id for letter in letters]
    assert _ids(cli) == ids[::-1]
    assert _ids(cli, "-n", "2") == [ids[4], ids[3]]
    assert _ids(cli, "--topic", "questions") == [ids[1]]
    assert _ids(cli, "--stage", "sink", "--topic", "orders.v1") == [ids[3], ids[2], ids[0]]
    assert _ids(cli, "--error", "UnknownSchemaId") == [ids[1]]
    assert cli("deadletters", "ls", "--topic", "nothing").exit_code == 2
    where = "topic=orders and error=BadFraming and offset<=3 and since>=2026-01-01"
    assert _ids(cli, "--where", where) == [ids[2], ids[0]]
    assert _ids(cli, "--where", where, "--where", "offset=1", "--stage", "sink") == [ids[0]]


def test_a_filter_that_does_not_read_is_told_with_its_place(cli: Cli) -> None:
    result = cli("deadletters", "ls", "--where", "topic=orders or stage=sink")
    assert result.exit_code == 2
    assert "--where topic=orders or stage=sink: at character 14: expected and, or the end" in result.stderr


def test_ls_tells_no_bytes(cli: Cli, letters: tuple[DeadLetter, ...]) -> None:
    table = cli("deadletters", "ls").stdout
    assert "orders.v1, partition 0, offset 1" in table
    assert "Avro" not in table
    row = json.loads(cli("deadletters", "ls", "--json", "-n", "1").stdout)[0]
    assert row["source_value_bytes"] == len(BROKEN)
    assert not {"source_key", "source_value", "source_headers"} & set(row)


def test_show_has_all_fields_the_bytes_and_why_they_do_not_decode(cli: Cli, letters: tuple[DeadLetter, ...]) -> None:
    result = cli("deadletters", "show", str(letters[0].event_id))
    assert result.exit_code == 0, result.output
    assert "00000000  ff 6e 6f 74 20 5b 41 76 72 6f 5d" in result.stdout
    assert "|.not [Avro] at a|" in result.stdout
    assert "does not decode: BadFraming" in result.stdout
    cut = cli("deadletters", "show", str(letters[0].event_id), "--bytes", "4")
    assert "|.not|" in cut.stdout
    assert f"and {len(BROKEN) - 4} more bytes" in cut.stderr


def test_show_decodes_what_is_sound_by_now(cli: Cli, letters: tuple[DeadLetter, ...]) -> None:
    assert "o-7" in cli("deadletters", "show", str(letters[3].event_id)).stdout.partition("decodes to:")[2]
    shown = json.loads(cli("deadletters", "show", str(letters[3].event_id), "--json").stdout)
    assert base64.b64decode(shown["source_value"]) == SOUND
    assert shown["decoded"]["event"]["order_id"] == "o-7"
    other = json.loads(cli("deadletters", "show", str(letters[4].event_id), "--json").stdout)
    assert "no topic named 'elsewhere'" in other["decoded"]["error"]


def test_unknown_ids(cli: Cli, letters: tuple[DeadLetter, ...]) -> None:
    assert cli("deadletters", "show", "not-an-id").exit_code == 2
    missing = cli("deadletters", "show", str(uuid.UUID(int=5)))
    assert missing.exit_code == 1
    assert "tradewind deadletters ls" in missing.stderr


def test_replay_puts_the_bytes_back_once_they_are_chosen(
    cli: Cli, letters: tuple[DeadLetter, ...], tail: Callable[..., list[dict[str, Any]]]
) -> None:
    first, third = str(letters[0].event_id), str(letters[2].event_id)
    dry = cli("deadletters", "replay", first, third, "--dry-run", "--json")
    assert dry.exit_code == 1
    outcome = json.loads(dry.stdout)
    assert (outcome["dry_run"], outcome["replayed"]) == (True, [first])
    assert [each["event_id"] for each in outcome["refused"]] == [third]
    assert tail("orders") == []

    result = cli("deadletters", "replay", first, third)
    assert result.exit_code == 1
    assert "put back 1 of 2 messages" in result.stdout
    assert f"{third}: left alone: " in result.stderr
    (again,) = tail("orders")
    assert (again["key"], again["error"]["error_class"]) == ("o-1", "BadFraming")
    counts = {row["event_id"]: row["replays"] for row in json.loads(cli("deadletters", "ls", "--json").stdout)}
    assert (counts[first], counts[third]) == (1, 2)


def test_replay_of_all_that_a_filter_leaves(cli: Cli, letters: tuple[DeadLetter, ...]) -> None:
    result = cli("deadletters", "replay", "--all", "--topic", "questions", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["replayed"] == [str(letters[1].event_id)]


def test_where_chooses_without_all(cli: Cli, letters: tuple[DeadLetter, ...]) -> None:
    result = cli("deadletters", "replay", "--where", "offset=4 and topic=orders", "--dry-run", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["replayed"] == [str(letters[3].event_id)]


def test_replay_makes_no_topic(cli: Cli, letters: tuple[DeadLetter, ...]) -> None:
    result = cli("deadletters", "replay", str(letters[4].event_id))
    assert result.exit_code == 1
    assert "Kafka has no topic elsewhere" in result.stderr


SOME_ID = str(uuid.UUID(int=1))


@pytest.mark.parametrize(
    "arguments",
    [(), ("--all", SOME_ID), (SOME_ID, "--stage", "sink"), ("--stage", "sink"), (SOME_ID, "--where", "stage=sink")],
)
def test_replay_wants_ids_or_all(cli: Cli, arguments: tuple[str, ...]) -> None:
    assert cli("deadletters", "replay", *arguments).exit_code == 2


@pytest.mark.parametrize("arguments", [("ls",), ("show", SOME_ID), ("replay", "--all")])
def test_kafka_that_is_away(cli: Cli, nothing_listens: None, arguments: tuple[str, ...]) -> None:
    result = cli("deadletters", *arguments)
    assert result.exit_code == 3
    assert "no answer from Kafka" in result.stderr
