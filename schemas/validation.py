"""What comes from outside, made into an event or into a list of what is wrong with it.

One function serves the Publisher, the command line and the gateway. It takes what JSON and CSV can say (a price as
text, a time as ISO 8601) and gives what Avro wants, guided by the schema alone: its types, and our own properties on
the fields (`pattern`, `minimum`, `minLength`, `maxLength`, `expect`, `private`). `converters.py` does the single value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from itertools import islice
from typing import Any

from schemas.converters import HERE, MISSING, Converter, Wrong, default_of, describe, field_converter, short
from schemas.records import schema_json

_SHOWN = 60  # characters of a wrong value that are worth showing
#: Fields of no known name that are told one by one; a row may have a million of them.
_UNKNOWN_TOLD = 50


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a row.

    Attributes:
        field: where, such as `price` or `attributes.material`.
        expected: what belongs there.
        found: what stands there, cut short; only its kind and length where it may be personal.
        mend: what to do.
    """

    field: str
    expected: str
    found: str
    mend: str

    def __str__(self) -> str:
        return f"{self.field}: expected {self.expected}, found {self.found}; {self.mend}"


@dataclass(frozen=True, slots=True)
class _Field:
    """A field with its converter."""

    schema: Mapping[str, Any]
    name: str
    convert: Converter
    has_default: bool


@cache
def _fields(record: str) -> dict[str, _Field]:
    """A record's fields by name, in their order."""
    return {
        field["name"]: _Field(field, field["name"], field_converter(field), "default" in field)
        for field in schema_json(record)["fields"]
    }


def validate(record: str, row: Mapping[str, Any]) -> dict[str, Any] | tuple[Problem, ...]:
    """The row as a datum of the record with every field present, or everything that is wrong with it."""
    fields = _fields(record)
    problems = [] if row.keys() <= fields.keys() else list(_unknown_fields(row, fields))
    datum: dict[str, Any] = {}
    for name, field in fields.items():
        value = row.get(name, MISSING)
        if value is MISSING and field.has_default:
            datum[name] = default_of(field.schema)
            continue
        try:
            if value is MISSING:
                raise Wrong(describe(field.schema), f"add the field {name}")
            datum[name] = field.convert(value)
        except Wrong as wrong:
            found = value if wrong.value is HERE else wrong.value
            problems.append(
                Problem(
                    field=f"{name}{wrong.path}",
                    expected=field.schema.get("expect", wrong.expected),
                    found=_found(found, private=bool(field.schema.get("private"))),
                    mend=wrong.mend,
                )
            )
    return tuple(problems) if problems else datum


def _unknown_fields(row: Mapping[str, Any], known: Mapping[str, Any]) -> Iterator[Problem]:
    unknown = (name for name in row if name not in known)
    for name in islice(unknown, _UNKNOWN_TOLD):
        yield Problem(
            field=short(str(name)),
            expected=f"one of {', '.join(known)}",
            found="a field of another name",
            mend="rename it or leave it out",
        )
    if rest := sum(1 for _ in unknown):
        yield Problem("…", "no more than these fields", f"{rest} more fields of other names", "leave them out")


def _found(value: Any, *, private: bool) -> str:
    if value is MISSING:
        return "nothing"
    if value is None:
        return "null"
    if private:
        size = f" of {len(value)} characters" if isinstance(value, str) else ""
        return f"a value{size} (not shown, it may be personal)"
    if isinstance(value, (str, bytes)):
        return repr(value[:_SHOWN]) + ("…" if len(value) > _SHOWN else "")
    if isinstance(value, int) and value.bit_length() > _SHOWN * 4:
        return f"a number of {value.bit_length()} bits"
    if isinstance(value, (int, float, Decimal, bool)):
        return short(str(value))
    return f"a {type(value).__name__}"
