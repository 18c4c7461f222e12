"""What comes from outside, made into an event or into a list of what is wrong with it.

One function serves the Publisher, the command line and the gateway. It takes what JSON and CSV can say (a price as
text, a time as ISO 8601) and gives what Avro wants, guided by the schema alone: its types, and our own properties on
the fields (`pattern`, `minimum`, `minLength`, `maxLength`, `expect`, `private`). `converters.py` does the single value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from decimal import Decimal
from functools import cache, partial
from itertools import islice
from typing import Any, NamedTuple

from schemas.converters import HERE, MISSING, Converter, Wrong, short
from schemas.fields import field_converter
from schemas.kinds import default_of, describe
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


class _Field(NamedTuple):
    """A field with its converter, and what stands for it where it is left out."""

    name: str
    convert: Converter
    default: Callable[[], Any] | None
    schema: Mapping[str, Any]


class _Record(NamedTuple):
    """A record's fields in their order, and their names."""

    fields: tuple[_Field, ...]
    names: Set[str]


@cache
def _record(record: str) -> _Record:
    fields = [
        _Field(
            field["name"],
            field_converter(field),
            partial(default_of, field) if "default" in field else None,
            field,
        )
        for field in schema_json(record)["fields"]
    ]
    return _Record(tuple(fields), frozenset(field.name for field in fields))


def validate(record: str, row: Mapping[str, Any]) -> dict[str, Any] | tuple[Problem, ...]:
    """The row as a datum of the record with every field present, or everything that is wrong with it."""
    fields, names = _record(record)
    if not row.keys() <= names:
        return _problems(fields, names, row)
    datum: dict[str, Any] = {}
    try:
        for name, convert, default, _ in fields:
            if name in row:
                datum[name] = convert(row[name])
            elif default is not None:
                datum[name] = default()
            else:
                return _problems(fields, names, row)
    except Wrong:
        return _problems(fields, names, row)
    return datum


def _problems(fields: Iterable[_Field], names: Set[str], row: Mapping[str, Any]) -> tuple[Problem, ...]:
    """Everything that is wrong with a row: it is looked at anew, and not only to its first fault."""
    problems = list(_unknown_fields(row, [field.name for field in fields], names))
    for name, convert, default, schema in fields:
        value = row.get(name, MISSING)
        try:
            if value is not MISSING:
                convert(value)
            elif default is None:
                raise Wrong(describe(schema), f"add the field {name}")
        except Wrong as wrong:
            problems.append(
                Problem(
                    field=f"{name}{wrong.path}",
                    expected=schema.get("expect", wrong.expected),
                    found=_found(value if wrong.value is HERE else wrong.value, private=bool(schema.get("private"))),
                    mend=wrong.mend,
                )
            )
    return tuple(problems)


def _unknown_fields(row: Mapping[str, Any], known: Sequence[str], names: Set[str]) -> Iterator[Problem]:
    unknown = (name for name in row if name not in names)
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
