"""A row as JSON has it, straight to Avro's bytes: `schemas.validation` and `schemas.writing` in one step.

Most values are plain: a text that fits, a whole number within its limits, an amount with its decimals. These are looked
at and written where they stand, with nothing made of them on the way. All others are converted and written as
everywhere else, field by field. A row that is not whole raises; whoever calls then asks `validate`, which says why.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from schemas.codec import Codec
from schemas.converters import text_of
from schemas.fields import field_converter
from schemas.kinds import default_of, kind_of, optional, plain_type
from schemas.records import schema_json
from schemas.topics import Topic
from schemas.validation import Problem, validate
from schemas.varint import SMALL, write_varint
from schemas.writing import Writer, timestamp, unscaled, writer

_UUID = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").fullmatch
_EPOCH = datetime(1970, 1, 1)


class NotWhole(Exception):
    """The row has a field of no known name, or lacks one that has no default."""


class Encoded(NamedTuple):
    """A message's key and value."""

    key: bytes
    value: bytes


def encode_row(codec: Codec, topic: Topic, row: Mapping[str, Any]) -> Encoded | tuple[Problem, ...]:
    """A row as a message of its topic, or everything that is wrong with it.

    Raises:
        NotRegistered, RegistryUnavailable: there is no schema id for the topic.
        ValueError, TypeError: it passes validation, and Avro can't write it.
    """
    try:
        body, key = row_writer(topic.record)(row), text_of(row[topic.key])
    except Exception:  # whatever an odd value leads to: validation says what is wrong with it, or takes it after all
        datum = validate(topic.record, row)
        if isinstance(datum, tuple):
            return datum
        return Encoded(datum[topic.key].encode(), codec.encode(topic, datum))
    return Encoded(key.encode(), codec.framed(topic, body))


@cache
def row_writer(record: str) -> Callable[[Mapping[str, Any]], bytes]:
    """What writes rows of the record: for each row that `validate` takes, the Avro body of what it gives.

    It raises NotWhole, `schemas.converters.Wrong` or whatever an odd value leads to, and then has written nothing.
    """
    fields = [(field["name"], _value_writer(field), _absent(field)) for field in schema_json(record)["fields"]]
    names = frozenset(name for name, _, _ in fields)

    def write(row: Mapping[str, Any]) -> bytes:
        if not row.keys() <= names:
            raise NotWhole
        return b"".join([write_value(row[name]) if name in row else absent() for name, write_value, absent in fields])

    return write


def _absent(field: Mapping[str, Any]) -> Callable[[], bytes]:
    """What stands for the field where a row leaves it out."""
    if "default" in field:
        written = writer(field["type"])(default_of(field))
        return lambda: written

    def refuse() -> bytes:
        raise NotWhole

    return refuse


def _value_writer(field: Mapping[str, Any]) -> Writer:
    convert, write = field_converter(field), writer(field["type"])

    def write_any(value: Any) -> bytes:
        return write(convert(value))

    avro_type, plain = field["type"], plain_type(field["type"])
    # A value of a union has the place of its member before it.
    before = write_varint(avro_type.index(plain)) if optional(avro_type) else b""
    make = _PLAIN.get(kind_of(plain))
    return make(field, plain, before, write_any) if make else write_any


def _text(field: Mapping[str, Any], _: Any, before: bytes, write_any: Writer) -> Writer:
    longest = field.get("maxLength") or 1 << 62
    shortest = field.get("minLength") or 0
    fits = re.compile(field["pattern"]).fullmatch if "pattern" in field else None

    def write(value: Any) -> bytes:
        if (
            type(value) is str
            and len(value) <= longest
            and (not shortest or len(value.strip()) >= shortest)
            and (fits is None or fits(value))
        ):
            text = value.encode()
            size = len(text)
            return before + (SMALL[size] if size < len(SMALL) else write_varint(size)) + text
        return write_any(value)

    return write


def _uuid(_: Any, __: Any, before: bytes, write_any: Writer) -> Writer:
    before += write_varint(36)
    return lambda value: before + value.encode() if type(value) is str and _UUID(value) else write_any(value)


def _time(_: Any, __: Any, before: bytes, write_any: Writer) -> Writer:
    def write(value: Any) -> bytes:
        # 2026-03-01T09:30:00Z, or the same with milliseconds
        if type(value) is str and len(value) in (20, 24) and value[10] == "T" and value[-1] == "Z":
            moment = datetime.fromisoformat(value[:-1])
            if moment.tzinfo is None:
                return before + timestamp(moment - _EPOCH)
        return write_any(value)

    return write


def _whole(bits: int) -> Callable[[Mapping[str, Any], Any, bytes, Writer], Writer]:
    def make(field: Mapping[str, Any], _: Any, before: bytes, write_any: Writer) -> Writer:
        low, high = max(field.get("minimum", 0), 0), min(2 ** (bits - 1), len(SMALL))
        return lambda value: before + SMALL[value] if type(value) is int and low <= value < high else write_any(value)

    return make


def _amount(field: Mapping[str, Any], avro_type: Any, before: bytes, write_any: Writer) -> Writer:
    scale, precision, low = avro_type["scale"], avro_type["precision"], field.get("minimum", 0)
    plain = re.compile(rf"[0-9]{{1,{precision - scale}}}\.[0-9]{{{scale}}}").fullmatch

    def write(value: Any) -> bytes:
        if low <= 0 and type(value) is str and plain(value):
            return before + unscaled(int(value.replace(".", "")))
        return write_any(value)

    return write


def _symbol(_: Any, avro_type: Any, before: bytes, write_any: Writer) -> Writer:
    written = {symbol: before + write_varint(place) for place, symbol in enumerate(avro_type["symbols"])}

    def write(value: Any) -> bytes:
        return written.get(value) or write_any(value) if type(value) is str else write_any(value)

    return write


#: By kind, what makes the writer of plain values, which hands all others on.
_PLAIN: Mapping[str, Callable[[Mapping[str, Any], Any, bytes, Writer], Writer]] = {
    "string": _text,
    "uuid": _uuid,
    "timestamp-millis": _time,
    "int": _whole(32),
    "long": _whole(64),
    "decimal": _amount,
    "enum": _symbol,
}
