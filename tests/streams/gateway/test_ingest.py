"""From a body's bytes to events that are ready, or to what is wrong with them."""

from __future__ import annotations

import io
import json
from datetime import datetime, timezone
from typing import Any

import fastavro
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import Codec
from schemas.complete_row import complete
from schemas.records import schema_json
from schemas.registry import CommittedRegistry
from schemas.topics import LISTINGS, ORDERS, QUESTIONS, Topic
from schemas.validation import validate
from schemas.varint import write_varint
from streams.gateway.examples import EVENTS
from streams.gateway.ingest import Ready, Refused, Rows, check, media_type_of, read_rows
from streams.gateway.problems import Problem

CODEC = Codec(CommittedRegistry())
NOW = datetime(2026, 3, 1, 10, tzinfo=timezone.utc)
ORDER = EVENTS["orders"]
JSON, AVRO = "application/json", "application/avro"
MAX = 5


def rows(body: bytes, media_type: str = JSON, topic: Topic = ORDERS) -> Rows | Problem:
    return read_rows(topic, media_type, body, MAX)


def code(found: object) -> tuple[int, str]:
    assert isinstance(found, Problem)
    return found.status, found.code


def one(row: Any, topic: Topic = ORDERS) -> Ready | Refused:
    (found,) = check(topic, [row], "m-1", NOW, CODEC)
    return found


def refused(row: Any, topic: Topic = ORDERS) -> Refused:
    found = one(row, topic)
    assert isinstance(found, Refused)
    return found


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (b"", (400, "not_json")),
        (b"{", (400, "not_json")),
        (b"\xef\xbb\xbf{}", (400, "not_json")),
        (b"\xff\xfe{\x00", (400, "not_json")),
        (b'{"a": NaN}', (400, "not_json")),
        (b'{"a": "\\ud800"}', (400, "not_json")),
        (b"[" * 100_000, (400, "not_json")),
        (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, (400, "not_json")),
        (b"[]", (422, "no_events")),
        (b"5", (422, "no_events")),
        (b"null", (422, "no_events")),
        (b'"text"', (422, "no_events")),
        (b"[{},{},{},{},{},{}]", (413, "too_many_events")),
    ],
)
def test_a_body_that_holds_no_events_says_why(body: bytes, wanted: tuple[int, str]) -> None:
    assert code(rows(body)) == wanted


def test_no_json_is_told_by_line_and_column_and_not_by_its_text() -> None:
    found = rows(b'{\n "text": "call 555-0100", oops}')
    assert isinstance(found, Problem)
    assert (found.more["line"], found.more["column"]) == (2, 27)
    assert "555" not in json.dumps(found.body())


@given(st.binary(max_size=300), st.sampled_from([JSON, AVRO]))
def test_no_bytes_raise(body: bytes, media_type: str) -> None:
    found = rows(body, media_type)
    if isinstance(found, Rows):
        assert len(check(ORDERS, found.rows, "m-1", NOW, CODEC)) == len(found.rows)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
        max_leaves=8,
    ),
    st.sampled_from([field["name"] for field in schema_json("ListingPublished")["fields"]]),
)
def test_no_json_raises(value: Any, field: str) -> None:
    for row in (value, {**EVENTS["listings"], field: value}):
        found = one(row, LISTINGS)
        assert isinstance(found, Ready) or found.problem.status in (403, 422)


def test_an_event_goes_out_as_publish_sends_it() -> None:
    found = one(ORDER)
    assert isinstance(found, Ready)
    datum = validate("OrderEvent", complete(ORDERS, {**ORDER, "merchant_id": "m-1"}, NOW))
    assert isinstance(datum, dict)
    assert found.outgoing == ("orders.v1", b"o-9001", CODEC.encode(ORDERS, datum))
    assert found.event_id == ORDER["event_id"]


def test_an_id_that_is_made_tells_merchants_apart_and_stays() -> None:
    row = {name: value for name, value in EVENTS["questions"].items() if name != "event_id"}
    ids = []
    for merchant, at in (("m-1", NOW), ("m-1", datetime.now(timezone.utc)), ("m-2", NOW)):
        (found,) = check(QUESTIONS, [row], merchant, at, CODEC)
        assert isinstance(found, Ready)
        ids.append(found.event_id)
    assert ids[0] == ids[1] != ids[2]
    published = complete(QUESTIONS, {**row, "merchant_id": "m-1"}, NOW)
    assert str(published["event_id"]) == ids[0]


@pytest.mark.parametrize("merchant", ["m-2", "M-1", "m-1 ", "", 1, ["m-1"], {"m-1": 1}, True])
def test_another_merchant_s_event_is_refused_as_such(merchant: Any) -> None:
    found = refused({**ORDER, "merchant_id": merchant})
    assert (found.problem.status, found.problem.code) == (403, "other_merchant")


def test_the_row_is_left_as_it_came() -> None:
    row = {name: value for name, value in ORDER.items() if name != "event_id"}
    before = dict(row)
    one(row)
    assert row == before


def test_what_is_no_uuid_is_not_repeated() -> None:
    found = refused({**ORDER, "event_id": "call 555-0100"})
    assert found.event_id is None
    kept = refused({**ORDER, "amount": "x"})
    assert kept.event_id == ORDER["event_id"]


def test_personal_fields_are_not_shown() -> None:
    found = refused({**EVENTS["questions"], "text": ["call 555-0100"], "buyer_id": "x" * 300}, QUESTIONS)
    assert "555" not in orjson.dumps(found.problem.body()).decode()
    assert {each.field for each in found.problem.fields} == {"text", "buyer_id"}


@pytest.mark.parametrize(
    ("header", "taken"),
    [
        ("application/json", True),
        ("Application/JSON; charset=UTF-8", True),
        ('application/json; charset="utf-8"', True),
        ("application/avro", True),
        ("avro/binary", True),
        ("application/json; charset=latin-1", False),
        ("", False),
        ("text/json", False),
        ("application/x-www-form-urlencoded", False),
        (";;;", False),
    ],
)
def test_media_types(header: str, taken: bool) -> None:
    found = media_type_of(header)
    assert isinstance(found, str) if taken else code(found) == (415, "media_type_unknown")


# Avro


def avro(*data: dict[str, Any], schema: Any = None, codec: str = "null") -> bytes:
    file = io.BytesIO()
    fastavro.writer(file, fastavro.parse_schema(schema or schema_json("OrderEvent")), data, codec=codec)
    return file.getvalue()


def datum() -> dict[str, Any]:
    found = validate("OrderEvent", {**ORDER, "merchant_id": "m-1"})
    assert isinstance(found, dict)
    return found


def test_an_avro_file_gives_the_same_bytes_as_json() -> None:
    found = rows(avro(datum(), datum()), AVRO)
    assert isinstance(found, Rows)
    assert [one(row) for row in found.rows] == [one(ORDER)] * 2


def test_an_older_version_of_the_schema_is_read() -> None:
    versions = CommittedRegistry().versions("orders.v1-value")
    for version in versions:
        found = rows(avro(datum(), schema=json.loads(version.schema)), AVRO)
        assert isinstance(found, Rows)


@pytest.mark.parametrize(
    ("schema", "data"),
    [
        ({"type": "record", "name": "A", "fields": [{"name": "a", "type": "int"}]}, [{"a": 1}]),
        ("string", ["x"]),
        ({"type": "array", "items": "null"}, [[None] * 10]),
    ],
)
def test_another_schema_is_422(schema: Any, data: list[Any]) -> None:
    assert code(rows(avro(*data, schema=schema), AVRO)) == (422, "schema_unknown")


def test_a_schema_that_is_none_or_a_bomb_is_422_or_400() -> None:
    deep: Any = "int"
    for _ in range(5_000):
        deep = [deep]
    for text in (b"", b"{", b"5", b'{"type":"record"}', b"[" * 50_000, orjson_free(deep)):
        body = b"Obj\x01" + entry(b"avro.schema", text) + b"\x00" + bytes(16)
        assert code(rows(body, AVRO))[0] in (400, 422)


def orjson_free(value: Any) -> bytes:
    """Nested deeper than a JSON writer goes."""
    depth = 0
    while isinstance(value, list):
        value, depth = value[0], depth + 1
    return b"[" * depth + json.dumps(value).encode() + b"]" * depth


def entry(name: bytes, value: bytes) -> bytes:
    return write_varint(1) + write_varint(len(name)) + name + write_varint(len(value)) + value


def test_an_id_and_a_key_are_told_and_sent_as_they_are_written() -> None:
    """However they stand in the JSON: what is not plain goes the long way, and comes to the same."""
    plain = one({**ORDER, "order_id": "814"})
    assert isinstance(plain, Ready)
    for odd in ({"event_id": ORDER["event_id"].upper()}, {"event_id": f"{{{ORDER['event_id']}}}"}, {"order_id": 814.0}):
        assert one({**ORDER, "order_id": 814, **odd}) == plain


def test_blocks_that_lie_are_400_or_413() -> None:
    whole = avro(datum())
    sync = whole[-16:]
    header = whole[: whole.index(sync) + 16]
    block = whole[len(header) : -16]
    body = block[len(write_varint(1)) :]
    for count, wanted in ((2**40, 413), (MAX + 1, 413), (-1, 400), (2, 400), (0, 400)):
        assert code(rows(header + write_varint(count) + body + sync, AVRO))[0] == wanted
    for length in (2**50, -1, 0, 3):
        assert code(rows(header + write_varint(1) + write_varint(length) + b"x" * 40 + sync, AVRO))[0] == 400
    assert code(rows(header + block + bytes(16), AVRO)) == (400, "not_avro")
    assert code(rows(header, AVRO)) == (422, "no_events")


def test_a_packed_block_is_415() -> None:
    assert code(rows(avro(datum(), codec="deflate"), AVRO)) == (415, "avro_codec_unknown")


@given(st.data())
def test_a_damaged_file_is_read_or_refused(data: st.DataObject) -> None:
    body = bytearray(avro(datum(), datum()))
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    found = rows(bytes(body[: data.draw(st.integers(0, len(body)))]), AVRO)
    if isinstance(found, Problem):
        assert found.status in (400, 413, 415, 422)
    else:
        assert len(check(ORDERS, found.rows, "m-1", NOW, CODEC)) == len(found.rows)
