"""What JSON and CSV can say, made into what Avro wants: one function for each field of a record, put together once.

A schema is read when its first row comes and not again at every value, for a gateway that takes ten thousands of rows a
second spends most of its time here.
"""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timezone
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Any

from schemas.limits import excess_of_entries

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


def field_converter(field: Mapping[str, Any]) -> Converter:
    """What makes a field's value out of whatever stands there, within the field's own limits.

    The function raises Wrong.
    """
    convert = converter(field["type"])
    checks = _checks(field)
    required = not _optional(field["type"])
    described = describe(field)

    def convert_field(value: Any) -> Any:
        if value is None:
            if required:
                raise Wrong(described, "fill it in")
            return None
        value = convert(value)
        for check in checks:
            check(value)
        return value

    return _short_cut(convert_field, field) if kind_of(field["type"]) == "string" else convert_field


def _short_cut(convert_field: Converter, field: Mapping[str, Any]) -> Converter:
    """For a text, which most fields are: plain ones are looked at in place, and all others as everything else is."""
    longest = field.get("maxLength") or 1 << 62
    shortest = field.get("minLength") or 0
    fits = re.compile(field["pattern"]).fullmatch if "pattern" in field else None

    def convert_text(value: Any) -> Any:
        if (
            type(value) is str
            and value.isascii()
            and len(value) <= longest
            and (not shortest or len(value.strip()) >= shortest)
            and (fits is None or fits(value))
        ):
            return value
        return convert_field(value)

    return convert_text


def _checks(field: Mapping[str, Any]) -> list[Callable[[Any], None]]:
    """A field's own limits."""
    checks: list[Callable[[Any], None]] = []
    if "minimum" in field:
        checks.append(_at_least(field["minimum"]))
    if field.get("minLength"):
        checks.append(_not_blank(field["minLength"]))
    if kind_of(field["type"]) in ("map", "array"):
        checks.append(_few_entries(describe(field)))
    if field.get("maxLength"):
        checks.append(_at_most(field["maxLength"]))
    if "pattern" in field:
        checks.append(_like(field["pattern"], field.get("expect", f"text like {field['pattern']}")))
    return checks


def _at_least(minimum: Any) -> Callable[[Any], None]:
    def check(value: Any) -> None:
        if value < minimum:
            raise Wrong(f"at least {minimum}", "check the sign")

    return check


def _not_blank(length: int) -> Callable[[Any], None]:
    def check(value: Any) -> None:
        if len(value.strip()) < length:
            raise Wrong("text that is not empty", "fill it in")

    return check


def _few_entries(described: str) -> Callable[[Any], None]:
    def check(value: Any) -> None:
        if value and (why := excess_of_entries(value)):
            raise Wrong(f"{described}: it {why}", "leave out what no buyer looks for")

    return check


def _at_most(length: int) -> Callable[[Any], None]:
    def check(value: Any) -> None:
        if len(value) > length:
            raise Wrong(f"at most {length} characters", "shorten it")

    return check


def _like(pattern: str, expected: str) -> Callable[[Any], None]:
    fits = re.compile(pattern).fullmatch

    def check(value: Any) -> None:
        if not fits(value):
            raise Wrong(expected, "check its spelling")

    return check


def converter(avro_type: Any) -> Converter:
    """What makes a value of the type; it raises Wrong."""
    if isinstance(avro_type, list):
        inner = converter(next(member for member in avro_type if member != "null"))
        return lambda value: None if value is None else inner(value)
    return _MAKERS[kind_of(avro_type)](avro_type)


def kind_of(avro_type: Any) -> str:
    """The type's logical type where it has one, else its type; of a union, the member that is not null."""
    if isinstance(avro_type, list):
        return kind_of(next(member for member in avro_type if member != "null"))
    if isinstance(avro_type, dict):
        return str(avro_type.get("logicalType") or avro_type["type"])
    return str(avro_type)


def describe(field: Mapping[str, Any]) -> str:
    """What belongs in a field, in words."""
    if "expect" in field:
        return str(field["expect"])
    members = field["type"] if isinstance(field["type"], list) else [field["type"]]
    plain = next(member for member in members if member != "null")
    kind = kind_of(plain)
    return _one_of(plain["symbols"]) if kind == "enum" else _TYPE_WORDS.get(kind, "a value")


def _one_of(symbols: Iterable[str]) -> str:
    return f"one of {', '.join(symbols)}"


def default_of(field: Mapping[str, Any]) -> Any:
    """A field's default, a fresh one where it can be changed."""
    default = field["default"]
    return default.copy() if isinstance(default, (list, dict)) else default


def short(text: str) -> str:
    """The text, cut to what is worth showing."""
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def _optional(avro_type: Any) -> bool:
    return isinstance(avro_type, list) and "null" in avro_type


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
    no_symbol = (_one_of(symbols), "choose one of them")

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
