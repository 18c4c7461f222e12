"""A message that is pushed: held as Kafka gave it, decoded when the first device wants it, written once for all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import orjson

from schemas.codec import Codec, Rejected
from streams.gateway.cursor import PUSHED

#: Bytes that a message takes in memory beside its value.
OVERHEAD_BYTES = 400

#: Names of the topics without their version, as devices know them.
NAMES = tuple(topic.name.partition(".")[0] for topic in PUSHED)


@dataclass(slots=True, eq=False)
class Pushed:
    """One message of a topic that is pushed.

    Attributes:
        topic: its place in `PUSHED`.
        at_ms: Kafka's timestamp.
        merchant_id: whose it is.
        seq: the order in which this process saw it; -1 where it is not in its memory.
        kept_ms: when its time in memory began.
        wire_size: bytes that it had in Kafka.
        cursor: where a device is that follows live and has just received this; None where nobody did when it came.
    """

    topic: int
    partition: int
    offset: int
    at_ms: int
    merchant_id: str
    value: bytes = field(repr=False)
    seq: int = -1
    kept_ms: float = 0.0
    cursor: str | None = field(default=None, repr=False)
    wire_size: int = field(init=False, repr=False)
    _event: bytes | None = field(default=None, repr=False)
    _text: str | None = field(default=None, repr=False)
    _sse: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.wire_size = len(self.value)

    @property
    def size(self) -> int:
        """Bytes that it takes in memory, about."""
        return OVERHEAD_BYTES + len(self.value) + (len(self._event) if self._event else 0)

    def decode(self, codec: Codec) -> Rejected | None:
        """See that the event is there as JSON; gives why it can't be.

        An event of another merchant than the first bytes said is taken for undecodable: it is nobody's.

        Raises:
            RegistryUnavailable: not for a message whose merchant was read, for then the schema is known.
        """
        if self._event is None:
            datum = codec.decode(PUSHED[self.topic], self.value)
            if isinstance(datum, Rejected):
                return datum
            if datum["merchant_id"] != self.merchant_id:
                return Rejected("BadBody", "the merchant is another than the first bytes say")
            self._event = event_json(datum)
            self.value = b""
        return None

    def text(self, cursor: str, now_ms: int) -> str:
        """The message as JSON, for WebSocket; it has been decoded."""
        return self._written(cursor, now_ms).decode()

    def sse(self, cursor: str, now_ms: int) -> bytes:
        """The message as a server-sent event."""
        head = f"id: {cursor}\nevent: {NAMES[self.topic]}\ndata: "
        return b"".join((head.encode(), self._written(cursor, now_ms), b"\n\n"))

    def live_text(self, now_ms: int) -> str:
        """As `text`, written once for all who follow live."""
        if self._text is None:
            self._text = self.text(self.cursor or "", now_ms)
        return self._text

    def live_sse(self, now_ms: int) -> bytes:
        """As `sse`, written once for all who follow live."""
        if self._sse is None:
            self._sse = self.sse(self.cursor or "", now_ms)
        return self._sse

    def forget_written(self) -> None:
        """Free what was written for those who follow live; it can be written again."""
        self._text = self._sse = None

    def _written(self, cursor: str, now_ms: int) -> bytes:
        head = (
            f'{{"id":"{cursor}","type":"{NAMES[self.topic]}","topic":"{PUSHED[self.topic].name}",'
            f'"partition":{self.partition},"offset":{self.offset},"published_at":{self.at_ms},"pushed_at":{now_ms},'
            '"event":'
        )
        return b"".join((head.encode(), self._event or b"null", b"}"))


def event_json(datum: Mapping[str, Any]) -> bytes:
    """A decoded record as JSON: money as text, times in ISO 8601 and UTC, ids as text."""
    return orjson.dumps(datum, _plain, orjson.OPT_PASSTHROUGH_DATETIME)


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(type(value).__name__)
