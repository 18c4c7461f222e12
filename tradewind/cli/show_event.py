"""An event for the eyes: its main fields on one line, with what may be personal hidden."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from rich.text import Text

from schemas.records import schema_json
from schemas.topics import Topic
from tradewind.cli.text import cut, plain, printable, utc

_WIDEST = 60  # characters of a value

#: What a person looks for first in each record, beside its time and key.
_MAIN_FIELDS: dict[str, tuple[str, ...]] = {
    "ListingPublished": ("merchant_id", "title", "brand", "price", "currency"),
    "QuestionAsked": ("merchant_id", "question_id", "channel", "text"),
    "OrderEvent": ("merchant_id", "kind", "listing_id", "quantity", "amount", "currency"),
    "ListingEnriched": ("merchant_id", "route", "reason", "language", "titles"),
    "AnswerDrafted": ("question_id", "route", "reason", "confidence", "question", "draft"),
    "AnswerReviewed": ("question_id", "decision", "answer"),
    "OpsInsight": ("metric", "kind", "observed", "expected", "text"),
    "DeadLetter": ("source_partition", "source_offset", "stage", "error_class", "message"),
}


def line_of(topic: Topic, datum: Mapping[str, Any], *, show_private: bool) -> Text:
    """Time, key and main fields of a decoded message."""
    shown = datum if show_private else masked(topic, datum)
    line = Text.assemble((utc(datum["occurred_at"]), "dim"), "  ", (_short(shown[topic.key]), "bold"))
    for name in _MAIN_FIELDS[topic.record]:
        if (value := shown[name]) not in (None, "", [], {}):
            line.append(f"  {name}=", style="dim").append(_short(value))
    return line


def json_of(topic: Topic, datum: Mapping[str, Any], *, show_private: bool) -> dict[str, Any]:
    """A decoded message as JSON has it."""
    event: dict[str, Any] = plain(datum if show_private else masked(topic, datum))
    return event


def masked(topic: Topic, datum: Mapping[str, Any]) -> dict[str, Any]:
    """The datum with the size in place of each private field, and of bytes, which may hold anything."""
    private = _private_fields(topic.record)
    return {name: _masked(value, private=name in private) for name, value in datum.items()}


def _masked(value: Any, *, private: bool) -> Any:
    if isinstance(value, bytes):
        return f"({len(value)} bytes, hidden)"
    if isinstance(value, Mapping):
        return {name: _masked(item, private=private) for name, item in value.items()}
    if private and value is not None:
        return f"({len(str(value))} characters, hidden)"
    return value


@cache
def _private_fields(record: str) -> frozenset[str]:
    return frozenset(field["name"] for field in schema_json(record)["fields"] if field.get("private"))


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, (list, tuple)):
        return _short(" | ".join(map(str, value)))
    text = printable(str(value))
    return cut(f"“{text}”" if " " in text and not text.startswith("(") else text, _WIDEST)
