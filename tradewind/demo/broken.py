"""Messages that no reader can process: each must end as a dead letter that holds the same bytes."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

from schemas.codec import HEADER, Codec, frame
from schemas.registry import CommittedRegistry, Registry
from schemas.topics import LISTINGS, ORDERS, QUESTIONS, Topic
from schemas.validation import validate

#: An id that no registry of ours has given out.
UNKNOWN_ID = 99_999

_MARK = "this text stands in for the one that is spoilt"


@dataclass(frozen=True, slots=True)
class BrokenMessage:
    """One message that must be refused.

    Attributes:
        topic: name of the topic that it goes to.
        key: message key.
        value: message value; never None.
        why: what is wrong with it, for people.
        error_class: what `Codec.decode` calls it.
    """

    topic: str
    key: bytes
    value: bytes
    why: str
    error_class: str


def broken_messages(registry: Registry | None = None) -> list[BrokenMessage]:
    """Eight messages of broken bytes and, last, a valid record under an unknown schema id.

    The same bytes on every call, as long as the registry (by default, the committed one) gives the same ids.
    """
    codec = Codec(registry or CommittedRegistry())
    listing = _valid(codec, LISTINGS, {"title": _MARK})
    question = _valid(codec, QUESTIONS, {"question_id": "demo-broken", "text": _MARK})
    order = _valid(
        codec,
        ORDERS,
        {"order_id": "demo-broken", "kind": "PLACED", "amount": Decimal("19.98"), "currency": "USD"},
    )
    noise = random.Random(20).randbytes(64)
    spoilt = question.replace(_MARK.encode(), b"\xff" * len(_MARK))
    unknown = frame(UNKNOWN_ID, listing[HEADER.size :])
    made: list[tuple[Topic, bytes, str, str]] = [
        (LISTINGS, b"", "empty value", "BadFraming"),
        (QUESTIONS, b"\x07" + question[1:], "first byte is not zero", "BadFraming"),
        (ORDERS, order[:3], "header cut off after 3 of 5 bytes", "BadFraming"),
        (LISTINGS, listing[: len(listing) // 2], "body cut off in the middle", "BadBody"),
        (ORDERS, order[: HEADER.size] + noise, "random bytes under a valid id", "BadBody"),
        (QUESTIONS, spoilt, "bytes in a text that are not UTF-8", "BadBody"),
        (QUESTIONS, listing, "a record of another topic", "WrongRecord"),
        (ORDERS, order + b"\x00\x01", "two bytes too many", "BadBody"),
        (LISTINGS, unknown, "a valid record under an unknown schema id", "UnknownSchemaId"),
    ]
    return [
        BrokenMessage(topic.name, f"demo-broken-{number}".encode(), value, why, error_class)
        for number, (topic, value, why, error_class) in enumerate(made, 1)
    ]


def _valid(codec: Codec, topic: Topic, fields: Mapping[str, Any]) -> bytes:
    """A framed record of the topic that nothing is wrong with yet."""
    row = {
        "event_id": UUID(int=20),
        "occurred_at": datetime(2026, 1, 1, tzinfo=timezone.utc),
        "merchant_id": "m-broken",
        "listing_id": "demo-broken",
        **fields,
    }
    datum = validate(topic.record, row)
    assert isinstance(datum, dict), f"the fields given here no longer make a {topic.record}: {datum}"
    return codec.encode(topic, datum)
