"""The language of `--where`: conditions on the fields of dead letters, all of which must hold.

topic=questions and error=BadFraming and since>=2026-01-01
message~"left over" and offset>=100 and offset<200
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, NoReturn

from schemas.events import DeadLetter


class WhereError(ValueError):
    """The text can't be read; the message names the place, what was expected there, and what was found."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition.

    Attributes:
        field: name in this language.
        operator: one of `OPERATORS`.
        value: text, number or time, as the field is.
    """

    field: str
    operator: str
    value: str | int | datetime

    def holds(self, letter: DeadLetter) -> bool:
        """Whether the letter meets it."""
        return OPERATORS[self.operator](FIELDS[self.field][1](letter), self.value)


def _contains(text: Any, part: Any) -> bool:
    return str(part).casefold() in str(text).casefold()


OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "~": _contains,
}
#: By name: the kind of its values, and where it is in a letter.
FIELDS: Mapping[str, tuple[type, Callable[[DeadLetter], Any]]] = {
    "topic": (str, lambda letter: _Topic(letter.source_topic)),
    "partition": (int, lambda letter: letter.source_partition),
    "offset": (int, lambda letter: letter.source_offset),
    "stage": (str, lambda letter: letter.stage),
    "error": (str, lambda letter: letter.error_class),
    "message": (str, lambda letter: letter.message),
    "merchant": (str, lambda letter: letter.merchant_id),
    "attempts": (int, lambda letter: letter.attempts),
    "replays": (int, lambda letter: letter.replays),
    "at": (datetime, lambda letter: letter.occurred_at),
}
_ALLOWED: Mapping[type, frozenset[str]] = {
    str: frozenset({"=", "!=", "~"}),
    int: frozenset(OPERATORS) - {"~"},
    datetime: frozenset(OPERATORS) - {"~"},
}
#: Other names of bounds on `at`: which operators they take, and what they mean.
_BOUNDS: Mapping[str, tuple[frozenset[str], str]] = {
    "since": (frozenset({"=", ">="}), ">="),
    "until": (frozenset({"=", "<"}), "<"),
}
_TOKEN = re.compile(
    r"""\s*(?:(?P<operator>!=|>=|<=|=|<|>|~)|"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<word>[^\s=!<>~"']+))"""
)


class _Topic(str):
    """The name of a topic; it equals its name without the version too."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return other in (str(self), self.rpartition(".")[0])

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__


def parse_where(text: str) -> tuple[Condition, ...]:
    """The conditions of a text: `FIELD OPERATOR VALUE`, joined by `and`.

    A value with spaces or operators in it is put into quotes. A time is an ISO 8601 date or date and time; without a
    zone it is UTC. `since` and `until` are bounds on `at`.

    Raises:
        WhereError: it does not read.
    """
    reader = _Reader(text)
    conditions = [_condition(reader)]
    while not reader.at_end():
        at, _, word = reader.next()
        if word.lower() != "and":
            reader.refuse(at, "expected and, or the end; there is no or: run the command once for each case")
        conditions.append(_condition(reader))
    return tuple(conditions)


class _Reader:
    """Gives one token after the other, each with its place and kind."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def at_end(self) -> bool:
        return not self._text[self._at :].strip()

    def next(self) -> tuple[int, str, str]:
        """Place, kind (operator, quoted or word) and text of the next token; at the end an empty word."""
        if self.at_end():
            return len(self._text), "end", ""
        match = _TOKEN.match(self._text, self._at)
        if match is None:
            at = len(self._text) - len(self._text[self._at :].lstrip())
            self.refuse(at, "expected a quoted text to end with the same quote, or != for not equal")
        self._at = match.end()
        kind = str(match.lastgroup)
        quotes = kind in ("double", "single")
        return match.start(kind) - quotes, "quoted" if quotes else kind, match[kind]

    def refuse(self, at: int, expected: str) -> NoReturn:
        """End with the place and what was expected there."""
        found = self._text[at : at + 20]
        raise WhereError(f"at character {at + 1}: {expected}; found {found!r}" if found else f"at the end: {expected}")


def _condition(reader: _Reader) -> Condition:
    at, kind, name = reader.next()
    if kind != "word" or (name not in FIELDS and name not in _BOUNDS):
        reader.refuse(at, f"expected a field: {', '.join((*FIELDS, *_BOUNDS))}")
    allowed, meant = _BOUNDS.get(name, (None, None))
    field = "at" if meant else name
    allowed = allowed or _ALLOWED[FIELDS[field][0]]
    at, kind, symbol = reader.next()
    if kind != "operator" or symbol not in allowed:
        reader.refuse(at, f"expected {' or '.join(sorted(allowed))} after {name}")
    at, kind, value = reader.next()
    if kind not in ("word", "quoted"):
        reader.refuse(at, f"expected a value after {name}{symbol}, in quotes where it has spaces or operators")
    return Condition(field, meant or symbol, _value(reader, at, FIELDS[field][0], value))


def _value(reader: _Reader, at: int, kind: type, text: str) -> str | int | datetime:
    if kind is str:
        return text
    if kind is int:
        if not re.fullmatch(r"\d{1,18}", text, re.ASCII):
            reader.refuse(at, "expected a whole number")
        return int(text)
    try:
        # Before Python 3.11 it does not know the Z.
        time = datetime.fromisoformat(re.sub(r"[zZ]$", "+00:00", text))
    except ValueError:
        reader.refuse(at, "expected a date or time such as 2026-01-31 or 2026-01-31T12:00:00Z")
    return time if time.tzinfo else time.replace(tzinfo=timezone.utc)
