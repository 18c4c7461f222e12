"""What JSON and CSV can say, made into what Avro wants: one function for each type, put together once."""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Any

from schemas.kinds import default_of, describe, kind_of, one_of, optional, plain_type

Converter = Callable[[Any], Any]

#: Stands for a value that is not there, and for "the value that was looked at".
MISSING = object()
HERE = object()

_SHOWN = 60  # characters of a wrong value that are worth showing


class Wrong(Exception):
    """Carries what a value should have been from the depth of a field up to the field."""

    def __init__(self, expected: str, mend: str, path: str = "", value: Any = HERE) -> None:
        super().__init__(expected)
        self.expected, self.mend, self.path, self.value = expected, mend, path, value


def converter(avro_type: Any) -> Converter:
    """What makes a value of the type; it raises Wrong."""
    convert = _MAKERS[kind_of(avro_type)](plain_type(avro_type))
    return (lambda value: None if value is None else convert(value)) if optional(avro_type) else convert


def short(text: str) -> str:
    """The text, cut to what is worth showing."""
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def text_of(value: Any) -> str:
    """A value that belongs in a text: an id may be a number in JSON.

    Raises:
        Wrong: it is neither.
    """
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**63:
        value = int(value)  # an id that JSON has as 814.0, which is a whole number there
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise Wrong("text", "write it as text")
    try:
        text = str(value)
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise Wrong("text that UTF-8 can hold", "remove the lone surrogate characters") from error
    except ValueError as error:  # Python writes no number of more than 4,300 digits
        raise Wrong("text", "write it as text") from error
    return text


def _uuid(value: Any) -> uuid.UUID:
    try:
        return value if isinstance(value, uuid.UUID) else uuid.UUID(str(value))
    except ValueError as error:
        raise Wrong("a UUID", "write it like 7f2c4f0e-4d7b-4f3e-9a55-0c1f6f3a2b11, or leave the field out") from error


def _timestamp(value: Any) -> datetime:
    if isinstance(value, str):
        text = value.strip()
        try:
            # Python 3.10 does not read the letter Z.
            value = datetime.fromisoformat(text[:-1] + "+00:00" if text[-1:] in ("Z", "z") else text)
        except ValueError as error:
            raise Wrong(*_NO_TIME) from error
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise Wrong(*_NO_TIME)
    try:
        moment = value if value.tzinfo is timezone.utc else value.astimezone(timezone.utc)
    except OverflowError as error:  # it is in UTC's year 0 or 10000
        raise Wrong(*_NO_TIME) from error
    # Avro keeps milliseconds; cut here so that what is sent equals what is read.
    rest = moment.microsecond % 1000
    return moment.replace(microsecond=moment.microsecond - rest) if rest else moment


_NO_TIME = ("a time with its zone", "write it like 2026-03-01T09:30:00Z")


def _money(avro_type: Mapping[str, Any]) -> Converter:
    scale, precision = avro_type["scale"], avro_type["precision"]
    quantum, beyond = Decimal(1).scaleb(-scale), Decimal(1).scaleb(precision - scale)
    no_amount = (f"an amount with at most {scale} decimals", "write it like 19.99, without a currency sign")

    def convert(value: Any) -> Decimal:
        if isinstance(value, bool) or not isinstance(value, (str, int, float, Decimal)):
            raise Wrong(*no_amount)
        try:
            # str first: a float as it was written, not as it is stored
            amount = value if type(value) is Decimal else Decimal(str(value).strip())
            rounded = amount.quantize(quantum)
        except (InvalidOperation, ValueError) as error:
            raise Wrong(*no_amount) from error
        # A NaN equals nothing. What was computed in binary, such as 0.1 + 0.2, misses the cent by its last bits.
        if rounded != amount and not (isinstance(value, float) and _meant(value, amount, rounded)):
            raise Wrong(*no_amount)
        if not -beyond < rounded < beyond:
            raise Wrong(f"an amount of at most {precision} digits", "check the amount")
        return rounded

    return convert


def _meant(value: float, amount: Decimal, rounded: Decimal) -> bool:
    """Whether a float misses an amount by its last bits alone; where these are large, by no thousandth of a cent."""
    nearest = min(4 * math.ulp(value), 1e-5) if math.isfinite(value) else 0.0
    return nearest > 0 and abs(rounded - amount) < Decimal(nearest)


def _whole(bits: int) -> Converter:
    limit = 2 ** (bits - 1)
    no_number = (f"a whole number from {-limit} to {limit - 1}", "write it with digits only")
    digits = re.compile(r"[+-]?[0-9]{1,19}").fullmatch

    def convert(value: Any) -> int:
        if type(value) is not int:
            if (isinstance(value, str) and digits(value.strip())) or (isinstance(value, float) and value.is_integer()):
                value = int(value)
            if isinstance(value, bool) or not isinstance(value, int):
                raise Wrong(*no_number)
        if not -limit <= value < limit:
            raise Wrong(*no_number)
        return value

    return convert


def _double(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (str, int, float, Decimal)):
        raise Wrong(*_NO_NUMBER)
    try:
        return float(value)
    except (ValueError, OverflowError) as error:
        raise Wrong(*_NO_NUMBER) from error


_NO_NUMBER = ("a number", "write it like 0.5")


def _bytes(value: Any) -> bytes:
    if not isinstance(value, bytes):
        raise Wrong("bytes", "give it as bytes")
    return value


def _enum(avro_type: Mapping[str, Any]) -> Converter:
    symbols = {symbol: symbol for symbol in avro_type["symbols"]}
    no_symbol = (one_of(symbols), "choose one of them")

    def convert(value: Any) -> str:
        symbol = getattr(value, "value", value)
        if isinstance(symbol, str):
            found: str | None = symbols.get(symbol) or symbols.get(symbol.strip().upper())
            if found is not None:
                return found
        raise Wrong(*no_symbol)

    return convert


def _map(avro_type: Mapping[str, Any]) -> Converter:
    convert_item = converter(avro_type["values"])

    def convert(value: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise Wrong("names with their values", 'write it like {"material": "cotton"}')
        return {text_of(key): _inner(convert_item, item, partial(_under, key)) for key, item in value.items()}

    return convert


def _array(avro_type: Mapping[str, Any]) -> Converter:
    convert_item = converter(avro_type["items"])

    def convert(value: Any) -> list[Any]:
        if isinstance(value, (str, bytes)) or not isinstance(value, (list, tuple)):
            raise Wrong("a list", 'write it like ["first", "second"]')
        return [_inner(convert_item, item, partial(_at, place)) for place, item in enumerate(value)]

    return convert


def _record(avro_type: Mapping[str, Any]) -> Converter:
    fields = [(field["name"], field, converter(field["type"])) for field in avro_type["fields"]]

    def convert(value: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise Wrong("an object", "write its fields by name")
        datum = {}
        for name, field, convert_item in fields:
            if name in value:
                datum[name] = _inner(convert_item, value[name], partial(_under, name))
            elif "default" in field:
                datum[name] = default_of(field)
            else:
                raise Wrong(describe(field), f"add the field {name}", f".{name}", MISSING)
        return datum

    return convert


def _under(name: object) -> str:
    return f".{short(str(name))}"


def _at(place: int) -> str:
    return f"[{place}]"


def _inner(convert: Converter, value: Any, path: Callable[[], str]) -> Any:
    try:
        return convert(value)
    except Wrong as wrong:
        deepest = value if wrong.value is HERE else wrong.value
        raise Wrong(wrong.expected, wrong.mend, path() + wrong.path, deepest) from wrong


#: By kind, what makes the converter of a type.
_MAKERS: dict[str, Callable[[Any], Converter]] = {
    "string": lambda _: text_of,
    "uuid": lambda _: _uuid,
    "timestamp-millis": lambda _: _timestamp,
    "decimal": _money,
    "int": lambda _: _whole(32),
    "long": lambda _: _whole(64),
    "double": lambda _: _double,
    "bytes": lambda _: _bytes,
    "enum": _enum,
    "map": _map,
    "array": _array,
    "record": _record,
}
