"""Validation as it was before each field had a function of its own: an oracle, slow and plain."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from decimal import Decimal, InvalidOperation
from typing import Any

from schemas.limits import excess_of_entries
from schemas.records import schema_json
from schemas.validation import Problem

_SHOWN = 60  # characters of a wrong value that are worth showing


_MISSING = object()
_HERE = object()


class _Wrong(Exception):
    """Carries what a value should have been from the depth of a field up to the field."""

    def __init__(self, expected: str, mend: str, path: str = "", value: Any = _HERE) -> None:
        super().__init__(expected)
        self.expected, self.mend, self.path, self.value = expected, mend, path, value


def validate(record: str, row: Mapping[str, Any]) -> dict[str, Any] | tuple[Problem, ...]:
    """The row as a datum of the record with every field present, or everything that is wrong with it."""
    schema = schema_json(record)
    known = {field["name"]: field for field in schema["fields"]}
    problems = [_unknown_field(name, known) for name in row if name not in known]
    datum: dict[str, Any] = {}
    for name, field in known.items():
        if name not in row and "default" in field:
            datum[name] = _default(field)
            continue
        try:
            if name not in row:
                raise _Wrong(_describe(field), f"add the field {name}", value=_MISSING)
            if row[name] is None and not _optional(field["type"]):
                raise _Wrong(_describe(field), "fill it in")
            datum[name] = _limited(field, _convert(field["type"], row[name]))
        except _Wrong as wrong:
            value = row.get(name, _MISSING) if wrong.value is _HERE else wrong.value
            problems.append(
                Problem(
                    field=f"{name}{wrong.path}",
                    expected=field.get("expect", wrong.expected),
                    found=_found(value, private=bool(field.get("private"))),
                    mend=wrong.mend,
                )
            )
    return tuple(problems) if problems else datum


def _unknown_field(name: object, known: Mapping[str, Any]) -> Problem:
    return Problem(
        field=_short(str(name)),
        expected=f"one of {', '.join(known)}",
        found="a field of another name",
        mend="rename it or leave it out",
    )


def _default(field: Mapping[str, Any]) -> Any:
    default = field["default"]
    return default.copy() if isinstance(default, (list, dict)) else default


def _optional(avro_type: Any) -> bool:
    return isinstance(avro_type, list) and "null" in avro_type


def _describe(field: Mapping[str, Any]) -> str:
    return str(field.get("expect") or _TYPE_WORDS.get(_kind(field["type"]), "a value"))


def _kind(avro_type: Any) -> str:
    """The type's logical type where it has one, else its type; of a union, the member that is not null."""
    if isinstance(avro_type, list):
        return _kind(next(member for member in avro_type if member != "null"))
    if isinstance(avro_type, dict):
        return str(avro_type.get("logicalType") or avro_type["type"])
    return str(avro_type)


def _convert(avro_type: Any, value: Any) -> Any:
    if isinstance(avro_type, list):
        if value is None:
            return None
        return _convert(next(member for member in avro_type if member != "null"), value)
    return _CONVERTERS[_kind(avro_type)](avro_type, value)


def _string(_: Any, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise _Wrong("text", "write it as text")
    text = str(value)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise _Wrong("text that UTF-8 can hold", "remove the lone surrogate characters") from error
    return text


def _uuid(_: Any, value: Any) -> uuid.UUID:
    try:
        return value if isinstance(value, uuid.UUID) else uuid.UUID(str(value))
    except ValueError as error:
        raise _Wrong("a UUID", "write it like 7f2c4f0e-4d7b-4f3e-9a55-0c1f6f3a2b11, or leave the field out") from error


def _timestamp(_: Any, value: Any) -> datetime:
    wrong = _Wrong("a time with its zone", "write it like 2026-03-01T09:30:00Z")
    if isinstance(value, str):
        text = value.strip()
        try:
            # Python 3.10 does not read the letter Z.
            value = datetime.fromisoformat(text[:-1] + "+00:00" if text[-1:] in ("Z", "z") else text)
        except ValueError as error:
            raise wrong from error
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise wrong
    moment: datetime = value.astimezone(timezone.utc)
    # Avro keeps milliseconds; cut here so that what is sent equals what is read.
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _money(avro_type: Mapping[str, Any], value: Any) -> Decimal:
    scale, precision = avro_type["scale"], avro_type["precision"]
    wrong = _Wrong(f"an amount with at most {scale} decimals", "write it like 19.99, without a currency sign")
    if isinstance(value, bool) or not isinstance(value, (str, int, float, Decimal)):
        raise wrong
    try:
        amount = Decimal(str(value).strip())  # str first: a float as it was written, not as it is stored
    except InvalidOperation as error:
        raise wrong from error
    if not amount.is_finite():
        raise wrong
    quantum = Decimal(1).scaleb(-scale)
    try:
        rounded = amount.quantize(quantum)
    except InvalidOperation as error:
        raise wrong from error
    if rounded != amount:
        raise wrong
    if len(rounded.as_tuple().digits) > precision:
        raise _Wrong(f"an amount of at most {precision} digits", "check the amount")
    return rounded


def _whole(bits: int) -> Callable[[Any, Any], int]:
    limit = 2 ** (bits - 1)

    def convert(_: Any, value: Any) -> int:
        wrong = _Wrong(f"a whole number from {-limit} to {limit - 1}", "write it with digits only")
        if isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]{1,19}", value.strip()):
            value = int(value)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not -limit <= value < limit:
            raise wrong
        return value

    return convert


def _double(_: Any, value: Any) -> float:
    wrong = _Wrong("a number", "write it like 0.5")
    if isinstance(value, bool) or not isinstance(value, (str, int, float, Decimal)):
        raise wrong
    try:
        return float(value)
    except (ValueError, OverflowError) as error:
        raise wrong from error


def _bytes(_: Any, value: Any) -> bytes:
    if not isinstance(value, bytes):
        raise _Wrong("bytes", "give it as bytes")
    return value


def _enum(avro_type: Mapping[str, Any], value: Any) -> str:
    symbol = getattr(value, "value", value)
    if isinstance(symbol, str) and symbol.strip().upper() in avro_type["symbols"]:
        return symbol.strip().upper()
    raise _Wrong(f"one of {', '.join(avro_type['symbols'])}", "choose one of them")


def _map(avro_type: Mapping[str, Any], value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise _Wrong("names with their values", 'write it like {"material": "cotton"}')
    return {
        _string(None, key): _inner(avro_type["values"], item, f".{_short(str(key))}") for key, item in value.items()
    }


def _array(avro_type: Mapping[str, Any], value: Any) -> list[Any]:
    if isinstance(value, (str, bytes)) or not isinstance(value, (list, tuple)):
        raise _Wrong("a list", 'write it like ["first", "second"]')
    return [_inner(avro_type["items"], item, f"[{place}]") for place, item in enumerate(value)]


def _record(avro_type: Mapping[str, Any], value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise _Wrong("an object", "write its fields by name")
    datum = {}
    for field in avro_type["fields"]:
        name = field["name"]
        if name in value:
            datum[name] = _inner(field["type"], value[name], f".{name}")
        elif "default" in field:
            datum[name] = _default(field)
        else:
            raise _Wrong(_describe(field), f"add the field {name}", f".{name}", _MISSING)
    return datum


def _inner(avro_type: Any, value: Any, path: str) -> Any:
    try:
        return _convert(avro_type, value)
    except _Wrong as wrong:
        deepest = value if wrong.value is _HERE else wrong.value
        raise _Wrong(wrong.expected, wrong.mend, path + wrong.path, deepest) from wrong


_CONVERTERS: dict[str, Callable[[Any, Any], Any]] = {
    "string": _string,
    "uuid": _uuid,
    "timestamp-millis": _timestamp,
    "decimal": _money,
    "int": _whole(32),
    "long": _whole(64),
    "double": _double,
    "bytes": _bytes,
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
    "enum": "one of its symbols",
    "map": "names with their values",
    "array": "a list",
    "record": "an object",
}


def _limited(field: Mapping[str, Any], value: Any) -> Any:
    """The value, once it has passed the field's own limits."""
    if value is None:
        return None
    if "minimum" in field and value < field["minimum"]:
        raise _Wrong(f"at least {field['minimum']}", "check the sign")
    if (len_min := field.get("minLength")) and len(value.strip()) < len_min:
        raise _Wrong("text that is not empty", "fill it in")
    if isinstance(value, (Mapping, list)) and (why := excess_of_entries(value)):
        raise _Wrong(f"{_describe(field)}: it {why}", "leave out what no buyer looks for")
    if (len_max := field.get("maxLength")) and len(value) > len_max:
        raise _Wrong(f"at most {len_max} characters", "shorten it")
    if (pattern := field.get("pattern")) and not re.fullmatch(pattern, value):
        raise _Wrong(field.get("expect", f"text like {pattern}"), "check its spelling")
    return value


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def _found(value: Any, *, private: bool) -> str:
    if value is _MISSING:
        return "nothing"
    if value is None:
        return "null"
    if private:
        size = f" of {len(value)} characters" if isinstance(value, str) else ""
        return f"a value{size} (not shown, it may be personal)"
    if isinstance(value, (str, bytes)):
        return repr(value[:_SHOWN]) + ("…" if len(value) > _SHOWN else "")
    if isinstance(value, (int, float, Decimal, bool)):
        return _short(str(value))
    return f"a {type(value).__name__}"
