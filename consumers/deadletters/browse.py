"""Reading dead letters from their topic, which has the original bytes; ClickHouse only has their size and checksum."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from consumers.deadletters.where import Condition
from schemas.codec import Codec
from schemas.dead_letters import whole
from schemas.events import DeadLetter
from schemas.reader import read_all
from schemas.topics import DEAD_LETTERS
from tradewind.settings import Settings


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which dead letters to choose; what is None is not asked for.

    Attributes:
        topic: the topic they came from.
        stage: who gave up.
        error_class: what kind of failure.
        since: put aside at this time or later.
        until: put aside before this time.
        conditions: of the language of `where.py`; all must hold.
    """

    topic: str | None = None
    stage: str | None = None
    error_class: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    conditions: tuple[Condition, ...] = ()

    def matches(self, letter: DeadLetter) -> bool:
        """Whether the letter is one of them."""
        return (
            (self.topic is None or letter.source_topic == self.topic)
            and (self.stage is None or letter.stage == self.stage)
            and (self.error_class is None or letter.error_class == self.error_class)
            and (self.since is None or letter.occurred_at >= self.since)
            and (self.until is None or letter.occurred_at < self.until)
            and all(condition.holds(letter) for condition in self.conditions)
        )


class NoSuchDeadLetter(LookupError):
    """No dead letter has this id."""


def merged(letters: Iterable[DeadLetter]) -> list[DeadLetter]:
    """One letter for each id, the newest first.

    The same message may be put aside by several stages, and a replay writes the letter down again with a higher
    count. The last one read stays, with the highest count of them all.
    """
    by_id: dict[uuid.UUID, DeadLetter] = {}
    for letter in letters:
        earlier = by_id.get(letter.event_id)
        replays = max(letter.replays, earlier.replays if earlier else 0)
        by_id[letter.event_id] = replace(letter, replays=replays)
    return sorted(by_id.values(), key=lambda letter: (letter.occurred_at, letter.event_id), reverse=True)


def select(letters: Iterable[DeadLetter], wanted: Wanted, newest: int | None = None) -> list[DeadLetter]:
    """The wanted letters, the newest first, no more than `newest`."""
    return [letter for letter in merged(letters) if wanted.matches(letter)][:newest]


def find(letters: Iterable[DeadLetter], event_id: uuid.UUID) -> DeadLetter:
    """The letter with this id.

    Raises:
        NoSuchDeadLetter: there is none.
    """
    for letter in merged(letters):
        if letter.event_id == event_id:
            return letter
    raise NoSuchDeadLetter(f"no dead letter has the id {event_id}; list them: tradewind deadletters ls")


def hexdump(data: bytes, width: int = 16) -> Iterator[str]:
    """Lines with the offset, the bytes in hexadecimal, and the printable ASCII among them."""
    for start in range(0, len(data), width):
        row = data[start : start + width]
        text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
        yield f"{start:08x}  {row.hex(' '):<{width * 3 - 1}}  |{text}|"


def read_dead_letters(settings: Settings, codec: Codec) -> Iterator[DeadLetter]:
    """All dead letters that the topic has now, each partition in order. What does not decode is left out.

    Raises:
        KafkaException: Kafka can't be reached, has no such topic, or stopped answering.
    """
    for message in read_all(settings.kafka_client(), DEAD_LETTERS.name):
        letter = codec.decode_event(DEAD_LETTERS, message.value())
        if isinstance(letter, DeadLetter):
            yield whole(letter)
