"""The schema behind an id, and what it takes to store the records that it wrote.

ClickHouse reads a writer's file by field names: it skips what the table does not have and fills what the writer did
not write with the column's default. Inside a nested record it can do neither (it wants exactly the leaves of the
column), so records of such a writer are decoded here and written again under our own schema.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fastavro import schemaless_reader, schemaless_writer
from fastavro.schema import SchemaParseException, UnknownType, parse_schema

from consumers.clickhouse.container import bare
from schemas.codec import HEADER, Rejected
from schemas.records import schema_json
from schemas.registry import Registry, UnknownSchemaId
from schemas.topics import Topic


@dataclass(frozen=True, slots=True, eq=False)
class Writer:
    """A schema that messages of a topic were written with.

    Attributes:
        schema: as JSON.
        parsed: as fastavro takes it.
        native: whether ClickHouse reads its records into the topic's table as they are.
    """

    schema: Mapping[str, Any]
    parsed: Any
    native: bool


class Writers:
    """The writers of one topic, each asked for once."""

    def __init__(self, topic: Topic, registry: Registry) -> None:
        self._topic = topic
        self._registry = registry
        self._known: dict[int, Writer] = {}
        self.ours = _writer(schema_json(topic.record), topic)

    def get(self, schema_id: int) -> Writer | Rejected:
        """The writer behind the id.

        Raises:
            RegistryUnavailable: no answer; the same question may be answered later.
        """
        if schema_id in self._known:
            return self._known[schema_id]
        try:
            text = self._registry.by_id(schema_id)
        except UnknownSchemaId as error:
            # Not remembered: the schema may be registered while we run.
            return Rejected("UnknownSchemaId", str(error))
        try:
            writer = _writer(json.loads(text), self._topic)
        except (ValueError, TypeError, LookupError, AttributeError, SchemaParseException, UnknownType) as error:
            # A registry may hold JSON Schema and Protobuf too.
            kind = type(error).__name__
            return Rejected("WrongRecord", f"the schema with the id {schema_id} is no Avro record ({kind})")
        found, expected = _full_name(writer), _full_name(self.ours)
        if found != expected:
            return Rejected("WrongRecord", f"a {found} on {self._topic.name}; expected {expected}")
        if writer.schema == self.ours.schema:
            writer = self.ours
        self._known[schema_id] = writer
        return writer

    def together(self, writers: Iterable[Writer]) -> Writer:
        """Our own schema, whose enums have the symbols of all these writers behind our own.

        So a symbol that we do not know stays the text that it is, and records of ours keep their bytes.
        """
        wide = schema = schema_json(self._topic.record)  # with the defaults of fields that a writer lacks
        for writer in sorted(writers, key=lambda writer: json.dumps(writer.schema)):
            wide = _widened(wide, writer.schema)
        if wide == schema:
            return self.ours
        return _writer(wide, self._topic)

    def translate(self, writer: Writer, framed: bytes, target: Writer) -> bytes | Rejected:
        """The message as the target's schema writes it, under the frame that it had."""
        source, out = io.BytesIO(framed), io.BytesIO(framed[: HEADER.size])
        out.seek(HEADER.size)
        try:
            # By itself first: where fastavro skips a field that the target lacks, it does not notice a cut.
            source.seek(HEADER.size)
            schemaless_reader(source, writer.parsed, None)
            if source.tell() != len(framed):
                return Rejected("BadBody", f"{len(framed) - source.tell()} bytes are left over after the record")
            source.seek(HEADER.size)
            datum: Any = schemaless_reader(source, writer.parsed, target.parsed)
            schemaless_writer(out, target.parsed, datum)
        except Exception as error:  # any bytes may come, and fastavro raises whatever they lead to
            return Rejected("BadBody", f"the body does not read as {self._topic.record} ({type(error).__name__})")
        return out.getvalue()


def _widened(ours: Any, theirs: Any) -> Any:
    """Our type, with the symbols of the other one's enums behind ours wherever both have the same field."""
    if isinstance(ours, list):
        members = theirs if isinstance(theirs, list) else [theirs]
        return [
            next((_widened(each, other) for other in members if _kind(other) == _kind(each)), each) for each in ours
        ]
    if isinstance(theirs, list):
        return next((_widened(ours, other) for other in theirs if _kind(other) == _kind(ours)), ours)
    if not isinstance(ours, Mapping) or not isinstance(theirs, Mapping) or ours["type"] != theirs["type"]:
        return ours
    if ours["type"] == "enum":
        return {**ours, "symbols": [*ours["symbols"], *(s for s in theirs["symbols"] if s not in ours["symbols"])]}
    if ours["type"] == "record":
        types = {field["name"]: field["type"] for field in theirs["fields"]}
        fields = [{**field, "type": _widened(field["type"], types.get(field["name"]))} for field in ours["fields"]]
        return {**ours, "fields": fields}
    inner = next((name for name in ("items", "values") if name in ours), None)
    return {**ours, inner: _widened(ours[inner], theirs[inner])} if inner else ours


def _kind(avro_type: Any) -> Any:
    return avro_type["type"] if isinstance(avro_type, Mapping) else avro_type


def _writer(schema: Mapping[str, Any], topic: Topic) -> Writer:
    ours = {field["name"]: field["type"] for field in schema_json(topic.record)["fields"]}
    native = all(
        _leaves(field["type"]) == _leaves(ours[field["name"]])
        for field in schema.get("fields", ())
        if field["name"] in ours
    )
    return Writer(schema=bare(schema), parsed=parse_schema(json.loads(json.dumps(schema))), native=native)


def _full_name(writer: Writer) -> str:
    return str(writer.parsed["name"])


def _leaves(avro_type: Any) -> Any:
    """The names in a nested type, in order; None for a type without any."""
    if isinstance(avro_type, list):
        return next((_leaves(member) for member in avro_type if member != "null"), None)
    if not isinstance(avro_type, Mapping):
        return None
    if avro_type["type"] == "record":
        return tuple((field["name"], _leaves(field["type"])) for field in avro_type["fields"])
    return _leaves(avro_type.get("items")) or _leaves(avro_type.get("values"))
