"""Events to bytes and back: Confluent framing around an Avro body.

The wire format is a zero byte, the writer's schema id as 4 bytes big-endian, and the Avro body
(https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format).
Decoding gives what is wrong as a value, because on a stream a bad message is an ordinary case.
"""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastavro import schemaless_reader, schemaless_writer
from fastavro.schema import SchemaParseException, parse_schema

from schemas import limits
from schemas.events import EVENT_TYPES, Event, from_avro, to_avro
from schemas.records import parsed_schema
from schemas.registry import Registry, UnknownSchemaId
from schemas.topics import PLATFORM, Topic, topic_of_record
from schemas.writing import record_writer

MAGIC = 0
HEADER = struct.Struct(">bI")


@dataclass(frozen=True, slots=True)
class Rejected:
    """Why a message could not be decoded.

    Attributes:
        error_class: BadFraming, UnknownSchemaId, WrongRecord, BadBody or TooLarge.
        message: what was wrong, in one line, without any of the message's text.
    """

    error_class: str
    message: str


def frame(schema_id: int, body: bytes) -> bytes:
    """The body under its header."""
    return HEADER.pack(MAGIC, schema_id) + body


def unframe(message: bytes | None) -> tuple[int, bytes] | Rejected:
    """Schema id and body of a framed message."""
    if message is None:
        return Rejected("BadFraming", "the message has no value (a tombstone); expected a framed Avro record")
    if len(message) < HEADER.size:
        return Rejected("BadFraming", f"{len(message)} bytes are too few; the header alone has {HEADER.size}")
    magic, schema_id = HEADER.unpack_from(message)
    if magic != MAGIC:
        return Rejected("BadFraming", f"the first byte is 0x{message[0]:02x}; Confluent framing begins with 0x00")
    return schema_id, message[HEADER.size :]


def _body(record: str, datum: Mapping[str, Any]) -> bytes:
    try:
        return record_writer(record)(datum)
    except Exception:  # some value is not what validation gives: fastavro says what is wrong, or takes it
        body = io.BytesIO()
        schemaless_writer(body, parsed_schema(record), dict(datum), strict=True)
        return body.getvalue()


class Codec:
    """Encodes with the ids of a registry, and decodes any writer's version into ours."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._writers: dict[int, Any] = {}
        self._headers: dict[str, bytes] = {}  # by topic

    def encode(self, topic: Topic, datum: Mapping[str, Any]) -> bytes:
        """The datum as a framed message of the topic's record.

        Raises:
            NotRegistered, RegistryUnavailable: there is no id for it.
            ValueError, TypeError: it does not fit the schema; `schemas.validation` says where.
        """
        return self.framed(topic, _body(topic.record, datum))

    def framed(self, topic: Topic, body: bytes) -> bytes:
        """A body of the topic's present record as a message.

        Raises:
            NotRegistered, RegistryUnavailable: there is no id for it.
        """
        header = self._headers.get(topic.name)
        if header is None:  # an id never changes
            header = self._headers[topic.name] = frame(self._registry.id_of(topic), b"")
        return header + body

    def encode_event(self, event: Event) -> bytes:
        """The event as a framed message of its topic."""
        return self.encode(topic_of_record(type(event).__name__), to_avro(event))

    def decode(self, topic: Topic, message: bytes | None) -> dict[str, Any] | Rejected:
        """The message as a dict of the topic's present record, whichever compatible version wrote it.

        Raises:
            RegistryUnavailable: the registry gave no answer; the message may be fine.
        """
        framed = unframe(message)
        if isinstance(framed, Rejected):
            return framed
        schema_id, body = framed
        writer = self.writer(topic, schema_id)
        if isinstance(writer, Rejected):
            return writer
        reader = parsed_schema(topic.record)
        source = io.BytesIO(body)
        try:
            # Types of fastavro do not know that a schema may be given for the reader alone.
            datum: Any = schemaless_reader(source, writer, reader)
        except Exception as error:  # any bytes may come, and fastavro raises whatever they lead to
            return Rejected("BadBody", f"the body does not read as {reader['name']} ({type(error).__name__})")
        rest = len(body) - source.tell()
        if rest:
            return Rejected("BadBody", f"{rest} bytes are left over after the {reader['name']}")
        result: dict[str, Any] = datum
        return result

    def decode_event(self, topic: Topic, message: bytes | None) -> Event | Rejected:
        """The message as a typed event; what the platform sends is held to our limits."""
        platform = topic.written_by == PLATFORM
        if platform and message is not None and len(message) > limits.MAX_VALUE_BYTES:
            return Rejected("TooLarge", f"{len(message)} bytes, at most {limits.MAX_VALUE_BYTES} are taken")
        datum = self.decode(topic, message)
        if isinstance(datum, Rejected):
            return datum
        if platform and (why := limits.excess(topic.record, datum)) is not None:
            return Rejected("TooLarge", why)
        try:
            event: Event = from_avro(EVENT_TYPES[topic.record], datum)
        except (TypeError, ValueError) as error:
            return Rejected("BadBody", f"the body does not make a {topic.record} ({type(error).__name__})")
        return event

    def writer(self, topic: Topic, schema_id: int) -> dict[str, Any] | Rejected:
        """The parsed schema that a message of the topic was written with. Asks the registry once for each id.

        Raises:
            RegistryUnavailable: the registry gave no answer.
        """
        try:
            writer = self._writer(schema_id)
        except UnknownSchemaId as error:
            return Rejected("UnknownSchemaId", str(error))
        except (ValueError, SchemaParseException):
            return Rejected("WrongRecord", f"schema {schema_id} is no Avro record; expected {topic.record}")
        wanted = parsed_schema(topic.record)["name"]
        if not isinstance(writer, dict) or writer.get("name") != wanted:
            name = writer.get("name") if isinstance(writer, dict) else writer
            return Rejected("WrongRecord", f"a {name} on {topic.name}; expected {wanted}")
        return writer

    def _writer(self, schema_id: int) -> Any:
        if schema_id not in self._writers:
            self._writers[schema_id] = parse_schema(json.loads(self._registry.by_id(schema_id)))
        return self._writers[schema_id]
