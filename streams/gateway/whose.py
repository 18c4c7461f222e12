"""Whose event a message is, read off its first bytes: most messages have nobody who listens, and need no decoding.

Every record of ours begins with `event_id`, `occurred_at` and `merchant_id` (docs/contracts.md). A writer's schema that
does not is decoded as a whole. Whoever is sent an event has its merchant looked at again, in the decoded event.
"""

from __future__ import annotations

from typing import Any

from schemas.codec import Codec, Rejected, unframe
from schemas.topics import Topic
from schemas.varint import read_varint

_FIRST = (("event_id", "string"), ("occurred_at", "long"), ("merchant_id", "string"))


class Whose:
    """Reads merchants. Asks the registry once for each schema id, and so belongs in a thread."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._ordinary: dict[tuple[str, int], bool] = {}

    def merchant_of(self, topic: Topic, value: bytes | None) -> str | Rejected:
        """The merchant of a message, or why it has none.

        Raises:
            RegistryUnavailable: the registry gave no answer; the message may be fine.
        """
        framed = unframe(value)
        if isinstance(framed, Rejected):
            return framed
        schema_id, body = framed
        ordinary = self._ordinary.get((topic.name, schema_id))
        if ordinary is None:
            writer = self._codec.writer(topic, schema_id)
            if isinstance(writer, Rejected):
                return writer
            ordinary = self._ordinary[topic.name, schema_id] = _is_ordinary(writer)
        if ordinary:
            return _third(body)
        datum = self._codec.decode(topic, value)
        return datum if isinstance(datum, Rejected) else str(datum["merchant_id"])


def _is_ordinary(writer: dict[str, Any]) -> bool:
    first = [(field["name"], _base(field["type"])) for field in writer["fields"][: len(_FIRST)]]
    return tuple(first) == _FIRST


def _base(kind: Any) -> Any:
    return kind.get("type") if isinstance(kind, dict) else kind


def _third(body: bytes) -> str | Rejected:
    """The third field, after a text and a number."""
    try:
        length, at = read_varint(body, 0)
        if length < 0:
            raise ValueError
        _, at = read_varint(body, at + length)
        length, at = read_varint(body, at)
        if not 0 <= length <= len(body) - at:
            raise ValueError
        return body[at : at + length].decode()
    except (IndexError, ValueError):  # UnicodeDecodeError is one
        return Rejected("BadBody", "the first fields do not read")
