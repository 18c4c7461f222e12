"""Bodies that are Avro object container files (Avro 1.12, "Object Container Files"), read without trusting them.

The file brings its writer's schema. It must be one that we know, so that no stranger's schema is ever followed: what is
read with is our own copy of it. Counts and lengths are held against what is there before anything is read.
"""

from __future__ import annotations

import io
import json
from functools import cache
from typing import Any

from fastavro import parse_schema, schemaless_reader
from fastavro.schema import to_parsing_canonical_form

from schemas.records import parsed_schema, schema_text
from schemas.registry import CommittedRegistry
from schemas.topics import Topic
from schemas.varint import read_varint
from streams.gateway.problems import Problem

AVRO_TYPES = ("application/avro", "avro/binary")
_MAGIC = b"Obj\x01"
_SYNC = 16
#: Of the file's header: the longest schema of ours has some kilobytes.
_MAX_HEADER = 64 * 1024
_MAX_ENTRIES = 32


class _Broken(Exception):
    """The file is not what it says."""


def read_avro(topic: Topic, body: bytes, max_events: int) -> list[dict[str, Any]] | Problem:
    """The file's records, or why it can't be read."""
    source = io.BytesIO(body)
    try:
        header = _header(source)
    except _Broken as why:
        return _broken(str(why))
    codec = header.get("avro.codec", b"null")
    if codec != b"null":
        return Problem(
            415,
            "avro_codec_unknown",
            "the file's blocks must be plain (avro.codec null); compress the whole body instead, with Content-Encoding",
        )
    writer = _known(topic, header.get("avro.schema", b""))
    if writer is None:
        return Problem(
            422,
            "schema_unknown",
            f"the file's schema is no version of {topic.record} that is known here; write with the schema in "
            "/openapi.json or in the schema registry",
        )
    try:
        return _records(source, len(body), topic, writer, max_events)
    except _TooMany:
        return Problem(413, "too_many_events", f"one request takes at most {max_events} events; send them in several")
    except _Broken as why:
        return _broken(str(why))


def _broken(why: str) -> Problem:
    return Problem(400, "not_avro", f"the body is no whole Avro container file: {why}; write it again")


class _TooMany(Exception):
    """More records than one request may have."""


def _header(source: io.BytesIO) -> dict[str, bytes]:
    """The file's metadata."""
    if source.read(len(_MAGIC)) != _MAGIC:
        raise _Broken("it does not begin with Obj and a byte of value 1")
    found: dict[str, bytes] = {}
    while (count := _long(source)) != 0:
        if count < 0:  # then the block's size in bytes follows
            count = -count
            _long(source)
        if len(found) + count > _MAX_ENTRIES:
            raise _Broken("its header has too many entries")
        for _ in range(count):
            name = _bytes(source)
            found[name.decode("utf-8", "replace")] = _bytes(source)
    return found


def _records(source: io.BytesIO, size: int, topic: Topic, writer: Any, max_events: int) -> list[dict[str, Any]]:
    reader = parsed_schema(topic.record)
    other = None if writer is reader else reader
    sync = source.read(_SYNC)
    found: list[dict[str, Any]] = []
    if len(sync) != _SYNC:
        raise _Broken("it ends in its header")
    while source.tell() < size:
        count, length = _long(source), _long(source)
        start = source.tell()
        if count < 0 or not 0 <= length <= size - start - _SYNC:
            raise _Broken("a block says that it has more than there is")
        if len(found) + count > max_events:
            raise _TooMany
        block = io.BytesIO(source.read(length))
        for _ in range(count):
            found.append(_record(block, writer, other, len(found) + 1))
        if block.tell() != length:
            raise _Broken("a block has more bytes than its records")
        if source.read(_SYNC) != sync:
            raise _Broken("a block does not end with the file's sync marker")
    return found


def _record(block: io.BytesIO, writer: Any, reader: Any, number: int) -> dict[str, Any]:
    try:
        record: Any = schemaless_reader(block, writer, reader)
    except Exception as error:  # any bytes may come, and fastavro raises whatever they lead to
        raise _Broken(f"record {number} does not read") from error
    if not isinstance(record, dict):
        raise _Broken(f"record {number} is no record")
    return record


def _long(source: io.BytesIO) -> int:
    try:
        number, end = read_varint(source.getbuffer(), source.tell())
    except IndexError:
        raise _Broken("it ends in the middle") from None
    except ValueError:
        raise _Broken("a number in it is too long") from None
    source.seek(end)
    return number


def _bytes(source: io.BytesIO) -> bytes:
    length = _long(source)
    if not 0 <= length <= _MAX_HEADER:
        raise _Broken("an entry of its header is too long")
    found = source.read(length)
    if len(found) != length:
        raise _Broken("it ends in its header")
    return found


def _known(topic: Topic, schema: bytes) -> Any:
    """Our own copy of the schema, parsed; None where it is none of ours."""
    try:
        form = to_parsing_canonical_form(json.loads(schema))
    except Exception:  # any JSON may come, and fastavro raises whatever it leads to
        return None
    return _versions(topic.subject, topic.record).get(form)


@cache
def _versions(subject: str, record: str) -> dict[str, Any]:
    """Every version of a record by its canonical form, which is what its bytes depend on."""
    texts = [entry.schema for entry in CommittedRegistry().versions(subject)]
    found = {to_parsing_canonical_form(json.loads(text)): parse_schema(json.loads(text)) for text in texts}
    return found | {to_parsing_canonical_form(json.loads(schema_text(record))): parsed_schema(record)}
