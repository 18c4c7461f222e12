"""The Avro records as JSON Schema: what the gateway takes for each field, no more and no less.

JSON can say things in several ways, and validation takes them (a price as text or as a number), so the schema has them
too. A test draws from the schema and holds validation against it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from schemas.kinds import kind_of
from schemas.limits import MAX_ENTRIES, MAX_ENTRY_LENGTH
from schemas.records import schema_json
from schemas.topics import LISTINGS, QUESTIONS

Schema = dict[str, Any]

#: What Python strips from a text's ends, for a pattern: regular expressions disagree on what is white.
_BLANK = r"\t-\r\u001c-\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
#: What JSON's numbers can be without being read as fractions.
_WHOLE = {"minimum": -(2**63), "maximum": 2**64 - 1}
#: Fields that are filled in where they are absent or null, by record.
_FILLED_IN = {"event_id": "Made from what the event says where it is absent.", "merchant_id": "The key's where absent."}
_NOW = "The time at which the gateway takes it where absent."
_NOW_RECORDS = (LISTINGS.record, QUESTIONS.record)


def event_schema(record: str) -> Schema:
    """The record as an object of JSON."""
    avro = schema_json(record)
    properties: dict[str, Schema] = {}
    required = []
    for field in avro["fields"]:
        filled = _FILLED_IN.get(field["name"]) or (
            _NOW if field["name"] == "occurred_at" and record in _NOW_RECORDS else None
        )
        properties[field["name"]] = _field(field, filled)
        if "default" not in field and filled is None:
            required.append(field["name"])
    return {
        "type": "object",
        "description": avro["doc"],
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _field(field: Mapping[str, Any], filled: str | None) -> Schema:
    found = _value(field["type"], field)
    words = [field["doc"]]
    if field.get("expect"):
        words.append(f"It is {field['expect']}.")
    if filled:
        words.append(filled)
    if field.get("private"):
        words.append("Personal: never shown in an answer or a log.")
    if isinstance(field["type"], list) or filled:
        found = _or_null(found)
    found["description"] = " ".join(words)
    if field.get("default") not in (None, [], {}):
        found["default"] = field["default"]
    if field.get("private"):
        found["x-private"] = True
    return found


def _or_null(schema: Schema) -> Schema:
    if "anyOf" in schema:
        return {**schema, "anyOf": [*schema["anyOf"], {"type": "null"}]}
    kinds = schema["type"]
    nullable = {**schema, "type": [*([kinds] if isinstance(kinds, str) else kinds), "null"]}
    return nullable | ({"enum": [*schema["enum"], None]} if "enum" in schema else {})


def _value(avro_type: Any, field: Mapping[str, Any]) -> Schema:
    if isinstance(avro_type, list):
        return _value(next(member for member in avro_type if member != "null"), field)
    kind = kind_of(avro_type)
    if kind == "string":
        return _text(field)
    if kind == "uuid":
        return {"type": "string", "format": "uuid"}
    if kind == "timestamp-millis":
        return {"type": "string", "format": "date-time"}
    if kind == "decimal":
        return _money(avro_type["precision"] - avro_type["scale"], avro_type["scale"])
    if kind == "int":
        return _count(field.get("minimum", -(2**31)))
    if kind == "enum":
        return {"type": "string", "enum": list(avro_type["symbols"])}
    if kind == "map":
        entry = _text({"maxLength": MAX_ENTRY_LENGTH})
        names = {"maxLength": MAX_ENTRY_LENGTH}
        return {
            "type": "object", "additionalProperties": entry, "propertyNames": names, "maxProperties": MAX_ENTRIES,
        }  # fmt: skip
    if kind == "array":
        return {"type": "array", "items": _text({"maxLength": MAX_ENTRY_LENGTH}), "maxItems": MAX_ENTRIES}
    raise ValueError(f"{kind}: no event that the gateway takes has such a field")


def _text(field: Mapping[str, Any]) -> Schema:
    """Text; a number will do where no pattern forbids it, as ids often are numbers."""
    found: Schema = {"type": "string"}
    if "maxLength" in field:
        found["maxLength"] = field["maxLength"]
    if "pattern" in field:
        # Validation looks at the whole text; this pattern's end is where nothing follows, not even a line's.
        return found | {"pattern": f"^(?:{field['pattern']})$"}
    if field.get("minLength"):
        found |= {"minLength": field["minLength"], "pattern": f"[^{_BLANK}]"}
    return {"anyOf": [found, {"type": "integer", **_WHOLE}]}


def _money(digits: int, scale: int) -> Schema:
    """An amount of no currency, at least 0, as text or as a number."""
    return {
        "anyOf": [
            {"type": "string", "pattern": rf"^[0-9]{{1,{digits}}}([.][0-9]{{1,{scale}}})?$"},
            {"type": "number", "minimum": 0, "maximum": 10 ** (digits - 2), "multipleOf": float(f"1e-{scale}")},
        ]
    }


def _count(least: int) -> Schema:
    first = "[1-9]" if least == 1 else "[0-9]"
    return {
        "anyOf": [
            {"type": "integer", "minimum": least, "maximum": 2**31 - 1},
            {"type": "string", "pattern": f"^{first}[0-9]{{0,8}}$"},
        ]
    }
