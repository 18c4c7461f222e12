"""What a body holds, made ready for Kafka or told what is wrong with it. Pure: no socket, no clock, no Kafka.

The way is that of `tradewind publish`: completed, validated against the topic's record, keyed and framed; beside that
an event may belong to the key's merchant only.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Union

import orjson

from schemas.codec import HEADER, Codec
from schemas.complete_row import complete
from schemas.direct import Encoded, encode_row
from schemas.limits import MAX_VALUE_BYTES
from schemas.topics import LISTINGS, ORDERS, QUESTIONS, Topic
from streams.gateway.acks import TOO_LARGE, Outgoing
from streams.gateway.avro_bodies import AVRO_TYPES, read_avro
from streams.gateway.problems import Problem

#: What Content-Type may say; sent as `Accept` with a 415.
MEDIA_TYPES = ("application/json", *AVRO_TYPES)
TOPICS: Mapping[str, Topic] = {"listings": LISTINGS, "questions": QUESTIONS, "orders": ORDERS}


class Ready(NamedTuple):
    """An event that can go out."""

    event_id: str
    outgoing: Outgoing


@dataclass(frozen=True, slots=True)
class Refused:
    """An event that can't, and its id where it has one."""

    problem: Problem
    event_id: str | None = None


Checked = Union[Ready, Refused]


@dataclass(frozen=True, slots=True)
class Rows:
    """The events of a body, as they stand there; `alone` is that one came by itself and not in a list."""

    rows: Sequence[Any]
    alone: bool = False


def media_type_of(header: str) -> str | Problem:
    """The media type that `Content-Type` says, in small letters; 415 where it is none that is taken."""
    name, *parameters = (part.strip().lower() for part in header.split(";"))
    charsets = [part.partition("=")[2].strip('" ') for part in parameters if part.startswith("charset")]
    if name in MEDIA_TYPES and all(charset in ("utf-8", "utf8", "us-ascii") for charset in charsets):
        return name
    found = "" if name else " (there is none)"
    return Problem(
        415,
        "media_type_unknown",
        f"Content-Type may be one of {', '.join(MEDIA_TYPES)}, in UTF-8{found}",
        more={"accept": list(MEDIA_TYPES)},
    )


def read_rows(topic: Topic, media_type: str, body: bytes, max_events: int) -> Rows | Problem:
    """The events that the body holds, or why it can't be read."""
    if media_type in AVRO_TYPES:
        read = read_avro(topic, body, max_events)
        rows = read if isinstance(read, Problem) else Rows(read)
    else:
        rows = _read_json(body)
    if isinstance(rows, Problem):
        return rows
    if not rows.rows:
        return Problem(422, "no_events", f"the body holds no event; send 1 to {max_events}")
    if len(rows.rows) > max_events:
        return too_many(max_events)
    return rows


def too_many(max_events: int) -> Problem:
    """413."""
    return Problem(413, "too_many_events", f"one request takes at most {max_events} events; send them in several")


def _read_json(body: bytes) -> Rows | Problem:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        mend = "send UTF-8 without a byte-order mark" if body[:3] in _BYTE_ORDER_MARKS else "send JSON (RFC 8259)"
        return Problem(
            400,
            "not_json",
            f"no JSON from line {error.lineno}, column {error.colno} on; {mend}",
            more={"line": error.lineno, "column": error.colno},
        )
    if isinstance(found, dict):
        return Rows([found], alone=True)
    if isinstance(found, list):
        return Rows(found)
    return Problem(422, "no_events", "the body is JSON, but no object and no array of objects; send one of these")


_BYTE_ORDER_MARKS = (b"\xef\xbb\xbf",)


def check(topic: Topic, rows: Sequence[Any], merchant_id: str, now: datetime, codec: Codec) -> list[Checked]:
    """Each event of a merchant, ready for its topic or refused.

    Raises:
        NotRegistered, RegistryUnavailable: there is no schema id for the topic.
    """
    return [_check_one(topic, row, merchant_id, now, codec) for row in rows]


def _check_one(topic: Topic, row: Any, merchant_id: str, now: datetime, codec: Codec) -> Checked:
    if not isinstance(row, dict):
        return _NOT_AN_OBJECT
    if row.get("merchant_id") is None:
        row = {**row, "merchant_id": merchant_id}
    elif row["merchant_id"] != merchant_id:
        return Refused(_OTHER_MERCHANT, _id_in(row))
    completed = complete(topic, row, now)
    try:
        found = encode_row(codec, topic, completed)
    except (ValueError, TypeError):
        return Refused(_UNWRITABLE, _id_in(completed))
    if not isinstance(found, Encoded):
        return Refused(
            Problem(422, "invalid_event", f"the event is no {topic.record}; fields says what to mend", fields=found),
            _id_in(row),
        )
    event_id = found.value[_ID].decode()
    if len(found.value) > MAX_VALUE_BYTES:
        return Refused(TOO_LARGE, event_id)
    return Ready(event_id, Outgoing(topic.name, *found))


#: Where the id stands in a message: each record begins with it, after the frame and a byte for its length.
_ID = slice(HEADER.size + 1, HEADER.size + 37)
_NOT_AN_OBJECT = Refused(Problem(422, "not_an_object", "an event is a JSON object; this is something else"))
_OTHER_MERCHANT = Problem(
    403, "other_merchant", "merchant_id is not the key's; leave it out, or use that merchant's own key"
)
_UNWRITABLE = Problem(422, "invalid_event", "the event passes the checks of its fields, and Avro can't write it")


def _id_in(row: Mapping[str, Any]) -> str | None:
    """The event's id, where it is one: what else may stand there is not repeated."""
    found = row.get("event_id")
    if isinstance(found, uuid.UUID):
        return str(found)
    try:
        return str(uuid.UUID(found)) if isinstance(found, str) and len(found) == 36 else None
    except ValueError:
        return None
