"""A record's data to Avro's bytes, by functions that are put together from its schema once.

fastavro looks at every value of a union to see which member it fits, and at the schema again at each call. These know
where a value of our records stands: null or the one other type. They take what `schemas.validation` gives, and raise
over everything else; whoever calls then asks fastavro, which says what is wrong, or takes it after all.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from functools import cache
from typing import Any
from uuid import UUID

import orjson

from schemas.kinds import kind_of, plain_type
from schemas.records import schema_json
from schemas.varint import SMALL, write_varint

Writer = Callable[[Any], bytes]


class Unfit(Exception):
    """The value is not of a kind that is written here."""


@cache
def record_writer(record: str) -> Writer:
    """What writes data of the record: a mapping of every field, no more and no less, to its Avro body.

    It raises Unfit, or whatever a value of another kind leads to, and then has written nothing.
    """
    return _record(schema_json(record))


def _long(number: Any) -> bytes:
    if type(number) is not int:
        raise Unfit
    return SMALL[number] if 0 <= number < len(SMALL) else write_varint(number)


def _int(number: Any) -> bytes:
    if type(number) is not int or not -(2**31) <= number < 2**31:
        raise Unfit
    return SMALL[number] if 0 <= number < len(SMALL) else write_varint(number)


def _bytes(value: Any) -> bytes:
    if type(value) is not bytes:
        raise Unfit
    return _long(len(value)) + value


def _string(value: Any) -> bytes:
    if type(value) is not str:
        raise Unfit
    text = value.encode()
    return _long(len(text)) + text


def _uuid(value: Any) -> bytes:
    if type(value) is not UUID:
        raise Unfit
    # As str() writes it, in a fifth of the time; the quotes are left out.
    return b"\x48" + orjson.dumps(value)[1:-1]


_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def _timestamp(value: Any) -> bytes:
    if type(value) is not datetime or value.tzinfo is None:
        raise Unfit
    return timestamp(value - _EPOCH)


def timestamp(since: timedelta) -> bytes:
    """A time since 1970 as Avro has it, in whole milliseconds. Up to 2039 it is six bytes, quicker written out."""
    milliseconds = since.days * 86_400_000 + since.seconds * 1000 + since.microseconds // 1000
    left = milliseconds << 1
    if not 1 << 35 <= left < 1 << 42:
        return write_varint(milliseconds)
    return bytes(
        (
            left & 0x7F | 0x80,
            left >> 7 & 0x7F | 0x80,
            left >> 14 & 0x7F | 0x80,
            left >> 21 & 0x7F | 0x80,
            left >> 28 & 0x7F | 0x80,
            left >> 35,
        )
    )


def _decimal(avro_type: Mapping[str, Any]) -> Writer:
    scale, beyond = avro_type["scale"], 10 ** avro_type["precision"]

    def write(value: Any) -> bytes:
        if type(value) is not Decimal:
            raise Unfit
        scaled = value.scaleb(scale)
        number = int(scaled)
        if number != scaled or not -beyond < number < beyond:
            raise Unfit
        return unscaled(number)

    return write


def unscaled(number: int) -> bytes:
    """An amount in units of its last decimal as Avro has it: the fewest bytes of two's complement, and their count."""
    size = (number.bit_length() >> 3) + 1
    return SMALL[size] + number.to_bytes(size, "big", signed=True)


def _double(value: Any) -> bytes:
    if type(value) is not float:
        raise Unfit
    return struct.pack("<d", value)


def _enum(avro_type: Mapping[str, Any]) -> Writer:
    places = {symbol: write_varint(place) for place, symbol in enumerate(avro_type["symbols"])}
    return lambda value: places[value]


def _union(members: list[Any]) -> Writer:
    other = plain_type(members)
    write, none, some = writer(other), write_varint(members.index("null")), write_varint(members.index(other))
    return lambda value: none if value is None else some + write(value)


def _array(avro_type: Mapping[str, Any]) -> Writer:
    write_item = writer(avro_type["items"])

    def write(value: Any) -> bytes:
        if type(value) is not list:
            raise Unfit
        if not value:
            return b"\x00"
        return b"".join((_long(len(value)), *map(write_item, value), b"\x00"))

    return write


def _map(avro_type: Mapping[str, Any]) -> Writer:
    write_item = writer(avro_type["values"])

    def write(value: Any) -> bytes:
        if type(value) is not dict:
            raise Unfit
        if not value:
            return b"\x00"
        items = [_string(name) + write_item(item) for name, item in value.items()]
        return b"".join((_long(len(items)), *items, b"\x00"))

    return write


def _record(avro_type: Mapping[str, Any]) -> Writer:
    fields = [(field["name"], writer(field["type"])) for field in avro_type["fields"]]

    def write(value: Any) -> bytes:
        if len(value) != len(fields):
            raise Unfit
        return b"".join([write_field(value[name]) for name, write_field in fields])

    return write


def writer(avro_type: Any) -> Writer:
    """What writes values of the type."""
    return _union(avro_type) if isinstance(avro_type, list) else _MAKERS[kind_of(avro_type)](avro_type)


_MAKERS: dict[str, Callable[[Any], Writer]] = {
    "string": lambda _: _string,
    "uuid": lambda _: _uuid,
    "timestamp-millis": lambda _: _timestamp,
    "decimal": _decimal,
    "int": lambda _: _int,
    "long": lambda _: _long,
    "double": lambda _: _double,
    "bytes": lambda _: _bytes,
    "enum": _enum,
    "map": _map,
    "array": _array,
    "record": _record,
}
