"""What a row of a file may leave out: its id, and for some records the time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from schemas.events import derived_id
from schemas.topics import LISTINGS, QUESTIONS, Topic

#: Topics whose events may be taken as happening when they are published. An order's time is part of what it says.
_NOW_WILL_DO = (LISTINGS.name, QUESTIONS.name)


def complete(topic: Topic, row: Mapping[str, Any], now: datetime) -> Mapping[str, Any]:
    """The row with `event_id` and, on listings and questions, `occurred_at` filled in where they are absent.

    It is the row itself where there is nothing to fill in.

    The id is made from the topic and from what the row says, so that the same row gets the same id again, whichever
    format it was written in.
    """
    absent: dict[str, Any] = {}
    if row.get("event_id") is None:
        absent["event_id"] = derived_id("publish", topic.name, canonical(row))
    if row.get("occurred_at") is None and topic.name in _NOW_WILL_DO:
        absent["occurred_at"] = now
    return {**row, **absent} if absent else row


def canonical(value: Any) -> str:
    """What the value says, as text: without the order of fields, empty fields, or the types that CSV does not have."""
    if isinstance(value, Mapping):
        said = ((str(name), canonical(item)) for name, item in value.items() if item not in (None, "", {}, []))
        return "{" + ",".join(f"{name!r}:{text}" for name, text in sorted(said)) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(canonical(item) for item in value) + "]"
    return repr(str(value))
