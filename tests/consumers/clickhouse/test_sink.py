"""From a topic to its table, on a real broker and a real ClickHouse."""

from __future__ import annotations

import dataclasses
import hashlib
import uuid
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient

from consumers.clickhouse.container import container
from consumers.clickhouse.errors import TableNotReady, TopicsMissing
from consumers.clickhouse.insert import insert, token_of
from consumers.clickhouse.positions import Log, logs_of, stored_offsets
from consumers.clickhouse.tables import TABLES
from consumers.deadletters.browse import read_dead_letters
from schemas.events import DeadLetter, derived_id, to_avro
from schemas.records import schema_json
from tests.consumers.events import AT, FULL, order
from tests.consumers.harness import World, create_topics, delete_topics, until

pytestmark = pytest.mark.integration

EVERY_TABLE = tuple(table.name for table in TABLES)
BY_TABLE = dict(zip(EVERY_TABLE, FULL, strict=True))


def plain(value: Any) -> Any:
    """What ClickHouse gives, as the event has it: its driver gives times without their zone."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=timezone.utc)
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    return value


def test_all_eight_topics_land_with_exact_values(world: World) -> None:
    with world.sink(*EVERY_TABLE):
        for name, event in BY_TABLE.items():
            world.send_event(name, event)
        world.flush()
        for name in EVERY_TABLE:
            until(lambda name=name: world.number(f"SELECT count() FROM {name}") == 1, f"a row in {name}")  # type: ignore[misc]
    for name, event in BY_TABLE.items():
        expected = to_avro(event)
        if name == "questions":
            del expected["text"]
        if name == "dead_letters":
            value = expected.pop("source_value")
            expected["value_bytes"], expected["value_sha256"] = len(value), hashlib.sha256(value).hexdigest()
            expected["header_names"] = list(expected.pop("source_headers"))
            expected["source_key"] = expected["source_key"].decode()
        (row,) = world.client.query(f"SELECT {', '.join(expected)} FROM {name} FINAL").named_results()
        assert plain(dict(row)) == expected


def test_a_restart_goes_on_after_the_last_row(world: World) -> None:
    for start in (0, 1000):
        for number in range(start, start + 1000):
            world.send_event("orders", order(number), str(number).encode())
        world.flush()
        with world.sink("orders"):
            until(lambda: world.number("SELECT count() FROM orders") >= start + 1000, "the rows")  # noqa: B023
    # Without FINAL: not even a raw row is there twice.
    assert world.rows("SELECT count(), uniqExact(event_id), uniqExact(_partition, _offset) FROM orders") == [
        (2000, 2000, 2000)
    ]


def test_a_topic_made_anew_is_read_from_its_beginning(world: World) -> None:
    topic = world.topic("orders")
    for generation in (0, 1):
        for number in range(10):
            world.send_event("orders", order(100 * generation + number))
        world.flush()
        with world.sink("orders"):
            want = 10 * (generation + 1)
            until(lambda: world.number("SELECT count() FROM orders") == want, f"{want} rows")  # noqa: B023
        if generation == 0:
            delete_topics(world.settings, [topic])
            create_topics(world.settings, [topic])
    assert world.rows("SELECT uniqExact(_log), max(_offset) FROM orders") == [(2, 9)]


def test_the_same_event_sent_again_counts_once(world: World) -> None:
    with world.sink("orders"):
        for _ in range(3):
            world.send_event("orders", order(1))
            world.flush()
        until(lambda: world.number("SELECT max(_offset) FROM orders") == 2, "the last of them")
    assert world.number("SELECT count() FROM orders FINAL") == 1


def test_a_reprocessed_source_collapses_though_its_time_differs(world: World) -> None:
    enriched = BY_TABLE["listings_enriched"]
    with world.sink("listings_enriched"):
        for seconds in (0, 5):
            world.send_event(
                "listings_enriched",
                dataclasses.replace(enriched, occurred_at=AT + timedelta(seconds=seconds)),  # type: ignore[type-var]
            )
            world.flush()
        until(lambda: world.number("SELECT max(_offset) FROM listings_enriched") == 1, "the second one")
    assert world.number("SELECT count() FROM listings_enriched FINAL") == 1


def test_an_identical_retry_is_ignored(world: World) -> None:
    table, log = world.tables["orders"], Log("orders.v1", "topic_1")
    framed = world.codec.encode_event(order(1))
    for attempt in range(2):
        file = container(schema_json("OrderEvent"), log.identity, [0], [5], [framed], sync=bytes([attempt]) * 16)
        insert(world.client, table, file, token_of(log, [0], [5]))
    assert world.number("SELECT count() FROM orders") == 1
    assert stored_offsets(world.client, "orders", log) == {0: 5}
    assert stored_offsets(world.client, "orders", Log("orders.v1", "topic_2")) == {}


def test_an_insert_is_one_part(world: World) -> None:
    log = Log("orders.v1", "topic_1")
    framed = world.codec.encode_event(order(0))
    head, rest = framed[:6], framed[42:]  # around the event's id
    rows = [head + str(uuid.UUID(int=number)).encode() + rest for number in range(150_000)]
    world.client.command("SYSTEM STOP MERGES")
    try:
        file = container(
            schema_json("OrderEvent"), log.identity, [0] * len(rows), range(len(rows)), rows, sync=bytes(16)
        )
        insert(world.client, world.tables["orders"], file, "a token")
        parts = world.rows(
            "SELECT rows FROM system.parts WHERE active AND database = currentDatabase() AND table = 'orders'"
        )
    finally:
        world.client.command("SYSTEM START MERGES")
    assert parts == [(150_000,)]


def letters_of(world: World, name: str) -> list[DeadLetter]:
    """The dead letters that came from the table's topic."""
    letters = read_dead_letters(world.settings, world.codec)
    return [letter for letter in letters if letter.source_topic == world.topic(name)]


def test_a_truncated_record_is_a_dead_letter_byte_for_byte_and_its_neighbours_land(world: World) -> None:
    truncated = world.codec.encode_event(order(9))[:-3]
    world.send_event("orders", order(1))
    world.send("orders", truncated, b"\xffkey", trace=b"\xfe")
    world.send_event("orders", order(2))
    world.flush()
    with world.sink("orders"):
        until(lambda: world.number("SELECT count() FROM orders") == 2, "the neighbours")
    assert world.rows("SELECT toUInt128(event_id) FROM orders ORDER BY event_id") == [(1,), (2,)]
    (letter,) = letters_of(world, "orders")
    assert (letter.source_value, letter.source_key, letter.source_headers) == (
        truncated,
        b"\xffkey",
        {"trace": b"\xfe"},
    )
    assert (letter.error_class, letter.stage) == ("BadBody", "sink")
    assert letter.source_timestamp is not None
    stamp = round(letter.source_timestamp.timestamp() * 1000)
    place = (letter.source_topic, letter.source_partition, letter.source_offset, stamp)
    assert letter.event_id == derived_id("dead-letter", *place)


def broken(good: bytes) -> list[tuple[bytes | None, str]]:
    """Messages that can't be stored, each with the class of its error."""
    at = good.index(b"o-9")
    return [
        (None, "BadFraming"),
        (b"", "BadFraming"),
        (b"\x00\x00\x00", "BadFraming"),
        (b"\x01" + good[1:], "BadFraming"),
        (b"\x00\x00\x0f\x42\x3f" + good[5:], "UnknownSchemaId"),
        (b"\x00\x00\x00\x00\x01" + good[5:], "WrongRecord"),
        (good[:5], "BadBody"),
        (good[:20], "BadBody"),
        (good + b"\x00", "BadBody"),
        (good + b"\x00\x00\x00\x00", "BadBody"),
        (good[:at] + b"\xff\xfe9" + good[at + 3 :], "BadBody"),
        (good[:6] + b"z" * 36 + good[42:], "BadBody"),
        (good[:6] + b"\xff" * 36 + good[42:], "BadBody"),
    ]


def test_every_way_of_being_broken_in_one_batch(world: World) -> None:
    """Wrong framing, unknown and wrong schemas, bytes missing and left over, text that is no UTF-8, tombstones."""
    bad = broken(world.codec.encode_event(order(9)))
    for number, (value, _) in enumerate(bad):
        world.send_event("orders", order(100 + number))
        world.send("orders", value)
    world.send_event("orders", order(200))
    world.flush()
    with world.sink("orders"):
        until(lambda: world.number("SELECT count() FROM orders") == len(bad) + 1, "the good ones")
    found = {letter.source_offset: (letter.source_value, letter.error_class) for letter in letters_of(world, "orders")}
    assert found == {2 * number + 1: each for number, each in enumerate(bad)}


def test_a_record_that_only_clickhouse_refuses_is_found_by_halving(world: World) -> None:
    """A decimal of nine bytes decodes in Python but does not fit the column."""
    good = world.codec.encode_event(order(9, amount=Decimal("12.34")))
    at = good.index(b"\x04\x04\xd2")
    too_wide = good[:at] + b"\x12" + b"\x00" * 7 + b"\x04\xd2" + good[at + 3 :]
    for number in range(20):
        world.send_event("orders", order(number))
        if number == 13:
            world.send("orders", too_wide)
    world.flush()
    with world.sink("orders"):
        until(lambda: world.number("SELECT count() FROM orders") == 20, "the good ones")
    (letter,) = letters_of(world, "orders")
    assert (letter.source_value, letter.error_class) == (too_wide, "RefusedByClickHouse")


def test_a_bad_message_among_the_dead_letters_makes_no_dead_letter(world: World) -> None:
    world.send("dead_letters", b"no dead letter")
    world.send_event("dead_letters", BY_TABLE["dead_letters"])
    world.flush()
    with world.sink("dead_letters"):
        until(lambda: world.number("SELECT count() FROM dead_letters") == 1, "the good one")
    assert letters_of(world, "dead_letters") == []


def test_too_many_dead_letters_stop_the_sink_before_they_are_made(world: World) -> None:
    for _ in range(20):
        world.send("orders", b"broken")
    world.flush()
    with world.sink("orders", dead_letters_in_a_row=10) as sinking:
        error = sinking.wait_for_error()
    assert "20 messages in a row" in str(error)
    assert letters_of(world, "orders") == []


def test_a_missing_table_stops_the_sink_with_what_to_do(world: World) -> None:
    world.client.command("DROP TABLE orders")
    with world.sink("orders") as sinking:
        error = sinking.wait_for_error()
    assert isinstance(error, TableNotReady)
    assert "UNKNOWN_TABLE" in str(error)
    assert "tradewind sink" in str(error)


def test_a_missing_topic_stops_the_sink_with_what_to_do(world: World) -> None:
    delete_topics(world.settings, [world.topic("orders")])
    with world.sink("orders") as sinking:
        error = sinking.wait_for_error()
    assert isinstance(error, TopicsMissing)
    assert "tradewind topics create" in str(error)


def test_a_full_batch_does_not_wait_and_holds_no_more_than_its_rows(world: World) -> None:
    for number in range(1000):
        world.send_event("orders", order(number), str(number).encode())
    world.flush()
    with world.sink("orders", sink_batch_rows=100, sink_batch_s=3600.0) as sinking:
        until(lambda: world.number("SELECT count() FROM orders") == 1000, "all rows, though no batch grows old")
        assert sinking.metric("tradewind_sink_batches_total", table="orders") == 10


def test_stopping_stores_what_was_read(world: World) -> None:
    for number in range(10):
        world.send_event("orders", order(number))
    world.flush()
    with world.sink("orders", sink_batch_s=3600.0) as sinking:
        until(lambda: sinking.metric("tradewind_sink_lag", topic=world.topic("orders"), partition="0") >= 0, "a start")
        # What is read and not stored shows as lag, though Kafka has nothing more to give.
        until(lambda: any(sample_is_ten(sinking, world, number) for number in range(3)), "ten messages of lag")
        assert world.number("SELECT count() FROM orders") == 0
    assert world.number("SELECT count() FROM orders") == 10


def sample_is_ten(sinking: Any, world: World, partition: int) -> bool:
    """Whether ten messages of the partition are not yet stored."""
    return bool(sinking.metric("tradewind_sink_lag", topic=world.topic("orders"), partition=str(partition)) == 10)


def test_the_committed_offset_follows_for_those_who_watch_it(world: World) -> None:
    from confluent_kafka import Consumer, TopicPartition

    world.send_event("orders", order(1))
    world.flush()
    with world.sink("orders"):
        until(lambda: world.number("SELECT count() FROM orders") == 1, "the row")
        partition = world.number("SELECT any(_partition) FROM orders")
        watcher = Consumer(world.settings.kafka_client(**{"group.id": world.settings.sink_group}))
        asked = [TopicPartition(world.topic("orders"), partition)]
        until(lambda: watcher.committed(asked, timeout=5)[0].offset == 1, "the commit")
        watcher.close()


def test_logs_have_different_names_for_different_topics(world: World) -> None:
    logs = logs_of(AdminClient(world.settings.kafka_client()), [world.topic("orders"), world.topic("insights")])
    assert len({log.identity for log in logs.values()}) == 2
