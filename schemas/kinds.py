"""What a field's schema says of it: its kind, in words, whether it may be null, its default."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

_TYPE_WORDS = {
    "string": "text",
    "uuid": "a UUID",
    "timestamp-millis": "a time with its zone",
    "decimal": "an amount of money",
    "int": "a whole number",
    "long": "a whole number",
    "double": "a number",
    "map": "names with their values",
    "array": "a list",
    "record": "an object",
}


def plain_type(avro_type: Any) -> Any:
    """The type; of a union, which is one of null and one other in our records, the other."""
    return next(member for member in avro_type if member != "null") if isinstance(avro_type, list) else avro_type


def kind_of(avro_type: Any) -> str:
    """The plain type's logical type where it has one, else its type."""
    plain = plain_type(avro_type)
    return str(plain.get("logicalType") or plain["type"]) if isinstance(plain, dict) else str(plain)


def describe(field: Mapping[str, Any]) -> str:
    """What belongs in a field, in words."""
    if "expect" in field:
        return str(field["expect"])
    kind = kind_of(field["type"])
    return one_of(plain_type(field["type"])["symbols"]) if kind == "enum" else _TYPE_WORDS.get(kind, "a value")


def one_of(symbols: Iterable[str]) -> str:
    """An enum's symbols, in words."""
    return f"one of {', '.join(symbols)}"


def default_of(field: Mapping[str, Any]) -> Any:
    """A field's default, a fresh one where it can be changed."""
    default = field["default"]
    return default.copy() if isinstance(default, (list, dict)) else default


def optional(avro_type: Any) -> bool:
    """Whether it may be null."""
    return isinstance(avro_type, list) and "null" in avro_type
