"""What was pushed lately, in memory, for devices that come back; and how far the tail has read. Pure.

Everything from `floor` to `position` of each partition is here, whoever's it is, in the order in which the tail saw it.
Who follows live reads from here as well: a stream has no queue of its own but a place in this one, which costs nothing
while it is idle, and a device that does not read is left behind by it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Sequence

from streams.gateway import cursor
from streams.gateway.cursor import PUSHED, Offsets
from streams.gateway.message import Pushed

#: A note of the positions is taken every so many messages, so that a cursor finds its place quickly.
_NOTE_EVERY = 256


class History:
    """Messages of all merchants.

    Args:
        keep_ms: for how long a message is kept.
        keep_bytes: how much memory all of them may take.

    Attributes:
        position: the next offset that the tail will read.
        floor: from which offset on everything is here.
        next_seq: number of the next message.
        first_seq: number of the oldest one here.
        bytes: memory that they take, about.
    """

    def __init__(self, keep_ms: float, keep_bytes: int) -> None:
        self._keep_ms = keep_ms
        self._keep_bytes = keep_bytes
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.position: list[list[int]] = [[] for _ in PUSHED]
        self.floor: list[list[int]] = [[] for _ in PUSHED]
        self.next_seq = getattr(self, "next_seq", 0)  # never begins again, for streams remember it
        self.first_seq = self.next_seq
        self.bytes = 0
        self._all: deque[Pushed] = deque()
        self._by_merchant: dict[str, list[Pushed]] = {}
        self._notes: deque[tuple[int, tuple[tuple[int, ...], ...]]] = deque()
        self._cursor: str | None = None

    def __len__(self) -> int:
        """Messages that are here."""
        return len(self._all)

    @property
    def cursor(self) -> str:
        """The cursor of who has everything up to now."""
        if self._cursor is None:
            self._cursor = cursor.encode(self.position)
        return self._cursor

    def begin(self, topic: int, partition: int, offset: int) -> None:
        """A partition is read from this offset on."""
        for table in (self.position, self.floor):
            table[topic].extend([0] * (partition + 1 - len(table[topic])))
            table[topic][partition] = offset
        self._cursor = None

    def advance(self, topic: int, partition: int, offset: int) -> None:
        """There is nothing more up to this offset, which Kafka may know of without a message there."""
        if offset > self.position[topic][partition]:
            self.position[topic][partition] = offset
            self._cursor = None

    def add(self, message: Pushed, kept_ms: float) -> None:
        """Take in the next message of its partition, and number it.

        Args:
            kept_ms: when its time here begins.
        """
        if self.next_seq % _NOTE_EVERY == 0:
            self._notes.append((self.next_seq, tuple(map(tuple, self.position))))
        message.seq = self.next_seq
        self.next_seq += 1
        message.kept_ms = kept_ms
        self._all.append(message)
        self._by_merchant.setdefault(message.merchant_id, []).append(message)
        self.bytes += message.size
        self.position[message.topic][message.partition] = message.offset + 1
        self._cursor = None

    def grew(self, more_bytes: int) -> None:
        """A message that is here takes so much more memory."""
        self.bytes += more_bytes

    def evict(self, now_ms: float) -> None:
        """Let go what is too old, or too much; the newest message is kept."""
        gone: dict[str, int] = {}
        while len(self._all) > 1 and (self.bytes > self._keep_bytes or self._all[0].kept_ms < now_ms - self._keep_ms):
            message = self._all.popleft()
            self.bytes -= message.size
            self.floor[message.topic][message.partition] = message.offset + 1
            gone[message.merchant_id] = gone.get(message.merchant_id, 0) + 1
        for merchant_id, count in gone.items():
            mine = self._by_merchant[merchant_id]
            if count == len(mine):
                del self._by_merchant[merchant_id]
            else:
                del mine[:count]
        self.first_seq = self._all[0].seq if self._all else self.next_seq
        while self._notes and self._notes[0][0] < self.first_seq:
            self._notes.popleft()

    def covers(self, offsets: Offsets, topics: Sequence[int]) -> bool:
        """Whether everything from these offsets on is here, of these topics."""
        return all(at >= floor for topic in topics for at, floor in zip(offsets[topic], self.floor[topic], strict=True))

    def reached(self, offsets: Offsets, topics: Sequence[int]) -> bool:
        """Whether the tail has read up to these offsets, of these topics."""
        return all(
            position >= at
            for topic in topics
            for at, position in zip(offsets[topic], self.position[topic], strict=True)
        )

    def place_of(self, offsets: Offsets, topics: Sequence[int]) -> int:
        """A number below which no message has one of these offsets or a later one; the search begins there."""
        found = self.first_seq
        low, high = 0, len(self._notes)
        while low < high:  # positions only grow, so the notes at or below the offsets come first
            middle = (low + high) // 2
            seq, note = self._notes[middle]
            if all(then <= now for topic in topics for then, now in zip(note[topic], offsets[topic])):  # noqa: B905
                found, low = seq, middle + 1
            else:
                high = middle
        return found

    def since(self, merchant_id: str, seq: int, limit: int) -> list[Pushed]:
        """The merchant's messages from that number on, at most so many."""
        mine = self._by_merchant.get(merchant_id)
        if not mine or mine[-1].seq < seq:
            return []
        start = bisect_left(mine, seq, key=lambda message: message.seq)
        return mine[start : start + limit]
