"""What the schema behind an id means for the table."""

from __future__ import annotations

import copy
import io
import json
from typing import Any

import fastavro
import pytest
from fastavro.schema import parse_schema

from consumers.clickhouse.writers import Writer, Writers
from schemas.codec import HEADER, Rejected, frame
from schemas.records import parsed_schema, schema_json, schema_text
from schemas.registry import UnknownSchemaId
from schemas.topics import ANSWERS_DRAFTED, ORDERS, Topic
from tests.consumers.events import FULL, order


class Registry:
    """Schemas by id, as a test gives them."""

    def __init__(self, texts: dict[int, str]) -> None:
        self.texts = texts

    def by_id(self, schema_id: int) -> str:
        if schema_id not in self.texts:
            raise UnknownSchemaId(f"no schema has the id {schema_id}")
        return self.texts[schema_id]

    def id_of(self, topic: Topic) -> int:
        raise NotImplementedError(topic)


def changed(record: str, change: Any) -> dict[str, Any]:
    """The record's schema after a change of its fields."""
    schema = copy.deepcopy(schema_json(record))
    change(schema["fields"])
    return schema


def writers(topic: Topic, *schemas: object) -> Writers:
    return Writers(topic, Registry({number: json.dumps(schema) for number, schema in enumerate(schemas, 1)}))


def test_our_own_schema_is_native_and_known_as_ours() -> None:
    some = Writers(ORDERS, Registry({3: schema_text("OrderEvent")}))
    assert some.get(3) is some.ours
    assert some.ours.native


def test_more_and_fewer_top_level_fields_are_native() -> None:
    more = changed("OrderEvent", lambda fields: fields.append({"name": "gift", "type": "boolean", "default": False}))
    fewer = changed("OrderEvent", lambda fields: fields.pop())
    some = writers(ORDERS, more, fewer)
    for schema_id in (1, 2):
        found = some.get(schema_id)
        assert isinstance(found, Writer)
        assert found.native
        assert found is not some.ours


def test_another_nested_record_is_not_native() -> None:
    def drop_score(fields: list[dict[str, Any]]) -> None:
        evidence = next(field for field in fields if field["name"] == "evidence")
        evidence["type"]["items"]["fields"].pop()

    found = writers(ANSWERS_DRAFTED, changed("AnswerDrafted", drop_score)).get(1)
    assert isinstance(found, Writer)
    assert not found.native


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        (schema_json("QuestionAsked"), "a tradewind.v1.QuestionAsked on orders.v1"),
        ({"type": "object", "properties": {}}, "is no Avro record"),
        ({"type": "record", "name": "X", "fields": [{"name": "y", "type": "Z"}]}, "is no Avro record"),
        ("string", "is no Avro record"),
        ([1], "is no Avro record"),
    ],
)
def test_another_record_is_rejected(schema: object, text: str) -> None:
    found = writers(ORDERS, schema).get(1)
    assert isinstance(found, Rejected)
    assert found.error_class == "WrongRecord"
    assert text in found.message


def test_an_unknown_id_is_asked_for_again() -> None:
    registry = Registry({})
    some = Writers(ORDERS, registry)
    assert some.get(3) == Rejected("UnknownSchemaId", "no schema has the id 3")
    registry.texts[3] = schema_text("OrderEvent")
    assert isinstance(some.get(3), Writer)


def test_a_body_is_translated_into_our_schema_with_defaults() -> None:
    old = changed("OrderEvent", lambda fields: fields.pop(next(i for i, f in enumerate(fields) if f["name"] == "line")))
    from schemas.events import to_avro

    datum = to_avro(order(1))
    some = writers(ORDERS, old)
    writer = some.get(1)
    assert isinstance(writer, Writer)
    out = io.BytesIO()
    fastavro.schemaless_writer(out, parse_schema(old), datum)
    translated = some.translate(writer, frame(1, out.getvalue()), some.ours)
    assert isinstance(translated, bytes)
    assert translated[: HEADER.size] == frame(1, b"")
    assert fastavro.schemaless_reader(io.BytesIO(translated[HEADER.size :]), parsed_schema("OrderEvent"), None) == {
        **datum,
        "line": 1,
    }


def test_what_does_not_translate_is_rejected() -> None:
    some = Writers(ORDERS, Registry({}))
    out = io.BytesIO()
    from schemas.events import to_avro

    fastavro.schemaless_writer(out, parsed_schema("OrderEvent"), to_avro(FULL[2]))
    for body in (out.getvalue()[:-3], out.getvalue() + b"\x00", b""):
        found = some.translate(some.ours, frame(1, body), some.ours)
        assert isinstance(found, Rejected)
        assert found.error_class == "BadBody"
