"""How far one stream has come, and what it gets next: from Kafka, then from memory, then live. Pure.

A stream gets each of its merchant's messages once, and misses none, because in each partition it takes consecutive
stretches: what Kafka had up to where memory begins, what memory has up to its end, and from there on what is added.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from streams.gateway import cursor
from streams.gateway.cursor import PUSHED, Offsets
from streams.gateway.history import History
from streams.gateway.message import Pushed

EVERYTHING = tuple(range(len(PUSHED)))

#: A partition: its topic's place in `PUSHED`, and its number.
Place = tuple[int, int]


class Piece(NamedTuple):
    """A message to send, and where the stream is with it; None where that is what the message itself says."""

    message: Pushed
    cursor: str | None


@dataclass(frozen=True, slots=True)
class Missing:
    """Offsets that Kafka no longer has, from `first` up to `last`; whose they were can't be told."""

    topic: int
    partition: int
    first: int
    last: int


class Reading:
    """One stream's place.

    Args:
        merchant_id: whose messages it gets; no other's.
        topics: places in `PUSHED` of those that it wants.

    Attributes:
        offsets: the next offsets that are to come; None while it follows live, and has what the tail has.
        seen: number of the next message in memory to look at.
    """

    __slots__ = ("merchant_id", "offsets", "seen", "topics")

    def __init__(self, history: History, merchant_id: str, topics: Sequence[int] = EVERYTHING) -> None:
        self.merchant_id = merchant_id
        self.topics = tuple(topics)
        self.offsets: list[list[int]] | None = None
        self.seen = history.next_seq

    def resume(self, history: History, offsets: Offsets) -> None:
        """Go on from there. A partition that was added since is read from its beginning.

        Of topics that it does not want it has what the tail has, as when it follows live.
        """
        self.offsets = [
            [given[number] if number < len(given) else 0 for number in range(len(known))]
            if topic in self.topics
            else list(known)
            for topic, (given, known) in enumerate(zip(offsets, history.position, strict=True))
        ]
        self.find_place(history)

    def find_place(self, history: History) -> bool:
        """Go on from memory, if it has everything that is to come; else Kafka has to be asked."""
        if self.offsets is None:
            return True
        self._fit(history)
        if not history.covers(self.offsets, self.topics):
            return False
        self.seen = history.place_of(self.offsets, self.topics)
        return True

    def ahead(self, history: History) -> bool:
        """Whether its cursor names offsets that the tail has not come to."""
        self._fit(history)
        return self.offsets is not None and not history.reached(self.offsets, self.topics)

    def begin_anew(self, history: History, ends: Mapping[Place, int]) -> list[Missing]:
        """Begin at the beginning of partitions that end before what the cursor names: they are others than those.

        Args:
            ends: up to where Kafka says that each partition reaches.
        """
        lost = []
        for topic in self.topics if self.offsets is not None else ():
            for number, at in enumerate(self.offsets[topic] if self.offsets is not None else ()):
                if at > max(ends.get((topic, number), 0), history.position[topic][number]):
                    lost.append(Missing(topic, number, at, at + 1))
        for each in lost:
            assert self.offsets is not None
            self.offsets[each.topic][each.partition] = 0
        return lost

    def left_behind(self, history: History) -> bool:
        """Whether memory has let go what it was to get next."""
        return self.seen < history.first_seq

    def cursor(self, history: History) -> str:
        """Where it is when it has got all that there is for it in memory."""
        return history.cursor if self.offsets is None else cursor.encode(self.offsets)

    def take(self, history: History, limit: int) -> list[Piece]:
        """What it gets next from memory; nothing where it has everything. `left_behind` is asked before."""
        self._fit(history)
        pieces: list[Piece] = []
        while not pieces:
            found = history.since(self.merchant_id, self.seen, limit)
            if not found:
                self.seen = history.next_seq
                if self.offsets is not None and history.reached(self.offsets, self.topics):
                    self.offsets = None
                break
            pieces = self._wanted(found)
            self.seen = found[-1].seq + 1
        return pieces

    def scanned(self, found: Iterable[Pushed], reached: Mapping[Place, int]) -> list[Piece]:
        """What it gets of messages that were read from Kafka for it, and perhaps for others.

        Args:
            found: messages in the order of their offsets, none left out of this merchant's.
            reached: how far their partitions have been read with them.
        """
        pieces = self._wanted(message for message in found if message.merchant_id == self.merchant_id)
        if self.offsets is not None:
            for (topic, partition), offset in reached.items():
                if topic in self.topics:
                    self.offsets[topic][partition] = max(self.offsets[topic][partition], offset)
        return pieces

    def skip(self, missing: Iterable[Missing]) -> list[Missing]:
        """Pass over what Kafka no longer has; gives what of it this stream was to get."""
        passed = []
        for each in missing:
            at = self.offsets[each.topic][each.partition] if self.offsets is not None else each.last
            if each.topic in self.topics and self.offsets is not None and at < each.last:
                self.offsets[each.topic][each.partition] = each.last
                passed.append(Missing(each.topic, each.partition, max(at, each.first), each.last))
        return passed

    def _fit(self, history: History) -> None:
        """Partitions may have been added since."""
        for given, known in zip(self.offsets or (), history.position, strict=self.offsets is not None):
            given.extend([0] * (len(known) - len(given)))

    def _wanted(self, found: Iterable[Pushed]) -> list[Piece]:
        pieces = []
        for message in found:
            if message.topic not in self.topics:
                continue
            if self.offsets is None:
                pieces.append(Piece(message, None))
            elif message.offset >= self.offsets[message.topic][message.partition]:
                self.offsets[message.topic][message.partition] = message.offset + 1
                pieces.append(Piece(message, cursor.encode(self.offsets)))
        return pieces
