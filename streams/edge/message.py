"""What comes down the stream: drafts, enriched listings, insights; and what is known of those that came before."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

#: Messages that are about the stream. The gateway's sign of life is one too: what has no place is for nobody but us.
HELLO, GAP, PING = "hello", "gap", "ping"


@dataclass(frozen=True, slots=True)
class Message:
    """One message.

    Attributes:
        id: the cursor after it.
        type: answers-drafted, listings-enriched or insights; `gap` where the gateway says that some are gone for good.
        place: topic, partition and offset in Kafka; None for a gap. The same message has the same one.
        event: the record; empty for a gap.
        published_at, pushed_at: when Kafka got it, and when the gateway sent it; milliseconds since 1970.
        data: all that the gateway sent.
    """

    id: str
    type: str
    place: tuple[str, int, int] | None
    event: dict[str, Any]
    published_at: int | None
    pushed_at: int | None
    data: dict[str, Any]


def read_message(text: str | bytes) -> Message | None:
    """The message of a frame; None for what is none, such as the answer to a ping.

    Raises:
        ValueError: it is no JSON object, or one that does not say where it stands in Kafka.
    """
    data = json.loads(text)
    if not isinstance(data, dict):
        raise ValueError("a message that is no JSON object")
    kind, cursor = data.get("type"), data.get("id")
    if not isinstance(kind, str) or not isinstance(cursor, str):
        return None
    place = None
    if "topic" in data:
        try:
            place = (str(data["topic"]), int(data["partition"]), int(data["offset"]))
        except (KeyError, TypeError):
            raise ValueError("a message without its place") from None
    return Message(cursor, kind, place, data.get("event") or {}, data.get("published_at"), data.get("pushed_at"), data)


class Seen:
    """The last so many messages, so that one which comes again is known.

    Kafka's time belongs to what makes a message the same: a topic that is made anew begins at offset 0 again.
    """

    def __init__(self, remember: int) -> None:
        self._remember = remember
        self._known: OrderedDict[tuple[Any, ...], None] = OrderedDict()

    def is_new(self, message: Message) -> bool:
        """Whether it comes for the first time; remembers it."""
        if message.place is None:
            return True
        known = (*message.place, message.published_at)
        if known in self._known:
            return False
        self._known[known] = None
        if len(self._known) > self._remember:
            self._known.popitem(last=False)
        return True


class SseLines:
    """The `data` of server-sent events, fed with bytes as they come (HTML standard, 9.2.6).

    An id without data, which only says how far the stream has come, is given as what a WebSocket has in its place.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []
        self._id = b""

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """The data of each event that is complete now."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for raw in lines:
            line = raw.removesuffix(b"\r")
            if not line:
                if self._data:
                    yield b"\n".join(self._data)
                elif self._id:
                    yield json.dumps({"id": self._id.decode(), "type": PING}).encode()
                self._data, self._id = [], b""
                continue
            name, _, value = line.partition(b":")
            if name == b"data":
                self._data.append(value.removeprefix(b" "))
            elif name == b"id":
                self._id = value.removeprefix(b" ")
