"""The Avro records as files: where they are and what is in them."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from fastavro.schema import parse_schema

NAMESPACE = "tradewind.v1"
_FOLDER = files("schemas") / "avro"


@cache
def record_names() -> tuple[str, ...]:
    """Names of all records, in alphabetical order."""
    names = (entry.name for entry in _FOLDER.iterdir())
    return tuple(sorted(name.removesuffix(".avsc") for name in names if name.endswith(".avsc")))


@cache
def schema_text(record: str) -> str:
    """The record's schema as it stands in its file.

    Raises:
        KeyError: there is no such record.
    """
    if record not in record_names():
        raise KeyError(f"no record named {record!r}; there are {', '.join(record_names())}")
    return (_FOLDER / f"{record}.avsc").read_text(encoding="utf-8")


@cache
def schema_json(record: str) -> dict[str, Any]:
    """The record's schema as JSON, with our own field properties (`pattern`, `minimum`, ...) still in it."""
    schema: dict[str, Any] = json.loads(schema_text(record))
    return schema


@cache
def parsed_schema(record: str) -> Any:
    """The record's schema as fastavro's readers and writers take it."""
    return parse_schema(json.loads(schema_text(record)))
