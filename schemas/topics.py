"""The topic catalogue: every topic there is, with its key, record, partitions and retention."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

DAY_MS = 24 * 60 * 60 * 1000

#: Listings and questions must have the same count and partitioner, so that a question meets its listing in one worker.
PARTITIONS = 8


#: Who writes what others ask of us; everything else is made by ourselves.
PLATFORM = "platform"


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic.

    Attributes:
        name: name in Kafka.
        key: field of the record whose UTF-8 bytes are the message key.
        record: name of the Avro record in the value.
        written_by: who produces to it.
        doc: what it is for.
        partitions: partition count; one worker or sink can work on each.
        retention_ms: how long Kafka keeps a message, in milliseconds.
        cleanup: Kafka's cleanup.policy. A compacted topic keeps the last message of each key for ever.
        max_message_bytes: largest message that the topic takes, in bytes.
    """

    name: str
    key: str
    record: str
    written_by: str
    doc: str
    partitions: int = PARTITIONS
    retention_ms: int = 30 * DAY_MS
    cleanup: Literal["delete", "compact"] = "delete"
    max_message_bytes: int = 2 * 1024 * 1024

    @property
    def subject(self) -> str:
        """Subject in the schema registry (Confluent's TopicNameStrategy)."""
        return f"{self.name}-value"

    def config(self) -> dict[str, str]:
        """Topic settings in Kafka's own names."""
        return {
            "cleanup.policy": self.cleanup,
            "retention.ms": str(self.retention_ms),
            "max.message.bytes": str(self.max_message_bytes),
        }


LISTINGS = Topic(
    "listings.v1",
    "listing_id",
    "ListingPublished",
    PLATFORM,
    "New and changed listings, as sellers write them.",
    # The answer agent reads it from the beginning to know the listings; a listing must not age out of it.
    cleanup="compact",
)
QUESTIONS = Topic("questions.v1", "listing_id", "QuestionAsked", PLATFORM, "Questions that buyers ask on a listing.")
ORDERS = Topic("orders.v1", "order_id", "OrderEvent", PLATFORM, "Order lines, as they are placed and move on.")
LISTINGS_ENRICHED = Topic(
    "listings-enriched.v1",
    "listing_id",
    "ListingEnriched",
    "enrich agent",
    "Copy for listings, with its route.",
)
ANSWERS_DRAFTED = Topic(
    "answers-drafted.v1",
    "listing_id",
    "AnswerDrafted",
    "answer agent",
    "Drafted answers with evidence and route.",
)
ANSWERS_REVIEWED = Topic(
    "answers-reviewed.v1",
    "listing_id",
    "AnswerReviewed",
    "console",
    "What people decided about drafts.",
    retention_ms=365 * DAY_MS,
)
INSIGHTS = Topic(
    "insights.v1", "merchant_id", "OpsInsight", "insights agent", "What stands out in a merchant's numbers."
)
DEAD_LETTERS = Topic(
    "dead-letters.v1",
    "source_topic",
    "DeadLetter",
    "everyone",
    "Messages that could not be processed, with their original bytes.",
    # A dead letter holds a whole message of up to the others' limit, and some words about it.
    max_message_bytes=3 * 1024 * 1024,
)

CATALOGUE: tuple[Topic, ...] = (
    LISTINGS,
    QUESTIONS,
    ORDERS,
    LISTINGS_ENRICHED,
    ANSWERS_DRAFTED,
    ANSWERS_REVIEWED,
    INSIGHTS,
    DEAD_LETTERS,
)
_BY_NAME = {topic.name: topic for topic in CATALOGUE}
_BY_RECORD = {topic.record: topic for topic in CATALOGUE}


class UnknownTopic(KeyError):
    """The catalogue has no such topic."""

    def __str__(self) -> str:
        return str(self.args[0])


def topic_named(name: str) -> Topic:
    """The topic of that name; the version may be left out (`orders` for `orders.v1`).

    Raises:
        UnknownTopic: with the names there are.
    """
    topic = _BY_NAME.get(name) or _BY_NAME.get(f"{name}.v1")
    if topic is None:
        raise UnknownTopic(f"no topic named {name!r}; there are {', '.join(_BY_NAME)}")
    return topic


def topic_of_record(record: str) -> Topic:
    """The topic that carries this record."""
    return _BY_RECORD[record]
