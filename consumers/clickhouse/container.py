"""Framed messages as an Avro object container file, which ClickHouse reads itself.

The bodies are copied, not decoded. Each becomes a block of its own between two sync markers, so that a truncated body
makes ClickHouse refuse the file instead of reading on into the next record
(https://avro.apache.org/docs/1.12.0/specification/#object-container-files).

Three fields go before each body and one behind it. The position comes first so that no body, however broken, can
touch it. The end mark comes last so that a body with bytes left over puts something else in its place, which the
tables refuse.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from consumers.clickhouse.tables import END, END_MARK, POSITION

SYNC_BYTES = 16
_MAGIC = b"Obj\x01"
_NAMESPACE = "tradewind.sink"
#: What a reader of the file needs; docs and our own properties would only be carried along.
_KEPT = frozenset(
    {"type", "name", "namespace", "fields", "items", "values", "symbols", "size", "logicalType", "precision", "scale"}
)


def varint(number: int) -> bytes:
    """The number as Avro writes an int or a long: zigzag, then seven bits a byte, the low ones first."""
    rest = (number << 1) ^ (number >> 63)
    if rest < 0x80:
        return _ONE_BYTE[rest]
    out = bytearray()
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)


_ONE_BYTE = tuple(bytes((number,)) for number in range(0x80))


def bare(schema: Any) -> Any:
    """The schema with nothing but what it takes to read a record: no docs, defaults, aliases or properties of ours."""
    if isinstance(schema, Mapping):
        return {key: bare(value) for key, value in schema.items() if key in _KEPT}
    if isinstance(schema, list):
        return [bare(member) for member in schema]
    return schema


def positioned(writer: Mapping[str, Any], log: str) -> dict[str, Any]:
    """The writer's record with the position before its fields and the end mark behind them.

    The log is the same for the whole file, so it is an enum of one symbol: a single byte a row.

    Args:
        log: a name in Avro's sense: letters, digits and underscores, not beginning with a digit.
    """
    name, partition, offset = POSITION
    fields = [
        {"name": name, "type": {"type": "enum", "name": "Log", "namespace": _NAMESPACE, "symbols": [log]}},
        {"name": partition, "type": "int"},
        {"name": offset, "type": "long"},
        *bare(writer["fields"]),
        {"name": END, "type": "int"},
    ]
    return {"type": "record", "name": "Row", "namespace": writer.get("namespace", _NAMESPACE), "fields": fields}


def header(schema: Mapping[str, Any], sync: bytes) -> bytes:
    """The head of a container file without compression."""
    meta = {"avro.schema": json.dumps(schema, separators=(",", ":")).encode(), "avro.codec": b"null"}
    entries = b"".join(_sized(key.encode()) + _sized(value) for key, value in meta.items())
    return _MAGIC + varint(len(meta)) + entries + varint(0) + sync


def container(writer: Mapping[str, Any], log: str, rows: Iterable[tuple[int, int, bytes]], *, sync: bytes) -> bytes:
    """One container file.

    Args:
        writer: schema of all the bodies.
        log: identity of the Kafka log they were read from.
        rows: partition, offset and Avro body of each, in the order in which they are to stand.
        sync: 16 random bytes.
    """
    parts = [header(positioned(writer, log), sync)]
    add = parts.append
    one_record, first_symbol = varint(1), varint(0)
    behind = varint(END_MARK) + sync
    more = len(behind) - SYNC_BYTES
    # Few values come again and again: a dictionary is quicker than writing them each time.
    befores: dict[int, bytes] = {}
    sizes: dict[int, bytes] = {}
    for partition, offset, body in rows:
        place = befores.get(partition)
        if place is None:
            place = befores[partition] = first_symbol + varint(partition)
        place += varint(offset)
        size = len(place) + len(body) + more
        start = sizes.get(size)
        if start is None:
            start = sizes[size] = one_record + varint(size)
        add(start + place + body + behind)
    return b"".join(parts)


def _sized(data: bytes) -> bytes:
    return varint(len(data)) + data
