"""Framing and Avro, there and back, and everything that can be wrong with a message."""

from __future__ import annotations

import json
import uuid
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.codec import Codec, Rejected, frame, unframe
from schemas.events import EVENT_TYPES, OrderEvent, OrderKind, from_avro, to_avro
from schemas.records import schema_json
from schemas.registry import CommittedRegistry
from schemas.topics import CATALOGUE, LISTINGS, ORDERS, Topic
from tests.schemas.strategies import data_of

CODEC = Codec(CommittedRegistry())
ORDER = OrderEvent(
    event_id=uuid.UUID(int=7),
    occurred_at=datetime(2026, 3, 1, 9, 30, tzinfo=timezone.utc),
    merchant_id="m-1",
    order_id="o-1",
    listing_id="l-1",
    kind=OrderKind.PLACED,
    amount=Decimal("19.99"),
    currency="EUR",
)


def rejected(message: bytes | None, topic: Topic = ORDERS) -> Rejected:
    result = CODEC.decode(topic, message)
    assert isinstance(result, Rejected)
    return result


@pytest.mark.parametrize("topic", CATALOGUE, ids=lambda topic: topic.record)
@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(data=st.data())
def test_any_event_survives_the_wire(topic: Topic, data: st.DataObject) -> None:
    datum = data.draw(data_of(topic.record))
    assert CODEC.decode(topic, CODEC.encode(topic, datum)) == datum
    event = from_avro(EVENT_TYPES[topic.record], datum)
    assert CODEC.decode_event(topic, CODEC.encode_event(event)) == event
    assert to_avro(event) == datum


def test_the_frame_is_a_zero_byte_and_the_id_in_four() -> None:
    message = CODEC.encode_event(ORDER)
    assert message[:5] == bytes([0, 0, 0, 0, CommittedRegistry().id_of(ORDERS)])
    assert unframe(frame(258, b"body")) == (258, b"body")


@pytest.mark.parametrize(
    ("message", "error_class", "said"),
    [
        (None, "BadFraming", "tombstone"),
        (b"", "BadFraming", "0 bytes"),
        (b"\x00\x00\x00", "BadFraming", "3 bytes"),
        (b"\x01\x00\x00\x00\x03body", "BadFraming", "0x01"),
        (frame(99999, b"body"), "UnknownSchemaId", "99999"),
        (frame(1, b"body"), "WrongRecord", "ListingPublished on orders.v1"),
        (frame(3, b""), "BadBody", "OrderEvent"),
    ],
)
def test_a_bad_message_says_what_is_wrong(message: bytes | None, error_class: str, said: str) -> None:
    result = rejected(message)
    assert result.error_class == error_class
    assert said in result.message


@given(cut=st.integers(0, 60), more=st.binary(max_size=4))
def test_a_truncated_or_padded_body_is_rejected(cut: int, more: bytes) -> None:
    message = CODEC.encode_event(ORDER)
    damaged = message[: max(0, len(message) - cut)] + more
    if damaged != message:
        result = CODEC.decode(ORDERS, damaged)
        assert isinstance(result, Rejected) or CODEC.encode(ORDERS, result) == damaged


@given(st.binary(max_size=200))
def test_no_bytes_raise(body: bytes) -> None:
    for message in (body, frame(1, body)):
        result = CODEC.decode_event(LISTINGS, message)
        assert isinstance(result, (Rejected, EVENT_TYPES["ListingPublished"]))


def test_the_message_is_not_in_the_reason() -> None:
    message = frame(2, b"\x48" + b"call me at 555-0100, Jane Roe")
    assert "555" not in rejected(message).message


class Versions(CommittedRegistry):
    """The committed versions and one more, written by somebody else."""

    def __init__(self, folder: Path, schema: dict[str, Any]) -> None:
        super().__init__()
        self.other = json.dumps(schema)

    def by_id(self, schema_id: int) -> str:
        return self.other if schema_id == 500 else super().by_id(schema_id)


def written_with(schema: dict[str, Any], datum: dict[str, Any], folder: Path) -> Any:
    """What we read of a record that was written with another version of its schema."""
    import io

    from fastavro import parse_schema, schemaless_writer

    body = io.BytesIO()
    schemaless_writer(body, parse_schema(json.loads(json.dumps(schema))), datum)
    return Codec(Versions(folder, schema)).decode(ORDERS, frame(500, body.getvalue()))


def test_an_older_version_is_read_with_defaults(tmp_path: Path) -> None:
    older = json.loads(json.dumps(schema_json("OrderEvent")))
    older["fields"] = [field for field in older["fields"] if field["name"] not in ("store", "line")]
    datum = {name: value for name, value in to_avro(ORDER).items() if name not in ("store", "line")}
    assert written_with(older, datum, tmp_path) == to_avro(ORDER)


def test_a_newer_version_is_read_without_what_we_do_not_know(tmp_path: Path) -> None:
    newer = json.loads(json.dumps(schema_json("OrderEvent")))
    newer["fields"].insert(4, {"name": "gift", "type": "boolean", "default": False})
    kind = next(field for field in newer["fields"] if field["name"] == "kind")
    kind["type"]["symbols"].append("LOST_IN_TRANSIT")
    datum = {**to_avro(ORDER), "gift": True, "kind": "LOST_IN_TRANSIT"}
    assert written_with(newer, datum, tmp_path) == {**to_avro(ORDER), "kind": "UNKNOWN"}
