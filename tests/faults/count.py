"""What is lost, and what is there twice: ids in the tables and on the topics beside those that were sent."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from clickhouse_connect.driver.client import Client

from consumers.deadletters.browse import merged, read_dead_letters
from schemas.codec import Codec, Rejected
from schemas.reader import read_all
from schemas.registry import CommittedRegistry
from schemas.topics import CATALOGUE
from tradewind.settings import Settings

#: Tables whose topic is written by our agents; what they deliver again is there twice, under the same id.
_MADE = {"answers_drafted": "answers-drafted.v1", "listings_enriched": "listings-enriched.v1"}


@dataclass(frozen=True, slots=True)
class Tally:
    """One set of ids beside the one that is expected.

    Attributes:
        lost: expected, and not there.
        duplicates: there beyond once for each id.
        foreign: ids that nobody expects.
    """

    lost: int
    duplicates: int
    foreign: int

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.lost + other.lost, self.duplicates + other.duplicates, self.foreign + other.foreign)


def tally(expected: Collection[uuid.UUID], found: Iterable[uuid.UUID]) -> Tally:
    """Compare."""
    there = Counter(found)
    return Tally(
        lost=sum(1 for each in expected if each not in there),
        duplicates=sum(times - 1 for times in there.values()),
        foreign=len(there.keys() - set(expected)),
    )


def stored(client: Client, expected: Mapping[str, Collection[uuid.UUID]]) -> Tally:
    """Tables as an analyst reads them, under FINAL."""
    total = Tally(0, 0, 0)
    for table, ids in expected.items():
        rows = client.query(f"SELECT event_id FROM {table} FINAL").result_columns
        total += tally(ids, rows[0] if rows else ())
    return total


def on_topics(settings: Settings, expected: Mapping[str, Collection[uuid.UUID]]) -> Tally:
    """Topics that agents write; `duplicates` are deliveries again, which whoever dedupes by id drops."""
    codec, total = Codec(CommittedRegistry()), Tally(0, 0, 0)
    topics = {topic.name: topic for topic in CATALOGUE}
    for table, name in _MADE.items():
        if table not in expected:
            continue
        events = (codec.decode_event(topics[name], each.value()) for each in read_all(settings.kafka_client(), name))
        total += tally(expected[table], (event.event_id for event in events if not isinstance(event, Rejected)))
    return total


def letters_missing(settings: Settings, broken: Collection[bytes]) -> int:
    """Broken messages that are not kept, byte for byte, among the dead letters."""
    codec = Codec(CommittedRegistry())
    kept = Counter(letter.source_value for letter in merged(read_dead_letters(settings, codec)))
    return sum((Counter(broken) - kept).values())
