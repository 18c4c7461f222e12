"""Producers on other versions of the schema."""

from __future__ import annotations

import copy
import io
import json
from decimal import Decimal
from typing import Any

import fastavro
import pytest
from fastavro.schema import parse_schema

from schemas.codec import frame
from schemas.events import Event, to_avro
from schemas.records import schema_json
from schemas.registry import CommittedRegistry
from schemas.topics import Topic
from tests.consumers.events import FULL, order
from tests.consumers.harness import Sinking, World, until

pytestmark = pytest.mark.integration

ADDED, LACKING, NESTED, SYMBOL, NEXT = 101, 102, 103, 104, 105


def fields_of(schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {field["name"]: field for field in schema["fields"]}


def versions() -> dict[int, dict[str, Any]]:
    """Other versions of the records, by id."""
    added = copy.deepcopy(schema_json("OrderEvent"))
    added["fields"].insert(4, {"name": "gift", "type": ["null", "string"], "default": None})
    lacking = copy.deepcopy(schema_json("OrderEvent"))
    lacking["fields"] = [field for field in lacking["fields"] if field["name"] not in ("line", "store", "discount")]
    nested = copy.deepcopy(schema_json("AnswerDrafted"))
    fields_of(nested)["evidence"]["type"]["items"]["fields"].pop()  # score, which has a default
    symbol = copy.deepcopy(schema_json("OrderEvent"))
    fields_of(symbol)["kind"]["type"]["symbols"].append("GIFTED")
    following = copy.deepcopy(symbol)
    following["fields"].append({"name": "gift_text", "type": ["null", "string"], "default": None})
    return {ADDED: added, LACKING: lacking, NESTED: nested, SYMBOL: symbol, NEXT: following}


class NewerRegistry:
    """The committed schemas, and other versions beside them."""

    def __init__(self) -> None:
        self._committed = CommittedRegistry()
        self._more = {schema_id: json.dumps(schema) for schema_id, schema in versions().items()}

    def by_id(self, schema_id: int) -> str:
        return self._more.get(schema_id) or self._committed.by_id(schema_id)

    def id_of(self, topic: Topic) -> int:
        return self._committed.id_of(topic)


def written(schema_id: int, event: Event, **more: object) -> bytes:
    """The event as a producer on that version writes it."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, parse_schema(versions()[schema_id]), {**to_avro(event), **more})
    return frame(schema_id, out.getvalue())


def test_an_added_field_is_skipped_and_a_lacking_one_has_its_default(world: World) -> None:
    """First a batch of each version alone, which goes in undecoded, then one of all versions together."""
    alone = [written(ADDED, order(1, line=7, store="web"), gift="a ribbon")], [written(LACKING, order(2, line=7))]
    together = [
        written(ADDED, order(3, line=7, store="web"), gift=None),
        world.codec.encode_event(order(4, line=7, store="web")),
        written(LACKING, order(5, line=7)),
        written(ADDED, order(6, line=7, store="web"), gift="a ribbon"),
    ]
    with world.sink("orders", registry=NewerRegistry()) as sinking:
        stored = 0
        for batch in (*alone, together):
            for value in batch:
                world.send("orders", value)
            world.flush()
            stored += len(batch)
            until(lambda: world.number("SELECT count() FROM orders") == stored, f"{stored} rows")  # noqa: B023
            if batch is not together:
                assert sinking.metric("tradewind_sink_translated_total", table="orders") == 0
    assert world.rows("SELECT toUInt128(event_id), line, store FROM orders ORDER BY event_id") == [
        (1, 7, "web"),
        (2, 1, None),
        (3, 7, "web"),
        (4, 7, "web"),
        (5, 1, None),
        (6, 7, "web"),
    ]
    assert world.number("SELECT count() FROM orders WHERE amount != toDecimal64('12.34', 2) OR currency != 'EUR'") == 0


def test_a_lacking_nested_field_has_its_default(world: World) -> None:
    drafted = next(event for event in FULL if type(event).__name__ == "AnswerDrafted")
    with world.sink("answers_drafted", registry=NewerRegistry()):
        world.send("answers_drafted", written(NESTED, drafted))
        world.flush()
        until(lambda: world.number("SELECT count() FROM answers_drafted") == 1, "the row")
    assert world.rows("SELECT evidence.text, evidence.score, confidence FROM answers_drafted") == [
        (["100 % Merino", "羊毛"], [0.0, 0.0], 0.625)
    ]


def test_a_symbol_that_we_do_not_know_is_kept_as_text(world: World) -> None:
    with world.sink("orders", registry=NewerRegistry()):
        world.send("orders", written(SYMBOL, order(1), kind="GIFTED"))
        world.flush()
        until(lambda: world.number("SELECT count() FROM orders") == 1, "the row")
    assert world.rows("SELECT kind FROM orders") == [("GIFTED",)]


def test_producers_on_two_versions_at_once_while_the_sink_runs(world: World) -> None:
    """Version 2 has one more optional field and one more symbol; its events come between those of version 1.

    Each batch has both, the small ones and the large ones, and the broken event of either is a dead letter.
    """
    sent = 0
    with world.sink("orders", registry=NewerRegistry()) as sinking:
        for size in (2, 3, 400):
            for number in range(sent, sent + size):
                value = (
                    written(NEXT, order(number, line=7), kind="GIFTED", gift_text="for you")
                    if number % 2
                    else world.codec.encode_event(order(number, line=7))
                )
                world.send("orders", value)
            world.send("orders", written(NEXT, order(10_000 + sent), gift_text="broken")[:-9])
            world.flush()
            sent += size
            until(lambda: world.number("SELECT count() FROM orders") == sent, f"{sent} rows")  # noqa: B023
        assert sinking.metric("tradewind_sink_translated_total", table="orders") > 0
        assert sinking.metric("tradewind_sink_rejected_total", table="orders", error_class="BadBody") == 3
    assert world.rows(
        "SELECT kind, count(), uniqExact(event_id), sum(line), sum(amount) "
        "FROM orders FINAL GROUP BY kind ORDER BY kind"
    ) == [
        ("GIFTED", sent // 2, sent // 2, 7 * (sent // 2), Decimal("12.34") * (sent // 2)),
        ("PLACED", sent - sent // 2, sent - sent // 2, 7 * (sent - sent // 2), Decimal("12.34") * (sent - sent // 2)),
    ]


def test_an_unknown_symbol_is_kept_as_text_also_where_records_are_translated(world: World) -> None:
    """In a batch of two writers the records are decoded, which must not lose what ours does not know."""
    with world.sink("orders", registry=NewerRegistry()):
        world.send("orders", written(SYMBOL, order(1), kind="GIFTED"))
        world.send("orders", world.codec.encode_event(order(2)))
        world.flush()
        until(lambda: world.number("SELECT count() FROM orders") == 2, "both rows")
    assert world.rows("SELECT kind FROM orders ORDER BY event_id") == [("GIFTED",), ("PLACED",)]


def refusals(sinking: Sinking) -> float:
    """Messages that were put aside because of their bodies, whoever noticed."""
    name = "tradewind_sink_rejected_total"
    return sum(sinking.metric(name, table="orders", error_class=each) for each in ("BadBody", "RefusedByClickHouse"))


@pytest.mark.parametrize("together", [False, True], ids=["alone", "among records of ours"])
def test_a_record_cut_off_in_a_field_that_we_do_not_know_is_refused(world: World, together: bool) -> None:
    with world.sink("orders", registry=NewerRegistry()) as sinking:
        if together:
            world.send("orders", world.codec.encode_event(order(1)))
        world.send("orders", written(NEXT, order(2), gift_text="for you")[:-2])
        world.flush()
        until(lambda: refusals(sinking) == 1, "the refusal", deadline_s=20.0)
    assert world.number("SELECT count() FROM orders") == together
