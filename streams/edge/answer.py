"""What the gateway said to a request, for each of its events. Pure.

Only what is surely the gateway's word counts: between a phone and a gateway there are captive portals and proxies that
answer 200 with a page of their own, or 403. An event is gone from the device only when its acknowledgement was read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

_OURS = "urn:tradewind:problem:"
#: Statuses of an item that will be the same the next time.
_FOR_GOOD = frozenset((400, 403, 413, 422))


class Next(Enum):
    """What to do after an answer."""

    GO_ON = "go on"
    LATER = "later"
    SMALLER = "smaller"
    ALONE = "alone"
    PLAIN = "plain"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a request's events, by their place in it; what is in neither list waits.

    Attributes:
        then: GO_ON; LATER: try again after a pause; SMALLER: at once, with half as many; ALONE: at once, each by
            itself, for one of them spoils the others; PLAIN: at once, not compressed; STOP: the key is refused.
        sent: acknowledged.
        refused: not taken, and the gateway's words on why, as JSON.
        why: in a few words, without an event's text.
        retry_after_s: what the gateway asks for.
    """

    then: Next
    sent: tuple[int, ...] = ()
    refused: Mapping[int, str] = field(default_factory=dict)
    why: str = ""
    retry_after_s: float | None = None


def read_answer(status: int, headers: Mapping[str, str], body: bytes, event_ids: Sequence[str]) -> Answer:
    """What the gateway said to a request with these events."""
    said = _json(body)
    retry_after = _seconds(headers.get("retry-after"))
    if said is None:
        return Answer(Next.LATER, why=f"{status}, and not in the gateway's words", retry_after_s=retry_after)
    if status in (202, 207):
        return _items(said, status, event_ids, retry_after)
    if not str(said.get("type", "")).startswith(_OURS):
        return Answer(Next.LATER, why=f"{status} from something before the gateway", retry_after_s=retry_after)
    code = str(said["type"]).removeprefix(_OURS)[:60]
    why = f"{status} {code}"
    if status == 401 or (status == 403 and not said.get("items")):
        return Answer(Next.STOP, why=why)
    if status == 413:
        if len(event_ids) > 1:
            return Answer(Next.SMALLER, why=why)
        return Answer(Next.GO_ON, refused={0: _problem(said)}, why=why)
    if status == 415:
        return Answer(Next.PLAIN, why=why)
    if status in (403, 422, 503) and said.get("items"):
        return _items(said, status, event_ids, retry_after, why)
    if status in (400, 422):
        if len(event_ids) > 1:
            return Answer(Next.ALONE, why=why)
        return Answer(Next.GO_ON, refused={0: _problem(said)}, why=why)
    return Answer(Next.LATER, why=why, retry_after_s=retry_after)


def _items(
    said: Mapping[str, Any], status: int, event_ids: Sequence[str], retry_after: float | None, why: str = ""
) -> Answer:
    """Each event's fate; only those that were not taken need be listed."""
    place = {event_id: number for number, event_id in enumerate(event_ids)}
    items = [item for item in said.get("items") or () if isinstance(item, dict)]
    refused: dict[int, str] = {}
    again: set[int] = set()
    unknown = 0
    for item in items:
        if item.get("status") == 202:
            continue
        at = place.get(str(item.get("event_id")).lower(), item.get("index"))
        if not isinstance(at, int) or not 0 <= at < len(event_ids):
            unknown += 1
        elif item.get("status") in _FOR_GOOD:
            refused[at] = _problem(item)
        else:
            again.add(at)
    sent = tuple(at for at in range(len(event_ids)) if at not in refused and at not in again)
    if unknown or len(sent) != (said.get("accepted") if status in (202, 207) else 0):
        # Which ones were taken can't be told: all stay, and a second time costs a copy that counts once.
        return Answer(Next.ALONE if len(event_ids) > 1 else Next.LATER, why=f"{status} with items that do not add up")
    if again:
        return Answer(Next.LATER, sent, refused, why or f"{status}, {len(again)} to be sent again", retry_after)
    return Answer(Next.GO_ON, sent, refused, why)


def _problem(said: Mapping[str, Any]) -> str:
    """The problem as it is kept: without the other items."""
    return json.dumps({name: value for name, value in said.items() if name != "items"}, ensure_ascii=False)


def _json(body: bytes) -> dict[str, Any] | None:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None


def _seconds(text: str | None) -> float | None:
    """Retry-After in seconds; its other form, a date, needs a clock that is right, which a device may not have."""
    try:
        return max(0.0, float(text)) if text is not None else None
    except ValueError:
        return None
