"""What came of the demo's input, counted in ClickHouse and on the topics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from clickhouse_connect.driver.client import Client

from schemas.codec import Codec, Rejected
from schemas.events import AnswerDrafted, DeadLetter, ListingEnriched, ListingPublished
from schemas.reader import read_all
from schemas.topics import ANSWERS_DRAFTED, DEAD_LETTERS, LISTINGS, LISTINGS_ENRICHED, Topic
from tradewind.settings import Settings


@dataclass(frozen=True, slots=True)
class Sent:
    """What the demo has published, by topic: ids of events, and the bytes of broken messages."""

    listings: frozenset[UUID]
    questions: frozenset[UUID]
    orders: frozenset[UUID]
    broken: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What stands on the topics at the end; broken messages are left out."""

    listings: list[ListingPublished]
    enriched: list[ListingEnriched]
    drafts: list[AnswerDrafted]
    letters: list[DeadLetter]


@dataclass(frozen=True, slots=True)
class Report:
    """The demo's figures. Integers are counts; times are in milliseconds unless they say seconds."""

    listings_published: int
    listings_enriched: int
    questions_published: int
    answers_drafted: int
    orders_published: int
    orders_stored: int
    dead_letters: int
    lost: int
    duplicates: int
    seconds: float
    question_to_draft_p50_ms: float
    question_to_draft_p99_ms: float
    question_to_clickhouse_p50_ms: float
    routes: Mapping[str, int]
    copy_routes: Mapping[str, int]

    def complete(self) -> bool:
        """Whether everything arrived, once."""
        return (
            self.lost == self.duplicates == 0
            and self.listings_enriched == self.listings_published
            and self.answers_drafted == self.questions_published
            and self.orders_stored == self.orders_published
        )

    def as_json(self) -> dict[str, Any]:
        """The figures as a JSON object."""
        return asdict(self)


def stored_ids(client: Client, table: str, column: str = "event_id") -> frozenset[UUID]:
    """Ids in a table, as whoever reads it with FINAL sees them."""
    return frozenset(row[0] for row in client.query(f"SELECT {column} FROM {table} FINAL").result_rows)


def seen_twice(client: Client, table: str) -> int:
    """Rows beyond one for each id, as whoever reads the table with FINAL sees them."""
    return int(client.query(f"SELECT count() - uniqExact(event_id) FROM {table} FINAL").result_rows[0][0])


def read_readable(settings: Settings, codec: Codec, topic: Topic) -> list[Any]:
    """Every event on the topic that decodes."""
    decoded = (codec.decode_event(topic, message.value()) for message in read_all(settings.kafka_client(), topic.name))
    return [event for event in decoded if not isinstance(event, Rejected)]


def read_outcome(settings: Settings, codec: Codec) -> Outcome:
    """Read it from the topics."""
    return Outcome(
        listings=read_readable(settings, codec, LISTINGS),
        enriched=read_readable(settings, codec, LISTINGS_ENRICHED),
        drafts=read_readable(settings, codec, ANSWERS_DRAFTED),
        letters=read_readable(settings, codec, DEAD_LETTERS),
    )


def count(client: Client, outcome: Outcome, sent: Sent, seconds: float) -> Report:
    """Everything the report says, but for what is compared with the wall clock."""
    drafted, enriched, letters = outcome.drafts, outcome.enriched, outcome.letters
    stored = {
        "listings": stored_ids(client, "listings"),
        "questions": stored_ids(client, "questions"),
        "orders": stored_ids(client, "orders"),
        "listings_enriched": stored_ids(client, "listings_enriched", "source_event_id"),
        "answers_drafted": stored_ids(client, "answers_drafted", "source_event_id"),
    }
    lost = (
        len(sent.listings - stored["listings"])
        + len(sent.questions - stored["questions"])
        + len(sent.orders - stored["orders"])
        + len(sent.listings - stored["listings_enriched"])
        + len(sent.questions - stored["answers_drafted"])
        + missing_letters(sent.broken, letters)
    )
    duplicates = sum(seen_twice(client, table) for table in (*stored, "dead_letters"))
    for events in (drafted, enriched):
        duplicates += len(events) - len({event.event_id for event in events})
    p50, p99, stored_p50 = client.query(
        """
        SELECT quantileExact(0.5)(draft), quantileExact(0.99)(draft), quantileExact(0.5)(stored)
        FROM (
            SELECT dateDiff('millisecond', asked_at, occurred_at) AS draft,
                   dateDiff('millisecond', asked_at, _inserted_at) AS stored
            FROM answers_drafted FINAL
        )
        """
    ).result_rows[0]
    return Report(
        listings_published=len(sent.listings),
        listings_enriched=len(sent.listings & stored["listings_enriched"]),
        questions_published=len(sent.questions),
        answers_drafted=len(sent.questions & stored["answers_drafted"]),
        orders_published=len(sent.orders),
        orders_stored=len(sent.orders & stored["orders"]),
        dead_letters=len({letter.event_id for letter in letters}),
        lost=lost,
        duplicates=duplicates,
        seconds=round(seconds, 1),
        question_to_draft_p50_ms=float(p50),
        question_to_draft_p99_ms=float(p99),
        question_to_clickhouse_p50_ms=float(stored_p50),
        routes=_count_of(event.route.value for event in drafted),
        copy_routes=_count_of(event.route.value for event in enriched),
    )


def missing_letters(broken: Iterable[tuple[str, bytes]], letters: Iterable[DeadLetter]) -> int:
    """Broken messages without a dead letter of the same topic and the same bytes."""
    # Two readers may have put the same message aside, with the same id: it is one letter.
    once = {letter.event_id: letter for letter in letters}.values()
    kept = Counter((letter.source_topic, letter.source_value) for letter in once)
    kept.subtract(Counter(broken))
    return -sum(left for left in kept.values() if left < 0)


def _count_of(values: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))
