"""The Avro files against the rules of the contracts, and against the typed events."""

from __future__ import annotations

from dataclasses import MISSING, fields
from enum import Enum
from typing import Any, get_args, get_type_hints

import pytest

from schemas.events import EVENT_TYPES
from schemas.records import record_names, schema_json
from schemas.topics import CATALOGUE


def walk(schema: Any) -> list[dict[str, Any]]:
    """Every record in the schema, nested ones included."""
    if isinstance(schema, list):
        return [found for member in schema for found in walk(member)]
    if not isinstance(schema, dict):
        return []
    if schema["type"] == "record":
        return [schema, *(found for field in schema["fields"] for found in walk(field["type"]))]
    return walk(schema.get("items") or schema.get("values"))


def enums(schema: Any) -> list[dict[str, Any]]:
    if isinstance(schema, list):
        return [found for member in schema for found in enums(member)]
    if not isinstance(schema, dict):
        return []
    if schema["type"] == "enum":
        return [schema]
    if schema["type"] == "record":
        return [found for field in schema["fields"] for found in enums(field["type"])]
    return enums(schema.get("items") or schema.get("values"))


def test_there_are_the_eight_records_of_the_catalogue() -> None:
    assert set(record_names()) == {topic.record for topic in CATALOGUE}
    assert len(record_names()) == 8


@pytest.mark.parametrize("record", record_names())
def test_every_record_starts_with_the_common_fields(record: str) -> None:
    names = [field["name"] for field in schema_json(record)["fields"]]
    assert names[:3] == ["event_id", "occurred_at", "merchant_id"]


@pytest.mark.parametrize("record", record_names())
def test_every_field_has_a_doc_and_every_enum_a_default(record: str) -> None:
    schema = schema_json(record)
    for part in walk(schema):
        assert part["doc"], part["name"]
        for field in part["fields"]:
            assert field.get("doc"), f"{part['name']}.{field['name']}"
            if isinstance(field["type"], list):
                assert field["type"][0] == "null", f"{part['name']}.{field['name']}"
                assert field["default"] is None, f"{part['name']}.{field['name']}"
    for enum in enums(schema):
        assert enum["default"] in enum["symbols"]


@pytest.mark.parametrize("record", record_names())
def test_the_typed_event_has_the_fields_of_its_record(record: str) -> None:
    for schema in walk(schema_json(record)):
        cls = EVENT_TYPES.get(schema["name"]) or nested_type(EVENT_TYPES[record], schema["name"])
        assert {field.name for field in fields(cls)} == {field["name"] for field in schema["fields"]}, schema["name"]
        optional = {field.name for field in fields(cls) if (field.default, field.default_factory) != (MISSING, MISSING)}
        assert optional == {field["name"] for field in schema["fields"] if "default" in field}, schema["name"]


@pytest.mark.parametrize("record", record_names())
def test_the_typed_enums_have_the_symbols_of_their_record(record: str) -> None:
    ours = {kind.__name__: [member.value for member in kind] for kind in enum_types(EVENT_TYPES[record])}
    theirs = {enum["name"]: enum["symbols"] for enum in enums(schema_json(record))}
    assert ours == theirs


def nested_type(cls: type[Any], name: str) -> type[Any]:
    """The dataclass of that name among the types of a dataclass's fields."""
    hints = get_type_hints(cls).values()
    inner = {kind.__name__: kind for hint in hints for kind in (hint, *get_args(hint)) if isinstance(kind, type)}
    return inner[name]


def enum_types(cls: type[Any]) -> list[type[Enum]]:
    found: list[type[Enum]] = []
    for hint in get_type_hints(cls).values():
        for kind in (hint, *get_args(hint)):
            if isinstance(kind, type) and issubclass(kind, Enum):
                found.append(kind)
            elif hasattr(kind, "__dataclass_fields__"):
                found += enum_types(kind)
    return found
