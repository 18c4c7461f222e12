"""An event as it is kept and sent: completed, and written as JSON once."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any

from schemas.complete_row import complete
from schemas.topics import LISTINGS, ORDERS, QUESTIONS, Topic
from streams.edge.errors import UnfitEvent

#: What devices send, by the last part of the gateway's path.
KINDS: dict[str, Topic] = {topic.name.partition(".")[0]: topic for topic in (LISTINGS, QUESTIONS, ORDERS)}


@dataclass(frozen=True, slots=True)
class Entry:
    """One event of the queue.

    Attributes:
        kind: listings, questions or orders.
        event_id: of the event; stays the same however often it is sent.
        body: the event as JSON.
        origin: where it came from, for whoever mends it, such as `orders.csv:17`.
    """

    kind: str
    event_id: str
    body: bytes
    origin: str = ""


def kind_of(name: str) -> str:
    """The kind of that name; a topic's name will do, `orders.v1` for `orders`.

    Raises:
        UnfitEvent: devices send no such thing.
    """
    for kind, topic in KINDS.items():
        if name in (kind, topic.name):
            return kind
    raise UnfitEvent(f"no kind {name[:60]!r}; devices send {', '.join(KINDS)}")


def entry(kind: str, event: Mapping[str, Any], now: datetime, most_bytes: int, origin: str = "") -> Entry:
    """The event, completed: a random id where it has none, and on listings and questions the time.

    Whether its fields fit is for the gateway to say.

    Raises:
        UnfitEvent: with what is wrong.
    """
    kind = kind_of(kind)
    given = dict(event)
    if given.get("event_id") is None:
        # Made of what it says, as files' rows get it, two equal orders in a row would be one.
        given["event_id"] = uuid.uuid4()
    completed = dict(complete(KINDS[kind], given, now))
    try:
        event_id = str(uuid.UUID(str(completed["event_id"])))
    except ValueError:
        raise UnfitEvent(f"{kind}: event_id is no UUID; give one, or leave it out") from None
    completed["event_id"] = event_id
    if completed.get("occurred_at") is None:
        raise UnfitEvent(f"{kind}: occurred_at is missing; an event of this kind must say when it happened")
    try:
        text = json.dumps(completed, ensure_ascii=False, allow_nan=False, default=_plain, separators=(",", ":"))
        body = text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        why = "text that UTF-8 can't hold" if isinstance(error, UnicodeError) else type(error).__name__
        raise UnfitEvent(f"{kind} {event_id}: can't be written as JSON ({why}); give text, numbers, times") from None
    if len(body) > most_bytes:
        raise UnfitEvent(f"{kind} {event_id}: {len(body)} bytes of JSON, more than max_event_bytes ({most_bytes})")
    return Entry(kind, event_id, body, origin)


def _plain(value: Any) -> Any:
    """What JSON has no form for, as the gateway reads it."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, (Decimal, uuid.UUID)):
        return str(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(type(value).__name__)
